// Text to the ids of a checkpoint's own tokenizer, and back.
//
//   const vt::Tokenizer tokenizer("Qwen2.5-0.5B");                       // a folder, or a tokenizer.json
//   vt::Encoding encoding = tokenizer.encode("Déjà vu?");                // ids, tokens, offsets, words, type_ids
//   tokenizer.decode(encoding.ids);                                      // "Déjà vu?"
//   tokenizer.encode("Is it so?", "It is.");                             // a pair, for models that take two texts
//
// The rules are those of Hugging Face's tokenizers library and Transformers 5.23. What a file asks for and is not known
// here is refused by name. Needs utf8proc and PCRE2: link with -lutf8proc -lpcre2-8.
#pragma once
#if !__has_include(<utf8proc.h>) || !__has_include(<pcre2.h>)
#error "vitrine: text/tokenizer.hpp needs utf8proc and PCRE2 (Debian, Ubuntu: packages libutf8proc-dev, libpcre2-dev)"
#else
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>
#include <vitrine/core/config.hpp>
#include <vitrine/text/detail/tokenizer_pipeline.hpp>
#include <vitrine/text/encoding.hpp>
#include <vitrine/text/subwords.hpp>

namespace vitrine::inline VITRINE_ABI {

/// A tokenizer as its files describe it. Immutable; copies share it, and many threads may use one. Ids and texts are
/// returned on the heap, in time that grows with the text's length alone (times its logarithm for BPE that no
/// pre-tokenizer cuts). A text fails for memory, or with Error value_out_of_range where it is 4 GB or asks a file's
/// pattern for more steps than are allowed; bytes that are not UTF-8 become U+FFFD.
class Tokenizer {
 public:
  /// A checkpoint folder, or a tokenizer.json. Throws Error: file_missing, file_unreadable, config_not_json,
  /// config_bad_value, bad_vocabulary, and config_unsupported for what is not known.
  explicit Tokenizer(const std::filesystem::path& path);

  /// A text; with `special` the tokens that the model expects around it, too.
  Encoding encode(std::string_view text, bool special = true) const { return pipeline_->encode(text, special); }
  /// Two texts as one sequence.
  Encoding encode(std::string_view first, std::string_view second, bool special = true) const {
    return pipeline_->encode_pair(first, second, special);
  }
  // A literal is a text, never a truth value.
  Encoding encode(std::string_view first, const char* second, bool special = true) const {
    return pipeline_->encode_pair(first, second, special);
  }
  /// The text of ids, without the special tokens unless they are wanted; ids that are not there are left out.
  std::string decode(std::span<const Index> ids, bool special = false) const { return pipeline_->decode(ids, special); }

  /// The token of an id, "" for one that is not there.
  const std::string& token(Index id) const noexcept { return pipeline_->token(id); }
  /// The id of a token, -1 for one that is not there.
  Index id(std::string_view token) const noexcept { return pipeline_->id(token); }
  /// One more than the largest id.
  Index size() const noexcept { return pipeline_->size(); }
  /// Is it a token that stands for no text, as </s>?
  bool is_special(Index id) const noexcept { return pipeline_->is_special(id); }
  /// How tokens say which of them make a word.
  Subwords subwords() const noexcept { return pipeline_->subwords(); }

 private:
  std::shared_ptr<const detail::TokenizerPipeline> pipeline_;
};

// ---- implementation

inline Tokenizer::Tokenizer(const std::filesystem::path& path) {
  std::error_code failed;
  const std::filesystem::path file = std::filesystem::is_directory(path, failed) ? path / "tokenizer.json" : path;
  pipeline_ = std::make_shared<const detail::TokenizerPipeline>(ConfigFile(file));
}

}  // namespace vitrine::inline VITRINE_ABI
#endif
