#include <vitrine/generate/length_penalty.hpp>

#include <doctest/doctest.h>

using vitrine::detail::length_penalty;

// Reference: Python, length ** exponent.
TEST_CASE("length_penalty is the length to the exponent's power") {
  CHECK(length_penalty<double>(7, 0.6) == doctest::Approx(3.2140958497160383).epsilon(1e-14));
  CHECK(length_penalty<double>(12, 2.0) == doctest::Approx(144).epsilon(1e-14));
  CHECK(length_penalty<double>(9, -0.5) == doctest::Approx(1.0 / 3).epsilon(1e-14));
  CHECK(length_penalty<float>(5, 1.3) == doctest::Approx(8.103282983).epsilon(1e-7));
}

TEST_CASE("length_penalty: no power is taken for the exponents 1 and 0") {
  CHECK(length_penalty<double>(11, 1.0) == 11);
  CHECK(length_penalty<float>(11, 0.0) == 1);
}
