// Golden cases of modules (fixtures: modules/*.safetensors): nn.MultiheadAttention, nn.Transformer and its parts.
#pragma once
#include "../../examples/module_case.hpp"
#include "report.hpp"

namespace golden {

template <class S>
void run_module_case(const std::filesystem::path& path, Report& report) {
  report.begin(path.string(), scalar_name<S>);
  const vt::SafeTensors file(path);
  module_case::Case<S> c(file);
  const auto results = module_case::run(c, vt::keep::weights, {}, true);
  const auto find = [&](std::string name) -> const module_case::Named<S>* {
    if (name == "weights_mean") name = "weights.mean";
    for (const auto& one : results)
      if (one.name == name) return &one;
    return nullptr;
  };
  for (const vt::TensorView& view : file.tensors()) {
    if (!view.name.starts_with("expect.")) continue;
    if (const auto* one = find(view.name.substr(7))) report.compare<S>(view, one->shape, one->values, tolerance<S>);
  }
  // vt::causal() gives the bits that the same mask gives as a matrix.
  bool causal = false;
  for (auto& mask : c.masks) causal = causal || mask.matrix_is_causal, mask.use_causal = true;
  if (causal) {
    const auto again = module_case::run(c, vt::keep::weights, {}, true);
    for (std::size_t i = 0; i < results.size(); ++i)
      if (again[i].values != results[i].values) report.fail(results[i].name + " differs with vt::causal()");
  }
  report.finish(file);
}

}  // namespace golden
