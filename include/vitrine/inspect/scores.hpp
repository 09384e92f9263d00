// What a cross-attention map says of a translation: the scores that active learning and quality estimation use.
//   const auto a = result.cross_attn[layer].matrix(0, head);      // T x S: any matrix with rows, cols and (t, s)
//   coverage(a, S - 1)      S - 1: the source tokens without the end mark, which is the last
// a_ij is the weight of target token i on source token j; |x| and |y| are the tokens of source and target. Computed in
// double, in ascending order of indices; numbers of tokens may not exceed the map's rows and columns. NaN where there
// is nothing to average. Allocates nothing but where it says so.
#pragma once
#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>
#include <vitrine/core/config.hpp>
#include <vitrine/kernels/elementary.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::inspect {

/// -(1/|x|) sum_j log(min(sum_i a_ij, 1) + 1e-8) over the |x| = source_tokens first columns, the sum over i of all
/// rows, the end mark's included (Peris and Casacuberta 2018). 0: everything was attended to; larger: parts were not.
template <class M>
double coverage(const M& map, Index source_tokens);

/// (1/|y|) sum_i max_j a_ij over the |y| = target_tokens first rows and the source_tokens first columns: the mean of
/// the row maxima, end marks left out as rows and as columns (Voita et al. 2019). 1: each token looks at one other.
template <class M>
double confidence(const M& map, Index target_tokens, Index source_tokens);

/// -(1/T) sum_i sum_j a_ij log a_ij over all rows and columns, in nats (Ghader and Monz 2017). 0: each token looks at
/// one other; log S: at all alike.
template <class M>
double entropy(const M& map);

/// -(1/T) sum_i Kurt(a_i) over all rows, Kurt(a_i) = (1/S) sum_j (a_ij - 1/S)^4 / ((1/S) sum_j (a_ij - 1/S)^2)^2: the
/// attention distraction of Peris and Casacuberta (2018). Below 0; the nearer to 0, the flatter the rows. A row of
/// equal weights has no kurtosis and counts as 1, the least that there is.
template <class M>
double distraction(const M& map);

/// NLL = -(1/|y|) sum_i log p(y_i | y_1 ... y_i-1, x), of |y| values: the baseline that needs no attention.
template <class S>
double mean_negative_log_probability(std::span<const S> log_probabilities);

/// How well a score finds the positive cases: the area under the receiver operating characteristic, which is the chance
/// that a positive case has a larger score than a negative one, equal scores counting half (Hanley and McNeil 1982).
/// 0.5: no better than chance. NaN without cases of both kinds, and where a score is. Throws std::invalid_argument for
/// another number of scores than of cases. Memory: a sorted list of indices.
inline double area_under_curve(const std::vector<double>& scores, const std::vector<bool>& positive);

// ---- implementation

namespace detail {

inline double mean_of(double sum, Index count) {
  return count > 0 ? sum / static_cast<double>(count) : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace detail

template <class M>
double coverage(const M& map, Index source_tokens) {
  double sum = 0;
  for (Index j = 0; j < source_tokens; ++j) {
    double received = 0;
    for (Index i = 0; i < Index(map.rows()); ++i) received += static_cast<double>(map(i, j));
    sum -= kernels::log((received >= 1 ? 1.0 : received) + 1e-8);  // NaN stays NaN
  }
  return detail::mean_of(sum, source_tokens);
}

template <class M>
double confidence(const M& map, Index target_tokens, Index source_tokens) {
  double sum = 0;
  for (Index i = 0; i < target_tokens; ++i) {
    double largest = 0;
    for (Index j = 0; j < source_tokens; ++j)
      if (const auto weight = static_cast<double>(map(i, j)); weight > largest || weight != weight) largest = weight;
    sum += largest;
  }
  return detail::mean_of(sum, target_tokens);
}

template <class M>
double entropy(const M& map) {
  double sum = 0;
  for (Index i = 0; i < Index(map.rows()); ++i)
    for (Index j = 0; j < Index(map.cols()); ++j)
      if (const auto weight = static_cast<double>(map(i, j)); !(weight <= 0)) sum -= weight * kernels::log(weight);
  return detail::mean_of(sum, Index(map.rows()));
}

template <class M>
double distraction(const M& map) {
  const Index columns = Index(map.cols());
  const double mean = detail::mean_of(1, columns);
  double sum = 0;
  for (Index i = 0; i < Index(map.rows()); ++i) {
    double second = 0, fourth = 0;
    for (Index j = 0; j < columns; ++j) {
      const double d = static_cast<double>(map(i, j)) - mean, square = d * d;
      second += square, fourth += square * square;
    }
    second *= mean, fourth *= mean;
    // Below that, the differences are the rounding of equal weights.
    sum -= second <= 1e-12 * mean * mean ? 1.0 : fourth / (second * second);
  }
  return detail::mean_of(sum, Index(map.rows()));
}

template <class S>
double mean_negative_log_probability(std::span<const S> log_probabilities) {
  double sum = 0;
  for (const S one : log_probabilities) sum -= static_cast<double>(one);
  return detail::mean_of(sum, Index(log_probabilities.size()));
}

inline double area_under_curve(const std::vector<double>& scores, const std::vector<bool>& positive) {
  if (scores.size() != positive.size())
    throw std::invalid_argument("area_under_curve: " + std::to_string(scores.size()) + " scores of " +
                                std::to_string(positive.size()) + " cases");
  for (const double score : scores)
    if (std::isnan(score)) return score;
  std::vector<std::size_t> order(scores.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return scores[a] < scores[b]; });
  double wins = 0, negatives = 0, positives = 0;  // so far, in ascending order of scores
  for (std::size_t first = 0, last; first < order.size(); first = last) {
    double equal_positives = 0;
    for (last = first; last < order.size() && scores[order[last]] == scores[order[first]]; ++last)
      equal_positives += positive[order[last]];
    const double equal_negatives = static_cast<double>(last - first) - equal_positives;
    wins += equal_positives * (negatives + 0.5 * equal_negatives);
    positives += equal_positives, negatives += equal_negatives;
  }
  if (positives == 0 || negatives == 0) return std::numeric_limits<double>::quiet_NaN();
  return wins / (positives * negatives);
}

}  // namespace vitrine::inline VITRINE_ABI::inspect

#include <vitrine/core/macros_pop.hpp>
