// Sizes with a storage of weights, and whether a layer's sizes have one.
#pragma once
#include <vitrine/core/dims.hpp>

constexpr vitrine::Dims stored_as(vitrine::Dims sizes, vitrine::Storage weights) {
  sizes.weights = weights;
  return sizes;
}

template <class Layer>
constexpr bool is_stored = false;
template <class S, vitrine::Dims D, template <class, vitrine::Dims> class Layer>
constexpr bool is_stored<Layer<S, D>> = D.weights != vitrine::Storage::f32;
