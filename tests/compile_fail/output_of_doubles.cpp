// The output of a layer of doubles, given to one of floats.
// expect: vitrine: an input's numbers must be of the layer's type: convert them (x.cast<float>().eval())
#include <vitrine/vitrine.hpp>

#ifdef FIXED
using Scalar = float;
#else
using Scalar = double;
#endif

vt::Index rows(const vt::EncoderLayer<float>& layer, const vt::EncoderLayer<Scalar>& first,
               const vt::RowMajor<Scalar>& x) {
  const auto between = first(x);
  const auto result = layer(between.output);
  return result.output.rows();
}
