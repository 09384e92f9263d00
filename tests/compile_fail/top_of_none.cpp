// expect: vitrine: keep::top<k> keeps at least one weight of each row
#include <vitrine/vitrine.hpp>

float largest(const vt::EncoderLayer<float>& layer, const vt::Sequences<float>& x) {
#ifdef FIXED
  const auto result = layer(x, {}, vt::keep::top<1>);
#else
  const auto result = layer(x, {}, vt::keep::top<0>);
#endif
  return result.self_attn.weights(0, 0)(0, 0);
}
