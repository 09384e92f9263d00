// The loop over a pool: rows in order whatever is computed together, and an end at a row when Stop is asked.
#include <doctest/doctest.h>
#include <signal.h>

#include <atomic>
#include <stdexcept>
#include <string>
#include <vitrine/corpus/loop.hpp>
#include <vitrine/corpus/progress.hpp>

#include "../io/scratch.hpp"
#include "counting_job.hpp"

namespace corpus = vitrine::corpus;
using vitrine::Index;

namespace {

struct Collected final : corpus::Rows {
  std::string text = {}, said = {};
  void header(std::string_view one) override { text += one; }
  void rows(std::string_view one, const corpus::Pool&, Index) override { text += one; }
  void bad(const corpus::Line& line, bool target) override {
    said += (target ? "t" : "s") + std::to_string(line.number) + " " + line.error + ";";
  }
};

corpus::Line of_length(std::size_t length) {
  corpus::Line line;
  line.ids.assign(length, 1);
  return line;
}

}  // namespace

TEST_CASE("batches hold each usable line once, similar lengths together, within the bounds") {
  std::vector<corpus::Line> lines;
  for (std::size_t i = 0; i < 500; ++i) lines.push_back(of_length(i * 31 % 40));
  std::vector<int> seen(lines.size());
  std::size_t before = 100;
  for (const auto& batch : corpus::batches(lines, 300)) {
    const std::size_t longest = lines[batch[0]].ids.size();
    CHECK(longest <= before);
    CHECK(batch.size() <= 64);
    CHECK((batch.size() == 1 || longest * batch.size() <= 300));
    for (const std::size_t i : batch) {
      ++seen[i];
      CHECK(lines[i].ids.size() <= longest);
    }
    before = lines[batch.back()].ids.size();
  }
  for (std::size_t i = 0; i < lines.size(); ++i) CHECK(seen[i] == (lines[i].usable() ? 1 : 0));
}

TEST_CASE("several threads compute a pool: each batch once, rows in order, and the first error comes out") {
  const Scratch scratch;
  const std::string path = scratch.write("pool", counting_input(1000)).string();
  for (const Index threads : {1, 2, 5}) {
    CountingJob job;
    job.threads = threads;
    std::atomic<int> batches = 0;
    job.before_batch = [&] { ++batches; };
    Collected rows;
    corpus::Progress progress(false);
    corpus::Input input{corpus::LineStream(path)};
    CHECK(corpus::run(job, input, rows, {200, 30}, progress).lines == 1000);
    CHECK(rows.text == counting_rows(0, 1000));
    const int all = batches;
    batches = 0;
    job.before_batch = [&] {
      if (++batches == 20) throw std::runtime_error("of a batch");
    };
    corpus::Input again{corpus::LineStream(path)};
    CHECK_THROWS_WITH(corpus::run(job, again, rows, {200, 30}, progress), "of a batch");
    CHECK(batches < all);
  }
}

TEST_CASE("rows do not depend on what is computed together") {
  const Scratch scratch;
  const std::string path = scratch.write("pool", counting_input(1000)).string();
  for (const corpus::LoopOptions options : {corpus::LoopOptions{}, {1, 1}, {7, 30}, {100000, 10}}) {
    CountingJob job;
    Collected rows;
    corpus::Progress progress(false);
    corpus::Input input{corpus::LineStream(path)};
    const corpus::Outcome outcome = corpus::run(job, input, rows, options, progress);
    CHECK(rows.text == counting_rows(0, 1000));
    CHECK(outcome.lines == 1000);
    CHECK(outcome.unusable == 10);
    CHECK_FALSE(outcome.stopped);
    CHECK(rows.said.starts_with("s99 is bad;s199 is bad;"));
  }
}

TEST_CASE("a bad target takes its line's row, and both are named") {
  const Scratch scratch;
  scratch.write("pool", "a\nbad\nb\n"), scratch.write("targets", "x\nbad\nbad\n");
  CountingJob job;
  Collected rows;
  corpus::Progress progress(false);
  corpus::Input input(corpus::LineStream((scratch / "pool").string()), (scratch / "targets").string());
  CHECK(corpus::run(job, input, rows, {}, progress).unusable == 2);
  CHECK(rows.text == "0,a,1,x\n1,,\n2,,\n");
  CHECK(rows.said == "s1 is bad;t1 is bad;t2 is bad;");
}

TEST_CASE("stopping at any batch leaves whole rows in order, from the first on") {
  const Scratch scratch;
  const std::string path = scratch.write("pool", counting_input(300)).string();
  const std::string all = counting_rows(0, 300);
  for (int last = 1; last < 40; ++last) {
    const corpus::Stop stop;
    CountingJob job;
    int batches = 0;
    job.before_batch = [&] {
      if (++batches == last) ::raise(SIGTERM);
    };
    Collected rows;
    corpus::Progress progress(false);
    corpus::Input input{corpus::LineStream(path)};
    const corpus::Outcome outcome = corpus::run(job, input, rows, {.lines = 64, .tokens = 100}, progress);
    CHECK(outcome.stopped == (batches >= last));
    CHECK(rows.text == counting_rows(0, outcome.lines));
  }
}

TEST_CASE("progress: lines, their rate and the time that is left") {
  CHECK(corpus::Progress::text(1000, -1, 10) == "1000 lines, 100 a second");
  CHECK(corpus::Progress::text(1000, 0.25, 10) == "1000 lines, 100 a second, 25 %, 30 s left");
  CHECK(corpus::Progress::text(10, 0.5, 4000) == "10 lines, 0.00 a second, 50 %, 1 h 6 min left");
  CHECK(corpus::duration_text(59.6) == "1 min 0 s");
  CHECK(corpus::duration_text(7325) == "2 h 2 min");
  CHECK(corpus::duration_text(-1) == "0 s");
}
