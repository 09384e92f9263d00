// The attention of policies that store no maps of S: compact maps, statistics, largest weights, rollout. Internal; a
// result's type chooses (sink_of), so that a program that keeps nothing of the kind holds none of this code.
#pragma once
#include <vitrine/core/compact_maps.hpp>
#include <vitrine/core/statistics.hpp>
#include <vitrine/kernels/rollout_layer.hpp>
#include <vitrine/run/attention_call.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::detail {

// Query rows of one item: whole tiles and whole blocks of a column's sum.
inline constexpr Index figure_rows = 3 * received_rows;
static_assert(figure_rows % kernels::attention_rows == 0);

template <class S>
void attend_statistics(const Runner<S>& runner, const AttentionCall<S>& call) {
  using V = simd<S>;
  const Index heads = call.heads;
  const Index chunks =
      call.query_rows.length > figure_rows ? (call.query_rows.length + figure_rows - 1) / figure_rows : 1;
  runner.team().in_turn(call.query_rows.batch * heads, chunks, [&](Index group, Index chunk, const auto& wait) {
    const Index b = group / heads, h = group % heads, length = call.query_rows.length_of(b);
    const Index first = chunk * figure_rows, last = first + figure_rows < length ? first + figure_rows : length;
    if (first >= last && chunk > 0) return;
    kernels::AttentionHead<S> head = head_of(call, b, h);
    S* const to = call.sink.template figures_at<S>(b, h);
    const Index stride = kernels::score_stride<S>(head.keys);
    if (to == nullptr) {
      if (first < last) kernels::attend_head(head, first, last, runner.scratch().attention.of_thread(runner.team()));
      return;
    }
    auto& figures = head.figures;
    figures.entropy = to, figures.largest = to + length;
    figures.largest_key = to + 2 * length, figures.log_sum_exp = to + 3 * length;
    figures.columns = runner.scratch().figures.of_thread(runner.team()), figures.columns_stride = stride;
    figures.columns_from = first, figures.column_rows = received_rows;
    const Index blocks = (last - first + received_rows - 1) / received_rows;
    for (Index i = 0; i < blocks * stride; i += V::lanes) V::store(figures.columns + i, V::zero());
    if (first < last)
      kernels::attend_head<S, true>(head, first, last, runner.scratch().attention.of_thread(runner.team()));
    wait();
    S* const received = to + 4 * length;
    for (Index j = 0; j < head.keys; j += V::lanes) {
      const Index left = head.keys - j;
      auto sum = chunk == 0 ? V::zero() : load_first<S>(received + j, left);
      for (Index i = 0; i < blocks; ++i) sum = sum + V::load(figures.columns + i * stride + j);
      store_first(received + j, sum, left);
    }
  });
}

// f(head, b, h, first, last) for chunks of query rows of one head, dealt out to the team.
template <class S, class F>
void deal_out_chunks(const Runner<S>& runner, const AttentionCall<S>& call, F&& f) {
  const Index heads = call.heads;
  const Index chunks = (call.query_rows.length + chunk_rows - 1) / chunk_rows;
  runner.team().for_each(call.query_rows.batch * heads * chunks, [&](Index item) {
    const Index first = item % chunks * chunk_rows, b = item / chunks / heads, h = item / chunks % heads;
    const Index end = first + chunk_rows, length = call.query_rows.length_of(b), last = end < length ? end : length;
    if (first >= last) return;
    kernels::AttentionHead<S> head = head_of(call, b, h);
    f(head, b, h, first, last);
  });
}

template <class S>
void attend_top(const Runner<S>& runner, const AttentionCall<S>& call) {
  deal_out_chunks(runner, call, [&](auto& head, Index b, Index h, Index first, Index last) {
    if (S* const to = call.sink.template figures_at<S>(b, h); to != nullptr) {
      head.figures.top = call.sink.top;
      head.figures.top_weights = to, head.figures.top_keys = to + call.sink.top * call.query_rows.length_of(b);
    }
    kernels::attend_head<S, true>(head, first, last, runner.scratch().attention.of_thread(runner.team()));
  });
}

template <class S, MapStorage M>
void attend_compact(const Runner<S>& runner, const AttentionCall<S>& call) {
  using Code = map_code<M>;
  const bool stream = call.large(sizeof(Code));
  deal_out_chunks(runner, call, [&](auto& head, Index b, Index h, Index first, Index last) {
    S* const scratch = runner.scratch().attention.of_thread(runner.team());
    if (Code* const to = call.sink.template figures_at<Code>(b, h); to != nullptr)
      kernels::attend_head<S>(head, first, last, scratch, {to, sizeof(Code), stream, kernels::write_codes<M>});
    else
      kernels::attend_head(head, first, last, scratch);
  });
}

template <class S>
void attend_rollout(const Runner<S>& runner, const AttentionCall<S>& call) {
  const Index heads = call.heads;
  const Index tiles = (call.query_rows.length + kernels::attention_rows - 1) / kernels::attention_rows;
  runner.team().for_each(call.query_rows.batch * tiles, [&](Index item) {
    const Index first = item % tiles * kernels::attention_rows, b = item / tiles;
    const Index end = first + kernels::attention_rows, length = call.query_rows.length_of(b);
    const Index last = end < length ? end : length;
    if (first >= last) return;
    S* const after = call.sink.template figures_at<S>(b, 0);
    S* const mean = after == nullptr ? nullptr : runner.scratch().figures.of_thread(runner.team());
    for (Index h = 0; h < heads; ++h) {  // ascending: the order of the mean's sum
      kernels::AttentionHead<S> head = head_of(call, b, h);
      head.mean = mean, head.mean_from = first;
      kernels::attend_head(head, first, last, runner.scratch().attention.of_thread(runner.team()));
    }
    if (after == nullptr) return;
    const S* const before =
        call.sink.before == nullptr ? nullptr : call.sink.before + (after - static_cast<S*>(call.sink.figures));
    kernels::roll(mean, first, last - first, length, before, after);
  });
}

// Values of a thread's scratch that maps of class M need beside attention's own.
template <class M>
inline constexpr Index figure_columns = 0;  // rows as long as a row of scores
template <class S>
inline constexpr Index figure_columns<Statistics<S>> = figure_rows / received_rows;
template <class S>
inline constexpr Index figure_columns<Rollout<S>> = kernels::attention_rows;

template <class K, class S>
inline constexpr Index figure_columns_of = figure_columns<typename K::template map<S, 0>>;

// What a policy changes of the scratch. Fixed dimensions come with little memory: there the rows of kept weights hold
// the scores until they are weights. Elsewhere scores stay in the caches, and large maps are written past them.
struct Kept {
  Index figures = 0;
  bool scores_in_weights = false;
};
template <class M>
constexpr Kept kept_by(bool fixed, const Selection& selection) {
  return {figure_columns<M>,
          fixed && has_weights<M> && selection.which == Which::all && selection.layers.all() && selection.heads.all()};
}
// The default of workspace_bytes: any policy that keeps maps, or nothing.
struct AnyMaps : DefaultKeep {};
template <class K, class S>
constexpr Kept kept_of(bool fixed, const K& keep = {}) {
  return kept_by<typename K::template map<S, 0>>(fixed && !std::is_same_v<K, AnyMaps>, keep.selection);
}

template <class M>
inline constexpr bool is_statistics = false;
template <class S>
inline constexpr bool is_statistics<Statistics<S>> = true;
template <class M>
inline constexpr bool is_top = false;
template <class S, Index Count>
inline constexpr bool is_top<TopWeights<S, Count>> = true;
template <class M>
inline constexpr bool is_rollout = false;
template <class S>
inline constexpr bool is_rollout<Rollout<S>> = true;

// One layer's place in maps of any class; none where nothing is kept.
template <class S, class M>
AttentionSink<S> sink_of(M& maps, Index layer) noexcept {
  AttentionSink<S> sink;
  if constexpr (requires { maps.sink(layer); }) sink = maps.sink(layer);
  if (!sink.any()) return sink;
  if constexpr (is_statistics<M>) sink.compute_figures = attend_statistics<S>;
  if constexpr (is_top<M>) sink.compute_figures = attend_top<S>;
  if constexpr (is_rollout<M>) sink.compute_figures = attend_rollout<S>;
  if constexpr (storage_of<M> != MapStorage::f32 && sizeof(S) == 4)
    sink.compute_figures = attend_compact<S, storage_of<M>>;
  return sink;
}

}  // namespace vitrine::inline VITRINE_ABI::detail

#include <vitrine/core/macros_pop.hpp>
