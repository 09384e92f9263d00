// A floating-point mask is added; it is not a set of flags.
// expect: vitrine: a mask of flags is of bool or of integers of 1, 4 or 8 bytes
#include <vitrine/vitrine.hpp>

vt::Mask<float> all(const float* values, vt::Index length) {
#ifdef FIXED
  return vt::additive_bias(values, length, length);
#else
  return vt::keep_matrix(values, length, length);
#endif
}
