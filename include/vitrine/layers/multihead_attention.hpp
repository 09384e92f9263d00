// MultiheadAttention: softmax(Q_h K_h^T / sqrt(D) + mask) V_h for H heads side by side, then one projection (Vaswani et
// al. 2017, section 3.2.2); nn.MultiheadAttention.
//
//   vt::MultiheadAttention<float> mha({.embed_dim = 64, .num_heads = 4});
//   auto r = mha(x, {.mask = vt::causal()});         r.self_attn.matrix(b, h):  T x T
//   auto r = mha(query, key, value);                 r.cross_attn.matrix(b, h): T x S
// A map has one more column with add_bias_kv, and one more with add_zero_attn.
#pragma once
#include <vitrine/run/attention_core.hpp>
#include <vitrine/run/encoder_call.hpp>

namespace vitrine::inline VITRINE_ABI {

// What a call may be given: a mask over T x S, and factors of the heads.
template <class S>
struct AttentionMasks {
  Mask<S> mask = {};
  std::span<const S> head_scale = {};  // H factors of the heads' contexts; 0 switches a head off, its map stays
};
// What mha(x) returns: output (B, T, E) and self_attn.
template <class K, class S>
using SelfResult = Result<S, typename K::template map<S, 0>, NoSuch<1>>;
// What mha(query, key, value) returns: output (B, T, E) and cross_attn.
template <class K, class S>
using CrossResult = Result<S, NoSuch<0>, typename K::template map<S, 1>>;

template <class S, Dims D = Dims{}>
class MultiheadAttention : public Module<MultiheadAttention<S, D>, S> {
 public:
  // The last argument but one of a call.
  using Masks = AttentionMasks<S>;

  constexpr MultiheadAttention() noexcept requires(D.fixed()) : MultiheadAttention(AttentionConfig{}) {}
  // Not loaded until vt::load, bind or init. `memory`: where parameters and fresh results come from. Wrong sizes are
  // bad_config at the first call.
  constexpr explicit MultiheadAttention(const AttentionConfig& config,
                                        const Memory* memory = detail::default_memory<D>()) noexcept
      : Module<MultiheadAttention, S>(memory), core_(sized(config)) {
    detail::check_dims<D>();
  }

  // The configuration, fixed sizes filled in.
  const AttentionConfig& config() const noexcept { return core_.config; }

  // Self-attention of x (B, T, E). The output is (B, T, E). Allocates only to grow result and workspace. bad_config,
  // bad_shape, bad_mask, not_loaded, not_supported (what `keep` asks), overlap, workspace_too_small, result_too_small,
  // out_of_memory: all before any work.
  template <class K = DefaultKeep, class F = NoTrace>
  Status forward_into(SelfResult<K, S>& result, Workspace& workspace, const Sequences<S>& x, const Masks& masks = {},
                      const K& keep = {}, F&& trace = {}) const noexcept {
    return run<K>(result.output, result.self_attn, Which::self, workspace, x, x, x, masks, keep, trace);
  }
  // Attention of query (B, T, E) to key (B, S, kdim) and value (B, S, vdim). Memory and errors as above.
  template <class K = DefaultKeep, class F = NoTrace>
  Status forward_into(CrossResult<K, S>& result, Workspace& workspace, const Sequences<S>& query,
                      const Sequences<S>& key, const Sequences<S>& value, const Masks& masks = {}, const K& keep = {},
                      F&& trace = {}) const noexcept {
    return run<K>(result.output, result.cross_attn, Which::cross, workspace, query, key, value, masks, keep, trace);
  }
#if VITRINE_EXCEPTIONS
  // The same with fresh results and scratch from memory(). Throws StatusError.
  template <class K = DefaultKeep, class F = NoTrace>
  SelfResult<K, S> operator()(const Sequences<S>& x, const Masks& masks = {}, const K& keep = {},
                              F&& trace = {}) const {
    SelfResult<K, S> result;
    Workspace workspace(this->memory());
    throw_if_failed(forward_into(result, workspace, x, masks, keep, trace));
    return result;
  }
  template <class K = DefaultKeep, class F = NoTrace>
  CrossResult<K, S> operator()(const Sequences<S>& query, const Sequences<S>& key, const Sequences<S>& value,
                               const Masks& masks = {}, const K& keep = {}, F&& trace = {}) const {
    CrossResult<K, S> result;
    Workspace workspace(this->memory());
    throw_if_failed(forward_into(result, workspace, query, key, value, masks, keep, trace));
    return result;
  }
#endif

  // Bytes of scratch of a call on contiguous, equally long sequences. With `keep`, exactly that of calls with this
  // policy: with fixed dimensions, kept weights of all heads hold the scores meanwhile.
  template <class K = detail::AnyMaps>
  constexpr std::size_t workspace_bytes(const Shape& shape, int threads = 1, const K& keep = {}) const noexcept {
    Arena arena;
    plan(arena, threads, shape.batch, shape.length, shape.memory_rows(), {}, {},
         detail::kept_of<K, S>(D.fixed(), keep));
    return arena.used() + alignment;
  }
  template <class K = DefaultKeep>
  static constexpr std::size_t workspace_bytes() noexcept requires(D.fixed()) {
    Arena arena;
    MultiheadAttention{}.plan(arena, 1, D.max_batch, D.max_length, D.memory_bound(), {}, {},
                              detail::kept_of<K, S>(false));
    return arena.used() + alignment;
  }
  // The same of calls with a trace.
  template <class K = DefaultKeep>
  constexpr std::size_t traced_workspace_bytes(const Shape& shape, int threads = 1, const K& = {}) const noexcept {
    Arena arena;
    plan(arena, threads, shape.batch, shape.length, shape.memory_rows(), {}, {}, detail::kept_of<K, S>(false), nullptr,
         true);
    return arena.used() + alignment;
  }
  template <class K = DefaultKeep>
  static constexpr std::size_t traced_workspace_bytes() noexcept requires(D.fixed()) {
    return MultiheadAttention{}.template traced_workspace_bytes<K>(Shape{D.max_batch, D.max_length, D.memory_bound()});
  }
  // Bytes of the values of output and maps.
  template <class K = DefaultKeep>
  constexpr std::size_t result_bytes(const Shape& shape, const K& = {}) const noexcept {
    const Index keys = shape.memory_rows() + core_.extra();
    return detail::output_bytes<S>(shape, core_.embed) +
           detail::map_bytes<K, S>(1, shape.batch, core_.heads, shape.length, keys);
  }
  // Without the columns of add_bias_kv and add_zero_attn.
  template <class K = DefaultKeep>
  static constexpr std::size_t result_bytes() noexcept requires(D.fixed()) {
    return detail::output_bytes<S>({D.max_batch, D.max_length}, D.d_model) +
           detail::map_bytes<K, S>(1, D.max_batch, D.nhead, D.max_length, D.memory_bound());
  }
  // Two for each multiply-add of the products; attention over all pairs.
  double flops(const Shape& shape) const noexcept {
    const double memory = double(shape.memory_rows()), b = double(shape.batch);
    return 2 * core_.work(b * double(shape.length), b * memory, b * double(shape.length) * memory);
  }

  template <class Self, class F>
  static constexpr void visit_parameters(Self& self, detail::NamePath& path, F& visit) {
    detail::AttentionCore<S>::parameters(self.core_, path, visit);
  }

 private:
  struct Plan {
    detail::Scratch<S> scratch;
    detail::RowMap rows, memory_rows;
    detail::KeyValues<S> memory;
    S *query, *context, *gathered[3];  // query and context in one place, see EncoderLayerCore::Plan
    detail::TraceMaps<S> shown;
  };
  static constexpr AttentionConfig sized(AttentionConfig c) {
    c.embed_dim = detail::agree(D.d_model, c.embed_dim);
    c.num_heads = detail::agree(D.nhead, c.num_heads);
    c.kdim = detail::agree(D.kdim, c.kdim);
    c.vdim = detail::agree(D.vdim, c.vdim);
    return c;
  }

  constexpr Plan plan(Arena& arena, int threads, Index batch, Index length, Index memory_length,
                      std::span<const Index> lengths, std::span<const Index> memory_lengths, detail::Kept kept,
                      const bool gather[3] = nullptr, bool traced = false) const {
    Plan p{};
    const Index rows = batch * length, memory_rows = batch * memory_length;
    p.rows = detail::plan_rows(arena, batch, length, lengths);
    p.memory_rows = detail::plan_rows(arena, batch, memory_length, memory_lengths);
    p.query = arena.take<S>(rows * core_.embed);
    p.context = traced ? arena.take<S>(rows * core_.embed) : p.query;
    if (traced) p.shown = detail::TraceMaps<S>::plan(arena, rows * core_.heads * (memory_length + core_.extra()));
    p.memory =
        detail::KeyValues<S>::plan(arena, batch, core_.heads, core_.width, core_.width, memory_length + core_.extra());
    const Index widths[3] = {core_.embed, core_.kdim, core_.vdim};
    for (int i = 0; i < 3; ++i)
      p.gathered[i] =
          gather != nullptr && gather[i] ? arena.take<S>((i == 0 ? rows : memory_rows) * widths[i]) : nullptr;
    auto sizes = core_.sizes(memory_length);
    sizes.figures = kept.figures, sizes.in_maps = kept.in_maps && !traced;
    p.scratch = detail::Scratch<S>::plan(arena, threads, rows > memory_rows ? rows : memory_rows, sizes, traced);
    return p;
  }

  Status check(const Sequences<S>& query, const Sequences<S>& key, const Sequences<S>& value,
               const Masks& masks) const noexcept {
    if (Status s = core_.check(); s != Status::ok) return s;
    using detail::check_input;
    if (Status s = check_input(query, core_.embed, "the query's width must be embed_dim"); s != Status::ok) return s;
    if (Status s = check_input(key, core_.kdim, "the key's width must be kdim"); s != Status::ok) return s;
    if (Status s = check_input(value, core_.vdim, "the value's width must be vdim"); s != Status::ok) return s;
    if (key.batch != query.batch)
      return {Status::bad_shape, "query and key must have the same batch", key.batch, query.batch};
    if (value.batch != key.batch)
      return {Status::bad_shape, "key and value must have the same batch", value.batch, key.batch};
    for (Index b = 0; b < key.batch; ++b)
      if (value.length_of(b) != key.length_of(b))
        return {Status::bad_shape, "key and value must have the same length", value.length_of(b), key.length_of(b)};
    if (Status s = check_mask(masks.mask, query.batch, core_.heads, query.length, key.length); s != Status::ok)
      return s;
    if (!masks.head_scale.empty() && Index(masks.head_scale.size()) != core_.heads)
      return {Status::bad_mask, "head_scale must have one factor for each head", Index(masks.head_scale.size()),
              core_.heads};
    return this->check_loaded();
  }

  template <class K, class M, class F>
  Status run(Tensor<S>& output, M& maps, Which kind, Workspace& workspace, const Sequences<S>& query,
             const Sequences<S>& key, const Sequences<S>& value, const Masks& masks, const K& keep,
             F& trace) const noexcept {
    if (Status s = check(query, key, value, masks); s != Status::ok) return s;
    output.use(this->memory());
    for (const Sequences<S>* x : {&query, &key, &value})
      if (Status s = detail::check_overlap(output, query.rows() * core_.embed, *x); s != Status::ok) return s;
    if (Status s = output.resize_like(query, core_.embed); s != Status::ok) return s;
    const MapShape shape{
        1,           query.batch,  core_.heads, query.length, key.length + core_.extra(), query.lengths,
        key.lengths, core_.extra()};
    if (Status s = detail::prepare_maps(maps, this->memory(), shape, keep.selection, kind); s != Status::ok) return s;

    const Index rows = query.rows(), memory_rows = key.rows();
    const int threads =
        detail::team_size(workspace, core_.work(double(rows), double(memory_rows), double(rows) * double(key.length)));
    const bool gather[3] = {!query.contiguous(), !key.contiguous(), !value.contiguous()};
    const auto planned = [&](std::byte* base) {
      Arena arena(base);
      Plan p = plan(arena, threads, query.batch, query.length, key.length, query.lengths, key.lengths,
                    detail::kept_by<M>(D.fixed(), keep.selection), gather, detail::traced<F>);
      return detail::Planned<Plan>{p, arena.used()};
    };
    if (Status s = workspace.reserve(planned(nullptr).bytes); s != Status::ok) return s;
    const Plan p = planned(workspace.data()).plan;
    const auto sink = detail::sink_of<S>(maps, 0);
    const auto shown = detail::trace_layout<F>(shape);
    const auto tracer = detail::tracer_of<S>(trace, false, p.rows, p.shown, &shown).of(0);

    run_team(threads, [&](Team& team) {
      const Sequences<S>* inputs[3] = {&query, &key, &value};
      const S* x[3];
      for (int i = 0; i < 3; ++i) {
        if (gather[i]) detail::gather(team, *inputs[i], p.gathered[i]);
        x[i] = gather[i] ? p.gathered[i] : inputs[i]->data;
      }
      detail::for_rows(team, tracer, rows, [&](Team& t, Index first, Index last) {
        core_.project(t, p.scratch, 0, x[0] + first * core_.embed, core_.embed, last - first,
                      p.query + first * core_.embed, core_.embed);
        core_.show(t, tracer, "q", p.query, core_.embed, p.rows);
      });
      detail::for_rows(team, tracer, memory_rows, [&](Team& t, Index first, Index last) {
        core_.project_memory(t, p.scratch, x[1] + first * core_.kdim, core_.kdim, x[2] + first * core_.vdim, core_.vdim,
                             first, last, p.memory_rows, 0, p.memory, tracer);
      });
      core_.append_extra(team, p.memory_rows, p.memory);
      const Mask<S>* mask = masks.mask.any() ? &masks.mask : nullptr;
      const S* head_scale = masks.head_scale.empty() ? nullptr : masks.head_scale.data();
      detail::attend(team, p.scratch,
                     core_.all_heads(p.query, p.rows, p.memory, p.memory_rows, mask, head_scale, p.context, sink),
                     core_.heads, tracer);
      detail::for_rows(team, tracer, rows, [&](Team& t, Index first, Index last) {
        core_.project_out(t, p.scratch, p.context + first * core_.embed, core_.embed, last - first,
                          output.data() + first * core_.embed, core_.embed, nullptr, 0, tracer);
      });
    });
    return {};
  }

  detail::AttentionCore<S> core_;
};

}  // namespace vitrine::inline VITRINE_ABI
