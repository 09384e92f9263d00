// EncoderLayer: self-attention and feed-forward, each with a residual and a norm; nn.TransformerEncoderLayer.
//
//   norm_first = false:  x = norm1(x + attention(x));   x = norm2(x + feed_forward(x))      (Vaswani et al. 2017)
//   norm_first = true:   x = x + attention(norm1(x));   x = x + feed_forward(norm2(x))      (Xiong et al. 2020)
//   parallel:            x = x + attention(norm1(x)) + feed_forward(norm2(x))               (Black et al. 2022)
//   branch_norms:        x = x + branch_norm1(attention(norm1(x))), and so the feed-forward (Gemma 2)
//
//   vt::EncoderLayer<float> layer({.d_model = 512, .nhead = 8});
//   auto [output, self_attn, cross_attn] = layer(x, {.src_mask = vt::causal()});    self_attn.matrix(b, h): T x T
//   layer.forward_into(result, workspace, x, masks, keep, trace)                (run/encoder_forward.hpp)
//   layer.workspace_bytes({B, T}), layer.result_bytes({B, T})                   (run/workspace_bytes.hpp)
//   layer.init(seed), .bind(name, values), .parameters(visit)                   (run/module.hpp)
#pragma once
#include <vitrine/layers/attention.hpp>
#include <vitrine/layers/feed_forward.hpp>
#include <vitrine/layers/layer_norm.hpp>
#include <vitrine/layers/residual.hpp>
#include <vitrine/run/encoder_forward.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

namespace detail {

template <class S, bool Options = true, Storage Weights = Storage::f32>
struct EncoderLayerCore {
  using Norm = NormCore<S, Options>;
  AttentionCore<S, Options, Weights> self_attn;
  FeedForwardCore<S, Options, Weights> feed_forward;
  Norm norm1, norm2;
  bool norm_first = false, same_input = false;
  [[no_unique_address]] BranchNorms<std::conditional_t<Options, Norm, NoNorm>> branch = {};

  constexpr EncoderLayerCore() = default;
  constexpr explicit EncoderLayerCore(const LayerConfig& c)
      : self_attn({.embed_dim = c.d_model, .num_heads = c.nhead, .bias = c.bias, .options = c.options.attention}),
        feed_forward(c.d_model, c.dim_feedforward, c.activation, c.bias && c.options.linear_bias, c.options.gated),
        norm1(c.d_model, c.layer_norm_eps, c.bias, c.options.norm),
        norm2(norm1),
        norm_first(c.norm_first),
        same_input(c.options.parallel) {
    if constexpr (Options)
      if (c.options.branch_norms) branch.attention = branch.feed_forward = norm1;
  }

  // The layer, on every thread of a team. x and y: (rows, E); y may be x.
  // The equations are written for norm_first; without it a part is given x itself, and x1 = norm1(x + part(x)).
  template <class Trace>
  void operator()(const Runner<S, Trace>& runner, const Rows<const S>& x, const Rows<S>& y,
                  const AttentionCall<S>& call) const {
    const Residual first(1, norm_first, norm1, branch.attention), second(2, norm_first, norm2, branch.feed_forward);
    const auto self = [](const auto& all) { return all.named("self_attn."); };

    runner.blocks([&](auto& block) {
      self_attn.project(self(block), first.input(block, block.rows_of(x)), call);  // q, k, v = W norm1(x)
    });
    attend_heads(self(runner), call);  // context = softmax(q k^T / sqrt(D)) v
    runner.blocks([&](auto& block) {
      const auto attention = [&](const auto&... to) { self_attn.project_out(self(block), call, to...); };
      const Rows<S> x1 = first.sum(block, block.rows_of(x), attention);  // x1 = x + attention(norm1(x))
      // y = x1 + feed_forward(norm2(x1)); parallel: norm2(x)
      second.around(block, x1, block.rows_of(y), feed_forward, shares_input() ? block.rows_of(x) : x1);
      block.show("output", block.rows_of(y));
    });
  }

  Status check() const {
    if (Status s = self_attn.check(); s != Status::ok) return s;
    return feed_forward.check();
  }
  template <class Self, class F>
  static constexpr void parameters(Self& self, NamePath& path, F& visit) {
    visit_part(self.self_attn, "self_attn.", path, visit);
    FeedForwardCore<S, Options, Weights>::parameters(self.feed_forward, path, visit);
    visit_part(self.norm1, "norm1.", path, visit);
    visit_part(self.norm2, "norm2.", path, visit);
    if constexpr (Options) {
      visit_part(self.branch.attention, "branch_norm1.", path, visit);
      visit_part(self.branch.feed_forward, "branch_norm2.", path, visit);
    }
  }

 private:
  constexpr bool shares_input() const { return Options && same_input; }
};

}  // namespace detail

// nn.TransformerEncoderLayer; see the top of this header. Its calls are EncoderForward's.
template <class S, Dims D = Dims{}>
class EncoderLayer : public detail::EncoderForward<EncoderLayer<S, D>, S, D> {
  using Core = detail::EncoderLayerCore<S, !D.fixed(), D.weights>;

 public:
  constexpr EncoderLayer() noexcept requires(D.fixed()) : EncoderLayer(LayerConfig{}) {}
  // Not loaded until vt::load, bind or init. `memory`: where parameters and fresh results come from. Wrong sizes are
  // bad_config at the first call.
  constexpr explicit EncoderLayer(const LayerConfig& config,
                                  const Memory* memory = detail::default_memory<D>()) noexcept
      : detail::EncoderForward<EncoderLayer, S, D>(memory), config_(detail::sized<D>(config)), core_(config_) {
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
  friend detail::StackForward<EncoderLayer, detail::EncoderPlan<S>, S, D>;
  constexpr detail::StackView<S, Core> layers() const noexcept { return {&core_, 1, 1, &config_}; }

  LayerConfig config_;
  Core core_;
};

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
