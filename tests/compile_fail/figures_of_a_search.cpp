// expect: vitrine: a search keeps maps
#include <vitrine/vitrine.hpp>

#include <vitrine/generate/generate.hpp>

void search(const vt::Seq2Seq<float>& model, vt::Workspace& workspace, const vt::Tokens& sources) {
#ifdef FIXED
  (void)vt::generate(model, workspace, sources, {}, vt::keep::head_mean);
#else
  (void)vt::generate(model, workspace, sources, {}, vt::keep::statistics);
#endif
}
