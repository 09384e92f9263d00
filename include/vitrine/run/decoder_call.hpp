// The frame of a decoder call. Shared by DecoderLayer, Decoder and the decoding steps. Internal but for DecoderMasks.
#pragma once
#include <vitrine/run/attention_core.hpp>
#include <vitrine/run/encoder_call.hpp>

namespace vitrine::inline VITRINE_ABI {

// What a decoder's call may be given: masks over T x T and over T x S, and factors of the heads.
template <class S>
struct DecoderMasks {
  Mask<S> tgt_mask = {}, memory_mask = {};
  // H factors of the contexts of the self-attention's and of the cross-attention's heads (a stack also takes layers x
  // H).
  std::span<const S> head_scale = {}, memory_head_scale = {};
};

namespace detail {

// What one layer is called with.
template <class S>
struct DecoderPass {
  RowMap rows = {}, memory_rows = {};
  KeyValues<S> self = {}, cross = {};
  Index past = 0;     // keys that `self` holds already
  Index sharing = 1;  // consecutive sequences (beams) with one memory
  const Mask<S>*tgt_mask = nullptr, *memory_mask = nullptr;
  const S *head_scale = nullptr, *memory_head_scale = nullptr;
  MapSink<S> self_sink = {}, cross_sink = {};
};

template <class S>
struct DecoderPlan {
  S *query = nullptr, *context = nullptr;  // (rows, E); may be one place, see EncoderLayerCore::Plan
  Scratch<S> scratch = {};
};

template <class S>
void copy_rows(Team& team, const S* from, S* to, Index rows, Index width) {
  team.split(rows, [&](Index first, Index last) {
    for (Index i = first * width; i < last * width; ++i) to[i] = from[i];
  });
  team.barrier();
}

// Everything a call over whole sequences takes from the workspace.
template <class S>
struct DecoderWorkspace {
  DecoderPlan<S> plan = {};
  DecoderPass<S> pass = {};
  S* gathered = nullptr;  // the memory, when its rows do not stand one after another
  TraceMaps<S> shown = {};
};
template <class S, class Core>
constexpr DecoderWorkspace<S> plan_decoder(const Core& core, Arena& arena, int threads, const Shape& shape,
                                           std::span<const Index> lengths, std::span<const Index> memory_lengths,
                                           bool gather_memory, bool packed, Kept kept, bool traced = false) {
  DecoderWorkspace<S> w;
  const Index width = core.config.d_model, heads = core.self_attn.heads, head = core.self_attn.width;
  w.pass.rows = plan_rows(arena, shape.batch, shape.length, lengths);
  w.pass.memory_rows = plan_rows(arena, shape.batch, shape.memory_length, memory_lengths);
  w.pass.self = KeyValues<S>::plan(arena, shape.batch, heads, head, head, shape.length);
  w.pass.cross = KeyValues<S>::plan(arena, shape.batch, heads, head, head, shape.memory_length);
  w.plan.query = arena.take<S>(shape.batch * shape.length * width);
  w.plan.context = traced ? arena.take<S>(shape.batch * shape.length * width) : w.plan.query;
  w.gathered = gather_memory ? arena.take<S>(shape.batch * shape.memory_length * width) : nullptr;
  const Index most = shape.length > shape.memory_length ? shape.length : shape.memory_length;
  if (traced) w.shown = TraceMaps<S>::plan(arena, shape.batch * heads * shape.length * most);
  auto sizes = core.sizes(shape.length, shape.memory_length);
  if (packed) sizes.depth = 0;
  sizes.figures = kept.figures, sizes.in_maps = kept.in_maps && !traced;
  w.plan.scratch = Scratch<S>::plan(arena, threads, shape.batch * most, sizes, traced);
  return w;
}
template <class Core>
constexpr std::size_t decoder_workspace(const Core* core, Index count, Shape shape, int threads, Kept kept,
                                        bool traced = false) {
  if (count <= 0) return 0;
  shape.memory_length = shape.memory_rows();
  using S = std::remove_cvref_t<decltype(core->norm1.eps)>;
  Arena arena;
  (void)plan_decoder<S>(core[0], arena, threads, shape, {}, {}, false, all_packed(core, count), kept, traced);
  return arena.used() + alignment;
}

// tgt through all layers of a decoder.
template <class S, class Owner, class Core, class R, class M, class F>
Status forward_decoder(const Owner& owner, const Layers<S, Core>& layers, R& result, Workspace& workspace,
                       const Sequences<S>& tgt, const Sequences<S>& memory, const M& masks, const Selection& selection,
                       F& trace) noexcept {
  if (layers.count <= 0) return {Status::bad_config, "num_layers must be positive", layers.count};
  const Core& first = layers.core[0];
  const Index width = first.config.d_model, heads = first.config.nhead;
  if (Status s = first.check(); s != Status::ok) return s;
  if (Status s = check_input(tgt, width, "the target's width must be d_model"); s != Status::ok) return s;
  if (Status s = check_input(memory, width, "the memory's width must be d_model"); s != Status::ok) return s;
  if (memory.batch != tgt.batch)
    return {Status::bad_shape, "target and memory must have the same batch", memory.batch, tgt.batch};
  if (Status s = check_mask(masks.tgt_mask, tgt.batch, heads, tgt.length, tgt.length); s != Status::ok) return s;
  if (Status s = check_mask(masks.memory_mask, tgt.batch, heads, tgt.length, memory.length); s != Status::ok) return s;
  if (Status s = check_head_scale(masks.head_scale, layers.count, heads); s != Status::ok) return s;
  if (Status s = check_head_scale(masks.memory_head_scale, layers.count, heads); s != Status::ok) return s;
  if (!owner.loaded()) return {Status::not_loaded, "a parameter has no values yet: call load, bind or init first"};

  result.output.use(owner.memory());
  if (Status s = check_overlap(result.output, tgt.rows() * width, tgt); s != Status::ok) return s;
  if (Status s = check_overlap(result.output, tgt.rows() * width, memory); s != Status::ok) return s;
  if (Status s = result.output.resize_like(tgt, width); s != Status::ok) return s;
  const MapShape self{layers.count, tgt.batch, heads, tgt.length, tgt.length, tgt.lengths, tgt.lengths, 0};
  const MapShape cross{layers.count, tgt.batch, heads, tgt.length, memory.length, tgt.lengths, memory.lengths, 0};
  if (Status s = prepare_maps(result.self_attn, owner.memory(), self, selection, Which::self); s != Status::ok)
    return s;
  if (Status s = prepare_maps(result.cross_attn, owner.memory(), cross, selection, Which::cross); s != Status::ok)
    return s;

  const double rows = double(tgt.rows());
  const int threads =
      team_size(workspace, double(layers.count) * first.work(rows, double(memory.rows()), rows * double(tgt.length),
                                                             rows * double(memory.length)));
  const auto planned = [&](std::byte* base) {
    Arena arena(base);
    auto plan =
        plan_decoder<S>(first, arena, threads, {tgt.batch, tgt.length, memory.length}, tgt.lengths, memory.lengths,
                        !memory.contiguous(), all_packed(layers.core, layers.count),
                        kept_by<std::remove_cvref_t<decltype(result.self_attn)>>(Owner::fixed, selection), traced<F>);
    return Planned<DecoderWorkspace<S>>{plan, arena.used()};
  };
  if (Status s = workspace.reserve(planned(nullptr).bytes); s != Status::ok) return s;
  const DecoderWorkspace<S> w = planned(workspace.data()).plan;

  S* const y = result.output.data();
  const MapLayout shown_self = trace_layout<F>(self), shown_cross = trace_layout<F>(cross);
  const auto tracer = tracer_of<S>(trace, layers.stack, w.pass.rows, w.shown, &shown_self, &shown_cross);
  run_team(threads, [&](Team& team) {
    DecoderPass<S> pass = w.pass;
    pass.tgt_mask = masks.tgt_mask.any() ? &masks.tgt_mask : nullptr;
    pass.memory_mask = masks.memory_mask.any() ? &masks.memory_mask : nullptr;
    const S* in = tgt.data;
    if (!tgt.contiguous()) gather(team, tgt, y), in = y;
    if (w.gathered != nullptr) gather(team, memory, w.gathered);
    for (Index i = 0; i < layers.count; ++i, in = y) {
      pass.head_scale = head_scale_of(masks.head_scale, i, heads);
      pass.memory_head_scale = head_scale_of(masks.memory_head_scale, i, heads);
      pass.self_sink = sink_of<S>(result.self_attn, i);
      pass.cross_sink = sink_of<S>(result.cross_attn, i);
      layers.core[i].read_memory(team, w.plan.scratch, w.gathered != nullptr ? w.gathered : memory.data, pass,
                                 tracer.of(i));
      layers.core[i](team, w.plan, in, y, pass, tracer.of(i));
    }
    if (layers.norm != nullptr)
      for_rows(team, tracer, pass.rows.rows(), [&](Team& t, Index from, Index to) {
        (*layers.norm)(t, y + from * width, width, y + from * width, width, to - from);
        tracer.rows(t, "norm", y, width);
      });
  });
  return {};
}

}  // namespace detail

}  // namespace vitrine::inline VITRINE_ABI
