// What nn.MultiheadAttention takes as attn_mask: it does not say whether it is added or kept.
// expect: vitrine: numbers alone do not say in whose sense they mask: vt::additive_bias(data, T, S)
#include <vitrine/vitrine.hpp>

vt::Index rows(const vt::EncoderLayer<float>& layer, const vt::Sequences<float>& x, const vt::RowMajor<float>& mask) {
#ifdef FIXED
  const auto result = layer(x, {.src_mask = vt::additive_bias(mask.data(), mask.rows(), mask.cols())});
#else
  const auto result = layer(x, {.src_mask = mask});
#endif
  return result.output.rows();
}
