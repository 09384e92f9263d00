// expect: vitrine: only keep::weights can be stored as f16, bf16 or u8
#include <vitrine/vitrine.hpp>

float first_weight(const vt::EncoderLayer<float>& layer, const vt::Sequences<float>& x) {
#ifdef FIXED
  const auto result = layer(x, {}, vt::keep::weights.as<vt::MapStorage::u8>());
#else
  const auto result = layer(x, {}, vt::keep::scores.as<vt::MapStorage::u8>());
#endif
  return result.self_attn.matrix(0, 0)(0, 0);
}
