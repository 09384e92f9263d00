// Hugging Face's generation_config.json: which options of a search a folder asks for, by Transformers' names.
//
//   vt::GenerationConfig generation = vt::read_generation_config("opus-mt-en-de");
//
// An option that would change a result and is not honoured is refused by its name; what concerns sampling is looked at
// with do_sample alone, what concerns caches and outputs never.
#pragma once
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <system_error>
#include <utility>
#include <vector>
#include <vitrine/generate/generation_config.hpp>
#include <vitrine/io/config_family.hpp>
#include <vitrine/io/config_file.hpp>
#include <vitrine/io/remark.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

/// generation_config.json of a folder; where it has none, the generation keys that its config.json states, as in
/// Transformers: an id that neither file has is unset, whatever the family's default in config.json is, but for
/// decoder_start_token_id, which then is bos_token_id. Throws Error as ConfigFile, and config_unsupported for options
/// that are not honoured. Lists of ids are on the heap.
GenerationConfig read_generation_config(const std::filesystem::path& folder);
/// The same from an open file (or a JSON object of options by Transformers' names), on top of `base`; bos_token_id
/// stands for nothing.
GenerationConfig generation_config(const ConfigFile& file, GenerationConfig base = {});

// ---- implementation

namespace detail {

inline constexpr OnlyValue generation_options[] = {
    {"num_beam_groups", "1", "group beam search"},
    {"diversity_penalty", "0.0", "group beam search"},
    {"penalty_alpha", "0.0", "contrastive search"},
    {"constraints", "null", "constrained search"},
    {"force_words_ids", "null", "constrained search"},
    {"encoder_repetition_penalty", "1.0", "repetition penalty"},
    {"encoder_no_repeat_ngram_size", "0", "n-grams of the source"},
    {"sequence_bias", "null", "sequence bias"},
    {"exponential_decay_length_penalty", "null", "a length penalty that grows"},
    {"remove_invalid_values", "false", "replacing values that are not finite"},
    {"guidance_scale", "1.0", "guidance"},
    {"watermarking_config", "null", "watermarks"},
    {"prompt_lookup_num_tokens", "null", "assisted decoding"},
    {"assistant_early_exit", "null", "assisted decoding"},
    {"use_mtp", "false", "decoding of several tokens at once"},
    {"forced_decoder_ids", "null", "forced ids"},
    {"stop_strings", "null", "texts that end a search"},
    {"max_time", "null", "a limit of time"},
    {"token_healing", "false", "another end of the prompt"},
    {"dola_layers", "null", "contrasting layers"}};

/// Suppressed ids are refused but for those that no vocabulary has: older files say [-1] for none.
inline void require_none_suppressed(const ConfigFile& file, const char* key) {
  if (!file.has(key)) return;
  const nlohmann::json& value = file.json().at(key);
  const auto nothing = [](const nlohmann::json& one) { return one.is_number_integer() && one.get<std::int64_t>() < 0; };
  bool none = value.is_array();
  if (none)
    for (const nlohmann::json& one : value) none = none && nothing(one);
  if (!none) file.require(key, nullptr, "suppressed tokens");
}

inline EarlyStopping early_stopping(const ConfigFile& file) {
  const nlohmann::json& value = file.json().at("early_stopping");
  if (value.is_boolean()) return value.get<bool>() ? EarlyStopping::yes : EarlyStopping::no;
  if (value == "never") return EarlyStopping::never;
  file.fail(LoadError::config_bad_value, "\"early_stopping\" must be true, false or \"never\"");
}

/// The lengths, which are 0 for unset; min_new_tokens comes before min_length, as in Transformers, at 0 too.
inline void read_lengths(const ConfigFile& file, GenerationConfig& g) {
  g.max_length = file.integer("max_length", g.max_length, 1);
  if (file.has("max_new_tokens")) g.max_new_tokens = file.integer("max_new_tokens", {}, 1);
  g.min_length = file.integer("min_length", g.min_length);
  if (!file.has("min_new_tokens")) return;
  g.min_new_tokens = file.integer("min_new_tokens", {});
  if (g.min_new_tokens == 0) g.min_length = 0;
}

/// What do_sample draws from; null stands for the default.
inline void read_sampling(const ConfigFile& file, GenerationConfig& g) {
  g.do_sample = file.boolean("do_sample", g.do_sample);
  if (!g.do_sample) return;
  for (const OnlyValue& only : std::initializer_list<OnlyValue>{{"epsilon_cutoff", "0.0", "cutting by epsilon"},
                                                                {"eta_cutoff", "0.0", "cutting by eta"},
                                                                {"top_h", "null", "cutting by entropy"}})
    file.require(only.key, nlohmann::json::parse(only.value), only.what);
  g.temperature = file.number("temperature", g.temperature);
  g.top_k = file.integer("top_k", g.top_k);
  g.top_p = file.number("top_p", g.top_p);
  g.min_p = file.number("min_p", g.min_p);
  g.typical_p = file.number("typical_p", g.typical_p);
  if (g.num_beams > 1)
    file.fail(LoadError::config_unsupported, "\"do_sample\" with \"num_beams\": beams are not sampled");
}

inline void read_special_ids(const ConfigFile& file, GenerationConfig& g) {
  for (const auto& [key, id] : {std::pair{"pad_token_id", &g.pad_token_id},
                                {"decoder_start_token_id", &g.decoder_start_token_id},
                                {"forced_bos_token_id", &g.forced_bos_token_id}})
    if (file.has(key)) *id = file.json().at(key) == -1 ? -1 : file.integer(key, {}, 0);
  if (file.has("eos_token_id")) g.eos_token_ids = file.ids("eos_token_id");
  if (!file.has("forced_eos_token_id")) return;
  const std::vector<Index> forced = file.ids("forced_eos_token_id");
  if (forced.size() != 1) file.fail(LoadError::config_unsupported, "\"forced_eos_token_id\" must be one id");
  g.forced_eos_token_id = forced[0];
}

}  // namespace detail

inline GenerationConfig generation_config(const ConfigFile& file, GenerationConfig g) {
  for (const OnlyValue& only : detail::generation_options)
    file.require(only.key, nlohmann::json::parse(only.value), only.what);
  for (const char* key : {"suppress_tokens", "begin_suppress_tokens"}) detail::require_none_suppressed(file, key);
  if (file.has("watermarking_config"))
    remark_on_stderr(detail::concat(file.file(),
                                    ": \"watermarking_config\" is {}: no watermark is added (Transformers would add "
                                    "its default one)"));
  g.num_beams = file.integer("num_beams", g.num_beams, 1, most_beams);
  g.num_return_sequences = file.integer("num_return_sequences", g.num_return_sequences, 1, most_beams);
  detail::read_lengths(file, g);
  g.length_penalty = file.number("length_penalty", g.length_penalty);
  g.no_repeat_ngram_size = file.integer("no_repeat_ngram_size", g.no_repeat_ngram_size);
  g.renormalize_logits = file.boolean("renormalize_logits", g.renormalize_logits);
  if (file.has("early_stopping")) g.early_stopping = detail::early_stopping(file);
  if (file.has("bad_words_ids")) g.bad_words_ids = file.id_lists("bad_words_ids");
  detail::read_special_ids(file, g);
  g.repetition_penalty = file.number("repetition_penalty", g.repetition_penalty);
  detail::read_sampling(file, g);
  return g;
}

inline GenerationConfig read_generation_config(const std::filesystem::path& folder) {
  std::error_code failed;
  const std::filesystem::path own = folder / "generation_config.json";
  const bool separate = std::filesystem::exists(own, failed);
  const ConfigFile file(separate ? own : folder / "config.json");
  GenerationConfig g = generation_config(file);
  const Index bos = file.has("bos_token_id") ? file.integer("bos_token_id", {}, -1) : -1;
  // BART's key of before 2021, which Transformers honours in what comes out of a config.json.
  if ((!separate || file.boolean("_from_model_config", false)) &&
      file.boolean("force_bos_token_to_be_generated", false))
    g.forced_bos_token_id = bos;
  if (g.decoder_start_token_id < 0) g.decoder_start_token_id = bos;
  return g;
}

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
