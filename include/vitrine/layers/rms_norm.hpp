// RmsNorm: y = x / sqrt(mean(x^2) + eps) * weight over the last dimension (Zhang and Sennrich 2019); nn.RMSNorm,
// Llama's and T5's norm. With plus_one the factor is 1 + weight (Gemma).
#pragma once
#include <vitrine/layers/layer_norm.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

// nn.RMSNorm over rows of `width` values.
template <class S>
class RmsNorm : public detail::NormModule<RmsNorm<S>, S> {
 public:
  // Not loaded until vt::load, bind or init; values and fresh results come from `memory`. eps: PyTorch's None is the
  // scalar's own epsilon, which has to be said.
  explicit RmsNorm(Index width, double eps = 1e-6, bool plus_one = false, const Memory* memory = heap())
      : detail::NormModule<RmsNorm, S>({width, eps, false, plus_one ? NormKind::rms_plus_one : NormKind::rms}, memory) {
  }
};

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
