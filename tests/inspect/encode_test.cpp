#include <doctest/doctest.h>

#include <string>
#include <vitrine/inspect/encode.hpp>

using namespace vitrine::inspect;

namespace {

std::string base64(std::string_view bytes) {
  std::string out;
  append_base64(out, bytes);
  return out;
}

std::string base85(std::string_view bytes) {
  std::string out;
  append_base85(out, bytes);
  return out;
}

std::string digest(std::string_view bytes) {
  constexpr char digits[] = "0123456789abcdef";
  std::string out;
  for (const unsigned byte : sha256(bytes)) out += digits[byte >> 4], out += digits[byte & 15u];
  return out;
}

}  // namespace

TEST_CASE("encode: base64, the examples of RFC 4648") {
  CHECK(base64("") == "");
  CHECK(base64("f") == "Zg==");
  CHECK(base64("fo") == "Zm8=");
  CHECK(base64("foo") == "Zm9v");
  CHECK(base64("foob") == "Zm9vYg==");
  CHECK(base64("fooba") == "Zm9vYmE=");
  CHECK(base64("foobar") == "Zm9vYmFy");
  CHECK(base64("\xff\xfe\xfd") == "//79");
}

TEST_CASE("encode: base 85, four bytes in five digits") {
  CHECK(base85("") == "");
  CHECK(base85(std::string_view("\0\0\0\1", 4)) == "!!!!#");
  CHECK(base85("\xff\xff\xff\xff") == "{=^1!");
  CHECK(base85("abcde") == "F@Kg^GN6e5");  // by Python's integers
  CHECK(base85("a").size() == 5);
  CHECK(base85_digits.size() == 85);
  for (std::size_t k = 0; k < 85; ++k) CHECK(base85_digits.find(base85_digits[k]) == k);
  CHECK(base85_digits.find_first_of("<>&\"'\\ `") == std::string_view::npos);
}

TEST_CASE("encode: numbers in a digit below 64, two below 1344 and so on") {
  for (const std::size_t number : {0u, 5u, 63u, 64u, 100u, 1343u, 1344u, 28223u, 28224u, 4000000000u}) {
    CAPTURE(number);
    std::string digits;
    append_number(digits, number);
    std::size_t sum = 0, unit = 1;
    for (std::size_t k = 0; k < digits.size(); ++k, unit *= 21) {
      const std::size_t value = base85_digits.find(digits[k]);
      CHECK((value < 64) == (k + 1 == digits.size()));
      sum += unit * (value < 64 ? value : value - 64);
    }
    CHECK(sum == number);
    CHECK(digits.size() == (number < 64 ? 1u : number < 1344 ? 2u : number < 28224 ? 3u : digits.size()));
  }
}

TEST_CASE("encode: SHA-256, the examples of FIPS 180-4 and lengths around a block") {
  CHECK(digest("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(digest("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(digest("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  CHECK(digest(std::string(1000000, 'a')) == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  CHECK(policy_hash("") == "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
}
