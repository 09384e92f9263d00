// What attention is told of one head of one sequence (Vaswani et al. 2017, section 3.2.1).
#pragma once
#include <vitrine/core/config.hpp>
#include <vitrine/core/row_mask.hpp>
#include <vitrine/kernels/half.hpp>
#include <vitrine/kernels/row_figures.hpp>

#include <type_traits>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::kernels {

namespace detail {

// What takes no place and is always T().
template <class T>
struct Never {
  constexpr Never(T = {}) {}
  constexpr operator T() const { return {}; }
};

}  // namespace detail

// Whether the products of attention are of pairs of bf16: a choice only where the machine has them.
template <class S>
inline constexpr bool may_be_in_pairs = bf16_pairs&& std::is_same_v<S, float>;
// The choice itself.
template <class S>
using InPairs = std::conditional_t<may_be_in_pairs<S>, bool, detail::Never<bool>>;
// The width of the heads that are in pairs, 0 where none is.
template <class S>
using PairWidth = std::conditional_t<may_be_in_pairs<S>, Index, detail::Never<Index>>;

// Where along scale -> soft cap -> mask -> softmax the scores are taken (ONNX Attention's qk_matmul_output_mode).
enum class ScoresAt : std::uint8_t { scaled, capped, masked, softmax };

// One head of one sequence. Keys in panels of (keys, width); values in rows of round_up(value_width, panel_width)
// readable columns.
template <class S>
struct AttentionHead {
  const S* query = nullptr;  // (T, width)
  Index query_stride = 0;
  const S* key_panels = nullptr;
  const S* value = nullptr;  // (keys, value_width)
  Index value_stride = 0;
  S* context = nullptr;  // (T, value_width)
  Index context_stride = 0;

  Index keys = 0, width = 0, value_width = 0;
  Index extra_keys = 0;  // the last ones, which no mask covers: bias_k and the zero key
  Index ring = 0;  // key k stands in place k mod ring, a multiple of panel_width: the mask leaves no key whose place
                   // another has. 0: in place k
  S scale = S(1), softcap = S(0), head_scale = S(1);  // softcap 0: none
  RowMask<S> mask = {};

  S* weights = nullptr;  // (T, keys), rows map_stride apart
  S* scores = nullptr;   // (T, keys), as the weights
  Index map_stride = 0;  // 0: keys
  ScoresAt scores_at = ScoresAt::masked;
  bool stream = false;             // large maps go past the caches
  bool scores_in_weights = false;  // the weights' rows hold the scores meanwhile, not scratch. Without mean
                                   // and map_stride
  S* mean = nullptr;               // (T, keys): the sum over heads so far; the last head multiplies by mean_factor
  Index mean_from = 0;             // the query row whose place in it is the first
  bool mean_first = false, mean_last = false;
  S mean_factor = S(1);
  RowFigures<S> figures = {};                      // attend_head<S, true> only
  [[no_unique_address]] InPairs<S> in_pairs = {};  // both products are of values that are rounded to bf16

  // The first of the keys that no mask covers.
  Index masked_keys() const { return keys - extra_keys; }
  // Where a key stands.
  Index place(Index key) const { return ring > 0 ? key % ring : key; }
  // Up to which key they stand one after another from this one on, `last` at most.
  Index run_end(Index key, Index last) const {
    return ring > 0 && last - key > ring - key % ring ? key + ring - key % ring : last;
  }
  // Where query row q of kept weights or scores begins.
  S* map_row(S* map, Index q) const { return map + q * (map_stride > 0 ? map_stride : keys); }
  // Scores of all keys are kept, masked ones too.
  bool keeps_all_scores() const { return scores != nullptr && scores_at < ScoresAt::masked; }
  // The scale waits for the exponential: rounding keeps order, so scale * max is the largest of the scaled scores.
  bool scales_late() const { return !mask.has_matrix() && scores == nullptr && softcap == S(0) && scale > S(0); }
};

}  // namespace vitrine::inline VITRINE_ABI::kernels

#include <vitrine/core/macros_pop.hpp>
