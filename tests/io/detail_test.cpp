#include <doctest/doctest.h>

#include <string>
#include <vector>
#include <vitrine/io/detail/names.hpp>
#include <vitrine/io/detail/utf8.hpp>
#include <vitrine/io/detail/zip.hpp>

namespace vt = vitrine;

TEST_CASE("UTF-8: what is well formed") {
  using vt::detail::is_utf8;
  CHECK(is_utf8(""));
  CHECK(
      is_utf8("a\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"));
  for (const char* bad :
       {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2g", "\xe0\x9f\xbf", "\xe1\x80", "\xed\xa0\x80",
        "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "\xf0\x90\x80", "ok\xe2\x82"}) {
    CAPTURE(bad);
    CHECK(!is_utf8(bad));
  }
  CHECK(vt::detail::decode_utf8("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80") == U"a\u00e9\u20ac\U0001f600");
  CHECK(vt::detail::decode_utf8("\xff"
                                "a\xc3") ==
        U"\ufffd"
        U"a\ufffd");
}

TEST_CASE("the nearest names, for a message") {
  const std::vector<std::string> names = {"encoder.layers.0.linear1.weight", "encoder.layers.0.linear2.weight",
                                          "head.bias", "other"};
  CHECK(vt::detail::near_names("layers.0.linear2.weight", names, 1).front() == names[1]);  // a forgotten prefix
  CHECK(vt::detail::near_names("model.head.bias", names, 1).front() == "head.bias");       // one too many
  CHECK(vt::detail::near_names("haed.bias", names, 1).front() == "head.bias");
  CHECK(vt::detail::near_names("x", {}, 3).empty());
  CHECK(vt::detail::near_names("x", names, 10).size() == 4);
  CHECK(vt::detail::edit_distance("kitten", "sitting") == 3);
  CHECK(vt::detail::name_list(std::vector<std::string>(12, "n")).ends_with("\"n\" and 2 more"));
}

TEST_CASE("zip's checksum") {
  const auto crc = [](const std::string& text) { return vt::detail::crc32(0, std::as_bytes(std::span(text))); };
  CHECK(crc("") == 0);
  CHECK(crc("123456789") == 0xcbf43926u);
  CHECK(crc("The quick brown fox jumps over the lazy dog") == 0x414fa339u);
  const std::string text = "a text of more than eight bytes";
  CHECK(vt::detail::crc32(crc(text.substr(0, 11)), std::as_bytes(std::span(text).subspan(11))) == crc(text));
}
