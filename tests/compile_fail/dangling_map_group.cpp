// expect: vitrine: this view would outlive the temporary that it points into; give the result a name first
#include <vitrine/vitrine.hpp>

#include <vitrine/inspect/export.hpp>

vt::inspect::MapGroup group(const vt::Encoder<float>& encoder, const vt::Sequences<float>& x) {
#ifdef FIXED
  static const auto result = encoder(x);
  return vt::inspect::map_group("encoder", result.self_attn, 0, {"a"}, {"a"});
#else
  return vt::inspect::map_group("encoder", encoder(x).self_attn, 0, {"a"}, {"a"});
#endif
}
