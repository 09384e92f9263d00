#include <doctest/doctest.h>
#if !__has_include(<utf8proc.h>) || !__has_include(<pcre2.h>)
TEST_CASE("folders of tokenizers are not tested without utf8proc and PCRE2") { CHECK(true); }
#else
#include <chrono>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>
#include <vitrine/text/tokenizer.hpp>

#include "../io/scratch.hpp"

namespace vt = vitrine;
namespace fs = std::filesystem;
using vt::Index;

namespace {

// A file of a case, as tokenizer_folders_reference.py has it.
std::string content(const nlohmann::json& file) {
  if (file.is_string()) return file.get<std::string>();
  const auto golden = [](const std::string& name) {
    return read_text("tests/golden/tokenizers/" + name + "/tokenizer.json");
  };
  if (file.contains("marian")) return read_text("tests/text/marian_tokenizer/" + file.at("marian").get<std::string>());
  if (file.contains("copy")) return golden(file.at("copy"));
  if (file.contains("vocab_of")) return nlohmann::json::parse(golden(file.at("vocab_of")))["model"]["vocab"].dump();
  if (!file.contains("merges_of")) return file.dump();
  std::string lines = "#version: 0.2\n";
  const nlohmann::json from = nlohmann::json::parse(golden(file.at("merges_of")));
  for (const nlohmann::json& merge : from["model"]["merges"])
    lines += (merge.is_string() ? merge.get<std::string>()
                                : merge[0].get<std::string>() + " " + merge[1].get<std::string>()) +
             "\n";
  return lines;
}

void check_line(const vt::Tokenizer& tokenizer, const nlohmann::json& line) {
  const nlohmann::json& text = line.at("text");
  CAPTURE(text.dump());
  const vt::Encoding made = text.is_array() ? tokenizer.encode(text[0].get_ref<const std::string&>(),
                                                               std::string_view(text[1].get_ref<const std::string&>()))
                                            : tokenizer.encode(text.get_ref<const std::string&>());
  CHECK(made.ids == line.at("ids").get<std::vector<Index> >());
  CHECK(tokenizer.decode(made.ids) == line.at("decoded").get<std::string>());
  CHECK(tokenizer.decode(made.ids, true) == line.at("decoded_special").get<std::string>());
  CHECK(made.offsets.size() == made.ids.size());
  CHECK(made.words.size() == made.ids.size());
  CHECK(made.type_ids.size() == made.ids.size());
  if (line.contains("target_ids"))
    CHECK(tokenizer.encode_target(text.get_ref<const std::string&>()).ids ==
          line.at("target_ids").get<std::vector<Index> >());
  if (!line.contains("tokens")) return;
  CHECK(made.tokens == line.at("tokens").get<std::vector<std::string> >());
  CHECK(made.offsets == line.at("offsets").get<std::vector<std::pair<Index, Index> > >());
  CHECK(made.type_ids == line.at("type_ids").get<std::vector<Index> >());
  CHECK(made.words == line.at("word_ids").get<std::vector<Index> >());
}

}  // namespace

TEST_CASE("folders are read as Transformers reads them, also where their files disagree") {
  const nlohmann::json cases = nlohmann::json::parse(read_text("tests/text/tokenizer_folders.json"));
  REQUIRE(cases.size() >= 45);
  for (const nlohmann::json& one : cases) {
    CAPTURE(one.at("name").get<std::string>());
    const Scratch scratch;
    for (const auto& [name, file] : one.at("files").items()) scratch.write(name, content(file));
    if (one.contains("refused")) {
      std::string message;
      const bool value = one.at("refused") == "extra_ids";
      CHECK(error_of([&] { vt::Tokenizer{scratch.folder}; }, &message) ==
            (value ? "config_bad_value" : "config_unsupported"));
      CHECK(message.find(one.at("refused").get<std::string>()) != std::string::npos);
      continue;
    }
#if !VITRINE_SENTENCEPIECE
    if (one.at("files").contains("source.spm")) {
      CHECK(error_of([&] { vt::Tokenizer{scratch.folder}; }) == "config_unsupported");
      continue;
    }
#endif
    std::string message = "no error";
    const std::string error = error_of(
        [&] {
          const vt::Tokenizer tokenizer(scratch.folder);
          for (const nlohmann::json& line : one.at("lines")) check_line(tokenizer, line);
        },
        &message);
    CAPTURE(message);
    CHECK(error == "no error");
  }
}

// language_tokenizer_reference.py
TEST_CASE("NLLB's, MBart's and MBart50's folders without a tokenizer.json, as Transformers' classes read them") {
  const auto all = nlohmann::json::parse(read_text("tests/text/language_tokenizer/expect.json"));
  const auto texts = all.at("texts").get<std::vector<std::string> >();
  const auto fill = [](const Scratch& scratch, const nlohmann::json& one) {
    const auto model = one.at("model").get<std::string>();
    fs::copy_file(model == "nllb"    ? "tests/text/language_tokenizer/nllb.model"
                  : model == "bytes" ? "tests/text/marian_tokenizer/bpe.model"
                                     : "tests/text/marian_tokenizer/source.spm",
                  scratch / "sentencepiece.bpe.model");
    for (const auto& [name, contents] : one.at("files").items()) scratch.write(name, contents.dump());
  };
  REQUIRE(all.at("folders").size() == 17);
  for (const nlohmann::json& one : all.at("folders")) {
    CAPTURE(one.at("name").get<std::string>());
    const Scratch scratch;
    fill(scratch, one);
    const vt::Tokenizer tokenizer(scratch.folder);
    const nlohmann::json &lines = one.at("lines"), &tokens = one.at("tokens"), &pairs = one.at("pairs");
    for (std::size_t i = 0; i < lines.size(); ++i) {
      CAPTURE(texts[i]);
      const vt::Encoding made = tokenizer.encode(texts[i]);
      CHECK(made.ids == lines[i][0].get<std::vector<Index> >());
      CHECK(tokenizer.decode(made.ids) == lines[i][1].get<std::string>());
      if (i >= tokens.size()) continue;
      CHECK(made.tokens == tokens[i].get<std::vector<std::string> >());
      CHECK(tokenizer.encode_target(texts[i]).ids == one.at("targets")[i].get<std::vector<Index> >());
      CHECK(tokenizer.decode(made.ids, true) == one.at("with_special")[i].get<std::string>());
    }
    for (std::size_t i = 0; i < pairs.size(); ++i)
      CHECK(tokenizer.encode(texts[i], std::string_view(texts[i + 1])).ids == pairs[i].get<std::vector<Index> >());
  }
  REQUIRE(all.at("refused").size() == 4);  // the reference writes <unk> where their language should stand
  for (const nlohmann::json& one : all.at("refused")) {
    CAPTURE(one.at("name").get<std::string>());
    const Scratch scratch;
    fill(scratch, one);
    std::string message;
    CHECK(error_of([&] { vt::Tokenizer{scratch.folder}; }, &message) == "bad_vocabulary");
    CHECK(message.find('"' + one.at("source").get<std::string>() + "\" a token, its source language") !=
          std::string::npos);
  }
}

TEST_CASE("tens of thousands of added and special tokens are read in time that grows with their number") {
  const Scratch scratch;
  nlohmann::json file = nlohmann::json::parse(read_text("tests/golden/tokenizers/bert_cased/tokenizer.json")), extra;
  const Index first = vt::Tokenizer("tests/golden/tokenizers/bert_cased/tokenizer.json").size(), count = 40000;
  for (Index i = 0; i < count; ++i) {
    const std::string text = "<t" + std::to_string(i) + ">";
    file["added_tokens"].push_back({{"id", first + i}, {"content", text}, {"special", true}, {"normalized", false}});
    extra.push_back(text);
  }
  scratch.write("tokenizer.json", file.dump());
  scratch.write("tokenizer_config.json",
                nlohmann::json{{"tokenizer_class", "BertTokenizer"}, {"extra_special_tokens", extra}}.dump());
  const auto begin = std::chrono::steady_clock::now();
  const vt::Tokenizer tokenizer(scratch.folder);
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(30));  // one by one they took minutes
  CHECK(tokenizer.encode("<t7><t39999>", false).ids == std::vector<Index>{first + 7, first + count - 1});
  CHECK(tokenizer.is_special(first + 7));
}

TEST_CASE("a vocabulary of characters") {
  const Scratch scratch;
  scratch.write("vocab.json", R"({"a": 0, "é": 1, "AH0": 2, "</s>": 3})");
  const vt::Tokenizer tokenizer(scratch.folder);
  const vt::Encoding made = tokenizer.encode("Aéa");
  CHECK(made.ids == std::vector<Index>{0, 1, 0, 3});
  CHECK(made.tokens == std::vector<std::string>{"a", "é", "a", "</s>"});
  CHECK(made.offsets == std::vector<std::pair<Index, Index> >{{0, 1}, {1, 2}, {2, 3}, {0, 0}});
  CHECK(tokenizer.encode("a", false).ids == std::vector<Index>{0});
  CHECK(tokenizer.encode_target("AH0  a").ids == std::vector<Index>{2, 0, 3});
  CHECK(tokenizer.decode(std::vector<Index>{2, 0, 3}) == "AH0 a");
  CHECK(tokenizer.decode(std::vector<Index>{2, 3}, true) == "AH0 </s>");
  CHECK(tokenizer.is_special(3));
  CHECK(tokenizer.subwords() == vt::Subwords::none);
  CHECK(error_of([&] { tokenizer.encode("xyz"); }) == "unknown_symbol");
  CHECK(error_of([&] { tokenizer.encode_target("B"); }) == "unknown_symbol");
  CHECK(error_of([&] { tokenizer.encode("a", "a"); }) == "config_unsupported");
  scratch.write("vocab.json", R"({"a": 0, "b": 1})");
  CHECK(error_of([&] { vt::Tokenizer{scratch.folder}; }) == "bad_vocabulary");
}

TEST_CASE("model_max_length is told, and cuts nothing") {
  const Scratch scratch;
  fs::copy_file("tests/golden/tokenizers/gpt2/tokenizer.json", scratch / "tokenizer.json");
  CHECK(vt::Tokenizer(scratch.folder).max_length() == 0);
  scratch.write("tokenizer_config.json", R"({"model_max_length": 4})");
  CHECK(vt::Tokenizer(scratch.folder).max_length() == 4);
  CHECK(vt::Tokenizer(scratch.folder).encode("a b c d e f g").size() > 4);
  scratch.write("tokenizer_config.json", R"({"model_max_length": 1000000000000000019884624838656})");
  CHECK(vt::Tokenizer(scratch.folder).max_length() == 0);
}

TEST_CASE("folders that are no tokenizer") {
  const Scratch scratch;
  const auto open = [&] { return error_of([&] { vt::Tokenizer{scratch.folder}; }); };
  CHECK(open() == "file_missing");
  scratch.write("tokenizer_config.json", R"({"tokenizer_class": "LlamaTokenizer"})");
  CHECK(open() == "file_missing");
  scratch.write("tokenizer_config.json", R"({"added_tokens_decoder": {"x": {"content": "a"}}})");
  scratch.write("vocab.txt", "[UNK]\n[CLS]\n[SEP]\na\n");
  CHECK(open() == "config_bad_value");
  scratch.write("tokenizer_config.json", R"({"added_tokens_decoder": []})");
  CHECK(open() == "config_bad_value");
  scratch.write("tokenizer_config.json", "{}");
  CHECK(open() == "no error");
  scratch.write("added_tokens.json", R"({"x": -1})");
  CHECK(open() == "bad_vocabulary");
  scratch.write("added_tokens.json", R"({"x": 4})");
  CHECK(open() == "no error");
  scratch.write("vocab.txt", "a\n");
  CHECK(open() == "bad_vocabulary");  // nothing stands for an unknown word
  scratch.write("vocab.txt", "[UNK]\n\xff\n");
  CHECK(open() == "bad_vocabulary");
  fs::resize_file(scratch.write("vocab.txt", ""), (std::uintmax_t{64} << 20) + 1);
  CHECK(open() == "bad_vocabulary");
}
#endif
