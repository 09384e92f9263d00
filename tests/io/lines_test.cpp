// examples/lines.hpp: ids of the source and of the target are bounded and named each by its own vocabulary.
#include "../../examples/lines.hpp"

#include <doctest/doctest.h>

#include <sstream>

#include "scratch.hpp"

TEST_CASE("lines: JSON lines of a model whose target has other ids") {
  const Scratch scratch;
  scratch.write("vocab.json", R"({"</s>": 0, "a": 1})");
  const lines::Reader reader(scratch.folder, true, 0, 8, 4, 2);  // 4 ids in, 2 out
  CHECK(reader.read(R"({"ids": [3, 0]})", false, 0).ids == std::vector<vitrine::Index>{3, 0});
  CHECK(reader.read(R"({"ids": [4, 0]})", false, 0).error == "has the id 4; the model has 4");
  CHECK(reader.read_target(R"({"ids": [1, 0]})", false, 0).tokens == std::vector<std::string>{"a", "</s>"});
  CHECK(reader.read_target(R"({"ids": [3, 0]})", false, 0).error == "has the id 3; the model has 2");
  CHECK(reader.read_target("{\"ids\": [1, 0], \"tokens\": [\"\xff\", \"b\"]}", false, 0).error == "is not UTF-8");
  CHECK(reader.read_target("", false, 0).error.empty());
  CHECK_FALSE(reader.read_target("", false, 0).usable());
}

TEST_CASE("lines: a byte-pair tokenizer is not spelled letter by letter") {
  const Scratch scratch;
  scratch.write("vocab.json", R"({"</s>": 0, "a": 1})");
  scratch.write("merges.txt", "a b\n");
  CHECK_NOTHROW(lines::Reader(scratch.folder, true, 0, 8, 2, 2));
  CHECK_THROWS_WITH_AS(lines::Reader(scratch.folder, false, 0, 8, 2, 2), doctest::Contains("--input-format jsonl"),
                       vitrine::Error);
}

TEST_CASE("lines: a token that holds line breaks makes no second line") {
  const Scratch scratch;
  scratch.write("vocab.json", R"({"</s>": 0, "a\r\n": 1, "\u2028\t": 2})");
  const lines::Reader reader(scratch.folder, false, 0, 8, 3, 3);
  CHECK(reader.text({1, 1, 2, 0}) == "a␍⏎ a␍⏎ \u2028\t");
  CHECK(reader.token(1) == "a\r\n");
}

TEST_CASE("lines: the input and its targets end together, or it is said which does not") {
  const Scratch scratch;
  scratch.write("targets", "x\r\n\ny");
  const auto pairs = [&](const char* text, const std::string& targets, std::string* message = nullptr) {
    std::istringstream stream(text);
    lines::Input input(stream, targets);
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
  CHECK(error_of([&] { pairs("", (scratch / "nothing").string()); }) == "file_unreadable");
}
