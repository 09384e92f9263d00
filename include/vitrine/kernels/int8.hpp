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
#include <vitrine/kernels/amx.hpp>
#include <vitrine/kernels/int8_codes.hpp>
#include <vitrine/kernels/matmul.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::kernels {

// The deepest product whose sums cannot overflow.
inline constexpr Index int8_deepest = 65536;

// Floats' room that a row of so many columns takes in its panel: the scale and its codes.
constexpr Index int8_columns(Index depth) { return 1 + (depth + 3) / 4; }

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

// What is there of a tile's sums already: of its first columns, panel_width sums a row.
struct Int8Done {
  const std::int32_t* sums = nullptr;
  Index columns = 0;
};

namespace detail {

// sums[r] += four columns of A by those of a panel. What is read eight steps later comes into the second-level cache,
// which has room for more lines on their way than the first.
template <int Rows>
VITRINE_INLINE void int8_columns_step(Int8Sums (&sums)[Rows][2], const Int8Code* a, Index a_stride,
                                      const unsigned char* b) {
  constexpr Index width = panel_width<float>;
  Int8Sums four[2];
#pragma GCC unroll 2
  for (int v = 0; v < 2; ++v) {
    four[v] = int8_load(b + v * (2 * width));
    __builtin_prefetch(b + v * (2 * width) + 32 * width, 0, 2);
  }
  int8_step(sums, a, a_stride, four);
}

}  // namespace detail

// The micro-kernel: Rows rows by a panel, sums in registers over the whole depth. `tile` has no rows of A and no sums
// of before, its b begins with the scales. Sums are exact in any order, so that few rows take turns with several sets
// of them and read panel after panel as one stream: one row 6 to 15 % faster than by four panels at once. Allocates
// nothing (Goto and van de Geijn 2008).
template <int Rows>
VITRINE_NOINLINE void int8_tile(const TileProduct<float>& tile, const Int8Rows& rows, const Int8Done& done = {}) {
  using V = simd<float>;
  constexpr Index width = panel_width<float>, lanes = V::lanes;
  constexpr Index turns = VITRINE_VECTOR_BYTES == 0 || Rows > 2 ? 1 : 4 / Rows;
  const auto* b = reinterpret_cast<const unsigned char*>(tile.b + width);
  const detail::Int8Code* a = rows.codes;
  const float* ahead = tile.ahead.from != nullptr ? tile.ahead.from : tile.b;
  typename V::ivec sums[turns][Rows][2];
#pragma GCC unroll 4
  for (Index t = 0; t < turns; ++t)
#pragma GCC unroll 16
    for (int r = 0; r < Rows; ++r) sums[t][r][0] = sums[t][r][1] = V::iset1(t == 0 ? rows.offsets[r] : 0);
  if (detail::int8_vnni && done.columns > 0) {
#pragma GCC unroll 16
    for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 2
      for (int v = 0; v < 2; ++v) sums[0][r][v] = sums[0][r][v] + detail::int8_load(done.sums + r * width + v * lanes);
    a += done.columns, b += done.columns * width;
  }
  Index k = done.columns;
  const Index depth = tile.depth, a_stride = rows.stride;
  for (; turns > 1 && k + 4 * turns <= depth; k += 4 * turns) {
    __builtin_prefetch(ahead, 0, 2);
    ahead += turns * tile.ahead.step;
#pragma GCC unroll 4
    for (Index t = 0; t < turns; ++t, a += 4, b += 4 * width)
      detail::int8_columns_step(sums[t], a, detail::unknown(a_stride), b);
  }
  for (const Index ahead_step = tile.ahead.step; k < depth; k += 4, a += 4, b += 4 * width) {
    __builtin_prefetch(ahead, 0, 2);
    ahead += ahead_step;
    detail::int8_columns_step(sums[0], a, detail::unknown(a_stride), b);
  }
#pragma GCC unroll 4
  for (Index t = 1; t < turns; ++t)
#pragma GCC unroll 16
    for (int r = 0; r < Rows; ++r)
      sums[0][r][0] = sums[0][r][0] + sums[t][r][0], sums[0][r][1] = sums[0][r][1] + sums[t][r][1];
  typename V::vec scaled[Rows][2];
#pragma GCC unroll 2
  for (int v = 0; v < 2; ++v) {
    const auto scale = V::load(tile.b + v * lanes);
#pragma GCC unroll 16
    for (int r = 0; r < Rows; ++r)
      scaled[r][v] = V::mul(V::mul(detail::int8_floats(sums[0][r][v]), V::set1(rows.scales[r])), scale);
  }
  detail::end_tile(scaled, tile.end);
#pragma GCC unroll 16
  for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 2
    for (int v = 0; v < 2; ++v) V::store(tile.c + r * tile.c_stride + v * lanes, scaled[r][v]);
}

namespace detail {

#if VITRINE_VECTOR_BYTES == 0
// Without vectors there are few registers: tiles of two rows or one, and the code of these two.
inline void int8_small_tiles(Index rows, const TileProduct<float>& whole, const Int8Rows& all) {
  TileProduct<float> tile = whole;
  for (Index r = 0; r < rows; r += 2, tile.c += 2 * tile.c_stride) {
    const Int8Rows own{all.codes + r * all.stride, all.stride, all.scales + r, all.offsets + r};
    if (whole.end.residual != nullptr) tile.end.residual = whole.end.residual + r * whole.end.residual_stride;
    if (rows - r >= 2)
      int8_tile<2>(tile, own, {});
    else
      int8_tile<1>(tile, own, {});
  }
}
#endif

// Codes of rows by panels of codes, the whole depth at once.
struct Int8Operands {
  static constexpr Index step_columns = 4, block = int8_deepest;
  static constexpr Index panel_columns(Index depth) { return int8_columns(depth); }
  static constexpr Index together(Index) { return 1; }

  Int8Rows all;

  void begin(Index, Index, Index) const {}
  void multiply(const TileProduct<float>& tile, Index row, Index, Index rows, Index,
                [[maybe_unused]] const Int8Done& done = {}) const {
    const Int8Rows own{all.codes + row * all.stride, all.stride, all.scales + row, all.offsets + row};
#if VITRINE_VECTOR_BYTES == 0
    int8_small_tiles(rows, tile, own);
#else
    with_rows<tile_rows, 1>(rows, [&]<int Rows, int>() { int8_tile<Rows>(tile, own, done); });
#endif
  }
};

// The same by AMX, where the tiles take up what it left. For what VNNI reads.
template <class Operations>
struct Int8AmxOperands : Int8Operands {
  using Sums = AmxSums<Operations>;
  static_assert(Sums::block % tile_rows == 0 && Sums::columns == panel_width<float>);

  Sums sums;

  Int8AmxOperands(const Int8Rows& a, Index rows, Index depth) : Int8Operands{a}, sums(a.codes, a.stride, rows, depth) {}
  void multiply(const TileProduct<float>& tile, Index row, Index k, Index rows, Index panels) {
    if (sums.whole() == 0) return Int8Operands::multiply(tile, row, k, rows, panels);
    if (row % Sums::block == 0) sums.sum(row, reinterpret_cast<const unsigned char*>(tile.b + panel_width<float>));
    Int8Operands::multiply(tile, row, k, rows, panels, {sums.row(row), sums.whole()});
  }
};

}  // namespace detail

// Rows [0, rows) of the product by panels [first_panel, last_panel): product.a is not looked at, the codes of its rows
// are `a`; product.b is what int8_pack made. alpha is 1, no copy. Writes no byte outside c.
inline void int8_matmul(const Product<float>& product, const Int8Rows& a, Index rows, Index first_panel,
                        Index last_panel) {
#if VITRINE_AMX
  if (detail::amx_granted()) {
    detail::Int8AmxOperands<detail::AmxInstructions> operands(a, rows, product.depth);
    return detail::multiply_panels(product, operands, rows, first_panel, last_panel);
  }
#endif
  detail::multiply_panels(product, detail::Int8Operands{a}, rows, first_panel, last_panel);
}

}  // namespace vitrine::inline VITRINE_ABI::kernels

#include <vitrine/core/macros_pop.hpp>
