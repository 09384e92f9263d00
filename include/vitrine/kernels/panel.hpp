// Panels: the order in which the right operand of every product is stored (Goto and van de Geijn 2008).
//
// A matrix B of N rows and K columns (PyTorch's (out_features, in_features)) becomes ceil(N / P) panels of P =
// panel_width rows. In a panel the P values of one column k stand side by side, so that one step of the product is two
// vector loads:
//   panel p:  B[pP..pP+P-1][0], B[pP..pP+P-1][1], ..., B[pP..pP+P-1][K-1]      rows past N are zero
// Keys are stored the same way (N keys, K = head width): a new key is K strided writes.
#pragma once
#include <vitrine/core/config.hpp>
#include <vitrine/core/simd.hpp>

#include <utility>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::kernels {

// Columns of the register tile: two vectors.
template <class S>
inline constexpr Index panel_width = 2 * simd<S>::lanes;

// Rows of the register tile: three quarters of the registers hold accumulators, the others two vectors of B and one
// value of A.
inline constexpr int tile_rows = VITRINE_VECTOR_REGISTERS * 3 / 8;

// Panels that hold so many rows; the last is filled up with zeros.
template <class S>
constexpr Index panel_count(Index rows) {
  return (rows + panel_width<S> - 1) / panel_width<S>;
}
// Values that a packed (rows, cols) matrix takes.
template <class S>
constexpr Index packed_size(Index rows, Index cols) {
  return panel_count<S>(rows) * panel_width<S> * cols;
}

// Where element (row, col) stands in the panels of a matrix with `cols` columns: (row / P * cols + col) * P + row mod
// P.
template <class S>
constexpr Index packed_at(Index row, Index col, Index cols) {
  return row / panel_width<S> * panel_width<S> * cols + col * panel_width<S> + row % panel_width<S>;
}

// A matrix of `rows` rows by strides, in values.
template <class S>
struct StridedMatrix {
  const S* data = nullptr;
  Index rows = 0, row_stride = 0, col_stride = 1;
};

// Packs columns [first_col, last_col) of the panel that holds rows first_row ... of a matrix: panel_width values for
// each column; missing rows are zero. Allocates nothing.
template <class S>
void pack_panel(const StridedMatrix<S>& b, Index first_row, Index first_col, Index last_col, S* out) {
  constexpr Index width = panel_width<S>;
  const Index valid = b.rows - first_row < width ? b.rows - first_row : width;
  for (Index col = first_col; col < last_col; ++col, out += width) {
    const S* from = b.data + first_row * b.row_stride + col * b.col_stride;
    for (Index i = 0; i < valid; ++i) out[i] = from[i * b.row_stride];
    for (Index i = valid; i < width; ++i) out[i] = S(0);
  }
}

namespace detail {

// Lanes of x and y by turns: of their first halves, or of their second ones.
template <class S, int... I>
VITRINE_INLINE void zip(typename simd<S>::vec x, typename simd<S>::vec y, typename simd<S>::vec& low,
                        typename simd<S>::vec& high, std::integer_sequence<int, I...>) {
#if VITRINE_VECTOR_BYTES != 0
  constexpr int lanes = sizeof...(I);
  low = __builtin_shufflevector(x, y, (I / 2 + I % 2 * lanes)...);
  high = __builtin_shufflevector(x, y, (lanes / 2 + I / 2 + I % 2 * lanes)...);
#else
  low = {{x.v[0], y.v[0]}}, high = {{x.v[1], y.v[1]}};
#endif
}

}  // namespace detail

// to[c][r] = from[r][c] of a (lanes, lanes) matrix: a zip of the two halves of the rows turns their indices by one
// bit.
template <class S>
VITRINE_NOINLINE void transpose(const S* from, Index from_stride, S* to, Index to_stride) {
  using V = simd<S>;
  constexpr int lanes = V::lanes;
  typename V::vec x[lanes], y[lanes];
#pragma GCC unroll 16
  for (int r = 0; r < lanes; ++r) x[r] = V::load(from + r * from_stride);
  for (int bit = 1; bit < lanes; bit *= 2) {
#pragma GCC unroll 8
    for (int r = 0; r < lanes / 2; ++r)
      detail::zip<S>(x[r], x[r + lanes / 2], y[2 * r], y[2 * r + 1], std::make_integer_sequence<int, lanes>{});
#pragma GCC unroll 16
    for (int r = 0; r < lanes; ++r) x[r] = y[r];
  }
#pragma GCC unroll 16
  for (int r = 0; r < lanes; ++r) V::store(to + r * to_stride, x[r]);
}

}  // namespace vitrine::inline VITRINE_ABI::kernels

#include <vitrine/core/macros_pop.hpp>
