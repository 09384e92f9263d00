// expect: vitrine: an Eigen input must be RowMajor (Eigen::Matrix<S, Dynamic, Dynamic, Eigen::RowMajor>)
#include <vitrine/vitrine.hpp>

#ifdef FIXED
using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
#else
using Matrix = Eigen::MatrixXf;
#endif

vt::Index rows(const vt::EncoderLayer<float>& layer, const Matrix& x) {
  const auto result = layer(x.topRows(2));
  return result.output.rows();
}
