#include <doctest/doctest.h>

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>
#include <vitrine/generate/causal_steps.hpp>
#include <vitrine/generate/generate.hpp>
#include <vitrine/models/gemma2.hpp>
#include <vitrine/models/gpt2.hpp>
#include <vitrine/models/llama.hpp>

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

// `count` ids at once, and steps behind a past of the first of them.
template <class M>
struct PastAndWhole {
  using S = typename M::Scalar;
  std::vector<Index> ids;
  decltype(std::declval<const M&>()(vt::Tokens(std::span<const Index>()))) whole;
  vt::Workspace workspace;
  vt::CausalSteps<S> steps;
  vt::EncoderResult<vt::DefaultKeep, S> read = {};

  PastAndWhole(const M& model, Index count, Index past, int threads)
      : ids(some_ids(count)),
        whole(model(vt::Tokens(std::span<const Index>(ids)))),
        workspace(vt::heap(), threads),
        steps(model, workspace) {
    workspace.parallel_from(0);
    REQUIRE(steps.begin_into(read, std::span<const Index>(ids).first(std::size_t(past)), vt::keep::weights) ==
            vt::Status::ok);
  }
  PastAndWhole(const PastAndWhole&) = delete;
};

// All ids at once against a past of `past` of them and steps for the others: the same bits.
template <class S>
void check_steps(Index past, int threads) {
  CAPTURE(past);
  CAPTURE(threads);
  const auto model = small<S>();
  PastAndWhole both(model, 40, past, threads);
  auto& [ids, whole, workspace, steps, read] = both;
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

// Every layer has a window of so many keys.
template <class S>
vt::Mistral<S> mistral(Index window) {
  vt::LlamaConfig c;
  c.vocab_size = 37, c.hidden_size = 24, c.intermediate_size = 20, c.num_hidden_layers = 2;
  c.num_attention_heads = 4, c.num_key_value_heads = 2, c.head_dim = 6, c.max_position_embeddings = 200;
  c.sliding_window = window;
  for (Index i = 0; i < c.num_hidden_layers; ++i) c.sliding_layers.insert(i);
  vt::Mistral<S> model(c);
  REQUIRE(model.init(5) == vt::Status::ok);
  return model;
}
// Every other layer has one.
template <class S>
vt::Gemma2<S> gemma2(Index window) {
  vt::Gemma2Config c;
  c.vocab_size = 37, c.hidden_size = 16, c.intermediate_size = 12, c.num_hidden_layers = 3;
  c.num_attention_heads = 4, c.num_key_value_heads = 1, c.head_dim = 6, c.max_position_embeddings = 200;
  c.sliding_window = window, c.attn_logit_softcapping = 5;
  c.sliding_layers.insert(0), c.sliding_layers.insert(2);
  vt::Gemma2<S> model(c);
  REQUIRE(model.init(6) == vt::Status::ok);
  return model;
}
// Step `step` of hypothesis i, whose ids end with the one that it read, against one pass over all of them.
template <class M, class R>
void check_step(const M& model, const std::vector<Index>& ids, const R& step, Index i) {
  const auto whole = model(vt::Tokens(std::span<const Index>(ids)), {}, vt::keep::scores);
  const Index last = Index(ids.size()) - 1;
  CHECK(step.output.matrix(i).row(0) == whole.output.matrix(0).row(last));
  for (Index l = 0; l < whole.self_attn.layers(); ++l)
    for (Index h = 0; h < 4; ++h) {
      CHECK(step.self_attn[l].matrix(i, h).row(0) == whole.self_attn[l].matrix(0, h).row(last));
      CHECK(step.self_attn[l].scores(i, h).row(0) == whole.self_attn[l].scores(0, h).row(last));
    }
}
// A past of `past` ids, then steps to 150: the bits of one pass, also where the cache has long forgotten the first
// keys.
template <class M>
void check_window(const M& model, Index past, int threads) {
  CAPTURE(past);
  PastAndWhole both(model, 150, past, threads);
  auto& [ids, whole, workspace, steps, read] = both;
  const Index layers = whole.self_attn.layers();
  for (Index l = 0; l < layers && past > 0; ++l)
    CHECK(read.self_attn[l].matrix(0, 3) == whole.self_attn[l].matrix(0, 3).topLeftCorner(past, past));
  bool same = true;
  for (Index t = past; t < 150; ++t) {
    const auto step = steps.next(std::vector<Index>{ids[std::size_t(t)]});
    same = same && step.output.matrix(0).row(0) == whole.output.matrix(0).row(t);
    for (Index l = 0; l < layers; ++l)
      for (Index h = 0; h < 4; ++h)
        same = same && step.self_attn[l].matrix(0, h).row(0) == whole.self_attn[l].matrix(0, h).row(t).head(t + 1);
  }
  CHECK(same);
}
template <class M>
std::size_t cache_bytes(const M& model, Index max_length, Index beams = 1) {
  vt::Workspace workspace(vt::heap());
  vt::CausalSteps<typename M::Scalar> steps(model, workspace, {.max_length = max_length, .beams = beams});
  steps.begin(some_ids(3));
  return steps.cache().bytes();
}

}  // namespace

TEST_CASE_TEMPLATE("with a window, steps give the bits of one pass long behind it", S, float, double) {
  constexpr Index panel = vt::kernels::panel_width<S>;
  for (const Index window : {Index{1}, Index{2}, Index{4}, panel, panel + 1, panel + 2, Index{60}, Index{1000}}) {
    CAPTURE(window);
    check_window(mistral<S>(window), 0, 1);
    check_window(mistral<S>(window), 101, 2);
  }
  for (const Index past : {Index{1}, Index{31}, Index{32}, Index{33}, 2 * panel, 2 * panel + 1, Index{149}}) {
    check_window(mistral<S>(5), past, 1);
    check_window(gemma2<S>(4), past, 3);
  }
}

TEST_CASE_TEMPLATE("a window's cache does not grow with the text", S, float, double) {
  constexpr Index panel = vt::kernels::panel_width<S>;
  const std::size_t one_key = std::size_t(6 + vt::round_up(Index{6}, panel)) * sizeof(S);  // a value's row is padded
  const auto bytes = [&](Index keys) { return 2 * 2 * std::size_t(keys) * one_key; };      // two layers of two heads
  CHECK(cache_bytes(mistral<S>(4), 100) == bytes(2 * panel));
  CHECK(cache_bytes(mistral<S>(4), 200) == bytes(2 * panel));
  CHECK(cache_bytes(mistral<S>(panel + 1), 200) == bytes(2 * panel));
  CHECK(cache_bytes(mistral<S>(panel + 2), 200) == bytes(3 * panel));
  CHECK(cache_bytes(mistral<S>(1), 200) == bytes(panel));
  CHECK(cache_bytes(mistral<S>(4), 200, 3) == 3 * bytes(2 * panel));
  CHECK(cache_bytes(mistral<S>(1000), 2 * panel) == bytes(2 * panel));
  // Three layers of one head, of which the second has no window.
  CHECK(cache_bytes(gemma2<S>(4), 5 * panel) == std::size_t(2 * 2 * panel + 5 * panel) * one_key);
}

TEST_CASE_TEMPLATE("with a window, beams of prompts of different lengths go on from their parents", S, float, double) {
  const auto check = [](const auto& model) {
    const std::vector<Index> lengths = {3, 75, 30};
    const auto packed = some_ids(108);
    vt::Workspace workspace(vt::heap(), 3);
    workspace.parallel_from(0);
    vt::CausalSteps<S> steps(model, workspace, {.beams = 3});
    steps.begin(vt::Tokens(packed, lengths));
    std::vector<std::vector<Index>> beams;
    for (Index b = 0, start = 0; b < 3; start += lengths[std::size_t(b++)])
      for (int beam = 0; beam < 3; ++beam)
        beams.emplace_back(packed.begin() + start, packed.begin() + start + lengths[std::size_t(b)]);
    const std::vector<std::vector<Index>> orders = {{0, 1, 2}, {2, 0, 0}, {1, 2, 0}, {1, 1, 0}, {0, 2, 1}};
    unsigned seed = 3;
    for (Index t = 0; t < 90; ++t) {
      std::vector<Index> next;
      for (auto& ids : beams) {
        seed = seed * 1664525u + 1013904223u;
        next.push_back(Index(seed >> 8) % 37), ids.push_back(next.back());
      }
      const auto step = steps.next(next, vt::keep::scores);
      if (t % 13 == 0 || t == 61)
        for (Index i = 0; i < steps.hypotheses(); ++i) check_step(model, beams[std::size_t(i)], step, i);
      std::vector<Index> parents;
      for (Index group = t == 60 ? 1 : 0; group < Index(beams.size()) / 3; ++group)  // then the first has ended
        for (const Index parent : orders[std::size_t(t + group) % 5]) parents.push_back(3 * group + parent);
      REQUIRE(steps.reorder(parents) == vt::Status::ok);
      std::vector<std::vector<Index>> reordered;
      for (const Index parent : parents) reordered.push_back(beams[std::size_t(parent)]);
      beams = reordered;
    }
  };
  check(mistral<S>(4));
  check(gemma2<S>(vt::kernels::panel_width<S> + 3));
}

TEST_CASE("with a window, a search finds what one pass says, and figures of a step are those of its map") {
  const auto model = gemma2<float>(4);
  vt::Workspace workspace(vt::heap());
  vt::GenerationConfig config;
  config.max_new_tokens = 100, config.eos_token_ids = {};
  const std::vector<Index> packed = some_ids(80), lengths = {70, 10};
  const auto found = vt::generate(model, workspace, vt::Tokens(packed, lengths), config);
  REQUIRE(found.size() == 2);
  for (std::size_t b = 0; b < 2; ++b) {
    REQUIRE(found[b][0].ids.size() == 100);
    const auto begin = packed.begin() + (b == 0 ? 0 : 70);
    std::vector<Index> ids(begin, begin + lengths[b]);
    ids.insert(ids.end(), found[b][0].ids.begin(), found[b][0].ids.end());
    const auto whole = model(vt::Tokens(std::span<const Index>(ids)));
    for (Index t = 0; t < 100; ++t) {
      Index best = 0;
      whole.output.matrix(0).row(lengths[b] + t - 1).maxCoeff(&best);
      CHECK(found[b][0].ids[std::size_t(t)] == best);
    }
  }
  vt::CausalSteps<float> steps(model, workspace);
  const auto ids = some_ids(151);
  steps.begin(std::span<const Index>(ids).first(150));
  const auto figures = steps.next({&ids[150], 1}, vt::keep::statistics);
  const auto whole = model(vt::Tokens(std::span<const Index>(ids)));
  for (Index l = 0; l < 3; ++l)
    for (Index j = 0; j < 151; ++j)
      CHECK(figures.self_attn[l].received(0, 1)[std::size_t(j)] == whole.self_attn[l].matrix(0, 1)(150, j));
}

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
