// Products with a weight of a byte a value: C = act(A * W^T + bias) + residual, W in int8 with a scale for each row,
// the rows of A brought to int8 as they are read, each with a scale of its own (dynamic quantisation; Jacob et al.
// 2018, section 2.2, symmetric).
//
//   int8_pack<...>         a panel of a weight: codes and scales, once
//   Int8Rows               where the codes of some rows of A stand; int8_read fills it
//   int8_matmul            those rows by a range of panels
//
// Sums are in int32 and exact, so that every instruction set, tile and thread gives the same integers; then one float
// for each element, mul(mul(sum, scale of the row of A), scale of the row of W), and the epilogue of
// kernels/matmul.hpp.
//
// A panel of (panel_width, depth) is 1 + ceil(depth / 4) steps of panel_width floats' room: the scales, then for each
// four columns four bytes of each row: code + 128 where the machine multiplies them without a sign (the 128 is taken
// off through the sum of the codes of A), the code itself for NEON.
#pragma once
#include <vitrine/kernels/matmul.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::kernels {

// The deepest product whose sums cannot overflow.
inline constexpr Index int8_deepest = 65536;

// Floats' room that a row of so many columns takes in its panel: the scale and its codes.
constexpr Index int8_columns(Index depth) { return 1 + (depth + 3) / 4; }

namespace detail {

// A code of A as the product reads it. VNNI and NEON multiply bytes; everything else pairs of 16 bits.
#if VITRINE_VECTOR_BYTES == 64 && defined(__AVX512VNNI__)
#define VITRINE_VNNI 1
#define VITRINE_NEON 0
#elif VITRINE_VECTOR_BYTES == 16 && defined(__aarch64__)
#define VITRINE_VNNI 0
#define VITRINE_NEON 1
#else
#define VITRINE_VNNI 0
#define VITRINE_NEON 0
#endif
#if VITRINE_VNNI || VITRINE_NEON
typedef std::int8_t Int8Code __attribute__((may_alias));
#else
typedef std::int16_t Int8Code __attribute__((may_alias));
#endif
typedef float Int8Scale __attribute__((may_alias));
typedef std::int32_t Int8Sum __attribute__((may_alias));

using Int8Vector = simd<float>;
using Int8Sums = Int8Vector::ivec;

// What is added to a weight's code in a panel.
inline constexpr int int8_zero = VITRINE_NEON != 0 ? 0 : 128;

// Where column k of four stands among a row's four bytes: pairs of 16 bits take bytes 0 and 2, then 1 and 3.
constexpr int int8_place(Index k) {
  return sizeof(Int8Code) == 1 || k % 4 == 0 || k % 4 == 3 ? int(k % 4) : int(3 - k % 4);
}

VITRINE_INLINE std::int32_t int8_word(const void* from) {
  std::int32_t word;
  __builtin_memcpy(&word, from, 4);
  return word;
}
VITRINE_INLINE Int8Sums int8_bytes(const unsigned char* from) {
  return Int8Vector::bits(Int8Vector::load(reinterpret_cast<const float*>(from)));
}

#if VITRINE_NEON
// sums + in each lane the four products of its bytes of b and of those of `four`.
VITRINE_INLINE Int8Sums int8_dot(Int8Sums sums, Int8Sums b, std::int32_t four) {
  const auto codes = reinterpret_cast<int8x16_t>(b);
#if defined(__ARM_FEATURE_DOTPROD)
  const int32x2_t first{four, 0};  // not copied to all lanes, which would take a place among the products
  return reinterpret_cast<Int8Sums>(
      vdotq_lane_s32(reinterpret_cast<int32x4_t>(sums), codes, reinterpret_cast<int8x8_t>(first), 0));
#else
  const auto twice = reinterpret_cast<int8x8_t>(vdup_n_s32(four));
  const int16x8_t low = vmull_s8(vget_low_s8(codes), twice), high = vmull_s8(vget_high_s8(codes), twice);
  const int16x8_t pairs = vpaddq_s16(low, high);  // two products of codes fit 16 bits
  return reinterpret_cast<Int8Sums>(vpadalq_s16(reinterpret_cast<int32x4_t>(sums), pairs));
#endif
}
#elif !VITRINE_VNNI
// The sum of two products of 16 bits in each lane.
VITRINE_INLINE Int8Sums int8_pairs(Int8Sums x, Int8Sums y) {
#if VITRINE_VECTOR_BYTES == 64 && defined(__AVX512BW__)
  return reinterpret_cast<Int8Sums>(_mm512_madd_epi16(reinterpret_cast<__m512i>(x), reinterpret_cast<__m512i>(y)));
#elif VITRINE_VECTOR_BYTES == 32 && defined(__AVX2__)
  return reinterpret_cast<Int8Sums>(_mm256_madd_epi16(reinterpret_cast<__m256i>(x), reinterpret_cast<__m256i>(y)));
#elif VITRINE_VECTOR_BYTES == 16 && defined(__SSE2__)
  return reinterpret_cast<Int8Sums>(_mm_madd_epi16(reinterpret_cast<__m128i>(x), reinterpret_cast<__m128i>(y)));
#elif VITRINE_VECTOR_BYTES != 0
  return ((x << 16) >> 16) * ((y << 16) >> 16) + (x >> 16) * (y >> 16);
#else
  Int8Sums sum = x;
  for (int i = 0; i < Int8Vector::lanes; ++i)
    sum.v[i] = std::int16_t(x.v[i]) * std::int16_t(y.v[i]) + (x.v[i] >> 16) * (y.v[i] >> 16);
  return sum;
#endif
}
#endif

// sums[r] += four columns of Rows rows of A by four columns of the panels.
template <int Rows, int Vectors>
VITRINE_INLINE void int8_step(Int8Sums (&sums)[Rows][Vectors], const Int8Code* a, Index a_stride,
                              const Int8Sums (&b)[Vectors]) {
#if VITRINE_VNNI
#pragma GCC unroll 16
  for (int r = 0; r < Rows; ++r) {
    const __m512i four = _mm512_set1_epi32(int8_word(a + r * a_stride));
#pragma GCC unroll 8
    for (int v = 0; v < Vectors; ++v)
      sums[r][v] = reinterpret_cast<Int8Sums>(
          _mm512_dpbusd_epi32(reinterpret_cast<__m512i>(sums[r][v]), reinterpret_cast<__m512i>(b[v]), four));
  }
#elif VITRINE_NEON
#pragma GCC unroll 16
  for (int r = 0; r < Rows; ++r) {
    const std::int32_t four = int8_word(a + r * a_stride);
#pragma GCC unroll 8
    for (int v = 0; v < Vectors; ++v) sums[r][v] = int8_dot(sums[r][v], b[v], four);
  }
#else
  const Int8Sums low = Int8Vector::iset1(0x00FF00FF);
#pragma GCC unroll 2
  for (int half = 0; half < 2; ++half) {
    Int8Sums bytes[Vectors];
#pragma GCC unroll 8
    for (int v = 0; v < Vectors; ++v) bytes[v] = (half == 0 ? b[v] : b[v] >> 8) & low;
#pragma GCC unroll 16
    for (int r = 0; r < Rows; ++r) {
      const Int8Sums two = Int8Vector::iset1(int8_word(a + r * a_stride + Index{2} * half));
#pragma GCC unroll 8
      for (int v = 0; v < Vectors; ++v) sums[r][v] = sums[r][v] + int8_pairs(bytes[v], two);
    }
  }
#endif
}

VITRINE_INLINE Int8Vector::vec int8_floats(Int8Sums x) {
#if VITRINE_VECTOR_BYTES != 0
  return __builtin_convertvector(x, Int8Vector::vec);
#else
  return {{float(x.v[0]), float(x.v[1])}};
#endif
}

// `lanes` integers, each within a byte, as codes.
VITRINE_INLINE void int8_store(Int8Code* to, Int8Sums x) {
#if VITRINE_VNNI
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm512_maskz_cvtepi32_epi8(0xFFFF, reinterpret_cast<__m512i>(x)));
#elif VITRINE_VECTOR_BYTES == 32 && defined(__AVX2__)
  const auto all = reinterpret_cast<__m256i>(x);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to),
                   _mm_packs_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1)));
#elif VITRINE_NEON
  const int16x4_t half = vmovn_s32(reinterpret_cast<int32x4_t>(x));
  const std::int32_t word = vget_lane_s32(vreinterpret_s32_s8(vmovn_s16(vcombine_s16(half, half))), 0);
  __builtin_memcpy(to, &word, sizeof word);
#else
  std::int32_t lanes[Int8Vector::lanes];
  __builtin_memcpy(lanes, &x, sizeof lanes);
  for (int i = 0; i < Int8Vector::lanes; ++i) to[i] = Int8Code(lanes[i]);
#endif
}

// The nearest integers, ties to even, of numbers within a byte: in the low bits behind 1.5 * 2^23.
inline constexpr float int8_magic = 12582912.0f;
VITRINE_INLINE Int8Sums int8_round(Int8Vector::vec x) {
  return Int8Vector::bits(x + Int8Vector::set1(int8_magic)) -
         Int8Vector::iset1(__builtin_bit_cast(std::int32_t, int8_magic));
}

// The scale by which values of at most this size become codes; never so small that its inverse is infinite. Infinite or
// NaN for such a size, and then so is every sum.
VITRINE_INLINE float int8_scale(float largest) {
  const float scale = largest / 127.0f, least = 0x1p-126f;
  return scale < least ? least : scale;
}

// A code of a weight's row, from its scale's inverse.
inline std::int32_t int8_code(float x, float inverse) {
  return __builtin_bit_cast(std::int32_t, vitrine::detail::opaque(mul(x, inverse) + int8_magic)) -
         __builtin_bit_cast(std::int32_t, int8_magic);
}

}  // namespace detail

// The scale of a weight's row, of `depth` finite values `stride` apart: its largest size / 127, rounded up to 17 bits
// so that code * scale is exact. What is read back has the same scale and codes.
inline float int8_row_scale(const float* row, Index stride, Index depth) {
  float largest = 0;
  for (Index k = 0; k < depth; ++k) {
    const float x = row[k * stride], size = x < 0 ? -x : x;
    largest = size > largest ? size : largest;
  }
  const auto bits = __builtin_bit_cast(std::uint32_t, detail::int8_scale(largest));
  return __builtin_bit_cast(float, (bits + 127) & ~std::uint32_t{127});
}

// The codes of such a row, from -127 to 127, one behind the other: round(x / scale), ties to even.
inline void int8_row_codes(const float* row, Index stride, Index depth, float scale, std::int8_t* codes) {
  const float inverse = 1.0f / scale;
  for (Index k = 0; k < depth; ++k) codes[k] = static_cast<std::int8_t>(detail::int8_code(row[k * stride], inverse));
}

// Rows of A as codes, in room that the caller has.
struct Int8Rows {
  detail::Int8Code* codes = nullptr;
  Index stride = 0;  // codes from one row to the next
  detail::Int8Scale* scales = nullptr;
  detail::Int8Sum* offsets = nullptr;  // -int8_zero times the sum of a row's codes

  // Codes of a row, zeros behind its columns included. Deep rows are a line apart, as copy_stride.
  static constexpr Index row_codes(Index depth) {
    constexpr Index lanes = simd<float>::lanes > 4 ? simd<float>::lanes : 4;
    return (depth + lanes - 1) / lanes * lanes + (depth >= 1024 ? 64 / Index(sizeof(detail::Int8Code)) : 0);
  }
  // Rows that fit so many floats' room, one at least in that of a panel of this depth.
  static constexpr Index fitting(Index room, Index depth) {
    return room * 4 / (8 + row_codes(depth) * Index(sizeof(detail::Int8Code)));
  }
  // Over room for `rows` rows.
  static Int8Rows in(float* room, Index rows, Index depth) {
    Int8Rows made;
    made.scales = reinterpret_cast<detail::Int8Scale*>(room);
    made.offsets = reinterpret_cast<detail::Int8Sum*>(room + rows);
    made.codes = reinterpret_cast<detail::Int8Code*>(room + 2 * rows);
    made.stride = row_codes(depth);
    return made;
  }
};

// Row r of `rows` becomes the codes of x (depth values): round(x / scale), ties to even, scale the largest |x| / 127. A
// row that is not finite gets a scale that is not. Depends on no other row. Reads nothing behind x.
inline void int8_read(const float* x, Index depth, const Int8Rows& rows, Index r) {
  using V = simd<float>;
  const auto sign = V::iset1(0x7FFFFFFF);
  auto largest = V::iset1(0);  // as bits, where NaN is above all
  for (Index k = 0; k < depth; k += V::lanes) {
    const auto bits = V::bits(load_first(x + k, depth - k)) & sign;
    const auto more = V::ilt(largest, bits);
    largest = (bits & more) | (largest & ~more);
  }
  std::int32_t lanes[V::lanes], most = 0;
  __builtin_memcpy(lanes, &largest, sizeof lanes);
  for (const std::int32_t one : lanes) most = one > most ? one : most;
  const float scale = detail::int8_scale(__builtin_bit_cast(float, most));
  const auto inverse = V::set1(1.0f / scale);

  detail::Int8Code* const codes = rows.codes + r * rows.stride;
  auto sum = V::iset1(0);
  Index k = 0;
  for (; k < depth; k += V::lanes) {
    const auto code = detail::int8_round(V::mul(load_first(x + k, depth - k), inverse));
    sum = sum + code;
    detail::int8_store(codes + k, code);
  }
  for (; k % 4 != 0; ++k) codes[k] = 0;  // vectors of two lanes
  __builtin_memcpy(lanes, &sum, sizeof lanes);
  std::int32_t all = 0;
  for (const std::int32_t one : lanes) all = std::int32_t(std::uint32_t(all) + std::uint32_t(one));
  rows.scales[r] = scale;
  rows.offsets[r] = std::int32_t(std::uint32_t(all) * std::uint32_t(-detail::int8_zero));
}

// A panel of the weight's rows first_row ... from plain rows `b`, into panel_width x int8_columns(depth) floats' room.
// Scales and codes are those of int8_row_scale and int8_row_codes. Values must be finite. Allocates nothing.
inline void int8_pack(const StridedMatrix<float>& b, Index first_row, Index depth, float* out) {
  constexpr Index width = panel_width<float>;
  auto* const codes = reinterpret_cast<unsigned char*>(out + width);
  for (Index i = 0; i < width; ++i) {
    const bool valid = first_row + i < b.rows;
    const float* const row = valid ? b.data + (first_row + i) * b.row_stride : nullptr;
    const float scale = int8_row_scale(row, b.col_stride, valid ? depth : 0), inverse = 1.0f / scale;
    __builtin_memcpy(out + i, &scale, sizeof scale);
    for (Index k = 0; k < (depth + 3) / 4 * 4; ++k) {
      const std::int32_t code = detail::int8_code(valid && k < depth ? row[k * b.col_stride] : 0.0f, inverse);
      codes[(k / 4 * width + i) * 4 + detail::int8_place(k)] = static_cast<unsigned char>(code + detail::int8_zero);
    }
  }
}

// Columns [first, first + count) of row `row` of the panels of a weight of `depth` columns, as floats: code * scale,
// exactly.
inline void int8_unpack(const float* panels, Index row, Index depth, Index first, Index count, float* out) {
  constexpr Index width = panel_width<float>;
  const float* const panel = panels + row / width * width * int8_columns(depth);
  const auto* const codes = reinterpret_cast<const unsigned char*>(panel + width) + row % width * 4;
  const float scale = __builtin_bit_cast(float, detail::int8_word(panel + row % width));
  for (Index i = 0; i < count; ++i) {
    const Index k = first + i;
    const auto code = static_cast<std::int8_t>(codes[k / 4 * width * 4 + detail::int8_place(k)] - detail::int8_zero);
    out[i] = mul(float(code), scale);
  }
}

// The micro-kernel: Rows x Panels sums stay in registers over the whole depth. `tile` has no rows of A and no sums of
// before, its b begins with the scales. Allocates nothing (Goto and van de Geijn 2008).
template <int Rows, int Panels>
VITRINE_NOINLINE void int8_tile(const TileProduct<float>& tile, const Int8Rows& rows) {
  using V = simd<float>;
  constexpr int vectors = 2 * Panels;
  constexpr Index width = panel_width<float>, lanes = V::lanes;
  const auto* b = reinterpret_cast<const unsigned char*>(tile.b + width);
  const detail::Int8Code* a = rows.codes;
  const Index a_stride = rows.stride, b_panel = tile.b_panel * 4;
  const float* ahead = tile.ahead.from != nullptr ? tile.ahead.from : tile.b;
  typename V::ivec sums[Rows][vectors];
#pragma GCC unroll 16
  for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 8
    for (int v = 0; v < vectors; ++v) sums[r][v] = V::iset1(rows.offsets[r]);
  for (Index k = 0, depth = tile.depth, ahead_step = tile.ahead.step; k < depth; k += 4, a += 4, b += 4 * width) {
    __builtin_prefetch(ahead, 0, 2);
    ahead += ahead_step;
    typename V::ivec four[vectors];
#pragma GCC unroll 8
    for (int v = 0; v < vectors; ++v) {
      const unsigned char* const from = b + v / 2 * b_panel + v % 2 * (4 * lanes);
      four[v] = detail::int8_bytes(from);
      __builtin_prefetch(from + 32 * width);
    }
    detail::int8_step(sums, a, a_stride, four);
  }
  typename V::vec scaled[Rows][vectors];
#pragma GCC unroll 8
  for (int v = 0; v < vectors; ++v) {
    const auto scale = V::load(tile.b + v / 2 * tile.b_panel + v % 2 * lanes);
#pragma GCC unroll 16
    for (int r = 0; r < Rows; ++r)
      scaled[r][v] = V::mul(V::mul(detail::int8_floats(sums[r][v]), V::set1(rows.scales[r])), scale);
  }
  detail::end_tile(scaled, tile.end);
#pragma GCC unroll 16
  for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 8
    for (int v = 0; v < vectors; ++v) V::store(tile.c + r * tile.c_stride + v * lanes, scaled[r][v]);
}

namespace detail {

// Codes of rows by panels of codes, the whole depth at once.
struct Int8Operands {
  static constexpr Index step_columns = 4, block = int8_deepest;
  static constexpr Index panel_columns(Index depth) { return int8_columns(depth); }

  Int8Rows all;

  void begin(Index, Index, Index) const {}
  void multiply(const TileProduct<float>& tile, Index row, Index, Index rows, Index panels) const {
    const Int8Rows own{all.codes + row * all.stride, all.stride, all.scales + row, all.offsets + row};
    with_tile(rows, panels, [&]<int Rows, int Panels>() { int8_tile<Rows, Panels>(tile, own); });
  }
};

}  // namespace detail

// Rows [0, rows) of the product by panels [first_panel, last_panel): product.a is not looked at, the codes of its rows
// are `a`; product.b is what int8_pack made. alpha is 1, no copy. Writes no byte outside c.
inline void int8_matmul(const Product<float>& product, const Int8Rows& a, Index rows, Index first_panel,
                        Index last_panel) {
  detail::multiply_panels(product, detail::Int8Operands{a}, rows, first_panel, last_panel);
}

}  // namespace vitrine::inline VITRINE_ABI::kernels

#undef VITRINE_VNNI
#undef VITRINE_NEON

#include <vitrine/core/macros_pop.hpp>
