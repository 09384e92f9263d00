// Word alignments of both directions as one: what two models, or two runs of one aligner, say of the same sentence
// pair.
//   grow_diag_final_and(parse_pharaoh("0-0 1-2"), flipped(parse_pharaoh("0-0 2-1")))
// After Koehn, Axelrod, Birch, Callison-Burch, Osborne and Talbot (2005). Links are on the heap.
#pragma once
#include <algorithm>
#include <set>
#include <utility>
#include <vector>
#include <vitrine/inspect/alignment.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::inspect {

/// The links with source and target exchanged, sorted: a model from target to source speaks of its own source first
/// (Moses; Koehn et al. 2007).
inline Links flipped(const Links& links) {
  Links other;
  for (const Link& link : links) other.push_back({link.target, link.source});
  std::sort(other.begin(), other.end());
  return other;
}

/// Links that both have, sorted (Och and Ney 2003).
inline Links intersection(const Links& forward, const Links& backward) {
  const std::set<Link> known(backward.begin(), backward.end());
  std::set<Link> both;
  for (const Link& link : forward)
    if (known.count(link) > 0) both.insert(link);
  return {both.begin(), both.end()};
}

/// Links that either has, sorted (Och and Ney 2003).
inline Links all_links(const Links& forward, const Links& backward) {
  std::set<Link> any(forward.begin(), forward.end());
  any.insert(backward.begin(), backward.end());
  return {any.begin(), any.end()};
}

/// The intersection, grown by neighbours in the union, diagonal ones included, that align a word not aligned yet; then
/// by links of forward, then of backward, between two words of which neither is aligned (Koehn et al. 2005). Links
/// are walked by target word, then source word; where the order decides, another program's may differ. Sorted; both
/// directions name the source first.
Links grow_diag_final_and(const Links& forward, const Links& backward);

// ---- implementation

namespace detail {

/// An alignment as it grows, and the words that it has.
struct Growing {
  std::set<Link> links = {};
  std::set<Index> sources = {}, targets = {};
  bool has_source(Index word) const { return sources.count(word) > 0; }
  bool has_target(Index word) const { return targets.count(word) > 0; }
  void add(const Link& link) { links.insert(link), sources.insert(link.source), targets.insert(link.target); }
};

inline bool grow_once(Growing& grown, const std::set<Link>& any) {
  static constexpr std::pair<int, int> neighbours[] = {{-1, 0},  {0, -1}, {1, 0},  {0, 1},
                                                       {-1, -1}, {-1, 1}, {1, -1}, {1, 1}};
  std::vector<Link> order(any.begin(), any.end());
  std::sort(order.begin(), order.end(),
            [](const Link& a, const Link& b) { return std::pair(a.target, a.source) < std::pair(b.target, b.source); });
  bool added = false;
  for (const Link& at : order) {
    if (grown.links.count(at) == 0) continue;
    for (const auto& [target, source] : neighbours) {
      const Link next{at.source + source, at.target + target};
      if (any.count(next) == 0 || grown.links.count(next) > 0) continue;
      if (grown.has_source(next.source) && grown.has_target(next.target)) continue;
      grown.add(next);
      added = true;
    }
  }
  return added;
}

}  // namespace detail

inline Links grow_diag_final_and(const Links& forward, const Links& backward) {
  detail::Growing grown;
  for (const Link& link : intersection(forward, backward)) grown.add(link);
  const Links either = all_links(forward, backward);
  const std::set<Link> any(either.begin(), either.end());
  while (detail::grow_once(grown, any)) {}
  for (const Links* direction : {&forward, &backward}) {
    Links order = *direction;
    std::sort(order.begin(), order.end(), [](const Link& a, const Link& b) {
      return std::pair(a.target, a.source) < std::pair(b.target, b.source);
    });
    for (const Link& link : order)
      if (!grown.has_source(link.source) && !grown.has_target(link.target)) grown.add(link);
  }
  return {grown.links.begin(), grown.links.end()};
}

}  // namespace vitrine::inline VITRINE_ABI::inspect

#include <vitrine/core/macros_pop.hpp>
