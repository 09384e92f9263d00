// UTF-8, strictly: no surrogates, no overlong forms, nothing above U+10FFFF.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vitrine/core/config.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::detail {

/// The code point that starts at byte `at`, which moves past it; on bad bytes moves by one and returns -1.
inline std::int32_t next_code_point(std::string_view text, std::size_t& at) noexcept {
  const auto first = static_cast<unsigned char>(text[at++]);
  if (first < 0x80) return first;
  if (first < 0xc2 || first > 0xf4) return -1;
  const std::size_t extra = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
  unsigned low = first == 0xe0   ? 0xa0
                 : first == 0xf0 ? 0x90
                                 : 0x80,
           high = first == 0xed   ? 0x9f
                  : first == 0xf4 ? 0x8f
                                  : 0xbf;
  std::int32_t code = first & (0x3f >> extra);
  if (text.size() - at < extra) return -1;
  for (std::size_t i = 0; i < extra; ++i, low = 0x80, high = 0xbf) {
    const auto next = static_cast<unsigned char>(text[at + i]);
    if (next < low || next > high) return -1;
    code = code << 6 | (next & 0x3f);
  }
  at += extra;
  return code;
}

inline bool is_utf8(std::string_view text) noexcept {
  for (std::size_t at = 0; at < text.size();) {
    if (next_code_point(text, at) < 0) return false;
  }
  return true;
}

/// The code points of a text; each bad byte becomes U+FFFD.
inline std::u32string decode_utf8(std::string_view text) {
  std::u32string result;
  for (std::size_t at = 0; at < text.size();) {
    const std::int32_t code = next_code_point(text, at);
    result += code < 0 ? U'\ufffd' : static_cast<char32_t>(code);
  }
  return result;
}

/// Is it a character that a terminal shows, and no command to it?
constexpr bool prints(std::int32_t code) noexcept { return code >= 0x20 && !(code >= 0x7f && code < 0xa0); }

/// A user's text for a message: in quotes, letters of all scripts as they are, control characters and bad bytes as
/// \xNN; at most some 160 bytes of it.
inline std::string readable(std::string_view text) {
  constexpr char digits[] = "0123456789abcdef";
  std::string result = "\"";
  std::size_t at = 0;
  while (at < text.size() && at < 160) {
    const std::size_t start = at;
    const std::int32_t code = next_code_point(text, at);
    const std::string_view bytes = text.substr(start, at - start);
    if (prints(code)) {
      result += bytes;
      continue;
    }
    for (const char c : bytes) {
      const auto byte = static_cast<unsigned char>(c);
      result.append("\\x").append(1, digits[byte >> 4]).append(1, digits[byte & 15]);
    }
  }
  return result.append(at < text.size() ? "...\"" : "\"");
}

}  // namespace vitrine::inline VITRINE_ABI::detail

#include <vitrine/core/macros_pop.hpp>
