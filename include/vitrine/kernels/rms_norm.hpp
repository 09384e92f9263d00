// Root mean square normalisation of rows (Zhang and Sennrich 2019): y = x / sqrt(mean(x^2) + eps) * weight.
//
// A row's numbers depend on that row alone, in the order of kernels/layer_norm.hpp.
#pragma once
#include <vitrine/kernels/layer_norm.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::kernels {

// y = x / sqrt(mean(x^2) + eps) * weight, or * (1 + weight) with PlusOne (Gemma), row by row; weight null: 1. Rounding:
// times 1 / sqrt(...), then times the factor. Allocates nothing, touches no other byte.
template <class S, bool PlusOne = false>
void rms_norm(const NormRows<S>& call) {
  using V = simd<S>;
  const S* x = call.x;
  S* y = call.y;
  const Index width = call.width, tail = width % V::lanes;
  const auto one = V::set1(S(1));
  for (Index row = 0; row < call.rows; ++row, x += call.x_stride, y += call.y_stride) {
    const S squares = detail::row_sum<S>(
        width, [x](auto sum, Index i) { return V::fma(V::load(x + i), V::load(x + i), sum); },
        [x, tail](auto sum, Index i) {
          const auto value = load_first<S>(x + i, tail);  // zeros behind the row's end
          return V::fma(value, value, sum);
        });
    const auto rstd = V::set1(S(1) / square_root(squares / S(width) + call.eps));
    for (Index i = 0; i < width; i += V::lanes) {
      auto factor = call.weight != nullptr ? load_first<S>(call.weight + i, width - i) : one;
      if constexpr (PlusOne) factor = one + factor;
      store_first<S>(y + i, V::mul(V::mul(load_first<S>(x + i, width - i), rstd), factor), width - i);
    }
  }
}

}  // namespace vitrine::inline VITRINE_ABI::kernels

#include <vitrine/core/macros_pop.hpp>
