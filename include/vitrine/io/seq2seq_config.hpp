// Hugging Face's config.json of Marian and Bart, by Transformers' names and defaults.
#pragma once
#include <initializer_list>
#include <string_view>
#include <vitrine/io/config_family.hpp>
#include <vitrine/models/seq2seq.hpp>

namespace vitrine::inline VITRINE_ABI {

/// Marian's or Bart's config.json, `model_type` "marian" or "bart". Throws Error: config_mismatch when the file names
/// another, config_bad_value, config_unsupported.
Seq2SeqConfig seq2seq_config(const ConfigFile& file, std::string_view model_type);

// Transformers' MarianConfig. Keys of the time when it was part of BartConfig are refused where they would ask for
// another model; extra_pos_embeddings never did.
inline constexpr ConfigFamily marian_family = {"marian",
                                               "Marian",
                                               {{"num_attention_heads", "encoder_attention_heads"},
                                                {"hidden_size", "d_model"},
                                                {"num_hidden_layers", "encoder_layers"}},
                                               {{"normalize_before", "false", "layers with the norm first"},
                                                {"add_final_layer_norm", "false", "a norm behind the last layer"},
                                                {"do_blenderbot_90_layernorm", "false", "Blenderbot's order of norms"},
                                                {"static_position_embeddings", "true", "learned positions"},
                                                {"normalize_embedding", "false", "a norm on the embeddings"}}};
// Transformers' BartConfig. Its table of positions always has two more rows than extra_pos_embeddings need say.
inline constexpr ConfigFamily bart_family = {"bart",
                                             "Bart",
                                             {{"num_attention_heads", "encoder_attention_heads"},
                                              {"hidden_size", "d_model"},
                                              {"num_hidden_layers", "encoder_layers"}},
                                             {{"normalize_before", "false", "layers with the norm first"},
                                              {"add_final_layer_norm", "false", "a norm behind the last layer"},
                                              {"do_blenderbot_90_layernorm", "false", "Blenderbot's order of norms"},
                                              {"static_position_embeddings", "false", "sinusoidal positions"},
                                              {"normalize_embedding", "true", "embeddings without a norm"}}};

// ---- implementation

inline Seq2SeqConfig seq2seq_config(const ConfigFile& file, std::string_view model_type) {
  const bool bart = model_type == "bart";
  const FamilyKeys keys(file, bart ? bart_family : marian_family);
  Seq2SeqConfig c;
  c.vocab_size = keys.size("vocab_size", bart ? 50265 : 58101, most_ids);
  c.decoder_vocab_size = bart ? c.vocab_size : keys.optional_size("decoder_vocab_size", c.vocab_size, most_ids);
  c.d_model = keys.size("d_model", 1024);
  c.encoder_layers = keys.size("encoder_layers", 12, most_layers);
  c.decoder_layers = keys.size("decoder_layers", 12, most_layers);
  c.encoder_attention_heads = keys.size("encoder_attention_heads", 16, most_heads);
  c.decoder_attention_heads = keys.size("decoder_attention_heads", 16, most_heads);
  c.encoder_ffn_dim = keys.size("encoder_ffn_dim", 4096, 4 * most_width);
  c.decoder_ffn_dim = keys.size("decoder_ffn_dim", 4096, 4 * most_width);
  c.max_position_embeddings = keys.size("max_position_embeddings", 1024, most_width);
  c.activation_function = keys.activation("activation_function", "gelu");
  c.scale_embedding = keys.boolean("scale_embedding", false);
  c.share_encoder_decoder_embeddings = bart || keys.boolean("share_encoder_decoder_embeddings", true);
  c.tie_word_embeddings = keys.boolean("tie_word_embeddings", true);
  c.pad_token_id = keys.id("pad_token_id", bart ? 1 : 58100);
  c.eos_token_id = keys.id("eos_token_id", bart ? 2 : 0);  // a search's ends are GenerationConfig's
  c.bos_token_id = keys.id("bos_token_id", bart ? 0 : -1);
  c.decoder_start_token_id = keys.id("decoder_start_token_id", bart ? 2 : 58100);
  keys.require_divisible("d_model", c.d_model, "encoder_attention_heads", c.encoder_attention_heads);
  keys.require_divisible("d_model", c.d_model, "decoder_attention_heads", c.decoder_attention_heads);
  return c;
}

}  // namespace vitrine::inline VITRINE_ABI
