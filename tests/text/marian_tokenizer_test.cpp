#include <doctest/doctest.h>

#if VITRINE_SENTENCEPIECE && __has_include(<utf8proc.h>) && __has_include(<pcre2.h>)
#include <nlohmann/json.hpp>
#include <string>
#include <vector>
#include <vitrine/text/tokenizer.hpp>

#include "../io/scratch.hpp"
#include "sentencepiece_bytes.hpp"

namespace vt = vitrine;
namespace fs = std::filesystem;
using vt::Index;

namespace {

const fs::path folder = "tests/text/marian_tokenizer";

// [text, ids, ...]: the ids, and a token for each.
auto check_ids_of_line(const vt::Tokenizer& tokenizer, const nlohmann::json& line) {
  const auto text = line.at(0).get<std::string>();
  CAPTURE(text);
  auto encoding = tokenizer.encode(text);
  CHECK(encoding.ids == line.at(1).get<std::vector<Index>>());
  CHECK(encoding.tokens.size() == encoding.ids.size());
  return encoding;
}

// What Transformers' MarianTokenizer says (marian_tokenizer_reference.py).
void check_expected(const vt::Tokenizer& tokenizer, const char* file) {
  const auto expected = nlohmann::json::parse(read_text(folder / file));
  REQUIRE(expected.at("lines").size() >= 400);
  for (const auto& line : expected.at("lines")) check_ids_of_line(tokenizer, line);
  for (const auto& line : expected.value("targets", nlohmann::json::array())) {
    const auto text = line.at(0).get<std::string>();
    CAPTURE(text);
    CHECK(tokenizer.encode_target(text).ids == line.at(1).get<std::vector<Index>>());
  }
  for (const auto& line : expected.at("decoded"))
    CHECK(tokenizer.decode(line.at(0).get<std::vector<Index>>()) == line.at(1).get<std::string>());
}

}  // namespace

TEST_CASE("the ids and texts of Transformers' MarianTokenizer, both sides in vocab.json") {
  check_expected(vt::Tokenizer(folder), "expect.json");
}

TEST_CASE("the same with the target's ids in target_vocab.json") {
  const Scratch scratch;
  for (const char* name : {"source.spm", "target.spm", "vocab.json"}) fs::copy_file(folder / name, scratch / name);
  fs::copy_file(folder / "separate_vocab.json", scratch / "target_vocab.json");
  scratch.write("tokenizer_config.json", R"({"separate_vocabs": true})");
  check_expected(vt::Tokenizer(scratch.folder), "expect_separate.json");
}

TEST_CASE("folders that are no tokenizer") {
  const Scratch scratch;
  const auto open = [&] { return error_of([&] { vt::Tokenizer tokenizer(scratch.folder); }); };
  CHECK(open() == "file_missing");
  fs::copy_file(folder / "source.spm", scratch / "source.spm");
  scratch.write("target.spm", "no model");
  scratch.write("vocab.json", "{\"a\": 0}");
  CHECK(open() == "file_unreadable");
  fs::copy_file(folder / "target.spm", scratch / "target.spm", fs::copy_options::overwrite_existing);
  CHECK(open() == "bad_vocabulary");
  fs::copy_file(folder / "vocab.json", scratch / "vocab.json", fs::copy_options::overwrite_existing);
  CHECK(open() == "no error");
  scratch.write("target_vocab.json", R"({"</s>": 0, "<unk>": 1, "▁a": 2})");
  scratch.write("tokenizer_config.json", R"({"separate_vocabs": true})");
  CHECK(open() == "no error");
  const vt::Tokenizer tokenizer(scratch.folder);
  CHECK(tokenizer.decode(std::vector<Index>{2, 0}) == "a");
  CHECK(tokenizer.target_token(2) == "▁a");
}

TEST_CASE("damaged models are refused, those at the limits encode") {
  const Scratch scratch;
  fs::copy_file(folder / "target.spm", scratch / "target.spm");
  fs::copy_file(folder / "vocab.json", scratch / "vocab.json");
  for (const spm::Case& one : spm::attacks()) {
    CAPTURE(one.what);
    scratch.write("source.spm", one.bytes);
    CHECK(error_of([&] { vt::Tokenizer tokenizer(scratch.folder); }) == "file_unreadable");
  }
  for (const spm::Case& one : spm::at_the_limits()) {
    CAPTURE(one.what);
    scratch.write("source.spm", one.bytes);
    const vt::Tokenizer tokenizer(scratch.folder);
    CHECK(tokenizer.encode(std::string("ab a\0 \xc3\xa9", 8)).tokens.size() > 2);
    for (const std::string& text : {std::string(3000, 'a'), std::string(200, 'x')})
      CHECK(tokenizer.encode(text).tokens.back() == "</s>");
  }
}

TEST_CASE("what SentencePiece says of a model reaches no terminal as it is") {
  const Scratch scratch;
  scratch.write("source.spm", spm::pieces() + spm::piece("\x1b[2J") + spm::piece("\x1b[2J"));
  std::string message;
  CHECK(error_of([&] { vt::Tokenizer tokenizer(scratch.folder); }, &message) == "file_unreadable");
  CHECK(message.find('\x1b') == message.npos);
  CHECK(message.find("\\x1b[2J is already defined") != message.npos);
}

// m2m100_tokenizer_reference.py: each way in which a folder may say the same.
TEST_CASE("the ids and texts of Transformers' M2M100Tokenizer") {
  const fs::path own = "tests/text/m2m100_tokenizer";
  const auto all = nlohmann::json::parse(read_text(own / "expect.json"));
  REQUIRE(all.size() == 4);
  for (const auto& expected : all) {
    const Scratch scratch;
    fs::copy_file(own / "vocab.json", scratch / "vocab.json");
    fs::copy_file(folder / "source.spm", scratch / "sentencepiece.bpe.model");
    for (const auto& [name, contents] : expected.at("files").items()) scratch.write(name.c_str(), contents.dump());
    const vt::Tokenizer tokenizer(scratch.folder);
    REQUIRE(expected.at("lines").size() > 150);
    for (const auto& line : expected.at("lines")) {
      const auto encoding = check_ids_of_line(tokenizer, line);
      CHECK(encoding.offsets.size() == encoding.ids.size());
      CHECK(encoding.words.size() == encoding.ids.size());
    }
    for (const auto& pair : expected.at("pairs"))
      CHECK(tokenizer.encode(pair.at(0).get<std::string>(), pair.at(1).get<std::string>()).ids ==
            pair.at(2).get<std::vector<Index>>());
    if (!expected.contains("targets"))
      CHECK(error_of([&] { static_cast<void>(tokenizer.encode_target("a")); }) == "config_missing");
    for (const auto& line : expected.value("targets", nlohmann::json::array()))
      CHECK(tokenizer.encode_target(line.at(0).get<std::string>()).ids == line.at(1).get<std::vector<Index>>());
    for (const auto& line : expected.at("decoded")) {
      const auto ids = line.at(0).get<std::vector<Index>>();
      CHECK(tokenizer.decode(ids) == line.at(1).get<std::string>());
      CHECK(tokenizer.decode(ids, true) == line.at(2).get<std::string>());
    }
  }
}

TEST_CASE("folders that are no M2M100Tokenizer") {
  const Scratch scratch;
  const auto open = [&] { return error_of([&] { vt::Tokenizer tokenizer(scratch.folder); }); };
  scratch.write("config.json", R"({"model_type": "m2m_100"})");
  CHECK(open() == "file_missing");
  fs::copy_file(folder / "source.spm", scratch / "sentencepiece.bpe.model");
  fs::copy_file("tests/text/m2m100_tokenizer/vocab.json", scratch / "vocab.json");
  CHECK(open() == "no error");
  CHECK(vt::Tokenizer(scratch.folder).token(vt::Tokenizer(scratch.folder).id("__zu__")) == "__zu__");
  for (const char* wrong : {R"({"src_lang": "xx"})", R"({"tgt_lang": 3})", R"({"language_codes": "nllb"})"}) {
    scratch.write("tokenizer_config.json", wrong);
    CHECK(open() == "config_bad_value");
  }
}
#else
TEST_CASE("no tokens of MarianMT: this build was made without SentencePiece") {}
#endif
