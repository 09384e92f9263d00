// expect: vitrine: a vector or pointer has no columns: vt::Ragged<S>(data, columns, lengths)
#include <vector>
#include <vitrine/vitrine.hpp>

vt::Index rows(const vt::EncoderLayer<float>& layer, const std::vector<float>& x, const std::vector<vt::Index>& n) {
#ifdef FIXED
  const auto result = layer(vt::Ragged<float>(x.data(), 64, n));
#else
  const auto result = layer(vt::Ragged{x, n});
#endif
  return result.output.rows();
}
