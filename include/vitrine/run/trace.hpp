// trace: a callable, the optional last argument of a call, that is shown every intermediate as it is computed.
//
//   layer(x, masks, vt::keep::nothing, [&](std::string_view name, vt::Index layer, const vt::TraceView<float>& view) {
//     std::cout << name << " of layer " << layer << ":\n" << view.matrix(b, h) << '\n';
//   });
//
// Names are PyTorch's dotted module names, in front of them those of the stack: "layers.3.self_attn.q" of an Encoder,
// "self_attn.q" of a layer alone. Under self_attn and multihead_attn (the decoder's cross-attention):
//   q, k, v         (B, H, T or S, D)   projections with bias; without the keys of add_bias_kv and add_zero_attn
//   scores          (B, H, T, S)        q k^T / sqrt(D), masked: -inf where a key is not seen
//   weights         (B, H, T, S)        softmax of the scores, whatever the call keeps
//   context         (B, H, T, D)        weights v, times head_scale
//   out_proj        (B, T, E)           what the attention adds
// Then of a layer norm1 ..., linear1 (before the activation), activation, linear2, residual1 ... (the sums x + f(x), in
// order), output (last of every layer); of a stack norm; of a model embeddings, lm_head, pooler, and the names of its
// two sides under encoder. and decoder.  `layer` is -1 of what is in no layer.
//
// The output and what is kept have the same bits with a trace and without. The callable runs on the calling thread
// while the others wait; it must not throw, and what it is shown is overwritten after it returns. Without one nothing
// of this is compiled. With one the workspace holds all rows and one layer's maps (traced_workspace_bytes), and maps
// that the call keeps are computed a second time.
#pragma once
#include <vitrine/core/eigen.hpp>
#include <vitrine/core/maps.hpp>
#include <vitrine/run/parameter.hpp>
#include <vitrine/run/rows.hpp>

#include <string_view>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

// One intermediate: (B, T, W), or (B, H, T, W) of heads. Extents are those of the longest sequence when ragged.
template <class S>
class TraceView {
 public:
  // Rows of one sequence, and of one head of it.
  using Matrix = Eigen::Map<const RowMajor<S>, Eigen::Unaligned, Eigen::OuterStride<>>;

  // Rows of all sequences, `heads` of them side by side; 0: no heads.
  TraceView(const S* data, const detail::RowMap& rows, Index row_stride, Index heads, Index width) noexcept
      : data_(data), rows_(rows), row_stride_(row_stride), heads_(heads), width_(width) {}
  explicit TraceView(const Tensor<S>& rows) noexcept
      : TraceView(rows.data(), {rows.batch(), rows.length(), rows.starts()}, rows.width(), 0, rows.width()) {}
  TraceView(const S* data, const detail::MapLayout& layout) noexcept
      : data_(data), layout_(&layout), heads_(layout.shape.heads), width_(layout.shape.memory_length) {
    rows_.batch = layout.shape.batch, rows_.length = layout.shape.length;
  }

  // 4 with heads, 3 without.
  Index rank() const noexcept { return heads_ > 0 ? 4 : 3; }
  Index batch() const noexcept { return rows_.batch; }    // B
  Index heads() const noexcept { return heads_; }         // H; 0: no heads
  Index length() const noexcept { return rows_.length; }  // T
  Index width() const noexcept { return width_; }         // W
  // T of sequence b.
  Index length_of(Index b) const { return layout_ != nullptr ? layout_->rows(b) : rows_.length_of(b); }
  // W of sequence b: others than width() only in ragged maps.
  Index width_of(Index b) const { return layout_ != nullptr ? layout_->columns(b) : width_; }
  // (T, W) of sequence b and head h, which must exist: not checked.
  Matrix matrix(Index b = 0, Index h = 0) const {
    const Index width = width_of(b);
    if (layout_ != nullptr)
      return Matrix(data_ + layout_->at(0, b, h), length_of(b), width, Eigen::OuterStride<>(width));
    return Matrix(data_ + rows_.start(b) * row_stride_ + h * width, length_of(b), width,
                  Eigen::OuterStride<>(row_stride_));
  }
  // f(matrix) for every sequence and head.
  template <class F>
  void each(F&& f) const {
    for (Index b = 0; b < batch(); ++b)
      for (Index h = 0; h == 0 || h < heads_; ++h) f(matrix(b, h));
  }

 private:
  const S* data_;
  detail::RowMap rows_ = {};
  const detail::MapLayout* layout_ = nullptr;
  Index row_stride_ = 0, heads_ = 0, width_ = 0;
};

// The trace of a call without one.
struct NoTrace {};

namespace detail {

// A caller's trace, and what stands before the names of one side of a model.
template <class F>
struct PrefixedTrace {
  F* call;
  const char* prefix;
};
template <class F>
inline constexpr bool is_prefixed = false;
template <class F>
inline constexpr bool is_prefixed<PrefixedTrace<F>> = true;
template <class F>
inline constexpr bool traced = !std::is_same_v<std::remove_cvref_t<F>, NoTrace>;
template <class F>
auto prefixed([[maybe_unused]] const char* prefix, [[maybe_unused]] F& trace) noexcept {
  if constexpr (traced<F>)
    return PrefixedTrace<F>{&trace, prefix};
  else
    return NoTrace{};
}

// What the layers of a call without a trace are given: every member does nothing.
struct Untraced {
  static constexpr bool on = false;
  VITRINE_INLINE constexpr Untraced named(const char*, Which) const { return {}; }
  VITRINE_INLINE constexpr Untraced in_layer(Index) const { return {}; }
  template <class... A>
  VITRINE_INLINE constexpr void rows(const A&...) const {}
  template <class... A>
  VITRINE_INLINE constexpr void heads(const A&...) const {}
};

// Room for one attention's maps.
template <class S>
struct TraceMaps {
  S *scores = nullptr, *weights = nullptr;
  static constexpr TraceMaps plan(Arena& arena, Index rows, Index heads, Index keys) {
    TraceMaps maps;
    maps.scores = arena.take<S>(rows, heads, keys), maps.weights = arena.take<S>(rows, heads, keys);
    return maps;
  }
};

// What the layers of a traced call are given, on every thread of the team.
template <class S, class F>
struct Tracer {
  static constexpr bool on = true;
  static_assert(std::is_invocable_v<F&, std::string_view, Index, const TraceView<S>&>,
                "vitrine: a trace is called with (std::string_view name, vt::Index layer, const vt::TraceView<S>&)");
  F* call = nullptr;
  const char* prefix = "";
  bool stack = false;
  Index layer = -1;
  const char* attention = "";
  MapLayout layouts[2] = {};  // of the self-attention's and the cross-attention's maps
  Which kind = Which::self;   // which of them
  RowMap query_rows = {};
  TraceMaps<S> scratch = {};

  Tracer in_layer(Index index) const {
    Tracer own = *this;
    own.layer = index;
    return own;
  }
  // Ragged maps keep the places of equally long sequences.
  void lay_out(Which which, const MapShape& shape) {
    MapLayout& layout = layouts[which == Which::cross];
    layout.shape = shape;
    layout.shape.layers = 1;
    layout.kept = true;
    layout.per_layer = shape.batch * shape.heads * shape.length * shape.memory_length;
  }
  Tracer named(const char* name, Which which) const {
    Tracer own = *this;
    own.attention = name, own.kind = which;
    return own;
  }
  void show(Team& team, const char* name, const TraceView<S>& view) const {
    team.barrier();
    if (team.thread() == 0) {
      NamePath path;
      path.append(prefix);
      if (stack && layer >= 0) path.append("layers."), path.append(layer), path.append(".");
      path.append(attention);
      path.append(name);
      (*call)(std::string_view(path.c_str()), layer, view);
    }
    team.barrier();
  }
  // (B, T, width) of all rows.
  void rows(Team& team, const char* name, const Rows<const S>& all) const {
    show(team, name, {all.data, query_rows, all.stride, 0, all.width});
  }
  // (B, H, T, width / H): heads side by side in all rows.
  void heads(Team& team, const char* name, const Rows<const S>& all, const RowMap& map, Index count) const {
    show(team, name, {all.data, map, all.stride, count, all.width / count});
  }
  const MapLayout* layout() const { return &layouts[kind == Which::cross]; }
  MapSink<S> sink() const {
    MapSink<S> sink;
    sink.weights = scratch.weights, sink.scores = scratch.scores, sink.layout = layout();
    return sink;
  }
  void maps(Team& team) const {
    show(team, "scores", {scratch.scores, *layout()});
    show(team, "weights", {scratch.weights, *layout()});
  }
};

// For a call with maps of these shapes.
template <class S, class F>
auto tracer_of([[maybe_unused]] F& trace, [[maybe_unused]] bool stack, [[maybe_unused]] const RowMap& query_rows,
               [[maybe_unused]] const TraceMaps<S>& scratch, [[maybe_unused]] const MapShape& self = {},
               [[maybe_unused]] const MapShape& cross = {}) {
  if constexpr (!traced<F>) {
    return Untraced{};
  } else if constexpr (is_prefixed<std::remove_cv_t<F>>) {
    auto tracer = tracer_of<S>(*trace.call, stack, query_rows, scratch, self, cross);
    tracer.prefix = trace.prefix;
    return tracer;
  } else {
    Tracer<S, F> tracer;
    tracer.call = &trace, tracer.stack = stack, tracer.query_rows = query_rows, tracer.scratch = scratch;
    tracer.lay_out(Which::self, self), tracer.lay_out(Which::cross, cross);
    return tracer;
  }
}

// An intermediate of a model, between the calls of its parts.
template <class S, class F>
void show([[maybe_unused]] F& trace, [[maybe_unused]] const char* name, [[maybe_unused]] const Tensor<S>& tensor) {
  if constexpr (traced<F>) {
    Team alone;
    tracer_of<S>(trace, false, RowMap{}, TraceMaps<S>{}).show(alone, name, TraceView<S>(tensor));
  }
}

}  // namespace detail

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
