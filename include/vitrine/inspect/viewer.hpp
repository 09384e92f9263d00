// The viewer: one self-contained HTML file, without any network, that shows the attention of any model.
//   save_viewer("attention.html", page);                     // page.hpp says how to describe the maps
// 1.34 bytes a weight and 5.4 a row: a byte of the weight over its row's largest, in base64. Maps above ViewerOptions'
// sizes are reduced to the largest of neighbouring weights, and the page says so. Tokens may hold any bytes; a content
// security policy lets nothing but the page's own script run.
#pragma once
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>
#include <vitrine/core/config.hpp>
#include <vitrine/inspect/encode.hpp>
#include <vitrine/inspect/page.hpp>
#include <vitrine/inspect/ramp.hpp>
#include <vitrine/inspect/text.hpp>
#include <vitrine/inspect/viewer_page.hpp>
#include <vitrine/io/atomic_file.hpp>

namespace vitrine::inline VITRINE_ABI::inspect {

// Limits and looks of the page.
struct ViewerOptions {
  Theme theme = Theme::automatic;  ///< At the start; the reader can change it.
  Index max_side = 1024;           ///< A map with more rows or columns is reduced.
  Index max_weights =
      Index{1}
      << 26;  ///< All maps of the page together (64 Mi, about 90 MB of file): above it the largest are reduced further.
};

/// The whole HTML file. Weights must be >= 0 (std::invalid_argument); rows with values that are not finite are marked
/// as such.
inline std::string viewer_html(const Page& page, const ViewerOptions& options = {});

/// Writes it; the file is whole or not there (Error file_not_created, write_failed).
inline void save_viewer(const std::filesystem::path& path, const Page& page, const ViewerOptions& options = {}) {
  const std::string html = viewer_html(page, options);
  AtomicFile file(path);
  file.write(std::string_view(html));
  file.commit();
}

// ---- implementation

namespace detail {

/// Neighbours that become one cell, in each direction.
struct Reduction {
  Index row_step = 1, column_step = 1;
};

inline Index reduced_count(Index count, Index step) { return (count + step - 1) / step; }

/// Weights that the page would store with maps of at most side x side.
inline Index kept_weights(const Page& page, Index side) {
  Index total = 0;
  for (const Example& example : page.examples) {
    for (const MapGroup& group : example.groups) {
      Index kept = 0;
      for (Index layer = 0; layer < group.layers; ++layer) {
        for (Index head = 0; head < group.heads; ++head) kept += group.map(layer, head) != nullptr ? 1 : 0;
      }
      total += kept * std::min(group.query_count(), side) * std::min(group.key_count(), side);
    }
  }
  return total;
}

/// The largest weights of row_step x column_step blocks; a value that is not finite wins.
inline void reduce_map(const float* map, Index rows, Index columns, Reduction by, std::vector<float>& out) {
  const Index width = reduced_count(columns, by.column_step);
  out.assign(static_cast<std::size_t>(reduced_count(rows, by.row_step) * width), 0.0f);
  for (Index i = 0; i < rows; ++i) {
    for (Index j = 0; j < columns; ++j) {
      float& cell = out[static_cast<std::size_t>(i / by.row_step * width + j / by.column_step)];
      const float weight = map[i * columns + j];
      if (!is_finite(weight) || (is_finite(cell) && weight > cell)) cell = weight;
    }
  }
}

/// Little-endian scales of all rows, then a byte a weight: round(255 weight / scale). A row with a value that is not
/// finite has the scale NaN, 255 where it is not finite and 0 elsewhere.
inline void quantise(const float* map, Index rows, Index columns, std::string& out) {
  const auto scale_bytes = static_cast<std::size_t>(4 * rows);
  out.resize(scale_bytes + static_cast<std::size_t>(rows * columns));
  for (Index i = 0; i < rows; ++i) {
    const float* row = map + i * columns;
    char* bytes = out.data() + scale_bytes + i * columns;
    float largest = 0;
    bool finite = true;
    for (Index j = 0; j < columns; ++j) {
      finite = finite && is_finite(row[j]);
      if (row[j] < 0)
        throw std::invalid_argument("viewer: weights must not be negative, and row " + std::to_string(i) +
                                    " has one (scores are not weights)");
      largest = row[j] > largest ? row[j] : largest;
    }
    const std::uint32_t bits = finite ? std::bit_cast<std::uint32_t>(largest) : 0x7fc00000u;
    for (int k = 0; k < 4; ++k) out[static_cast<std::size_t>(4 * i + k)] = static_cast<char>(bits >> (8 * k) & 255u);
    const double factor = largest > 0 ? 255.0 / static_cast<double>(largest) : 0.0;
    for (Index j = 0; j < columns; ++j) {
      const int byte = finite              ? static_cast<int>(static_cast<double>(row[j]) * factor + 0.5)
                       : is_finite(row[j]) ? 0
                                           : 255;
      bytes[j] = static_cast<char>(static_cast<unsigned char>(byte));
    }
  }
}

inline std::string json_figures(const HeadFigures& figures) {
  std::string out;
  for (const double figure : {figures.entropy, figures.largest, figures.same, figures.previous, figures.next,
                              figures.first, figures.last, figures.distance}) {
    out += out.empty() ? "[" : ",";
    const bool finite = (std::bit_cast<std::uint64_t>(figure) >> 52 & 0x7ff) != 0x7ff;
    out += finite ? short_number(figure) : "null";
  }
  return out + "]";
}

/// Appends the group's description to `json` and its maps to `maps`.
inline void append_group(const MapGroup& group, const std::string& name, Index side, std::string& json,
                         std::string& maps) {
  const Index rows = group.query_count(), columns = group.key_count();
  const Reduction by{std::max<Index>(1, reduced_count(rows, side)), std::max<Index>(1, reduced_count(columns, side))};
  std::string kept, figures, bytes;
  std::vector<float> small;
  maps += "<script type=\"text/plain\" id=\"maps-" + name + "\">";
  for (Index layer = 0; layer < group.layers; ++layer) {
    for (Index head = 0; head < group.heads; ++head) {
      const float* map = rows > 0 && columns > 0 ? group.map(layer, head) : nullptr;
      if (map == nullptr) continue;
      kept.append(kept.empty() ? "" : ",").append(std::to_string(layer * group.heads + head));
      figures.append(figures.empty() ? "" : ",").append(json_figures(head_figures(map, rows, columns)));
      if (by.row_step * by.column_step > 1) {
        reduce_map(map, rows, columns, by, small);
        quantise(small.data(), reduced_count(rows, by.row_step), reduced_count(columns, by.column_step), bytes);
      } else {
        quantise(map, rows, columns, bytes);
      }
      append_base64(maps, bytes);
    }
  }
  maps += "</script>\n";
  json += "{\"kind\":" + json_string(group.kind) + ",\"queries\":" + json_strings(group.query_tokens) +
          ",\"keys\":" + json_strings(group.key_tokens);
  const auto number = [&](std::string_view key, Index value) {
    json.append(",\"").append(key).append("\":").append(std::to_string(value));
  };
  number("layers", group.layers), number("heads", group.heads);
  number("rows", reduced_count(rows, by.row_step)), number("columns", reduced_count(columns, by.column_step));
  number("rowStep", by.row_step), number("columnStep", by.column_step);
  json += ",\"kept\":[" + kept + "],\"figures\":[" + figures + "]}";
}

}  // namespace detail

inline std::string viewer_html(const Page& page, const ViewerOptions& options) {
  if (options.max_side < 1 || options.max_weights < 1)
    throw std::invalid_argument("viewer: max_side and max_weights must be at least 1");
  for (const Example& example : page.examples) {
    for (const MapGroup& group : example.groups) check(group);
  }
  Index side = options.max_side;
  while (side > 16 && detail::kept_weights(page, side) > options.max_weights) side = side * 3 / 4;

  std::string json = "{\"title\":" + json_string(page.title) + ",\"ramps\":{";
  for (const Theme theme : {Theme::light, Theme::dark}) {
    json += theme == Theme::light ? "\"light\":\"" : ",\"dark\":\"";
    for (int k = 0; k < 256; ++k) json += hex(ramp(k / 255.0, theme));
    json += "\"";
  }
  json += "},\"examples\":[";
  std::string maps;
  maps.reserve(static_cast<std::size_t>(detail::kept_weights(page, side)) / 3 * 4 + 65536);
  for (std::size_t e = 0; e < page.examples.size(); ++e) {
    const Example& example = page.examples[e];
    json += (e > 0 ? ",{\"title\":" : "{\"title\":") + json_string(example.title) + ",\"groups\":[";
    for (std::size_t g = 0; g < example.groups.size(); ++g) {
      if (g > 0) json += ",";
      detail::append_group(example.groups[g], std::to_string(e) + "." + std::to_string(g), side, json, maps);
    }
    json += "]}";
  }
  return viewer::assemble(page.title, options.theme, json + "]}", maps);
}

}  // namespace vitrine::inline VITRINE_ABI::inspect
