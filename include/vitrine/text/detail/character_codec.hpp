// A vocabulary whose tokens are characters: a text is one token a character and the end mark. Part of
// text/tokenizer.hpp.
#pragma once
#include <algorithm>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vitrine/core/config.hpp>
#include <vitrine/io/error.hpp>
#include <vitrine/text/detail/text_codec.hpp>
#include <vitrine/text/vocabulary.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::detail {

/// Letters of ASCII are taken in lower case where the vocabulary has no others. A target's tokens stand between blanks.
class CharacterCodec : public TextCodec {
 public:
  /// `end` is the mark behind every text. Throws Error as Vocabulary does, and bad_vocabulary when it has no `end`.
  CharacterCodec(const std::filesystem::path& vocabulary, const std::string& end)
      : vocabulary_(vocabulary), end_(vocabulary_.find(end)) {
    if (end_ < 0)
      throw Error(LoadError::bad_vocabulary, vocabulary.string(), concat("has no ", in_quotes(end), ", the end mark"));
  }
  /// Throws Error unknown_symbol.
  Encoding encode(std::string_view text, bool special) const override {
    Encoding made;
    std::string lower(text);
    for (char& c : lower)
      if (c >= 'A' && c <= 'Z' && vocabulary_.find({&c, 1}) < 0) c = static_cast<char>(c - 'A' + 'a');
    made.ids = vocabulary_.spell(lower), made.tokens = Vocabulary::characters(lower);
    for (Index i = 0; i < made.size(); ++i) made.offsets.emplace_back(i, i + 1);
    made.words.assign(made.ids.size(), 0);
    return finished(std::move(made), special);
  }
  Encoding encode_pair(std::string_view, std::string_view, bool) const override {
    throw Error(LoadError::config_unsupported, "vocab.json", "a vocabulary of characters takes no pairs of texts");
  }
  Encoding encode_target(std::string_view text) const override {
    Encoding made;
    for (std::size_t at = 0; (at = text.find_first_not_of(" \t", at)) != text.npos;) {
      const std::size_t stop = std::min(text.find_first_of(" \t", at), text.size());
      made.tokens.emplace_back(text.substr(at, stop - at));
      made.ids.push_back(vocabulary_.find(made.tokens.back()));
      if (made.ids.back() < 0)
        throw Error(LoadError::unknown_symbol, "vocab.json", concat("has no token ", in_quotes(made.tokens.back())));
      made.words.push_back(Index(made.words.size()));
      made.offsets.emplace_back();
      at = stop;
    }
    return finished(std::move(made), true);
  }
  std::string decode(std::span<const Index> ids, bool special) const override {
    std::string text;
    for (const Index id : ids)
      if (!token(id).empty() && (special || id != end_)) text.append(text.empty() ? "" : " ").append(token(id));
    return text;
  }
  const std::string& token(Index id) const noexcept override { return vocabulary_.token(id); }
  Index id(std::string_view token) const noexcept override { return vocabulary_.find(token); }
  Index size() const noexcept override { return vocabulary_.size(); }
  bool is_special(Index id) const noexcept override { return id == end_; }
  Subwords subwords() const noexcept override { return Subwords::none; }

 private:
  Encoding finished(Encoding made, bool special) const {
    if (special)
      made.ids.push_back(end_), made.tokens.push_back(token(end_)), made.offsets.emplace_back(),
          made.words.push_back(-1);
    made.type_ids.assign(made.ids.size(), 0);
    return made;
  }
  Vocabulary vocabulary_;
  Index end_;
};

}  // namespace vitrine::inline VITRINE_ABI::detail

#include <vitrine/core/macros_pop.hpp>
