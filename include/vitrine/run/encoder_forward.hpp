// The frame of an encoder's call: checks, memory, then one parallel region through all layers. EncoderLayer and Encoder
// have their call forms from here. Internal but for EncoderMasks.
#pragma once
#include <vitrine/core/heap.hpp>
#include <vitrine/run/input_checks.hpp>
#include <vitrine/run/workspace_bytes.hpp>

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

template <Dims D>
constexpr const Memory* default_memory() noexcept {
  if constexpr (D.fixed())
    return nullptr;  // and heap() is not named
  else
    return heap();
}
template <Dims D>
constexpr LayerConfig sized(LayerConfig c) {
  c.d_model = agree(D.d_model, c.d_model);
  c.nhead = agree(D.nhead, c.nhead);
  c.dim_feedforward = agree(D.dim_feedforward, c.dim_feedforward);
  return c;
}

// The layers of a stack, of which memory may have run out, and its final norm or null; or one layer alone.
template <class S, class Core>
struct StackView {
  using Norm = typename Core::Norm;
  const Core* core = nullptr;
  Index count = 0, wanted = 1;
  const LayerConfig* config = nullptr;
  const Norm* norm = nullptr;
  bool stack = false;

  const Core& operator[](Index i) const { return core[i]; }
  constexpr bool in_panels() const {
    bool all = true;
    for (Index i = 0; i < count; ++i) all = all && core[i].in_panels();
    return all;
  }
  Status check() const {
    if (stack && count < wanted)
      return {Status::out_of_memory, "the stack has no layers: memory for them ran out, or it was moved from", count,
              wanted};
    if (count <= 0) return {Status::bad_config, "num_layers must be positive", stack ? wanted : count};
    return core[0].check();
  }
  // Behind the last layer, in place.
  template <class Trace>
  void final_norm(const Runner<S, Trace>& runner, const Rows<S>& y) const {
    if (norm != nullptr) runner.blocks([&](auto& block) { block.normalise("norm", *norm, block.of(y), block.of(y)); });
  }
};

// What the layers of an encoder take from the workspace.
template <class S>
struct EncoderPlan {
  AttentionCall<S> attention = {};
  Scratch<S> scratch = {};
  TraceMaps<S> shown = {};

  template <class Core>
  static constexpr EncoderPlan make(Arena& arena, const Core& core, const CallShape& call, bool packed) {
    EncoderPlan p;
    const Index batch = call.shape.batch, length = call.shape.length, rows = sizes::product(batch, length);
    AttentionCall<S>& attention = p.attention;
    attention.query_rows = attention.key_rows = plan_rows(arena, batch, length, call.lengths);
    core.self_attn.plan_queries(arena, rows, attention, call.traced);
    core.self_attn.plan_positions(arena, 0, length, length, attention);
    if (call.traced) p.shown = TraceMaps<S>::plan(arena, rows, core.self_attn.heads, length);
    attention.key_values = KeyValues<S>::plan(arena, batch, core.self_attn.layout(length));
    auto sizes = core.sizes(length);
    if (packed) sizes.depth = 0;
    sizes.figures = call.kept.figures, sizes.scores_in_weights = call.kept.scores_in_weights && !call.traced;
    p.scratch = Scratch<S>::plan(arena, call.threads, rows, sizes, call.traced);
    return p;
  }
  template <class Core>
  static constexpr std::size_t bytes(const StackView<S, Core>& layers, const CallShape& call) {
    if (layers.count <= 0) return 0;
    Arena arena;
    (void)make(arena, layers.core[0], call, layers.in_panels());
    return arena.used();
  }
};

// The call forms of a layer and a stack. Derived has layers().
template <class Derived, class S, Dims D>
class EncoderForward : public SizedModule<Derived, S, D> {
 public:
  // Are all dimensions compile-time constants?
  static constexpr bool fixed = D.fixed();
  // The second argument of a call.
  using Masks = EncoderMasks<S>;

  // As Module's: bad_config, out_of_memory.
  Status check_config() const noexcept { return static_cast<const Derived&>(*this).layers().check(); }

  // x (B, T, E) to result.output (B, T, E), with what `keep` says of the attention (of each layer: self_attn[layer]).
  // Allocates only to grow result and workspace, before any work. bad_config, bad_shape, bad_mask, not_loaded,
  // not_supported (what `keep` asks), overlap, workspace_too_small, result_too_small, out_of_memory.
  template <class K = DefaultKeep, class F = NoTrace>
  Status forward_into(EncoderResult<K, S>& result, Workspace& workspace, const Sequences<S>& x, const Masks& masks = {},
                      const K& keep = {}, F&& trace = {}) const noexcept {
    if (Status s = check(x, masks); s != Status::ok) return s;
    if (Status s = prepare(result, x, keep.selection); s != Status::ok) return s;
    const int threads = workspace.threads_for(multiply_adds(double(x.rows()), double(x.length)));
    const CallShape call{.shape = {x.batch, x.length, x.length},
                         .lengths = x.lengths,
                         .threads = threads,
                         .kept = kept_by<std::remove_cvref_t<decltype(result.self_attn)>>(fixed, keep.selection),
                         .traced = traced<F>};
    if (Status s = workspace.reserve(scratch_bytes(call)); s != Status::ok) return s;
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
  using SizedModule<Derived, S, D>::SizedModule;

 private:
  friend SizedModule<Derived, S, D>;
  VITRINE_NOINLINE constexpr std::size_t scratch_bytes(const CallShape& call) const {
    return EncoderPlan<S>::bytes(static_cast<const Derived&>(*this).layers(), call);
  }
  constexpr MapExtents map_extents(const Shape& shape) const {
    const auto layers = static_cast<const Derived&>(*this).layers();
    return {.layers = layers.wanted,
            .heads = layers.config->nhead,
            .self_keys = shape.length,
            .width = layers.config->d_model};
  }
  double multiply_adds(const Shape& shape) const {
    return multiply_adds(double(sizes::product(shape.batch, shape.length)), double(shape.length));
  }
  double multiply_adds(double rows, double keys) const {
    const auto layers = static_cast<const Derived&>(*this).layers();
    return layers.count > 0 ? double(layers.count) * layers[0].work(rows, rows * keys) : 0;
  }

  Status check(const Sequences<S>& x, const Masks& masks) const noexcept {
    const auto layers = static_cast<const Derived&>(*this).layers();
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
    const auto layers = static_cast<const Derived&>(*this).layers();
    const Index width = layers.config->d_model;
    result.output.use(this->memory());
    if (Status s = check_overlap(result.output, x.rows() * width, x); s != Status::ok) return s;
    if (Status s = result.output.resize_like(x, width); s != Status::ok) return s;
    return prepare_maps(result.self_attn, this->memory(), map_shape(x), selection, Which::self);
  }
  MapShape map_shape(const Sequences<S>& x) const noexcept {
    const auto layers = static_cast<const Derived&>(*this).layers();
    return {layers.count, x.batch, layers.config->nhead, x.length, x.length, x.lengths, x.lengths, 0};
  }
  // x through all layers.
  template <class R, class F>
  void run(R& result, Workspace& workspace, const Sequences<S>& x, const Masks& masks, const CallShape& call,
           F& trace) const noexcept {
    const auto layers = static_cast<const Derived&>(*this).layers();
    Arena arena(workspace.data());
    auto plan = EncoderPlan<S>::make(arena, layers[0], call, layers.in_panels());
    const auto tracer = tracer_of<S>(trace, layers.stack, plan.attention.query_rows, plan.shown, map_shape(x));
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
        const PrefetchOrder<S> order = layers[i].prefetch_order();
        layers[i](runner.in_layer(i, order), in, y, attention);
      }
      layers.final_norm(runner, y);
    });
  }
};

}  // namespace detail

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
