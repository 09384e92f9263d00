#include <doctest/doctest.h>

#include <limits>
#include <utility>
#include <vitrine/inspect/alignment_error.hpp>

using namespace vitrine::inspect;

TEST_CASE("alignment error: gold links, sure and possible, with an offset") {
  const GoldLinks gold = parse_gold("1-1 2p2 3-4 1-1", 1);
  CHECK(pharaoh(gold.sure) == "0-0 2-3");
  CHECK(pharaoh(gold.possible) == "0-0 1-1 2-3");
  CHECK(parse_gold("").possible.empty());
  for (const char* bad : {"1", "1q2", "0-1", "1p", "p1", "1-2p3"}) {
    CAPTURE(bad);
    CHECK_THROWS_AS(parse_gold(bad, 1), std::invalid_argument);
  }
}

TEST_CASE("alignment error: Och and Ney's rate, precision and recall") {
  const GoldLinks gold = parse_gold("0-0 1-1 2p1 2p2");
  AlignmentErrors errors;
  errors.add({{0, 0}, {2, 1}, {0, 2}, {0, 0}}, gold);  // one sure, one only possible, one wrong; one twice
  CHECK(errors.proposed == 3);
  CHECK(errors.precision() == doctest::Approx(2.0 / 3));
  CHECK(errors.recall() == doctest::Approx(1.0 / 2));
  CHECK(errors.rate() == doctest::Approx(1 - (1.0 + 2.0) / (3 + 2)));
  AlignmentErrors perfect;
  perfect.add({{0, 0}, {1, 1}}, gold);
  CHECK(perfect.rate() == 0);
  perfect.add({{1, 0}}, parse_gold("0-0"));  // a second sentence: counts are summed
  CHECK(perfect.rate() == doctest::Approx(1 - (2.0 + 2.0) / (3 + 3)));
  CHECK(AlignmentErrors{}.rate() == 0);
  AlignmentErrors missed;
  missed.add({}, gold);
  CHECK(missed.rate() == 1);
}

TEST_CASE("alignment error: a sure link is possible also where a list of the possible ones leaves it out") {
  const GoldLinks gold{.sure = {{0, 0}, {1, 1}}, .possible = {{2, 2}}};
  AlignmentErrors errors;
  errors.add({{0, 0}, {2, 2}, {3, 3}}, gold);
  CHECK(errors.hit_sure == 1);
  CHECK(errors.hit_possible == 2);
  CHECK(errors.precision() == doctest::Approx(2.0 / 3));
  CHECK(errors.rate() == doctest::Approx(1 - (1.0 + 2.0) / (3 + 2)));
}

TEST_CASE("alignment error: the head that aligns best, and the most confident one") {
  HeadSearch<AlignmentErrors> search(2, 3);
  for (int layer = 0; layer < 2; ++layer)
    for (int head = 0; head < 3; ++head)
      search.at(layer, head).add({{0, 0}, {1, layer == 1 && head == 2 ? 1 : 0}}, parse_gold("0-0 1-1"));
  const HeadChoice best = search.smallest([](const AlignmentErrors& e) { return e.rate(); });
  CHECK(best.layer == 1);
  CHECK(best.head == 2);
  CHECK(best.value == 0);
  HeadSearch<RunningMean> means(2, 2);
  means.at(1, 0).add(0.5), means.at(1, 0).add(1.0, 3);
  means.at(0, 1).add(0.8);
  const HeadChoice confident = means.largest([](const RunningMean& m) { return m.value(); });
  CHECK(confident.layer == 1);
  CHECK(confident.head == 0);
  CHECK(confident.value == doctest::Approx(0.875));
  for (const auto& [layer, head] : {std::pair{2, 0}, {0, 2}, {1, -1}, {-1, 0}})
    CHECK_THROWS_AS(means.at(layer, head), std::out_of_range);
  // Heads without a sentence and confidences of nothing are not the best, wherever they stand.
  HeadSearch<AlignmentErrors> partial(2, 1);
  partial.at(1, 0).add({{0, 1}}, parse_gold("0-0"));
  CHECK(partial.smallest([](const AlignmentErrors& e) { return e.rate(); }).layer == 1);
  HeadSearch<RunningMean> undefined(1, 2);
  undefined.at(0, 0).add(std::numeric_limits<double>::quiet_NaN()), undefined.at(0, 1).add(0.25);
  CHECK(undefined.largest([](const RunningMean& m) { return m.value(); }).head == 1);
  CHECK_THROWS_AS(HeadSearch<RunningMean>(2, 2).largest([](const RunningMean& m) { return m.value(); }),
                  std::out_of_range);
  CHECK_THROWS_AS(HeadSearch<RunningMean>(0, 2).largest([](const RunningMean& m) { return m.value(); }),
                  std::out_of_range);
}
