// The naive twin of products in int8: scales, codes, exact sums and two roundings, one value at a time.
#pragma once
#include <vitrine/core/config.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace support::quantised {

using vitrine::Index;

// The largest |x| / 127, at least the smallest normal number.
inline float scale_of(const float* x, Index n) {
  float most = 0;
  for (Index i = 0; i < n; ++i) most = std::max(most, std::fabs(x[i]));
  return std::max(most / 127.0f, std::numeric_limits<float>::min());
}
// The same rounded up to 17 bits.
inline float weight_scale_of(const float* x, Index n) {
  int exponent = 0;
  const float fraction = std::frexp(scale_of(x, n), &exponent);
  return std::ldexp(std::ceil(std::ldexp(fraction, 17)), exponent - 17);
}
inline std::vector<Index> codes_of(const float* x, Index n, float scale) {
  std::vector<Index> codes;
  const float inverse = 1.0f / scale;
  for (Index i = 0; i < n; ++i) {
    const volatile float ratio = x[i] * inverse;
    codes.push_back(Index(std::nearbyint(ratio)));
  }
  return codes;
}
// A row of activations by a row of a weight.
inline float product(const float* x, const float* w, Index depth) {
  const float row = scale_of(x, depth), column = weight_scale_of(w, depth);
  const auto a = codes_of(x, depth, row), b = codes_of(w, depth, column);
  Index sum = 0;
  for (Index k = 0; k < depth; ++k) sum += a[std::size_t(k)] * b[std::size_t(k)];
  const volatile float once = float(sum) * row;
  return once * column;
}

}  // namespace support::quantised
