// Attention of one head: softmax(scale Q K^T + mask) V, the weights written once where they are kept.
//
// Row tile by row tile: the scores of a tile over all its keys stand in scratch, the softmax runs over whole rows there
// (no online rescaling: one result, examples/threads.md), the weights go out once, the values are multiplied at once.
// The same code serves every policy: a null pointer means not kept. Vaswani et al. 2017, equation 1.
#pragma once
#include <vitrine/core/config.hpp>
#include <vitrine/core/mask.hpp>
#include <vitrine/core/simd.hpp>
#include <vitrine/kernels/matmul.hpp>
#include <vitrine/kernels/panel.hpp>
#include <vitrine/kernels/row_figures.hpp>
#include <vitrine/kernels/softmax.hpp>

namespace vitrine::inline VITRINE_ABI::kernels {

// Where along scale -> soft cap -> mask -> softmax the scores are taken (ONNX Attention's qk_matmul_output_mode).
enum class ScoresAt : std::uint8_t { scaled, capped, masked, softmax };

// One head of one sequence. Keys in panels of (keys, width); values in rows of round_up(value_width, panel_width)
// readable columns.
template <class S>
struct AttentionHead {
  const S* query = nullptr;  // (T, width)
  Index query_stride = 0;
  const S* key_panels = nullptr;
  const S* value = nullptr;  // (keys, value_width)
  Index value_stride = 0;
  S* context = nullptr;  // (T, value_width)
  Index context_stride = 0;

  Index keys = 0, width = 0, value_width = 0;
  Index extra_keys = 0;                               // the last ones, which no mask covers: bias_k and the zero key
  S scale = S(1), softcap = S(0), head_scale = S(1);  // softcap 0: none
  RowMask<S> mask = {};

  S* weights = nullptr;  // (T, keys)
  S* scores = nullptr;   // (T, keys)
  ScoresAt scores_at = ScoresAt::masked;
  bool stream = false;    // large maps go past the caches
  bool in_place = false;  // the weights' rows hold the scores meanwhile; scratch has no rows for them. Without mean
  S* mean = nullptr;      // (T, keys): the sum over heads so far; the last head multiplies by mean_factor
  Index mean_from = 0;    // the query row whose place in it is the first
  bool mean_first = false, mean_last = false;
  S mean_factor = S(1);
  RowFigures<S> figures = {};  // attend<S, true> only
};

// Query rows whose scores are in scratch together.
inline constexpr Index attention_rows = Index{2} * tile_rows;

// Values between two rows of scores in scratch: whole panels, and a vector that a row's tail may touch.
template <class S>
constexpr Index score_stride(Index keys) {
  return panels<S>(keys) * panel_width<S> + simd<S>::lanes;
}
// Scratch values of one thread, for heads of at most these sizes.
template <class S>
constexpr Index attention_scratch(Index keys, Index value_width, bool in_place = false) {
  return (in_place ? 0 : attention_rows * score_stride<S>(keys)) + tile_rows * panels<S>(value_width) * panel_width<S>;
}

namespace detail {

// softcap * tanh(s / softcap); tanh(x) = 1 - 2 / (1 + e^2x), an absolute error of a few eps of the cap.
template <class S>
void cap_row(S* s, Index n, S cap, Index room) {
  using V = simd<S>;
  const auto one = V::set1(S(1)), two = V::set1(S(2)), limit = V::set1(cap);
  for (Index j = 0; j < n; j += V::lanes) {
    const auto x = load_head(s + j, room - j) / limit;
    store_head(s + j, V::mul(limit, one - two / (one + exp<S>(V::mul(two, x)))), room - j);
  }
}

template <class S>
VITRINE_INLINE void store_out(S* p, typename simd<S>::vec x, bool stream) {
  if (stream)
    simd<S>::stream(p, x);
  else
    simd<S>::store(p, x);
}

// A row of the weights: e * inverse inside [lo, hi), +0 outside. The row of e has zeros from hi to the end of its
// vector.
template <class S>
VITRINE_NOINLINE void write_weights(const S* e, Index lo, Index hi, Index keys, S inverse, S* out, bool stream) {
  using V = simd<S>;
  const auto factor = V::set1(inverse);
  const Index begin = lo / V::lanes * V::lanes;
  Index j = 0;
  for (; j < begin; j += V::lanes) store_out(out + j, V::zero(), stream);
  const Index whole = hi < keys / V::lanes * V::lanes ? hi : keys / V::lanes * V::lanes;
  for (; j < whole; j += V::lanes) {
    auto w = V::mul(V::load(e + j), factor);
    if (j < lo) w = V::select(head_mask<S>(lo - j), V::zero(), w);
    if (j + V::lanes > hi) w = V::select(head_mask<S>(hi - j), w, V::zero());
    store_out(out + j, w, stream);
  }
  for (; j + V::lanes <= keys; j += V::lanes) store_out(out + j, V::zero(), stream);
  for (; j < keys; ++j) out[j] = j >= lo && j < hi ? mul(e[j], inverse) : S(0);
}

// The same, added to the sum over heads.
template <class S, bool First, bool Last>
VITRINE_NOINLINE void add_mean(const S* e, Index lo, Index hi, Index keys, S inverse, S mean_factor, S* out) {
  using V = simd<S>;
  const auto factor = V::set1(inverse), mean = V::set1(mean_factor);
  for (Index j = 0; j < keys; j += V::lanes) {
    if (j >= lo && j + V::lanes <= hi) {
      auto sum = V::mul(V::load(e + j), factor);
      if constexpr (!First) sum = V::load(out + j) + sum;
      V::store(out + j, Last ? V::mul(sum, mean) : sum);
      continue;
    }
    auto w = V::zero();
    if (j < hi && j + V::lanes > lo) {
      w = V::mul(V::load(e + j), factor);
      if (j < lo) w = V::select(head_mask<S>(lo - j), V::zero(), w);
      if (j + V::lanes > hi) w = V::select(head_mask<S>(hi - j), w, V::zero());
    }
    const auto sum = First ? w : load_head(out + j, keys - j) + w;
    store_head(out + j, Last ? V::mul(sum, mean) : sum, keys - j);
  }
}
template <class S>
void add_mean(const S* e, Index lo, Index hi, Index keys, S inverse, const AttentionHead<S>& head, S* out) {
  const auto run = head.mean_first ? (head.mean_last ? add_mean<S, true, true> : add_mean<S, true, false>)
                                   : (head.mean_last ? add_mean<S, false, true> : add_mean<S, false, false>);
  run(e, lo, hi, keys, inverse, head.mean_factor, out);
}

}  // namespace detail

// Query rows [first, last) of a head: context (T, value_width), and what else has a place. `scratch` holds
// attention_scratch values and belongs to this thread. Allocates nothing, touches no other byte. Without Figures,
// head.figures is not looked at: who keeps none has none of their code.
template <class S, bool Figures = false>
VITRINE_NOINLINE void attend(const AttentionHead<S>& head, Index first, Index last, S* scratch) {
  using V = simd<S>;
  constexpr Index width = panel_width<S>;
  const Index stride = head.in_place ? head.keys : score_stride<S>(head.keys);
  const Index value_panels = panels<S>(head.value_width);
  S* const sums = head.in_place ? scratch : scratch + attention_rows * stride;  // a tile's context before it is divided
  const Index masked_keys = head.keys - head.extra_keys;
  const bool all_scores = head.scores != nullptr && head.scores_at < ScoresAt::masked;
  const bool masked = head.mask.has_matrix();
  // Then the scale waits for the exponential: rounding keeps order, so scale * max is the largest of the scaled scores.
  const bool plain = !masked && head.scores == nullptr && head.softcap == S(0) && head.scale > S(0);

  const auto write = [&](Index i, const S* e, Index lo, Index hi, S inverse) {
    S* const out = head.weights + i * head.keys;
    for (Index x = head.extra_keys; x-- > 0;) out[masked_keys + x] = mul(e[hi + x], inverse);  // may be e: last first
    detail::write_weights(e, lo, hi, masked_keys, inverse, out, head.stream);
  };

  for (Index i0 = first; i0 < last; i0 += attention_rows) {
    const Index rows = last - i0 < attention_rows ? last - i0 : attention_rows;
    S* const scores = head.in_place ? head.weights + i0 * head.keys : scratch;  // (rows, keys), `stride` apart
    Index lo[attention_rows], hi[attention_rows];
    S inverse[attention_rows];
    [[maybe_unused]] std::conditional_t<Figures, detail::TileFigures<S, attention_rows>, char> tile_figures = {};
    [[maybe_unused]] bool empty[attention_rows];
    Index from = head.keys, to = 0;
    for (Index r = 0; r < rows; ++r) {
      head.mask.interval(i0 + r, lo[r], hi[r]);
      if (all_scores) from = 0, to = head.keys;
      if (head.extra_keys > 0) to = head.keys;
      if (lo[r] < hi[r]) from = lo[r] < from ? lo[r] : from, to = hi[r] > to ? hi[r] : to;
    }
    if (head.extra_keys > 0 && from > masked_keys) from = masked_keys;

    // scores: (rows, width) x (keys, width)^T, a panel of keys for all rows of the tile
    for (Index p = from / width; p * width < to;) {
      Index together = panels_at_once(rows);
      while (p + together > panels<S>(to)) together /= 2;
      while (head.in_place && together > 1 && (p + together) * width > head.keys) together /= 2;
      const bool beyond = head.in_place && (p + together) * width > head.keys;  // a panel of which the row has a part
      for (Index r = 0; r < rows; r += tile_rows) {
        const Index count = rows - r < tile_rows ? rows - r : tile_rows;
        S* const to_scores = scores + r * stride + p * width;
        multiply_rows<S>(count, count == rows ? together : 1, head.query + (i0 + r) * head.query_stride,
                         head.query_stride, head.key_panels + p * width * head.width, width * head.width, width,
                         head.width, beyond ? sums : to_scores, beyond ? width : stride, false);
        if (beyond)
          for (Index i = 0; i < count; ++i)
            detail::copy(sums + i * width, head.keys - p * width, to_scores + i * stride);
      }
      p += together;
    }

    for (Index r = 0; r < rows; ++r) {
      const Index i = i0 + r;
      S* const s = scores + r * stride;
      Index begin = lo[r], end = hi[r];
      if (head.extra_keys > 0) begin = begin < end ? begin : masked_keys, end = head.keys;
      if (all_scores) begin = 0, end = head.keys;
      // scale, in the vectors that hold the interval; what they hold beside it is not used
      const Index aligned = begin / V::lanes * V::lanes;
      if (!plain)
        for (Index j = aligned; j < end; j += V::lanes)
          store_head(s + j, V::mul(load_head(s + j, stride - j), V::set1(head.scale)), stride - j);
      if (all_scores && head.scores_at == ScoresAt::scaled) detail::copy(s, head.keys, head.scores + i * head.keys);
      if (head.softcap > S(0)) detail::cap_row(s + aligned, end - aligned, head.softcap, stride - aligned);
      if (all_scores && head.scores_at == ScoresAt::capped) detail::copy(s, head.keys, head.scores + i * head.keys);
      if (all_scores) begin = lo[r], end = hi[r];

      if (head.mask.has_matrix()) head.mask.apply(i, s, lo[r], hi[r]);
      if (lo[r] >= hi[r]) lo[r] = hi[r] = head.extra_keys > 0 ? masked_keys : 0;
      // The extra keys' scores move up to the interval: what stands between, padding perhaps, shifts no lane of the
      // sum.
      for (Index e = 0; e < head.extra_keys; ++e) s[hi[r] + e] = s[masked_keys + e];
      const Index seen = hi[r] - lo[r] + head.extra_keys;
      if (head.scores != nullptr && head.scores_at == ScoresAt::masked) {
        S* out = head.scores + i * head.keys;
        for (Index j = 0; j < masked_keys; ++j)
          out[j] = j >= lo[r] && j < hi[r] ? s[j] : vitrine::detail::minus_infinity<S>();
        detail::copy(s + hi[r], head.extra_keys, out + masked_keys);
      }

      inverse[r] = S(0);
      if (seen > 0) {
        const Index room = stride - lo[r];
        const S max = row_max(s + lo[r], seen, room);
        const S top = plain ? mul(max, head.scale) : max;
        [[maybe_unused]] S product = S(0);
        const S sum = plain    ? exponentials<S, false, true, Figures>(s + lo[r], seen, top, head.scale, room, &product)
                      : masked ? exponentials<S, true, false, Figures>(s + lo[r], seen, top, S(1), room, &product)
                               : exponentials<S, false, false, Figures>(s + lo[r], seen, top, S(1), room, &product);
        inverse[r] = S(1) / sum;
        if constexpr (Figures) tile_figures.set(r, top, sum, product, inverse[r]);
      }
      if constexpr (Figures) {
        empty[r] = seen == 0;
        if (seen == 0) tile_figures.set_empty(r);
        detail::write_figures(head.figures, i, s, lo[r], hi[r], head.extra_keys, masked_keys, inverse[r]);
      }
      if (head.weights != nullptr && !head.in_place) write(i, s, lo[r], hi[r], inverse[r]);
      if (head.mean != nullptr) {
        S* const out = head.mean + (i - head.mean_from) * head.keys;
        detail::add_mean(s, lo[r], hi[r], masked_keys, inverse[r], head, out);
        for (Index e = masked_keys; e < head.keys; ++e) {
          const S w = mul(s[hi[r] + e - masked_keys], inverse[r]), sum = head.mean_first ? w : out[e] + w;
          out[e] = head.mean_last ? mul(sum, head.mean_factor) : sum;
        }
      }
    }

    if constexpr (Figures) {
      if (head.figures.entropy != nullptr) tile_figures.write(head.figures, i0, rows, empty);
      if (head.figures.columns != nullptr)
        detail::write_columns(head.figures, i0, rows, scores, stride, lo, hi, head.extra_keys, masked_keys, inverse);
    }

    // context: (rows, keys) x (keys, value_width), each row over its own interval and the extra keys only
    for (Index r = 0; r < rows; r += tile_rows) {
      const Index count = rows - r < tile_rows ? rows - r : tile_rows;
      Index all_lo = 0, all_hi = head.keys, any_lo = head.keys, any_hi = 0;
      for (Index i = r; i < r + count; ++i) {
        all_lo = lo[i] > all_lo ? lo[i] : all_lo, all_hi = hi[i] < all_hi ? hi[i] : all_hi;
        if (lo[i] < hi[i]) any_lo = lo[i] < any_lo ? lo[i] : any_lo, any_hi = hi[i] > any_hi ? hi[i] : any_hi;
      }
      if (all_hi < all_lo) all_lo = all_hi = any_hi;  // no key is common: all are edges
      const Index sums_stride = value_panels * width;
      for (Index i = 0; i < count * sums_stride; i += V::lanes) V::store(sums + i, V::zero());
      const auto add = [&](Index i, Index at, Index k) {  // the score that stands at `at` times the value of key k
        const auto e = V::set1(scores[(r + i) * stride + at]);
        for (Index n = 0; n < sums_stride; n += V::lanes) {
          S* sum = sums + i * sums_stride + n;
          V::store(sum, V::fma(e, V::load(head.value + k * head.value_stride + n), V::load(sum)));
        }
      };
      const auto edge = [&](Index k0, Index k1) {
        for (Index k = k0; k < k1; ++k)
          for (Index i = 0; i < count; ++i)
            if (k >= lo[r + i] && k < hi[r + i]) add(i, k, k);
      };
      edge(any_lo, all_lo < any_hi ? all_lo : any_hi);
      for (Index p = 0; p < value_panels && all_lo < all_hi;) {
        Index together = panels_at_once(count);
        while (p + together > value_panels) together /= 2;
        multiply_rows<S>(count, together, scores + r * stride + all_lo, stride,
                         head.value + all_lo * head.value_stride + p * width, width, head.value_stride, all_hi - all_lo,
                         sums + p * width, sums_stride, true);
        p += together;
      }
      edge(all_hi > any_lo ? all_hi : any_lo, any_hi);
      for (Index k = 0; k < head.extra_keys; ++k)
        for (Index i = 0; i < count; ++i) add(i, hi[r + i] + k, masked_keys + k);

      for (Index i = 0; i < count; ++i) {
        S* out = head.context + (i0 + r + i) * head.context_stride;
        const auto factor = V::set1(inverse[r + i]), gain = V::set1(head.head_scale);
        for (Index n = 0; n < head.value_width; n += V::lanes) {
          auto x = V::mul(V::load(sums + i * sums_stride + n), factor);
          if (head.head_scale != S(1)) x = V::mul(x, gain);
          store_head(out + n, x, head.value_width - n);
        }
      }
    }
    if (head.in_place)
      for (Index r = 0; r < rows; ++r) write(i0 + r, scores + r * stride, lo[r], hi[r], inverse[r]);
  }
  if (head.stream && head.weights != nullptr) stream_fence();
}

}  // namespace vitrine::inline VITRINE_ABI::kernels
