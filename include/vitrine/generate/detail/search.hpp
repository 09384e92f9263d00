// Greedy and beam search over steps (DecodingSteps, CausalSteps), by Transformers' rules. Internal: see generate.hpp.
#pragma once
#include <algorithm>
#include <span>
#include <vector>
#include <vitrine/generate/generation_config.hpp>
#include <vitrine/generate/hypothesis.hpp>
#include <vitrine/generate/length_penalty.hpp>
#include <vitrine/generate/sampling.hpp>
#include <vitrine/generate/scores.hpp>

#if VITRINE_EXCEPTIONS
#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

namespace detail {

template <class S>
void check_logits(const LogNorm<S>& norm) {
  if (norm.log_sum != norm.log_sum)
    throw_if_failed({Status::not_supported, "the model's logits are not finite: there is nothing to choose by"});
}

// What both searches are told: the ids that each source starts with, one at least.
struct SearchTask {
  const std::vector<std::vector<Index>>& starts;
  Index vocab = 0;
  const GenerationConfig& config;
};

// Both start from steps that have begun and have read all of each start but its last id. The maps of all steps go to
// `kept`.
template <class S, class Steps, class K, class R>
std::vector<std::vector<Found<S>>> greedy(Steps& steps, const SearchTask& task, const K& keep, StepMaps<R>& kept) {
  const auto& [starts, vocab, config] = task;
  const std::size_t count = starts.size();
  std::vector<std::vector<Found<S>>> found(count, std::vector<Found<S>>(1));
  std::vector<std::vector<Index>> sequences = starts;
  std::vector<Index> running(count), ids(count), stay;
  std::vector<S> original;  // logits before the rules
  std::vector<Sampler<S>> samplers;
  const std::vector<Index>& numbers = config.sequence_numbers;
  for (std::size_t b = 0; config.do_sample && b < count; ++b)
    samplers.emplace_back(config, b < numbers.size() ? numbers[b] : Index(b));
  for (std::size_t i = 0; i < count; ++i) running[i] = Index(i), ids[i] = starts[i].back();

  R step;
  while (!running.empty()) {
    if (config.on_step) config.on_step();
    throw_if_failed(steps.next_into(step, ids, keep));
    kept.take(step);
    stay.clear();
    for (std::size_t i = 0; i < running.size(); ++i) {
      const auto source = std::size_t(running[i]);
      S* const logits = step.output.data() + Index(i) * vocab;
      const LogNorm<S> norm = log_norm(logits, vocab);
      check_logits(norm);
      original.assign(logits, logits + vocab);
      const Index prompt = Index(starts[source].size());
      apply_rules<S>(config, sequences[source], prompt, {logits, std::size_t(vocab)});
      const std::span<S> scores(logits, std::size_t(vocab));
      const Index id = config.do_sample ? samplers[source].choose(scores) : argmax(logits, vocab);
      sequences[source].push_back(id);
      Found<S>& one = found[source][0];
      one.log_probs.push_back(norm(original[std::size_t(id)]));
      one.score += one.log_probs.back();
      one.rows.push_back(Index(i));
      const bool wanted = !config.streamer || config.streamer(Index(source), id);
      if (wanted && !config.is_end(id) && Index(sequences[source].size()) < config.limit(prompt))
        stay.push_back(Index(i));
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
    found[b][0].ids.assign(sequences[b].begin() + std::ptrdiff_t(starts[b].size()), sequences[b].end());
    found[b][0].score /= length_penalty<S>(Index(found[b][0].ids.size()), config.length_penalty);
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
    std::vector<Index> rows = {};  // of each step's batch
    std::vector<S> log_probs = {};
  };
  Index source = 0, prompt = 1;
  std::vector<One> running, finished;

  Beams(Index source_of, Index beams, std::span<const Index> start)
      : source(source_of), prompt(Index(start.size())), running(std::size_t(beams)) {
    for (One& one : running) one.ids.assign(start.begin(), start.end());
    finished = running;
    running[0].score = S(0);
  }
  bool all_finished() const {
    return std::all_of(finished.begin(), finished.end(), [](const One& one) { return one.finished; });
  }

  // Continues with the best candidates (best first; `at` is beam * vocab + id) and their log-probabilities; the beams
  // are the rows from `row` on of this step's batch. parents: for each new beam the old one. Returns whether this
  // source goes on; a source that does not is never asked again.
  bool advance(const GenerationConfig& config, const std::vector<Candidate<S>>& best, const std::vector<S>& log_probs,
               Index vocab, Index row, Index* parents) {
    const Index beams = Index(running.size()), limit = config.limit(prompt);
    const Index length = Index(running[0].ids.size()) - prompt + 1;  // after this step, without the prompt
    const auto continued = [&](std::size_t i, S score, bool done) {
      const Index beam = best[i].at / vocab;
      One one = running[std::size_t(beam)];
      one.score = score, one.finished = done;
      one.ids.push_back(best[i].at % vocab);
      one.rows.push_back(row + beam);
      one.log_probs.push_back(log_probs[i]);
      return one;
    };
    const S penalty = length_penalty<S>(length, config.length_penalty);
    std::vector<bool> hits(best.size());
    TopK<S> next(beams), merged(beams);
    for (std::size_t i = 0; i < finished.size(); ++i) merged.offer(finished[i].score, Index(i));
    bool all_hit = true;
    for (std::size_t i = 0; i < best.size(); ++i) {
      hits[i] = config.is_end(best[i].at % vocab) || length + prompt >= limit;
      all_hit = all_hit && hits[i];
      next.offer(best[i].score + (hits[i] ? lowest : S(0)), Index(i));
      S score = best[i].score / penalty;
      if (!(hits[i] && Index(i) < beams)) score += lowest;
      merged.offer(score, Index(finished.size() + i));
    }
    std::vector<One> new_running, new_finished;
    for (const Candidate<S>& chosen : next.sorted()) {
      const auto i = std::size_t(chosen.at);
      parents[new_running.size()] = best[i].at / vocab;
      new_running.push_back(continued(i, chosen.score, false));
    }
    for (const Candidate<S>& chosen : merged.sorted()) {
      const auto at = std::size_t(chosen.at);
      if (at < finished.size()) {
        new_finished.push_back(finished[at]);
        new_finished.back().score = chosen.score;
      } else {
        const std::size_t i = at - finished.size();
        new_finished.push_back(continued(i, chosen.score, hits[i] && Index(i) < beams));
      }
    }
    running = std::move(new_running), finished = std::move(new_finished);

    const Index longest =
        config.early_stopping == EarlyStopping::never && config.length_penalty > 0.0 ? limit - prompt : length;
    const S possible = running[0].score / length_penalty<S>(longest, config.length_penalty);
    const S worst = std::min_element(finished.begin(), finished.end(), [](const One& a, const One& b) {
                      return a.score < b.score;
                    })->score;
    const bool can_improve = std::any_of(finished.begin(), finished.end(),
                                         [&](const One& one) { return possible > (one.finished ? worst : lowest); });
    return can_improve && !(all_finished() && config.early_stopping == EarlyStopping::yes) && !all_hit;
  }
};

template <class S, class Steps, class K, class R>
std::vector<std::vector<Found<S>>> beam_search(Steps& steps, const SearchTask& task, const K& keep, StepMaps<R>& kept) {
  const auto& [starts, vocab, config] = task;
  const Index beams = config.num_beams;
  std::vector<std::vector<Found<S>>> found(starts.size());
  std::vector<Beams<S>> groups;
  std::vector<Index> ids, parents;
  for (const std::vector<Index>& start : starts) {
    groups.emplace_back(Index(groups.size()), beams, start);
    ids.insert(ids.end(), std::size_t(beams), start.back());
  }
  std::vector<S> scores(std::size_t(vocab), S(0));
  const Index ends = Index(config.eos_token_ids.size());
  TopK<S> best(std::min((ends > 1 ? 1 + ends : Index{2}) * beams, beams * vocab));

  std::vector<LogNorm<S>> norms(static_cast<std::size_t>(beams));
  std::vector<S> log_probs;
  R step;
  while (!groups.empty()) {
    if (config.on_step) config.on_step();
    throw_if_failed(steps.next_into(step, ids, keep));
    kept.take(step);
    ids.clear(), parents.clear();
    std::size_t left = 0;
    for (std::size_t g = 0; g < groups.size(); ++g) {
      const Index row = Index(g) * beams;
      const S* const logits = step.output.data() + row * vocab;
      best.clear();
      for (Index i = 0; i < beams; ++i) {
        const auto& beam = groups[g].running[std::size_t(i)];
        norms[std::size_t(i)] = log_softmax(logits + i * vocab, vocab, scores.data());
        check_logits(norms[std::size_t(i)]);
        apply_rules<S>(config, beam.ids, groups[g].prompt, scores);
        best.offer_all(scores.data(), vocab, beam.score, i * vocab);
      }
      log_probs.clear();
      for (const Candidate<S>& one : best.sorted())
        log_probs.push_back(norms[std::size_t(one.at / vocab)](logits[one.at]));
      std::vector<Index> from(std::size_t(beams), 0);
      if (groups[g].advance(config, best.sorted(), log_probs, vocab, row, from.data())) {
        for (Index i = 0; i < beams; ++i) {
          parents.push_back(row + from[std::size_t(i)]);
          ids.push_back(groups[g].running[std::size_t(i)].ids.back());
        }
        if (left != g) groups[left] = std::move(groups[g]);
        ++left;
      } else {
        for (Index i = 0; i < config.num_return_sequences; ++i) {
          auto& one = groups[g].finished[std::size_t(i)];
          found[std::size_t(groups[g].source)].push_back(
              {{{one.ids.begin() + groups[g].prompt, one.ids.end()}, one.score, std::move(one.log_probs)},
               std::move(one.rows)});
        }
      }
    }
    groups.erase(groups.begin() + std::ptrdiff_t(left), groups.end());
    if (!groups.empty()) throw_if_failed(steps.reorder(parents));
  }
  return found;
}

template <class S, class Steps, class K, class R>
auto search(Steps& steps, const SearchTask& task, const K& keep, StepMaps<R>& kept) {
  return task.config.num_beams == 1 ? greedy<S>(steps, task, keep, kept) : beam_search<S>(steps, task, keep, kept);
}

}  // namespace detail

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
#endif
