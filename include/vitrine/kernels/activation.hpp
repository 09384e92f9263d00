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

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::kernels {

// relu(x) = max(x, 0); -0 stays -0.
template <class S>
VITRINE_INLINE typename simd<S>::vec relu(typename simd<S>::vec x) {
  return simd<S>::max(simd<S>::zero(), x);
}

// gelu(x) = x Phi(x), half of x (1 + erf(x / sqrt(2))) (Hendrycks and Gimpel 2016). Without its cancellation that is
// max(x, 0) - |x| P(X > |x|), the last two in one fma. The tail is 0 from 16 (40 in double) on; its factor stops there,
// or it would be 0 inf for x = inf.
template <class S>
VITRINE_INLINE typename simd<S>::vec gelu(typename simd<S>::vec x) {
  using V = simd<S>;
  const auto tail = detail::normal_tail<S>(detail::absolute<S>(x));
  const auto least = V::set1(sizeof(S) == 4 ? S(-16) : S(-40));
  const auto factor = V::select(V::lt(x, V::zero()), x, V::max(least, detail::negative<S>(x)));
  return V::fma(factor, tail, relu<S>(x));
}

// gelu_tanh(x) = x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))), as x / (1 + exp(-w)) where w = x (c1 + c2 x^2) is
// kept in two parts.
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

// silu(x) = x / (1 + e^-x).
template <class S>
VITRINE_INLINE typename simd<S>::vec silu(typename simd<S>::vec x) {
  return x / (simd<S>::set1(S(1)) + exp<S>(detail::negative<S>(x)));
}

// One activation of a vector, chosen at compile time or by value.
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

#include <vitrine/core/macros_pop.hpp>
