// The pre-tokenizers of a tokenizer.json: how a normalized text is cut into words before the model sees it, each by the
// name and the rules of the tokenizers library. Part of text/tokenizer.hpp.
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>
#include <vitrine/core/config.hpp>
#include <vitrine/text/detail/aligned_text.hpp>
#include <vitrine/text/detail/pattern.hpp>
#include <vitrine/text/detail/unicode.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::detail {

/// A text and the words that it has been cut into, from left to right.
struct CutText {
  AlignedText text = {};
  std::vector<Span> words = {};  // bytes of `text`
};

/// A step that cuts words further.
class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;
  virtual void apply(CutText& cut) const = 0;
};
using PreTokenizers = std::vector<std::unique_ptr<const PreTokenizer> >;

/// What becomes of a match.
enum class SplitBehavior { removed, isolated, merged_with_previous, merged_with_next, contiguous };

/// Collects the parts of one word, matches and what lies between them, and cuts as asked.
class Parts {
 public:
  explicit Parts(SplitBehavior behavior, bool invert = false) : behavior_(behavior), invert_(invert) {}
  void begin(std::uint32_t at) { at_ = at, parts_.clear(); }
  void match(std::uint32_t begin, std::uint32_t end) {
    if (begin > at_) parts_.push_back({{at_, begin}, invert_});
    if (end > begin) parts_.push_back({{begin, end}, !invert_});
    at_ = end;
  }
  void finish(std::uint32_t end, std::vector<Span>& words) {
    if (end > at_) parts_.push_back({{at_, end}, invert_});
    const auto joins = [&](std::size_t i) {  // does part i belong to the word before it?
      if (i == 0) return false;
      const bool own = parts_[i].second, before = parts_[i - 1].second;
      switch (behavior_) {
        case SplitBehavior::merged_with_previous:
          return own && !before;
        case SplitBehavior::merged_with_next:
          return before && !own;
        case SplitBehavior::contiguous:
          return own == before;
        case SplitBehavior::removed:
        case SplitBehavior::isolated:
          break;
      }
      return false;
    };
    for (std::size_t i = 0; i < parts_.size(); ++i) {
      if (behavior_ == SplitBehavior::removed && parts_[i].second) continue;
      if (joins(i))
        words.back().end = parts_[i].first.end;
      else
        words.push_back(parts_[i].first);
    }
  }

 private:
  SplitBehavior behavior_;
  bool invert_;
  std::uint32_t at_ = 0;
  std::vector<std::pair<Span, bool> > parts_;
};

/// Split: at the matches of a pattern.
class SplitPreTokenizer : public PreTokenizer {
 public:
  SplitPreTokenizer(Pattern pattern, SplitBehavior behavior, bool invert = false)
      : pattern_(std::move(pattern)), behavior_(behavior), invert_(invert) {}
  void apply(CutText& cut) const override {
    std::vector<Span> words;
    words.reserve(cut.text.text().size() / 4 + 1);
    Parts parts(behavior_, invert_);
    for (const Span word : cut.words) {
      parts.begin(word.begin);
      pattern_.each_match(cut.text.text().substr(word.begin, word.end - word.begin),
                          [&](std::size_t begin, std::size_t end) {
                            parts.match(word.begin + std::uint32_t(begin), word.begin + std::uint32_t(end));
                          });
      parts.finish(word.end, words);
    }
    cut.words = std::move(words);
  }

 private:
  Pattern pattern_;
  SplitBehavior behavior_;
  bool invert_;
};

/// At each character of a class: WhitespaceSplit, Punctuation, Digits, CharDelimiterSplit.
class ClassPreTokenizer : public PreTokenizer {
 public:
  using Class = bool (*)(char32_t);
  ClassPreTokenizer(Class is, SplitBehavior behavior) : is_(is), behavior_(behavior) {}
  /// At one character, which goes.
  explicit ClassPreTokenizer(char32_t one) : one_(one) {}
  void apply(CutText& cut) const override {
    std::vector<Span> words;
    Parts parts(behavior_);
    for (const Span word : cut.words) {
      parts.begin(word.begin);
      each_character(cut.text.text().substr(0, word.end).substr(word.begin), [&](char32_t c, std::size_t at) {
        if (is_ != nullptr ? !is_(c) : c != one_) return;
        const std::uint32_t begin = word.begin + std::uint32_t(at);
        parts.match(begin, begin + (c < 0x80 ? 1u : c < 0x800 ? 2u : c < 0x10000 ? 3u : 4u));
      });
      parts.finish(word.end, words);
    }
    cut.words = std::move(words);
  }

 private:
  Class is_ = nullptr;
  SplitBehavior behavior_ = SplitBehavior::removed;
  char32_t one_ = 0;
};

/// What belongs together by kind: Whitespace (letters, other marks) and BertPreTokenizer (letters; each mark alone).
class KindPreTokenizer : public PreTokenizer {
 public:
  /// What a character does: belongs to no word, is one, or continues a word of its kind.
  enum Kind { none, single, letter, other };
  using KindOf = Kind (*)(char32_t);
  explicit KindPreTokenizer(KindOf kind) : kind_(kind) {}
  static Kind of_whitespace(char32_t c) { return is_space(c) ? none : is_word_character(c) ? letter : other; }
  static Kind of_bert(char32_t c) { return is_space(c) ? none : is_punctuation(c) ? single : letter; }
  void apply(CutText& cut) const override {
    std::vector<Span> words;
    for (const Span word : cut.words) {
      Kind before = none;
      each_character(cut.text.text().substr(0, word.end).substr(word.begin), [&](char32_t c, std::size_t at) {
        const Kind own = kind_(c);
        const std::uint32_t begin = word.begin + std::uint32_t(at);
        const std::uint32_t end = begin + (c < 0x80 ? 1u : c < 0x800 ? 2u : c < 0x10000 ? 3u : 4u);
        if (own == before && own > single)
          words.back().end = end;
        else if (own != none)
          words.push_back({begin, end});
        before = own;
      });
    }
    cut.words = std::move(words);
  }

 private:
  KindOf kind_;
};

/// Rewrites each word by f(rewrite, word), which puts all that the word becomes.
template <class F>
void rewrite_words(CutText& cut, F f) {
  Rewrite made(cut.text);
  std::vector<Span> words;
  words.reserve(cut.words.size());
  for (const Span word : cut.words) {
    const auto begin = std::uint32_t(made.size());
    f(made, word);
    if (made.size() > begin) words.push_back({begin, std::uint32_t(made.size())});
  }
  cut.text = made.take();
  cut.words = std::move(words);
}

/// Metaspace: blanks become a mark that begins each word.
class Metaspace : public PreTokenizer {
 public:
  enum class Prepend { always, first, never };
  Metaspace(std::string mark, Prepend prepend, bool split) : mark_(std::move(mark)), prepend_(prepend), split_(split) {}
  void apply(CutText& cut) const override {
    const AlignedText& old = cut.text;
    rewrite_words(cut, [&](Rewrite& made, Span word) {
      const std::string_view all = old.text().substr(0, word.end);
      const bool first = (word.begin == 0 ? old.base() : old.origin_of(word.begin).begin) == 0;
      const bool has = all[word.begin] == ' ' || all.substr(word.begin).starts_with(mark_);
      if (!has && (prepend_ == Prepend::always || (prepend_ == Prepend::first && first)))
        made.put(mark_, old.origin_of(word.begin));
      for (std::size_t at = word.begin; at < word.end;) {
        const std::size_t blank = std::min(all.find(' ', at), all.size());
        made.keep(at, blank);
        if (blank < all.size()) made.put(mark_, old.origin_of(blank));
        at = blank + 1;
      }
    });
    if (!split_) return;
    std::vector<Span> words;
    for (const Span word : cut.words) {
      const std::string_view all = cut.text.text().substr(0, word.end);
      for (std::size_t at = word.begin; at < word.end;) {
        const std::size_t next = std::min(all.find(mark_, at + 1), all.size());
        words.push_back({std::uint32_t(at), std::uint32_t(next)});
        at = next;
      }
    }
    cut.words = std::move(words);
  }

 private:
  std::string mark_;
  Prepend prepend_;
  bool split_;
};

/// GPT-2's letters for bytes: those that print stand for themselves, the others for the code points from 256 on.
inline char32_t letter_of_byte(unsigned char byte) {
  static const std::array<char32_t, 256> letters = [] {
    std::array<char32_t, 256> made = {};
    char32_t next = 256;
    for (char32_t b = 0; b < 256; ++b)
      made[b] = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174 ? b : next++;
    return made;
  }();
  return letters[byte];
}
/// The byte that one of those letters stands for, -1 for another character.
inline int byte_of_letter(char32_t c) {
  static const std::array<int, 324> bytes = [] {
    std::array<int, 324> made = {};
    made.fill(-1);
    for (int b = 0; b < 256; ++b) made[letter_of_byte(static_cast<unsigned char>(b))] = b;
    return made;
  }();
  return c < bytes.size() ? bytes[c] : -1;
}
/// The bytes that a piece of a byte-level model stands for; false when one of its characters is no such letter.
inline bool bytes_of_letters(std::string_view piece, std::string& bytes) {
  bytes.clear();
  bool all = true;
  each_character(piece, [&](char32_t c, std::size_t) {
    const int byte = byte_of_letter(c);
    all = all && byte >= 0;
    bytes += static_cast<char>(byte);
  });
  return all;
}

/// ByteLevel: GPT-2's pattern (Radford et al. 2019), and bytes spelled as letters; as the last step it leaves bytes as
/// they are, which the model's vocabulary is then told in.
class ByteLevel : public PreTokenizer {
 public:
  ByteLevel(bool add_prefix_space, bool use_regex, bool spell) : add_prefix_space_(add_prefix_space), spell_(spell) {
    if (use_regex)
      split_ = std::make_unique<SplitPreTokenizer>(
          Pattern::regex(R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)", "ByteLevel"),
          SplitBehavior::isolated);
  }
  void apply(CutText& cut) const override {
    const std::string_view all = cut.text.text();
    if (add_prefix_space_ &&
        std::any_of(cut.words.begin(), cut.words.end(), [&](Span word) { return all[word.begin] != ' '; }))
      rewrite_words(cut, [&](Rewrite& made, Span word) {
        if (all[word.begin] != ' ') made.put(" ", cut.text.origin_of(word.begin));
        made.keep(word.begin, word.end);
      });
    if (split_) split_->apply(cut);
    if (!spell_) return;
    rewrite_words(cut, [&](Rewrite& made, Span word) {
      for (std::uint32_t i = word.begin; i < word.end; ++i)
        made.put(letter_of_byte(static_cast<unsigned char>(cut.text.text()[i])), cut.text.origin_of(i));
    });
  }

 private:
  bool add_prefix_space_, spell_;
  std::unique_ptr<const SplitPreTokenizer> split_ = {};
};

}  // namespace vitrine::inline VITRINE_ABI::detail

#include <vitrine/core/macros_pop.hpp>
