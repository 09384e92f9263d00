#include <vitrine/io/config.hpp>

#include "targets.hpp"

namespace vt = vitrine;

void fuzz_generation_config(std::string_view input) {
  refused([&] {
    const vt::GenerationConfig config = vt::generation_config(vt::ConfigFile(input, "generation_config.json"));
    const vt::Status status = vt::check(config, 100);
    if (status == vt::Status::ok && (config.limit() < 1 || config.num_beams < 1)) __builtin_trap();
  });
}
