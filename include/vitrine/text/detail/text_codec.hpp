// What every kind of tokenizer does: the face of text/tokenizer.hpp from within.
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vitrine/core/config.hpp>
#include <vitrine/text/encoding.hpp>
#include <vitrine/text/subwords.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::detail {

class TextCodec {
 public:
  virtual ~TextCodec() = default;
  virtual Encoding encode(std::string_view text, bool special) const = 0;
  virtual Encoding encode_pair(std::string_view first, std::string_view second, bool special) const = 0;
  /// A text that a model is to write; for most the same.
  virtual Encoding encode_target(std::string_view text) const { return encode(text, true); }
  virtual std::string decode(std::span<const Index> ids, bool special) const = 0;
  virtual const std::string& token(Index id) const noexcept = 0;
  virtual Index id(std::string_view token) const noexcept = 0;
  virtual Index size() const noexcept = 0;
  /// Of the ids that a model writes; for most the same.
  virtual const std::string& target_token(Index id) const noexcept { return token(id); }
  virtual Index target_size() const noexcept { return size(); }
  virtual bool is_special(Index id) const noexcept = 0;
  virtual Subwords subwords() const noexcept = 0;
};

}  // namespace vitrine::inline VITRINE_ABI::detail

#include <vitrine/core/macros_pop.hpp>
