// A SentencePiece model's pieces as the parts of a tokenizer.json, as Transformers converts it: the vocabulary with its
// scores or its merges, what is special, and the character map. Part of text/tokenizer.hpp.
#pragma once
#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>
#include <vitrine/core/config.hpp>
#include <vitrine/io/error.hpp>
#include <vitrine/io/mapped_file.hpp>
#include <vitrine/text/detail/aligned_text.hpp>
#include <vitrine/text/detail/sentencepiece_file.hpp>
#include <vitrine/text/detail/token_table.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::detail {

/// What a model's file holds.
class SentencePieceVocabulary {
 public:
  /// Throws Error file_missing, file_unreadable.
  explicit SentencePieceVocabulary(const std::filesystem::path& path);

  /// [[piece, score], ...] in the order of their ids.
  nlohmann::json scored() const {
    nlohmann::json all = nlohmann::json::array();
    for (const Piece& piece : pieces_) all.push_back({piece.text, double(piece.score)});
    return all;
  }
  /// {piece: id, ...}
  nlohmann::json ids() const {
    nlohmann::json all = nlohmann::json::object();
    for (std::size_t i = 0; i < pieces_.size(); ++i) all[pieces_[i].text] = i;
    return all;
  }
  /// [[left, right], ...]: each way to make a piece of two, the piece of the smallest id first.
  nlohmann::json merges() const;
  /// Control symbols, which are special, and user-defined ones, as added tokens.
  std::vector<nlohmann::json> added_tokens() const;
  /// Its character map, "" where it has none.
  const std::string& character_map() const noexcept { return character_map_; }

 private:
  struct Piece {
    std::string text = {};
    float score = 0;
    std::uint64_t type = 1;
  };
  std::vector<Piece> pieces_;
  std::string character_map_;
};

// ---- implementation

inline SentencePieceVocabulary::SentencePieceVocabulary(const std::filesystem::path& path) {
  const std::string name = path.string();
  const MappedFile file(path);
  const std::string bytes =
      checked_sentencepiece(std::string(reinterpret_cast<const char*>(file.data()), file.size()), name);
  std::string_view rest = bytes;
  for (ProtoField field; take_field(rest, field);) {
    std::string_view inside = field.bytes;
    ProtoField inner;
    if (field.number == 1) {
      Piece piece;
      while (take_field(inside, inner)) {
        if (inner.number == 1 && inner.wire == 2) piece.text = inner.bytes;
        if (inner.number == 3 && inner.wire == 0) piece.type = inner.value;
        if (inner.number != 2 || inner.wire != 5) continue;
        std::uint32_t bits = 0;
        for (std::size_t i = 4; i-- > 0;) bits = bits << 8 | static_cast<unsigned char>(inner.bytes[i]);
        piece.score = std::bit_cast<float>(bits);
      }
      if (!is_utf8(piece.text)) throw Error(LoadError::file_unreadable, name, "has a piece that is not UTF-8");
      pieces_.push_back(std::move(piece));
    } else if (field.number == 3) {
      while (take_field(inside, inner))
        if (inner.number == 2 && inner.wire == 2) character_map_ = inner.bytes;
    }
  }
  if (pieces_.empty()) throw Error(LoadError::file_unreadable, name, "is no SentencePiece model: it has no pieces");
}

inline nlohmann::json SentencePieceVocabulary::merges() const {
  TokenTable ids;
  for (std::size_t i = 0; i < pieces_.size(); ++i) ids.add(pieces_[i].text, std::uint32_t(i));
  nlohmann::json all = nlohmann::json::array();
  for (std::size_t i = 0; i < pieces_.size(); ++i) {
    const std::string_view text = pieces_[i].text;
    if (ids.find(text) != i) continue;  // of equal ones the last counts
    // By the left part's length, as the reference sorts them at last.
    for (std::size_t at = 1; at < text.size(); ++at)
      if (!continues_character(text[at]) && ids.find(text.substr(0, at)) != no_token &&
          ids.find(text.substr(at)) != no_token)
        all.push_back({text.substr(0, at), text.substr(at)});
  }
  return all;
}

inline std::vector<nlohmann::json> SentencePieceVocabulary::added_tokens() const {
  constexpr std::uint64_t control = 3, user_defined = 4;
  std::vector<nlohmann::json> all;
  for (const Piece& piece : pieces_)
    if (piece.type == control || piece.type == user_defined)
      all.push_back({{"content", piece.text}, {"special", piece.type == control}, {"normalized", false}});
  return all;
}

}  // namespace vitrine::inline VITRINE_ABI::detail

#include <vitrine/core/macros_pop.hpp>
