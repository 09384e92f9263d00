#include <vitrine/layers/residual.hpp>

#include "../support/support.hpp"

namespace detail = vitrine::detail;
using detail::Rows;
using support::Index;

namespace {
// Stands for a norm: to = 10 from, and how often it was asked.
struct Tenfold {
  int* calls;
  template <class Runner, class S>
  void operator()(const Runner&, const Rows<const S>& from, const Rows<S>& to) const {
    ++*calls;
    for (Index i = 0; i < from.count * from.width; ++i) to.data[i] = S(10) * from.data[i];
  }
};
}  // namespace

TEST_CASE_TEMPLATE("a residual normalises the sum, or what goes into the part", S, float, double) {
  const std::vector<S> start = {1, 2, 3, 4, 5, 6}, tenfold = {10, 20, 30, 40, 50, 60}, none(6, S(0));
  std::vector<S> x = start, to = none;
  const Rows<S> rows(x.data(), 3, 2), other(to.data(), 3, 2);
  vitrine::Team alone;
  const detail::Scratch<S> scratch;
  const detail::Runner<S> block(alone, scratch, 3);
  int calls = 0;
  const Tenfold norm{&calls};

  const detail::Residual after(1, false, norm), before(1, true, norm);
  SUBCASE("norm_first = false: x itself goes in, and the sum comes out normalised") {
    CHECK(after.before(block, rows, other).data == x.data());
    CHECK(to == none);
    CHECK(calls == 0);
    after.after(block, rows, rows, other);
    CHECK(to == tenfold);
    after.after(block, rows, rows, rows);  // in place
    CHECK(x == tenfold);
    CHECK(calls == 2);
  }
  SUBCASE("norm_first = true: norm(x) goes in, and the sum goes on as it is") {
    CHECK(before.before(block, rows, other).data == to.data());
    CHECK(to == tenfold);
    CHECK(x == start);
    before.after(block, rows, rows, other);
    CHECK(to == start);
    before.after(block, rows, rows, rows);
    CHECK(x == start);
    CHECK(calls == 1);
  }
}
