// Hugging Face's config.json of Vit, by Transformers' names and defaults.
#pragma once
#include <tuple>
#include <utility>
#include <vitrine/io/config_family.hpp>
#include <vitrine/models/vit.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

/// ViT's config.json. Throws Error: config_mismatch for another model_type, config_bad_value, and config_unsupported
/// for a key that would change a result and is not honoured.
VitConfig vit_config(const ConfigFile& file);

// Transformers' ViTConfig.
inline constexpr ConfigFamily vit_family = {
    "vit", "ViT", {}, {{"pooler_act", "\"tanh\"", "another activation of the pooler"}}};

// ---- implementation

namespace detail {

/// Height and width: one number for both, or a list of the two.
inline std::pair<Index, Index> height_and_width(const ConfigFile& file, const char* key, Index otherwise) {
  const auto at = file.json().find(key);
  if (at == file.json().end()) return {otherwise, otherwise};
  const auto good = [](const nlohmann::json& one) {
    return one.is_number_integer() && one.get<double>() >= 1 && one.get<double>() <= double(most_width);
  };
  if (good(*at)) return {at->get<Index>(), at->get<Index>()};
  if (!at->is_array() || at->size() != 2 || !good((*at)[0]) || !good((*at)[1]))
    file.fail(LoadError::config_bad_value, concat("\"", key, "\" is ", in_quotes(at->dump(-1, ' ', true)),
                                                  ", not a whole number or a list of two, from 1 to ", most_width));
  return {(*at)[0].get<Index>(), (*at)[1].get<Index>()};
}

}  // namespace detail

inline VitConfig vit_config(const ConfigFile& file) {
  const FamilyKeys keys(file, vit_family);
  VitConfig c;
  c.hidden_size = keys.size("hidden_size", 768);
  c.num_hidden_layers = keys.size("num_hidden_layers", 12, most_layers);
  c.num_attention_heads = keys.size("num_attention_heads", 12, most_heads);
  c.intermediate_size = keys.size("intermediate_size", 3072, 4 * most_width);
  std::tie(c.image_height, c.image_width) = detail::height_and_width(file, "image_size", 224);
  std::tie(c.patch_height, c.patch_width) = detail::height_and_width(file, "patch_size", 16);
  c.num_channels = keys.size("num_channels", 3);
  c.hidden_act = keys.activation("hidden_act", "gelu");
  c.layer_norm_eps = keys.epsilon("layer_norm_eps", 1e-12);
  c.qkv_bias = keys.boolean("qkv_bias", true);
  c.pooler_output_size = c.hidden_size;  // 0 stands for null, as in Transformers
  if (file.has("pooler_output_size") && file.integer("pooler_output_size", {}, 0, most_width) > 0)
    c.pooler_output_size = file.integer("pooler_output_size");
  keys.require_divisible("hidden_size", c.hidden_size, "num_attention_heads", c.num_attention_heads);
  if (const Index width = c.hidden_size / c.num_attention_heads; file.integer("head_dim", width) != width)
    file.fail(LoadError::config_unsupported,
              detail::concat("\"head_dim\": ", file.integer("head_dim"), " is not supported (only ", width,
                             "): heads of a width of their own"));
  if (c.patches() == 0) file.fail(LoadError::config_bad_value, "\"patch_size\" is larger than \"image_size\"");
  return c;
}

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
