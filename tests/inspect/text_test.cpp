#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>
#include <vitrine/inspect/text.hpp>

using namespace vitrine::inspect;

namespace {

std::string without_bad_bytes(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) append_utf8(out, next_code_point(text, at));
  return out;
}

}  // namespace

TEST_CASE("text: every code point survives, and everything that is not UTF-8 is replaced") {
  int wrong = 0;
  for (char32_t point = 0; point <= 0x10ffff; ++point) {
    if (point >= 0xd800 && point < 0xe000) continue;
    std::string text;
    append_utf8(text, point);
    std::size_t at = 0;
    wrong += next_code_point(text, at) != point || at != text.size() ? 1 : 0;
  }
  CHECK(wrong == 0);
  CHECK(without_bad_bytes("\xff"
                          "a\x80") == "\ufffda\ufffd");
  CHECK(without_bad_bytes("\xc0\xaf") == "\ufffd\ufffd");                      // overlong /
  CHECK(without_bad_bytes("\xe0\x80\xaf") == "\ufffd\ufffd\ufffd");            // overlong
  CHECK(without_bad_bytes("\xed\xa0\x80") == "\ufffd\ufffd\ufffd");            // half of a surrogate pair
  CHECK(without_bad_bytes("\xf4\x90\x80\x80") == "\ufffd\ufffd\ufffd\ufffd");  // above U+10FFFF
  CHECK(without_bad_bytes("\xe2\x82") == "\ufffd\ufffd");                      // cut off
  CHECK(without_bad_bytes("\xe2\x82\xac") == "€");
}

TEST_CASE("text: JSON reads back equal and holds nothing that HTML acts on") {
  const std::vector<std::string> texts = {"</script><!--",
                                          "\"\\/\b\f\n\r\t",
                                          std::string("a\0b", 3),
                                          "שלום 👩‍👩‍👧 語",
                                          "\u2028\u2029",
                                          "&lt;",
                                          "\x7f",
                                          ""};
  for (const std::string& text : texts) {
    const std::string json = json_string(text);
    CHECK(nlohmann::json::parse(json).get<std::string>() == text);
    CHECK(json.find_first_of("<>&\n\r") == std::string::npos);
    CHECK(json.find('\0') == std::string::npos);
  }
  // JavaScript's line ends beside \n and \r, each alone: no text for a <script> holds them as they are.
  CHECK(json_string("a\u2028b") == "\"a\\u2028b\"");
  CHECK(json_string("a\u2029b") == "\"a\\u2029b\"");
  CHECK(json_string("\u2027\u202a") == "\"\u2027\u202a\"");
  CHECK(nlohmann::json::parse(json_string("a\xff")).get<std::string>() == "a\ufffd");
  // More bytes than a character needs are none (RFC 3629), the shortest of each length is one.
  for (const char* too_long : {"\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf", "\xf0\x80\x80\x80"}) {
    std::string replaced;
    for (std::size_t i = 0; i < std::string(too_long).size(); ++i) replaced += "\ufffd";
    CHECK(nlohmann::json::parse(json_string(too_long)).get<std::string>() == replaced);
  }
  for (const char* shortest : {"\xc2\x80", "\xe0\xa0\x80", "\xf0\x90\x80\x80"})
    CHECK(nlohmann::json::parse(json_string(shortest)).get<std::string>() == shortest);
  CHECK(nlohmann::json::parse(json_strings(texts)).get<std::vector<std::string>>() == texts);
  CHECK(json_strings({}) == "[]");
}

TEST_CASE("text: XML") {
  CHECK(xml_text("<a b=\"c\" d='e'>&") == "&lt;a b=&quot;c&quot; d=&#39;e&#39;&gt;&amp;");
  CHECK(xml_text(std::string("\0\x1b\xff", 3)) == "\ufffd\ufffd\ufffd");
}

TEST_CASE("text: what a terminal shows") {
  CHECK(visible("") == "∅");
  CHECK(visible("a b\nc") == "a␣b⏎c");
  CHECK(visible("a b\x1b", " ") == "a b␛");
  CHECK(visible(std::string("\0\x1b[31m", 6)) == "␀␛[31m");
  CHECK(visible("\u202egnp") == "�gnp");
  CHECK(visible("a\x7f") == "a␡");
  for (const char* unseen : {"\u0085", "\u061c", "\u200b", "\u200e", "\u200f", "\u2028", "\u2029", "\u2066", "\u2069"})
    CHECK(visible(unseen) == "�");
  CHECK(visible("▁the") == "▁the");
  CHECK(display_width("abc") == 3);
  CHECK(display_width("語か") == 4);
  CHECK(display_width("e\u0301") == 1);
  CHECK(display_width("a\u061cb") == 2);
  CHECK(display_width("👍") == 2);
  CHECK(display_width("ŋ ə") == 3);
  CHECK(display_width("שלום") == 4);
  CHECK(shorten("abcdef", 4) == "abc…");
  CHECK(shorten("abcd", 4) == "abcd");
  CHECK(shorten("語語語", 4) == "語…");
  CHECK(shorten("abc", 0) == "");
}

TEST_CASE("text: short numbers") {
  CHECK(short_number(0.5) == "0.5");
  CHECK(short_number(0.123456) == "0.1235");
  CHECK(short_number(1.0) == "1");
  CHECK(short_number(100.0) == "100");
  CHECK(short_number(-0.00001) == "0");
  CHECK(short_number(12.0, 0) == "12");
  CHECK(short_number(1e300) == "0");
}
