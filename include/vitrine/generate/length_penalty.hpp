// The length penalty of a search (Wu et al. 2016, section 7, in Transformers' form): a hypothesis' sum of
// log-probabilities is divided by it. Internal to generate/detail/search.hpp.
#pragma once
#include <vitrine/kernels/elementary.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::detail {

// length^exponent, with GenerationConfig::length_penalty as the exponent; `length` itself and 1 exactly for 1 and 0.
template <class S>
S length_penalty(Index length, double exponent) {
  const double x = double(length);
  if (exponent == 1.0) return S(x);
  return exponent == 0.0 ? S(1) : S(kernels::exp(mul(exponent, kernels::log(x))));
}

}  // namespace vitrine::inline VITRINE_ABI::detail

#include <vitrine/core/macros_pop.hpp>
