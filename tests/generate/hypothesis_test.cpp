#include <vitrine/generate/hypothesis.hpp>

#include "searched_models.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>
#include <vitrine/generate/generate.hpp>
#include <vitrine/models/gpt2.hpp>
#include <vitrine/models/marian.hpp>

namespace vt = vitrine;
using vt::Index;

namespace {

using searched::gpt2, searched::marian, searched::source_ids, searched::source_lengths;

vt::GenerationConfig options(Index beams) {
  vt::GenerationConfig g;
  g.decoder_start_token_id = 16, g.pad_token_id = 16, g.eos_token_ids = {0, 3}, g.max_new_tokens = 9;
  g.num_beams = g.num_return_sequences = beams;
  return g;
}

// Maps of a batch of one: what was kept, its places and all its bits.
template <class M>
bool same(const M& x, const M& y) {
  return x.layers() == y.layers() && x.heads() == y.heads() && x.length() == y.length() &&
         x.memory_length() == y.memory_length() && std::ranges::equal(x.values(), y.values());
}

// Every hypothesis of a search that kept maps, on two threads, against the search that kept none, on one, and teacher
// forcing of its ids.
template <class S, class K>
void check_search(const vt::Marian<S>& model, const vt::GenerationConfig& g, const K& keep, vt::EndRow end,
                  std::vector<bool>& seen_ends) {
  vt::Workspace workspace(vt::heap(), 2), alone(vt::heap(), 1);
  workspace.parallel_from(0);
  const vt::Tokens sources(source_ids, source_lengths);
  const auto plain = vt::generate(model, alone, sources, g);
  const auto found = vt::generate(model, workspace, sources, g, keep, end);
  REQUIRE(found.hypotheses.size() == 3);
  Index at = 0;
  for (std::size_t b = 0; b < 3; at += source_lengths[b++]) {
    const vt::Tokens source(std::span<const Index>(source_ids.data() + at, std::size_t(source_lengths[b])));
    REQUIRE(found.hypotheses[b].size() == plain[b].size());
    for (std::size_t k = 0; k < plain[b].size(); ++k) {
      const auto& one = found.hypotheses[b][k];
      CHECK(one.ids == plain[b][k].ids);
      CHECK(one.score == plain[b][k].score);
      const auto whole = vt::score(model, workspace, source, {one.ids}, g, keep);
      CHECK(one.log_probs == whole.log_probs[0]);
      CHECK(plain[b][k].log_probs == whole.log_probs[0]);
      std::vector<Index> shown = one.ids;
      const bool ended = g.is_end(shown.back());
      seen_ends[ended] = true;
      if (ended && end == vt::EndRow::drop) shown.pop_back();
      const auto forced = vt::score(model, workspace, source, {shown}, g, keep);
      CHECK(one.self_attn.length() == Index(shown.size()));
      CHECK(same(one.self_attn, forced.result.self_attn));
      CHECK(same(one.cross_attn, forced.result.cross_attn));
      if (includes(keep.selection.which, vt::Which::encoder))
        CHECK(found.encoder.self_attn[1].matrix(Index(b), 0) == forced.result.encoder.self_attn[1].matrix(0, 0));
    }
  }
}

}  // namespace

TEST_CASE("maps traced back through the beams are those of teacher forcing, bit for bit") {
  std::vector<bool> seen_ends(2);
  for (const std::uint64_t seed : {5u, 6u}) {
    for (const Index beams : {1, 2, 5})
      for (const auto end : {vt::EndRow::keep, vt::EndRow::drop})
        for (const auto stopping : {vt::EarlyStopping::no, vt::EarlyStopping::yes}) {
          auto g = options(beams);
          g.early_stopping = stopping;
          check_search(marian<float>(seed), g, vt::keep::weights, end, seen_ends);
        }
  }
  CHECK(seen_ends[0]);
  CHECK(seen_ends[1]);
  std::vector<bool> seen(2);
  check_search(marian<double>(7), options(3), vt::keep::weights, vt::EndRow::keep, seen);
}

TEST_CASE("maps of sampled ids, and of the best of several beams") {
  std::vector<bool> seen(2);
  auto g = options(1);
  g.do_sample = true, g.top_k = 0, g.seed = 11;
  check_search(marian<float>(5), g, vt::keep::weights, vt::EndRow::keep, seen);
  g = options(4);
  g.num_return_sequences = 2;
  check_search(marian<float>(6), g, vt::keep::weights, vt::EndRow::drop, seen);
}

TEST_CASE("rows of logits: each once, and what one throws the caller throws") {
  vt::Workspace workspace(vt::heap(), 2);
  workspace.parallel_from(0);
  const std::vector<std::vector<Index>> starts;
  const vt::GenerationConfig g = options(1);
  const vt::detail::SearchTask task{starts, 17, g, workspace};
  vt::detail::LogitsRows<float> rows(task);
  std::vector<int> seen(9);
  rows.for_each(9, [&](Index row, std::vector<float>&) { ++seen[std::size_t(row)]; });
  CHECK(seen == std::vector<int>(9, 1));
  const auto throwing = [](Index row, std::vector<float>&) {
    if (row == 4) throw std::bad_alloc();
  };
  CHECK_THROWS_AS(rows.for_each(9, throwing), std::bad_alloc);
}

TEST_CASE("only what was chosen, under every policy") {
  const auto model = marian<float>(8);
  std::vector<bool> seen(2);
  const vt::Selection some{.which = vt::Which::cross, .layers = {1}, .heads = {0, 2}};
  check_search(model, options(3), vt::keep::weights.only(some), vt::EndRow::drop, seen);
  check_search(model, options(3), vt::keep::weights.only({.which = vt::Which::self | vt::Which::encoder}),
               vt::EndRow::keep, seen);
  check_search(model, options(3), vt::keep::head_mean, vt::EndRow::keep, seen);

  vt::Workspace workspace(vt::heap(), 1);
  const vt::Tokens source(std::span<const Index>(source_ids).first(4));
  auto g = options(3);
  const auto one = std::move(vt::generate(model, workspace, source, g, vt::keep::scores).hypotheses[0][1]);
  const auto forced = vt::score(model, workspace, source, {one.ids}, g, vt::keep::scores);
  for (Index layer : {0, 1})
    for (Index h = 0; h < 4; ++h) {
      CHECK(one.self_attn[layer].scores(0, h) == forced.result.self_attn[layer].scores(0, h));
      CHECK(one.cross_attn[layer].scores(0, h) == forced.result.cross_attn[layer].scores(0, h));
    }
  const auto chosen = vt::generate(model, workspace, source, g, vt::keep::weights.only(some));
  const auto& best = chosen.hypotheses[0][0];
  CHECK(Index(best.cross_attn.values().size()) == 1 * 2 * Index(best.ids.size()) * 4);  // one block, without padding
  CHECK(best.self_attn.values().empty());
  CHECK_THROWS_AS((void)best.cross_attn[0].matrix(0, 0), vt::StatusError);
  CHECK(vt::generate(model, workspace, source, g, vt::keep::nothing).hypotheses[0][0].ids == best.ids);
}

TEST_CASE("rules of the search do not change the log-probabilities of what it finds") {
  const auto model = marian<float>(9);
  vt::Workspace workspace(vt::heap(), 1);
  const vt::Tokens source(std::span<const Index>(source_ids).first(4));
  for (const Index beams : {1, 3}) {
    auto g = options(beams);
    g.forced_bos_token_id = 5, g.forced_eos_token_id = 0, g.no_repeat_ngram_size = 1, g.min_new_tokens = 9;
    const auto found = vt::generate(model, workspace, source, g);
    for (const auto& one : found[0]) {
      CHECK(one.ids.front() == 5);
      CHECK(one.log_probs == vt::score(model, workspace, source, {one.ids}, g).log_probs[0]);
    }
  }
}

TEST_CASE("Gpt2: maps traced back, and teacher forcing") {
  const auto model = gpt2();
  vt::Workspace workspace(vt::heap(), 2);
  for (const std::vector<Index>& prompt : {std::vector<Index>{4}, std::vector<Index>{4, 7, 1, 9, 9}})
    for (const Index beams : {1, 4})
      for (const auto end : {vt::EndRow::keep, vt::EndRow::drop}) {
        vt::GenerationConfig g;
        g.max_new_tokens = 8, g.num_beams = g.num_return_sequences = beams, g.eos_token_ids = {0, 2, 5, 11};
        const auto plain = vt::generate(model, workspace, prompt, g);
        const auto found = vt::generate(model, workspace, prompt, g, vt::keep::weights, end);
        REQUIRE(found.size() == plain.size());
        for (std::size_t k = 0; k < found.size(); ++k) {
          CHECK(found[k].ids == plain[k].ids);
          CHECK(found[k].log_probs == vt::score(model, workspace, prompt, {found[k].ids}).log_probs[0]);
          std::vector<Index> shown = found[k].ids;
          if (g.is_end(shown.back()) && end == vt::EndRow::drop) shown.pop_back();
          CHECK(same(found[k].self_attn, vt::score(model, workspace, prompt, {shown}).result.self_attn));
        }
      }
}

TEST_CASE("teacher forcing of Gpt2 gives the bits of the steps, for many targets at once") {
  const auto model = gpt2();
  vt::Workspace workspace(vt::heap(), 2);
  const std::vector<Index> prompt = {4, 7, 1};
  const std::vector<std::vector<Index>> targets = {{1, 2, 3, 4}, {}, {18}, {5, 5, 0, 9, 8, 7}};
  const auto scored = vt::score(model, workspace, prompt, targets);
  for (std::size_t b = 0; b < targets.size(); ++b) {
    CAPTURE(b);
    vt::CausalSteps<float> steps(model, workspace);
    steps.begin(std::span<const Index>(prompt).first(2));
    std::vector<Index> read = {prompt.back()};
    read.insert(read.end(), targets[b].begin(), targets[b].end());
    REQUIRE(scored.log_probs[b].size() == targets[b].size());
    CHECK(scored.result.self_attn[0].matrix(Index(b), 0).rows() == Index(2 + targets[b].size()));
    for (std::size_t t = 0; t < targets[b].size(); ++t) {
      const auto step = steps.next({&read[t], 1});
      std::vector<float> log_probs(19);
      vt::log_softmax(step.output.data(), 19, log_probs.data());
      CHECK(scored.log_probs[b][t] == log_probs[std::size_t(targets[b][t])]);
      for (Index layer : {0, 1})
        for (Index h = 0; h < 4; ++h)
          CHECK(scored.result.self_attn[layer].matrix(Index(b), h).row(Index(2 + t)).head(Index(3 + t)) ==
                step.self_attn[layer].matrix(0, h).row(0));
    }
  }
  CHECK_THROWS_AS((void)vt::score(model, workspace, std::vector<Index>{}, targets), vt::StatusError);
  CHECK_THROWS_AS((void)vt::score(model, workspace, prompt, {{19}}), vt::StatusError);
}

TEST_CASE("early_stopping never asks for the longest sequence only where length is rewarded, as Transformers does") {
  vt::GenerationConfig config;
  config.num_beams = 2, config.max_new_tokens = 20, config.eos_token_ids = {3};
  const std::vector<Index> start = {0};
  const std::vector<vt::Candidate<float>> best = {{-2.0f, 1}, {-2.5f, 4 + 1}, {-3.0f, 2}, {-3.5f, 4 + 2}};
  // Two beams of two ids, two hypotheses of these scores: is there a third step's successor that beats the worse one?
  const auto goes_on = [&](vt::EarlyStopping stopping, double penalty, float worst) {
    config.early_stopping = stopping, config.length_penalty = penalty;
    vt::detail::Beams<float> beams(0, 2, start);
    for (auto& one : beams.running) one.ids = {0, 1, 2};
    for (auto& one : beams.finished) one.finished = true, one.score = worst;
    Index parents[2] = {};
    return beams.advance(config, best, 0, 4, parents);
  };
  using Stop = vt::EarlyStopping;
  // -2 / 3 at this length, -2 / 20 at the longest
  CHECK(!goes_on(Stop::no, 1, -0.5f));
  CHECK(goes_on(Stop::never, 1, -0.5f));
  CHECK(!goes_on(Stop::never, 1, -0.05f));
  // -2 * 3 at this length, -2 * 20 at the longest, which only a longer length could not reach
  CHECK(goes_on(Stop::no, -1, -12.0f));
  CHECK(goes_on(Stop::never, -1, -12.0f));
  CHECK(!goes_on(Stop::never, -1, -5.0f));
}

TEST_CASE("a score is the sum of the log-probabilities by length^length_penalty, from greedy search too") {
  const auto model = marian<double>(1);
  vt::Workspace workspace(vt::heap());
  for (const Index beams : {1, 3})
    for (const double penalty : {-0.5, 0.0, 1.0, 2.0}) {
      vt::GenerationConfig g = options(beams);
      g.length_penalty = penalty;
      for (const auto& of_source : vt::generate(model, workspace, vt::Tokens(source_ids, source_lengths), g))
        for (const auto& one : of_source) {
          if (one.ids.empty()) continue;  // of a search that found fewer
          double sum = 0;
          for (const double log_prob : one.log_probs) sum += log_prob;
          CHECK(one.score == doctest::Approx(sum / std::pow(double(one.ids.size()), penalty)).epsilon(1e-9));
        }
    }
}
