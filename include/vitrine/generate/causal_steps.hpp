// Decoding with a Causal model step by step, every map in sight; the twin of DecodingSteps for models without an
// encoder.
//
//   vt::CausalSteps<float> steps(model, workspace, {.max_length = 64, .beams = 4});
//   steps.begin(past);                                        // reads these ids at once; there may be none
//   auto step = steps.next(ids);                              // one id for each of the beams
//   step.output.matrix(b): logits, 1 x V      step.self_attn[layer].matrix(b, h): 1 x (t + 1)
//   steps.reorder(parents);                                   // beams
//
// A step gives the very row of logits and maps that the model gives with all ids at once (examples/threads.md);
// Transformers' forward with past_key_values.
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
        embedded_(model.memory()),
        hidden_(model.memory()) {}

  // Forgets what was read, and reads `past` for all beams: read.output is its hidden states (1, T, E) before the final
  // norm, with its maps if `keep` says so. Allocates only to grow. bad_config, bad_shape, not_loaded, not_supported
  // (what `keep` asks), workspace_too_small, result_too_small, out_of_memory.
  template <class K>
  Status begin_into(Result<K>& read, std::span<const Index> past, const K& keep) noexcept {
    rows_ = filled_ = 0;
    if (Status s = model_->ready(); s != Status::ok) return s;
    if (options_.beams < 1) return {Status::bad_config, "there must be at least one beam", options_.beams};
    const Index most = model_->max_length(), length = Index(past.size());
    if (options_.max_length < 0 || options_.max_length > most)
      return {Status::bad_config, "max_length is more than the model has positions", options_.max_length, most,
              Status::at_most};
    capacity_ = options_.max_length > 0 ? options_.max_length : most;
    if (length > capacity_)
      return {Status::bad_shape, "there are more ids than max_length", length, capacity_, Status::at_most};
    const auto layers = model_->encoder_.layers();
    if (layers.count <= 0) return {Status::bad_config, "num_layers must be positive", layers.count};
    const auto& core = layers.core[0];
    if (Status s = core.check(); s != Status::ok) return s;
    if (Status s =
            cache_.reserve({layers.count, core.self_attn.heads, core.self_attn.width, 1, options_.beams, capacity_, 0});
        s != Status::ok)
      return s;
    const Index width = model_->words_.cols;
    if (Status s = parents_.resize(options_.beams); s != Status::ok) return s;
    if (Status s = hidden_.resize(1, options_.beams, width); s != Status::ok) return s;
    if (Status s = model_->embedding().all(Tokens(past), embedded_, model_->memory()); s != Status::ok) return s;
    read.output.use(model_->memory());
    if (Status s = read.output.resize(1, length, width); s != Status::ok) return s;
    const MapShape shape{layers.count, 1, core.self_attn.heads, length, length, {}, {}, 0};
    if (Status s = detail::prepare_maps(read.self_attn, model_->memory(), shape, keep.selection, Which::self);
        s != Status::ok)
      return s;
    if (length > 0) {
      if (Status s = run({1, length, nullptr}, causal(), read.output.data(), read.self_attn, nullptr); s != Status::ok)
        return s;
    }
    filled_ = length;
    rows_ = options_.beams;
    for (Index i = 0; i < rows_; ++i) parents_[i] = 0;
    return reorder({parents_.data(), std::size_t(rows_)});
  }
  Status begin_into(std::span<const Index> past) noexcept { return begin_into(read_, past, keep::nothing); }

  // One more id for each beam: result.output is the logits (beams, 1, V) of what follows, with the maps of this one
  // step. Allocates nothing after the first step, into the same result. bad_shape: another number of ids, an id that
  // the model does not have, or max_length reached; not_supported before begin; otherwise as begin_into.
  template <class K>
  Status next_into(Result<K>& result, std::span<const Index> ids, const K& keep) noexcept {
    static_assert(!detail::is_rollout<typename K::template map<S, 0>>,
                  "vitrine: keep::rollout needs self-attention over whole sequences; a step is one row of it");
    if (rows_ == 0) return {Status::not_supported, "there is nothing to decode: call begin first"};
    if (Index(ids.size()) != rows_)
      return {Status::bad_shape, "a step takes one id for each hypothesis", Index(ids.size()), rows_};
    if (filled_ >= capacity_)
      return {Status::bad_shape, "a step would exceed max_length", filled_ + 1, capacity_, Status::at_most};
    const auto embedding = model_->embedding();
    for (Index id : ids)
      if (id < 0 || id >= embedding.table->rows)
        return {Status::bad_shape, "an id is not in the embedding table", id, embedding.table->rows, Status::below};
    const auto layers = model_->encoder_.layers();
    const Index width = model_->words_.cols, heads = layers.core[0].self_attn.heads;
    result.output.use(model_->memory());
    if (Status s = result.output.resize(rows_, 1, model_->vocab_size()); s != Status::ok) return s;
    if (Status s = embedded_.resize(rows_, 1, width); s != Status::ok) return s;
    for (Index length : {filled_ == 0 ? capacity_ : Index{0}, filled_ + 1}) {  // at first room for the longest
      if (length == 0) continue;
      const MapShape shape{layers.count, rows_, heads, 1, length, {}, {}, 0};
      if (Status s = detail::prepare_maps(result.self_attn, model_->memory(), shape, keep.selection, Which::self);
          s != Status::ok)
        return s;
    }
    for (Index i = 0; i < rows_; ++i) embedding.row(ids[std::size_t(i)], filled_, embedded_.data() + i * width);
    if (Status s = run({rows_, 1, nullptr}, {}, hidden_.data(), result.self_attn, result.output.data());
        s != Status::ok)
      return s;
    ++filled_;
    return {};
  }

  // Beam i goes on from what parents[i] was. There are always as many as at the beginning: bad_shape otherwise.
  // Allocates nothing.
  Status reorder(std::span<const Index> parents) noexcept {
    if (Index(parents.size()) != rows_)
      return {Status::bad_shape, "the number of hypotheses must be that of the beams", Index(parents.size()), rows_};
    for (Index parent : parents)
      if (parent < 0 || parent >= rows_) return {Status::bad_shape, "no such hypothesis", parent, rows_, Status::below};
    const auto& sizes = cache_.sizes();
    const double moved = double(rows_) * double(sizes.layers * sizes.heads * sizes.width) * double(filled_);
    const Index no_memory = 0;
    if (filled_ > 0) cache_.reorder(workspace_->threads_for(8 * moved), parents, filled_, &no_memory);
    return {};
  }

#if VITRINE_EXCEPTIONS
  // The same, throwing StatusError.
  void begin(std::span<const Index> past) { throw_if_failed(begin_into(past)); }
  // next_into with a fresh result from the model's Memory. Throws StatusError.
  template <class K = DefaultKeep>
  Result<K> next(std::span<const Index> ids, const K& keep = {}) {
    Result<K> result;
    throw_if_failed(next_into(result, ids, keep));
    return result;
  }
#endif

  // Ids read so far, the past included.
  Index length() const noexcept { return filled_; }
  // Beams that are running.
  Index hypotheses() const noexcept { return rows_; }
  // The keys and values that were read so far.
  const KeyValueCache<S>& cache() const noexcept { return cache_; }

 private:
  // embedded_ through all layers to `y`, and on to the logits if there is a place for them.
  template <class M>
  Status run(const detail::RowMap& row_map, const Mask<S>& mask, S* y, M& maps, S* logits) noexcept {
    using detail::Rows;
    const auto layers = model_->encoder_.layers();
    const auto& core = layers[0];
    const Index width = model_->words_.cols, vocab = model_->vocab_size(), rows = row_map.rows();
    const double count = double(rows), pairs = count * double(filled_ + row_map.length);
    const double output = logits != nullptr ? count * double(vocab) * double(width) : 0;
    const int threads = workspace_->threads_for(double(layers.count) * core.work(count, pairs) + output);
    const auto planned = [&](std::byte* base) {
      Arena arena(base);
      detail::EncoderPlan<S> p;
      p.attention.queries = p.attention.keys = row_map, p.attention.past = filled_;
      core.self_attn.plan_queries(arena, rows, p.attention, false);
      core.self_attn.plan_positions(arena, filled_, row_map.length, p.attention);
      auto sizes = core.sizes(capacity_);
      sizes.figures = detail::figure_columns<M>;
      p.scratch = detail::Scratch<S>::plan(arena, threads, rows, sizes);
      return detail::Planned<detail::EncoderPlan<S>>{p, arena.used()};
    };
    if (Status s = workspace_->reserve(planned(nullptr).bytes); s != Status::ok) return s;
    const detail::EncoderPlan<S> plan = planned(workspace_->data()).plan;
    const Rows<S> hidden(y, rows, width), out(logits, rows, vocab);
    const detail::LogitsHead<S> head = model_->head();
    run_team(threads, [&](Team& team) {
      const detail::Lane<S> lane(team, plan.scratch, rows);
      Rows<const S> x(embedded_.data(), rows, width);
      for (Index i = 0; i < layers.count; ++i, x = hidden) {
        detail::AttentionCall<S> call = plan.attention;
        layers[i].self_attn.configure(call);
        call.set_layer(mask, nullptr, detail::sink_of<S>(maps, i));
        call.key_values = cache_.self(i);
        const detail::ProductOrder<S> order = layers[i].order();
        layers[i](lane.in_layer(i, order), x, hidden, call);
      }
      if (logits == nullptr) return;
      lane.blocks([&](auto& block) {
        const Rows<S> last = block.of(hidden);
        (*layers.norm)(block, last, last);
        head(block, last, block.of(out));
      });
    });
    return {};
  }

  const Causal<S>* model_;
  Workspace* workspace_;
  DecodingOptions options_;
  KeyValueCache<S> cache_;
  Buffer<Index> parents_;
  Tensor<S> embedded_, hidden_;
  Result<keep::Nothing> read_;
  Index capacity_ = 0, rows_ = 0, filled_ = 0;
};

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
