// A checkpoint folder's tokenizer as one tokenizer.json: the files that it has, by the rules by which Transformers 5.23
// puts them together. Part of text/tokenizer.hpp.
#pragma once
#include <algorithm>
#include <charconv>
#include <cstddef>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>
#include <vitrine/core/config.hpp>
#include <vitrine/io/config.hpp>
#include <vitrine/io/error.hpp>
#include <vitrine/io/mapped_file.hpp>
#include <vitrine/text/detail/aligned_text.hpp>
#include <vitrine/text/detail/sentencepiece_vocabulary.hpp>
#include <vitrine/text/detail/tokenizer_classes.hpp>
#include <vitrine/text/detail/unicode.hpp>

namespace vitrine::inline VITRINE_ABI::detail {

/// The files of a folder that say how text becomes ids, and what they come to.
class TokenizerFolder {
 public:
  /// Throws Error as Tokenizer does; config_unsupported for a class of Transformers that is not meant here.
  explicit TokenizerFolder(const std::filesystem::path& folder);

  /// What a tokenizer.json would say that gives the same ids.
  nlohmann::json effective();
  /// Does it have such a file, or another vocabulary of pieces?
  bool has_pieces() const {
    return has("tokenizer.json") || has("vocab.txt") || has("merges.txt") ||
           (!class_->vocabulary.empty() && class_->vocabulary != "vocab.json" &&
            has(std::string(class_->vocabulary).c_str()));
  }
  bool has(const char* name) const {
    std::error_code failed;
    return std::filesystem::exists(folder_ / name, failed);
  }
  /// Added and special tokens as objects of a tokenizer.json, those that the files number with an "id".
  std::vector<nlohmann::json> all_added_tokens() const {
    std::vector<nlohmann::json> added = added_tokens();
    add_missing(added);
    return added;
  }
  /// A value of tokenizer_config.json, null where there is none.
  const nlohmann::json& option(const char* key) const;
  bool flag(const char* key, bool otherwise) const;
  /// A special token's name, from tokenizer_config.json or special_tokens_map.json; the class's default; "".
  std::string special(const char* key) const;
  /// The named special tokens and the further ones.
  std::vector<std::string> special_texts() const;
  /// "model_max_length", 0 where there is none.
  Index max_length() const;

 private:
  using Json = nlohmann::json;
  void find_class();
  void read_vocabulary();
  void read_sentencepiece(Json& model);
  std::vector<std::string> extra_ids() const;
  Json rebuilt() const;
  Json vocabulary_of() const;
  Json frame() const;
  Json language_frame(const std::string& end) const;
  Json normalizer() const;
  std::vector<Json> added_tokens() const;
  std::vector<Json> further_specials() const;
  void add_missing(std::vector<Json>& added) const;
  [[noreturn]] void fail(LoadError code, std::string_view sentence) const {
    throw Error(code, folder_.string(), sentence);
  }

  std::filesystem::path folder_;
  Json file_ = Json::object();           // tokenizer.json
  std::optional<ConfigFile> config_;     // tokenizer_config.json
  std::optional<ConfigFile> specials_;   // special_tokens_map.json
  std::vector<Json> model_tokens_ = {};  // symbols of a SentencePiece model
  const TokenizerClass* class_ = nullptr;
  std::string class_name_ = {};
};

// ---- implementation

inline constexpr const char* special_names[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                                "pad_token", "cls_token", "mask_token"};

inline TokenizerFolder::TokenizerFolder(const std::filesystem::path& folder) : folder_(folder) {
  if (has("tokenizer_config.json")) config_.emplace(folder / "tokenizer_config.json");
  // Transformers reads it only where the newer form of the same is not there.
  if (has("special_tokens_map.json") && option("added_tokens_decoder").is_null())
    specials_.emplace(folder / "special_tokens_map.json");
  if (has("tokenizer.json")) file_ = ConfigFile(folder / "tokenizer.json").json();
  find_class();
}

inline const nlohmann::json& TokenizerFolder::option(const char* key) const {
  static const Json none;
  return config_ && config_->has(key) ? config_->json().at(key) : none;
}

inline bool TokenizerFolder::flag(const char* key, bool otherwise) const {
  return config_ ? config_->boolean(key, otherwise) : otherwise;
}

inline Index TokenizerFolder::max_length() const {
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

inline std::string TokenizerFolder::special(const char* key) const {
  if (specials_ && specials_->has(key)) return token_text(specials_->json().at(key));
  if (config_ && config_->json().contains(key)) return token_text(config_->json().at(key));
  if (class_ != nullptr)
    for (const auto& [name, text] : class_->specials)
      if (name == key) return std::string(text);
  return {};
}

/// "extra_special_tokens" of both files; only without any "additional_special_tokens", its older name; and without
/// these the symbols of a SentencePiece model, and T5's own.
inline std::vector<nlohmann::json> TokenizerFolder::further_specials() const {
  for (const char* key : {"extra_special_tokens", "additional_special_tokens"}) {
    std::vector<Json> tokens;
    for (const std::optional<ConfigFile>* file : {&config_, &specials_})
      if (*file && (*file)->has(key))
        for (const Json& token : (*file)->json().at(key)) tokens.push_back(token);
    if (!tokens.empty()) return tokens;
  }
  std::vector<Json> tokens = model_tokens_;
  if (class_->frame == Frame::t5)
    for (const std::string& text : extra_ids()) tokens.emplace_back(text);
  return tokens;
}

inline std::vector<std::string> TokenizerFolder::special_texts() const {
  std::vector<std::string> texts;
  for (const char* name : special_names) texts.push_back(special(name));
  for (const Json& token : further_specials()) texts.push_back(token_text(token));
  std::erase(texts, "");
  return texts;
}

inline void TokenizerFolder::find_class() {
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

/// The lines of a vocab.txt or merges.txt, without what is blank at their ends.
inline std::vector<std::string> vocabulary_lines(const std::filesystem::path& path) {
  const MappedFile file(path);
  const std::string_view text(reinterpret_cast<const char*>(file.data()), file.size());
  if (text.size() > (std::size_t{64} << 20))
    throw Error(LoadError::bad_vocabulary, path.string(), "has more than 64 MB");
  if (!is_utf8(text)) throw Error(LoadError::bad_vocabulary, path.string(), "is not UTF-8");
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    std::size_t last = at;
    each_character(text.substr(at, end - at), [&](char32_t c, std::size_t place) {
      if (!is_space(c)) last = at + place + 1;
    });
    while (last < end && continues_character(text[last])) ++last;
    lines.emplace_back(text.substr(at, last - at));
    at = end + 1;
  }
  return lines;
}

inline void TokenizerFolder::read_vocabulary() {
  Json model = {{"type", class_->model}, {"vocab", Json::object()}};
  if (class_->vocabulary == "vocab.txt") {
    std::size_t id = 0;
    for (std::string& line : vocabulary_lines(folder_ / "vocab.txt")) model["vocab"][std::move(line)] = id++;
  } else if (class_->vocabulary == "vocab.json") {
    model["vocab"] = ConfigFile(folder_ / "vocab.json").json();
    model["merges"] = Json::array();
    for (std::string& line : vocabulary_lines(folder_ / "merges.txt"))
      if (!line.empty() && !line.starts_with("#version")) model["merges"].push_back(std::move(line));
  } else {
    read_sentencepiece(model);
  }
  file_["model"] = std::move(model);
}

inline void TokenizerFolder::read_sentencepiece(Json& model) {
  const SentencePieceVocabulary pieces(folder_ / std::string(class_->vocabulary));
  model_tokens_ = pieces.added_tokens();
  if (class_->model == "BPE") {
    model["vocab"] = pieces.ids(), model["merges"] = pieces.merges();
    return;
  }
  Json& vocab = model["vocab"] = pieces.scored();
  const auto add = [&](std::string text) { vocab.push_back({std::move(text), 0.0}); };
  if (class_->frame == Frame::t5) {
    const std::vector<std::string> extra = extra_ids();
    std::for_each(extra.rbegin(), extra.rend(), add);
  }
  if (class_->frame == Frame::xlm_roberta) {  // which numbers the marks as fairseq does
    Json own = Json::array();
    for (const char* name : {"bos_token", "pad_token", "eos_token", "unk_token"}) own.push_back({special(name), 0.0});
    for (std::size_t i = 3; i < vocab.size(); ++i) own.push_back(std::move(vocab[i]));
    vocab = std::move(own);
    add(special("mask_token"));
  }
  const std::string& map = pieces.character_map();
  if (!map.empty())
    file_["normalizer"] = {{"type", "Precompiled"}, {"precompiled_charsmap", Json::binary({map.begin(), map.end()})}};
}

/// T5's sentinels.
inline std::vector<std::string> TokenizerFolder::extra_ids() const {
  std::vector<std::string> texts;
  const Index count = config_ ? config_->integer("extra_ids", 100, 0, 1 << 16) : 100;
  for (Index i = 0; i < count; ++i) texts.push_back(concat("<extra_id_", i, ">"));
  return texts;
}

inline nlohmann::json TokenizerFolder::effective() {
  const bool own = has("tokenizer.json");
  if (!own && class_->model.empty()) fail(LoadError::file_missing, "has no tokenizer.json");
  if (!own) read_vocabulary();
  const bool as_it_is = class_->model.empty();
  Json all = as_it_is ? file_ : rebuilt();
  std::vector<Json> added = added_tokens();
  if (as_it_is && file_.contains("added_tokens") && file_.at("added_tokens").is_array()) {
    std::vector<Json> own_tokens(file_.at("added_tokens").begin(), file_.at("added_tokens").end());
    own_tokens.insert(own_tokens.end(), added.begin(), added.end());
    added = std::move(own_tokens);
  }
  add_missing(added);
  all["added_tokens"] = std::move(added);
  all["post_processor"] = frame();
  return all;
}

inline nlohmann::json TokenizerFolder::vocabulary_of() const {
  const auto model = file_.find("model");
  if (model == file_.end() || !model->is_object() || !model->contains("vocab"))
    fail(LoadError::bad_vocabulary, "its tokenizer.json has no \"model\" with a \"vocab\"");
  Json made = Json::parse(class_->rules);
  made["type"] = class_->model;
  made["vocab"] = model->at("vocab");
  if ((class_->model == "Unigram") != made["vocab"].is_array())
    fail(LoadError::config_unsupported, concat("its tokenizer.json has no model of the type ", class_->model,
                                               ", which its ", class_name_, " asks for"));
  if (class_->model == "BPE") made["merges"] = model->value("merges", Json::array());
  if (class_->model == "WordPiece" || class_name_ == "GemmaTokenizer") made["unk_token"] = special("unk_token");
  return made;
}

/// The character map of SentencePiece that a tokenizer.json has among its normalizers, null where it has none.
inline nlohmann::json precompiled_of(const nlohmann::json& file) {
  const auto normalizer = file.find("normalizer");
  if (normalizer == file.end() || !normalizer->is_object()) return {};
  nlohmann::json steps = normalizer->value("normalizers", nlohmann::json::array({*normalizer}));
  for (const nlohmann::json& step : steps)
    if (step.is_object() && step.value("type", "") == "Precompiled") return step;
  return {};
}

inline nlohmann::json TokenizerFolder::normalizer() const {
  Json made = class_->normalizer.empty() ? Json() : Json::parse(class_->normalizer);
  if (class_->frame == Frame::bert) {
    made["lowercase"] = flag("do_lower_case", true);
    made["strip_accents"] = option("strip_accents");
    made["handle_chinese_chars"] = flag("tokenize_chinese_chars", true);
  }
  if (class_->model != "Unigram") return made;
  if (class_name_ == "AlbertTokenizer") {
    Json& steps = made["normalizers"];
    if (!flag("keep_accents", false))
      steps.insert(steps.end(), {Json{{"type", "NFKD"}}, Json{{"type", "StripAccents"}}});
    if (flag("do_lower_case", true)) steps.push_back({{"type", "Lowercase"}});
    if (const Json map = precompiled_of(file_); !map.is_null()) steps.push_back(map);
    return made;
  }
  return precompiled_of(file_);
}

inline nlohmann::json TokenizerFolder::rebuilt() const {
  Json made = {{"version", "1.0"}, {"model", vocabulary_of()}, {"normalizer", normalizer()}};
  Json pre = Json::parse(class_->pre_tokenizer), decoder = Json::parse(class_->decoder);
  Json& last = pre.contains("pretokenizers") ? pre["pretokenizers"].back() : pre;
  const bool prefix = flag("add_prefix_space", last["type"] == "Metaspace");
  if (last["type"] == "ByteLevel") last["add_prefix_space"] = prefix;
  if (class_name_ == "LlamaTokenizer") {
    last["prepend_scheme"] = !prefix ? "never" : flag("legacy", false) ? "always" : "first";
    if (!prefix) decoder["decoders"].erase(3);
  } else if (last["type"] == "Metaspace" && class_name_ != "T5Tokenizer") {
    last["prepend_scheme"] = decoder["prepend_scheme"] = prefix ? "always" : "never";
  }
  made["pre_tokenizer"] = std::move(pre), made["decoder"] = std::move(decoder);
  return made;
}

/// By their ids, as added_tokens_decoder has them; else those of the older files and of the tokenizer.json.
inline std::vector<nlohmann::json> TokenizerFolder::added_tokens() const {
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
      const std::vector<std::string> specials = special_texts();
      for (const auto& [text, id] : older.json().items()) {
        if (!id.is_number_integer() || id < 0 || id > 1 << 24)
          older.fail(LoadError::bad_vocabulary, concat("the id of ", in_quotes(text), " is no id"));
        const bool is_special = std::find(specials.begin(), specials.end(), text) != specials.end();
        add(id.get<Index>(), {{"content", text}, {"special", is_special}});
      }
    }
    if (const auto own = file_.find("added_tokens"); own != file_.end() && own->is_array())
      for (const Json& token : *own)
        if (token.is_object() && token.contains("id") && token["id"].is_number_integer())
          add(token["id"].get<Index>(), token);
  }
  std::vector<Json> all;
  for (auto& [id, token] : by_id) all.push_back(std::move(token));
  return all;
}

/// Special tokens by name, then the further ones, as far as they are no added tokens yet.
inline void TokenizerFolder::add_missing(std::vector<Json>& added) const {
  const auto add = [&](const Json& token, bool named) {
    const std::string text = token_text(token);
    if (text.empty()) return;
    for (Json& one : added)
      if (token_text(one) == text) {
        if (named) one["special"] = true;
        return;
      }
    Json made = token.is_object() ? token : Json{{"content", text}};
    made.erase("__type");
    if (named || !token.is_object()) made["special"] = true;
    if (!made.contains("normalized")) made["normalized"] = !made.value("special", false);
    added.push_back(std::move(made));
  };
  for (const char* name : special_names) {
    const Json* given = specials_ && specials_->has(name) ? &specials_->json().at(name) : nullptr;
    if (given == nullptr && config_ && config_->json().contains(name)) given = &config_->json().at(name);
    add(given != nullptr ? *given : Json(special(name)), true);
  }
  for (const std::optional<ConfigFile>* file : {&config_, &specials_}) {
    if (!*file) continue;
    for (const auto& [key, value] : (*file)->json().items())
      if (key.ends_with("_token") &&
          std::find(std::begin(special_names), std::end(special_names), key) == std::end(special_names))
        add(value, true);
  }
  for (const Json& token : further_specials()) add(token, false);
}

/// A template of tokens by name and texts, "$A" and "$B", each with its type id.
using TemplateText = std::vector<std::pair<std::string, int> >;

inline nlohmann::json template_json(const TemplateText& single, const TemplateText& pair) {
  nlohmann::json made = {{"type", "TemplateProcessing"}, {"special_tokens", nlohmann::json::object()}};
  for (const auto& [key, items] : {std::pair{"single", &single}, std::pair{"pair", &pair}}) {
    made[key] = nlohmann::json::array();
    for (const auto& [name, type] : *items) {
      const bool text = name == "$A" || name == "$B";
      const nlohmann::json item = {{"id", text ? name.substr(1) : name}, {"type_id", type}};
      made[key].push_back({{text ? "Sequence" : "SpecialToken", item}});
      if (!text) made["special_tokens"][name] = {{"id", name}};  // its ids are the vocabulary's
    }
  }
  return made;
}

inline nlohmann::json TokenizerFolder::frame() const {
  const std::string bos = special("bos_token"), eos = special("eos_token"), cls = special("cls_token"),
                    sep = special("sep_token");
  const bool own = file_.contains("post_processor") && !file_.at("post_processor").is_null();
  if (own && (class_->frame == Frame::of_file || class_->frame == Frame::of_file_or_bert))
    return file_.at("post_processor");
  switch (class_->frame) {
    case Frame::bert:
    case Frame::of_file_or_bert:
      return template_json({{cls, 0}, {"$A", 0}, {sep, 0}}, {{cls, 0}, {"$A", 0}, {sep, 0}, {"$B", 1}, {sep, 1}});
    case Frame::roberta: {
      const Json trim = {{"type", "ByteLevel"},
                         {"trim_offsets", flag("trim_offsets", true)},
                         {"add_prefix_space", flag("add_prefix_space", false)}};
      const Json marks = template_json({{cls, 0}, {"$A", 0}, {sep, 0}},
                                       {{cls, 0}, {"$A", 0}, {sep, 0}, {sep, 0}, {"$B", 0}, {sep, 0}});
      return {{"type", "Sequence"}, {"processors", {trim, marks}}};
    }
    case Frame::t5:
      return template_json({{"$A", 0}, {"</s>", 0}}, {{"$A", 0}, {"</s>", 0}, {"$B", 0}, {"</s>", 0}});
    case Frame::xlm_roberta:
      return template_json({{bos, 0}, {"$A", 0}, {eos, 0}},
                           {{bos, 0}, {"$A", 0}, {eos, 0}, {eos, 0}, {"$B", 0}, {eos, 0}});
    case Frame::source_language:
      return language_frame(eos.empty() ? "</s>" : eos);
    case Frame::of_file:
    case Frame::bos_eos:
      break;
  }
  const bool given = has("tokenizer.json");  // says what comes around a text, unless the class does
  const bool begins = !given && flag("add_bos_token", false) && !bos.empty();
  const bool ends = !given && flag("add_eos_token", false) && !eos.empty();
  TemplateText single, pair;
  for (const int type : {0, 1}) {
    if (begins) pair.emplace_back(bos, type);
    pair.emplace_back(type == 0 ? "$A" : "$B", type);
    if (ends) pair.emplace_back(eos, type);
    if (type == 0) single = pair;
  }
  return template_json(single, pair);
}

/// MBart's, NLLB's: the source language in front of the text or behind it.
inline nlohmann::json TokenizerFolder::language_frame(const std::string& end) const {
  const bool nllb = class_name_ == "NllbTokenizer";
  const Json& given = option("src_lang");
  const std::string language = given.is_string() ? given.get<std::string>() : nllb ? "eng_Latn" : "en_XX";
  if (class_name_ == "MBart50Tokenizer" || (nllb && !flag("legacy_behaviour", false)))
    return template_json({{language, 0}, {"$A", 0}, {end, 0}}, {{language, 0}, {"$A", 0}, {"$B", 0}, {end, 0}});
  return template_json({{"$A", 0}, {end, 0}, {language, 0}}, {{"$A", 0}, {"$B", 0}, {end, 0}, {language, 0}});
}

}  // namespace vitrine::inline VITRINE_ABI::detail
