// A view of a temporary tensor, kept beyond the call that it was made for.
// expect: vitrine: this view would outlive the temporary that it points into; give the result a name first
#include <vitrine/vitrine.hpp>

vt::Index rows(const vt::EncoderLayer<float>& layer, const vt::Sequences<float>& x) {
#ifdef FIXED
  const auto result = layer(x);
  const auto mean = result.output.matrix(0);
#else
  const auto mean = vt::Tensor<float>(layer(x).output).matrix(0);
#endif
  return mean.rows();
}
