// expect: vitrine: an Eigen input must be RowMajor (Eigen::Matrix<S, Dynamic, Dynamic, Eigen::RowMajor>)
#include <vitrine/vitrine.hpp>

#ifdef FIXED
using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
#else
using Matrix = Eigen::MatrixXf;
#endif

vt::Index rows(const vt::EncoderLayer<float>& layer, const Matrix& packed, std::span<const vt::Index> lengths) {
  const auto result = layer(vt::Ragged(packed, lengths));
  return result.output.rows();
}
