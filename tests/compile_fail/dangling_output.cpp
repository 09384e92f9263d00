// The same for the rows of an output.
// expect: vitrine: this view would outlive the temporary that it points into; give the result a name first
#include <vitrine/vitrine.hpp>

float first_value(const vt::EncoderLayer<float>& layer, const vt::Sequences<float>& x) {
#ifdef FIXED
  const auto result = layer(x);
  const auto rows = result.output.matrix();
#else
  const auto rows = layer(x).output.matrix();
#endif
  return rows(0, 0);
}
