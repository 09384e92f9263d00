// Decoding step by step, every map in sight. Greedy and beam search are loops around next().
//
//   vt::Workspace workspace(vt::heap());
//   vt::DecodingSteps<float> steps(model, workspace, {.max_length = 64});
//   steps.begin(vt::Tokens(ids, lengths));        // encodes the sources; ragged: nothing is computed for padding
//   auto step = steps.next(first_ids);            // one id for each hypothesis
//   step.output.matrix(b): logits, 1 x V    step.self_attn[layer].matrix(b, h): 1 x (t + 1)    step.cross_attn: 1 x S
//   steps.reorder(parents);                       // beams; hypotheses that are finished leave the batch
//
// Step t gives the very row t of logits and maps that the model gives with the whole target at once
// (examples/threads.md); Transformers' forward with past_key_values. Weights are read once a step, in one parallel
// region from the embedding to the logits.
#pragma once
#include <vitrine/core/heap.hpp>
#include <vitrine/generate/key_value_cache.hpp>
#include <vitrine/models/seq2seq.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

// The room that a search needs.
struct DecodingOptions {
  Index max_length = 0;  // ids a hypothesis may get, the start token included; 0: as many as the model has positions
  Index beams = 1;       // hypotheses for each source, side by side

  // bad_config for a model of at most so many ids.
  Status check(Index most) const noexcept {
    if (beams < 1) return {Status::bad_config, "there must be at least one beam", beams};
    if (max_length < 0 || max_length > most)
      return {Status::bad_config, "max_length is more than the model has positions", max_length, most, Status::at_most};
    return {};
  }
  // Ids of a hypothesis, of a model that has a length of its own.
  Index capacity(Index of_model) const noexcept { return max_length > 0 ? max_length : of_model; }
};

// Decoding with a model of an encoder and a decoder, a step at a time; see the top of this header.
template <class S, Dims D = Dims{}>
class DecodingSteps {
 public:
  // A step's logits and its maps.
  template <class K>
  using Result = DecoderResult<K, S>;

  // Model and workspace must outlive this object. The workspace says how many threads; the cache comes
  // from the model's Memory.
  DecodingSteps(const Seq2Seq<S>& model, Workspace& workspace, const DecodingOptions& options = {}) noexcept
      : model_(&model),
        workspace_(&workspace),
        options_(options),
        cache_(model.memory()),
        lengths_(model.memory()),
        row_lengths_(model.memory()),
        starts_(model.memory()),
        embedded_(model.memory()),
        hidden_(model.memory()) {}

  // Encodes the B sources (result: `encoder`, its output (B, S, E), with its maps if `keep` says so) and reads what
  // every decoder layer needs of them. Forgets former hypotheses; sources without ids are bad_shape, another number of
  // beams or max_length bad_config. Allocates only to grow. Errors otherwise as Seq2Seq::encode_into.
  template <class K>
  Status begin_into(EncoderResult<K, S>& encoder, const Tokens& sources, const K& keep) noexcept {
    rows_ = filled_ = 0;
    if (Status s = options_.check(model_->target_embedding().longest()); s != Status::ok) return s;
    for (Index b = 0; b < sources.batch; ++b)
      if (sources.length_of(b) < 1) return {Status::bad_shape, "a source has no ids", sources.length_of(b), 1};
    if (Status s = model_->encode_into(encoder, embedded_, *workspace_, sources, {}, keep); s != Status::ok) return s;
    const auto layers = model_->decoder_.layers();
    const auto& core = layers.core[0];
    capacity_ = options_.capacity(model_->max_length());
    sources_ = sources.batch, memory_length_ = sources.length;
    const Index all = sources_ * options_.beams;
    if (Status s = cache_.reserve({layers.count, core.self_attn.heads, core.self_attn.width, sources_, options_.beams,
                                   capacity_, memory_length_});
        s != Status::ok)
      return s;
    if (Status s = lengths_.resize(sources_); s != Status::ok) return s;
    if (Status s = row_lengths_.resize(all); s != Status::ok) return s;
    if (Status s = starts_.resize(sources_ + 1); s != Status::ok) return s;
    if (Status s = embedded_.resize(1, all, model_->config_.d_model); s != Status::ok) return s;
    if (Status s = hidden_.resize(1, all, model_->config_.d_model); s != Status::ok) return s;
    for (Index b = 0; b < sources_; ++b) lengths_[b] = sources.length_of(b);
    describe_sources();
    if (Status s = project_encoded(encoder.output); s != Status::ok) return s;
    rows_ = all;
    return {};
  }
  Status begin_into(const Tokens& sources) noexcept { return begin_into(encoded_, sources, keep::nothing); }

  // One more id for each hypothesis: result.output is the logits (rows, 1, V) of what follows, with the maps of this
  // one step. Allocates nothing after the first step, into the same result. bad_shape: another number of ids, an id
  // that the model does not have, or max_length reached; not_supported before begin; otherwise as begin_into.
  template <class K>
  Status next_into(DecoderResult<K, S>& result, std::span<const Index> ids, const K& keep) noexcept {
    static_assert(!detail::is_rollout<typename K::template map<S, 0>>,
                  "vitrine: keep::rollout needs self-attention over whole sequences; a step is one row of it");
    if (Status s = check_step(ids); s != Status::ok) return s;
    if (Status s = prepare_step(result, keep.selection); s != Status::ok) return s;
    const auto layers = model_->decoder_.layers();
    const double rows = double(rows_), width = double(model_->config_.d_model);
    const double work = layers.work(rows, rows * double(filled_ + 1), 0, rows * double(memory_length_)) +
                        rows * double(model_->output().rows) * width;
    const int threads = workspace_->threads_for(work);
    detail::DecoderPlan<S> plan;
    const auto make = [&](Arena& arena) { return plan_step(arena, threads, detail::figure_columns_of<K, S>); };
    if (Status s = detail::place_plan(plan, *workspace_, make); s != Status::ok) return s;
    run_team(threads, [&](Team& team) { run_step(team, plan, ids, result); });
    ++filled_;
    return {};
  }

  // Hypothesis i goes on from what parents[i] was; there may be fewer than before. Their number is a multiple of
  // `beams`, each group of that many has its parents in one group, and groups keep their order. bad_shape otherwise.
  // Allocates nothing.
  Status reorder(std::span<const Index> parents) noexcept {
    const Index beams = options_.beams, count = Index(parents.size());
    if (Status s = detail::check_parents(parents, rows_, beams); s != Status::ok) return s;
    const auto& sizes = cache_.sizes();
    const double moved = double(count) * double(sizes.layers * sizes.heads * sizes.width) * double(filled_);
    cache_.reorder(workspace_->threads_for(8 * moved), parents, filled_);
    for (Index g = 0; g < count / beams; ++g) lengths_[g] = lengths_[parents[std::size_t(g * beams)] / beams];
    rows_ = count;
    describe_sources();
    return {};
  }

#if VITRINE_EXCEPTIONS
  // The same, throwing StatusError.
  void begin(const Tokens& sources) { throw_if_failed(begin_into(sources)); }
  // next_into with a fresh result from the model's Memory. Throws StatusError.
  template <class K = DefaultKeep>
  DecoderResult<K, S> next(std::span<const Index> ids, const K& keep = {}) {
    DecoderResult<K, S> result;
    throw_if_failed(next_into(result, ids, keep));
    return result;
  }
#endif

  // Hypotheses that are running.
  Index hypotheses() const noexcept { return rows_; }
  // Ids that each hypothesis has got so far.
  Index length() const noexcept { return filled_; }
  // Ids that each hypothesis may get.
  Index capacity() const noexcept { return capacity_; }
  // Bytes of the keys and values that were read.
  std::size_t cache_bytes() const noexcept { return cache_.bytes(); }

 private:
  // starts_ and row_lengths_ from lengths_.
  void describe_sources() noexcept {
    const Index groups = rows_ > 0 ? rows_ / options_.beams : sources_;
    starts_[0] = 0;
    for (Index g = 0; g < groups; ++g) {
      starts_[g + 1] = starts_[g] + lengths_[g];
      for (Index i = 0; i < options_.beams; ++i) row_lengths_[g * options_.beams + i] = lengths_[g];
    }
  }
  // Keys and values of the encoder's output into the cache, for every layer.
  Status project_encoded(const Tensor<S>& encoded) noexcept {
    const auto layers = model_->decoder_.layers();
    const Index rows = encoded.rows(), width = model_->config_.d_model;
    const int threads =
        workspace_->threads_for(2.0 * double(layers.count) * double(rows) * double(width) * double(width));
    detail::Scratch<S> scratch;
    const auto make = [&](Arena& arena) {
      return detail::Scratch<S>::plan(arena, threads, rows, layers.sizes(memory_length_));
    };
    if (Status s = detail::place_plan(scratch, *workspace_, make); s != Status::ok) return s;
    run_team(threads, [&](Team& team) {
      const detail::Runner<S> runner(team, scratch, rows);
      detail::AttentionCall<S> cross;
      cross.key_rows = {sources_, memory_length_, encoded.ragged() ? starts_.data() : nullptr};
      for (Index i = 0; i < layers.count; ++i) {
        cross.key_values = cache_.cross(i);
        const detail::PrefetchOrder<S> order = layers.prefetch_order(i);
        layers[i].project_encoded(runner.in_layer(i, order), {encoded.data(), rows, width}, cross);
      }
    });
    return {};
  }
  Status check_step(std::span<const Index> ids) const noexcept {
    if (rows_ == 0) return {Status::not_supported, "there is nothing to decode: call begin first"};
    if (Index(ids.size()) != rows_)
      return {Status::bad_shape, "a step takes one id for each hypothesis", Index(ids.size()), rows_};
    if (filled_ >= capacity_)
      return {Status::bad_shape, "a step would exceed max_length", filled_ + 1, capacity_, Status::at_most};
    const Index known = model_->target_embedding().table->rows;
    for (Index id : ids)
      if (id < 0 || id >= known)
        return {Status::bad_shape, "an id is not in the embedding table", id, known, Status::below};
    return {};
  }
  template <class R>
  Status prepare_step(R& result, const Selection& selection) noexcept {
    const Memory* const memory = model_->memory();
    const Index layers = model_->decoder_.layers().count, heads = model_->config_.decoder_attention_heads;
    result.output.use(memory);
    if (Status s = result.output.resize(rows_, 1, model_->output().rows); s != Status::ok) return s;
    for (Index length : {filled_ == 0 ? capacity_ : Index{0}, filled_ + 1}) {  // at first room for the longest
      if (length == 0) continue;
      const MapShape self{layers, rows_, heads, 1, length, {}, {}, 0};
      if (Status s = detail::prepare_maps(result.self_attn, memory, self, selection, Which::self); s != Status::ok)
        return s;
    }
    const MapShape cross{layers, rows_, heads, 1, memory_length_, {}, {row_lengths_.data(), std::size_t(rows_)}, 0};
    return detail::prepare_maps(result.cross_attn, memory, cross, selection, Which::cross);
  }
  detail::DecoderPlan<S> plan_step(Arena& arena, int threads, Index figures) const noexcept {
    detail::DecoderPlan<S> plan;
    const auto layers = model_->decoder_.layers();
    const auto& self_attn = layers[0].self_attn;
    detail::AttentionCall<S>&self = plan.attentions.self, &cross = plan.attentions.cross;
    self_attn.plan_queries(arena, rows_, self, false);
    self.query_rows = self.key_rows = {rows_, 1, nullptr};
    cross = self;
    self_attn.plan_positions(arena, filled_, 1, 1, self);
    self.past = filled_;
    cross.key_rows = {rows_ / options_.beams, memory_length_, starts_.data()}, cross.past = 0;
    cross.sharing = options_.beams;
    auto sizes = layers.sizes(capacity_ > memory_length_ ? capacity_ : memory_length_);
    sizes.figures = figures;
    plan.scratch = detail::Scratch<S>::plan(arena, threads, rows_, sizes);
    return plan;
  }
  // One region from the embedding to the logits.
  template <class R>
  void run_step(Team& team, const detail::DecoderPlan<S>& plan, std::span<const Index> ids, R& result) noexcept {
    using detail::Rows;
    const auto layers = model_->decoder_.layers();
    const auto embedding = model_->target_embedding();
    const Index width = model_->config_.d_model;
    const Rows<S> embedded(embedded_.data(), rows_, width), hidden(hidden_.data(), rows_, width);
    const Rows<S> logits(result.output.data(), rows_, result.output.width());
    const detail::Runner<S> runner(team, plan.scratch, rows_);
    runner.split([&](Index first, Index last) {
      for (Index i = first; i < last; ++i) embedding.row(ids[std::size_t(i)], filled_, embedded.data + i * width);
    });
    runner.wait();
    Rows<const S> x = embedded;
    for (Index i = 0; i < layers.count; ++i, x = hidden) {
      detail::DecoderAttentions<S> call = plan.attentions;
      call.self.key_values = cache_.self(i), call.cross.key_values = cache_.cross(i);
      call.configure(layers[i]);
      call.self.sink = detail::sink_of<S>(result.self_attn, i);
      call.cross.sink = detail::sink_of<S>(result.cross_attn, i);
      const detail::PrefetchOrder<S> order = layers.prefetch_order(i);
      layers[i](runner.in_layer(i, order), x, hidden, call);
    }
    layers.final_norm(runner, hidden);
    const detail::LogitsHead<S> head = model_->head();
    runner.blocks([&](auto& block) { head(block, block.rows_of(hidden), block.rows_of(logits)); });
  }

  const Seq2Seq<S>* model_;
  Workspace* workspace_;
  DecodingOptions options_;
  KeyValueCache<S> cache_;
  Buffer<Index> lengths_, row_lengths_, starts_;  // of the sources; of each hypothesis's source; sums
  Tensor<S> embedded_, hidden_;
  EncoderResult<keep::Nothing, S> encoded_;
  Index sources_ = 0, memory_length_ = 0, capacity_ = 0, rows_ = 0, filled_ = 0;
};

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
