// Sampling: which ids may follow, and one of them drawn by its probability.
//
//   vt::Sampler<float> sampler(config, sequence);       config: temperature, top_k, top_p, min_p, typical_p, seed
//   vt::Index id = sampler.choose(scores);              the scores become those of Transformers' warpers, in its order
//
// The numbers come from our own generator: a sequence's ids do not depend on the batch it is in or on threads.
#pragma once
#include <algorithm>
#include <cstdint>
#include <numeric>
#include <span>
#include <vector>
#include <vitrine/generate/generation_config.hpp>
#include <vitrine/generate/scores.hpp>
#include <vitrine/run/random.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

// Draws the ids of one sequence; see the top of this header.
template <class S>
class Sampler {
 public:
  // Of sequence 0, 1, ... of a call: each has numbers of its own. Keeps what it needs of `config`.
  Sampler(const GenerationConfig& config, Index sequence)
      : temperature_(S(config.temperature)),
        top_p_(S(config.top_p)),
        min_p_(S(config.min_p)),
        typical_p_(S(config.typical_p)),
        top_k_(config.top_k),
        random_(config.seed + 0x9e3779b97f4a7c15u * static_cast<std::uint64_t>(sequence)) {}

  // The next id, by softmax of the warped scores. Memory: V values and V indices on the heap, once.
  Index choose(std::span<S> scores) {
    warp(scores);
    return draw(scores);
  }
  // V scores: those of ids that may not follow become -inf: temperature, then top_k, top_p, min_p, typical_p
  // (Transformers' TemperatureLogitsWarper, ...). At least one id stays.
  void warp(std::span<S> scores) {
    if (temperature_ != S(1))
      for (S& score : scores) score = score / temperature_;
    if (top_k_ > 0) keep_top(scores);
    if (top_p_ < S(1)) keep_nucleus(scores);
    if (min_p_ > S(0)) keep_likely(scores);
    if (typical_p_ < S(1)) keep_typical(scores);
  }
  // One id by softmax of V scores: the first whose probabilities, summed up from id 0 on, exceed a number of [0, 1).
  Index draw(std::span<const S> scores) {
    probabilities(scores);
    const double number = double(random_.next() >> 11) * 0x1p-53;
    double total = 0, sum = 0;
    for (const S p : values_) total += double(p);
    Index last = 0;
    for (Index i = 0; i < Index(values_.size()); ++i) {
      if (values_[std::size_t(i)] <= S(0)) continue;
      last = i, sum += double(values_[std::size_t(i)]);
      if (sum > mul(number, total)) break;
    }
    return last;
  }

 private:
  static constexpr S never = detail::minus_infinity<S>();

  // values_ = softmax(scores).
  void probabilities(std::span<const S> scores) {
    using V = simd<S>;
    const Index count = Index(scores.size());
    values_.resize(scores.size());
    const LogNorm<S> norm = log_norm(scores.data(), count);
    const auto top = V::set1(norm.max), log_sum = V::set1(norm.log_sum);
    for (Index i = 0; i < count; i += V::lanes)
      store_first(values_.data() + i,
                  kernels::exp_nonpositive<S>((load_first(scores.data() + i, count - i) - top) - log_sum), count - i);
  }
  // order_ = the ids that may follow, by `less` of two ids.
  template <class F>
  void sort_ids(std::span<const S> scores, F&& less) {
    order_.clear();
    for (Index i = 0; i < Index(scores.size()); ++i)
      if (!detail::is_minus_infinity(scores[std::size_t(i)])) order_.push_back(i);
    std::stable_sort(order_.begin(), order_.end(), less);
  }
  S value(Index id) const { return values_[std::size_t(id)]; }

  void keep_top(std::span<S> scores) {
    if (top_k_ >= Index(scores.size())) return;
    values_.assign(scores.begin(), scores.end());
    const auto nth = values_.begin() + std::ptrdiff_t(top_k_ - 1);
    std::nth_element(values_.begin(), nth, values_.end(), [](S a, S b) { return a > b; });
    for (S& score : scores)
      if (score < *nth) score = never;
  }
  void keep_nucleus(std::span<S> scores) {
    probabilities(scores);
    sort_ids(scores, [&](Index a, Index b) { return value(a) < value(b); });
    S sum = S(0);
    for (std::size_t i = 0; i + 1 < order_.size(); ++i) {
      sum = sum + value(order_[i]);
      if (!(sum <= S(1) - top_p_)) break;
      scores[std::size_t(order_[i])] = never;
    }
  }
  void keep_likely(std::span<S> scores) {
    probabilities(scores);
    const S largest = *std::max_element(values_.begin(), values_.end());
    for (std::size_t i = 0; i < scores.size(); ++i)
      if (values_[i] < mul(min_p_, largest)) scores[i] = never;
  }
  void keep_typical(std::span<S> scores) {
    const LogNorm<S> norm = log_norm(scores.data(), Index(scores.size()));
    probabilities(scores);
    S entropy = S(0);
    for (std::size_t i = 0; i < scores.size(); ++i)
      if (values_[i] > S(0)) entropy = entropy - mul(norm(scores[i]), values_[i]);
    shift_.assign(scores.size(), S(0));
    for (std::size_t i = 0; i < scores.size(); ++i) {
      const S shifted = -norm(scores[i]) - entropy;
      shift_[i] = shifted < S(0) ? -shifted : shifted;
    }
    sort_ids(scores, [&](Index a, Index b) { return shift_[std::size_t(a)] < shift_[std::size_t(b)]; });
    S sum = S(0);
    std::size_t last = 0;
    for (; last + 1 < order_.size(); ++last) {
      sum = sum + value(order_[last]);
      if (!(sum < typical_p_)) break;
    }
    const S bound = shift_[std::size_t(order_[last])];
    for (const Index id : order_)
      if (shift_[std::size_t(id)] > bound && id != order_.front()) scores[std::size_t(id)] = never;
  }

  S temperature_, top_p_, min_p_, typical_p_;
  Index top_k_;
  detail::Random random_;
  std::vector<S> values_, shift_;
  std::vector<Index> order_;
};

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
