#include <vitrine/kernels/activation.hpp>

#include "all_floats.hpp"

#include <doctest/doctest.h>

#include <string_view>

namespace {

using namespace all_floats;
using vitrine::Activation;
using vitrine::simd;
namespace kernels = vitrine::kernels;
constexpr std::uint64_t some = 257;  // every 257th float; tests/exhaustive.cpp takes them all
constexpr int many = 1 << 18;

constexpr auto bounded = [](auto x, auto y, auto reference) { return activation_error(x, y, reference); };
constexpr auto bounded_float = [](double x, double y, double reference) {
  return activation_error(float(x), float(y), reference);
};

template <class R>
R gelu(R x) {
  return x * R(0.5) * std::erfc(x * R(-0.707106781186547524400844362104849039L));
}
template <class R>
R gelu_tanh(R x) {
  const R w = R(1.59576912160573071175978423973752747L) * (x + R(0.044715L) * x * x * x);
  return x / (1 + std::exp(-w));
}
template <class R>
R silu(R x) {
  return x / (1 + std::exp(-x));
}

template <class S>
void check(const Report<S>& report) {
  CAPTURE(report.worst_at);
  CAPTURE(report.wrong_at);
  CHECK(report.worst <= (sizeof(S) == 8 && sizeof(long double) == sizeof(double) ? 3 : 2));
  CHECK(report.wrong == 0);
}

template <class S>
S one(Activation activation, S x) {
  return simd<S>::lane(kernels::activate<S>(activation, simd<S>::set1(x)), 0);
}

}  // namespace

TEST_CASE("gelu, gelu_tanh and silu of floats keep their bound") {
  check(sweep(
      VITRINE_TESTED(float, gelu), [](double x) { return gelu(x); }, bounded_float, some));
  check(sweep(
      VITRINE_TESTED(float, gelu_tanh), [](double x) { return gelu_tanh(x); }, bounded_float, some));
  check(sweep(
      VITRINE_TESTED(float, silu), [](double x) { return silu(x); }, bounded_float, some));
}

TEST_CASE("gelu, gelu_tanh and silu of doubles keep their bound") {
  using R = long double;
  check(sample(
      VITRINE_TESTED(double, gelu), [](double x) { return gelu<R>(x); }, bounded, -9, 9, many));
  check(sample(
      VITRINE_TESTED(double, gelu_tanh), [](double x) { return gelu_tanh<R>(x); }, bounded, -9, 9, many));
  check(sample(
      VITRINE_TESTED(double, silu), [](double x) { return silu<R>(x); }, bounded, -40, 40, many));
}

TEST_CASE_TEMPLATE("special values", S, float, double) {
  const S infinity = std::numeric_limits<S>::infinity(), nan = std::numeric_limits<S>::quiet_NaN();
  for (const Activation a : {Activation::relu, Activation::gelu, Activation::gelu_tanh, Activation::silu}) {
    CAPTURE(vitrine::name(a));
    CHECK(one<S>(a, 0) == 0);
    CHECK(one<S>(a, infinity) == infinity);
    CHECK(std::isnan(one<S>(a, nan)));
    CHECK(std::isnan(one<S>(a, -nan)));
    CHECK(one<S>(a, 100) == 100);
    CHECK(std::abs(one<S>(a, -100)) < S(1e-30));
    CHECK(one<S>(a, std::numeric_limits<S>::max()) == std::numeric_limits<S>::max());
    CHECK(one<S>(a, std::numeric_limits<S>::lowest()) == 0);
    if (a != Activation::relu) CHECK(std::isnan(one<S>(a, -infinity)));  // as in PyTorch
  }
  CHECK(one<S>(Activation::relu, -infinity) == 0);
  CHECK(one<S>(Activation::relu, -3) == 0);
  CHECK(one<S>(Activation::relu, 3) == 3);
  CHECK(one<S>(Activation::none, -3) == -3);
  CHECK(std::isnan(one<S>(Activation::none, nan)));
}

TEST_CASE_TEMPLATE("the template and the switch are the same function", S, float, double) {
  using V = simd<S>;
  const S x = S(-0.7);
  const auto v = V::set1(x);
  CHECK(V::lane(kernels::activate<S, Activation::none>(v), 0) == x);
  CHECK(V::lane(kernels::activate<S, Activation::relu>(v), 0) == one<S>(Activation::relu, x));
  CHECK(V::lane(kernels::activate<S, Activation::gelu>(v), 0) == one<S>(Activation::gelu, x));
  CHECK(V::lane(kernels::activate<S, Activation::gelu_tanh>(v), 0) == one<S>(Activation::gelu_tanh, x));
  CHECK(V::lane(kernels::activate<S, Activation::silu>(v), 0) == one<S>(Activation::silu, x));
}
