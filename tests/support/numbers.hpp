// Numbers against wanted ones.
#pragma once
#include <doctest/doctest.h>

#include <bit>
#include <cstdint>
#include <initializer_list>
#include <vector>

/// By its bits, so that it holds under -ffast-math.
inline bool is_nan(double value) { return (std::bit_cast<std::uint64_t>(value) << 1) > std::uint64_t{0x7ff} << 53; }

inline void check_near(const std::vector<float>& values, std::initializer_list<double> wanted, double epsilon = 1e-6) {
  REQUIRE(values.size() == wanted.size());
  std::size_t i = 0;
  for (const double one : wanted) CHECK(values[i++] == doctest::Approx(one).epsilon(epsilon));
}
