#include <vitrine/kernels/matmul.hpp>

#include "../support/product.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <limits>

namespace {

using namespace support::product;
namespace kernels = vitrine::kernels;

template <class S>
std::vector<S> pack(const std::vector<S>& b, Index columns, Index depth) {
  std::vector<S> packed(std::size_t(kernels::packed_size<S>(columns, depth)), S(-1));
  for (Index p = 0; p < kernels::panel_count<S>(columns); ++p)
    kernels::pack_panel<S>({b.data(), columns, depth}, p * kernels::panel_width<S>, 0, depth,
                           packed.data() + p * kernels::panel_width<S> * depth);
  return packed;
}

// A (rows, depth) times the transpose of B (columns, depth), element by element.
template <class S>
std::vector<S> naive(const std::vector<S>& a, const std::vector<S>& b, Index rows, Index columns, Index depth) {
  std::vector<S> c;
  for (Index r = 0; r < rows; ++r)
    for (Index n = 0; n < columns; ++n)
      c.push_back(chain<S>(
          depth, [&](Index k) { return a[std::size_t(r * depth + k)]; },
          [&](Index k) { return b[std::size_t(n * depth + k)]; }));
  return c;
}

constexpr Index most_rows = 30;
constexpr Index all_columns[] = {1, 3, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 127, 129, 200};
constexpr Index all_depths[] = {0, 1, 2, 7, 8, 17, 64, 65, 513, 1024, 1030};
constexpr Activation activations[] = {Activation::none, Activation::relu, Activation::gelu, Activation::gelu_tanh,
                                      Activation::silu};

}  // namespace

TEST_CASE_TEMPLATE("a product is one chain of fma for each element, whatever its rows, columns and depth", S, float,
                   double) {
  for (const Index columns : all_columns)
    for (const Index depth : all_depths) {
      const auto a = values<S>(most_rows * depth, 1), b = values<S>(columns * depth, 2);
      const auto expected = naive(a, b, most_rows, columns, depth);
      const auto packed = pack(b, columns, depth);
      for (Index rows = 1; rows <= most_rows; ++rows) {
        std::vector<S> c(std::size_t(rows * columns), S(77));
        kernels::Product<S> product;
        product.a = a.data(), product.a_stride = depth;
        product.b = packed.data(), product.columns = columns, product.depth = depth;
        product.c = c.data(), product.c_stride = columns;
        kernels::matmul(product, rows, Index{0}, kernels::panel_count<S>(columns));
        if (!same(c.data(), expected.data(), rows * columns)) {
          CAPTURE(rows);
          CAPTURE(columns);
          CAPTURE(depth);
          CHECK(false);
        }
      }
    }
}

TEST_CASE_TEMPLATE("a range of panels writes its own columns only, and strides leave gaps alone", S, float, double) {
  constexpr Index width = kernels::panel_width<S>, columns = 5 * width + 3, depth = 70, a_gap = 5, c_gap = 3;
  const auto b = values<S>(columns * depth, 2);
  const auto packed = pack(b, columns, depth);
  for (const Index rows : {1, 2, 4, 13, 25}) {
    const auto a = values<S>(rows * depth, 1);
    const auto expected = naive(a, b, rows, columns, depth);
    std::vector<S> strided(std::size_t(rows * (depth + a_gap)), std::numeric_limits<S>::quiet_NaN());
    for (Index r = 0; r < rows; ++r) std::copy_n(a.begin() + r * depth, depth, strided.begin() + r * (depth + a_gap));
    for (Index first = 0; first <= 6; ++first)
      for (Index last = first; last <= 6; ++last) {
        std::vector<S> c(std::size_t(rows * (columns + c_gap)), S(77));
        kernels::Product<S> product;
        product.a = strided.data(), product.a_stride = depth + a_gap;
        product.b = packed.data(), product.columns = columns, product.depth = depth;
        product.c = c.data(), product.c_stride = columns + c_gap;
        kernels::matmul(product, rows, first, last);
        bool right = true;
        for (Index r = 0; r < rows; ++r)
          for (Index n = 0; n < columns + c_gap; ++n) {
            const bool inside = n >= first * width && n < last * width && n < columns;
            right = right && c[std::size_t(r * (columns + c_gap) + n)] ==
                                 (inside ? expected[std::size_t(r * columns + n)] : S(77));
          }
        CAPTURE(rows);
        CAPTURE(first);
        CAPTURE(last);
        CHECK(right);
      }
  }
}

TEST_CASE_TEMPLATE("the epilogue follows the last k once: alpha, bias, activation, residual, each rounded", S, float,
                   double) {
  for (const Index rows : {1, 2, 5, 12, 14, 29})
    for (const Index columns : {1, 7, 33, 66, 140})
      for (const Index depth : {5, 600}) {
        const auto a = values<S>(rows * depth, 1), b = values<S>(columns * depth, 2), bias = values<S>(columns, 3),
                   residual = values<S>(rows * (columns + 1), 4);
        const auto packed = pack(b, columns, depth);
        const auto sums = naive(a, b, rows, columns, depth);
        for (const Activation activation : activations)
          for (int kind = 0; kind < 8; ++kind) {
            std::vector<S> c(std::size_t(rows * columns), S(77));
            kernels::Product<S> product;
            product.a = a.data(), product.a_stride = depth;
            product.b = packed.data(), product.columns = columns, product.depth = depth;
            product.c = c.data(), product.c_stride = columns;
            product.activation = activation;
            if (kind & 1) product.alpha = S(0.3);
            if (kind & 2) product.bias = bias.data();
            if (kind & 4) product.residual = residual.data(), product.residual_stride = columns + 1;
            kernels::matmul(product, rows, Index{0}, kernels::panel_count<S>(columns));
            bool right = true;
            for (Index r = 0; r < rows; ++r)
              for (Index n = 0; n < columns; ++n) {
                const S expected = epilogue(sums[std::size_t(r * columns + n)], product.alpha,
                                            kind & 2 ? &bias[std::size_t(n)] : nullptr, activation,
                                            kind & 4 ? &residual[std::size_t(r * (columns + 1) + n)] : nullptr);
                right = right && same(&c[std::size_t(r * columns + n)], &expected, 1);
              }
            if (!right) {
              CAPTURE(rows);
              CAPTURE(columns);
              CAPTURE(depth);
              CAPTURE(kind);
              CAPTURE(vitrine::name(activation));
              CHECK(false);
            }
          }
      }
}

TEST_CASE_TEMPLATE("a product that finds the copy of its left operand there has the same bits", S, float, double) {
  for (const Index rows : {13, 29})
    for (const Index depth : {512, 1024, 1100, 2048, 3072}) {  // all but 1100 collide in double, from 1024 on in float
      constexpr Index columns = 5 * kernels::panel_width<S>;
      const auto a = values<S>(rows * depth, 1), b = values<S>(columns * depth, 2);
      const auto packed = pack(b, columns, depth);
      std::vector<S> copy(std::size_t(kernels::copy_size(rows)));
      std::vector<S> c[3];
      for (int i = 0; i < 3; ++i) {
        c[i].resize(std::size_t(rows * columns));
        kernels::Product<S> product;
        product.a = a.data(), product.a_stride = depth;
        product.b = packed.data(), product.columns = columns, product.depth = depth;
        product.c = c[i].data(), product.c_stride = columns;
        product.a_copy = i == 0 ? nullptr : copy.data(), product.a_copied = i == 2, product.next_weight = packed.data();
        kernels::matmul(product, rows, Index{0}, kernels::panel_count<S>(columns));
      }
      CHECK(same(c[0].data(), c[1].data(), rows * columns));
      CHECK(same(c[0].data(), c[2].data(), rows * columns));
    }
}

#ifdef SUPPORT_GUARD_PAGES
TEST_CASE_TEMPLATE("no byte outside the operands is touched", S, float, double) {
  for (const bool at_end : {true, false})
    for (const Index rows : {1, 2, 3, 4, 11, 12, 13, 23, 25, 29})
      for (const Index columns : {1, 7, 16, 17, 31, 33, 65, 129})
        for (const Index depth : {1, 3, 64, 1025}) {
          const auto a = values<S>(rows * depth, 1), b = values<S>(columns * depth, 2);
          const Guarded<S> guarded_a(a, at_end), packed(pack(b, columns, depth), at_end),
              bias(values<S>(columns, 3), at_end), residual(values<S>(rows * columns, 4), at_end),
              c(std::vector<S>(std::size_t(rows * columns)), at_end);
          REQUIRE(c.data() != nullptr);
          kernels::Product<S> product;
          product.a = guarded_a.data(), product.a_stride = depth;
          product.b = packed.data(), product.columns = columns, product.depth = depth;
          product.c = c.data(), product.c_stride = columns;
          product.alpha = S(rows % 2 + 1), product.activation = Activation::relu;  // 1: all of it in registers
          product.bias = bias.data(), product.residual = residual.data(), product.residual_stride = columns;
          kernels::matmul(product, rows, Index{0}, kernels::panel_count<S>(columns));
          const S last_sum = chain<S>(
              depth, [&](Index k) { return a[std::size_t((rows - 1) * depth + k)]; },
              [&](Index k) { return b[std::size_t((columns - 1) * depth + k)]; });
          CHECK(c.data()[rows * columns - 1] == epilogue(last_sum, product.alpha, bias.data() + columns - 1,
                                                         Activation::relu, residual.data() + rows * columns - 1));
        }
}
#endif
