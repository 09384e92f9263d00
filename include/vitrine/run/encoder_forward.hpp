// The frame of an encoder's call: checks, memory, then one parallel region through all layers. EncoderLayer and Encoder
// have their call forms from here. Internal but for EncoderMasks.
#pragma once
#include <vitrine/run/stack_forward.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

// What an encoder's call may be given: a mask over T x T, and factors of the heads.
template <class S>
struct EncoderMasks {
  Mask<S> src_mask = {};
  // H factors of the heads' contexts (a stack also takes layers x H); 0 switches a head off.
  std::span<const S> head_scale = {};
};

namespace detail {

// What the layers of an encoder take from the workspace.
template <class S>
struct EncoderPlan {
  AttentionCall<S> attention = {};
  Scratch<S> scratch = {};
  TraceMaps<S> shown = {};

  template <class Core>
  static constexpr EncoderPlan make(Arena& arena, const StackView<S, Core>& layers, const CallShape& call) {
    EncoderPlan p;
    const auto& self_attn = layers[0].self_attn;
    const Index batch = call.shape.batch, length = call.shape.length, rows = sizes::product(batch, length);
    AttentionCall<S>& attention = p.attention;
    attention.query_rows = attention.key_rows = plan_rows(arena, batch, length, call.lengths);
    self_attn.plan_queries(arena, rows, attention, call.traced);
    self_attn.plan_positions(arena, 0, length, length, attention);
    if (call.traced) p.shown = TraceMaps<S>::plan(arena, rows, attention.heads, length);
    attention.key_values = KeyValues<S>::plan(arena, batch, self_attn.layout(length));
    p.scratch = plan_scratch<S>(arena, call, rows, layers.own_sizes(length));
    return p;
  }
};

// The call forms of a layer and a stack. Derived has layers().
template <class Derived, class S, Dims D>
class EncoderForward : public StackForward<Derived, EncoderPlan<S>, S, D> {
  using Base = StackForward<Derived, EncoderPlan<S>, S, D>;

 public:
  // The second argument of a call.
  using Masks = EncoderMasks<S>;

  // x (B, T, E) to result.output (B, T, E), with what `keep` says of the attention (of each layer: self_attn[layer]).
  // Allocates only to grow result and workspace, before any work. bad_config, bad_shape, bad_mask, not_loaded,
  // not_supported (what `keep` asks), overlap, workspace_too_small, result_too_small, out_of_memory.
  template <class K = DefaultKeep, class F = NoTrace>
  Status forward_into(EncoderResult<K, S>& result, Workspace& workspace, const Sequences<S>& x, const Masks& masks = {},
                      const K& keep = {}, F&& trace = {}) const noexcept {
    if (Status s = check(x, masks); s != Status::ok) return s;
    if (Status s = prepare(result, x, keep.selection); s != Status::ok) return s;
    const CallShape call{.shape = {x.batch, x.length, x.length},
                         .lengths = x.lengths,
                         .threads = workspace.threads_for(work(double(x.rows()), x.length)),
                         .kept = kept_by<std::remove_cvref_t<decltype(result.self_attn)>>(Base::fixed, keep.selection),
                         .traced = traced<F>};
    if (Status s = workspace.reserve(this->scratch_bytes(call)); s != Status::ok) return s;
    run(result, workspace, x, masks, call, trace);
    return {};
  }
#if VITRINE_EXCEPTIONS
  // The same with fresh results and scratch from memory(). Throws StatusError.
  template <class K = DefaultKeep, class F = NoTrace>
  EncoderResult<K, S> operator()(const Sequences<S>& x, const Masks& masks = {}, const K& keep = {},
                                 F&& trace = {}) const {
    return this->template fresh<EncoderResult<K, S>>(x, masks, keep, trace);
  }
#endif

 protected:
  using Base::Base;

 private:
  friend SizedModule<Derived, S, D>;
  constexpr MapExtents map_extents(const Shape& shape) const { return this->extents(shape.length); }
  double work(double rows, Index length) const { return this->stack().work(rows, rows * double(length)); }
  double multiply_adds(const Shape& shape) const {
    return work(double(sizes::product(shape.batch, shape.length)), shape.length);
  }

  Status check(const Sequences<S>& x, const Masks& masks) const noexcept {
    const auto layers = this->stack();
    if (Status s = layers.check(); s != Status::ok) return s;
    const LayerConfig& config = *layers.config;
    if (Status s = check_input(x, config.d_model, "the input's width must be d_model"); s != Status::ok) return s;
    if (Status s = layers[0].self_attn.check_mask(masks.src_mask, x.batch, x.length, x.length); s != Status::ok)
      return s;
    if (Status s = check_head_scale(masks.head_scale, layers.count, config.nhead); s != Status::ok) return s;
    return this->check_loaded();
  }
  template <class R>
  Status prepare(R& result, const Sequences<S>& x, const Selection& selection) const noexcept {
    result.output.use(this->memory());
    if (Status s = prepare_output(result.output, this->stack().config->d_model, x); s != Status::ok) return s;
    return prepare_maps(result.self_attn, this->memory(), this->map_shape(x, x), selection, Which::self);
  }
  // x through all layers.
  template <class R, class F>
  void run(R& result, Workspace& workspace, const Sequences<S>& x, const Masks& masks, const CallShape& call,
           F& trace) const noexcept {
    const auto layers = this->stack();
    Arena arena(workspace.data());
    auto plan = EncoderPlan<S>::make(arena, layers, call);
    const auto tracer = tracer_of<S>(trace, layers.stack, plan.attention.query_rows, plan.shown, this->map_shape(x, x));
    const Rows<S> y(result.output.data(), plan.attention.query_rows.rows(), x.width);
    run_team(call.threads, [&](Team& team) {
      const Runner<S, std::remove_const_t<decltype(tracer)>> runner(team, plan.scratch, y.count, tracer);
      if (!x.contiguous()) gather(team, x, y.data);
      Rows<const S> in(x.contiguous() ? x.data : y.data, y.count, y.width);
      for (Index i = 0; i < layers.count; ++i, in = y) {
        OwnCopy<AttentionCall<S>> attention = plan.attention;
        layers[i].self_attn.configure(attention);
        attention.set_layer(masks.src_mask, head_scale_of(masks.head_scale, i, attention.heads),
                            sink_of<S>(result.self_attn, i));
        const PrefetchOrder<S> order = layers.prefetch_order(i);
        layers[i](runner.in_layer(i, order), in, y, attention);
      }
      layers.final_norm(runner, y);
    });
  }
};

}  // namespace detail

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
