// Tokens that a text may hold and that stand for themselves, whatever the model would make of them; by the rules of the
// tokenizers library. Part of text/tokenizer.hpp.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>
#include <vitrine/core/config.hpp>
#include <vitrine/text/detail/aligned_text.hpp>
#include <vitrine/text/detail/normalizer.hpp>
#include <vitrine/text/detail/unigram.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::detail {

/// By the names of a tokenizer.json.
struct AddedToken {
  std::string content = {};
  std::uint32_t id = 0;
  bool single_word = false;             // not within a word
  bool lstrip = false, rstrip = false;  // takes the spaces on that side too
  bool normalized = true;               // is looked for in the normalized text
  bool special = false;                 // is no text: decoding may leave it out
};

// What touches bytes [0, end) or begins at `begin` of a text.
inline bool begins_with_word(std::string_view text) {
  std::size_t at = 0;
  return !text.empty() && is_word_character(char32_t(next_code_point(text, at)));
}
inline std::size_t last_character(std::string_view text) {
  std::size_t at = text.size() - 1;
  while (at > 0 && continues_character(text[at])) --at;
  return at;
}
inline bool ends_with_word(std::string_view text) {
  return !text.empty() && begins_with_word(text.substr(last_character(text)));
}
inline std::size_t spaces_before(std::string_view text, std::size_t end) {
  while (end > 0) {
    const std::size_t begin = last_character(text.substr(0, end));
    std::size_t at = begin;
    if (!is_space(char32_t(next_code_point(text, at)))) break;
    end = begin;
  }
  return end;
}
inline std::size_t spaces_behind(std::string_view text, std::size_t begin) {
  for (std::size_t at = begin; at < text.size(); begin = at)
    if (!is_space(char32_t(next_code_point(text, at)))) break;
  return begin;
}

/// Finds the longest of its tokens, from left to right.
class AddedTokens {
 public:
  AddedTokens() : AddedTokens(std::vector<AddedToken>(), Normalizers()) {}
  AddedTokens(std::vector<AddedToken> tokens, const Normalizers& normalizers)
      : tokens_(std::move(tokens)), given_(strings(false, normalizers)), normal_(strings(true, normalizers)) {}
  const std::vector<AddedToken>& all() const noexcept { return tokens_; }
  /// What each is looked for as: its content, normalized where it is to be.
  const std::vector<std::string>& looked_for() const noexcept { return looked_for_; }
  /// Calls f(begin, end, token) for each part of the text, `token` null for what lies between tokens: those that are
  /// looked for in the text as given, or in the normalized one.
  template <class F>
  void each_part(std::string_view text, bool normalized, F f) const {
    std::size_t done = 0;
    each_match(text, normalized, [&](std::size_t begin, std::size_t end, const AddedToken& token) {
      if (token.single_word && (ends_with_word(text.substr(0, begin)) || begins_with_word(text.substr(end)))) return;
      if (token.lstrip) begin = std::max(done, spaces_before(text, begin));
      if (token.rstrip) end = spaces_behind(text, end);
      if (begin > done) f(done, begin, nullptr);
      f(begin, end, &token);
      done = end;
    });
    if (done < text.size()) f(done, text.size(), nullptr);
  }
  /// The same, whatever the tokens' flags say of what is beside them.
  template <class F>
  void each_bare_part(std::string_view text, bool normalized, F f) const {
    std::size_t done = 0;
    each_match(text, normalized, [&](std::size_t begin, std::size_t end, const AddedToken& token) {
      if (begin > done) f(done, begin, nullptr);
      f(begin, end, &token);
      done = end;
    });
    if (done < text.size()) f(done, text.size(), nullptr);
  }

 private:
  template <class F>
  void each_match(std::string_view text, bool normalized, F f) const {
    const Trie& trie = normalized ? normal_ : given_;
    const bool(&begins)[256] = begins_[normalized];
    for (std::size_t at = 0, end = 0; at < text.size(); at = std::max(at + 1, end)) {
      if (!begins[static_cast<unsigned char>(text[at])]) continue;
      const AddedToken* token = nullptr;
      trie.each_beginning(text.substr(at),
                          [&](std::size_t length, std::uint32_t which) { end = at + length, token = &tokens_[which]; });
      if (token != nullptr) f(at, end, *token);
    }
  }
  std::vector<std::pair<std::string_view, std::uint32_t> > strings(bool normalized, const Normalizers& normalizers) {
    std::vector<std::pair<std::string_view, std::uint32_t> > found;
    if (looked_for_.empty()) looked_for_.resize(tokens_.size());
    for (std::size_t i = 0; i < tokens_.size(); ++i) {
      if (tokens_[i].normalized != normalized) continue;
      AlignedText text(tokens_[i].content, 0);
      if (normalized) normalize(text, normalizers);
      looked_for_[i] = text.text();
      if (looked_for_[i].empty()) continue;
      found.emplace_back(looked_for_[i], std::uint32_t(i));
      begins_[normalized][static_cast<unsigned char>(looked_for_[i][0])] = true;
    }
    return found;
  }
  std::vector<AddedToken> tokens_;
  std::vector<std::string> looked_for_;
  bool begins_[2][256] = {};
  Trie given_, normal_;
};

}  // namespace vitrine::inline VITRINE_ABI::detail

#include <vitrine/core/macros_pop.hpp>
