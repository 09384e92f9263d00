// JSON in BertViz's own schema (version 1.4: `params` of head_view.js, model_view.js and neuron_view.js), for those who
// have its pages: the text replaces PYTHON_PARAMS there. Weights are rounded to 4 decimals; BertViz writes about 22
// characters a weight, this about 7.
#pragma once
#include <algorithm>
#include <cstddef>
#include <functional>
#include <iterator>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>
#include <vitrine/core/config.hpp>
#include <vitrine/inspect/map_group.hpp>
#include <vitrine/inspect/text.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::inspect {

// How a BertViz page looks.
struct BertvizOptions {
  std::string root = "bertviz";            ///< Id of the page's <div> (root_div_id).
  Index layer = -1;                        ///< Head view: the layer shown first; -1: null, the first there is.
  std::vector<Index> heads = {};           ///< Head view: heads shown first; empty: null, all.
  bool dark = true;                        ///< Model view: display_mode.
  std::vector<Index> include_layers = {};  ///< Layers to write; empty: all.
  std::vector<Index> include_heads = {};   ///< Model view: heads to write; empty: all.
};

/// Params of head_view. Groups "encoder", "decoder", "cross" get BertViz's names and its order, before all others (left
/// = query tokens, right = key tokens); a single group that is not "cross" has the name null. Tokens are shown as
/// BertViz does: Ġ and ▁ are blanks, </w> is nothing. Throws std::invalid_argument when a map to write was not kept, no
/// group is given, groups differ in layers or heads, `layer` or a head does not exist, or a weight is not finite:
/// BertViz has no way to say these.
inline std::string bertviz_head_view(const std::vector<MapGroup>& groups, const BertvizOptions& options = {});

/// Params of model_view; the same rules, and throws the same. All three return a string on the heap.
inline std::string bertviz_model_view(const std::vector<MapGroup>& groups, const BertvizOptions& options = {});

/// Params of neuron_view (window.bertviz_params): the maps of the group, all of them, and what they were made of:
/// queries (layers, heads, T, D) and keys (layers, heads, S, D), a trace's self_attn.q and self_attn.k layer after
/// layer. `layer` and the first of `heads` are shown first. Throws std::invalid_argument as the others, and for another
/// number of values.
inline std::string bertviz_neuron_view(const MapGroup& group, std::span<const float> queries,
                                       std::span<const float> keys, bool bidirectional,
                                       const BertvizOptions& options = {});

// ---- implementation

namespace detail {

inline std::string json_indices(const std::vector<Index>& indices) {
  std::string out = "[";
  for (const Index index : indices) out.append(out.size() > 1 ? "," : "").append(std::to_string(index));
  return out + "]";
}

inline std::vector<Index> all_or(const std::vector<Index>& chosen, Index count, const char* what) {
  std::vector<Index> out = chosen;
  for (Index k = 0; chosen.empty() && k < count; ++k) out.push_back(k);
  for (const Index k : out) {
    if (k < 0 || k >= count)
      throw std::invalid_argument(std::string("bertviz: there is no ") + what + " " + std::to_string(k) + " (of " +
                                  std::to_string(count) + ")");
  }
  return out;
}

inline void append_bertviz_map(std::string& out, const MapGroup& group, Index layer, Index head) {
  const Index rows = group.query_count(), columns = group.key_count();
  const float* map = rows > 0 && columns > 0 ? group.map(layer, head) : nullptr;
  if (map == nullptr) {
    throw std::invalid_argument("bertviz: the map of " + group.kind + " layer " + std::to_string(layer) + ", head " +
                                std::to_string(head) +
                                " was not kept; leave it out with include_layers or include_heads");
  }
  out += '[';
  for (Index i = 0; i < rows; ++i) {
    out += i > 0 ? ",[" : "[";
    for (Index j = 0; j < columns; ++j) {
      const float weight = map[i * columns + j];
      if (!is_finite(weight)) {
        throw std::invalid_argument("bertviz: " + group.kind + " layer " + std::to_string(layer) + ", head " +
                                    std::to_string(head) + ", query " + std::to_string(i) +
                                    " has a weight that is not finite");
      }
      if (j > 0) out += ',';
      out += short_number(static_cast<double>(weight), 4);
    }
    out += ']';
  }
  out += ']';
}

/// Tokens as BertViz's format_special_chars shows them.
inline std::string bertviz_tokens(std::vector<std::string> tokens) {
  constexpr std::pair<std::string_view, std::string_view> shown_as[] = {{"Ġ", " "}, {"▁", " "}, {"</w>", ""}};
  for (std::string& token : tokens) {
    for (const auto& [mark, text] : shown_as) {
      for (std::size_t at = 0; (at = token.find(mark, at)) != token.npos; at += text.size())
        token.replace(at, mark.size(), text);
    }
  }
  return json_strings(tokens);
}

/// The groups in BertViz's order of tabs: encoder, decoder, cross, then all others as they came.
inline std::vector<std::reference_wrapper<const MapGroup>> bertviz_order(const std::vector<MapGroup>& groups) {
  constexpr std::string_view kinds[] = {"encoder", "decoder", "cross"};
  std::vector<std::reference_wrapper<const MapGroup>> out(groups.begin(), groups.end());
  const auto place = [&](const MapGroup& group) { return std::find(std::begin(kinds), std::end(kinds), group.kind); };
  std::stable_sort(out.begin(), out.end(),
                   [&](const MapGroup& one, const MapGroup& other) { return place(one) < place(other); });
  return out;
}

/// The list "attention": one object for each group.
inline std::string bertviz_attention(const std::vector<MapGroup>& groups, const std::vector<Index>& layers,
                                     const std::vector<Index>& heads) {
  std::string out = "[";
  for (const MapGroup& group : bertviz_order(groups)) {
    const bool alone = groups.size() == 1 && group.kind != "cross";
    std::string name = group.kind;
    if (!name.empty() && name[0] >= 'a' && name[0] <= 'z') name[0] = static_cast<char>(name[0] - 'a' + 'A');
    out += (out.size() > 1 ? ",{\"name\":" : "{\"name\":") + (alone ? "null" : json_string(name)) + ",\"attn\":[";
    for (std::size_t l = 0; l < layers.size(); ++l) {
      out += l > 0 ? ",[" : "[";
      for (std::size_t h = 0; h < heads.size(); ++h) {
        if (h > 0) out += ',';
        append_bertviz_map(out, group, layers[l], heads[h]);
      }
      out += ']';
    }
    out += "],\"left_text\":" + bertviz_tokens(group.query_tokens) +
           ",\"right_text\":" + bertviz_tokens(group.key_tokens) + "}";
  }
  return out + "]";
}

inline void check_bertviz(const std::vector<MapGroup>& groups) {
  if (groups.empty()) throw std::invalid_argument("bertviz: no map group is given");
  for (const MapGroup& group : groups) {
    check(group);
    if (group.layers != groups[0].layers || group.heads != groups[0].heads) {
      throw std::invalid_argument("bertviz: all groups need the same layers and heads; \"" + group.kind + "\" has " +
                                  std::to_string(group.layers) + " x " + std::to_string(group.heads) + ", \"" +
                                  groups[0].kind + "\" has " + std::to_string(groups[0].layers) + " x " +
                                  std::to_string(groups[0].heads));
    }
  }
}

}  // namespace detail

inline std::string bertviz_head_view(const std::vector<MapGroup>& groups, const BertvizOptions& options) {
  detail::check_bertviz(groups);
  const std::vector<Index> layers = detail::all_or(options.include_layers, groups[0].layers, "layer"),
                           heads = detail::all_or({}, groups[0].heads, "head");
  if (options.layer >= 0 && std::find(layers.begin(), layers.end(), options.layer) == layers.end()) {
    throw std::invalid_argument("bertviz: layer " + std::to_string(options.layer) +
                                " is not in include_layers: " + detail::json_indices(layers));
  }
  if (!options.heads.empty()) static_cast<void>(detail::all_or(options.heads, groups[0].heads, "head"));
  return "{\"attention\":" + detail::bertviz_attention(groups, layers, heads) +
         ",\"default_filter\":\"0\",\"root_div_id\":" + json_string(options.root) +
         ",\"layer\":" + (options.layer >= 0 ? std::to_string(options.layer) : "null") +
         ",\"heads\":" + (options.heads.empty() ? "null" : detail::json_indices(options.heads)) +
         ",\"include_layers\":" + detail::json_indices(layers) + "}";
}

inline std::string bertviz_model_view(const std::vector<MapGroup>& groups, const BertvizOptions& options) {
  detail::check_bertviz(groups);
  const std::vector<Index> layers = detail::all_or(options.include_layers, groups[0].layers, "layer"),
                           heads = detail::all_or(options.include_heads, groups[0].heads, "head");
  return "{\"attention\":" + detail::bertviz_attention(groups, layers, heads) +
         ",\"default_filter\":\"0\",\"display_mode\":\"" + (options.dark ? "dark" : "light") +
         "\",\"root_div_id\":" + json_string(options.root) + ",\"include_layers\":" + detail::json_indices(layers) +
         ",\"include_heads\":" + detail::json_indices(heads) + ",\"total_heads\":" + std::to_string(groups[0].heads) +
         "}";
}

namespace detail {
/// (layers, heads, rows, columns) as nested lists.
inline std::string bertviz_vectors(const MapGroup& group, std::span<const float> values, Index rows, const char* what) {
  const Index vectors = group.layers * group.heads * rows, size = Index(values.size());
  if (vectors == 0 || size == 0 || size % vectors != 0) {
    throw std::invalid_argument(std::string("bertviz: ") + what + " are " + std::to_string(size) + " values, not (" +
                                std::to_string(group.layers) + ", " + std::to_string(group.heads) + ", " +
                                std::to_string(rows) + ", width)");
  }
  const Index width = size / vectors, extents[] = {width, rows, group.heads};
  std::string out = "[";
  for (Index i = 0; i < size; ++i) {
    Index block = 1;
    for (const Index extent : extents)
      if (i % (block *= extent) == 0) out += i > 0 && block == width ? ",[" : "[";
    if (!is_finite(values[std::size_t(i)]))
      throw std::invalid_argument(std::string("bertviz: one of the ") + what + " is not finite");
    if (i % width != 0) out += ',';
    out += short_number(static_cast<double>(values[std::size_t(i)]), 4);
    block = 1;
    for (const Index extent : extents)
      if ((i + 1) % (block *= extent) == 0) out += ']';
  }
  return out + "]";
}
}  // namespace detail

inline std::string bertviz_neuron_view(const MapGroup& group, std::span<const float> queries,
                                       std::span<const float> keys, bool bidirectional, const BertvizOptions& options) {
  detail::check_bertviz({group});
  const std::string key_values = detail::bertviz_vectors(group, keys, group.key_count(), "keys"),
                    query_values = detail::bertviz_vectors(group, queries, group.query_count(), "queries");
  std::string all = detail::bertviz_attention({group}, detail::all_or({}, group.layers, "layer"),
                                              detail::all_or({}, group.heads, "head"));
  all = all.substr(all.find("\"attn\""));  // of the one object in a list, without its name and its end
  all.resize(all.size() - 2);
  return "{\"attention\":{\"all\":{" + all + ",\"queries\":" + query_values + ",\"keys\":" + key_values +
         "}},\"default_filter\":\"all\",\"root_div_id\":" + json_string(options.root) +
         ",\"bidirectional\":" + (bidirectional ? "true" : "false") + ",\"display_mode\":\"" +
         (options.dark ? "dark" : "light") +
         "\",\"layer\":" + (options.layer >= 0 ? std::to_string(options.layer) : "null") +
         ",\"head\":" + (options.heads.empty() ? "null" : std::to_string(options.heads[0])) + "}";
}

}  // namespace vitrine::inline VITRINE_ABI::inspect

#include <vitrine/core/macros_pop.hpp>
