// mha(query, key, value) fills cross_attn.
// expect: vitrine: this layer has no such attention
#include <vitrine/vitrine.hpp>

float first_weight(const vt::MultiheadAttention<float>& mha, const vt::Sequences<float>& x) {
  const auto result = mha(x, x, x);
#ifdef FIXED
  return result.cross_attn.matrix(0, 0)(0, 0);
#else
  return result.self_attn.matrix(0, 0)(0, 0);
#endif
}
