// A text on its way to ids: what a normalizer made of it, and for each byte the bytes of the given text that it stands
// for. Part of text/tokenizer.hpp; the alignment is that of the tokenizers library's NormalizedString.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>
#include <vitrine/core/config.hpp>
#include <vitrine/text/detail/unicode.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::detail {

/// Bytes [begin, end).
struct Span {
  std::uint32_t begin = 0, end = 0;
  bool operator==(const Span&) const = default;
};

inline bool is_ascii(std::string_view text) noexcept {
  unsigned char all = 0;
  for (const char c : text) all |= static_cast<unsigned char>(c);
  return all < 0x80;
}
inline bool continues_character(char byte) noexcept { return (static_cast<unsigned char>(byte) & 0xc0) == 0x80; }

/// Valid UTF-8 with its origins. Views of a text that was never rewritten point into the given one.
class AlignedText {
 public:
  AlignedText() = default;
  /// A piece of the given text that begins at its byte `base`; only viewed.
  AlignedText(std::string_view text, std::uint32_t base) : given_(text), base_(base) {}

  std::string_view text() const noexcept { return rewritten_ ? std::string_view(own_) : given_; }
  bool empty() const noexcept { return text().empty(); }
  /// Where it begins in the given text.
  std::uint32_t base() const noexcept { return base_; }
  /// The bytes of the given text that the bytes [begin, end), of whole characters or not, stand for.
  Span origin(std::size_t begin, std::size_t end) const noexcept {
    if (begin >= end) return {};
    return {origin_of(begin).begin, origin_of(end - 1).end};
  }
  /// The bytes of the given text that one byte stands for: those of a whole character.
  Span origin_of(std::size_t at) const noexcept {
    if (!origins_.empty()) return origins_[at];
    const std::string_view all = text();
    std::size_t begin = at, end = at + 1;
    while (begin > 0 && continues_character(all[begin])) --begin;
    while (end < all.size() && continues_character(all[end])) ++end;
    return {base_ + std::uint32_t(begin), base_ + std::uint32_t(end)};
  }
  /// The bytes [begin, end), which are whole characters, alone.
  AlignedText slice(std::size_t begin, std::size_t end) const {
    AlignedText part(given_, begin < end ? origin_of(begin).begin : base_);
    part.rewritten_ = rewritten_;
    if (rewritten_)
      part.own_ = own_.substr(begin, end - begin);
    else
      part.given_ = given_.substr(begin, end - begin);
    if (!origins_.empty())
      part.origins_.assign(origins_.begin() + std::ptrdiff_t(begin), origins_.begin() + std::ptrdiff_t(end));
    return part;
  }
  /// Another text of as many bytes, each in the place of the one that it replaces.
  void replace_bytes(std::string with) { own_ = std::move(with), rewritten_ = true; }

 private:
  friend class Rewrite;
  std::string_view given_;
  std::uint32_t base_ = 0;
  bool rewritten_ = false;
  std::string own_;
  std::vector<Span> origins_;  // of each byte; empty: byte i stands for byte base + i
};

/// Writes a text anew from left to right.
class Rewrite {
 public:
  explicit Rewrite(const AlignedText& from) : from_(from) {
    text_.reserve(from.text().size() + 16), origins_.reserve(from.text().size() + 16);
  }
  /// Takes bytes of the old text over as they are.
  void keep(std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) origins_.push_back(from_.origin_of(i));
    text_.append(from_.text().substr(begin, end - begin));
    at_ = end;
  }
  /// Bytes of that origin.
  void put(std::string_view bytes, Span origin) {
    text_.append(bytes);
    origins_.insert(origins_.end(), bytes.size(), origin);
  }
  void put(char32_t c, Span origin) {
    const std::size_t before = text_.size();
    append_utf8(text_, c);
    origins_.insert(origins_.end(), text_.size() - before, origin);
  }
  /// A character that stands for those at the present place, as `changed` says.
  void put(Changed changed) {
    if (changed.change > 0) {
      put(changed.c, at_ == 0 ? Span{from_.base(), from_.base()} : from_.origin_of(at_ - 1));
      return;
    }
    put(changed.c, from_.origin_of(at_));
    for (std::ptrdiff_t gone = changed.change; gone <= 0 && at_ < from_.text().size(); ++gone) skip();
  }
  /// Leaves a character of the old text out.
  void skip() {
    ++at_;
    while (at_ < from_.text().size() && continues_character(from_.text()[at_])) ++at_;
  }
  void skip_to(std::size_t at) { at_ = at; }
  std::size_t size() const noexcept { return text_.size(); }
  AlignedText take() {
    AlignedText made;
    made.base_ = from_.base_, made.rewritten_ = true;
    made.own_ = std::move(text_), made.origins_ = std::move(origins_);
    return made;
  }

 private:
  const AlignedText& from_;
  std::size_t at_ = 0;
  std::string text_;
  std::vector<Span> origins_;
};

/// Calls f(character, its first byte) for each character.
template <class F>
void each_character(std::string_view text, F f) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = at;
    const std::int32_t code = next_code_point(text, at);
    f(code < 0 ? U'\ufffd' : static_cast<char32_t>(code), begin);
  }
}

}  // namespace vitrine::inline VITRINE_ABI::detail

#include <vitrine/core/macros_pop.hpp>
