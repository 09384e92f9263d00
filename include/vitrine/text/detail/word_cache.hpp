// Words that a model has cut lately and their parts: most words of a text are seen again. Part of text/tokenizer.hpp.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>
#include <vitrine/core/config.hpp>
#include <vitrine/text/detail/text_model.hpp>
#include <vitrine/text/detail/token_table.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::detail {

/// A table in which a word has one place and takes it from the word before: 850 KB from the first word on, whatever
/// texts come.
class WordCache {
 public:
  /// The parts of a word, as `model` cuts it; valid until the next call.
  std::span<const WordPart> cut(std::string_view word, const TextModel& model, ModelRoom& room) {
    parts_.clear();
    if (word.size() > longest_word) {
      model.cut(word, room, parts_);
      return parts_;
    }
    if (slots_.empty()) slots_.resize(places);
    Slot& slot = slots_[hash_of(word, seed_) % places];
    if (slot.size == word.size() && std::memcmp(slot.word, word.data(), word.size()) == 0)
      return {slot.parts, slot.count};
    model.cut(word, room, parts_);
    if (parts_.size() > most_parts) return parts_;
    slot.size = static_cast<std::uint8_t>(word.size()), slot.count = static_cast<std::uint8_t>(parts_.size());
    std::memcpy(slot.word, word.data(), word.size());
    std::copy(parts_.begin(), parts_.end(), slot.parts);
    return parts_;
  }

 private:
  static constexpr std::size_t places = 8192, longest_word = 22, most_parts = 6;
  struct Slot {
    std::uint8_t size = 0, count = 0;
    char word[longest_word];
    WordPart parts[most_parts];
  };
  std::uint64_t seed_ = table_seed();
  std::vector<Slot> slots_;
  std::vector<WordPart> parts_;
};

}  // namespace vitrine::inline VITRINE_ABI::detail

#include <vitrine/core/macros_pop.hpp>
