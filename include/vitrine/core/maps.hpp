// The maps of a call: (B, H, T, S) for a layer, one such block after another for the layers of a stack, only what was
// chosen.
//
//   result.self_attn.matrix(b, h)           of a layer: Eigen::Map, T x S, rows sum to 1
//   result.self_attn[layer].matrix(b, h)    of a stack; layer, b and h are the model's own indices
//   ScoredMaps: also scores(b, h), -inf where a key is masked.   MeanMaps: matrix(b)
//   layers(), batch(), heads(), length(b), memory_length(b), kept(layer, h); values(): all that was kept; bytes()
//
// Views live as long as the result. A layer or head that was not chosen, or an index out of range, is an error
// (StatusError; a trap without exceptions). Ragged sequences have maps of T_b x S_b.
#pragma once
#include <vitrine/core/detail/map_layout.hpp>
#include <vitrine/core/eigen.hpp>
#include <vitrine/core/memory.hpp>
#include <vitrine/core/views.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

// The maps of one layer of a stack.
template <class S>
class MapView {
 public:
  MapView(const S* weights, const S* scores, const detail::MapLayout* layout, Index layer)
      : weights_(weights), scores_(scores), layout_(layout), layer_(layer) {}
  // The weights of sequence b and head h, T x S (T_b x S_b of ragged data); rows sum to 1, or are 0 where no key is
  // left. Here and below StatusError (a trap without exceptions) for an index that does not exist or was not chosen.
  MatrixView<S> matrix(Index b, Index h) const { return view(weights_, b, h); }
  MatrixView<S> matrix(Index b) const {  // of a mean over heads
#if VITRINE_CHECKS
    if (!layout_->mean) detail::index_error("these are maps of single heads: matrix(b, h)", layer_, Status::unset);
#endif
    return view(weights_, b, 0);
  }
  // The scores before softmax, after scale and mask: -inf where a key is masked. Kept by keep::scores only.
  MatrixView<S> scores(Index b, Index h) const {
#if VITRINE_CHECKS
    if (scores_ == nullptr && layout_->kept && layout_->per_layer > 0)
      detail::index_error("the scores were not kept; ask for them with vt::keep::scores", layer_, Status::unset);
#endif
    return view(scores_, b, h);
  }

 private:
  MatrixView<S> view(const S* base, Index b, Index h) const {
    return MatrixView<S>(base + layout_->checked_at(layer_, b, h), layout_->rows(b), layout_->columns(b));
  }
  const S *weights_, *scores_;
  const detail::MapLayout* layout_;
  Index layer_;
};

namespace detail {

// Storage and layout, common to the classes below. Two buffers: the maps, and the scores before softmax.
template <class S>
class MapStore {
 public:
  using Value = S;  // what is stored

  MapStore() noexcept = default;
  explicit MapStore(const Memory* memory) noexcept : values_(memory), scores_(memory), ragged_(memory) {}
  explicit MapStore(std::span<S> values, std::span<S> scores = {}) noexcept : values_(values), scores_(scores) {}
  MapStore(MapStore&& other) noexcept { *this = static_cast<MapStore&&>(other); }
  MapStore& operator=(MapStore&& other) noexcept {
    if (this == &other) return *this;
    values_ = static_cast<Buffer<S>&&>(other.values_), scores_ = static_cast<Buffer<S>&&>(other.scores_);
    ragged_ = static_cast<Buffer<Index>&&>(other.ragged_);
    layout_ = other.layout_;
    other.layout_ = {};
    return *this;
  }

  Index layers() const noexcept { return layout_.shape.layers; }
  Index batch() const noexcept { return layout_.shape.batch; }
  Index heads() const noexcept { return layout_.mean ? 1 : layout_.shape.heads; }
  Index length(Index b = 0) const noexcept { return layout_.rows(b); }
  Index memory_length(Index b = 0) const noexcept { return layout_.columns(b); }
  bool kept(Index layer, Index h) const noexcept {
    return layer < layers() && (layout_.mean || h < layout_.shape.heads) && layout_.has(layer, h);
  }
  // All kept values, layer by layer, (B, H, T, S) in each.
  std::span<const S> values() const noexcept { return values_.span(); }
  std::size_t bytes() const noexcept { return std::size_t(values_.size() + scores_.size()) * sizeof(S); }

  void use(const Memory* memory) noexcept { values_.use(memory), scores_.use(memory), ragged_.use(memory); }
  // After a failure no map is kept.
  Status prepare(const MapShape& shape, const Selection& selection, Which kind, const MapForm& form) noexcept {
    Status s = lay_out(shape, selection, kind, form);
    if (s != Status::ok) layout_ = {};
    return s;
  }

 protected:
  // Nothing of an earlier call stays.
  Status refuse(const Status& s) noexcept {
    layout_ = {};
    return s;
  }
  Status lay_out(const MapShape& shape, const Selection& selection, Which kind, const MapForm& form) noexcept {
    const bool kept = includes(selection.which, kind);
    constexpr Index most = IndexSet::most;
    if (kept &&
        ((shape.layers > most && !selection.layers.valid()) || (shape.heads > most && !selection.heads.valid())))
      return {Status::not_supported, "the selection names a layer or head that no set can hold", Status::unset, most,
              Status::below};
    if (kept && !selection.layers.fits(shape.layers))
      return {Status::bad_config, "the selection names a layer that the model does not have", Status::unset,
              shape.layers, Status::below};
    if (kept && !selection.heads.fits(shape.heads))
      return {Status::bad_config, "the selection names a head that the model does not have", Status::unset, shape.heads,
              Status::below};
    layout_ = {};
    layout_.shape = shape;
    layout_.layers = selection.layers, layout_.heads = selection.heads;
    layout_.kept = kept;
    layout_.mean = form.mean;
    layout_.per_row = form.per_row, layout_.per_column = form.per_column;
    const auto counted = [&](Index b) {
      const Index height = layout_.rows(b), width = layout_.columns(b);
      if (form.per_row + form.per_column == 0) return sizes::product(height, width);
      return sizes::sum(sizes::product(form.per_row, height), sizes::product(form.per_column, width));
    };
    Index one_head = shape.batch > 0 ? sizes::product(shape.batch, counted(0)) : 0;
    if (!shape.lengths.empty() || !shape.memory_lengths.empty()) {
      // offsets, then the lengths themselves: the caller's spans need not outlive the call
      if (Status s = ragged_.resize(sizes::product(3, shape.batch)); s != Status::ok) return s;
      Index before = 0;
      for (Index b = 0; b < shape.batch; ++b) {
        ragged_[b] = before;
        ragged_[shape.batch + b] = layout_.rows(b);
        ragged_[2 * shape.batch + b] = layout_.columns(b) - shape.extra_keys;
        before = sizes::sum(before, counted(b));
      }
      layout_.offsets = ragged_.data();
      layout_.shape.lengths = {ragged_.data() + shape.batch, std::size_t(shape.batch)};
      layout_.shape.memory_lengths = {ragged_.data() + 2 * shape.batch, std::size_t(shape.batch)};
      one_head = before;
    }
    layout_.per_layer = sizes::product(one_head, layout_.heads_kept());
    const Index size = layout_.kept ? sizes::product(layout_.per_layer, selection.layers.count_below(shape.layers)) : 0;
    if (Status s = values_.resize(size); s != Status::ok) return s;
    return scores_.resize(form.scores ? size : 0);
  }

  Buffer<S> values_, scores_;
  Buffer<Index> ragged_;
  MapLayout layout_;
};

}  // namespace detail

// Weights per head.
template <class S>
class Maps : public detail::MapStore<S> {
 public:
  using detail::MapStore<S>::MapStore;
  // One layer's maps. A view: it lives as long as this object.
  MapView<S> operator[](Index layer) const& { return {this->values_.data(), nullptr, &this->layout_, layer}; }
  // Of a layer's own result: as MapView::matrix.
  MatrixView<S> matrix(Index b, Index h) const& { return (*this)[0].matrix(b, h); }
  template <class I>
  void operator[](I) const&& {
    VITRINE_DANGLING(I);
  }
  template <class... I>
  void matrix(I...) const&& {
    VITRINE_DANGLING(I...);
  }
  // Values of such maps, for result_bytes.
  static constexpr Index count(Index layers, Index batch, Index heads, Index length, Index memory_length) {
    return sizes::product(layers, batch, heads, length, memory_length);
  }

  // Makes room for a call's maps; layers call it. Allocates only to grow. bad_config, not_supported, result_too_small,
  // out_of_memory; then no map is kept.
  Status prepare(const MapShape& shape, const Selection& selection, Which kind) noexcept {
    return detail::MapStore<S>::prepare(shape, selection, kind, {});
  }
  // Where a layer writes its maps.
  detail::MapSink<S> sink(Index layer) noexcept {
    return {this->values_.data(), nullptr, nullptr, &this->layout_, layer};
  }
};

// Weights and the scores before softmax.
template <class S>
class ScoredMaps : public detail::MapStore<S> {
 public:
  using detail::MapStore<S>::MapStore;
  // One layer's maps and scores. A view: it lives as long as this object.
  MapView<S> operator[](Index layer) const& {
    return {this->values_.data(), this->scores_.data(), &this->layout_, layer};
  }
  // Of a layer's own result: as MapView::matrix.
  MatrixView<S> matrix(Index b, Index h) const& { return (*this)[0].matrix(b, h); }
  // As MapView::scores.
  MatrixView<S> scores(Index b, Index h) const& { return (*this)[0].scores(b, h); }
  template <class I>
  void operator[](I) const&& {
    VITRINE_DANGLING(I);
  }
  template <class... I>
  void matrix(I...) const&& {
    VITRINE_DANGLING(I...);
  }
  template <class... I>
  void scores(I...) const&& {
    VITRINE_DANGLING(I...);
  }
  // Values of such maps, scores included, for result_bytes.
  static constexpr Index count(Index layers, Index batch, Index heads, Index length, Index memory_length) {
    return sizes::product(2, layers, batch, heads, length, memory_length);
  }

  // As Maps::prepare.
  Status prepare(const MapShape& shape, const Selection& selection, Which kind) noexcept {
    return detail::MapStore<S>::prepare(shape, selection, kind, {.scores = true});
  }
  // Where a layer writes its maps.
  detail::MapSink<S> sink(Index layer) noexcept {
    return {this->values_.data(), this->scores_.data(), nullptr, &this->layout_, layer};
  }
};

// The mean over heads, added in ascending order.
template <class S>
class MeanMaps : public detail::MapStore<S> {
 public:
  using detail::MapStore<S>::MapStore;
  // One layer's mean map. A view: it lives as long as this object.
  MapView<S> operator[](Index layer) const& { return {this->values_.data(), nullptr, &this->layout_, layer}; }
  // The mean over heads of sequence b, T x S.
  MatrixView<S> matrix(Index b) const& { return (*this)[0].matrix(b); }
  template <class I>
  void operator[](I) const&& {
    VITRINE_DANGLING(I);
  }
  template <class... I>
  void matrix(I...) const&& {
    VITRINE_DANGLING(I...);
  }
  // Values of such maps, for result_bytes.
  static constexpr Index count(Index layers, Index batch, [[maybe_unused]] Index heads, Index length,
                               Index memory_length) {
    return sizes::product(layers, batch, length, memory_length);
  }

  // As Maps::prepare; a mean is over all heads: a selection of heads is not_supported.
  Status prepare(const MapShape& shape, const Selection& selection, Which kind) noexcept {
    if (!selection.heads.all())
      return {Status::not_supported, "keep::head_mean is the mean over all heads; choose layers only"};
    return detail::MapStore<S>::prepare(shape, selection, kind, {.mean = true});
  }
  // Where a layer writes its map.
  detail::MapSink<S> sink(Index layer) noexcept {
    return {nullptr, nullptr, this->values_.data(), &this->layout_, layer};
  }
};

namespace detail {
template <class M>
Status prepare_maps(M& maps, const Memory* memory, const MapShape& shape, const Selection& selection,
                    Which kind) noexcept {
  if constexpr (requires { maps.sink(Index{}); }) {
    maps.use(memory);
    return maps.prepare(shape, selection, kind);
  } else {
    return {};
  }
}
}  // namespace detail

// What every layer and stack returns: always three members, in this order. A member that was not kept or cannot exist
// is an empty type.
template <class S, class Self, class Cross>
struct Result {
  Tensor<S> output = Tensor<S>{};  // (B, T, E)
  [[no_unique_address]] Self self_attn = {};
  [[no_unique_address]] Cross cross_attn = {};
};
// What encoders and their layers return: output (B, T, E), self_attn, and an empty cross_attn.
template <class K, class S>
using EncoderResult = Result<S, typename K::template map<S, 0>, NoSuch<1>>;
// What decoders and their layers return: output (B, T, E), self_attn (T x T) and cross_attn (T x S).
template <class K, class S>
using DecoderResult = Result<S, typename K::template map<S, 0>, typename K::template map<S, 1>>;

namespace detail {

// Does M hold weights of single heads; does it hold maps at all?
template <class M>
inline constexpr bool has_weights = false;
template <class S>
inline constexpr bool has_weights<Maps<S>> = true;
template <class S>
inline constexpr bool has_weights<ScoredMaps<S>> = true;
template <class M>
inline constexpr bool is_map = has_weights<M>;
template <class S>
inline constexpr bool is_map<MeanMaps<S>> = true;

}  // namespace detail

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
