// A module case: one file with a PyTorch module's parameters, its configuration and the inputs of one call. Shared by
// run_module and the tests' golden and run_case, so that a case is also a bug report.
//
//   __metadata__    "module", "config" (io/module_config.hpp), "call" ({"self_attention": ...}, {"tgt_mask_kind":
//   "causal"}) param.NAME      the state_dict;   input.NAME  forward's arguments by PyTorch's names, batch first; a
//   bool mask is
//                   True where attention is NOT allowed, a float mask is added, rank 3 is (B * H, T, S)
//   expect.NAME     (tests only) output, weights, self_attn, self_attn.LAYER, encoder_self_attn.LAYER, ...
#pragma once
#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>
#include <vitrine/io/config.hpp>
#include <vitrine/io/load.hpp>
#include <vitrine/vitrine.hpp>

namespace module_case {

namespace vt = vitrine;
using vt::Index;

// Sequences of one input. `left` and `real` say which of their rows are the case's own; the others are neighbours or
// padding that a test has put there.
template <class S>
struct Input {
  Index batch = 0, length = 0, width = 0;
  std::vector<S> values;
  std::vector<Index> lengths;  // not empty: packed rows, without padding
  Index left = 0;
  std::vector<Index> real;

  vt::Sequences<S> view() const {
    if (!lengths.empty()) return vt::Ragged<S>(values.data(), width, lengths);
    return vt::Sequences<S>(values.data(), batch, length, width);
  }
};

// The mask of one attention: a matrix (T, S) or (B * H, T, S), and keys to ignore (B, S).
template <class S>
struct MaskInput {
  std::vector<std::uint8_t> ignore;
  std::vector<S> bias;
  Index planes = 0, rows = 0, columns = 0;  // of the matrix; planes 0: none, 1: (T, S)
  bool matrix_is_causal = false;            // then vt::causal() stands for it if use_causal says so
  bool use_causal = false;
  std::vector<std::uint8_t> ignore_keys;
  Index key_batch = 0, key_length = 0;
  std::vector<Index> key_lengths;

  vt::Mask<S> mask(Index heads) const {
    vt::Mask<S> all;
    if (planes > 0 && matrix_is_causal && use_causal)
      all = all & vt::causal();
    else if (planes == 1)
      all = bias.empty() ? all & vt::from_torch_attn_mask(ignore.data(), rows, columns)
                         : all & vt::from_torch_attn_mask(bias.data(), rows, columns);
    else if (planes > 1)
      all = bias.empty() ? all & vt::from_torch_attn_mask(ignore.data(), planes, heads, rows, columns)
                         : all & vt::from_torch_attn_mask(bias.data(), planes, heads, rows, columns);
    if (!ignore_keys.empty()) all = all & vt::from_torch_key_padding_mask(ignore_keys.data(), key_batch, key_length);
    if (!key_lengths.empty()) all = all & vt::key_lengths(key_lengths);
    return all;
  }
};

// Which inputs a kind of module has, which masks, and of which inputs a mask's rows and columns are.
struct Kind {
  const char* name;
  std::vector<const char*> inputs;
  struct MaskNames {
    const char *matrix, *padding, *rows, *columns;
  };
  std::vector<MaskNames> masks;
};
inline const std::vector<Kind>& kinds() {
  const Kind::MaskNames src{"mask", "src_key_padding_mask", "src", "src"};
  const Kind::MaskNames tgt{"tgt_mask", "tgt_key_padding_mask", "tgt", "tgt"};
  const Kind::MaskNames memory{"memory_mask", "memory_key_padding_mask", "tgt", "memory"};
  static const std::vector<Kind> all = {
      {"MultiheadAttention", {"query", "key", "value"}, {{"attn_mask", "key_padding_mask", "query", "key"}}},
      {"EncoderLayer", {"src"}, {src}},
      {"Encoder", {"src"}, {src}},
      {"DecoderLayer", {"tgt", "memory"}, {tgt, memory}},
      {"Decoder", {"tgt", "memory"}, {tgt, memory}},
      {"Transformer",
       {"src", "tgt"},
       {{"src_mask", "src_key_padding_mask", "src", "src"},
        tgt,
        {"memory_mask", "memory_key_padding_mask", "tgt", "src"}}}};
  return all;
}

template <class S>
struct Case {
  vt::SafeTensors file;
  const Kind* kind;
  std::string config;
  Index heads = 1, extra_keys = 0;
  bool self_attention = false;  // of MultiheadAttention: one input
  std::map<std::string, Input<S>> inputs;
  std::vector<MaskInput<S>> masks;
  std::vector<Index> batches;  // the case's own sequences among those of the inputs
  vt::Storage weights = vt::Storage::f32;

  explicit Case(const vt::SafeTensors& from) : file(from) {
    const auto text = [&](const char* key) {
      const auto found = file.metadata().find(key);
      return found == file.metadata().end() ? std::string("{}") : found->second;
    };
    kind = nullptr;
    for (const Kind& one : kinds())
      if (text("module") == one.name) kind = &one;
    if (kind == nullptr)
      throw vt::Error(vt::LoadError::config_unsupported, file.file(),
                      "its metadata names no module that vitrine has: " + vt::detail::in_quotes(text("module")));
    config = text("config");
    const vt::ConfigFile call(text("call"), file.file());
    const std::string name_of = kind->name;
    if (name_of == "MultiheadAttention") {
      const auto options = vt::read_config<vt::AttentionConfig>(config, file.file());
      heads = options.num_heads;
      extra_keys = Index(options.add_bias_kv) + Index(options.add_zero_attn);
      self_attention = call.boolean("self_attention", false);
    } else if (name_of == "Transformer") {
      heads = vt::read_config<vt::TransformerConfig>(config, file.file()).nhead;
    } else if (name_of == "Encoder" || name_of == "Decoder") {
      heads = vt::read_config<vt::StackConfig>(config, file.file()).layer.nhead;
    } else {
      heads = vt::read_config<vt::LayerConfig>(config, file.file()).nhead;
    }
    std::set<std::string> known;
    const auto must = [](const vt::TensorView& view, bool right, const char* shape) {
      if (!right || std::count(view.shape.begin(), view.shape.end(), 0) > 0)
        view.fail(vt::LoadError::shape_mismatch, std::string("must have the shape ") + shape + ", no extent 0");
    };
    const std::vector<Index>& first = file.at(std::string("input.") + kind->inputs[0]).shape;
    for (const char* name : kind->inputs) {
      const vt::TensorView& view = file.at(std::string("input.") + name);
      must(view, view.shape.size() == 3, "(B, T, E)");
      if (self_attention ? view.shape != first : view.shape[0] != first[0])
        view.fail(
            vt::LoadError::shape_mismatch,
            std::string(self_attention ? "has another shape" : "has another batch") + " than input." + kind->inputs[0]);
      Input<S>& input = inputs[name];
      input.batch = view.shape[0], input.length = view.shape[1], input.width = view.shape[2];
      input.values = view.to_vector<S>();
      input.real.assign(std::size_t(input.batch), input.length);
      known.insert(view.name);
    }
    for (Index b = 0; b < first[0]; ++b) batches.push_back(b);
    for (const Kind::MaskNames& names : kind->masks) {
      MaskInput<S>& mask = masks.emplace_back();
      if (const vt::TensorView* view = file.find(std::string("input.") + names.matrix)) {
        const std::size_t rank = view->shape.size();
        must(*view, rank == 2 || rank == 3, "(T, S) or (B * H, T, S)");
        mask.planes = rank == 2 ? 1 : view->shape[0];
        mask.rows = view->shape[rank - 2], mask.columns = view->shape[rank - 1];
        if (view->dtype == vt::DType::BOOL)
          mask.ignore = view->to_vector<std::uint8_t>();
        else
          mask.bias = view->to_vector<S>();
        mask.matrix_is_causal = rank == 2 && call.text((std::string(names.matrix) + "_kind").c_str(), "") == "causal";
        known.insert(view->name);
      }
      if (const vt::TensorView* view = file.find(std::string("input.") + names.padding)) {
        must(*view, view->shape.size() == 2 && view->dtype == vt::DType::BOOL, "(B, S), of BOOL");
        mask.ignore_keys = view->to_vector<std::uint8_t>();
        mask.key_batch = view->shape[0], mask.key_length = view->shape[1];
        known.insert(view->name);
      }
    }
    for (const vt::TensorView& view : file.tensors())
      if (view.name.starts_with("input.") && !known.contains(view.name))
        view.fail(vt::LoadError::unexpected_tensors, std::string("is no argument of ") + kind->name);
  }
};

// One tensor of a result: its shape, and the values of the case's own rows and columns.
template <class S>
struct Named {
  std::string name;
  std::vector<Index> shape;
  std::vector<S> values;
};

// How a call is made.
struct CallOptions {
  int threads = 0;    // 0: as many as there are; else exactly so many, however small the call is
  bool into = false;  // forward_into, twice with one result and workspace
};

// What a class of maps holds (a test has classes of its own).
template <class M>
inline constexpr bool is_mean = requires {
  M::is_mean;
};
template <class S>
inline constexpr bool is_mean<vt::MeanMaps<S>> = true;
// A policy may keep figures in place of maps, or nothing.
template <class M>
inline constexpr bool is_kept = true;
template <int Place>
inline constexpr bool is_kept<vt::NotKept<Place>> = false;
template <int Place>
inline constexpr bool is_kept<vt::NoSuch<Place>> = false;
template <class M>
inline constexpr bool is_scored = requires {
  M::is_scored;
};
template <class S>
inline constexpr bool is_scored<vt::ScoredMaps<S>> = true;

template <class S>
class Collector {
 public:
  explicit Collector(const Case<S>& c, bool means = false) : with_means(means), case_(c) {}
  bool with_means;  // also the mean over heads of kept weights, in keep::head_mean's own arithmetic
  std::vector<Named<S>> tensors;

  void output(const vt::Tensor<S>& y, const char* rows) {
    const Input<S>& input = case_.inputs.at(rows);
    Named<S> named{"output", {Index(case_.batches.size()), longest(input), y.width()}, {}};
    for (Index b : case_.batches) append(named, y.matrix(b), input, b, 0, y.width());
    tensors.push_back(std::move(named));
  }
  // `layers` below 0: of a layer, else of a stack.
  template <class M>
  void maps(const std::string& name, const M& maps, const char* rows, const char* columns, Index layers = -1) {
    for (Index layer = 0; layer < (layers < 0 ? 1 : layers); ++layer) {
      const std::string own = layers < 0 ? name : name + "." + std::to_string(layer);
      if constexpr (!is_kept<M>) {
      } else if constexpr (requires { maps[layer].matrix(Index{}, Index{}).data(); }) {
        if constexpr (is_mean<M>) {
          all(own + ".mean", 1, rows, columns, [&](Index b, Index) { return maps[layer].matrix(b); });
        } else {
          all(own, case_.heads, rows, columns, [&](Index b, Index h) { return maps[layer].matrix(b, h); });
          if (with_means) all(own + ".mean", 1, rows, columns, [&](Index b, Index) { return mean(maps[layer], b); });
        }
        if constexpr (is_scored<M>)
          all(own + ".scores", case_.heads, rows, columns, [&](Index b, Index h) { return maps[layer].scores(b, h); });
      }
    }
  }

 private:
  Index longest(const Input<S>& input) const {
    Index most = 0;
    for (Index b : case_.batches) most = std::max(most, input.real[std::size_t(b)]);
    return most;
  }
  Eigen::Matrix<S, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> mean(const auto& maps, Index b) const {
    Eigen::Matrix<S, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> sum = maps.matrix(b, 0);
    for (Index h = 1; h < case_.heads; ++h) sum += maps.matrix(b, h);
    const S factor = S(1) / S(case_.heads);
    return sum.unaryExpr([&](S x) { return vt::mul(x, factor); });
  }
  template <class View>
  void append(Named<S>& named, const View& view, const Input<S>& rows, Index b, Index left, Index columns) {
    for (Index i = rows.left; i < rows.left + rows.real[std::size_t(b)]; ++i)
      for (Index j = left; j < left + columns; ++j) named.values.push_back(view(i, j));
  }
  template <class F>
  void all(const std::string& name, Index heads, const char* rows, const char* columns, F&& view_of) {
    const Input<S>&r = case_.inputs.at(rows), &c = case_.inputs.at(columns);
    Named<S> named{name, {Index(case_.batches.size()), heads, longest(r), longest(c) + case_.extra_keys}, {}};
    if (name.ends_with(".mean")) named.shape.erase(named.shape.begin() + 1);
    for (Index b : case_.batches)
      for (Index h = 0; h < heads; ++h) {
        const auto view = view_of(b, h);
        const Index own = c.real[std::size_t(b)], end = view.cols() - case_.extra_keys;
        for (Index i = r.left; i < r.left + r.real[std::size_t(b)]; ++i) {
          for (Index j = c.left; j < c.left + own; ++j) named.values.push_back(view(i, j));
          for (Index j = end; j < view.cols(); ++j) named.values.push_back(view(i, j));
        }
      }
    tensors.push_back(std::move(named));
  }
  const Case<S>& case_;
};

// Calls a layer with these inputs and hands the result to `show`.
template <class R, class Layer, class Masks, class K, class F, class Show, class... Inputs>
void call(const Layer& layer, const Masks& masks, const K& keep, F& trace, const CallOptions& options, Show&& show,
          const Inputs&... inputs) {
  if (!options.into && options.threads == 0) {
    const R result = layer(inputs..., masks, keep, trace);
    return show(result);
  }
  R result;
  vt::Workspace workspace(layer.memory(), options.threads);
  if (options.threads > 0) workspace.parallel_from(0);
  vt::throw_if_failed(layer.forward_into(result, workspace, inputs..., masks, keep, trace));
  if (options.into)  // once more, over the numbers of the first call
    vt::throw_if_failed(layer.forward_into(result, workspace, inputs..., masks, keep, trace));
  show(result);
}

// A layer's parameters from the case's file, in its storage.
template <class S, class Layer>
void load_parameters(Layer& layer, const Case<S>& c, const char* prefix = "param.") {
  vt::load(layer, c.file, prefix);
  vt::throw_if_failed(layer.store_weights(c.weights));
}

// The result of the case's call, by the names of its expect tensors.
template <class S, class K = vt::DefaultKeep, class F = vt::NoTrace>
std::vector<Named<S>> run(const Case<S>& c, const K& keep = {}, const CallOptions& options = {}, bool means = false,
                          F&& trace = {}) {
  Collector<S> collect(c, means);
  const std::string kind = c.kind->name;
  const std::string& file = c.file.file();
  const auto input = [&](const char* name) { return c.inputs.at(name).view(); };
  if (kind == "MultiheadAttention") {
    vt::MultiheadAttention<S> layer(vt::read_config<vt::AttentionConfig>(c.config, file));
    load_parameters(layer, c);
    const vt::AttentionMasks<S> masks{c.masks[0].mask(c.heads), {}};
    if (c.self_attention)
      call<vt::SelfResult<K, S>>(
          layer, masks, keep, trace, options,
          [&](const auto& r) {
            collect.output(r.output, "query"), collect.maps("weights", r.self_attn, "query", "key");
          },
          input("query"));
    else
      call<vt::CrossResult<K, S>>(
          layer, masks, keep, trace, options,
          [&](const auto& r) {
            collect.output(r.output, "query"), collect.maps("weights", r.cross_attn, "query", "key");
          },
          input("query"), input("key"), input("value"));
  } else if (kind == "EncoderLayer" || kind == "Encoder") {
    const auto encode = [&](auto&& layer, Index layers) {
      load_parameters(layer, c);
      call<vt::EncoderResult<K, S>>(
          layer, vt::EncoderMasks<S>{c.masks[0].mask(c.heads), {}}, keep, trace, options,
          [&](const auto& r) {
            collect.output(r.output, "src"), collect.maps("self_attn", r.self_attn, "src", "src", layers);
          },
          input("src"));
    };
    if (kind == "EncoderLayer") {
      encode(vt::EncoderLayer<S>(vt::read_config<vt::LayerConfig>(c.config, file)), -1);
    } else {
      const auto config = vt::read_config<vt::StackConfig>(c.config, file);
      encode(vt::Encoder<S>(config), config.num_layers);
    }
  } else if (kind == "DecoderLayer" || kind == "Decoder") {
    const auto decode = [&](auto&& layer, Index layers) {
      load_parameters(layer, c);
      call<vt::DecoderResult<K, S>>(
          layer, vt::DecoderMasks<S>{c.masks[0].mask(c.heads), c.masks[1].mask(c.heads), {}, {}}, keep, trace, options,
          [&](const auto& r) {
            collect.output(r.output, "tgt");
            collect.maps("self_attn", r.self_attn, "tgt", "tgt", layers);
            collect.maps("cross_attn", r.cross_attn, "tgt", "memory", layers);
          },
          input("tgt"), input("memory"));
    };
    if (kind == "DecoderLayer") {
      decode(vt::DecoderLayer<S>(vt::read_config<vt::LayerConfig>(c.config, file)), -1);
    } else {
      const auto config = vt::read_config<vt::StackConfig>(c.config, file);
      decode(vt::Decoder<S>(config), config.num_layers);
    }
  } else {
    const auto config = vt::read_config<vt::TransformerConfig>(c.config, file);
    vt::Transformer<S> model(config);
    load_parameters(model, c);
    const vt::TransformerMasks<S> masks{c.masks[0].mask(c.heads), c.masks[1].mask(c.heads), c.masks[2].mask(c.heads)};
    call<vt::TransformerResult<K, S>>(
        model, masks, keep, trace, options,
        [&](const auto& r) {
          collect.output(r.output, "tgt");
          collect.maps("encoder_self_attn", r.encoder.self_attn, "src", "src", config.num_encoder_layers);
          collect.maps("decoder_self_attn", r.self_attn, "tgt", "tgt", config.num_decoder_layers);
          collect.maps("cross_attn", r.cross_attn, "tgt", "src", config.num_decoder_layers);
        },
        input("src"), input("tgt"));
  }
  return std::move(collect.tensors);
}

}  // namespace module_case
