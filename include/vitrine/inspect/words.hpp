// From subwords to words: which word each token belongs to, and maps and links between words.
//   const auto source = words_of(source_tokens), target = words_of(target_tokens);
//   merge_words(map, target, source)        between words: rows still sum to 1
//   merge_links(links, target, source)      two words are linked when any of their subwords are
// The marks are those of SentencePiece, BERT's WordPiece, subword-nmt (Sennrich et al. 2016) and GPT-2.
#pragma once
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>
#include <vitrine/core/eigen.hpp>
#include <vitrine/inspect/alignment.hpp>

namespace vitrine::inline VITRINE_ABI::inspect {

/// How a tokenizer marks the subwords of a word.
enum class Subwords {
  none,           ///< Every token is a word.
  sentencepiece,  ///< A leading "▁" begins a word.
  wordpiece,      ///< A leading "##" continues one.
  bpe,            ///< A trailing "@@" is continued by the next token.
  end_of_word,    ///< A trailing "</w>" ends a word.
  byte_level,  ///< A leading "Ġ" begins a word, a line break "Ċ" parts two; bytes stay GPT-2's letters ("Ã©" is é).
};

/// The words that tokens make. Marks such as </s>, <pad>, [CLS] and <|endoftext|> are words of their own.
struct Words {
  std::vector<std::string> texts = {};  ///< Each word without the tokenizer's marks.
  std::vector<Index> of_token = {};     ///< For each token, its word.
  // The number of words.
  Index count() const noexcept { return static_cast<Index>(texts.size()); }
};

/// The marks that the tokens carry; none when there are none.
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

}  // namespace detail

inline Subwords subwords_of(const std::vector<std::string>& tokens) {
  for (const std::string& token : tokens) {
    if (detail::is_mark(token)) continue;
    if (token.starts_with("▁")) return Subwords::sentencepiece;
    if (token.starts_with("##") && token.size() > 2) return Subwords::wordpiece;
    if (token.ends_with("@@") && token.size() > 2) return Subwords::bpe;
    if (token.ends_with("</w>")) return Subwords::end_of_word;
    if (token.starts_with("Ġ")) return Subwords::byte_level;
  }
  return Subwords::none;
}

inline Words words_of(const std::vector<std::string>& tokens, Subwords marks) {
  Words words;
  bool open = false;  // the next token may continue the last word
  for (const std::string& token : tokens) {
    std::string_view text = token;
    bool begins = true, stays_open = false;
    const auto drop_front = [&](std::string_view mark) {
      const bool has = text.starts_with(mark);
      if (has) text.remove_prefix(mark.size());
      return has;
    };
    const auto drop_back = [&](std::string_view mark) {
      const bool has = text.ends_with(mark);
      if (has) text.remove_suffix(mark.size());
      return has;
    };
    if (!detail::is_mark(token)) {
      switch (marks) {
        case Subwords::none:
          break;
        case Subwords::sentencepiece:
          begins = drop_front("▁"), stays_open = true;
          break;
        case Subwords::wordpiece:
          begins = !drop_front("##"), stays_open = true;
          break;
        case Subwords::bpe:
          begins = false, stays_open = drop_back("@@");
          break;
        case Subwords::end_of_word:
          begins = false, stays_open = !drop_back("</w>");
          break;
        case Subwords::byte_level:
          begins = drop_front("Ġ") || text.starts_with("Ċ"), stays_open = !text.ends_with("Ċ");  // a line break
          break;
      }
    }
    if (begins || !open) words.texts.emplace_back();
    words.texts.back() += text;
    words.of_token.push_back(words.count() - 1);
    open = stays_open;
  }
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
