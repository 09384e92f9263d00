// The frame of a call: checks, memory, then one parallel region through all layers. Shared by layers and stacks.
// Internal.
#pragma once
#include <vitrine/core/heap.hpp>
#include <vitrine/layers/layer_norm.hpp>
#include <vitrine/run/attention_core.hpp>
#include <vitrine/run/lane.hpp>
#include <vitrine/run/module.hpp>
#include <vitrine/run/trace.hpp>

namespace vitrine::inline VITRINE_ABI::detail {

template <class Part, class F>
constexpr void visit_part(Part& part, const char* name, NamePath& path, F& visit) {
  NamePath::Scope scope(path, name);
  std::remove_const_t<Part>::parameters(part, path, visit);
}

template <class Part, class F>
constexpr void visit_module(Part& part, const char* name, NamePath& path, F& visit) {
  NamePath::Scope scope(path, name);
  std::remove_const_t<Part>::visit_parameters(part, path, visit);
}

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

template <class S>
constexpr std::size_t output_bytes(const Shape& shape, Index width) {
  return std::size_t(shape.batch * shape.length * width) * sizeof(S);
}
// Bytes of all maps of one kind that policy K keeps of `layers` layers. Place: 0 self-attention, 1 cross-attention.
template <class K, class S, int Place = 0>
constexpr std::size_t map_bytes(Index layers, Index batch, Index heads, Index length, Index memory_length) {
  using M = typename K::template map<S, Place>;
  if constexpr (requires { M::count(layers, batch, heads, length, memory_length); })
    return std::size_t(M::count(layers, batch, heads, length, memory_length)) * sizeof(S);
  else
    return 0;
}

// The layers of one stack and its final norm or null; or one layer alone.
template <class S, class Core>
struct Layers {
  const Core* core = nullptr;
  Index count = 0;
  const Norm<S>* norm = nullptr;
  bool stack = false;
};

template <class S>
Status check_head_scale(std::span<const S> scale, Index layers, Index heads) {
  const Index size = Index(scale.size());
  if (size != 0 && size != heads && size != layers * heads)
    return {Status::bad_mask, "head_scale must have one factor for each head", size, heads};
  return {};
}
template <class S>
const S* head_scale_of(std::span<const S> scale, Index layer, Index heads) {
  if (scale.empty()) return nullptr;
  return scale.data() + (Index(scale.size()) == heads ? 0 : layer * heads);
}

template <class Core>
constexpr bool all_packed(const Core* core, Index count) {
  bool packed = true;
  for (Index i = 0; i < count; ++i) packed = packed && core[i].packed();
  return packed;
}
template <class Core>
constexpr std::size_t encoder_workspace(const Core* core, Index count, const Shape& shape, int threads, Kept kept,
                                        bool traced = false) {
  if (count <= 0) return 0;
  Arena arena;
  (void)core[0].plan(arena, threads, shape.batch, shape.length, {}, all_packed(core, count), kept, traced);
  return arena.used() + alignment;
}

// x through all layers of an encoder.
template <class S, class Owner, class Core, class R, class M, class F>
Status forward_encoder(const Owner& owner, const Layers<S, Core>& layers, R& result, Workspace& workspace,
                       const Sequences<S>& x, const M& masks, const Selection& selection, F& trace) noexcept {
  if (layers.count <= 0) return {Status::bad_config, "num_layers must be positive", layers.count};
  const Core& first = layers.core[0];
  const Index width = first.config.d_model, heads = first.config.nhead;
  if (Status s = first.check(); s != Status::ok) return s;
  if (Status s = check_input(x, width, "the input's width must be d_model"); s != Status::ok) return s;
  if (Status s = check_mask(masks.src_mask, x.batch, heads, x.length, x.length); s != Status::ok) return s;
  if (Status s = check_head_scale(masks.head_scale, layers.count, heads); s != Status::ok) return s;
  if (!owner.loaded()) return {Status::not_loaded, "a parameter has no values yet: call load, bind or init first"};

  result.output.use(owner.memory());
  if (Status s = check_overlap(result.output, x.rows() * width, x); s != Status::ok) return s;
  if (Status s = result.output.resize_like(x, width); s != Status::ok) return s;
  const MapShape shape{layers.count, x.batch, heads, x.length, x.length, x.lengths, x.lengths, 0};
  if (Status s = prepare_maps(result.self_attn, owner.memory(), shape, selection, Which::self); s != Status::ok)
    return s;

  const double rows = double(x.rows());
  const int threads = team_size(workspace, double(layers.count) * first.work(rows, rows * double(x.length)));
  const auto planned = [&](std::byte* base) {
    Arena arena(base);
    auto plan =
        first.plan(arena, threads, x.batch, x.length, x.lengths, all_packed(layers.core, layers.count),
                   kept_by<std::remove_cvref_t<decltype(result.self_attn)>>(Owner::fixed, selection), traced<F>);
    return Planned<decltype(plan)>{plan, arena.used()};
  };
  if (Status s = workspace.reserve(planned(nullptr).bytes); s != Status::ok) return s;
  const auto plan = planned(workspace.data()).plan;

  S* const y = result.output.data();
  const Mask<S>* mask = masks.src_mask.any() ? &masks.src_mask : nullptr;
  const MapLayout shown = trace_layout<F>(shape);
  const auto tracer = tracer_of<S>(trace, layers.stack, plan.rows, plan.shown, &shown);
  run_team(threads, [&](Team& team) {
    const S* in = x.data;
    if (!x.contiguous()) gather(team, x, y), in = y;
    for (Index i = 0; i < layers.count; ++i, in = y)
      layers.core[i](team, plan, in, y, mask, head_scale_of(masks.head_scale, i, heads),
                     sink_of<S>(result.self_attn, i), 0, tracer.of(i));
    if (layers.norm != nullptr)
      for_rows(team, tracer, plan.rows.rows(), [&](Team& t, Index from, Index to) {
        (*layers.norm)(t, y + from * width, width, y + from * width, width, to - from);
        tracer.rows(t, "norm", y, width);
      });
  });
  return {};
}

}  // namespace vitrine::inline VITRINE_ABI::detail
