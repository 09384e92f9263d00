// Decoding with a Causal model step by step, every map in sight; the twin of DecodingSteps for models without an
// encoder.
//
//   vt::CausalSteps<float> steps(model, workspace, {.max_length = 64, .beams = 4});
//   steps.begin(past);                                        // reads these ids at once; there may be none
//   steps.begin(vt::Tokens(ids, lengths));                    // of several sequences, nothing computed for padding
//   auto step = steps.next(ids);                              // one id for each hypothesis: beams of each sequence
//   step.output.matrix(b): logits, 1 x V      step.self_attn[layer].matrix(b, h): 1 x (t + 1), t its own length
//   steps.reorder(parents);                                   // beams; sequences that are finished leave the batch
//
// A step gives the very row of logits and maps that the model gives with all ids at once (examples/threads.md);
// Transformers' forward with past_key_values. A layer with a window keeps the keys and values that its window reaches
// (KeyValueCache); a prompt that is longer takes a layer's keys and values of the workspace while it is read.
#pragma once
#include <vitrine/generate/decoding.hpp>
#include <vitrine/models/causal.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

// Decoding with a model without an encoder, a step at a time; see the top of this header.
template <class S>
class CausalSteps {
 public:
  // A step's logits and its maps.
  template <class K>
  using Result = EncoderResult<K, S>;

  // Model and workspace must outlive this object. The workspace says how many threads; the cache comes
  // from the model's Memory.
  CausalSteps(const Causal<S>& model, Workspace& workspace, const DecodingOptions& options = {}) noexcept
      : model_(&model),
        workspace_(&workspace),
        options_(options),
        cache_(model.memory()),
        parents_(model.memory()),
        pasts_(model.memory()),
        lengths_(model.memory()),
        embedded_(model.memory()),
        hidden_(model.memory()) {}

  // Forgets what was read, and reads `past` for all beams of each of its sequences: read.output is the hidden states
  // (B, T, E; ragged as past is) before the final norm, with their maps if `keep` says so. Allocates only to grow.
  // bad_config, bad_shape, not_loaded, not_supported (what `keep` asks), workspace_too_small, result_too_small,
  // out_of_memory.
  template <class K>
  Status begin_into(Result<K>& read, const Tokens& past, const K& keep) noexcept {
    rows_ = 0;
    if (Status s = model_->ready(); s != Status::ok) return s;
    if (Status s = reserve(past); s != Status::ok) return s;
    if (Status s = model_->embedding().all(past, embedded_, model_->memory()); s != Status::ok) return s;
    const auto layers = model_->encoder_.layers();
    read.output.use(model_->memory());
    if (Status s = read.output.resize_like(Sequences<S>(embedded_), embedded_.width()); s != Status::ok) return s;
    const MapShape shape{
        layers.count, past.batch, layers.core[0].self_attn.heads, past.length, past.length, past.lengths,
        past.lengths, 0};
    if (Status s = detail::prepare_maps(read.self_attn, model_->memory(), shape, keep.selection, Which::self);
        s != Status::ok)
      return s;
    for (Index b = 0, start = 0; b <= past.batch; ++b) {
      pasts_[b] = start;
      if (b < past.batch) start += past.length_of(b);
    }
    if (past.rows() > 0)
      if (Status s =
              run({past.batch, past.length, pasts_.data()}, causal(), read.output.data(), read.self_attn, nullptr);
          s != Status::ok)
        return s;
    rows_ = past.batch * options_.beams;
    for (Index i = 0; i < rows_; ++i)
      parents_[i] = i / options_.beams * options_.beams, pasts_[i] = past.length_of(i / options_.beams);
    return reorder({parents_.data(), std::size_t(rows_)});
  }
  template <class K>
  Status begin_into(Result<K>& read, std::span<const Index> past, const K& keep) noexcept {
    return begin_into(read, Tokens(past), keep);
  }
  Status begin_into(const Tokens& past) noexcept { return begin_into(read_, past, keep::nothing); }
  Status begin_into(std::span<const Index> past) noexcept { return begin_into(Tokens(past)); }

  // One more id for each hypothesis: result.output is the logits (rows, 1, V) of what follows, with the maps of this
  // one step. Allocates nothing after the first step, into the same result. bad_shape: another number of ids, an id
  // that the model does not have, or max_length reached; not_supported before begin; otherwise as begin_into.
  template <class K>
  Status next_into(Result<K>& result, std::span<const Index> ids, const K& keep) noexcept {
    static_assert(!detail::is_rollout<typename K::template map<S, 0>>,
                  "vitrine: keep::rollout needs self-attention over whole sequences; a step is one row of it");
    if (rows_ == 0) return {Status::not_supported, "there is nothing to decode: call begin first"};
    if (Index(ids.size()) != rows_)
      return {Status::bad_shape, "a step takes one id for each hypothesis", Index(ids.size()), rows_};
    const Index longest = this->longest();
    if (longest >= capacity_)
      return {Status::bad_shape, "a step would exceed max_length", longest + 1, capacity_, Status::at_most};
    const auto embedding = model_->embedding();
    for (Index id : ids)
      if (id < 0 || id >= embedding.table->rows)
        return {Status::bad_shape, "an id is not in the embedding table", id, embedding.table->rows, Status::below};
    const Index width = model_->words_.cols;
    result.output.use(model_->memory());
    if (Status s = result.output.resize(rows_, 1, model_->vocab_size()); s != Status::ok) return s;
    if (Status s = embedded_.resize(rows_, 1, width); s != Status::ok) return s;
    if (Status s = prepare_step(result.self_attn, keep.selection, longest + 1); s != Status::ok) return s;
    for (Index i = 0; i < rows_; ++i) embedding.row(ids[std::size_t(i)], pasts_[i], embedded_.data() + i * width);
    if (Status s = run({rows_, 1, nullptr}, {}, hidden_.data(), result.self_attn, result.output.data());
        s != Status::ok)
      return s;
    for (Index i = 0; i < rows_; ++i) ++pasts_[i];
    stepped_ = true;
    return {};
  }

  // Hypothesis i goes on from what parents[i] was; there may be fewer than before. Their number is a multiple of
  // `beams`, each group of that many has its parents in one group, and groups keep their order. bad_shape otherwise.
  // Allocates nothing.
  Status reorder(std::span<const Index> parents) noexcept {
    if (Status s = detail::check_parents(parents, rows_, options_.beams); s != Status::ok) return s;
    const auto& sizes = cache_.sizes();
    const Index count = Index(parents.size()), filled = longest();
    const double moved = double(count) * double(sizes.layers * sizes.heads * sizes.width) * double(filled);
    cache_.reorder(workspace_->threads_for(8 * moved), parents, filled);
    for (Index i = 0; i < count; ++i) lengths_[i] = pasts_[parents[std::size_t(i)]];
    for (Index i = 0; i < count; ++i) pasts_[i] = lengths_[i];
    rows_ = count;
    return {};
  }

#if VITRINE_EXCEPTIONS
  // The same, throwing StatusError.
  void begin(const Tokens& past) { throw_if_failed(begin_into(past)); }
  // The same of one sequence. Throws StatusError.
  void begin(std::span<const Index> past) { throw_if_failed(begin_into(past)); }
  // next_into with a fresh result from the model's Memory. Throws StatusError.
  template <class K = DefaultKeep>
  Result<K> next(std::span<const Index> ids, const K& keep = {}) {
    Result<K> result;
    throw_if_failed(next_into(result, ids, keep));
    return result;
  }
#endif

  // Ids that hypothesis i has read so far, the past included.
  Index length(Index i = 0) const noexcept { return i < rows_ ? pasts_[i] : 0; }
  // Hypotheses that are running.
  Index hypotheses() const noexcept { return rows_; }
  // The keys and values that were read so far.
  const KeyValueCache<S>& cache() const noexcept { return cache_; }

 private:
  Index longest() const noexcept {
    Index most = 0;
    for (Index i = 0; i < rows_; ++i) most = pasts_[i] > most ? pasts_[i] : most;
    return most;
  }
  // Checks of a beginning, and room for all that follows.
  Status reserve(const Tokens& past) noexcept {
    if (Status s = options_.check(model_->most_ids()); s != Status::ok) return s;
    capacity_ = options_.capacity(model_->max_length()), stepped_ = false;
    if (past.batch < 1) return {Status::bad_shape, "there must be at least one sequence", past.batch};
    if (past.length > capacity_)
      return {Status::bad_shape, "there are more ids than max_length", past.length, capacity_, Status::at_most};
    const auto layers = model_->encoder_.layers();
    if (layers.count <= 0) return {Status::bad_config, "num_layers must be positive", layers.count};
    const auto& core = layers.core[0];
    if (Status s = core.check(); s != Status::ok) return s;
    const Index all = sizes::product(past.batch, options_.beams);
    const auto& attention = core.self_attn;
    if (Status s = cache_.reserve(
            {layers.count, attention.kv_heads, attention.width, past.batch, options_.beams, capacity_, 0},
            [&](Index i) { return layers[i].self_attn.config.options.window; });
        s != Status::ok)
      return s;
    for (Buffer<Index>* list : {&parents_, &pasts_, &lengths_})
      if (Status s = list->resize(sizes::sum(all, 1)); s != Status::ok) return s;
    return hidden_.resize(1, all, model_->words_.cols);
  }
  // Room for the maps of a step, of the longest hypothesis `most` columns; before the first step for the longest that
  // there can be.
  template <class M>
  Status prepare_step(M& maps, const Selection& selection, Index most) noexcept {
    const Index layers = model_->encoder_.layers().count;
    const Index heads = model_->encoder_.layers().core[0].self_attn.heads;
    for (Index i = 0; i < rows_; ++i) lengths_[i] = pasts_[i] + 1;
    for (Index length : {stepped_ ? Index{0} : capacity_, most}) {
      if (length == 0) continue;
      MapShape shape{layers, rows_, heads, 1, length, {}, {}, 0};
      if (length == most && rows_ > options_.beams) shape.memory_lengths = {lengths_.data(), std::size_t(rows_)};
      if (Status s = detail::prepare_maps(maps, model_->memory(), shape, selection, Which::self); s != Status::ok)
        return s;
    }
    return {};
  }
  // embedded_ through all layers to `y`, and on to the logits if there is a place for them.
  template <class M>
  Status run(const detail::RowMap& row_map, const Mask<S>& mask, S* y, M& maps, S* logits) noexcept {
    using detail::Rows;
    const auto layers = model_->encoder_.layers();
    const auto& self_attn = layers[0].self_attn;
    const Index width = model_->words_.cols, vocab = model_->vocab_size(), rows = row_map.rows();
    const bool step = logits != nullptr;  // else the past, from nothing on
    double pairs = double(rows) * double(row_map.length);
    for (Index i = 0; step && i < rows_; ++i) pairs += double(pasts_[i]);
    const double count = double(rows);
    const double output = step ? count * double(vocab) * double(width) : 0;
    const int threads = workspace_->threads_for(layers.work(count, pairs) + output);
    const auto make = [&](Arena& arena) {
      detail::EncoderPlan<S> p;
      p.attention.query_rows = p.attention.key_rows = row_map;
      self_attn.plan_queries(arena, rows, p.attention, false);
      if (step)
        self_attn.plan_steps(arena, {pasts_.data(), std::size_t(rows_)}, p.attention);
      else
        self_attn.plan_positions(arena, 0, row_map.length, row_map.length, p.attention);
      auto sizes = layers.sizes(capacity_);
      sizes.figures = detail::figure_columns<M>;
      p.scratch = detail::Scratch<S>::plan(arena, threads, rows, sizes);
      if (!step && row_map.length > cache_.smallest_capacity())
        p.attention.key_values = detail::KeyValues<S>::plan(arena, row_map.batch, self_attn.layout(row_map.length));
      return p;
    };
    detail::EncoderPlan<S> plan;
    if (Status s = detail::place_plan(plan, *workspace_, make); s != Status::ok) return s;
    const Rows<S> hidden(y, rows, width), out(logits, rows, vocab);
    const detail::LogitsHead<S> head = model_->head();
    run_team(threads, [&](Team& team) {
      const detail::Runner<S> runner(team, plan.scratch, rows);
      Rows<const S> x(embedded_.data(), rows, width);
      for (Index i = 0; i < layers.count; ++i, x = hidden) {
        detail::AttentionCall<S> call = plan.attention;
        layers[i].self_attn.configure(call);
        call.set_layer(mask, nullptr, detail::sink_of<S>(maps, i));
        detail::KeyValues<S> cached = step ? cache_.self(i) : cache_.self_places(i);
        if (!step) cached.heads *= options_.beams;  // sequences stand where their first beams will
        const bool fits = step || row_map.length <= cached.capacity;
        if (fits) call.key_values = cached;
        const detail::PrefetchOrder<S> order = layers.prefetch_order(i);
        layers[i](runner.in_layer(i, order), x, hidden, call);
        if (!fits) keep_last(team, call, cached);
      }
      if (!step) return;
      runner.blocks([&](auto& block) {
        const Rows<S> last = block.rows_of(hidden);
        (*layers.norm)(block, last, last);
        head(block, last, block.rows_of(out));
      });
    });
    return {};
  }
  // Of a prompt's keys and values, which the call has, those that later queries see.
  static void keep_last(Team& team, const detail::AttentionCall<S>& call, const detail::KeyValues<S>& cached) noexcept {
    const Index heads = call.key_values.heads;
    team.for_each(call.key_rows.batch * heads, [&](Index item) {
      const Index b = item / heads;
      cached.copy_last(b, item % heads, call.key_values, call.key_rows.length_of(b));
    });
  }

  const Causal<S>* model_;
  Workspace* workspace_;
  DecodingOptions options_;
  KeyValueCache<S> cache_;
  Buffer<Index> parents_, pasts_, lengths_;  // pasts_: ids that each hypothesis has read; lengths_: for a moment
  Tensor<S> embedded_, hidden_;
  Result<keep::Nothing> read_;
  Index capacity_ = 0, rows_ = 0;
  bool stepped_ = false;
};

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
