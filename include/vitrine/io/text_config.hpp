// Hugging Face's config.json of Bert, DistilBert and Gpt2, by Transformers' names and defaults.
#pragma once
#include <vitrine/io/config_family.hpp>
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

// Transformers' BertConfig.
inline constexpr ConfigFamily bert_family = {"bert",
                                             "Bert",
                                             {},
                                             {{"position_embedding_type", "\"absolute\"", "relative positions"},
                                              {"is_decoder", "false", "a causal BERT"},
                                              {"add_cross_attention", "false", "cross-attention"}}};
// Transformers' DistilBertConfig. (sinusoidal_pos_embds says how the stored positions were made.)
inline constexpr ConfigFamily distilbert_family = {
    "distilbert",
    "DistilBert",
    {{"hidden_size", "dim"}, {"num_attention_heads", "n_heads"}, {"num_hidden_layers", "n_layers"}}};
// Transformers' GPT2Config. (reorder_and_upcast_attn says in which precision and order scores are computed; here that
// is always the model's own, with the scale before the mask.)
inline constexpr ConfigFamily gpt2_family = {"gpt2",
                                             "GPT2",
                                             {{"hidden_size", "n_embd"},
                                              {"max_position_embeddings", "n_positions"},
                                              {"num_attention_heads", "n_head"},
                                              {"num_hidden_layers", "n_layer"}},
                                             {{"add_cross_attention", "false", "cross-attention"}}};

// ---- implementation

inline TextEncoderConfig bert_config(const ConfigFile& file) {
  const FamilyKeys keys(file, bert_family);
  TextEncoderConfig c;
  c.vocab_size = keys.size("vocab_size", 30522, most_ids);
  c.hidden_size = keys.size("hidden_size", 768);
  c.num_hidden_layers = keys.size("num_hidden_layers", 12, most_layers);
  c.num_attention_heads = keys.size("num_attention_heads", 12, most_heads);
  c.intermediate_size = keys.size("intermediate_size", 3072, 4 * most_width);
  c.max_position_embeddings = keys.size("max_position_embeddings", 512, most_positions);
  c.type_vocab_size = keys.size("type_vocab_size", 2, most_ids);
  c.hidden_act = keys.activation("hidden_act", "gelu");
  c.layer_norm_eps = keys.epsilon("layer_norm_eps", 1e-12);
  c.pad_token_id = keys.id("pad_token_id", 0);
  keys.require_divisible("hidden_size", c.hidden_size, "num_attention_heads", c.num_attention_heads);
  return c;
}

inline TextEncoderConfig distilbert_config(const ConfigFile& file) {
  const FamilyKeys keys(file, distilbert_family);
  TextEncoderConfig c;
  c.vocab_size = keys.size("vocab_size", 30522, most_ids);
  c.hidden_size = keys.size("dim", 768);
  c.num_hidden_layers = keys.size("n_layers", 6, most_layers);
  c.num_attention_heads = keys.size("n_heads", 12, most_heads);
  c.intermediate_size = keys.size("hidden_dim", 3072, 4 * most_width);
  c.max_position_embeddings = keys.size("max_position_embeddings", 512, most_positions);
  c.hidden_act = keys.activation("activation", "gelu");
  c.pad_token_id = keys.id("pad_token_id", 0);
  c.type_vocab_size = 0, c.pooler = false;
  keys.require_divisible("dim", c.hidden_size, "n_heads", c.num_attention_heads);
  return c;
}

inline Gpt2Config gpt2_config(const ConfigFile& file) {
  const FamilyKeys keys(file, gpt2_family);
  Gpt2Config c;
  c.vocab_size = keys.size("vocab_size", 50257, most_ids);
  c.n_positions = keys.size("n_positions", 1024, most_positions);
  c.n_embd = keys.size("n_embd", 768);
  c.n_layer = keys.size("n_layer", 12, most_layers);
  c.n_head = keys.size("n_head", 12, most_heads);
  c.n_inner = keys.optional_size("n_inner", 4 * c.n_embd, 4 * most_width);
  c.activation_function = keys.activation("activation_function", "gelu_new");
  c.layer_norm_epsilon = keys.epsilon("layer_norm_epsilon", 1e-5);
  c.tie_word_embeddings = keys.boolean("tie_word_embeddings", true);
  c.scale_attn_weights = keys.boolean("scale_attn_weights", true);
  c.scale_attn_by_inverse_layer_idx = keys.boolean("scale_attn_by_inverse_layer_idx", false);
  c.bos_token_id = keys.id("bos_token_id", 50256);
  c.eos_token_id = keys.id("eos_token_id", 50256);
  c.pad_token_id = keys.id("pad_token_id", -1);
  keys.require_divisible("n_embd", c.n_embd, "n_head", c.n_head);
  return c;
}

}  // namespace vitrine::inline VITRINE_ABI
