#include <vitrine/generate/sampling.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>
#include <vitrine/io/generation_file.hpp>

namespace vt = vitrine;
using vt::Index;

namespace {

vt::GenerationConfig sampled(nlohmann::json options) {
  options["do_sample"] = true;
  if (!options.contains("top_k")) options["top_k"] = 0;
  return vt::generation_config(vt::ConfigFile(options.dump(), "options"));
}
// Sums of draws are within this many standard deviations of what is expected.
constexpr double deviations = 5;

}  // namespace

// sampling_reference.py: each warper alone, and all of them one after another.
TEST_CASE_TEMPLATE("the distribution is that of Transformers' warpers", S, float, double) {
  std::ifstream in("tests/generate/sampling_reference.json");
  const nlohmann::json cases = nlohmann::json::parse(in);
  REQUIRE(cases.size() == 28);
  for (const nlohmann::json& one : cases) {
    INFO(one.at("options").dump());
    const vt::GenerationConfig config = sampled(one.at("options"));
    std::vector<S> scores = one.at("logits").get<std::vector<S>>();
    const auto sequence = one.at("sequence").get<std::vector<Index>>();
    vt::apply_rules<S>(config, sequence, Index(sequence.size()), scores);
    vt::Sampler<S>(config, 0).warp(scores);
    const vt::LogNorm<S> norm = vt::log_norm(scores.data(), Index(scores.size()));
    for (std::size_t i = 0; i < scores.size(); ++i) {
      const double expected = one.at("probabilities")[i].get<double>();
      CHECK((expected == 0) == vt::detail::is_minus_infinity(scores[i]));
      CHECK(std::abs(std::exp(double(norm(scores[i]))) - expected) <= 1e-6);
    }
  }
}

TEST_CASE("ids are drawn as often as their probabilities say, and never one that may not follow") {
  const vt::GenerationConfig config = sampled({{"temperature", 0.5}});
  const std::vector<float> logits = {0.3f, -1.0f, vt::detail::minus_infinity<float>(), 0.9f, -0.2f};
  std::vector<float> warped = logits;
  vt::Sampler<float> sampler(config, 0);
  sampler.warp(warped);
  const vt::LogNorm<float> norm = vt::log_norm(warped.data(), Index(warped.size()));
  constexpr int draws = 40000;
  std::vector<int> count(logits.size());
  for (int i = 0; i < draws; ++i) ++count[std::size_t(sampler.draw(warped))];
  for (std::size_t id = 0; id < logits.size(); ++id) {
    const double p = std::exp(double(norm(warped[id])));
    CHECK(std::abs(count[id] - draws * p) <= deviations * std::sqrt(draws * p * (1 - p)) + 1e-9);
  }
  CHECK(count[2] == 0);
}

TEST_CASE("a seed and a sequence have numbers of their own, the same each time") {
  const std::vector<float> flat(50, 0.0f);
  const auto draw = [&](std::uint64_t seed, Index sequence) {
    vt::GenerationConfig config = sampled({});
    config.seed = seed;
    vt::Sampler<float> sampler(config, sequence);
    std::vector<Index> ids;
    for (int i = 0; i < 20; ++i) {
      std::vector<float> scores = flat;
      ids.push_back(sampler.choose(scores));
    }
    return ids;
  };
  CHECK(draw(1, 0) == draw(1, 0));
  std::set<std::vector<Index>> all;
  for (std::uint64_t seed = 0; seed < 4; ++seed)
    for (Index sequence = 0; sequence < 4; ++sequence) all.insert(draw(seed, sequence));
  CHECK(all.size() == 16);
  // SplitMix64 from 0, times 50.
  CHECK(draw(0, 0) == std::vector<Index>{44, 21, 1, 48, 5, 16, 8, 38, 12, 47, 19, 38, 26, 27, 35, 25, 24, 38, 10, 42});
}

TEST_CASE("at least one id stays, whatever is asked") {
  for (const nlohmann::json& options : {nlohmann::json{{"top_p", 0.0}}, nlohmann::json{{"min_p", 1.0}},
                                        nlohmann::json{{"typical_p", 1e-9}}, nlohmann::json{{"top_k", 1}}}) {
    std::vector<float> scores = {0.5f, 2.0f, -1.0f, 1.9f};
    vt::Sampler<float>(sampled(options), 0).warp(scores);
    int left = 0;
    for (const float score : scores) left += !vt::detail::is_minus_infinity(score);
    CHECK(left == 1);
  }
}

TEST_CASE("options that make no sense are refused by their names") {
  const auto refused = [](auto&& change) {
    vt::GenerationConfig config;
    config.do_sample = true;
    change(config);
    return std::string(vt::check(config, 10).sentence);
  };
  CHECK(refused([](auto& c) { c.temperature = 0; }).find("temperature") != std::string::npos);
  CHECK(refused([](auto& c) { c.top_k = -1; }).find("top_k") != std::string::npos);
  CHECK(refused([](auto& c) { c.top_p = 1.5; }).find("top_p") != std::string::npos);
  CHECK(refused([](auto& c) { c.min_p = -0.1; }).find("min_p") != std::string::npos);
  CHECK(refused([](auto& c) { c.typical_p = 0; }).find("typical_p") != std::string::npos);
  CHECK(refused([](auto& c) { c.repetition_penalty = 0; }).find("repetition_penalty") != std::string::npos);
  CHECK(refused([](auto& c) { c.num_beams = 2; }).find("do_sample") != std::string::npos);
}
