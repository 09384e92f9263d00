// Products in int8 equal their naive twin bit for bit: any rows, columns, depth, epilogue and instruction set.
#include <vitrine/kernels/int8.hpp>
#include <vitrine/kernels/int8_codes.hpp>

#include "../support/amx_twin.hpp"
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

// Rows [0, rows) of the product by a range of panels.
using Multiply = void (*)(const kernels::Product<float>& product, const kernels::Int8Rows& a, Index rows, Index first,
                          Index last);

// x (rows, depth) by w (columns, depth), packed, read and multiplied; null: no bias.
std::vector<float> multiplied(Multiply multiply, const Shape& s, const float* x, const float* w, const float* bias) {
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
  multiply(product, read, s.rows, 0, panels / 2);  // in two ranges of panels
  multiply(product, read, s.rows, panels / 2, panels);
  return c;
}

int wrong(Multiply multiply, const Shape& s, const std::vector<float>& x, const std::vector<float>& w,
          const float* bias) {
  const auto c = multiplied(multiply, s, x.data(), w.data(), bias);
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

void check_shapes(Multiply multiply) {
  for (const Index depth : {1, 2, 3, 7, 16, 28, 64, 67, 92, 130})
    for (const Index columns : {1, 33, 70, 140})
      for (const Index rows : {1, 2, 3, 4, 13, 37, 65}) {
        const Shape shape{rows, columns, depth};
        const auto x = support::product::values<float>(rows * depth, 1);
        const auto w = support::product::values<float>(columns * depth, 2);
        const auto bias = support::product::values<float>(columns, 3);
        CAPTURE(rows);
        CAPTURE(columns);
        CAPTURE(depth);
        CHECK(wrong(multiply, shape, x, w, rows % 2 == 0 ? bias.data() : nullptr) == 0);
      }
}

// Nothing between a code and the sum in 32 bits may be too narrow for the largest products, of either sign.
void check_largest(Multiply multiply) {
  for (const Index depth : {4, 1000, 65536})
    for (const int signs : {0, 1, 2, 3}) {
      const Shape shape{5, 3, depth};
      const std::vector<float> x(std::size_t(shape.rows * depth), signs % 2 != 0 ? -1.0f : 1.0f);
      const std::vector<float> w(std::size_t(shape.columns * depth), signs / 2 != 0 ? -1.0f : 1.0f);
      CHECK(wrong(multiply, shape, x, w, nullptr) == 0);
    }
}

#if VITRINE_VECTOR_BYTES == 64 && defined(__AVX512VNNI__)
// What int8_matmul does where the processor has AMX, with the twin in its place.
void by_amx(const kernels::Product<float>& product, const kernels::Int8Rows& a, Index rows, Index first, Index last) {
  kernels::detail::Int8AmxOperands<support::AmxTwin> operands(a, rows, product.depth);
  kernels::detail::multiply_panels(product, operands, rows, first, last);
}
#endif

}  // namespace

TEST_CASE("codes are the nearest integers, ties to even, of a weight's value and of a row as it is read") {
  const float x[] = {127, 0.5f, 1.5f, 2.5f, -0.5f, -1.5f, -126.5f, -127, 0.4f, -3.6f};
  const int codes[] = {127, 0, 2, 2, 0, -2, -126, -127, 0, -4};
  float room[64];
  volatile Index ten = 10;  // g++ 12 warns of a loop that it could not enter, were it a constant
  const Index count = ten;
  const auto read = kernels::Int8Rows::in(room, 1, count);
  kernels::int8_read(x, count, read, 0);
  CHECK(read.scales[0] == 1.0f);
  for (Index k = 0; k < count; ++k) {
    CHECK(read.codes[k] == codes[k]);
    CHECK(kernels::detail::int8_code(x[k], 1.0f) == codes[k]);
  }
}

TEST_CASE("a product in int8 is its naive twin bit for bit") { check_shapes(kernels::int8_matmul); }

TEST_CASE("the largest codes make no sum that overflows or saturates") { check_largest(kernels::int8_matmul); }

#if VITRINE_VECTOR_BYTES == 64 && defined(__AVX512VNNI__)
TEST_CASE("by AMX, with a twin in software for its instructions, products are the same") {
  support::AmxTwin::state() = {};
  check_shapes(by_amx);
  check_largest(by_amx);
  CHECK(support::AmxTwin::state().products > 0);
  CHECK(support::AmxTwin::state().faults == 0);
}
#endif
