#include <vitrine/core/heap.hpp>
#include <vitrine/kernels/batched_matmul.hpp>

#include "../support/product.hpp"

#include <doctest/doctest.h>

#include <limits>

namespace {

using namespace support::product;
using vitrine::Status;
namespace kernels = vitrine::kernels;

constexpr Index awkward[] = {1, 3, 7, 8, 15, 16, 17, 31, 33, 64, 65};
constexpr Index batch = 2;

// A (batch, rows, depth) times B (batch, depth, columns), element by element.
template <class S>
struct Problem {
  Index rows, columns, depth;
  std::vector<S> a, b, sums;
  Problem(Index m, Index n, Index k)
      : rows(m), columns(n), depth(k), a(values<S>(batch * m * k, 1)), b(values<S>(batch * k * n, 2)) {
    for (Index i = 0; i < batch; ++i)
      for (Index r = 0; r < m; ++r)
        for (Index c = 0; c < n; ++c)
          sums.push_back(chain<S>(
              k, [&](Index j) { return a[std::size_t((i * m + r) * k + j)]; },
              [&](Index j) { return b[std::size_t((i * k + j) * n + c)]; }));
  }
  // The same matrices with rows and columns exchanged in memory.
  static std::vector<S> transposed(const std::vector<S>& from, Index m, Index n) {
    std::vector<S> to(from.size());
    for (Index i = 0; i < batch; ++i)
      for (Index r = 0; r < m; ++r)
        for (Index c = 0; c < n; ++c) to[std::size_t((i * n + c) * m + r)] = from[std::size_t((i * m + r) * n + c)];
    return to;
  }
  kernels::BatchedProduct<S> product(std::vector<S>& c) const {
    c.assign(std::size_t(batch * rows * columns), S(77));
    kernels::BatchedProduct<S> p;
    p.batch = batch, p.rows = rows, p.columns = columns, p.depth = depth;
    p.a = {a.data(), rows * depth, depth};
    p.b = {b.data(), depth * columns, columns};
    p.c = c.data(), p.c_batch_stride = rows * columns, p.c_row_stride = columns;
    return p;
  }
};

vitrine::Workspace team(int threads) {
  vitrine::Workspace workspace(vitrine::heap(), threads);
  workspace.parallel_from(0);
  return workspace;
}

}  // namespace

TEST_CASE_TEMPLATE("plain, transposed and packed operands give one result, a chain of fma, on one thread and on three",
                   S, float, double) {
  auto one = team(1), three = team(3);
  for (const Index rows : awkward)
    for (const Index columns : awkward)
      for (const Index depth : awkward) {
        const Problem<S> problem(rows, columns, depth);
        const auto a = Problem<S>::transposed(problem.a, rows, depth),
                   b = Problem<S>::transposed(problem.b, depth, columns);
        const Index packed_size = kernels::packed_size<S>(columns, depth);
        std::vector<S> panels(std::size_t(batch * packed_size)), c;
        for (Index i = 0; i < batch; ++i)
          kernels::pack_matrix<S>({problem.b.data() + i * depth * columns, 0, columns}, depth, columns,
                                  panels.data() + i * packed_size);
        for (int form = 0; form < 6; ++form) {
          auto product = problem.product(c);
          if (form % 2 == 1) product.a = {a.data(), rows * depth, 1, rows};
          if (form / 2 == 1) product.b = {b.data(), depth * columns, 1, depth};
          if (form / 2 == 2) product.b = {}, product.b_panels = panels.data(), product.b_panels_stride = packed_size;
          const bool parallel = (rows + columns + depth + form) % 97 == 0;
          const Status status = kernels::batched_matmul(product, parallel ? three : one);
          if (status != Status::ok || !same(c.data(), problem.sums.data(), batch * rows * columns)) {
            CAPTURE(rows);
            CAPTURE(columns);
            CAPTURE(depth);
            CAPTURE(form);
            CHECK(false);
          }
        }
      }
}

TEST_CASE_TEMPLATE("large products are divided among threads by rows and columns without a change of bits", S, float,
                   double) {
  for (const Index rows : {1, 40, 230})
    for (const Index columns : {70, 330})
      for (const Index depth : {513, 1100}) {
        const Problem<S> problem(rows, columns, depth);
        for (const int threads : {1, 2, 5}) {
          auto workspace = team(threads);
          std::vector<S> c;
          CHECK(kernels::batched_matmul(problem.product(c), workspace) == Status::ok);
          CHECK(same(c.data(), problem.sums.data(), batch * rows * columns));
        }
      }
}

TEST_CASE_TEMPLATE("all epilogues, each rounded, with strides", S, float, double) {
  auto workspace = team(1);
  for (const Index rows : {1, 3, 17, 31})
    for (const Index columns : {1, 16, 33, 65})
      for (const Index depth : {8, 33, 520}) {
        const Problem<S> problem(rows, columns, depth);
        const Index stride = columns + 3;
        const auto bias = values<S>(batch * columns, 3), residual = values<S>(batch * rows * stride, 4);
        for (const Activation activation :
             {Activation::none, Activation::relu, Activation::gelu, Activation::gelu_tanh, Activation::silu})
          for (int kind = 0; kind < 12; ++kind) {
            std::vector<S> c;
            auto product = problem.product(c);
            c.assign(std::size_t(batch * rows * stride), S(77));
            product.c = c.data(), product.c_batch_stride = rows * stride, product.c_row_stride = stride;
            product.activation = activation;
            if (kind & 1) product.alpha = S(0.7);
            if (kind & 2)
              product.residual = residual.data(), product.residual_batch_stride = rows * stride,
              product.residual_row_stride = stride;
            const Index bias_stride = kind / 4 == 2 ? columns : 0;
            if (kind / 4 > 0) product.bias = bias.data(), product.bias_batch_stride = bias_stride;
            CHECK(kernels::batched_matmul(product, workspace) == Status::ok);
            bool right = true;
            for (Index row = 0; row < batch * rows; ++row)
              for (Index n = 0; n < stride; ++n) {
                const Index at = row * stride + n;
                const S expected =
                    n >= columns ? S(77)
                                 : epilogue(problem.sums[std::size_t(row * columns + n)], product.alpha,
                                            kind / 4 > 0 ? &bias[std::size_t(row / rows * bias_stride + n)] : nullptr,
                                            activation, kind & 2 ? &residual[std::size_t(at)] : nullptr);
                right = right && same(&c[std::size_t(at)], &expected, 1);
              }
            if (!right) {
              CAPTURE(rows);
              CAPTURE(columns);
              CAPTURE(depth);
              CAPTURE(kind);
              CAPTURE(vitrine::name(activation));
              CHECK(false);
            }
          }
      }
}

TEST_CASE_TEMPLATE("a batch stride of 0 is one matrix for all, copied once", S, float, double) {
  const Problem<S> problem(5, 40, 20);
  const auto a = Problem<S>::transposed(problem.a, 5, 20);
  auto workspace = team(2);
  std::vector<S> c, first(problem.sums.begin(), problem.sums.begin() + 5 * 40);
  for (const bool transposed : {false, true}) {
    auto product = problem.product(c);
    product.a = transposed ? kernels::Matrices<S>{a.data(), 0, 1, 5} : kernels::Matrices<S>{problem.a.data(), 0, 20};
    product.b.batch_stride = 0;
    CHECK(kernels::workspace_bytes(product) <= std::size_t(kernels::packed_size<S>(40, 20) + 5 * 20) * sizeof(S) + 192);
    CHECK(kernels::batched_matmul(product, workspace) == Status::ok);
    CHECK(same(c.data(), first.data(), 5 * 40));
    CHECK(same(c.data() + 5 * 40, first.data(), 5 * 40));
  }
}

TEST_CASE("wrong calls and missing room are answered; nothing to do is done") {
  auto workspace = team(1);
  const Problem<float> problem(4, 5, 6);
  std::vector<float> c;
  auto product = problem.product(c);
  for (Index kernels::BatchedProduct<float>::*extent :
       {&kernels::BatchedProduct<float>::batch, &kernels::BatchedProduct<float>::rows,
        &kernels::BatchedProduct<float>::columns, &kernels::BatchedProduct<float>::depth}) {
    product = problem.product(c);
    product.*extent = -1;
    CHECK(kernels::batched_matmul(product, workspace) == Status::bad_shape);
  }
  for (int operand = 0; operand < 3; ++operand) {
    product = problem.product(c);
    if (operand == 0) product.a.data = nullptr;
    if (operand == 1) product.b.data = nullptr;
    if (operand == 2) product.c = nullptr;
    CHECK(kernels::batched_matmul(product, workspace) == Status::bad_shape);
  }
  product = problem.product(c);
  product.c_row_stride = -4;
  CHECK(kernels::batched_matmul(product, workspace) == Status::bad_shape);
  product = problem.product(c);
  product.c_row_stride = 4;
  CHECK(kernels::batched_matmul(product, workspace) == Status::bad_shape);
  product = problem.product(c);
  std::byte little[64];
  vitrine::Workspace small(little);
  CHECK(kernels::batched_matmul(product, small) == Status::workspace_too_small);
  std::vector<std::byte> enough(kernels::workspace_bytes(product));
  vitrine::Workspace fitting(enough);
  CHECK(kernels::batched_matmul(product, fitting) == Status::ok);
  CHECK(same(c.data(), problem.sums.data(), batch * 4 * 5));

  product = problem.product(c);
  product.depth = 0;
  CHECK(kernels::batched_matmul(product, workspace) == Status::ok);
  CHECK(c == std::vector<float>(c.size(), 0.0f));
  for (int extent = 0; extent < 3; ++extent) {
    product = problem.product(c);
    (extent == 0 ? product.batch : extent == 1 ? product.rows : product.columns) = 0;
    CHECK(kernels::batched_matmul(product, workspace) == Status::ok);
    CHECK(c == std::vector<float>(c.size(), 77.0f));
  }
}

#ifdef SUPPORT_GUARD_PAGES
TEST_CASE_TEMPLATE("no byte outside the operands is touched", S, float, double) {
  auto workspace = team(1);
  for (const bool at_end : {true, false})
    for (const Index rows : {1, 3, 13, 25})
      for (const Index columns : {1, 17, 33, 65})
        for (const Index depth : {1, 9, 64})
          for (const bool transposed : {false, true}) {
            const Problem<S> problem(rows, columns, depth);
            const Guarded<S> a(transposed ? Problem<S>::transposed(problem.a, rows, depth) : problem.a, at_end),
                b(transposed ? Problem<S>::transposed(problem.b, depth, columns) : problem.b, at_end);
            std::vector<S> unused;
            auto product = problem.product(unused);
            const Guarded<S> c(unused, at_end), bias(std::vector<S>(std::size_t(columns), S(0)), at_end),
                residual(std::vector<S>(unused.size(), S(0)), at_end);
            REQUIRE(residual.data() != nullptr);
            product.a.data = a.data(), product.b.data = b.data();
            if (transposed)
              product.a = {a.data(), rows * depth, 1, rows}, product.b = {b.data(), depth * columns, 1, depth};
            product.c = c.data(), product.bias = bias.data();
            product.residual = residual.data(), product.residual_batch_stride = rows * columns;
            product.residual_row_stride = columns;
            CHECK(kernels::batched_matmul(product, workspace) == Status::ok);
            bool right = true;
            for (Index i = 0; i < batch * rows * columns; ++i)
              right = right && c.data()[i] == problem.sums[std::size_t(i)];
            CHECK(right);
          }
}
#endif

TEST_CASE("a product larger than any memory is bad_shape, and its workspace the largest size") {
  constexpr Index huge = Index{1} << (sizeof(Index) * 4);
  float value = 1;
  vitrine::Workspace workspace(vitrine::heap(), 1);
  for (int extent = 0; extent < 4; ++extent) {
    Index sizes[] = {huge, huge, huge, huge};
    sizes[extent] = 1;
    kernels::BatchedProduct<float> p;
    p.batch = sizes[0], p.rows = sizes[1], p.columns = sizes[2], p.depth = sizes[3];
    p.a = {&value, 0, 1, 1}, p.b = {&value, 0, 1, 1}, p.c = &value;
    p.c_row_stride = ~vitrine::sizes::largest;  // without its sign the largest there is
    CHECK(kernels::batched_matmul(p, workspace) == Status::bad_shape);
    CHECK(kernels::workspace_bytes(p) <= std::size_t(vitrine::sizes::largest));
  }
}
