// Maps to files: one writer for every model and every program here.
//   Page page{.title = "en-de", .examples = {seq2seq_example(r, 0, source_tokens, target_tokens)}};   // map_group.hpp
//   save_maps("maps.npz", page);      or maps.html (the page), or maps.json (BertViz's model view, one object a line)
//   statistics_csv(page)              figures of every head
// Members of an npz, N being the example's number: N/encoder_self, N/decoder_self, N/cross (layers, heads, T, S),
// N/source_tokens, N/target_tokens; where maps were left out, N/cross.layers and N/cross.heads say which are there; of
// a decoder alone, N/decoder_self.key_tokens are what its columns stand for.
#pragma once
#include <filesystem>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>
#include <vitrine/inspect/bertviz.hpp>
#include <vitrine/inspect/csv.hpp>
#include <vitrine/inspect/html_page.hpp>
#include <vitrine/inspect/map_group.hpp>
#include <vitrine/io/atomic_file.hpp>
#include <vitrine/io/npz.hpp>
#include <vitrine/models/seq2seq.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::inspect {

/// Describes maps that are already there, for instance those of sequence b of a batch: Maps, ScoredMaps (their weights)
/// or MeanMaps (as one head) of float or double, or CompactMaps. The maps must outlive the group; those that were not
/// chosen are left out. Allocates for tokens, and for a map's copy in floats where they are not stored so. Throws
/// std::invalid_argument for another number of tokens than a map has rows and columns, or a sequence that is not there.
template <class M>
MapGroup map_group(std::string kind, const M& maps, Index b, std::vector<std::string> query_tokens,
                   std::vector<std::string> key_tokens);
// A group of a temporary's maps does not compile.
template <class M>
void map_group(const std::string&, const M&&, Index, const std::vector<std::string>&, const std::vector<std::string>&) {
  VITRINE_DANGLING(M);
}

/// Sequence b of a pass through an encoder and a decoder (Marian, Bart, Transformer; teacher-forced as in
/// generate/generate.hpp), whose row t made target_tokens[t] after it had read `start` and the tokens before. Groups
/// cross, encoder and decoder, those that were kept. The result must outlive it. Throws as map_group.
template <class K, class S>
Example seq2seq_example(const TransformerResult<K, S>& result, Index b, const std::vector<std::string>& source_tokens,
                        const std::vector<std::string>& target_tokens, std::string title = {},
                        const std::string& start = "<start>");
// An example of a temporary's maps does not compile.
template <class K, class S, class... Rest>
void seq2seq_example(const TransformerResult<K, S>&&, const Rest&...) {
  VITRINE_DANGLING(K);
}

/// Adds one example's maps and tokens to an archive. A group of another kind than encoder, decoder and cross is named
/// NUMBER/KIND. Throws Error as NpzWriter; std::invalid_argument when the kept maps are not all heads of some layers,
/// and as check. Memory: a copy of one group's maps.
inline void add_maps(NpzWriter& writer, Index number, const Example& example);

/// Writes a page by the file's extension: .npz, .html or .json. Throws Error bad_usage for another extension, and as
/// NpzWriter and AtomicFile; std::invalid_argument as add_maps, page_html, bertviz_model_view.
inline void save_maps(const std::filesystem::path& path, const Page& page);

/// The extension is one that save_maps knows; never fails, looks at no file.
inline bool can_save_maps(const std::filesystem::path& path) {
  return path.extension() == ".npz" || path.extension() == ".html" || path.extension() == ".json";
}

/// CSV: a header, then for each example, kind, layer and head its HeadFigures (map_group.hpp). A string on the heap.
/// Throws std::invalid_argument as check.
inline std::string statistics_csv(const Page& page);

/// Its parts: the header, and the rows of one example.
inline std::string statistics_header() {
  return "example,kind,layer,head,entropy,largest,same,previous,next,first,last,distance\n";
}
// The rows of one example, of this number. Throws std::invalid_argument for a group without its function.
inline std::string statistics_rows(Index number, const Example& example);

// ---- implementation

namespace detail {

/// The layers and heads of which maps are there: every one of these heads in every one of these layers.
struct KeptMaps {
  std::vector<std::int64_t> layers = {}, heads = {};
};

inline KeptMaps kept_maps(const MapGroup& group) {
  KeptMaps kept;
  std::size_t count = 0;
  std::vector<bool> heads(std::size_t(group.heads), false);
  for (Index layer = 0; layer < group.layers; ++layer) {
    const std::size_t before = count;
    for (Index head = 0; head < group.heads; ++head)
      if (group.map(layer, head) != nullptr) ++count, heads[std::size_t(head)] = true;
    if (count > before) kept.layers.push_back(layer);
  }
  for (std::size_t head = 0; head < heads.size(); ++head)
    if (heads[head]) kept.heads.push_back(Index(head));
  if (count != kept.layers.size() * kept.heads.size())
    throw std::invalid_argument("the kept maps of \"" + group.kind + "\" are not the same heads in every layer");
  return kept;
}

}  // namespace detail

template <class M>
MapGroup map_group(std::string kind, const M& maps, Index b, std::vector<std::string> query_tokens,
                   std::vector<std::string> key_tokens) {
  static_assert(vitrine::detail::is_map<M>,
                "vitrine: a picture needs maps; keep them with vt::keep::weights, vt::keep::scores or "
                "vt::keep::head_mean");
  if (b < 0 || b >= maps.batch())
    throw std::invalid_argument("map group \"" + kind + "\": no sequence " + std::to_string(b) + " in a batch of " +
                                std::to_string(maps.batch()));
  const Index queries = Index(query_tokens.size()), keys = Index(key_tokens.size());
  if (queries != maps.length(b) || keys != maps.memory_length(b))
    throw std::invalid_argument("map group \"" + kind + "\": " + std::to_string(queries) + " query and " +
                                std::to_string(keys) + " key tokens for maps of " + std::to_string(maps.length(b)) +
                                " x " + std::to_string(maps.memory_length(b)));
  MapGroup group;
  group.kind = std::move(kind);
  group.query_tokens = std::move(query_tokens);
  group.key_tokens = std::move(key_tokens);
  group.layers = maps.layers();
  group.heads = maps.heads();
  group.map = [&maps, b, floats = std::vector<float>()](Index layer, Index head) mutable -> const float* {
    if (!maps.kept(layer, head)) return nullptr;
    const auto map = maps[layer].matrix(b, head);
    if constexpr (std::is_same_v<std::remove_const_t<decltype(map)>, MatrixView<float>>) {
      return map.data();
    } else {
      floats.resize(std::size_t(map.size()));
      Eigen::Map<RowMajor<float>>(floats.data(), map.rows(), map.cols()) = map.template cast<float>();
      return floats.data();
    }
  };
  return group;
}

template <class K, class S>
Example seq2seq_example(const TransformerResult<K, S>& result, Index b, const std::vector<std::string>& source_tokens,
                        const std::vector<std::string>& target_tokens, std::string title, const std::string& start) {
  Example example{.title = std::move(title), .groups = {}};
  const auto any = [](const auto& maps) { return maps.bytes() > 0; };
  if (any(result.cross_attn))
    example.groups.push_back(map_group("cross", result.cross_attn, b, target_tokens, source_tokens));
  if (any(result.encoder.self_attn))
    example.groups.push_back(map_group("encoder", result.encoder.self_attn, b, source_tokens, source_tokens));
  if (any(result.self_attn)) {
    std::vector<std::string> inputs = target_tokens;
    if (!inputs.empty()) inputs.pop_back(), inputs.insert(inputs.begin(), start);
    example.groups.push_back(map_group("decoder", result.self_attn, b, target_tokens, std::move(inputs)));
  }
  return example;
}

inline void add_maps(NpzWriter& writer, Index number, const Example& example) {
  const std::string prefix = std::to_string(number) + "/";
  const std::vector<std::string>*source = nullptr, *target = nullptr, *read = nullptr;
  for (const MapGroup& group : example.groups) {
    check(group);
    const detail::KeptMaps kept = detail::kept_maps(group);
    const auto size = static_cast<std::size_t>(group.query_count() * group.key_count());
    // Each map is copied: what `map` returns need not stay.
    std::vector<float> values;
    values.reserve(size * kept.layers.size() * kept.heads.size());
    for (const Index layer : kept.layers)
      for (const Index head : kept.heads)
        if (const float* map = group.map(layer, head)) values.insert(values.end(), map, map + size);
    const bool self = group.kind == "encoder" || group.kind == "decoder";
    const std::string name = prefix + group.kind + (self ? "_self" : "");
    writer.add(name, {Index(kept.layers.size()), Index(kept.heads.size()), group.query_count(), group.key_count()},
               std::span<const float>(values));
    if (Index(kept.layers.size()) < group.layers || Index(kept.heads.size()) < group.heads) {
      const auto list = [&](const char* what, const std::vector<std::int64_t>& indices) {
        writer.add(name + what, {Index(indices.size())}, std::span<const std::int64_t>(indices));
      };
      list(".layers", kept.layers), list(".heads", kept.heads);
    }
    (group.kind == "decoder" ? read : source) = &group.key_tokens;
    if (group.kind != "encoder") target = &group.query_tokens;
  }
  if (source != nullptr) writer.add_strings(prefix + "source_tokens", *source);
  if (target != nullptr) writer.add_strings(prefix + "target_tokens", *target);
  if (source == nullptr && read != nullptr) writer.add_strings(prefix + "decoder_self.key_tokens", *read);
}

inline void save_maps(const std::filesystem::path& path, const Page& page) {
  if (path.extension() == ".npz") {
    NpzWriter writer(path);
    for (std::size_t i = 0; i < page.examples.size(); ++i) add_maps(writer, page.number(i), page.examples[i]);
    writer.finish();
  } else if (path.extension() == ".html") {
    save_page(path, page);
  } else if (path.extension() == ".json") {
    AtomicFile file(path);
    for (const Example& example : page.examples) {
      BertvizOptions options;
      if (!example.groups.empty()) {
        check(example.groups[0]);
        const detail::KeptMaps kept = detail::kept_maps(example.groups[0]);
        options.include_layers.assign(kept.layers.begin(), kept.layers.end());
        options.include_heads.assign(kept.heads.begin(), kept.heads.end());
      }
      file.write(bertviz_model_view(example.groups, options) + "\n");
    }
    file.commit();
  } else {
    throw Error(LoadError::bad_usage, path.string(), "maps are written to .npz, .html or .json files");
  }
}

inline std::string statistics_rows(Index number, const Example& example) {
  std::string out;
  CsvRow row;
  for (const MapGroup& group : example.groups) {
    check(group);
    for (Index layer = 0; layer < group.layers; ++layer) {
      for (Index head = 0; head < group.heads; ++head) {
        const float* map = group.map(layer, head);
        if (map == nullptr) continue;
        const HeadFigures f = head_figures(map, group.query_count(), group.key_count());
        row.add(number).add(group.kind).add(layer).add(head);
        for (const double figure : {f.entropy, f.largest, f.same, f.previous, f.next, f.first, f.last, f.distance})
          row.add(figure);
        out += row.take();
      }
    }
  }
  return out;
}

inline std::string statistics_csv(const Page& page) {
  std::string out = statistics_header();
  for (std::size_t i = 0; i < page.examples.size(); ++i) out += statistics_rows(page.number(i), page.examples[i]);
  return out;
}

}  // namespace vitrine::inline VITRINE_ABI::inspect

#include <vitrine/core/macros_pop.hpp>
