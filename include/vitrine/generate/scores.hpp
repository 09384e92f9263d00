// From logits to what a search may choose: log-probabilities, Transformers' rules on them, and the best few.
#pragma once
#include <algorithm>
#include <span>
#include <vector>
#include <vitrine/core/mask.hpp>
#include <vitrine/core/simd.hpp>
#include <vitrine/generate/generation_config.hpp>
#include <vitrine/kernels/elementary.hpp>
#include <vitrine/kernels/softmax.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

// What log_softmax takes from every value: log p(i) = (x_i - max) - log(sum exp(x - max)).
template <class S>
struct LogNorm {
  S max, log_sum;
  // log p of the value x.
  S operator()(S x) const { return (x - max) - log_sum; }
  // False where one of the values was NaN or +inf, or all were -inf.
  bool finite() const { return log_sum == log_sum; }
};

namespace detail {
// The largest of n > 0 values in whole vectors, n a multiple of the lanes.
template <class S>
S largest(const S* x, Index n) {
  using V = simd<S>;
  auto best = V::load(x), best1 = best, best2 = best, best3 = best;
  Index j = 0;
  for (; j + 4 * V::lanes <= n; j += 4 * V::lanes) {
    best = V::max(V::load(x + j), best), best1 = V::max(V::load(x + j + V::lanes), best1);
    best2 = V::max(V::load(x + j + 2 * V::lanes), best2), best3 = V::max(V::load(x + j + 3 * V::lanes), best3);
  }
  for (; j < n; j += V::lanes) best = V::max(V::load(x + j), best);
  return reduce_max<S>(V::max(V::max(best, best1), V::max(best2, best3)));
}
// Values that are looked at together before any of them alone.
template <class S>
inline constexpr Index glance = 8 * simd<S>::lanes;
}  // namespace detail

// Of n > 0 values; touches nothing outside them. log_sum is NaN if one of them is NaN or +inf, or all are -inf. The
// largest of each whole `detail::glance` go to `maxima`, unless that is null, for TopK::offer_all.
template <class S>
LogNorm<S> log_norm(const S* x, Index n, S* maxima = nullptr) {
  using V = simd<S>;
  S max = x[0];
  Index from = 0;
  for (; from + detail::glance<S> <= n; from += detail::glance<S>) {
    const S most = detail::largest(x + from, detail::glance<S>);
    if (maxima != nullptr) maxima[from / detail::glance<S>] = most;
    max = most > max ? most : max;
  }
  for (Index j = from; j < n; ++j) max = x[j] > max ? x[j] : max;
  const auto top = V::set1(max);
  auto sum = V::zero();
  for (Index j = 0; j < n; j += V::lanes) {
    const Index left = n - j;
    auto e = kernels::exp_nonpositive<S>(load_first(x + j, left) - top);
    if (left < V::lanes) e = V::select(kernels::first_lanes<S>(left), e, V::zero());
    sum = sum + e;
  }
  return {max, kernels::log(reduce_add<S>(sum))};
}

// out_i = log p(i); out may be x. Touches nothing outside the n > 0 values. Returns what was taken.
template <class S>
LogNorm<S> log_softmax(const S* x, Index n, S* out) {
  using V = simd<S>;
  const LogNorm<S> norm = log_norm(x, n);
  const auto top = V::set1(norm.max), log_sum = V::set1(norm.log_sum);
  for (Index j = 0; j < n; j += V::lanes) store_first(out + j, (load_first(x + j, n - j) - top) - log_sum, n - j);
  return norm;
}

// The place of the largest of n > 0 values, the first of several; none may be NaN.
template <class S>
Index argmax(const S* x, Index n) {
  Index best = 0;
  for (Index j = 0; j < n; j += detail::glance<S>) {
    const Index end = j + detail::glance<S> < n ? j + detail::glance<S> : n;
    if (end - j == detail::glance<S> && !(detail::largest(x + j, detail::glance<S>) > x[best])) continue;
    for (Index i = j; i < end; ++i)
      if (x[i] > x[best]) best = i;
  }
  return best;
}

// Of V scores those of ids that are in the sequence, divided by the penalty, below 0 multiplied (Keskar et al. 2019).
// Quadratic in the sequence, which is short beside the vocabulary.
template <class S>
void penalise(S penalty, std::span<const Index> sequence, std::span<S> scores) {
  for (std::size_t i = 0; i < sequence.size(); ++i) {
    if (std::find(sequence.begin(), sequence.begin() + std::ptrdiff_t(i), sequence[i]) !=
        sequence.begin() + std::ptrdiff_t(i))
      continue;
    S& score = scores[std::size_t(sequence[i])];
    score = score < S(0) ? mul(score, penalty) : score / penalty;
  }
}

// Whether apply_rules can change a score behind a sequence of so many ids.
inline bool has_rules(const GenerationConfig& g, Index length, Index prompt) {
  return g.repetition_penalty != 1.0 || g.no_repeat_ngram_size > 0 || !g.bad_words_ids.empty() ||
         length < (g.min_new_tokens > 0 ? prompt + g.min_new_tokens : g.min_length) ||
         (g.forced_bos_token_id >= 0 && length == 1) || (g.forced_eos_token_id >= 0 && length == g.limit(prompt) - 1) ||
         g.renormalize_logits;
}

// What may not follow `sequence` (prompt tokens included) becomes -inf among the V scores, in Transformers' order:
// repeated ids are penalised, then repeated n-grams, bad words, an end before the minimal lengths, forced beginning and
// end. Allocates nothing.
template <class S>
void apply_rules(const GenerationConfig& g, std::span<const Index> sequence, Index prompt, std::span<S> scores) {
  constexpr S never = detail::minus_infinity<S>();
  const Index length = Index(sequence.size());
  const auto ban = [&](Index id) { scores[std::size_t(id)] = never; };
  const auto only = [&](Index id) {
    std::fill(scores.begin(), scores.end(), never);
    scores[std::size_t(id)] = S(0);
  };
  if (g.repetition_penalty != 1.0) penalise(S(g.repetition_penalty), sequence, scores);
  if (const Index n = g.no_repeat_ngram_size; n > 0 && length + 1 >= n) {
    const auto last = sequence.subspan(std::size_t(length - (n - 1)));
    for (Index i = 0; i + n <= length; ++i)
      if (std::equal(last.begin(), last.end(), sequence.begin() + i)) ban(sequence[std::size_t(i + n - 1)]);
  }
  for (const std::vector<Index>& word : g.bad_words_ids) {
    if (word.size() == 1 && g.is_end(word[0])) continue;
    const std::size_t before = word.size() - 1;
    if (before <= sequence.size() && std::equal(word.begin(), word.end() - 1, sequence.end() - std::ptrdiff_t(before)))
      ban(word.back());
  }
  if (length < (g.min_new_tokens > 0 ? prompt + g.min_new_tokens : g.min_length))
    for (Index id : g.eos_token_ids) ban(id);
  if (g.forced_bos_token_id >= 0 && length == 1) only(g.forced_bos_token_id);
  if (g.forced_eos_token_id >= 0 && length == g.limit(prompt) - 1) only(g.forced_eos_token_id);
  if (g.renormalize_logits) log_softmax(scores.data(), Index(scores.size()), scores.data());
}

// One of the best: the score and where it stood.
template <class S>
struct Candidate {
  S score;
  Index at;
  // Higher scores first, then lower places.
  bool operator<(const Candidate& o) const { return score > o.score || (score == o.score && at < o.at); }
};

// The `count` best of a list that is given piece by piece.
template <class S>
class TopK {
 public:
  // Allocates room for this many candidates; then nothing more.
  explicit TopK(Index count) : count_(std::size_t(count)) { heap_.reserve(count_ + 1); }
  // Forgets all candidates.
  void clear() { heap_.clear(); }
  // Considers one candidate.
  void offer(S score, Index at) {
    const Candidate<S> one{score, at};
    if (heap_.size() == count_) {
      if (!(one < heap_.front())) return;
      std::pop_heap(heap_.begin(), heap_.end());
      heap_.back() = one;
    } else {
      heap_.push_back(one);
    }
    std::push_heap(heap_.begin(), heap_.end());  // the worst in front
  }
  // Considers the scores score(x[i]) of n values, at place first + i. A larger value may not have a smaller score.
  // maxima: as log_norm leaves them, or null.
  template <class F>
  void offer_all(const S* x, Index n, F&& score, Index first, const S* maxima = nullptr) {
    using V = simd<S>;
    constexpr Index glance = detail::glance<S>;
    // Later places lose ties, so only what is larger counts.
    const auto beaten = [&](Index at, S largest) {
      return heap_.size() == count_ && first + at > heap_.front().at && !(score(largest) > heap_.front().score);
    };
    for (Index j = 0; j < n; j += glance) {
      const Index end = j + glance < n ? j + glance : n;
      if (end - j == glance && beaten(j, maxima != nullptr ? maxima[j / glance] : detail::largest(x + j, glance)))
        continue;
      for (Index i = j; i < end; i += V::lanes) {
        const Index next = i + V::lanes < end ? i + V::lanes : end;
        if (next - i == V::lanes && beaten(i, reduce_max<S>(V::load(x + i)))) continue;
        for (Index k = i; k < next; ++k) offer(score(x[k]), first + k);
      }
    }
  }
  // Best first. Nothing may be offered afterwards but after clear().
  const std::vector<Candidate<S>>& sorted() {
    std::sort(heap_.begin(), heap_.end());
    return heap_;
  }

 private:
  std::size_t count_;
  std::vector<Candidate<S>> heap_;
};

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
