// What sentence-transformers (Reimers and Gurevych 2019) does behind a transformer to make one vector of a sentence:
// pooling, dense layers, normalization, as modules.json and the folders that it names say.
//
//   const vt::SentenceModules modules("all-MiniLM-L6-v2");
//   auto model = vt::load_model<vt::Bert<float>>(modules.transformer());
//   std::vector<float> vector = modules.vector(r.output.matrix(0).data(), tokens, model.config().hidden_size);
//
// What it does not know is refused by name.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>
#include <vitrine/core/activation_kind.hpp>
#include <vitrine/io/config_file.hpp>
#include <vitrine/io/mapped_file.hpp>
#include <vitrine/io/safetensors.hpp>
#include <vitrine/kernels/activation.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

/// How one vector is made of those of a sentence's tokens, by sentence-transformers' names. weightedmean weighs token i
/// by i + 1; mean_sqrt_len_tokens divides the sum by the square root of their number.
enum class Pooling : std::uint8_t { cls, max, mean, mean_sqrt_len_tokens, weightedmean, lasttoken };

/// A folder's modules. Immutable; many threads may use one.
class SentenceModules {
 public:
  /// Reads modules.json, sentence_bert_config.json, config_sentence_transformers.json and the modules' own files. In a
  /// folder without modules.json: pooling as 1_Pooling says, else the mean, and vectors of length 1. Throws Error: what
  /// ConfigFile and SafeTensors throw, shape_mismatch, wrong_dtype, and config_unsupported for a module, a pooling
  /// mode, an activation or an argument of the tokenizer that is not honoured.
  explicit SentenceModules(const std::filesystem::path& folder);

  // The folder of the transformer itself, with its config.json.
  const std::filesystem::path& transformer() const noexcept { return transformer_; }
  // Texts are lower-cased besides what the tokenizer does.
  bool lower_case() const noexcept { return lower_case_; }
  // The longest input in ids, special ones included; `most` where the folder does not say.
  Index max_seq_length(Index most) const noexcept { return std::min(most, max_seq_length_.value_or(most)); }
  // What is put in front of each text, "" for nothing.
  const std::string& prompt() const noexcept { return prompt_; }
  // The ways of pooling, whose vectors stand one behind the other.
  const std::vector<Pooling>& pooling() const noexcept { return pooling_; }

  /// The vector of one sentence, from its hidden states (T, E), T tokens of width E, without padding: E values, or as
  /// many as the last dense layer gives, for each way of pooling. On the heap.
  /// Throws Error shape_mismatch where a dense layer takes another width, bad_usage for a sentence without tokens.
  std::vector<float> vector(const float* hidden, Index tokens, Index width) const;

 private:
  /// y = f(x W^T + b), with x added where it is residual.
  struct Dense {
    std::string file;
    Index in = 0, out = 0;
    std::vector<float> weight, bias = {};
    Activation activation = Activation::none;
    bool tanh = false, residual = false;
  };
  struct Step {
    std::optional<Dense> dense;  // empty: to length 1
  };

  void read_transformer(const std::filesystem::path& folder);
  void read_pooling(const std::filesystem::path& folder);
  void read_prompt(const std::filesystem::path& folder);
  static Dense read_dense(const std::filesystem::path& folder);

  std::filesystem::path transformer_;
  bool lower_case_ = false;
  std::optional<Index> max_seq_length_;
  std::string prompt_;
  std::vector<Pooling> pooling_ = {Pooling::mean};
  std::vector<Step> steps_;
};

// ---- implementation

namespace detail {

/// Writes the pooled vector, `width` values.
inline void pool(Pooling kind, const float* hidden, Index tokens, Index width, float* out) {
  for (Index c = 0; c < width; ++c) {
    const auto at = [&](Index row) { return hidden[row * width + c]; };
    if (kind == Pooling::cls || kind == Pooling::lasttoken) {
      out[c] = at(kind == Pooling::cls ? 0 : tokens - 1);
      continue;
    }
    float largest = at(0);
    double sum = 0;
    for (Index row = 0; row < tokens; ++row) {
      largest = std::max(largest, at(row));
      sum += double(at(row)) * double(kind == Pooling::weightedmean ? row + 1 : 1);
    }
    const double count = double(tokens);
    out[c] = kind == Pooling::max                    ? largest
             : kind == Pooling::mean                 ? float(sum / count)
             : kind == Pooling::mean_sqrt_len_tokens ? float(sum / std::sqrt(count))
                                                     : float(sum / (count * (count + 1) / 2));
  }
}

/// To length 1; a vector of zeros stays.
inline void normalize(std::vector<float>& x) {
  double sum = 0;
  for (const float value : x) sum += double(value) * double(value);
  const double length = std::max(std::sqrt(sum), 1e-12);
  for (float& value : x) value = float(double(value) / length);
}

/// The part of a dotted name behind its last dot: "sentence_transformers.models.Pooling" is Pooling.
inline std::string last_word(const std::string& dotted) { return dotted.substr(dotted.rfind('.') + 1); }

/// modules.json is a list: its text as an object's only value.
inline ConfigFile list_file(const std::filesystem::path& path) {
  const MappedFile bytes(path);
  return ConfigFile(
      concat("{\"modules\":", std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()), "}"),
      path.string());
}

}  // namespace detail

inline SentenceModules::SentenceModules(const std::filesystem::path& folder) : transformer_(folder) {
  std::error_code failed;
  if (const std::string why = detail::no_folder(folder); !why.empty())
    throw Error(LoadError::file_missing, folder.string(), why);
  const std::filesystem::path list = folder / "modules.json";
  read_prompt(folder);
  if (!std::filesystem::exists(list, failed)) {
    read_transformer(folder);
    if (std::filesystem::exists(folder / "1_Pooling" / "config.json", failed)) read_pooling(folder / "1_Pooling");
    if (std::filesystem::exists(folder / "2_Dense", failed))
      throw Error(LoadError::config_unsupported, folder.string(),
                  "holds 2_Dense but no modules.json, which would say whether it is used");
    steps_.push_back({});
    return;
  }
  const ConfigFile file = detail::list_file(list);
  const nlohmann::json& modules = file.json().at("modules");
  if (!modules.is_array()) file.fail(LoadError::config_bad_value, "is not a list of modules");
  std::size_t number = 0;
  for (const nlohmann::json& module : modules) {
    const ConfigFile entry(module.is_object() ? module.dump() : "{}", list.string());
    const std::string type = detail::last_word(entry.text("type", "")), path = entry.text("path", "");
    for (const std::filesystem::path& part : std::filesystem::path(path))
      if (part == ".." || part.is_absolute())
        file.fail(LoadError::config_bad_value,
                  detail::concat("\"path\" leads out of the folder: ", detail::in_quotes(path)));
    const std::filesystem::path own = path.empty() ? folder : folder / path;
    if (number == 0 && type == "Transformer")
      read_transformer(own);
    else if (number == 1 && type == "Pooling")
      read_pooling(own);
    else if (number > 1 && type == "Dense")
      steps_.push_back({read_dense(own)});
    else if (number > 1 && type == "Normalize")
      steps_.push_back({});
    else
      file.fail(LoadError::config_unsupported,
                detail::concat("\"type\" of module ", number, " is ", detail::in_quotes(entry.text("type", "")),
                               "; only a Transformer, a Pooling, then Dense and Normalize are supported"));
    ++number;
  }
  if (number < 2) file.fail(LoadError::config_unsupported, "\"modules\" are not a Transformer and a Pooling");
}

inline void SentenceModules::read_transformer(const std::filesystem::path& folder) {
  transformer_ = folder;
  std::error_code failed;
  for (const char* name :
       {"sentence_bert_config.json", "sentence_distilbert_config.json", "sentence_roberta_config.json"}) {
    if (!std::filesystem::exists(folder / name, failed)) continue;
    const ConfigFile file(folder / name);
    lower_case_ = file.boolean("do_lower_case", false);
    if (file.has("max_seq_length")) max_seq_length_ = file.integer("max_seq_length", {}, 2);
    for (const char* key :
         {"model_args", "tokenizer_args", "config_args", "model_kwargs", "processor_kwargs", "config_kwargs"})
      if (file.has(key))
        for (const auto& [argument, value] : file.json().at(key).items())
          if (argument != "padding_side" && argument != "trust_remote_code" && argument != "torch_dtype" &&
              argument != "dtype" && argument != "attn_implementation" && argument != "use_fast")
            file.fail(LoadError::config_unsupported,
                      detail::concat("\"", key, "\" has ", detail::in_quotes(argument), ", which is not honoured"));
    return;
  }
}

inline void SentenceModules::read_pooling(const std::filesystem::path& folder) {
  constexpr std::pair<const char*, const char*> modes[] = {
      {"cls", "pooling_mode_cls_token"},
      {"max", "pooling_mode_max_tokens"},
      {"mean", "pooling_mode_mean_tokens"},
      {"mean_sqrt_len_tokens", "pooling_mode_mean_sqrt_len_tokens"},
      {"weightedmean", "pooling_mode_weightedmean_tokens"},
      {"lasttoken", "pooling_mode_lasttoken"}};  // as Pooling has them
  const ConfigFile file(folder / "config.json");
  pooling_.clear();
  const auto add = [&](const nlohmann::json& name) {
    for (std::size_t i = 0; i < std::size(modes); ++i)
      if (name == modes[i].first) return pooling_.push_back(Pooling(i));
    file.fail(LoadError::config_unsupported, detail::concat("\"pooling_mode\" ", name.dump(), " is not supported"));
  };
  if (file.has("pooling_mode")) {
    const nlohmann::json& value = file.json().at("pooling_mode");
    if (value.is_array())
      for (const nlohmann::json& name : value) add(name);
    else
      add(value);
  } else {
    for (const auto& [name, key] : modes)
      if (file.boolean(key, false)) add(name);
  }
  if (pooling_.empty()) pooling_ = {Pooling::mean};
  if (!prompt_.empty() && !file.boolean("include_prompt", true))
    file.fail(LoadError::config_unsupported,
              "\"include_prompt\" is false: pooling without the prompt's tokens is not supported");
}

inline void SentenceModules::read_prompt(const std::filesystem::path& folder) {
  std::error_code failed;
  const std::filesystem::path path = folder / "config_sentence_transformers.json";
  if (!std::filesystem::exists(path, failed)) return;
  const ConfigFile file(path);
  const std::string name = file.text("default_prompt_name", "");
  if (name.empty()) return;
  const nlohmann::json& prompts = file.has("prompts") ? file.json().at("prompts") : file.json();
  if (!prompts.contains(name) || !prompts.at(name).is_string())
    file.fail(LoadError::config_bad_value,
              detail::concat("\"default_prompt_name\" ", detail::in_quotes(name), " is not among the prompts"));
  prompt_ = prompts.at(name).get<std::string>();
}

inline SentenceModules::Dense SentenceModules::read_dense(const std::filesystem::path& folder) {
  const ConfigFile config(folder / "config.json");
  Dense dense;
  dense.file = config.file();
  dense.in = config.integer("in_features", {}, 1, 1 << 16);
  dense.out = config.integer("out_features", {}, 1, 1 << 16);
  dense.residual = config.boolean("use_residual", false);
  const std::string function = config.text("activation_function", "torch.nn.modules.activation.Tanh");
  const std::string kind = detail::last_word(function);
  constexpr std::pair<std::string_view, Activation> known[] = {{"Identity", Activation::none},
                                                               {"ReLU", Activation::relu},
                                                               {"GELU", Activation::gelu},
                                                               {"SiLU", Activation::silu}};
  const auto found =
      std::find_if(std::begin(known), std::end(known), [&](const auto& one) { return one.first == kind; });
  dense.tanh = kind == "Tanh";
  if (!dense.tanh && (found == std::end(known) || !function.starts_with("torch.")))
    config.fail(LoadError::config_unsupported,
                detail::concat("\"activation_function\" ", detail::in_quotes(function), " is not supported"));
  if (!dense.tanh) dense.activation = found->second;
  if (dense.residual && dense.in != dense.out)
    config.fail(LoadError::config_unsupported, "\"use_residual\" between two widths is not supported");
  for (const char* key : {"module_input_name", "module_output_name"})
    config.require(key, "sentence_embedding", "a dense layer on the tokens");
  const SafeTensors file(folder);
  const auto values = [&](const char* name, const std::vector<Index>& shape) {
    const TensorView& tensor = file.at(name);
    if (tensor.shape != shape)
      tensor.fail(LoadError::shape_mismatch, "has not the shape that config.json beside it states");
    return tensor.to_vector<float>();
  };
  dense.weight = values("linear.weight", {dense.out, dense.in});
  if (config.boolean("bias", true)) dense.bias = values("linear.bias", {dense.out});
  return dense;
}

inline std::vector<float> SentenceModules::vector(const float* hidden, Index tokens, Index width) const {
  if (tokens < 1) throw Error(LoadError::bad_usage, transformer_.string(), "a sentence without tokens has no vector");
  std::vector<float> x(pooling_.size() * std::size_t(width));
  for (std::size_t i = 0; i < pooling_.size(); ++i)
    detail::pool(pooling_[i], hidden, tokens, width, x.data() + i * std::size_t(width));
  for (const Step& step : steps_) {
    if (!step.dense) {
      detail::normalize(x);
      continue;
    }
    const Dense& dense = *step.dense;
    if (Index(x.size()) != dense.in)
      throw Error(
          LoadError::shape_mismatch, dense.file,
          detail::concat("\"in_features\" is ", dense.in, ", and the vectors before have ", x.size(), " values"));
    std::vector<float> y(std::size_t(dense.out));
    for (std::size_t row = 0; row < y.size(); ++row) {
      double sum = dense.bias.empty() ? 0 : double(dense.bias[row]);
      for (std::size_t c = 0; c < x.size(); ++c) sum += double(dense.weight[row * x.size() + c]) * double(x[c]);
      const auto lanes = simd<float>::set1(float(sum));
      store_first(&y[row], dense.tanh ? kernels::tanh<float>(lanes) : kernels::activate<float>(dense.activation, lanes),
                  1);
      if (dense.residual) y[row] += x[row];
    }
    x = std::move(y);
  }
  return x;
}

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
