// How pictures of text look, and the small pieces that they are made of. Included by terminal.hpp.
#pragma once
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>
#include <vitrine/core/config.hpp>
#include <vitrine/inspect/map_group.hpp>
#include <vitrine/inspect/ramp.hpp>
#include <vitrine/inspect/text.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::inspect {

/// What a full cell stands for: the largest weight of the map, of its row, or 1.
enum class Scale : std::uint8_t { map, row, one };

// What the terminal can show.
enum class TerminalColour : std::uint8_t { none, indexed /* 256 colours */, full /* 24 bit */ };

// How pictures of text look.
struct TerminalOptions {
  TerminalColour colour = TerminalColour::none;
  bool unicode = true;        ///< false: ASCII only, in labels too.
  Theme theme = Theme::dark;  ///< Background that the colours are made for.
  Scale scale = Scale::map;
  Index width = 100;      ///< Columns, 11 at least. A wider map shows the largest weight of neighbouring keys.
  Index height = 60;      ///< Rows of the map. A longer one shows the largest weight of neighbouring queries.
  bool strongest = true;  ///< Heatmap: each row ends with its strongest key and weight, where there is room.
  bool weights = true;    ///< Alignment: a line with the linked weights in percent.
  bool legend = true;     ///< Heatmap: a last line that explains the shades.
};

/// Options for stdout: no colour when it is not a terminal, NO_COLOR is set (no-color.org) or TERM is dumb or missing;
/// ASCII on a terminal whose locale (POSIX's LC_ALL, LC_CTYPE, LANG) is not UTF-8.
inline TerminalOptions terminal_options();

// ---- implementation

inline TerminalOptions terminal_options() {
  const auto variable = [](const char* name) {
    return std::string_view(std::getenv(name) != nullptr ? std::getenv(name) : "");
  };
  TerminalOptions options;
  const std::string_view term = variable("TERM"), depth = variable("COLORTERM");
  if (isatty(STDOUT_FILENO) != 0 && variable("NO_COLOR").empty() && term != "dumb" && !term.empty()) {
    options.colour = depth == "truecolor" || depth == "24bit" ? TerminalColour::full : TerminalColour::indexed;
  }
  std::string_view locale = variable("LC_ALL");
  if (locale.empty()) locale = variable("LC_CTYPE");
  if (locale.empty()) locale = variable("LANG");
  const auto names = [&](std::string_view code) { return locale.find(code) != std::string_view::npos; };
  // A file or a pipe, and a machine that says nothing, get UTF-8 like everything else today.
  options.unicode = locale.empty() || names("UTF-8") || names("utf8") || names("utf-8") || names("UTF8") ||
                    isatty(STDOUT_FILENO) == 0;
  return options;
}

namespace detail {

inline std::string repeat(std::string_view text, Index count) {
  std::string out;
  for (Index k = 0; k < count; ++k) out += text;
  return out;
}

inline std::string pad(std::string_view text, Index columns) {
  return std::string(text) + repeat(" ", columns - display_width(text));
}

inline std::string label_of(const std::vector<std::string>& labels, Index index, bool unicode) {
  if (index >= static_cast<Index>(labels.size())) return std::to_string(index);
  const std::string& text = labels[static_cast<std::size_t>(index)];
  std::string shown = visible(text);
  if (unicode) return shown;
  std::string ascii;
  for (std::size_t at = 0; at < text.size();) {
    const char32_t point = next_code_point(text, at);
    ascii += point > 0x20 && point < 0x7f ? static_cast<char>(point) : point == ' ' ? '_' : '?';
  }
  return ascii.empty() ? "-" : ascii;
}

/// The 256-colour cube's nearest entry.
inline int cube_index(Colour colour) {
  const auto level = [](int part) { return part < 48 ? 0 : part < 115 ? 1 : (part - 35) / 40; };
  return 16 + 36 * level(colour.red) + 6 * level(colour.green) + level(colour.blue);
}

inline std::string painted(std::string_view text, double strength, const TerminalOptions& options) {
  const Colour colour = ramp(strength, options.theme);
  const std::string code = options.colour == TerminalColour::full
                               ? "48;2;" + std::to_string(colour.red) + ";" + std::to_string(colour.green) + ";" +
                                     std::to_string(colour.blue)
                               : "48;5;" + std::to_string(cube_index(colour));
  return "\x1b[" + code + "m" + std::string(text) + "\x1b[0m";
}

/// 0 to 4; the limits are named in the legend.
inline int shade(double strength) {
  return strength < 0.0625 ? 0 : strength < 0.25 ? 1 : strength < 0.5 ? 2 : strength < 0.75 ? 3 : 4;
}

inline std::string_view shade_text(int level, bool unicode) {
  static constexpr std::string_view fine[] = {"·", "░", "▒", "▓", "█"}, plain[] = {".", ":", "+", "#", "@"};
  return unicode ? fine[level] : plain[level];
}

inline std::string percent(double weight) {
  std::string digits = short_number(weight, 2);
  if (digits.size() > 1 && digits[0] == '0') return digits.substr(1).append(digits.size() == 3 ? "0" : "");
  return digits;
}

/// A map made small: the largest weight in blocks of rows and columns.
struct SmallMap {
  Index rows, columns, row_step, column_step;
  std::vector<float> values;
};

inline SmallMap shrink(const float* map, Index rows, Index columns, Index most_rows, Index most_columns) {
  const auto step = [](Index count, Index most) { return most > 0 && count > most ? (count + most - 1) / most : 1; };
  const Index row_step = step(rows, most_rows), column_step = step(columns, most_columns);
  SmallMap small{
      (rows + row_step - 1) / row_step, (columns + column_step - 1) / column_step, row_step, column_step, {}};
  small.values.assign(static_cast<std::size_t>(small.rows * small.columns), 0.0f);
  for (Index i = 0; i < rows; ++i) {
    for (Index j = 0; j < columns; ++j) {
      float& cell = small.values[static_cast<std::size_t>(i / row_step * small.columns + j / column_step)];
      const float weight = map[i * columns + j];
      if (!is_finite(weight) || !(weight <= cell)) cell = is_finite(cell) ? weight : cell;
    }
  }
  return small;
}

inline Index strongest(const float* row, Index count) {
  return count > 0 ? std::max_element(row, row + count) - row : -1;
}

}  // namespace detail

}  // namespace vitrine::inline VITRINE_ABI::inspect

#include <vitrine/core/macros_pop.hpp>
