// expect: vitrine: a compact map stores codes, not floats
#include <vitrine/vitrine.hpp>

const float* first_weight(const vt::EncoderResult<vt::keep::Compact<vt::MapStorage::u8>, float>& compact,
                          [[maybe_unused]] const vt::EncoderResult<vt::DefaultKeep, float>& floats) {
#ifdef FIXED
  static float copy[64];
  compact.self_attn.matrix(0, 0).copy_to(copy);
  return compact.self_attn.matrix(0, 0).rows() > 0 ? copy : floats.self_attn.matrix(0, 0).data();
#else
  return compact.self_attn.matrix(0, 0).data();
#endif
}
