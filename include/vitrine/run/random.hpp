// The generator behind init(seed): the same numbers on every platform, and PyTorch's initial distributions.
#pragma once
#include <vitrine/run/parameter.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::detail {

// SplitMix64 (Steele, Lea and Flood 2014).
class Random {
 public:
  explicit Random(std::uint64_t seed) noexcept : state_(seed) {}
  std::uint64_t next() noexcept {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  // [-bound, bound), 24 random bits: the same in float and double.
  double uniform(double bound) noexcept { return mul(double(next() >> 40) * 0x1p-23 - 1.0, bound); }
  // Mean 0 and the given deviation: the sum of twelve uniform numbers, which needs no logarithm.
  double normal(double deviation) noexcept {
    double sum = -6.0;
    for (int i = 0; i < 12; ++i) sum += double(next() >> 40) * 0x1p-24;
    return mul(sum, deviation);
  }

  Index fan_in = 1;  // of the last linear layer: its bias is drawn next

 private:
  std::uint64_t state_;
};

inline bool ends_with(const char* text, const char* end) {
  Index n = 0, m = 0;
  while (text[n] != 0) ++n;
  while (end[m] != 0) ++m;
  if (m > n) return false;
  for (Index i = 0; i < m; ++i)
    if (text[n - m + i] != end[i]) return false;
  return true;
}

// Attention projections: Xavier uniform over the whole packed matrix (Glorot and Bengio 2010), their biases 0, bias_k
// and bias_v Xavier normal. Linear layers: uniform in 1 / sqrt(columns), their biases too (taken of the matrix before
// them). Tables (embeddings): normal.
template <class S>
void initialise(const char* name, const Parameter<S>& p, Index panel, Random& random, S* values) {
  for (Index i = 0; i < p.stored(panel); ++i) values[i] = S(0);
  const auto fill = [&](auto draw) {
    for (Index r = 0; r < p.rows; ++r)
      for (Index c = 0; c < (p.cols > 0 ? p.cols : 1); ++c) values[p.at(r, c, panel)] = S(draw());
  };
  const auto root = [](double x) { return square_root(x); };
  if (p.is_vector()) {
    if (ends_with(name, "weight"))
      fill([] { return 1.0; });
    else if (ends_with(name, "bias_k") || ends_with(name, "bias_v"))
      fill([&] { return random.normal(root(2.0 / double(2 * p.rows))); });
    else if (ends_with(name, "linear1.bias") || ends_with(name, "linear2.bias") || name[0] == 'b')
      fill([&] { return random.uniform(1.0 / root(double(random.fan_in))); });
  } else if (ends_with(name, "proj_weight")) {
    fill([&] { return random.uniform(root(6.0 / double(p.rows + p.cols))); });
  } else if (p.packable) {
    random.fan_in = p.cols;
    fill([&] { return random.uniform(1.0 / root(double(p.cols))); });
  } else {
    fill([&] { return random.normal(1.0); });
  }
}

}  // namespace vitrine::inline VITRINE_ABI::detail

#include <vitrine/core/macros_pop.hpp>
