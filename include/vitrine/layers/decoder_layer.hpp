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
#pragma once
#include <vitrine/layers/feed_forward.hpp>
#include <vitrine/run/attention_core.hpp>
#include <vitrine/run/decoder_call.hpp>

namespace vitrine::inline VITRINE_ABI {

namespace detail {

template <class S>
struct DecoderLayerCore {
  LayerConfig config = {};
  AttentionCore<S> self_attn, cross_attn;
  FeedForwardCore<S> feed_forward;
  Norm<S> norm1, norm2, norm3;

  constexpr DecoderLayerCore() = default;
  constexpr explicit DecoderLayerCore(const LayerConfig& c)
      : config(c),
        self_attn({.embed_dim = c.d_model, .num_heads = c.nhead, .bias = c.bias}),
        cross_attn(self_attn),
        feed_forward(c.d_model, c.dim_feedforward, c.activation, c.bias),
        norm1(c.d_model, c.layer_norm_eps, c.bias),
        norm2(norm1),
        norm3(norm1) {}

  // Keys and values of the memory's rows into `call.cross`. Not needed again while the memory stays the same.
  template <class Trace = Untraced>
  void read_memory(Team& team, const Scratch<S>& scratch, const S* memory, const DecoderPass<S>& call,
                   const Trace& trace = {}) const {
    const Index width = config.d_model;
    for_rows(team, trace, call.memory_rows.rows(), [&](Team& t, Index first, Index last) {
      cross_attn.project_memory(t, scratch, memory + first * width, width, memory + first * width, width, first, last,
                                call.memory_rows, 0, call.cross, trace.part("multihead_attn.", 1));
    });
  }

  // The layer, on every thread of a team. x and y: (rows, E); y may be x.
  template <class Trace = Untraced>
  void operator()(Team& team, const DecoderPlan<S>& p, const S* x, S* y, const DecoderPass<S>& call,
                  const Trace& trace = {}) const {
    const Index width = config.d_model, rows = call.rows.rows();
    const bool pre = config.norm_first;
    const auto self = trace.part("self_attn."), cross = trace.part("multihead_attn.", 1);

    for_rows(team, trace, rows, [&](Team& t, Index first, Index last) {  // q, k and v of every row
      const S* in = x + first * width;
      if (pre) {
        S* const normed = p.scratch.narrow.of(t);
        norm1(t, in, width, normed, width, last - first);
        trace.rows(t, "norm1", normed, width);
        in = normed;
      }
      self_attn.project(t, p.scratch, 0, in, width, last - first, p.query + first * width, width);
      self_attn.show(t, self, "q", p.query, width, call.rows);
      self_attn.project_memory(t, p.scratch, in, width, in, width, first, last, call.rows, call.past, call.self, self,
                               true);
    });

    auto heads = self_attn.all_heads(p.query, call.rows, call.self, call.rows, call.tgt_mask, call.head_scale,
                                     p.context, call.self_sink);
    heads.past = call.past;
    attend(team, p.scratch, heads, self_attn.heads, self);

    // y = x + self, and what the cross-attention asks
    for_rows(team, trace, rows, [&](Team& t, Index first, Index last) {
      const Index count = last - first;
      S* const a = p.scratch.narrow.of(t);
      self_attn.project_out(t, p.scratch, p.context + first * width, width, count, a, width, x + first * width, width,
                            self);
      t.barrier();
      trace.rows(t, "residual1", a, width);
      if (pre) {
        copy_rows(t, a, y + first * width, count, width);
        norm2(t, a, width, a, width, count);
        trace.rows(t, "norm2", a, width);
      } else {
        norm1(t, a, width, y + first * width, width, count);
        trace.rows(t, "norm1", y, width);
      }
      cross_attn.project(t, p.scratch, 0, pre ? a : y + first * width, width, count, p.query + first * width, width);
      cross_attn.show(t, cross, "q", p.query, width, call.rows);
    });

    heads = cross_attn.all_heads(p.query, call.rows, call.cross, call.memory_rows, call.memory_mask,
                                 call.memory_head_scale, p.context, call.cross_sink);
    heads.sharing = call.sharing;
    attend(team, p.scratch, heads, cross_attn.heads, cross);

    for_rows(team, trace, rows, [&](Team& t, Index first, Index last) {
      const Index count = last - first;
      S* const a = p.scratch.narrow.of(t);
      S* const out = y + first * width;
      cross_attn.project_out(t, p.scratch, p.context + first * width, width, count, a, width, out, width, cross,
                             feed_forward.weight1.panels());
      t.barrier();
      trace.rows(t, "residual2", a, width);
      if (pre) {
        norm3(t, a, width, out, width, count);
        trace.rows(t, "norm3", out, width);
        feed_forward(t, p.scratch, out, width, count, a, width, out, width, trace, cross_attn.out_proj.panels());
        trace.rows(t, "residual3", out, width);
      } else {
        norm2(t, a, width, a, width, count);
        trace.rows(t, "norm2", a, width);
        feed_forward(t, p.scratch, a, width, count, a, width, out, width, trace, cross_attn.out_proj.panels());
        trace.rows(t, "residual3", out, width);
        norm3(t, out, width, out, width, count);
        trace.rows(t, "norm3", out, width);
      }
      trace.rows(t, "output", out, width);
    });
  }

  constexpr typename Scratch<S>::Sizes sizes(Index length, Index memory_length) const {
    return self_attn.sizes(length > memory_length ? length : memory_length).max(feed_forward.sizes());
  }
  constexpr bool packed() const { return self_attn.packed() && cross_attn.packed() && feed_forward.packed(); }
  double work(double rows, double memory_rows, double pairs, double memory_pairs) const {
    return self_attn.work(rows, rows, pairs) + cross_attn.work(rows, memory_rows, memory_pairs) +
           feed_forward.work(rows);
  }
  Status check() const {
    if (Status s = self_attn.check(); s != Status::ok) return s;
    return feed_forward.check();
  }
  template <class Self, class F>
  static constexpr void parameters(Self& self, NamePath& path, F& visit) {
    visit_part(self.self_attn, "self_attn.", path, visit);
    visit_part(self.cross_attn, "multihead_attn.", path, visit);
    FeedForwardCore<S>::parameters(self.feed_forward, path, visit);
    visit_part(self.norm1, "norm1.", path, visit);
    visit_part(self.norm2, "norm2.", path, visit);
    visit_part(self.norm3, "norm3.", path, visit);
  }
};

}  // namespace detail

template <class S, Dims D = Dims{}>
class DecoderLayer : public Module<DecoderLayer<S, D>, S> {
 public:
  // Are all dimensions compile-time constants?
  static constexpr bool fixed = D.fixed();
  // The third argument of a call.
  using Masks = DecoderMasks<S>;

  constexpr DecoderLayer() noexcept requires(D.fixed()) : DecoderLayer(LayerConfig{}) {}
  // Not loaded until vt::load, bind or init. `memory`: where parameters and fresh results come from. Wrong sizes are
  // bad_config at the first call.
  constexpr explicit DecoderLayer(const LayerConfig& config,
                                  const Memory* memory = detail::default_memory<D>()) noexcept
      : Module<DecoderLayer, S>(memory), core_(detail::sized<D>(config)) {
    detail::check_dims<D>();
  }
  // The configuration, fixed sizes filled in.
  const LayerConfig& config() const noexcept { return core_.config; }

  // tgt (B, T, E) and memory (B, S, E) to result.output (B, T, E), with what `keep` says of both attentions. Allocates
  // only to grow result and workspace, before any work. bad_config, bad_shape, bad_mask, not_loaded, not_supported
  // (what `keep` asks), overlap, workspace_too_small, result_too_small, out_of_memory.
  template <class K = DefaultKeep, class F = NoTrace>
  Status forward_into(DecoderResult<K, S>& result, Workspace& workspace, const Sequences<S>& tgt,
                      const Sequences<S>& memory, const Masks& masks = {}, const K& keep = {},
                      F&& trace = {}) const noexcept {
    return detail::forward_decoder<S>(*this, detail::Layers<S, detail::DecoderLayerCore<S>>{&core_, 1}, result,
                                      workspace, tgt, memory, masks, keep.selection, trace);
  }
#if VITRINE_EXCEPTIONS
  // The same with fresh results and scratch from memory(). Throws StatusError.
  template <class K = DefaultKeep, class F = NoTrace>
  DecoderResult<K, S> operator()(const Sequences<S>& tgt, const Sequences<S>& memory, const Masks& masks = {},
                                 const K& keep = {}, F&& trace = {}) const {
    DecoderResult<K, S> result;
    Workspace workspace(this->memory());
    throw_if_failed(forward_into(result, workspace, tgt, memory, masks, keep, trace));
    return result;
  }
#endif

  // Bytes of scratch of a call on contiguous, equally long sequences. With `keep`, exactly that of calls with this
  // policy: with fixed dimensions, kept weights of all heads hold the scores meanwhile.
  template <class K = detail::AnyMaps>
  constexpr std::size_t workspace_bytes(const Shape& shape, int threads = 1, const K& keep = {}) const noexcept {
    return detail::decoder_workspace(&core_, 1, shape, threads, detail::kept_of<K, S>(D.fixed(), keep));
  }
  template <class K = DefaultKeep>
  static constexpr std::size_t workspace_bytes() noexcept requires(D.fixed()) {
    const detail::DecoderLayerCore<S> unbound(detail::sized<D>(LayerConfig{}));
    return detail::decoder_workspace(&unbound, 1, {D.max_batch, D.max_length, D.memory_bound()}, 1,
                                     detail::kept_of<K, S>(false));
  }
  // The same of calls with a trace.
  template <class K = DefaultKeep>
  constexpr std::size_t traced_workspace_bytes(const Shape& shape, int threads = 1, const K& = {}) const noexcept {
    return detail::decoder_workspace(&core_, 1, shape, threads, detail::kept_of<K, S>(false), true);
  }
  template <class K = DefaultKeep>
  static constexpr std::size_t traced_workspace_bytes() noexcept requires(D.fixed()) {
    const detail::DecoderLayerCore<S> unbound(detail::sized<D>(LayerConfig{}));
    return detail::decoder_workspace(&unbound, 1, {D.max_batch, D.max_length, D.memory_bound()}, 1,
                                     detail::kept_of<K, S>(false), true);
  }
  // Bytes of the values of output and maps.
  template <class K = DefaultKeep>
  constexpr std::size_t result_bytes(const Shape& shape, const K& = {}) const noexcept {
    const Index heads = core_.config.nhead;
    return detail::output_bytes<S>(shape, core_.config.d_model) +
           detail::map_bytes<K, S>(1, shape.batch, heads, shape.length, shape.length) +
           detail::map_bytes<K, S, 1>(1, shape.batch, heads, shape.length, shape.memory_rows());
  }
  template <class K = DefaultKeep>
  static constexpr std::size_t result_bytes() noexcept requires(D.fixed()) {
    return detail::output_bytes<S>({D.max_batch, D.max_length}, D.d_model) +
           detail::map_bytes<K, S>(1, D.max_batch, D.nhead, D.max_length, D.max_length) +
           detail::map_bytes<K, S, 1>(1, D.max_batch, D.nhead, D.max_length, D.memory_bound());
  }
  // Two for each multiply-add of the products; attention over all pairs.
  double flops(const Shape& shape) const noexcept {
    const double rows = double(shape.batch * shape.length), memory = double(shape.batch * shape.memory_rows());
    return 2 * core_.work(rows, memory, rows * double(shape.length), rows * double(shape.memory_rows()));
  }

  template <class Self, class F>
  static constexpr void visit_parameters(Self& self, detail::NamePath& path, F& visit) {
    detail::DecoderLayerCore<S>::parameters(self.core_, path, visit);
  }

 private:
  detail::DecoderLayerCore<S> core_;
};

}  // namespace vitrine::inline VITRINE_ABI
