// The unigram language model of SentencePiece (Kudo 2018): the most probable pieces of a word, by the rules of the
// tokenizers library. Part of text/tokenizer.hpp.
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>
#include <vitrine/core/config.hpp>
#include <vitrine/text/detail/bpe.hpp>
#include <vitrine/text/detail/text_model.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::detail {

/// Byte strings by their beginnings. A walk takes a step for each byte that it reads.
class Trie {
 public:
  /// Strings and their values; of equal ones the last counts, an empty one is none.
  explicit Trie(std::vector<std::pair<std::string_view, std::uint32_t> > strings);
  /// Calls f(length, value) for each string that `text` begins with, the shortest first.
  template <class F>
  void each_beginning(std::string_view text, F f) const {
    std::uint32_t node = 0;
    for (std::size_t at = 0; at < text.size(); ++at) {
      node = child(node, static_cast<unsigned char>(text[at]));
      if (node == 0) return;
      if (nodes_[node].value != no_token) f(at + 1, nodes_[node].value);
    }
  }

 private:
  struct Node {
    std::uint32_t first = 0, value = no_token;  // its children lie side by side, by their bytes
    std::uint16_t count = 0;
    unsigned char byte = 0;
  };
  std::uint32_t child(std::uint32_t node, unsigned char byte) const noexcept {
    if (node == 0) return roots_[byte];
    const Node* first = nodes_.data() + nodes_[node].first;
    const Node* last = first + nodes_[node].count;
    const Node* found =
        nodes_[node].count <= 8
            ? std::find_if(first, last, [&](const Node& one) { return one.byte == byte; })
            : std::lower_bound(first, last, byte, [](const Node& one, unsigned char b) { return one.byte < b; });
    return found != last && found->byte == byte ? static_cast<std::uint32_t>(found - nodes_.data()) : 0;
  }
  std::vector<Node> nodes_;
  std::array<std::uint32_t, 256> roots_ = {};
};

class UnigramModel : public TextModel {
 public:
  struct Rules {
    std::uint32_t unknown = no_token;
    bool byte_fallback = false;
  };
  /// Tokens in the order of their ids with the logarithms of their probabilities.
  UnigramModel(const std::vector<std::pair<std::string_view, double> >& tokens, Rules rules);
  void cut(std::string_view word, ModelRoom& room, std::vector<WordPart>& parts) const override;
  bool keeps_text(std::uint32_t id) const override { return id == rules_.unknown; }

 private:
  static constexpr double unknown_penalty = 10;
  void add(std::string_view word, std::uint32_t begin, std::uint32_t end, std::vector<WordPart>& parts) const;

  Trie trie_;
  TokenTable tokens_;
  std::vector<double> scores_;
  double lowest_ = 0;
  Rules rules_;
  std::array<std::uint32_t, 256> fallback_ = {};
};

// ---- implementation

inline Trie::Trie(std::vector<std::pair<std::string_view, std::uint32_t> > strings) {
  std::stable_sort(strings.begin(), strings.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  struct Range {
    std::size_t begin, end, depth;
  };
  std::vector<Range> ranges = {{0, strings.size(), 0}};  // of each node, the strings that begin with it
  nodes_.emplace_back();
  for (std::size_t node = 0; node < nodes_.size(); ++node) {
    auto [begin, end, depth] = ranges[node];
    for (; begin < end && strings[begin].first.size() == depth; ++begin)
      if (depth > 0) nodes_[node].value = strings[begin].second;
    nodes_[node].first = static_cast<std::uint32_t>(nodes_.size());
    while (begin < end) {
      const auto byte = static_cast<unsigned char>(strings[begin].first[depth]);
      std::size_t last = begin;
      while (last < end && static_cast<unsigned char>(strings[last].first[depth]) == byte) ++last;
      if (node == 0) roots_[byte] = static_cast<std::uint32_t>(nodes_.size());
      ++nodes_[node].count;
      nodes_.push_back({0, no_token, 0, byte});
      ranges.push_back({begin, last, depth + 1});
      begin = last;
    }
  }
}

inline UnigramModel::UnigramModel(const std::vector<std::pair<std::string_view, double> >& tokens, Rules rules)
    : trie_([&] {
        std::vector<std::pair<std::string_view, std::uint32_t> > strings;
        for (std::size_t i = 0; i < tokens.size(); ++i) strings.emplace_back(tokens[i].first, std::uint32_t(i));
        return strings;
      }()),
      rules_(rules) {
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    tokens_.add(tokens[i].first, std::uint32_t(i));
    scores_.push_back(tokens[i].second);
    lowest_ = i == 0 ? tokens[i].second : std::min(lowest_, tokens[i].second);
  }
  for (std::size_t i = 0; i < 256; ++i)
    fallback_[i] = rules_.byte_fallback ? tokens_.find(name_of_byte(static_cast<unsigned char>(i))) : no_token;
}

inline void UnigramModel::cut(std::string_view word, ModelRoom& room, std::vector<WordPart>& parts) const {
  std::vector<ModelRoom::Best>& best = room.best;
  best.assign(word.size() + 1, {0, no_token, 0});
  const auto reach = [&](std::size_t end, std::size_t begin, double score, std::uint32_t id) {
    if (best[end].begin == no_token || score > best[end].score) best[end] = {score, std::uint32_t(begin), id};
  };
  for (std::size_t at = 0, next = 0; at < word.size(); at = next) {
    next = at + 1;
    while (next < word.size() && continues_character(word[next])) ++next;
    bool alone = false;  // is the character itself a token?
    trie_.each_beginning(word.substr(at), [&](std::size_t length, std::uint32_t id) {
      reach(at + length, at, best[at].score + scores_[id], id);
      alone = alone || at + length == next;
    });
    if (!alone) reach(next, at, best[at].score + lowest_ - unknown_penalty, rules_.unknown);
  }
  const std::size_t first = parts.size();
  for (auto end = static_cast<std::uint32_t>(word.size()); end > 0;) {
    std::uint32_t begin = best[end].begin;
    // Unknown characters side by side become one piece.
    if (best[end].id == rules_.unknown)
      while (begin > 0 && best[begin].id == rules_.unknown) begin = best[begin].begin;
    add(word, begin, end, parts);
    end = begin;
  }
  std::reverse(parts.begin() + std::ptrdiff_t(first), parts.end());
}

inline void UnigramModel::add(std::string_view word, std::uint32_t begin, std::uint32_t end,
                              std::vector<WordPart>& parts) const {
  const std::string_view piece = word.substr(begin, end - begin);
  if (const std::uint32_t id = tokens_.find(piece); id != no_token) {
    parts.push_back({id, begin, end});
    return;
  }
  const auto id = [&](char c) { return fallback_[static_cast<unsigned char>(c)]; };
  if (rules_.byte_fallback && std::none_of(piece.begin(), piece.end(), [&](char c) { return id(c) == no_token; })) {
    for (std::size_t i = piece.size(); i-- > 0;) parts.push_back({id(piece[i]), begin, end});  // turned round later
    return;
  }
  if (rules_.unknown != no_token) parts.push_back({rules_.unknown, begin, end});
}

}  // namespace vitrine::inline VITRINE_ABI::detail

#include <vitrine/core/macros_pop.hpp>
