// How a tokenizer marks the subwords of a word in its tokens.
#pragma once
#include <vitrine/core/config.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

/// How a tokenizer marks the subwords of a word.
enum class Subwords {
  none,           ///< Every token is a word.
  sentencepiece,  ///< A leading "▁" begins a word.
  wordpiece,      ///< A leading "##" continues one.
  bpe,            ///< A trailing "@@" is continued by the next token.
  end_of_word,    ///< A trailing "</w>" ends a word.
  byte_level,     ///< Bytes are GPT-2's letters ("Ã©" is é): a leading "Ġ", "Ċ", "ĉ" (a blank) begins a word.
};

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
