// EncoderLayer: self-attention and feed-forward, each with a residual and a norm; nn.TransformerEncoderLayer.
//
//   norm_first = false:  x = norm1(x + attention(x));   x = norm2(x + feed_forward(x))      (Vaswani et al. 2017)
//   norm_first = true:   x = x + attention(norm1(x));   x = x + feed_forward(norm2(x))      (Xiong et al. 2020)
//
//   vt::EncoderLayer<float> layer({.d_model = 512, .nhead = 8});
//   auto [output, self_attn, cross_attn] = layer(x, {.src_mask = vt::causal()});    self_attn.matrix(b, h): T x T
#pragma once
#include <vitrine/layers/feed_forward.hpp>
#include <vitrine/layers/layer_norm.hpp>
#include <vitrine/run/attention_core.hpp>
#include <vitrine/run/encoder_call.hpp>

namespace vitrine::inline VITRINE_ABI {

// What an encoder's call may be given: a mask over T x T, and factors of the heads.
template <class S>
struct EncoderMasks {
  Mask<S> src_mask = {};
  std::span<const S> head_scale =
      {};  // H factors of the heads' contexts (a stack also takes layers x H); 0 switches a head off
};

namespace detail {

template <class S>
struct EncoderLayerCore {
  LayerConfig config = {};
  AttentionCore<S> self_attn;
  FeedForwardCore<S> feed_forward;
  Norm<S> norm1, norm2;

  constexpr EncoderLayerCore() = default;
  constexpr explicit EncoderLayerCore(const LayerConfig& c)
      : config(c),
        self_attn({.embed_dim = c.d_model, .num_heads = c.nhead, .bias = c.bias}),
        feed_forward(c.d_model, c.dim_feedforward, c.activation, c.bias),
        norm1(c.d_model, c.layer_norm_eps, c.bias),
        norm2(c.d_model, c.layer_norm_eps, c.bias) {}

  // Scratch and what lives from one phase to the next.
  struct Plan {
    RowMap rows;
    S *query, *context;  // (rows, E); one place: a head's context replaces the queries that it came from
    KeyValues<S> memory;
    Scratch<S> scratch;
    TraceMaps<S> shown;  // of a traced call, as a context of its own is
  };
  constexpr Plan plan(Arena& arena, int threads, Index batch, Index length, std::span<const Index> lengths,
                      bool all_packed = false, Kept kept = {}, bool traced = false) const {
    Plan p{};
    p.rows = plan_rows(arena, batch, length, lengths);
    p.query = arena.take<S>(batch * length * config.d_model);
    p.context = traced ? arena.take<S>(batch * length * config.d_model) : p.query;
    if (traced) p.shown = TraceMaps<S>::plan(arena, batch * config.nhead * length * length);
    p.memory = KeyValues<S>::plan(arena, batch, self_attn.heads, self_attn.width, self_attn.width, length);
    auto sizes = self_attn.sizes(length).max(feed_forward.sizes());
    if (all_packed) sizes.depth = 0;
    sizes.figures = kept.figures, sizes.in_maps = kept.in_maps && !traced;
    p.scratch = Scratch<S>::plan(arena, threads, batch * length, sizes, traced);
    return p;
  }

  // The layer, on every thread of a team. x and y: (rows, E); y may be x. past: keys that `p.memory` holds already.
  template <class Trace = Untraced>
  void operator()(Team& team, const Plan& p, const S* x, S* y, const Mask<S>* mask, const S* head_scale,
                  const MapSink<S>& sink, Index past = 0, const Trace& trace = {}) const {
    const Index width = config.d_model, rows = p.rows.rows();
    const bool pre = config.norm_first;
    const auto self = trace.part("self_attn.");

    for_rows(team, trace, rows, [&](Team& t, Index first, Index last) {  // q, k and v of every row
      const S* in = x + first * width;
      if (pre) {
        S* const normed = p.scratch.narrow.of(t);
        norm1(t, in, width, normed, width, last - first);
        trace.rows(t, "norm1", normed, width);
        in = normed;
      }
      self_attn.project(t, p.scratch, 0, in, width, last - first, p.query + first * width, width);
      self_attn.show(t, self, "q", p.query, width, p.rows);
      self_attn.project_memory(t, p.scratch, in, width, in, width, first, last, p.rows, past, p.memory, self, true);
    });

    Attend<S> heads = self_attn.all_heads(p.query, p.rows, p.memory, p.rows, mask, head_scale, p.context, sink);
    heads.past = past;
    attend(team, p.scratch, heads, self_attn.heads, self);

    for_rows(team, trace, rows, [&](Team& t, Index first, Index last) {
      const Index count = last - first;
      S* const a = p.scratch.narrow.of(t);
      S* const out = y + first * width;
      self_attn.project_out(t, p.scratch, p.context + first * width, width, count, a, width, x + first * width, width,
                            self, feed_forward.weight1.panels());
      t.barrier();
      trace.rows(t, "residual1", a, width);
      if (pre) {
        norm2(t, a, width, out, width, count);
        trace.rows(t, "norm2", out, width);
        feed_forward(t, p.scratch, out, width, count, a, width, out, width, trace, self_attn.out_proj.panels());
        trace.rows(t, "residual2", out, width);
      } else {
        norm1(t, a, width, a, width, count);
        trace.rows(t, "norm1", a, width);
        feed_forward(t, p.scratch, a, width, count, a, width, out, width, trace, self_attn.out_proj.panels());
        trace.rows(t, "residual2", out, width);
        norm2(t, out, width, out, width, count);
        trace.rows(t, "norm2", out, width);
      }
      trace.rows(t, "output", out, width);
    });
  }

  constexpr bool packed() const { return self_attn.packed() && feed_forward.packed(); }
  double work(double rows, double pairs) const { return self_attn.work(rows, rows, pairs) + feed_forward.work(rows); }
  Status check() const {
    if (Status s = self_attn.check(); s != Status::ok) return s;
    return feed_forward.check();
  }
  template <class Self, class F>
  static constexpr void parameters(Self& self, NamePath& path, F& visit) {
    visit_part(self.self_attn, "self_attn.", path, visit);
    FeedForwardCore<S>::parameters(self.feed_forward, path, visit);
    visit_part(self.norm1, "norm1.", path, visit);
    visit_part(self.norm2, "norm2.", path, visit);
  }
};

}  // namespace detail

template <class S, Dims D = Dims{}>
class EncoderLayer : public Module<EncoderLayer<S, D>, S> {
 public:
  // Are all dimensions compile-time constants?
  static constexpr bool fixed = D.fixed();
  // The second argument of a call.
  using Masks = EncoderMasks<S>;

  constexpr EncoderLayer() noexcept requires(D.fixed()) : EncoderLayer(LayerConfig{}) {}
  // Not loaded until vt::load, bind or init. `memory`: where parameters and fresh results come from. Wrong sizes are
  // bad_config at the first call.
  constexpr explicit EncoderLayer(const LayerConfig& config,
                                  const Memory* memory = detail::default_memory<D>()) noexcept
      : Module<EncoderLayer, S>(memory), core_(detail::sized<D>(config)) {
    detail::check_dims<D>();
  }
  // The configuration, fixed sizes filled in.
  const LayerConfig& config() const noexcept { return core_.config; }

  // x (B, T, E) to result.output (B, T, E), with what `keep` says of the attention. Allocates only to grow result and
  // workspace, before any work. bad_config, bad_shape, bad_mask, not_loaded, not_supported (what `keep` asks), overlap,
  // workspace_too_small, result_too_small, out_of_memory.
  template <class K = DefaultKeep, class F = NoTrace>
  Status forward_into(EncoderResult<K, S>& result, Workspace& workspace, const Sequences<S>& x, const Masks& masks = {},
                      const K& keep = {}, F&& trace = {}) const noexcept {
    return detail::forward_encoder<S>(*this, detail::Layers<S, detail::EncoderLayerCore<S>>{&core_, 1}, result,
                                      workspace, x, masks, keep.selection, trace);
  }
#if VITRINE_EXCEPTIONS
  // The same with fresh results and scratch from memory(). Throws StatusError.
  template <class K = DefaultKeep, class F = NoTrace>
  EncoderResult<K, S> operator()(const Sequences<S>& x, const Masks& masks = {}, const K& keep = {},
                                 F&& trace = {}) const {
    EncoderResult<K, S> result;
    Workspace workspace(this->memory());
    throw_if_failed(forward_into(result, workspace, x, masks, keep, trace));
    return result;
  }
#endif

  // Bytes of scratch of a call on contiguous, equally long sequences. Less is needed when all weights are in panels,
  // which only the first form can know. With `keep`, exactly that of calls with this policy: with fixed dimensions,
  // kept weights of all heads hold the scores meanwhile.
  template <class K = detail::AnyMaps>
  constexpr std::size_t workspace_bytes(const Shape& shape, int threads = 1, const K& keep = {}) const noexcept {
    return detail::encoder_workspace(&core_, 1, shape, threads, detail::kept_of<K, S>(D.fixed(), keep));
  }
  template <class K = DefaultKeep>
  static constexpr std::size_t workspace_bytes() noexcept requires(D.fixed()) {
    const detail::EncoderLayerCore<S> unbound(detail::sized<D>(LayerConfig{}));
    return detail::encoder_workspace(&unbound, 1, {D.max_batch, D.max_length}, 1, detail::kept_of<K, S>(false));
  }
  // The same of calls with a trace.
  template <class K = DefaultKeep>
  constexpr std::size_t traced_workspace_bytes(const Shape& shape, int threads = 1, const K& = {}) const noexcept {
    return detail::encoder_workspace(&core_, 1, shape, threads, detail::kept_of<K, S>(false), true);
  }
  template <class K = DefaultKeep>
  static constexpr std::size_t traced_workspace_bytes() noexcept requires(D.fixed()) {
    const detail::EncoderLayerCore<S> unbound(detail::sized<D>(LayerConfig{}));
    return detail::encoder_workspace(&unbound, 1, {D.max_batch, D.max_length}, 1, detail::kept_of<K, S>(false), true);
  }
  // Bytes of the values of output and maps.
  template <class K = DefaultKeep>
  constexpr std::size_t result_bytes(const Shape& shape, const K& = {}) const noexcept {
    return detail::output_bytes<S>(shape, core_.config.d_model) +
           detail::map_bytes<K, S>(1, shape.batch, core_.config.nhead, shape.length, shape.length);
  }
  template <class K = DefaultKeep>
  static constexpr std::size_t result_bytes() noexcept requires(D.fixed()) {
    return detail::output_bytes<S>({D.max_batch, D.max_length}, D.d_model) +
           detail::map_bytes<K, S>(1, D.max_batch, D.nhead, D.max_length, D.max_length);
  }
  // Two for each multiply-add of the products; attention over all pairs.
  double flops(const Shape& shape) const noexcept {
    const double rows = double(shape.batch * shape.length);
    return 2 * core_.work(rows, rows * double(shape.length));
  }

  template <class Self, class F>
  static constexpr void visit_parameters(Self& self, detail::NamePath& path, F& visit) {
    detail::EncoderLayerCore<S>::parameters(self.core_, path, visit);
  }

 private:
  detail::EncoderLayerCore<S> core_;
};

}  // namespace vitrine::inline VITRINE_ABI
