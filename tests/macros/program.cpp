// Numbers that must not depend on anybody's macros. check.sh compiles it without prelude.hpp, behind it, and with it
// between our headers and their use.
#include <vitrine/generate/scores.hpp>
#include <vitrine/models/bert.hpp>
#include <vitrine/vitrine.hpp>

#include <cstdio>

// What is hidden comes back behind a pair.
#ifndef near
#define near 31
#endif
#include <vitrine/core/macros_push.hpp>

#include <vitrine/core/macros_pop.hpp>
#ifndef near
#error "a macro did not come back"
#endif

#ifdef BETWEEN
#include "prelude.hpp"
#endif

namespace {

using Matrix = vt::RowMajor<float>;

Matrix some(vt::Index rows, vt::Index cols) {
  Matrix x(rows, cols);
  for (vt::Index i = 0; i < rows; ++i)
    for (vt::Index j = 0; j < cols; ++j) x(i, j) = float((7 * i + 3 * j) % 11 - 5) / 5;
  return x;
}
void print(const char* what, float x, float y, float z) {
  std::printf("%s %a %a %a\n", what, double(x), double(y), double(z));
}

}  // namespace

int main() {
  const Matrix q = some(3, 8), k = some(4, 8), v = some(4, 8);
  const auto heads = [](const Matrix& x) { return vt::heads_bhtd(x.data(), 1, 1, x.rows(), x.cols()); };
  vt::SdpaOptions<float> options;
  options.softcap = 2;
  const auto one = vt::scaled_dot_product_attention(heads(q), heads(k), heads(v), options);
  print("softcap", one.weights.matrix(0, 0)(0, 0), one.weights.matrix(0, 0)(1, 2), one.output.matrix(0)(2, 7));
  vt::EncoderLayer<float> layer(
      {.d_model = 16, .nhead = 4, .dim_feedforward = 32, .activation = vt::Activation::gelu_tanh});
  vt::throw_if_failed(layer.init(1));
  const auto r = layer(some(5, 16), {.src_mask = vt::causal() & vt::window(2, 0)}, vt::keep::statistics);
  print("layer", r.output.matrix(0)(0, 0), r.output.matrix(0)(4, 15), r.self_attn.entropy(0, 3)[4]);
  vt::DecoderLayer<double> decoder(
      {.d_model = 16, .nhead = 2, .dim_feedforward = 32, .activation = vt::Activation::gelu});
  vt::throw_if_failed(decoder.init(2));
  const vt::RowMajor<double> x = some(5, 16).cast<double>();
  const auto d = decoder(x, x);
  print("decoder", float(d.output.matrix(0)(0, 0)), float(d.self_attn.matrix(0, 1)(4, 3)),
        float(d.cross_attn.matrix(0, 0)(2, 2)));
  vt::Transformer<float> model({.d_model = 16, .nhead = 4, .num_encoder_layers = 1, .num_decoder_layers = 1});
  vt::throw_if_failed(model.init(3));
  const auto t = model(some(4, 16), some(3, 16));
  print("transformer", t.output.matrix(0)(2, 1), t.encoder.output.matrix(0)(3, 5), t.cross_attn[0].matrix(0, 3)(1, 1));
  float values[3] = {1, 2, 3};
  vt::log_softmax(values, 3, values);
  print("log_softmax", values[0], values[1], values[2]);
}
