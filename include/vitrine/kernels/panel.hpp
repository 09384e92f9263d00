// Panels: the order in which the right operand of every product is stored.
//
// A matrix B of N rows and K columns (PyTorch's (out_features, in_features)) becomes ceil(N / P) panels of P =
// panel_width rows. In a panel the P values of one column k stand side by side, so that one step of the product is two
// vector loads:
//   panel p:  B[pP..pP+P-1][0], B[pP..pP+P-1][1], ..., B[pP..pP+P-1][K-1]      rows past N are zero
// Keys are stored the same way (N keys, K = head width): a new key is K strided writes.
#pragma once
#include <vitrine/core/config.hpp>
#include <vitrine/core/simd.hpp>

namespace vitrine::inline VITRINE_ABI::kernels {

// Columns of the register tile: two vectors.
template <class S>
inline constexpr Index panel_width = 2 * simd<S>::lanes;

// Rows of the register tile: three quarters of the registers hold accumulators, the others two vectors of B and one
// value of A.
inline constexpr int tile_rows = VITRINE_VECTOR_REGISTERS * 3 / 8;

// Panels that hold so many rows; the last is filled up with zeros.
template <class S>
constexpr Index panels(Index rows) {
  return (rows + panel_width<S> - 1) / panel_width<S>;
}
// Values that a packed (rows, cols) matrix takes.
template <class S>
constexpr Index packed_size(Index rows, Index cols) {
  return panels<S>(rows) * panel_width<S> * cols;
}

// Where element (row, col) stands in the panels of a matrix with `cols` columns.
template <class S>
constexpr Index packed_at(Index row, Index col, Index cols) {
  return row / panel_width<S> * panel_width<S> * cols + col * panel_width<S> + row % panel_width<S>;
}

// Packs columns [first_col, last_col) of the panel that holds rows first_row ... of a matrix given by strides; missing
// rows are zero.
template <class S>
void pack_panel(const S* b, Index row_stride, Index col_stride, Index first_row, Index rows, Index first_col,
                Index last_col, S* out) {
  constexpr Index width = panel_width<S>;
  const Index valid = rows - first_row < width ? rows - first_row : width;
  for (Index col = first_col; col < last_col; ++col, out += width) {
    const S* from = b + first_row * row_stride + col * col_stride;
    for (Index i = 0; i < valid; ++i) out[i] = from[i * row_stride];
    for (Index i = valid; i < width; ++i) out[i] = S(0);
  }
}

}  // namespace vitrine::inline VITRINE_ABI::kernels
