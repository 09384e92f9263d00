// examples/lines.hpp: ids of the source and of the target are bounded and named each by its own vocabulary.
#include "../../examples/lines.hpp"

#include <doctest/doctest.h>

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
