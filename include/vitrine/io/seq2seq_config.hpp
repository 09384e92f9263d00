// Hugging Face's config.json of Marian, Bart, MBart and M2M100, by Transformers' names and defaults.
#pragma once
#include <initializer_list>
#include <string_view>
#include <vitrine/io/config_family.hpp>
#include <vitrine/models/seq2seq.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

/// The config.json of a model_type, "marian", "bart", "mbart" or "m2m_100". Throws Error: config_mismatch when the file
/// names another, config_bad_value, config_unsupported.
Seq2SeqConfig seq2seq_config(const ConfigFile& file, std::string_view model_type);

namespace detail {

// What the four classes' attribute_maps share.
inline constexpr std::initializer_list<OtherName> seq2seq_names = {{"num_attention_heads", "encoder_attention_heads"},
                                                                   {"hidden_size", "d_model"},
                                                                   {"num_hidden_layers", "encoder_layers"}};
// Values that more than one of them honours alone.
inline constexpr OnlyValue norm_last = {"normalize_before", "false", "layers with the norm first"},
                           no_final_norm = {"add_final_layer_norm", "false", "a norm behind the last layer"},
                           usual_norms = {"do_blenderbot_90_layernorm", "false", "Blenderbot's order of norms"},
                           learned_positions = {"static_position_embeddings", "false", "sinusoidal positions"},
                           normed_embedding = {"normalize_embedding", "true", "embeddings without a norm"},
                           causal_decoder = {"is_causal", "true", "a decoder that sees what comes"};

}  // namespace detail

// Transformers' MarianConfig. Keys of the time when it was part of BartConfig are refused where they would ask for
// another model; extra_pos_embeddings never did.
inline constexpr ConfigFamily marian_family = {"marian",
                                               "Marian",
                                               detail::seq2seq_names,
                                               {detail::norm_last,
                                                detail::no_final_norm,
                                                detail::usual_norms,
                                                {"static_position_embeddings", "true", "learned positions"},
                                                {"normalize_embedding", "false", "a norm on the embeddings"},
                                                detail::causal_decoder}};
// Transformers' BartConfig. Its table of positions always has two more rows than extra_pos_embeddings need say.
inline constexpr ConfigFamily bart_family = {
    "bart",
    "Bart",
    detail::seq2seq_names,
    {detail::norm_last, detail::no_final_norm, detail::usual_norms, detail::learned_positions, detail::normed_embedding,
     detail::causal_decoder}};
// Transformers' MBartConfig.
inline constexpr ConfigFamily mbart_family = {"mbart",
                                              "MBart",
                                              detail::seq2seq_names,
                                              {{"normalize_before", "true", "layers with the norm last"},
                                               {"add_final_layer_norm", "true", "no norm behind the last layer"},
                                               detail::learned_positions,
                                               detail::normed_embedding,
                                               detail::causal_decoder}};
// Transformers' M2M100Config, NLLB's too.
inline constexpr ConfigFamily m2m100_family = {"m2m_100", "M2M100", detail::seq2seq_names, {detail::causal_decoder}};

// ---- implementation

namespace detail {

// One family's table, and the defaults of its configuration class; those that all have are Seq2SeqDefaults' own.
struct Seq2SeqDefaults {
  const ConfigFamily* family;
  Index vocab_size;
  Index pad = 1, eos = 2, bos = 0, decoder_start = 2;
  const char* activation = "gelu";
  bool scale_embedding = false;
};
inline constexpr Seq2SeqDefaults seq2seq_defaults[] = {
    {&marian_family, 58101, 58100, 0, -1, 58100},
    {&bart_family, 50265},
    {.family = &mbart_family, .vocab_size = 50265, .decoder_start = -1},
    {.family = &m2m100_family, .vocab_size = 128112, .activation = "relu", .scale_embedding = true}};

// Sinusoids whose positions count from behind the padding id.
inline void check_m2m100(const ConfigFile& file, const Seq2SeqConfig& c) {
  if (c.pad_token_id < 0 || c.pad_token_id > c.max_position_embeddings)
    file.fail(LoadError::config_bad_value,
              concat("\"pad_token_id\" is ", c.pad_token_id,
                     "; positions count from behind it, so it must be an id from 0 to ", c.max_position_embeddings));
  if (c.d_model < 4)
    file.fail(LoadError::config_bad_value,
              concat("\"d_model\" is ", c.d_model, ": sinusoids of fewer than 4 values have no frequencies"));
}

}  // namespace detail

inline Seq2SeqConfig seq2seq_config(const ConfigFile& file, std::string_view model_type) {
  const detail::Seq2SeqDefaults* own = detail::seq2seq_defaults;
  while (model_type != own->family->model_type) ++own;
  const bool marian = own->family == &marian_family;
  const FamilyKeys keys(file, *own->family);
  Seq2SeqConfig c;
  c.vocab_size = keys.size("vocab_size", own->vocab_size, most_ids);
  c.decoder_vocab_size = marian ? keys.optional_size("decoder_vocab_size", c.vocab_size, most_ids) : c.vocab_size;
  c.d_model = keys.size("d_model", 1024);
  c.encoder_layers = keys.size("encoder_layers", 12, most_layers);
  c.decoder_layers = keys.size("decoder_layers", 12, most_layers);
  c.encoder_attention_heads = keys.size("encoder_attention_heads", 16, most_heads);
  c.decoder_attention_heads = keys.size("decoder_attention_heads", 16, most_heads);
  c.encoder_ffn_dim = keys.size("encoder_ffn_dim", 4096, 4 * most_width);
  c.decoder_ffn_dim = keys.size("decoder_ffn_dim", 4096, 4 * most_width);
  c.max_position_embeddings = keys.size("max_position_embeddings", 1024, most_width);
  c.activation_function = keys.activation("activation_function", own->activation);
  c.scale_embedding = keys.boolean("scale_embedding", own->scale_embedding);
  c.share_encoder_decoder_embeddings = !marian || keys.boolean("share_encoder_decoder_embeddings", true);
  c.tie_word_embeddings = keys.boolean("tie_word_embeddings", true);
  c.pad_token_id = keys.id("pad_token_id", own->pad);
  c.eos_token_id = keys.id("eos_token_id", own->eos);  // a search's ends are GenerationConfig's
  c.bos_token_id = keys.id("bos_token_id", own->bos);
  c.decoder_start_token_id = keys.id("decoder_start_token_id", own->decoder_start);
  keys.require_divisible("d_model", c.d_model, "encoder_attention_heads", c.encoder_attention_heads);
  keys.require_divisible("d_model", c.d_model, "decoder_attention_heads", c.decoder_attention_heads);
  if (own->family == &m2m100_family) detail::check_m2m100(file, c);
  return c;
}

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
