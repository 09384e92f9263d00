#include <vitrine/run/rows.hpp>

#include "../support/support.hpp"

namespace detail = vitrine::detail;
using detail::RowMap;
using detail::Rows;
using support::Index;

namespace {

using Lengths = std::vector<Index>;

// Each row's sequence and place in it, one after another.
std::vector<std::pair<Index, Index>> row_by_row(const Lengths& lengths) {
  std::vector<std::pair<Index, Index>> rows;
  for (std::size_t b = 0; b < lengths.size(); ++b)
    for (Index t = 0; t < lengths[b]; ++t) rows.emplace_back(Index(b), t);
  return rows;
}

// runs(first, last) for every range, against the rows one at a time.
void check_runs(const RowMap& map, const Lengths& lengths) {
  const auto rows = row_by_row(lengths);
  REQUIRE(map.rows() == Index(rows.size()));
  for (Index first = 0; first <= map.rows(); ++first)
    for (Index last = first; last <= map.rows(); ++last) {
      Index next = first, sequence = -1;
      map.runs(first, last, [&](Index b, Index t, Index row, Index count) {
        CHECK(row == next);
        CHECK(count > 0);
        CHECK(b > sequence);  // one run for each sequence
        for (Index i = 0; i < count; ++i) CHECK(rows[std::size_t(row + i)] == std::pair(b, t + i));
        next = row + count, sequence = b;
      });
      CHECK(next == last);
    }
}

}  // namespace

TEST_CASE("runs cuts a range of rows by sequence: padded, ragged, with empty sequences") {
  for (const Index batch : {0, 1, 3})
    for (const Index length : {0, 1, 4}) check_runs({batch, length, nullptr}, Lengths(std::size_t(batch), length));
  for (const Lengths& lengths : {Lengths{}, {5}, {3, 0, 5, 1}, {0, 0, 2, 0}, {0}}) {
    Lengths starts = {0};
    for (const Index length : lengths) starts.push_back(starts.back() + length);
    check_runs({Index(lengths.size()), 9, starts.data()}, lengths);
  }
}

TEST_CASE("plan_rows takes room for ragged lengths alone, and as much when it only counts") {
  const Lengths lengths = {2, 0, 3};
  vitrine::Arena counting;
  CHECK(detail::plan_rows(counting, 3, 3, {}).starts == nullptr);
  CHECK(counting.used() == 0);
  CHECK(detail::plan_rows(counting, 3, 3, lengths).starts == nullptr);
  CHECK(counting.used() >= 4 * sizeof(Index));
  std::vector<std::byte> bytes(counting.used());
  vitrine::Arena arena(bytes.data());
  const RowMap map = detail::plan_rows(arena, 3, 3, lengths);
  CHECK(arena.used() == counting.used());
  check_runs(map, lengths);
  CHECK(map.start(2) == 2);
  CHECK(map.length_of(1) == 0);
}

TEST_CASE_TEMPLATE("a part of rows and columns of rows stand where they stood", S, float, double) {
  std::vector<S> values(40);
  const Rows<S> all(values.data(), 4, 7, 10);
  CHECK(all.part(1, 2).data == values.data() + 10);
  CHECK(all.part(1, 2).count == 2);
  CHECK(all.part(1, 2).stride == 10);
  CHECK(all.columns(3, 4).data == values.data() + 3);
  CHECK(all.columns(3, 4).width == 4);
  CHECK(all.part(2, 1).columns(3, 4).data == all.columns(3, 4).part(2, 1).data);
  CHECK(Rows<const S>(all).data == values.data());
  CHECK_FALSE(Rows<S>().exist());
}

TEST_CASE_TEMPLATE("gather brings rows that stand apart together, on any number of threads", S, float, double) {
  const Index batch = 3, length = 4, width = 5;
  const auto values = support::random_values<S>(length * batch * width, 1);
  const auto seq_first = vitrine::from_seq_first(values.data(), length, batch, width);
  for (const int threads : {1, 3}) {
    std::vector<S> rows(values.size(), S(-9));
    vitrine::run_team(threads, [&](vitrine::Team& team) { detail::gather(team, seq_first, rows.data()); });
    for (Index b = 0; b < batch; ++b)
      for (Index t = 0; t < length; ++t)
        CHECK(support::same(rows.data() + (b * length + t) * width, values.data() + (t * batch + b) * width, width));
  }
}
