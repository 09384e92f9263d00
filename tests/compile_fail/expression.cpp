// A sum of matrices is numbers only once it is stored.
// expect: vitrine: an Eigen expression has no rows in memory: give it a name first, as a RowMajor matrix
#include <vitrine/vitrine.hpp>

using Matrix = vt::RowMajor<float>;

vt::Index rows(const vt::EncoderLayer<float>& layer, const Matrix& x) {
#ifdef FIXED
  const Matrix sum = x + x;
  const auto result = layer(sum);
#else
  const auto result = layer(x + x);
#endif
  return result.output.rows();
}
