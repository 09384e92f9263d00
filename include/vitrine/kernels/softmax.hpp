// The softmax of one row over an interval of keys, in one fixed order: softmax_row, which attention and all else that
// normalises scores asks.
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

#include <limits>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::kernels {

// All ones in the lanes below n.
template <class S>
VITRINE_INLINE typename simd<S>::ivec first_lanes(Index n) {
  using V = simd<S>;
  return V::ilt(V::iota(), V::iset1(typename V::lane_int(n < V::lanes ? n : V::lanes)));
}

// Values of a row that may be touched where nothing else stands for a vector behind it.
inline constexpr Index ample = std::numeric_limits<Index>::max();

// The largest of n > 0 scores. The row may be read up to a vector past its end, but not beyond s + room; what stands
// there does not matter.
template <class S>
VITRINE_INLINE S row_max(const S* s, Index n, Index room = ample) {
  using V = simd<S>;
  auto best = V::set1(s[0]), best1 = best, best2 = best, best3 = best;  // four chains: a maximum has no order
  Index j = 0;
  for (; j + 4 * V::lanes <= n; j += 4 * V::lanes) {
    best = V::max(best, V::load(s + j)), best1 = V::max(best1, V::load(s + j + V::lanes));
    best2 = V::max(best2, V::load(s + j + 2 * V::lanes)), best3 = V::max(best3, V::load(s + j + 3 * V::lanes));
  }
  best = V::max(V::max(best, best1), V::max(best2, best3));
  for (; j + V::lanes <= n; j += V::lanes) best = V::max(best, V::load(s + j));
  if (j < n) best = V::max(best, V::select(first_lanes<S>(n - j), load_first(s + j, room - j), best));
  return reduce_max<S>(best);
}

namespace detail {

// The exponent scale * s - max and e = exp of it of a vector of scores, of which `left` count; e is stored in their
// place, and is zero behind them.
template <class S>
struct Exponential {
  typename simd<S>::vec e, exponent;
};
template <class S, bool Masked, bool Scale>
VITRINE_INLINE Exponential<S> exponential(S* s, Index left, S max, [[maybe_unused]] S scale, Index room) {
  using V = simd<S>;
  const bool last = left < V::lanes;
  auto x = last ? load_first(s, room) : V::load(s);
  if constexpr (Scale) x = V::mul(x, V::set1(scale));
  const auto exponent = x - V::set1(max);
  auto e = kernels::exp_nonpositive<S>(exponent);
  if constexpr (Masked) {
    const auto minus_inf = V::iset1(vitrine::detail::minus_infinity_bits<S>());
    e = V::select(V::ieq(V::bits(x), minus_inf), V::zero(), e);
  }
  if (last) e = V::select(first_lanes<S>(left), e, V::zero());
  if (last)
    store_first(s, e, room);
  else
    V::store(s, e);
  return {e, exponent};
}

}  // namespace detail

// n scores s become e = exp(scale * s - max), in place (the scores are scaled already when Scale is false); returns the
// sum. The row is written up to a vector past its end, but not beyond s + room, with zeros. With Product, *product
// becomes the sum of e times its exponent, in the same order.
template <class S, bool Masked, bool Scale, bool Product = false>
VITRINE_INLINE S exponentials(S* s, Index n, S max, S scale, Index room = ample,
                              [[maybe_unused]] S* product = nullptr) {
  using V = simd<S>;
  auto sum = V::zero();
  [[maybe_unused]] auto products = V::zero();
  const auto at = [&](Index j, Index left) {
    const auto [e, exponent] = detail::exponential<S, Masked, Scale>(s + j, left, max, scale, room - j);
    sum = sum + e;
    if constexpr (Product) {
      auto finite = V::max(exponent, V::set1(detail::exp_lowest<S>));  // below, e is +0
      if (left < V::lanes) finite = V::select(first_lanes<S>(left), finite, V::zero());
      products = V::fma(e, finite, products);
    }
  };
  Index j = 0;
  for (; j + V::lanes <= n; j += V::lanes) at(j, V::lanes);
  if (j < n) at(j, n - j);
  if constexpr (Product) *product = reduce_add<S>(products);
  return reduce_add<S>(sum);
}

// What softmax_row is told of its scores.
template <class S>
struct SoftmaxOptions {
  bool scales = false;  // each is yet to be multiplied by `scale`, above 0; none is -inf then
  S scale = S(1);
  bool masked = false;  // some may be -inf
  Index room = ample;   // values from the first on that may be touched
};

// What softmax_row finds in a row.
template <class S>
struct SoftmaxSums {
  S max = S(0), sum = S(0), inverse = S(0);  // the largest score; the sum of e = exp(score - max); 1 / sum
  S product = S(0);                          // the sum of e times its exponent, with Product
};

// n > 0 scores s become e in place; the weights are e * inverse.
template <class S, bool Product = false>
VITRINE_INLINE SoftmaxSums<S> softmax_row(S* s, Index n, const SoftmaxOptions<S>& o) {
  SoftmaxSums<S> row;
  const S max = row_max(s, n, o.room);
  row.max = o.scales ? mul(max, o.scale) : max;
  row.sum = o.scales   ? exponentials<S, false, true, Product>(s, n, row.max, o.scale, o.room, &row.product)
            : o.masked ? exponentials<S, true, false, Product>(s, n, row.max, S(1), o.room, &row.product)
                       : exponentials<S, false, false, Product>(s, n, row.max, S(1), o.room, &row.product);
  row.inverse = S(1) / row.sum;
  return row;
}

// Rows that are worth taking together: of one alone, the steps from one reduction to the next would be waited for.
inline constexpr Index short_rows = VITRINE_VECTOR_BYTES == 0 ? 1 : 4;
template <class S>
inline constexpr Index short_row = 8 * simd<S>::lanes;  // of so many scores at most

// softmax_row of short_rows rows of n > 0 scores, `stride` apart: the same bits.
template <class S, bool Masked, bool Scale>
VITRINE_INLINE void softmax_short_rows(S* s, Index stride, Index n, const SoftmaxOptions<S>& o, S* inverse) {
  using V = simd<S>;
  typename V::vec best[short_rows], sum[short_rows];
  S max[short_rows];
  for (Index r = 0; r < short_rows; ++r) best[r] = V::set1(s[r * stride]), sum[r] = V::zero();
  for (Index j = 0; j < n; j += V::lanes)
    for (Index r = 0; r < short_rows; ++r) {
      const auto x = load_first(s + r * stride + j, o.room - j);
      best[r] = V::max(best[r], n - j < V::lanes ? V::select(first_lanes<S>(n - j), x, best[r]) : x);
    }
  for (Index r = 0; r < short_rows; ++r) max[r] = mul(reduce_max<S>(best[r]), Scale ? o.scale : S(1));
  for (Index j = 0; j < n; j += V::lanes)
    for (Index r = 0; r < short_rows; ++r)
      sum[r] = sum[r] + detail::exponential<S, Masked, Scale>(s + r * stride + j, n - j, max[r], o.scale, o.room - j).e;
  for (Index r = 0; r < short_rows; ++r) inverse[r] = S(1) / reduce_add<S>(sum[r]);
}
template <class S>
VITRINE_NOINLINE void softmax_short_rows(S* s, Index stride, Index n, const SoftmaxOptions<S>& o, S* inverse) {
  if (o.scales) return softmax_short_rows<S, false, true>(s, stride, n, o, inverse);
  if (o.masked) return softmax_short_rows<S, true, false>(s, stride, n, o, inverse);
  softmax_short_rows<S, false, false>(s, stride, n, o, inverse);
}

}  // namespace vitrine::inline VITRINE_ABI::kernels

#include <vitrine/core/macros_pop.hpp>
