// Eigen's own default order would be read transposed.
// expect: vitrine: an Eigen input must be RowMajor (Eigen::Matrix<S, Dynamic, Dynamic, Eigen::RowMajor>)
#include <vitrine/vitrine.hpp>

#ifdef FIXED
using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
#else
using Matrix = Eigen::MatrixXf;
#endif

vt::Index rows(const vt::EncoderLayer<float>& layer, const Matrix& x) {
  const auto result = layer(x);
  return result.output.rows();
}
