// The decoders of a tokenizer.json: tokens back to text, each by the name and the rules of the tokenizers library. Part
// of text/tokenizer.hpp.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>
#include <vitrine/core/config.hpp>
#include <vitrine/text/detail/aligned_text.hpp>
#include <vitrine/text/detail/pattern.hpp>
#include <vitrine/text/detail/pre_tokenizer.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::detail {

using TokenTexts = std::vector<std::string>;

/// A step from the texts of tokens to texts that are written one after another.
class TokenDecoder {
 public:
  virtual ~TokenDecoder() = default;
  virtual void apply(TokenTexts& texts) const = 0;
};
using TokenDecoders = std::vector<std::unique_ptr<const TokenDecoder> >;

inline std::string joined(const TokenTexts& texts, std::string_view between = {}) {
  std::string all;
  for (std::size_t i = 0; i < texts.size(); ++i) all.append(i == 0 ? std::string_view() : between).append(texts[i]);
  return all;
}
/// Every occurrence of `what` becomes `with`.
inline void replace_all(std::string& text, std::string_view what, std::string_view with) {
  std::string out;
  std::size_t at = 0;
  for (std::size_t next = 0; (next = text.find(what, at)) != text.npos; at = next + what.size())
    out.append(text, at, next - at).append(with);
  if (at > 0) text = out.append(text, at);
}
/// Blanks before punctuation and English contractions go, by Transformers' clean_up_tokenization.
inline void clean_up(std::string& text) {
  constexpr std::pair<const char*, const char*> rules[] = {
      {" .", "."},   {" ?", "?"},           {" !", "!"},   {" ,", ","},     {" ' ", "'"},   {" n't", "n't"},
      {" 'm", "'m"}, {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
  for (const auto& [what, with] : rules) replace_all(text, what, with);
}
/// Bytes as UTF-8; each longest beginning of a character that does not go on, and each other bad byte, becomes U+FFFD
/// (Unicode, section 3.9: maximal subparts).
inline std::string repaired_utf8(std::string_view bytes) {
  std::string out;
  for (std::size_t at = 0; at < bytes.size();) {
    std::size_t end = at;
    if (next_code_point(bytes, end) >= 0) {
      out.append(bytes.substr(at, end - at));
    } else {
      out.append("\ufffd");
      // Lengthens the beginning while some continuation would make it a character.
      const auto begins = [&](std::size_t count) {
        std::string whole(bytes.substr(at, count));
        const auto first = static_cast<unsigned char>(whole[0]);
        const std::size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc2 ? 2 : 1;
        if (count >= size || first > 0xf4) return false;
        for (const char fill : {'\x80', '\xbf', '\x90', '\xa0'}) {
          std::string tried = whole;
          tried.push_back(fill);
          tried.resize(size, '\x80');
          if (count > 1) tried.assign(whole).resize(size, '\x80');
          std::size_t stop = 0;
          if (next_code_point(tried, stop) >= 0) return true;
        }
        return false;
      };
      for (end = at + 1; end < bytes.size() && continues_character(bytes[end]) && begins(end + 1 - at);) ++end;
    }
    at = end;
  }
  return out;
}

class ByteLevelDecoder : public TokenDecoder {
 public:
  void apply(TokenTexts& texts) const override {
    std::string all, bytes;
    for (const std::string& text : texts) all.append(bytes_of_letters(text, bytes) ? bytes : text);
    texts = {repaired_utf8(all)};
  }
};

/// WordPiece: pieces of a word stand together, words apart.
class WordPieceDecoder : public TokenDecoder {
 public:
  WordPieceDecoder(std::string continuation, bool cleanup)
      : continuation_(std::move(continuation)), cleanup_(cleanup) {}
  void apply(TokenTexts& texts) const override {
    for (std::size_t i = 0; i < texts.size(); ++i) {
      if (i > 0 && !continuation_.empty() && texts[i].starts_with(continuation_))
        texts[i].erase(0, continuation_.size());
      else if (i > 0)
        texts[i].insert(0, " ");
      if (cleanup_) clean_up(texts[i]);
    }
  }

 private:
  std::string continuation_;
  bool cleanup_;
};

class MetaspaceDecoder : public TokenDecoder {
 public:
  MetaspaceDecoder(std::string mark, bool prepended) : mark_(std::move(mark)), prepended_(prepended) {}
  void apply(TokenTexts& texts) const override {
    for (std::size_t i = 0; i < texts.size(); ++i) replace_all(texts[i], mark_, i == 0 && prepended_ ? "" : " ");
  }

 private:
  std::string mark_;
  bool prepended_;
};

/// BPEDecoder: a suffix ends each word.
class SuffixDecoder : public TokenDecoder {
 public:
  explicit SuffixDecoder(std::string suffix) : suffix_(std::move(suffix)) {}
  void apply(TokenTexts& texts) const override {
    for (std::size_t i = 0; i < texts.size(); ++i) replace_all(texts[i], suffix_, i + 1 < texts.size() ? " " : "");
  }

 private:
  std::string suffix_;
};

class ReplaceDecoder : public TokenDecoder {
 public:
  ReplaceDecoder(Pattern pattern, std::string content) : pattern_(std::move(pattern)), content_(std::move(content)) {}
  void apply(TokenTexts& texts) const override {
    for (std::string& text : texts) {
      std::string out;
      std::size_t at = 0;
      pattern_.each_match(text, [&](std::size_t begin, std::size_t end) {
        out.append(text, at, begin - at).append(content_);
        at = end;
      });
      text = out.append(text, at);
    }
  }

 private:
  Pattern pattern_;
  std::string content_;
};

/// ByteFallback: tokens like <0xE2> are bytes; a run of them that is not UTF-8 becomes one U+FFFD for each.
class ByteFallbackDecoder : public TokenDecoder {
 public:
  void apply(TokenTexts& texts) const override {
    TokenTexts made;
    std::string bytes;
    const auto flush = [&] {
      if (is_utf8(bytes) && !bytes.empty()) made.push_back(bytes);
      if (!is_utf8(bytes)) made.insert(made.end(), bytes.size(), "\ufffd");
      bytes.clear();
    };
    for (std::string& text : texts) {
      const int byte = byte_of_name(text);
      if (byte >= 0) {
        bytes += static_cast<char>(byte);
        continue;
      }
      flush();
      made.push_back(std::move(text));
    }
    flush();
    texts = std::move(made);
  }

 private:
  static int byte_of_name(std::string_view text) {
    if (text.size() != 6 || !text.starts_with("<0x") || text[5] != '>') return -1;
    int value = 0;
    for (const char c : text.substr(3, 2)) {
      const int digit = c >= '0' && c <= '9'   ? c - '0'
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                               : -1;
      if (digit < 0) return -1;
      value = 16 * value + digit;
    }
    return value;
  }
};

class FuseDecoder : public TokenDecoder {
 public:
  void apply(TokenTexts& texts) const override { texts = {joined(texts)}; }
};

/// Strip: up to so many of one character go at each end of each text.
class StripDecoder : public TokenDecoder {
 public:
  StripDecoder(char32_t content, std::size_t start, std::size_t stop) : start_(start), stop_(stop) {
    append_utf8(content_, content);
  }
  void apply(TokenTexts& texts) const override {
    for (std::string& text : texts) {
      std::size_t begin = 0, end = text.size();
      for (std::size_t i = 0; i < start_ && text.compare(begin, content_.size(), content_) == 0; ++i)
        begin += content_.size();
      for (std::size_t i = 0; i < stop_ && end >= begin + content_.size() &&
                              text.compare(end - content_.size(), content_.size(), content_) == 0;
           ++i)
        end -= content_.size();
      text = text.substr(begin, end - begin);
    }
  }

 private:
  std::string content_;
  std::size_t start_, stop_;
};

}  // namespace vitrine::inline VITRINE_ABI::detail

#include <vitrine/core/macros_pop.hpp>
