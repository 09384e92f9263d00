// The same for the maps of one layer of a stack.
// expect: vitrine: this view would outlive the temporary that it points into; give the result a name first
#include <vitrine/vitrine.hpp>

float first_weight(const vt::Encoder<float>& encoder, const vt::Sequences<float>& x) {
#ifdef FIXED
  const auto result = encoder(x);
  const auto map = result.self_attn[0].matrix(0, 0);
#else
  const auto map = encoder(x).self_attn[0].matrix(0, 0);
#endif
  return map(0, 0);
}
