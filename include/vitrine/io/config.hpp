// Hugging Face's config.json and generation_config.json: values by key, each checked, and the configurations of our
// models.
//
//   const vt::ConfigFile file("opus-mt-en-de/config.json");
//   file.integer("d_model", 512);
//   vt::Seq2SeqConfig config = vt::seq2seq_config(file, "marian");
//   vt::GenerationConfig generation = vt::read_generation_config("opus-mt-en-de");
//
// Errors name file and key. A key that would change a result and is not honoured is refused; others are ignored.
#pragma once
#include <cmath>
#include <concepts>
#include <filesystem>
#include <initializer_list>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>
#include <vitrine/generate/generation_config.hpp>
#include <vitrine/io/error.hpp>
#include <vitrine/io/mapped_file.hpp>
#include <vitrine/io/safetensors_header.hpp>
#include <vitrine/models/seq2seq.hpp>

namespace vitrine::inline VITRINE_ABI {

/// A JSON object from a file or from text, on the heap as is all that it returns. Copies are deep.
class ConfigFile {
 public:
  /// Reads a file of at most 64 MB, nested 32 levels at most. Throws Error: config_missing, config_not_json,
  /// file_unreadable. Here and below: config_bad_value for a value of another kind.
  explicit ConfigFile(const std::filesystem::path& path);
  /// The same from text; `label` stands for the file in errors. Throws Error config_not_json.
  ConfigFile(std::string_view text, std::string label);
  /// The same from what has been read. Throws Error config_not_json where it is no object.
  template <std::same_as<nlohmann::json> Json>  // nothing that becomes one: a string would be both
  ConfigFile(Json json, std::string label) : file_(std::move(label)), json_(std::move(json)) {
    if (!json_.is_object()) fail(LoadError::config_not_json, "is not a JSON object");
  }

  // The path, or the label, as errors name it.
  const std::string& file() const noexcept { return file_; }
  /// Is the key there, with a value other than null?
  bool has(const char* key) const { return find(key) != nullptr; }
  /// A whole number in [least, most], or the default when the key is missing or null; config_bad_value without one.
  Index integer(const char* key, std::optional<Index> otherwise = {}, Index least = 0, Index most = 1 << 24) const;
  // A number, or the default; as integer.
  double number(const char* key, std::optional<double> otherwise = {}) const;
  // A truth value, or the default.
  bool boolean(const char* key, bool otherwise) const;
  // A string, or the default.
  std::string text(const char* key, const char* otherwise) const;
  // An activation by any of its names; config_unsupported for a name that is not known.
  Activation activation(const char* key, const char* otherwise) const;
  /// One id from 0 to 2^24, or a list of them; empty when the key is missing or null.
  std::vector<Index> ids(const char* key) const;
  // A list of lists of ids, none of them empty; empty when the key is missing or null.
  std::vector<std::vector<Index>> id_lists(const char* key) const;
  /// Throws config_unsupported for any value but `only`, with `what` it would ask for; missing and null stand for
  /// `only`, and [] where that is null.
  void require(const char* key, const nlohmann::json& only, const char* what) const;

  // Throws Error about this file.
  [[noreturn]] void fail(LoadError code, std::string_view sentence) const { throw Error(code, file_, sentence); }
  // All of it.
  const nlohmann::json& json() const noexcept { return json_; }

 private:
  void parse(std::string_view text);
  const nlohmann::json* find(const char* key) const {
    const auto at = json_.find(key);
    return at == json_.end() || at->is_null() ? nullptr : &*at;
  }
  [[noreturn]] void bad_value(const char* key, const nlohmann::json& value, std::string_view wanted) const {
    fail(LoadError::config_bad_value,
         detail::concat("\"", key, "\" is ", detail::in_quotes(value.dump(-1, ' ', true)), ", not ", wanted));
  }

  std::string file_;
  nlohmann::json json_;
};

/// Marian's or Bart's config.json, `model_type` "marian" or "bart". Throws Error: config_mismatch when the file names
/// another, config_bad_value, config_unsupported.
Seq2SeqConfig seq2seq_config(const ConfigFile& file, std::string_view model_type);

/// generation_config.json of a folder; where it has none, the generation keys of its config.json. Without a
/// decoder_start_token_id that is bos_token_id, as in Transformers. Throws Error as ConfigFile, and config_unsupported
/// for options that are not honoured. Lists of ids are on the heap.
GenerationConfig read_generation_config(const std::filesystem::path& folder);
/// The same from an open file (or a JSON object of options by Transformers' names), on top of `base`; bos_token_id
/// stands for nothing.
GenerationConfig generation_config(const ConfigFile& file, GenerationConfig base = {});

// ---- implementation

inline ConfigFile::ConfigFile(const std::filesystem::path& path) : file_(path.string()) {
  std::error_code failed;
  if (!std::filesystem::exists(path, failed)) fail(LoadError::config_missing, "does not exist");
  const MappedFile bytes(path);
  parse({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

inline ConfigFile::ConfigFile(std::string_view text, std::string label) : file_(std::move(label)) { parse(text); }

inline void ConfigFile::parse(std::string_view text) {
  if (text.size() > (std::size_t{64} << 20)) fail(LoadError::config_not_json, "has more than 64 MB");
  if (!detail::is_utf8(text)) fail(LoadError::config_not_json, "is not UTF-8");
  if (text.find('\0') != text.npos) fail(LoadError::config_not_json, "contains a NUL byte");  // nlohmann's end
  if (detail::json_depth(text) > 32) fail(LoadError::config_not_json, "nests more than 32 levels deep");
  json_ = nlohmann::json::parse(text.begin(), text.end(), nullptr, false);
  if (json_.is_discarded()) fail(LoadError::config_not_json, "is not JSON");
  if (!json_.is_object()) fail(LoadError::config_not_json, "is not a JSON object");
}

inline Index ConfigFile::integer(const char* key, std::optional<Index> otherwise, Index least, Index most) const {
  const nlohmann::json* value = find(key);
  if (value == nullptr) {
    if (!otherwise) fail(LoadError::config_bad_value, detail::concat("has no \"", key, "\""));
    return *otherwise;
  }
  const std::string wanted = detail::concat("a whole number from ", least, " to ", most);
  if (!value->is_number_integer()) bad_value(key, *value, wanted);
  if (value->is_number_unsigned() && value->get<std::uint64_t>() > std::uint64_t(std::numeric_limits<Index>::max()))
    bad_value(key, *value, wanted);
  const Index number = value->get<Index>();
  if (number < least || number > most) bad_value(key, *value, wanted);
  return number;
}

inline double ConfigFile::number(const char* key, std::optional<double> otherwise) const {
  const nlohmann::json* value = find(key);
  if (value == nullptr) {
    if (!otherwise) fail(LoadError::config_bad_value, detail::concat("has no \"", key, "\""));
    return *otherwise;
  }
  if (!value->is_number()) bad_value(key, *value, "a number");
  return value->get<double>();
}

inline bool ConfigFile::boolean(const char* key, bool otherwise) const {
  const nlohmann::json* value = find(key);
  if (value == nullptr) return otherwise;
  if (!value->is_boolean()) bad_value(key, *value, "true or false");
  return value->get<bool>();
}

inline std::string ConfigFile::text(const char* key, const char* otherwise) const {
  const nlohmann::json* value = find(key);
  if (value == nullptr) return otherwise;
  if (!value->is_string()) bad_value(key, *value, "a string");
  return value->get<std::string>();
}

inline Activation ConfigFile::activation(const char* key, const char* otherwise) const {
  const std::string spelled = text(key, otherwise);
  Activation activation = Activation::none;
  if (!parse_activation(spelled.data(), Index(spelled.size()), activation))
    fail(LoadError::config_unsupported, detail::concat("\"", key, "\" is ", detail::in_quotes(spelled),
                                                       ", none of relu, gelu, gelu_new, gelu_pytorch_tanh, silu, "
                                                       "swish, linear"));
  return activation;
}

inline std::vector<Index> ConfigFile::ids(const char* key) const {
  const nlohmann::json* value = find(key);
  std::vector<Index> result;
  if (value == nullptr) return result;
  const auto add = [&](const nlohmann::json& one) {
    if (!one.is_number_integer() || one.get<std::int64_t>() < 0 || one.get<std::int64_t>() > (1 << 24))
      bad_value(key, *value, "an id or a list of ids");
    result.push_back(one.get<Index>());
  };
  if (value->is_array())
    for (const auto& one : *value) add(one);
  else
    add(*value);
  return result;
}

inline std::vector<std::vector<Index>> ConfigFile::id_lists(const char* key) const {
  const nlohmann::json* value = find(key);
  std::vector<std::vector<Index>> result;
  if (value == nullptr) return result;
  const char* wanted = "a list of lists of ids";
  if (!value->is_array()) bad_value(key, *value, wanted);
  for (const auto& list : *value) {
    if (!list.is_array() || list.empty()) bad_value(key, *value, wanted);
    result.emplace_back();
    for (const auto& one : list) {
      if (!one.is_number_integer() || one.get<std::int64_t>() < 0 || one.get<std::int64_t>() > (1 << 24))
        bad_value(key, *value, wanted);
      result.back().push_back(one.get<Index>());
    }
  }
  return result;
}

inline void ConfigFile::require(const char* key, const nlohmann::json& only, const char* what) const {
  const nlohmann::json* value = find(key);
  if (value == nullptr || *value == only) return;
  if (only.is_null() && value->is_array() && value->empty()) return;  // a list of nothing asks for nothing
  if (value->is_number() && only.is_number() && value->get<double>() == only.get<double>()) return;
  fail(LoadError::config_unsupported, detail::concat("\"", key, "\": ", value->dump(-1, ' ', true).substr(0, 60),
                                                     " is not supported (only ", only.dump(), "): ", what));
}

inline Seq2SeqConfig seq2seq_config(const ConfigFile& file, std::string_view model_type) {
  const std::string type = file.text("model_type", "");
  if (type != model_type)
    file.fail(LoadError::config_mismatch,
              detail::concat("\"model_type\" is ", detail::in_quotes(type), ", not \"", model_type, "\""));
  file.require("normalize_before", false, "layers with the norm first");
  file.require("add_final_layer_norm", false, "a norm behind the last layer");
  file.require("extra_pos_embeddings", model_type == "bart" ? 2 : 0, "another offset of the positions");
  if (model_type == "marian") {
    file.require("static_position_embeddings", true, "learned positions");
    file.require("normalize_embedding", false, "a norm on the embeddings");
  } else {
    file.require("static_position_embeddings", false, "sinusoidal positions");
    file.require("normalize_embedding", true, "embeddings without a norm");
  }
  Seq2SeqConfig c;
  constexpr Index wide = 1 << 16;
  c.vocab_size = file.integer("vocab_size", {}, 1);
  c.decoder_vocab_size = file.integer("decoder_vocab_size", c.vocab_size, 1);
  c.d_model = file.integer("d_model", 1024, 1, wide);
  c.encoder_layers = file.integer("encoder_layers", 12, 1, 1024);
  c.decoder_layers = file.integer("decoder_layers", 12, 1, 1024);
  c.encoder_attention_heads = file.integer("encoder_attention_heads", 16, 1, 4096);
  c.decoder_attention_heads = file.integer("decoder_attention_heads", 16, 1, 4096);
  for (const Index heads : {c.encoder_attention_heads, c.decoder_attention_heads})
    if (c.d_model % heads != 0)
      file.fail(LoadError::config_bad_value,
                detail::concat("\"d_model\" ", c.d_model, " is not divisible by ", heads, " attention heads"));
  c.encoder_ffn_dim = file.integer("encoder_ffn_dim", 4096, 1, 4 * wide);
  c.decoder_ffn_dim = file.integer("decoder_ffn_dim", 4096, 1, 4 * wide);
  c.max_position_embeddings = file.integer("max_position_embeddings", 1024, 1, wide);
  c.activation_function = file.activation("activation_function", "gelu");
  c.scale_embedding = file.boolean("scale_embedding", false);
  c.share_encoder_decoder_embeddings = file.boolean("share_encoder_decoder_embeddings", true);
  c.tie_word_embeddings = file.boolean("tie_word_embeddings", true);
  const bool bart = model_type == "bart";
  const auto id = [&](const char* key, Index otherwise) { return file.integer(key, otherwise, 0); };
  c.pad_token_id = id("pad_token_id", bart ? 1 : 58100);
  const std::vector<Index> ends = file.ids("eos_token_id");  // a search's ends are GenerationConfig's
  c.eos_token_id = !ends.empty() ? ends.front() : bart ? 2 : 0;
  c.bos_token_id = id("bos_token_id", 0);
  c.decoder_start_token_id = id("decoder_start_token_id", bart ? 2 : c.pad_token_id);
  return c;
}

inline GenerationConfig generation_config(const ConfigFile& file, GenerationConfig g) {
  file.require("do_sample", false, "sampling");
  file.require("num_beam_groups", 1, "group beam search");
  file.require("diversity_penalty", 0.0, "group beam search");
  file.require("penalty_alpha", nullptr, "contrastive search");
  file.require("constraints", nullptr, "constrained search");
  file.require("force_words_ids", nullptr, "constrained search");
  file.require("repetition_penalty", 1.0, "repetition penalty");
  file.require("encoder_repetition_penalty", 1.0, "repetition penalty");
  file.require("encoder_no_repeat_ngram_size", 0, "n-grams of the source");
  file.require("sequence_bias", nullptr, "sequence bias");
  file.require("suppress_tokens", nullptr, "suppressed tokens");
  file.require("begin_suppress_tokens", nullptr, "suppressed tokens");
  file.require("exponential_decay_length_penalty", nullptr, "a length penalty that grows");
  file.require("remove_invalid_values", false, "replacing values that are not finite");
  file.require("guidance_scale", nullptr, "guidance");
  file.require("watermarking_config", nullptr, "watermarks");
  file.require("prompt_lookup_num_tokens", nullptr, "assisted decoding");
  file.require("forced_decoder_ids", nullptr, "forced ids");
  file.require("stop_strings", nullptr, "texts that end a search");
  file.require("max_time", nullptr, "a limit of time");
  file.require("token_healing", false, "another end of the prompt");
  file.require("dola_layers", nullptr, "contrasting layers");
  g.num_beams = file.integer("num_beams", g.num_beams, 1, 1024);
  g.num_return_sequences = file.integer("num_return_sequences", g.num_return_sequences, 1, 1024);
  g.max_length = file.integer("max_length", g.max_length, 1);
  if (file.has("max_new_tokens")) g.max_new_tokens = file.integer("max_new_tokens", {}, 1);
  g.min_length = file.integer("min_length", g.min_length);
  if (file.has("min_new_tokens")) {
    g.min_new_tokens = file.integer("min_new_tokens", {});
    if (g.min_new_tokens == 0) g.min_length = 0;  // it comes before min_length, as in Transformers
  }
  g.length_penalty = file.number("length_penalty", g.length_penalty);
  g.no_repeat_ngram_size = file.integer("no_repeat_ngram_size", g.no_repeat_ngram_size);
  g.renormalize_logits = file.boolean("renormalize_logits", g.renormalize_logits);
  if (file.has("early_stopping")) {
    const nlohmann::json& value = file.json().at("early_stopping");
    if (value.is_boolean())
      g.early_stopping = value.get<bool>() ? EarlyStopping::yes : EarlyStopping::no;
    else if (value == "never")
      g.early_stopping = EarlyStopping::never;
    else
      file.fail(LoadError::config_bad_value, "\"early_stopping\" must be true, false or \"never\"");
  }
  if (file.has("bad_words_ids")) g.bad_words_ids = file.id_lists("bad_words_ids");
  const auto id = [&](const char* key, Index& target) {
    if (file.has(key)) target = file.integer(key, {}, 0);
  };
  id("pad_token_id", g.pad_token_id);
  id("decoder_start_token_id", g.decoder_start_token_id);
  id("forced_bos_token_id", g.forced_bos_token_id);
  if (file.has("eos_token_id")) g.eos_token_ids = file.ids("eos_token_id");
  if (file.has("forced_eos_token_id")) {
    const std::vector<Index> forced = file.ids("forced_eos_token_id");
    if (forced.size() != 1) file.fail(LoadError::config_unsupported, "\"forced_eos_token_id\" must be one id");
    g.forced_eos_token_id = forced[0];
  }
  return g;
}

inline GenerationConfig read_generation_config(const std::filesystem::path& folder) {
  std::error_code failed;
  const std::filesystem::path own = folder / "generation_config.json";
  const ConfigFile file(std::filesystem::exists(own, failed) ? own : folder / "config.json");
  GenerationConfig g = generation_config(file);
  if (g.decoder_start_token_id < 0 && file.has("bos_token_id")) g.decoder_start_token_id = file.integer("bos_token_id");
  return g;
}

}  // namespace vitrine::inline VITRINE_ABI
