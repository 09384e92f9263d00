// Tokens are any bytes: what the pictures need to show them safely. UTF-8 (RFC 3629) with replacement, JSON (RFC 8259)
// and XML 1.0 (W3C) quoting, width on a terminal. Texts are returned on the heap. Whatever the bytes, it never fails
// but for memory.
//   json_string("</script>")  ->  "\u003c/script\u003e"      display_width("語")  ->  2
#pragma once
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>
#include <vitrine/core/config.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::inspect {

/// The code point that starts at text[at], and moves `at` behind it; U+FFFD for each byte that is not UTF-8. Needs at <
/// text.size().
char32_t next_code_point(std::string_view text, std::size_t& at) noexcept;

/// Appends a code point as UTF-8.
void append_utf8(std::string& out, char32_t point);

/// Text as a JSON string with its quotes, safe inside <script>: <, >, & and controls are \uXXXX; invalid UTF-8 becomes
/// U+FFFD.
std::string json_string(std::string_view text);

/// A JSON list of such strings.
std::string json_strings(const std::vector<std::string>& texts);

/// Text for XML or HTML content and quoted attributes; characters that XML forbids become U+FFFD.
std::string xml_text(std::string_view text);

/// Text on one line of a terminal: controls, line breaks and direction marks as one visible sign each, a blank as
/// `blank`, "" as "∅".
std::string visible(std::string_view text, std::string_view blank = "␣");

/// Columns that text takes on a terminal: 2 for East Asian wide characters (Unicode's UAX 11) and emoji, 0 for
/// combining marks.
Index display_width(std::string_view text) noexcept;

/// Text cut to at most `columns` columns, with an ellipsis in place of what is gone.
std::string shorten(std::string_view text, Index columns);

/// A number rounded to `decimals` places, without trailing zeros: 0.5, 0, 1. Numbers that are not finite give 0.
std::string short_number(double value, int decimals = 4);

// ---- implementation

inline char32_t next_code_point(std::string_view text, std::size_t& at) noexcept {
  const auto byte = [&](std::size_t k) { return k < text.size() ? static_cast<unsigned char>(text[k]) : 0u; };
  const unsigned first = byte(at);
  const int more = first < 0x80                      ? 0
                   : first >= 0xc2 && first < 0xe0   ? 1
                   : (first & 0xf0) == 0xe0          ? 2
                   : (first >= 0xf0 && first < 0xf5) ? 3
                                                     : -1;
  if (more <= 0) {
    ++at;
    return more == 0 ? first : U'\ufffd';
  }
  char32_t point = first & (0x3fu >> more);
  for (std::size_t k = 1; k <= static_cast<std::size_t>(more); ++k) {
    if ((byte(at + k) & 0xc0u) != 0x80u) {
      ++at;
      return U'\ufffd';
    }
    point = point << 6 | (byte(at + k) & 0x3fu);
  }
  const bool too_long = (more == 2 && point < 0x800) || (more == 3 && point < 0x10000);
  if (too_long || (point >= 0xd800 && point < 0xe000) || point > 0x10ffff) {
    ++at;
    return U'\ufffd';
  }
  at += static_cast<std::size_t>(more) + 1;
  return point;
}

inline void append_utf8(std::string& out, char32_t point) {
  const auto tail = [&](int shift) { out += static_cast<char>(0x80u | (point >> shift & 0x3fu)); };
  if (point < 0x80) {
    out += static_cast<char>(point);
  } else if (point < 0x800) {
    out += static_cast<char>(0xc0u | point >> 6), tail(0);
  } else if (point < 0x10000) {
    out += static_cast<char>(0xe0u | point >> 12), tail(6), tail(0);
  } else {
    out += static_cast<char>(0xf0u | point >> 18), tail(12), tail(6), tail(0);
  }
}

inline std::string json_string(std::string_view text) {
  constexpr char digits[] = "0123456789abcdef";
  std::string out = "\"";
  for (std::size_t at = 0; at < text.size();) {
    const char32_t point = next_code_point(text, at);
    if (point == '"' || point == '\\') {
      out += '\\', out += static_cast<char>(point);
    } else if (point < 0x20 || point == 0x7f || point == '<' || point == '>' || point == '&' || point == 0x2028 ||
               point == 0x2029) {
      out += "\\u";
      for (int shift = 12; shift >= 0; shift -= 4) out += digits[point >> shift & 15u];
    } else {
      append_utf8(out, point);
    }
  }
  return out + '"';
}

inline std::string json_strings(const std::vector<std::string>& texts) {
  std::string out = "[";
  for (const std::string& text : texts) out.append(out.size() > 1 ? "," : "").append(json_string(text));
  return out + "]";
}

inline std::string xml_text(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const char32_t point = next_code_point(text, at);
    const bool forbidden = (point < 0x20 && point != '\n' && point != '\t') || point == 0xfffe || point == 0xffff;
    if (point == '<')
      out += "&lt;";
    else if (point == '>')
      out += "&gt;";
    else if (point == '&')
      out += "&amp;";
    else if (point == '"')
      out += "&quot;";
    else if (point == '\'')
      out += "&#39;";
    else
      append_utf8(out, forbidden ? U'\ufffd' : point);
  }
  return out;
}

inline std::string visible(std::string_view text, std::string_view blank) {
  if (text.empty()) return "∅";
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const char32_t point = next_code_point(text, at);
    const bool direction = point == 0x61c || point == 0x200e || point == 0x200f ||
                           (point >= 0x202a && point <= 0x202e) || (point >= 0x2066 && point <= 0x2069);
    if (point == '\n')
      out += "⏎";
    else if (point < 0x20)
      append_utf8(out, 0x2400 + point);
    else if (point == ' ')
      out += blank;
    else if (point == 0x7f)
      out += "␡";
    else if (direction || (point >= 0x80 && point < 0xa0) || point == 0x200b || point == 0x2028 || point == 0x2029)
      out += "�";
    else
      append_utf8(out, point);
  }
  return out;
}

namespace detail {

struct Interval {
  char32_t first, last;
};

inline bool is_in(const Interval* begin, const Interval* end, char32_t point) noexcept {
  for (; begin != end && begin->first <= point; ++begin) {
    if (point <= begin->last) return true;
  }
  return false;
}

inline Index code_point_width(char32_t point) noexcept {
  static constexpr Interval none[] = {
      {0x300, 0x36f},    {0x483, 0x489},   {0x591, 0x5bd},   {0x5bf, 0x5c7},   {0x610, 0x61a},   {0x61c, 0x61c},
      {0x64b, 0x65f},    {0x670, 0x670},   {0x6d6, 0x6dc},   {0x6df, 0x6e8},   {0x6ea, 0x6ed},   {0x900, 0x902},
      {0x93c, 0x93c},    {0x941, 0x948},   {0x94d, 0x94d},   {0xe31, 0xe31},   {0xe34, 0xe3a},   {0xe47, 0xe4e},
      {0x1ab0, 0x1aff},  {0x1dc0, 0x1dff}, {0x200b, 0x200f}, {0x202a, 0x202e}, {0x2060, 0x206f}, {0x20d0, 0x20ff},
      {0x302a, 0x302d},  {0x3099, 0x309a}, {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f}, {0xfeff, 0xfeff}, {0x1f3fb, 0x1f3ff},
      {0xe0000, 0xe01ef}};
  static constexpr Interval wide[] = {
      {0x1100, 0x115f},   {0x231a, 0x231b},   {0x2329, 0x232a},   {0x23e9, 0x23ec},   {0x25fd, 0x25fe},
      {0x2614, 0x2615},   {0x2648, 0x2653},   {0x26a1, 0x26a1},   {0x26bd, 0x26be},   {0x26d4, 0x26d4},
      {0x2705, 0x2705},   {0x270a, 0x270b},   {0x2728, 0x2728},   {0x274c, 0x274c},   {0x2753, 0x2755},
      {0x2795, 0x2797},   {0x2b1b, 0x2b1c},   {0x2b50, 0x2b50},   {0x2e80, 0x303e},   {0x3041, 0x33ff},
      {0x3400, 0x4dbf},   {0x4e00, 0x9fff},   {0xa000, 0xa4cf},   {0xa960, 0xa97f},   {0xac00, 0xd7a3},
      {0xf900, 0xfaff},   {0xfe30, 0xfe6f},   {0xff00, 0xff60},   {0xffe0, 0xffe6},   {0x16fe0, 0x18aff},
      {0x1b000, 0x1b2ff}, {0x1f004, 0x1f004}, {0x1f0cf, 0x1f0cf}, {0x1f18e, 0x1f18e}, {0x1f191, 0x1f19a},
      {0x1f200, 0x1f320}, {0x1f32d, 0x1f64f}, {0x1f680, 0x1f6ff}, {0x1f7e0, 0x1f7eb}, {0x1f900, 0x1faff},
      {0x20000, 0x3fffd}};
  if (point < 0x20 || (point >= 0x7f && point < 0xa0)) return 0;
  if (point < 0x300) return 1;
  if (is_in(std::begin(none), std::end(none), point)) return 0;
  return is_in(std::begin(wide), std::end(wide), point) ? 2 : 1;
}

}  // namespace detail

inline Index display_width(std::string_view text) noexcept {
  Index width = 0;
  for (std::size_t at = 0; at < text.size();) width += detail::code_point_width(next_code_point(text, at));
  return width;
}

inline std::string shorten(std::string_view text, Index columns) {
  if (display_width(text) <= columns) return std::string(text);
  std::string out;
  Index width = 1;
  for (std::size_t at = 0; at < text.size();) {
    const char32_t point = next_code_point(text, at);
    width += detail::code_point_width(point);
    if (width > columns) break;
    append_utf8(out, point);
  }
  return columns > 0 ? out + "…" : out;
}

inline std::string short_number(double value, int decimals) {
  char text[64];
  if (!(value > -1e30 && value < 1e30)) return "0";
  const auto result = std::to_chars(text, text + sizeof text, value, std::chars_format::fixed, decimals);
  std::string_view digits(text, static_cast<std::size_t>(result.ptr - text));
  if (digits.find('.') != std::string_view::npos) {
    while (digits.back() == '0') digits.remove_suffix(1);
    if (digits.back() == '.') digits.remove_suffix(1);
  }
  return digits == "-0" ? "0" : std::string(digits);
}

}  // namespace vitrine::inline VITRINE_ABI::inspect

#include <vitrine/core/macros_pop.hpp>
