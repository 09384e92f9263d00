// MultiheadAttention: softmax(Q_h K_h^T / sqrt(D) + mask) V_h for H heads side by side, then one projection (Vaswani et
// al. 2017, section 3.2.2); nn.MultiheadAttention.
//
//   vt::MultiheadAttention<float> mha({.embed_dim = 64, .num_heads = 4});
//   auto r = mha(x, {.mask = vt::causal()});         r.self_attn.matrix(b, h):  T x T
//   auto r = mha(query, key, value);                 r.cross_attn.matrix(b, h): T x S
// A map has one more column with add_bias_kv, and one more with add_zero_attn.
#pragma once
#include <vitrine/layers/attention.hpp>
#include <vitrine/run/stack_forward.hpp>

#include <vitrine/core/macros_push.hpp>

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
class MultiheadAttention : public SizedModule<MultiheadAttention<S, D>, S, D> {
  using Core = detail::AttentionCore<S, !D.fixed(), D.weights>;

 public:
  // The last argument but one of a call.
  using Masks = AttentionMasks<S>;

  constexpr MultiheadAttention() noexcept requires(D.fixed()) : MultiheadAttention(AttentionConfig{}) {}
  // Not loaded until vt::load, bind or init. `memory`: where parameters and fresh results come from. Wrong sizes are
  // bad_config at the first call.
  constexpr explicit MultiheadAttention(const AttentionConfig& config,
                                        const Memory* memory = detail::default_memory<D>()) noexcept
      : SizedModule<MultiheadAttention, S, D>(memory), config_(sized(config)), core_(config_) {
    detail::check_dims<D>();
    detail::check_storage<S, D>();
    if constexpr (!D.fixed()) core_.compute_frequencies(memory);
  }

  // The configuration, fixed sizes filled in.
  const AttentionConfig& config() const noexcept { return config_; }

  // Self-attention of x (B, T, E). The output is (B, T, E). Allocates only to grow result and workspace. bad_config,
  // bad_shape, bad_mask, not_loaded, not_supported (what `keep` asks), overlap, workspace_too_small, result_too_small,
  // out_of_memory: all before any work.
  template <class K = DefaultKeep, class F = NoTrace>
  Status forward_into(SelfResult<K, S>& result, Workspace& workspace, const Sequences<S>& x, const Masks& masks = {},
                      const K& keep = {}, F&& trace = {}) const noexcept {
    return forward(result.output, result.self_attn, workspace, {x, x, x, masks, keep.selection, Which::self}, trace);
  }
  // Attention of query (B, T, E) to key (B, S, kdim) and value (B, S, vdim). Memory and errors as above.
  template <class K = DefaultKeep, class F = NoTrace>
  Status forward_into(  // NOLINT(readability-function-size): PyTorch's arguments, then the result's
      CrossResult<K, S>& result, Workspace& workspace, const Sequences<S>& query, const Sequences<S>& key,
      const Sequences<S>& value, const Masks& masks = {}, const K& keep = {}, F&& trace = {}) const noexcept {
    return forward(result.output, result.cross_attn, workspace,
                   {query, key, value, masks, keep.selection, Which::cross}, trace);
  }
#if VITRINE_EXCEPTIONS
  // The same with fresh results and scratch from memory(). Throws StatusError.
  template <class K = DefaultKeep, class F = NoTrace>
  SelfResult<K, S> operator()(const Sequences<S>& x, const Masks& masks = {}, const K& keep = {},
                              F&& trace = {}) const {
    return this->template fresh<SelfResult<K, S>>(x, masks, keep, trace);
  }
  template <class K = DefaultKeep, class F = NoTrace>
  CrossResult<K, S> operator()(const Sequences<S>& query, const Sequences<S>& key, const Sequences<S>& value,
                               const Masks& masks = {}, const K& keep = {}, F&& trace = {}) const {
    return this->template fresh<CrossResult<K, S>>(query, key, value, masks, keep, trace);
  }
#endif

  // As Module's: bad_config, out_of_memory.
  Status check_config() const noexcept { return core_.check(); }

  template <class Self, class F>
  static constexpr void visit_parameters(Self& self, detail::NamePath& path, F& visit) {
    Core::parameters(self.core_, path, visit);
  }

 private:
  friend SizedModule<MultiheadAttention, S, D>;
  struct Inputs {
    const Sequences<S>&query, &key, &value;
    const Masks& masks;
    const Selection& selection;
    Which kind;
  };
  struct Plan {
    detail::AttentionCall<S> attention;
    detail::Scratch<S> scratch;
    S* gathered[3];
    detail::TraceMaps<S> shown;
  };
  static constexpr AttentionConfig sized(AttentionConfig c) {
    c.embed_dim = detail::agree(D.d_model, c.embed_dim);
    c.num_heads = detail::agree(D.nhead, c.num_heads);
    c.kdim = detail::agree(D.kdim, c.kdim);
    c.vdim = detail::agree(D.vdim, c.vdim);
    return c;
  }
  constexpr std::size_t scratch_bytes(const detail::CallShape& call) const {
    return detail::planned_bytes([&](Arena& arena) { return plan(arena, call); });
  }
  // Of either call form. Static result_bytes() is without the columns of add_bias_kv and add_zero_attn.
  constexpr detail::MapExtents map_extents(const Shape& shape) const {
    return {.heads = core_.heads,
            .self_keys = sizes::sum(shape.memory_rows(), core_.extra()),
            .width = core_.embed,
            .self_kind = Which::self | Which::cross};
  }
  double work(double rows, double key_rows, Index keys) const {
    return core_.work(rows, key_rows, rows * double(keys));
  }
  double multiply_adds(const Shape& shape) const {
    return work(double(sizes::product(shape.batch, shape.length)), double(shape.batch) * double(shape.memory_rows()),
                shape.memory_rows());
  }

  constexpr Plan plan(Arena& arena, const detail::CallShape& call) const {
    Plan p{};
    const Shape& shape = call.shape;
    const Index rows = sizes::product(shape.batch, shape.length);
    const Index key_rows = sizes::product(shape.batch, shape.memory_length);
    const Index keys = sizes::sum(shape.memory_length, core_.extra());
    p.attention.query_rows = detail::plan_rows(arena, shape.batch, shape.length, call.lengths);
    p.attention.key_rows = detail::plan_rows(arena, shape.batch, shape.memory_length, call.memory_lengths);
    core_.plan_queries(arena, rows, p.attention, call.traced);
    core_.plan_positions(arena, 0, shape.length, shape.memory_length, p.attention);
    if (call.traced) p.shown = detail::TraceMaps<S>::plan(arena, rows, core_.heads, keys);
    p.attention.key_values = detail::KeyValues<S>::plan(arena, shape.batch, core_.layout(shape.memory_length));
    const Index widths[3] = {core_.embed, core_.kdim, core_.vdim};
    for (int i = 0; i < 3; ++i) p.gathered[i] = call.gather[i] ? arena.take<S>(call.gathered(i), widths[i]) : nullptr;
    p.scratch =
        detail::plan_scratch<S>(arena, call, rows > key_rows ? rows : key_rows, core_.sizes(shape.memory_length));
    return p;
  }

  Status check(const Inputs& in) const noexcept {
    const Sequences<S>&query = in.query, &key = in.key, &value = in.value;
    if (Status s = check_config(); s != Status::ok) return s;
    using detail::check_input;
    if (Status s = check_input(query, core_.embed, "the query's width must be embed_dim"); s != Status::ok) return s;
    if (Status s = check_input(key, core_.kdim, "the key's width must be kdim"); s != Status::ok) return s;
    if (Status s = check_input(value, core_.vdim, "the value's width must be vdim"); s != Status::ok) return s;
    if (key.batch != query.batch)
      return {Status::bad_shape, "query and key must have the same batch", key.batch, query.batch};
    if (value.batch != key.batch)
      return {Status::bad_shape, "key and value must have the same batch", value.batch, key.batch};
    const Index lengths = key.ragged() || value.ragged() ? key.batch : Index(key.batch > 0);  // others have one
    for (Index b = 0; b < lengths; ++b)
      if (value.length_of(b) != key.length_of(b))
        return {Status::bad_shape, "key and value must have the same length", value.length_of(b), key.length_of(b)};
    if (Status s = core_.check_mask(in.masks.mask, query.batch, query.length, key.length); s != Status::ok) return s;
    if (Status s = detail::check_head_scale(in.masks.head_scale, 1, core_.heads); s != Status::ok) return s;
    return this->check_loaded();
  }
  MapShape map_shape(const Inputs& in) const noexcept {
    return {1,
            in.query.batch,
            core_.heads,
            in.query.length,
            in.key.length + core_.extra(),
            in.query.lengths,
            in.key.lengths,
            core_.extra()};
  }

  template <class M, class F>
  Status forward(Tensor<S>& output, M& maps, Workspace& workspace, const Inputs& in, F& trace) const noexcept {
    if (Status s = check(in); s != Status::ok) return s;
    output.use(this->memory());
    if (Status s = detail::prepare_output(output, core_.embed, in.query, in.key, in.value); s != Status::ok) return s;
    if (Status s = detail::prepare_maps(maps, this->memory(), map_shape(in), in.selection, in.kind); s != Status::ok)
      return s;
    const detail::CallShape call{
        .shape = {in.query.batch, in.query.length, in.key.length},
        .lengths = in.query.lengths,
        .memory_lengths = in.key.lengths,
        .threads = workspace.threads_for(work(double(in.query.rows()), double(in.key.rows()), in.key.length)),
        .kept = detail::kept_by<M>(D.fixed(), in.selection),
        .traced = detail::traced<F>,
        .gather = {!in.query.contiguous(), !in.key.contiguous(), !in.value.contiguous()}};
    if (Status s = workspace.reserve(scratch_bytes(call)); s != Status::ok) return s;
    run(output, maps, workspace, in, call, trace);
    return {};
  }
  template <class M, class F>
  void run(Tensor<S>& output, M& maps, Workspace& workspace, const Inputs& in, const detail::CallShape& call,
           F& trace) const noexcept {
    using detail::Rows;
    Arena arena(workspace.data());
    Plan p = plan(arena, call);
    core_.configure(p.attention);
    p.attention.set_layer(in.masks.mask, detail::head_scale_of(in.masks.head_scale, 0, core_.heads),
                          detail::sink_of<S>(maps, 0));
    const auto tracer = detail::tracer_of<S>(trace, false, p.attention.query_rows, p.shown, map_shape(in));
    const auto rows_of = [&](int i, const Sequences<S>& x) {
      return Rows<const S>(p.gathered[i] != nullptr ? p.gathered[i] : x.data, x.rows(), x.width);
    };
    const Rows<const S> query = rows_of(0, in.query), key = rows_of(1, in.key), value = rows_of(2, in.value);
    const Rows<S> y(output.data(), query.count, core_.embed);
    run_team(call.threads, [&](Team& team) {
      const detail::Runner<S, std::remove_const_t<decltype(tracer)>> whole(team, p.scratch, y.count, tracer);
      detail::PrefetchOrder<S> order;
      core_.add_to(order);
      const auto runner = whole.in_layer(-1, order);
      const Sequences<S>* const inputs[3] = {&in.query, &in.key, &in.value};
      for (int i = 0; i < 3; ++i)
        if (p.gathered[i] != nullptr) detail::gather(team, *inputs[i], p.gathered[i]);
      runner.blocks([&](auto& block) { core_.project_queries(block, block.rows_of(query), p.attention); });
      runner.over(key.count).blocks([&](auto& block) {
        core_.project_keys_values(block, block.rows_of(key), block.rows_of(value), p.attention);
      });
      core_.append_extra(team, p.attention);
      detail::attend_heads(runner, p.attention);
      runner.blocks([&](auto& block) { core_.project_out(block, p.attention, block.rows_of(y)); });
    });
  }

  AttentionConfig config_;
  Core core_;
};

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
