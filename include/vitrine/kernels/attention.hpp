// Attention of one head: softmax(scale Q K^T + mask) V, the weights written once where they are kept.
//
//   attend_head(head, first, last, scratch)      for query rows [first, last), a tile of them at a time:
//     begin_tile    which keys each row sees
//     scores        Q K^T over all keys that a row of the tile sees, into scratch
//     scale_row     scale and soft cap
//     mask_row      the mask's matrix
//     softmax_seen  exp(s - max) over the whole row (kernels/softmax.hpp; no online rescaling: one result,
//                   examples/threads.md)
//     keep_row      weights, or their codes, and their mean over heads, out once where they have a place (scores went
//                   out before)
//     context_rows  (e V) / sum
// The same code serves every policy: a null pointer means not kept. Vaswani et al. 2017, equation 1.
#pragma once
#include <vitrine/core/config.hpp>
#include <vitrine/core/simd.hpp>
#include <vitrine/kernels/attention_head.hpp>
#include <vitrine/kernels/attention_products.hpp>
#include <vitrine/kernels/map_codes.hpp>
#include <vitrine/kernels/matmul.hpp>
#include <vitrine/kernels/panel.hpp>
#include <vitrine/kernels/row_figures.hpp>
#include <vitrine/kernels/score_tile.hpp>
#include <vitrine/kernels/softmax.hpp>
#include <vitrine/kernels/weight_rows.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::kernels {

// Scratch values of one thread, for heads of at most these sizes.
template <class S>
constexpr Index attention_scratch(Index keys, Index value_width, bool scores_in_weights = false) {
  const Index scores = scores_in_weights ? 0 : score_room<S>(attention_rows, keys);
  return sizes::sum(scores, sizes::product(tile_rows, sizes::round_up(value_width, panel_width<S>)));
}
// Those behind them of heads whose products are of pairs.
template <class S>
constexpr Index pairs_scratch(Index keys, Index width, Index value_width) {
  return detail::PairProducts<S>::room(keys, width, value_width);
}

// Query rows [first, last) of a head: context (T, value_width), and what else has a place. `scratch` holds
// attention_scratch values, with in_pairs pairs_scratch more, and belongs to this thread. Allocates nothing, touches no
// other byte. Without Figures, head.figures is not looked at: who keeps none has none of their code.
template <class S, bool Figures = false>
void attend_head(const AttentionHead<S>& head, Index first, Index last, S* scratch);
// The same, with the weights as codes; head.weights is null.
template <class S>
void attend_head(const AttentionHead<S>& head, Index first, Index last, S* scratch, const MapCodes<S>& codes);

// ---- implementation

namespace detail {

// softcap * tanh(s / softcap); tanh(x) = 1 - 2 / (1 + e^2x), an absolute error of a few eps of the cap.
template <class S>
void cap_row(S* s, Index n, S cap, Index room) {
  using V = simd<S>;
  const auto one = V::set1(S(1)), two = V::set1(S(2)), limit = V::set1(cap);
  for (Index j = 0; j < n; j += V::lanes) {
    const auto x = load_first(s + j, room - j) / limit;
    store_first(s + j, V::mul(limit, one - two / (one + exp<S>(V::mul(two, x)))), room - j);
  }
}

// A row of the kept weights, the extra keys' last first: they may stand where e does.
template <class S>
VITRINE_INLINE void keep_weights(const AttentionHead<S>& head, const SoftmaxRow<S>& row, Index query) {
  S* const out = head.map_row(head.weights, query);
  const Index masked_keys = head.masked_keys();
  for (Index x = head.extra_keys; x-- > 0;) out[masked_keys + x] = mul(row.e[row.hi + x], row.inverse);
  write_weights(row, masked_keys, out, head.stream);
}

template <class S>
VITRINE_INLINE void keep_mean(const AttentionHead<S>& head, const SoftmaxRow<S>& row, Index query) {
  S* const out = head.mean + (query - head.mean_from) * head.keys;
  const Index masked_keys = head.masked_keys();
  const auto run = head.mean_first ? (head.mean_last ? add_mean<S, true, true> : add_mean<S, true, false>)
                                   : (head.mean_last ? add_mean<S, false, true> : add_mean<S, false, false>);
  run(row, masked_keys, head.mean_factor, out);
  for (Index e = masked_keys; e < head.keys; ++e) {
    const S w = mul(row.e[row.hi + e - masked_keys], row.inverse), sum = head.mean_first ? w : out[e] + w;
    out[e] = head.mean_last ? mul(sum, head.mean_factor) : sum;
  }
}

// The tile that begins with query row `first`: which keys each of its rows sees, before any mask by matrix.
template <class S>
VITRINE_INLINE void begin_tile(const AttentionHead<S>& head, Index first, Index last, S* scratch, ScoreTile<S>& tile) {
  tile.first = first, tile.rows = last - first < attention_rows ? last - first : attention_rows;
  tile.scores = head.scores_in_weights ? head.weights + first * head.keys : scratch;
  tile.stride = head.scores_in_weights ? head.keys : score_stride<S>(head.keys);
  Index from = head.keys, to = 0;
  for (Index r = 0; r < tile.rows; ++r) {
    Index& lo = tile.lo[r];
    Index& hi = tile.hi[r];
    head.mask.key_range(first + r, lo, hi);
    if (head.keeps_all_scores()) from = 0, to = head.keys;
    if (head.extra_keys > 0) to = head.keys;
    if (lo < hi) from = lo < from ? lo : from, to = hi > to ? hi : to;
  }
  if (head.extra_keys > 0 && from > head.masked_keys()) from = head.masked_keys();
  tile.from = from, tile.to = to;
}

// (rows, width) x (keys, width)^T, a panel of keys for all rows of the tile. `sums` holds a tile of one panel.
template <class S, class P>
VITRINE_INLINE void scores(const AttentionHead<S>& head, const ScoreTile<S>& tile, P& products, S* sums) {
  constexpr Index width = panel_width<S>;
  products.begin_tile(tile);
  for (Index p = tile.from / width; p * width < tile.to;) {
    const Index end = panel_count<S>(head.run_end(p * width, tile.to));
    Index together = panels_at_once(tile.rows);
    while (p + together > end) together /= 2;
    while (head.scores_in_weights && together > 1 && (p + together) * width > head.keys) together /= 2;
    // A panel of which the row has a part:
    const bool beyond = head.scores_in_weights && (p + together) * width > head.keys;
    for (Index r = 0; r < tile.rows; r += tile_rows) {
      const Index count = tile.rows - r < tile_rows ? tile.rows - r : tile_rows;
      S* const to = tile.row(r) + p * width;
      TileProduct<S> product = products.scores(tile, r, p * width);
      product.c = beyond ? sums : to, product.c_stride = beyond ? width : tile.stride;
      P::multiply(count, count == tile.rows ? together : 1, product);
      if (beyond)
        for (Index i = 0; i < count; ++i) copy(sums + i * width, head.keys - p * width, to + i * tile.stride);
    }
    p += together;
  }
}

// Scale and soft cap of row r, in the vectors that hold its interval (what they hold beside it is not used), and the
// scores that are kept before the mask.
template <class S>
VITRINE_INLINE void scale_row(const AttentionHead<S>& head, const ScoreTile<S>& tile, Index r) {
  using V = simd<S>;
  S* const s = tile.row(r);
  Index begin = tile.lo[r], end = tile.hi[r];
  if (head.extra_keys > 0) begin = begin < end ? begin : head.masked_keys(), end = head.keys;
  if (head.keeps_all_scores()) begin = 0, end = head.keys;
  const Index aligned = begin / V::lanes * V::lanes, stride = tile.stride;
  S* const kept = head.keeps_all_scores() ? head.map_row(head.scores, tile.first + r) : nullptr;
  if (!head.scales_late())
    for (Index j = aligned; j < end; j += V::lanes)
      store_first(s + j, V::mul(load_first(s + j, stride - j), V::set1(head.scale)), stride - j);
  if (kept != nullptr && head.scores_at == ScoresAt::scaled) copy(s, head.keys, kept);
  if (head.softcap > S(0)) cap_row(s + aligned, end - aligned, head.softcap, stride - aligned);
  if (kept != nullptr && head.scores_at == ScoresAt::capped) copy(s, head.keys, kept);
}

// The mask's matrix on row r, and the scores that are kept behind it. The extra keys' scores move up to the interval:
// what stands between, padding perhaps, shifts no lane of the sum.
template <class S>
VITRINE_INLINE void mask_row(const AttentionHead<S>& head, ScoreTile<S>& tile, Index r) {
  S* const s = tile.row(r);
  Index& lo = tile.lo[r];
  Index& hi = tile.hi[r];
  const Index masked_keys = head.masked_keys(), query = tile.first + r;
  if (head.mask.has_matrix()) head.mask.apply(query, s, lo, hi);
  if (lo >= hi) lo = hi = head.extra_keys > 0 ? masked_keys : 0;
  for (Index e = 0; e < head.extra_keys; ++e) s[hi + e] = s[masked_keys + e];
  if (head.scores == nullptr || head.scores_at != ScoresAt::masked) return;
  S* const out = head.map_row(head.scores, query);
  for (Index j = 0; j < masked_keys; ++j) out[j] = j >= lo && j < hi ? s[j] : vitrine::detail::minus_infinity<S>();
  copy(s + hi, head.extra_keys, out + masked_keys);
}

// Row r becomes e = exp(s - max) over its interval and the extra keys.
template <class S, class F>
VITRINE_INLINE void softmax_seen(const AttentionHead<S>& head, ScoreTile<S>& tile, Index r,
                                 [[maybe_unused]] F& figures) {
  const Index lo = tile.lo[r], seen = tile.hi[r] - lo + head.extra_keys;
  tile.inverse[r] = S(0);
  if (seen > 0) {
    const SoftmaxSums<S> row = softmax_row<S, F::on>(
        tile.row(r) + lo, seen, {head.scales_late(), head.scale, head.mask.has_matrix(), tile.stride - lo});
    tile.inverse[r] = row.inverse;
    if constexpr (F::on) figures.set(r, row.max, row.sum, row.product, row.inverse);
  } else if constexpr (F::on) {
    figures.set_empty(r);
  }
}

// Where the rows end that softmax may take together, from row r of a tile on.
template <class F, class S>
VITRINE_INLINE Index rows_together(const AttentionHead<S>& head, const ScoreTile<S>& tile, Index r) {
  const bool together = !F::on && short_rows > 1 && head.keys <= short_row<S> && tile.rows - r >= short_rows;
  return r + (together ? short_rows : 1);
}
// softmax_seen of rows [r, end) at once; false, and nothing done, where they do not see the same keys.
template <class F, class S>
VITRINE_INLINE bool softmax_together(const AttentionHead<S>& head, ScoreTile<S>& tile, Index r, Index end) {
  if constexpr (F::on || short_rows == 1) return false;
  const Index lo = tile.lo[r], hi = tile.hi[r], seen = hi - lo + head.extra_keys;
  if (end - r < short_rows || seen <= 0) return false;
  for (Index i = r + 1; i < end; ++i)
    if (tile.lo[i] != lo || tile.hi[i] != hi) return false;
  softmax_short_rows(tile.row(r) + lo, tile.stride, seen,
                     {head.scales_late(), head.scale, head.mask.has_matrix(), tile.stride - lo}, tile.inverse + r);
  return true;
}

// What is kept of row r, but for its context.
template <class S, class F, class C>
VITRINE_INLINE void keep_row(const AttentionHead<S>& head, const ScoreTile<S>& tile, Index r,
                             [[maybe_unused]] const C& codes) {
  const SoftmaxRow<S> row = tile.softmax(r);
  const Index query = tile.first + r;
  if constexpr (F::on) write_figures(head.figures, query, row, {head.extra_keys, head.masked_keys()});
  if constexpr (C::on)
    codes.write(row, {head.extra_keys, head.masked_keys()},
                static_cast<std::byte*>(codes.map) + query * head.keys * codes.code_bytes, codes.stream);
  if (head.weights != nullptr && !head.scores_in_weights) keep_weights(head, row, query);
  if (head.mean != nullptr) keep_mean(head, row, query);
}

// The keys that all rows [r, r + count) of a tile see, and those that any of them sees.
struct CommonKeys {
  Index all_lo, all_hi, any_lo, any_hi;
};
template <class S, Index Step>  // the first ones begin and end at multiples of Step
VITRINE_INLINE CommonKeys common_keys(const ScoreTile<S>& tile, Index r, Index count, Index keys) {
  CommonKeys k{0, keys, keys, 0};
  for (Index i = r; i < r + count; ++i) {
    const Index lo = tile.lo[i], hi = tile.hi[i];
    k.all_lo = lo > k.all_lo ? lo : k.all_lo, k.all_hi = hi < k.all_hi ? hi : k.all_hi;
    if (lo < hi) k.any_lo = lo < k.any_lo ? lo : k.any_lo, k.any_hi = hi > k.any_hi ? hi : k.any_hi;
  }
  k.all_lo = (k.all_lo + Step - 1) / Step * Step, k.all_hi = k.all_hi / Step * Step;
  if (k.all_hi < k.all_lo) k.all_lo = k.all_hi = k.any_hi;  // no key is common: all are edges
  return k;
}

// The product of some rows of e by a run of keys' values, to be added to their sums: some panels together, and half of
// one where the rest fits it.
template <class S, class P>
VITRINE_INLINE void multiply_values(Index rows, Index value_width, TileProduct<S> product) {
  constexpr Index width = panel_width<S>;
  for (Index left = value_width; left > 0;) {
    if constexpr (half_panels)
      if (left <= simd<S>::lanes) return P::multiply_half(rows, product);
    Index together = panels_at_once(rows);
    while (together > panel_count<S>(left)) together /= 2;
    P::multiply(rows, together, product);
    product.b += together * product.b_panel, product.c += together * width;
    left -= together * width;
  }
}

// Rows [r, r + count) of the context: sums (count, value_width) = e V, each row over its own interval and the extra
// keys only, keys ascending; then times 1 / sum and the head's factor.
template <class S, class P>
VITRINE_INLINE void context_rows(const AttentionHead<S>& head, const ScoreTile<S>& tile, Index r, Index count,
                                 P& products, S* sums) {
  using V = simd<S>;
  constexpr Index width = panel_width<S>;
  const Index stride = round_up(head.value_width, width);
  const CommonKeys keys = common_keys<S, P::keys_a_step>(tile, r, count, head.keys);
  for (Index i = 0; i < count * stride; i += V::lanes) V::store(sums + i, V::zero());
  const auto value_of = [&](Index k) { return head.value + head.place(k) * head.value_stride; };
  const auto add = [&](Index i, Index at, const S* value) {  // the e that stands at `at` times a key's value
    const auto e = P::weight(tile.row(r + i)[at]);
    for (Index n = 0; n < stride; n += V::lanes) {
      S* const sum = sums + i * stride + n;
      V::store(sum, P::add(e, V::load(value + n), V::load(sum)));
    }
  };
  const auto edge = [&](Index k0, Index k1) {
    for (Index k = k0; k < k1; ++k) {
      const S* const value = value_of(k);
      for (Index i = 0; i < count; ++i)
        if (k >= tile.lo[r + i] && k < tile.hi[r + i]) add(i, k, value);
    }
  };
  edge(keys.any_lo, keys.all_lo < keys.any_hi ? keys.all_lo : keys.any_hi);
  for (Index k = keys.all_lo, end; k < keys.all_hi; k = end) {
    TileProduct<S> product = products.context(tile, r, count, k, keys.all_hi);
    end = k + product.depth;
    product.c = sums, product.c_stride = stride, product.add_to_c = true;
    multiply_values<S, P>(count, head.value_width, product);
  }
  edge(keys.all_hi > keys.any_lo ? keys.all_hi : keys.any_lo, keys.any_hi);
  for (Index k = 0; k < head.extra_keys; ++k)
    for (Index i = 0; i < count; ++i) add(i, tile.hi[r + i] + k, value_of(head.masked_keys() + k));

  for (Index i = 0; i < count; ++i) {
    S* const out = head.context + (tile.first + r + i) * head.context_stride;
    const auto factor = V::set1(tile.inverse[r + i]), gain = V::set1(head.head_scale);
    for (Index n = 0; n < head.value_width; n += V::lanes) {
      auto x = V::mul(P::end(V::load(sums + i * stride + n)), factor);
      if (head.head_scale != S(1)) x = V::mul(x, gain);
      store_first(out + n, x, head.value_width - n);
    }
  }
}

template <class S, class P, bool Figures, class C>
VITRINE_INLINE void attend_rows(const AttentionHead<S>& head, Index first, Index last, S* scratch, const C& codes) {
  using F = std::conditional_t<Figures, TileFigures<S>, NoFigures>;
  S* const sums = head.scores_in_weights ? scratch : scratch + attention_rows * score_stride<S>(head.keys);
  P products(head, sums + tile_rows * round_up(head.value_width, panel_width<S>));
  for (Index row = first; row < last; row += attention_rows) {
    ScoreTile<S> tile;
    [[maybe_unused]] F figures;
    begin_tile(head, row, last, scratch, tile);
    scores(head, tile, products, sums);
    for (Index r = 0, end; r < tile.rows; r = end) {
      end = rows_together<F>(head, tile, r);
      for (Index i = r; i < end; ++i) {
        scale_row(head, tile, i);
        mask_row(head, tile, i);
      }
      if (!softmax_together<F>(head, tile, r, end))
        for (Index i = r; i < end; ++i) softmax_seen(head, tile, i, figures);
      for (Index i = r; i < end; ++i) keep_row<S, F>(head, tile, i, codes);
    }
    if constexpr (Figures) {
      if (head.figures.entropy != nullptr) figures.write(head.figures, row, tile.rows);
      if (head.figures.columns != nullptr) write_columns(head.figures, tile, {head.extra_keys, head.masked_keys()});
    }
    for (Index r = 0; r < tile.rows; r += tile_rows)
      context_rows(head, tile, r, tile.rows - r < tile_rows ? tile.rows - r : tile_rows, products, sums);
    if (head.scores_in_weights)
      for (Index r = 0; r < tile.rows; ++r) keep_weights(head, tile.softmax(r), row + r);
  }
  if constexpr (C::on) {
    if (codes.stream) stream_fence();
  } else if (head.stream && head.weights != nullptr) {
    stream_fence();
  }
}

template <class S, bool Figures, class C>
VITRINE_INLINE void attend_rows(const AttentionHead<S>& head, Index first, Index last, S* scratch, const C& codes) {
  if constexpr (may_be_in_pairs<S>)
    if (head.in_pairs) return attend_rows<S, PairProducts<S>, Figures>(head, first, last, scratch, codes);
  attend_rows<S, PlainProducts<S>, Figures>(head, first, last, scratch, codes);
}

}  // namespace detail

template <class S, bool Figures>
VITRINE_NOINLINE void attend_head(const AttentionHead<S>& head, Index first, Index last, S* scratch) {
  detail::attend_rows<S, Figures>(head, first, last, scratch, NoCodes{});
}
template <class S>
VITRINE_NOINLINE void attend_head(const AttentionHead<S>& head, Index first, Index last, S* scratch,
                                  const MapCodes<S>& codes) {
  detail::attend_rows<S, false>(head, first, last, scratch, codes);
}

}  // namespace vitrine::inline VITRINE_ABI::kernels

#include <vitrine/core/macros_pop.hpp>
