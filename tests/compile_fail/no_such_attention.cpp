// An encoder has no cross-attention.
// expect: vitrine: this layer has no such attention
#include <vitrine/vitrine.hpp>

float first_weight(const vt::EncoderLayer<float>& layer, const vt::Sequences<float>& x) {
  const auto result = layer(x);
#ifdef FIXED
  return result.self_attn.matrix(0, 0)(0, 0);
#else
  return result.cross_attn.matrix(0, 0)(0, 0);
#endif
}
