// DecoderLayer: self-attention, attention to the memory, feed-forward, each with a residual and a norm;
// nn.TransformerDecoderLayer. Not causal unless tgt_mask says so, as in PyTorch.
//
//   norm_first = false:  x = norm1(x + self(x));  x = norm2(x + cross(x, memory));  x = norm3(x + feed_forward(x))
//   norm_first = true:   the same with x + f(norm(x))
//
//   vt::DecoderLayer<float> layer({.d_model = 512, .nhead = 8});
//   auto [output, self_attn, cross_attn] =
//       layer(tgt, memory, {.tgt_mask = vt::causal(), .memory_mask = vt::key_lengths(lengths)});
//   self_attn.matrix(b, h): T x T       cross_attn.matrix(b, h): T x S
//   layer.forward_into(result, workspace, tgt, memory, masks, keep, trace)      (run/decoder_forward.hpp)
//   layer.workspace_bytes({B, T, S}), layer.result_bytes({B, T, S})             (run/workspace_bytes.hpp)
//   layer.init(seed), .bind(name, values), .parameters(visit)                   (run/module.hpp)
#pragma once
#include <vitrine/layers/attention.hpp>
#include <vitrine/layers/feed_forward.hpp>
#include <vitrine/layers/layer_norm.hpp>
#include <vitrine/layers/residual.hpp>
#include <vitrine/run/decoder_forward.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

namespace detail {

template <class S, bool Options = true, Storage Weights = Storage::f32>
struct DecoderLayerCore {
  using Norm = NormCore<S, Options>;
  AttentionCore<S, Options, Weights> self_attn, cross_attn;
  FeedForwardCore<S, Options, Weights> feed_forward;
  Norm norm1, norm2, norm3;
  bool norm_first = false, has_encoder_options = false;

  constexpr DecoderLayerCore() = default;
  constexpr explicit DecoderLayerCore(const LayerConfig& c)
      : self_attn(attention_of(c)),
        cross_attn(without_positions(attention_of(c))),
        feed_forward(c.d_model, c.dim_feedforward, c.activation, c.bias && c.options.linear_bias, c.options.gated),
        norm1(c.d_model, c.layer_norm_eps, c.bias, c.options.norm),
        norm2(norm1),
        norm3(norm1),
        norm_first(c.norm_first),
        has_encoder_options(c.options.branch_norms || c.options.parallel) {}

  // Keys and values of the encoder's output. Not needed again while that stays the same.
  template <class Trace>
  void project_encoded(const Runner<S, Trace>& runner, const Rows<const S>& encoded,
                       const AttentionCall<S>& cross) const {
    runner.named("multihead_attn.", Which::cross).blocks([&](auto& block) {
      cross_attn.project_keys_values(block, block.rows_of(encoded), block.rows_of(encoded), cross);
    });
  }

  // The layer, on every thread of a team, behind project_encoded. x and y: (rows, E); y may be x.
  // The equations are written for norm_first; without it a part is given x itself, and x1 = norm1(x + part(x)).
  template <class Trace>
  void operator()(const Runner<S, Trace>& runner, const Rows<const S>& x, const Rows<S>& y,
                  const DecoderAttentions<S>& call) const {
    const Residual first(1, norm_first, norm1), second(2, norm_first, norm2), third(3, norm_first, norm3);
    const auto self = [](const auto& all) { return all.named("self_attn."); };
    const auto cross = [](const auto& all) { return all.named("multihead_attn.", Which::cross); };

    runner.blocks([&](auto& block) {
      self_attn.project(self(block), first.input(block, block.rows_of(x)), call.self);  // q, k, v = W norm1(x)
    });
    attend_heads(self(runner), call.self);  // context = softmax(q k^T / sqrt(D)) v
    runner.blocks([&](auto& block) {
      const auto attention = [&](const auto&... to) { self_attn.project_out(self(block), call.self, to...); };
      const Rows<S> x1 = block.rows_of(y);
      first.sum_to(block, block.rows_of(x), x1, attention);                           // x1 = x + self(norm1(x))
      cross_attn.project_queries(cross(block), second.input(block, x1), call.cross);  // q = W norm2(x1)
    });
    attend_heads(cross(runner), call.cross);  // context = softmax(q k^T / sqrt(D)) v, k and v of the encoder's output
    runner.blocks([&](auto& block) {
      const auto attention = [&](const auto&... to) { cross_attn.project_out(cross(block), call.cross, to...); };
      const Rows<S> x1 = block.rows_of(y), x2 = second.sum(block, x1, attention);  // x2 = x1 + cross(norm2(x1))
      third.around(block, x2, block.rows_of(y), feed_forward);                     // y = x2 + feed_forward(norm3(x2))
      block.show("output", block.rows_of(y));
    });
  }

  Status check() const {
    if (Options && has_encoder_options)
      return {Status::bad_config, "branch_norms and parallel are options of encoder layers"};
    if (Status s = self_attn.check(); s != Status::ok) return s;
    return feed_forward.check();
  }
  template <class Self, class F>
  static constexpr void parameters(Self& self, NamePath& path, F& visit) {
    visit_part(self.self_attn, "self_attn.", path, visit);
    visit_part(self.cross_attn, "multihead_attn.", path, visit);
    FeedForwardCore<S, Options, Weights>::parameters(self.feed_forward, path, visit);
    visit_part(self.norm1, "norm1.", path, visit);
    visit_part(self.norm2, "norm2.", path, visit);
    visit_part(self.norm3, "norm3.", path, visit);
  }

 private:
  static constexpr AttentionConfig attention_of(const LayerConfig& c) {
    return {.embed_dim = c.d_model, .num_heads = c.nhead, .bias = c.bias, .options = c.options.attention};
  }
  // The encoder's rows have no distance to the decoder's.
  static constexpr AttentionConfig without_positions(AttentionConfig c) {
    c.options.rotary = {}, c.options.relative_buckets = 0, c.options.window = 0;
    return c;
  }
};

}  // namespace detail

// nn.TransformerDecoderLayer; see the top of this header. Its calls are DecoderForward's.
template <class S, Dims D = Dims{}>
class DecoderLayer : public detail::DecoderForward<DecoderLayer<S, D>, S, D> {
  using Core = detail::DecoderLayerCore<S, !D.fixed(), D.weights>;

 public:
  constexpr DecoderLayer() noexcept requires(D.fixed()) : DecoderLayer(LayerConfig{}) {}
  // Not loaded until vt::load, bind or init. `memory`: where parameters and fresh results come from. Wrong sizes are
  // bad_config at the first call.
  constexpr explicit DecoderLayer(const LayerConfig& config,
                                  const Memory* memory = detail::default_memory<D>()) noexcept
      : detail::DecoderForward<DecoderLayer, S, D>(memory), config_(detail::sized<D>(config)), core_(config_) {
    detail::check_dims<D>();
    detail::check_storage<S, D>();
    if constexpr (!D.fixed()) core_.self_attn.compute_frequencies(memory);
  }
  // The configuration, fixed sizes filled in.
  const LayerConfig& config() const noexcept { return config_; }

  template <class Self, class F>
  static constexpr void visit_parameters(Self& self, detail::NamePath& path, F& visit) {
    Core::parameters(self.core_, path, visit);
  }

 private:
  friend detail::StackForward<DecoderLayer, detail::DecoderPlan<S>, S, D>;
  constexpr detail::StackView<S, Core> layers() const noexcept { return {&core_, 1, 1, &config_}; }

  LayerConfig config_;
  Core core_;
};

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
