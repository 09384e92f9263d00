// expect: vitrine: an input's numbers must be of the layer's type: convert them (x.cast<float>().eval())
#include <vitrine/vitrine.hpp>

vt::Index rows(const vt::EncoderLayer<float>& layer, const vt::RowMajor<double>& x) {
#ifdef FIXED
  const auto result = layer(x.cast<float>().eval());
#else
  const auto result = layer(x);
#endif
  return result.output.rows();
}
