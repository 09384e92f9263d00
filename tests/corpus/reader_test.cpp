#include <doctest/doctest.h>

#include <string>
#include <vitrine/corpus/input.hpp>
#include <vitrine/corpus/reader.hpp>

#include "../io/scratch.hpp"

namespace vt = vitrine;
namespace corpus = vitrine::corpus;

namespace {

corpus::Reader reader_of(const Scratch& scratch, bool json, vt::Index sources, vt::Index targets) {
  return {scratch.folder, {.json = json, .end = 0, .longest = 8, .source_ids = sources, .target_ids = targets}};
}

}  // namespace

TEST_CASE("reader: JSON lines of a model whose target has other ids") {
  const Scratch scratch;
  scratch.write("vocab.json", R"({"</s>": 0, "a": 1})");
  const corpus::Reader reader = reader_of(scratch, true, 4, 2);
  CHECK(reader.read({R"({"ids": [3, 0]})"}, 0).ids == std::vector<vt::Index>{3, 0});
  CHECK(reader.read({R"({"ids": [4, 0]})"}, 0).error == "has the id 4; the model's ids are below 4");
  CHECK(reader.read_target({R"({"ids": [1, 0]})"}, 0).tokens == std::vector<std::string>{"a", "</s>"});
  CHECK(reader.read_target({R"({"ids": [3, 0]})"}, 0).error == "has the id 3; the model's ids are below 2");
  CHECK(reader.read_target({"{\"ids\": [1, 0], \"tokens\": [\"\xff\", \"b\"]}"}, 0).error == "is not UTF-8");
  CHECK(reader.read_target({R"({"ids": [1, 0], "tokens": ["x"]})"}, 0).error ==
        "\"tokens\" must be a text for each id");
  CHECK(reader.read_target({""}, 0).error.empty());
  CHECK_FALSE(reader.read_target({""}, 0).usable());
}

TEST_CASE("reader: lines of text, and what cannot be used") {
  const Scratch scratch;
  scratch.write("vocab.json", R"({"</s>": 0, "a": 1, "bc": 2})");
  const corpus::Reader reader = reader_of(scratch, false, 3, 3);
  const corpus::Line line = reader.read({"aA"}, 7);
  CHECK(line.ids == std::vector<vt::Index>{1, 1, 0});
  CHECK(line.tokens == std::vector<std::string>{"a", "a", "</s>"});
  CHECK(line.text == "aA");
  CHECK(line.number == 7);
  CHECK(reader.read_target({"bc  a"}, 0).ids == std::vector<vt::Index>{2, 1, 0});
  CHECK(reader.read_target({"bc x"}, 0).error == "vocab.json: has no token \"x\"");
  CHECK(reader.read({"aaaaaaaa"}, 0).error == "has 9 tokens; the model has room for 8");
  CHECK(reader.read({"a", true}, 0).error == "is longer than 1048576 bytes");
  CHECK(reader.read({"\xff"}, 0).error == "is not UTF-8");
  CHECK(reader.read({"b"}, 0).error.find("has no \"b\"") != std::string::npos);
  CHECK(reader.text({2, 1, 0}) == "bc a");
}

TEST_CASE("reader: a folder whose text is not read here says what to do") {
  const Scratch scratch;
  CHECK_THROWS_WITH_AS(reader_of(scratch, false, 2, 2), doctest::Contains("has no tokenizer.json); tokenize outside"),
                       vt::Error);
  scratch.write("vocab.json", R"({"</s>": 0, "a": 1})");
  scratch.write("merges.txt", "a b\n");
  CHECK_NOTHROW(reader_of(scratch, true, 2, 2));
  CHECK_THROWS_WITH_AS(reader_of(scratch, false, 2, 2), doctest::Contains("--input-format jsonl"), vt::Error);
}

TEST_CASE("reader: a token that holds line breaks makes no second line") {
  const Scratch scratch;
  scratch.write("vocab.json", R"({"</s>": 0, "a\r\n": 1, "\u2028\t": 2})");
  const corpus::Reader reader = reader_of(scratch, false, 3, 3);
  CHECK(reader.text({1, 1, 2, 0}) == "a␍⏎ a␍⏎ \u2028\t");
  CHECK(reader.token(1) == "a\r\n");
}

TEST_CASE("input: lines and targets end together, or it is said which does not") {
  const Scratch scratch;
  scratch.write("targets", "x\r\n\ny");
  const auto pairs = [&](const char* text, const std::string& targets, std::string* message = nullptr) {
    scratch.write("sources", text);
    corpus::Input input(corpus::LineStream((scratch / "sources").string()), targets);
    std::string read;
    while (input.next()) read += input.source.text + "," + input.target.text + ";";
    CHECK_FALSE(input.next());
    error_of([&] { input.check_end(); }, message);
    return read;
  };
  const std::string targets = (scratch / "targets").string();
  std::string message;
  CHECK(pairs("a\nb\nc\n", targets, &message) == "a,x;b,;c,y;");
  CHECK(message.empty());
  CHECK(pairs("a\nb\nc\nd\ne\n", targets, &message) == "a,x;b,;c,y;");
  CHECK(message.find("fewer lines than the input: line 4 is missing") != message.npos);
  CHECK(pairs("a\nb", targets, &message) == "a,x;b,;");
  CHECK(message.find("more lines than the input, which has 2") != message.npos);
  CHECK(pairs("a\nb", "") == "a,;b,;");
  CHECK(pairs("", "") == "");
  CHECK(error_of([&] { pairs("", (scratch / "nothing").string()); }) == "file_missing");
}

TEST_CASE("input: a range of lines is what the index says, with its targets") {
  const Scratch scratch;
  std::string sources, targets;
  for (int i = 0; i < 5000; ++i) sources += "s" + std::to_string(i) + "\n", targets += std::to_string(i * i) + "\n";
  scratch.write("sources", sources), scratch.write("targets", targets);
  const std::string source = (scratch / "sources").string(), target = (scratch / "targets").string();
  const corpus::LineIndex index = corpus::line_index(source), other = corpus::line_index(target);
  for (const corpus::LineRange range :
       {corpus::LineRange{0, 3}, {1023, 1026}, {3000, 3001}, {4999, 5000}, {5000, 5000}}) {
    corpus::Input input(corpus::LineStream(source), target);
    input.restrict_to(range, index, &other);
    vt::Index line = range.first;
    for (; input.next(); ++line) {
      CHECK(input.number() == line);
      CHECK(input.source.text == "s" + std::to_string(line));
      CHECK(input.target.text == std::to_string(line * line));
    }
    CHECK(line == range.end);
  }
}
