// What attention says of its rows without keeping them: entropy, the largest weights, sums of columns. Internal to
// attend_head().
//
//   entropy = ln sum - (sum of e (s - max)) / sum,   log-sum-exp = max + ln sum,   largest weight = 1 / sum
//
// e = exp(s - max), so that the largest e is 1 exactly. Weights are e * (1 / sum), the bits that a kept map has.
#pragma once
#include <vitrine/core/mask.hpp>
#include <vitrine/core/memory.hpp>
#include <vitrine/core/simd.hpp>
#include <vitrine/kernels/elementary.hpp>
#include <vitrine/kernels/score_tile.hpp>
#include <vitrine/kernels/softmax.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::kernels {

// Where the figures of one head go; null: not wanted.
template <class S>
struct RowFigures {
  S *entropy = nullptr, *largest = nullptr, *largest_key = nullptr, *log_sum_exp = nullptr;  // (T); all four or none
  // Sums of the weights of `column_rows` query rows each: rows of `columns_stride` values (a vector more than there are
  // keys), the first that of query row `columns_from`. The caller clears them.
  S* columns = nullptr;
  Index columns_stride = 0, columns_from = 0, column_rows = 1;
  S *top_weights = nullptr, *top_keys = nullptr;  // (T, top)
  Index top = 0;
};

namespace detail {

// The first of n values that is 1; -1 if none is. What stands from n to the end of its vector is read, and does not
// count. All are looked at, from the last: where the first stands differs from row to row, and a loop that ends there
// is mispredicted each time.
template <class S>
VITRINE_NOINLINE Index first_one(const S* e, Index n) {
  using V = simd<S>;
  const auto one = V::bits(V::set1(S(1)));
  const auto step = V::set1(S(V::lanes));
  S lane[V::lanes];
  for (Index i = 0; i < V::lanes; ++i) lane[i] = S(i);
  Index j = round_up(n, V::lanes);
  auto key = V::load(lane) + V::set1(S(j));
  auto first = V::set1(S(n));
  while (j > 0) {
    j -= V::lanes, key = key - step;
    first = V::select(V::ieq(V::bits(V::load(e + j)), one), key, first);
  }
  V::store(lane, first);
  S at = S(n);
  for (Index i = 0; i < V::lanes; ++i) at = lane[i] < at ? lane[i] : at;
  return at < S(n) ? Index(at) : Index(-1);
}

// sums += e * inverse, row after row; e's rows are `stride` apart.
template <class S, int Rows>
VITRINE_NOINLINE void add_columns(const S* e, Index stride, Index n, const S* inverse, S* sums) {
  using V = simd<S>;
  for (Index j = 0; j < n; j += V::lanes) {
    auto sum = V::load(sums + j);
#pragma GCC unroll 4
    for (int r = 0; r < Rows; ++r) {
      auto w = V::mul(V::load(e + r * stride + j), V::set1(inverse[r]));
      if (n - j < V::lanes) w = V::select(first_lanes<S>(n - j), w, V::zero());
      sum = sum + w;
    }
    V::store(sums + j, sum);
  }
}

// A row's largest weights above 0 in descending order, the lower key first among equal ones.
template <class S>
struct TopRow {
  S *weights, *keys;
  Index count, filled = 0;

  // n weights e * inverse of keys `key` and on; keys come in ascending order.
  VITRINE_NOINLINE void offer(const S* e, Index n, S inverse, Index key) {
    using V = simd<S>;
    const auto factor = V::set1(inverse);
    const S bound = lower_bound(e, n, inverse);
    for (Index j = 0; j < n; j += V::lanes) {
      const auto w = V::mul(V::load(e + j), factor);
      if (!V::any(~V::lt(w, V::set1(bound)))) continue;
      S lane[V::lanes];
      V::store(lane, w);
      for (Index i = 0; i < V::lanes && j + i < n; ++i)
        if (lane[i] > least()) insert(lane[i], key + j + i);
    }
  }
  // A weight of 0 and key -1 where there are fewer.
  void finish() {
    for (; filled < count; ++filled) weights[filled] = S(0), keys[filled] = S(-1);
  }

 private:
  // `count` of the weights are at least this, so no lower one matters: of as many lanes each has its largest.
  S lower_bound(const S* e, Index n, S inverse) const {
    using V = simd<S>;
    if (count > V::lanes || n < 4 * V::lanes) return S(0);
    const auto factor = V::set1(inverse);
    auto largest = V::zero();
    for (Index j = 0; j + V::lanes <= n; j += V::lanes) largest = V::max(V::mul(V::load(e + j), factor), largest);
    S lane[V::lanes];
    V::store(lane, largest);
    for (Index i = 1; i < V::lanes; ++i) {  // in descending order
      const S value = lane[i];
      Index at = i;
      for (; at > 0 && lane[at - 1] < value; --at) lane[at] = lane[at - 1];
      lane[at] = value;
    }
    return lane[count - 1];
  }
  S least() const { return filled < count ? S(0) : weights[count - 1]; }
  void insert(S weight, Index key) {
    Index at = filled < count ? filled++ : count - 1;
    for (; at > 0 && weights[at - 1] < weight; --at) weights[at] = weights[at - 1], keys[at] = keys[at - 1];
    weights[at] = weight, keys[at] = S(key);
  }
};

// What row `at` has without its logarithm.
template <class S>
void write_figures(const RowFigures<S>& out, Index at, const SoftmaxRow<S>& row, ExtraKeys extra) {
  if (out.entropy != nullptr) {
    // A NaN anywhere makes the sum one; the maximum may have passed it by.
    const Index none = row.lo - 1;
    const Index key =
        row.inverse == row.inverse ? row.lo + first_one(row.e + row.lo, row.hi - row.lo + extra.count) : none;
    out.largest_key[at] = S(key < row.lo ? -1 : key < row.hi ? key : extra.from + key - row.hi);
  }
  if (out.top > 0) {
    TopRow<S> top{out.top_weights + at * out.top, out.top_keys + at * out.top, out.top};
    top.offer(row.e + row.lo, row.hi - row.lo, row.inverse, row.lo);
    top.offer(row.e + row.hi, extra.count, row.inverse, extra.from);
    top.finish();
  }
}

// Column sums of a tile's rows; four rows at a time where they see the same keys.
template <class S>
void write_columns(const RowFigures<S>& out, const ScoreTile<S>& tile, ExtraKeys extra) {
  const auto block = [&](Index r) { return (tile.first + r - out.columns_from) / out.column_rows; };
  for (Index r = 0; r < tile.rows;) {
    S* const sums = out.columns + block(r) * out.columns_stride;
    const SoftmaxRow<S> row = tile.softmax(r);
    bool four = r + 4 <= tile.rows && block(r) == block(r + 3);
    for (Index i = r + 1; four && i < r + 4; ++i) four = tile.lo[i] == row.lo && tile.hi[i] == row.hi;
    const Index count = four ? 4 : 1;
    (four ? add_columns<S, 4> : add_columns<S, 1>)(row.e + row.lo, tile.stride, row.hi - row.lo, tile.inverse + r,
                                                   sums + row.lo);
    for (Index end = r + count; r < end; ++r)
      for (Index i = 0; i < extra.count; ++i) sums[extra.from + i] += mul(tile.row(r)[tile.hi[r] + i], tile.inverse[r]);
  }
}

// The rows of one tile, until their logarithms are taken together.
template <class S>
struct TileFigures {
  static constexpr bool on = true;
  static constexpr Index room = attention_rows + simd<S>::lanes;
  S max[room] = {}, sum[room] = {}, product[room] = {}, inverse[room] = {};
  bool empty[attention_rows] = {};

  VITRINE_INLINE void set(Index r, S row_max_, S row_sum, S row_product, S row_inverse) {
    max[r] = row_max_, sum[r] = row_sum, product[r] = row_product, inverse[r] = row_inverse;
  }
  VITRINE_INLINE void set_empty(Index r) { set(r, S(0), S(1), S(0), S(0)), empty[r] = true; }
  // Writes query rows [first, first + rows).
  VITRINE_INLINE void write(const RowFigures<S>& to, Index first, Index rows) const {
    using V = simd<S>;
    for (Index r = 0; r < rows; r += V::lanes) {
      const auto log_sum = log<S>(V::load(sum + r));
      const Index left = rows - r;
      store_first(to.entropy + first + r, log_sum - V::mul(V::load(product + r), V::load(inverse + r)), left);
      store_first(to.log_sum_exp + first + r, V::load(max + r) + log_sum, left);
      store_first(to.largest + first + r, V::load(inverse + r), left);
    }
    for (Index r = 0; r < rows; ++r)
      if (empty[r]) to.log_sum_exp[first + r] = vitrine::detail::minus_infinity<S>();
  }
};
// Of a call that wants none.
struct NoFigures {
  static constexpr bool on = false;
};

}  // namespace detail

}  // namespace vitrine::inline VITRINE_ABI::kernels

#include <vitrine/core/macros_pop.hpp>
