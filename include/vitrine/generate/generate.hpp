// Greedy and beam search by Transformers' rules, and the maps of what was generated.
//
//   vt::Workspace workspace(vt::heap());
//   auto found = vt::generate(model, workspace, vt::Tokens(ids, lengths), config);       config: GenerationConfig
//   found[source][0].ids: the best hypothesis, its end included;  .log_probs[t]
//   auto shown = vt::generate(model, workspace, sources, config, vt::keep::weights);     with maps: hypothesis.hpp
//   shown.hypotheses[source][0].cross_attn[layer].matrix(0, head): T x S, row t made ids[t];  shown.encoder.self_attn
//   auto scored = vt::score(model, workspace, source, {target}, config);                 teacher forcing
//   scored.log_probs[0][t];  scored.result.cross_attn[layer].matrix(0, head)
//
// Scoring what was generated gives the same log-probabilities and maps, bit for bit. To search first and score the
// chosen few afterwards costs one more pass; to keep the maps of a search costs the memory for those of all its beams.
// What is returned is on the heap, maps and other tensors in the model's Memory.
#pragma once
#include <algorithm>
#include <utility>
#include <vector>
#include <vitrine/generate/causal_steps.hpp>
#include <vitrine/generate/decoding.hpp>
#include <vitrine/generate/detail/search.hpp>
#include <vitrine/generate/generation_config.hpp>
#include <vitrine/generate/hypothesis.hpp>
#include <vitrine/generate/scores.hpp>

#if VITRINE_EXCEPTIONS
#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

// num_return_sequences hypotheses for each source, best first; where a search finds fewer, the last have no ids and a
// score near -1e9, as in Transformers. num_beams 1 is greedy search; then the rules apply to the logits. Sources are
// computed without padding; finished ones leave the batch. Throws StatusError, not_supported also for logits that are
// not finite.
template <class S>
std::vector<std::vector<Hypothesis<S>>> generate(const Seq2Seq<S>& model, Workspace& workspace, const Tokens& sources,
                                                 const GenerationConfig& config);

// The same with maps, traced back through the beams. Memory, besides what is returned: the chosen maps of all beams at
// every step, layers x heads x beams x (T^2 / 2 + T S) values a source.
template <class K, class S>
struct Generated {
  std::vector<std::vector<MappedHypothesis<S, typename K::template map<S, 0>, typename K::template map<S, 1>>>>
      hypotheses = {};
  EncoderResult<K, S> encoder = {};  // of the sources
};
template <class S, class K>
Generated<K, S> generate(const Seq2Seq<S>& model, Workspace& workspace, const Tokens& sources,
                         const GenerationConfig& config, const K& keep, EndRow end = EndRow::keep);

// The same for what continues prompts of one id at least, which the ids leave out; lengths of the configuration but
// max_new_tokens and min_new_tokens count the prompt. A Causal model has no padding and no start token. A prompt finds
// the same alone, bit for bit (sampled ones with its sequence_numbers); nothing is computed for padding.
template <class S>
std::vector<std::vector<Hypothesis<S>>> generate(const Causal<S>& model, Workspace& workspace, const Tokens& prompts,
                                                 const GenerationConfig& config);
// With maps: of P + T - 1 rows, the last T of which made the ids.
template <class K, class S>
using CausalHypothesis = MappedHypothesis<S, typename K::template map<S, 0>, NoSuch<1>>;
template <class S, class K>
std::vector<std::vector<CausalHypothesis<K, S>>> generate(const Causal<S>& model, Workspace& workspace,
                                                          const Tokens& prompts, const GenerationConfig& config,
                                                          const K& keep, EndRow end = EndRow::keep);
// One prompt, and its hypotheses.
template <class S>
std::vector<Hypothesis<S>> generate(const Causal<S>& model, Workspace& workspace, std::span<const Index> prompt,
                                    const GenerationConfig& config) {
  return std::move(generate(model, workspace, Tokens(prompt), config)[0]);
}
template <class S, class K>
std::vector<CausalHypothesis<K, S>> generate(const Causal<S>& model, Workspace& workspace,
                                             std::span<const Index> prompt, const GenerationConfig& config,
                                             const K& keep, EndRow end = EndRow::keep) {
  return std::move(generate(model, workspace, Tokens(prompt), config, keep, end)[0]);
}

// What teacher forcing says of given targets: one forward pass, its maps and the log-probability of each id.
template <class K, class S>
struct Scored {
  Seq2SeqResult<K, S> result = {};
  std::vector<std::vector<S>> log_probs = {};
};
// The same of a Causal model: row P - 1 + t of a map made the target's id t.
template <class K, class S>
struct CausalScored {
  CausalResult<K, S> result = {};
  std::vector<std::vector<S>> log_probs = {};
};

// targets[b]: ids without the start token. rows of maps: one for each id. Throws StatusError.
template <class S, class K = DefaultKeep>
Scored<K, S> score(  // NOLINT(readability-function-size): a model's arguments and a call's
    const Seq2Seq<S>& model, Workspace& workspace, const Tokens& sources,
    const std::vector<std::vector<Index>>& targets, const GenerationConfig& config, const K& keep = {},
    const Seq2SeqMasks<S>& masks = {});
// targets[b] continues the prompt of P ids, which has one at least: maps of P + T - 1 rows, the last T of which are for
// the target's ids. Throws StatusError.
template <class S, class K = DefaultKeep>
CausalScored<K, S> score(const Causal<S>& model, Workspace& workspace, std::span<const Index> prompt,
                         const std::vector<std::vector<Index>>& targets, const K& keep = {},
                         const CausalMasks<S>& masks = {});

// ---- implementation

namespace detail {

// The configuration of searches behind these starts.
template <class Model>
GenerationConfig search_config(const Model& model, GenerationConfig config,
                               const std::vector<std::vector<Index>>& starts) {
  config.max_positions = model.most_ids();
  for (const std::vector<Index>& start : starts)
    throw_if_failed(check(config, model.vocab_size(), Index(start.size())));
  return config;
}
// The ids of each prompt, one at least.
template <class S>
std::vector<std::vector<Index>> starts_of(const Causal<S>& model, const Tokens& prompts) {
  throw_if_failed(check_extents(prompts));
  std::vector<std::vector<Index>> starts;
  const Index* at = prompts.ids;
  for (Index b = 0; b < prompts.batch; at += prompts.length_of(b), ++b) {
    const Index length = prompts.length_of(b);
    if (length < 1) throw_if_failed({Status::bad_shape, "a prompt has no ids", length, 1});
    if (length > model.most_ids())
      throw_if_failed(
          {Status::bad_shape, "a prompt has more ids than the model has positions", length, model.most_ids()});
    starts.emplace_back(at, at + length);
  }
  return starts;
}
inline void check_start(const GenerationConfig& config, Index vocab_size) {
  if (config.decoder_start_token_id < 0 || config.decoder_start_token_id >= vocab_size)
    throw_if_failed({Status::bad_config, "decoder_start_token_id has to be defined, and in the vocabulary",
                     config.decoder_start_token_id, vocab_size, Status::below});
}

// Hypotheses alone, of those with maps of nothing.
template <class S, class One>
std::vector<Hypothesis<S>> without_maps(std::vector<One>&& found) {
  std::vector<Hypothesis<S>> list;
  list.reserve(found.size());
  for (One& one : found) list.push_back(std::move(one));
  return list;
}
template <class S>
Index map_rows(const Hypothesis<S>& one, const GenerationConfig& config, EndRow end) {
  return Index(end == EndRow::drop ? config.without_end(one.ids).size() : one.ids.size());
}
// log p of each id; the logits are rows one after another.
template <class S>
std::vector<S> log_probs_of(const std::vector<Index>& ids, const S* logits, Index vocab) {
  std::vector<S> values;
  for (Index id : ids) {
    values.push_back(log_norm(logits, vocab)(logits[id]));
    logits += vocab;
  }
  return values;
}
inline void check_targets(const std::vector<std::vector<Index>>& targets, Index vocab) {
  for (const std::vector<Index>& target : targets)
    for (Index id : target)
      if (id < 0 || id >= vocab)
        throw_if_failed({Status::bad_shape, "an id of a target is not in the vocabulary", id, vocab, Status::below});
}

}  // namespace detail

template <class S>
std::vector<std::vector<Hypothesis<S>>> generate(const Seq2Seq<S>& model, Workspace& workspace, const Tokens& sources,
                                                 const GenerationConfig& config) {
  std::vector<std::vector<Hypothesis<S>>> result;
  for (auto& found : generate(model, workspace, sources, config, keep::nothing).hypotheses)
    result.push_back(detail::without_maps<S>(std::move(found)));
  return result;
}

template <class S, class K>
Generated<K, S> generate(const Seq2Seq<S>& model, Workspace& workspace, const Tokens& sources,
                         const GenerationConfig& given, const K& keep, EndRow end) {
  const std::vector<std::vector<Index>> starts(std::size_t(sources.batch), {given.decoder_start_token_id});
  const GenerationConfig config = detail::search_config(model, given, {{given.decoder_start_token_id}});
  detail::check_start(config, model.vocab_size());
  Generated<K, S> result;
  if (sources.batch == 0) return result;
  DecodingSteps<S> steps(model, workspace, {.max_length = config.limit() - 1, .beams = config.num_beams});
  throw_if_failed(steps.begin_into(result.encoder, sources, keep));
  detail::StepMaps<DecoderResult<K, S>> kept;
  auto found = detail::search<S>(steps, {starts, model.vocab_size(), config, workspace}, keep, kept);

  const StackConfig& stack = model.decoder().config();
  for (std::size_t b = 0; b < found.size(); ++b) {
    auto& list = result.hypotheses.emplace_back();
    for (detail::Found<S>& from : found[b]) {
      auto& one = list.emplace_back();
      static_cast<Hypothesis<S>&>(one) = static_cast<Hypothesis<S>&&>(from);  // not its rows
      const Index length = detail::map_rows(one, config, end);
      const MapShape self{stack.num_layers, 1, stack.layer.nhead, length, length, {}, {}, 0};
      MapShape cross = self;
      cross.memory_length = sources.length_of(Index(b));
      detail::gather<S>(one.self_attn, model.memory(), self, keep.selection, Which::self,
                        [&](Index t) { return detail::MapRow(&kept.self(t), from.rows[std::size_t(t)], Index{0}); });
      detail::gather<S>(one.cross_attn, model.memory(), cross, keep.selection, Which::cross,
                        [&](Index t) { return detail::MapRow(&kept.cross(t), from.rows[std::size_t(t)], Index{0}); });
    }
  }
  return result;
}

template <class S>
std::vector<std::vector<Hypothesis<S>>> generate(const Causal<S>& model, Workspace& workspace, const Tokens& prompts,
                                                 const GenerationConfig& config) {
  std::vector<std::vector<Hypothesis<S>>> result;
  for (auto& found : generate(model, workspace, prompts, config, keep::nothing))
    result.push_back(detail::without_maps<S>(std::move(found)));
  return result;
}

template <class S, class K>
std::vector<std::vector<CausalHypothesis<K, S>>> generate(const Causal<S>& model, Workspace& workspace,
                                                          const Tokens& prompts, const GenerationConfig& given,
                                                          const K& keep, EndRow end) {
  const std::vector<std::vector<Index>> starts = detail::starts_of(model, prompts);
  const GenerationConfig config = detail::search_config(model, given, starts);
  std::vector<std::vector<CausalHypothesis<K, S>>> result;
  if (starts.empty()) return result;
  std::vector<Index> packed, pasts;  // all but the last id of each prompt
  Index longest = 0;
  for (const std::vector<Index>& start : starts) {
    packed.insert(packed.end(), start.begin(), start.end() - 1);
    pasts.push_back(Index(start.size()) - 1);
    longest = std::max(longest, config.limit(Index(start.size())) - 1);
  }
  CausalSteps<S> steps(model, workspace, {.max_length = longest, .beams = config.num_beams});
  EncoderResult<K, S> read;
  throw_if_failed(steps.begin_into(read, Tokens(packed, pasts), keep));
  detail::StepMaps<EncoderResult<K, S>> kept;
  auto found = detail::search<S>(steps, {starts, model.vocab_size(), config, workspace}, keep, kept);

  const StackConfig& stack = model.encoder().config();
  for (std::size_t b = 0; b < found.size(); ++b) {
    auto& list = result.emplace_back();
    const Index past = pasts[b];
    for (detail::Found<S>& from : found[b]) {
      auto& one = list.emplace_back();
      static_cast<Hypothesis<S>&>(one) = static_cast<Hypothesis<S>&&>(from);  // not its rows
      const Index length = past + detail::map_rows(one, config, end);
      const MapShape shape{stack.num_layers, 1, stack.layer.nhead, length, length, {}, {}, 0};
      detail::gather<S>(one.self_attn, model.memory(), shape, keep.selection, Which::self, [&](Index t) {
        return t < past ? detail::MapRow(&read.self_attn, Index(b), t)
                        : detail::MapRow(&kept.self(t - past), from.rows[std::size_t(t - past)], Index{0});
      });
    }
  }
  return result;
}

template <class S, class K>
Scored<K, S> score(  // NOLINT(readability-function-size): a model's arguments and a call's
    const Seq2Seq<S>& model, Workspace& workspace, const Tokens& sources,
    const std::vector<std::vector<Index>>& targets, const GenerationConfig& config, const K& keep,
    const Seq2SeqMasks<S>& masks) {
  const Index vocab = model.vocab_size();
  throw_if_failed(check(config, vocab));
  detail::check_start(config, vocab);
  detail::check_targets(targets, vocab);
  std::vector<Index> packed, lengths;
  for (const std::vector<Index>& target : targets) {
    for (std::size_t t = 0; t < target.size(); ++t)
      packed.push_back(t == 0 ? config.decoder_start_token_id : target[t - 1]);
    lengths.push_back(Index(target.size()));
  }
  Scored<K, S> scored;
  throw_if_failed(model.forward_into(scored.result, workspace, sources, Tokens(packed, lengths), masks, keep));
  const S* logits = scored.result.output.data();
  for (const std::vector<Index>& target : targets) {
    scored.log_probs.push_back(detail::log_probs_of(target, logits, vocab));
    logits += Index(target.size()) * vocab;
  }
  return scored;
}

template <class S, class K>
CausalScored<K, S> score(const Causal<S>& model, Workspace& workspace, std::span<const Index> prompt,
                         const std::vector<std::vector<Index>>& targets, const K& keep, const CausalMasks<S>& masks) {
  const Index vocab = model.vocab_size();
  if (prompt.empty()) throw_if_failed({Status::bad_shape, "a prompt has no ids", 0, 1});
  if (Index(prompt.size()) > model.most_ids())
    throw_if_failed({Status::bad_shape, "a prompt has more ids than the model has positions", Index(prompt.size()),
                     model.most_ids()});
  detail::check_targets(targets, vocab);
  const Index past = Index(prompt.size()) - 1;
  std::vector<Index> packed, lengths;
  for (const std::vector<Index>& target : targets) {  // all but the last id are read
    packed.insert(packed.end(), prompt.begin(), target.empty() ? prompt.end() - 1 : prompt.end());
    packed.insert(packed.end(), target.begin(), target.empty() ? target.end() : target.end() - 1);
    lengths.push_back(past + Index(target.size()));
  }
  CausalScored<K, S> scored;
  throw_if_failed(model.forward_into(scored.result, workspace, Tokens(packed, lengths), masks, keep));
  const S* logits = scored.result.output.data();
  for (const std::vector<Index>& target : targets) {
    logits += past * vocab;
    scored.log_probs.push_back(detail::log_probs_of(target, logits, vocab));
    logits += Index(target.size()) * vocab;
  }
  return scored;
}

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
#endif
