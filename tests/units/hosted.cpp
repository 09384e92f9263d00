// Much of generate, io and inspect, compiled in two ways and never run: which weak symbols do they share?
#include <vitrine/generate/generate.hpp>
#include <vitrine/inspect/export.hpp>
#include <vitrine/inspect/svg.hpp>
#include <vitrine/io/checkpoint.hpp>
#include <vitrine/vitrine.hpp>

namespace vt = vitrine;

extern "C" vt::Index hosted(const char* path, vt::Workspace& workspace, const std::vector<vt::Index>& ids,
                            const vt::GenerationConfig& config, const vt::inspect::Page& page) {
  const auto marian = vt::load_model<vt::Marian<float>>(path);
  const auto gpt2 = vt::load_model<vt::Gpt2<float>>(path);
  vt::Encoder<float> encoder({.layer = {.d_model = 16, .nhead = 2}, .num_layers = 2});
  vt::load(encoder, vt::SafeTensors(path));
  vt::save(encoder, path);
  vt::inspect::save_maps(path, page);
  vt::inspect::save_text(path, vt::inspect::statistics_csv(page));
  const vt::Tokens sources(ids);
  const auto read = vt::load_model<vt::Bert<float>>(path)(sources);
  return vt::generate(marian, workspace, sources, config, vt::keep::weights).hypotheses[0][0].ids[0] +
         vt::generate(gpt2, workspace, ids, config)[0].ids[0] +
         vt::Index(vt::score(marian, workspace, sources, {ids}, config).log_probs[0].size()) +
         read.output.matrix(0).rows();
}
