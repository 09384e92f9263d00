// Greedy and beam search by Transformers' rules, and the maps of what was generated.
//
//   vt::Workspace workspace(vt::heap());
//   auto found = vt::generate(model, workspace, vt::Tokens(ids, lengths), config);       config: GenerationConfig
//   found[source][0].ids: the best hypothesis, its end included
//   auto scored = vt::score(model, workspace, source, hypothesis.ids, config);           teacher forcing
//   scored.log_probs[0][t];  scored.result.cross_attn[layer].matrix(0, head): T x S, row t made ids[t]
//
// The maps of a hypothesis come from one pass over its finished ids: they are the bits that the steps had (one result),
// in one block, and a search needs no memory for the maps of beams that are given up.
#pragma once
#include <algorithm>
#include <vector>
#include <vitrine/generate/causal_steps.hpp>
#include <vitrine/generate/decoding.hpp>
#include <vitrine/generate/generation_config.hpp>
#include <vitrine/generate/scores.hpp>

#if VITRINE_EXCEPTIONS
namespace vitrine::inline VITRINE_ABI {

template <class S>
struct Hypothesis {
  std::vector<Index> ids = {};  // without the start token; the end token, if it came to that, is the last
  S score = S(0);               // sum of log-probabilities / length^length_penalty; the length counts the end
};

// num_return_sequences hypotheses for each source, best first. num_beams 1 is greedy search; then the rules apply to
// the logits. Sources are computed without padding; finished ones leave the batch. Throws StatusError.
template <class S>
std::vector<std::vector<Hypothesis<S>>> generate(const Seq2Seq<S>& model, Workspace& workspace, const Tokens& sources,
                                                 const GenerationConfig& config);

// The same for what continues a prompt of one id at least, which the ids leave out; lengths of the configuration but
// max_new_tokens and min_new_tokens count it. A Gpt2 has no padding and no start token.
template <class S>
std::vector<Hypothesis<S>> generate(const Gpt2<S>& model, Workspace& workspace, std::span<const Index> prompt,
                                    const GenerationConfig& config);

// What teacher forcing says of given targets: one forward pass, its maps and the log-probability of each id.
template <class K, class S>
struct Scored {
  Seq2SeqResult<K, S> result = {};
  std::vector<std::vector<S>> log_probs = {};
};

// targets[b]: ids without the start token. rows of maps: one for each id. Throws StatusError.
template <class S, class K = DefaultKeep>
Scored<K, S> score(const Seq2Seq<S>& model, Workspace& workspace, const Tokens& sources,
                   const std::vector<std::vector<Index>>& targets, const GenerationConfig& config, const K& keep = {},
                   const Seq2SeqMasks<S>& masks = {});

// ---- implementation

namespace detail {

inline void check_generation(const GenerationConfig& config, Index vocab_size) {
  throw_if_failed(check(config, vocab_size));
  if (config.decoder_start_token_id < 0 || config.decoder_start_token_id >= vocab_size)
    throw_if_failed({Status::bad_config, "decoder_start_token_id has to be defined, and in the vocabulary",
                     config.decoder_start_token_id, vocab_size});
}

// Value of x^p for the length penalty; p = 1 and 0 exactly.
inline double power(double x, double p) {
  if (p == 1.0) return x;
  return p == 0.0 ? 1.0 : kernels::exp(mul(p, kernels::log(x)));
}

// Both searches start from steps that have begun and have read all of `start` but its last id; every source starts
// alike.
template <class S, class Steps>
std::vector<std::vector<Hypothesis<S>>> greedy(Steps& steps, Index sources, std::span<const Index> start, Index vocab,
                                               const GenerationConfig& config) {
  const Index prompt = Index(start.size()), limit = config.limit(prompt);
  const auto count = static_cast<std::size_t>(sources);
  std::vector<std::vector<Hypothesis<S>>> found(count, std::vector<Hypothesis<S>>(1));
  std::vector<std::vector<Index>> sequences(count, {start.begin(), start.end()});
  std::vector<Index> running(count), ids(count, start.back()), stay;
  std::vector<S> log_probs(std::size_t(vocab), S(0));
  for (std::size_t i = 0; i < running.size(); ++i) running[i] = Index(i);

  typename Steps::template Result<keep::Nothing> step;
  while (!running.empty()) {
    throw_if_failed(steps.next_into(step, ids, keep::nothing));
    stay.clear();
    for (std::size_t i = 0; i < running.size(); ++i) {
      const auto source = std::size_t(running[i]);
      S* const logits = step.output.data() + Index(i) * vocab;
      log_softmax(logits, vocab, log_probs.data());
      apply_rules<S>(config, sequences[source], prompt, {logits, std::size_t(vocab)});
      const Index id = argmax(logits, vocab);
      sequences[source].push_back(id);
      found[source][0].score += log_probs[std::size_t(id)];
      if (!config.is_end(id) && Index(sequences[source].size()) < limit) stay.push_back(Index(i));
    }
    if (stay.size() < running.size() && !stay.empty()) throw_if_failed(steps.reorder(stay));
    ids.clear();
    for (std::size_t i = 0; i < stay.size(); ++i) {
      running[i] = running[std::size_t(stay[i])];
      ids.push_back(sequences[std::size_t(running[i])].back());
    }
    running.resize(stay.size());
  }
  for (std::size_t b = 0; b < found.size(); ++b) {
    found[b][0].ids.assign(sequences[b].begin() + prompt, sequences[b].end());
    found[b][0].score /= S(power(double(found[b][0].ids.size()), config.length_penalty));
  }
  return found;
}

// One source of a beam search: what runs and what is finished, as in Transformers' _beam_search.
template <class S>
struct Beams {
  static constexpr S lowest = S(-1.0e9);
  struct One {
    std::vector<Index> ids;  // the start token included
    S score = lowest;
    bool finished = false;
  };
  Index source = 0, prompt = 1;
  std::vector<One> running, finished;
  bool can_improve = true;

  Beams(Index source_of, Index beams, std::span<const Index> start)
      : source(source_of), prompt(Index(start.size())), running(std::size_t(beams)) {
    for (One& one : running) one.ids.assign(start.begin(), start.end());
    finished = running;
    running[0].score = S(0);
  }
  bool all_finished() const {
    return std::all_of(finished.begin(), finished.end(), [](const One& one) { return one.finished; });
  }

  // Continues with the best candidates (best first; `at` is beam * vocab + id). parents: for each new beam the old one.
  // Returns whether this source goes on.
  bool advance(const GenerationConfig& config, const std::vector<Candidate<S>>& best, Index vocab, Index* parents) {
    const Index beams = Index(running.size()), limit = config.limit(prompt);
    const Index length = Index(running[0].ids.size()) - prompt + 1;  // after this step, without the prompt
    const auto continued = [&](const Candidate<S>& c, S score, bool done) {
      One one{running[std::size_t(c.at / vocab)].ids, score, done};
      one.ids.push_back(c.at % vocab);
      return one;
    };
    const bool full = all_finished() && config.early_stopping == EarlyStopping::yes;
    const S norm = S(power(double(length), config.length_penalty));
    std::vector<bool> hits(best.size());
    TopK<S> next(beams), merged(beams);
    for (std::size_t i = 0; i < finished.size(); ++i) merged.offer(finished[i].score, Index(i));
    bool all_hit = true;
    for (std::size_t i = 0; i < best.size(); ++i) {
      hits[i] = config.is_end(best[i].at % vocab) || length + prompt >= limit;
      all_hit = all_hit && hits[i];
      next.offer(best[i].score + (hits[i] ? lowest : S(0)), Index(i));
      S score = best[i].score / norm;
      if (full) score += lowest;
      if (!can_improve) score += lowest;
      if (!(hits[i] && Index(i) < beams)) score += lowest;
      merged.offer(score, Index(finished.size() + i));
    }
    std::vector<One> new_running, new_finished;
    for (const Candidate<S>& chosen : next.sorted()) {
      const Candidate<S>& c = best[std::size_t(chosen.at)];
      parents[new_running.size()] = c.at / vocab;
      new_running.push_back(continued(c, chosen.score, false));
    }
    for (const Candidate<S>& chosen : merged.sorted()) {
      const auto at = std::size_t(chosen.at);
      if (at < finished.size()) {
        new_finished.push_back(finished[at]);
        new_finished.back().score = chosen.score;
      } else {
        const std::size_t i = at - finished.size();
        new_finished.push_back(continued(best[i], chosen.score, hits[i] && Index(i) < beams));
      }
    }
    running = std::move(new_running), finished = std::move(new_finished);

    const Index longest =
        config.early_stopping == EarlyStopping::never && config.length_penalty > 0.0 ? limit - prompt : length;
    const S possible = running[0].score / S(power(double(longest), config.length_penalty));
    const S worst = std::min_element(finished.begin(), finished.end(), [](const One& a, const One& b) {
                      return a.score < b.score;
                    })->score;
    can_improve = can_improve && std::any_of(finished.begin(), finished.end(), [&](const One& one) {
                    return possible > (one.finished ? worst : lowest);
                  });
    return can_improve && !(all_finished() && config.early_stopping == EarlyStopping::yes) && !all_hit;
  }
};

template <class S, class Steps>
std::vector<std::vector<Hypothesis<S>>> beam_search(Steps& steps, Index sources, std::span<const Index> start,
                                                    Index vocab, const GenerationConfig& config) {
  const Index beams = config.num_beams, prompt = Index(start.size());
  std::vector<std::vector<Hypothesis<S>>> found(static_cast<std::size_t>(sources));
  std::vector<Beams<S>> groups;
  for (Index b = 0; b < sources; ++b) groups.emplace_back(b, beams, start);
  std::vector<Index> ids(std::size_t(sources * beams), start.back()), parents;
  std::vector<S> scores(std::size_t(vocab), S(0));
  const Index ends = Index(config.eos_token_ids.size());
  TopK<S> best(std::min((ends > 1 ? 1 + ends : Index{2}) * beams, beams * vocab));

  typename Steps::template Result<keep::Nothing> step;
  while (!groups.empty()) {
    throw_if_failed(steps.next_into(step, ids, keep::nothing));
    ids.clear(), parents.clear();
    std::size_t kept = 0;
    for (std::size_t g = 0; g < groups.size(); ++g) {
      best.clear();
      for (Index i = 0; i < beams; ++i) {
        const auto& beam = groups[g].running[std::size_t(i)];
        log_softmax(step.output.data() + (Index(g) * beams + i) * vocab, vocab, scores.data());
        apply_rules<S>(config, beam.ids, prompt, scores);
        best.offer_all(scores.data(), vocab, beam.score, i * vocab);
      }
      std::vector<Index> from(std::size_t(beams), 0);
      if (groups[g].advance(config, best.sorted(), vocab, from.data())) {
        for (Index i = 0; i < beams; ++i) {
          parents.push_back(Index(g) * beams + from[std::size_t(i)]);
          ids.push_back(groups[g].running[std::size_t(i)].ids.back());
        }
        if (kept != g) groups[kept] = std::move(groups[g]);
        ++kept;
      } else {
        for (Index i = 0; i < config.num_return_sequences; ++i) {
          const auto& one = groups[g].finished[std::size_t(i)];
          found[std::size_t(groups[g].source)].push_back({{one.ids.begin() + prompt, one.ids.end()}, one.score});
        }
      }
    }
    groups.erase(groups.begin() + std::ptrdiff_t(kept), groups.end());
    if (!groups.empty()) throw_if_failed(steps.reorder(parents));
  }
  return found;
}

template <class S, class Steps>
auto search(Steps& steps, Index sources, std::span<const Index> start, Index vocab, const GenerationConfig& config) {
  return config.num_beams == 1 ? greedy<S>(steps, sources, start, vocab, config)
                               : beam_search<S>(steps, sources, start, vocab, config);
}

}  // namespace detail

template <class S>
std::vector<std::vector<Hypothesis<S>>> generate(const Seq2Seq<S>& model, Workspace& workspace, const Tokens& sources,
                                                 const GenerationConfig& config) {
  detail::check_generation(config, model.vocab_size());
  if (sources.batch == 0) return {};
  DecodingSteps<S> steps(model, workspace, {.max_length = config.limit() - 1, .beams = config.num_beams});
  steps.begin(sources);
  const std::vector<Index> start = {config.decoder_start_token_id};
  return detail::search<S>(steps, sources.batch, start, model.vocab_size(), config);
}

template <class S>
std::vector<Hypothesis<S>> generate(const Gpt2<S>& model, Workspace& workspace, std::span<const Index> prompt,
                                    const GenerationConfig& config) {
  const Index length = Index(prompt.size());
  if (length == 0) throw_if_failed({Status::bad_shape, "a prompt has no ids", length, 1});
  throw_if_failed(check(config, model.vocab_size(), length));
  CausalSteps<S> steps(model, workspace, {.max_length = config.limit(length) - 1, .beams = config.num_beams});
  steps.begin(prompt.first(prompt.size() - 1));
  return std::move(detail::search<S>(steps, 1, prompt, model.vocab_size(), config)[0]);
}

template <class S, class K>
Scored<K, S> score(const Seq2Seq<S>& model, Workspace& workspace, const Tokens& sources,
                   const std::vector<std::vector<Index>>& targets, const GenerationConfig& config, const K& keep,
                   const Seq2SeqMasks<S>& masks) {
  const Index vocab = model.vocab_size();
  detail::check_generation(config, vocab);
  std::vector<Index> packed, lengths;
  for (const std::vector<Index>& target : targets) {
    for (std::size_t t = 0; t < target.size(); ++t) {
      if (target[t] < 0 || target[t] >= vocab)
        throw_if_failed({Status::bad_shape, "an id of a target is not in the vocabulary", target[t], vocab});
      packed.push_back(t == 0 ? config.decoder_start_token_id : target[t - 1]);
    }
    lengths.push_back(Index(target.size()));
  }
  Scored<K, S> scored;
  throw_if_failed(model.forward_into(scored.result, workspace, sources, Tokens(packed, lengths), masks, keep));
  std::vector<S> row(std::size_t(vocab), S(0));
  const S* logits = scored.result.output.data();
  for (const std::vector<Index>& target : targets) {
    std::vector<S>& log_probs = scored.log_probs.emplace_back();
    for (Index id : target) {
      log_softmax(logits, vocab, row.data());
      log_probs.push_back(row[std::size_t(id)]);
      logits += vocab;
    }
  }
  return scored;
}

}  // namespace vitrine::inline VITRINE_ABI
#endif
