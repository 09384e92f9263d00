// Text to the ids of a checkpoint's own tokenizer, and back.
//
//   const vt::Tokenizer tokenizer("Qwen2.5-0.5B");                       // a folder, or a tokenizer.json
//   vt::Encoding encoding = tokenizer.encode("Déjà vu?");                // ids, tokens, offsets, words, type_ids
//   tokenizer.decode(encoding.ids);                                      // "Déjà vu?"
//   tokenizer.encode("Is it so?", "It is.");                             // a pair, for models that take two texts
//
// The rules are those of Hugging Face's tokenizers library and Transformers 5.23. What a file asks for and is not known
// here is refused by name. Needs utf8proc and PCRE2: link with -lutf8proc -lpcre2-8; and, for MarianMT's and M2M100's,
// SentencePiece: -DVITRINE_SENTENCEPIECE=1 -lsentencepiece.
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
#include <vitrine/io/config.hpp>
#include <vitrine/io/error.hpp>
#include <vitrine/text/detail/character_codec.hpp>
#include <vitrine/text/detail/language_codec.hpp>
#include <vitrine/text/detail/text_codec.hpp>
#include <vitrine/text/detail/tokenizer_folder.hpp>
#include <vitrine/text/detail/tokenizer_pipeline.hpp>
#include <vitrine/text/encoding.hpp>
#include <vitrine/text/subwords.hpp>
#if VITRINE_SENTENCEPIECE
#include <vitrine/text/detail/m2m100_codec.hpp>
#include <vitrine/text/detail/marian_codec.hpp>
#endif

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

/// A tokenizer as its files describe it. Immutable; copies share it, and many threads may use one. Ids and texts are
/// returned on the heap, in time that grows with the text's length alone (times its logarithm for BPE that no
/// pre-tokenizer cuts). A text fails for memory, or with Error: value_out_of_range where it is 4 GB or asks a file's
/// pattern for more steps than are allowed, unknown_symbol where a vocabulary of characters lacks one. Bytes that are
/// not UTF-8 become U+FFFD.
class Tokenizer {
 public:
  /// A tokenizer.json, or a checkpoint folder: with source.spm it is MarianMT's (text/detail/marian_codec.hpp), of
  /// M2M100's class or model_type M2M100's (text/detail/m2m100_codec.hpp), with
  /// tokenizer.json, vocab.txt, merges.txt or a SentencePiece model what Transformers makes of them and of
  /// tokenizer_config.json, special_tokens_map.json and added_tokens.json; with vocab.json alone a vocabulary of
  /// characters. Throws Error:
  /// file_missing, file_unreadable, config_missing, config_not_json, config_bad_value, bad_vocabulary, and
  /// config_unsupported for what is not known.
  explicit Tokenizer(const std::filesystem::path& path);

  /// A text; with `special` the tokens that the model expects around it, too.
  Encoding encode(std::string_view text, bool special = true) const { return codec_->encode(text, special); }
  /// Two texts as one sequence.
  Encoding encode(std::string_view first, std::string_view second, bool special = true) const {
    return codec_->encode_pair(first, second, special);
  }
  /// The same: a literal is a text, never a truth value.
  Encoding encode(std::string_view first, const char* second, bool special = true) const {
    return codec_->encode_pair(first, second, special);
  }
  /// A text that the model is to write. MarianMT's folders, those that name languages (M2M100, MBart, NLLB) and
  /// vocabularies of characters have another way for it.
  Encoding encode_target(std::string_view text) const { return codec_->encode_target(text); }
  /// The text of ids that the model writes, without the special tokens unless they are wanted; ids that are not there
  /// are left out.
  std::string decode(std::span<const Index> ids, bool special = false) const { return codec_->decode(ids, special); }

  /// The token of an id, "" for one that is not there.
  const std::string& token(Index id) const noexcept { return codec_->token(id); }
  /// The id of a token, -1 for one that is not there.
  Index id(std::string_view token) const noexcept { return codec_->id(token); }
  /// One more than the largest id.
  Index size() const noexcept { return codec_->size(); }
  /// The token of an id that the model writes: another one where a MarianMT folder has separate vocabularies.
  const std::string& target_token(Index id) const noexcept { return codec_->target_token(id); }
  /// One more than the largest of them.
  Index target_size() const noexcept { return codec_->target_size(); }
  /// Is it a token that stands for no text, as </s>?
  bool is_special(Index id) const noexcept { return codec_->is_special(id); }
  /// How tokens say which of them make a word.
  Subwords subwords() const noexcept { return codec_->subwords(); }
  /// The folder's "model_max_length" in tokens, 0 where it names none. Nothing here cuts a text.
  Index max_length() const noexcept { return max_length_; }

 private:
  std::shared_ptr<const detail::TextCodec> codec_;
  Index max_length_ = 0;
};

// ---- implementation

inline Tokenizer::Tokenizer(const std::filesystem::path& path) {
  std::error_code failed;
  if (!std::filesystem::is_directory(path, failed)) {
    codec_ = std::make_shared<const detail::TokenizerPipeline>(ConfigFile(path));
    return;
  }
  detail::TokenizerFolder folder(path);
  max_length_ = folder.max_length();
  const bool m2m100 = folder.class_name() == "M2M100Tokenizer";
  if (m2m100 || folder.has("source.spm")) {
#if VITRINE_SENTENCEPIECE
    if (m2m100)
      codec_ = std::make_shared<const detail::M2M100Codec>(path, folder);
    else
      codec_ = std::make_shared<const detail::MarianCodec>(path, folder);
#else
    throw Error(LoadError::config_unsupported, path.string(),
                "has a SentencePiece tokenizer (MarianMT's or M2M100's), and this build was made without SentencePiece "
                "(Debian, Ubuntu: package libsentencepiece-dev)");
#endif
  } else if (!folder.has_pieces() && folder.has("vocab.json")) {
    const std::string end = folder.special("eos_token");
    codec_ = std::make_shared<const detail::CharacterCodec>(path / "vocab.json", end.empty() ? "</s>" : end);
  } else if (!folder.language(false).empty()) {
    codec_ = std::make_shared<const detail::LanguageCodec>(folder, path);
  } else {
    codec_ = std::make_shared<const detail::TokenizerPipeline>(
        ConfigFile(folder.effective(), path.string()), folder.flag("clean_up_tokenization_spaces", false),
        folder.as_it_is() ? detail::Scores::of_library : detail::Scores::nearest);
  }
}

}  // namespace vitrine::inline VITRINE_ABI
#endif

#include <vitrine/core/macros_pop.hpp>
