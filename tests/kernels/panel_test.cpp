#include <vitrine/kernels/panel.hpp>

#include "../support/support.hpp"

namespace kernels = vitrine::kernels;
using support::Index;

TEST_CASE_TEMPLATE("every element stands where packed_at says, and rows past the last are zero", S, float, double) {
  constexpr Index width = kernels::panel_width<S>;
  for (const Index rows : support::awkward)
    for (const Index cols : {1, 5, 17}) {
      const auto matrix = support::random_values<S>(rows * cols, 1);
      std::vector<S> packed(std::size_t(kernels::packed_size<S>(rows, cols)), S(-1));
      for (Index p = 0; p < kernels::panel_count<S>(rows); ++p)
        kernels::pack_panel<S>({matrix.data(), rows, cols}, p * width, 0, cols, packed.data() + p * width * cols);
      std::vector<S> expected(packed.size(), S(0));
      for (Index i = 0; i < rows; ++i)
        for (Index j = 0; j < cols; ++j)
          expected[std::size_t(kernels::packed_at<S>(i, j, cols))] = matrix[std::size_t(i * cols + j)];
      CHECK(packed == expected);
    }
}

TEST_CASE_TEMPLATE("a transposed matrix is packed by strides, and a range of columns for itself", S, float, double) {
  constexpr Index rows = 3, cols = 7;
  const auto matrix = support::random_values<S>(rows * cols, 2);
  std::vector<S> transposed(matrix.size());
  for (Index i = 0; i < rows; ++i)
    for (Index j = 0; j < cols; ++j) transposed[std::size_t(j * rows + i)] = matrix[std::size_t(i * cols + j)];
  std::vector<S> one(std::size_t(kernels::packed_size<S>(rows, cols))), two(one.size());
  kernels::pack_panel<S>({matrix.data(), rows, cols}, 0, 0, cols, one.data());
  kernels::pack_panel<S>({transposed.data(), rows, 1, rows}, 0, 0, 4, two.data());
  kernels::pack_panel<S>({transposed.data(), rows, 1, rows}, 0, 4, cols, two.data() + 4 * kernels::panel_width<S>);
  CHECK(one == two);
}

TEST_CASE_TEMPLATE("transpose exchanges rows and columns of a tile", S, float, double) {
  constexpr Index lanes = vitrine::simd<S>::lanes, from_stride = lanes + 3, to_stride = lanes + 1;
  const auto from = support::random_values<S>(lanes * from_stride, 1);
  std::vector<S> to(std::size_t(lanes * to_stride), S(-1));
  kernels::transpose<S>(from.data(), from_stride, to.data(), to_stride);
  for (Index r = 0; r < lanes; ++r)
    for (Index c = 0; c < lanes; ++c)
      CHECK(to[std::size_t(c * to_stride + r)] == from[std::size_t(r * from_stride + c)]);
}
