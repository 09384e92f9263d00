// expect: vitrine: this view would outlive the temporary that it points into; give the result a name first
#include <vitrine/vitrine.hpp>

std::span<const float> entropy(const vt::EncoderLayer<float>& layer, const vt::Sequences<float>& x) {
#ifdef FIXED
  static const auto result = layer(x, {}, vt::keep::statistics);
  return result.self_attn.entropy(0, 0);
#else
  return layer(x, {}, vt::keep::statistics).self_attn.entropy(0, 0);
#endif
}
