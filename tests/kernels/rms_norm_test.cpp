#include <vitrine/kernels/rms_norm.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace kernels = vitrine::kernels;
using vitrine::Index;

TEST_CASE_TEMPLATE("rms_norm is x / sqrt(mean(x^2) + eps) times the weight, or 1 + weight", S, float, double) {
  for (const Index width : {1, 2, 3, 5, 8, 15, 16, 17, 31, 64, 65, 130})
    for (const bool with_weight : {false, true}) {
      const Index stride = width + 3, rows = 3;
      std::vector<S> x(std::size_t(rows * stride)), y(x.size(), S(7)), plus(x.size(), S(7)), weight;
      for (std::size_t i = 0; i < x.size(); ++i) x[i] = S(std::sin(double(i) * 0.7) * 3);
      for (Index i = 0; with_weight && i < width; ++i) weight.push_back(S(0.5 + 0.1 * double(i % 9)));
      kernels::NormRows<S> call{x.data(), stride, y.data(), stride, rows, width};
      call.weight = with_weight ? weight.data() : nullptr, call.eps = S(1e-4);
      kernels::rms_norm<S>(call);
      call.y = plus.data();
      kernels::rms_norm<S, true>(call);
      for (Index r = 0; r < rows; ++r) {
        double squares = 0;
        for (Index i = 0; i < width; ++i)
          squares += double(x[std::size_t(r * stride + i)]) * double(x[std::size_t(r * stride + i)]);
        const double rstd = 1 / std::sqrt(squares / double(width) + 1e-4);
        for (Index i = 0; i < stride; ++i) {
          const std::size_t at = std::size_t(r * stride + i);
          const double factor = with_weight && i < width ? double(weight[std::size_t(i)]) : 1.0;
          const double expected = i < width ? double(x[at]) * rstd * factor : 7;
          const double expected_plus = i < width ? double(x[at]) * rstd * (1 + factor) : 7;
          const double bound = 16 * double(std::numeric_limits<S>::epsilon());
          CHECK(std::abs(double(y[at]) - expected) <= bound * std::max(1.0, std::abs(expected)));
          CHECK(std::abs(double(plus[at]) - expected_plus) <= bound * std::max(1.0, std::abs(expected_plus)));
        }
      }
      // In place, and a row alone: the same bits.
      std::vector<S> own = x;
      kernels::NormRows<S> alone{own.data() + stride, stride, own.data() + stride, stride, 1, width};
      alone.weight = call.weight, alone.eps = call.eps;
      kernels::rms_norm<S>(alone);
      for (Index i = 0; i < width; ++i) CHECK(own[std::size_t(stride + i)] == y[std::size_t(stride + i)]);
    }
}
