// Products in int8 equal their naive twin bit for bit: any rows, columns, depth, epilogue and instruction set.
#include <vitrine/kernels/int8.hpp>

#include "../support/product.hpp"
#include "../support/quantised.hpp"

#include <doctest/doctest.h>

#include <vector>

namespace vt = vitrine;
namespace kernels = vitrine::kernels;
using vt::Index;

namespace {

struct Shape {
  Index rows, columns, depth;
};

// x (rows, depth) by w (columns, depth), packed, read and multiplied; with a bias where finished.
std::vector<float> multiplied(const Shape& s, const float* x, const float* w, const float* bias) {
  constexpr Index width = kernels::panel_width<float>;
  const Index panels = kernels::panel_count<float>(s.columns), panel = width * kernels::int8_columns(s.depth);
  std::vector<float> packed(std::size_t(panels * panel)), room(std::size_t(s.rows * (2 + s.depth + width + 64)));
  for (Index p = 0; p < panels; ++p)
    kernels::int8_pack({w, s.columns, s.depth, 1}, p * width, s.depth, packed.data() + p * panel);
  const auto read = kernels::Int8Rows::in(room.data(), s.rows, s.depth);
  for (Index r = 0; r < s.rows; ++r) kernels::int8_read(x + r * s.depth, s.depth, read, r);
  const Index stride = s.columns + 1;  // what lies behind a row is not touched
  std::vector<float> c(std::size_t(s.rows * stride), -7.0f);
  kernels::Product<float> product;
  product.b = packed.data(), product.columns = s.columns, product.depth = s.depth;
  product.c = c.data(), product.c_stride = stride, product.bias = bias;
  kernels::int8_matmul(product, read, s.rows, 0, panels / 2);  // in two ranges of panels
  kernels::int8_matmul(product, read, s.rows, panels / 2, panels);
  return c;
}

int wrong(const Shape& s, const std::vector<float>& x, const std::vector<float>& w, const float* bias) {
  const auto c = multiplied(s, x.data(), w.data(), bias);
  int found = 0;
  for (Index r = 0; r < s.rows; ++r) {
    const float* const row = c.data() + r * (s.columns + 1);
    for (Index n = 0; n < s.columns; ++n) {
      const float product = support::quantised::product(x.data() + r * s.depth, w.data() + n * s.depth, s.depth);
      found += row[n] != (bias == nullptr ? product : product + bias[n]);
    }
    found += row[s.columns] != -7.0f;
  }
  return found;
}

}  // namespace

TEST_CASE("a product in int8 is its naive twin bit for bit") {
  for (const Index depth : {1, 2, 3, 4, 7, 16, 37, 64, 67, 130})
    for (const Index columns : {1, 9, 33, 70, 140})
      for (const Index rows : {1, 2, 3, 4, 12, 13, 37}) {
        const Shape shape{rows, columns, depth};
        const auto x = support::product::values<float>(rows * depth, 1);
        const auto w = support::product::values<float>(columns * depth, 2);
        const auto bias = support::product::values<float>(columns, 3);
        CAPTURE(rows);
        CAPTURE(columns);
        CAPTURE(depth);
        CHECK(wrong(shape, x, w, rows % 2 == 0 ? bias.data() : nullptr) == 0);
      }
}

// Nothing between a code and the sum in 32 bits may be too narrow for the largest products, of either sign.
TEST_CASE("the largest codes make no sum that overflows or saturates") {
  for (const Index depth : {4, 1000, 65536})
    for (const int signs : {0, 1, 2, 3}) {
      const Shape shape{5, 3, depth};
      const std::vector<float> x(std::size_t(shape.rows * depth), signs % 2 != 0 ? -1.0f : 1.0f);
      const std::vector<float> w(std::size_t(shape.columns * depth), signs / 2 != 0 ? -1.0f : 1.0f);
      CHECK(wrong(shape, x, w, nullptr) == 0);
    }
}
