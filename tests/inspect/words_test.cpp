#include <doctest/doctest.h>

#include <vitrine/inspect/words.hpp>

using namespace vitrine::inspect;
using vitrine::Index;
using Texts = std::vector<std::string>;
using Numbers = std::vector<Index>;

TEST_CASE("words: each tokenizer's marks") {
  const auto check = [](const Texts& tokens, Subwords marks, const Texts& texts, const Numbers& of_token) {
    CAPTURE(tokens[0]);
    CHECK(subwords_of(tokens) == marks);
    const Words words = words_of(tokens);
    CHECK(words.texts == texts);
    CHECK(words.of_token == of_token);
  };
  check({"▁das", "▁Haus", "es", ".", "</s>"}, Subwords::sentencepiece, {"das", "Hauses.", "</s>"}, {0, 1, 1, 1, 2});
  check({"x", "y", "▁z", "</s>"}, Subwords::sentencepiece, {"xy", "z", "</s>"}, {0, 0, 1, 2});
  check({">>fra<<", "▁", "a", "<unk>", "b", "</s>", "c"}, Subwords::sentencepiece, {">>fra<<", "a<unk>b", "</s>", "c"},
        {0, 1, 1, 1, 1, 2, 3});
  check({"[CLS]", "em", "##bed", "##ding", "s", "[SEP]"}, Subwords::wordpiece, {"[CLS]", "embedding", "s", "[SEP]"},
        {0, 1, 1, 1, 2, 3});
  check({"ge@@", "gan@@", "gen", "ist", "</s>"}, Subwords::bpe, {"gegangen", "ist", "</s>"}, {0, 0, 0, 1, 2});
  check({"low", "er</w>", "new</w>", "</s>"}, Subwords::end_of_word, {"lower", "new", "</s>"}, {0, 0, 1, 2});
  check({"The", "Ġwor", "ld", "<|endoftext|>"}, Subwords::byte_level, {"The", "world", "<|endoftext|>"}, {0, 1, 1, 2});
  check({"Ġwor", "ld", "!", "Ċ", "The", "re", "Ġis"}, Subwords::byte_level, {"world!", "There", "is"},
        {0, 0, 0, 1, 1, 1, 2});
  check({"<s>", "un", "bel", "iev", "able", "</s>"}, Subwords::byte_level, {"<s>", "unbelievable", "</s>"},
        {0, 1, 1, 1, 1, 2});
  check({"a", "b", "</s>"}, Subwords::none, {"a", "b", "</s>"}, {0, 1, 2});
  CHECK(words_of(Texts{}).count() == 0);
  CHECK(words_of({"▁a", "b"}, Subwords::none).texts == Texts{"▁a", "b"});
}

// The words are those of text.split().
TEST_CASE("words: blanks alone open no word") {
  const auto check = [](const Texts& tokens, const Texts& texts, const Numbers& of_token) {
    CAPTURE(tokens[0]);
    const Words words = words_of(tokens);
    CHECK(words.texts == texts);
    CHECK(words.of_token == of_token);
  };
  check({"▁", "▁b"}, {"b"}, {0, 0});
  check({"▁a", "▁", "</s>"}, {"a", "</s>"}, {0, 0, 1});
  check({"<s>", "Ġa", "Ġ", "Ġb", "</s>"}, {"<s>", "a", "b", "</s>"}, {0, 1, 2, 2, 3});
  check({"Hello", "ĉ", "world", "Ġx"}, {"Hello", "world", "x"}, {0, 1, 1, 2});
  check({"▁", "</s>"}, {"</s>"}, {0, 0});
  check({"</s>", "▁"}, {"</s>"}, {0, 0});
  check({"▁"}, {""}, {0});
  check({"a!Ċ", "b", "Ġc", "ĊĊ"}, {"a!", "b", "c"}, {0, 1, 2, 2});
  check({"▁▁▁if", "▁x", "e▁", "y"}, {"if", "xe", "y"}, {0, 1, 1, 2});
}

TEST_CASE("words: no single token decides which marks a text has") {
  CHECK(subwords_of({"##", "##x", "Ġheading"}) == Subwords::byte_level);
  CHECK(subwords_of({"a@@", "▁b"}) == Subwords::sentencepiece);
  CHECK(subwords_of({"a", "x@@", "##b"}) == Subwords::bpe);
  CHECK(subwords_of({"<s>", "</s>"}) == Subwords::none);
}

TEST_CASE("words: what looks like a mark but is none continues its word") {
  for (const std::string part :
       {"<unk>", "[UNK]", "<>", "[]", "<b", "b>", "[b", "b]", ">>b", "b<<", "<b]", "[b>", "<0xE2>"}) {
    CAPTURE(part);
    CHECK(words_of({"▁a", part, "c"}, Subwords::sentencepiece).texts == Texts{"a" + part + "c"});
  }
  for (const std::string mark : {"<s>", "[CLS]", ">>fra<<"}) {
    CAPTURE(mark);
    CHECK(words_of({"▁a", mark, "c"}, Subwords::sentencepiece).texts == Texts{"a", mark, "c"});
  }
  CHECK(words_of({"a", "</w>", "b</w>"}, Subwords::end_of_word).texts == Texts{"a", "b"});
}

TEST_CASE("words: weights to a word are added, those from a word are averaged") {
  const Words source = words_of(Texts{"▁a", "b", "▁c"}), target = words_of(Texts{"▁x", "▁y", "z"});
  vitrine::RowMajor<double> map(3, 3), expected(2, 2);
  map << 0.5, 0.25, 0.25,  //
      0.0, 0.5, 0.5,       //
      0.25, 0.25, 0.5;
  expected << 0.75, 0.25, 0.5, 0.5;
  CHECK(merge_words(map, target, source) == expected);
  const vitrine::RowMajor<double> smaller = map.topRows(2);
  CHECK_THROWS_AS(merge_words(smaller, target, source), std::invalid_argument);
}

TEST_CASE("words: links between subwords become one between words") {
  const Words source = words_of(Texts{"▁a", "b", "▁c"}), target = words_of(Texts{"▁x", "▁y", "z"});
  CHECK(pharaoh(merge_links({{0, 0}, {1, 0}, {2, 1}, {2, 2}, {1, 2}}, target, source)) == "0-0 0-1 1-1");
  CHECK_THROWS_AS(merge_links({{3, 0}}, target, source), std::out_of_range);
}
