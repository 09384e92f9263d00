// expect: vitrine: a picture needs maps; keep them with vt::keep::weights, vt::keep::scores or vt::keep::head_mean
#include <vitrine/vitrine.hpp>

#include <vitrine/inspect/export.hpp>

void picture(const vt::Encoder<float>& encoder, const vt::Sequences<float>& x) {
#ifdef FIXED
  const auto result = encoder(x, {}, vt::keep::head_mean);
#else
  const auto result = encoder(x, {}, vt::keep::statistics);
#endif
  (void)vt::inspect::map_group("encoder", result.self_attn, 0, {"a"}, {"a"});
}
