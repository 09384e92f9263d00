#include <doctest/doctest.h>

#if VITRINE_SENTENCEPIECE
#include <nlohmann/json.hpp>
#include <string>
#include <vector>
#include <vitrine/io/marian_tokenizer.hpp>

#include "scratch.hpp"

namespace vt = vitrine;
namespace fs = std::filesystem;
using vt::Index;

TEST_CASE("the ids and texts of Transformers' MarianTokenizer (marian_tokenizer_reference.py)") {
  const fs::path folder = "tests/io/marian_tokenizer";
  const vt::MarianTokenizer tokenizer(folder);
  const auto expected = nlohmann::json::parse(read_text(folder / "expect.json"));
  for (const auto& line : expected.at("lines")) {
    const auto text = line.at(0).get<std::string>();
    CAPTURE(text);
    const auto encoding = tokenizer.encode(text);
    CHECK(encoding.ids == line.at(1).get<std::vector<Index>>());
    CHECK(encoding.pieces.size() == encoding.ids.size());
  }
  for (const auto& line : expected.at("decoded"))
    CHECK(tokenizer.decode(line.at(0).get<std::vector<Index>>()) == line.at(1).get<std::string>());
}

TEST_CASE("folders that are no tokenizer") {
  const fs::path good = "tests/io/marian_tokenizer";
  const Scratch scratch;
  const auto open = [&] { return error_of([&] { vt::MarianTokenizer tokenizer(scratch.folder); }); };
  CHECK(open() == "file_missing");
  fs::copy_file(good / "source.spm", scratch / "source.spm");
  scratch.write("target.spm", "no model");
  scratch.write("vocab.json", "{\"a\": 0}");
  CHECK(open() == "file_unreadable");
  fs::copy_file(good / "target.spm", scratch / "target.spm", fs::copy_options::overwrite_existing);
  CHECK(open() == "bad_vocabulary");
  fs::copy_file(good / "vocab.json", scratch / "vocab.json", fs::copy_options::overwrite_existing);
  CHECK(open() == "no error");
  scratch.write("target_vocab.json", R"({"</s>": 0, "<unk>": 1, "▁a": 2})");
  CHECK(open() == "no error");
  CHECK(vt::MarianTokenizer(scratch.folder).decode({2, 0}) == "a");
}
#else
TEST_CASE("no tokens of MarianMT: this build was made without SentencePiece") {}
#endif
