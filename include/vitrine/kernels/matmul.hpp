// The product: C = act(alpha * A * B^T + bias) + residual, A rows in memory, B in panels.
//
//   multiply_tile<S, Rows, Panels>   the micro-kernel: Rows x (Panels * panel_width) accumulators in registers
//   matmul(product, ...)             a block of rows by a range of panels, k blocked for the caches
//   detail::multiply_panels          its loop, which products with stored weights share (int8.hpp, half.hpp)
//
// batched_matmul.hpp is on top. Nothing here allocates, fails or checks.
//
// Canonical order: every element is one chain, acc = +0; for k ascending acc = fma(a_k, b_k, acc), whatever the tile,
// the block or the thread. Between blocks of k the accumulator is stored and reloaded. Speed comes from independent
// elements: eight chains or more.
#pragma once
#include <vitrine/core/config.hpp>
#include <vitrine/core/simd.hpp>
#include <vitrine/kernels/activation.hpp>
#include <vitrine/kernels/panel.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::kernels {

// Columns of A that are multiplied before the next panel. Both operands come from the second-level cache in time, so
// it is as deep as leaves a block of rows its place there: less would store and load sums for nothing.
inline constexpr Index depth_block = 1024;

// The operands of one product, C (rows, columns) = activation(alpha A B^T + bias) + residual. Strides are in values.
template <class S>
struct Product {
  const S* a = nullptr;  // (rows, depth)
  Index a_stride = 0;
  const S* b = nullptr;  // panels of (columns, depth)
  Index columns = 0, depth = 0;
  S* c = nullptr;  // (rows, columns); may not overlap an operand: between blocks of k it holds partial sums
  Index c_stride = 0;
  S alpha = S(1);
  const S* bias = nullptr;  // (columns)
  Activation activation = Activation::none;
  const S* residual = nullptr;  // (rows, columns)
  Index residual_stride = 0;
  S* a_copy = nullptr;    // copy_size(rows) values for a copy of a block of A where rows collide, or null: see matmul
  bool a_copied = false;  // the product before this one had the same A, rows and panels, and left its copy there
  const S* next_weight = nullptr;  // the panels that are multiplied next: asked for while the last here runs
};

// Columns of a row of the copy: a line and a value more than the block, so that rows do not fall on one another in the
// cache and do not all need their next line in the same step of k.
inline constexpr Index copy_stride = depth_block + 17;
inline constexpr Index copy_from = 256;  // depth below which nothing is copied
// Whether rows so many values apart share the lines of the first-level cache: a multiple of 4096 bytes.
template <class S>
constexpr bool rows_collide(Index stride) {
  return VITRINE_VECTOR_BYTES != 0 && stride % Index(4096 / sizeof(S)) == 0;  // without vectors there is no such cache
}
// Values of the copy of so many rows.
constexpr Index copy_size(Index rows) { return rows * copy_stride; }

// Where the weights of the next panel stand, and how far to walk there for each step of k: they are asked for while
// this one is multiplied. Without it the first tile of each panel waits for the third-level cache or memory.
template <class S>
struct Ahead {
  const S* from = nullptr;
  Index step = 0;
};

// What becomes of a tile's finished sums while they are in registers: + bias, relu, + residual, each if it is there.
template <class S>
struct TileEnd {
  const S* bias = nullptr;      // (Panels * panel_width)
  const S* residual = nullptr;  // (Rows, Panels * panel_width)
  Index residual_stride = 0;
  bool relu = false;
};

// One call of the micro-kernel: c (Rows, Panels * panel_width) = end([c +] a (Rows, depth) * b).
template <class S>
struct TileProduct {
  const S* a = nullptr;
  Index a_stride = 0;
  const S* b = nullptr;
  Index b_panel = 0, b_step = 0;  // from one panel of b to the next, and from one step of k to the next
  Index depth = 0;
  S* c = nullptr;
  Index c_stride = 0;
  bool add_to_c = false;  // c holds the sums of the depths before
  Ahead<S> ahead = {};
  TileEnd<S> end = {};
};

namespace detail {

// x, which the compiler takes for another value each time. A tile of twelve rows then finds them by one pointer and the
// stride: as twelve pointers they outnumber the registers, and GCC keeps some in vector registers, whose moves take the
// turns of multiply-adds (3 to 8 % of a product).
VITRINE_INLINE Index unknown(Index x) {
#if defined(__x86_64__)
  asm volatile("" : "+r"(x));
#endif
  return x;
}

template <class S, int Rows, int Vectors>
VITRINE_INLINE void end_tile(typename simd<S>::vec (&sums)[Rows][Vectors], const TileEnd<S>& end) {
  using V = simd<S>;
  if (end.bias != nullptr) {
#pragma GCC unroll 8
    for (int v = 0; v < Vectors; ++v) {
      const auto bias = V::load(end.bias + v * V::lanes);
#pragma GCC unroll 16
      for (int r = 0; r < Rows; ++r) sums[r][v] = sums[r][v] + bias;
    }
  }
  if (end.relu) {
#pragma GCC unroll 16
    for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 8
      for (int v = 0; v < Vectors; ++v) sums[r][v] = relu<S>(sums[r][v]);
  }
  if (end.residual != nullptr) {
#pragma GCC unroll 16
    for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 8
      for (int v = 0; v < Vectors; ++v)
        sums[r][v] = sums[r][v] + V::load(end.residual + r * end.residual_stride + v * V::lanes);
  }
}

}  // namespace detail

// The micro-kernel: Rows x Panels accumulators stay in registers over the whole depth. With fewer `Vectors` the others
// of the last panel are left alone. Allocates nothing (Goto and van de Geijn 2008).
template <class S, int Rows, int Panels, int Vectors = 2 * Panels>
VITRINE_NOINLINE void multiply_tile(const TileProduct<S>& tile) {
  using V = simd<S>;
  const S *a = tile.a, *b = tile.b;
  S* const c = tile.c;
  const Index a_stride = tile.a_stride, b_panel = tile.b_panel, b_step = tile.b_step, c_stride = tile.c_stride;
  Ahead<S> ahead = tile.ahead;
  if (ahead.from == nullptr) ahead.from = b;  // a line that is there anyway
  typename V::vec acc[Rows][Vectors];
  if (tile.add_to_c) {
#pragma GCC unroll 16
    for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 8
      for (int v = 0; v < Vectors; ++v) acc[r][v] = V::load(c + r * c_stride + v * V::lanes);
  } else {
#pragma GCC unroll 16
    for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 8
      for (int v = 0; v < Vectors; ++v) acc[r][v] = V::zero();
  }
  for (const S* const end = a + tile.depth; a < end; ++a, b += b_step) {
    __builtin_prefetch(ahead.from, 0, 2);
    ahead.from += ahead.step;
    typename V::vec column[Vectors];
#pragma GCC unroll 8
    for (int v = 0; v < Vectors; ++v) {
      column[v] = V::load(b + v / 2 * b_panel + v % 2 * V::lanes);
      __builtin_prefetch(b + v / 2 * b_panel + v % 2 * V::lanes + 8 * panel_width<S>);
    }
    const Index stride = detail::unknown(a_stride);
#pragma GCC unroll 16
    for (int r = 0; r < Rows; ++r) {
      const auto value = V::set1(a[r * stride]);
#pragma GCC unroll 8
      for (int v = 0; v < Vectors; ++v) acc[r][v] = V::fma(value, column[v], acc[r][v]);
    }
  }
  detail::end_tile(acc, tile.end);
#pragma GCC unroll 16
  for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 8
    for (int v = 0; v < Vectors; ++v) V::store(c + r * c_stride + v * V::lanes, acc[r][v]);
}

// Panels that are multiplied together, so that few rows still make eight chains.
constexpr int panels_at_once(Index rows) { return rows == 1 ? 4 : rows <= 3 ? 2 : 1; }

namespace detail {

// call<Rows, Panels>() for 1 ... Rows rows.
template <int Rows, int Panels, class Call>
VITRINE_INLINE void with_rows(Index rows, const Call& call) {
  if (rows == Rows) return call.template operator()<Rows, Panels>();
  if constexpr (Rows > 1) with_rows<Rows - 1, Panels>(rows, call);
}

}  // namespace detail

// The micro-kernel of 1 ... tile_rows rows by one panel, at most three by 2, or one by 4.
template <class S>
VITRINE_INLINE void multiply_rows(Index rows, Index panels, const TileProduct<S>& tile) {
  const auto run = [&]<int Rows, int Panels>() { multiply_tile<S, Rows, Panels>(tile); };
  if (panels == 4)
    detail::with_rows<1, 4>(rows, run);
  else if (panels == 2)
    detail::with_rows<3, 2>(rows, run);
  else
    detail::with_rows<tile_rows, 1>(rows, run);
}

// Whether half a panel has a micro-kernel: only the panels of the widest vectors are wider than small heads.
inline constexpr bool half_panels = VITRINE_VECTOR_BYTES == 64;
// That of so many rows, by the first half of a panel.
template <class S>
VITRINE_INLINE void multiply_half(Index rows, const TileProduct<S>& tile) {
  detail::with_rows<tile_rows, 1>(rows, [&]<int Rows, int Panels>() { multiply_tile<S, Rows, Panels, 1>(tile); });
}

namespace detail {

template <class S>
void copy(const S* from, Index n, S* to) {
  using V = simd<S>;
  Index i = 0;
  for (; i + V::lanes <= n; i += V::lanes) V::store(to + i, V::load(from + i));
  for (; i < n; ++i) to[i] = from[i];
}

// What follows the last k on a finished piece of C: alpha, bias, activation, residual, each rounded; null: none.
template <class S>
struct Epilogue {
  S alpha = S(1);
  const S* bias = nullptr;
  Activation activation = Activation::none;
  const S* residual = nullptr;
  Index residual_stride = 0;
};
template <class S, Activation A>
VITRINE_NOINLINE void finish(const Epilogue<S>& end, Index rows, Index columns, S* c, Index c_stride) {
  using V = simd<S>;
  const auto factor = V::set1(end.alpha);
  for (Index r = 0; r < rows; ++r) {
    S* out = c + r * c_stride;
    const S* add = end.residual == nullptr ? nullptr : end.residual + r * end.residual_stride;
    for (Index n = 0; n < columns; n += V::lanes) {
      const Index left = columns - n;
      auto x = load_first(out + n, left);
      if (end.alpha != S(1)) x = V::mul(x, factor);
      if (end.bias != nullptr) x = x + load_first(end.bias + n, left);
      x = activate<S, A>(x);
      if (add != nullptr) x = x + load_first(add + n, left);
      store_first(out + n, x, left);
    }
  }
}
template <class S>
void finish(const Epilogue<S>& end, Index rows, Index columns, S* c, Index c_stride) {
  const auto run = [&](auto f) { f(end, rows, columns, c, c_stride); };
  switch (end.activation) {
    case Activation::none:
      if (end.alpha != S(1) || end.bias != nullptr || end.residual != nullptr) run(finish<S, Activation::none>);
      return;
    case Activation::relu:
      return run(finish<S, Activation::relu>);
    case Activation::gelu:
      return run(finish<S, Activation::gelu>);
    case Activation::gelu_tanh:
      return run(finish<S, Activation::gelu_tanh>);
    case Activation::silu:
      return run(finish<S, Activation::silu>);
  }
}

// A tile that is wider than C has a place of its own: `columns` values of each row there and back.
template <class S>
void copy_tile(const S* from, Index from_stride, Index rows, Index columns, S* to, Index to_stride) {
  for (Index r = 0; r < rows; ++r)
    for (Index j = 0; j < columns; ++j) to[r * to_stride + j] = from[r * from_stride + j];
}

// A tile's lines of C, to be written: when it ends its stores would wait for those that come from memory, which is 4 to
// 7 % of a step's logits in f32 and 10 % in int8. Narrow models' C is in a cache.
inline constexpr Index ask_from = 320;  // columns of A
template <class S>
VITRINE_INLINE void ask_for_tile([[maybe_unused]] S* c, [[maybe_unused]] Index stride, [[maybe_unused]] Index rows,
                                 [[maybe_unused]] Index columns) {
#if VITRINE_VECTOR_BYTES != 0
  for (Index r = 0; r < rows; ++r)
    for (Index n = 0; n < columns; n += simd<S>::lanes) __builtin_prefetch(c + r * stride + n, 1);
#endif
}

// The loop of every product: panel by panel, tile by tile, the depth in blocks. `operands` knows what A and the panels
// hold: panel_columns(depth) steps of panel_width values' room are a panel, of which each but the first ones has
// step_columns columns; together(rows) panels are multiplied at once, `block` columns before the next panel, begin(k,
// count, rows) coming before them, and multiply(tile, row, k, rows, panels) sets a tile's rows of A and calls its
// micro-kernel. Inline: one frame on a small machine's stack.
template <class S, class Operands>
VITRINE_INLINE void multiply_panels(const Product<S>& product, Operands&& operands, Index rows, Index first_panel,
                                    Index last_panel) {
  using Kind = std::remove_reference_t<Operands>;
  constexpr Index width = panel_width<S>;
  const Index depth = product.depth, panel = width * Kind::panel_columns(depth);
  const Index tiles = (rows + tile_rows - 1) / tile_rows;
  const Index step = rows <= tile_rows ? (depth > 0 ? depth : 1) : Kind::block;  // few rows: one pass over the weights
  const bool in_registers =
      product.alpha == S(1) && (product.activation == Activation::none || product.activation == Activation::relu);
  S edge[tile_rows * width];  // a tile of the last panel, when it is wider than C
  for (Index k = 0; k == 0 || k < depth; k += step) {
    const Index block = depth - k < step ? depth - k : step, steps = block / Kind::step_columns;
    const bool last = k + block >= depth;
    operands.begin(k, block, rows);
    for (Index p = first_panel, together = 1; p < last_panel; p += together) {
      together = Kind::together(rows);
      while (p + together > last_panel || (together > 1 && (p + together) * width > product.columns)) together /= 2;
      const Index n = p * width, left = product.columns - n;
      const bool whole = left >= together * width, ends = last && whole && in_registers;
      const S* next = nullptr;  // each tile of this panel asks for its share of the next one
      if (tiles > 1 && p + together < last_panel)
        next = product.b + (p + together) * panel + k / Kind::step_columns * width;
      else if (tiles > 1)
        next = last ? product.next_weight : product.b + first_panel * panel + (k + block) / Kind::step_columns * width;
      TileProduct<S> tile;
      tile.b = product.b + p * panel + k / Kind::step_columns * width, tile.b_panel = panel, tile.b_step = width;
      tile.depth = block, tile.add_to_c = k > 0;
      tile.c_stride = whole ? product.c_stride : width;
      tile.ahead.step = next == nullptr ? 0 : (width + tiles - 1) / tiles;
      for (Index r = 0; r < rows; r += tile_rows) {
        const Index count = rows - r < tile_rows ? rows - r : tile_rows;
        S* const target = product.c + r * product.c_stride + n;
        Epilogue<S> end{product.alpha, product.bias, product.activation, product.residual, product.residual_stride};
        if (end.bias != nullptr) end.bias += n;
        if (end.residual != nullptr) end.residual += r * product.residual_stride + n;
        tile.c = whole ? target : edge;
        tile.ahead.from = next == nullptr ? nullptr : next + r / tile_rows * tile.ahead.step * steps;
        if (ends) tile.end = {end.bias, end.residual, end.residual_stride, end.activation == Activation::relu};
        if (!whole && k > 0) copy_tile(target, product.c_stride, count, left, edge, width);
        if (k == 0 && block >= ask_from) ask_for_tile(tile.c, tile.c_stride, count, together * width);
        operands.multiply(tile, r, k, count, together);
        if (!whole) copy_tile(edge, width, count, left, target, product.c_stride);
        if (last && !ends) finish(end, count, whole ? together * width : left, target, product.c_stride);
      }
    }
  }
}

// Values by panels of values. With room for it a block of an A whose rows collide is copied before many panels are
// multiplied with it.
template <class S>
struct Values {
  static constexpr Index step_columns = 1, block = depth_block;
  static constexpr Index panel_columns(Index depth) { return depth; }
  static constexpr Index together(Index rows) { return panels_at_once(rows); }

  const S* a = nullptr;
  Index stride = 0;
  S* copies = nullptr;            // null: none are made
  bool copied = false;            // the first block's are there
  const S* block_rows = nullptr;  // of this block, and how far apart
  Index block_stride = 0;

  void begin(Index k, Index count, Index rows) {
    block_rows = a + k, block_stride = stride;
    if (copies == nullptr || count < copy_from) return;
    if (!copied)
      for (Index r = 0; r < rows; ++r) copy(block_rows + r * stride, count, copies + r * copy_stride);
    block_rows = copies, block_stride = copy_stride;
  }
  void multiply(TileProduct<S>& tile, Index row, Index, Index rows, Index panels) const {
    tile.a = block_rows + row * block_stride, tile.a_stride = block_stride;
    multiply_rows(rows, panels, tile);
  }
};

}  // namespace detail

// Rows [0, rows) of the product by panels [first_panel, last_panel); alpha, bias, activation and residual come after
// the last k, each rounded. Writes no byte outside c and `a_copy`, reads none outside the operands. With `a_copy`, a
// block of an A whose rows collide is copied before many panels are multiplied with it (13 % at a width of 2048, where
// the copy takes 1 to 2 %).
template <class S>
void matmul(const Product<S>& product, Index rows, Index first_panel, Index last_panel) {
  const bool copies = rows_collide<S>(product.a_stride) && rows > tile_rows && last_panel - first_panel >= 4;
  detail::Values<S> values{.a = product.a, .stride = product.a_stride};
  if (copies) values.copies = product.a_copy, values.copied = product.a_copied && product.depth <= depth_block;
  detail::multiply_panels(product, values, rows, first_panel, last_panel);
}

}  // namespace vitrine::inline VITRINE_ABI::kernels

#include <vitrine/core/macros_pop.hpp>
