// Hugging Face's config.json of T5 and MT5, by Transformers' names and defaults.
#pragma once
#include <string>
#include <string_view>
#include <vitrine/io/config_family.hpp>
#include <vitrine/layers/relative_position_bias.hpp>
#include <vitrine/models/t5.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

// T5's config.json. Throws Error: config_mismatch for another model_type, config_bad_value, and config_unsupported for
// a key that would change a result and is not honoured.
T5Config t5_config(const ConfigFile& file);
// MT5's: the same keys, other defaults. Throws the same.
T5Config mt5_config(const ConfigFile& file);

// Transformers' T5Config.
inline constexpr ConfigFamily t5_family = {"t5",
                                           "T5",
                                           {{"hidden_size", "d_model"},
                                            {"num_attention_heads", "num_heads"},
                                            {"num_hidden_layers", "num_layers"},
                                            {"head_dim", "d_kv"}},
                                           {{"is_encoder_decoder", "true", "a T5 without one of its halves"},
                                            {"is_causal", "true", "a decoder that sees what comes"}}};
// Transformers' MT5Config.
inline constexpr ConfigFamily mt5_family = {"mt5",
                                            "MT5",
                                            t5_family.other_names,
                                            {{"is_encoder_decoder", "true", "a T5 without one of its halves"},
                                             {"is_causal", "true", "a decoder that sees what comes"}}};

// ---- implementation

namespace detail {

inline T5Config t5_keys(const FamilyKeys& keys, T5Config c, const char* feed_forward) {
  const ConfigFile& file = keys.file();
  c.vocab_size = keys.size("vocab_size", c.vocab_size, most_ids);
  c.d_model = keys.size("d_model", c.d_model);
  c.d_kv = keys.size("d_kv", c.d_kv);
  c.d_ff = keys.size("d_ff", c.d_ff, 4 * most_width);
  c.num_layers = keys.size("num_layers", c.num_layers, most_layers);
  c.num_decoder_layers = keys.optional_size("num_decoder_layers", c.num_layers, most_layers);
  c.num_heads = keys.size("num_heads", c.num_heads, most_heads);
  c.relative_attention_num_buckets = file.integer("relative_attention_num_buckets", 32, 4, 4096);
  c.relative_attention_max_distance = file.integer("relative_attention_max_distance", 128, 2, most_positions);
  for (const bool bidirectional : {true, false})  // the encoder's and the decoder's
    if (c.relative_attention_max_distance ==
        exact_buckets({.buckets = c.relative_attention_num_buckets, .bidirectional = bidirectional}))
      file.fail(LoadError::config_bad_value,
                concat("\"relative_attention_max_distance\" is ", std::to_string(c.relative_attention_max_distance),
                       ", with which Transformers divides by zero"));
  std::string kind = file.text("feed_forward_proj", feed_forward);
  c.is_gated_act = kind.starts_with("gated-");
  if (kind == "gated-gelu")
    kind = "gelu_new";  // as in Transformers, for checkpoints that said so
  else if (c.is_gated_act)
    kind = kind.substr(6);
  // What Transformers derives from feed_forward_proj it also saves, and reads back with precedence.
  const char* const said_by = file.has("dense_act_fn") ? "dense_act_fn" : "feed_forward_proj";
  kind = file.text("dense_act_fn", kind.c_str());
  c.is_gated_act = keys.boolean("is_gated_act", c.is_gated_act);
  if (!parse_activation(kind.c_str(), c.dense_act_fn))
    file.fail(LoadError::config_unsupported, concat(in_quotes(said_by), " ", in_quotes(kind), " is not supported"));
  c.layer_norm_epsilon = keys.epsilon("layer_norm_epsilon", 1e-6);
  c.pad_token_id = keys.id("pad_token_id", 0), c.eos_token_id = keys.id("eos_token_id", 1);
  c.decoder_start_token_id = keys.id("decoder_start_token_id", c.pad_token_id);
  return c;
}

}  // namespace detail

// tie_word_embeddings false says v1.1 there, not that matrices differ: they are tied unless the file has two.
inline T5Config t5_config(const ConfigFile& file) {
  const FamilyKeys keys(file, t5_family);
  T5Config c = detail::t5_keys(keys, {}, "relu");
  c.scale_decoder_outputs = keys.boolean("scale_decoder_outputs", keys.boolean("tie_word_embeddings", true));
  if (const auto& json = keys.file().json();
      json.contains("scale_decoder_outputs") && json.at("scale_decoder_outputs").is_null())
    c.scale_decoder_outputs = false;  // Python's None, as it stands
  return c;
}

inline T5Config mt5_config(const ConfigFile& file) {
  const FamilyKeys keys(file, mt5_family);
  T5Config defaults;
  defaults.vocab_size = 250112, defaults.d_ff = 1024, defaults.num_layers = 8, defaults.num_heads = 6;
  defaults.scale_decoder_outputs = false;
  return detail::t5_keys(keys, defaults, "gated-gelu");
}

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
