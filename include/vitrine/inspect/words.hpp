// From subwords to words: which word each token belongs to, and maps and links between words.
//   const auto source = words_of(source_tokens), target = words_of(target_tokens);
//   merge_words(map, target, source)        between words: rows still sum to 1
//   merge_links(links, target, source)      two words are linked when any of their subwords are
// The marks are those of SentencePiece, BERT's WordPiece, subword-nmt (Sennrich et al. 2016) and GPT-2. Words are what
// blanks part; a token of blanks alone belongs to the word behind it, or to the last. Where there is a tokenizer, it
// says which marks its tokens carry (text/tokenizer.hpp).
#pragma once
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>
#include <vitrine/core/eigen.hpp>
#include <vitrine/inspect/alignment.hpp>
#include <vitrine/text/subwords.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::inspect {

using vitrine::Subwords;

/// The words that tokens make. Marks such as </s>, <pad>, [CLS] and <|endoftext|> are words of their own.
struct Words {
  std::vector<std::string> texts = {};  ///< Each word without the tokenizer's marks.
  std::vector<Index> of_token = {};     ///< For each token, its word.
  // The number of words.
  Index count() const noexcept { return static_cast<Index>(texts.size()); }
};

/// The marks that the tokens carry, all of them looked at: those of SentencePiece and of bytes before those that plain
/// text may hold. Tokens without a mark between <s> and </s> are one word of bytes' (RoBERTa, BART); else none.
Subwords subwords_of(const std::vector<std::string>& tokens);

/// The words of the tokens, by the given marks or by those that they carry.
Words words_of(const std::vector<std::string>& tokens, Subwords marks);
inline Words words_of(const std::vector<std::string>& tokens) { return words_of(tokens, subwords_of(tokens)); }

/// The T x S map between T target and S source words, on the heap: weights to the subwords of a source word are added,
/// those from the subwords of a target word are averaged (Clark et al. 2019, section 4). The map's extents must be the
/// tokens' (std::invalid_argument).
template <class M>
RowMajor<typename M::Scalar> merge_words(const M& map, const Words& target, const Words& source);

/// Links between words (Jalili Sabet et al. 2020), sorted, each once. Throws std::out_of_range for a link to a token
/// that is not there.
Links merge_links(const Links& links, const Words& target, const Words& source);

// ---- implementation

namespace detail {

/// What stands for a whole by itself: </s>, <pad>, [CLS], <|endoftext|>, >>fra<<; not a part of a word, as <0xE2> is,
/// SentencePiece's piece for a byte.
inline bool is_mark(std::string_view token) {
  if (token == "<unk>" || token == "[UNK]" || token == "</w>" || token.size() < 3) return false;
  if (token.size() == 6 && token.starts_with("<0x")) return false;
  const char first = token.front(), last = token.back();
  return (first == '<' && last == '>') || (first == '[' && last == ']') ||
         (token.starts_with(">>") && token.ends_with("<<"));
}
/// Does it begin with a tab, a line break or a blank, as GPT-2's letters have them?
inline bool begins_with_blank_letter(std::string_view token) {
  return token.starts_with("Ġ") || token.starts_with("Ċ") || token.starts_with("ĉ") || token.starts_with("č") ||
         token.starts_with("ċ") || token.starts_with("Č");
}

}  // namespace detail

inline Subwords subwords_of(const std::vector<std::string>& tokens) {
  bool has[6] = {};
  const auto found = [&](Subwords marks) -> bool& { return has[static_cast<int>(marks)]; };
  for (const std::string& token : tokens) {
    if (detail::is_mark(token)) continue;
    found(Subwords::sentencepiece) |= token.starts_with("▁");
    found(Subwords::byte_level) |= detail::begins_with_blank_letter(token);
    found(Subwords::end_of_word) |= token.ends_with("</w>");
    found(Subwords::bpe) |= token.ends_with("@@") && token.size() > 2;
    found(Subwords::wordpiece) |= token.starts_with("##") && token.size() > 2;
  }
  for (const Subwords marks :
       {Subwords::sentencepiece, Subwords::byte_level, Subwords::end_of_word, Subwords::bpe, Subwords::wordpiece})
    if (found(marks)) return marks;
  const bool framed = tokens.size() > 2 && tokens.front() == "<s>" && tokens.back() == "</s>";
  return framed ? Subwords::byte_level : Subwords::none;
}

namespace detail {

/// A token without its marks, and what they say.
struct Unmarked {
  std::string_view text;
  bool begins = true;       // a word
  bool stays_open = false;  // the next token may continue the word
};

inline bool drop_front(std::string_view& text, std::string_view mark) {
  const bool has = text.starts_with(mark);
  if (has) text.remove_prefix(mark.size());
  return has;
}
inline bool drop_back(std::string_view& text, std::string_view mark) {
  const bool has = text.ends_with(mark);
  if (has) text.remove_suffix(mark.size());
  return has;
}

/// Without blanks at its ends, which all have as many bytes as `mark`.
template <class IsBlank>
Unmarked without_blanks(std::string_view token, std::size_t size, IsBlank blank) {
  Unmarked made{token, false, true};
  for (; blank(made.text); made.begins = true) made.text.remove_prefix(size);
  for (; made.text.size() >= size && blank(made.text.substr(made.text.size() - size)); made.stays_open = false)
    made.text.remove_suffix(size);
  return made;
}

inline Unmarked unmarked(std::string_view token, Subwords marks) {
  Unmarked made{token};
  if (is_mark(token)) return made;
  switch (marks) {
    case Subwords::none:
      break;
    case Subwords::sentencepiece:
      return without_blanks(token, 3, [](std::string_view text) { return text.starts_with("▁"); });
    case Subwords::byte_level:
      return without_blanks(token, 2, begins_with_blank_letter);
    case Subwords::wordpiece:
      made.begins = !drop_front(made.text, "##"), made.stays_open = true;
      break;
    case Subwords::bpe:
      made.begins = false, made.stays_open = drop_back(made.text, "@@");
      break;
    case Subwords::end_of_word:
      made.begins = false, made.stays_open = !drop_back(made.text, "</w>");
      break;
  }
  return made;
}

}  // namespace detail

inline Words words_of(const std::vector<std::string>& tokens, Subwords marks) {
  Words words;
  bool open = false;         // the next token may continue the last word
  bool last_is_mark = true;  // </s> and its like take no blanks from behind
  std::size_t blanks = 0;    // tokens of blanks alone, which wait for their word
  const auto give_blanks = [&] {
    words.of_token.insert(words.of_token.end(), blanks, words.count() - 1);
    blanks = 0;
  };
  for (const std::string& token : tokens) {
    const detail::Unmarked part = detail::unmarked(token, marks);
    if (part.text.empty() && part.begins && !token.empty()) {
      ++blanks, open = false;
      continue;
    }
    const bool is_mark = detail::is_mark(token);
    if (is_mark && !last_is_mark) give_blanks();
    if (part.begins || !open) words.texts.emplace_back();
    words.texts.back() += part.text;
    give_blanks();
    words.of_token.push_back(words.count() - 1);
    open = part.stays_open, last_is_mark = is_mark;
  }
  if (blanks > 0 && words.texts.empty()) words.texts.emplace_back();
  give_blanks();
  return words;
}

template <class M>
RowMajor<typename M::Scalar> merge_words(const M& map, const Words& target, const Words& source) {
  using S = typename M::Scalar;
  if (Index(map.rows()) != Index(target.of_token.size()) || Index(map.cols()) != Index(source.of_token.size()))
    throw std::invalid_argument("merge_words: a map of " + std::to_string(map.rows()) + " x " +
                                std::to_string(map.cols()) + " for " + std::to_string(target.of_token.size()) +
                                " target and " + std::to_string(source.of_token.size()) + " source tokens");
  RowMajor<S> merged = RowMajor<S>::Zero(target.count(), source.count());
  std::vector<S> tokens(target.texts.size(), S(0));
  for (std::size_t t = 0; t < target.of_token.size(); ++t) {
    const Index word = target.of_token[t];
    tokens[std::size_t(word)] += S(1);
    for (std::size_t s = 0; s < source.of_token.size(); ++s)
      merged(word, source.of_token[s]) += map(Index(t), Index(s));
  }
  for (Index word = 0; word < target.count(); ++word) merged.row(word) /= tokens[std::size_t(word)];
  return merged;
}

inline Links merge_links(const Links& links, const Words& target, const Words& source) {
  Links merged;
  for (const Link& link : links)
    merged.push_back({source.of_token.at(std::size_t(link.source)), target.of_token.at(std::size_t(link.target))});
  std::sort(merged.begin(), merged.end());
  merged.erase(std::unique(merged.begin(), merged.end()), merged.end());
  return merged;
}

}  // namespace vitrine::inline VITRINE_ABI::inspect

#include <vitrine/core/macros_pop.hpp>
