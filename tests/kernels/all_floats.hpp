// Sweeps over the bit patterns of float, and samples of double, for the tests of elementary functions.
//
// An error function (x, y, reference) returns the error in units of its bound's unit, NaN for a wrong special value.
#pragma once
#include <vitrine/kernels/activation.hpp>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <limits>
#include <thread>
#include <vector>

namespace all_floats {

template <class S>
struct Report {
  double worst = 0;         // largest error
  S worst_at = 0;           // and where
  std::uint64_t wrong = 0;  // results whose error is NaN
  S wrong_at = 0;           // the last of them
  std::uint64_t hash = 0;   // of all results, independent of the order of threads

  void take(S x, S y, double error) {
    std::conditional_t<sizeof(S) == 4, std::uint32_t, std::uint64_t> xb, yb;
    std::memcpy(&xb, &x, sizeof x);
    std::memcpy(&yb, &y, sizeof y);
    if (y != y) yb = 1;  // which NaN it is may differ
    std::uint64_t mixed = (std::uint64_t{xb} * 0x9e3779b97f4a7c15u) ^ (std::uint64_t{yb} * 0xc2b2ae3d27d4eb4fu);
    mixed = (mixed ^ (mixed >> 29)) * 0xbf58476d1ce4e5b9u;
    hash += mixed ^ (mixed >> 32);
    if (std::isnan(error)) {
      ++wrong;
      wrong_at = x;
    } else if (error > worst) {
      worst = error;
      worst_at = x;
    }
  }
  void join(const Report& other) {
    if (other.worst > worst) worst = other.worst, worst_at = other.worst_at;
    if (other.wrong > 0) wrong += other.wrong, wrong_at = other.wrong_at;
    hash += other.hash;
  }
};

// Every `stride`-th float; function maps vectors, reference maps double to double.
template <class Function, class Reference, class Error>
Report<float> sweep(Function function, Reference reference, Error error, std::uint64_t stride) {
  using V = vitrine::simd<float>;
  constexpr int block = 4096;
  const std::uint64_t count = ((std::uint64_t{1} << 32) + stride - 1) / stride, blocks = (count + block - 1) / block;
  const auto work = [&](std::uint64_t first, std::uint64_t step, Report<float>& report) {
    std::vector<float> x(block), y(block);
    for (std::uint64_t b = first; b < blocks; b += step) {
      for (int i = 0; i < block; ++i) {
        const std::uint64_t word = (b * block + std::uint64_t(i)) * stride;
        const auto bits = static_cast<std::uint32_t>(word < (std::uint64_t{1} << 32) ? word : 0);
        std::memcpy(&x[std::size_t(i)], &bits, 4);
      }
      for (int i = 0; i < block; i += V::lanes) V::store(&y[std::size_t(i)], function(V::load(&x[std::size_t(i)])));
      for (std::size_t i = 0; i < block; ++i)
        report.take(x[i], y[i], error(double(x[i]), double(y[i]), reference(double(x[i]))));
    }
  };
  Report<float> reports[2];
  std::thread other(work, std::uint64_t{1}, std::uint64_t{2}, std::ref(reports[1]));
  work(0, 2, reports[0]);
  other.join();
  reports[0].join(reports[1]);
  return reports[0];
}

// Random doubles: of every magnitude, of the magnitudes around 1, and uniform in [low, high].
template <class Function, class Reference, class Error>
Report<double> sample(Function function, Reference reference, Error error, double low, double high, int count) {
  using V = vitrine::simd<double>;
  std::uint64_t state = 88172645463325252u;
  const auto random = [&state] {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state * 2685821657736338717u;
  };
  const auto uniform = [&](double from, double to) { return from + (to - from) * double(random() >> 11) * 0x1p-53; };
  Report<double> report;
  for (int n = 0; n < count; n += V::lanes) {
    double x[V::lanes], y[V::lanes];
    for (int i = 0; i < V::lanes; ++i) {
      const int kind = (n + i) % 4;
      if (kind == 0) {
        const std::uint64_t bits = random();
        std::memcpy(&x[i], &bits, 8);
      } else if (kind == 1) {
        const int exponent = int(random() % 12) - 10;
        x[i] = std::ldexp(uniform(-2, 2), exponent);
      } else {
        x[i] = uniform(low, high);
      }
    }
    V::store(y, function(V::load(x)));
    for (int i = 0; i < V::lanes; ++i) report.take(x[i], y[i], error(x[i], y[i], reference(x[i])));
  }
  return report;
}

// Units in the last place of the correct result; `S` is the type that was computed in, R that of the reference.
template <class S, class R>
double ulps(S y, R reference) {
  using limits = std::numeric_limits<S>;
  if (reference != reference) return y != y ? 0 : NAN;
  const R magnitude = reference < 0 ? -reference : reference;
  if (magnitude >= R(limits::max()) * (1 + R(limits::epsilon()) / 4))
    return std::isinf(y) && (y > 0) == (reference > 0) ? 0 : NAN;
  const int exponent = std::ilogb(static_cast<double>(magnitude));
  const int unit = (magnitude < R(limits::min()) ? limits::min_exponent - 1 : exponent) - limits::digits + 1;
  const R difference = R(y) - reference;
  return static_cast<double>((difference < 0 ? -difference : difference) / R(std::ldexp(1.0, unit)));
}

// As ulps, but a reference below the smallest normal number must have given exactly +0.
template <class S, class R>
double ulps_flushed(S y, R reference) {
  if (reference < R(std::numeric_limits<S>::min())) return y == 0 && !std::signbit(y) ? 0 : NAN;
  return ulps(y, reference);
}

// In units of eps max(|reference|, |x| / 16), the bound of the activation functions.
template <class S, class R>
double activation_error(S x, S y, R reference) {
  if (reference != reference || reference - reference != 0) return ulps(y, reference);
  const R magnitude = reference < 0 ? -reference : reference, least = (x < 0 ? -R(x) : R(x)) / 16;
  const R size = magnitude > least ? magnitude : least, difference = R(y) - reference;
  const R distance = difference < 0 ? -difference : difference;
  if (size < R(std::numeric_limits<S>::min()) * 16)  // subnormal results: units of the last bit
    return static_cast<double>(distance / R(std::numeric_limits<S>::denorm_min())) <= 1 ? 0 : NAN;
  return static_cast<double>(distance / size / R(std::numeric_limits<S>::epsilon()));
}

}  // namespace all_floats

// The vector functions under test as objects; lambdas hand vectors over by value, which only inlining makes sound.
#define VITRINE_TESTED(scalar, name) \
  [](auto x) __attribute__((always_inline)) { return vitrine::kernels::name<scalar>(x); }
