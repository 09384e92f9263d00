// expect: vitrine: a vector or pointer has no rows and columns: vt::Sequences<S>(data, batch, length, width)
#include <vector>
#include <vitrine/vitrine.hpp>

vt::Index rows(const vt::EncoderLayer<float>& layer, const std::vector<float>& x) {
#ifdef FIXED
  const auto result = layer(vt::Sequences<float>(x.data(), 1, vt::Index(x.size()) / 8, 8));
#else
  const auto result = layer(x);
#endif
  return result.output.rows();
}
