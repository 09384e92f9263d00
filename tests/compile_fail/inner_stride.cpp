// Every second value, as the real parts of complex numbers.
// expect: vitrine: the values of an Eigen input's row must stand side by side: no InnerStride
#include <vitrine/vitrine.hpp>

#ifdef FIXED
using Map = Eigen::Map<const vt::RowMajor<float>>;
#else
using Map = Eigen::Map<const vt::RowMajor<float>, 0, Eigen::InnerStride<2>>;
#endif

vt::Index rows(const vt::EncoderLayer<float>& layer, const float* x) {
  const auto result = layer(Map(x, 6, 8));
  return result.output.rows();
}
