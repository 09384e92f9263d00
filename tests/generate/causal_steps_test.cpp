#include <doctest/doctest.h>

#include <algorithm>
#include <numeric>
#include <vector>
#include <vitrine/generate/causal_steps.hpp>
#include <vitrine/generate/generate.hpp>
#include <vitrine/models/gpt2.hpp>

namespace vt = vitrine;
using vt::Index;

namespace {

template <class S>
vt::Gpt2<S> small() {
  vt::Gpt2Config c;
  c.vocab_size = 37, c.n_positions = 40, c.n_embd = 24, c.n_layer = 3, c.n_head = 3;
  vt::Gpt2<S> model(c);
  REQUIRE(model.init(11) == vt::Status::ok);
  return model;
}
std::vector<Index> some_ids(Index count) {
  std::vector<Index> ids(static_cast<std::size_t>(count), 0);
  unsigned seed = 7;
  for (Index& id : ids) seed = seed * 1664525u + 1013904223u, id = Index(seed >> 8) % 37;
  return ids;
}

// All ids at once against a past of `past` of them and steps for the others: the same bits.
template <class S>
void check_steps(Index past, int threads) {
  CAPTURE(past);
  CAPTURE(threads);
  const auto model = small<S>();
  const auto ids = some_ids(40);
  const auto whole = model(vt::Tokens(std::span<const Index>(ids)));
  vt::Workspace workspace(vt::heap(), threads);
  workspace.parallel_from(0);
  vt::CausalSteps<S> steps(model, workspace);
  vt::EncoderResult<vt::DefaultKeep, S> read;
  REQUIRE(steps.begin_into(read, std::span<const Index>(ids).first(std::size_t(past)), vt::keep::weights) ==
          vt::Status::ok);
  for (Index l = 0; l < 3 && past > 0; ++l)
    CHECK(read.self_attn[l].matrix(0, 1) == whole.self_attn[l].matrix(0, 1).topLeftCorner(past, past));
  for (Index t = past; t < 40; ++t) {
    CHECK(steps.length() == t);
    const auto step = steps.next(std::vector<Index>{ids[std::size_t(t)]});
    CHECK(step.output.matrix(0).row(0) == whole.output.matrix(0).row(t));
    for (Index l = 0; l < 3; ++l)
      for (Index h = 0; h < 3; ++h)
        CHECK(step.self_attn[l].matrix(0, h).row(0) == whole.self_attn[l].matrix(0, h).row(t).head(t + 1));
  }
  vt::EncoderResult<vt::DefaultKeep, S> more;
  CHECK(steps.next_into(more, std::vector<Index>{1}, vt::keep::weights) == vt::Status::bad_shape);
}

}  // namespace

TEST_CASE("steps of Gpt2 give the bits of one pass over all ids") {
  for (Index past : {0, 1, 5, 33, 39}) {
    check_steps<float>(past, 1);
    check_steps<double>(past, 2);
  }
}

TEST_CASE("beams of Gpt2 go on from their parents") {
  const auto model = small<float>();
  const auto ids = some_ids(9);
  vt::Workspace workspace(vt::heap(), 3);
  workspace.parallel_from(0);
  vt::CausalSteps<float> steps(model, workspace, {.max_length = 12, .beams = 3});
  steps.begin(ids);
  std::vector<std::vector<Index>> beams(3, ids);
  const std::vector<std::vector<Index>> parents = {{0, 1, 2}, {2, 0, 0}, {1, 2, 0}};
  for (Index t = 0; t < 3; ++t) {
    std::vector<Index> next;
    for (Index i = 0; i < 3; ++i) next.push_back(10 * t + i), beams[std::size_t(i)].push_back(next.back());
    const auto step = steps.next(next);
    for (Index i = 0; i < 3; ++i) {
      const auto whole = model(vt::Tokens(std::span<const Index>(beams[std::size_t(i)])));
      CHECK(step.output.matrix(i).row(0) == whole.output.matrix(0).row(9 + t));
      CHECK(step.self_attn[2].matrix(i, 0).row(0) == whole.self_attn[2].matrix(0, 0).row(9 + t));
    }
    const auto& from = parents[std::size_t(t)];
    REQUIRE(steps.reorder(from) == vt::Status::ok);
    std::vector<std::vector<Index>> reordered;
    for (Index parent : from) reordered.push_back(beams[std::size_t(parent)]);
    beams = reordered;
  }
  CHECK(steps.reorder(std::vector<Index>{0, 1}) == vt::Status::bad_shape);
  CHECK(steps.reorder(std::vector<Index>{0, 1, 3}) == vt::Status::bad_shape);
}

TEST_CASE("greedy search with Gpt2 takes the largest logit, and stops at an end") {
  const auto model = small<float>();
  const std::vector<Index> prompt = some_ids(4);
  vt::GenerationConfig config;
  config.max_new_tokens = 8, config.eos_token_ids = {};
  vt::Workspace workspace(vt::heap());
  const auto found = vt::generate(model, workspace, prompt, config);
  REQUIRE(found.size() == 1);
  REQUIRE(found[0].ids.size() == 8);
  std::vector<Index> sequence = prompt;
  for (Index id : found[0].ids) {
    const auto row = model(vt::Tokens(std::span<const Index>(sequence)));
    Index best = 0;
    row.output.matrix(0).row(Index(sequence.size()) - 1).maxCoeff(&best);
    CHECK(id == best);
    sequence.push_back(id);
  }
  config.eos_token_ids = {found[0].ids[2]};
  const auto ended = vt::generate(model, workspace, prompt, config)[0].ids;
  const auto first = std::find(found[0].ids.begin(), found[0].ids.end(), found[0].ids[2]);
  CHECK(ended == std::vector<Index>(found[0].ids.begin(), first + 1));
}

TEST_CASE("beam search with Gpt2 finds the best of all continuations when it is wide enough") {
  const auto model = small<double>();
  const std::vector<Index> prompt = some_ids(3);
  vt::GenerationConfig config;
  config.max_new_tokens = 2, config.num_beams = 37, config.length_penalty = 1;
  vt::Workspace workspace(vt::heap());
  const auto found = vt::generate(model, workspace, prompt, config);
  double best = -1e9;
  std::vector<Index> best_ids;
  for (Index first = 0; first < 37; ++first) {
    std::vector<Index> sequence = prompt;
    sequence.push_back(first);
    const auto result = model(vt::Tokens(std::span<const Index>(sequence)));
    std::vector<double> before(37), after(37);
    vt::log_softmax(result.output.data() + 2 * 37, 37, before.data());
    vt::log_softmax(result.output.data() + 3 * 37, 37, after.data());
    for (Index second = 0; second < 37; ++second)
      if (const double score = (before[std::size_t(first)] + after[std::size_t(second)]) / 2; score > best)
        best = score, best_ids = {first, second};
  }
  CHECK(found[0].ids == best_ids);
  CHECK(found[0].score == doctest::Approx(best).epsilon(1e-12));
}

TEST_CASE("without a length 20 ids are made, or as many as there are positions for") {
  const auto model = small<float>();
  vt::Workspace workspace(vt::heap());
  const auto made = [&](Index prompt) { return vt::generate(model, workspace, some_ids(prompt), {})[0].ids.size(); };
  CHECK(made(1) == 20);
  CHECK(made(20) == 20);
  CHECK(made(25) == 15);
  CHECK(made(39) == 1);
  CHECK(made(40) == 1);
  CHECK_THROWS_AS((void)vt::generate(model, workspace, some_ids(41), {}), vt::StatusError);
}

TEST_CASE("Gpt2 steps and generation refuse what makes no sense") {
  const auto model = small<float>();
  vt::Workspace workspace(vt::heap());
  vt::EncoderResult<vt::DefaultKeep, float> result;
  vt::CausalSteps<float> steps(model, workspace, {.max_length = 4});
  CHECK(steps.next_into(result, std::vector<Index>{1}, vt::keep::weights) == vt::Status::not_supported);
  CHECK(steps.begin_into(some_ids(5)) == vt::Status::bad_shape);
  CHECK(steps.begin_into(some_ids(3)) == vt::Status::ok);
  CHECK(steps.next_into(result, std::vector<Index>{37}, vt::keep::weights).actual == 37);
  CHECK(steps.next_into(result, std::vector<Index>{1, 2}, vt::keep::weights) == vt::Status::bad_shape);
  CHECK(vt::CausalSteps<float>(model, workspace, {.max_length = 41}).begin_into(some_ids(1)) == vt::Status::bad_config);
  CHECK(vt::CausalSteps<float>(model, workspace, {.beams = 0}).begin_into(some_ids(1)) == vt::Status::bad_config);
  CHECK(vt::CausalSteps<float>(model, workspace, {.max_length = -1}).begin_into(some_ids(1)) == vt::Status::bad_config);
  CHECK(steps.next_into(result, std::vector<Index>{-1}, vt::keep::weights) == vt::Status::bad_shape);
  CHECK(steps.reorder(std::vector<Index>{-1}) == vt::Status::bad_shape);
  CHECK(steps.reorder(std::vector<Index>{1}) == vt::Status::bad_shape);
  CHECK(steps.reorder(std::vector<Index>{0, 0}) == vt::Status::bad_shape);
  CHECK(steps.begin_into(std::vector<Index>{37}) == vt::Status::bad_shape);
  vt::Gpt2Config no_layers, uneven;
  no_layers.n_layer = 0, no_layers.vocab_size = uneven.vocab_size = 5, uneven.n_layer = 1;
  no_layers.n_embd = uneven.n_embd = 24, uneven.n_head = 5;
  for (const vt::Gpt2Config& wrong : {no_layers, uneven}) {
    vt::Gpt2<float> other(wrong);
    CHECK(other.init(1) == vt::Status::bad_config);
    CHECK(vt::CausalSteps<float>(other, workspace).begin_into(some_ids(1)) == vt::Status::bad_config);
  }
  vt::GenerationConfig config;
  config.max_new_tokens = 3;
  CHECK_THROWS_AS((void)vt::generate(model, workspace, std::span<const Index>{}, config), vt::StatusError);
  const std::vector<Index> long_prompt = some_ids(39);
  CHECK_THROWS_AS((void)vt::generate(model, workspace, long_prompt, config), vt::StatusError);  // 41 positions
  config.max_new_tokens = 2;
  CHECK(vt::generate(model, workspace, long_prompt, config)[0].ids.size() == 2);
}
