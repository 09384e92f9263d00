// Your first map: one layer, one call, three values.
#include <vitrine/vitrine.hpp>

#include <iostream>

int main() {
  std::cerr << vt::build_info().data() << '\n';
  vt::EncoderLayer<float> layer({.d_model = 64, .nhead = 4});
  vt::throw_if_failed(layer.init(1));  // random weights; vt::load reads trained ones

  const vt::RowMajor<float> x = vt::RowMajor<float>::Random(5, 64);  // 5 tokens
  const auto [output, self_attn, cross_attn] = layer(x, {.src_mask = vt::causal()});

  std::cout << "output: " << output.matrix().rows() << " x " << output.matrix().cols() << "\nhead 0 attends to:\n"
            << self_attn.matrix(0, 0) << '\n';  // sequence 0, head 0: each row sums to 1, no token sees a later one
}
