// RowMask: a mask as a kernel sees it, that of one sequence and head.
//
//   row_mask(mask, b, h, keys).key_range(i, lo, hi)       row i may see keys [lo, hi)
//   .apply(i, scores, lo, hi)                             adds biases, writes -inf, narrows [lo, hi)
#pragma once
#include <vitrine/core/mask.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

// The mask of one sequence and head. Pointers are null where there is no such kind.
template <class S>
struct RowMask {
  Index keys = 0;  // S, or the sequence's own length
  bool is_causal = false;
  Index offset = 0, left = unlimited, right = unlimited;
  const detail::FlagView* key_keep = nullptr;
  const detail::FlagView* keep = nullptr;
  const detail::BiasView<S>* bias = nullptr;
  const detail::BiasView<S>* key_bias = nullptr;
  Index key_keep_at = 0, keep_at = 0, bias_at = 0, key_bias_at = 0;  // where this sequence and head begin

  // The keys [lo, hi) that causal, window and lengths leave to row i, 0 <= lo <= hi <= keys.
  VITRINE_INLINE void key_range(Index i, Index& lo, Index& hi) const {
    lo = 0, hi = keys;
    const Index here = i + offset;
    if (is_causal && here + 1 < hi) hi = here + 1;
    if (left >= 0 && here - left > lo) lo = here - left < keys ? here - left : keys;
    if (right >= 0 && here + right + 1 < hi) hi = here + right + 1;
    if (hi < lo) hi = lo;
  }
  // Something depends on more than the range.
  bool has_matrix() const { return key_keep || keep || bias || key_bias; }
  // Within [lo, hi): adds the biases to row i's scores (S values) and writes -inf where a flag or a bias forbids a key;
  // then narrows [lo, hi) to its first and last kept key.
  void apply(Index i, S* scores, Index& lo, Index& hi) const {
    if (bias) add(*bias, bias_at + i * bias->stride[2], scores, lo, hi);
    if (key_bias) add(*key_bias, key_bias_at, scores, lo, hi);
    if (keep) forbid(*keep, keep_at + i * keep->stride[2], scores, lo, hi);
    if (key_keep) forbid(*key_keep, key_keep_at, scores, lo, hi);
    while (lo < hi && detail::is_minus_infinity(scores[lo])) ++lo;
    while (lo < hi && detail::is_minus_infinity(scores[hi - 1])) --hi;
  }

 private:
  static void add(const detail::BiasView<S>& view, Index at, S* scores, Index lo, Index hi) {
    for (Index j = lo; j < hi; ++j) {
      const S value = view.data[at + j * view.stride[3]];
      scores[j] = detail::is_minus_infinity(value) ? detail::minus_infinity<S>() : scores[j] + value;
    }
  }
  static void forbid(const detail::FlagView& view, Index at, S* scores, Index lo, Index hi) {
    for (Index j = lo; j < hi; ++j)
      if (!view.keeps(at + j * view.stride[3])) scores[j] = detail::minus_infinity<S>();
  }
};

// The mask of sequence b and head h; `keys` is the number of keys that masks cover. Keys after them are always seen.
template <class S>
RowMask<S> row_mask(const Mask<S>& mask, Index b, Index h, Index keys) {
  RowMask<S> row;
  row.keys = keys;
  if (mask.has_lengths && mask.lengths[std::size_t(b)] < keys) row.keys = mask.lengths[std::size_t(b)];
  row.is_causal = mask.is_causal;
  row.offset = mask.offsets.empty() ? mask.offset : detail::saturated(mask.offsets[std::size_t(b)]);
  if (mask.is_window) row.left = mask.left, row.right = mask.right;
  if (mask.key_keep.data) row.key_keep = &mask.key_keep, row.key_keep_at = b * mask.key_keep.stride[0];
  if (mask.keep.data) row.keep = &mask.keep, row.keep_at = b * mask.keep.stride[0] + h * mask.keep.stride[1];
  if (mask.bias.data) row.bias = &mask.bias, row.bias_at = b * mask.bias.stride[0] + h * mask.bias.stride[1];
  if (mask.key_bias.data) row.key_bias = &mask.key_bias, row.key_bias_at = b * mask.key_bias.stride[0];
  return row;
}

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
