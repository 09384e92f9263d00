// The HTML page: one self-contained file, without any network, that shows the attention of any model.
//   save_page("attention.html", page);                     // map_group.hpp says how to describe the maps
// The reader sees every head, both sentences in the colours of the chosen token's weights, two heads or examples side
// by side; searches words; saves what is shown as SVG, PNG or CSV; the address keeps what is shown. A byte for each
// weight and one for its row's scale, in base 85: 1.25 characters a weight, half of that under a causal mask, texts
// once for all examples, and a character or two for each token. Maps above PageOptions' sizes are reduced to the
// largest of neighbouring weights, and the page says so. Tokens may hold any bytes; a content security policy (W3C)
// lets nothing but the page's own script run. The page and its data format are our own.
#pragma once
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>
#include <vitrine/core/config.hpp>
#include <vitrine/core/half.hpp>
#include <vitrine/inspect/encode.hpp>
#include <vitrine/inspect/html_page_frame.hpp>
#include <vitrine/inspect/map_group.hpp>
#include <vitrine/inspect/ramp.hpp>
#include <vitrine/inspect/text.hpp>
#include <vitrine/io/atomic_file.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::inspect {

// Limits and looks of the page.
struct PageOptions {
  Theme theme = Theme::automatic;  ///< At the start; the reader can change it.
  Index max_side = 1024;           ///< A map with more rows or columns is reduced; at least 1.
  Index max_weights =
      Index{1}
      << 26;  ///< All maps of the page together (64 Mi, about 85 MB of file): above it the largest are reduced further.
};

/// The whole HTML file, a string on the heap; meanwhile its data are held once more. Rows with values that are not
/// finite are marked as such. Throws std::invalid_argument for a weight below 0, for limits below 1, and as check.
inline std::string page_html(const Page& page, const PageOptions& options = {});

/// Writes page_html's file, held in memory meanwhile; it is whole or not there. Throws Error file_not_created,
/// write_failed, and as page_html.
inline void save_page(const std::filesystem::path& path, const Page& page, const PageOptions& options = {}) {
  const std::string html = page_html(page, options);
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

/// How the maps of a group are stored. A head is its figures, a byte for each row's scale, then a byte for each weight.
struct Packing {
  Index rows = 0, columns = 0;  ///< Of the reduced maps.
  Reduction by = {};
  int exponent = 0;     ///< No weight is above 2^exponent.
  bool causal = false;  ///< Row i has its first i + 1 weights only: all others are 0.

  bool reduced() const noexcept { return by.row_step * by.column_step > 1; }
};

/// Looks at all maps of a group; `kept` gets the numbers of those that are there, layer * heads + head.
inline Packing packing_of(const MapGroup& group, Index side, std::vector<Index>& kept) {
  const Index rows = group.query_count(), columns = group.key_count();
  Packing packing;
  packing.by = {std::max<Index>(1, reduced_count(rows, side)), std::max<Index>(1, reduced_count(columns, side))};
  packing.rows = reduced_count(rows, packing.by.row_step);
  packing.columns = reduced_count(columns, packing.by.column_step);
  float largest = 0;
  std::uint32_t future = 0;  // the bits of all weights above the diagonal
  for (Index index = 0; rows * columns > 0 && index < group.layers * group.heads; ++index) {
    const float* map = group.map(index / group.heads, index % group.heads);
    if (map == nullptr) continue;
    kept.push_back(index);
    for (Index i = 0; i < rows; ++i) {
      const float* row = map + i * columns;
      for (Index j = 0; j < columns; ++j) largest = is_finite(row[j]) && row[j] > largest ? row[j] : largest;
      for (Index j = i + 1; j < columns; ++j) future |= std::bit_cast<std::uint32_t>(row[j]);
    }
  }
  packing.exponent = largest > 0 ? static_cast<int>(std::ceil(std::log2(static_cast<double>(largest)))) : 0;
  packing.causal = !packing.reduced() && future << 1 == 0;
  return packing;
}

/// Appends the bytes of the rows' scales, then those of the weights: round(255 weight / scale). A scale is
/// 2^(exponent - byte / 4), the next above the row's largest, so a weight is wrong by at most 2^(1/4) / 510 of that,
/// which is less than 1 / 255; rows whose largest is below 2^(exponent - 63.5) end as 0. The byte 255 is a row with a
/// value that is not finite: 255 where it is not finite and 0 elsewhere.
inline void quantise(const float* map, const Packing& packing, std::string& out) {
  const std::size_t scales = out.size();
  out.resize(scales + static_cast<std::size_t>(packing.rows));
  for (Index i = 0; i < packing.rows; ++i) {
    const Index count = packing.causal ? std::min(packing.columns, i + 1) : packing.columns;
    const float* row = map + i * packing.columns;
    float largest = 0;
    bool finite = true;
    for (Index j = 0; j < count; ++j) {
      finite = finite && is_finite(row[j]);
      if (row[j] < 0)
        throw std::invalid_argument("html_page: weights must not be negative, and row " + std::to_string(i) +
                                    " has one (scores are not weights)");
      largest = row[j] > largest ? row[j] : largest;
    }
    const double below = finite && largest > 0 ? packing.exponent - std::log2(static_cast<double>(largest)) : 64;
    const int scale = finite ? static_cast<int>(std::clamp(4 * below, 0.0, 254.0)) : 255;
    out[scales + static_cast<std::size_t>(i)] = static_cast<char>(static_cast<unsigned char>(scale));
    const double factor = 255 / std::exp2(packing.exponent - scale / 4.0);
    for (Index j = 0; j < count; ++j) {
      const int byte = finite              ? std::min(255, static_cast<int>(static_cast<double>(row[j]) * factor + 0.5))
                       : is_finite(row[j]) ? 0
                                           : 255;
      out += static_cast<char>(static_cast<unsigned char>(byte));
    }
  }
}

/// Appends what the page cannot compute from bytes, in which small weights are 0, as halves, the upper byte first:
/// entropy and distance of the exact map; all figures, in HeadFigures' order, of one that is reduced.
inline void append_figures(const HeadFigures& figures, bool reduced, std::string& out) {
  const auto append = [&](auto... some) {
    for (const double figure : {some...}) {
      const std::uint16_t half = float_to_half(static_cast<float>(figure));
      out += static_cast<char>(half >> 8);
      out += static_cast<char>(half & 255);
    }
  };
  append(figures.entropy);
  if (reduced) append(figures.largest, figures.same, figures.previous, figures.next, figures.first, figures.last);
  append(figures.distance);
}

/// Pieces of text that are written once and named by their number.
class Table {
 public:
  explicit Table(std::string_view between) : between_(between) {}

  std::size_t number(const std::string& piece) {
    const auto [entry, is_new] = numbers_.try_emplace(piece, numbers_.size());
    if (is_new) text_.append(text_.empty() ? "" : between_).append(piece);
    return entry->second;
  }
  std::size_t count() const noexcept { return numbers_.size(); }
  const std::string& text() const noexcept { return text_; }

 private:
  std::string_view between_;
  std::unordered_map<std::string, std::size_t> numbers_;
  std::string text_;
};

/// What the page's script reads: see "what the page's data leave out" in html_page/script_maps.hpp.
struct Description {
  Table texts{","};           ///< Of tokens.
  Table shapes{","};          ///< What groups have in common: kind, layers, heads, which are kept, how they are packed.
  std::string titles = {};    ///< Of the examples.
  std::string examples = {};  ///< Numbers of each: lists of texts, then groups (shape, list of queries, list of keys);
                              ///< what may be any number of begins with their number.
  std::string maps = {};      ///< The groups' kept heads, one after the other, in base 85.

  void append(const Example& example, Index side) {
    Table lists("");
    std::string groups, list;
    append_number(groups, example.groups.size());
    for (const MapGroup& group : example.groups) {
      append_number(groups, append(group, side));
      for (const auto* tokens : {&group.query_tokens, &group.key_tokens}) {
        list.clear();
        append_number(list, tokens->size());
        for (const std::string& token : *tokens) append_number(list, texts.number(json_string(token)));
        append_number(groups, lists.number(list));
      }
    }
    append_number(examples, lists.count());
    examples.append(lists.text()).append(groups);
    titles.append(titles.empty() ? "" : ",").append(json_string(example.title));
  }

  /// After the last example: writes the bytes that are not four yet.
  void finish() { append_base85(maps, std::exchange(bytes_, {})); }

 private:
  /// Returns the number of its shape.
  std::size_t append(const MapGroup& group, Index side) {
    std::vector<Index> kept;
    const Packing packing = packing_of(group, side, kept);
    std::string numbers;
    std::vector<float> small;
    for (const Index index : kept) {
      const float* map = group.map(index / group.heads, index % group.heads);
      numbers.append(numbers.empty() ? "" : ",").append(std::to_string(index));
      append_figures(head_figures(map, group.query_count(), group.key_count()), packing.reduced(), bytes_);
      if (packing.reduced()) {
        reduce_map(map, group.query_count(), group.key_count(), packing.by, small);
        map = small.data();
      }
      quantise(map, packing, bytes_);
      const std::size_t whole = bytes_.size() / 4 * 4;
      append_base85(maps, std::string_view(bytes_).substr(0, whole));
      bytes_.erase(0, whole);
    }
    return shapes.number("{\"kind\":" + json_string(group.kind) + ",\"layers\":" + std::to_string(group.layers) +
                         ",\"heads\":" + std::to_string(group.heads) + ",\"kept\":[" + numbers + "],\"exponent\":" +
                         std::to_string(packing.exponent) + ",\"causal\":" + (packing.causal ? "true" : "false") + "}");
  }

  std::string bytes_ = {};  // fewer than four between two maps
};

}  // namespace detail

inline std::string page_html(const Page& page, const PageOptions& options) {
  if (options.max_side < 1 || options.max_weights < 1)
    throw std::invalid_argument("html_page: max_side and max_weights must be at least 1");
  for (const Example& example : page.examples) {
    for (const MapGroup& group : example.groups) check(group);
  }
  Index side = options.max_side;
  while (side > 16 && detail::kept_weights(page, side) > options.max_weights) side = side * 3 / 4;

  detail::Description description;
  description.maps.reserve(static_cast<std::size_t>(detail::kept_weights(page, side)) / 4 * 5 + 65536);
  std::string numbers;
  for (std::size_t i = 0; i < page.examples.size(); ++i) {
    numbers.append(i == 0 ? "" : ",").append(std::to_string(page.number(i)));
    description.append(page.examples[i], side);
  }
  description.finish();

  std::string json = "{\"title\":" + json_string(page.title) + ",\"ramps\":{";
  for (const Theme theme : {Theme::light, Theme::dark}) {
    json += theme == Theme::light ? "\"light\":\"" : ",\"dark\":\"";
    for (int k = 0; k < 256; ++k) json += hex(ramp(k / 255.0, theme));
    json += "\"";
  }
  json.append("},\"digits\":").append(json_string(base85_digits)).append(",\"side\":").append(std::to_string(side));
  json.append(",\"texts\":[").append(description.texts.text());
  json.append("],\"shapes\":[").append(description.shapes.text());
  json.append("],\"titles\":[").append(description.titles).append("],\"numbers\":[").append(numbers);
  json.append("],\"examples\":\"").append(description.examples).append("\"}");
  return html_page::assemble(page.title, options.theme, json, description.maps);
}

}  // namespace vitrine::inline VITRINE_ABI::inspect

#include <vitrine/core/macros_pop.hpp>
