// The attention that every layer shares, softmax(Q_h K_h^T / sqrt(D) + mask) V_h (Vaswani et al. 2017): projections,
// keys and values in the kernels' layout, heads dealt out to threads. Internal; the public forms are MultiheadAttention
// and the layers. Takes its memory from an Arena; what is wrong is found before the parallel region.
#pragma once
#include <vitrine/run/attention_figures.hpp>
#include <vitrine/run/lane.hpp>
#include <vitrine/run/parameter.hpp>
#include <vitrine/run/trace.hpp>

namespace vitrine::inline VITRINE_ABI::detail {

// Keys in panels and values in rows, for (sequence, head): a call's scratch, or a cache that later calls append to.
template <class S>
struct KeyValues {
  S* keys = nullptr;
  S* values = nullptr;
  Index heads = 0, width = 0, value_width = 0, capacity = 0;  // capacity: keys that fit each (sequence, head)

  constexpr Index key_stride() const { return kernels::packed_size<S>(capacity, width); }
  constexpr Index value_row() const { return round_up(value_width, kernels::panel_width<S>); }
  constexpr Index value_stride() const { return capacity * value_row(); }
  S* key_panels(Index b, Index h) const { return keys + (b * heads + h) * key_stride(); }
  S* value_rows(Index b, Index h) const { return values + (b * heads + h) * value_stride(); }
  // Keys j ... j + count - 1, `stride` apart.
  void store_keys(Index b, Index h, Index j, Index count, const S* key, Index stride) const {
    constexpr Index lanes = simd<S>::lanes;
    for (const Index end = j + count; j < end;) {
      S* const to = key_panels(b, h) + kernels::packed_at<S>(j, 0, width);
      const bool together = lanes > 2 && j % lanes == 0 && j + lanes <= end;
      Index d = 0;
      if (together)
        for (; d + lanes <= width; d += lanes)
          kernels::transpose<S>(key + d, stride, to + d * kernels::panel_width<S>, kernels::panel_width<S>);
      const Index now = together ? lanes : 1;
      for (; d < width; ++d)
        for (Index i = 0; i < now; ++i) to[d * kernels::panel_width<S> + i] = key[i * stride + d];
      j += now, key += now * stride;
    }
  }
  void store_values(Index b, Index h, Index j, Index count, const S* value, Index stride) const {
    for (Index i = 0; i < count; ++i)
      kernels::detail::copy(value + i * stride, value_width, value_rows(b, h) + (j + i) * value_row());
  }
  static constexpr KeyValues plan(Arena& arena, Index batch, Index heads, Index width, Index value_width,
                                  Index capacity) {
    KeyValues kv;
    kv.heads = heads, kv.width = width, kv.value_width = value_width, kv.capacity = capacity;
    kv.keys = arena.take<S>(batch * heads * kv.key_stride());
    kv.values = arena.take<S>(batch * heads * kv.value_stride());
    return kv;
  }
};

// One attention over all sequences and heads.
template <class S>
struct Attend {
  const S* query = nullptr;  // rows of all sequences
  Index query_stride = 0;
  RowMap queries = {};
  KeyValues<S> memory = {};
  RowMap keys = {};  // lengths; `past` more keys stand before them, extra ones after
  Index past = 0, extra = 0;
  Index sharing = 1;  // consecutive sequences (beams) that share keys and values
  Index group = 1;    // consecutive query heads that share a key head
  const Mask<S>* mask = nullptr;
  const S* head_scale = nullptr;  // one for each head
  S scale = S(1), softcap = S(0);
  S* context = nullptr;  // rows like query's, heads side by side
  Index context_stride = 0;
  MapSink<S> sink = {};
  kernels::ScoresAt scores_at = kernels::ScoresAt::masked;

  // A map that does not stay in the caches is written past them.
  bool large() const { return sink.any() && sink.layout->per_layer * Index(sizeof(S)) > (Index{4} << 20); }
};

// What the kernel is told of one head of one sequence.
template <class S>
kernels::AttentionHead<S> head_of(const Attend<S>& call, Index b, Index h, Index heads) {
  const Index kv_b = b / call.sharing, kv_h = h / call.group;
  kernels::AttentionHead<S> head;
  head.width = call.memory.width, head.value_width = call.memory.value_width;
  head.query = call.query + call.queries.start(b) * call.query_stride + h * head.width;
  head.query_stride = call.query_stride;
  head.key_panels = call.memory.key_panels(kv_b, kv_h);
  head.value = call.memory.value_rows(kv_b, kv_h);
  head.value_stride = call.memory.value_row();
  head.context = call.context + call.queries.start(b) * call.context_stride + h * head.value_width;
  head.context_stride = call.context_stride;
  head.extra_keys = call.extra;
  head.keys = call.past + call.keys.length_of(kv_b) + call.extra;
  head.scale = call.scale, head.softcap = call.softcap;
  head.head_scale = call.head_scale != nullptr ? call.head_scale[h] : S(1);
  if (call.mask != nullptr)
    head.mask = row_mask(*call.mask, b, h, head.keys - head.extra_keys);
  else
    head.mask.keys = head.keys - head.extra_keys;
  head.weights = call.sink.place(call.sink.weights, b, h);
  head.scores = call.sink.place(call.sink.scores, b, h);
  head.scores_at = call.scores_at;
  constexpr std::uintptr_t line = VITRINE_VECTOR_BYTES > 0 ? VITRINE_VECTOR_BYTES : 1;
  head.stream = call.large() && call.extra == 0 && std::uintptr_t(head.keys) * sizeof(S) % line == 0 &&
                reinterpret_cast<std::uintptr_t>(head.weights) % line == 0;
  head.mean = call.sink.place(call.sink.mean, b, h);
  head.mean_first = h == 0, head.mean_last = h + 1 == heads;
  head.mean_factor = S(1) / S(heads);
  return head;
}

// One item is a chunk of query rows of one head; of all heads, in order, where their mean is kept.
template <class S>
void attend(Team& team, const Scratch<S>& scratch, const Attend<S>& call, Index heads) {
  if (call.sink.attend != nullptr) return call.sink.attend(team, scratch, call, heads);
  const Index chunks = (call.queries.length + chunk_rows - 1) / chunk_rows;
  const bool mean = call.sink.mean != nullptr;
  const auto one = [&](Index b, Index h, Index first, Index last) {
    auto head = head_of(call, b, h, heads);
    head.in_place = scratch.in_maps;  // weights may be null where there are no keys
    head.stream = head.stream && !head.in_place;
    kernels::attend(head, first, last, scratch.tile.own(team));
  };
  const Index items = call.queries.batch * (mean ? 1 : heads) * chunks;
  team.for_each(items, [&](Index item) {
    const Index first = item % chunks * chunk_rows, outer = item / chunks;
    const Index b = mean ? outer : outer / heads;
    const Index end = first + chunk_rows, length = call.queries.length_of(b);
    const Index last = end < length ? end : length;
    if (first >= last) return;
    if (!mean) return one(b, outer % heads, first, last);
    for (Index h = 0; h < heads; ++h) one(b, h, first, last);  // ascending: the order of the sum
  });
}

// The same; a trace is shown the maps, whatever the call keeps, and the context.
template <class S, class Trace>
void attend(Team& team, const Scratch<S>& scratch, const Attend<S>& call, Index heads, const Trace& trace) {
  if constexpr (Trace::on) {
    Attend<S> shown = call;
    shown.sink = trace.sink();
    attend(team, scratch, shown, heads);
    trace.maps(team);
    trace.heads(team, "context", call.context, call.context_stride, call.queries, heads, call.memory.value_width);
    if (!call.sink.any()) return;
  }
  attend(team, scratch, call, heads);
}

// Configuration and parameters of one attention, by the names of nn.MultiheadAttention.
template <class S>
struct AttentionCore {
  AttentionConfig config = {};
  Index embed = 0, heads = 0, width = 0, kdim = 0, vdim = 0;
  S given_scale = S(0);  // of the scores, instead of 1 / sqrt(width)
  Parameter<S> in_proj, q_proj, k_proj, v_proj, in_bias, out_proj, out_bias, bias_k, bias_v;

  constexpr AttentionCore() = default;
  constexpr explicit AttentionCore(const AttentionConfig& c)
      : config(c),
        embed(c.embed_dim),
        heads(c.num_heads),
        width(heads > 0 ? embed / heads : 0),
        kdim(c.kdim == Dynamic ? embed : c.kdim),
        vdim(c.vdim == Dynamic ? embed : c.vdim) {
    if (kdim == embed && vdim == embed) {
      in_proj = matrix_parameter<S>(3 * embed, embed, 3);
    } else {
      q_proj = matrix_parameter<S>(embed, embed);
      k_proj = matrix_parameter<S>(embed, kdim);
      v_proj = matrix_parameter<S>(embed, vdim);
    }
    if (c.bias) in_bias = vector_parameter<S>(3 * embed), out_bias = vector_parameter<S>(embed);
    out_proj = matrix_parameter<S>(embed, embed);
    if (c.add_bias_kv) {
      bias_k = vector_parameter<S>(embed), bias_v = vector_parameter<S>(embed);
      bias_k.leading_ones = bias_v.leading_ones = 2;
    }
  }

  constexpr Index extra() const { return Index(config.add_bias_kv) + Index(config.add_zero_attn); }
  S scale() const { return given_scale != S(0) ? given_scale : S(1) / square_root(S(width)); }
  constexpr typename Scratch<S>::Sizes sizes(Index keys) const {
    const Index deepest = embed > kdim ? (embed > vdim ? embed : vdim) : (kdim > vdim ? kdim : vdim);
    return {embed, 2 * embed, keys + extra(), width, deepest};
  }
  constexpr bool packed() const {
    return (in_proj.exists() ? in_proj.panel != 0 : q_proj.panel != 0 && k_proj.panel != 0 && v_proj.panel != 0) &&
           out_proj.panel != 0;
  }
  // Multiply-adds of the four projections and of the heads.
  double work(double rows, double memory_rows, double pairs) const {
    const double e = double(embed);
    return 2 * rows * e * e + memory_rows * e * double(kdim + vdim) + 2 * pairs * e;
  }
  Status check() const {
    if (Status s = check_heads(embed, heads); s != Status::ok) return s;
    if (kdim <= 0) return {Status::bad_config, "kdim must be positive", kdim};
    if (vdim <= 0) return {Status::bad_config, "vdim must be positive", vdim};
    return {};
  }

  template <class Self, class F>
  static constexpr void parameters(Self& self, NamePath& path, F& visit) {
    visit_parameter(visit, path, "in_proj_weight", self.in_proj);
    visit_parameter(visit, path, "q_proj_weight", self.q_proj);
    visit_parameter(visit, path, "k_proj_weight", self.k_proj);
    visit_parameter(visit, path, "v_proj_weight", self.v_proj);
    visit_parameter(visit, path, "in_proj_bias", self.in_bias);
    visit_parameter(visit, path, "bias_k", self.bias_k);
    visit_parameter(visit, path, "bias_v", self.bias_v);
    visit_parameter(visit, path, "out_proj.weight", self.out_proj);
    visit_parameter(visit, path, "out_proj.bias", self.out_bias);
  }

  const Parameter<S>& weight(int g) const {
    return in_proj.exists() ? in_proj : g == 0 ? q_proj : g == 1 ? k_proj : v_proj;
  }
  // Projection g (0 q, 1 k, 2 v) of some rows; `same`: of those that were projected just before.
  void project(Team& team, const Scratch<S>& s, int g, const S* x, Index x_stride, Index rows, S* y, Index y_stride,
               bool same = false) const {
    LinearCall<S> call{x, x_stride, rows, in_bias.exists() ? in_bias.vector() + g * embed : nullptr, y, y_stride};
    call.copy = s.copy.own(team), call.copied = same;
    call.then = weight((g + 1) % 3).panels(in_proj.exists() ? (g + 1) % 3 : 0);
    linear(team, s.pack.own(team), weight(g), in_proj.exists() ? g : 0, call);
  }
  template <class Trace>
  void show(Team& team, const Trace& trace, const char* name, const S* data, Index stride, const RowMap& rows) const {
    trace.heads(team, name, data, stride, rows, heads, width);
  }
  // Keys and values of rows first ... last - 1 (x points at the first) into place `past` and on; `same`: as in project.
  // Ends with the team in step.
  template <class Trace = Untraced>
  void project_memory(Team& team, const Scratch<S>& s, const S* key, Index key_stride, const S* value,
                      Index value_stride, Index first, Index last, const RowMap& rows, Index past,
                      const KeyValues<S>& memory, const Trace& trace = {}, bool same = false) const {
    S* const projected = s.wide.of(team);  // (rows, 2 E): keys, then values
    project(team, s, 1, key, key_stride, last - first, projected, 2 * embed, same);
    project(team, s, 2, value, value_stride, last - first, projected + embed, 2 * embed, key == value);
    team.barrier();
    show(team, trace, "k", projected, 2 * embed, rows);
    show(team, trace, "v", projected + embed, 2 * embed, rows);
    team.split(last - first, [&](Index from, Index to) {
      rows.runs(first + from, first + to, [&](Index b, Index t, Index row, Index count) {
        const S* k = projected + (row - first) * 2 * embed;
        for (Index h = 0; h < heads; ++h) {
          memory.store_keys(b, h, past + t, count, k + h * width, 2 * embed);
          memory.store_values(b, h, past + t, count, k + embed + h * width, 2 * embed);
        }
      });
    });
    team.barrier();
  }
  // bias_k and bias_v, then the zero key, after each sequence's own.
  void append_extra(Team& team, const RowMap& rows, const KeyValues<S>& memory) const {
    if (extra() == 0) return;
    team.for_each(rows.batch, [&](Index b) {
      for (Index h = 0; h < heads; ++h) {
        Index j = rows.length_of(b);
        if (config.add_bias_kv) {
          memory.store_keys(b, h, j, 1, bias_k.vector() + h * width, 0);
          memory.store_values(b, h, j, 1, bias_v.vector() + h * width, 0);
          ++j;
        }
        if (config.add_zero_attn)
          for (Index d = 0; d < width; ++d) {
            const S zero = S(0);
            memory.key_panels(b, h)[kernels::packed_at<S>(j, d, width)] = zero;
            memory.value_rows(b, h)[j * memory.value_row() + d] = zero;
          }
      }
    });
  }
  // What `attend` needs to know of this attention.
  Attend<S> all_heads(const S* query, const RowMap& queries, const KeyValues<S>& memory, const RowMap& keys,
                      const Mask<S>* mask, const S* head_scale, S* context, const MapSink<S>& sink) const {
    Attend<S> call;
    call.query = query, call.query_stride = embed, call.queries = queries;
    call.memory = memory, call.keys = keys, call.extra = extra();
    call.mask = mask, call.head_scale = head_scale, call.scale = scale();
    call.context = context, call.context_stride = embed;
    call.sink = sink;
    return call;
  }
  // y = context W_o^T + b_o (+ residual).
  template <class Trace = Untraced>
  void project_out(Team& team, const Scratch<S>& s, const S* context, Index context_stride, Index rows, S* y,
                   Index y_stride, const S* residual = nullptr, Index residual_stride = 0, const Trace& trace = {},
                   const S* then = nullptr) const {
    LinearCall<S> call{
        context,          context_stride, rows,           out_bias.exists() ? out_bias.vector() : nullptr, y, y_stride,
        Activation::none, residual,       residual_stride};
    call.copy = s.copy.own(team), call.then = then;
    if constexpr (Trace::on) call.residual = nullptr;
    linear(team, s.pack.own(team), out_proj, 0, call);
    if constexpr (Trace::on) {
      trace.rows(team, "out_proj", y, embed);
      if (residual != nullptr) finish_rows(team, Activation::none, y, rows, embed, residual, residual_stride);
    }
  }
};

}  // namespace vitrine::inline VITRINE_ABI::detail
