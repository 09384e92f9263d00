// The configuration of layers and stacks as JSON by PyTorch's names: what vt::save writes into a file's metadata, and
// vt::load compares (nhead, norm_first, activation and layer_norm_eps are not in a state_dict, and a wrong nhead fits
// every shape).
//
//   __metadata__ = {"module": "EncoderLayer", "config": "{\"d_model\": 64, \"nhead\": 4, ...}"}
//
//   vt::Encoder<float> encoder(vt::read_config<vt::StackConfig>(text, "model.safetensors"));
#pragma once
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vitrine/core/dims.hpp>
#include <vitrine/io/error.hpp>
#include <vitrine/io/safetensors_header.hpp>
#include <vitrine/layers/decoder_layer.hpp>
#include <vitrine/layers/encoder_layer.hpp>
#include <vitrine/layers/multihead_attention.hpp>
#include <vitrine/models/transformer.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

/// The name of a class in the metadata, "EncoderLayer" and so on; null for a class whose configuration is not kept
/// there.
template <class Layer>
inline constexpr const char* module_name = nullptr;
template <class S, Dims D>
inline constexpr const char* module_name<MultiheadAttention<S, D>> = "MultiheadAttention";
template <class S, Dims D>
inline constexpr const char* module_name<EncoderLayer<S, D>> = "EncoderLayer";
template <class S, Dims D>
inline constexpr const char* module_name<DecoderLayer<S, D>> = "DecoderLayer";
template <class S, Dims D>
inline constexpr const char* module_name<Encoder<S, D>> = "Encoder";
template <class S, Dims D>
inline constexpr const char* module_name<Decoder<S, D>> = "Decoder";
template <class S>
inline constexpr const char* module_name<Transformer<S>> = "Transformer";

/// AttentionConfig, LayerConfig, StackConfig or TransformerConfig from a JSON object. Options that are absent keep
/// their defaults, null is an absent width; `dropout` and `batch_first` change nothing here. Throws Error:
/// config_not_json, config_bad_value, nesting_too_deep, header_not_utf8, and config_unsupported for an option that is
/// not known, by its name.
template <class Config>
Config read_config(std::string_view text, const std::string& file);

/// The JSON object that read_config reads, all options by PyTorch's names; text on the heap.
template <class Config>
std::string write_config(const Config& config);

namespace detail {

// f(name, member) for every option.
template <class C, class F>
void layer_options(C& c, F&& f) {
  f("d_model", c.d_model);
  f("nhead", c.nhead);
  f("dim_feedforward", c.dim_feedforward);
  f("dropout", c.dropout);
  f("activation", c.activation);
  f("layer_norm_eps", c.layer_norm_eps);
  f("norm_first", c.norm_first);
  f("bias", c.bias);
}
template <class C, class F>
void visit_options(C& c, F&& f) {
  if constexpr (std::is_same_v<std::remove_const_t<C>, AttentionConfig>) {
    f("embed_dim", c.embed_dim);
    f("num_heads", c.num_heads);
    f("dropout", c.dropout);
    f("bias", c.bias);
    f("add_bias_kv", c.add_bias_kv);
    f("add_zero_attn", c.add_zero_attn);
    f("kdim", c.kdim);
    f("vdim", c.vdim);
  } else if constexpr (std::is_same_v<std::remove_const_t<C>, StackConfig>) {
    layer_options(c.layer, f);
    f("num_layers", c.num_layers);
    f("final_norm", c.final_norm);
    f("final_norm_eps", c.final_norm_eps);
    f("final_norm_bias", c.final_norm_bias);
  } else {
    layer_options(c, f);
    if constexpr (std::is_same_v<std::remove_const_t<C>, TransformerConfig>) {
      f("num_encoder_layers", c.num_encoder_layers);
      f("num_decoder_layers", c.num_decoder_layers);
    }
  }
}

[[noreturn]] inline void bad_option(const std::string& file, const std::string& option, const nlohmann::json& value,
                                    const char* wanted) {
  throw Error(
      LoadError::config_bad_value, file,
      concat("its configuration has ", in_quotes(option), " = ", in_quotes(value.dump()), ", which is not ", wanted));
}
inline void read_option(const nlohmann::json& value, Index& option, const std::string& name, const std::string& file) {
  if (value.is_null()) {
    option = Dynamic;
    return;
  }
  // Layers are made before any tensor is looked at.
  const double most = name.starts_with("num_") && name.ends_with("layers") ? 1024 : 1e9;
  if (!value.is_number_integer() || value.get<double>() < 0 || value.get<double>() > most)
    bad_option(file, name, value, most < 1e9 ? "a number of layers up to 1024" : "a size");
  option = value.get<Index>();
}
inline void read_option(const nlohmann::json& value, double& option, const std::string& name, const std::string& file) {
  if (!value.is_number()) bad_option(file, name, value, "a number");
  option = value.get<double>();
}
inline void read_option(const nlohmann::json& value, bool& option, const std::string& name, const std::string& file) {
  if (!value.is_boolean()) bad_option(file, name, value, "true or false");
  option = value.get<bool>();
}
inline void read_option(const nlohmann::json& value, Activation& option, const std::string& name,
                        const std::string& file) {
  const std::string* text = value.get_ptr<const std::string*>();
  if (text == nullptr || !parse_activation(text->data(), Index(text->size()), option))
    bad_option(file, name, value, "an activation that vitrine has: relu, gelu, gelu_tanh, silu or none");
}

template <class T>
void read_option(const nlohmann::json& value, std::optional<T>& option, const std::string& name,
                 const std::string& file) {
  option.reset();
  if (!value.is_null()) read_option(value, option.emplace(), name, file);
}

inline nlohmann::json parse_config(std::string_view text, const std::string& file) {
  check_json_text(text, 16, file);
  nlohmann::json config = nlohmann::json::parse(text, nullptr, false);
  if (!config.is_object())
    throw Error(LoadError::config_not_json, file, concat("its configuration is not a JSON object: ", in_quotes(text)));
  return config;
}

inline nlohmann::json option_json(Index value) { return value == Dynamic ? nlohmann::json() : nlohmann::json(value); }
inline nlohmann::json option_json(double value) { return value; }
inline nlohmann::json option_json(bool value) { return value; }
inline nlohmann::json option_json(Activation value) { return name(value); }

template <class Config>
nlohmann::json config_json(const Config& config) {
  nlohmann::json json = nlohmann::json::object();
  visit_options(config, [&]<class T>(const char* name, const T& value) {
    if constexpr (requires { value.has_value(); }) {
      if (value) json[name] = option_json(*value);  // what is not chosen is not written
    } else {
      json[name] = option_json(value);
    }
  });
  return json;
}

/// The key under which the file states an option that is compared; empty where it does not.
inline std::string stated(const nlohmann::json& given, const nlohmann::json& own, const std::string& name) {
  if (given.contains(name)) return name;
  if (name == "d_model" && given.contains("embed_dim")) return "embed_dim";
  if (name == "nhead" && given.contains("num_heads")) return "num_heads";
  // The layer's final norm has an option of its own, and the file's the layers'.
  if (name == "final_norm_eps" && own.contains(name) && given.contains("layer_norm_eps")) return name;
  if (name == "final_norm_bias" && own.contains(name) && given.contains("bias")) return name;
  return {};
}

/// One disagreement for each option that both configurations have and that differs, with both values. The kinds may
/// differ: a layer can come out of a stack's file.
inline std::string config_differences(const std::string& module, std::string_view text, const std::string& own_module,
                                      const nlohmann::json& own, const std::string& file) {
  nlohmann::json theirs;
  if (module == "MultiheadAttention")
    theirs = config_json(read_config<AttentionConfig>(text, file));
  else if (module == "EncoderLayer" || module == "DecoderLayer")
    theirs = config_json(read_config<LayerConfig>(text, file));
  else if (module == "Encoder" || module == "Decoder")
    theirs = config_json(read_config<StackConfig>(text, file));
  else if (module == "Transformer")
    theirs = config_json(read_config<TransformerConfig>(text, file));
  else
    return {};
  const auto canonical = [](const nlohmann::json& json) {
    std::map<std::string, nlohmann::json> options;
    for (const auto& [name, value] : json.items())
      options[name == "embed_dim" ? "d_model" : name == "num_heads" ? "nhead" : name] = value;
    // An absent width is the model's own.
    for (const char* width : {"kdim", "vdim"})
      if (options.contains(width) && options[width].is_null()) options[width] = options["d_model"];
    if (options.contains("final_norm")) {  // a norm without options of its own has the layers'
      options.try_emplace("final_norm_eps", options["layer_norm_eps"]);
      options.try_emplace("final_norm_bias", options["bias"]);
    }
    options.erase("dropout");
    return options;
  };
  std::string text_of_all;
  const auto mine = canonical(own), other = canonical(theirs);
  const nlohmann::json given = parse_config(text, file);
  for (const auto& [name, value] : mine) {
    const auto found = other.find(name);
    const bool of_stacks = name == "num_layers" || name.starts_with("final_norm");
    if (found == other.end() || (module != own_module && of_stacks)) continue;
    const std::string spelled = stated(given, own, name);
    if (spelled.empty()) continue;
    const bool same = value.is_number_float() && found->second.is_number_float()
                          ? float(value.get<double>()) == float(found->second.get<double>())
                          : value == found->second;
    if (!same)
      text_of_all += concat(text_of_all.empty() ? "" : "; ", spelled, " is ", found->second.dump(),
                            " in the file's configuration and ", value.dump(), " in the layer's");
  }
  return text_of_all;
}

}  // namespace detail

template <class Config>
Config read_config(std::string_view text, const std::string& file) {
  const nlohmann::json json = detail::parse_config(text, file);
  Config config;
  std::map<std::string, bool> known = {{"batch_first", true}};
  detail::visit_options(config, [&](const char* name, auto& value) {
    known[name] = true;
    if (json.contains(name)) detail::read_option(json[name], value, name, file);
  });
  for (const auto& [name, value] : json.items())
    if (!known.contains(name))
      throw Error(LoadError::config_unsupported, file,
                  detail::concat("its configuration has the option ", detail::in_quotes(name),
                                 ", which this version does not know"));
  return config;
}

template <class Config>
std::string write_config(const Config& config) {
  return detail::config_json(config).dump();
}

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
