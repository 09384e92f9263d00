#include <doctest/doctest.h>

#include <string>
#include <vitrine/io/sha256.hpp>

namespace vt = vitrine;

TEST_CASE("SHA-256 of the standard's examples") {  // FIPS 180-4, and NIST's million times "a"
  CHECK(vt::sha256_hex("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(vt::sha256_hex("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(vt::sha256_hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  CHECK(vt::sha256_hex(std::string(1000000, 'a')) ==
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_CASE("SHA-256 does not depend on the pieces, and may be looked at in between") {
  std::string text;
  for (int i = 0; i < 300; ++i) text += static_cast<char>(i * 7);
  for (std::size_t size = 0; size <= text.size(); ++size) {
    vt::Sha256 hash;
    for (std::size_t at = 0; at < size; at += 13) {
      hash.update(std::string_view(text).substr(at, std::min<std::size_t>(13, size - at)));
      static_cast<void>(hash.digest());
    }
    CHECK(hash.hex() == vt::sha256_hex(text.substr(0, size)));
  }
}
