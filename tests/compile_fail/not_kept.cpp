// What the policy did not keep cannot be read.
// expect: vitrine: this map was not kept; ask for it with vt::keep::weights
#include <vitrine/vitrine.hpp>

float first_weight(const vt::EncoderLayer<float>& layer, const vt::Sequences<float>& x) {
#ifdef FIXED
  const auto result = layer(x, {}, vt::keep::weights);
#else
  const auto result = layer(x, {}, vt::keep::nothing);
#endif
  return result.self_attn.matrix(0, 0)(0, 0);
}
