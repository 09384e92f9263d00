// A row of attention weights, e * inverse, on its way out: write_weights into its map, add_mean into the mean over
// heads. As codes of a compact map: kernels/map_codes.hpp. Internal to attend_head().
#pragma once
#include <vitrine/core/simd.hpp>
#include <vitrine/kernels/score_tile.hpp>
#include <vitrine/kernels/softmax.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::kernels::detail {

template <class S>
VITRINE_INLINE void store_out(S* p, typename simd<S>::vec x, bool stream) {
  if (stream)
    simd<S>::stream(p, x);
  else
    simd<S>::store(p, x);
}

// A row of the weights over `keys` keys; +0 outside its interval. The row of e has zeros from hi to the end of its
// vector.
template <class S>
VITRINE_NOINLINE void write_weights(const SoftmaxRow<S>& row, Index keys, S* out, bool stream) {
  using V = simd<S>;
  const Index lo = row.lo, hi = row.hi;
  const S* const e = row.e;
  const auto factor = V::set1(row.inverse);
  const Index begin = lo / V::lanes * V::lanes;
  Index j = 0;
  for (; j < begin; j += V::lanes) store_out(out + j, V::zero(), stream);
  const Index whole = hi < keys / V::lanes * V::lanes ? hi : keys / V::lanes * V::lanes;
  for (; j < whole; j += V::lanes) {
    auto w = V::mul(V::load(e + j), factor);
    if (j < lo) w = V::select(first_lanes<S>(lo - j), V::zero(), w);
    if (j + V::lanes > hi) w = V::select(first_lanes<S>(hi - j), w, V::zero());
    store_out(out + j, w, stream);
  }
  for (; j + V::lanes <= keys; j += V::lanes) store_out(out + j, V::zero(), stream);
  for (; j < keys; ++j) out[j] = j >= lo && j < hi ? mul(e[j], row.inverse) : S(0);
}

// The same, added to the sum over heads.
template <class S, bool First, bool Last>
VITRINE_NOINLINE void add_mean(const SoftmaxRow<S>& row, Index keys, S mean_factor, S* out) {
  using V = simd<S>;
  const Index lo = row.lo, hi = row.hi;
  const S* const e = row.e;
  const auto factor = V::set1(row.inverse), mean = V::set1(mean_factor);
  for (Index j = 0; j < keys; j += V::lanes) {
    if (j >= lo && j + V::lanes <= hi) {
      auto sum = V::mul(V::load(e + j), factor);
      if constexpr (!First) sum = V::load(out + j) + sum;
      V::store(out + j, Last ? V::mul(sum, mean) : sum);
      continue;
    }
    auto w = V::zero();
    if (j < hi && j + V::lanes > lo) {
      w = V::mul(V::load(e + j), factor);
      if (j < lo) w = V::select(first_lanes<S>(lo - j), V::zero(), w);
      if (j + V::lanes > hi) w = V::select(first_lanes<S>(hi - j), w, V::zero());
    }
    const auto sum = First ? w : load_first(out + j, keys - j) + w;
    store_first(out + j, Last ? V::mul(sum, mean) : sum, keys - j);
  }
}

}  // namespace vitrine::inline VITRINE_ABI::kernels::detail

#include <vitrine/core/macros_pop.hpp>
