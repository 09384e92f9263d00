#include <vitrine/kernels/softmax.hpp>

#include "../support/support.hpp"

namespace kernels = vitrine::kernels;
using support::Index;

TEST_CASE_TEMPLATE("a row of exponentials agrees with its naive twin, masked scores are +0", S, float, double) {
  constexpr S minus_infinity = -std::numeric_limits<S>::infinity();
  constexpr Index lanes = vitrine::simd<S>::lanes;
  for (const Index n : support::awkward)
    for (const bool masked : {false, true}) {
      CAPTURE(n);
      auto scores = support::random_values<S>(n + lanes, std::uint64_t(n), 20);
      if (masked)
        for (Index j = 1; j < n; j += 3) scores[std::size_t(j)] = minus_infinity;
      for (Index j = n; j < n + lanes; ++j) scores[std::size_t(j)] = std::numeric_limits<S>::quiet_NaN();
      auto e = scores;
      const kernels::SoftmaxSums<S> row = kernels::softmax_row<S>(e.data(), n, {.masked = masked});
      CHECK(row.max == *std::max_element(scores.begin(), scores.begin() + n));
      CHECK(row.inverse == S(1) / row.sum);
      auto naive = support::rows_of(scores.data(), n);
      bench::naive_softmax(naive.data(), n);
      double total = 0;
      for (Index j = 0; j < n; ++j) {
        const double weight = double(e[std::size_t(j)]) / double(row.sum);
        CHECK(std::abs(weight - naive[std::size_t(j)]) <= 32 * double(std::numeric_limits<S>::epsilon()) * weight);
        if (scores[std::size_t(j)] == minus_infinity) {
          CHECK(e[std::size_t(j)] == S(0));
          CHECK_FALSE(std::signbit(e[std::size_t(j)]));
        }
        total += weight;
      }
      CHECK(std::abs(total - 1) <= 4 * double(n) * double(std::numeric_limits<S>::epsilon()));
    }
}

TEST_CASE_TEMPLATE("the row's sum and weights do not depend on where in memory it begins", S, float, double) {
  for (const Index n : support::awkward) {
    const auto scores = support::random_values<S>(n, 3, 5);
    S first{};
    std::vector<S> kept;
    for (Index offset = 0; offset < 2 * vitrine::simd<S>::lanes; ++offset) {
      std::vector<S> row(std::size_t(offset + n + vitrine::simd<S>::lanes), S(7));
      std::copy(scores.begin(), scores.end(), row.begin() + offset);
      const S sum = kernels::softmax_row<S>(row.data() + offset, n, {.masked = true}).sum;
      if (offset == 0) first = sum, kept.assign(row.begin(), row.begin() + n);
      CHECK(sum == first);
      CHECK(support::same(row.data() + offset, kept.data(), n));
    }
  }
}

TEST_CASE_TEMPLATE("scores that wait for their scale give the same bits", S, float, double) {
  constexpr S scale = S(0.37);
  for (const Index n : support::awkward) {
    auto row = support::random_values<S>(n + vitrine::simd<S>::lanes, 4, 9), scaled = row;
    for (S& s : scaled) s = vitrine::mul(s, scale);
    const auto late = kernels::softmax_row<S>(row.data(), n, {.scales = true, .scale = scale});
    const auto early = kernels::softmax_row<S>(scaled.data(), n, {});
    CHECK(late.max == early.max);
    CHECK(late.sum == early.sum);
    CHECK(support::same(row.data(), scaled.data(), n));
  }
}

TEST_CASE_TEMPLATE("rows that are taken together give the bits of each alone", S, float, double) {
  constexpr Index rows = kernels::short_rows, lanes = vitrine::simd<S>::lanes;
  for (const Index n : support::awkward)
    for (const kernels::SoftmaxOptions<S>& kind :
         {kernels::SoftmaxOptions<S>{}, {.masked = true}, {.scales = true, .scale = S(0.37)}})
      for (const Index behind : {Index{0}, Index{3}, lanes}) {  // what may be touched there: it is not always a vector
        CAPTURE(n);
        auto options = kind;
        options.room = n + behind;
        auto together = support::random_values<S>(rows * options.room, std::uint64_t(n), 9);
        for (Index r = 0; r < rows; ++r) {
          S* const row = together.data() + r * options.room;
          if (options.masked && n > 1) row[(r * 7) % n] = -std::numeric_limits<S>::infinity();
          for (Index j = n; j < options.room; ++j) row[j] = std::numeric_limits<S>::quiet_NaN();
        }
        auto alone = together;
        S inverse[std::size_t(rows)];
        kernels::softmax_short_rows<S>(together.data(), options.room, n, options, inverse);
        for (Index r = 0; r < rows; ++r) {
          S* const row = alone.data() + r * options.room;
          CHECK(kernels::softmax_row<S>(row, n, options).inverse == inverse[r]);
          CHECK(support::same(row, together.data() + r * options.room,
                              std::min(options.room, (n + lanes - 1) / lanes * lanes)));
        }
      }
}
