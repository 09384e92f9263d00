#include <vitrine/layers/rotary.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <span>
#include <vector>

namespace vt = vitrine;
using vt::Index;

TEST_CASE("frequencies are theta^(-2 i / dim)") {
  for (const double theta : {500.0, 10000.0, 500000.0, 1e6}) {
    const vt::Rotary<float> rotary({.dim = 64, .theta = theta});
    for (Index i = 0; i < 32; ++i) {
      const double expected = std::pow(theta, -double(2 * i) / 64);
      CHECK(std::abs(double(rotary.frequency(i)) - expected) <= 2e-7 * expected);
    }
  }
}

// Transformers 5.23, modeling_rope_utils.py: inv_freq of these rope_parameters.
TEST_CASE("scaled frequencies are Transformers'") {
  const auto same = [](const vt::RotaryConfig& config, const std::vector<double>& expected) {
    const vt::Rotary<double> rotary(config);
    for (std::size_t i = 0; i < expected.size(); ++i)
      CHECK(std::abs(double(rotary.frequency(Index(i))) - expected[i]) <= 3e-7 * expected[i]);
  };
  same({.dim = 8,
        .theta = 500000,
        .scaling = vt::RotaryScaling::llama3,
        .factor = 8,
        .low_freq_factor = 1,
        .high_freq_factor = 4,
        .original_max_position_embeddings = 32},
       {1.0, 4.70075384e-03, 1.76776681e-04, 6.64786967e-06});
  same({.dim = 16,  // the second and third stand between the two factors
        .theta = 10000,
        .scaling = vt::RotaryScaling::llama3,
        .factor = 8,
        .low_freq_factor = 1,
        .high_freq_factor = 4,
        .original_max_position_embeddings = 64},
       {1.0, 2.44384587e-01, 1.30422562e-02, 3.95284733e-03, 1.24999997e-03, 3.95284733e-04});
  same({.dim = 8, .theta = 10000, .scaling = vt::RotaryScaling::linear, .factor = 4}, {0.25, 0.025, 0.0025, 0.00025});
}

TEST_CASE_TEMPLATE("the product of two turned heads depends on their distance", S, float, double) {
  for (const vt::RotaryPairs pairs : {vt::RotaryPairs::halves, vt::RotaryPairs::neighbours}) {
    const vt::Rotary<S> rotary({.dim = 6, .theta = 50, .pairs = pairs});
    const auto turned = [&](Index position) {
      vt::Tensor<S> x(vt::heap());
      vt::throw_if_failed(x.resize(1, 1, 16));  // two heads of 8, 6 values of each turned
      for (Index i = 0; i < 16; ++i) x.data()[i] = S(0.3) * S(i + 1);
      vt::throw_if_failed(rotary.apply_to(x, 2, position));
      return x;
    };
    const auto product = [&](Index one, Index other) {
      const vt::Tensor<S> a = turned(one), b = turned(other);
      double sum = 0;
      for (Index i = 0; i < 8; ++i) sum += double(a.data()[i]) * double(b.data()[i]);
      return sum;
    };
    CHECK(product(3, 1) == doctest::Approx(product(12, 10)).epsilon(1e-5));
    CHECK(product(3, 1) != doctest::Approx(product(3, 2)).epsilon(1e-3));
    const vt::Tensor<S> still = turned(0), far = turned(9);
    for (Index i = 0; i < 16; ++i) CHECK(still.data()[i] == S(0.3) * S(i + 1));
    for (const Index i : {6, 7, 14, 15}) CHECK(far.data()[i] == S(0.3) * S(i + 1));  // not turned
  }
}

TEST_CASE("sizes that make no sense are refused") {
  vt::Tensor<float> x(vt::heap());
  vt::throw_if_failed(x.resize(1, 2, 12));
  CHECK(vt::Rotary<float>({.dim = 4}).apply_to(x, 5) == vt::Status::bad_shape);
  CHECK(vt::Rotary<float>({.dim = 3}).apply_to(x, 2) == vt::Status::bad_config);
  CHECK(vt::Rotary<float>({.dim = 8}).apply_to(x, 2) == vt::Status::bad_config);
  CHECK(vt::Rotary<float>({.dim = 6}).apply_to(x, 2) == vt::Status::ok);
}

// ln 0 or of infinity would be looked for without end.
TEST_CASE("numbers that have no frequencies are bad_config") {
  const double infinity = std::numeric_limits<double>::infinity(), nan = std::nan("");
  const auto answer = [](const vt::RotaryConfig& config) {
    const vt::Rotary<float> rotary(config);
    vt::Tensor<float> x(vt::heap());
    REQUIRE(x.resize(1, 2, 8) == vt::Status::ok);
    for (float& value : std::span(x.data(), 16)) value = 1;
    const vt::Status::Code code = rotary.apply_to(x, 1);
    CHECK((rotary.frequency(0) == 0) == (code != vt::Status::ok));
    return code;
  };
  for (const double theta : {0.0, -1.0, 1.0, infinity, nan, 1e300})
    CHECK(answer({.dim = 8, .theta = theta}) == vt::Status::bad_config);
  CHECK(answer({.dim = 8, .theta = 1.0001}) == vt::Status::ok);
  using enum vt::RotaryScaling;
  for (const double factor : {0.0, -2.0, infinity, nan, 1e-300})
    for (const vt::RotaryScaling scaling : {linear, llama3, yarn})
      CHECK(answer({.dim = 8, .scaling = scaling, .factor = factor, .original_max_position_embeddings = 32}) ==
            vt::Status::bad_config);
  const vt::RotaryConfig long_texts{.dim = 8, .scaling = yarn, .factor = 4, .original_max_position_embeddings = 32};
  CHECK(answer(long_texts) == vt::Status::ok);
  for (const Index positions : {Index{0}, Index{-5}}) {
    vt::RotaryConfig c = long_texts;
    c.original_max_position_embeddings = positions;
    CHECK(answer(c) == vt::Status::bad_config);
  }
  for (const double bound : {0.0, -1.0, infinity, nan}) {
    vt::RotaryConfig c = long_texts;
    c.beta_fast = bound;
    CHECK(answer(c) == vt::Status::bad_config);
    c = long_texts, c.scaling = llama3, c.low_freq_factor = bound;
    CHECK(answer(c) == vt::Status::bad_config);
  }
}
