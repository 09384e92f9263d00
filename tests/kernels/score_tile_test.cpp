#include <vitrine/kernels/score_tile.hpp>

#include "../support/support.hpp"

namespace kernels = vitrine::kernels;
using support::Index;

TEST_CASE_TEMPLATE("a row of scores has room for whole panels and a vector behind its last key", S, float, double) {
  constexpr Index lanes = vitrine::simd<S>::lanes;
  for (const Index keys : support::awkward) {
    CHECK(kernels::score_stride<S>(keys) >= kernels::panel_count<S>(keys) * kernels::panel_width<S>);
    CHECK(kernels::score_stride<S>(keys) >= keys + lanes);
    CHECK(kernels::score_stride<S>(keys) % lanes == 0);
  }
  CHECK(kernels::attention_rows % kernels::tile_rows == 0);
}

TEST_CASE_TEMPLATE("a tile's rows stand a stride apart, each with what it sees", S, float, double) {
  std::vector<S> scores(100);
  kernels::ScoreTile<S> tile;
  tile.scores = scores.data(), tile.stride = 30;
  tile.lo[1] = 4, tile.hi[1] = 9, tile.inverse[1] = S(0.25);
  const kernels::SoftmaxRow<S> row = tile.softmax(1);
  CHECK(row.e == scores.data() + 30);
  CHECK(row.lo == 4);
  CHECK(row.hi == 9);
  CHECK(row.inverse == S(0.25));
}
