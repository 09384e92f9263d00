// MBart's, MBart50's and NLLB's tokens: a tokenizer.json's, with the target's language where the source's stands when a
// text is one that the model is to write. Part of text/tokenizer.hpp.
#pragma once
#include <filesystem>
#include <string>
#include <string_view>
#include <vitrine/core/config.hpp>
#include <vitrine/io/error.hpp>
#include <vitrine/text/detail/tokenizer_folder.hpp>
#include <vitrine/text/detail/tokenizer_pipeline.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::detail {

class LanguageCodec final : public TokenizerPipeline {
 public:
  /// Throws Error as TokenizerPipeline; bad_vocabulary for a target language that is no token.
  LanguageCodec(TokenizerFolder& folder, const std::filesystem::path& path)
      : TokenizerPipeline(ConfigFile(folder.effective(), path.string()),
                          folder.flag("clean_up_tokenization_spaces", false), Scores::nearest),
        first_(folder.language_first()),
        target_(id(folder.language(true))) {
    if (target_ < 0)
      throw Error(LoadError::bad_vocabulary, path.string(),
                  concat("the vocabulary has no ", in_quotes(folder.language(true)), ", its \"tgt_lang\""));
  }

  Encoding encode_target(std::string_view text) const override {
    Encoding made = encode(text, true);
    (first_ ? made.ids.front() : made.ids.back()) = target_;
    (first_ ? made.tokens.front() : made.tokens.back()) = token(target_);
    return made;
  }

 private:
  bool first_;
  Index target_;
};

}  // namespace vitrine::inline VITRINE_ABI::detail

#include <vitrine/core/macros_pop.hpp>
