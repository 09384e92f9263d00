// Regular expressions of a tokenizer.json, by PCRE2: Oniguruma's and Rust's spelling of \s and \w, compiled once (by
// its JIT where there is one), matched with a bound on backtracking. Alone in knowing PCRE2.
#pragma once
#ifndef PCRE2_CODE_UNIT_WIDTH
#define PCRE2_CODE_UNIT_WIDTH 8
#endif
#include <pcre2.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <utility>
#include <vitrine/core/config.hpp>
#include <vitrine/io/error.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::detail {

/// A literal text or a regular expression that is looked for in valid UTF-8. Immutable; copies share it.
class Pattern {
 public:
  /// Finds exactly this.
  static Pattern literal(std::string text);
  /// Throws Error config_unsupported, naming `file`, for an expression that PCRE2 does not know or that it would take
  /// for another one than the reference does.
  static Pattern regex(std::string_view expression, const std::string& file);

  /// Calls f(begin, end) for each match from left to right. Throws Error value_out_of_range when a text asks for more
  /// steps than are allowed.
  template <class F>
  void each_match(std::string_view text, F f) const;

 private:
  struct Free {
    void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
    void operator()(pcre2_match_context* context) const { pcre2_match_context_free(context); }
  };
  // What one thread needs to match.
  struct Matcher {
    std::unique_ptr<pcre2_match_data, Free> data;
    std::unique_ptr<pcre2_match_context, Free> context;
  };
  Matcher matcher() const;
  static std::string translated(std::string_view expression, const std::string& file);
  bool match(const Matcher& matcher, std::string_view text, std::size_t from, std::size_t& begin,
             std::size_t& end) const;

  std::string text_, file_;
  std::shared_ptr<const pcre2_code> code_;
};

// ---- implementation

inline Pattern Pattern::literal(std::string text) {
  Pattern made;
  made.text_ = std::move(text);
  return made;
}

// Oniguruma's \s is White_Space and its \w is that of Unicode; PCRE2 has one space more and fewer letters. What only
// Oniguruma knows (classes within classes, their intersections) must not pass for something else.
inline std::string Pattern::translated(std::string_view expression, const std::string& file) {
  constexpr std::string_view space = R"(\t-\r\x20\x{85}\p{Z})",
                             word = R"(\p{L}\p{M}\p{Nl}\p{Nd}\p{Pc}\x{200c}\x{200d}\x{24b6}-\x{24e9})"
                                    R"(\x{1f130}-\x{1f149}\x{1f150}-\x{1f169}\x{1f170}-\x{1f189})";
  const auto refuse = [&](std::string_view what) {
    throw Error(LoadError::config_unsupported, file,
                concat("the pattern ", in_quotes(expression), " has ", what, ", which is not supported"));
  };
  std::string out;
  bool in_class = false;
  for (std::size_t i = 0; i < expression.size(); ++i) {
    const char c = expression[i];
    if (c == '\\' && i + 1 < expression.size()) {
      const char next = expression[++i];
      if (next == 's' || next == 'w')
        out.append(in_class ? "" : "[").append(next == 's' ? space : word).append(in_class ? "" : "]");
      else if ((next == 'S' || next == 'W') && !in_class)
        out.append("[^").append(next == 'S' ? space : word).append("]");
      else if (next == 'W')
        refuse("\\W within a class");
      else if (next == 'h')
        refuse("\\h");
      else
        out.append(1, c).append(1, next);
      continue;
    }
    if (in_class && c == '[') {
      if (expression.substr(i, 2) != "[:") refuse("a class within a class");
      const std::size_t close = expression.find(":]", i);
      if (close == expression.npos) refuse("a class without an end");
      out.append(expression.substr(i, close + 2 - i));
      i = close + 1;
      continue;
    }
    if (in_class && expression.substr(i, 2) == "&&") refuse("an intersection of classes");
    if (!in_class && c == '[') {
      in_class = true;
      out += c;
      if (expression.substr(i + 1, 1) == "^") out += expression[++i];
      if (expression.substr(i + 1, 1) == "]") out.append("\\").append(1, expression[++i]);
      continue;
    }
    if (in_class && c == ']') in_class = false;
    out += c;
  }
  return out;
}

inline Pattern Pattern::regex(std::string_view expression, const std::string& file) {
  constexpr std::size_t longest = 1 << 14;
  if (expression.size() > longest)
    throw Error(LoadError::config_unsupported, file,
                concat("a pattern has ", expression.size(), " bytes, more than ", longest));
  const std::string own = translated(expression, file);
  int error = 0;
  PCRE2_SIZE where = 0;
  pcre2_code* code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(own.data()), own.size(),
                                   PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &error, &where, nullptr);
  if (code == nullptr) {
    PCRE2_UCHAR message[160] = {};
    pcre2_get_error_message(error, message, sizeof message);
    throw Error(
        LoadError::config_unsupported, file,
        concat("the pattern ", in_quotes(expression), " is not understood: ", reinterpret_cast<const char*>(message)));
  }
  pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);  // without it matching is slower, nothing else
  Pattern made;
  made.text_ = expression, made.file_ = file;
  made.code_ = std::shared_ptr<const pcre2_code>(
      code, [](const pcre2_code* one) { pcre2_code_free(const_cast<pcre2_code*>(one)); });
  return made;
}

inline Pattern::Matcher Pattern::matcher() const {
  Matcher made;
  made.data.reset(pcre2_match_data_create(1, nullptr));
  made.context.reset(pcre2_match_context_create(nullptr));
  if (made.data == nullptr || made.context == nullptr) throw std::bad_alloc();
  pcre2_set_match_limit(made.context.get(), 10'000'000);
  pcre2_set_depth_limit(made.context.get(), 100'000);
  pcre2_set_heap_limit(made.context.get(), 1 << 16);  // KB
  return made;
}

inline bool Pattern::match(const Matcher& matcher, std::string_view text, std::size_t from, std::size_t& begin,
                           std::size_t& end) const {
  const auto run = [&](std::uint32_t options) {
    return pcre2_match(code_.get(), reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), from,
                       PCRE2_NO_UTF_CHECK | options, matcher.data.get(), matcher.context.get());
  };
  int found = run(0);
  if (found == PCRE2_ERROR_JIT_STACKLIMIT) found = run(PCRE2_NO_JIT);
  if (found == PCRE2_ERROR_NOMATCH) return false;
  if (found == PCRE2_ERROR_NOMEMORY) throw std::bad_alloc();
  if (found < 0)
    throw Error(LoadError::value_out_of_range, file_,
                concat("the pattern ", in_quotes(text_), " takes more steps than are allowed on a text of ",
                       text.size(), " bytes"));
  const PCRE2_SIZE* places = pcre2_get_ovector_pointer(matcher.data.get());
  begin = places[0], end = places[1];
  return begin <= end;  // \K may turn them round
}

template <class F>
void Pattern::each_match(std::string_view text, F f) const {
  std::size_t begin = 0, end = 0;
  if (code_ == nullptr) {
    if (text_.empty()) return;
    for (std::size_t at = 0; (begin = text.find(text_, at)) != text.npos; at = begin + text_.size())
      f(begin, begin + text_.size());
    return;
  }
  const Matcher own = matcher();
  for (std::size_t at = 0; at <= text.size() && match(own, text, at, begin, end);) {
    f(begin, end);
    at = end;
    if (begin != end) continue;
    if (++at < text.size())  // an empty match: goes on behind the next character
      while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80) ++at;
  }
}

}  // namespace vitrine::inline VITRINE_ABI::detail

#include <vitrine/core/macros_pop.hpp>
