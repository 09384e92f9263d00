// expect: vitrine: a vector or pointer has no rows and columns: vt::Sequences<S>(data, batch, length, width)
#include <vitrine/vitrine.hpp>

vt::Index rows(const vt::Encoder<float>& encoder, const float* x) {
#ifdef FIXED
  const auto result = encoder(vt::Sequences<float>(x, 1, 5, 8));
#else
  const auto result = encoder(x);
#endif
  return result.output.rows();
}
