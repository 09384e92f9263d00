// Text as BERT's WordPiece takes it: cleaned, spaced, decomposed and lower-cased, then cut into words, by the rules of
// Hugging Face's BertNormalizer and BertPreTokenizer. Part of text/wordpiece.hpp.
#pragma once
#include <utf8proc.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vitrine/core/config.hpp>
#include <vitrine/io/detail/utf8.hpp>
#include <vitrine/text/detail/unicode.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::detail {

/// Which of its steps normalize does.
struct BertRules {
  bool lower_case, strip_accents, clean_text, split_cjk;
};

/// Normalization form D without its nonspacing marks.
inline std::u32string without_accents(const std::u32string& text) {
  std::u32string out;
  const auto combining = [](char32_t c) { return utf8proc_get_property(utf8proc_int32_t(c))->combining_class; };
  for (const char32_t c : text) {
    utf8proc_int32_t parts[18];
    const utf8proc_ssize_t count = utf8proc_decompose_char(utf8proc_int32_t(c), parts, 18, UTF8PROC_DECOMPOSE, nullptr);
    if (count < 1 || count > 18) {
      out += c;
      continue;
    }
    for (utf8proc_ssize_t i = 0; i < count; ++i) out += char32_t(parts[i]);
  }
  for (std::size_t first = 0, last = 0; first < out.size();
       first = ++last) {  // the marks between two letters, in order
    while (last < out.size() && combining(out[last]) != 0) ++last;
    const auto marks = out.begin() + std::ptrdiff_t(first);
    std::stable_sort(marks, out.begin() + std::ptrdiff_t(last),
                     [&](char32_t a, char32_t b) { return combining(a) < combining(b); });
  }
  std::erase_if(out, [](char32_t c) { return category(c) == UTF8PROC_CATEGORY_MN; });
  return out;
}

/// What is cut into words.
inline std::u32string normalize(std::string_view text, const BertRules& rules) {
  std::u32string out;
  for (const char32_t c : decode_utf8(text)) {
    if (rules.clean_text && (c == 0xfffd || is_control_character(c))) continue;
    const char32_t kept = rules.clean_text && is_space(c) ? U' ' : c;
    if (rules.split_cjk && is_cjk(kept))
      out.append(1, U' ').append(1, kept).append(1, U' ');
    else
      out += kept;
  }
  if (rules.strip_accents) out = without_accents(out);
  if (!rules.lower_case) return out;
  std::u32string lower;
  for (const char32_t c : out) append_lower(lower, c);
  return lower;
}

/// Calls f(word) for the words of a normalized text: what stands between spaces, and each punctuation mark.
template <class F>
void for_each_word(std::u32string_view text, F f) {
  for (std::size_t i = 0; i < text.size();) {
    if (is_space(text[i])) {
      ++i;
      continue;
    }
    std::size_t end = i + 1;
    if (!is_punctuation(text[i]))
      while (end < text.size() && !is_space(text[end]) && !is_punctuation(text[end])) ++end;
    f(text.substr(i, end - i));
    i = end;
  }
}

}  // namespace vitrine::inline VITRINE_ABI::detail

#include <vitrine/core/macros_pop.hpp>
