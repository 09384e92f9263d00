// Word alignments from a cross-attention map: links, and the text in which Marian, Moses and others write them.
//   const auto map = result.cross_attn[layer].matrix(0, head);         // T x S: any matrix with rows, cols and (t, s)
//   pharaoh(hard_links(map))                                            "0-0 1-1 2-3": source-target, as Marian's hard
//   pharaoh(threshold_links(map, 0.3))                                  Marian's --alignment 0.3
//   marian_soft(map)                                                    "0.9,0.1 0.2,0.8": a group a target token
//   with_alignment("das ist gut", "0-0 1-1 2-2")                        "das ist gut ||| 0-0 1-1 2-2"
// Links and texts are returned on the heap. words.hpp merges subwords first; alignment_error.hpp compares with gold
// links and finds the head that aligns best.
#pragma once
#include <algorithm>
#include <charconv>
#include <compare>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>
#include <vitrine/core/config.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::inspect {

/// A target token and the source token that it comes from, both counted from 0. Sorted by source, then target.
struct Link {
  Index source = 0, target = 0;
  auto operator<=>(const Link&) const = default;
};
// Links of one sentence pair.
using Links = std::vector<Link>;

/// One link for each target token (row of the T x S map), to the source token with its largest weight (ties: the
/// first), sorted. With both sizes given, only the first target_count rows and source_count columns exist: to leave end
/// marks out.
template <class M>
Links hard_links(const M& map, Index target_count = -1, Index source_count = -1);

/// All links whose weight is above the threshold, compared in the map's own scalar as Marian does, sorted; the sizes as
/// for hard_links.
template <class M>
Links threshold_links(const M& map, double threshold, Index target_count = -1, Index source_count = -1);

/// "0-0 1-2 2-1", source first, in the order of the links (Moses, fast_align, Marian's hard and threshold text). Empty
/// for no links.
std::string pharaoh(const Links& links);

/// Links from such text; `offset` is what the first token is called there (0 or 1). Throws std::invalid_argument, which
/// names the part that is no link.
Links parse_pharaoh(std::string_view text, Index offset = 0);

/// Marian's soft text of a T x S map: a group for each target token, the weights over the source tokens joined by
/// commas, six significant digits as C++ streams print them.
template <class M>
std::string marian_soft(const M& map);

/// Marian's output line: the translation, " ||| ", the alignment.
inline std::string with_alignment(std::string_view translation, std::string_view alignment) {
  return std::string(translation).append(" ||| ").append(alignment);
}

// ---- implementation

namespace detail {

template <class M>
Index row_count(const M& map, Index wanted) {
  return wanted < 0 ? Index(map.rows()) : std::min<Index>(wanted, Index(map.rows()));
}
template <class M>
Index column_count(const M& map, Index wanted) {
  return wanted < 0 ? Index(map.cols()) : std::min<Index>(wanted, Index(map.cols()));
}

/// The whole number that all of `text` is; throws with `part` otherwise.
inline Index link_number(std::string_view text, std::string_view part, Index offset) {
  Index number = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failed != std::errc() || end != text.data() + text.size() || number < offset)
    throw std::invalid_argument("\"" + std::string(part) + "\" is no link: two numbers from " + std::to_string(offset) +
                                " joined by \"-\" (gold links: or by \"p\")");
  return number - offset;
}

/// Calls f(part) for every piece of `text` between blanks.
template <class F>
void for_each_part(std::string_view text, F&& f) {
  constexpr std::string_view blanks = " \t\r\n";
  for (std::size_t at = text.find_first_not_of(blanks); at != text.npos; at = text.find_first_not_of(blanks, at)) {
    const std::size_t end = std::min(text.find_first_of(blanks, at), text.size());
    f(text.substr(at, end - at));
    at = end;
  }
}

}  // namespace detail

template <class M>
Links hard_links(const M& map, Index target_count, Index source_count) {
  Links links;
  const Index rows = detail::row_count(map, target_count), columns = detail::column_count(map, source_count);
  for (Index t = 0; t < rows && columns > 0; ++t) {
    Index best = 0;
    for (Index s = 1; s < columns; ++s) best = map(t, best) < map(t, s) ? s : best;
    links.push_back({best, t});
  }
  std::sort(links.begin(), links.end());
  return links;
}

template <class M>
Links threshold_links(const M& map, double threshold, Index target_count, Index source_count) {
  Links links;
  const auto least = static_cast<typename M::Scalar>(threshold);  // 0.3f is not above 0.3
  const Index rows = detail::row_count(map, target_count), columns = detail::column_count(map, source_count);
  for (Index s = 0; s < columns; ++s)
    for (Index t = 0; t < rows; ++t)
      if (map(t, s) > least) links.push_back({s, t});
  return links;
}

inline std::string pharaoh(const Links& links) {
  std::string out;
  for (const Link& link : links) {
    if (!out.empty()) out += ' ';
    out.append(std::to_string(link.source)).append("-").append(std::to_string(link.target));
  }
  return out;
}

inline Links parse_pharaoh(std::string_view text, Index offset) {
  Links links;
  detail::for_each_part(text, [&](std::string_view part) {
    const std::size_t dash = std::min(part.find('-'), part.size());
    const std::string_view target = dash < part.size() ? part.substr(dash + 1) : std::string_view{};
    links.push_back(
        {detail::link_number(part.substr(0, dash), part, offset), detail::link_number(target, part, offset)});
  });
  return links;
}

template <class M>
std::string marian_soft(const M& map) {
  std::string out;
  for (Index t = 0; t < Index(map.rows()); ++t) {
    if (t > 0) out += ' ';
    for (Index s = 0; s < Index(map.cols()); ++s) {
      char digits[32];
      const auto end =
          std::to_chars(digits, digits + sizeof digits, static_cast<double>(map(t, s)), std::chars_format::general, 6);
      if (s > 0) out += ',';
      out.append(digits, end.ptr);
    }
  }
  return out;
}

}  // namespace vitrine::inline VITRINE_ABI::inspect

#include <vitrine/core/macros_pop.hpp>
