// M2M100's tokens as Transformers' M2M100Tokenizer makes them: SentencePiece pieces (sentencepiece.bpe.model) looked up
// in vocab.json, the language's token in front; the languages' ids follow those of the vocabulary. Part of
// text/tokenizer.hpp.
#pragma once
#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>
#include <vitrine/core/config.hpp>
#include <vitrine/io/error.hpp>
#include <vitrine/text/detail/language_codes.hpp>
#include <vitrine/text/detail/marian_codec.hpp>
#include <vitrine/text/detail/tokenizer_files.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::detail {

class M2M100Codec final : public MarianCodec {
 public:
  /// Throws Error as MarianCodec; config_bad_value for a language that "language_codes" does not have.
  M2M100Codec(const std::filesystem::path& folder, const TokenizerFiles& files);

  Encoding encode(std::string_view text, bool special) const override {
    return framed(source_pieces(text), special ? source_ : none);
  }
  /// One behind the other.
  Encoding encode_pair(std::string_view first, std::string_view second, bool special) const override {
    Encoding made = source_pieces(first);
    made.append(source_pieces(second));
    return framed(std::move(made), special ? source_ : none);
  }
  /// Throws Error config_missing where tokenizer_config.json names no "tgt_lang", as the reference fails.
  Encoding encode_target(std::string_view text) const override;
  std::string decode(std::span<const Index> ids, bool special) const override {
    return trimmed(joined(ids, special, ""));
  }
  const std::string& token(Index id) const noexcept override {
    const Index language = id - first_;
    return !is_added(id) && language >= 0 && language < Index(languages_.size()) ? languages_[std::size_t(language)]
                                                                                 : MarianCodec::token(id);
  }
  const std::string& target_token(Index id) const noexcept override { return token(id); }
  Index id(std::string_view token) const noexcept override {
    const Index language = language_of(token);
    return language < 0 ? MarianCodec::id(token) : first_ + language;
  }
  Index size() const noexcept override { return std::max(MarianCodec::size(), first_ + Index(languages_.size())); }
  Index target_size() const noexcept override { return size(); }

 private:
  static constexpr Index none = -1;
  Index language_of(std::string_view token) const noexcept;
  Index named(const TokenizerFiles& files, const char* key, const char* otherwise) const;
  Encoding framed(Encoding made, Index language) const;

  std::string folder_;
  std::vector<std::string> languages_;  // "__en__", ...
  Index first_ = 0;                     // their ids begin here
  Index source_ = none, target_ = none;
};

// ---- implementation

inline M2M100Codec::M2M100Codec(const std::filesystem::path& folder, const TokenizerFiles& files)
    : MarianCodec(folder / "sentencepiece.bpe.model", folder / "vocab.json", files), folder_(folder.string()) {
  const nlohmann::json& codes = files.option("language_codes");
  if (!codes.is_null() && codes != "m2m100" && codes != "wmt21")
    throw Error(LoadError::config_bad_value, folder_,
                concat("its \"language_codes\" are ", codes.dump(), ", neither \"m2m100\" nor \"wmt21\""));
  for (const std::string& code : each_language(codes == "wmt21" ? wmt21_languages : m2m100_languages))
    languages_.push_back(concat("__", code, "__"));
  first_ = vocabulary_tokens();
  source_ = named(files, "src_lang", "en");
  target_ = named(files, "tgt_lang", nullptr);
}

inline Index M2M100Codec::language_of(std::string_view token) const noexcept {
  for (std::size_t i = 0; i < languages_.size(); ++i)
    if (languages_[i] == token) return Index(i);
  return none;
}

// The id of the language that tokenizer_config.json names.
inline Index M2M100Codec::named(const TokenizerFiles& files, const char* key, const char* otherwise) const {
  const nlohmann::json& given = files.option(key);
  if (given.is_null() && otherwise == nullptr) return none;
  const std::string code = given.is_string() ? given.get<std::string>() : given.is_null() ? otherwise : given.dump();
  const Index language = language_of(concat("__", code, "__"));
  if (language < 0)
    throw Error(LoadError::config_bad_value, folder_,
                concat("its ", in_quotes(key), " is ", in_quotes(code), ", none of its languages"));
  return first_ + language;
}

inline Encoding M2M100Codec::framed(Encoding made, Index language) const {
  if (language != none) {
    made.ids.insert(made.ids.begin(), language), made.ids.push_back(end());
    made.tokens.insert(made.tokens.begin(), token(language)), made.tokens.push_back(token(end()));
    made.offsets.insert(made.offsets.begin(), {0, 0}), made.offsets.emplace_back();
    made.words.insert(made.words.begin(), -1), made.words.push_back(-1);
  }
  made.type_ids.assign(made.ids.size(), 0);
  return made;
}

inline Encoding M2M100Codec::encode_target(std::string_view text) const {
  if (target_ == none)
    throw Error(LoadError::config_missing, folder_, "its tokenizer_config.json names no \"tgt_lang\" to write in");
  return framed(source_pieces(text), target_);
}

}  // namespace vitrine::inline VITRINE_ABI::detail

#include <vitrine/core/macros_pop.hpp>
