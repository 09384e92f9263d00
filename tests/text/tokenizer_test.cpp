#include <doctest/doctest.h>
#if !__has_include(<utf8proc.h>) || !__has_include(<pcre2.h>)
TEST_CASE("tokenizers are not tested without utf8proc and PCRE2 (libutf8proc-dev, libpcre2-dev)") { CHECK(true); }
#else
#include <algorithm>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>
#include <vitrine/text/encoding.hpp>
#include <vitrine/text/subwords.hpp>
#include <vitrine/text/tokenizer.hpp>

#include "../io/scratch.hpp"

namespace vt = vitrine;
using vt::Index;
using Texts = std::vector<std::string>;
using Offsets = std::vector<std::pair<Index, Index> >;

namespace {

const std::filesystem::path golden = "tests/golden/tokenizers";

nlohmann::json file_of(const char* name) { return nlohmann::json::parse(read_text(golden / name / "tokenizer.json")); }

// Opens a tokenizer.json that differs from a golden one.
struct Changed {
  Scratch scratch = {};
  std::string message = {};
  std::string error(const nlohmann::json& json) {
    scratch.write("tokenizer.json", json.dump());
    message.clear();
    return error_of([&] { vt::Tokenizer{scratch.folder}; }, &message);
  }
  vt::Tokenizer open(const nlohmann::json& json) { return vt::Tokenizer(scratch.write("tokenizer.json", json.dump())); }
};

}  // namespace

// Ids, tokens, offsets and texts against the reference are tests/golden's (golden.cpp).
TEST_CASE("ids and names, words and pairs") {
  const vt::Tokenizer tokenizer(golden / "bert_uncased");
  CHECK(tokenizer.size() == 902);
  CHECK(tokenizer.token(2) == "[CLS]");
  CHECK(tokenizer.id("[SEP]") == 3);
  CHECK(tokenizer.id("no such token") == -1);
  CHECK(tokenizer.token(-1).empty());
  CHECK(tokenizer.token(902).empty());
  CHECK(tokenizer.is_special(2));
  CHECK_FALSE(tokenizer.is_special(62));
  CHECK_FALSE(tokenizer.is_special(-1));
  CHECK(tokenizer.subwords() == vt::Subwords::wordpiece);
  CHECK(vt::Tokenizer(golden / "gpt2").subwords() == vt::Subwords::byte_level);
  CHECK(vt::Tokenizer(golden / "llama2").subwords() == vt::Subwords::sentencepiece);
  CHECK(vt::Tokenizer(golden / "t5").subwords() == vt::Subwords::sentencepiece);

  const vt::Encoding pair = tokenizer.encode("und El", "und");
  CHECK(pair.tokens == Texts{"[CLS]", "un", "##d", "e", "##l", "[SEP]", "un", "##d", "[SEP]"});
  CHECK(pair.words == std::vector<Index>{-1, 0, 0, 1, 1, -1, 0, 0, -1});
  CHECK(pair.type_ids == std::vector<Index>{0, 0, 0, 0, 0, 0, 1, 1, 1});
  CHECK(pair.size() == 9);
  CHECK(tokenizer.encode("und", false).tokens == Texts{"un", "##d"});
  CHECK(tokenizer.encode("", false).size() == 0);
  CHECK(tokenizer.encode("").tokens == Texts{"[CLS]", "[SEP]"});
}

TEST_CASE("bytes that are not UTF-8 are U+FFFD, each a character") {
  const vt::Tokenizer tokenizer(golden / "gpt2");
  const vt::Encoding good = tokenizer.encode("a\ufffd\ufffdb"), bad = tokenizer.encode(
                                                                    "a\xff\xc3"
                                                                    "b");
  CHECK(bad.ids == good.ids);
  CHECK(bad.offsets.back() == std::pair<Index, Index>{3, 4});
}

TEST_CASE("an id that is not there is left out of a text") {
  const vt::Tokenizer tokenizer(golden / "gpt2");
  std::vector<Index> ids = tokenizer.encode("und so").ids;
  ids.insert(ids.begin() + 1, {-1, 1 << 20});
  CHECK(tokenizer.decode(ids) == "und so");
}

TEST_CASE("many threads use one tokenizer") {
  const vt::Tokenizer tokenizer(golden / "llama3");
  const std::string text = "Größe und Straße 12345 zażółć";
  const std::vector<Index> expected = tokenizer.encode(text).ids;
  std::vector<std::thread> threads;
  std::vector<int> same(4, 0);
  for (int& count : same)
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) count += tokenizer.encode(text).ids == expected;
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(same == std::vector<int>(4, 50));
}

TEST_CASE("what is not known is refused by name") {
  Changed changed;
  const auto refused = [&](nlohmann::json json, const char* name) {
    CAPTURE(name);
    CHECK(changed.error(json) == "config_unsupported");
    CAPTURE(changed.message);
    CHECK(changed.message.find(name) != std::string::npos);
  };
  nlohmann::json json = file_of("gpt2");
  for (const char* part : {"normalizer", "pre_tokenizer", "post_processor", "decoder"}) {
    nlohmann::json other = json;
    other[part] = {{"type", "Other"}};
    refused(other, "Other");
    other[part] = {{"type", "Sequence"}, {"something", 1}};
    refused(other, "something");
  }
  for (const char* key : {"dropout", "something"}) {
    nlohmann::json other = json;
    other["model"][key] = 0.5;
    refused(other, key);
  }
  nlohmann::json other = json;
  other["model"]["type"] = "Other";
  refused(other, "Other");
  other = json;
  other["something"] = 1;
  refused(other, "something");
  other = json;
  other["added_tokens"][0]["something"] = 1;
  refused(other, "something");
  for (const char* pattern : {"[a&&b]", "[a[b]]", "(", "\\h"}) {
    other = json;
    other["pre_tokenizer"] = {{"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}};
    refused(other, "pattern");
  }
}

TEST_CASE("vocabularies and merges that are none") {
  Changed changed;
  const nlohmann::json json = file_of("gpt2");
  const auto error = [&](auto change) {
    nlohmann::json other = json;
    change(other["model"]);
    return changed.error(other);
  };
  CHECK(error([](auto& model) { model["vocab"]["far"] = 1 << 30; }) == "bad_vocabulary");
  CHECK(error([](auto& model) { model["vocab"]["far"] = -1; }) == "bad_vocabulary");
  CHECK(error([](auto& model) { model["vocab"]["far"] = "1"; }) == "bad_vocabulary");
  CHECK(error([](auto& model) { model.erase("vocab"); }) == "config_bad_value");
  CHECK(error([](auto& model) { model["merges"].push_back("no merge at all"); }) == "config_bad_value");
  CHECK(error([](auto& model) { model["merges"].push_back(1); }) == "config_bad_value");
  CHECK(error([](auto& model) { model["merges"].push_back("unheard of"); }) == "bad_vocabulary");
  CHECK(error([](auto&) {}) == "no error");
  nlohmann::json other = file_of("t5");
  other["model"]["unk_id"] = 700;
  CHECK(changed.error(other) == "bad_vocabulary");
  other["model"]["unk_id"] = 2;
  other["model"]["vocab"].push_back({std::string(2000, 'a'), -1});
  CHECK(changed.error(other) == "bad_vocabulary");
  other["model"]["vocab"] = nlohmann::json::array();
  CHECK(changed.error(other) == "bad_vocabulary");
  other = file_of("bert_cased");
  other["model"]["unk_token"] = "none such";
  CHECK(changed.error(other) == "bad_vocabulary");
  CHECK(error_of([] { vt::Tokenizer("tests/no such folder"); }) != "no error");
}

// Of any word: join the leftmost of the neighbours with the lowest rank until none may be joined.
TEST_CASE("merges by a queue, by looking at all pairs and by the definition are the same") {
  std::mt19937 random(1);
  const auto draw = [&](int most) { return int(random() % unsigned(most)); };
  for (int round = 0; round < 40; ++round) {
    vt::detail::TokenTable tokens;
    std::vector<std::string> names = {"a", "b", "c"};
    std::vector<std::pair<std::string, std::string> > merges;
    for (int i = 0; i < 25; ++i) {
      const std::string left = names[std::size_t(draw(int(names.size())))],
                        right = names[std::size_t(draw(int(names.size())))];
      if (left.size() + right.size() > 9) continue;
      if (std::find(merges.begin(), merges.end(), std::pair(left, right)) != merges.end()) continue;
      if (std::find(names.begin(), names.end(), left + right) == names.end()) names.push_back(left + right);
      merges.emplace_back(left, right);
    }
    for (std::size_t i = 0; i < names.size(); ++i) tokens.add(names[i], std::uint32_t(i));
    vt::detail::MergeTable table(merges.size());
    for (std::size_t rank = 0; rank < merges.size(); ++rank)
      table.add(tokens.find(merges[rank].first), tokens.find(merges[rank].second),
                {std::uint32_t(rank), tokens.find(merges[rank].first + merges[rank].second)});
    const vt::detail::BpeModel model(tokens, table, {});
    vt::detail::ModelRoom room;
    for (const int length : {1, 2, 20, 48, 49, 200}) {
      std::string word;
      for (int i = 0; i < length; ++i) word += "abc"[draw(3)];
      Texts naive;
      for (const char c : word) naive.emplace_back(1, c);
      for (;;) {
        std::size_t best = merges.size(), place = 0;
        for (std::size_t i = 0; i + 1 < naive.size(); ++i) {
          const auto rank =
              std::size_t(std::find(merges.begin(), merges.end(), std::pair(naive[i], naive[i + 1])) - merges.begin());
          if (rank < best) best = rank, place = i;
        }
        if (best == merges.size()) break;
        naive[place] += naive[place + 1];
        naive.erase(naive.begin() + std::ptrdiff_t(place) + 1);
      }
      std::vector<vt::detail::WordPart> parts;
      model.cut(word, room, parts);
      Texts made;
      for (const auto& part : parts) made.push_back(names[part.id]);
      CAPTURE(word);
      CHECK(made == naive);
    }
  }
}

// A quadratic way would take minutes.
TEST_CASE("a text of a megabyte without a blank, and one of blanks alone") {
  for (const char* name : {"gpt2", "llama2", "llama3", "t5", "bert_cased"}) {
    CAPTURE(name);
    const vt::Tokenizer tokenizer(golden / name);
    for (const std::string& text : {std::string(1 << 20, 'a'), std::string(1 << 20, ' '), std::string(1 << 20, '\n')}) {
      const vt::Encoding made = tokenizer.encode(text);
      CHECK(made.ids.size() <= text.size() + 2);
      CHECK(made.offsets.size() == made.ids.size());
    }
  }
}

TEST_CASE("a pattern that takes too long is an error, not an hour") {
  nlohmann::json json = file_of("gpt2");
  json["pre_tokenizer"] = {{"type", "Split"}, {"pattern", {{"Regex", "(?:a|aa)+[^a]"}}}, {"behavior", "Isolated"}};
  Changed changed;
  const vt::Tokenizer tokenizer = changed.open(json);
  CHECK(error_of([&] { tokenizer.encode(std::string(2000, 'a')); }) == "value_out_of_range");
}
#endif
