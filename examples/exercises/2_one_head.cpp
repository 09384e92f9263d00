// Exercise 2: one head.
//
// Each token asks with its query and is found by its key. The more the two agree, the larger their product, and softmax
// makes weights of each query's scores (Vaswani et al. 2017, equation 1):
//
//     weights = softmax(Q K^T / sqrt(d_k))            Q: T x d_k,   K: S x d_k,   weights: T x S, one row a query
//
// Fill in the function below; softmax_rows(scores) in exercise.hpp does the softmax. The program compares your map with
// the one that vitrine's layer returns for the same queries and keys.
#include "exercise.hpp"

Matrix attention_weights(const Matrix& queries, const Matrix& keys);

#ifndef SOLVED
Matrix attention_weights(const Matrix& queries, const Matrix& keys) {
  Matrix weights = Matrix::Zero(queries.rows(), keys.rows());
  // <- your code here
  return weights;
}
#endif

// ---- What is checked ----
int main() {
  // A layer with 2 heads of width 4; the queries and keys of its head 1 are columns 4 to 7 of x W^T.
  vt::MultiheadAttention<double> layer({.embed_dim = 8, .num_heads = 2, .bias = false});
  vt::throw_if_failed(layer.init(2));
  const Matrix x = 4 * Matrix::Random(3, 8), memory = Matrix::Random(5, 8);
  const auto r = layer(x, memory, memory);
  const Matrix expected = r.cross_attn.matrix(0, 1), in = parameter(layer, "in_proj_weight");
  const Matrix queries = x * in.middleRows(4, 4).transpose(), keys = memory * in.middleRows(12, 4).transpose();

  const Matrix got = attention_weights(queries, keys);
  if (same(got, expected)) return solved("your map of 3 queries and 5 keys is vitrine's, row by row");
  if (same(got.transpose(), expected)) wrong("the map is 5 x 3, turned on its side: a row is a query, a column a key");
  if (got.rows() == 3 && got.cols() == 5) {
    if (got.isZero())
      wrong("row 0 of the map: got " + text_of(got.row(0)) + ", expected " + text_of(expected.row(0)) +
            ". Nothing is computed yet");
    const Matrix scores = queries * keys.transpose();
    Matrix unscaled = scores, overscaled = scores / 4, weights = got;
    if (same(got, scores) || same(got, scores / 2))
      wrong("row 0 of the map: got " + text_of(got.row(0)) + ". These are scores: softmax_rows makes weights of them");
    softmax_rows(unscaled), softmax_rows(overscaled);
    if (same(got, unscaled))
      wrong("row 0 of the map: got " + text_of(got.row(0)) + ", expected " + text_of(expected.row(0)) +
            ". The scores were not divided by sqrt(d_k) = 2, so the rows are too sure of themselves");
    if (same(got, overscaled))
      wrong("row 0 of the map: got " + text_of(got.row(0)) + ", expected " + text_of(expected.row(0)) +
            ". The scores were divided by d_k = 4 instead of its root");
    for (Index i = 0; i < 3; ++i)
      if (!(std::abs(weights.row(i).sum() - 1) < 1e-9))
        wrong("row " + std::to_string(i) + " of the map sums to " + text(weights.row(i).sum()) +
              ": softmax goes along each row, over the keys of one query");
  }
  expect("the map", got, expected);
}
