// A case with layers whose sizes are fixed at compile time, in caller memory throughout: weights, workspace and
// results.
#pragma once
#include <optional>
#include <utility>
#include <vector>

#include "../../examples/module_case.hpp"

namespace module_case {

// Twins of some cases. Bounds of batch and length leave room for padding and neighbours.
inline constexpr vt::Dims attention_dims{.d_model = 32, .nhead = 4, .max_batch = 8, .max_length = 64};
inline constexpr vt::Dims encoder_dims{
    .d_model = 16, .nhead = 4, .dim_feedforward = 8, .num_layers = 3, .max_batch = 8, .max_length = 64};
inline constexpr vt::Dims decoder_dims{
    .d_model = 32, .nhead = 4, .dim_feedforward = 24, .max_batch = 8, .max_length = 64};
inline constexpr vt::Dims stack_dims{
    .d_model = 8, .nhead = 2, .dim_feedforward = 24, .num_layers = 3, .max_batch = 8, .max_length = 64};

template <class S, vt::Dims D>
vt::LayerConfig same_sizes(const vt::LayerConfig& c, bool& fits) {
  fits = c.d_model == D.d_model && c.nhead == D.nhead && c.dim_feedforward == D.dim_feedforward;
  return c;
}

template <class Layer>
Index layer_width(const Layer& layer) {
  if constexpr (requires { layer.config().embed_dim; })
    return layer.config().embed_dim;
  else if constexpr (requires { layer.config().layer; })
    return layer.config().layer.d_model;
  else
    return layer.config().d_model;
}

// Binds a static layer to the values of a loaded one and calls it; `collect` gets the result.
template <class R, class S, class Layer, class Loaded, class Masks, class K, class Show, class... Inputs>
void call_static(const Case<S>& c, Layer& layer, const Loaded& loaded, const Masks& masks, const K& keep,
                 const vt::MapShape& self, const vt::MapShape& cross, Show&& show, const Inputs&... inputs) {
  loaded.parameters([&](const char* name, const vt::Parameter<S>& p) {
    vt::throw_if_failed(layer.bind(name, p.values.span(), p.panel));
  });
  vt::throw_if_failed(layer.store_weights(c.weights));
  std::vector<std::byte> workspace_bytes(Layer::workspace_bytes() + vt::alignment);
  vt::Workspace workspace(std::span<std::byte>(workspace_bytes), 1);
  const auto size_of = [&](const vt::MapShape& s) {
    return std::size_t(s.layers * s.batch * s.heads * s.length * s.memory_length);
  };
  const vt::MapShape& first = self.length > 0 ? self : cross;
  std::vector<S> output(std::size_t(first.batch * first.length * layer_width(layer)));
  std::vector<S> maps[4];
  for (int i = 0; i < 4; ++i) maps[i].resize(size_of(i < 2 ? self : cross));
  R result;
  result.output = vt::Tensor<S>(std::span<S>(output));
  const auto place = [](auto& member, std::vector<S>& values, std::vector<S>& scores) {
    using M = std::remove_reference_t<decltype(member)>;
    if constexpr (is_scored<M>)
      member = M(std::span<S>(values), std::span<S>(scores));
    else if constexpr (requires { member.sink(Index{}); })
      member = M(std::span<S>(values));
  };
  place(result.self_attn, maps[0], maps[1]);
  place(result.cross_attn, maps[2], maps[3]);
  vt::throw_if_failed(layer.forward_into(result, workspace, inputs..., masks, keep));
  show(result);
}
// The case's result, or nothing if no static twin has its sizes.
template <class S, class K = vt::DefaultKeep>
std::optional<std::vector<Named<S>>> run_static(const Case<S>& c, const K& keep = {}, bool means = false) {
  const std::string kind = c.kind->name, &file = c.file.file();
  Collector<S> collect(c, means);
  const vt::Memory* const memory = c.weights == vt::Storage::f32 ? nullptr : vt::heap();  // of stored weights
  const auto input = [&](const char* name) { return c.inputs.at(name).view(); };
  const auto fits = [&](const vt::Dims& d) {
    for (const auto& [name, one] : c.inputs)
      if (one.batch > d.max_batch || one.length > d.max_length || !one.lengths.empty()) return false;
    return true;
  };
  const auto shape = [&](Index layers, const char* rows, const char* columns) {
    const Input<S>& r = c.inputs.at(rows);
    return vt::MapShape{layers, r.batch, c.heads, r.length, c.inputs.at(columns).length + c.extra_keys, {}, {}, 0};
  };
  if (kind == "MultiheadAttention") {
    const auto config = vt::read_config<vt::AttentionConfig>(c.config, file);
    constexpr vt::Dims D = attention_dims;
    if (config.embed_dim != D.d_model || config.num_heads != D.nhead || c.extra_keys != 0 || c.self_attention ||
        !fits(D))
      return {};
    vt::MultiheadAttention<S> loaded(config);
    vt::load(loaded, c.file, "param.");
    vt::MultiheadAttention<S, D> layer(config, memory);
    call_static<vt::CrossResult<K, S>>(
        c, layer, loaded, vt::AttentionMasks<S>{c.masks[0].mask(c.heads), {}}, keep, {}, shape(1, "query", "key"),
        [&](const auto& r) {
          collect.output(r.output, "query"), collect.maps("weights", r.cross_attn, "query", "key");
        },
        input("query"), input("key"), input("value"));
    return std::move(collect.tensors);
  }
  const auto encode = [&](auto&& layer, auto&& loaded, Index layers) {
    vt::load(loaded, c.file, "param.");
    call_static<vt::EncoderResult<K, S>>(
        c, layer, loaded, vt::EncoderMasks<S>{c.masks[0].mask(c.heads), {}}, keep,
        shape(layers < 0 ? 1 : layers, "src", "src"), {},
        [&](const auto& r) {
          collect.output(r.output, "src"), collect.maps("self_attn", r.self_attn, "src", "src", layers);
        },
        input("src"));
  };
  const auto decode = [&](auto&& layer, auto&& loaded, Index layers) {
    vt::load(loaded, c.file, "param.");
    const Index count = layers < 0 ? 1 : layers;
    call_static<vt::DecoderResult<K, S>>(
        c, layer, loaded, vt::DecoderMasks<S>{c.masks[0].mask(c.heads), c.masks[1].mask(c.heads), {}, {}}, keep,
        shape(count, "tgt", "tgt"), shape(count, "tgt", "memory"),
        [&](const auto& r) {
          collect.output(r.output, "tgt");
          collect.maps("self_attn", r.self_attn, "tgt", "tgt", layers);
          collect.maps("cross_attn", r.cross_attn, "tgt", "memory", layers);
        },
        input("tgt"), input("memory"));
  };
  bool same = false;
  if (kind == "EncoderLayer") {
    const auto config = same_sizes<S, encoder_dims>(vt::read_config<vt::LayerConfig>(c.config, file), same);
    if (!same || !fits(encoder_dims)) return {};
    encode(vt::EncoderLayer<S, encoder_dims>(config, memory), vt::EncoderLayer<S>(config), -1);
  } else if (kind == "DecoderLayer") {
    const auto config = same_sizes<S, decoder_dims>(vt::read_config<vt::LayerConfig>(c.config, file), same);
    if (!same || !fits(decoder_dims)) return {};
    decode(vt::DecoderLayer<S, decoder_dims>(config, memory), vt::DecoderLayer<S>(config), -1);
  } else if (kind == "Encoder") {
    const auto config = vt::read_config<vt::StackConfig>(c.config, file);
    same_sizes<S, encoder_dims>(config.layer, same);
    if (!same || config.num_layers != encoder_dims.num_layers || !fits(encoder_dims)) return {};
    encode(vt::Encoder<S, encoder_dims>(config, memory), vt::Encoder<S>(config), config.num_layers);
  } else if (kind == "Decoder") {
    const auto config = vt::read_config<vt::StackConfig>(c.config, file);
    same_sizes<S, stack_dims>(config.layer, same);
    if (!same || config.num_layers != stack_dims.num_layers || !fits(stack_dims)) return {};
    decode(vt::Decoder<S, stack_dims>(config, memory), vt::Decoder<S>(config), config.num_layers);
  } else {
    return {};
  }
  return std::move(collect.tensors);
}

}  // namespace module_case
