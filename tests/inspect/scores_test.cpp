#include <doctest/doctest.h>

#include <cmath>
#include <span>
#include <stdexcept>
#include <vector>
#include <vitrine/generate/generate.hpp>
#include <vitrine/inspect/scores.hpp>
#include <vitrine/io/checkpoint.hpp>
#include <vitrine/io/safetensors.hpp>

#include "../support/numbers.hpp"
#include "../support/support.hpp"

using namespace vitrine;
namespace scores = vitrine::inspect;

namespace {

RowMajor<double> small_map() {
  RowMajor<double> map(3, 3);
  map << 0.5, 0.25, 0.25,  //
      0.75, 0.125, 0.125,  //
      0.0, 0.0, 1.0;
  return map;
}

// Coverage of every word of the g2p model's fixture, from maps in S, against the committed (words, layers, heads).
template <class S>
double largest_difference(const char* target, double& scale) {
  const std::filesystem::path folder = "examples/models/g2p";
  const auto model = load_model<Marian<S>>(folder);
  GenerationConfig config = read_generation_config(folder);
  const SafeTensors file(folder / "expect.safetensors");
  const auto inputs = file.at("input.input_ids").template to_vector<std::int64_t>();
  const auto sequences = file.at("expect.generate.greedy.sequences").template to_vector<std::int64_t>();
  const TensorView expected = file.at(std::string("expect.score.coverage.") + target);
  const auto values = expected.template to_vector<double>();
  const auto shape = expected.shape;
  const Index words = shape[0], columns = file.at("input.input_ids").shape[1],
              longest = file.at("expect.generate.greedy.sequences").shape[1], end = config.eos_token_ids.front();
  const auto row = [&](const std::vector<std::int64_t>& ids, Index width, Index word, Index first) {
    std::vector<Index> tokens;
    for (Index i = first; i < width && (tokens.empty() || tokens.back() != end); ++i)
      tokens.push_back(Index(ids[std::size_t(word * width + i)]));
    return tokens;
  };
  Workspace workspace(heap());
  double worst = 0;
  for (Index word = 0; word < words; ++word) {
    const std::vector<Index> source = row(inputs, columns, word, 0);
    const std::vector<Index> output = std::string_view(target) == "source" ? source : row(sequences, longest, word, 1);
    const auto scored = score(model, workspace, Tokens(source), {output}, config);
    for (Index layer = 0; layer < shape[1]; ++layer)
      for (Index head = 0; head < shape[2]; ++head) {
        const double found =
            scores::coverage(scored.result.cross_attn[layer].matrix(0, head), Index(source.size()) - 1);
        const double wanted = values[std::size_t((word * shape[1] + layer) * shape[2] + head)];
        worst = support::worse(worst, std::abs(found - wanted)), scale = std::max(scale, std::abs(wanted));
      }
  }
  CHECK(words == 100);
  return worst;
}

}  // namespace

TEST_CASE("scores: the formulas on a small map") {
  const auto map = small_map();
  CHECK(scores::coverage(map, 2) == doctest::Approx(-(std::log(1 + 1e-8) + std::log(0.375 + 1e-8)) / 2).epsilon(1e-12));
  const Index end = 2;  // the same as one Eigen line
  CHECK(-(map.colwise().sum().head(end).array().min(1.0) + 1e-8).log().mean() ==
        doctest::Approx(scores::coverage(map, 2)).epsilon(1e-12));
  CHECK(scores::confidence(map, 2, 2) == doctest::Approx((0.5 + 0.75) / 2));
  CHECK(scores::confidence(map, 3, 3) == doctest::Approx((0.5 + 0.75 + 1) / 3));
  const double first = 0.5 * std::log(2.0) + 0.5 * std::log(4.0),
               second = 0.75 * std::log(4.0 / 3) + 0.25 * std::log(8.0);
  CHECK(scores::entropy(map) == doctest::Approx((first + second) / 3).epsilon(1e-12));
  // Each row has one value a and two values b: deviations 2d, -d, -d, so (16 + 1 + 1)/3 / ((4 + 1 + 1)/3)^2 = 1.5.
  CHECK(scores::distraction(map) == doctest::Approx(-1.5).epsilon(1e-12));
  const std::vector<float> log_probs = {-0.5f, -1.5f};
  CHECK(scores::mean_negative_log_probability(std::span<const float>(log_probs)) == 1);
}

TEST_CASE("scores: nothing attended to, equal rows, nothing to average") {
  RowMajor<float> map = RowMajor<float>::Zero(2, 4);
  map.col(3).setOnes();
  CHECK(scores::coverage(map, 3) == doctest::Approx(-std::log(1e-8)).epsilon(1e-9));
  CHECK(scores::confidence(map, 2, 3) == 0);
  CHECK(scores::entropy(map) == 0);
  map.setConstant(1.0f / 4);
  CHECK(scores::distraction(map) == -1);
  map.resize(2, 3), map.setConstant(1.0f / 3);
  CHECK(scores::distraction(map) == -1);
  CHECK(scores::entropy(map) == doctest::Approx(std::log(3.0)).epsilon(1e-6));
  map(1, 1) = std::numeric_limits<float>::quiet_NaN();  // says so, whatever else there is
  CHECK(is_nan(scores::coverage(map, 3)));
  CHECK(is_nan(scores::confidence(map, 2, 3)));
  CHECK(is_nan(scores::entropy(map)));
  CHECK(is_nan(scores::distraction(map)));
  CHECK(is_nan(scores::coverage(map, 0)));
  CHECK(is_nan(scores::confidence(map, 0, 2)));
  CHECK(is_nan(scores::entropy(RowMajor<float>(0, 3))));
  CHECK(is_nan(scores::mean_negative_log_probability(std::span<const float>())));
}

TEST_CASE("scores: the area under the curve counts pairs, ties half") {
  CHECK(scores::area_under_curve({1, 2, 3, 4}, {false, false, true, true}) == 1);
  CHECK(scores::area_under_curve({4, 3, 2, 1}, {false, false, true, true}) == 0);
  CHECK(scores::area_under_curve({1, 1, 1}, {false, true, true}) == 0.5);
  CHECK(scores::area_under_curve({0.5, 0.5, 0.1, 0.9}, {true, false, false, false}) == doctest::Approx(1.5 / 3));
  CHECK(is_nan(scores::area_under_curve({1, 2}, {true, true})));
  CHECK(is_nan(scores::area_under_curve({1, std::nan(""), 2}, {true, false, false})));
  CHECK_THROWS_AS((void)scores::area_under_curve({1, 2}, {true}), std::invalid_argument);
}

TEST_CASE("scores: coverage of a trained model agrees with Transformers") {
  for (const char* target : {"greedy", "source"}) {
    CAPTURE(target);
    double scale = 1;
    const double in_float = largest_difference<float>(target, scale),
                 in_double = largest_difference<double>(target, scale);
    CHECK(in_float <= 2e-5 * scale);
    CHECK(in_double <= 1e-11 * scale);
    MESSAGE("largest difference in float " << in_float << ", in double " << in_double << ", largest value " << scale);
  }
}
