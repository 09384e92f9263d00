#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>
#include <vitrine/generate/generate.hpp>
#include <vitrine/generate/generation_config.hpp>
#include <vitrine/generate/scores.hpp>
#include <vitrine/models/gpt2.hpp>
#include <vitrine/models/marian.hpp>

namespace vt = vitrine;
using vt::Index;

namespace {

constexpr float forbidden = -std::numeric_limits<float>::infinity();

vt::Marian<float> random_model(std::uint64_t seed) {
  vt::Seq2SeqConfig c;
  c.vocab_size = 23, c.d_model = 16, c.encoder_layers = 1, c.decoder_layers = 2;
  c.encoder_attention_heads = c.decoder_attention_heads = 2;
  c.encoder_ffn_dim = c.decoder_ffn_dim = 32, c.max_position_embeddings = 24;
  vt::Marian<float> model(c);
  REQUIRE(model.init(seed) == vt::Status::ok);
  return model;
}
vt::GenerationConfig options() {
  vt::GenerationConfig g;
  g.decoder_start_token_id = 22, g.pad_token_id = 22, g.eos_token_ids = {0}, g.max_new_tokens = 10;
  return g;
}
const std::vector<Index> all_ids = {3, 4, 5, 0, 7, 0, 1, 2, 3, 4, 5, 6, 0};
const std::vector<Index> all_lengths = {4, 2, 7};

std::vector<float> ruled(const vt::GenerationConfig& g, const std::vector<Index>& sequence) {
  std::vector<float> scores = {1, 2, 3, 4, 5};
  vt::apply_rules<float>(g, sequence, 1, scores);
  if (scores != std::vector<float>{1, 2, 3, 4, 5}) CHECK(vt::has_rules(g, Index(sequence.size()), 1));
  return scores;
}

// Greedy search in its few lines, on the public step.
std::vector<Index> by_hand(const vt::Marian<float>& model, std::span<const Index> source,
                           const vt::GenerationConfig& g) {
  vt::Workspace workspace(vt::heap(), 1);
  vt::DecodingSteps<float> steps(model, workspace);
  steps.begin(vt::Tokens(source));
  std::vector<Index> found = {g.decoder_start_token_id};
  while (Index(found.size()) < g.limit()) {
    const auto step = steps.next({&found.back(), 1});
    found.push_back(vt::argmax(step.output.data(), model.vocab_size()));
    if (g.is_end(found.back())) break;
  }
  found.erase(found.begin());
  return found;
}

}  // namespace

TEST_CASE("a sequence without its end mark") {
  vt::GenerationConfig config;
  config.eos_token_ids = {0, 7};
  const auto left = [&](const std::vector<Index>& ids) { return config.without_end(ids).size(); };
  CHECK(left({}) == 0);
  CHECK(left({1, 2}) == 2);
  CHECK(left({1, 0, 2}) == 3);
  CHECK(left({1, 2, 0}) == 2);
  CHECK(left({1, 0, 7}) == 2);
}

TEST_CASE("rules on scores, as Transformers' processors have them") {
  vt::GenerationConfig g;
  g.max_length = 6, g.eos_token_ids = {1};
  CHECK(ruled(g, {4}) == std::vector<float>{1, 2, 3, 4, 5});
  g.min_length = 3;
  CHECK(ruled(g, {4, 2})[1] == forbidden);
  CHECK(ruled(g, {4, 2, 2})[1] == 2);
  g = {}, g.eos_token_ids = {1, 3}, g.min_new_tokens = 2;
  CHECK(ruled(g, {4, 2}) == std::vector<float>{1, forbidden, 3, forbidden, 5});
  CHECK(ruled(g, {4, 2, 2})[1] == 2);
  g.min_length = 9;  // min_new_tokens comes first
  CHECK(ruled(g, {4, 2, 2})[1] == 2);
  g = {}, g.forced_bos_token_id = 2;
  CHECK(ruled(g, {4}) == std::vector<float>{forbidden, forbidden, 0, forbidden, forbidden});
  CHECK(ruled(g, {4, 2})[0] == 1);
  g = {}, g.forced_eos_token_id = 1, g.max_length = 4;
  CHECK(ruled(g, {4, 2, 2}) == std::vector<float>{forbidden, 0, forbidden, forbidden, forbidden});
  CHECK(ruled(g, {4, 2})[0] == 1);
  g = {}, g.bad_words_ids = {{3}, {1}, {2, 4}, {0, 0, 1}}, g.eos_token_ids = {1};
  CHECK(ruled(g, {4}) == std::vector<float>{1, 2, 3, forbidden, 5});  // the end itself cannot be a bad word
  CHECK(ruled(g, {4, 2}) == std::vector<float>{1, 2, 3, forbidden, forbidden});
  CHECK(ruled(g, {0, 0}) == std::vector<float>{1, forbidden, 3, forbidden, 5});
  g = {}, g.no_repeat_ngram_size = 2;
  CHECK(ruled(g, {4, 2, 3, 2}) == std::vector<float>{1, 2, 3, forbidden, 5});
  g.no_repeat_ngram_size = 1;
  CHECK(ruled(g, {4, 2}) == std::vector<float>{1, 2, forbidden, 4, forbidden});
  g.no_repeat_ngram_size = 4;
  CHECK(ruled(g, {4, 2}) == std::vector<float>{1, 2, 3, 4, 5});
}

TEST_CASE("log_softmax") {
  for (const Index n : {1, 2, 7, 15, 16, 17, 33, 100}) {
    std::vector<double> x(std::size_t(n), 0.0), y(x);
    double sum = 0;
    for (Index i = 0; i < n; ++i) x[std::size_t(i)] = std::sin(double(3 * i)) * 9, sum += std::exp(x[std::size_t(i)]);
    vt::log_softmax(x.data(), n, y.data());
    for (Index i = 0; i < n; ++i)
      CHECK(y[std::size_t(i)] == doctest::Approx(x[std::size_t(i)] - std::log(sum)).epsilon(1e-13));
  }
}

TEST_CASE("the best few keep their order, ties by place") {
  vt::TopK<float> best(3);
  const float scores[] = {1, 5, 5, 2, 9, 5, 0};
  for (Index i = 0; i < 7; ++i) best.offer(scores[i], i);
  REQUIRE(best.sorted().size() == 3);
  CHECK(best.sorted()[0].at == 4);
  CHECK(best.sorted()[1].at == 1);
  CHECK(best.sorted()[2].at == 2);
}

TEST_CASE("many values at a glance: the same as one by one, ties included") {
  for (const Index n : {1, 31, 32, 64, 127, 128, 129, 1000, 4099}) {
    std::vector<float> values(static_cast<std::size_t>(n));
    for (const unsigned kinds : {3u, 50u, 100000u}) {
      unsigned seed = kinds;
      for (float& value : values) seed = seed * 1664525u + 1013904223u, value = float((seed >> 8) % kinds);
      values.back() = forbidden;
      CHECK(vt::argmax(values.data(), n) == std::max_element(values.begin(), values.end()) - values.begin());
      vt::TopK<float> one(7), all(7), found(7);
      std::vector<float> maxima(values.size());
      CHECK(vt::log_norm(values.data(), n, maxima.data()).max == *std::max_element(values.begin(), values.end()));
      for (Index beam = 0; beam < 3; ++beam) {
        for (Index i = 0; i < n; ++i) one.offer(values[std::size_t(i)] + float(beam), beam * n + i);
        all.offer_all(
            values.data(), n, [&](float x) { return x + float(beam); }, beam * n);
        found.offer_all(
            values.data(), n, [&](float x) { return x + float(beam); }, beam * n, maxima.data());
      }
      REQUIRE(one.sorted().size() == all.sorted().size());
      REQUIRE(one.sorted().size() == found.sorted().size());
      for (std::size_t i = 0; i < one.sorted().size(); ++i) {
        CHECK(one.sorted()[i].at == all.sorted()[i].at);
        CHECK(one.sorted()[i].at == found.sorted()[i].at);
      }
    }
  }
}

TEST_CASE("greedy search is the loop around next, whatever the batch") {
  const auto model = random_model(2);
  vt::Workspace workspace(vt::heap(), 2);
  const auto g = options();
  const auto found = vt::generate(model, workspace, vt::Tokens(all_ids, all_lengths), g);
  REQUIRE(found.size() == 3);
  Index at = 0;
  for (std::size_t b = 0; b < 3; at += all_lengths[b++]) {
    const std::span<const Index> source(all_ids.data() + at, std::size_t(all_lengths[b]));
    CHECK(found[b][0].ids == by_hand(model, source, g));
    const auto alone = vt::generate(model, workspace, vt::Tokens(source), g);
    CHECK(alone[0][0].ids == found[b][0].ids);
    CHECK(alone[0][0].score == found[b][0].score);
  }
}

TEST_CASE("rules that ban nothing change nothing") {
  const auto model = random_model(3);
  vt::Workspace workspace(vt::heap(), 2);
  for (const Index beams : {1, 4}) {
    auto g = options();
    g.num_beams = g.num_return_sequences = beams;
    const auto free = vt::generate(model, workspace, vt::Tokens(all_ids, all_lengths), g);
    CHECK(!vt::has_rules(g, 1, 1));
    g.bad_words_ids = {std::vector<Index>(20, 5)};  // longer than any sequence
    CHECK(vt::has_rules(g, 1, 1));
    const auto ruled = vt::generate(model, workspace, vt::Tokens(all_ids, all_lengths), g);
    for (std::size_t b = 0; b < 3; ++b)
      for (std::size_t k = 0; k < std::size_t(beams); ++k) {
        CHECK(ruled[b][k].ids == free[b][k].ids);
        CHECK(ruled[b][k].score == free[b][k].score);
        CHECK(ruled[b][k].log_probs == free[b][k].log_probs);
      }
  }
}

TEST_CASE("beams: any batch, scores that teacher forcing confirms, best first") {
  for (const std::uint64_t seed : {3u, 4u, 5u}) {
    const auto model = random_model(seed);
    vt::Workspace workspace(vt::heap(), 1);
    auto g = options();
    for (const auto stopping : {vt::EarlyStopping::no, vt::EarlyStopping::yes, vt::EarlyStopping::never}) {
      g.num_beams = 4, g.num_return_sequences = 4, g.early_stopping = stopping, g.length_penalty = 0.7;
      const auto found = vt::generate(model, workspace, vt::Tokens(all_ids, all_lengths), g);
      Index at = 0;
      for (std::size_t b = 0; b < 3; at += all_lengths[b++]) {
        const std::span<const Index> source(all_ids.data() + at, std::size_t(all_lengths[b]));
        const auto alone = vt::generate(model, workspace, vt::Tokens(source), g);
        REQUIRE(found[b].size() == 4);
        for (std::size_t k = 0; k < 4; ++k) {
          const auto& one = found[b][k];
          CHECK(alone[0][k].ids == one.ids);
          CHECK(alone[0][k].score == one.score);
          CHECK((k == 0 || one.score <= found[b][k - 1].score));
          const auto scored = vt::score(model, workspace, vt::Tokens(source), {one.ids}, g);
          double sum = 0;
          for (const float value : scored.log_probs[0]) sum += double(value);
          CHECK(double(one.score) == doctest::Approx(sum / std::pow(double(one.ids.size()), 0.7)).epsilon(1e-5));
          CHECK(scored.result.cross_attn[1].matrix(0, 1).rows() == Index(one.ids.size()));
          CHECK(scored.result.cross_attn[1].matrix(0, 1).cols() == all_lengths[b]);
        }
      }
    }
  }
}

TEST_CASE("wide beams find what trying everything finds") {
  const auto model = random_model(6);
  vt::Workspace workspace(vt::heap(), 1);
  auto g = options();
  g.max_new_tokens = 2, g.num_beams = 23;  // every first token is kept
  const std::span<const Index> source(all_ids.data(), 4);
  const auto found = vt::generate(model, workspace, vt::Tokens(source), g);
  double best = -1e9;
  std::vector<Index> best_ids;
  for (Index first = 0; first < 23; ++first)
    for (Index second = 0; second < (first == 0 ? 1 : 23); ++second) {
      const std::vector<Index> target = first == 0 ? std::vector<Index>{0} : std::vector<Index>{first, second};
      const auto scored = vt::score(model, workspace, vt::Tokens(source), {target}, g, vt::keep::nothing);
      double sum = 0;
      for (const float value : scored.log_probs[0]) sum += double(value);
      sum /= double(target.size());
      if (sum > best) best = sum, best_ids = target;
    }
  CHECK(found[0][0].ids == best_ids);
}

TEST_CASE("what generation refuses") {
  const auto model = random_model(7);
  vt::Workspace workspace(vt::heap(), 1);
  const vt::Tokens source(std::span<const Index>(all_ids).first(4));
  const auto refused = [&](auto change) {
    auto g = options();
    change(g);
    CHECK_THROWS_AS((void)vt::generate(model, workspace, source, g), vt::StatusError);
  };
  refused([](auto& g) { g.num_beams = 0; });
  refused([](auto& g) { g.num_return_sequences = 2; });
  refused([](auto& g) { g.num_return_sequences = 0; });
  refused([](auto& g) { g.min_length = -1; });
  refused([](auto& g) { g.min_new_tokens = -1; });
  refused([](auto& g) { g.max_new_tokens = -3; });
  refused([](auto& g) { g.no_repeat_ngram_size = -1; });
  refused([](auto& g) { g.eos_token_ids = {-1}; });
  refused([](auto& g) { g.decoder_start_token_id = -1; });
  refused([](auto& g) { g.decoder_start_token_id = 23; });
  refused([](auto& g) { g.eos_token_ids = {23}; });
  refused([](auto& g) { g.forced_eos_token_id = 23; });
  refused([](auto& g) { g.bad_words_ids = {{}}; });
  refused([](auto& g) { g.bad_words_ids = {{5, 99}}; });
  refused([](auto& g) { g.max_new_tokens = 0, g.max_length = 1; });
  refused([](auto& g) { g.max_new_tokens = 25; });  // more than there are positions
  // What a file may not ask for either: sizes that no search has, a penalty that is no number.
  constexpr double infinity = std::numeric_limits<double>::infinity();
  for (const double penalty : {infinity, -infinity, std::numeric_limits<double>::quiet_NaN()})
    refused([&](auto& g) { g.num_beams = 3, g.length_penalty = penalty; });
  for (const Index size : {Index{1025}, Index{1} << 40, Index{1} << 62, std::numeric_limits<Index>::max()})
    refused([&](auto& g) { g.num_beams = size; });
  for (const Index length : {(Index{1} << 24) + 1, std::numeric_limits<Index>::max()}) {
    refused([&](auto& g) { g.max_new_tokens = length; });
    refused([&](auto& g) { g.max_new_tokens = 0, g.max_length = length; });
    refused([&](auto& g) { g.min_length = length; });
    refused([&](auto& g) { g.min_new_tokens = length; });
    refused([&](auto& g) { g.no_repeat_ngram_size = length; });
  }
  CHECK_THROWS_AS((void)vt::score(model, workspace, source, {{3, 23}}, options()), vt::StatusError);
  CHECK_THROWS_AS((void)vt::score(model, workspace, source, {{3, -1}}, options()), vt::StatusError);
  CHECK(vt::generate(model, workspace, vt::Tokens(all_ids.data(), 0, 0), options()).empty());

  // Logits that are not finite, in both searches.
  auto broken = random_model(7);
  broken.mutable_parameters([](const char* name, vt::Parameter<float>& p) {
    if (std::string_view(name) == "final_logits_bias")
      const_cast<float*>(p.values.data())[5] = std::numeric_limits<float>::quiet_NaN();
  });
  for (const Index beams : {1, 3}) {
    auto g = options();
    g.num_beams = beams;
    CHECK_NOTHROW((void)vt::generate(model, workspace, source, g));
    CHECK_THROWS_WITH_AS((void)vt::generate(broken, workspace, source, g),
                         "vitrine: the model's logits are not finite: there is nothing to choose by [not_supported]",
                         vt::StatusError);
  }
}

TEST_CASE("a prompt that is too long is what is blamed") {
  vt::Gpt2<float> model({.vocab_size = 11, .n_positions = 8, .n_embd = 8, .n_layer = 1, .n_head = 2});
  vt::throw_if_failed(model.init(1));
  vt::Workspace workspace(vt::heap(), 1);
  const std::vector<Index> prompt(9, 3);
  CHECK_THROWS_WITH_AS((void)vt::generate(model, workspace, std::span<const Index>(prompt), vt::GenerationConfig{}),
                       "vitrine: a prompt has more ids than the model has positions (got 9, expected 8) [bad_shape]",
                       vt::StatusError);
  CHECK(vt::generate(model, workspace, std::span<const Index>(prompt).first(8), vt::GenerationConfig{})[0].ids.size() ==
        1);
}

TEST_CASE("what on_step throws ends a search before that step") {
  const vt::Marian<float> model = random_model(3);
  vt::Workspace workspace(vt::heap(), 1);
  const vt::Tokens sources(all_ids, all_lengths);
  for (const Index beams : {Index{1}, Index{3}}) {
    vt::GenerationConfig g = options();
    g.num_beams = beams, g.min_new_tokens = 10;
    int steps = 0;
    g.on_step = [&] { ++steps; };
    const auto expected = vt::generate(model, workspace, sources, g);
    CHECK(steps == 10);
    g.on_step = [&] {
      if (--steps == 6) throw steps;
    };
    CHECK_THROWS_AS((void)vt::generate(model, workspace, sources, g, vt::keep::weights), int);
    CHECK(steps == 6);
    g.on_step = {};  // the model and the workspace are as good as before
    CHECK(vt::generate(model, workspace, sources, g)[1][0].ids == expected[1][0].ids);
  }
}
