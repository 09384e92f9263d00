// How the config.json of one family of models is read: its name, the other names of its keys, and what is refused.
//
// To write the reader of a new family (text_config.hpp has short ones):
//   1. The table. model_type and the beginning of its classes' names as in Transformers; `other_names` is the
//      attribute_map of the configuration class; `only` are the keys that change a result and are not honoured, each
//      with the one value that is, as JSON, and what any other would ask for.
//        inline constexpr ConfigFamily gpt2_family = {
//            "gpt2", "GPT2", {{"hidden_size", "n_embd"}}, {{"add_cross_attention", "false", "cross-attention"}}};
//   2. The function. One line for each key that is honoured, with the default of the configuration class in
//      Transformers (run it: its dataclass fields are the defaults), never one of ours:
//        Gpt2Config gpt2_config(const ConfigFile& file) {
//          const FamilyKeys keys(file, gpt2_family);            // throws for another family, and for what is refused
//          Gpt2Config c;
//          c.n_embd = keys.size("n_embd", 768);
//   3. A line in config_families.hpp, a folder in tests/golden/configs, and the refused keys in examples/loading.md
//      (build/tests/configs fails for a key that is refused and not stated there).
// A key that is neither honoured nor in `only` changes nothing here: of the whole library, refused_everywhere has those
// that always would.
#pragma once
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>
#include <vitrine/io/config_file.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

/// A key of a configuration class's attribute_map in Transformers, and the key that it stands for.
struct OtherName {
  const char *other, *own;
};
/// A key that is honoured at one value alone (JSON; missing and null stand for it), and what any other asks for.
struct OnlyValue {
  const char *key, *value, *what;
};
/// What sets one family's config.json apart, by Transformers' names.
struct ConfigFamily {
  const char *model_type, *classes;  // "gpt2"; "GPT2", before "Model", "LMHeadModel", "ForTokenClassification"
  std::initializer_list<OtherName> other_names = {};
  std::initializer_list<OnlyValue> only = {};

  /// Is `name` one of the family's classes, as `architectures` in config.json names them? Never throws.
  bool has_class(std::string_view name) const noexcept;
};

// Most values of a row that are read; more would take more memory than any checkpoint has, here and below.
inline constexpr Index most_width = 1 << 16;
// Most layers of a stack.
inline constexpr Index most_layers = 1024;
// Most heads of a layer.
inline constexpr Index most_heads = 4096;
// Longest sequence in positions.
inline constexpr Index most_positions = 1 << 20;
// Most ids of a vocabulary.
inline constexpr Index most_ids = 1 << 24;

/// A family's view of a config.json, which must outlive it: keys under either of their names. Where a file has both,
/// the other name holds, as in Transformers. Throws Error: config_bad_value; in the constructor config_mismatch for
/// another family, and config_unsupported for a key that would change a result and is not honoured.
class FamilyKeys {
 public:
  // The first of `architectures` that a family's class says what the file is of, else model_type; a file with neither
  // is of the family that it is read as.
  FamilyKeys(const ConfigFile& file, const ConfigFamily& family);

  // A whole number in [1, most], or the default where the key is missing; null is refused, as in Transformers.
  Index size(const char* key, Index otherwise, Index most = most_width) const;
  // The same where null stands for the default too (`int | None` in Transformers).
  Index optional_size(const char* key, Index otherwise, Index most = most_width) const;
  // The first id of one or a list, -1 for null, an empty list or -1; the default where the key is missing.
  Index id(const char* key, Index otherwise) const;
  // A norm's epsilon: finite, not negative.
  double epsilon(const char* key, double otherwise) const;
  // As ConfigFile.
  bool boolean(const char* key, bool otherwise) const { return file_.boolean(spelled(key), otherwise); }
  // As ConfigFile.
  Activation activation(const char* key, const char* otherwise) const {
    return file_.activation(spelled(key), otherwise);
  }
  /// Throws config_bad_value unless heads divide the width; both keys are named.
  void require_divisible(const char* width_key, Index width, const char* heads_key, Index heads) const;
  /// The name under which the file has the key; `key` itself where it has none. A constant text.
  const char* spelled(const char* key) const;
  // The file, for what is not here.
  const ConfigFile& file() const noexcept { return file_; }

 private:
  const ConfigFile& file_;
  const ConfigFamily& family_;
};

// ---- implementation

inline bool ConfigFamily::has_class(std::string_view name) const noexcept {
  const std::string_view beginning = classes;
  if (!name.starts_with(beginning)) return false;
  for (const std::string_view rest : {"Model", "For", "LMHeadModel", "MTModel", "DoubleHeadsModel", "PreTrainedModel"})
    if (name.substr(beginning.size()).starts_with(rest)) return true;
  return false;
}

namespace detail {

/// The names in "architectures", the classes with which the checkpoint was written.
inline std::vector<std::string> class_names(const ConfigFile& file) {
  std::vector<std::string> names;
  const auto list = file.json().find("architectures");
  if (list != file.json().end() && list->is_array())
    for (const nlohmann::json& one : *list)
      if (one.is_string()) names.push_back(one.get<std::string>());
  return names;
}

/// Refuses what changes the results of any family: code beside the weights, biases by distance (ALiBi), weights that
/// are quantised, layers without some of their heads.
inline void refused_everywhere(const ConfigFile& file) {
  for (const auto& [key, value] : file.json().items()) {
    const bool empty = value.is_null() || value == false || ((value.is_object() || value.is_array()) && value.empty());
    if (empty) continue;
    const auto refuse = [&, &name = key](std::string_view why) {
      file.fail(LoadError::config_unsupported, concat(in_quotes(name), ": ", why));
    };
    if (key == "auto_map") {
      if (!value.is_object()) refuse("the model is code of its own, which is not run here");
      for (const auto& [name, code] : value.items())
        if (name == "AutoConfig" || name.starts_with("AutoModel"))
          refuse(concat("the model is code of its own, ", in_quotes(code.dump()), ", which is not run here"));
    } else if (key.find("alibi") != key.npos) {
      refuse("biases by distance (ALiBi) are not supported");
    } else if (key == "quantization_config") {
      refuse("quantised weights are not supported; save the model in float32, float16 or bfloat16");
    } else if (key == "pruned_heads") {
      refuse("layers with fewer heads than others are not supported");
    }
  }
}

}  // namespace detail

inline FamilyKeys::FamilyKeys(const ConfigFile& file, const ConfigFamily& family) : file_(file), family_(family) {
  const std::string type = file.text("model_type", "");
  bool named = false;
  const std::vector<std::string> classes = detail::class_names(file);
  for (const std::string& name : classes) named = named || family.has_class(name);
  if (!named && (type.empty() ? !classes.empty() : type != family.model_type))
    file.fail(LoadError::config_mismatch,
              type.empty()
                  ? detail::concat("\"architectures\" names ", detail::in_quotes(classes[0]), ", which is not \"",
                                   family.model_type, "\"")
                  : detail::concat("\"model_type\" is ", detail::in_quotes(type), ", not \"", family.model_type, "\""));
  detail::refused_everywhere(file);
  for (const OnlyValue& only : family.only)
    file.require(spelled(only.key), nlohmann::json::parse(only.value), only.what);
}

inline const char* FamilyKeys::spelled(const char* key) const {
  for (const OtherName& name : family_.other_names)
    if (std::string_view(name.own) == key && file_.has(name.other)) return name.other;
  return key;
}

inline Index FamilyKeys::size(const char* key, Index otherwise, Index most) const {
  const char* name = spelled(key);
  if (file_.json().contains(name) && !file_.has(name))
    file_.fail(LoadError::config_bad_value,
               detail::concat("\"", name, "\" is null, not a whole number from 1 to ", most));
  return file_.integer(name, otherwise, 1, most);
}
inline Index FamilyKeys::optional_size(const char* key, Index otherwise, Index most) const {
  return file_.integer(spelled(key), otherwise, 1, most);
}

inline Index FamilyKeys::id(const char* key, Index otherwise) const {
  const char* name = spelled(key);
  if (!file_.json().contains(name)) return otherwise;
  if (file_.json().at(name) == -1) return -1;
  const std::vector<Index> ids = file_.ids(name);
  return ids.empty() ? -1 : ids.front();
}

inline double FamilyKeys::epsilon(const char* key, double otherwise) const {
  const char* name = spelled(key);
  const double value = file_.number(name, otherwise);
  if (!(value >= 0 && value <= std::numeric_limits<float>::max()))
    file_.fail(LoadError::config_bad_value,
               detail::concat("\"", name, "\" is ", file_.json().at(name).dump(), ", not a finite number from 0"));
  return value;
}

inline void FamilyKeys::require_divisible(const char* width_key, Index width, const char* heads_key,
                                          Index heads) const {
  if (width % heads != 0)
    file_.fail(LoadError::config_bad_value,
               detail::concat("\"", spelled(width_key), "\" ", width, " is not divisible by ", heads,
                              " attention heads (\"", spelled(heads_key), "\")"));
}

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
