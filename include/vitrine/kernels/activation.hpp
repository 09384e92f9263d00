// The activation functions of a vector.
//
//   activate<S, Activation::gelu>(x)    the caller switches outside its loops
//   activate<S>(activation, x)          switches here
//   relu<S>, gelu<S>, gelu_tanh<S>, silu<S>
//
// The error of gelu, gelu_tanh and silu is at most 2 eps max(|f(x)|, |x| / 16), for every x. NaN gives NaN. f(-inf) is
// NaN (0 for relu), as in PyTorch.
#pragma once
#include <vitrine/core/activation_kind.hpp>
#include <vitrine/kernels/elementary.hpp>

namespace vitrine::inline VITRINE_ABI::kernels {

// max(x, 0); -0 stays -0.
template <class S>
VITRINE_INLINE typename simd<S>::vec relu(typename simd<S>::vec x) {
  return simd<S>::max(simd<S>::zero(), x);
}

namespace detail {

// P(X > a) for a standard normal X and a >= 0, as exp(-a^2 / 2) * r(a). r is a polynomial in a - 0.5: between 0
// and 1.53, where the tail is 1/16 and the error bound of gelu is tightest, its terms stay small. Right of 6 (9 in
// double) it is held constant.
template <class S>
VITRINE_INLINE typename simd<S>::vec normal_tail(typename simd<S>::vec a) {
  using V = simd<S>;
  const auto square = V::mul(a, a);
  const auto error = product_error<S>(a, a, square);
  const auto half = V::set1(S(-0.5));
  const auto gauss = exp_nonpositive<S, true>(V::mul(square, half), V::mul(error, half));
  typename V::vec ratio;
  if constexpr (sizeof(S) == 4) {
    const auto x = V::min(V::set1(6.f), a) - V::set1(0.5f);
    ratio = horner<S>(x, 0x1.66027ap-2f, -0x1.cb062ep-3f, 0x1.e68212p-4f, -0x1.c1dc42p-5f, 0x1.7605bep-6f,
                      -0x1.1d2104p-7f, 0x1.946298p-9f, -0x1.0c81aap-10f, 0x1.47dc68p-12f, -0x1.5adb52p-14f,
                      0x1.21c43cp-16f, -0x1.562106p-19f, 0x1.eceae4p-23f, -0x1.4079e4p-27f);
  } else {
    const auto x = V::min(V::set1(9.), a) - V::set1(1.25);
    ratio = horner<S>(x, 0x1.d898de09c6f19p-3, -0x1.c49321dc9c383p-4, 0x1.7b79d1bfcaa15p-5, -0x1.1f33fe5ba7708p-6,
                      0x1.8ff2a58d026b8p-8, -0x1.038d10ff56e2dp-9, 0x1.3cf8a3e778f09p-11, -0x1.6ed9faebc87d8p-13,
                      0x1.94a90af11408cp-15, -0x1.ab5e7f056785fp-17, 0x1.b1c59fce24b93p-19, -0x1.a87573861cc6ep-21,
                      0x1.91812cfd80a34p-23, -0x1.6ffc22ecd9876p-25, 0x1.4770a5588c50ap-27, -0x1.1b6204f572303p-29,
                      0x1.ddcb057f9b9fdp-32, -0x1.88c457453ac66p-34, 0x1.3b336fc30211ep-36, -0x1.ef87a8197d2d8p-39,
                      0x1.7fd7dcaeabd6fp-41, -0x1.24d92f4687961p-43, 0x1.ad68f8860317fp-46, -0x1.1eec903773068p-48,
                      0x1.475a1360130ffp-51, -0x1.2b53fbdcd0006p-54, 0x1.9c6870a63a43ap-58, -0x1.8d31d7aeb114dp-62,
                      0x1.d990524b9d8adp-67, -0x1.0604a33a848b8p-72);
  }
  return V::mul(gauss, ratio);
}

}  // namespace detail

// x Phi(x): half of x (1 + erf(x / sqrt(2))), without its cancellation for negative x.
template <class S>
VITRINE_INLINE typename simd<S>::vec gelu(typename simd<S>::vec x) {
  using V = simd<S>;
  const auto tail = detail::normal_tail<S>(detail::absolute<S>(x));
  return V::mul(x, V::select(V::lt(x, V::zero()), tail, V::set1(S(1)) - tail));
}

// x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))), as x / (1 + exp(-w)) where w = x (c1 + c2 x^2) is kept in two
// parts.
template <class S>
VITRINE_INLINE typename simd<S>::vec gelu_tanh(typename simd<S>::vec x) {
  using V = simd<S>;
  constexpr S c1 = sizeof(S) == 4 ? S(0x1.988454p0) : S(0x1.9884533d43651p0);
  constexpr S c1_rest = sizeof(S) == 4 ? S(-0x1.857936p-25) : S(-0x1.cbc0d30ebfd15p-54);
  constexpr S c2 = sizeof(S) == 4 ? S(0x1.2444f2p-4) : S(0x1.2444f2a4d8b4bp-4);
  const auto cubic = V::mul(V::mul(x, x), V::set1(c2));
  const auto factor = V::set1(c1) + cubic;
  const auto factor_rest = (detail::hidden<S>(V::set1(c1) - factor) + cubic) + V::set1(c1_rest);
  const auto minus = detail::negative<S>(x);
  const auto w = V::mul(minus, factor);
  const auto w_rest = V::fma(minus, factor_rest, detail::product_error<S>(minus, factor, w));
  return x / (V::set1(S(1)) + detail::exp_any<S, true>(w, w_rest));
}

// x / (1 + e^-x).
template <class S>
VITRINE_INLINE typename simd<S>::vec silu(typename simd<S>::vec x) {
  return x / (simd<S>::set1(S(1)) + exp<S>(detail::negative<S>(x)));
}

template <class S, Activation activation>
VITRINE_INLINE typename simd<S>::vec activate(typename simd<S>::vec x) {
  if constexpr (activation == Activation::relu)
    return relu<S>(x);
  else if constexpr (activation == Activation::gelu)
    return gelu<S>(x);
  else if constexpr (activation == Activation::gelu_tanh)
    return gelu_tanh<S>(x);
  else if constexpr (activation == Activation::silu)
    return silu<S>(x);
  else
    return x;
}
template <class S>
VITRINE_INLINE typename simd<S>::vec activate(Activation activation, typename simd<S>::vec x) {
  switch (activation) {
    case Activation::relu:
      return relu<S>(x);
    case Activation::gelu:
      return gelu<S>(x);
    case Activation::gelu_tanh:
      return gelu_tanh<S>(x);
    case Activation::silu:
      return silu<S>(x);
    case Activation::none:
      break;
  }
  return x;
}

}  // namespace vitrine::inline VITRINE_ABI::kernels
