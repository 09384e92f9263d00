#include <doctest/doctest.h>

#include <string>
#include <vitrine/text/vocabulary.hpp>

#include "../io/scratch.hpp"

namespace vt = vitrine;
using vt::Index;

TEST_CASE("tokens and ids, both ways") {
  const vt::Vocabulary words(vt::ConfigFile(R"({"a": 0, "é": 2, "語": 1, "</s>": 4})", "vocab.json"));
  CHECK(words.size() == 5);
  CHECK(words.find("é") == 2);
  CHECK(words.find("x") == -1);
  CHECK(words.token(1) == "語");
  CHECK(words.token(3).empty());
  CHECK(words.token(-1).empty());
  CHECK(words.token(5).empty());
  CHECK(words.spell("aé語a") == std::vector<Index>{0, 2, 1, 0});
  CHECK(words.spell("").empty());
  std::string message;
  CHECK(error_of([&] { (void)words.spell("a~bé~\x01"); }, &message) == "unknown_symbol");
  CHECK(message.find("\"~\", \"b\", \"\\x01\"") != message.npos);
  CHECK(error_of([&] { (void)words.spell("a\xff"); }, &message) == "unknown_symbol");
  CHECK(message.find("\\xff") != message.npos);
}

TEST_CASE("the g2p model's letters and phonemes") {
  const vt::Vocabulary words("examples/models/g2p/vocab.json");
  CHECK(words.size() == 69);
  CHECK(words.token(words.find("NG")) == "NG");
  CHECK(words.spell("it's").size() == 4);
}

TEST_CASE("what is no vocabulary") {
  const Scratch scratch;
  const auto open = [&](const char* text) {
    return error_of([&] { vt::Vocabulary words(scratch.write("vocab.json", text)); });
  };
  CHECK(open(R"({"a": 0})") == "no error");
  for (const char* bad : {"{}", R"({"a": "0"})", R"({"a": -1})", R"({"a": 1.5})", R"({"a": 0, "b": 0})", R"({"a": 90})",
                          R"({"a": 99999999999999999999})"})
    CHECK(open(bad) == "bad_vocabulary");
  CHECK(open("[]") == "config_not_json");
  CHECK(error_of([&] { vt::Vocabulary words(scratch / "none.json"); }) == "config_missing");
}
