// Rotary positions (Su et al. 2021): each pair of values of a head is turned by an angle that grows with the position.
//
//   (a, b) -> (a cos - b sin, b cos + a sin)       pairs are (i, i + dim / 2) or (2 i, 2 i + 1)
#pragma once
#include <vitrine/core/simd.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::kernels {

// Turns the 2 H values of x, H = half, in place: value i with value half + i. cos, sin: H values of the position.
// Rounding: two products and a sum, each rounded. Touches no other byte.
template <class S>
void rotate_halves(S* x, Index half, const S* cos, const S* sin) {
  using V = simd<S>;
  for (Index i = 0; i < half; i += V::lanes) {
    const Index left = half - i;
    const auto a = load_first<S>(x + i, left), b = load_first<S>(x + half + i, left);
    const auto c = load_first<S>(cos + i, left), s = load_first<S>(sin + i, left);
    store_first<S>(x + i, V::mul(a, c) - V::mul(b, s), left);
    store_first<S>(x + half + i, V::mul(b, c) + V::mul(a, s), left);
  }
}
// The same of 2 H values by neighbours: value 2 i with value 2 i + 1.
template <class S>
void rotate_neighbours(S* x, Index half, const S* cos, const S* sin) {
  for (Index i = 0; i < half; ++i) {
    const S a = x[2 * i], b = x[2 * i + 1];
    x[2 * i] = mul(a, cos[i]) - mul(b, sin[i]);
    x[2 * i + 1] = mul(b, cos[i]) + mul(a, sin[i]);
  }
}

}  // namespace vitrine::inline VITRINE_ABI::kernels

#include <vitrine/core/macros_pop.hpp>
