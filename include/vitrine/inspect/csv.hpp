// Rows of comma-separated values (RFC 4180, lines end with \n), the same bytes under every locale. The text is on the
// heap.
//   CsvRow row;
//   row.add("a, \"b\"").add(0.5).add(Index{3});       row.take() == "\"a, \"\"b\"\"\",0.5,3\n"
#pragma once
#include <bit>
#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vitrine/core/config.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::inspect {

// One line of CSV, field after field; text is quoted where it must be. Never fails but for memory.
class CsvRow {
 public:
  /// Text, quoted where commas, quotes or line breaks ask for it.
  CsvRow& add(std::string_view text);
  CsvRow& add(const char* text) { return add(std::string_view(text)); }
  /// Nine significant digits, enough for every float; an empty field for NaN and infinity.
  CsvRow& add(double number);
  CsvRow& add(Index number) { return add_plain(std::to_string(number)); }
  // A field without a value.
  CsvRow& add_empty() { return add_plain(""); }

  /// The row with its line break; the next one begins.
  std::string take() {
    fields_ = 0;
    return std::exchange(text_, {}).append("\n");
  }

 private:
  CsvRow& add_plain(std::string_view text) {
    if (fields_++ > 0) text_ += ',';
    text_ += text;
    return *this;
  }
  std::string text_;
  Index fields_ = 0;
};

// ---- implementation

inline CsvRow& CsvRow::add(std::string_view text) {
  if (text.find_first_of(",\"\r\n") == text.npos) return add_plain(text);
  std::string quoted = "\"";
  for (const char c : text) quoted.append(c == '"' ? 2 : 1, c);
  return add_plain(quoted.append("\""));
}

inline CsvRow& CsvRow::add(double number) {
  if ((std::bit_cast<std::uint64_t>(number) >> 52 & 0x7ff) == 0x7ff) return add_empty();
  char digits[40];
  const auto end = std::to_chars(digits, digits + sizeof digits, number, std::chars_format::general, 9);
  return add_plain({digits, static_cast<std::size_t>(end.ptr - digits)});
}

}  // namespace vitrine::inline VITRINE_ABI::inspect

#include <vitrine/core/macros_pop.hpp>
