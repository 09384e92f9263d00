#include <vitrine/layers/rms_norm.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <vector>
#include <vitrine/core/heap.hpp>

namespace vt = vitrine;
using vt::Index;

// torch.nn.RMSNorm(3, eps=0.01) with weight (1, 2, -1) on (1, -2, 3), in double.
TEST_CASE("RmsNorm is nn.RMSNorm's") {
  const std::vector<double> x = {1, -2, 3}, weight = {1, 2, -1};
  vt::RmsNorm<double> norm(3, 0.01), plus(3, 0.01, true);
  for (vt::RmsNorm<double>* one : {&norm, &plus}) vt::throw_if_failed(one->bind("weight", weight));
  const vt::Sequences<double> rows(x.data(), 1, 1, 3);
  const vt::Tensor<double> y = norm(rows), z = plus(rows);
  const double rstd = 1 / std::sqrt(14.0 / 3 + 0.01);
  for (Index i = 0; i < 3; ++i) {
    CHECK(y.data()[i] == doctest::Approx(x[std::size_t(i)] * rstd * weight[std::size_t(i)]).epsilon(1e-14));
    CHECK(z.data()[i] == doctest::Approx(x[std::size_t(i)] * rstd * (1 + weight[std::size_t(i)])).epsilon(1e-14));
  }
  CHECK(norm.parameter_count() == 3);  // no bias
}
