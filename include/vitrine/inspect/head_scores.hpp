// The scores of scores.hpp for every cross-attention head of a teacher-forced pass: columns, and a row of numbers a
// line or a target token.
//   const HeadScores columns({"coverage", "entropy"}, layers, heads, false);
//   columns.columns()                                      coverage.l0.h0, ...; the baseline, unnamed, comes last
//   columns.of_line(scored, b, source_tokens, target_tokens)
// Lists and texts are on the heap.
#pragma once
#include <algorithm>
#include <span>
#include <string>
#include <utility>
#include <vector>
#include <vitrine/generate/generate.hpp>
#include <vitrine/inspect/scores.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::inspect {

/// Which numbers a line has, in order: each score for each layer and head (or their mean), then the baseline. Our own
/// layout.
class HeadScores {
 public:
  // One column; layer and head -1: all of them.
  struct Column {
    std::string score = {};
    Index layer = -1, head = -1;
    /// "entropy.l0.h3", or "entropy": our own.
    std::string name() const {
      return layer < 0 ? score : score + ".l" + std::to_string(layer) + ".h" + std::to_string(head);
    }
  };
  /// The scores that there are.
  static const std::vector<std::string>& all() {
    static const std::vector<std::string> names = {"coverage", "confidence", "entropy", "distraction"};
    return names;
  }
  // With `mean` each score is averaged over layers and heads.
  HeadScores(std::vector<std::string> scores, Index layers, Index heads, bool mean)
      : scores_(std::move(scores)), layers_(layers), heads_(heads), mean_(mean) {}

  // The columns of the scores; the baseline's is not among them.
  std::vector<Column> columns() const;
  /// Sequence b of a pass; source_tokens and target_tokens do not count end marks. n numbers, one for each column, and
  /// the mean negative log-probability.
  template <class Scored>
  std::vector<double> of_line(const Scored& scored, Index b, Index source_tokens, Index target_tokens) const;
  /// The same of row t, one target token: entropy and distraction of its row, confidence its largest weight on the
  /// source_tokens, and its negative log-probability. Coverage is of a whole line; its columns are NaN.
  template <class Scored>
  std::vector<double> of_token(const Scored& scored, Index b, Index t, Index source_tokens) const;

 private:
  template <class F>
  std::vector<double> each(F&& score_of_head) const;

  std::vector<std::string> scores_;
  Index layers_, heads_;
  bool mean_;
};

// ---- implementation

inline std::vector<HeadScores::Column> HeadScores::columns() const {
  std::vector<Column> columns;
  for (const std::string& score : scores_) {
    if (mean_) columns.push_back({score});
    for (Index layer = 0; layer < layers_ && !mean_; ++layer)
      for (Index head = 0; head < heads_; ++head) columns.push_back({score, layer, head});
  }
  return columns;
}

template <class F>
std::vector<double> HeadScores::each(F&& score_of_head) const {
  std::vector<double> values;
  for (const std::string& name : scores_) {
    double sum = 0;
    for (Index layer = 0; layer < layers_; ++layer)
      for (Index head = 0; head < heads_; ++head) {
        const double one = score_of_head(name, layer, head);
        mean_ ? void(sum += one) : values.push_back(one);
      }
    if (mean_) values.push_back(sum / double(layers_ * heads_));
  }
  return values;
}

template <class Scored>
std::vector<double> HeadScores::of_line(const Scored& scored, Index b, Index source_tokens, Index target_tokens) const {
  std::vector<double> values = each([&](const std::string& name, Index layer, Index head) {
    const auto map = scored.result.cross_attn[layer].matrix(b, head);
    if (name == "coverage") return coverage(map, source_tokens);
    if (name == "confidence") return confidence(map, target_tokens, source_tokens);
    return name == "entropy" ? entropy(map) : distraction(map);
  });
  const auto& log_probs = scored.log_probs[std::size_t(b)];
  values.push_back(mean_negative_log_probability(std::span<const float>(log_probs)));
  return values;
}

template <class Scored>
std::vector<double> HeadScores::of_token(const Scored& scored, Index b, Index t, Index source_tokens) const {
  std::vector<double> values = each([&](const std::string& name, Index layer, Index head) {
    const auto row = scored.result.cross_attn[layer].matrix(b, head).row(t);
    if (name == "coverage") return detail::mean_of(0, 0);
    if (name == "confidence") return confidence(row, 1, source_tokens);
    return name == "entropy" ? entropy(row) : distraction(row);
  });
  values.push_back(-double(scored.log_probs[std::size_t(b)][std::size_t(t)]));
  return values;
}

}  // namespace vitrine::inline VITRINE_ABI::inspect

#include <vitrine/core/macros_pop.hpp>
