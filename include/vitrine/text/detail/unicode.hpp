// Unicode as the tokenizers of text/tokenizer.hpp ask for it: classes of characters, and the four normalization forms
// with the places that characters came from. Alone in knowing utf8proc.
#pragma once
#include <utf8proc.h>

#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>
#include <vitrine/core/config.hpp>
#include <vitrine/io/detail/utf8.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::detail {

inline utf8proc_category_t category(char32_t c) { return utf8proc_category(utf8proc_int32_t(c)); }
inline bool is_in(char32_t c, std::initializer_list<std::pair<char32_t, char32_t> > ranges) {
  return std::any_of(ranges.begin(), ranges.end(), [&](const auto& r) { return c >= r.first && c <= r.second; });
}
/// Unicode's White_Space.
inline bool is_space(char32_t c) {
  if (c < 0x80) return c == ' ' || (c >= 0x09 && c <= 0x0d);
  return c == 0x85 || (c >= 0xa0 && category(c) >= UTF8PROC_CATEGORY_ZS && category(c) <= UTF8PROC_CATEGORY_ZP);
}
inline bool is_control_character(char32_t c) {
  if (c == '\t' || c == '\n' || c == '\r') return false;
  if (c < 0x80) return c < 0x20 || c == 0x7f;
  const utf8proc_category_t kind = category(c);
  return kind == UTF8PROC_CATEGORY_CC || kind == UTF8PROC_CATEGORY_CF || kind == UTF8PROC_CATEGORY_CO;
}
inline bool is_unicode_punctuation(char32_t c) {
  return category(c) >= UTF8PROC_CATEGORY_PC && category(c) <= UTF8PROC_CATEGORY_PO;
}
/// BERT's punctuation: Unicode's, and all of ASCII's marks and symbols.
inline bool is_punctuation(char32_t c) {
  if (c < 0x80) return is_in(c, {{33, 47}, {58, 64}, {91, 96}, {123, 126}});
  return is_unicode_punctuation(c);
}
inline bool is_numeric(char32_t c) {
  if (c < 0x80) return c >= '0' && c <= '9';
  return category(c) >= UTF8PROC_CATEGORY_ND && category(c) <= UTF8PROC_CATEGORY_NO;
}
/// Combining marks; is_nonspacing_mark those that take no room.
inline bool is_mark_character(char32_t c) {
  return c >= 0x300 && category(c) >= UTF8PROC_CATEGORY_MN && category(c) <= UTF8PROC_CATEGORY_ME;
}
inline bool is_nonspacing_mark(char32_t c) { return c >= 0x300 && category(c) == UTF8PROC_CATEGORY_MN; }
/// \w of a regular expression by Unicode's rules (UTS 18): Alphabetic, marks, decimal digits, connectors, joiners.
inline bool is_word_character(char32_t c) {
  if (c < 0x80) return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
  const utf8proc_category_t kind = category(c);
  return (kind >= UTF8PROC_CATEGORY_LU && kind <= UTF8PROC_CATEGORY_NL) || kind == UTF8PROC_CATEGORY_PC ||
         is_in(c, {{0x200c, 0x200d}, {0x24b6, 0x24e9}, {0x1f130, 0x1f149}, {0x1f150, 0x1f169}, {0x1f170, 0x1f189}});
}
inline bool is_cjk(char32_t c) {
  return c >= 0x3400 && is_in(c, {{0x4e00, 0x9fff},
                                  {0x3400, 0x4dbf},
                                  {0x20000, 0x2a6df},
                                  {0x2a700, 0x2b73f},
                                  {0x2b740, 0x2b81f},
                                  {0x2b920, 0x2ceaf},
                                  {0xf900, 0xfaff},
                                  {0x2f800, 0x2fa1f}});
}

inline void append_utf8(std::string& out, char32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c);
    return;
  }
  utf8proc_uint8_t bytes[4];
  const utf8proc_ssize_t count = utf8proc_encode_char(utf8proc_int32_t(c), bytes);
  for (utf8proc_ssize_t i = 0; i < count; ++i) out += static_cast<char>(bytes[i]);
}

/// Appends a letter in lower case: two characters for U+0130 alone.
inline void append_lower(std::u32string& out, char32_t c) {
  if (c == 0x130)
    out += U"i\u0307";
  else if (c < 0x80)
    out += c >= 'A' && c <= 'Z' ? c + 32 : c;
  else
    out += char32_t(utf8proc_tolower(utf8proc_int32_t(c)));
}

/// A character of a text that is being rewritten: change 0 stands for the next one of the old text, 1 is inserted
/// behind it, -n stands for it and n more that are gone.
struct Changed {
  char32_t c;
  std::ptrdiff_t change;
};

enum class NormalForm { nfc, nfd, nfkc, nfkd };

inline int combining_class(char32_t c) {
  return c < 0x300 ? 0 : utf8proc_get_property(utf8proc_int32_t(c))->combining_class;
}

/// Canonical or compatible decomposition, marks in canonical order.
inline std::vector<Changed> decomposed(std::u32string_view text, bool compatible) {
  std::vector<Changed> out;
  out.reserve(text.size());
  const auto options = static_cast<utf8proc_option_t>(UTF8PROC_DECOMPOSE | (compatible ? UTF8PROC_COMPAT : 0));
  for (const char32_t c : text) {
    utf8proc_int32_t parts[18];
    const utf8proc_ssize_t count =
        c < 0x80 ? 0 : utf8proc_decompose_char(utf8proc_int32_t(c), parts, 18, options, nullptr);
    if (count < 1 || count > 18) {
      out.push_back({c, 0});
      continue;
    }
    for (utf8proc_ssize_t i = 0; i < count; ++i) out.push_back({char32_t(parts[i]), i == 0 ? 0 : 1});
  }
  for (std::size_t first = 0, last = 0; first < out.size(); first = ++last) {  // the marks between two letters
    while (last < out.size() && combining_class(out[last].c) != 0) ++last;
    const auto marks = out.begin() + std::ptrdiff_t(first);
    if (last - first > 1)
      std::stable_sort(marks, out.begin() + std::ptrdiff_t(last),
                       [](const Changed& a, const Changed& b) { return combining_class(a.c) < combining_class(b.c); });
  }
  return out;
}

/// The character that two make, 0 when they make none.
inline char32_t composed_pair(char32_t first, char32_t second) {
  if (second < 0x300) return 0;  // nothing composes with it
  utf8proc_int32_t pair[2] = {utf8proc_int32_t(first), utf8proc_int32_t(second)};
  const auto options = static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE);
  return utf8proc_normalize_utf32(pair, 2, options) == 1 ? char32_t(pair[0]) : 0;
}

/// Canonical composition of what decomposed() gives, with the changes counted as the reference does: what was composed
/// stands for its first character, and the others are gone.
inline std::vector<Changed> recomposed(const std::vector<Changed>& parts) {
  std::vector<Changed> out;
  out.reserve(parts.size());
  std::size_t starter = parts.size();  // in `out`, the last character that others may be composed with
  int last_class = 0;                  // of what stands between it and the next
  for (const Changed& part : parts) {
    const int own = combining_class(part.c);
    if (starter < out.size() && (starter + 1 == out.size() || last_class < own)) {
      if (const char32_t both = composed_pair(out[starter].c, part.c); both != 0) {
        out[starter] = {both, out[starter].change + part.change - 1};
        continue;
      }
    }
    out.push_back(part);
    if (own == 0) starter = out.size() - 1;
    last_class = own;
  }
  return out;
}

inline std::vector<Changed> normal_form(std::u32string_view text, NormalForm form) {
  std::vector<Changed> parts = decomposed(text, form == NormalForm::nfkc || form == NormalForm::nfkd);
  return form == NormalForm::nfc || form == NormalForm::nfkc ? recomposed(parts) : parts;
}

/// Does the form leave every character below this alone, whatever follows that is below it too?
inline char32_t first_changed_by(NormalForm form) {
  return form == NormalForm::nfc ? 0x300 : form == NormalForm::nfd ? 0xc0 : 0xa0;
}

}  // namespace vitrine::inline VITRINE_ABI::detail

#include <vitrine/core/macros_pop.hpp>
