// Greedy and beam search over steps (DecodingSteps, CausalSteps), by Transformers' rules. Internal: see generate.hpp.
#pragma once
#include <algorithm>
#include <atomic>
#include <exception>
#include <span>
#include <vector>
#include <vitrine/core/workspace.hpp>
#include <vitrine/generate/generation_config.hpp>
#include <vitrine/generate/hypothesis.hpp>
#include <vitrine/generate/length_penalty.hpp>
#include <vitrine/generate/sampling.hpp>
#include <vitrine/generate/scores.hpp>

#if VITRINE_EXCEPTIONS
#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

namespace detail {

// What both searches are told: the ids that each source starts with, one at least.
struct SearchTask {
  const std::vector<std::vector<Index>>& starts;
  Index vocab = 0;
  const GenerationConfig& config;
  const Workspace& workspace;
};

// f(row, scores) for every row of a step's logits, each on one thread of a team, which has a vector of its own for what
// the rules make of them. What one of them throws the caller throws, when all have ended.
template <class S>
class LogitsRows {
 public:
  explicit LogitsRows(const SearchTask& task) : task_(&task), scores_(std::size_t(task.workspace.threads())) {}

  template <class F>
  void for_each(Index rows, F&& f) {
    constexpr double work = 16;  // for each value, in multiply-adds: an exponential, some comparisons
    std::exception_ptr thrown;
    std::atomic_flag caught = ATOMIC_FLAG_INIT;
    run_team(task_->workspace.threads_for(work * double(rows) * double(task_->vocab)), [&](Team& team) {
      team.for_each(rows, [&](Index row) {
        try {
          f(row, scores_[std::size_t(team.thread())]);
        } catch (...) {
          if (!caught.test_and_set()) thrown = std::current_exception();
        }
      });
    });
    if (thrown) std::rethrow_exception(thrown);
  }

 private:
  const SearchTask* task_;
  std::vector<std::vector<S>> scores_;
};

template <class S>
void check_logits(const LogNorm<S>& norm) {
  if (!norm.finite())
    throw_if_failed({Status::not_supported, "the model's logits are not finite: there is nothing to choose by"});
}

// Both searches start from steps that have begun and have read all of each start but its last id. The maps of all steps
// go to `kept`.
template <class S, class Steps, class K, class R>
std::vector<std::vector<Found<S>>> greedy(Steps& steps, const SearchTask& task, const K& keep, StepMaps<R>& kept) {
  const auto& starts = task.starts;
  const GenerationConfig& config = task.config;
  const Index vocab = task.vocab;
  const std::size_t count = starts.size();
  std::vector<std::vector<Found<S>>> found(count, std::vector<Found<S>>(1));
  std::vector<std::vector<Index>> sequences = starts;
  std::vector<Index> running(count), ids(count), stay;
  std::vector<Sampler<S>> samplers;
  const std::vector<Index>& numbers = config.sequence_numbers;
  for (std::size_t b = 0; config.do_sample && b < count; ++b)
    samplers.emplace_back(config, b < numbers.size() ? numbers[b] : Index(b));
  for (std::size_t i = 0; i < count; ++i) running[i] = Index(i), ids[i] = starts[i].back();

  struct Chosen {
    LogNorm<S> norm = {};
    Index id = 0;
  };
  std::vector<Chosen> chosen(count);
  LogitsRows<S> rows(task);
  R step;
  const auto choose = [&](Index i, std::vector<S>& scores) {
    const auto source = std::size_t(running[std::size_t(i)]);
    const S* const logits = step.output.data() + i * vocab;
    Chosen& one = chosen[std::size_t(i)];
    one.norm = log_norm(logits, vocab);
    if (!one.norm.finite()) return;
    const Index prompt = Index(starts[source].size());
    if (config.do_sample || has_rules(config, Index(sequences[source].size()), prompt)) {
      scores.assign(logits, logits + vocab);
      apply_rules<S>(config, sequences[source], prompt, scores);
      one.id = config.do_sample ? samplers[source].choose(scores) : argmax(scores.data(), vocab);
    } else {
      one.id = argmax(logits, vocab);
    }
  };
  while (!running.empty()) {
    if (config.on_step) config.on_step();
    throw_if_failed(steps.next_into(step, ids, keep));
    kept.take(step);
    rows.for_each(Index(running.size()), choose);
    stay.clear();
    for (std::size_t i = 0; i < running.size(); ++i) {
      const auto source = std::size_t(running[i]);
      const auto& [norm, id] = chosen[i];
      check_logits(norm);
      sequences[source].push_back(id);
      Found<S>& one = found[source][0];
      one.log_probs.push_back(norm(step.output.data()[Index(i) * vocab + id]));
      one.score += one.log_probs.back();
      one.rows.push_back(Index(i));
      const bool wanted = !config.streamer || config.streamer(Index(source), id);
      if (wanted && !config.is_end(id) && Index(sequences[source].size()) < config.limit(Index(starts[source].size())))
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

// A step of a hypothesis: its row of that step's batch, and the link of the step before, or -1. A hypothesis is its
// last link, so that none copies what it shares with others.
template <class S>
struct Link {
  Index before = -1, row = 0;
  S log_prob = S(0);
};

// One source of a beam search: what runs and what is finished, as in Transformers' _beam_search.
template <class S>
struct Beams {
  static constexpr S lowest = S(-1.0e9);
  struct One {
    std::vector<Index> ids;  // the start token included
    S score = lowest;
    bool finished = false;
    Index link = -1;
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

  // Continues with the best candidates (best first; `at` is beam * vocab + id), whose links begin with `linked`.
  // parents: for each new beam the old one. Returns whether this source goes on; a source that does not is never asked
  // again.
  bool advance(const GenerationConfig& config, const std::vector<Candidate<S>>& best, Index linked, Index vocab,
               Index* parents) {
    const Index beams = Index(running.size()), limit = config.limit(prompt);
    const Index length = Index(running[0].ids.size()) - prompt + 1;  // after this step, without the prompt
    const auto continued = [&](std::size_t i, S score, bool done) {
      const Index beam = best[i].at / vocab;
      One one = running[std::size_t(beam)];
      one.score = score, one.finished = done;
      one.ids.push_back(best[i].at % vocab);
      one.link = linked + Index(i);
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

// What a search returns of a hypothesis, its steps in order.
template <class S>
Found<S> found_of(const typename Beams<S>::One& one, Index prompt, const std::vector<Link<S>>& links) {
  Found<S> found;
  found.ids.assign(one.ids.begin() + prompt, one.ids.end());
  found.score = one.score;
  for (Index at = one.link; at >= 0; at = links[std::size_t(at)].before) {
    found.rows.push_back(links[std::size_t(at)].row);
    found.log_probs.push_back(links[std::size_t(at)].log_prob);
  }
  std::reverse(found.rows.begin(), found.rows.end());
  std::reverse(found.log_probs.begin(), found.log_probs.end());
  return found;
}

// What a row of a step's logits gives: its own best candidates, found by the largest of each few logits.
template <class S>
struct BeamRow {
  LogNorm<S> norm;
  TopK<S> best;
  std::vector<S> maxima;
};
// The best of all rows of one source.
template <class S>
const std::vector<Candidate<S>>& best_of(std::span<BeamRow<S>> rows, TopK<S>& best) {
  best.clear();
  for (BeamRow<S>& row : rows) {
    check_logits(row.norm);
    for (const Candidate<S>& one : row.best.sorted()) best.offer(one.score, one.at);
  }
  return best.sorted();
}

template <class S, class Steps, class K, class R>
std::vector<std::vector<Found<S>>> beam_search(Steps& steps, const SearchTask& task, const K& keep, StepMaps<R>& kept) {
  const auto& starts = task.starts;
  const GenerationConfig& config = task.config;
  const Index vocab = task.vocab;
  const Index beams = config.num_beams;
  std::vector<std::vector<Found<S>>> found(starts.size());
  std::vector<Beams<S>> groups;
  std::vector<Index> ids, parents;
  for (const std::vector<Index>& start : starts) {
    groups.emplace_back(Index(groups.size()), beams, start);
    ids.insert(ids.end(), std::size_t(beams), start.back());
  }
  const Index ends = Index(config.eos_token_ids.size());
  const Index candidates = std::min((ends > 1 ? 1 + ends : Index{2}) * beams, beams * vocab);
  TopK<S> best(candidates);

  std::vector<BeamRow<S>> row_of;
  const std::vector<S> no_maxima(std::size_t(vocab / glance<S>));
  for (std::size_t i = 0; i < ids.size(); ++i) row_of.push_back({{}, TopK<S>(candidates), no_maxima});
  std::vector<Link<S>> links;
  LogitsRows<S> rows(task);
  R step;
  const auto choose = [&](Index row, std::vector<S>& scores) {
    const auto& group = groups[std::size_t(row / beams)];
    const auto& beam = group.running[std::size_t(row % beams)];
    const S* const logits = step.output.data() + row * vocab;
    const Index first = row % beams * vocab;
    BeamRow<S>& its = row_of[std::size_t(row)];
    LogNorm<S>& norm = its.norm;
    TopK<S>& own = its.best;
    own.clear();
    norm = log_norm(logits, vocab, its.maxima.data());
    if (!norm.finite()) return;
    if (has_rules(config, Index(beam.ids.size()), group.prompt)) {
      scores.resize(std::size_t(vocab));
      std::transform(logits, logits + vocab, scores.begin(), norm);
      apply_rules<S>(config, beam.ids, group.prompt, scores);
      own.offer_all(
          scores.data(), vocab, [&](S score) { return score + beam.score; }, first);
    } else {
      own.offer_all(
          logits, vocab, [&](S x) { return norm(x) + beam.score; }, first, its.maxima.data());
    }
  };
  while (!groups.empty()) {
    if (config.on_step) config.on_step();
    throw_if_failed(steps.next_into(step, ids, keep));
    kept.take(step);
    rows.for_each(Index(ids.size()), choose);
    ids.clear(), parents.clear();
    std::size_t left = 0;
    for (std::size_t g = 0; g < groups.size(); ++g) {
      const Index row = Index(g) * beams, linked = Index(links.size());
      const std::span<BeamRow<S>> own(row_of.data() + row, std::size_t(beams));
      for (const Candidate<S>& one : best_of(own, best)) {
        const Index beam = one.at / vocab;
        links.push_back({groups[g].running[std::size_t(beam)].link, row + beam,
                         own[std::size_t(beam)].norm(step.output.data()[row * vocab + one.at])});
      }
      std::vector<Index> from(std::size_t(beams), 0);
      if (groups[g].advance(config, best.sorted(), linked, vocab, from.data())) {
        for (Index i = 0; i < beams; ++i) {
          parents.push_back(row + from[std::size_t(i)]);
          ids.push_back(groups[g].running[std::size_t(i)].ids.back());
        }
        if (left != g) groups[left] = std::move(groups[g]);
        ++left;
      } else {
        for (Index i = 0; i < config.num_return_sequences; ++i)
          found[std::size_t(groups[g].source)].push_back(
              found_of<S>(groups[g].finished[std::size_t(i)], groups[g].prompt, links));
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
