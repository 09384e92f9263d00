// Hugging Face's config.json of Bert, DistilBert and Gpt2, by Transformers' names and defaults.
#pragma once
#include <string>
#include <string_view>
#include <vitrine/io/config.hpp>
#include <vitrine/models/gpt2.hpp>
#include <vitrine/models/text_encoder.hpp>

namespace vitrine::inline VITRINE_ABI {

// BERT's config.json. Throws Error: config_mismatch for another model_type, config_bad_value, and config_unsupported
// for a key that would change a result and is not honoured.
TextEncoderConfig bert_config(const ConfigFile& file);
// DistilBERT's, by its own names. Throws the same.
TextEncoderConfig distilbert_config(const ConfigFile& file);
// GPT-2's. Throws the same.
Gpt2Config gpt2_config(const ConfigFile& file);

// ---- implementation

namespace detail {

inline void require_model_type(const ConfigFile& file, std::string_view model_type) {
  const std::string type = file.text("model_type", "");
  if (type != model_type)
    file.fail(LoadError::config_mismatch, concat("\"model_type\" is ", in_quotes(type), ", not \"", model_type, "\""));
}
inline void require_divisible(const ConfigFile& file, const char* key, Index width, Index heads) {
  if (width % heads != 0)
    file.fail(LoadError::config_bad_value,
              concat("\"", key, "\" ", width, " is not divisible by ", heads, " attention heads"));
}

inline constexpr Index most_width = 1 << 16, most_layers = 1024, most_heads = 4096, most_positions = 1 << 20;

}  // namespace detail

inline TextEncoderConfig bert_config(const ConfigFile& file) {
  using namespace detail;
  require_model_type(file, "bert");
  file.require("position_embedding_type", "absolute", "relative positions");
  file.require("is_decoder", false, "a causal BERT");
  file.require("add_cross_attention", false, "cross-attention");
  file.require("pruned_heads", nlohmann::json::object(), "layers with fewer heads than others");
  TextEncoderConfig c;
  c.vocab_size = file.integer("vocab_size", c.vocab_size, 1);
  c.hidden_size = file.integer("hidden_size", c.hidden_size, 1, most_width);
  c.num_hidden_layers = file.integer("num_hidden_layers", c.num_hidden_layers, 1, most_layers);
  c.num_attention_heads = file.integer("num_attention_heads", c.num_attention_heads, 1, most_heads);
  c.intermediate_size = file.integer("intermediate_size", c.intermediate_size, 1, 4 * most_width);
  c.max_position_embeddings = file.integer("max_position_embeddings", c.max_position_embeddings, 1, most_positions);
  c.type_vocab_size = file.integer("type_vocab_size", c.type_vocab_size, 1);
  c.hidden_act = file.activation("hidden_act", "gelu");
  c.layer_norm_eps = file.number("layer_norm_eps", c.layer_norm_eps);
  c.pad_token_id = file.integer("pad_token_id", c.pad_token_id);
  require_divisible(file, "hidden_size", c.hidden_size, c.num_attention_heads);
  return c;
}

inline TextEncoderConfig distilbert_config(const ConfigFile& file) {
  using namespace detail;
  require_model_type(file, "distilbert");
  file.require("pruned_heads", nlohmann::json::object(), "layers with fewer heads than others");
  TextEncoderConfig c;
  c.vocab_size = file.integer("vocab_size", c.vocab_size, 1);
  c.hidden_size = file.integer("dim", 768, 1, most_width);
  c.num_hidden_layers = file.integer("n_layers", 6, 1, most_layers);
  c.num_attention_heads = file.integer("n_heads", 12, 1, most_heads);
  c.intermediate_size = file.integer("hidden_dim", 3072, 1, 4 * most_width);
  c.max_position_embeddings = file.integer("max_position_embeddings", 512, 1, most_positions);
  c.hidden_act = file.activation("activation", "gelu");
  c.pad_token_id = file.integer("pad_token_id", 0);
  c.type_vocab_size = 0, c.pooler = false;
  require_divisible(file, "dim", c.hidden_size, c.num_attention_heads);
  return c;
}

// reorder_and_upcast_attn is honoured: it says in which precision and order scores are computed, and here that is
// always the model's own, with the scale before the mask.
inline Gpt2Config gpt2_config(const ConfigFile& file) {
  using namespace detail;
  require_model_type(file, "gpt2");
  file.require("add_cross_attention", false, "cross-attention");
  file.require("pruned_heads", nlohmann::json::object(), "layers with fewer heads than others");
  Gpt2Config c;
  c.vocab_size = file.integer("vocab_size", c.vocab_size, 1);
  c.n_positions = file.integer("n_positions", c.n_positions, 1, most_positions);
  c.n_embd = file.integer("n_embd", c.n_embd, 1, most_width);
  c.n_layer = file.integer("n_layer", c.n_layer, 1, most_layers);
  c.n_head = file.integer("n_head", c.n_head, 1, most_heads);
  c.n_inner = file.integer("n_inner", 4 * c.n_embd, 1, 4 * most_width);
  c.activation_function = file.activation("activation_function", "gelu_new");
  c.layer_norm_epsilon = file.number("layer_norm_epsilon", c.layer_norm_epsilon);
  c.tie_word_embeddings = file.boolean("tie_word_embeddings", true);
  c.scale_attn_weights = file.boolean("scale_attn_weights", true);
  c.scale_attn_by_inverse_layer_idx = file.boolean("scale_attn_by_inverse_layer_idx", false);
  if (file.has("bos_token_id")) c.bos_token_id = file.integer("bos_token_id");
  if (const std::vector<Index> ends = file.ids("eos_token_id"); !ends.empty()) c.eos_token_id = ends.front();
  if (file.has("pad_token_id")) c.pad_token_id = file.integer("pad_token_id");
  require_divisible(file, "n_embd", c.n_embd, c.n_head);
  return c;
}

}  // namespace vitrine::inline VITRINE_ABI
