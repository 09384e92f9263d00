#include <doctest/doctest.h>
#if !__has_include(<utf8proc.h>)
TEST_CASE("WordPiece is not tested without utf8proc (Debian, Ubuntu: package libutf8proc-dev)") { CHECK(true); }
#else
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>
#include <vitrine/text/wordpiece.hpp>

#include "../io/scratch.hpp"

namespace vt = vitrine;
using vt::Index;

namespace {

const std::vector<std::string> small = {"[PAD]", "[UNK]",  "[CLS]", "[SEP]", "[MASK]", "un",   "##want", "##ed",
                                        "run",   "##ning", ",",     "deja",  "vu",     "Déjà", "中",     "i"};

std::string text_of(const vt::WordPiece& tokenizer, const std::vector<Index>& ids) {
  std::string text;
  for (Index id : ids) text += (text.empty() ? "" : " ") + tokenizer.token(id);
  return text;
}

}  // namespace

// Made by wordpiece_reference.py from Transformers' BertTokenizerFast. The vocabulary holds only the pieces that occur:
// without longer ones the longest match stays what it was.
TEST_CASE("1,200 lines give the reference tokenizer's ids") {
  std::ifstream stream("tests/text/wordpiece_reference.json");
  const nlohmann::json reference = nlohmann::json::parse(stream);
  std::vector<std::string> tokens(30522);
  for (const auto& [id, name] : reference.at("tokens").items()) tokens[std::stoul(id)] = name;
  const vt::WordPiece tokenizer(tokens);
  REQUIRE(reference.at("lines").size() >= 1000);
  for (const auto& line : reference.at("lines")) {
    const auto text = line.at(0).get<std::string>();
    CAPTURE(text);
    CHECK(tokenizer.encode(text) == line.at(1).get<std::vector<Index> >());
  }
}

TEST_CASE("pieces, continuation and unknown words") {
  const vt::WordPiece tokenizer(small);
  CHECK(text_of(tokenizer, tokenizer.encode("UNwanted, running")) == "[CLS] un ##want ##ed , run ##ning [SEP]");
  CHECK(text_of(tokenizer, tokenizer.pieces("unwantedX running")) == "[UNK] run ##ning");
  CHECK(text_of(tokenizer, tokenizer.pieces("wanted")) == "[UNK]");  // ##want does not begin a word
  CHECK(text_of(tokenizer, tokenizer.pieces("x中i")) == "[UNK] 中 i");
  CHECK(tokenizer.pieces("").empty());
  CHECK(tokenizer.pieces(" \t\n ").empty());
}

TEST_CASE("a word of 100 characters is looked up, one of 101 is unknown") {
  std::vector<std::string> tokens = small;
  tokens.push_back("##i");
  const vt::WordPiece tokenizer(tokens);
  CHECK(tokenizer.pieces(std::string(100, 'i')).size() == 100);
  CHECK(text_of(tokenizer, tokenizer.pieces(std::string(101, 'i'))) == "[UNK]");
}

// A hash of each candidate took time with the word's length cubed here.
TEST_CASE("the longest piece from the left, with pieces within pieces, as long as they and words may be") {
  std::mt19937 random(1);
  const auto draw = [&](unsigned below) { return unsigned(random() % below); };
  const auto letters = [&](unsigned most) {
    std::string text;
    for (unsigned i = 1 + draw(most); i > 0; --i) text += draw(3) == 0 ? 'b' : 'a';
    return text;
  };
  for (int round = 0; round < 200; ++round) {
    std::vector<std::string> tokens = {"[UNK]", "[CLS]", "[SEP]"};
    for (int i = 0; i < 12; ++i) tokens.push_back((draw(2) == 0 ? "" : "##") + letters(6));
    const vt::WordPiece tokenizer(tokens);
    for (int i = 0; i < 10; ++i) {
      const std::string word = letters(20);
      std::vector<Index> naive;
      for (std::size_t first = 0, last = 0; first < word.size(); first = last) {
        Index id = -1;
        for (last = word.size(); last > first && id < 0; last -= id < 0)
          for (std::size_t t = tokens.size(); t-- > 3 && id < 0;)
            if (tokens[t] == (first == 0 ? "" : "##") + word.substr(first, last - first)) id = Index(t);
        naive.push_back(id);
        if (id < 0) {
          naive = {0};
          break;
        }
      }
      CAPTURE(word);
      CHECK(tokenizer.pieces(word) == naive);
    }
  }
  vt::WordPieceOptions options;
  options.max_word_length = 1 << 20;
  std::vector<std::string> tokens = {"[UNK]", "[CLS]", "[SEP]", "a", "##a", "##" + std::string(100000, 'a') + "b"};
  for (int i = 0; i < 40; ++i) tokens.push_back("##b" + std::to_string(i));  // enough for a table to hash
  const std::vector<Index> ids = vt::WordPiece(tokens, options).pieces(std::string(100000, 'a'));
  CHECK(ids.size() == 100000);
  CHECK(ids.back() == 4);
}

TEST_CASE("max_length cuts the text's end, never the marks") {
  const vt::WordPiece tokenizer(small);
  CHECK(text_of(tokenizer, tokenizer.encode("run run run", 4)) == "[CLS] run run [SEP]");
  CHECK(text_of(tokenizer, tokenizer.encode("run run", 4)) == "[CLS] run run [SEP]");
  CHECK(text_of(tokenizer, tokenizer.encode("run", 1)) == "[CLS] [SEP]");
}

TEST_CASE("case and accents are kept when asked") {
  vt::WordPieceOptions cased;
  cased.lower_case = cased.strip_accents = false;
  const vt::WordPiece keeps(small, cased), loses(small);
  CHECK(text_of(keeps, keeps.pieces("Déjà")) == "Déjà");
  CHECK(text_of(loses, loses.pieces("Déjà DE\u0301JA\u0300")) == "deja deja");
}

TEST_CASE("special tokens stand for themselves wherever they are") {
  const vt::WordPiece tokenizer(small);
  CHECK(text_of(tokenizer, tokenizer.pieces("run[MASK]run [SEP]")) == "run [MASK] run [SEP]");
  CHECK(text_of(tokenizer, tokenizer.pieces("[mask]")) == "[UNK] [UNK] [UNK]");
  vt::WordPieceOptions options;
  options.special = {"[PAD]", "[PAD", "[PAD]un"};  // of several in one place the longest
  std::vector<std::string> tokens = small;
  tokens.insert(tokens.end(), {"[PAD", "[PAD]un"});
  CHECK(text_of(vt::WordPiece(tokens, options), vt::WordPiece(tokens, options).pieces("[PAD]unrun[PAD]run")) ==
        "[PAD]un run [PAD] run");
}

TEST_CASE("bytes that are not UTF-8 are left out") {
  const vt::WordPiece tokenizer(small);
  CHECK(text_of(tokenizer, tokenizer.pieces("r\xff\xc3un \xed\xa0\x80")) == "run");
}

TEST_CASE("marks are put into canonical order") {
  vt::WordPieceOptions options;
  options.strip_accents = true;
  CHECK(vt::detail::without_accents(U"a\u302e\u0301\u302ab") == U"a\u302eb");
  // U+1D165 (216) and U+302E (224) stay and change places.
  CHECK(vt::detail::without_accents(U"a\u302e\U0001d165b") == U"a\U0001d165\u302eb");
}

TEST_CASE("one capital letter becomes two small ones") {
  vt::WordPieceOptions options;
  options.strip_accents = false;
  CHECK(vt::WordPiece(small, options).normalize("\u0130A") == U"i\u0307a");
}

TEST_CASE("ids and names") {
  const vt::WordPiece tokenizer(small);
  CHECK(tokenizer.size() == Index(small.size()));
  CHECK(tokenizer.id("run") == 8);
  CHECK(tokenizer.id("walk") == -1);
  CHECK(tokenizer.id("runs") == -1);  // begins with a piece
  CHECK(tokenizer.token(8) == "run");
  CHECK(tokenizer.token(-1).empty());
  CHECK(tokenizer.token(99).empty());
  CHECK(tokenizer.begin_id() == 2);
  CHECK(tokenizer.end_id() == 3);
  CHECK(tokenizer.options().lower_case);
  const vt::WordPiece copy = tokenizer;
  CHECK(copy.pieces("run") == tokenizer.pieces("run"));
}

TEST_CASE("a folder with vocab.txt and tokenizer_config.json, or with tokenizer.json") {
  const Scratch scratch;
  std::string vocabulary;
  for (const std::string& token : small) vocabulary += token + "\r\n";
  const auto folder = scratch.write("vocab.txt", vocabulary).parent_path();
  CHECK(text_of(vt::WordPiece(folder), vt::WordPiece(folder).pieces("Déjà")) == "deja");
  CHECK(text_of(vt::WordPiece(folder / "vocab.txt"), vt::WordPiece(folder / "vocab.txt").pieces("RUN")) == "run");
  scratch.write("tokenizer_config.json", R"({"do_lower_case": false})");
  CHECK(text_of(vt::WordPiece(folder), vt::WordPiece(folder).pieces("Déjà")) == "Déjà");

  nlohmann::json json = {
      {"added_tokens", nlohmann::json::array({{{"id", 4}, {"content", "[MASK]"}}})},
      {"normalizer", {{"type", "BertNormalizer"}, {"lowercase", true}, {"strip_accents", nullptr}}},
      {"pre_tokenizer", {{"type", "BertPreTokenizer"}}},
      {"model", {{"type", "WordPiece"}, {"unk_token", "[UNK]"}, {"vocab", nlohmann::json::object()}}}};
  for (std::size_t i = 0; i < small.size(); ++i) json["model"]["vocab"][small[i]] = i;
  scratch.write("tokenizer.json", json.dump());
  CHECK(text_of(vt::WordPiece(folder), vt::WordPiece(folder).pieces("Déjà[MASK]")) == "Déjà [MASK]");
  scratch.write("tokenizer_config.json", "{}");
  CHECK(text_of(vt::WordPiece(folder), vt::WordPiece(folder).pieces("Déjà")) == "deja");

  SUBCASE("what is not BERT's way is refused by name") {
    for (const char* part : {"normalizer", "pre_tokenizer", "model"}) {
      nlohmann::json other = json;
      other[part]["type"] = "Other";
      scratch.write("tokenizer.json", other.dump());
      CHECK(error_of([&] { vt::WordPiece{folder}; }) == "config_unsupported");
    }
    json["added_tokens"][0]["lstrip"] = true;
    scratch.write("tokenizer.json", json.dump());
    CHECK(error_of([&] { vt::WordPiece{folder}; }) == "config_unsupported");
  }
  SUBCASE("an id that would need memory for nothing") {
    json["model"]["vocab"]["far"] = 1 << 30;
    scratch.write("tokenizer.json", json.dump());
    CHECK(error_of([&] { vt::WordPiece{folder}; }) == "bad_vocabulary");
    json["model"]["vocab"]["far"] = -1;
    scratch.write("tokenizer.json", json.dump());
    CHECK(error_of([&] { vt::WordPiece{folder}; }) == "bad_vocabulary");
    json["model"]["vocab"]["far"] = "16";
    scratch.write("tokenizer.json", json.dump());
    CHECK(error_of([&] { vt::WordPiece{folder}; }) == "bad_vocabulary");
    json["model"]["vocab"].erase("far");
    for (const char* added : {R"([{"id": 4}])", R"([{"content": "[MASK]"}])", "[4]"}) {
      json["added_tokens"] = nlohmann::json::parse(added);
      scratch.write("tokenizer.json", json.dump());
      CHECK(error_of([&] { vt::WordPiece{folder}; }) == "bad_vocabulary");
    }
  }
}

TEST_CASE("a vocabulary must have the special tokens") {
  CHECK(error_of([] { vt::WordPiece(std::vector<std::string>{"a", "[UNK]", "[CLS]"}); }) == "bad_vocabulary");
  CHECK(error_of([] { vt::WordPiece("tests/no such folder"); }) == "file_missing");
  const Scratch scratch;
  std::filesystem::resize_file(scratch.write("vocab.txt", ""), (std::uintmax_t{64} << 20) + 1);
  CHECK(error_of([&] { vt::WordPiece{scratch.folder}; }) == "bad_vocabulary");
}
#endif
