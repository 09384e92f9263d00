// What a tokenizer makes of a text: ids and, as many, what each stands for; the Encoding of Hugging Face's tokenizers.
#pragma once
#include <cstddef>
#include <iterator>
#include <string>
#include <utility>
#include <vector>
#include <vitrine/core/config.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

/// One entry for each id in every member; all are on the heap.
struct Encoding {
  /// Of the model's vocabulary.
  std::vector<Index> ids = {};
  /// The pieces by name: an unknown one by the token for what is unknown or, where the model is a Unigram, by its text.
  std::vector<std::string> tokens = {};
  /// First character of the text as given, and one behind the last; (0, 0) for what no text stands for. A byte that is
  /// not UTF-8 counts as a character.
  std::vector<std::pair<Index, Index> > offsets = {};
  /// Which word of the text, by the tokenizer's own cut, from 0; -1 for what was added around the text.
  std::vector<Index> words = {};
  /// 0, or 1 for what belongs to the second text of a pair, where the tokenizer says so.
  std::vector<Index> type_ids = {};

  /// The number of ids.
  Index size() const noexcept { return Index(ids.size()); }
  /// Appends another encoding.
  void append(Encoding other) {
    if (ids.empty()) {
      *this = std::move(other);
      return;
    }
    ids.insert(ids.end(), other.ids.begin(), other.ids.end());
    tokens.insert(tokens.end(), std::make_move_iterator(other.tokens.begin()),
                  std::make_move_iterator(other.tokens.end()));
    offsets.insert(offsets.end(), other.offsets.begin(), other.offsets.end());
    words.insert(words.end(), other.words.begin(), other.words.end());
    type_ids.insert(type_ids.end(), other.type_ids.begin(), other.type_ids.end());
  }
};

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
