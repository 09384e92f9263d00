#include <vitrine/run/rows_call.hpp>

#include "../support/support.hpp"

namespace detail = vitrine::detail;
using support::Index;

namespace {
// y: the first `width` values of each row, doubled; how many rows were seen.
template <class S>
vt::Status doubled(vt::Tensor<S>& y, vt::Workspace& workspace, const vt::Sequences<S>& x, Index width,
                   std::atomic<Index>& rows) {
  const detail::RowsWork<S> work{.width = width, .multiply_adds = 1e9, .sizes = {.hidden = 3}};
  return detail::run_rows(y, workspace, x, work, [&](auto& block, const auto& from, const auto& to) {
    block.split([&](Index first, Index last) {
      rows += last - first;
      for (Index r = first; r < last; ++r)
        for (Index i = 0; i < width; ++i) to.data[r * to.stride + i] = 2 * from.data[r * from.stride + i];
    });
  });
}
}  // namespace

TEST_CASE_TEMPLATE("run_rows takes every row once, whatever its stride and the team", S, float, double) {
  const Index batch = 3, width = 5;
  for (const Index length : {0, 1, 4, 100})
    for (const int threads : {1, 3})
      for (const bool seq_first : {false, true}) {
        const auto values = support::random_values<S>(batch * length * width, 1);
        const auto x = seq_first ? vt::from_seq_first(values.data(), length, batch, width)
                                 : vt::Sequences<S>(values.data(), batch, length, width);
        vt::Tensor<S> y(vt::heap());
        vt::Workspace workspace(vt::heap(), threads);
        std::atomic<Index> rows = 0;
        REQUIRE(doubled(y, workspace, x, 4, rows) == vt::Status::ok);
        CHECK(rows == batch * length);
        CHECK(y.width() == 4);
        for (Index b = 0; b < batch; ++b)
          for (Index t = 0; t < length; ++t)
            for (Index i = 0; i < 4; ++i)
              CHECK(y.matrix(b)(t, i) == 2 * x.data[b * x.batch_stride + t * x.row_stride + i]);
      }
}

TEST_CASE("run_rows says what memory is missing before it begins") {
  const auto values = support::random_values<float>(20, 1);
  const vt::Sequences<float> x(values.data(), 1, 4, 5);
  std::atomic<Index> rows = 0;
  std::vector<float> room(20);
  vt::Tensor<float> little(std::span<float>(room).first(15)), enough{std::span<float>(room)};
  vt::Workspace none(std::span<std::byte>{}), heap(vt::heap());
  CHECK(doubled(little, heap, x, 4, rows) == vt::Status::result_too_small);
  CHECK(doubled(enough, none, x, 4, rows) == vt::Status::workspace_too_small);
  vt::Tensor<float> own(vt::heap());
  REQUIRE(doubled(own, heap, x, 4, rows) == vt::Status::ok);
  CHECK(doubled(own, heap, {own.data(), 1, 2, 5}, 4, rows) == vt::Status::overlap);
  CHECK(rows == 4);
}
