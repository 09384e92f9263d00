// Hugging Face's config.json of Bert, DistilBert, Roberta, XlmRoberta, Albert and Gpt2, by Transformers' names and
// defaults.
#pragma once
#include <vitrine/io/config_family.hpp>
#include <vitrine/models/gpt2.hpp>
#include <vitrine/models/text_encoder.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

// BERT's config.json. Throws Error: config_mismatch for another model_type, config_bad_value, and config_unsupported
// for a key that would change a result and is not honoured.
TextEncoderConfig bert_config(const ConfigFile& file);
// DistilBERT's, by its own names. Throws the same.
TextEncoderConfig distilbert_config(const ConfigFile& file);
// RoBERTa's; config_bad_value also where positions cannot count from the padding id. Throws the same.
TextEncoderConfig roberta_config(const ConfigFile& file);
// XLM-RoBERTa's. Throws the same.
TextEncoderConfig xlm_roberta_config(const ConfigFile& file);
// ALBERT's. Throws the same.
TextEncoderConfig albert_config(const ConfigFile& file);
// GPT-2's. Throws the same.
Gpt2Config gpt2_config(const ConfigFile& file);

// Transformers' BertConfig.
inline constexpr ConfigFamily bert_family = {"bert",
                                             "Bert",
                                             {},
                                             {{"position_embedding_type", "\"absolute\"", "relative positions"},
                                              {"is_decoder", "false", "a causal BERT"},
                                              {"add_cross_attention", "false", "cross-attention"}}};
// Transformers' RobertaConfig.
inline constexpr ConfigFamily roberta_family = {"roberta",
                                                "Roberta",
                                                {},
                                                {{"position_embedding_type", "\"absolute\"", "relative positions"},
                                                 {"is_decoder", "false", "a causal RoBERTa"},
                                                 {"add_cross_attention", "false", "cross-attention"}}};
// Transformers' XLMRobertaConfig.
inline constexpr ConfigFamily xlm_roberta_family = {"xlm-roberta",
                                                    "XLMRoberta",
                                                    {},
                                                    {{"position_embedding_type", "\"absolute\"", "relative positions"},
                                                     {"is_decoder", "false", "a causal XLM-RoBERTa"},
                                                     {"add_cross_attention", "false", "cross-attention"}}};
// Transformers' AlbertConfig.
inline constexpr ConfigFamily albert_family = {
    "albert", "Albert", {}, {{"position_embedding_type", "\"absolute\"", "relative positions"}}};
// Transformers' DistilBertConfig. (sinusoidal_pos_embds says how the stored positions were made.)
inline constexpr ConfigFamily distilbert_family = {
    "distilbert",
    "DistilBert",
    {{"hidden_size", "dim"}, {"num_attention_heads", "n_heads"}, {"num_hidden_layers", "n_layers"}}};
// Transformers' GPT2Config. (reorder_and_upcast_attn says in which precision and order scores are computed; here that
// is always the model's own, with the scale before the mask.)
inline constexpr ConfigFamily gpt2_family = {
    "gpt2",
    "GPT2",
    {{"hidden_size", "n_embd"},
     {"max_position_embeddings", "n_positions"},
     {"num_attention_heads", "n_head"},
     {"num_hidden_layers", "n_layer"}},
    {{"add_cross_attention", "false", "cross-attention"}, {"is_causal", "true", "a decoder that sees what comes"}}};

// ---- implementation

namespace detail {

// The keys that BERT and its kin have under the same names, with the defaults of `c`.
inline TextEncoderConfig bert_keys(const FamilyKeys& keys, TextEncoderConfig c, const char* activation = "gelu") {
  c.vocab_size = keys.size("vocab_size", c.vocab_size, most_ids);
  c.hidden_size = keys.size("hidden_size", c.hidden_size);
  c.num_hidden_layers = keys.size("num_hidden_layers", c.num_hidden_layers, most_layers);
  c.num_attention_heads = keys.size("num_attention_heads", c.num_attention_heads, most_heads);
  c.intermediate_size = keys.size("intermediate_size", c.intermediate_size, 4 * most_width);
  c.max_position_embeddings = keys.size("max_position_embeddings", c.max_position_embeddings, most_positions);
  c.type_vocab_size = keys.size("type_vocab_size", c.type_vocab_size, most_ids);
  c.hidden_act = keys.activation("hidden_act", activation);
  c.layer_norm_eps = keys.epsilon("layer_norm_eps", c.layer_norm_eps);
  c.pad_token_id = keys.id("pad_token_id", c.pad_token_id);
  keys.require_divisible("hidden_size", c.hidden_size, "num_attention_heads", c.num_attention_heads);
  return c;
}
// Positions that count from behind the padding id: there must be one, and room behind it.
inline void require_padding(const FamilyKeys& keys, Index padding, Index positions) {
  if (padding < 0 || padding + 1 >= positions)
    keys.file().fail(LoadError::config_bad_value,
                     concat("\"pad_token_id\" is ", padding,
                            "; positions count from behind it, so it must be an id from 0 to ", positions - 2));
}

}  // namespace detail

inline TextEncoderConfig bert_config(const ConfigFile& file) {
  return detail::bert_keys(FamilyKeys(file, bert_family), {});
}

inline TextEncoderConfig roberta_config(const ConfigFile& file) {
  const FamilyKeys keys(file, roberta_family);
  const TextEncoderConfig c = detail::bert_keys(keys, {.vocab_size = 50265, .pad_token_id = 1});
  detail::require_padding(keys, c.pad_token_id, c.max_position_embeddings);
  return c;
}

inline TextEncoderConfig xlm_roberta_config(const ConfigFile& file) {
  const FamilyKeys keys(file, xlm_roberta_family);
  const TextEncoderConfig c = detail::bert_keys(keys, {.pad_token_id = 1});
  detail::require_padding(keys, c.pad_token_id, c.max_position_embeddings);
  return c;
}

inline TextEncoderConfig albert_config(const ConfigFile& file) {
  const FamilyKeys keys(file, albert_family);
  TextEncoderConfig c = detail::bert_keys(
      keys, {.vocab_size = 30000, .hidden_size = 4096, .num_attention_heads = 64, .intermediate_size = 16384},
      "gelu_new");
  c.embedding_size = keys.size("embedding_size", 128);
  c.num_hidden_groups = keys.size("num_hidden_groups", 1, most_layers);
  c.inner_group_num = keys.size("inner_group_num", 1, most_layers);
  if (c.num_hidden_groups > c.num_hidden_layers)
    file.fail(LoadError::config_bad_value, detail::concat("\"num_hidden_groups\" ", c.num_hidden_groups,
                                                          " is more than \"num_hidden_layers\" ", c.num_hidden_layers));
  if (c.layers() > most_layers)
    file.fail(LoadError::config_bad_value, detail::concat("\"inner_group_num\" ", c.inner_group_num, " times ",
                                                          c.num_hidden_layers, " layers is more than ", most_layers));
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

#include <vitrine/core/macros_pop.hpp>
