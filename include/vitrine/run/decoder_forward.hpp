// The frame of a decoder's call. DecoderLayer and Decoder have their call forms from here, decoding steps their parts.
// Internal but for DecoderMasks.
#pragma once
#include <vitrine/run/encoder_forward.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

// What a decoder's call may be given: masks over T x T and over T x S, and factors of the heads.
template <class S>
struct DecoderMasks {
  Mask<S> tgt_mask = {}, memory_mask = {};
  // H factors of the contexts of the self-attention's and of the cross-attention's heads; a stack also takes
  // layers x H.
  std::span<const S> head_scale = {}, memory_head_scale = {};
};

namespace detail {

// What one layer is called with: its two attentions. They ask one after the other, from one place.
template <class S>
struct DecoderAttentions {
  AttentionCall<S> self = {}, cross = {};

  template <class Core>
  void configure(const Core& layer) {
    layer.self_attn.configure(self), layer.cross_attn.configure(cross);
  }
};

// What the layers of a decoder take from the workspace.
template <class S>
struct DecoderPlan {
  DecoderAttentions<S> attentions = {};
  Scratch<S> scratch = {};
  S* gathered = nullptr;  // the encoder's output, when its rows do not stand one after another
  TraceMaps<S> shown = {};

  template <class Core>
  static constexpr DecoderPlan make(Arena& arena, const StackView<S, Core>& layers, const CallShape& call) {
    DecoderPlan p;
    const Shape& shape = call.shape;
    const Core& core = layers[0];
    const Index rows = sizes::product(shape.batch, shape.length);
    const Index longest = shape.length > shape.memory_length ? shape.length : shape.memory_length;
    AttentionCall<S>&self = p.attentions.self, &cross = p.attentions.cross;
    self.query_rows = self.key_rows = cross.query_rows = plan_rows(arena, shape.batch, shape.length, call.lengths);
    cross.key_rows = plan_rows(arena, shape.batch, shape.memory_length, call.memory_lengths);
    self.key_values = KeyValues<S>::plan(arena, shape.batch, core.self_attn.layout(shape.length));
    cross.key_values = KeyValues<S>::plan(arena, shape.batch, core.cross_attn.layout(shape.memory_length));
    core.self_attn.plan_queries(arena, rows, self, call.traced);
    cross.query = self.query, cross.context = self.context, cross.heads = self.heads,
    cross.heads_per_key_head = self.heads_per_key_head;
    core.self_attn.plan_positions(arena, 0, shape.length, shape.length, self);
    if (call.gather[1]) p.gathered = arena.take<S>(call.gathered(1), core.self_attn.embed);
    if (call.traced) p.shown = TraceMaps<S>::plan(arena, rows, self.heads, longest);
    p.scratch = plan_scratch<S>(arena, call, sizes::product(shape.batch, longest), layers.own_sizes(longest));
    return p;
  }
};

// The call forms of a layer and a stack. Derived has layers().
template <class Derived, class S, Dims D>
class DecoderForward : public StackForward<Derived, DecoderPlan<S>, S, D> {
  using Base = StackForward<Derived, DecoderPlan<S>, S, D>;

 public:
  // The third argument of a call.
  using Masks = DecoderMasks<S>;

  // tgt (B, T, E) and memory (B, S, E) to result.output (B, T, E), with what `keep` says of both attentions (of each
  // layer: self_attn[layer], cross_attn[layer]). Allocates only to grow result and workspace, before any work.
  // bad_config, bad_shape, bad_mask, not_loaded, not_supported (what `keep` asks), overlap, workspace_too_small,
  // result_too_small, out_of_memory.
  template <class K = DefaultKeep, class F = NoTrace>
  Status forward_into(  // NOLINT(readability-function-size): PyTorch's arguments, then the result's
      DecoderResult<K, S>& result, Workspace& workspace, const Sequences<S>& tgt, const Sequences<S>& memory,
      const Masks& masks = {}, const K& keep = {}, F&& trace = {}) const noexcept {
    const Inputs inputs{tgt, memory, masks};
    if (Status s = check(inputs); s != Status::ok) return s;
    if (Status s = prepare(result, inputs, keep.selection); s != Status::ok) return s;
    const CallShape call{
        .shape = {tgt.batch, tgt.length, memory.length},
        .lengths = tgt.lengths,
        .memory_lengths = memory.lengths,
        .threads = workspace.threads_for(work(double(tgt.rows()), tgt.length, double(memory.rows()), memory.length)),
        .kept = kept_by<std::remove_cvref_t<decltype(result.self_attn)>>(Base::fixed, keep.selection),
        .traced = traced<F>,
        .gather = {false, !memory.contiguous()}};
    if (Status s = workspace.reserve(this->scratch_bytes(call)); s != Status::ok) return s;
    run(result, workspace, inputs, call, trace);
    return {};
  }
#if VITRINE_EXCEPTIONS
  // The same with fresh results and scratch from memory(). Throws StatusError.
  template <class K = DefaultKeep, class F = NoTrace>
  DecoderResult<K, S> operator()(const Sequences<S>& tgt, const Sequences<S>& memory, const Masks& masks = {},
                                 const K& keep = {}, F&& trace = {}) const {
    return this->template fresh<DecoderResult<K, S>>(tgt, memory, masks, keep, trace);
  }
#endif

 protected:
  using Base::Base;

 private:
  friend SizedModule<Derived, S, D>;
  constexpr MapExtents map_extents(const Shape& shape) const {
    return this->extents(shape.length, shape.memory_rows());
  }
  double work(double rows, Index length, double encoded_rows, Index encoded_length) const {
    return this->stack().work(rows, rows * double(length), encoded_rows, rows * double(encoded_length));
  }
  double multiply_adds(const Shape& shape) const {
    const double batch = double(shape.batch);
    return work(batch * double(shape.length), shape.length, batch * double(shape.memory_rows()), shape.memory_rows());
  }

  struct Inputs {
    const Sequences<S>&tgt, &encoded;  // PyTorch's `memory`
    const Masks& masks;
  };
  Status check(const Inputs& in) const noexcept {
    const auto layers = this->stack();
    if (Status s = layers.check(); s != Status::ok) return s;
    const Index width = layers.config->d_model, heads = layers.config->nhead, length = in.tgt.length;
    if (Status s = check_input(in.tgt, width, "the target's width must be d_model"); s != Status::ok) return s;
    if (Status s = check_input(in.encoded, width, "the memory's width must be d_model"); s != Status::ok) return s;
    if (in.encoded.batch != in.tgt.batch)
      return {Status::bad_shape, "target and memory must have the same batch", in.encoded.batch, in.tgt.batch};
    if (Status s = layers[0].self_attn.check_mask(in.masks.tgt_mask, in.tgt.batch, length, length); s != Status::ok)
      return s;
    if (Status s = check_mask(in.masks.memory_mask, in.tgt.batch, heads, length, in.encoded.length); s != Status::ok)
      return s;
    if (Status s = check_head_scale(in.masks.head_scale, layers.count, heads); s != Status::ok) return s;
    if (Status s = check_head_scale(in.masks.memory_head_scale, layers.count, heads); s != Status::ok) return s;
    return this->check_loaded();
  }
  template <class R>
  Status prepare(R& result, const Inputs& in, const Selection& selection) const noexcept {
    result.output.use(this->memory());
    if (Status s = prepare_output(result.output, in.tgt.width, in.tgt, in.encoded); s != Status::ok) return s;
    if (Status s =
            prepare_maps(result.self_attn, this->memory(), this->map_shape(in.tgt, in.tgt), selection, Which::self);
        s != Status::ok)
      return s;
    return prepare_maps(result.cross_attn, this->memory(), this->map_shape(in.tgt, in.encoded), selection,
                        Which::cross);
  }
  // tgt through all layers.
  template <class R, class F>
  void run(R& result, Workspace& workspace, const Inputs& in, const CallShape& call, F& trace) const noexcept {
    const auto layers = this->stack();
    Arena arena(workspace.data());
    auto plan = DecoderPlan<S>::make(arena, layers, call);
    const RowMap& rows = plan.attentions.self.query_rows;
    const auto tracer = tracer_of<S>(trace, layers.stack, rows, plan.shown, this->map_shape(in.tgt, in.tgt),
                                     this->map_shape(in.tgt, in.encoded));
    const Rows<S> y(result.output.data(), rows.rows(), in.tgt.width);
    const Rows<const S> encoded(plan.gathered != nullptr ? plan.gathered : in.encoded.data,
                                plan.attentions.cross.key_rows.rows(), in.encoded.width);
    run_team(call.threads, [&](Team& team) {
      const Runner<S, std::remove_const_t<decltype(tracer)>> runner(team, plan.scratch, y.count, tracer);
      if (!in.tgt.contiguous()) gather(team, in.tgt, y.data);
      if (plan.gathered != nullptr) gather(team, in.encoded, plan.gathered);
      Rows<const S> x(in.tgt.contiguous() ? in.tgt.data : y.data, y.count, y.width);
      for (Index i = 0; i < layers.count; ++i, x = y) {
        OwnCopy<DecoderAttentions<S>> attentions = plan.attentions;
        const Index heads = attentions.self.heads;
        attentions.configure(layers[i]);
        attentions.self.set_layer(in.masks.tgt_mask, head_scale_of(in.masks.head_scale, i, heads),
                                  sink_of<S>(result.self_attn, i));
        attentions.cross.set_layer(in.masks.memory_mask, head_scale_of(in.masks.memory_head_scale, i, heads),
                                   sink_of<S>(result.cross_attn, i));
        const PrefetchOrder<S> order = layers.prefetch_order(i);
        const auto in_layer = runner.in_layer(i, order);
        layers[i].project_encoded(in_layer.over(encoded.count), encoded, attentions.cross);
        layers[i](in_layer, x, y, attentions);
      }
      layers.final_norm(runner, y);
    });
  }
};

}  // namespace detail

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
