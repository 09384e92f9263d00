// Heatmaps as SVG, for a README or a paper: one map with labels, or a grid of layers x heads. The picture has its own
// dark colours and background where the reader's system is dark (prefers-color-scheme works inside an <img>), whatever
// the page around it, and needs neither script nor fonts of its own. SVG 1.1 (W3C). Pictures are strings on the heap.
//   save_text("alignment.svg", svg_heatmap(map, T, S, phonemes, letters, {.title = "layer 2, head 1"}));
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>
#include <vitrine/core/config.hpp>
#include <vitrine/inspect/map_group.hpp>
#include <vitrine/inspect/ramp.hpp>
#include <vitrine/inspect/text.hpp>
#include <vitrine/io/atomic_file.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::inspect {

// How a heatmap is drawn.
struct SvgOptions {
  std::string title = {};          ///< Above the picture; also what a screen reader says.
  Theme theme = Theme::automatic;  ///< automatic: light with dark rules; light, dark: one of them only.
  double cell = 22;                ///< Side of a cell in pixels, > 0 (svg_heatmap).
  double map_size = 96;            ///< Longer side of a map in pixels, > 0 (svg_grid).
};

/// One T x S row-major map, full colour at its largest weight, which a legend names. Weights below 0 are drawn as 0,
/// those that are not finite in magenta. Labels may hold any bytes; missing ones are numbers, counted from 0.
inline std::string svg_heatmap(const float* map, Index query_count, Index key_count,
                               const std::vector<std::string>& query_labels, const std::vector<std::string>& key_labels,
                               const SvgOptions& options = {});

/// All T x S maps of a group, rows are layers, columns are heads, numbered from 0; each map has its own full colour.
/// Maps that were not kept stay empty. Throws std::invalid_argument as check.
inline std::string svg_grid(const MapGroup& group, const SvgOptions& options = {});

/// Writes text; the file is whole or not there (Error file_not_created, write_failed).
inline void save_text(const std::filesystem::path& path, std::string_view text) {
  AtomicFile file(path);
  file.write(text);
  file.commit();
}

// ---- implementation

namespace detail {

inline constexpr int svg_steps = 32;

/// One theme's rules: background and text colours, the steps of the ramp, and a class for values that are not finite.
inline std::string svg_rules(Theme theme) {
  const bool dark = theme == Theme::dark;
  std::string out =
      dark ? ".b{fill:#171d2a}.i{fill:#e8ecf5}.q{fill:#9aa5bd}" : ".b{fill:#ffffff}.i{fill:#1b2130}.q{fill:#5b6478}";
  for (int k = 0; k < svg_steps; ++k) {
    out.append(".c")
        .append(std::to_string(k))
        .append("{fill:#")
        .append(hex(ramp(k / (svg_steps - 1.0), theme)))
        .append("}");
  }
  return out + ".x{fill:#e600e6}";
}

inline std::string svg_style(Theme theme) {
  std::string out =
      "<style>text{font:12px system-ui,-apple-system,\"Segoe UI\",Roboto,\"Noto "
      "Sans\",sans-serif;dominant-baseline:central}";
  out += ".e{text-anchor:end}.m{text-anchor:middle}.t{font-weight:600;font-size:14px}";
  out += svg_rules(theme == Theme::dark ? Theme::dark : Theme::light);
  if (theme == Theme::automatic) out += "@media(prefers-color-scheme:dark){" + svg_rules(Theme::dark) + "}";
  return out + "</style>\n";
}

/// Where a map stands in the picture, in its units.
struct SvgFrame {
  double x, y, width, height;
};

/// A map as one path for each step of the ramp, in a group whose unit is a cell; equal neighbours of a row are one
/// rectangle.
inline std::string svg_cells(const float* map, Index rows, Index columns, const SvgFrame& frame) {
  float largest = 0;
  for (Index k = 0; k < rows * columns; ++k) largest = is_finite(map[k]) && map[k] > largest ? map[k] : largest;
  std::vector<std::string> paths(svg_steps + 1);
  const auto step = [&](float weight) {
    if (!is_finite(weight)) return svg_steps;
    return largest > 0
               ? static_cast<int>(std::clamp(static_cast<double>(weight) / static_cast<double>(largest), 0.0, 1.0) *
                                      (svg_steps - 1) +
                                  0.5)
               : 0;
  };
  for (Index i = 0; i < rows; ++i) {
    for (Index j = 0; j < columns;) {
      const int own = step(map[i * columns + j]);
      Index end = j + 1;
      while (end < columns && step(map[i * columns + end]) == own) ++end;
      if (own > 0) {
        const std::string run = std::to_string(end - j);
        paths[static_cast<std::size_t>(own)]
            .append("M")
            .append(std::to_string(j))
            .append(" ")
            .append(std::to_string(i))
            .append("h")
            .append(run)
            .append("v1h-")
            .append(run)
            .append("z");
      }
      j = end;
    }
  }
  const auto number = [](double value) { return short_number(value, 3); };
  std::string out = "<g transform=\"translate(" + number(frame.x) + " " + number(frame.y) + ") scale(" +
                    short_number(frame.width / static_cast<double>(columns), 5) + " " +
                    short_number(frame.height / static_cast<double>(rows), 5) + ")\" shape-rendering=\"crispEdges\">";
  out += "<rect class=\"c0\" width=\"" + std::to_string(columns) + "\" height=\"" + std::to_string(rows) + "\"/>";
  for (std::size_t k = 1; k < paths.size(); ++k) {
    if (!paths[k].empty())
      out.append("<path class=\"")
          .append(k == svg_steps ? "x" : "c" + std::to_string(k))
          .append("\" d=\"")
          .append(paths[k])
          .append("\"/>");
  }
  return out + "</g>\n";
}

inline std::string svg_text(std::string_view classes, double x, double y, std::string_view text,
                            std::string_view more = "") {
  return std::string("<text class=\"")
      .append(classes)
      .append("\" x=\"")
      .append(short_number(x, 2))
      .append("\" y=\"")
      .append(short_number(y, 2))
      .append("\"")
      .append(more)
      .append(">")
      .append(xml_text(text))
      .append("</text>\n");
}

inline std::string svg_open(double width, double height, const SvgOptions& options, std::string_view fallback) {
  const std::string size = short_number(width, 0) + " " + short_number(height, 0);
  std::string out = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 " + size + "\" width=\"" +
                    short_number(width, 0) + "\" height=\"" + short_number(height, 0) + "\" role=\"img\">\n";
  out += "<title>" + xml_text(options.title.empty() ? fallback : std::string_view(options.title)) + "</title>\n";
  out += svg_style(options.theme);
  out += "<rect class=\"b\" width=\"100%\" height=\"100%\"/>\n";
  return out + (options.title.empty() ? "" : svg_text("i t", 8, 16, options.title));
}

inline std::string svg_label(const std::vector<std::string>& labels, Index index) {
  return index < static_cast<Index>(labels.size()) ? shorten(visible(labels[static_cast<std::size_t>(index)]), 24)
                                                   : std::to_string(index);
}

}  // namespace detail

inline std::string svg_heatmap(const float* map, Index query_count, Index key_count,
                               const std::vector<std::string>& query_labels, const std::vector<std::string>& key_labels,
                               const SvgOptions& options) {
  constexpr double letter = 7.4;  // a generous mean advance of 12 px sans-serif
  const double cell = options.cell, columns = static_cast<double>(key_count), rows = static_cast<double>(query_count);
  const auto every = static_cast<Index>(std::max(1.0, std::ceil(13 / cell)));
  double left = 8, longest = 8;
  for (Index i = 0; i < query_count; i += every)
    left = std::max(left, letter * static_cast<double>(display_width(detail::svg_label(query_labels, i))));
  for (Index j = 0; j < key_count; j += every)
    longest = std::max(longest, letter * static_cast<double>(display_width(detail::svg_label(key_labels, j))));
  // A label stands upright when it is as narrow as its column, else it is turned.
  const auto fits = [&](const std::string& label) {
    return letter * static_cast<double>(display_width(label)) + 2 <= cell * static_cast<double>(every);
  };
  const bool upright = longest + 2 <= cell * static_cast<double>(every);
  const double title = options.title.empty() ? 0 : 26, top = title + (upright ? 22 : longest + 12);
  left += 16;
  const double width = std::max(left + columns * cell + 10, 190.0), height = top + rows * cell + 34;

  float largest = 0;
  for (Index k = 0; k < query_count * key_count; ++k)
    largest = detail::is_finite(map[k]) && map[k] > largest ? map[k] : largest;
  std::string out = detail::svg_open(width, height, options, "attention heatmap");
  if (query_count > 0 && key_count > 0)
    out += detail::svg_cells(map, query_count, key_count, {left, top, columns * cell, rows * cell});
  for (Index i = 0; i < query_count; i += every) {
    out += detail::svg_text("i e", left - 6, top + (static_cast<double>(i) + 0.5) * cell,
                            detail::svg_label(query_labels, i));
  }
  for (Index j = 0; j < key_count; j += every) {
    const double x = left + (static_cast<double>(j) + 0.5) * cell;
    const std::string label = detail::svg_label(key_labels, j);
    const std::string at = short_number(x, 2) + " " + short_number(top - 5, 2);
    out += fits(label) ? detail::svg_text("i m", x, top - 11, label)
                       : detail::svg_text("i", x, top - 5, label, " transform=\"rotate(-90 " + at + ")\"");
  }
  const double foot = top + rows * cell + 18;
  out += detail::svg_text("q e", left - 6, foot, "0");
  for (int k = 0; k < detail::svg_steps; ++k) {
    out += "<rect class=\"c" + std::to_string(k) + "\" x=\"" + short_number(left + 3.0 * k, 2) + "\" y=\"" +
           short_number(foot - 5, 2) + "\" width=\"3.2\" height=\"10\"/>";
  }
  out += detail::svg_text("q", left + 3.0 * detail::svg_steps + 6, foot, short_number(static_cast<double>(largest), 3));
  return out + "</svg>\n";
}

inline std::string svg_grid(const MapGroup& group, const SvgOptions& options) {
  check(group);
  const double rows = static_cast<double>(group.query_count()), columns = static_cast<double>(group.key_count());
  const double unit = options.map_size / std::max({rows, columns, 1.0}), width = unit * columns, height = unit * rows,
               gap = 6;
  const double left = 62, top = (options.title.empty() ? 0 : 26) + 26;
  const auto heads = static_cast<double>(group.heads), layers = static_cast<double>(group.layers);
  std::string out = detail::svg_open(std::max(left + heads * (width + gap) + 6, 190.0),
                                     top + layers * (height + gap) + 6, options, "attention heads of " + group.kind);
  for (Index head = 0; head < group.heads; ++head) {
    const std::string name = (head == 0 ? "head " : "") + std::to_string(head);
    out += detail::svg_text("q m", left + static_cast<double>(head) * (width + gap) + width / 2, top - 12, name);
  }
  for (Index layer = 0; layer < group.layers; ++layer) {
    const double y = top + static_cast<double>(layer) * (height + gap);
    out += detail::svg_text("q e", left - 8, y + height / 2, (layer == 0 ? "layer " : "") + std::to_string(layer));
    for (Index head = 0; head < group.heads; ++head) {
      const float* map = rows > 0 && columns > 0 ? group.map(layer, head) : nullptr;
      if (map != nullptr)
        out += detail::svg_cells(map, group.query_count(), group.key_count(),
                                 {left + static_cast<double>(head) * (width + gap), y, width, height});
    }
  }
  return out + "</svg>\n";
}

}  // namespace vitrine::inline VITRINE_ABI::inspect

#include <vitrine/core/macros_pop.hpp>
