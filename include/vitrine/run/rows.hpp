// Rows: values in rows, as one argument; and which rows belong to which sequence. Internal.
#pragma once
#include <vitrine/core/memory.hpp>
#include <vitrine/core/parallel.hpp>
#include <vitrine/core/views.hpp>

#include <type_traits>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::detail {

// `count` rows of `width` values, `stride` apart.
template <class S>
struct Rows {
  S* data = nullptr;
  Index count = 0, width = 0, stride = 0;

  constexpr Rows() = default;
  constexpr Rows(S* first, Index rows, Index columns) : Rows(first, rows, columns, columns) {}
  constexpr Rows(S* first, Index rows, Index columns, Index apart)
      : data(first), count(rows), width(columns), stride(apart) {}
  constexpr operator Rows<const S>() const requires(!std::is_const_v<S>) { return {data, count, width, stride}; }

  constexpr bool exist() const { return data != nullptr; }
  constexpr Rows part(Index first, Index rows) const { return {data + first * stride, rows, width, stride}; }
  constexpr Rows columns(Index first, Index values) const { return {data + first, count, values, stride}; }
};

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
  Index* starts = arena.take<Index>(sizes::sum(batch, 1));
  if (starts == nullptr) return map;
  starts[0] = 0;
  for (Index b = 0; b < batch; ++b) starts[b + 1] = starts[b] + lengths[std::size_t(b)];
  map.starts = starts;
  return map;
}

// Copies rows that do not stand one after another (a strided view) to `to`, row by row. The team is in step afterwards.
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

}  // namespace vitrine::inline VITRINE_ABI::detail

#include <vitrine/core/macros_pop.hpp>
