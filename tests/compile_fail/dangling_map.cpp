// A map of a temporary result would point into freed memory.
// expect: vitrine: this view would outlive the temporary that it points into; give the result a name first
#include <vitrine/vitrine.hpp>

float first_weight(const vt::EncoderLayer<float>& layer, const vt::Sequences<float>& x) {
#ifdef FIXED
  const auto result = layer(x);
  const auto map = result.self_attn.matrix(0, 0);
#else
  const auto map = layer(x).self_attn.matrix(0, 0);
#endif
  return map(0, 0);
}
