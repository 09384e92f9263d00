// run_module CASE.safetensors OUT.safetensors: runs a PyTorch module's forward on the inputs of a case and writes the
// output and all attention maps. A case is a bug report; module_case.hpp says
// what is in them. `__metadata__` "scalar" is "float" (or absent) or "double".
#include <cstdio>
#include <exception>
#include <string>

#include "module_case.hpp"
#include "option_table.hpp"

namespace vt = vitrine;

namespace {

constexpr const char* about =
    "Runs the PyTorch module whose configuration, parameters and inputs are in CASE (examples/module_case.hpp says "
    "what\n"
    "is in it: a bug report in one file) and writes its output and attention maps to OUT.\n";

template <class S>
void run(const vt::SafeTensors& file, const char* out) {
  const auto results = module_case::run(module_case::Case<S>(file));
  vt::SafeTensorsWriter writer(out);
  for (const auto& one : results) writer.add("result." + one.name, one.shape, std::span<const S>(one.values));
  writer.finish();
}

}  // namespace

int main(int count, char** arguments) {
  std::vector<std::string> files;
  OptionTable table("run_module", "CASE.safetensors OUT.safetensors", about,
                    "Exit: 0, or 2 for bad usage or a file that cannot be read.\n");
  table.others(files);
  if (const auto status = table.parse(count, arguments)) return *status;
  if (files.size() != 2) return table.wrong("it takes a case and a file for its results");
  try {
    const vt::SafeTensors file(files[0]);
    const auto scalar = file.metadata().find("scalar");
    if (scalar == file.metadata().end() || scalar->second == "float")
      run<float>(file, files[1].c_str());
    else if (scalar->second == "double")
      run<double>(file, files[1].c_str());
    else
      throw vt::Error(vt::LoadError::config_bad_value, file.file(), "its scalar is neither float nor double");
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  }
  return 0;
}
