// Values by key from a JSON object, each checked: Hugging Face's config.json, generation_config.json and the like.
//
//   const vt::ConfigFile file("opus-mt-en-de/config.json");
//   file.integer("d_model", 512);
//
// Errors name file and key.
#pragma once
#include <cmath>
#include <concepts>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>
#include <vitrine/core/activation_kind.hpp>
#include <vitrine/io/detail/file_kind.hpp>
#include <vitrine/io/detail/json_fault.hpp>
#include <vitrine/io/error.hpp>
#include <vitrine/io/mapped_file.hpp>
#include <vitrine/io/safetensors_header.hpp>

#include <vitrine/core/macros_push.hpp>

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
  template <std::same_as<nlohmann::json> Json>  // text is no JSON value, though it would convert to one
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
  /// `only`, and [] and {} where that is null.
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

// ---- implementation

inline ConfigFile::ConfigFile(const std::filesystem::path& path) : file_(path.string()) {
  std::error_code failed;
  if (!std::filesystem::exists(path, failed)) {
    const std::filesystem::path folder = path.parent_path();
    const std::string why = folder.empty() ? "" : detail::no_folder(folder);
    fail(LoadError::config_missing,
         why.empty() ? "does not exist" : detail::concat("does not exist: ", folder.string(), " ", why));
  }
  const MappedFile bytes(path);
  parse({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

inline ConfigFile::ConfigFile(std::string_view text, std::string label) : file_(std::move(label)) { parse(text); }

inline void ConfigFile::parse(std::string_view text) {
  if (text.size() > (std::size_t{64} << 20)) fail(LoadError::config_not_json, "has more than 64 MB");
  if (const std::string_view kind = detail::other_kind(text); !kind.empty()) fail(LoadError::config_not_json, kind);
  if (!detail::is_utf8(text)) fail(LoadError::config_not_json, "is not UTF-8");
  if (text.find('\0') != text.npos) fail(LoadError::config_not_json, "contains a NUL byte");  // nlohmann's end
  if (detail::json_depth(text) > 32) fail(LoadError::config_not_json, "nests more than 32 levels deep");
  json_ = nlohmann::json::parse(text.begin(), text.end(), nullptr, false);
  if (json_.is_discarded()) fail(LoadError::config_not_json, detail::json_fault(text));
  if (!json_.is_object()) fail(LoadError::config_not_json, "is not a JSON object");
}

inline Index ConfigFile::integer(const char* key, std::optional<Index> otherwise, Index least, Index most) const {
  const nlohmann::json* value = find(key);
  if (value == nullptr) {
    if (!otherwise) fail(LoadError::config_bad_value, detail::concat("has no \"", key, "\""));
    return *otherwise;
  }
  const std::string wanted = detail::concat("a whole number from ", least, " to ", most);
  if (value->is_number_float() && std::abs(value->get<double>()) >= 0x1p63)  // what the parser makes of longer ones
    fail(LoadError::config_bad_value,
         detail::concat("\"", key, "\" is about ", value->dump(), ", more than 64 bits hold, not ", wanted));
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
  if (only.is_null() && value->is_structured() && value->empty()) return;  // a list of nothing asks for nothing
  if (value->is_number() && only.is_number() && value->get<double>() == only.get<double>()) return;
  fail(LoadError::config_unsupported, detail::concat("\"", key, "\": ", value->dump(-1, ' ', true).substr(0, 60),
                                                     " is not supported (only ", only.dump(), "): ", what));
}

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
