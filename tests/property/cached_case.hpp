// A decoder's case token by token through the key-value cache, as generate/ does it: the keys and values of earlier
// rows are never computed again.
#pragma once
#include <cmath>
#include <limits>
#include <utility>
#include <vector>
#include <vitrine/generate/key_value_cache.hpp>

#include "placed_case.hpp"

namespace module_case {

// The decoder's layers and norm alone, by the names of Decoder, DecoderLayer or the decoder of a Transformer.
template <class S>
class BareDecoder : public vt::Module<BareDecoder<S>, S> {
 public:
  BareDecoder(const vt::LayerConfig& config, Index layers, bool final_norm)
      : vt::Module<BareDecoder, S>(vt::heap()), stack(layers > 0) {
    for (Index i = 0; i < (stack ? layers : 1); ++i) cores.emplace_back(config);
    if (final_norm) norm = vt::detail::NormCore<S>(config.d_model, config.layer_norm_eps, config.bias);
  }
  std::vector<vt::detail::DecoderLayerCore<S>> cores;
  vt::detail::NormCore<S> norm;
  bool stack;

  template <class Self, class F>
  static void visit_parameters(Self& self, vt::detail::NamePath& path, F& visit) {
    for (std::size_t i = 0; i < self.cores.size(); ++i) {
      vt::detail::NamePath::Scope scope(path, self.stack ? "layers." : "");
      if (self.stack) path.append(Index(i)), path.append(".");
      vt::detail::DecoderLayerCore<S>::parameters(self.cores[i], path, visit);
    }
    vt::detail::visit_part(self.norm, "norm.", path, visit);
  }
};

// Row t of a mask, over its first `columns` keys.
template <class S>
MaskInput<S> mask_row(const MaskInput<S>& mask, Index t, Index columns) {
  MaskInput<S> row = mask;
  row.matrix_is_causal = false;
  row.rows = 1, row.columns = columns;
  row.ignore.clear(), row.bias.clear();
  for (Index p = 0; p < mask.planes; ++p)
    for (Index j = 0; j < columns; ++j) {
      const auto at = std::size_t((p * mask.rows + t) * mask.columns + j);
      if (mask.bias.empty())
        row.ignore.push_back(mask.ignore[at]);
      else
        row.bias.push_back(mask.bias[at]);
    }
  row.ignore_keys.clear();
  for (Index b = 0; b < mask.key_batch && !mask.ignore_keys.empty(); ++b)
    for (Index j = 0; j < columns; ++j)
      row.ignore_keys.push_back(mask.ignore_keys[std::size_t(b * mask.key_length + j)]);
  row.key_length = columns;
  for (Index& length : row.key_lengths) length = std::min(length, columns);
  return row;
}

// Maps put together from one row a step, read as a result's are.
template <class S, class M>
struct JoinedMaps {
  using Matrix = Eigen::Matrix<S, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  struct View {
    const JoinedMaps* maps;
    Index layer;
    const Matrix& matrix(Index b, Index h = 0) const { return maps->at(maps->weights, layer, b, h); }
    const Matrix& scores(Index b, Index h) const { return maps->at(maps->scores, layer, b, h); }
  };
  Index batch = 0, heads = 0;
  std::vector<Matrix> weights, scores;

  JoinedMaps(Index layers, Index batch_of, Index heads_of, Index rows, Index columns)
      : batch(batch_of), heads(module_case::is_mean<M> ? 1 : heads_of) {
    weights.assign(std::size_t(layers * batch * heads), Matrix::Zero(rows, columns));
    if constexpr (module_case::is_scored<M>)
      scores.assign(weights.size(), Matrix::Constant(rows, columns, -std::numeric_limits<S>::infinity()));
  }
  const Matrix& at(const std::vector<Matrix>& all, Index layer, Index b, Index h) const {
    return all[std::size_t((layer * batch + b) * heads + h)];
  }
  View operator[](Index layer) const { return {this, layer}; }
  // Row t of everything, from maps of one row.
  void take(const M& maps, Index layers, Index t) {
    std::size_t i = 0;
    for (Index layer = 0; layer < layers; ++layer)
      for (Index b = 0; b < batch; ++b)
        for (Index h = 0; h < heads; ++h, ++i) {
          if constexpr (module_case::is_mean<M>) {
            const auto row = maps[layer].matrix(b);
            weights[i].row(t).head(row.cols()) = row.row(0);
          } else {
            const auto row = maps[layer].matrix(b, h);
            weights[i].row(t).head(row.cols()) = row.row(0);
          }
          if constexpr (module_case::is_scored<M>)
            scores[i].row(t).head(weights[i].cols() < maps.memory_length() ? weights[i].cols() : maps.memory_length()) =
                maps[layer].scores(b, h).row(0);
        }
  }
};
template <class S, class M>
inline constexpr bool is_mean<JoinedMaps<S, M>> = is_mean<M>;
template <class S, class M>
inline constexpr bool is_scored<JoinedMaps<S, M>> = is_scored<M>;
template <class S>
struct JoinedNothing {
  JoinedNothing(Index, Index, Index, Index, Index) {}
  void take(const auto&, Index, Index) {}
};

// The case's result, step by step. c.is_causal() must hold; a Transformer's encoder runs first, as a whole.
template <class S, class K = vt::DefaultKeep>
std::vector<Named<S>> run_cached(const Case<S>& c, const K& keep = {}, int threads = 1, bool means = false) {
  using M = typename K::template map<S, 0>;
  constexpr bool kept = requires(M & maps) { maps.sink(Index{}); };
  using Joined = std::conditional_t<kept, JoinedMaps<S, M>, JoinedNothing<S>>;
  const std::string kind = c.kind->name, &file = c.file.file();
  const bool whole = kind == "Transformer";
  Collector<S> collect(c, means);
  vt::LayerConfig config;
  Index layers = 0;
  bool final_norm = whole;
  vt::Tensor<S> encoded(vt::heap());
  if (whole) {
    const auto all = vt::read_config<vt::TransformerConfig>(c.config, file);
    config = {all.d_model,    all.nhead,          all.dim_feedforward, all.dropout,
              all.activation, all.layer_norm_eps, all.norm_first,      all.bias};
    layers = all.num_decoder_layers;
  } else if (kind == "Decoder") {
    const auto stack = vt::read_config<vt::StackConfig>(c.config, file);
    config = stack.layer, layers = stack.num_layers, final_norm = stack.final_norm;
  } else {
    config = vt::read_config<vt::LayerConfig>(c.config, file);
  }
  BareDecoder<S> decoder(config, layers, final_norm);
  const Index depth = Index(decoder.cores.size());
  vt::EncoderResult<K, S> encoder_result;
  if (whole) {
    vt::Encoder<S> encoder({config, vt::read_config<vt::TransformerConfig>(c.config, file).num_encoder_layers, true});
    load_parameters(encoder, c, "param.encoder.");
    encoder_result = encoder(c.inputs.at("src").view(), {c.masks[0].mask(c.heads), {}}, keep);
  }
  load_parameters(decoder, c, whole ? "param.decoder." : "param.");

  const Input<S>& tgt = c.inputs.at("tgt");
  const char* const memory_name = whole ? "src" : "memory";
  const Input<S>& memory = c.inputs.at(memory_name);
  const S* const memory_rows = whole ? encoder_result.output.data() : memory.values.data();
  const MaskInput<S>&self_mask = c.masks[whole ? 1 : 0], &memory_mask = c.masks[whole ? 2 : 1];
  const Index batch = tgt.batch, length = tgt.length, width = config.d_model, heads = config.nhead;

  vt::KeyValueCache<S> cache(vt::heap());
  vt::throw_if_failed(cache.reserve({depth, heads, width / heads, batch, 1, length, memory.length}));
  vt::Workspace workspace(vt::heap(), threads);
  const vt::detail::StackView<S, vt::detail::DecoderLayerCore<S>> cores{decoder.cores.data(), depth};
  const auto make = [&](vt::Arena& arena) {
    vt::detail::DecoderPlan<S> plan;
    vt::detail::AttentionCall<S>&self = plan.attentions.self, &cross = plan.attentions.cross;
    decoder.cores[0].self_attn.plan_queries(arena, batch, self, false);
    self.query_rows = self.key_rows = {batch, 1, nullptr};
    cross = self, cross.key_rows = {batch, memory.length, nullptr};
    plan.scratch = vt::detail::Scratch<S>::plan(arena, threads, batch * std::max(memory.length, Index{1}),
                                                cores.sizes(std::max(length, memory.length)));
    return plan;
  };
  vt::detail::DecoderPlan<S> plan;
  vt::throw_if_failed(vt::detail::place_plan(plan, workspace, make));

  vt::Tensor<S> output(vt::heap());
  vt::throw_if_failed(output.resize(batch, length, width));
  Joined self(depth, batch, heads, length, length), cross(depth, batch, heads, length, memory.length);
  std::vector<S> x(std::size_t(batch * width)), y(x.size());
  for (Index t = 0; t < length; ++t) {
    for (Index b = 0; b < batch; ++b)
      for (Index e = 0; e < width; ++e)
        x[std::size_t(b * width + e)] = tgt.values[std::size_t((b * length + t) * width + e)];
    typename K::template map<S, 0> self_maps;
    typename K::template map<S, 1> cross_maps;
    const vt::MapShape self_shape{depth, batch, heads, 1, t + 1, {}, {}, 0},
        cross_shape{depth, batch, heads, 1, memory.length, {}, {}, 0};
    vt::throw_if_failed(vt::detail::prepare_maps(self_maps, vt::heap(), self_shape, keep.selection, vt::Which::self));
    vt::throw_if_failed(
        vt::detail::prepare_maps(cross_maps, vt::heap(), cross_shape, keep.selection, vt::Which::cross));
    const MaskInput<S> self_row = mask_row(self_mask, t, t + 1), memory_row = mask_row(memory_mask, t, memory.length);
    const vt::Mask<S> tgt_mask = self_row.mask(heads), mask = memory_row.mask(heads);
    vt::run_team(threads, [&](vt::Team& team) {
      using vt::detail::Rows;
      const vt::detail::Runner<S> runner(team, plan.scratch, batch);
      const Rows<S> hidden(y.data(), batch, width);
      const Rows<const S> source(memory_rows, batch * memory.length, width);
      Rows<const S> in(x.data(), batch, width);
      for (Index i = 0; i < depth; ++i, in = hidden) {
        vt::detail::DecoderAttentions<S> own = plan.attentions;
        own.configure(cores[i]);
        own.self.set_layer(tgt_mask, nullptr, vt::detail::sink_of<S>(self_maps, i));
        own.cross.set_layer(mask, nullptr, vt::detail::sink_of<S>(cross_maps, i));
        own.self.key_values = cache.self(i), own.cross.key_values = cache.cross(i), own.self.past = t;
        const vt::detail::PrefetchOrder<S> order = cores.prefetch_order(i);
        if (t == 0) cores[i].project_encoded(runner.over(source.count).in_layer(i, order), source, own.cross);
        cores[i](runner.in_layer(i, order), in, hidden, own);
      }
      if (decoder.norm.exists()) decoder.norm(runner, hidden, hidden);
    });
    for (Index b = 0; b < batch; ++b)
      for (Index e = 0; e < width; ++e) output.data()[(b * length + t) * width + e] = y[std::size_t(b * width + e)];
    self.take(self_maps, depth, t), cross.take(cross_maps, depth, t);
  }
  collect.output(output, "tgt");
  const Index shown = layers > 0 ? layers : -1;
  if (whole)
    collect.maps("encoder_self_attn", encoder_result.self_attn, "src", "src",
                 vt::read_config<vt::TransformerConfig>(c.config, file).num_encoder_layers);
  collect.maps(whole ? "decoder_self_attn" : "self_attn", self, "tgt", "tgt", shown);
  collect.maps("cross_attn", cross, "tgt", memory_name, shown);
  return std::move(collect.tensors);
}

}  // namespace module_case
