// The files of a checkpoint folder that say how text becomes ids: Transformers' class, its options, special and added
// tokens, by the rules by which Transformers 5.23 puts them together. Part of text/tokenizer.hpp.
#pragma once
#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>
#include <vitrine/core/config.hpp>
#include <vitrine/io/config.hpp>
#include <vitrine/io/error.hpp>
#include <vitrine/text/detail/token_table.hpp>
#include <vitrine/text/detail/tokenizer_classes.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::detail {

class TokenizerFiles {
 public:
  /// Throws Error as Tokenizer does; config_unsupported for a class of Transformers that is not meant here.
  explicit TokenizerFiles(const std::filesystem::path& folder);

  bool has(const char* name) const {
    std::error_code failed;
    return std::filesystem::exists(folder_ / name, failed);
  }
  /// Is there a tokenizer.json, or another vocabulary of pieces?
  bool has_pieces() const {
    return has("tokenizer.json") || has("vocab.txt") || has("merges.txt") ||
           (!class_->vocabulary.empty() && class_->vocabulary != "vocab.json" &&
            has(std::string(class_->vocabulary).c_str()));
  }
  /// Transformers' class, without "Fast".
  const std::string& class_name() const noexcept { return class_name_; }
  /// A value of tokenizer_config.json, null where there is none.
  const nlohmann::json& option(const char* key) const;
  bool flag(const char* key, bool otherwise) const;
  /// A special token's name, from tokenizer_config.json or special_tokens_map.json; the class's default; "".
  std::string special(const char* key) const;
  /// The named special tokens and the further ones.
  std::vector<std::string> special_texts() const;
  /// "model_max_length", 0 where there is none.
  Index max_length() const;
  /// Added and special tokens as objects of a tokenizer.json, those that the files number with an "id".
  std::vector<nlohmann::json> all_added_tokens() const {
    std::vector<nlohmann::json> added = added_tokens();
    add_missing(added, Repeated::first);
    return added;
  }

 protected:
  using Json = nlohmann::json;
  void find_class();
  std::optional<Json> given_special(const char* key) const;
  std::vector<std::string> extra_ids() const;
  std::vector<Json> added_tokens() const;
  std::optional<std::vector<Json> > extra_specials() const;
  std::vector<Json> further_specials() const;
  std::vector<Json> named_specials() const;
  /// Of several special tokens of one text, whose flags count?
  enum class Repeated { first, last };
  void add_missing(std::vector<Json>& added, Repeated repeated) const;
  [[noreturn]] void fail(LoadError code, std::string_view sentence) const {
    throw Error(code, folder_.string(), sentence);
  }

  std::filesystem::path folder_;
  Json file_ = Json::object();                           // tokenizer.json
  std::optional<ConfigFile> config_;                     // tokenizer_config.json
  std::optional<ConfigFile> specials_;                   // special_tokens_map.json
  std::optional<std::vector<Json> > model_tokens_ = {};  // symbols of a SentencePiece model that was read
  const TokenizerClass* class_ = nullptr;
  std::string class_name_ = {};
};

// ---- implementation

inline constexpr const char* special_names[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                                "pad_token", "cls_token", "mask_token"};

inline TokenizerFiles::TokenizerFiles(const std::filesystem::path& folder) : folder_(folder) {
  if (has("tokenizer_config.json")) config_.emplace(folder / "tokenizer_config.json");
  // Transformers reads it only where the newer form of the same is not there.
  if (has("special_tokens_map.json") && option("added_tokens_decoder").is_null())
    specials_.emplace(folder / "special_tokens_map.json");
  if (has("tokenizer.json")) file_ = ConfigFile(folder / "tokenizer.json").json();
  find_class();
}

inline const nlohmann::json& TokenizerFiles::option(const char* key) const {
  static const Json none;
  return config_ && config_->has(key) ? config_->json().at(key) : none;
}

inline bool TokenizerFiles::flag(const char* key, bool otherwise) const {
  return config_ ? config_->boolean(key, otherwise) : otherwise;
}

inline Index TokenizerFiles::max_length() const {
  const Json& given = option("model_max_length").is_null() ? option("max_len") : option("model_max_length");
  // Transformers writes 1e30 for no limit.
  return given.is_number() && given >= 1 && given < 1e9 ? given.get<Index>() : 0;
}

/// A token is a text, or an object with its text as "content".
inline std::string token_text(const nlohmann::json& token) {
  if (token.is_string()) return token.get<std::string>();
  if (!token.is_object()) return {};
  const auto content = token.find("content");
  return content != token.end() && content->is_string() ? content->get<std::string>() : std::string();
}

inline std::optional<nlohmann::json> TokenizerFiles::given_special(const char* key) const {
  if (specials_ && specials_->has(key)) return specials_->json().at(key);
  if (config_ && config_->json().contains(key)) return config_->json().at(key);
  return {};
}

inline std::string TokenizerFiles::special(const char* key) const {
  if (const std::optional<Json> given = given_special(key)) return token_text(*given);
  if (class_ != nullptr)
    for (const auto& [name, text] : class_->specials)
      if (name == key) return std::string(text);
  return {};
}

/// "extra_special_tokens" of both files; tokenizer_config.json may call them "additional_special_tokens". Nothing where
/// neither file has any.
inline std::optional<std::vector<nlohmann::json> > TokenizerFiles::extra_specials() const {
  std::optional<std::vector<Json> > tokens;
  const auto take = [&](const std::optional<ConfigFile>& file, const char* key) {
    const Json::const_iterator given = file ? file->json().find(key) : Json::const_iterator();
    if (!file || given == file->json().end() || given->is_object()) return;  // an object's are named ones
    if (given->is_null() && class_name_ == "NllbTokenizer") return;
    if (!tokens) tokens.emplace();
    tokens->insert(tokens->end(), given->begin(), given->end());
  };
  take(config_, "extra_special_tokens");
  if (!tokens || tokens->empty()) take(config_, "additional_special_tokens");
  take(specials_, "extra_special_tokens");
  return tokens;
}

/// The extra ones; where there are none, "additional_special_tokens" of special_tokens_map.json or, where a
/// SentencePiece model is read, its symbols instead, and what the class adds to them.
inline std::vector<nlohmann::json> TokenizerFiles::further_specials() const {
  if (std::optional<std::vector<Json> > extra = extra_specials()) return std::move(*extra);
  constexpr const char* key = "additional_special_tokens";
  std::optional<std::vector<Json> > given = model_tokens_;
  if (!given && specials_ && specials_->has(key))
    given.emplace(specials_->json().at(key).begin(), specials_->json().at(key).end());
  std::vector<Json> tokens = given.value_or(std::vector<Json>());
  if (!given || class_name_ != "NllbTokenizer") {
    const std::vector<std::string> codes = each_language(class_->languages);
    tokens.insert(class_name_ == "MBartTokenizer" ? tokens.begin() : tokens.end(), codes.begin(), codes.end());
  }
  if (class_->frame != Frame::t5) return tokens;
  const auto is_extra_id = [](const Json& token) { return token_text(token).find("<extra_id_") != std::string::npos; };
  const std::vector<std::string> own = extra_ids();
  const auto count = std::size_t(std::count_if(tokens.begin(), tokens.end(), is_extra_id));
  if (count > 0 && !own.empty() && count != own.size())
    fail(LoadError::config_bad_value,
         concat("its \"", key, "\" have ", count, " <extra_id_...>, and its \"extra_ids\" are ", own.size()));
  if (count == 0) tokens.insert(tokens.end(), own.begin(), own.end());
  return tokens;
}

/// Those of other names than all models have: "image_token", and where "extra_special_tokens" is an object.
inline std::vector<nlohmann::json> TokenizerFiles::named_specials() const {
  std::vector<Json> tokens;
  for (const std::optional<ConfigFile>* file : {&config_, &specials_}) {
    if (!*file) continue;
    for (const auto& [key, value] : (*file)->json().items())
      if (key.ends_with("_token") &&
          std::find(std::begin(special_names), std::end(special_names), key) == std::end(special_names))
        tokens.push_back(value);
    if (const auto extra = (*file)->json().find("extra_special_tokens");
        extra != (*file)->json().end() && extra->is_object())
      tokens.insert(tokens.end(), extra->begin(), extra->end());
  }
  return tokens;
}

inline std::vector<std::string> TokenizerFiles::special_texts() const {
  std::vector<std::string> texts;
  for (const char* name : special_names) texts.push_back(special(name));
  for (const Json& token : named_specials()) texts.push_back(token_text(token));
  for (const Json& token : further_specials()) texts.push_back(token_text(token));
  std::erase(texts, "");
  return texts;
}

inline void TokenizerFiles::find_class() {
  const auto without_fast = [](std::string name) {
    if (name.ends_with("Fast")) name.resize(name.size() - 4);
    return name;
  };
  std::string name = config_ ? config_->text("tokenizer_class", "") : std::string(), type;
  if (has("config.json")) {
    const ConfigFile model(folder_ / "config.json");
    type = model.text("model_type", "");
    if (name.empty()) name = model.text("tokenizer_class", "");
  }
  name = without_fast(std::move(name));
  const bool qwen = type == "qwen2";  // whose folders name other classes, wrongly
  if (const std::string_view own = class_of_model(type); !own.empty() && (name.empty() || qwen)) name = own;
  if (name.empty() && !has("tokenizer.json"))
    name = has("source.spm")   ? "MarianTokenizer"
           : has("vocab.txt")  ? "BertTokenizer"
           : has("merges.txt") ? "GPT2Tokenizer"
                               : "";
  // Of these Transformers takes the tokenizer.json as it is, whatever class a folder names.
  for (const char* as_it_is : {"mistral", "mixtral", "ministral"})
    if (type == as_it_is) name.clear();
  // Folders of Llama 3 and its like name Llama 2's class.
  if (name == "LlamaTokenizer" && file_.contains("pre_tokenizer") &&
      file_.at("pre_tokenizer").dump().find("\"ByteLevel\"") != std::string::npos)
    name.clear();
  class_ = tokenizer_class(name);
  class_name_ = name;
  if (class_ == nullptr)
    fail(LoadError::config_unsupported,
         concat("its \"tokenizer_class\" is ", in_quotes(name), ", which is not supported"));
}

/// T5's sentinels.
inline std::vector<std::string> TokenizerFiles::extra_ids() const {
  std::vector<std::string> texts;
  const Index count = config_ ? config_->integer("extra_ids", 100, 0, 1 << 16) : 100;
  for (Index i = 0; i < count; ++i) texts.push_back(concat("<extra_id_", i, ">"));
  return texts;
}

/// By their ids, as added_tokens_decoder has them; else those of the older files and of the tokenizer.json.
inline std::vector<nlohmann::json> TokenizerFiles::added_tokens() const {
  std::map<Index, Json> by_id;
  const auto add = [&](Index id, Json token) {
    token["id"] = id;
    token.erase("__type");
    const bool special = token.value("special", false);
    if (!token.contains("normalized")) token["normalized"] = !special;
    by_id[id] = std::move(token);
  };
  if (const Json& decoder = option("added_tokens_decoder"); !decoder.is_null()) {
    if (!decoder.is_object()) config_->fail(LoadError::config_bad_value, "\"added_tokens_decoder\" is not an object");
    for (const auto& [key, token] : decoder.items()) {
      Index id = 0;
      const auto [end, failed] = std::from_chars(key.data(), key.data() + key.size(), id);
      if (failed != std::errc() || end != key.data() + key.size() || id < 0 || !token.is_object())
        config_->fail(LoadError::config_bad_value, concat("\"added_tokens_decoder\" has ", in_quotes(key)));
      add(id, token);
    }
  } else {
    if (has("added_tokens.json")) {
      const ConfigFile older(folder_ / "added_tokens.json");
      TokenTable special;
      for (const Json& token : extra_specials().value_or(std::vector<Json>())) special.add(token_text(token), 0);
      for (const char* name : special_names)
        if (const std::optional<Json> given = given_special(name)) special.add(token_text(*given), 0);
      for (const auto& [text, id] : older.json().items()) {
        if (!id.is_number_integer() || id < 0 || id > 1 << 24)
          older.fail(LoadError::bad_vocabulary, concat("the id of ", in_quotes(text), " is no id"));
        add(id.get<Index>(), {{"content", text}, {"special", special.find(text) != no_token}});
      }
    }
    if (const auto own = file_.find("added_tokens"); own != file_.end() && own->is_array())
      for (const Json& token : *own)
        if (token.is_object() && token.contains("id") && token["id"].is_number_integer())
          add(token["id"].get<Index>(), token);
  }
  std::vector<Json> all;
  all.reserve(by_id.size());
  for (auto& [id, token] : by_id) all.push_back(std::move(token));
  return all;
}

/// Special tokens by name, then the further ones, as far as they are no added tokens yet.
inline void TokenizerFiles::add_missing(std::vector<Json>& added, Repeated repeated) const {
  TokenTable places, names;
  for (std::size_t i = 0; i < added.size(); ++i) places.add(token_text(added[i]), std::uint32_t(i));
  const auto add = [&](const Json& token, bool named) {
    const std::string text = token_text(token);
    if (text.empty()) return;
    if (named) names.add(text, 0);
    if (const std::uint32_t known = places.find(text); known != no_token) {
      if (named) added[known]["special"] = true;
      return;
    }
    if (repeated == Repeated::first) places.add(text, std::uint32_t(added.size()));
    Json made = token.is_object() ? token : Json{{"content", text}};
    made.erase("__type");
    if (!token.is_object() || names.find(text) != no_token) made["special"] = true;
    if (!made.contains("normalized")) made["normalized"] = !made.value("special", false);
    added.push_back(std::move(made));
  };
  for (const char* name : special_names) {
    const std::optional<Json> given = given_special(name);
    Json token = given ? *given : Json(special(name));
    // A mask of these classes takes the blanks in front of it.
    if (token.is_string() && !token_text(token).empty() && !class_->languages.empty() &&
        std::string_view(name) == "mask_token")
      token = {{"content", token}, {"lstrip", true}, {"normalized", true}, {"special", true}};
    add(token, true);
  }
  for (const Json& token : named_specials()) add(token, true);
  for (const Json& token : further_specials()) add(token, false);
}

}  // namespace vitrine::inline VITRINE_ABI::detail

#include <vitrine/core/macros_pop.hpp>
