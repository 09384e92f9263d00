// Layer normalisation of rows.
//
//   layer_norm<float>({.x = x, .x_stride = n, .y = y, .y_stride = n, .rows = r, .width = n, .weight = w, .bias = b})
//
// A row's numbers depend on that row alone: element i is summed in lane i mod 4 L (L: lanes of a vector) in ascending
// order, the lanes are added by one fixed tree, and a tail is a vector padded with zeros.
#pragma once
#include <vitrine/core/simd.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::kernels {

// `rows` rows of `width` values: row r of x and y starts at r * stride; y may be x, with the same stride, and overlaps
// nothing else. weight, bias: `width` values, or null for 1 and 0.
template <class S>
struct NormRows {
  const S* x = nullptr;
  Index x_stride = 0;
  S* y = nullptr;
  Index y_stride = 0;
  Index rows = 0, width = 0;
  const S *weight = nullptr, *bias = nullptr;
  S eps = S(1e-5);
};

namespace detail {

// The sum over i of term(i), where add(accumulator, i) adds L elements from i on, and add_tail the last `width` mod L.
template <class S, class Add, class AddTail>
VITRINE_INLINE S row_sum(Index width, Add add, AddTail add_tail) {
  using V = simd<S>;
  constexpr Index lanes = V::lanes;
  typename V::vec sum0 = V::zero(), sum1 = V::zero(), sum2 = V::zero(), sum3 = V::zero();
  Index i = 0;
  for (; i + 4 * lanes <= width; i += 4 * lanes) {
    sum0 = add(sum0, i);
    sum1 = add(sum1, i + lanes);
    sum2 = add(sum2, i + 2 * lanes);
    sum3 = add(sum3, i + 3 * lanes);
  }
  const Index whole = (width - i) / lanes;
  if (whole > 0) sum0 = add(sum0, i);
  if (whole > 1) sum1 = add(sum1, i + lanes);
  if (whole > 2) sum2 = add(sum2, i + 2 * lanes);
  i += whole * lanes;
  if (i < width) {
    if (whole == 0)
      sum0 = add_tail(sum0, i);
    else if (whole == 1)
      sum1 = add_tail(sum1, i);
    else if (whole == 2)
      sum2 = add_tail(sum2, i);
    else
      sum3 = add_tail(sum3, i);
  }
  return reduce_add<S>((sum0 + sum1) + (sum2 + sum3));
}

}  // namespace detail

// y = (x - mean) / sqrt(variance + eps) * weight + bias, row by row.
//
// The variance is biased (divided by width), from the squares of x - mean in a second pass. Rounding: the difference,
// times 1 / sqrt(...), then one fma with weight and bias. Allocates nothing, touches no other byte. A row that holds
// NaN or infinity comes out as NaN.
template <class S>
VITRINE_INLINE void layer_norm(const NormRows<S>& call) {
  using V = simd<S>;
  constexpr Index lanes = V::lanes;
  const S* x = call.x;
  S* y = call.y;
  const S *const weight = call.weight, *const bias = call.bias;
  const Index width = call.width;
  const S count = static_cast<S>(width);
  const Index tail = width % lanes;
  const auto in_tail = V::ilt(V::iota(), V::iset1(static_cast<typename V::lane_int>(tail)));
  const auto no_weight = V::set1(S(1)), no_bias = V::set1(S(-0.0));  // times 1 and plus -0 change no bit
  for (Index row = 0, rows = call.rows; row < rows; ++row, x += call.x_stride, y += call.y_stride) {
    const S total = detail::row_sum<S>(
        width, [x](auto sum, Index i) __attribute__((always_inline)) { return sum + V::load(x + i); },
        [ x, tail ](auto sum, Index i) __attribute__((always_inline)) { return sum + load_first<S>(x + i, tail); });
    const auto mean = V::set1(total / count);
    const S squares = detail::row_sum<S>(
        width, [ x, mean ](auto sum, Index i) __attribute__((always_inline)) {
          const auto centred = V::load(x + i) - mean;
          return V::fma(centred, centred, sum);
        },
        [ x, mean, tail, in_tail ](auto sum, Index i) __attribute__((always_inline)) {
          const auto centred = V::select(in_tail, load_first<S>(x + i, tail) - mean, V::zero());
          return V::fma(centred, centred, sum);
        });
    const auto rstd = V::set1(S(1) / square_root(squares / count + call.eps));
    const auto normal = [ mean, rstd ](auto value, auto w, auto b) __attribute__((always_inline)) {
      return V::fma(V::mul(value - mean, rstd), w, b);
    };
    Index i = 0;
    for (; i + lanes <= width; i += lanes) {
      const auto w = weight != nullptr ? V::load(weight + i) : no_weight;
      const auto b = bias != nullptr ? V::load(bias + i) : no_bias;
      V::store(y + i, normal(V::load(x + i), w, b));
    }
    if (tail > 0) {
      const auto w = weight != nullptr ? load_first<S>(weight + i, tail) : no_weight;
      const auto b = bias != nullptr ? load_first<S>(bias + i, tail) : no_bias;
      store_first<S>(y + i, normal(load_first<S>(x + i, tail), w, b), tail);
    }
  }
}

}  // namespace vitrine::inline VITRINE_ABI::kernels

#include <vitrine/core/macros_pop.hpp>
