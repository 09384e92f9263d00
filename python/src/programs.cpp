// The programs of examples/ as one, for the wheel: `programs translate ...` is build/examples/translate. What they have
// in common, which is most of them, is compiled once.
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

int main(int count, char** arguments) {
  constexpr struct {
    const char* name;
    int (*run)(int, char**);
  } programs[] = {
      {"align", align_program::main},     {"choose", choose_program::main},           {"generate", generate_main},
      {"inspect", inspect_program::main}, {"score_heads", score_heads_program::main}, {"translate", translate_main}};
  for (const auto& one : programs)
    if (count > 1 && std::strcmp(arguments[1], one.name) == 0) return one.run(count - 1, arguments + 1);
  for (const auto& one : programs) std::puts(one.name);
  return count > 1 ? 2 : 0;
}
