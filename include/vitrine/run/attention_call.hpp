// AttentionCall: one attention over all sequences and heads, and how a team works through it. Internal.
#pragma once
#include <vitrine/core/maps.hpp>
#include <vitrine/core/mask.hpp>
#include <vitrine/kernels/attention.hpp>
#include <vitrine/run/key_values.hpp>
#include <vitrine/run/runner.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::detail {

// Query rows of one item of attention: beside the keys and values of a head, their mean rows fit the second-level
// cache.
inline constexpr Index chunk_rows = 3 * kernels::attention_rows;

template <class S>
struct AttentionCall;

// One layer's place for what is kept of an attention.
template <class S>
struct AttentionSink : MapSink<S> {
  // What deal_out_heads hands the call to where no maps of heads are stored (run/figures_attention.hpp).
  void (*compute_figures)(const Runner<S>&, const AttentionCall<S>&) = nullptr;

  constexpr AttentionSink() = default;
  constexpr AttentionSink(const MapSink<S>& maps) : MapSink<S>(maps) {}
};

template <class S>
struct AttentionCall {
  Rows<S> query = {}, context = {};  // rows of all sequences, heads side by side; may be one place, see attend_heads
  RowMap query_rows = {};
  KeyValues<S> key_values = {};
  RowMap key_rows = {};  // lengths; `past` more keys stand before them, extra ones after
  Index past = 0, extra = 0;
  const Index* pasts = nullptr;  // of each sequence, instead of the one
  Index heads = 0;
  Index sharing = 1;             // consecutive sequences (beams) that share keys and values
  Index heads_per_key_head = 1;  // consecutive query heads that share a key head
  const Mask<S>* mask = nullptr;
  const S* head_scale = nullptr;  // one for each head
  S scale = S(1), softcap = S(0);
  Index window = 0;                // a query sees the last `window` keys; 0: all
  BiasView<S> position_bias = {};  // by distance: a step of 1 for a key, of -1 for a query
  const S* rotary = nullptr;       // what turns rows at `past` and on: a row for each position; with pasts for each row
  AttentionSink<S> sink = {};
  kernels::ScoresAt scores_at = kernels::ScoresAt::masked;
  [[no_unique_address]] kernels::InPairs<S> in_pairs = {};  // the products are of values that are rounded to bf16

  Index past_of(Index b) const { return pasts != nullptr ? pasts[b] : past; }
  // Of consecutive sequences of one query each, how many are rows of one: those that share their keys and see the same.
  Index rows_of_one() const {
    return mask == nullptr && position_bias.data == nullptr && pasts == nullptr && window == 0 ? sharing : 1;
  }
  // A map that does not stay in the caches is written past them.
  bool large(Index value_bytes = sizeof(S)) const {
    return sink.any() && sink.layout->per_layer * value_bytes > (Index{4} << 20);
  }
  // What a layer of a stack is given of a call.
  void set_layer(const Mask<S>& of_call, const S* scales, const AttentionSink<S>& maps) {
    mask = of_call.any() ? &of_call : nullptr, head_scale = scales, sink = maps;
  }
};

// What the kernel is told of one head of one sequence.
template <class S>
kernels::AttentionHead<S> head_of(const AttentionCall<S>& call, Index b, Index h) {
  const Index kv_b = b / call.sharing, kv_h = h / call.heads_per_key_head;
  const KeyValues<S>& kv = call.key_values;
  kernels::AttentionHead<S> head;
  head.width = kv.width, head.value_width = kv.value_width;
  head.query = call.query.data + call.query_rows.start(b) * call.query.stride + h * head.width;
  head.query_stride = call.query.stride;
  head.key_panels = kv.key_panels(kv_b, kv_h);
  head.value = kv.value_rows(kv_b, kv_h);
  head.value_stride = kv.value_row();
  head.context = call.context.data + call.query_rows.start(b) * call.context.stride + h * head.value_width;
  head.context_stride = call.context.stride;
  head.extra_keys = call.extra;
  head.keys = call.past_of(b) + call.key_rows.length_of(kv_b) + call.extra;
  if (head.keys > kv.capacity) head.ring = kv.capacity;
  head.scale = call.scale, head.softcap = call.softcap;
  head.head_scale = call.head_scale != nullptr ? call.head_scale[h] : S(1);
  if (call.mask != nullptr)
    head.mask = row_mask(*call.mask, b, h, head.masked_keys());
  else
    head.mask.keys = head.masked_keys();
  if (call.window > 0) {
    if (!head.mask.is_causal) head.mask.offset = call.past_of(b);
    const Index left = saturated_end(call.window - 1);
    head.mask.left = head.mask.left < 0 || head.mask.left > left ? left : head.mask.left;
  }
  if (call.position_bias.data != nullptr)
    head.mask.bias = &call.position_bias, head.mask.bias_at = h * call.position_bias.stride[1];
  head.weights = call.sink.place(call.sink.weights, b, h);
  head.scores = call.sink.place(call.sink.scores, b, h);
  head.scores_at = call.scores_at, head.in_pairs = call.in_pairs;
  constexpr std::uintptr_t line = VITRINE_VECTOR_BYTES > 0 ? VITRINE_VECTOR_BYTES : 1;
  head.stream = call.large() && call.extra == 0 && std::uintptr_t(head.keys) * sizeof(S) % line == 0 &&
                reinterpret_cast<std::uintptr_t>(head.weights) % line == 0;
  head.mean = call.sink.place(call.sink.mean, b, h);
  head.mean_first = h == 0, head.mean_last = h + 1 == call.heads;
  head.mean_factor = S(1) / S(call.heads);
  return head;
}

// Whether the threads divide the heads: of single rows each takes those whose columns it has projected, so that their
// keys and values stay in its cache.
inline bool divides_heads(const Team& team, const RowMap& rows, Index heads) {
  return VITRINE_OPENMP != 0 && rows.length == 1 && rows.starts == nullptr && heads % team.threads() == 0;
}

// Pairs of keys and values are made for each item: of long sequences it has twice as many rows.
template <class S>
Index rows_of_item(const AttentionCall<S>& call) {
  return call.in_pairs && call.query_rows.length > 8 * chunk_rows ? 2 * chunk_rows : chunk_rows;
}

// Chunks of query rows of one head, or of all heads, in order, where their mean is kept.
template <class S>
void deal_out_heads(const Runner<S>& runner, const AttentionCall<S>& call) {
  if (call.sink.compute_figures != nullptr) return call.sink.compute_figures(runner, call);
  const Index rows = rows_of_item(call);
  const Index chunks = (call.query_rows.length + rows - 1) / rows, heads = call.heads;
  const bool mean = call.sink.mean != nullptr;
  const Scratch<S>& scratch = runner.scratch();
  const auto one = [&](Index b, Index h, Index first, Index last, Index map_stride = 0) {
    auto head = head_of(call, b, h);
    head.map_stride = map_stride;
    head.scores_in_weights = scratch.scores_in_weights;  // weights may be null where there are no keys
    head.stream = head.stream && !head.scores_in_weights;
    kernels::attend_head(head, first, last, scratch.attention.of_thread(runner.team()));
  };
  // In this order keys and values come in longer runs. Beams over one source are rows of one tile, which reads them
  // once for all.
  if (!mean && divides_heads(runner.team(), call.query_rows, heads)) {
    const Index together = scratch.scores_in_weights ? 1 : call.rows_of_one();
    runner.team().split(heads, [&](Index from, Index to) {
      for (Index b = 0; b < call.query_rows.batch; b += together) {
        const Index map_stride = together > 1 && call.sink.any() ? call.sink.layout->distance(b) : 0;
        for (Index h = from; h < to; ++h) one(b, h, 0, together, map_stride);
      }
    });
    return runner.wait();
  }
  const Index items = call.query_rows.batch * (mean ? 1 : heads) * chunks;
  runner.team().for_each(items, [&](Index item) {
    const Index first = item % chunks * rows, outer = item / chunks;
    const Index b = mean ? outer : outer / heads;
    const Index end = first + rows, length = call.query_rows.length_of(b);
    const Index last = end < length ? end : length;
    if (first >= last) return;
    if (!mean) return one(b, outer % heads, first, last);
    for (Index h = 0; h < heads; ++h) one(b, h, first, last);  // ascending: the order of the sum
  });
}

// softmax(scale Q K^T + mask) V of every head of every sequence, with what the call keeps of it: a context may stand
// where the queries did that it came from. A trace is shown the maps, whatever the call keeps, and the context.
template <class S, class Trace>
void attend_heads(const Runner<S, Trace>& runner, const AttentionCall<S>& call) {
  if constexpr (Trace::on) {
    AttentionCall<S> shown = call;
    shown.sink = runner.trace().sink();
    deal_out_heads(runner.untraced(), shown);
    runner.trace().maps(runner.team());
    runner.show_heads("context", call.context, call.query_rows, call.heads);
    if (call.sink.any()) deal_out_heads(runner.untraced(), call);
  } else {
    deal_out_heads(runner, call);
  }
}

}  // namespace vitrine::inline VITRINE_ABI::detail

#include <vitrine/core/macros_pop.hpp>
