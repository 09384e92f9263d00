// The loop over a pool, whatever is made of its lines: lines in, batches by length, rows out in order, and an end at
// the next row when Stop is asked. Which rows come out depends on no batch, no thread and no moment of stopping.
//   struct Mine : vt::corpus::Job { ... };                             what a line is, and its rows
//   vt::corpus::run(job, input, rows, {}, progress)                    rows: StdoutRows, or a shard's part (shards.hpp)
#pragma once
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <exception>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>
#include <vitrine/corpus/batches.hpp>
#include <vitrine/corpus/input.hpp>
#include <vitrine/corpus/progress.hpp>
#include <vitrine/corpus/stop.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::corpus {

/// Lines that are looked at together; targets are as many as sources where they were given, else none.
struct Pool {
  std::vector<Line> sources = {}, targets = {};
};

/// What a program makes of lines. Rows are texts, line breaks included.
class Job {
 public:
  virtual ~Job() = default;
  // What stands before all rows, a copy.
  virtual std::string header() const { return {}; }
  // A line as its model reads it; never throws for what the line holds.
  virtual Line read(Text text, Index number) const = 0;
  // A given target of it; unless told otherwise, nothing that could be used.
  virtual Line read_target(Text text, Index number) const { return {.number = number, .text = std::move(text.text)}; }
  /// Must the first pool be as large as it can be, whatever waiting that takes? (Where something is decided by it.)
  virtual bool waits_for_first_pool() const { return false; }
  /// Is shown the lines before they are computed, and may give lines an error and take their ids.
  virtual void prepare(Pool&) {}
  /// How many threads compute a pool of so many batches, at least 1: compute() is called from all of them at once.
  virtual Index workers(Index /*batches*/) { return 1; }
  /// How many source tokens suit its model, computed together.
  virtual Index batch_tokens() const { return 2048; }
  // The rows of a line without ids, on the heap.
  virtual std::string empty_row(const Line& line) const = 0;
  /// Fills rows[i] for every line i of the batch. May throw.
  virtual void compute(const Pool& pool, std::span<const std::size_t> batch, std::span<std::string> rows) = 0;
};

/// Where rows go. A call throws Error write_failed.
class Rows {
 public:
  virtual ~Rows() = default;
  /// What stands before them all.
  virtual void header(std::string_view text) = 0;
  /// The rows of the first `count` lines of a pool.
  virtual void rows(std::string_view text, const Pool& pool, Index count) = 0;
  /// A line, or its target, that could not be used.
  virtual void bad(const Line& line, bool target) = 0;
};

/// How much is read and computed at a time; changes no row.
struct LoopOptions {
  Index lines = 512;  // looked at together, and sorted by length
  Index tokens = 0;   // of sources, computed together; 0: as many as suit the job's model
};

/// What became of a pool.
struct Outcome {
  Index lines = 0, unusable = 0;  // with rows; of these, without ids for a reason
  bool stopped = false;           // lines may be left
};

/// The next lines of an input, at most so many: as many as are there without waiting, or with `wait` all of them. Empty
/// at the end. Lists on the heap; throws Error as Input.
inline Pool read_pool(Job& job, Input& input, Index lines, bool wait) {
  Pool pool;
  while (Index(pool.sources.size()) < lines && (wait || pool.sources.empty() || input.ready()) && input.next()) {
    pool.sources.push_back(job.read(std::move(input.source), input.number()));
    if (!input.has_targets()) continue;
    pool.targets.push_back(job.read_target(std::move(input.target), input.number()));
    if (!pool.targets.back().usable()) pool.sources.back().ids.clear();
  }
  job.prepare(pool);
  return pool;
}

/// Runs a job over an input. Throws what the job, the input and the rows throw; all rows before were written then.
Outcome run(Job& job, Input& input, Rows& rows, const LoopOptions& options, Progress& progress);

/// Rows to standard output, at once; unusable lines are named on stderr. Throws Error write_failed.
class StdoutRows final : public Rows {
 public:
  /// Names of `input` and ends lines of `progress`, which must outlive it.
  StdoutRows(std::string program, const Input& input, Progress& progress)
      : program_(std::move(program)), input_(input), progress_(progress) {}
  /// As Rows::header.
  void header(std::string_view text) override { write(text); }
  void rows(std::string_view text, const Pool&, Index) override { write(text); }
  void bad(const Line& line, bool target) override {
    progress_.end();
    std::fprintf(stderr, "%s: %s:%td: %s\n", program_.c_str(), (target ? input_.targets_name() : input_.name()).c_str(),
                 static_cast<std::ptrdiff_t>(line.number + 1), line.error.c_str());
  }
  /// All of the text. Throws Error write_failed.
  static void write(std::string_view text) {
    while (!text.empty()) {
      const ssize_t put = ::write(STDOUT_FILENO, text.data(), text.size());
      if (put < 0 && errno == EINTR) continue;
      if (put <= 0)
        throw Error(LoadError::write_failed, "stdout", "cannot be written: " + std::generic_category().message(errno));
      text.remove_prefix(static_cast<std::size_t>(put));
    }
  }

 private:
  std::string program_;
  const Input& input_;
  Progress& progress_;
};

// ---- implementation

namespace detail {

/// f(i) for i from 0 to count - 1, on so many threads, until it was asked to stop; throws the first that f threw.
template <class F>
void each_on(Index workers, std::size_t count, F&& f) {
  std::atomic<std::size_t> next = 0;
  std::exception_ptr failed;
  std::mutex mutex;
  const auto work = [&] {
    try {
      for (std::size_t i = 0; !Stop::asked() && (i = next.fetch_add(1)) < count;) f(i);
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!failed) failed = std::current_exception();
      next = count;
    }
  };
  {
    std::vector<std::jthread> others;
    while (Index(others.size()) + 1 < workers) others.emplace_back(work);
    work();
  }
  if (failed) std::rethrow_exception(failed);
}

/// Computes a pool batch by batch; the rows of the lines before the first that was not computed, as many as `count`.
inline std::string compute_pool(Job& job, const Pool& pool, Index tokens, Index& count) {
  std::vector<std::string> rows(pool.sources.size());
  std::vector<char> ready(pool.sources.size());  // not bool: written by several threads
  for (std::size_t i = 0; i < rows.size(); ++i)
    if (!pool.sources[i].usable()) rows[i] = job.empty_row(pool.sources[i]), ready[i] = 1;
  const auto all = batches(pool.sources, tokens);
  each_on(job.workers(Index(all.size())), all.size(), [&](std::size_t which) {
    job.compute(pool, all[which], rows);
    for (const std::size_t i : all[which]) ready[i] = 1;
  });
  std::string text;
  for (count = 0; count < Index(rows.size()) && ready[std::size_t(count)] == 1; ++count)
    text += rows[std::size_t(count)];
  return text;
}

inline Index report(Rows& rows, const Pool& pool, Index count) {
  Index unusable = 0;
  for (std::size_t i = 0; i < std::size_t(count); ++i) {
    const bool own = !pool.sources[i].error.empty(), target = !pool.targets.empty() && !pool.targets[i].error.empty();
    if (own) rows.bad(pool.sources[i], false);
    if (target) rows.bad(pool.targets[i], true);
    unusable += own || target ? 1 : 0;
  }
  return unusable;
}

}  // namespace detail

inline Outcome run(Job& job, Input& input, Rows& rows, const LoopOptions& options, Progress& progress) {
  Outcome outcome;
  while (!(outcome.stopped = Stop::asked())) {
    const Pool pool = read_pool(job, input, options.lines, outcome.lines == 0 && job.waits_for_first_pool());
    if (pool.sources.empty()) break;
    Index count = 0;
    const std::string text =
        detail::compute_pool(job, pool, options.tokens > 0 ? options.tokens : job.batch_tokens(), count);
    outcome.unusable += detail::report(rows, pool, count);
    rows.rows(text, pool, count);
    outcome.lines += count;
    progress.at(outcome.lines, input.fraction());
  }
  outcome.stopped = Stop::asked();
  progress.end();
  if (!outcome.stopped) input.check_end();
  return outcome;
}

}  // namespace vitrine::inline VITRINE_ABI::corpus

#include <vitrine/core/macros_pop.hpp>
