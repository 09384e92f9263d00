#include <vitrine/inspect/head_scores.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

namespace inspect = vitrine::inspect;
using inspect::HeadScores;
using vitrine::Index;
using Map = vitrine::RowMajor<float>;

namespace {

// Two layers of two heads over two target and three source tokens, each map its own.
struct Layer {
  std::vector<Map> heads;
  const Map& matrix(Index, Index head) const { return heads[std::size_t(head)]; }
};
struct Layers : std::vector<Layer> {
  const Layer& operator[](Index layer) const { return at(std::size_t(layer)); }
};
struct ScoredModel {
  struct {
    Layers cross_attn;
  } result;
  std::vector<std::vector<float>> log_probs = {{-0.5f, -1.5f}};

  ScoredModel() {
    for (int layer = 0; layer < 2; ++layer) {
      result.cross_attn.emplace_back();
      for (int head = 0; head < 2; ++head) {
        Map map(2, 3);
        const float peak = 0.4f + 0.1f * float(2 * layer + head), rest = (1 - peak) / 2;
        map << peak, rest, rest, rest, rest, peak;
        result.cross_attn.back().heads.push_back(map);
      }
    }
  }
};

}  // namespace

TEST_CASE("a column for each score, layer and head, and the baseline behind them") {
  const HeadScores columns({"entropy", "coverage"}, 2, 2, false);
  std::vector<std::string> names;
  for (const auto& column : columns.columns()) names.push_back(column.name());
  CHECK(names == std::vector<std::string>{"entropy.l0.h0", "entropy.l0.h1", "entropy.l1.h0", "entropy.l1.h1",
                                          "coverage.l0.h0", "coverage.l0.h1", "coverage.l1.h0", "coverage.l1.h1"});
  const ScoredModel scored;
  const std::vector<double> line = columns.of_line(scored, 0, 3, 2);
  REQUIRE(line.size() == names.size() + 1);
  for (int k = 0; k < 4; ++k) {
    const Map& map = scored.result.cross_attn[Index(k / 2)].heads[std::size_t(k % 2)];
    CHECK(line[std::size_t(k)] == inspect::entropy(map));
    CHECK(line[std::size_t(4 + k)] == inspect::coverage(map, 3));
  }
  CHECK(line[0] != line[1]);
  CHECK(line.back() == 1.0);
}

TEST_CASE("with mean there is one column for each score, the mean over layers and heads") {
  const HeadScores all({"distraction", "confidence"}, 2, 2, false), mean({"distraction", "confidence"}, 2, 2, true);
  CHECK(mean.columns().size() == 2);
  CHECK(mean.columns()[0].name() == "distraction");
  const ScoredModel scored;
  const auto each = all.of_line(scored, 0, 3, 2), one = mean.of_line(scored, 0, 3, 2);
  REQUIRE(one.size() == 3);
  for (std::size_t k = 0; k < 2; ++k)
    CHECK(one[k] == doctest::Approx((each[4 * k] + each[4 * k + 1] + each[4 * k + 2] + each[4 * k + 3]) / 4));
  CHECK(one[2] == each.back());
}

TEST_CASE("a token's row has its own figures; coverage is of a whole line") {
  const HeadScores columns(HeadScores::all(), 2, 2, false);
  const ScoredModel scored;
  const auto token = columns.of_token(scored, 0, 1, 3);
  REQUIRE(token.size() == 4 * 4 + 1);
  const auto& names = columns.columns();
  for (std::size_t k = 0; k < names.size(); ++k) {
    const Map row = scored.result.cross_attn[names[k].layer].heads[std::size_t(names[k].head)].row(1);
    if (names[k].score == "coverage") CHECK(std::isnan(token[k]));
    if (names[k].score == "confidence") CHECK(token[k] == doctest::Approx(double(row(0, 2))));
    if (names[k].score == "entropy") CHECK(token[k] == inspect::entropy(row));
    if (names[k].score == "distraction") CHECK(token[k] == inspect::distraction(row));
  }
  CHECK(token.back() == 1.5);
}
