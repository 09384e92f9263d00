// How layers run: scratch planned before the parallel region, rows dealt out inside it. Internal.
//
// A layer has two kinds of phases. Attention goes by (sequence, head, chunk of rows). Everything else goes by rows of
// all sequences, which do not know each other there: with many rows each thread takes a block of them through several
// products alone, so that what lies between stays in its cache; with few rows the whole team divides each product by
// columns.
#pragma once
#include <vitrine/core/dims.hpp>
#include <vitrine/core/maps.hpp>
#include <vitrine/core/mask.hpp>
#include <vitrine/core/memory.hpp>
#include <vitrine/core/parallel.hpp>
#include <vitrine/core/statistics.hpp>
#include <vitrine/core/views.hpp>
#include <vitrine/core/workspace.hpp>
#include <vitrine/kernels/attention.hpp>
#include <vitrine/kernels/layer_norm.hpp>

namespace vitrine::inline VITRINE_ABI::detail {

// Rows that one thread takes through a layer: eight tiles of A and what is made of them fit the second-level cache.
// Without vectors and threads there is no such cache but little memory: one tile.
inline constexpr Index block_rows = Index{VITRINE_VECTOR_BYTES == 0 && !VITRINE_OPENMP ? 1 : 8} * kernels::tile_rows;
// Query rows of one item of attention: beside the keys and values of a head, their mean rows fit the second-level
// cache.
inline constexpr Index chunk_rows = 3 * kernels::attention_rows;

// Which rows belong to which sequence.
struct RowMap {
  Index batch = 1, length = 0;
  const Index* starts = nullptr;  // ragged: batch + 1 of them

  Index start(Index b) const { return starts != nullptr ? starts[b] : b * length; }
  Index length_of(Index b) const { return starts != nullptr ? starts[b + 1] - starts[b] : length; }
  Index rows() const { return start(batch); }
  // f(b, t, row, count): rows first ... last - 1 by sequence, `count` of them from row t of sequence b on.
  template <class F>
  void runs(Index first, Index last, F&& f) const {
    Index b = 0;
    if (starts == nullptr) b = length > 0 ? first / length : 0;
    for (Index row = first; row < last; ++b) {
      const Index end = start(b + 1) < last ? start(b + 1) : last;
      if (row >= end) continue;
      f(b, row - start(b), row, end - row);
      row = end;
    }
  }
};
constexpr RowMap plan_rows(Arena& arena, Index batch, Index length, std::span<const Index> lengths) {
  RowMap map{batch, length, nullptr};
  if (lengths.empty()) return map;
  Index* starts = arena.take<Index>(batch + 1);
  if (starts == nullptr) return map;
  starts[0] = 0;
  for (Index b = 0; b < batch; ++b) starts[b + 1] = starts[b] + lengths[std::size_t(b)];
  map.starts = starts;
  return map;
}

// Scratch of a region: per-thread pieces, which a team that works on few rows uses as one.
template <class S>
struct Scratch {
  struct Piece {
    S* base = nullptr;
    Index stride = 0;
    S* own(const Team& team) const { return base + team.slot() * stride; }
    S* of(const Team& team) const { return team.alone() ? own(team) : base; }
  };
  bool in_maps = false;  // Sizes::in_maps
  Piece narrow, pack;
  Piece wide, tile;  // one place: products and attention take turns
  Piece figures;     // for what is kept instead of maps: see attention_figures.hpp
  Piece copy;        // of a block of a product's left operand (kernels::Product::copy); empty for narrow layers

  struct Sizes {
    Index narrow = 0, wide = 0, keys = 0, value_width = 0;
    Index depth = 0;       // of the deepest weight; 0 when all are in panels
    Index figures = 0;     // rows of scores that what is kept needs: figure_columns
    bool in_maps = false;  // kept weights hold the scores meanwhile
    constexpr Sizes max(const Sizes& o) const {
      return {narrow > o.narrow ? narrow : o.narrow,
              wide > o.wide ? wide : o.wide,
              keys > o.keys ? keys : o.keys,
              value_width > o.value_width ? value_width : o.value_width,
              depth > o.depth ? depth : o.depth,
              figures > o.figures ? figures : o.figures,
              in_maps && o.in_maps};
    }
  };
  // `rows`: all rows of the call; fewer than a block need less. `whole`: the team takes them all together.
  static constexpr Scratch plan(Arena& arena, int threads, Index rows, const Sizes& sizes, bool whole = false) {
    Scratch s;
    const Index block = round_up(whole || rows < block_rows ? rows : block_rows, Index{kernels::tile_rows});
    const auto piece = [&](Index values, bool common = false) {
      Piece p;
      p.stride = round_up(values, Index(alignment / sizeof(S)));
      p.base = arena.take<S>(p.stride * (common ? 1 : threads));
      return p;
    };
    s.narrow = piece(block * sizes.narrow, whole);
    s.pack = piece(sizes.depth * kernels::panel_width<S>);
    const Index wide = block * sizes.wide;
    const Index tile = kernels::attention_scratch<S>(sizes.keys, sizes.value_width, sizes.in_maps);
    s.in_maps = sizes.in_maps;
    if (sizes.figures > 0) s.figures = piece(sizes.figures * kernels::score_stride<S>(sizes.keys));
    if (whole) {
      s.wide = piece(wide, true), s.tile = piece(tile);
      return s;
    }
    s.wide = s.tile = piece(wide > tile ? wide : tile);
    const Index together = rows < block * threads ? rows : block * threads;
    if (sizes.wide >= 2 * kernels::copy_from && together > kernels::tile_rows)  // matmul copies no single tile
      s.copy = piece(kernels::copy_size(together));
    return s;
  }
};

// Deals out rows: f(team, first, last).
template <class F>
void for_rows(Team& team, Index rows, F&& f) {
  team.rows(rows, block_rows, Index{kernels::tile_rows}, f);
}

// How many threads a call of `work` multiply-adds is worth.
VITRINE_INLINE int team_size([[maybe_unused]] const Workspace& workspace, [[maybe_unused]] double work) {
#if VITRINE_OPENMP
  return work < workspace.parallel_from() ? 1 : workspace.threads();
#else
  return 1;  // and nobody computes the work
#endif
}

// Copies rows that do not stand one after another (a strided view) to `to`, row by row.
template <class S>
void gather(Team& team, const Sequences<S>& x, S* to) {
  team.split(x.batch * x.length, [&](Index first, Index last) {
    for (Index row = first; row < last; ++row) {
      const S* from = x.data + row / x.length * x.batch_stride + row % x.length * x.row_stride;
      for (Index e = 0; e < x.width; ++e) to[row * x.width + e] = from[e];
    }
  });
  team.barrier();
}

// A plan over an arena, and what it took.
template <class P>
struct Planned {
  P plan;
  std::size_t bytes;
};

template <class S>
Status check_input(const Sequences<S>& x, Index width, const char* sentence) {
  if (x.width != width) return {Status::bad_shape, sentence, x.width, width};
  if (x.batch < 0 || x.length < 0)
    return {Status::bad_shape, "an input's extents must not be negative", x.batch < x.length ? x.batch : x.length};
  for (Index length : x.lengths)
    if (length < 0) return {Status::bad_shape, "a ragged input's lengths must not be negative", length};
  if (x.data == nullptr && x.rows() > 0) return {Status::bad_shape, "an input has rows but no data"};
  return {};
}

// Do two byte ranges overlap?
inline bool overlaps(const void* a, std::size_t a_bytes, const void* b, std::size_t b_bytes) {
  const auto x = reinterpret_cast<std::uintptr_t>(a), y = reinterpret_cast<std::uintptr_t>(b);
  return a_bytes > 0 && b_bytes > 0 && x < y + b_bytes && y < x + a_bytes;
}
// Before the output gets room for `values`: growing it would free an input that lies in it.
template <class S>
Status check_overlap(const Tensor<S>& output, Index values, const Sequences<S>& x) {
  const Index reach = x.ragged() ? x.rows() * x.row_stride
                      : x.batch > 0 && x.length > 0
                          ? (x.batch - 1) * x.batch_stride + (x.length - 1) * x.row_stride + x.width
                          : 0;
  const Index room = values < output.capacity() ? values : output.capacity();
  if (overlaps(output.data(), std::size_t(room) * sizeof(S), x.data, std::size_t(reach) * sizeof(S)))
    return {Status::overlap, "the output must not overlap an input"};
  return {};
}

}  // namespace vitrine::inline VITRINE_ABI::detail
