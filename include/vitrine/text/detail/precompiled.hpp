// SentencePiece's character map as the Precompiled normalizer of a tokenizer.json applies it: a Darts double array of
// what is replaced, then the replacements. Part of text/tokenizer.hpp.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>
#include <vitrine/core/config.hpp>
#include <vitrine/io/error.hpp>
#include <vitrine/text/detail/normalizer.hpp>
#include <vitrine/text/detail/sentencepiece_file.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::detail {

/// The bytes of base64 text; throws Error config_bad_value for what is none.
std::string from_base64(std::string_view text, std::string_view file);

/// A grapheme of less than 6 bytes that begins with a key becomes that key's replacement, whole, as in the tokenizers
/// library; else each of its characters does.
class Precompiled : public Normalizer {
 public:
  /// `map` is checked as that of a SentencePiece model is (Error file_unreadable).
  Precompiled(std::string map, std::string_view file);
  void apply(AlignedText& text) const override;

 private:
  // The replacement of the shortest key that `part` begins with; false where there is none.
  bool replacement(std::string_view part, std::string_view& with) const;
  std::uint32_t unit(std::size_t index) const noexcept { return units_[index]; }

  std::vector<std::uint32_t> units_;
  std::string texts_;
  bool stays_[128] = {};  // the ASCII characters that are not replaced
};

// ---- implementation

inline std::string from_base64(std::string_view text, std::string_view file) {
  std::string out;
  std::uint32_t bits = 0;
  int count = 0;
  while (text.ends_with('=')) text.remove_suffix(1);
  for (const char c : text) {
    const int value = c >= 'A' && c <= 'Z'   ? c - 'A'
                      : c >= 'a' && c <= 'z' ? c - 'a' + 26
                      : c >= '0' && c <= '9' ? c - '0' + 52
                      : c == '+'             ? 62
                      : c == '/'             ? 63
                                             : -1;
    if (value < 0) throw Error(LoadError::config_bad_value, file, "\"precompiled_charsmap\" is not base64");
    bits = bits << 6 | std::uint32_t(value), count += 6;
    if (count >= 8) out += static_cast<char>(bits >> (count -= 8) & 0xff);
  }
  return out;
}

inline Precompiled::Precompiled(std::string map, std::string_view file) {
  SentencePieceCheck(file).character_map(map);
  const auto little = [&](std::size_t at) {
    std::uint32_t value = 0;
    for (std::size_t i = 4; i-- > 0;) value = value << 8 | static_cast<unsigned char>(map[at + i]);
    return value;
  };
  const std::size_t bytes = little(0);
  for (std::size_t i = 0; i < bytes / 4; ++i) units_.push_back(little(4 + 4 * i));
  texts_ = map.substr(4 + bytes);
  for (std::size_t i = 1; i < 128; ++i) {
    const char c = static_cast<char>(i);
    std::string_view with;
    stays_[i] = c != '\r' && !replacement({&c, 1}, with);
  }
}

inline bool Precompiled::replacement(std::string_view part, std::string_view& with) const {
  const auto behind = [&](std::size_t index) { return index ^ (unit(index) >> 10) << (unit(index) >> 6 & 8); };
  std::size_t place = behind(0);
  for (const char c : part) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte == 0) return false;
    const std::size_t at = place ^ byte;
    if (at >= units_.size() || (unit(at) & 0x800000ff) != byte) return false;
    place = behind(at);
    if ((unit(at) >> 8 & 1) == 0) continue;
    const std::size_t begin = unit(place) & 0x7fffffff;
    with = std::string_view(texts_).substr(begin, texts_.find('\0', begin) - begin);
    return true;
  }
  return false;
}

inline void Precompiled::apply(AlignedText& text) const {
  const std::string_view all = text.text();
  // Each ASCII character is a grapheme, but for CR LF: what is quickly seen to stay as it is.
  if (std::all_of(all.begin(), all.end(),
                  [&](char c) { return static_cast<unsigned char>(c) < 0x80 && stays_[std::size_t(c)]; }))
    return;
  std::vector<Changed> changed;
  bool modified = false;
  const auto characters = [](std::string_view part) {
    return std::ptrdiff_t(std::count_if(part.begin(), part.end(), [](char c) { return !continues_character(c); }));
  };
  const auto replace = [&](std::string_view part) {
    std::string_view with;
    if (!replacement(part, with)) return false;
    const std::size_t first = changed.size();
    each_character(with, [&](char32_t c, std::size_t) { changed.push_back({c, 0}); });
    std::ptrdiff_t more = characters(with) - characters(part);
    for (std::size_t i = changed.size(); more > 0 && i > first; --more) changed[--i].change = 1;
    if (more < 0 && !changed.empty()) changed.back().change += more;
    return modified = true;
  };
  for (std::size_t begin = 0, end = 0; begin < all.size(); begin = end) {
    utf8proc_int32_t state = 0;
    std::int32_t before = next_code_point(all, end);
    for (std::size_t next = end; next < all.size(); end = next) {
      const std::int32_t c = next_code_point(all, next);
      if (utf8proc_grapheme_break_stateful(before, c, &state)) break;
      before = c;
    }
    const std::string_view grapheme = all.substr(begin, end - begin);
    if (grapheme.size() < 6 && replace(grapheme)) continue;
    each_character(grapheme, [&](char32_t c, std::size_t at) {
      std::size_t stop = at;
      (void)next_code_point(grapheme, stop);
      if (!replace(grapheme.substr(at, stop - at))) changed.push_back({c, 0});
    });
  }
  if (!modified) return;
  rewrite(text, [&](Rewrite& made) {
    for (const Changed& one : changed) made.put(one);
  });
}

}  // namespace vitrine::inline VITRINE_ABI::detail

#include <vitrine/core/macros_pop.hpp>
