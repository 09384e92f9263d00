// Lines computed together: those of similar length, so that little is padded. What is computed for a line does not
// depend on its batch.
//   for (const auto& batch : vt::corpus::batches(lines, 2048)) ...        indices of the lines
#pragma once
#include <algorithm>
#include <cstddef>
#include <vector>
#include <vitrine/corpus/line.hpp>
#include <vitrine/models/tokens.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::corpus {

/// Indices of the usable lines, longest first, at most `tokens` padded tokens and 64 lines to a batch; on the heap.
inline std::vector<std::vector<std::size_t>> batches(const std::vector<Line>& all, Index tokens) {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < all.size(); ++i)
    if (all[i].usable()) order.push_back(i);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return all[a].ids.size() > all[b].ids.size(); });
  std::vector<std::vector<std::size_t>> result;
  for (const std::size_t i : order) {
    if (result.empty() || result.back().size() == 64 ||
        (Index(result.back().size()) + 1) * Index(all[result.back().front()].ids.size()) > tokens)
      result.emplace_back();
    result.back().push_back(i);
  }
  return result;
}

/// The ids of some lines, one after another, on the heap.
struct Packed {
  std::vector<Index> ids = {}, lengths = {};
  // Appends the ids of a line.
  void add(const std::vector<Index>& more) {
    ids.insert(ids.end(), more.begin(), more.end());
    lengths.push_back(Index(more.size()));
  }
  // A view of them, one sequence a line: (B, T, 1) of B lines.
  Tokens tokens() const { return {ids, lengths}; }
};

}  // namespace vitrine::inline VITRINE_ABI::corpus

#include <vitrine/core/macros_pop.hpp>
