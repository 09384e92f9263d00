// Products with a weight of two bytes a value: C = act(A * W^T + bias) + residual, W in bf16 or IEEE 754's half.
//
//   half_pack<F>           a panel of a weight, once
//   half_matmul<F>         rows by a range of panels, values widened as they are read
//   half_widen<F>          a panel as kernels/matmul.hpp takes it, for many rows once
//   Bf16Rows, bf16_read, bf16_matmul      where the machine multiplies pairs of bf16 (AVX512_BF16): rows of A are
//                          rounded to bf16 as they are read, each value for itself
//
// Widened, every element is the chain of kernels/matmul.hpp over the stored values: the numbers of a float weight that
// holds them. With pairs it is one chain too, over steps of two columns: fma of the second column, then of the first,
// to nearest even and with subnormal numbers taken as zero whatever the caller's mode (Intel's VDPBF16PS): other
// numbers than a build without it, and the same ones for any tile, block or thread.
//
// A panel of (panel_width, depth) is ceil(depth / 2) steps of panel_width floats' room: for each two columns a pair of
// each row, the even column first. Where the machine widens vectors of halves (F16C, AVX-512, aarch64) f16 has the even
// column of all rows and then the odd one. A column that is missing is zero.
#pragma once
#include <vitrine/core/half.hpp>
#include <vitrine/core/storage.hpp>
#include <vitrine/kernels/matmul.hpp>

#include <vitrine/core/macros_push.hpp>

#if VITRINE_VECTOR_BYTES == 64 || (VITRINE_VECTOR_BYTES == 32 && VITRINE_ABI_LEVEL == 3) || \
    (VITRINE_VECTOR_BYTES == 16 && defined(__aarch64__))
#define VITRINE_F16_VECTORS 1
#else
#define VITRINE_F16_VECTORS 0
#endif

namespace vitrine::inline VITRINE_ABI::kernels {

// Are rows rounded to bf16 and multiplied in pairs by this build? Else bf16 is widened, as f16 always is.
inline constexpr bool bf16_pairs = VITRINE_BF16_PAIRS != 0;

// Has f16 the even column of all rows of a panel and then the odd one in this build? Else pairs, as bf16.
inline constexpr bool f16_by_columns = VITRINE_F16_VECTORS != 0;

// Floats' room that a row of so many columns takes in its panel.
constexpr Index half_columns(Index depth) { return depth / 2 + depth % 2; }

// Do values widen in less time than the products of a tile take? bf16 by a shift; f16 by an instruction that is slow
// for 512 bits (13 % of a tile on Zen 4), and by a dozen without it. Without vectors room is scarcer than time.
template <Storage F>
inline constexpr bool half_widens_freely = F == Storage::bf16 || VITRINE_VECTOR_BYTES == 0 ||
                                           (VITRINE_F16_VECTORS != 0 && VITRINE_VECTOR_BYTES < 64);

namespace detail {

typedef std::uint16_t Half __attribute__((may_alias));
using HalfVector = simd<float>;
using HalfLanes = HalfVector::ivec;
inline constexpr Index half_lanes = HalfVector::lanes;

// Where row `row` of a panel has column k, in halves.
template <Storage F>
constexpr Index half_place(Index row, Index k) {
  constexpr Index width = panel_width<float>;
  if (F == Storage::f16 && VITRINE_F16_VECTORS != 0) return k * width + row;
  return (k / 2 * width + row) * 2 + k % 2;
}

template <Storage F>
constexpr Half to_half(float x) {
  return F == Storage::f16 ? float_to_half(x) : float_to_bfloat16(x);
}
template <Storage F>
constexpr float from_half(Half x) {
  return F == Storage::f16 ? half_to_float(x) : bfloat16_to_float(x);
}

#if VITRINE_F16_VECTORS
VITRINE_INLINE HalfVector::vec half_vector(const Half* from) {
#if VITRINE_VECTOR_BYTES == 64
  const auto halves = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
  return reinterpret_cast<HalfVector::vec>(_mm512_maskz_cvtph_ps(0xFFFF, halves));  // g++ 12 warns of the one without
#elif VITRINE_VECTOR_BYTES == 32
  return reinterpret_cast<HalfVector::vec>(_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from))));
#else
  return reinterpret_cast<HalfVector::vec>(vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(from))));
#endif
}
#endif

// Finite halves in the low bits of each lane, exactly, whatever the mode of subnormal numbers.
VITRINE_INLINE HalfVector::vec half_bits(HalfLanes x) {
  using V = HalfVector;
  const HalfLanes size = x & V::iset1(0x7FFF), sign = (x & V::iset1(0x8000)) << 16;
  const HalfLanes bits = (size << 13) + V::iset1(0x38000000);
  const auto subnormal = V::from_bits(bits + V::iset1(0x00800000)) - V::set1(0x1p-14f);
  return V::from_bits(V::bits(V::select(V::ilt(size, V::iset1(0x0400)), subnormal, V::from_bits(bits))) | sign);
}

// Column `odd` of a step of two, of the rows of one of a panel's two vectors.
template <Storage F>
VITRINE_INLINE HalfVector::vec half_column(const float* step, Index vector, int odd) {
  using V = HalfVector;
#if VITRINE_F16_VECTORS
  if constexpr (F == Storage::f16)
    return half_vector(reinterpret_cast<const Half*>(step) + odd * panel_width<float> + vector * half_lanes);
#endif
  const HalfLanes two = V::bits(V::load(step + vector * half_lanes));
  if constexpr (F == Storage::f16)
    return half_bits(odd != 0 ? two >> 16 : two);
  else
    return V::from_bits(odd != 0 ? two & V::iset1(-0x10000) : two << 16);
}

}  // namespace detail

// A panel of the weight's rows first_row ... from plain rows `b`, into panel_width x half_columns(depth) floats' room.
// Values are rounded to nearest, ties to even, and must stay finite. Allocates nothing.
template <Storage F>
void half_pack(const StridedMatrix<float>& b, Index first_row, Index depth, float* out) {
  constexpr Index width = panel_width<float>;
  auto* const halves = reinterpret_cast<detail::Half*>(out);
  for (Index i = 0; i < width; ++i)
    for (Index k = 0; k < 2 * half_columns(depth); ++k) {
      const bool valid = first_row + i < b.rows && k < depth;
      const float x = valid ? b.data[(first_row + i) * b.row_stride + k * b.col_stride] : 0.0f;
      halves[detail::half_place<F>(i, k)] = detail::to_half<F>(x);
    }
}

// Columns [first, first + count) of row `row` of the panels of a weight of `depth` columns, as floats, exactly.
template <Storage F>
void half_unpack(const float* panels, Index row, Index depth, Index first, Index count, float* out) {
  constexpr Index width = panel_width<float>;
  const auto* const panel = reinterpret_cast<const detail::Half*>(panels + row / width * width * half_columns(depth));
  for (Index i = 0; i < count; ++i) out[i] = detail::from_half<F>(panel[detail::half_place<F>(row % width, first + i)]);
}

// A panel of `depth` columns as pack_panel of kernels/panel.hpp makes it of the same values, exactly.
template <Storage F>
void half_widen(const float* panel, Index depth, float* out) {
  using V = simd<float>;
  constexpr Index width = panel_width<float>;
  for (Index k = 0; k < depth; ++k)
    for (int v = 0; v < 2; ++v)
      V::store(out + k * width + v * detail::half_lanes, detail::half_column<F>(panel + k / 2 * width, v, int(k % 2)));
}

namespace detail {

// How the sums of a tile get further columns. Values are widened: columns one by one.
template <Storage F>
struct HalfWidened {
  static constexpr Storage storage = F;
  static constexpr Index columns = 1;  // of A in a value of its rows

  template <int Rows, int Vectors>
  static VITRINE_INLINE void column(HalfVector::vec (&sums)[Rows][Vectors], const TileProduct<float>& tile,
                                    const float* a, const float* b, int odd) {
    using V = HalfVector;
    V::vec column[Vectors];
#pragma GCC unroll 8
    for (int v = 0; v < Vectors; ++v) column[v] = half_column<F>(b + v / 2 * tile.b_panel, v % 2, odd);
#pragma GCC unroll 16
    for (int r = 0; r < Rows; ++r) {
      const auto value = V::set1(a[r * tile.a_stride + odd]);
#pragma GCC unroll 8
      for (int v = 0; v < Vectors; ++v) sums[r][v] = V::fma(value, column[v], sums[r][v]);
    }
  }
  template <int Rows, int Vectors>
  static VITRINE_INLINE void step(HalfVector::vec (&sums)[Rows][Vectors], const TileProduct<float>& tile,
                                  const float* a, const float* b) {
    column(sums, tile, a, b, 0);
    column(sums, tile, a, b, 1);
  }
  // The last column of an odd depth, behind which A has nothing.
  template <int Rows, int Vectors>
  static VITRINE_INLINE void last(HalfVector::vec (&sums)[Rows][Vectors], const TileProduct<float>& tile,
                                  const float* a, const float* b) {
    column(sums, tile, a, b, 0);
  }
};

#if VITRINE_BF16_PAIRS
// Pairs of A by pairs of the weight, rows of A behind their last column filled up with zero.
struct Bf16Pairs {
  static constexpr Index columns = 2;

  template <int Rows, int Vectors>
  static VITRINE_INLINE void step(HalfVector::vec (&sums)[Rows][Vectors], const TileProduct<float>& tile,
                                  const float* a, const float* b) {
    using V = HalfVector;
    V::vec pairs[Vectors];
#pragma GCC unroll 8
    for (int v = 0; v < Vectors; ++v) pairs[v] = V::load(b + v / 2 * tile.b_panel + v % 2 * half_lanes);
    const Index stride = unknown(tile.a_stride);
#pragma GCC unroll 16
    for (int r = 0; r < Rows; ++r) {
      std::int32_t word;
      __builtin_memcpy(&word, a + r * stride, sizeof word);
      const __m512i two = _mm512_set1_epi32(word);
#pragma GCC unroll 8
      for (int v = 0; v < Vectors; ++v)
        sums[r][v] = reinterpret_cast<V::vec>(_mm512_dpbf16_ps(reinterpret_cast<__m512>(sums[r][v]),
                                                               reinterpret_cast<__m512bh>(two),
                                                               reinterpret_cast<__m512bh>(pairs[v])));
    }
  }
  template <int Rows, int Vectors>
  static VITRINE_INLINE void last(HalfVector::vec (&sums)[Rows][Vectors], const TileProduct<float>& tile,
                                  const float* a, const float* b) {
    step(sums, tile, a, b);
  }
};
#endif

}  // namespace detail

// The micro-kernel: Rows x Panels sums stay in registers over the whole depth. a, a_stride: values of A (pairs of
// bf16); depth: columns; b_step is not looked at. Fewer `Vectors`: as in multiply_tile. Allocates nothing (Goto and van
// de Geijn 2008).
template <class Multiply, int Rows, int Panels, int Vectors = 2 * Panels>
VITRINE_NOINLINE void half_tile(const TileProduct<float>& given) {
  using V = simd<float>;
  constexpr Index width = panel_width<float>;
  const TileProduct<float> tile = given;  // what a store to c may not change
  const float *a = tile.a, *b = tile.b;
  const float* ahead = tile.ahead.from != nullptr ? tile.ahead.from : b;
  typename V::vec sums[Rows][Vectors];
#pragma GCC unroll 16
  for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 8
    for (int v = 0; v < Vectors; ++v)
      sums[r][v] = tile.add_to_c ? V::load(tile.c + r * tile.c_stride + v * detail::half_lanes) : V::zero();
  for (Index steps = tile.depth / 2; steps > 0; --steps, a += 2 / Multiply::columns, b += width) {
    __builtin_prefetch(ahead, 0, 2);
    ahead += tile.ahead.step;
    // Of several panels into the second-level cache, and near their end the panels behind them: a single row then reads
    // 19 % faster.
    const float* const fetched = b + 8 * width + (steps > 8 ? 0 : (Panels - 1) * tile.b_panel);
#pragma GCC unroll 8
    for (int v = 0; v < Vectors; ++v)
      __builtin_prefetch(fetched + v / 2 * tile.b_panel + v % 2 * detail::half_lanes, 0, Panels > 1 ? 2 : 3);
    Multiply::step(sums, tile, a, b);
  }
  if (tile.depth % 2 != 0) Multiply::last(sums, tile, a, b);
  detail::end_tile(sums, tile.end);
#pragma GCC unroll 16
  for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 8
    for (int v = 0; v < Vectors; ++v) V::store(tile.c + r * tile.c_stride + v * detail::half_lanes, sums[r][v]);
}

namespace detail {

#if VITRINE_VECTOR_BYTES == 0
// The part of a tile that is its panel p.
inline TileProduct<float> one_panel(TileProduct<float> tile, Index p) {
  constexpr Index width = panel_width<float>;
  tile.b += p * tile.b_panel, tile.c += p * width;
  if (tile.end.bias != nullptr) tile.end.bias += p * width;
  if (tile.end.residual != nullptr) tile.end.residual += p * width;
  return tile;
}
// Without vectors the tiles of kernels/matmul.hpp do, by some columns at a time that are widened before: that takes a
// fifth of the code.
template <class Multiply>
void half_rows(Index rows, Index panels, const TileProduct<float>& whole) {
  constexpr Index width = panel_width<float>, block = 16;
  float widened[block * width];
  for (Index p = 0; p < panels; ++p) {
    Index k = 0;
    do {
      TileProduct<float> tile = one_panel(whole, p);
      tile.depth = whole.depth - k < block ? whole.depth - k : block;
      half_widen<Multiply::storage>(tile.b + k / 2 * width, tile.depth, widened);
      tile.a += k, tile.b = widened, tile.b_step = width, tile.ahead = {};
      tile.add_to_c = whole.add_to_c || k > 0;
      k += block;
      if (k < whole.depth) tile.end = {};
      multiply_rows(rows, 1, tile);
    } while (k < whole.depth);
  }
}
#else
// rows > 0. Tiles of some numbers of rows; others are two of them, so that there are half as many to compile.
template <class Multiply, int Panels, int Rows, int Vectors = 2 * Panels>
void half_rows(Index rows, const TileProduct<float>& tile) {
  constexpr int fewer = Rows > 8 ? 8 : Rows > 6 ? 6 : Rows > 4 ? 4 : Rows - 1;
  if constexpr (Rows > 1)
    if (rows < Rows) return half_rows<Multiply, Panels, fewer, Vectors>(rows, tile);
  half_tile<Multiply, Rows, Panels, Vectors>(tile);
  if constexpr (Rows > 1) {
    if (rows == Rows) return;
    TileProduct<float> rest = tile;
    rest.a += Rows * tile.a_stride, rest.c += Rows * tile.c_stride;
    if (tile.end.residual != nullptr) rest.end.residual += Rows * tile.end.residual_stride;
    half_rows<Multiply, Panels, fewer, Vectors>(rows - Rows, rest);
  }
}
template <class Multiply>
VITRINE_INLINE void half_rows(Index rows, Index panels, const TileProduct<float>& tile) {
  if (panels == 4)
    half_rows<Multiply, 4, 1>(rows, tile);
  else if (panels == 2)
    half_rows<Multiply, 2, 3>(rows, tile);
  else
    half_rows<Multiply, 1, tile_rows>(rows, tile);
}
#endif

// Values, or pairs of them, by panels of halves.
template <class Multiply>
struct HalfOperands {
  static constexpr Index step_columns = 2, block = depth_block;
  static constexpr Index panel_columns(Index depth) { return half_columns(depth); }
  static constexpr Index together(Index rows) { return panels_at_once(rows); }

  const float* a = nullptr;
  Index stride = 0;

  void begin(Index, Index, Index) const {}
  void multiply(TileProduct<float>& tile, Index row, Index k, Index rows, Index panels) const {
    tile.a = a + row * stride + k / Multiply::columns, tile.a_stride = stride;
    half_rows<Multiply>(rows, panels, tile);
  }
};

}  // namespace detail

// Rows [0, rows) of the product by panels [first_panel, last_panel) of what half_pack<F> made, widened as they are
// read, by each tile of rows again. alpha is 1, no copy. Writes no byte outside c, reads none outside the operands.
template <Storage F>
void half_matmul(const Product<float>& product, Index rows, Index first_panel, Index last_panel) {
  const detail::HalfOperands<detail::HalfWidened<F>> operands{product.a, product.a_stride};
  detail::multiply_panels(product, operands, rows, first_panel, last_panel);
}

#if VITRINE_BF16_PAIRS

// Rows of A as pairs of bf16, in room that the caller has.
struct Bf16Rows {
  float* pairs = nullptr;
  Index stride = 0;  // pairs from one row to the next

  // Room of a row: whole vectors, and a line and a value more, as copy_stride.
  static constexpr Index row_pairs(Index depth) {
    return (half_columns(depth) + 15) / 16 * 16 + (depth >= 512 ? 17 : 0);
  }
  // Rows that fit so many floats' room, one at least in that of a panel of this depth.
  static constexpr Index fitting(Index room, Index depth) { return room / row_pairs(depth); }
  // Over room for `rows` rows.
  static Bf16Rows in(float* room, Index, Index depth) { return {room, row_pairs(depth)}; }
};

namespace detail {

// n values of x in words of two neighbours, each rounded to nearest, ties to even; subnormal numbers become zero. The
// earlier one is in the lower half, or with EarlierFirst in the upper one, which a product takes first. Reads nothing
// behind x.
template <bool EarlierFirst>
void bf16_pair_up(const float* x, Index n, float* to) {
  using V = simd<float>;
  typedef std::uint32_t Words __attribute__((vector_size(64)));
  for (Index k = 0; k < n; k += 2 * V::lanes) {
    const auto low = load_first(x + k, n - k);
    const auto high = n - k > V::lanes ? load_first(x + k + V::lanes, n - k - V::lanes) : V::zero();
    auto both =
        reinterpret_cast<Words>(_mm512_cvtne2ps_pbh(reinterpret_cast<__m512>(high), reinterpret_cast<__m512>(low)));
    if constexpr (EarlierFirst) both = both << 16 | both >> 16;
    V::store(to + k / 2, reinterpret_cast<V::vec>(both));
  }
}

}  // namespace detail

// Row r of `rows` becomes the values of x (depth of them), rounded. Reads nothing behind x.
inline void bf16_read(const float* x, Index depth, const Bf16Rows& rows, Index r) {
  detail::bf16_pair_up<false>(x, depth, rows.pairs + r * rows.stride);
}

// Rows [0, rows) of the product by panels [first_panel, last_panel): product.a is not looked at, the pairs of its rows
// are `a`; product.b is what half_pack<Storage::bf16> made. alpha is 1, no copy. Writes no byte outside c.
inline void bf16_matmul(const Product<float>& product, const Bf16Rows& a, Index rows, Index first_panel,
                        Index last_panel) {
  const detail::HalfOperands<detail::Bf16Pairs> operands{a.pairs, a.stride};
  detail::multiply_panels(product, operands, rows, first_panel, last_panel);
}

#endif

}  // namespace vitrine::inline VITRINE_ABI::kernels

#undef VITRINE_F16_VECTORS

#include <vitrine/core/macros_pop.hpp>
