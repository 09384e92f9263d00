// Who looks at whom, in four lines of text: keys, links, queries and weights. Included by terminal.hpp.
#pragma once
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>
#include <vitrine/core/config.hpp>
#include <vitrine/inspect/terminal_options.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::inspect {

/// Of a T x S row-major map (weights >= 0) the keys on one line and under each the queries whose largest weight is on
/// it (ties: the first key); those out of order carry their number. Made for short inputs such as words; breaks lines
/// at options.width. The picture is our own; a string on the heap.
inline std::string terminal_alignment(const float* map, Index query_count, Index key_count,
                                      const std::vector<std::string>& query_labels,
                                      const std::vector<std::string>& key_labels, const TerminalOptions& options = {});

// ---- implementation

namespace detail {

/// 12 as superscript digits, or [12] in ASCII.
inline std::string raised(Index number, bool unicode) {
  static constexpr std::string_view digits[] = {"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"};
  const std::string plain = std::to_string(number);
  if (!unicode) return "[" + plain + "]";
  std::string out;
  for (const char digit : plain) out += digits[digit - '0'];
  return out;
}

/// One key with its queries: the same columns on each of four lines.
struct AlignmentBlock {
  std::string key, link, queries, weights;
  Index width = 0;
};

inline AlignmentBlock alignment_block(const std::string& key, const std::vector<std::string>& queries,
                                      const std::vector<double>& weights, bool unicode) {
  static constexpr std::string_view stems[2][3] = {{".", ":", "|"}, {"┊", "│", "┃"}};
  AlignmentBlock block;
  const std::size_t count = queries.size();
  if (count == 0) {
    block.link = unicode ? "·" : "-";
    block.width = display_width(key) + 1;
  }
  for (std::size_t k = 0; k < count; ++k) {
    const std::string weight = percent(weights[k]);
    const Index need = std::max({display_width(queries[k]), display_width(weight),
                                 k + 1 == count ? display_width(key) - block.width : 0}) +
                       1;
    if (count == 1) {
      block.link = stems[unicode ? 1 : 0][weights[k] >= 2.0 / 3 ? 2 : weights[k] >= 1.0 / 3 ? 1 : 0];
    } else {
      const bool last = k + 1 == count;
      block.link += unicode ? (k == 0 ? "├" : last ? "┐" : "┬") : (k == 0 ? "|" : last ? "\\" : "-");
      if (!last) block.link += repeat(unicode ? "─" : "-", need - 1);
    }
    block.queries += pad(queries[k], need), block.weights += pad(weight, need);
    block.width += need;
  }
  block.width += 1;
  block.key = pad(key, block.width), block.link = pad(block.link, block.width);
  block.queries = pad(block.queries, block.width), block.weights = pad(block.weights, block.width);
  return block;
}

}  // namespace detail

inline std::string terminal_alignment(const float* map, Index query_count, Index key_count,
                                      const std::vector<std::string>& query_labels,
                                      const std::vector<std::string>& key_labels, const TerminalOptions& options) {
  if (query_count <= 0 || key_count <= 0)
    return "(an empty map: " + std::to_string(query_count) + " x " + std::to_string(key_count) + ")\n";
  std::vector<std::vector<Index>> linked(static_cast<std::size_t>(key_count));
  bool in_order = true;
  Index before = 0;
  std::string unlinked;
  for (Index i = 0; i < query_count; ++i) {
    const float* row = map + i * key_count;
    const Index best = detail::strongest(row, key_count);
    if (!(row[best] > 0) || !detail::is_finite(row[best])) {
      unlinked += " " + detail::label_of(query_labels, i, options.unicode);
      continue;
    }
    in_order = in_order && best >= before;
    before = best;
    linked[static_cast<std::size_t>(best)].push_back(i);
  }

  std::string out, keys, links, queries, weights;
  Index used = 0;
  const auto trimmed = [](const std::string& line) { return line.substr(0, line.find_last_not_of(' ') + 1) + "\n"; };
  const auto flush = [&] {
    out += trimmed(keys) + trimmed(links) + trimmed(queries) + (options.weights ? trimmed(weights) : "");
    keys.clear(), links.clear(), queries.clear(), weights.clear(), used = 0;
  };
  for (Index j = 0; j < key_count; ++j) {
    std::vector<std::string> labels;
    std::vector<double> figures;
    for (const Index i : linked[static_cast<std::size_t>(j)]) {
      labels.push_back(detail::label_of(query_labels, i, options.unicode) +
                       (in_order ? "" : detail::raised(i, options.unicode)));
      figures.push_back(static_cast<double>(map[i * key_count + j]));
    }
    const auto block =
        detail::alignment_block(detail::label_of(key_labels, j, options.unicode), labels, figures, options.unicode);
    if (used > 0 && used + block.width > options.width) flush(), out += "\n";
    keys += block.key, links += block.link, queries += block.queries, weights += block.weights, used += block.width;
  }
  flush();
  if (!unlinked.empty()) out += "without any weight:" + unlinked + "\n";
  return out;
}

}  // namespace vitrine::inline VITRINE_ABI::inspect

#include <vitrine/core/macros_pop.hpp>
