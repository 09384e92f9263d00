// Why text is no JSON, as far as that can be said better than "at byte 17": what editors, Git and Python leave behind.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vitrine/io/detail/file_kind.hpp>
#include <vitrine/io/error.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::detail {

/// What lies between the strings of some JSON: `word` is at `at`, and not in quotes.
class JsonWords {
 public:
  explicit JsonWords(std::string_view text) : text_(text) {}
  /// The next place outside strings, or npos.
  std::size_t next() noexcept {
    for (; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (c == '"') {
        for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_)
          if (text_[at_] == '\\') ++at_;
      } else {
        return at_++;
      }
    }
    return text_.npos;
  }

 private:
  std::string_view text_;
  std::size_t at_ = 0;
};

/// "is not JSON", with the reason if it is one that people meet: a Git LFS pointer, a web page, conflict markers, a
/// trailing comma, Python's NaN and Infinity, a number that no double holds.
inline std::string json_fault(std::string_view text) {
  const auto line = [&](std::size_t at) {
    return concat("line ", 1 + std::count(text.begin(), text.begin() + std::ptrdiff_t(at), '\n'));
  };
  const std::string_view blanks = " \t\r\n";
  const std::size_t first = std::min(text.find_first_not_of(blanks), text.size());
  if (const std::string_view kind = other_kind(text.substr(first)); !kind.empty()) return std::string(kind);
  if (first == text.size()) return "is not JSON: it is empty";
  for (const std::string_view marker : {"<<<<<<< ", ">>>>>>> "})
    for (std::size_t at = text.find(marker); at != text.npos; at = text.find(marker, at + 1))
      if (at == 0 || text[at - 1] == '\n')
        return concat("is not JSON: ", line(at), " is a conflict marker of Git; resolve the conflict");
  JsonWords words(text);
  for (std::size_t at = words.next(); at != text.npos; at = words.next()) {
    const std::size_t after = text.find_first_not_of(blanks, at + 1);
    if (text[at] == ',' && after != text.npos && (text[after] == '}' || text[after] == ']'))
      return concat("is not JSON: ", line(at), " has a comma behind the last value");
    for (const std::string_view word : {"NaN", "Infinity"})
      if (text.substr(at).starts_with(word))
        return concat("is not JSON: ", line(at), " has ", word, ", which only Python writes");
    if (text[at] >= '0' && text[at] <= '9' &&
        (at == 0 || blanks.find(text[at - 1]) != blanks.npos ||
         std::string_view(":,[-").find(text[at - 1]) != std::string_view::npos)) {
      const std::string number(
          text.substr(at, std::min<std::size_t>(text.find_first_not_of("0123456789+-.eE", at), text.size()) - at));
      if (std::isinf(std::strtod(number.c_str(), nullptr)))
        return concat("is not read: ", line(at), " has the number ", in_quotes(number.substr(0, 40)),
                      ", which no double holds");
    }
  }
  return "is not JSON";
}

}  // namespace vitrine::inline VITRINE_ABI::detail

#include <vitrine/core/macros_pop.hpp>
