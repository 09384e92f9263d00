// A checkpoint folder's tokenizer as one tokenizer.json: vocabulary, steps and what comes around a text, by the rules
// of Transformers 5.23. Part of text/tokenizer.hpp.
#pragma once
#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>
#include <vitrine/core/config.hpp>
#include <vitrine/io/config.hpp>
#include <vitrine/io/error.hpp>
#include <vitrine/text/detail/aligned_text.hpp>
#include <vitrine/text/detail/language_codes.hpp>
#include <vitrine/text/detail/sentencepiece_vocabulary.hpp>
#include <vitrine/text/detail/tokenizer_classes.hpp>
#include <vitrine/text/detail/tokenizer_files.hpp>
#include <vitrine/text/detail/unicode.hpp>
#include <vitrine/text/detail/vocabulary_file.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::detail {

class TokenizerFolder : public TokenizerFiles {
 public:
  /// Throws Error as TokenizerFiles does.
  using TokenizerFiles::TokenizerFiles;
  /// What a tokenizer.json would say that gives the same ids. Throws Error file_missing, bad_vocabulary,
  /// config_unsupported.
  nlohmann::json effective();
  /// Does Transformers leave the tokenizer.json to the tokenizers library, whole?
  bool as_it_is() const noexcept { return class_->model.empty(); }
  /// Of a class with languages: a text's, "" elsewhere; and whether it stands in front.
  std::string language(bool target) const;
  bool language_first() const {
    return class_name_ == "MBart50Tokenizer" || (class_name_ == "NllbTokenizer" && !flag("legacy_behaviour", false));
  }

 private:
  void read_vocabulary();
  void read_sentencepiece(Json& model);
  Json rebuilt() const;
  Json vocabulary_of() const;
  Json frame() const;
  Json language_frame(const std::string& end) const;
  Json normalizer() const;
  void number_as_fairseq(Json& vocab) const;
  void check_language(const Json& made) const;
};

// ---- implementation

/// The lines of a vocab.txt or merges.txt, without what is blank at their ends.
inline std::vector<std::string> vocabulary_lines(const std::filesystem::path& path) {
  std::vector<std::string> lines;
  each_vocabulary_line(path, [&](std::string_view line) {
    std::size_t last = 0;
    each_character(line, [&](char32_t c, std::size_t place) {
      if (!is_space(c)) last = place + 1;
    });
    while (last < line.size() && continues_character(line[last])) ++last;
    lines.emplace_back(line.substr(0, last));
  });
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
  const bool nllb = class_name_ == "NllbTokenizer";
  if (const std::string& map = pieces.character_map(); !map.empty() && (nllb || class_->model == "Unigram"))
    file_["normalizer"] = {{"type", "Precompiled"}, {"precompiled_charsmap", Json::binary({map.begin(), map.end()})}};
  Json& vocab = model["vocab"] = class_->model == "BPE" ? pieces.ids() : pieces.scored();
  if (class_->model == "BPE") model["merges"] = pieces.merges();
  if (nllb) {  // fairseq's marks, and then the pieces that are none of them
    vocab = Json::object();
    std::size_t id = 0;
    for (const char* name : {"bos_token", "pad_token", "eos_token", "unk_token"}) vocab[special(name)] = id++;
    for (const Json& piece : pieces.scored()) vocab.emplace(piece[0].get_ref<const std::string&>(), vocab.size());
  } else if (class_->frame == Frame::t5) {
    const std::vector<std::string> extra = extra_ids();
    std::for_each(extra.rbegin(), extra.rend(), [&](const std::string& text) { vocab.push_back({text, 0.0}); });
  } else if (class_->frame == Frame::xlm_roberta || class_->frame == Frame::source_language) {
    number_as_fairseq(vocab);
  }
}

inline nlohmann::json TokenizerFolder::effective() {
  const bool own = has("tokenizer.json");
  if (!own && class_->vocabulary.empty()) fail(LoadError::file_missing, "has no tokenizer.json");
  if (!own) read_vocabulary();
  Json all = as_it_is() ? file_ : rebuilt();
  std::vector<Json> added = added_tokens();
  if (as_it_is() && file_.contains("added_tokens") && file_.at("added_tokens").is_array()) {
    std::vector<Json> own_tokens(file_.at("added_tokens").begin(), file_.at("added_tokens").end());
    own_tokens.insert(own_tokens.end(), added.begin(), added.end());
    added = std::move(own_tokens);
  }
  add_missing(added, Repeated::last);
  all["added_tokens"] = std::move(added);
  if (!own) check_language(all);
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
  if (class_->model == "WordPiece" || class_name_ == "GemmaTokenizer" || class_name_ == "NllbTokenizer")
    made["unk_token"] = special("unk_token");
  if (class_name_ == "MBart50Tokenizer") {
    // A vocabulary without languages is taken for SentencePiece's own.
    const std::vector<std::string> languages = each_language(class_->languages);
    const auto is_language = [&](const Json& piece) {
      return piece.is_array() && !piece.empty() && piece[0].is_string() &&
             std::find(languages.begin(), languages.end(), piece[0].get_ref<const std::string&>()) != languages.end();
    };
    if (std::none_of(made["vocab"].begin(), made["vocab"].end(), is_language)) number_as_fairseq(made["vocab"]);
  }
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

/// SentencePiece's three marks become fairseq's four; languages and a mask follow the pieces.
inline void TokenizerFolder::number_as_fairseq(Json& vocab) const {
  Json own = Json::array();
  const auto add = [&](std::string text) { own.push_back({std::move(text), 0.0}); };
  const char* first = class_name_ == "MBart50Tokenizer" ? "cls_token" : "bos_token";
  for (const char* name : {first, "pad_token", "eos_token", "unk_token"}) add(special(name));
  for (std::size_t i = 3; i < vocab.size(); ++i) own.push_back(std::move(vocab[i]));
  for (std::string& code : each_language(class_->languages)) add(std::move(code));
  add(special("mask_token"));
  vocab = std::move(own);
}

/// A source language that no file makes a token, which Transformers writes as what is unknown.
inline void TokenizerFolder::check_language(const Json& made) const {
  const std::string source = language(false);
  if (source.empty()) return;
  for (const Json& token : made.at("added_tokens"))
    if (token_text(token) == source) return;
  const Json& vocab = made.at("model").at("vocab");
  if (vocab.is_object() ? vocab.contains(source) : std::any_of(vocab.begin(), vocab.end(), [&](const Json& piece) {
        return piece[0] == source;
      }))
    return;
  fail(LoadError::bad_vocabulary, concat("has no tokenizer.json, and neither its SentencePiece model nor its "
                                         "tokenizer_config.json makes ",
                                         in_quotes(source), " a token, its source language"));
}

inline nlohmann::json TokenizerFolder::normalizer() const {
  Json made = class_->normalizer.empty() ? Json() : Json::parse(class_->normalizer);
  if (class_->frame == Frame::bert) {
    made["lowercase"] = flag("do_lower_case", true);
    made["strip_accents"] = option("strip_accents");
    made["handle_chinese_chars"] = flag("tokenize_chinese_chars", true);
  }
  if (!class_->languages.empty()) {
    Json map = precompiled_of(file_);
    if (map.is_null() || made.is_null()) return class_name_ == "NllbTokenizer" ? Json() : made;
    return {{"type", "Sequence"}, {"normalizers", {std::move(map), std::move(made)}}};
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
  } else if (last["type"] == "Metaspace" && class_name_ != "T5Tokenizer" && class_->languages.empty()) {
    last["prepend_scheme"] = decoder["prepend_scheme"] = prefix ? "always" : "never";
  }
  made["pre_tokenizer"] = std::move(pre), made["decoder"] = std::move(decoder);
  return made;
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
    case Frame::t5: {  // writes the end's id under this name, whatever its own
      Json made = template_json({{"$A", 0}, {"</s>", 0}}, {{"$A", 0}, {"</s>", 0}, {"$B", 0}, {"</s>", 0}});
      made["special_tokens"]["</s>"]["id"] = eos;
      return made;
    }
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

inline std::string TokenizerFolder::language(bool target) const {
  if (class_->languages.empty()) return {};
  for (const char* key : {"tgt_lang", "src_lang"})
    if (const Json& given = option(key); given.is_string() && (target || key[0] == 's'))
      return given.get<std::string>();
  return class_name_ == "NllbTokenizer" ? "eng_Latn" : "en_XX";
}

/// MBart's, NLLB's: the source language in front of the text or behind it.
inline nlohmann::json TokenizerFolder::language_frame(const std::string& end) const {
  const std::string language = this->language(false);
  if (language_first())
    return template_json({{language, 0}, {"$A", 0}, {end, 0}}, {{language, 0}, {"$A", 0}, {"$B", 0}, {end, 0}});
  return template_json({{"$A", 0}, {end, 0}, {language, 0}}, {{"$A", 0}, {"$B", 0}, {end, 0}, {language, 0}});
}

}  // namespace vitrine::inline VITRINE_ABI::detail

#include <vitrine/core/macros_pop.hpp>
