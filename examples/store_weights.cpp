// A checkpoint folder again, with its weights in bf16, f16 or int8.
//   build/examples/store_weights examples/models/g2p g2p-int8 --weights int8
#include <cstdio>
#include <exception>
#include <string>
#include <vector>
#include <vitrine/io/store_checkpoint.hpp>

#include "option_table.hpp"

int main(int count, char** arguments) {
  std::vector<std::string> folders, weights;
  OptionTable table("store_weights", "FOLDER TO --weights STORAGE",
                    "Writes the checkpoint in FOLDER to the folder TO, with its weights in another storage.\n",
                    "What else FOLDER holds is copied. Exit: 0; 2 for a bad option or file.\n");
  table.choice("--weights", "STORAGE",
               "bf16, f16 (which everything reads), int8 (which vitrine reads; see examples/loading.md),\n"
               "or f32, which widens them again",
               weights, {"f32", "int8", "bf16", "f16"}, false);
  table.others(folders);
  if (const auto status = table.parse(count, arguments)) return *status;
  vitrine::Storage storage = vitrine::Storage::f32;
  if (weights.empty() || !vitrine::parse_storage(weights[0].c_str(), storage))
    return table.wrong("--weights is needed");
  if (folders.size() != 2) return table.wrong("two folders are needed: the checkpoint, and the one to write");
  try {
    vitrine::store_checkpoint(folders[0], folders[1], storage);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "store_weights: %s\n", error.what());
    return 2;
  }
  return 0;
}
