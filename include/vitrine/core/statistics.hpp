// What can be said of attention without its maps: no T x S storage for a head, computed beside the output.
//
//   keep::statistics   r.self_attn[layer].entropy(b, h)            of each row: - sum w ln w, in nats
//                                        .largest(b, h)            its largest weight, largest_key(b, h, row) the key
//                                        .log_sum_exp(b, h)        ln sum exp of its scores (after scale and mask)
//                                        .received(b, h)           of each key: the sum of its column
//   keep::top<k>       r.self_attn[layer].weights(b, h)            T x k, each row's largest weights, descending
//                                        .key(b, h, row, i)        the key of weight i of that row
//   keep::rollout      r.self_attn.matrix(b)                       T x T, attention rollout through all layers
//
// Of a layer alone the same without [layer]. Ties go to the lowest key. A row that sees no key has entropy 0, largest
// 0, key -1 and log_sum_exp -inf; a row with NaN has key -1. Views live as long as the result; indices and errors are
// those of maps. Numbers of float exactly, so there are at most 2^24 keys.
#pragma once
#include <vitrine/core/maps.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

namespace detail {

// Query rows whose weights are added up before they are added to a column's sum.
inline constexpr Index received_rows = 64;

template <class S>
Status check_keys(const MapShape& shape) {
  constexpr Index most = Index{1} << 24;
  if (sizeof(S) == 4 && shape.memory_length > most)
    return {Status::not_supported, "there are more keys than a float can count", shape.memory_length, most,
            Status::at_most};
  return {};
}

}  // namespace detail

// The statistics of one layer of a stack.
template <class S>
class StatisticsView {
 public:
  StatisticsView(const S* values, const detail::MapLayout* layout, Index layer)
      : values_(values), layout_(layout), layer_(layer) {}
  // T values, - sum w ln w of each row, in nats: 0 to ln S.
  std::span<const S> entropy(Index b, Index h) const { return rows(b, h, 0); }
  // T values, the largest weight of each row, 0 to 1.
  std::span<const S> largest(Index b, Index h) const { return rows(b, h, 1); }
  // T values, ln sum exp of each row's scores, after scale and mask.
  std::span<const S> log_sum_exp(Index b, Index h) const { return rows(b, h, 3); }
  // The key of a row's largest weight, the lowest of several; -1 where there is none.
  Index largest_key(Index b, Index h, Index row) const {
    const auto keys = rows(b, h, 2);
#if VITRINE_CHECKS
    if (row < 0 || row >= Index(keys.size())) detail::index_error("no such row", row, Index(keys.size()));
#endif
    return Index(keys[std::size_t(row)]);
  }
  // S values (extra keys included). Sums over blocks of 64 query rows in ascending order are added in ascending order.
  // All query rows count, those of padding too: pass sequences of different lengths as Ragged.
  std::span<const S> received(Index b, Index h) const {
    return {at(b, h) + 4 * layout_->rows(b), std::size_t(layout_->columns(b))};
  }

 private:
  const S* at(Index b, Index h) const { return values_ + layout_->checked_at(layer_, b, h); }
  std::span<const S> rows(Index b, Index h, Index which) const {
    return {at(b, h) + which * layout_->rows(b), std::size_t(layout_->rows(b))};
  }
  const S* values_;
  const detail::MapLayout* layout_;
  Index layer_;
};

// 4 T + S values for each head.
template <class S>
class Statistics : public detail::MapStore<S> {
 public:
  using detail::MapStore<S>::MapStore;
  // Of one layer of a stack.
  StatisticsView<S> operator[](Index layer) const& { return {this->values_.data(), &this->layout_, layer}; }
  // Of a layer alone, as StatisticsView's.
  std::span<const S> entropy(Index b, Index h) const& { return (*this)[0].entropy(b, h); }
  // Of a layer alone.
  std::span<const S> largest(Index b, Index h) const& { return (*this)[0].largest(b, h); }
  // Of a layer alone.
  std::span<const S> log_sum_exp(Index b, Index h) const& { return (*this)[0].log_sum_exp(b, h); }
  // Of a layer alone.
  std::span<const S> received(Index b, Index h) const& { return (*this)[0].received(b, h); }
  // Of a layer alone.
  Index largest_key(Index b, Index h, Index row) const { return (*this)[0].largest_key(b, h, row); }
  // A view of a temporary does not compile.
  template <class I>
  void operator[](I) const&& {
    VITRINE_DANGLING(I);
  }
  // A view of a temporary does not compile.
  template <class... I>
  void entropy(I...) const&& {
    VITRINE_DANGLING(I...);
  }
  // A view of a temporary does not compile.
  template <class... I>
  void largest(I...) const&& {
    VITRINE_DANGLING(I...);
  }
  // A view of a temporary does not compile.
  template <class... I>
  void log_sum_exp(I...) const&& {
    VITRINE_DANGLING(I...);
  }
  // A view of a temporary does not compile.
  template <class... I>
  void received(I...) const&& {
    VITRINE_DANGLING(I...);
  }
  // Does not compile: there are no maps.
  template <class... I>
  void matrix(I...) const {
    static_assert(never<I...>, "vitrine: keep::statistics stores no maps; ask for them with vt::keep::weights");
  }

  // Values of such a result, for result_bytes.
  static constexpr Index count(Index layers, Index batch, Index heads, Index length, Index memory_length) {
    return sizes::product(layers, batch, heads, sizes::sum(sizes::product(4, length), memory_length));
  }
  // Makes room for a call of this shape; layers call it. Allocates only to grow. bad_config, not_supported,
  // result_too_small, out_of_memory; then nothing is kept.
  Status prepare(const MapShape& shape, const Selection& selection, Which kind) noexcept {
    if (Status s = detail::check_keys<S>(shape); s != Status::ok) return this->refuse(s);
    return detail::MapStore<S>::prepare(shape, selection, kind, {.per_row = 4, .per_column = 1});
  }
  // Where the layer's attention writes. Called by layers.
  detail::MapSink<S> sink(Index layer) noexcept {
    detail::MapSink<S> to{.layout = &this->layout_, .layer = layer};
    to.figures = this->values_.data();
    return to;
  }
};

// The largest weights of one layer of a stack.
template <class S, Index Count>
class TopView {
 public:
  TopView(const S* values, const detail::MapLayout* layout, Index layer)
      : values_(values), layout_(layout), layer_(layer) {}
  // T x k; weights of 0 stand where a row sees fewer keys. Keys whose weight is 0 are not listed.
  MatrixView<S> weights(Index b, Index h) const { return {at(b, h), layout_->rows(b), Count}; }
  // The key of weight i of a row, -1 where there is none.
  Index key(Index b, Index h, Index row, Index i) const {
    const S* const keys = at(b, h) + Count * layout_->rows(b);
#if VITRINE_CHECKS
    if (row < 0 || row >= layout_->rows(b)) detail::index_error("no such row", row, layout_->rows(b));
    if (i < 0 || i >= Count) detail::index_error("keep::top keeps fewer weights", i, Count);
#endif
    return Index(keys[row * Count + i]);
  }

 private:
  const S* at(Index b, Index h) const { return values_ + layout_->checked_at(layer_, b, h); }
  const S* values_;
  const detail::MapLayout* layout_;
  Index layer_;
};

// 2 k T values for each head.
template <class S, Index Count>
class TopWeights : public detail::MapStore<S> {
 public:
  using detail::MapStore<S>::MapStore;
  // Of one layer of a stack.
  TopView<S, Count> operator[](Index layer) const& { return {this->values_.data(), &this->layout_, layer}; }
  // Of a layer alone, as TopView's.
  MatrixView<S> weights(Index b, Index h) const& { return (*this)[0].weights(b, h); }
  // Of a layer alone.
  Index key(Index b, Index h, Index row, Index i) const { return (*this)[0].key(b, h, row, i); }
  // A view of a temporary does not compile.
  template <class I>
  void operator[](I) const&& {
    VITRINE_DANGLING(I);
  }
  // A view of a temporary does not compile.
  template <class... I>
  void weights(I...) const&& {
    VITRINE_DANGLING(I...);
  }
  // Does not compile: there are no maps.
  template <class... I>
  void matrix(I...) const {
    static_assert(never<I...>, "vitrine: keep::top stores no maps; ask for them with vt::keep::weights");
  }

  // Values of such a result, for result_bytes.
  static constexpr Index count(Index layers, Index batch, Index heads, Index length, Index) {
    return sizes::product(2, Count, layers, batch, heads, length);
  }
  // Makes room for a call of this shape; layers call it. Allocates only to grow. bad_config, not_supported,
  // result_too_small, out_of_memory; then nothing is kept.
  Status prepare(const MapShape& shape, const Selection& selection, Which kind) noexcept {
    if (Status s = detail::check_keys<S>(shape); s != Status::ok) return this->refuse(s);
    return detail::MapStore<S>::prepare(shape, selection, kind, {.per_row = 2 * Count});
  }
  // Where the layer's attention writes. Called by layers.
  detail::MapSink<S> sink(Index layer) noexcept {
    detail::MapSink<S> to{.layout = &this->layout_, .layer = layer};
    to.figures = this->values_.data(), to.top = Count;
    return to;
  }
};

// Attention rollout (Abnar and Zuidema 2020) while the layers run: two T x T matrices a sequence, however many layers
// and heads there are.
//   A_l = 1/2 (mean over heads of layer l) + 1/2 I,   rollout = A_L A_(L-1) ... A_1;   row i: what i is made of
// Self-attention only, all layers and heads; inspect/rollout.hpp computes the same from kept maps.
template <class S>
class Rollout : public detail::MapStore<S> {
 public:
  using detail::MapStore<S>::MapStore;
  // T x T of sequence b.
  MatrixView<S> matrix(Index b) const& {
    const detail::MapLayout& layout = this->layout_;
    return {this->values_.data() + layout.checked_at(0, b, 0), layout.rows(b), layout.columns(b)};
  }
  // A view of a temporary does not compile.
  template <class... I>
  void matrix(I...) const&& {
    VITRINE_DANGLING(I...);
  }
  // Does not compile: there is one matrix.
  template <class I>
  void operator[](I) const {
    static_assert(never<I>, "vitrine: a rollout is one matrix through all layers: matrix(b)");
  }

  // Values of such a result, for result_bytes.
  static constexpr Index count(Index layers, Index batch, Index, Index length, Index) {
    return sizes::product(layers > 1 ? 2 : 1, batch, length, length);
  }
  // Makes room for a call of this shape; layers call it. Allocates only to grow. bad_config, not_supported,
  // result_too_small, out_of_memory; then nothing is kept.
  Status prepare(const MapShape& shape, const Selection& selection, Which kind) noexcept {
    if (!includes(selection.which, kind)) return detail::MapStore<S>::prepare(shape, selection, kind, {});
    if (!selection.heads.all() || !selection.layers.all())
      return this->refuse({Status::not_supported, "keep::rollout goes through all layers and heads; choose neither"});
    bool square = shape.length == shape.memory_length && shape.lengths.size() == shape.memory_lengths.size();
    for (std::size_t b = 0; b < shape.lengths.size() && square; ++b)
      square = shape.lengths[b] == shape.memory_lengths[b];
    if (!square)
      return this->refuse({Status::not_supported,
                           "keep::rollout needs self-attention over whole sequences: as many keys as queries",
                           shape.memory_length, shape.length});
    layers_ = shape.layers;
    MapShape one = shape;
    one.layers = 1;
    return detail::MapStore<S>::prepare(one, selection, kind, {.mean = true, .scores = layers_ > 1});
  }
  // Where the layer's attention writes. Called by layers.
  detail::MapSink<S> sink(Index layer) noexcept {
    S *const last = this->values_.data(), *const other = this->scores_.data();
    detail::MapSink<S> to{.layout = &this->layout_};
    const bool to_last = (layers_ - layer) % 2 != 0;  // as the last layer does
    to.figures = to_last ? last : other;
    to.before = layer == 0 ? nullptr : to_last ? other : last;
    return to;
  }

 private:
  Index layers_ = 1;
};

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
