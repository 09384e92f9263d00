// Prints what this machine can do at most, as the other programs here measure it.
#include "flags.hpp"
#include "measure.hpp"

#include <iostream>

int main(int argc, char** argv) {
  using namespace bench;
  Index threads = vt::default_threads(), read_bytes = Index{256} << 20;
  std::vector<std::string> scalar{"float"};
  Flags flags(
      "peak: fused multiply-adds in registers (GFLOP/s, one counting 2), the micro-kernel alone in the first-level "
      "cache, and\nreading memory (GB/s), the best of many short bursts. One JSON object on stdout.\n\nusage: peak "
      "[flags]");
  flags.number("threads", threads, "threads");
  flags.choice("scalar", scalar, {"float", "double"}, "type of the numbers");
  flags.number("read_bytes", read_bytes, "size of the buffer that is read");
  if (const auto status = flags.parse(argc, argv)) return *status;
  std::fprintf(stderr, "%s\n", vt::build_info().data());
  try {
    Json json;
    const auto measure = [&] {
      return scalar[0] == "double" ? peak_gflops<double>(int(threads)) : peak_gflops<float>(int(threads));
    };
    json["peak_gflops"] = measure();
    json["tile_gflops"] = scalar[0] == "double" ? tile_gflops<double>(int(threads)) : tile_gflops<float>(int(threads));
    json["peak_read_gbps"] = peak_read_gbps(int(threads), std::size_t(read_bytes));
    json["peak_gflops"] = std::max(json["peak_gflops"].get<double>(), measure());
    json["scalar"] = scalar[0];
    json["threads"] = threads;
    json["build"] = vt::build_info().data();
    json["cpu"] = cpu_name();
    std::cout << json.dump(1) << std::endl;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 2;
  }
  return 0;
}
