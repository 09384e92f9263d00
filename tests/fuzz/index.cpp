#include <vitrine/io/safetensors.hpp>

#include "../io/scratch.hpp"
#include "targets.hpp"

namespace vt = vitrine;

void fuzz_index(std::string_view input) {
  static const Scratch scratch;
  static const bool shards = [] {
    scratch.write("a.safetensors", container(R"({"x":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})", "ab"));
    scratch.write("b.safetensors", container(R"({"y":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})"));
    return true;
  }();
  (void)shards;
  scratch.write("model.safetensors.index.json", std::string(input));
  refused([&] {
    const vt::SafeTensors file(scratch.folder);
    for (const vt::TensorView& view : file.tensors()) (void)view.to_vector<int>();
  });
}
