// Byte-pair encoding (Sennrich et al. 2016), of bytes (GPT-2) or of characters with bytes for those that are not there
// (Llama 2), by the rules of the tokenizers library. Part of text/tokenizer.hpp.
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
#include <vitrine/text/detail/text_model.hpp>
#include <vitrine/text/detail/token_table.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::detail {

/// The name of the token that stands for one byte, <0x0A>.
inline std::string name_of_byte(unsigned char byte) {
  constexpr char digits[] = "0123456789ABCDEF";
  return {'<', '0', 'x', digits[byte >> 4], digits[byte & 15], '>'};
}

/// Joins, while any two neighbours may be joined, those of the lowest rank, the leftmost first.
class BpeModel : public TextModel {
 public:
  struct Rules {
    std::uint32_t unknown = no_token;  // no_token: what is unknown is left out
    bool fuse_unknown = false, byte_fallback = false, ignore_merges = false;
    bool bytes = false;  // characters are bytes, whatever the text
    std::string continuation = {}, end_of_word = {};
  };
  BpeModel(TokenTable tokens, MergeTable merges, Rules rules)
      : tokens_(std::move(tokens)), merges_(std::move(merges)), rules_(std::move(rules)) {
    for (std::size_t i = 0; i < 256; ++i) {
      const auto byte = static_cast<unsigned char>(i);
      const char c = static_cast<char>(byte);
      single_[i] = rules_.bytes || i < 128 ? tokens_.find({&c, 1}) : no_token;
      fallback_[i] = rules_.byte_fallback ? tokens_.find(name_of_byte(byte)) : no_token;
    }
    plain_ = rules_.continuation.empty() && rules_.end_of_word.empty();
  }

  void cut(std::string_view word, ModelRoom& room, std::vector<WordPart>& parts) const override {
    if (rules_.ignore_merges)
      if (const std::uint32_t id = tokens_.find(word); id != no_token) {
        parts.push_back({id, 0, static_cast<std::uint32_t>(word.size())});
        return;
      }
    spell(word, room.symbols);
    constexpr std::size_t few = 48;  // up to here looking at all pairs is faster than a queue
    if (room.symbols.size() <= few)
      merge_few(room);
    else
      merge_many(room);
    for (const ModelRoom::Symbol& symbol : room.symbols)
      if (symbol.end > symbol.begin) parts.push_back({symbol.id, symbol.begin, symbol.end});
  }

 private:
  using Symbol = ModelRoom::Symbol;

  // The characters of a word as symbols.
  void spell(std::string_view word, std::vector<Symbol>& symbols) const {
    symbols.clear();
    std::uint32_t unknown_from = 0, unknown_to = 0;  // an unknown symbol that may grow
    const auto flush = [&] {
      if (unknown_to > unknown_from) symbols.push_back({rules_.unknown, unknown_from, unknown_to, 0, 0});
      unknown_from = unknown_to = 0;
    };
    for (std::size_t at = 0; at < word.size();) {
      const auto begin = static_cast<std::uint32_t>(at++);
      if (!rules_.bytes)
        while (at < word.size() && continues_character(word[at])) ++at;
      const auto end = static_cast<std::uint32_t>(at);
      const std::uint32_t id = id_of(word, begin, end);
      if (id != no_token) {
        flush();
        symbols.push_back({id, begin, end, 0, 0});
        continue;
      }
      if (fall_back(word.substr(begin, end - begin), begin, symbols) || rules_.unknown == no_token) continue;
      if (!rules_.fuse_unknown) flush();
      if (unknown_to == unknown_from) unknown_from = begin;
      unknown_to = end;
    }
    flush();
  }
  std::uint32_t id_of(std::string_view word, std::uint32_t begin, std::uint32_t end) const {
    if (plain_) {
      const auto first = static_cast<unsigned char>(word[begin]);
      return end == begin + 1 ? single_[first] : tokens_.find(word.substr(begin, end - begin));
    }
    std::string own = begin > 0 ? rules_.continuation : std::string();
    own.append(word.substr(begin, end - begin));
    if (end == word.size()) own.append(rules_.end_of_word);
    return tokens_.find(own);
  }
  bool fall_back(std::string_view character, std::uint32_t begin, std::vector<Symbol>& symbols) const {
    if (!rules_.byte_fallback) return false;
    const auto id = [&](char c) { return fallback_[static_cast<unsigned char>(c)]; };
    if (std::any_of(character.begin(), character.end(), [&](char c) { return id(c) == no_token; })) return false;
    for (const char c : character) symbols.push_back({id(c), begin, begin + 1, 0, 0}), ++begin;
    return true;
  }

  void merge_few(ModelRoom& room) const {
    std::vector<Symbol>& symbols = room.symbols;
    std::vector<std::uint32_t>& ranks = room.ranks;  // of each symbol with the next
    const auto rank = [&](std::size_t i) {
      return i + 1 < symbols.size() ? merges_.find(symbols[i].id, symbols[i + 1].id).rank : no_token;
    };
    ranks.clear();
    for (std::size_t i = 0; i < symbols.size(); ++i) ranks.push_back(rank(i));
    while (symbols.size() > 1) {
      const std::size_t i = std::size_t(std::min_element(ranks.begin(), ranks.end()) - ranks.begin());
      if (ranks[i] == no_token) return;
      symbols[i].id = merges_.find(symbols[i].id, symbols[i + 1].id).id;
      symbols[i].end = symbols[i + 1].end;
      symbols.erase(symbols.begin() + std::ptrdiff_t(i) + 1), ranks.erase(ranks.begin() + std::ptrdiff_t(i) + 1);
      ranks[i] = rank(i);
      if (i > 0) ranks[i - 1] = rank(i - 1);
    }
  }

  // n log n, for a text that nothing has cut.
  void merge_many(ModelRoom& room) const {
    std::vector<Symbol>& symbols = room.symbols;
    std::vector<ModelRoom::Candidate>& queue = room.queue;
    queue.clear();
    const auto count = static_cast<std::int64_t>(symbols.size());
    const auto consider = [&](std::int64_t left) {
      if (left < 0 || symbols[std::size_t(left)].behind >= count) return false;
      const std::uint32_t a = symbols[std::size_t(left)].id,
                          b = symbols[std::size_t(symbols[std::size_t(left)].behind)].id;
      const MergeTable::Merge merge = merges_.find(a, b);
      if (merge.rank == no_token) return false;
      queue.push_back({merge.rank, merge.id, static_cast<std::uint32_t>(left), a, b});
      return true;
    };
    for (std::int64_t i = 0; i < count; ++i)
      symbols[std::size_t(i)].before = i - 1, symbols[std::size_t(i)].behind = i + 1;
    for (std::int64_t i = 0; i < count; ++i) consider(i);
    std::make_heap(queue.begin(), queue.end());
    while (!queue.empty()) {
      std::pop_heap(queue.begin(), queue.end());
      const ModelRoom::Candidate best = queue.back();
      queue.pop_back();
      Symbol& left = symbols[best.at];
      if (left.end == left.begin || left.id != best.left || left.behind >= count) continue;
      Symbol& right = symbols[std::size_t(left.behind)];
      if (right.id != best.right) continue;
      left.id = best.id, left.end = right.end, left.behind = right.behind;
      right.end = right.begin;
      if (left.behind < count) symbols[std::size_t(left.behind)].before = std::int64_t(best.at);
      if (consider(left.before)) std::push_heap(queue.begin(), queue.end());
      if (consider(std::int64_t(best.at))) std::push_heap(queue.begin(), queue.end());
    }
  }

  TokenTable tokens_;
  MergeTable merges_;
  Rules rules_;
  std::array<std::uint32_t, 256> single_ = {}, fallback_ = {};
  bool plain_ = true;
};

}  // namespace vitrine::inline VITRINE_ABI::detail

#include <vitrine/core/macros_pop.hpp>
