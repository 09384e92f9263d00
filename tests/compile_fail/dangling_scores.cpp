// The same for the scores before softmax.
// expect: vitrine: this view would outlive the temporary that it points into; give the result a name first
#include <vitrine/vitrine.hpp>

float first_score(const vt::MultiheadAttention<float>& mha, const vt::Sequences<float>& x) {
#ifdef FIXED
  const auto result = mha(x, {}, vt::keep::scores);
  const auto map = result.self_attn.scores(0, 0);
#else
  const auto map = mha(x, {}, vt::keep::scores).self_attn.scores(0, 0);
#endif
  return map(0, 0);
}
