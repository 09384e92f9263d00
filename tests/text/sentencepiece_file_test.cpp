#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <vitrine/text/detail/sentencepiece_file.hpp>

#include "../io/scratch.hpp"
#include "sentencepiece_bytes.hpp"

namespace vt = vitrine;
using vt::detail::checked_sentencepiece;

TEST_CASE("a trained model passes as it is") {
  for (const char* name : {"source.spm", "target.spm"}) {
    const std::string model = read_text(std::string("tests/text/marian_tokenizer/") + name);
    CHECK(model.size() > 200'000);
    CHECK(checked_sentencepiece(model, name) == model);
  }
}

TEST_CASE("what a model may just have") {
  for (const spm::Case& one : spm::at_the_limits()) {
    CAPTURE(one.what);
    std::string message;
    CHECK(error_of([&] { checked_sentencepiece(one.bytes, "a.spm"); }, &message) == "no error");
    CHECK(message == "");
  }
  // Anything goes where no key leads, and two keys may end alike, as in the arrays that Darts builds.
  auto units = spm::chain(2);
  units['b'] = 0x7fffff00 | 'b';
  units[0x100 + 'b'] = spm::unit(0x100 + 'b', 0x200, 'b', false);
  CHECK(error_of([&] { checked_sentencepiece(spm::model(spm::map(units, std::string(1, '\0'))), "a.spm"); }) ==
        "no error");
}

TEST_CASE("what crashes SentencePiece is refused") {
  for (const spm::Case& one : spm::attacks()) {
    CAPTURE(one.what);
    std::string message;
    CHECK(error_of([&] { checked_sentencepiece(one.bytes, "a.spm"); }, &message) == "file_unreadable");
    CHECK(message.starts_with("file_unreadable: a.spm: is no SentencePiece model: "));
  }
}

TEST_CASE("a model without an end at any place") {
  const std::string model = spm::model(spm::map(spm::chain(1), std::string("b\0", 2)));
  for (std::size_t size = 0; size < model.size(); ++size)
    error_of([&] { checked_sentencepiece(model.substr(0, size), "a.spm"); });
}

TEST_CASE("self-test samples are left out, the rest is as it was") {
  const std::string sample = spm::field(4, spm::field(1, spm::field(1, "ab") + spm::field(2, "a b")));
  CHECK(checked_sentencepiece(sample + spm::pieces() + sample + spm::number(9, 300) + sample, "a.spm") ==
        spm::pieces() + spm::number(9, 300));
  CHECK(checked_sentencepiece("", "a.spm") == "");
}
