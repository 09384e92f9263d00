#include <vitrine/kernels/elementary.hpp>

#include "all_floats.hpp"

#include <doctest/doctest.h>

namespace {

using namespace all_floats;
namespace kernels = vitrine::kernels;
constexpr std::uint64_t some = 257;  // every 257th float; tests/exhaustive.cpp takes them all
constexpr int many = 1 << 18;
constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr double infinity_d = std::numeric_limits<double>::infinity();

// long double carries 11 bits more than double on x86, and is double elsewhere: there half an ulp of libm is allowed
// for.
constexpr double libm = sizeof(long double) > sizeof(double) ? 0 : 1;
constexpr auto ulp = [](auto, auto y, auto reference) { return ulps(y, reference); };
constexpr auto ulp_float = [](double, double y, double reference) { return ulps(float(y), reference); };

template <class S>
void check(const Report<S>& report, double bound) {
  CAPTURE(report.worst_at);
  CAPTURE(report.wrong_at);
  CHECK(report.worst <= bound);
  CHECK(report.wrong == 0);
}

template <class S>
bool same(S x, S y) {
  return (x != x && y != y) || std::memcmp(&x, &y, sizeof x) == 0;
}

}  // namespace

TEST_CASE("exp of floats is within 2 ulp, and flushes to +0") {
  check(sweep(
            VITRINE_TESTED(float, exp), [](double x) { return std::exp(x); },
            [](double, double y, double reference) { return ulps_flushed(float(y), reference); }, some),
        2);
}

TEST_CASE("exp_nonpositive has the bits of exp") {
  using V = vitrine::simd<float>;
  for (std::uint64_t word = 0; word < std::uint64_t{1} << 32; word += some) {
    const auto bits = static_cast<std::uint32_t>(word);
    float x;
    std::memcpy(&x, &bits, 4);
    if (x > 0) continue;
    const float y = V::lane(kernels::exp_nonpositive<float>(V::set1(x)), 0);
    if (!same(y, kernels::exp(x))) FAIL_CHECK("differs at ", x);
  }
}

TEST_CASE("exp, special values and the ends of the range") {
  CHECK(kernels::exp(0.f) == 1);
  CHECK(kernels::exp(-0.f) == 1);
  CHECK(same(kernels::exp(-infinity), 0.f));
  CHECK(kernels::exp(infinity) == infinity);
  CHECK(std::isnan(kernels::exp(NAN)));
  CHECK(same(kernels::exp(-87.3365479f), 0.f));  // below exp(x) = 2^-126
  CHECK(kernels::exp(-87.3365402f) >= 0x1p-126f);
  CHECK(std::isfinite(kernels::exp(88.7228317f)));
  CHECK(kernels::exp(88.7228394f) == infinity);
  for (const std::uint32_t bits : {0x7fc00001u, 0x7fc00155u, 0xffc00100u, 0x7fffffffu, 0xffffffffu}) {  // payloads
    float x;
    std::memcpy(&x, &bits, 4);
    using V = vitrine::simd<float>;
    CHECK(std::isnan(kernels::exp(x)));
    CHECK(std::isnan(V::lane(kernels::exp_nonpositive<float>(V::set1(x)), 0)));
  }
  CHECK(kernels::exp(0.) == 1);
  CHECK(same(kernels::exp(-infinity_d), 0.));
  CHECK(kernels::exp(infinity_d) == infinity_d);
  CHECK(std::isnan(kernels::exp(double(NAN))));
  CHECK(same(kernels::exp(-708.39641853226419), 0.));
  CHECK(kernels::exp(-708.39641853226408) >= 0x1p-1022);
  CHECK(std::isfinite(kernels::exp(709.78271289338397)));
  CHECK(kernels::exp(709.78271289338409) == infinity_d);
}

TEST_CASE("exp of doubles is within 4 ulp") {
  check(sample(
            VITRINE_TESTED(double, exp), [](double x) { return std::exp(static_cast<long double>(x)); },
            [](double, double y, long double reference) { return ulps_flushed(y, reference); }, -710, 711, many),
        4 + libm);
}

TEST_CASE("erf is within 4 ulp") {
  check(sweep(
            VITRINE_TESTED(float, erf), [](double x) { return std::erf(x); }, ulp_float, some),
        4);
  check(sample(
            VITRINE_TESTED(double, erf), [](double x) { return std::erf(static_cast<long double>(x)); }, ulp, -7, 7,
            many),
        4 + libm);
  CHECK(same(kernels::erf(-0.f), -0.f));
  CHECK(kernels::erf(infinity) == 1);
  CHECK(kernels::erf(-infinity_d) == -1);
  CHECK(std::isnan(kernels::erf(NAN)));
}

TEST_CASE("tanh is within 4 ulp") {
  check(sweep(
            VITRINE_TESTED(float, tanh), [](double x) { return std::tanh(x); }, ulp_float, some),
        4);
  check(sample(
            VITRINE_TESTED(double, tanh), [](double x) { return std::tanh(static_cast<long double>(x)); }, ulp, -20, 20,
            many),
        4 + libm);
  CHECK(same(kernels::tanh(-0.), -0.));
  CHECK(kernels::tanh(infinity) == 1);
  CHECK(kernels::tanh(-infinity_d) == -1);
  CHECK(std::isnan(kernels::tanh(NAN)));
}

TEST_CASE("log is within 4 ulp, subnormals too") {
  check(sweep(
            VITRINE_TESTED(float, log), [](double x) { return std::log(x); }, ulp_float, some),
        4);
  check(sample(
            VITRINE_TESTED(double, log), [](double x) { return std::log(static_cast<long double>(x)); }, ulp, 0.5, 2,
            many),
        4 + libm);
  check(sample(
            VITRINE_TESTED(double, log), [](double x) { return std::log(static_cast<long double>(x)); }, ulp, 0x1p-1074,
            0x1p-1021, 1 << 12),
        4 + libm);
  CHECK(same(kernels::log(1.f), 0.f));
  CHECK(kernels::log(0.f) == -infinity);
  CHECK(kernels::log(-0.) == -infinity_d);
  CHECK(kernels::log(infinity) == infinity);
  CHECK(std::isnan(kernels::log(-1.f)));
  CHECK(std::isnan(kernels::log(-infinity_d)));
  CHECK(std::isnan(kernels::log(NAN)));
}
