// expect: vitrine: keep::statistics stores no maps; ask for them with vt::keep::weights
#include <vitrine/vitrine.hpp>

float first_weight(const vt::EncoderLayer<float>& layer, const vt::Sequences<float>& x) {
#ifdef FIXED
  const auto result = layer(x, {}, vt::keep::weights);
#else
  const auto result = layer(x, {}, vt::keep::statistics);
#endif
  return result.self_attn.matrix(0, 0)(0, 0);
}
