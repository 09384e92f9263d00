// batched_matmul: C[i] = act(alpha * A[i] * B[i] + bias) + residual[i], over a team of threads.
//
//   kernels::BatchedProduct<float> p{.batch = B, .rows = M, .columns = N, .depth = K};
//   p.a = {a, M * K, K};                     // {data, batch stride, row stride, column stride = 1}
//   p.b = {b, N * K, 1, K};                  // a transposed B: its strides exchanged, here of an (N, K) matrix
//   p.c = c, p.c_batch_stride = M * N, p.c_row_stride = N;
//   Status s = kernels::batched_matmul(p, workspace);
//
// B may be packed once and used often: kernels::pack_matrix, then .b_panels. The numbers are those of kernels::matmul,
// the canonical order of kernels/matmul.hpp, whatever the form of the operands and the number of threads.
#pragma once
#include <vitrine/core/memory.hpp>
#include <vitrine/core/parallel.hpp>
#include <vitrine/core/status.hpp>
#include <vitrine/core/workspace.hpp>
#include <vitrine/kernels/matmul.hpp>
#include <vitrine/kernels/panel.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::kernels {

// Matrices by strides, in values; element (r, c) of matrix i is data[i * batch_stride + r * row_stride + c *
// column_stride]. A batch stride of 0 is one matrix for all i; a transposed matrix has its two other strides exchanged.
template <class S>
struct Matrices {
  const S* data = nullptr;
  Index batch_stride = 0, row_stride = 0, column_stride = 1;
};

// One call. The rows of C and of the residual have adjacent columns; for a transposed C exchange the factors, each
// transposed. Strides may be negative.
template <class S>
struct BatchedProduct {
  Index batch = 1, rows = 0, columns = 0, depth = 0;
  Matrices<S> a = {};           // (rows, depth); used where it stands when its columns are adjacent
  Matrices<S> b = {};           // (depth, columns)
  const S* b_panels = nullptr;  // instead of b: what pack_matrix made of each
  Index b_panels_stride = 0;    // from one packed matrix to the next; 0: one for all
  S* c = nullptr;               // (rows, columns)
  Index c_batch_stride = 0, c_row_stride = 0;
  S alpha = S(1);
  const S* bias = nullptr;  // (columns), or null
  Index bias_batch_stride = 0;
  Activation activation = Activation::none;
  const S* residual = nullptr;  // (rows, columns), or null
  Index residual_batch_stride = 0, residual_row_stride = 0;
};

// Packs one (depth, columns) matrix into `out`, packed_size<S>(columns, depth) values. Allocates nothing.
template <class S>
void pack_matrix(const Matrices<S>& b, Index depth, Index columns, S* out) {
  constexpr Index width = panel_width<S>;
  for (Index p = 0; p < panel_count<S>(columns); ++p)
    pack_panel<S>({b.data, columns, b.column_stride, b.row_stride}, p * width, 0, depth, out + p * width * depth);
}

namespace detail {

// What a call copies before it multiplies: plain B into panels, and an A whose columns are not adjacent.
template <class S>
struct BatchedPlan {
  S *a = nullptr, *b = nullptr;
  Index a_count = 0, b_count = 0;  // matrices that are copied

  static constexpr BatchedPlan make(Arena& arena, const BatchedProduct<S>& p) {
    BatchedPlan plan;
    if (p.a.column_stride != 1 && p.depth > 1) plan.a_count = p.a.batch_stride == 0 ? 1 : p.batch;
    if (p.b_panels == nullptr) plan.b_count = p.b.batch_stride == 0 ? 1 : p.batch;
    plan.a = arena.take<S>(plan.a_count, p.rows, p.depth);
    plan.b = arena.take<S>(plan.b_count, sizes::round_up(p.columns, panel_width<S>), p.depth);
    return plan;
  }
};

template <class S>
Status check(const BatchedProduct<S>& p) {
  if (p.batch < 0 || p.rows < 0 || p.columns < 0 || p.depth < 0)
    return {Status::bad_shape, "a product's extents must not be negative"};
  if (p.batch == 0 || p.rows == 0 || p.columns == 0) return {};
  for (const Index values : {sizes::product(p.rows, p.columns), sizes::product(p.rows, p.depth),
                             sizes::product(sizes::round_up(p.columns, panel_width<S>), p.depth)})
    if (sizes::bytes_of<S>(values, p.batch) == std::size_t(sizes::largest))
      return {Status::bad_shape, "a product is larger than any memory (rows)", p.rows};
  if (p.c == nullptr || (p.depth > 0 && (p.a.data == nullptr || (p.b.data == nullptr && p.b_panels == nullptr))))
    return {Status::bad_shape, "a product has an operand without data"};
  const Index stride = sizes::distance(p.c_row_stride);
  if (p.rows > 1 && stride < p.columns)
    return {Status::bad_shape, "the rows of a product overlap: c_row_stride is less than columns", stride, p.columns};
  return {};
}

}  // namespace detail

// Bytes of workspace that a call needs: the size of a plain B in panels, and of an A whose columns are not adjacent.
template <class S>
constexpr std::size_t workspace_bytes(const BatchedProduct<S>& product) noexcept {
  Arena arena;
  (void)detail::BatchedPlan<S>::make(arena, product);
  return sizes::sum_of_bytes(arena.used(), alignment);
}

// C[i] = act(alpha * A[i] * B[i] + bias) + residual[i] for i = 0 ... batch - 1. alpha, bias, activation and residual
// are applied once, after the last k, each rounded. A depth of 0 is a product of zeros.
//
// C may not overlap an operand, the residual included (not checked). Allocates only to grow the workspace, before any
// work; reads and writes no value outside the extents. Runs on the workspace's threads, or on one where there are fewer
// multiply-adds than its parallel_from. bad_shape, workspace_too_small, out_of_memory.
template <class S>
Status batched_matmul(const BatchedProduct<S>& p, Workspace& workspace) noexcept {
  if (Status s = detail::check(p); s != Status::ok) return s;
  if (p.batch == 0 || p.rows == 0 || p.columns == 0) return {};
  Arena needed;
  (void)detail::BatchedPlan<S>::make(needed, p);
  if (Status s = workspace.reserve(needed.used()); s != Status::ok) return s;
  Arena arena(workspace.data());
  const auto plan = detail::BatchedPlan<S>::make(arena, p);

  constexpr Index width = panel_width<S>;
  const Index panels = panel_count<S>(p.columns), packed = packed_size<S>(p.columns, p.depth);
  const int threads = workspace.threads_for(double(p.batch) * double(p.rows) * double(p.columns) * double(p.depth));

  // An item: some tiles of rows, which stay in the second-level cache, by some panels; a few items for each thread.
  const Index tiles = (p.rows + tile_rows - 1) / tile_rows, row_blocks = (tiles + 7) / 8;
  Index column_blocks = threads == 1 ? 1 : (4 * threads - 1) / (p.batch * row_blocks) + 1;
  const Index fewest = panels_at_once(p.rows);  // panels of a block
  if (column_blocks > panels / fewest) column_blocks = panels > fewest ? panels / fewest : 1;

  run_team(threads, [&](Team& team) {
    team.for_each(plan.b_count * panels, [&](Index item) {
      const Index i = item / panels, panel = item % panels;
      pack_panel<S>({p.b.data + i * p.b.batch_stride, p.columns, p.b.column_stride, p.b.row_stride}, panel * width, 0,
                    p.depth, plan.b + i * packed + panel * width * p.depth);
    });
    team.for_each(plan.a_count * tiles, [&](Index item) {
      const Index i = item / tiles, first = item % tiles * tile_rows;
      const Index last = first + tile_rows < p.rows ? first + tile_rows : p.rows;
      const S* from = p.a.data + i * p.a.batch_stride;
      S* to = plan.a + i * p.rows * p.depth;
      for (Index k = 0; k < p.depth; ++k)
        for (Index r = first; r < last; ++r) to[r * p.depth + k] = from[r * p.a.row_stride + k * p.a.column_stride];
    });
    team.for_each(p.batch * row_blocks * column_blocks, [&](Index item) {
      const Index column = item % column_blocks, row = item / column_blocks % row_blocks;
      const Index i = item / column_blocks / row_blocks;
      const Index first = tiles * row / row_blocks * tile_rows, end = tiles * (row + 1) / row_blocks * tile_rows;
      Product<S> product;
      if (p.depth == 0) {
        product.a = p.c;  // of which no value is looked at; there may be no A
      } else if (plan.a_count > 0) {
        product.a = plan.a + (plan.a_count == 1 ? 0 : i) * p.rows * p.depth + first * p.depth;
        product.a_stride = p.depth;
      } else {
        product.a = p.a.data + i * p.a.batch_stride + first * p.a.row_stride;
        product.a_stride = p.a.row_stride;
      }
      product.b = plan.b_count > 0 ? plan.b + (plan.b_count == 1 ? 0 : i) * packed : p.b_panels + i * p.b_panels_stride;
      product.columns = p.columns, product.depth = p.depth;
      product.c = p.c + i * p.c_batch_stride + first * p.c_row_stride, product.c_stride = p.c_row_stride;
      product.alpha = p.alpha, product.activation = p.activation;
      if (p.bias != nullptr) product.bias = p.bias + i * p.bias_batch_stride;
      if (p.residual != nullptr)
        product.residual = p.residual + i * p.residual_batch_stride + first * p.residual_row_stride;
      product.residual_stride = p.residual_row_stride;
      matmul(product, (end < p.rows ? end : p.rows) - first, panels * column / column_blocks,
             panels * (column + 1) / column_blocks);
    });
  });
  return {};
}

}  // namespace vitrine::inline VITRINE_ABI::kernels

#include <vitrine/core/macros_pop.hpp>
