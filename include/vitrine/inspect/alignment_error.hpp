// How good alignments are: the alignment error rate against gold links (Och and Ney 2003), and the layer and head that
// align best.
//   AlignmentErrors errors;
//   errors.add(hard_links(map), parse_gold("1-1 2p2 3-4", 1));          over any number of sentences
//   errors.rate(); errors.precision(); errors.recall();
//   HeadSearch<AlignmentErrors> search(layers, heads);                  search.at(layer, head).add(links, gold)
//   search.smallest([](const AlignmentErrors& e) { return e.rate(); })  the head with the smallest rate
//   HeadSearch<RunningMean> surest(layers, heads);                      surest.at(layer, head).add(confidence(...))
//   surest.largest([](const RunningMean& m) { return m.value(); })      the head with the most pointed rows
#pragma once
#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>
#include <vitrine/inspect/alignment.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::inspect {

/// What annotators agreed on (sure), and all that any of them accepted (possible, the sure ones included). Sorted.
struct GoldLinks {
  Links sure = {}, possible = {};
};

/// Gold links as lilt's alignment-scripts write them (Zenkel et al. 2019): "1-1" is sure, "1p1" is possible. `offset`
/// is what the first token is called there; most files count from 1. Throws std::invalid_argument, which names the part
/// that is no link.
GoldLinks parse_gold(std::string_view text, Index offset = 0);

/// Counts of proposed links A, sure links S and possible links P, summed over sentences:
///   precision = |A and P| / |A|      recall = |A and S| / |S|      AER = 1 - (|A and S| + |A and P|) / (|A| + |S|)
/// AER is 0 for the best and 1 for the worst alignment. Without any link to divide by: AER 0, precision and recall 1.
struct AlignmentErrors {
  Index proposed = 0, sure = 0, hit_sure = 0, hit_possible = 0;

  /// Adds one sentence. Links that are given twice count once.
  void add(Links links, const GoldLinks& gold);
  // Nothing was proposed and nothing is sure.
  bool empty() const noexcept { return proposed + sure == 0; }
  // Alignment error rate, 1 - (hit_sure + hit_possible) / (proposed + sure), 0 to 1.
  double rate() const noexcept { return 1 - ratio(hit_sure + hit_possible, proposed + sure); }
  // hit_possible / proposed.
  double precision() const noexcept { return ratio(hit_possible, proposed); }
  // hit_sure / sure.
  double recall() const noexcept { return ratio(hit_sure, sure); }

 private:
  static double ratio(Index part, Index whole) noexcept {
    return whole == 0 ? 1.0 : static_cast<double>(part) / static_cast<double>(whole);
  }
};

/// A mean that is built up piece by piece: the confidence of a head over many sentences.
struct RunningMean {
  double sum = 0, weight = 0;
  // Adds a value with its weight.
  void add(double value, double its_weight = 1) noexcept { sum += value * its_weight, weight += its_weight; }
  // Nothing was added.
  bool empty() const noexcept { return weight == 0; }
  // The mean, sum of weight x value / sum of weights; 0 of nothing.
  double value() const noexcept { return weight > 0 ? sum / weight : 0; }
};

/// A layer and a head, and the figure for which they were chosen.
struct HeadChoice {
  Index layer = 0, head = 0;
  double value = 0;
};

/// Something for each layer and head, AlignmentErrors or RunningMean, and the best of them.
template <class Figure>
class HeadSearch {
 public:
  // For a model with so many layers and heads: allocates a figure for each.
  HeadSearch(Index layers, Index heads) : heads_(heads), figures_(std::size_t(layers * heads)) {}

  // One head's figure. Throws std::out_of_range.
  Figure& at(Index layer, Index head) { return figures_.at(place(layer, head)); }
  const Figure& at(Index layer, Index head) const { return figures_.at(place(layer, head)); }

  /// The layer and head with the smallest (or largest) value of a figure; ties: the first. Heads whose figure is empty
  /// or whose value is NaN are left out. Throws std::out_of_range where none is left.
  template <class F>
  HeadChoice smallest(F&& value) const {
    return best(value, [](double one, double other) { return one < other; });
  }
  // The head with the largest value(figure); ties: the first.
  template <class F>
  HeadChoice largest(F&& value) const {
    return best(value, [](double one, double other) { return one > other; });
  }

 private:
  std::size_t place(Index layer, Index head) const {
    return head >= 0 && head < heads_ ? std::size_t(layer * heads_ + head) : figures_.size();
  }
  template <class F, class Better>
  HeadChoice best(F& value, Better better) const {
    HeadChoice choice{-1, -1, 0};
    for (std::size_t i = 0; i < figures_.size(); ++i) {
      if (figures_[i].empty()) continue;
      const double one = value(figures_[i]);
      if (choice.layer < 0 ? !std::isnan(one) : better(one, choice.value))
        choice = {Index(i) / heads_, Index(i) % heads_, one};
    }
    if (choice.layer < 0) throw std::out_of_range("no head has a figure to choose by");
    return choice;
  }
  Index heads_;
  std::vector<Figure> figures_;
};

// ---- implementation

namespace detail {

inline void sort_links(Links& links) {
  std::sort(links.begin(), links.end());
  links.erase(std::unique(links.begin(), links.end()), links.end());
}

}  // namespace detail

inline GoldLinks parse_gold(std::string_view text, Index offset) {
  GoldLinks gold;
  detail::for_each_part(text, [&](std::string_view part) {
    const std::size_t middle = std::min(part.find_first_of("-p"), part.size());
    const std::string_view target = middle < part.size() ? part.substr(middle + 1) : std::string_view{};
    const Link link{detail::link_number(part.substr(0, middle), part, offset),
                    detail::link_number(target, part, offset)};
    gold.possible.push_back(link);
    if (part[middle] == '-') gold.sure.push_back(link);
  });
  detail::sort_links(gold.sure), detail::sort_links(gold.possible);
  return gold;
}

inline void AlignmentErrors::add(Links links, const GoldLinks& gold) {
  detail::sort_links(links);
  proposed += Index(links.size()), sure += Index(gold.sure.size());
  for (const Link& link : links) {
    const bool is_sure = std::binary_search(gold.sure.begin(), gold.sure.end(), link);
    hit_sure += is_sure;
    hit_possible += is_sure || std::binary_search(gold.possible.begin(), gold.possible.end(), link);
  }
}

}  // namespace vitrine::inline VITRINE_ABI::inspect

#include <vitrine/core/macros_pop.hpp>
