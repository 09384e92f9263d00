// expect: vitrine: an Eigen expression has no rows in memory: give it a name first, as a RowMajor matrix
#include <vitrine/vitrine.hpp>

vt::Index rows(const vt::EncoderLayer<float>& layer, const vt::RowMajor<float>& x, std::span<const vt::Index> lengths) {
#ifdef FIXED
  const auto result = layer(vt::Ragged((2 * x).eval(), lengths));
#else
  const auto result = layer(vt::Ragged(2 * x, lengths));
#endif
  return result.output.rows();
}
