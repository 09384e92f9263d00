// Vit from a Hugging Face checkpoint folder: whose tensors our parameters are. Part of io/checkpoint.hpp.
#pragma once
#include <filesystem>
#include <string>
#include <vitrine/io/load.hpp>
#include <vitrine/io/text_checkpoint.hpp>
#include <vitrine/io/vit_config.hpp>
#include <vitrine/models/vit.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::detail {

inline constexpr LayerNames vit_names = {"encoder.layer.",
                                         "attention.attention.query.",
                                         "attention.attention.key.",
                                         "attention.attention.value.",
                                         "attention.output.dense.",
                                         "intermediate.dense.",
                                         "output.dense.",
                                         "layernorm_before.",
                                         "layernorm_after."};

/// Vit, alone or under "vit." beside the head of a task, which is left out.
template <class M>
M load_vit(const std::filesystem::path& folder, LoadOptions options) {
  VitConfig config = vit_config(ConfigFile(folder / "config.json"));
  const SafeTensors file(folder);
  const std::string body = file.contains("vit.embeddings.cls_token") ? "vit." : "";
  config.pooler = file.contains(body + "pooler.dense.weight") || file.contains(body + "pooler.dense.bias");

  options.source = [&](const std::string& name) -> Source {
    if (name.starts_with("encoder.norm.")) return {{body + "layernorm." + name.substr(13)}};
    Source source{layer_tensors(name, "encoder.layers.", vit_names)};
    for (std::string& tensor : source.tensors) tensor.insert(0, body);
    if (name.ends_with("projection.weight"))
      source.shape = {config.hidden_size, config.num_channels, config.patch_height, config.patch_width};
    return source;
  };
  options.ignored = [&](const std::string& tensor) {  // of masked pixels, which are no argument here
    return tensor == body + "embeddings.mask_token";
  };
  options.left_out = [&](const std::string& tensor) {
    return !is_part(tensor, body, {"embeddings.", "encoder.", "layernorm.", "pooler."}) ||
           is_later_layer(tensor, body + "encoder.layer.", config.num_hidden_layers);
  };
  M model(config);
  load(model, file, "", options);
  return model;
}

}  // namespace vitrine::inline VITRINE_ABI::detail

#include <vitrine/core/macros_pop.hpp>
