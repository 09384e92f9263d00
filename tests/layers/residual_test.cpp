#include <vitrine/layers/residual.hpp>

#include "../support/support.hpp"

namespace detail = vitrine::detail;
using detail::Rows;
using support::Index;

namespace {
// Stands for a norm: to = 10 from, and how often it was asked.
struct Tenfold {
  int* calls;
  static constexpr bool exists() { return true; }
  template <class Runner, class S>
  void operator()(const Runner&, const Rows<const S>& from, const Rows<S>& to) const {
    ++*calls;
    for (Index i = 0; i < from.count * from.width; ++i) to.data[i] = S(10) * from.data[i];
  }
};
// The rows of a block, its hidden rows beside them.
template <class S>
struct Block {
  std::vector<S> x = {1, 2, 3, 4, 5, 6}, y = std::vector<S>(6), hidden = std::vector<S>(6);
  vitrine::Team alone;
  detail::Scratch<S> scratch;
  Rows<S> rows{x.data(), 3, 2}, to{y.data(), 3, 2};

  Block() { scratch.hidden.base = hidden.data(); }
  detail::Runner<S> runner() { return detail::Runner<S>(alone, scratch, 3); }
};

// A part that is f(x) = 100 everywhere.
template <class S>
void hundred(const Rows<S>& to, const Rows<const S>& addend) {
  for (Index i = 0; i < 6; ++i) to.data[i] = S(100) + (addend.exist() ? addend.data[i] : S(0));
}
template <class S>
std::vector<S> rows_of(const Rows<const S>& rows) {
  return std::vector<S>(rows.data, rows.data + rows.count * rows.width);
}

}  // namespace

TEST_CASE_TEMPLATE("a residual normalises the sum, or what goes into the part", S, float, double) {
  const std::vector<S> start = {1, 2, 3, 4, 5, 6}, tenfold = {10, 20, 30, 40, 50, 60};
  const std::vector<S> sum = {101, 102, 103, 104, 105, 106}, normed = {1010, 1020, 1030, 1040, 1050, 1060};
  Block<S> of;
  const auto block = of.runner();
  int calls = 0;
  const Tenfold norm{&calls};
  const detail::Residual after(1, false, norm), before(1, true, norm);
  const auto part = [](const Rows<S>& to, const Rows<const S>& addend) { hundred<S>(to, addend); };
  // A whole part: twice its input, plus the addend.
  const auto twice = [](const auto&, const Rows<const S>& in, const Rows<S>& to, const Rows<const S>& addend) {
    for (Index i = 0; i < 6; ++i) to.data[i] = S(2) * in.data[i] + addend.data[i];
  };

  SUBCASE("norm_first = false: x itself goes in, and the sum comes out normalised") {
    CHECK(after.input(block, of.rows).data == of.x.data());
    CHECK(calls == 0);
    CHECK(rows_of<S>(after.sum(block, of.rows, part)) == normed);
    CHECK(of.x == start);
    after.sum_to(block, of.rows, of.to, part);
    CHECK(of.y == normed);
    after.sum_to(block, of.rows, of.rows, part);  // in place
    CHECK(of.x == normed);
    CHECK(calls == 3);
  }
  SUBCASE("norm_first = true: norm(x) goes in, and the sum goes on as it is") {
    CHECK(rows_of<S>(before.input(block, of.rows)) == tenfold);
    CHECK(of.x == start);
    CHECK(rows_of<S>(before.sum(block, of.rows, part)) == sum);
    before.sum_to(block, of.rows, of.to, part);
    CHECK(of.y == sum);
    before.sum_to(block, of.rows, of.rows, part);
    CHECK(of.x == sum);
    CHECK(calls == 1);
  }
  SUBCASE("a whole part, behind a sum that stands in the hidden rows") {
    const Rows<S> x1 = before.sum(block, of.rows, part);
    before.around(block, x1, of.to, twice);  // 20 x1 + x1
    for (std::size_t i = 0; i < 6; ++i) CHECK(of.y[i] == S(21) * sum[i]);
    before.around(block, x1, of.rows, twice, of.rows);  // parallel: 20 x + x1, in the rows of x
    for (std::size_t i = 0; i < 6; ++i) CHECK(of.x[i] == S(20) * start[i] + sum[i]);
    after.around(block, x1, of.to, twice);
    for (std::size_t i = 0; i < 6; ++i) CHECK(of.y[i] == S(30) * sum[i]);
  }
  SUBCASE("a branch norm comes before x is added") {
    const detail::Residual both(1, true, norm, norm);
    CHECK(rows_of<S>(both.sum(block, of.rows, part)) == std::vector<S>{1001, 1002, 1003, 1004, 1005, 1006});
  }
}
