// Attention in a terminal, and in a README: a map as a picture of text, and who-looks-at-whom under a word.
//   std::cout << terminal_heatmap(map, T, S, phonemes, letters, terminal_options());
//   std::cout << terminal_alignment(map, T, S, phonemes, letters);
// The default options make plain Unicode text without colour, the same everywhere; terminal_options() asks the
// environment. The pictures are our own, their colours ECMA-48's. Strings on the heap.
#pragma once
#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>
#include <vitrine/core/config.hpp>
#include <vitrine/inspect/terminal_alignment.hpp>
#include <vitrine/inspect/terminal_options.hpp>

namespace vitrine::inline VITRINE_ABI::inspect {

/// The T x S row-major map (weights >= 0), one line a query, shades or colours for weights, labels at both sides.
/// Missing labels are numbers, counted from 0. Labels may hold any bytes. Ends with a line break.
inline std::string terminal_heatmap(const float* map, Index query_count, Index key_count,
                                    const std::vector<std::string>& query_labels,
                                    const std::vector<std::string>& key_labels, const TerminalOptions& options = {});

// ---- implementation

namespace detail {

/// At most `columns` wide; what is cut off ends in a sign that says so.
inline std::string fitted(const std::string& text, Index columns, const TerminalOptions& options) {
  if (options.unicode || display_width(text) <= columns) return shorten(text, columns);
  return columns > 0 ? text.substr(0, static_cast<std::size_t>(columns) - 1) + "~" : "";
}

}  // namespace detail

inline std::string terminal_heatmap(const float* map, Index query_count, Index key_count,
                                    const std::vector<std::string>& query_labels,
                                    const std::vector<std::string>& key_labels, const TerminalOptions& options) {
  if (query_count <= 0 || key_count <= 0)
    return "(an empty map: " + std::to_string(query_count) + " x " + std::to_string(key_count) + ")\n";
  const bool coloured = options.colour != TerminalColour::none;
  // Labels: of a block of rows or columns, that of its first.
  Index label_width = 1, longest_key = 1;
  for (Index i = 0; i < query_count; ++i)
    label_width = std::max(label_width, display_width(detail::label_of(query_labels, i, options.unicode)));
  label_width = std::min<Index>(label_width, 16);
  Index tail_width = 0;
  for (Index j = 0; j < key_count; ++j)
    longest_key = std::max(longest_key, display_width(detail::label_of(key_labels, j, options.unicode)));
  // On a narrow terminal the strongest key goes first, then labels become shorter.
  const Index least = 8;
  bool strongest = options.strongest;
  if (strongest) tail_width = std::min<Index>(longest_key, 16) + 7;
  if (options.width - label_width - 2 - tail_width < least) strongest = false, tail_width = 0;
  label_width = std::clamp<Index>(options.width - 2 - least, 1, label_width);
  const Index room = std::max<Index>(options.width - label_width - 2 - tail_width, least);
  // Cells: labels stand above their column when four columns are enough, else they run downwards; without room, one
  // column a cell.
  Index cell = std::clamp<Index>(longest_key <= 4 ? longest_key : 2, 2, 4) + 1;
  if (cell * key_count > room) cell = 3;
  if (cell * key_count > room) cell = 2;
  if (cell * key_count > room) cell = 1;
  const detail::SmallMap small = detail::shrink(map, query_count, key_count, options.height, room / cell);
  const bool dense = cell <= 2;
  const Index block = dense ? cell : cell - 1;

  float largest = 0;
  for (const float weight : small.values) largest = detail::is_finite(weight) ? std::max(largest, weight) : largest;

  std::string out;
  const std::string margin = detail::repeat(" ", label_width + 2);
  std::vector<std::vector<std::string>> letters;  // column labels, a string for each line
  std::size_t lines = 1;
  for (Index j = 0; j < small.columns && cell > 1; ++j) {
    const std::string label = detail::label_of(key_labels, j * small.column_step, options.unicode);
    std::vector<std::string> parts;
    if (longest_key <= block) {
      parts.push_back(label);
    } else {
      for (std::size_t at = 0; at < label.size() && parts.size() < 12;) {
        const std::size_t start = at;
        const char32_t point = next_code_point(label, at);
        std::string part;
        append_utf8(part, point);
        if (detail::code_point_width(point) == 0 && !parts.empty())
          parts.back() += label.substr(start, at - start);
        else
          parts.push_back(part);
      }
    }
    lines = std::max(lines, parts.size());
    letters.push_back(std::move(parts));
  }
  for (std::size_t line = 0; line < lines && !letters.empty(); ++line) {
    std::string text = margin;
    for (const auto& parts : letters) {
      const std::size_t above = lines - parts.size();
      text += detail::pad(line < above ? "" : parts[line - above], cell);
    }
    out += text.substr(0, text.find_last_not_of(' ') + 1) + "\n";
  }

  for (Index i = 0; i < small.rows; ++i) {
    std::string text = detail::pad(detail::fitted(detail::label_of(query_labels, i * small.row_step, options.unicode),
                                                  label_width, options),
                                   label_width) +
                       "  ";
    const float* row = small.values.data() + i * small.columns;
    const Index best = detail::strongest(row, small.columns);
    const float full = options.scale == Scale::one ? 1.0f : options.scale == Scale::row ? row[best] : largest;
    for (Index j = 0; j < small.columns; ++j) {
      const double strength = full > 0 ? static_cast<double>(row[j]) / static_cast<double>(full) : 0.0;
      if (!detail::is_finite(row[j])) {
        text += detail::pad("?", cell);
      } else if (coloured) {
        text += detail::painted(detail::repeat(" ", cell), strength, options);
      } else {
        const int level = detail::shade(strength);
        const auto sign = detail::shade_text(level, options.unicode);
        text += level == 0 ? detail::pad(sign, cell) : detail::pad(detail::repeat(sign, block), cell);
      }
    }
    if (strongest && row[best] > 0) {
      const std::string label = detail::label_of(key_labels, best * small.column_step, options.unicode);
      text += (dense ? "  " : " ") + detail::pad(detail::fitted(label, 16, options), std::min<Index>(longest_key, 16)) +
              " " + detail::percent(static_cast<double>(row[best]));
    }
    out += text.substr(0, text.find_last_not_of(' ') + 1) + "\n";
  }

  if (options.legend) {
    const std::string full = options.scale == Scale::one ? "1"
                             : options.scale == Scale::row
                                 ? "its row's largest weight"
                                 : "the largest weight, " + detail::percent(static_cast<double>(largest));
    const Index left = options.width - static_cast<Index>(margin.size()) - 12;  // beside the scale of colours
    if (coloured && left >= 0) {
      out += margin + "0 ";
      for (int k = 0; k <= 8; ++k) out += detail::painted(" ", k / 8.0, options);
      out += " " + detail::fitted(full, left, options) + "\n";
    } else if (!coloured) {
      static constexpr std::string_view limits[] = {" <6%  ", " <25%  ", " <50%  ", " <75%  ", " to 100% of "};
      std::string legend = margin;
      for (int k = 0; k < 5; ++k)
        legend += std::string(detail::shade_text(k, options.unicode)) + std::string(limits[k]);
      out += detail::fitted(legend + full, options.width, options) + "\n";
    }
    if (small.row_step > 1 || small.column_step > 1) {
      const std::string reduced = margin + "reduced: each cell is the largest weight of " +
                                  std::to_string(small.row_step) + " x " + std::to_string(small.column_step) +
                                  " (queries x keys)";
      out += detail::fitted(reduced, options.width, options) + "\n";
    }
  }
  return out;
}

}  // namespace vitrine::inline VITRINE_ABI::inspect
