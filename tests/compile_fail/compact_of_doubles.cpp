// expect: vitrine: maps of double layers are stored as doubles: keep them with vt::keep::weights
#include <vitrine/vitrine.hpp>

#ifdef FIXED
using Scalar = float;
#else
using Scalar = double;
#endif

Scalar first_weight(const vt::EncoderLayer<Scalar>& layer, const vt::Sequences<Scalar>& x) {
  const auto result = layer(x, {}, vt::keep::weights.as<vt::MapStorage::f16>());
  return result.self_attn.matrix(0, 0)(0, 0);
}
