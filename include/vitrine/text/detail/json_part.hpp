// A part of a tokenizer.json, read key by key: what is not known is refused by the part's name and the key's. Part of
// text/tokenizer.hpp.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>
#include <vitrine/core/config.hpp>
#include <vitrine/io/config.hpp>
#include <vitrine/io/error.hpp>
#include <vitrine/text/detail/pattern.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::detail {

/// A JSON object within a file, called by a name for errors. Views the file.
class JsonPart {
 public:
  JsonPart(const ConfigFile& file, const nlohmann::json& value, std::string name)
      : file_(&file), value_(&value), name_(std::move(name)) {
    if (!value.is_object()) file.fail(LoadError::config_bad_value, concat(in_quotes(name_), " is not an object"));
  }

  const std::string& name() const noexcept { return name_; }
  const std::string& file() const noexcept { return file_->file(); }
  const nlohmann::json& json() const noexcept { return *value_; }
  bool has(const char* key) const { return find(key) != nullptr; }
  /// Refuses (config_unsupported) keys other than these and "type".
  void know(std::initializer_list<std::string_view> keys) const {
    for (const auto& [key, value] : value_->items())
      if (key != "type" && std::find(keys.begin(), keys.end(), key) == keys.end() && !value.is_null())
        unsupported(concat("has the key ", in_quotes(key)));
  }
  bool boolean(const char* key, bool otherwise) const {
    const nlohmann::json* found = find(key);
    if (found == nullptr) return otherwise;
    if (!found->is_boolean()) bad(key, *found);
    return found->get<bool>();
  }
  std::string text(const char* key, const char* otherwise = nullptr) const {
    const nlohmann::json* found = find(key);
    if (found == nullptr && otherwise == nullptr)
      file_->fail(LoadError::config_bad_value, concat(in_quotes(name_), " has no \"", key, "\""));
    if (found == nullptr) return otherwise;
    if (!found->is_string()) bad(key, *found);
    return found->get<std::string>();
  }
  Index integer(const char* key, Index otherwise, Index most = 1 << 24) const {
    const nlohmann::json* found = find(key);
    if (found == nullptr) return otherwise;
    if (!found->is_number_integer() || *found < 0 || *found > most) bad(key, *found);
    return found->get<Index>();
  }
  /// The object under a key.
  JsonPart part(const char* key) const {
    const nlohmann::json* found = find(key);
    if (found == nullptr) file_->fail(LoadError::config_bad_value, concat(in_quotes(name_), " has no \"", key, "\""));
    return {*file_, *found, key};
  }
  /// The array under a key, empty when it is not there.
  const nlohmann::json& array(const char* key) const {
    static const nlohmann::json none = nlohmann::json::array();
    const nlohmann::json* found = find(key);
    if (found == nullptr) return none;
    if (!found->is_array()) bad(key, *found);
    return *found;
  }
  /// Its objects.
  std::vector<JsonPart> parts(const char* key) const {
    std::vector<JsonPart> all;
    for (const nlohmann::json& one : array(key)) all.emplace_back(*file_, one, key);
    return all;
  }
  /// A pattern, {"String": ...} or {"Regex": ...}; a bare string is one to be found as it is.
  Pattern pattern(const char* key) const {
    const nlohmann::json* found = find(key);
    if (found == nullptr) bad(key, nlohmann::json());
    if (found->is_string()) return Pattern::literal(found->get<std::string>());
    const JsonPart own(*file_, *found, key);
    own.know({"String", "Regex"});
    return own.has("Regex") ? Pattern::regex(own.text("Regex"), file()) : Pattern::literal(own.text("String"));
  }

  [[noreturn]] void unsupported(std::string_view what) const {
    file_->fail(LoadError::config_unsupported, concat(in_quotes(name_), " ", what, ", which is not supported"));
  }
  [[noreturn]] void bad(const char* key, const nlohmann::json& value) const {
    file_->fail(LoadError::config_bad_value,
                concat("\"", key, "\" of ", in_quotes(name_), " is ", in_quotes(value.dump(-1, ' ', true))));
  }
  [[noreturn]] void bad_vocabulary(std::string_view sentence) const {
    file_->fail(LoadError::bad_vocabulary, sentence);
  }

 private:
  const nlohmann::json* find(const char* key) const {
    const auto found = value_->find(key);
    return found == value_->end() || found->is_null() ? nullptr : &*found;
  }
  const ConfigFile* file_;
  const nlohmann::json* value_;
  std::string name_;
};

}  // namespace vitrine::inline VITRINE_ABI::detail

#include <vitrine/core/macros_pop.hpp>
