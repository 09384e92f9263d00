// Softmax of one row over an interval of keys, in one fixed order.
//
//   e_j = exp(s_j - max),  sum over lanes: key j adds to lane (j - first) mod L, then one tree,  weight_j = e_j * (1 /
//   sum)
//
// The division happens once; a masked score (-inf by its bits) gives e = +0 by selection. The result does not depend on
// what stands outside the interval, nor on where in memory the interval begins.
#pragma once
#include <vitrine/core/config.hpp>
#include <vitrine/core/mask.hpp>
#include <vitrine/core/simd.hpp>
#include <vitrine/kernels/elementary.hpp>

namespace vitrine::inline VITRINE_ABI::kernels {

// All ones in the lanes below n.
template <class S>
VITRINE_INLINE typename simd<S>::ivec head_mask(Index n) {
  using V = simd<S>;
  return V::ilt(V::iota(), V::iset1(typename V::lane_int(n < V::lanes ? n : V::lanes)));
}

// The largest of n > 0 scores. The row may be read up to a vector past its end; what stands there does not matter.
template <class S>
VITRINE_INLINE S row_max(const S* s, Index n) {
  using V = simd<S>;
  auto best = V::set1(s[0]);
  Index j = 0;
  for (; j + V::lanes <= n; j += V::lanes) best = V::max(best, V::load(s + j));
  if (j < n) best = V::max(best, V::select(head_mask<S>(n - j), V::load(s + j), best));
  return reduce_max<S>(best);
}

// s becomes e, in place; returns the sum. The row is written up to a vector past its end, with zeros.
template <class S, bool Masked>
VITRINE_INLINE S exponentials(S* s, Index n, S max) {
  using V = simd<S>;
  const auto top = V::set1(max);
  auto sum = V::zero();
  const auto at = [&](Index j, Index left) {
    const auto x = V::load(s + j);
    auto e = exp_nonpositive<S>(x - top);
    if constexpr (Masked) {
      const auto minus_inf = V::iset1(vitrine::detail::minus_infinity_bits<S>());
      e = V::select(V::ieq(V::bits(x), minus_inf), V::zero(), e);
    }
    if (left < V::lanes) e = V::select(head_mask<S>(left), e, V::zero());
    V::store(s + j, e);
    sum = sum + e;
  };
  Index j = 0;
  for (; j + V::lanes <= n; j += V::lanes) at(j, V::lanes);
  if (j < n) at(j, n - j);
  return reduce_add<S>(sum);
}

}  // namespace vitrine::inline VITRINE_ABI::kernels
