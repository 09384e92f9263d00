// How the two products of attention, Q K^T and e V, are multiplied.
//
//   PlainProducts    values of S as they stand: one chain of fused multiply-adds, keys ascending
//   PairProducts     queries, keys, e and values rounded to bf16, float sums (AVX512_BF16). Scores: two columns a step,
//                    the odd one first. Context: two keys a step, the earlier one first, which is the chain over
//                    ascending keys wherever a pair begins, so nothing depends on padding or on where a cache stands
//
// Pairs are made of the keys and values that rows see, once in each attend_head(). Internal to it.
#pragma once
#include <vitrine/core/config.hpp>
#include <vitrine/core/simd.hpp>
#include <vitrine/core/sizes.hpp>
#include <vitrine/kernels/attention_head.hpp>
#include <vitrine/kernels/half.hpp>
#include <vitrine/kernels/matmul.hpp>
#include <vitrine/kernels/panel.hpp>
#include <vitrine/kernels/score_tile.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::kernels::detail {

// The products of one head, with values of S. Nothing is in `room`.
template <class S>
struct PlainProducts {
  using V = simd<S>;
  static constexpr Index keys_a_step = 1;
  const AttentionHead<S>& head;

  PlainProducts(const AttentionHead<S>& of, S*) : head(of) {}
  // Before the products of a tile of query rows.
  VITRINE_INLINE void begin_tile(const ScoreTile<S>&) {}
  // Query rows r and on of a tile by the panels of keys that begin with `key`; c is the caller's to set.
  VITRINE_INLINE TileProduct<S> scores(const ScoreTile<S>& tile, Index r, Index key) const {
    TileProduct<S> product;
    product.a = head.query + (tile.first + r) * head.query_stride, product.a_stride = head.query_stride;
    product.b = head.key_panels + head.place(key) * head.width, product.b_panel = panel_width<S> * head.width;
    product.b_step = panel_width<S>, product.depth = head.width;
    return product;
  }
  // Rows [r, r + count) of e, from key `first` to `last` at most, by those keys' values.
  VITRINE_INLINE TileProduct<S> context(const ScoreTile<S>& tile, Index r, Index, Index first, Index last) const {
    TileProduct<S> product;
    product.a = tile.row(r) + first, product.a_stride = tile.stride;
    product.b = head.value + head.place(first) * head.value_stride, product.b_panel = panel_width<S>;
    product.b_step = head.value_stride, product.depth = head.run_end(first, last) - first;
    return product;
  }
  static VITRINE_INLINE void multiply(Index rows, Index panels, const TileProduct<S>& product) {
    multiply_rows(rows, panels, product);
  }
  // By the first half of a panel.
  static VITRINE_INLINE void multiply_half(Index rows, const TileProduct<S>& product) {
    kernels::multiply_half(rows, product);
  }
  // sum + e v of a single key: weight(e), and a vector of its value.
  static VITRINE_INLINE typename V::vec weight(S e) { return V::set1(e); }
  static VITRINE_INLINE typename V::vec add(typename V::vec e, typename V::vec v, typename V::vec sum) {
    return V::fma(e, v, sum);
  }
  // A context's sum after the last key.
  static VITRINE_INLINE typename V::vec end(typename V::vec sum) { return sum; }
};

// The products of one head in pairs of bf16; S is float, of builds that have them.
template <class S>
struct PairProducts;

#if VITRINE_BF16_PAIRS

// Words of two values that are rounded to bf16, `odd` in the upper half.
VITRINE_INLINE HalfVector::vec bf16_words(HalfVector::vec even, HalfVector::vec odd) {
  typedef short Halves __attribute__((vector_size(64)));
  const auto x =
      reinterpret_cast<Halves>(_mm512_cvtne2ps_pbh(reinterpret_cast<__m512>(odd), reinterpret_cast<__m512>(even)));
  return reinterpret_cast<HalfVector::vec>(__builtin_shufflevector(x, x, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6,
                                                                   22, 7, 23, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13,
                                                                   29, 14, 30, 15, 31));
}

template <class S>
struct PairProducts {
  using V = simd<S>;
  static constexpr Index keys_a_step = 2;
  static constexpr Index width = panel_width<S>;
  static constexpr Index block = 512;  // keys whose e is read at once: it stays in the first-level cache
  static constexpr Index weights_stride = block / 2 + 16;  // and a line more, so that rows do not fall on one another
  const AttentionHead<S>& head;
  Bf16Rows queries;
  S *weights, *keys, *values;  // values: panels of all pairs of keys
  Index first = 0, last = 0;   // the panels of keys that are in pairs, with their values

  // Values of S behind `room`, for heads of at most these sizes.
  static constexpr Index room(Index key_count, Index depth, Index value_width) {
    const Index places = sizes::round_up(key_count, width);
    const Index a_key = sizes::sum(half_columns(depth), sizes::round_up(value_width, width) / 2);
    return sizes::sum(sizes::sum(queries_room(depth), tile_rows * weights_stride), sizes::product(places, a_key));
  }
  PairProducts(const AttentionHead<S>& of, S* room) : head(of), queries(Bf16Rows::in(room, attention_rows, of.width)) {
    weights = room + queries_room(head.width), keys = weights + tile_rows * weights_stride;
    values = keys + pair_panels() * width * half_columns(head.width);
  }
  VITRINE_INLINE void begin_tile(const ScoreTile<S>& tile) {
    for (Index r = 0; r < tile.rows; ++r)
      bf16_read(head.query + (tile.first + r) * head.query_stride, head.width, queries, r);
    if (tile.from >= tile.to) return;
    const Index from = tile.from / width, to = panel_count<S>(tile.to);
    if (first == last) first = last = from;
    while (first > from) read_panel(--first);
    while (last < to) read_panel(last++);
  }
  VITRINE_INLINE TileProduct<S> scores(const ScoreTile<S>&, Index r, Index key) const {
    TileProduct<S> product;
    product.a = queries.pairs + r * queries.stride, product.a_stride = queries.stride;
    product.b = keys + head.place(key) * half_columns(head.width);
    product.b_panel = width * half_columns(head.width), product.depth = head.width;
    return product;
  }
  // `begin` and `end` are even.
  VITRINE_INLINE TileProduct<S> context(const ScoreTile<S>& tile, Index r, Index count, Index begin, Index end) const {
    TileProduct<S> product;
    product.depth = head.run_end(begin, end) - begin;
    if (product.depth > block) product.depth = block;
    for (Index i = 0; i < count; ++i)
      bf16_pair_up<true>(tile.row(r + i) + begin, product.depth, weights + i * weights_stride);
    product.a = weights, product.a_stride = weights_stride;
    product.b = values + head.place(begin) / 2 * width, product.b_panel = pair_panels() * width * (width / 2);
    return product;
  }
  static VITRINE_INLINE void multiply(Index rows, Index panels, const TileProduct<S>& product) {
    half_rows<Bf16Pairs>(rows, panels, product);
  }
  static VITRINE_INLINE void multiply_half(Index rows, const TileProduct<S>& product) {
    half_rows<Bf16Pairs, 1, tile_rows, 1>(rows, product);
  }
  // A key alone: beside it in its pair is zero times zero.
  static VITRINE_INLINE typename V::vec weight(S e) { return bf16_words(V::zero(), V::set1(e)); }
  static VITRINE_INLINE typename V::vec add(typename V::vec e, typename V::vec v, typename V::vec sum) {
    return reinterpret_cast<typename V::vec>(_mm512_dpbf16_ps(reinterpret_cast<__m512>(sum),
                                                              reinterpret_cast<__m512bh>(e),
                                                              reinterpret_cast<__m512bh>(bf16_words(V::zero(), v))));
  }
  // A sum that came to -0 is +0 after a key alone and not after a pair: +0 for both.
  static VITRINE_INLINE typename V::vec end(typename V::vec sum) { return sum + V::zero(); }

 private:
  static constexpr Index queries_room(Index depth) {
    return sizes::product(attention_rows, Bf16Rows::row_pairs(depth));
  }
  // Panels of keys that have places.
  Index pair_panels() const { return panel_count<S>(head.ring > 0 ? head.ring : head.keys); }
  // A panel of keys, and the values of its keys that have another beside them.
  void read_panel(Index p) const {
    const Index place = head.place(p * width), steps = half_columns(head.width);
    const S* from = head.key_panels + place * head.width;
    S* to = keys + place * steps;
    for (Index k = 0; k < head.width; k += 2, from += 2 * width, to += width)
      for (Index i = 0; i < width; i += V::lanes)
        V::store(to + i, bf16_words(V::load(from + i), k + 1 < head.width ? V::load(from + width + i) : V::zero()));
    const Index pairs = (head.keys - p * width < width ? head.keys - p * width : width) / 2;
    const Index panel = pair_panels() * width * (width / 2), columns = round_up(head.value_width, width);
    for (Index i = 0; i < pairs; ++i) {
      const S* const earlier = head.value + (place + 2 * i) * head.value_stride;
      for (Index n = 0; n < columns; n += V::lanes)
        V::store(values + n / width * panel + (place / 2 + i) * width + n % width,
                 bf16_words(V::load(earlier + head.value_stride + n), V::load(earlier + n)));
    }
  }
};

#endif

}  // namespace vitrine::inline VITRINE_ABI::kernels::detail

#include <vitrine/core/macros_pop.hpp>
