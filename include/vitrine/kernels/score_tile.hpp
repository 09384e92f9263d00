// A tile of query rows on its way through attention: its scores, which softmax turns into e = exp(s - max) in place,
// and what each row sees. Filled and emptied by the passes of kernels/attention.hpp.
#pragma once
#include <vitrine/core/config.hpp>
#include <vitrine/core/sizes.hpp>
#include <vitrine/kernels/panel.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::kernels {

// Query rows whose scores are in scratch together.
inline constexpr Index attention_rows = Index{2} * tile_rows;

// Values between two rows of scores in scratch: whole panels, and a vector that a row's tail may touch.
template <class S>
constexpr Index score_stride(Index keys) {
  return panel_count<S>(keys) * panel_width<S> + simd<S>::lanes;
}
// Values of so many such rows; sizes::largest where there are more.
template <class S>
constexpr Index score_room(Index rows, Index keys) {
  return sizes::product(rows, sizes::sum(sizes::round_up(keys, panel_width<S>), simd<S>::lanes));
}

// One row: e of keys [lo, hi), then of the extra keys. Its weights are e * inverse, 0 elsewhere.
template <class S>
struct SoftmaxRow {
  const S* e = nullptr;
  Index lo = 0, hi = 0;
  S inverse = S(0);  // 1 / the sum of e; 0 for a row that sees no key
};

// The indices of the keys behind a row's interval: `count` extra ones from `from` on.
struct ExtraKeys {
  Index count = 0, from = 0;
};

// Query rows [first, first + rows), their scores `stride` apart.
template <class S>
struct ScoreTile {
  Index first = 0, rows = 0;
  S* scores = nullptr;
  Index stride = 0;
  Index from = 0, to = 0;  // the keys that any row sees
  Index lo[attention_rows], hi[attention_rows];
  S inverse[attention_rows];

  // Row r of the scores, n values of which the keys have the first; softmax leaves e in their place.
  S* row(Index r) const { return scores + r * stride; }
  // Row r after softmax.
  SoftmaxRow<S> softmax(Index r) const { return {row(r), lo[r], hi[r], inverse[r]}; }
};

}  // namespace vitrine::inline VITRINE_ABI::kernels

#include <vitrine/core/macros_pop.hpp>
