// Parts on the disk: done once, taken up after a stop, damaged in every way, and merged or refused.
#include <doctest/doctest.h>
#include <signal.h>

#include <array>
#include <filesystem>
#include <string>
#include <vector>
#include <vitrine/corpus/growing_file.hpp>
#include <vitrine/corpus/manifest.hpp>
#include <vitrine/corpus/merge.hpp>
#include <vitrine/corpus/part.hpp>
#include <vitrine/corpus/shards.hpp>

#include "../io/scratch.hpp"
#include "counting_job.hpp"

namespace corpus = vitrine::corpus;
using vitrine::Index;

namespace {

struct Corpus {
  Scratch scratch = {};
  std::string folder = (scratch / "out").string();
  std::string model = "model";
  std::vector<std::string> said = {};
  int batches = 0, stop_at = -1;

  explicit Corpus(Index lines) { scratch.write("pool", counting_input(lines)); }
  corpus::Outcome shard(Index index, Index count, bool overwrite = false) {
    const corpus::Stop stop;
    CountingJob job;
    job.before_batch = [&] {
      if (batches++ == stop_at) ::raise(SIGTERM);
    };
    corpus::Work work{(scratch / "pool").string(), "", {}};
    work.manifest.program = "counting", work.manifest.model_sha256 = model, work.manifest.extension = ".csv";
    work.manifest.shard = {index, count};
    corpus::Progress progress(false);
    return corpus::run_shard(job, work, {folder, 50, overwrite}, {.lines = 32, .tokens = 100}, progress,
                             [&](const std::string& one) { said.push_back(one); });
  }
  std::string merged(bool mixed = false) {
    std::string text;
    corpus::merge(folder, corpus::check_parts(folder, mixed), [&](std::string_view one) { text += one; });
    return text;
  }
  std::string refusal(bool mixed = false) {
    std::string message;
    CHECK(error_of([&] { merged(mixed); }, &message) == "bad_usage");
    return message;
  }
  std::filesystem::path part(Index index, const std::string& extension) {
    return corpus::part_path(folder, index, extension);
  }
  bool says(const std::string& text) const {
    for (const std::string& one : said)
      if (one.find(text) != one.npos) return true;
    return false;
  }
  void edit(Index index, const std::string& extension, const std::string& from, const std::string& to) {
    std::string text = read_text(part(index, extension));
    const std::size_t at = text.find(from);
    REQUIRE(at != text.npos);
    std::ofstream(part(index, extension), std::ios::binary) << text.replace(at, from.size(), to);
  }
};

bool has(const std::string& text, const std::string& part) { return text.find(part) != text.npos; }

const std::string header = "number,text,ids\n";

}  // namespace

TEST_CASE("shards make what one run makes, whatever their number") {
  for (const Index count : {1, 2, 3, 8, 1200}) {
    Corpus one(count == 1200 ? 50 : 1000);
    const Index lines = count == 1200 ? 50 : 1000;
    Index done = 0, unusable = 0;
    for (Index i = count; i-- > 0;) {
      const corpus::Outcome outcome = one.shard(i, count);
      CHECK_FALSE(outcome.stopped);
      done += outcome.lines, unusable += outcome.unusable;
    }
    CHECK(done == lines);
    CHECK(unusable == (lines == 1000 ? 10 : 0));
    CHECK(one.merged() == header + counting_rows(0, lines));
    CHECK_FALSE(std::filesystem::exists(one.part(0, ".checkpoint")));
    CHECK_FALSE(std::filesystem::exists(one.part(0, ".csv.tmp")));
    CHECK_FALSE(std::filesystem::exists(one.part(0, ".lock")));
  }
}

TEST_CASE("bad lines are listed beside the part") {
  Corpus one(250);
  CHECK(one.shard(0, 1).unusable == 2);
  CHECK(read_text(one.part(0, ".bad")) == "100\tis bad\n200\tis bad\n");
}

TEST_CASE("a part that is there and right is not computed again") {
  Corpus one(200);
  one.shard(1, 2);
  const auto time = std::filesystem::last_write_time(one.part(1, ".csv"));
  one.batches = 0;
  CHECK(one.shard(1, 2).lines == 100);
  CHECK(one.batches == 0);
  CHECK(one.said.empty());
  CHECK(std::filesystem::last_write_time(one.part(1, ".csv")) == time);
}

TEST_CASE("what a process left that was killed at the end of its part goes with the next try") {
  Corpus one(200);
  one.shard(1, 2);
  for (const char* left :
       {".checkpoint", ".csv.tmp", ".bad.tmp", ".lock", ".json.vitrine-0.tmp", ".checkpoint.vitrine-0.tmp"}) {
    std::ofstream(one.part(1, left)) << "left";
    CHECK(one.shard(1, 2).lines == 100);
    CHECK_FALSE(std::filesystem::exists(one.part(1, left)));
  }
  CHECK(one.said.empty());
  std::filesystem::remove(one.part(1, ".json"));  // also where the part is made anew
  std::ofstream(one.part(1, ".checkpoint.vitrine-0.tmp")) << "left";
  one.shard(1, 2);
  CHECK_FALSE(std::filesystem::exists(one.part(1, ".checkpoint.vitrine-0.tmp")));
}

TEST_CASE("a stopped part goes on behind its checkpoint, at every batch") {
  const std::string all = header + counting_rows(0, 300);
  for (int first = 0; first < 40; first += 3) {
    Corpus one(300);
    one.stop_at = first;
    const corpus::Outcome stopped = one.shard(0, 1);
    CHECK(stopped.stopped);
    CHECK(std::filesystem::exists(one.part(0, ".checkpoint")));
    CHECK(has(one.refusal(), "holds no part-*.json"));
    one.stop_at = one.batches + 2;
    CHECK(one.shard(0, 1).lines >= stopped.lines);
    one.stop_at = -1;
    CHECK(one.shard(0, 1).lines == 300);
    CHECK(one.said.empty());
    CHECK(one.merged() == all);
  }
}

TEST_CASE("what was written behind a checkpoint is written again") {
  Corpus one(300);
  one.stop_at = 20;
  CHECK(one.shard(0, 1).stopped);
  std::ofstream(one.part(0, ".csv.tmp"), std::ios::app | std::ios::binary) << "half a ro";
  one.stop_at = -1;
  one.shard(0, 1);
  CHECK(one.said.empty());
  CHECK(one.merged() == header + counting_rows(0, 300));
}

TEST_CASE("a damaged checkpoint is named, and the part begins anew") {
  for (const std::string what : {"cut", "edited", "gone", "no json", "other vectors"}) {
    Corpus one(300);
    one.stop_at = 20;
    CHECK(one.shard(0, 1).stopped);
    if (what == "cut") std::filesystem::resize_file(one.part(0, ".csv.tmp"), 100);
    if (what == "edited") one.edit(0, ".csv.tmp", "xx", "xy");
    if (what == "gone") std::filesystem::remove(one.part(0, ".csv.tmp"));
    if (what == "no json") std::filesystem::resize_file(one.part(0, ".checkpoint"), 30);
    if (what == "other vectors") one.edit(0, ".checkpoint", "\"vector_bits\": ", "\"vector_bits\": 9");
    one.stop_at = -1;
    one.shard(0, 1);
    CHECK(one.says("the part begins anew"));
    CHECK(one.merged() == header + counting_rows(0, 300));
  }
}

TEST_CASE("a part that was begun for other work is refused, and kept unless that is asked for") {
  for (const std::string what : {"model", "input"}) {
    Corpus one(300);
    one.stop_at = 20;
    const Index begun = one.shard(0, 1).lines;
    CHECK(begun > 0);
    one.stop_at = -1;
    if (what == "model") one.model = "another";
    if (what == "input") one.scratch.write("pool", counting_input(301));
    std::string message;
    CHECK(error_of([&] { one.shard(0, 1); }, &message) == "bad_usage");
    CHECK(has(message, what == "model" ? "was made by another model" : "was made of another input"));
    CHECK(has(message, ".checkpoint"));
    if (what == "model") {  // nothing was lost
      one.model = "model", one.batches = 0, one.stop_at = 0;
      CHECK(one.shard(0, 1).lines >= begun);
      one.model = "another", one.stop_at = -1;
    }
    one.said.clear();
    CHECK(one.shard(0, 1, true).lines == (what == "input" ? 301 : 300));
    CHECK(one.says("the part begins anew"));
    CHECK(one.merged() == header + counting_rows(0, what == "input" ? 301 : 300));
  }
}

TEST_CASE("a part of other vectors is whole to a rerun, refused by a merge, and made anew where that is asked for") {
  Corpus one(300);
  for (Index i = 0; i < 3; ++i) one.shard(i, 3);
  one.edit(1, ".json", "\"vector_bits\": ", "\"vector_bits\": 9");
  one.shard(1, 3);
  CHECK(has(one.refusal(), "part-00001 was made with other vectors"));
  one.shard(1, 3, true);
  CHECK(one.merged() == header + counting_rows(0, 300));
}

TEST_CASE("a manifest's numbers are not believed") {
  const std::vector<std::array<std::string, 3>> edits = {
      {"\"header_bytes\": ", "\"header_bytes\": 1", "part-00001 has a header of 1"},
      {"\"header_bytes\": ", "\"header_bytes\": 99999999", "has more header_bytes than bytes"},
      {"\"unusable_lines\": ", "\"unusable_lines\": -", "unusable lines of 100"}};
  for (const auto& [from, to, sentence] : edits) {
    Corpus one(300);
    for (Index i = 0; i < 3; ++i) one.shard(i, 3);
    one.edit(1, ".json", from, to);
    CHECK(has(one.refusal(), sentence));
  }
}

TEST_CASE("who stops while the lines are still counted is asked for another try") {
  Corpus one(300);
  const corpus::Stop stop;
  ::raise(SIGTERM);
  CHECK_THROWS_AS(corpus::line_index(one.scratch / "pool"), corpus::TryAgain);
}

TEST_CASE("a damaged part is named and computed again") {
  const std::vector<std::pair<std::string, std::string>> damages = {{"cut", "has 100 bytes, its manifest says"},
                                                                    {"edited", "was changed: its SHA-256"},
                                                                    {"gone", "part-00001.csv is missing"},
                                                                    {"bad edited", "part-00001.bad was changed"},
                                                                    {"manifest cut", "is not a JSON object"}};
  for (const auto& [what, sentence] : damages) {
    Corpus one(300);
    for (Index i = 0; i < 3; ++i) one.shard(i, 3);
    if (what == "cut") std::filesystem::resize_file(one.part(1, ".csv"), 100);
    if (what == "edited") one.edit(1, ".csv", "xx", "xy");
    if (what == "gone") std::filesystem::remove(one.part(1, ".csv"));
    if (what == "bad edited") one.edit(1, ".bad", "is bad", "is Bad");
    if (what == "manifest cut") std::filesystem::resize_file(one.part(1, ".json"), 100);
    CHECK(has(one.refusal(), sentence));
    one.shard(1, 3);
    CHECK(one.says(sentence));
    CHECK(one.merged() == header + counting_rows(0, 300));
  }
}

TEST_CASE("parts of other work are refused, and kept unless that is asked for") {
  Corpus one(300);
  for (Index i = 0; i < 3; ++i) one.shard(i, 3);
  std::string message;
  one.model = "another";
  CHECK(error_of([&] { one.shard(1, 3); }, &message) == "bad_usage");
  CHECK(has(message, "was made by another model (\"model\", not \"another\"); give another --output, or --overwrite"));
  CHECK(one.merged() == header + counting_rows(0, 300));
  one.shard(1, 3, true);
  CHECK(has(one.refusal(), "part-00001 was made by another model"));
  CHECK_FALSE(has(one.refusal(), "is missing"));
  one.model = "model";
  one.shard(1, 3, true);
  CHECK(one.merged() == header + counting_rows(0, 300));

  CHECK(error_of([&] { one.shard(1, 4); }, &message) == "bad_usage");
  CHECK(has(message, "is a part of another cut"));
  one.scratch.write("pool", counting_input(299));
  CHECK(error_of([&] { one.shard(1, 3); }, &message) == "bad_usage");
  CHECK(has(message, "was made of another input"));
}

TEST_CASE("an input that changed without a trace is found by its lines") {
  Corpus one(300);
  one.shard(1, 3);
  const auto pool = one.scratch / "pool";
  const auto time = std::filesystem::last_write_time(pool);
  std::string text = read_text(pool);
  text[text.find("\n", text.size() / 2) + 1] = 'y';
  one.scratch.write("pool", text);
  std::filesystem::last_write_time(pool, time);
  std::string message;
  CHECK(error_of([&] { one.shard(1, 3); }, &message) == "bad_usage");
  CHECK(has(message, "was made of another input"));  // by the time at which its entry changed, which nobody sets
  // With an index that says it is as it was:
  one.scratch.write("pool", counting_input(300));
  corpus::line_index(pool);
  std::string index = read_text(corpus::index_path(pool));
  one.scratch.write("pool", text);
  std::filesystem::last_write_time(pool, time);
  corpus::LineIndex now;
  REQUIRE(corpus::detail::stat_file(pool, now));
  nlohmann::json json = nlohmann::json::parse(index);
  json["changed_ns"] = now.changed_ns, json["modified_ns"] = now.modified_ns;
  std::ofstream(corpus::index_path(pool)) << json.dump();
  CHECK(error_of([&] { one.shard(1, 3); }, &message) == "bad_usage");
  CHECK(has(message, "was changed: its lines from 101 on are not those that part 1 was made of"));
}

TEST_CASE("a merge refuses gaps, doubles and mixtures, and names all of them") {
  Corpus one(400);
  for (Index i = 0; i < 4; ++i) one.shard(i, 4);
  const auto copy = [&](Index from, Index to) {
    for (const char* extension : {".csv", ".json", ".bad"})
      std::filesystem::copy_file(one.part(from, extension), one.part(to, extension),
                                 std::filesystem::copy_options::overwrite_existing);
  };
  copy(1, 7);
  CHECK(has(one.refusal(), "part-00007.json is the manifest of part 1; part-00001 is there twice"));
  for (const char* extension : {".csv", ".json", ".bad"}) std::filesystem::remove(one.part(7, extension));
  std::filesystem::remove(one.part(0, ".json")), std::filesystem::remove(one.part(3, ".json"));
  std::ofstream(one.part(3, ".csv.tmp")) << "x";
  CHECK(has(one.refusal(), "part 0 of 4 is missing; part 3 of 4 is not finished"));
  one.shard(0, 4), one.shard(3, 4);
  CHECK(one.merged() == header + counting_rows(0, 400));

  one.edit(2, ".json", "\"vector_bits\": ", "\"vector_bits\": 1");
  CHECK(has(one.refusal(), "part-00002 was made with other vectors (\"1"));
  CHECK(one.merged(true) == header + counting_rows(0, 400));
  const bool fma = has(read_text(one.part(1, ".json")), "\"fma\": true");
  one.edit(1, ".json", fma ? "\"fma\": true" : "\"fma\": false", fma ? "\"fma\": false" : "\"fma\": true");
  CHECK(has(one.refusal(), fma ? "bits without fma\", not" : "bits with fma\", not"));
  one.edit(1, ".json", "\"model_sha256\"", "\"model\"");
  CHECK(has(one.refusal(true), "part-00001.json: has no \"model_sha256\""));
  one.shard(1, 4);
  one.edit(2, ".json", "\"first_line\": 200", "\"first_line\": 190");
  CHECK(has(one.refusal(true), "part-00002 has lines 190 to 300, which overlap others' or leave a gap"));
  CHECK(has(
      [&] {
        std::string message;
        error_of([&] { corpus::check_parts(one.scratch / "nowhere", false); }, &message);
        return message;
      }(),
      "cannot be read"));
}

TEST_CASE("two processes on one part: the second asks for another try") {
  Corpus one(100);
  std::filesystem::create_directories(one.folder);
  const corpus::FileLock lock(one.part(0, ".lock"));
  CHECK_THROWS_AS(one.shard(0, 1), corpus::TryAgain);
}

TEST_CASE("a folder that cannot be made or written is named before any work") {
  Corpus one(100);
  one.scratch.write("file", "");
  one.folder = (one.scratch / "file" / "out").string();
  CHECK(error_of([&] { one.shard(0, 1); }) == "file_not_created");
  CHECK(one.batches == 0);
}

TEST_CASE("a growing file is what was written, or is not there") {
  const Scratch scratch;
  {
    corpus::GrowingFile file(scratch / "a");
    CHECK(file.resume(0, vitrine::sha256_hex("")));
    file.write("hello "), file.write(std::string(100000, 'x'));
    file.sync();
    CHECK_FALSE(std::filesystem::exists(scratch / "a"));
    CHECK(file.size() == 100006);
  }
  {
    corpus::GrowingFile file(scratch / "a");
    CHECK(file.resume(6, vitrine::sha256_hex("hello ")));
    file.write("world");
    file.commit();
  }
  CHECK(read_text(scratch / "a") == "hello world");
  corpus::GrowingFile file(scratch / "b");
  file.write("abc");
  file.sync();
  std::ofstream(scratch / "b.tmp", std::ios::in | std::ios::binary) << "X";  // somebody else writes there
  CHECK(error_of([&] { file.commit(); }) == "write_failed");
  CHECK_FALSE(std::filesystem::exists(scratch / "b"));
}

TEST_CASE("a model's hash is that of all that decides its results") {
  const Scratch scratch;
  scratch.write("config.json", "{}"), scratch.write("model.safetensors", "abc");
  const std::string before = corpus::model_hash(scratch.folder);
  scratch.write("README.md", "not a part");
  CHECK(corpus::model_hash(scratch.folder) == before);
  scratch.write("model.safetensors", "abd");
  CHECK(corpus::model_hash(scratch.folder) != before);
  CHECK(error_of([&] { corpus::model_hash(scratch / "nowhere"); }) == "config_missing");
}
