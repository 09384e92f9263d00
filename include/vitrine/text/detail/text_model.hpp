// What cuts a word into pieces: the interface of the models of a tokenizer.json, and two of them, WordPiece and
// WordLevel. Part of text/tokenizer.hpp.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>
#include <vitrine/core/config.hpp>
#include <vitrine/text/detail/aligned_text.hpp>
#include <vitrine/text/detail/token_table.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::detail {

/// Bytes [begin, end) of a word and the id that they get.
struct WordPart {
  std::uint32_t id = 0, begin = 0, end = 0;
};

/// Room that a model needs while it works, one for each thread; what it holds between two words means nothing.
struct ModelRoom {
  struct Symbol {
    std::uint32_t id, begin, end;
    std::int64_t before, behind;
  };
  struct Candidate {  // of a merge
    std::uint32_t rank, id, at, left, right;
    bool operator<(const Candidate& other) const noexcept {
      return rank != other.rank ? rank > other.rank : at > other.at;
    }
  };
  struct Best {  // way to a place of a word
    double score;
    std::uint32_t begin, id;
  };
  std::vector<Symbol> symbols = {};
  std::vector<std::uint32_t> ranks = {};
  std::vector<Candidate> queue = {};
  std::vector<Best> best = {};
};

class TextModel {
 public:
  virtual ~TextModel() = default;
  /// Appends the parts of a word that is not empty, from left to right.
  virtual void cut(std::string_view word, ModelRoom& room, std::vector<WordPart>& parts) const = 0;
  /// Is a part that got this id named by its own text, not by the id's token?
  virtual bool keeps_text(std::uint32_t) const { return false; }
};

/// A word is a token or unknown.
class WordLevelModel : public TextModel {
 public:
  WordLevelModel(TokenTable tokens, std::uint32_t unknown) : tokens_(std::move(tokens)), unknown_(unknown) {}
  void cut(std::string_view word, ModelRoom&, std::vector<WordPart>& parts) const override {
    const std::uint32_t id = tokens_.find(word);
    parts.push_back({id == no_token ? unknown_ : id, 0, static_cast<std::uint32_t>(word.size())});
  }

 private:
  TokenTable tokens_;
  std::uint32_t unknown_;
};

/// The longest pieces from the left (Devlin et al. 2019); one that is not there makes the whole word unknown.
class WordPieceModel : public TextModel {
 public:
  /// `continuation` begins the pieces that are not a word's first.
  WordPieceModel(const std::vector<std::pair<std::string_view, std::uint32_t> >& tokens, std::string_view continuation,
                 std::uint32_t unknown, std::size_t max_characters)
      : unknown_(unknown), max_characters_(max_characters) {
    for (const auto& [token, id] : tokens) {
      if (token.empty()) continue;
      whole_.add(token, id);
      if (token.starts_with(continuation) && token.size() > continuation.size())
        continued_.add(token.substr(continuation.size()), id);
    }
    whole_.sort(), continued_.sort();
  }
  void cut(std::string_view word, ModelRoom&, std::vector<WordPart>& parts) const override {
    const std::size_t before = parts.size();
    const auto all = static_cast<std::uint32_t>(word.size());
    const auto characters = [&] {
      return std::size_t(std::count_if(word.begin(), word.end(), [](char c) { return !continues_character(c); }));
    };
    bool known = word.size() <= max_characters_ || characters() <= max_characters_;
    for (std::uint32_t at = 0; known && at < all;) {
      const Piece* piece = (at == 0 ? whole_ : continued_).beginning(word.substr(at));
      known = piece != nullptr;
      if (!known) break;
      const std::uint32_t end = at + static_cast<std::uint32_t>(piece->text.size());
      parts.push_back({piece->id, at, end});
      at = end;
    }
    if (known) return;
    parts.resize(before);
    parts.push_back({unknown_, 0, all});
  }

 private:
  // Pieces in order, each with the longest other piece that it begins with: what a text begins with is found by one
  // search and a walk along these, however long pieces and words are.
  struct Piece {
    std::string text;
    std::uint32_t id;
    std::ptrdiff_t prefix = -1;
  };
  class Pieces {
   public:
    void add(std::string_view text, std::uint32_t id) { sorted_.push_back({std::string(text), id}); }
    void sort() {
      std::stable_sort(sorted_.begin(), sorted_.end(), [](const Piece& a, const Piece& b) { return a.text < b.text; });
      const auto later =
          std::unique(sorted_.rbegin(), sorted_.rend(), [](auto& a, auto& b) { return a.text == b.text; });
      sorted_.erase(sorted_.begin(), later.base());  // of several with one text the last counts
      std::ptrdiff_t open = -1;
      for (Piece& piece : sorted_) {  // what begins a piece stands before it
        while (open >= 0 && !piece.text.starts_with(sorted_[std::size_t(open)].text))
          open = sorted_[std::size_t(open)].prefix;
        piece.prefix = open;
        open = &piece - sorted_.data();
      }
    }
    // The longest piece that `text` begins with, null if there is none.
    const Piece* beginning(std::string_view text) const noexcept {
      const auto behind = std::upper_bound(sorted_.begin(), sorted_.end(), text,
                                           [](std::string_view a, const Piece& b) { return a < b.text; });
      // Whatever `text` begins with, the piece in front of its place begins with too.
      const std::string_view nearest =
          behind == sorted_.begin() ? std::string_view() : std::string_view(behind[-1].text);
      const auto common =
          std::mismatch(nearest.begin(), nearest.end(), text.begin(), text.end()).first - nearest.begin();
      std::ptrdiff_t i = behind - sorted_.begin() - 1;
      while (i >= 0 && std::ssize(sorted_[std::size_t(i)].text) > common) i = sorted_[std::size_t(i)].prefix;
      return i < 0 ? nullptr : &sorted_[std::size_t(i)];
    }

   private:
    std::vector<Piece> sorted_;
  };
  Pieces whole_, continued_;
  std::uint32_t unknown_;
  std::size_t max_characters_;
};

}  // namespace vitrine::inline VITRINE_ABI::detail

#include <vitrine/core/macros_pop.hpp>
