// Scratch: what a parallel region needs beside its operands, planned before it begins. Internal: a layer asks its
// Runner, and what a whole call takes is workspace_bytes, run/workspace_bytes.hpp.
#pragma once
#include <vitrine/core/workspace.hpp>
#include <vitrine/kernels/attention.hpp>
#include <vitrine/kernels/matmul.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::detail {

// Rows that one thread takes through a layer: eight tiles of A and what is made of them fit the second-level cache.
// Without vectors and threads there is no such cache but little memory: one tile.
inline constexpr Index block_rows = Index{VITRINE_VECTOR_BYTES == 0 && !VITRINE_OPENMP ? 1 : 8} * kernels::tile_rows;

// Values from one row of scratch to the next: a line more than its width where rows would collide.
template <class S>
constexpr Index row_stride(Index width) {
  return width + (kernels::rows_collide<S>(width) ? Index(alignment / sizeof(S)) : 0);
}
// The largest row_stride of rows of at most so many values: the widest need not be those that get a line more.
template <class S>
constexpr Index most_stride(Index widest) {
  const bool may = VITRINE_VECTOR_BYTES != 0 && widest >= Index(4096 / sizeof(S));
  return may ? sizes::sum(widest, Index(alignment / sizeof(S))) : widest;
}

// Bytes that make(arena) takes from its arena.
template <class F>
constexpr std::size_t planned_bytes(F&& make) {
  Arena arena;
  (void)make(arena);
  return arena.used();
}
// plan = make(arena) over the workspace, which first gets room for it. workspace_too_small, out_of_memory.
template <class P, class F>
Status place_plan(P& plan, Workspace& workspace, F&& make) {
  if (Status s = workspace.reserve(planned_bytes(make)); s != Status::ok) return s;
  Arena arena(workspace.data());
  plan = make(arena);
  return {};
}

// Pieces of memory, one for each thread; a team that works on few rows together uses them as one.
template <class S>
struct Scratch {
  struct Piece {
    S* base = nullptr;
    Index stride = 0;
    S* of_thread(const Team& team) const { return base + team.slot() * stride; }
    S* of_team(const Team& team) const { return team.alone() ? of_thread(team) : base; }
  };
  Piece hidden;            // rows of d_model values: a block's hidden state between two steps
  Piece inner, attention;  // wider rows (keys and values, feed-forward); a tile of scores. One place: they take turns
  Piece packed_panel;      // a panel of a weight that is kept plain
  Piece figures;           // what is kept instead of maps: run/figures_attention.hpp
  Piece operand_copy;      // kernels::Product::a_copy; empty where rows of d_model values do not collide
  bool scores_in_weights = false;

  struct Sizes {
    Index hidden = 0, inner = 0, keys = 0, value_width = 0;
    Index depth = 0;                 // of the deepest weight; 0 when all are in panels
    Index figures = 0;               // rows of scores that what is kept needs: figure_columns
    bool scores_in_weights = false;  // kept weights hold the scores meanwhile
    [[no_unique_address]] kernels::PairWidth<S> pair_width = {};  // of a head whose products are of pairs of bf16
    constexpr Sizes max(const Sizes& o) const {
      const auto larger = [](Index a, Index b) { return a > b ? a : b; };
      return {larger(hidden, o.hidden),
              larger(inner, o.inner),
              larger(keys, o.keys),
              larger(value_width, o.value_width),
              larger(depth, o.depth),
              larger(figures, o.figures),
              scores_in_weights && o.scores_in_weights,
              larger(pair_width, o.pair_width)};
    }
  };
  // `rows`: all rows of the call; fewer than a block need less. `whole`: the team takes them all together.
  static constexpr Scratch plan(Arena& arena, int threads, Index rows, const Sizes& sizes, bool whole = false) {
    Scratch s;
    const Index block = sizes::round_up(whole || rows < block_rows ? rows : block_rows, Index{kernels::tile_rows});
    const auto pieces = [&](int count, Index values) {
      Piece p;
      p.stride = sizes::round_up(values, Index(alignment / sizeof(S)));
      p.base = arena.take<S>(p.stride, count);
      return p;
    };
    const auto piece = [&](Index values) { return pieces(threads, values); };
    s.hidden = pieces(whole ? 1 : threads, sizes::product(block, sizes.hidden));
    s.packed_panel = piece(sizes::product(sizes.depth, kernels::panel_width<S>));
    const Index inner = sizes::product(block, most_stride<S>(sizes.inner));
    Index tile = kernels::attention_scratch<S>(sizes.keys, sizes.value_width, sizes.scores_in_weights);
    if constexpr (kernels::may_be_in_pairs<S>)
      if (sizes.pair_width > 0)
        tile = sizes::sum(tile, kernels::pairs_scratch<S>(sizes.keys, sizes.pair_width, sizes.value_width));
    s.scores_in_weights = sizes.scores_in_weights;
    if (sizes.figures > 0) s.figures = piece(kernels::score_room<S>(sizes.figures, sizes.keys));
    if (whole) {
      s.inner = pieces(1, inner), s.attention = piece(tile);
      return s;
    }
    s.inner = s.attention = piece(inner > tile ? inner : tile);
    const Index most = sizes::product(block, threads), together = rows < most ? rows : most;
    if (sizes.hidden > 0 && kernels::rows_collide<S>(sizes.hidden) && together > kernels::tile_rows)  // as matmul
      s.operand_copy = piece(kernels::copy_size(together));
    return s;
  }
};

}  // namespace vitrine::inline VITRINE_ABI::detail

#include <vitrine/core/macros_pop.hpp>
