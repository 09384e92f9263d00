// Attention with heads and a causal mask in plain loops: 40 lines of code under the paper's equations (Vaswani et al.
// 2017, section 3.2). The last lines ask vitrine for the same input's map and print the largest difference.
#include <vitrine/vitrine.hpp>

#include <cmath>
#include <iostream>

int main() {
  std::cerr << vt::build_info().data() << '\n';
  using Matrix = vt::RowMajor<double>;
  constexpr int tokens = 6, width = 8, heads = 2, head_width = width / heads;
  Matrix x = Matrix::Random(tokens, width), in = Matrix::Random(3 * width, width), out = Matrix::Random(width, width);

  // Q = x W_Q,  K = x W_K,  V = x W_V. PyTorch keeps the three transposed, one below the other: in_proj_weight.
  Matrix qkv = Matrix::Zero(tokens, 3 * width);
  for (int t = 0; t < tokens; ++t)
    for (int c = 0; c < 3 * width; ++c)
      for (int i = 0; i < width; ++i) qkv(t, c) += x(t, i) * in(c, i);

  Matrix map[heads], context = Matrix::Zero(tokens, width), output = context;
  for (int h = 0; h < heads; ++h) {  // a head sees its own columns of Q, K and V, and no others
    const int q = h * head_width, k = q + width, v = k + width;
    map[h] = Matrix::Zero(tokens, tokens);
    for (int t = 0; t < tokens; ++t) {
      // scores = Q K^T / sqrt(d_k); a mask of minus infinity on later tokens is to leave them out
      for (int s = 0; s <= t; ++s)
        for (int i = 0; i < head_width; ++i) map[h](t, s) += qkv(t, q + i) * qkv(s, k + i) / std::sqrt(head_width);
      // softmax(scores)_s = exp(scores_s) / sum over s of exp(scores_s); less the maximum, no exp overflows
      const double most = map[h].row(t).head(t + 1).maxCoeff();
      double sum = 0;
      for (int s = 0; s <= t; ++s) sum += map[h](t, s) = std::exp(map[h](t, s) - most);
      for (int s = 0; s <= t; ++s) map[h](t, s) /= sum;
      // Attention(Q, K, V) = softmax(Q K^T / sqrt(d_k)) V
      for (int s = 0; s <= t; ++s)
        for (int i = 0; i < head_width; ++i) context(t, q + i) += map[h](t, s) * qkv(s, v + i);
    }
  }
  // MultiHead(Q, K, V) = Concat(head_1, ..., head_h) W_O
  for (int t = 0; t < tokens; ++t)
    for (int c = 0; c < width; ++c)
      for (int i = 0; i < width; ++i) output(t, c) += context(t, i) * out(c, i);

  vt::MultiheadAttention<double> layer({.embed_dim = width, .num_heads = heads, .bias = false});
  vt::throw_if_failed(layer.bind("in_proj_weight", {in.data(), std::size_t(in.size())}));
  vt::throw_if_failed(layer.bind("out_proj.weight", {out.data(), std::size_t(out.size())}));
  const auto r = layer(x, {.mask = vt::causal()});
  double worst = (r.output.matrix() - output).cwiseAbs().maxCoeff();
  for (int h = 0; h < heads; ++h) worst = std::fmax(worst, (r.self_attn.matrix(0, h) - map[h]).cwiseAbs().maxCoeff());
  std::cout << "head 0 attends to:\n" << map[0].format(Eigen::IOFormat(2)) << '\n';
  std::cout << "largest difference from vitrine's output and maps: " << worst << '\n';
  return worst <= 1e-6 ? 0 : 1;
}
