// Attention in a terminal, and in a README: a map as a picture of text, and who-looks-at-whom under a word.
//   std::cout << terminal_heatmap(map, T, S, phonemes, letters, terminal_options());
//   std::cout << terminal_alignment(map, T, S, phonemes, letters);
// The default options make plain Unicode text without colour, the same everywhere; terminal_options() asks the
// environment. The pictures are our own, their colours ECMA-48's. Strings on the heap.
#pragma once
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>
#include <vitrine/core/config.hpp>
#include <vitrine/inspect/terminal_alignment.hpp>
#include <vitrine/inspect/terminal_options.hpp>

#include <vitrine/core/macros_push.hpp>

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

/// A line without the blanks at its end.
inline std::string heatmap_line(std::string_view text) {
  return std::string(text.substr(0, text.find_last_not_of(' ') + 1)) + "\n";
}

/// A heatmap as it will be drawn: the map made small enough, and how wide its parts are.
struct HeatmapPlan {
  const std::vector<std::string>&query_labels, &key_labels;
  const TerminalOptions& options;
  Index label_width = 1, longest_key = 1;
  Index cell = 1;          // columns of a cell, its gap included
  bool strongest = false;  // each line ends with its strongest key
  SmallMap small = {};
  float largest = 0;

  bool dense() const { return cell <= 2; }
  Index block() const { return dense() ? cell : cell - 1; }  // columns of a cell that are shaded
  bool coloured() const { return options.colour != TerminalColour::none; }
  std::string margin() const { return repeat(" ", label_width + 2); }
  // Of a block of rows or columns, that of its first.
  std::string query_label(Index i) const { return label_of(query_labels, i * small.row_step, options.unicode); }
  std::string key_label(Index j) const { return label_of(key_labels, j * small.column_step, options.unicode); }
};

inline HeatmapPlan plan_heatmap(const float* map, Index query_count, Index key_count,
                                const std::vector<std::string>& query_labels,
                                const std::vector<std::string>& key_labels, const TerminalOptions& options) {
  HeatmapPlan plan{query_labels, key_labels, options};
  Index label_width = 1, tail_width = 0;
  for (Index i = 0; i < query_count; ++i)
    label_width = std::max(label_width, display_width(label_of(query_labels, i, options.unicode)));
  label_width = std::min<Index>(label_width, 16);
  for (Index j = 0; j < key_count; ++j)
    plan.longest_key = std::max(plan.longest_key, display_width(label_of(key_labels, j, options.unicode)));
  // On a narrow terminal the strongest key goes first, then labels become shorter.
  const Index least = 8;
  plan.strongest = options.strongest;
  if (plan.strongest) tail_width = std::min<Index>(plan.longest_key, 16) + 7;
  if (options.width - label_width - 2 - tail_width < least) plan.strongest = false, tail_width = 0;
  plan.label_width = std::clamp<Index>(options.width - 2 - least, 1, label_width);
  const Index room = std::max<Index>(options.width - plan.label_width - 2 - tail_width, least);
  // Cells: labels stand above their column when four columns are enough, else they run downwards; without room, one
  // column a cell.
  Index& cell = plan.cell;
  cell = std::clamp<Index>(plan.longest_key <= 4 ? plan.longest_key : 2, 2, 4) + 1;
  if (cell * key_count > room) cell = 3;
  if (cell * key_count > room) cell = 2;
  if (cell * key_count > room) cell = 1;
  plan.small = shrink(map, query_count, key_count, options.height, room / cell);
  for (const float weight : plan.small.values)
    plan.largest = is_finite(weight) ? std::max(plan.largest, weight) : plan.largest;
  return plan;
}

/// A key's label as what stands above its column: a string for each line, the last one next to the map.
inline std::vector<std::string> upright_label(const HeatmapPlan& plan, Index j) {
  const std::string label = plan.key_label(j);
  if (plan.longest_key <= plan.block()) return {label};
  std::vector<std::string> parts;
  for (std::size_t at = 0; at < label.size() && parts.size() < 12;) {
    const std::size_t start = at;
    const char32_t point = next_code_point(label, at);
    std::string part;
    append_utf8(part, point);
    if (code_point_width(point) == 0 && !parts.empty())
      parts.back() += label.substr(start, at - start);
    else
      parts.push_back(part);
  }
  return parts;
}

inline std::string heatmap_key_lines(const HeatmapPlan& plan) {
  if (plan.cell <= 1) return "";
  std::vector<std::vector<std::string>> letters;
  std::size_t lines = 1;
  for (Index j = 0; j < plan.small.columns; ++j) {
    letters.push_back(upright_label(plan, j));
    lines = std::max(lines, letters.back().size());
  }
  std::string out;
  for (std::size_t line = 0; line < lines; ++line) {
    std::string text = plan.margin();
    for (const auto& parts : letters) {
      const std::size_t above = lines - parts.size();
      text += pad(line < above ? "" : parts[line - above], plan.cell);
    }
    out += heatmap_line(text);
  }
  return out;
}

inline std::string heatmap_cell(const HeatmapPlan& plan, float weight, float full) {
  if (!is_finite(weight)) return pad("?", plan.cell);
  const double strength = full > 0 ? static_cast<double>(weight) / static_cast<double>(full) : 0.0;
  if (plan.coloured()) return painted(repeat(" ", plan.cell), strength, plan.options);
  const int level = shade(strength);
  const auto sign = shade_text(level, plan.options.unicode);
  return level == 0 ? pad(sign, plan.cell) : pad(repeat(sign, plan.block()), plan.cell);
}

inline std::string heatmap_query_line(const HeatmapPlan& plan, Index i) {
  const SmallMap& small = plan.small;
  std::string text = pad(fitted(plan.query_label(i), plan.label_width, plan.options), plan.label_width) + "  ";
  const float* row = small.values.data() + i * small.columns;
  const Index best = strongest(row, small.columns);
  const Scale scale = plan.options.scale;
  const float full = scale == Scale::one ? 1.0f : scale == Scale::row ? row[best] : plan.largest;
  for (Index j = 0; j < small.columns; ++j) text += heatmap_cell(plan, row[j], full);
  if (plan.strongest && row[best] > 0) {
    const std::string label = fitted(plan.key_label(best), 16, plan.options);
    text += (plan.dense() ? "  " : " ") + pad(label, std::min<Index>(plan.longest_key, 16)) + " " +
            percent(static_cast<double>(row[best]));
  }
  return heatmap_line(text);
}

inline std::string heatmap_legend(const HeatmapPlan& plan) {
  const TerminalOptions& options = plan.options;
  const std::string margin = plan.margin();
  const std::string full = options.scale == Scale::one ? "1"
                           : options.scale == Scale::row
                               ? "its row's largest weight"
                               : "the largest weight, " + percent(static_cast<double>(plan.largest));
  const Index left = options.width - static_cast<Index>(margin.size()) - 12;  // beside the scale of colours
  std::string out;
  if (plan.coloured() && left >= 0) {
    out += margin + "0 ";
    for (int k = 0; k <= 8; ++k) out += painted(" ", k / 8.0, options);
    out += " " + fitted(full, left, options) + "\n";
  } else if (!plan.coloured()) {
    static constexpr std::string_view limits[] = {" <6%  ", " <25%  ", " <50%  ", " <75%  ", " to 100% of "};
    std::string legend = margin;
    for (int k = 0; k < 5; ++k) legend += std::string(shade_text(k, options.unicode)) + std::string(limits[k]);
    out += fitted(legend + full, options.width, options) + "\n";
  }
  const SmallMap& small = plan.small;
  if (small.row_step > 1 || small.column_step > 1) {
    const std::string reduced = margin + "reduced: each cell is the largest weight of " +
                                std::to_string(small.row_step) + " x " + std::to_string(small.column_step) +
                                " (queries x keys)";
    out += fitted(reduced, options.width, options) + "\n";
  }
  return out;
}

}  // namespace detail

inline std::string terminal_heatmap(const float* map, Index query_count, Index key_count,
                                    const std::vector<std::string>& query_labels,
                                    const std::vector<std::string>& key_labels, const TerminalOptions& options) {
  if (query_count <= 0 || key_count <= 0)
    return "(an empty map: " + std::to_string(query_count) + " x " + std::to_string(key_count) + ")\n";
  const auto plan = detail::plan_heatmap(map, query_count, key_count, query_labels, key_labels, options);
  std::string out = detail::heatmap_key_lines(plan);
  for (Index i = 0; i < plan.small.rows; ++i) out += detail::heatmap_query_line(plan, i);
  return options.legend ? out + detail::heatmap_legend(plan) : out;
}

}  // namespace vitrine::inline VITRINE_ABI::inspect

#include <vitrine/core/macros_pop.hpp>
