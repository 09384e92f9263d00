// Llama, Mistral, Qwen2, Qwen3, Gemma2 and GptNeoX from a Hugging Face checkpoint folder: whose tensors our parameters
// are. Part of io/checkpoint.hpp.
#pragma once
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>
#include <vitrine/io/causal_config.hpp>
#include <vitrine/io/load.hpp>
#include <vitrine/io/remark.hpp>
#include <vitrine/io/safetensors.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::detail {

/// A part of our names, and the file's.
struct PartName {
  std::string_view ours, theirs;
};
inline constexpr PartName llama_parts[] = {{"self_attn.q_proj_weight", "self_attn.q_proj.weight"},
                                           {"self_attn.k_proj_weight", "self_attn.k_proj.weight"},
                                           {"self_attn.v_proj_weight", "self_attn.v_proj.weight"},
                                           {"self_attn.out_proj.", "self_attn.o_proj."},
                                           {"linear2.", "mlp.down_proj."},
                                           {"norm1.", "input_layernorm."},
                                           {"norm2.", "post_attention_layernorm."}};
inline constexpr PartName gemma2_parts[] = {{"self_attn.q_proj_weight", "self_attn.q_proj.weight"},
                                            {"self_attn.k_proj_weight", "self_attn.k_proj.weight"},
                                            {"self_attn.v_proj_weight", "self_attn.v_proj.weight"},
                                            {"self_attn.out_proj.", "self_attn.o_proj."},
                                            {"linear2.", "mlp.down_proj."},
                                            {"branch_norm1.", "post_attention_layernorm."},
                                            {"branch_norm2.", "post_feedforward_layernorm."},
                                            {"norm1.", "input_layernorm."},
                                            {"norm2.", "pre_feedforward_layernorm."}};
inline constexpr PartName gpt_neox_parts[] = {{"self_attn.in_proj_", "attention.query_key_value."},
                                              {"self_attn.out_proj.", "attention.dense."},
                                              {"linear1.", "mlp.dense_h_to_4h."},
                                              {"linear2.", "mlp.dense_4h_to_h."},
                                              {"norm1.", "input_layernorm."},
                                              {"norm2.", "post_attention_layernorm."}};

/// Where a family's tensors stand.
struct CausalNames {
  std::string_view body, table, norm, head;
  std::span<const PartName> parts;
};
inline constexpr CausalNames llama_names = {"model.", "embed_tokens.weight", "norm.", "lm_head.weight", llama_parts};
inline constexpr CausalNames gemma2_names = {"model.", "embed_tokens.weight", "norm.", "lm_head.weight", gemma2_parts};
inline constexpr CausalNames gpt_neox_names = {"gpt_neox.", "embed_in.weight", "final_layer_norm.", "embed_out.weight",
                                               gpt_neox_parts};

/// Rows of a layer's projections: of queries, and of keys or values; values of a head.
struct AttentionRows {
  Index queries, keys, width;
};
template <class S>
AttentionRows attention_rows_of(const Causal<S>& model) {
  const LayerConfig& layer = model.encoder().config().layer;
  const AttentionCore<S> attention(
      {.embed_dim = layer.d_model, .num_heads = layer.nhead, .options = layer.options.attention});
  return {attention.queries_width(), attention.keys_width(), attention.width};
}

/// The tensors of one parameter of a layer, `part` its name there, `base` what stands before the layer's tensors.
inline Source causal_layer_source(std::string_view part, const std::string& base, const CausalNames& names,
                                  const AttentionRows& rows) {
  const auto both = [&](std::string_view first, std::string_view second) {
    const std::string kind = part.ends_with("weight") ? "weight" : "bias";
    return Source{{concat(base, first, kind), concat(base, second, kind)}};
  };
  const bool mixed = names.parts.data() == gpt_neox_parts;
  if (part.starts_with("linear1.") && !mixed) return both("mlp.gate_proj.", "mlp.up_proj.");
  if (part.starts_with("self_attn.in_proj_") && !mixed) {
    const std::string kind(part.substr(part.rfind('_') + 1));
    Source source;
    for (const char* g : {"q", "k", "v"}) source.tensors.push_back(concat(base, "self_attn.", g, "_proj.", kind));
    source.rows = {rows.queries, rows.keys, rows.keys};
    return source;
  }
  for (const PartName& name : names.parts)
    if (part.starts_with(name.ours)) {
      Source source{{concat(base, name.theirs, part.substr(name.ours.size()))}};
      if (mixed && part.starts_with("self_attn.in_proj_"))  // head by head: its queries, keys, values
        source.stored_row = [rows](Index row) {
          const Index group = row / rows.queries, h = row % rows.queries / rows.width, d = row % rows.width;
          return (3 * h + group) * rows.width + d;
        };
      return source;
    }
  return {{concat(base, part)}};
}

template <class M>
auto causal_config(const ConfigFile& file) {
  const std::string_view type = M::model_type;
  if constexpr (std::is_same_v<std::remove_cvref_t<decltype(std::declval<M>().config())>, Gemma2Config>)
    return gemma2_config(file);
  else if constexpr (std::is_same_v<std::remove_cvref_t<decltype(std::declval<M>().config())>, GptNeoXConfig>)
    return gpt_neox_config(file);
  else
    return type == "mistral" ? mistral_config(file)
           : type == "qwen2" ? qwen2_config(file)
           : type == "qwen3" ? qwen3_config(file)
                             : llama_config(file);
}

/// With or without the body's prefix. A head that differs from the table to which the configuration ties it is used as
/// it is.
template <class M>
M load_causal(const std::filesystem::path& folder, LoadOptions options) {
  auto config = causal_config<M>(ConfigFile(folder / "config.json"));
  const SafeTensors file(folder);
  constexpr std::string_view type = M::model_type;
  const CausalNames& names = type == "gemma2" ? gemma2_names : type == "gpt_neox" ? gpt_neox_names : llama_names;
  const std::string body = file.contains(concat(names.body, names.table)) ? std::string(names.body) : "";
  const std::string head(names.head);
  // A file may keep the tied matrix under the head's name alone.
  const std::string table =
      file.contains(concat(body, names.table)) || !file.contains(head) ? concat(body, names.table) : head;
  const TensorView *words = file.find(table), *output = file.find(head);
  const bool differs = config.tie_word_embeddings && words != nullptr && output != nullptr && words != output &&
                       !equal_values(*words, *output);
  config.tie_word_embeddings = config.tie_word_embeddings && !differs;
  M model(config);

  const AttentionRows rows = attention_rows_of(model);
  options.source = [&](const std::string& name) -> Source {
    if (name == names.table) return {{table}};
    if (name == "lm_head.weight") return {{head}};
    if (name.starts_with("norm.")) return {{concat(body, names.norm, name.substr(5))}};
    const std::size_t dot = name.find('.', sizeof "layers." - 1);
    return causal_layer_source(name.substr(dot + 1), concat(body, name.substr(0, dot + 1)), names, rows);
  };
  options.ignored = [&](const std::string& tensor) {
    return tensor == head || tensor.ends_with("rotary_emb.inv_freq") || tensor.ends_with(".attention.bias") ||
           tensor.ends_with(".attention.masked_bias");
  };
  options.left_out = [&](const std::string& tensor) {
    return (!body.empty() && !tensor.starts_with(body)) ||
           is_later_layer(tensor, body + "layers.", config.num_hidden_layers);
  };
  load(static_cast<Causal<typename M::Scalar>&>(model), file, "", options);
  if (differs && options.remark)
    options.remark(concat(file.file(), ": ", in_quotes(head), " differs from ", in_quotes(table),
                          ", to which the configuration ties it, and is used as it is"));
  return model;
}

}  // namespace vitrine::inline VITRINE_ABI::detail

#include <vitrine/core/macros_pop.hpp>
