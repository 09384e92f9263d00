// One layer of attention rollout (Abnar and Zuidema 2020) for some rows: after = 1/2 mean * before + 1/2 before.
#pragma once
#include <vitrine/kernels/attention.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::kernels {

// Where a row's first weight that is not 0 stands, and behind its last one.
struct NonZero {
  Index lo, hi;
};
// The part of n values between the first and the last that is not 0; empty at 0 when there is none.
template <class S>
NonZero non_zero(const S* row, Index n) {
  NonZero at{0, n};
  while (at.hi > 0 && row[at.hi - 1] == S(0)) --at.hi;
  while (at.lo < at.hi && row[at.lo] == S(0)) ++at.lo;
  return at;
}

// Rows [first, first + rows) of `after`; mean: those rows of the layer's map, averaged over heads, (rows, length).
// before, after: (length, length); no `before`: the identity. A row is multiplied from its first to its last weight
// that is not 0: what stands outside, padding perhaps, does not matter. One chain for each element, keys ascending.
template <class S>
void roll(const S* mean, Index first, Index rows, Index length, const S* before, S* after) {
  using V = simd<S>;
  constexpr Index width = panel_width<S>;
  const S half = S(0.5);
  const Index whole = length / width * width;
  for (Index r = 0; r < rows && before != nullptr; r += tile_rows) {
    const Index count = rows - r < tile_rows ? rows - r : tile_rows;
    Index lo[tile_rows], hi[tile_rows], all_lo = 0, all_hi = length;
    for (Index i = 0; i < count; ++i) {
      const NonZero seen = non_zero(mean + (r + i) * length, length);
      lo[i] = seen.lo, hi[i] = seen.hi;
      all_lo = lo[i] > all_lo ? lo[i] : all_lo, all_hi = hi[i] < all_hi ? hi[i] : all_hi;
    }
    if (all_hi < all_lo) all_lo = all_hi = length;  // no key is common: all are edges
    const auto add = [&](Index i, Index from, Index to, Index first_column, Index last_column) {
      for (Index k = from > lo[i] ? from : lo[i]; k < to && k < hi[i]; ++k) {
        const auto w = V::set1(mean[(r + i) * length + k]);
        for (Index n = first_column; n < last_column; n += V::lanes) {
          S* const sum = after + (first + r + i) * length + n;
          const Index left = last_column - n;
          store_first(sum, V::fma(w, load_first(before + k * length + n, left), load_first<S>(sum, left)), left);
        }
      }
    };
    S* const sums = after + (first + r) * length;
    for (Index i = 0; i < count * length; ++i) sums[i] = S(0);
    for (Index i = 0; i < count; ++i) add(i, 0, all_lo, 0, whole);
    for (Index n = 0; n < whole && all_lo < all_hi;) {
      Index together = panels_at_once(count);
      while (n + together * width > whole) together /= 2;
      TileProduct<S> product;
      product.a = mean + r * length + all_lo, product.a_stride = length;
      product.b = before + all_lo * length + n, product.b_panel = width, product.b_step = length;
      product.depth = all_hi - all_lo;
      product.c = sums + n, product.c_stride = length, product.add_to_c = true;
      multiply_rows(count, together, product);
      n += together * width;
    }
    for (Index i = 0; i < count; ++i) {
      add(i, all_hi, length, 0, whole);
      add(i, 0, length, whole, length);
    }
  }
  for (Index i = 0; i < rows; ++i) {
    const Index row = first + i;
    S* const out = after + row * length;
    for (Index j = 0; j < length; ++j) {
      const S mixed = mul(half, before != nullptr ? out[j] : mean[i * length + j]);
      const S own = before != nullptr ? before[row * length + j] : row == j ? S(1) : S(0);
      out[j] = mixed + mul(half, own);
    }
  }
}

}  // namespace vitrine::inline VITRINE_ABI::kernels

#include <vitrine/core/macros_pop.hpp>
