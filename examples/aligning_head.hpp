// Which cross-attention head aligns, when nobody named one.
#pragma once
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <vector>

#include "letter_alignment.hpp"
#include "seq2seq_folder.hpp"

namespace translate {

namespace vt = vitrine;
using vt::Index;

struct Head {
  Index layer = -1, head = -1;
  bool known() const { return layer >= 0; }
  // Its cross map alone; a set of indices ends at 64 (vt::IndexSet), and with more layers or heads all are kept.
  vt::Selection selection() const {
    vt::Selection selection{.which = vt::Which::cross};
    if (layer < 64) selection.layers = {int(layer)};
    if (head < 64) selection.heads = {int(head)};
    return selection;
  }
};

// The head whose rows have the largest weights on these targets, end marks left out; `largest`: their mean.
inline Head surest_head(Seq2SeqFolder& folder, const vt::GenerationConfig& config, const vt::Tokens& sources,
                        const std::vector<std::vector<Index>>& targets, double& largest) {
  const auto scored = vt::score(folder.model(), folder.workspace(), sources, targets, config,
                                vt::keep::weights.only({.which = vt::Which::cross}));
  const auto& cross = scored.result.cross_attn;
  Head best;
  largest = -1;
  for (Index layer = 0; layer < cross.layers(); ++layer)
    for (Index head = 0; head < cross.heads(); ++head) {
      double sum = 0;
      Index rows = 0;
      for (Index b = 0; b < cross.batch(); ++b) {
        const auto map = cross[layer].matrix(b, head);
        for (Index t = 0; t + 1 < map.rows() && map.cols() > 1; ++t, ++rows)
          sum += double(map.row(t).head(map.cols() - 1).maxCoeff());
      }
      sum /= double(std::max<Index>(rows, 1));
      if (sum > largest) largest = sum, best = {layer, head};
    }
  return best;
}

// Measured on words.tsv where the folder of a spelling model has it, else the surest on these targets; says on stderr
// which and why.
inline Head aligning_head(Seq2SeqFolder& folder, const std::filesystem::path& path, const vt::GenerationConfig& config,
                          const vt::Tokens& sources, const std::vector<std::vector<Index>>& targets) {
  std::error_code failed;
  if (std::filesystem::exists(path / "words.tsv", failed) && folder.reader().vocabulary()) {
    const auto measured = letters::measure(folder.model(), folder.workspace(), *folder.reader().vocabulary(), config,
                                           letters::read_pairs(path / "words.tsv"));
    const letters::HeadMeasure best = measured.best();
    std::fprintf(
        stderr,
        "alignments: layer %td, head %td (%.1f %% of the phonemes of words.tsv on a letter that can spell them)\n",
        best.layer, best.head, 100 * best.plausible);
    return {best.layer, best.head};
  }
  double largest = 0;
  const Head best = surest_head(folder, config, sources, targets, largest);
  std::fprintf(stderr, "alignments: layer %td, head %td (its rows' largest weights are the largest: %.2f on average)\n",
               best.layer, best.head, largest);
  return best;
}

}  // namespace translate
