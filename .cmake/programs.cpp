// The programs of examples/ in one unit: what they have in common, which is most of them, is compiled once. Each is
// then a launcher (program.cpp); Python's wheel has one for all (python/src/programs.cpp). Each source is a program by
// itself, too: Meson compiles them so.
#include "programs.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <memory>
#include <numeric>
#include <optional>
#include <vitrine/inspect/alignment.hpp>
#include <vitrine/inspect/csv.hpp>
#include <vitrine/inspect/head_scores.hpp>
#include <vitrine/inspect/symmetrize.hpp>
#include <vitrine/inspect/words.hpp>
#include <vitrine/vitrine.hpp>

#include "aligning_head.hpp"
#include "causal_folder.hpp"
#include "forced_pool.hpp"
#include "generate_options.hpp"
#include "inspect_models.hpp"
#include "maps_file.hpp"
#include "pool_program.hpp"
#include "reduced_maps.hpp"
#include "score_ablation.hpp"
#include "score_auc.hpp"
#include "score_ranking.hpp"
#include "seq2seq_folder.hpp"
#include "step_frames.hpp"
#include "translate_options.hpp"
#include "translate_text.hpp"

// All that they include is above, so that their own names, the same in each, can have a namespace around them.
namespace align_program {
#include "align.cpp"
}
namespace choose_program {
#include "choose.cpp"
}
namespace inspect_program {
#include "inspect.cpp"
}
namespace score_heads_program {
#include "score_heads.cpp"
}
// The names of these belong to the namespaces of their headers.
#define main generate_main
#include "generate.cpp"
#undef main
#define main translate_main
#include "translate.cpp"
#undef main

namespace programs {

std::span<const Program> all() {
  static constexpr Program list[] = {
      {"align", align_program::main},     {"choose", choose_program::main},           {"generate", generate_main},
      {"inspect", inspect_program::main}, {"score_heads", score_heads_program::main}, {"translate", translate_main}};
  return list;
}

int run(std::string_view name, int count, char** arguments) {
  for (const Program& one : all())
    if (one.name == name) return one.main(count, arguments);
  return -1;
}

}  // namespace programs
