// What holds under -ffast-math, which check.sh compiles this with: masks, exact zeros, empty rows, and that what a mask
// hides is harmless. All by bits: comparisons with NaN and infinity mean nothing here.
#include <vitrine/vitrine.hpp>

#include <bit>
#include <cstdio>
#include <vector>

#ifndef __FAST_MATH__
#error "compile this with -ffast-math"
#endif

namespace {

namespace vt = vitrine;
using vt::Index;

int failures = 0;
void check(bool right, const char* what, const char* mask) {
  if (!right) std::printf("%s: %s\n", mask, what), ++failures;
}

template <class S>
struct Bits;
template <>
struct Bits<float> {
  using type = std::uint32_t;
  static constexpr type infinity = 0x7f800000u, sign = 0x80000000u, nan = 0x7fc00000u;
};
template <>
struct Bits<double> {
  using type = std::uint64_t;
  static constexpr type infinity = 0x7ff0000000000000u, sign = 0x8000000000000000u, nan = 0x7ff8000000000000u;
};
template <class S>
bool is_plus_zero(S x) {
  return std::bit_cast<typename Bits<S>::type>(x) == 0;
}
template <class S>
bool is_minus_infinity(S x) {
  return std::bit_cast<typename Bits<S>::type>(x) == (Bits<S>::infinity | Bits<S>::sign);
}
template <class S>
bool is_positive_and_finite(S x) {
  const auto bits = std::bit_cast<typename Bits<S>::type>(x);
  return bits > 0 && bits < Bits<S>::infinity;
}
template <class S>
bool is_finite(S x) {
  return (std::bit_cast<typename Bits<S>::type>(x) & ~Bits<S>::sign) < Bits<S>::infinity;
}

constexpr Index heads = 2, length = 14, keys = 37, width = 8;

// The mask against its meaning, allowed(i, j). Keys from `hidden` on are in no row's interval, and hold NaN.
template <class S, class Allowed>
void check_mask(const char* name, const vt::Mask<S>& mask, Index hidden, Allowed allowed) {
  std::vector<S> query(heads * length * width), key(heads * keys * width), value(heads * keys * width);
  std::uint64_t state = 7;
  for (auto* v : {&query, &key, &value})
    for (S& x : *v) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      x = S(double(state >> 11) * 0x1p-52 - 1);
    }
  for (Index j = hidden; j < keys; ++j)
    for (Index h = 0; h < heads; ++h)
      for (Index e = 0; e < width; ++e) {
        const auto at = std::size_t((h * keys + j) * width + e);
        key[at] = value[at] = std::bit_cast<S>(Bits<S>::nan);
      }
  const auto q = vt::heads_bhtd(query.data(), Index{1}, heads, length, width);
  const auto k = vt::heads_bhtd(key.data(), Index{1}, heads, keys, width);
  const auto v = vt::heads_bhtd(value.data(), Index{1}, heads, keys, width);
  const auto r = vt::scaled_dot_product_attention(q, k, v, {.mask = mask}, vt::keep::scores);
  const auto mean = vt::scaled_dot_product_attention(q, k, v, {.mask = mask}, vt::keep::head_mean);
  const S* output = r.output.data();
  for (Index h = 0; h < heads; ++h) {
    const auto weights = r.weights.matrix(0, h), scores = r.weights.scores(0, h);
    for (Index i = 0; i < length; ++i) {
      double sum = 0;
      bool any = false;
      for (Index j = 0; j < keys; ++j) {
        const S w = weights.data()[i * keys + j], s = scores.data()[i * keys + j];
        if (allowed(i, j)) {
          check(is_positive_and_finite(w), "a weight that is kept is not positive", name);
          check(is_finite(s), "a score that is kept is not finite", name);
          any = true, sum += double(w);
        } else {
          check(is_plus_zero(w), "a masked weight is not +0", name);
          check(is_minus_infinity(s), "a masked score is not -inf", name);
          check(is_plus_zero(mean.weights.matrix(0).data()[i * keys + j]), "a masked mean is not +0", name);
        }
      }
      if (any) check(sum > 1 - 1e-5 && sum < 1 + 1e-5, "a row does not sum to 1", name);
      for (Index e = 0; e < width; ++e) {
        const S x = output[i * heads * width + h * width + e];
        check(any ? is_finite(x) : is_plus_zero(x),
              any ? "a context is not finite" : "an empty row's context is not +0", name);
      }
    }
  }
}

template <class S>
void check_all() {
  const S minus_infinity = std::bit_cast<S>(Bits<S>::infinity | Bits<S>::sign);
  const Index lengths[] = {19}, none[] = {0};
  std::vector<std::uint8_t> flags(keys), matrix(length * keys), nothing(length * keys);
  std::vector<S> bias(length * keys), key_bias(keys);
  for (Index j = 0; j < keys; ++j)
    flags[std::size_t(j)] = j % 3 != 1, key_bias[std::size_t(j)] = j % 4 == 2 ? minus_infinity : S(0.5);
  for (Index i = 0; i < length * keys; ++i)
    matrix[std::size_t(i)] = i / keys != 5 && i % 5 != 2,
    bias[std::size_t(i)] = i / keys == 6 || i % 7 == 3 ? minus_infinity : S(-1);
  const auto by_flags = vt::key_flags(flags.data(), Index{1}, keys);
  const auto by_matrix = vt::keep_matrix(matrix.data(), length, keys);
  const auto by_bias = vt::additive_bias(bias.data(), length, keys);
  check_mask<S>("none", {}, keys, [](Index, Index) { return true; });
  check_mask<S>("causal", vt::causal(), length, [](Index i, Index j) { return j <= i; });
  check_mask<S>("window", vt::window(2, 1), length + 1, [](Index i, Index j) { return j >= i - 2 && j <= i + 1; });
  check_mask<S>("lengths", vt::key_lengths(lengths), 19, [](Index, Index j) { return j < 19; });
  check_mask<S>("no length", vt::key_lengths(none), 0, [](Index, Index) { return false; });
  check_mask<S>("flags", by_flags, keys, [](Index, Index j) { return j % 3 != 1; });
  check_mask<S>("matrix", by_matrix, keys, [&](Index i, Index j) { return matrix[std::size_t(i * keys + j)] != 0; });
  check_mask<S>("bias", by_bias, keys, [](Index i, Index j) { return i != 6 && (i * keys + j) % 7 != 3; });
  check_mask<S>("key bias", vt::key_bias(key_bias.data(), Index{1}, keys), keys,
                [](Index, Index j) { return j % 4 != 2; });
  check_mask<S>("empty matrix", vt::keep_matrix(nothing.data(), length, keys), keys,
                [](Index, Index) { return false; });
  check_mask<S>("all", by_bias & vt::causal() & by_flags & by_matrix & vt::key_lengths(lengths), length,
                [&](Index i, Index j) {
                  return j <= i && j < 19 && j % 3 != 1 && matrix[std::size_t(i * keys + j)] != 0 && i != 6 &&
                         (i * keys + j) % 7 != 3;
                });
}

}  // namespace

int main() {
  check_all<float>();
  check_all<double>();
  if (failures == 0) std::puts("-ffast-math: masks, exact zeros and empty rows hold");
  return failures == 0 ? 0 : 1;
}
