// How a corpus is cut: ranges, indices of offsets, and SLURM's environment.
#include <doctest/doctest.h>

#include <cstdlib>
#include <string>
#include <vitrine/corpus/line_index.hpp>
#include <vitrine/corpus/shard.hpp>

#include "../io/scratch.hpp"

namespace corpus = vitrine::corpus;
using vitrine::Index;

TEST_CASE("shards cover all lines once, in order, and differ by one line at most") {
  for (const Index lines : {0, 1, 7, 8, 100, 999983})
    for (const Index count : {1, 2, 3, 8, 10, 1000}) {
      Index next = 0;
      for (Index i = 0; i < count; ++i) {
        const corpus::LineRange range = corpus::Shard{i, count}.range(lines);
        CHECK(range.first == next);
        CHECK(range.count() >= lines / count);
        CHECK(range.count() <= lines / count + 1);
        next = range.end;
      }
      CHECK(next == lines);
    }
  const Index huge = Index{1} << 62;
  CHECK(corpus::Shard{999, 1000}.range(huge).end == huge);
}

TEST_CASE("shards by name") {
  const auto refused = [](const std::string& text) {
    try {
      corpus::shard_from(text);
    } catch (const std::invalid_argument& error) { return std::string(error.what()); }
    return std::string();
  };
  CHECK(corpus::shard_from("7/8").index == 7);
  CHECK(corpus::shard_from("0/1").count == 1);
  for (const char* text : {"", "1", "1/", "/2", "-1/2", "1/0", "a/b", "1/2/3", "1 /2", "99999999999/99999999999"})
    CHECK(refused(text).find("--shard takes I/N") != std::string::npos);
  CHECK(refused("8/8").find("there is no shard 8 of 8") != std::string::npos);

  for (const char* name : {"ID", "MIN", "MAX", "STEP", "COUNT"})
    ::unsetenv((std::string("SLURM_ARRAY_TASK_") + name).c_str());
  CHECK(refused("slurm").find("SLURM_ARRAY_TASK_ID") != std::string::npos);
  const auto set = [](const char* id, const char* first, const char* last, const char* step, const char* count) {
    ::setenv("SLURM_ARRAY_TASK_ID", id, 1), ::setenv("SLURM_ARRAY_TASK_MIN", first, 1);
    ::setenv("SLURM_ARRAY_TASK_MAX", last, 1), ::setenv("SLURM_ARRAY_TASK_STEP", step, 1);
    ::setenv("SLURM_ARRAY_TASK_COUNT", count, 1);
  };
  set("5", "1", "9", "2", "5");
  CHECK(corpus::shard_from("slurm").index == 2);
  CHECK(corpus::shard_from("slurm").count == 5);
  CHECK(corpus::shard_from("slurm/100").index == 5);
  CHECK(corpus::shard_from("slurm/100").count == 100);
  CHECK(refused("slurm/5").find("no shard 5 of 5") != std::string::npos);
  set("3", "1", "7", "1", "3");  // --array=1,3,7
  CHECK(refused("slurm").find("not evenly spaced; give --shard slurm/N") != std::string::npos);
}

TEST_CASE("an index knows every line's place, is kept, and is not believed when the file has changed") {
  const Scratch scratch;
  std::string text = "\xef\xbb\xbf";
  for (int i = 0; i < 3000; ++i) text += std::string(std::size_t(i % 50), 'x') + std::to_string(i) + "\r\n";
  const auto path = scratch.write("pool", text);
  const corpus::LineIndex index = corpus::line_index(path);
  CHECK(index.lines == 3000);
  CHECK(index.offsets.size() == 3);
  CHECK(std::filesystem::exists(corpus::index_path(path)));
  for (const Index line : {0, 1, 1023, 1024, 2047, 2048, 2999}) {
    corpus::LineStream stream(path.string());
    index.seek(stream, line);
    corpus::Text found;
    CHECK(stream.next(found));
    CHECK(found.text == std::string(std::size_t(line % 50), 'x') + std::to_string(line));
  }
  CHECK(index.kept);
  CHECK(corpus::line_index(path).sha256 == index.sha256);
  CHECK(corpus::line_index(path).kept);
  scratch.write("pool.vitrine-index", "{\"format\": 1, \"bytes\": ");
  CHECK(corpus::line_index(path).lines == 3000);
  std::string wrong = read_text(corpus::index_path(path));
  wrong.replace(wrong.find("\"lines\":3000"), 12, "\"lines\":9000");
  scratch.write("pool.vitrine-index", wrong);
  CHECK(corpus::line_index(path).lines == 3000);

  std::filesystem::remove(corpus::index_path(path)), std::filesystem::create_directory(corpus::index_path(path));
  const corpus::LineIndex own = corpus::line_index(path);  // where none can be written, nor read
  CHECK(own.sha256 == index.sha256);
  CHECK_FALSE(own.kept);
  std::filesystem::remove(corpus::index_path(path));

  scratch.write("pool", text + "one more\n");
  const corpus::LineIndex longer = corpus::line_index(path);
  CHECK(longer.lines == 3001);
  CHECK(longer.sha256 != index.sha256);
  CHECK(error_of([&] { corpus::line_index(scratch / "nothing"); }) == "file_missing");
  CHECK(corpus::line_index(scratch.write("empty", "")).lines == 0);
}
