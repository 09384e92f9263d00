// Text encoders (Bert and its kin) and Gpt2 from a Hugging Face checkpoint folder: whose tensors our parameters are.
// Part of io/checkpoint.hpp.
#pragma once
#include <filesystem>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vitrine/io/load.hpp>
#include <vitrine/io/safetensors.hpp>
#include <vitrine/io/text_config.hpp>
#include <vitrine/models/albert.hpp>
#include <vitrine/models/bert.hpp>
#include <vitrine/models/distilbert.hpp>
#include <vitrine/models/roberta.hpp>
#include <vitrine/models/xlm_roberta.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::detail {

/// Our names of the parts of an encoder layer, and a model's.
struct LayerNames {
  const char *layers, *query, *key, *value, *out, *linear1, *linear2, *norm1, *norm2;
};
inline constexpr LayerNames bert_names = {"encoder.layer.",        "attention.self.query.",       "attention.self.key.",
                                          "attention.self.value.", "attention.output.dense.",     "intermediate.dense.",
                                          "output.dense.",         "attention.output.LayerNorm.", "output.LayerNorm."};
inline constexpr LayerNames distilbert_names = {"transformer.layer.", "attention.q_lin.",   "attention.k_lin.",
                                                "attention.v_lin.",   "attention.out_lin.", "ffn.lin1.",
                                                "ffn.lin2.",          "sa_layer_norm.",     "output_layer_norm."};
inline constexpr LayerNames albert_names = {
    "",     "attention.query.", "attention.key.",       "attention.value.",      "attention.dense.",
    "ffn.", "ffn_output.",      "attention.LayerNorm.", "full_layer_layer_norm."};
// One tensor holds query, key and value.
inline constexpr LayerNames gpt2_names = {"h.",        "attn.c_attn.", "",      "",     "attn.c_proj.",
                                          "mlp.c_fc.", "mlp.c_proj.",  "ln_1.", "ln_2."};

/// The tensors of one parameter of a layer of ours, "layers.3.norm1.weight" and so on behind `ours`; any other name
/// stands for itself.
inline std::vector<std::string> layer_tensors(const std::string& name, std::string_view ours, const LayerNames& names) {
  if (!name.starts_with(ours)) return {name};
  const std::size_t dot = name.find('.', ours.size());
  const std::string number = name.substr(ours.size(), dot + 1 - ours.size()), part = name.substr(dot + 1);
  const std::string kind = part.ends_with("weight") ? "weight" : "bias", base = names.layers + number;
  if (part.starts_with("self_attn.in_proj_")) {
    if (*names.key == 0) return {base + names.query + kind};
    return {base + names.query + kind, base + names.key + kind, base + names.value + kind};
  }
  for (const auto& [own, theirs] :
       std::initializer_list<std::pair<const char*, const char*>>{{"self_attn.out_proj.", names.out},
                                                                  {"linear1.", names.linear1},
                                                                  {"linear2.", names.linear2},
                                                                  {"norm1.", names.norm1},
                                                                  {"norm2.", names.norm2}})
    if (part.starts_with(own)) return {base + theirs + kind};
  return {name};
}

/// A tensor's name, or what TensorFlow's checkpoints called it when the file has that: a norm's weight was its gamma,
/// its bias its beta.
inline std::string with_old_names(std::string name, const SafeTensors& file) {
  for (const auto& [now, before] : {std::pair{"LayerNorm.weight", "gamma"}, std::pair{"LayerNorm.bias", "beta"}}) {
    if (!name.ends_with(now) || file.contains(name)) continue;
    std::string old = name.substr(0, name.rfind('.') + 1) + before;
    if (file.contains(old)) return old;
  }
  return name;
}

/// Does the tensor belong to one of the parts of a model whose names begin with `body`? What does not is a task's head.
inline bool is_part(std::string_view tensor, std::string_view body, std::initializer_list<std::string_view> parts) {
  if (!tensor.starts_with(body)) return false;
  if (!body.empty()) return true;
  for (const std::string_view part : parts)
    if (tensor.starts_with(part)) return true;
  return false;
}

/// The tensors of one parameter of ALBERT: our layer is the first that uses the values of a group's inner layer.
inline std::vector<std::string> albert_tensors(const std::string& name, const TextEncoderConfig& config) {
  constexpr std::string_view ours = "encoder.layers.";
  if (!name.starts_with(ours)) return {name};
  const std::size_t dot = name.find('.', ours.size());
  const Index layer = std::stoi(name.substr(ours.size(), dot - ours.size()));
  const std::string inner = std::to_string(layer % config.inner_group_num),
                    group = std::to_string(config.group_of(layer / config.inner_group_num));
  std::vector<std::string> tensors = layer_tensors(concat(ours, inner, name.substr(dot)), ours, albert_names);
  for (std::string& tensor : tensors)
    tensor.insert(0, concat("encoder.albert_layer_groups.", group, ".albert_layers."));
  return tensors;
}

/// What sets the checkpoints of one family of text encoders apart.
struct TextEncoderFamily {
  const ConfigFamily* names;
  TextEncoderConfig (*config)(const ConfigFile& file);
  const char* prefix;  // of the model beside the heads of a task
  const char* stack;   // "encoder." or what stands for it
  const LayerNames* layers;
};
inline constexpr TextEncoderFamily text_encoder_families[] = {
    {&bert_family, bert_config, "bert.", "encoder.", &bert_names},
    {&distilbert_family, distilbert_config, "distilbert.", "transformer.", &distilbert_names},
    {&roberta_family, roberta_config, "roberta.", "encoder.", &bert_names},
    {&xlm_roberta_family, xlm_roberta_config, "roberta.", "encoder.", &bert_names},
    {&albert_family, albert_config, "albert.", "encoder.", &albert_names}};

/// A text encoder, alone or under its prefix beside the heads of a task, which are left out.
template <class M>
M load_text_encoder(const std::filesystem::path& folder, LoadOptions options) {
  const TextEncoderFamily* family = text_encoder_families;
  while (std::string_view(M::model_type) != family->names->model_type) ++family;
  TextEncoderConfig config = family->config(ConfigFile(folder / "config.json"));
  const SafeTensors file(folder);
  const std::string prefix = family->prefix;
  const std::string body = file.contains(prefix + "embeddings.word_embeddings.weight") ? prefix : "";
  const bool albert = family->layers == &albert_names, may_pool = config.pooler;
  const std::string pooler = albert ? "pooler." : "pooler.dense.";
  config.pooler = may_pool && (file.contains(body + pooler + "weight") || file.contains(body + pooler + "bias"));

  options.source = [&](const std::string& name) -> Source {
    if (name.starts_with("pooler.dense.")) return {{body + pooler + name.substr(13)}};
    Source source{albert ? albert_tensors(name, config) : layer_tensors(name, "encoder.layers.", *family->layers)};
    for (std::string& tensor : source.tensors) tensor = with_old_names(body + tensor, file);
    return source;
  };
  options.ignored = [&](const std::string& tensor) {
    return tensor == body + "embeddings.position_ids" || tensor == body + "embeddings.token_type_ids";
  };
  options.left_out = [&](const std::string& tensor) {
    return (!is_part(tensor, body, {"embeddings.", family->stack}) &&
            !(may_pool && is_part(tensor, body, {"pooler."}))) ||
           is_later_layer(tensor, concat(body, family->stack, "layer."), config.num_hidden_layers);
  };
  M model(config);
  load(static_cast<TextEncoder<typename M::Scalar>&>(model), file, "", options);
  return model;
}

/// Gpt2, with or without "transformer."; Conv1D's weights are stored (in, out), and older files hold masks as buffers.
template <class M>
M load_gpt2(const std::filesystem::path& folder, LoadOptions options) {
  Gpt2Config config = gpt2_config(ConfigFile(folder / "config.json"));
  const SafeTensors file(folder);
  const std::string body = file.contains("transformer.wte.weight") ? "transformer." : "", head = "lm_head.weight";
  // A file may keep the tied matrix under the head's name alone.
  const std::string words = file.contains(body + "wte.weight") || !file.contains(head) ? body + "wte.weight" : head;

  const TensorView *table = file.find(words), *output = file.find(head);
  const bool differs = config.tie_word_embeddings && table != nullptr && output != nullptr && table != output &&
                       !equal_values(*table, *output);
  config.tie_word_embeddings = config.tie_word_embeddings && !differs;

  options.source = [&](const std::string& name) -> Source {
    if (name == "wte.weight") return {{words}};
    if (name == head) return {{head}};
    if (name.starts_with("norm.")) return {{body + "ln_f." + name.substr(5)}};
    Source source{layer_tensors(name, "layers.", gpt2_names)};
    for (std::string& tensor : source.tensors) tensor.insert(0, body);
    source.transposed = name.find(".linear") != name.npos || name.find(".self_attn.") != name.npos;
    return source;
  };
  options.ignored = [&](const std::string& tensor) {
    return tensor == head || tensor.ends_with(".attn.bias") || tensor.ends_with(".attn.masked_bias");
  };
  options.left_out = [&](const std::string& tensor) {
    return !is_part(tensor, body, {"wte.", "wpe.", "h.", "ln_f."}) ||
           is_later_layer(tensor, body + "h.", config.n_layer);
  };
  M model(config);
  load(model, file, "", options);
  if (differs && options.remark)
    options.remark(concat(file.file(), ": ", in_quotes(head), " differs from ", in_quotes(words),
                          ", to which the configuration ties it, and is used as it is"));
  return model;
}

}  // namespace vitrine::inline VITRINE_ABI::detail

#include <vitrine/core/macros_pop.hpp>
