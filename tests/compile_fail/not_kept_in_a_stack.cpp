// expect: vitrine: this map was not kept; ask for it with vt::keep::weights
#include <vitrine/vitrine.hpp>

float first_weight(const vt::Decoder<float>& decoder, const vt::Sequences<float>& x) {
#ifdef FIXED
  const auto result = decoder(x, x);
#else
  const auto result = decoder(x, x, {}, vt::keep::nothing);
#endif
  return result.cross_attn[0].matrix(0, 0)(0, 0);
}
