// Attention rollout (Abnar and Zuidema 2020): how much of each input token is in each position after some layers.
//   const auto r = encoder(x);                                     // every layer's self-attention kept, keep::weights
//   RowMajor<float> rolled = rollout(r.self_attn, b);              // T x T: row i, what position i is made of
//   A_l = 1/2 (mean over heads of layer l) + 1/2 I                 (the residual connection)
//   rollout = A_L A_(L-1) ... A_1                                  (products of one sequence's T x T matrices)
// keep::rollout computes the same while the layers run, in two T x T matrices and without kept maps
// (core/statistics.hpp).
#pragma once
#include <stdexcept>
#include <string>
#include <vitrine/core/eigen.hpp>
#include <vitrine/core/maps.hpp>
#include <vitrine/kernels/rollout_layer.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::inspect {

/// Rolls one more layer: (residual I + (1 - residual) attention) * rolled. `attention` is T x T, already averaged over
/// heads; an empty `rolled` stands for I. Throws std::invalid_argument when the extents do not fit. Memory: the
/// T x T matrix that is returned, and one of scratch.
template <class S, class M>
RowMajor<S> roll_layer(const M& attention, const RowMajor<S>& rolled, S residual = S(0.5));

/// The rollout of sequence b through the first `layers` layers (-1: all of them). Maps<S>, compact or not, or
/// MeanMaps<S> of self-attention, all those layers and heads kept (StatusError else). Throws std::invalid_argument for
/// more layers than there are. Memory: 3 T x T matrices on the heap.
template <class S>
RowMajor<S> rollout(const Maps<S>& self_attn, Index b, Index layers = -1, S residual = S(0.5));
template <class S>
RowMajor<S> rollout(const MeanMaps<S>& self_attn, Index b, Index layers = -1, S residual = S(0.5));
template <class S, MapStorage M>
RowMajor<S> rollout(const CompactMaps<S, M>& self_attn, Index b, Index layers = -1, S residual = S(0.5));

// ---- implementation

namespace detail {

template <class S, class Mean>
RowMajor<S> through_layers(Index kept_layers, Index layers, S residual, Mean&& mean) {
  if (layers > kept_layers)
    throw std::invalid_argument("rollout: " + std::to_string(layers) + " layers of " + std::to_string(kept_layers));
  RowMajor<S> rolled;
  for (Index layer = 0; layer < (layers < 0 ? kept_layers : layers); ++layer)
    rolled = roll_layer<S>(mean(layer), rolled, residual);
  return rolled;
}
template <class S, class M>
RowMajor<S> of_heads(const M& self_attn, Index b, Index layers, S residual) {
  return through_layers<S>(self_attn.layers(), layers, residual, [&](Index layer) {
    RowMajor<S> mean = self_attn[layer].matrix(b, 0);
    for (Index head = 1; head < self_attn.heads(); ++head) mean += self_attn[layer].matrix(b, head);
    mean /= S(self_attn.heads());
    return mean;
  });
}

}  // namespace detail

template <class S, class M>
RowMajor<S> roll_layer(const M& attention, const RowMajor<S>& rolled, S residual) {
  const Index length = Index(attention.rows());
  if (Index(attention.cols()) != length || (rolled.size() > 0 && rolled.rows() != length))
    throw std::invalid_argument("rollout: a " + std::to_string(attention.rows()) + " x " +
                                std::to_string(attention.cols()) + " map" +
                                (rolled.size() > 0 ? " behind one of " + std::to_string(rolled.rows()) + " rows" : "") +
                                "; only square maps of one size can be rolled (self-attention)");
  RowMajor<S> mixed = (S(1) - residual) * attention;
  mixed.diagonal().array() += residual;
  if (rolled.size() == 0) return mixed;
  // From a row's first to its last weight that is not 0, as keep::rollout does: padded rows may hold anything.
  RowMajor<S> product(length, rolled.cols());
  for (Index i = 0; i < length; ++i) {
    const auto [first, end] = kernels::non_zero(&mixed(i, 0), length);
    product.row(i).noalias() = mixed.row(i).segment(first, end - first) * rolled.middleRows(first, end - first);
  }
  return product;
}

template <class S>
RowMajor<S> rollout(const Maps<S>& self_attn, Index b, Index layers, S residual) {
  return detail::of_heads<S>(self_attn, b, layers, residual);
}
template <class S, MapStorage M>
RowMajor<S> rollout(const CompactMaps<S, M>& self_attn, Index b, Index layers, S residual) {
  return detail::of_heads<S>(self_attn, b, layers, residual);
}

template <class S>
RowMajor<S> rollout(const MeanMaps<S>& self_attn, Index b, Index layers, S residual) {
  return detail::through_layers<S>(self_attn.layers(), layers, residual,
                                   [&](Index layer) { return RowMajor<S>(self_attn[layer].matrix(b)); });
}

}  // namespace vitrine::inline VITRINE_ABI::inspect

#include <vitrine/core/macros_pop.hpp>
