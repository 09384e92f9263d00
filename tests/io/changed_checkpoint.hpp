// A golden model's folder with its tensors, their types and names, or its config.json changed.
#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>
#include <vitrine/core/half.hpp>
#include <vitrine/io/checkpoint.hpp>
#include <vitrine/io/safetensors_writer.hpp>

#include "scratch.hpp"

struct Changed {
  Scratch scratch;
  struct Tensor {
    std::vector<vitrine::Index> shape;
    std::vector<float> values;
  };
  std::map<std::string, Tensor> tensors;
  nlohmann::json config;
  explicit Changed(const std::filesystem::path& original)
      : config(nlohmann::json::parse(read_text(original / "config.json"))) {
    const vitrine::SafeTensors file(original);
    for (const vitrine::TensorView& view : file.tensors()) tensors[view.name] = {view.shape, view.to_vector<float>()};
  }
  // Replaces `from` in all names that hold it.
  void rename(const std::string& from, const std::string& to) {
    std::map<std::string, Tensor> renamed;
    for (const auto& [name, tensor] : tensors) {
      std::string other = name;
      vitrine::detail::replace_first(other, from, to);
      renamed[other] = tensor;
    }
    tensors = renamed;
  }
  void put_before(const std::string& prefix) {
    std::map<std::string, Tensor> renamed;
    for (const auto& [name, tensor] : tensors) renamed[prefix + name] = tensor;
    tensors = renamed;
  }
  std::filesystem::path save(vitrine::DType type = vitrine::DType::F32, std::size_t shards = 1) const {
    scratch.write("config.json", config.dump());
    nlohmann::json map = nlohmann::json::object();
    for (std::size_t shard = 0; shard < shards; ++shard) {
      const std::string file = shards == 1 ? "model.safetensors" : "part" + std::to_string(shard) + ".safetensors";
      vitrine::SafeTensorsWriter writer(scratch / file);
      std::map<std::string, std::vector<std::uint16_t>> halves;
      std::size_t i = 0;
      for (const auto& [name, tensor] : tensors) {
        if (i++ % shards != shard) continue;
        map[name] = file;
        if (type == vitrine::DType::F32) {
          writer.add(name, tensor.shape, std::span<const float>(tensor.values));
          continue;
        }
        std::vector<std::uint16_t>& bits = halves[name];
        for (float value : tensor.values)
          bits.push_back(type == vitrine::DType::F16 ? vitrine::float_to_half(value)
                                                     : vitrine::float_to_bfloat16(value));
        writer.add(name, type, tensor.shape, std::as_bytes(std::span<const std::uint16_t>(bits)));
      }
      writer.finish();
    }
    if (shards > 1) scratch.write("model.safetensors.index.json", nlohmann::json{{"weight_map", map}}.dump());
    return scratch.folder;
  }
};

// The error's name of opening it as a model M.
template <class M>
std::string refusal(const Changed& folder, std::string* message = nullptr) {
  const std::filesystem::path path = folder.save();
  return error_of([&] { (void)vitrine::load_model<M>(path); }, message);
}
