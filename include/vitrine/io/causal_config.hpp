// Hugging Face's config.json of Llama, Mistral, Qwen2, Qwen3, Gemma2 and GptNeoX, by Transformers' names and defaults.
#pragma once
#include <vitrine/io/config_family.hpp>
#include <vitrine/models/gemma2.hpp>
#include <vitrine/models/gpt_neox.hpp>
#include <vitrine/models/llama.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

// Llama's config.json, and of its kind. Throws Error: config_mismatch for another model_type, config_bad_value, and
// config_unsupported for a key that would change a result and is not honoured.
LlamaConfig llama_config(const ConfigFile& file);
// Mistral's: a window in every layer. Throws the same.
LlamaConfig mistral_config(const ConfigFile& file);
// Qwen2's: biases of q, k and v. Throws the same.
LlamaConfig qwen2_config(const ConfigFile& file);
// Qwen3's: norms of q and k. Throws the same.
LlamaConfig qwen3_config(const ConfigFile& file);
// Gemma 2's. Throws the same.
Gemma2Config gemma2_config(const ConfigFile& file);
// GPT-NeoX's (Pythia). Throws the same.
GptNeoXConfig gpt_neox_config(const ConfigFile& file);

// Transformers' LlamaConfig. (pretraining_tp changes nothing.)
inline constexpr ConfigFamily llama_family = {
    "llama", "Llama", {}, {{"is_causal", "true", "a decoder that sees what comes"}}};
// Transformers' MistralConfig.
inline constexpr ConfigFamily mistral_family = {
    "mistral", "Mistral", {}, {{"is_causal", "true", "a decoder that sees what comes"}}};
// Transformers' Qwen2Config.
inline constexpr ConfigFamily qwen2_family = {
    "qwen2", "Qwen2", {}, {{"is_causal", "true", "a decoder that sees what comes"}}};
// Transformers' Qwen3Config.
inline constexpr ConfigFamily qwen3_family = {
    "qwen3", "Qwen3", {}, {{"is_causal", "true", "a decoder that sees what comes"}}};
// Transformers' Gemma2Config.
inline constexpr ConfigFamily gemma2_family = {
    "gemma2", "Gemma2", {}, {{"is_causal", "true", "a decoder that sees what comes"}}};
// Transformers' GPTNeoXConfig.
inline constexpr ConfigFamily gpt_neox_family = {
    "gpt_neox", "GPTNeoX", {}, {{"is_causal", "true", "a decoder that sees what comes"}}};

// ---- implementation

namespace detail {

/// rope_parameters, or rope_scaling and rope_theta as older files have them (the former, as in Transformers, where a
/// file has both).
class RopeReader {
 public:
  explicit RopeReader(const FamilyKeys& keys) : file_(keys.file()) {
    for (const char* key : {"rope_scaling", "rope_parameters"})
      if (file_.has(key)) {
        name_ = key, rope_ = file_.json().at(key);
        break;
      }
    if (!rope_.is_object()) file_.fail(LoadError::config_bad_value, concat(in_quotes(name_), " is not an object"));
  }
  // Of heads of `width` values all of which are turned.
  RotaryConfig read_whole(Index width, Index max_positions) const {
    const RotaryConfig c = read(width, 1.0, max_positions);
    if (c.dim != width) file_.fail(LoadError::config_unsupported, "\"partial_rotary_factor\": only 1 is honoured");
    return c;
  }
  // Of heads of `width` values, `part` of which is turned where the file does not say.
  RotaryConfig read(Index width, double part, Index max_positions) const {
    RotaryConfig c;
    c.theta = number("rope_theta", file_.number(theta_key(), 10000.0));
    if (!(c.theta > 1)) bad("rope_theta", "a number above 1");
    part = number("partial_rotary_factor", file_.number("partial_rotary_factor", part));
    if (!(part >= 0 && part <= 1)) bad("partial_rotary_factor", "a number from 0 to 1");
    c.dim = Index(double(width) * part);
    if (c.dim % 2 != 0)
      file_.fail(LoadError::config_unsupported,
                 concat("\"partial_rotary_factor\" (\"rotary_pct\"): an odd number of a head's values, ", c.dim, " of ",
                        width, ", cannot be turned in pairs"));
    const double trained = number("original_max_position_embeddings", double(max_positions));
    if (!(trained >= 1 && trained <= double(most_positions)))
      bad("original_max_position_embeddings", "a number of positions");
    c.original_max_position_embeddings = file_.integer("original_max_position_embeddings", Index(trained), 1);
    const std::string type = kind();
    if (type == "default") return c;
    c.factor =
        number("factor", type == "yarn" ? double(max_positions) / double(c.original_max_position_embeddings) : 0);
    if (!(c.factor > 0)) bad("factor", "a number above 0");
    if (type == "linear") {
      c.scaling = RotaryScaling::linear;
    } else if (type == "dynamic") {
      c.scaling = RotaryScaling::dynamic;
    } else if (type == "llama3") {
      c.scaling = RotaryScaling::llama3;
      c.low_freq_factor = number("low_freq_factor", 0), c.high_freq_factor = number("high_freq_factor", 0);
      if (!(c.low_freq_factor > 0)) bad("low_freq_factor", "a number above 0");
      if (!(c.high_freq_factor > c.low_freq_factor)) bad("high_freq_factor", "above low_freq_factor");
    } else if (type == "yarn") {
      c.scaling = RotaryScaling::yarn;
      read_yarn(c);
    } else {
      file_.fail(LoadError::config_unsupported,
                 concat(in_quotes(name_), ": rotary positions of the kind ", in_quotes(type), " are not supported"));
    }
    return c;
  }

 private:
  const char* theta_key() const { return file_.has("rotary_emb_base") ? "rotary_emb_base" : "rope_theta"; }
  std::string kind() const {
    for (const char* key : {"rope_type", "type"})
      if (rope_.contains(key) && rope_.at(key).is_string()) return rope_.at(key).get<std::string>();
    return "default";
  }
  double number(const char* key, double otherwise) const {
    if (!rope_.contains(key) || rope_.at(key).is_null()) return otherwise;
    if (!rope_.at(key).is_number()) bad(key, "a number");
    return rope_.at(key).get<double>();
  }
  void read_yarn(RotaryConfig& c) const {
    c.beta_fast = number("beta_fast", 32), c.beta_slow = number("beta_slow", 1);
    c.truncate = !rope_.contains("truncate") || rope_.at("truncate") != false;
    c.attention_factor = number("attention_factor", 0);
    const double scale = number("mscale", 0), all = number("mscale_all_dim", 0);
    const auto grown = [&](double by) { return c.factor <= 1 ? 1.0 : mul(mul(0.1, by), table_log(c.factor)) + 1.0; };
    if (c.attention_factor == 0 && scale != 0 && all != 0) c.attention_factor = grown(scale) / grown(all);
  }
  [[noreturn]] void bad(const char* key, const char* wanted) const {
    file_.fail(LoadError::config_bad_value, concat(in_quotes(key), " of ", in_quotes(name_), " is not ", wanted));
  }

  const ConfigFile& file_;
  const char* name_ = "rope_parameters";
  nlohmann::json rope_ = nlohmann::json::object();
};

/// layer_types: those that slide; `otherwise` where the file has none.
template <class F>
LayerSet sliding_layers(const ConfigFile& file, Index layers, F&& otherwise) {
  LayerSet set;
  if (!file.has("layer_types")) {
    for (Index i = 0; i < layers; ++i)
      if (otherwise(i)) set.insert(i);
    return set;
  }
  const nlohmann::json& types = file.json().at("layer_types");
  if (!types.is_array() || Index(types.size()) != layers)
    file.fail(LoadError::config_bad_value, concat("\"layer_types\" is not a list of ", layers, " kinds"));
  for (Index i = 0; i < layers; ++i) {
    const nlohmann::json& type = types[std::size_t(i)];
    if (type == "sliding_attention")
      set.insert(i);
    else if (type != "full_attention")
      file.fail(LoadError::config_unsupported,
                concat("\"layer_types\": ", in_quotes(type.dump()), " is not supported"));
  }
  return set;
}

inline Index window_of(const ConfigFile& file, Index otherwise) {
  return file.json().contains("sliding_window") && !file.has("sliding_window")
             ? 0
             : file.integer("sliding_window", otherwise, 1, most_positions);
}

// Transformers makes no mask for a layer with a window where there is none.
inline void require_window(const ConfigFile& file, Index window, bool needed) {
  if (needed && window == 0)
    file.fail(LoadError::config_bad_value,
              "\"layer_types\": there are layers of \"sliding_attention\" and no \"sliding_window\"");
}

inline void require_groups(const ConfigFile& file, Index heads, Index key_heads) {
  if (heads % key_heads != 0)
    file.fail(LoadError::config_bad_value,
              concat("\"num_key_value_heads\" ", key_heads, " does not divide ", heads, " attention heads"));
}

// The keys that Llama's kind has in common, with the defaults given.
inline LlamaConfig llama_keys(const FamilyKeys& keys, const LlamaConfig& defaults) {
  LlamaConfig c = defaults;
  c.vocab_size = keys.size("vocab_size", c.vocab_size, most_ids);
  c.hidden_size = keys.size("hidden_size", c.hidden_size);
  c.intermediate_size = keys.size("intermediate_size", c.intermediate_size, 4 * most_width);
  c.num_hidden_layers = keys.size("num_hidden_layers", c.num_hidden_layers, most_layers);
  c.num_attention_heads = keys.size("num_attention_heads", c.num_attention_heads, most_heads);
  const ConfigFile& file = keys.file();
  const bool no_groups = file.json().contains("num_key_value_heads") && !file.has("num_key_value_heads");
  const Index groups = c.num_key_value_heads == Dynamic || no_groups ? c.num_attention_heads : c.num_key_value_heads;
  c.num_key_value_heads = keys.optional_size("num_key_value_heads", groups, most_heads);
  require_groups(file, c.num_attention_heads, c.num_key_value_heads);
  if (!file.has("head_dim") && c.head_dim == Dynamic)
    keys.require_divisible("hidden_size", c.hidden_size, "num_attention_heads", c.num_attention_heads);
  const Index width = c.head_dim == Dynamic ? c.hidden_size / c.num_attention_heads : c.head_dim;
  c.head_dim = keys.optional_size("head_dim", width);
  c.max_position_embeddings = keys.size("max_position_embeddings", c.max_position_embeddings, most_positions);
  c.hidden_act = keys.activation("hidden_act", "silu");
  c.rms_norm_eps = keys.epsilon("rms_norm_eps", 1e-6);
  c.tie_word_embeddings = keys.boolean("tie_word_embeddings", false);
  c.rope_parameters = RopeReader(keys).read_whole(c.head_dim, c.max_position_embeddings);
  c.bos_token_id = keys.id("bos_token_id", c.bos_token_id);
  c.eos_token_id = keys.id("eos_token_id", c.eos_token_id);
  c.pad_token_id = keys.id("pad_token_id", c.pad_token_id);
  return c;
}
// Qwen's windows: use_sliding_window, from layer max_window_layers on.
inline void qwen_windows(const ConfigFile& file, LlamaConfig& c) {
  const Index window = file.boolean("use_sliding_window", false) ? window_of(file, 4096) : 0;
  const Index first = file.integer("max_window_layers", 28, 0, most_layers);
  const LayerSet slide = sliding_layers(file, c.num_hidden_layers, [&](Index i) { return window > 0 && i >= first; });
  bool any = false;
  for (Index i = 0; i < c.num_hidden_layers; ++i) any = any || slide.contains(i);
  require_window(file, window, any);
  if (window > 0) c.sliding_window = window, c.sliding_layers = slide;
}

}  // namespace detail

inline LlamaConfig llama_config(const ConfigFile& file) {
  const FamilyKeys keys(file, llama_family);
  LlamaConfig defaults;
  defaults.bos_token_id = 1, defaults.eos_token_id = 2;
  LlamaConfig c = detail::llama_keys(keys, defaults);
  c.attention_bias = keys.boolean("attention_bias", false), c.mlp_bias = keys.boolean("mlp_bias", false);
  return c;
}

inline LlamaConfig mistral_config(const ConfigFile& file) {
  const FamilyKeys keys(file, mistral_family);
  LlamaConfig defaults;
  defaults.intermediate_size = 14336, defaults.num_key_value_heads = 8, defaults.max_position_embeddings = 131072;
  defaults.bos_token_id = 1, defaults.eos_token_id = 2;
  LlamaConfig c = detail::llama_keys(keys, defaults);
  c.sliding_window = detail::window_of(file, 4096);
  const LayerSet slide = detail::sliding_layers(file, c.num_hidden_layers, [&](Index) { return c.sliding_window > 0; });
  // Transformers' AutoModel takes a Mistral with layer_types for a Ministral, which is the same with them.
  detail::require_window(file, c.sliding_window, file.has("layer_types"));
  if (c.sliding_window > 0) c.sliding_layers = slide;
  return c;
}

inline LlamaConfig qwen2_config(const ConfigFile& file) {
  const FamilyKeys keys(file, qwen2_family);
  LlamaConfig defaults;
  defaults.vocab_size = 151936, defaults.intermediate_size = 22016, defaults.num_key_value_heads = 32;
  defaults.max_position_embeddings = 32768;
  LlamaConfig c = detail::llama_keys(keys, defaults);
  c.qkv_bias = true;
  detail::qwen_windows(file, c);
  return c;
}

inline LlamaConfig qwen3_config(const ConfigFile& file) {
  const FamilyKeys keys(file, qwen3_family);
  LlamaConfig defaults;
  defaults.vocab_size = 151936, defaults.intermediate_size = 22016, defaults.num_key_value_heads = 32;
  defaults.max_position_embeddings = 32768, defaults.head_dim = 128;
  LlamaConfig c = detail::llama_keys(keys, defaults);
  c.attention_bias = keys.boolean("attention_bias", false);
  c.qk_norm = true;
  detail::qwen_windows(file, c);
  return c;
}

inline Gemma2Config gemma2_config(const ConfigFile& file) {
  const FamilyKeys keys(file, gemma2_family);
  Gemma2Config c;
  c.vocab_size = keys.size("vocab_size", 256000, most_ids);
  c.hidden_size = keys.size("hidden_size", 2304);
  c.intermediate_size = keys.size("intermediate_size", 9216, 4 * most_width);
  c.num_hidden_layers = keys.size("num_hidden_layers", 26, most_layers);
  c.num_attention_heads = keys.size("num_attention_heads", 8, most_heads);
  c.num_key_value_heads = keys.size("num_key_value_heads", 4, most_heads);
  detail::require_groups(file, c.num_attention_heads, c.num_key_value_heads);
  c.head_dim = keys.size("head_dim", 256);
  c.max_position_embeddings = keys.size("max_position_embeddings", 8192, most_positions);
  c.hidden_activation = keys.activation("hidden_activation", "gelu_pytorch_tanh");
  c.rms_norm_eps = keys.epsilon("rms_norm_eps", 1e-6);
  c.query_pre_attn_scalar = file.number("query_pre_attn_scalar", 256);
  if (!(c.query_pre_attn_scalar > 0))
    file.fail(LoadError::config_bad_value, "\"query_pre_attn_scalar\" is not a number above 0");
  const auto cap = [&](const char* key, double otherwise) {
    return file.json().contains(key) && !file.has(key) ? 0.0 : keys.epsilon(key, otherwise);
  };
  c.attn_logit_softcapping = cap("attn_logit_softcapping", 50.0);
  c.final_logit_softcapping = cap("final_logit_softcapping", 30.0);
  c.sliding_window = detail::window_of(file, 4096);
  const LayerSet slide = detail::sliding_layers(file, c.num_hidden_layers, [](Index i) { return i % 2 == 0; });
  if (c.sliding_window == 0)
    file.fail(LoadError::config_bad_value, "\"sliding_window\" is null, with which Transformers makes no mask");
  c.sliding_layers = slide;
  c.attention_bias = keys.boolean("attention_bias", false);
  c.tie_word_embeddings = keys.boolean("tie_word_embeddings", true);
  c.rope_parameters = detail::RopeReader(keys).read_whole(c.head_dim, c.max_position_embeddings);
  c.bos_token_id = keys.id("bos_token_id", 2), c.eos_token_id = keys.id("eos_token_id", 1);
  c.pad_token_id = keys.id("pad_token_id", 0);
  return c;
}

inline GptNeoXConfig gpt_neox_config(const ConfigFile& file) {
  const FamilyKeys keys(file, gpt_neox_family);
  GptNeoXConfig c;
  c.vocab_size = keys.size("vocab_size", 50432, most_ids);
  c.hidden_size = keys.size("hidden_size", 6144);
  c.intermediate_size = keys.size("intermediate_size", 24576, 4 * most_width);
  c.num_hidden_layers = keys.size("num_hidden_layers", 44, most_layers);
  c.num_attention_heads = keys.size("num_attention_heads", 64, most_heads);
  keys.require_divisible("hidden_size", c.hidden_size, "num_attention_heads", c.num_attention_heads);
  c.max_position_embeddings = keys.size("max_position_embeddings", 2048, most_positions);
  c.hidden_act = keys.activation("hidden_act", "gelu");
  c.layer_norm_eps = keys.epsilon("layer_norm_eps", 1e-5);
  c.use_parallel_residual = keys.boolean("use_parallel_residual", true);
  c.attention_bias = keys.boolean("attention_bias", true);
  c.tie_word_embeddings = keys.boolean("tie_word_embeddings", false);
  c.rope_parameters = detail::RopeReader(keys).read(c.hidden_size / c.num_attention_heads,
                                                    file.number("rotary_pct", 0.25), c.max_position_embeddings);
  c.bos_token_id = keys.id("bos_token_id", 0), c.eos_token_id = keys.id("eos_token_id", 2);
  c.pad_token_id = keys.id("pad_token_id", -1);
  return c;
}

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
