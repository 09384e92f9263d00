// Exercise 5: the mean over heads, which PyTorch returns by default.
//
// nn.MultiheadAttention(...)(x, x, x) returns one T x S map even with many heads: average_attn_weights=True. vitrine
// returns every head's map, or with vt::keep::head_mean the same mean. Fill in the function below; the program compares
// with vitrine and with the numbers that PyTorch 2.13 gave for this layer.
//
//     mean(t, s) = (map_0(t, s) + map_1(t, s) + ...) / H
//
// When it is right, look at row 1 of the three maps that it prints: what does the mean say, and does any head say so?
#include "exercise.hpp"

Matrix head_mean(const std::vector<Matrix>& maps);

#ifndef SOLVED
Matrix head_mean(const std::vector<Matrix>& maps) {
  return maps[0];  // <- your code instead of this line
}
#endif

// ---- What is checked ----
int main() {
  // Width 4, 2 heads, tokens are rows of the identity: column t of a weight is what token t gets.
  const std::vector<double> in{1, 4,   0, 0, 0, 3,   1, 0, 0, 3,   1, 0, 1, 4,   1, 0,   // queries
                               3, 1.7, 0, 0, 0, 1.7, 3, 0, 3, 1.7, 0, 0, 0, 1.7, 3, 0,   // keys
                               1, 0,   0, 0, 0, 1,   0, 0, 0, 0,   1, 0, 0, 0,   0, 1},  // values
      out{1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1};
  vt::MultiheadAttention<double> layer({.embed_dim = 4, .num_heads = 2, .bias = false});
  vt::throw_if_failed(layer.bind("in_proj_weight", in));
  vt::throw_if_failed(layer.bind("out_proj.weight", out));
  const Matrix x = Matrix::Identity(3, 4);
  Matrix torch(3, 3);  // nn.MultiheadAttention's second result
  torch << 0.36869572, 0.26260856, 0.36869572, 0.27292618, 0.45414764, 0.27292618, 0.18975607, 0.33072384, 0.47952009;

  const auto heads = layer(x);
  const auto mean = layer(x, {}, vt::keep::head_mean);
  const std::vector<Matrix> maps{heads.self_attn.matrix(0, 0), heads.self_attn.matrix(0, 1)};
  const Matrix got = head_mean(maps), expected = mean.self_attn.matrix(0);
  const std::string row = "row 1 of the mean: got " + (got.rows() > 1 ? text_of(got.row(1)) : "none") + ", expected " +
                          text_of(expected.row(1));
  if (same(got, maps[0])) wrong(row + ". This is head 0 alone");
  if (same(got, maps[1])) wrong(row + ". This is head 1 alone");
  if (same(got, maps[0] + maps[1])) wrong(row + ". This is the sum of the heads: a row sums to 2, not 1");
  if (same(got, maps[0].cwiseMax(maps[1]))) wrong(row + ". This is the larger of the heads' weights, not their mean");
  expect("the mean", got, expected);
  expect("PyTorch's mean", got, torch, 1e-8);

  std::printf("row 1 of head 0:   %s  looks most at token 0\n", text_of(maps[0].row(1)).c_str());
  std::printf("row 1 of head 1:   %s  looks most at token 2\n", text_of(maps[1].row(1)).c_str());
  std::printf("row 1 of the mean: %s  looks most at token 1, as neither head does\n", text_of(got.row(1)).c_str());
  return solved("your mean is PyTorch's default and vt::keep::head_mean; and a mean can point where no head points");
}
