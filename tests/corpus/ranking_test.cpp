// The best rows of a table, and quantiles (NumPy's: np.quantile([1, 2, 4, 8], 0.4) == 2.4).
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vitrine/corpus/ranking.hpp>

namespace corpus = vitrine::corpus;

TEST_CASE("CSV fields, quoted and not") {
  using Fields = std::vector<std::string>;
  CHECK(corpus::csv_fields("a,b,,c") == Fields{"a", "b", "", "c"});
  CHECK(corpus::csv_fields("\"a, \"\"b\"\"\",0.5") == Fields{"a, \"b\"", "0.5"});
  CHECK(corpus::csv_fields("") == Fields{""});
  CHECK(corpus::csv_column("line,text,entropy", "entropy") == 2);
  CHECK_THROWS_WITH(corpus::csv_column("line,text", "beauty"), "there is no column beauty; there are line,text");
  CHECK(corpus::csv_number("1.5e-3") == 1.5e-3);
  CHECK(corpus::csv_number("") != corpus::csv_number(""));
  CHECK(corpus::csv_number("5 apples") != corpus::csv_number("5 apples"));
}

TEST_CASE("the best rows are those of a whole sort, equal ones in their order, those without a value last") {
  std::vector<std::pair<double, int>> all;
  for (int i = 0; i < 1000; ++i) all.emplace_back(i * 7919 % 101, i);
  for (const std::size_t count : {std::size_t(0), std::size_t(1), std::size_t(10), std::size_t(2000)}) {
    corpus::BestRows best(count);
    for (const auto& [value, i] : all) best.add(value, std::to_string(i), i);
    best.add(corpus::csv_number(""), "none", 1000);
    auto sorted = all;
    std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
    const auto rows = best.take();
    CHECK(rows.size() == std::min<std::size_t>(count, 1001));
    for (std::size_t i = 0; i < std::min<std::size_t>(rows.size(), 1000); ++i) {
      CHECK(rows[i].row == std::to_string(sorted[i].second));
      CHECK(rows[i].number == sorted[i].second);
    }
    if (rows.size() > 1000) CHECK(rows[1000].row == "none");
  }
}

TEST_CASE("a balanced choice has the pool's lengths, and the best of each") {
  corpus::BalancedRows balanced(10);
  std::size_t lengths[3] = {};
  for (int i = 0; i < 100;
       ++i)  // 20 of length 1, 30 of 2, 50 of 3; the key is the length, so that BestRows takes only 3
    balanced.add(i < 20   ? 1 + i * 1e-3
                 : i < 50 ? 2 + i * 1e-3
                          : 3 + i * 1e-3,
                 std::to_string(i), i,
                 i < 20   ? 1
                 : i < 50 ? 2
                          : 3);
  const auto rows = balanced.take();
  CHECK(rows.size() == 10);
  for (const auto& row : rows) ++lengths[int(row.key) - 1];
  CHECK(lengths[0] == 2);
  CHECK(lengths[1] == 3);
  CHECK(lengths[2] == 5);
  CHECK(rows[0].row == "99");
  CHECK(rows[9].row == "18");
  corpus::BalancedRows few(10);
  few.add(1, "a", 0, 5), few.add(2, "b", 1, 6);
  CHECK(few.take().size() == 2);
}

TEST_CASE("random keys are spread evenly and depend on the seed") {
  double sum = 0, square = 0, product = 0;
  for (int i = 0; i < 10000; ++i) {
    const double key = corpus::random_key(1, i), other = corpus::random_key(2, i);
    CHECK(key >= 0);
    CHECK(key < 1);
    sum += key, square += key * key, product += key * other;
  }
  CHECK(sum / 10000 == doctest::Approx(0.5).epsilon(0.02));
  CHECK(square / 10000 == doctest::Approx(1.0 / 3).epsilon(0.03));
  CHECK(product / 10000 == doctest::Approx(0.25).epsilon(0.03));
  CHECK(corpus::random_key(1, 5) == corpus::random_key(1, 5));
}

TEST_CASE("quantiles between neighbours") {
  const std::vector<double> values = {1, 2, 4, 8};
  CHECK(corpus::quantile(values, 0) == 1);
  CHECK(corpus::quantile(values, 1) == 8);
  CHECK(corpus::quantile(values, 0.5) == 3);
  CHECK(corpus::quantile(values, 0.4) == doctest::Approx(2.4));
  CHECK(corpus::quantile({}, 0.5) != corpus::quantile({}, 0.5));
}
