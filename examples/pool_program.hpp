// What the programs that go through a pool of lines have in common: where lines come from and rows go, shards, merging,
// and how a run ends. A program has a Job (corpus/loop.hpp) and says what decides its rows.
#pragma once
#include <cstdio>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>
#include <vitrine/core/storage.hpp>
#include <vitrine/corpus/merge.hpp>
#include <vitrine/corpus/shards.hpp>

#include "option_table.hpp"

namespace pool {

namespace vt = vitrine;
namespace corpus = vt::corpus;
using vt::Index;

struct Options {
  std::string input, output, shard = "0/1", merge;
  std::vector<std::string> words;
  Index lines = 512, tokens = 0, skip = 0, checkpoint_every = 10000;
  bool index = false, allow_mixed = false, overwrite = false;
};

// What decides the rows of a program, for the manifest of its parts.
struct About {
  std::string model, targets;  // a folder; a file or ""
  nlohmann::json options;      // those that change rows
  std::string extension;       // of the parts
};

inline constexpr const char* footer =
    "The same bytes for any --batch, --batch-tokens, --threads and --shard. Ctrl-C and SIGTERM end it at the next "
    "row.\n"
    "Exit: 0; 2 for a bad option or file, and after all others for lines that could not be used (named on stderr, or "
    "in\n"
    "part-*.bad); 75 when lines are left to do: the same command again goes on.\n";

inline void add_options(OptionTable& table, Options& o) {
  table.text("--input", "FILE", "the lines; plain, .gz or .zst; default: words given, else stdin", o.input);
  table.text("--output", "DIR",
             "parts on the disk instead of rows on stdout: DIR/part-00000.*; what is there and right is\n"
             "left alone, what a killed run left is taken up",
             o.output);
  table.text("--shard", "I/N",
             "with --output: part I (from 0) of N of the lines; slurm: from the array's environment;\n"
             "slurm/N: I is SLURM_ARRAY_TASK_ID; default: 0/1",
             o.shard);
  table.number("--checkpoint-every", "10000: lines behind which a killed shard goes on", o.checkpoint_every, 1,
               Index{1} << 40);
  table.toggle("--overwrite", "parts that another model, input or options made are computed again", o.overwrite);
  table.toggle("--index", "instead: find out where the lines of --input begin, once for all shards", o.index);
  table.text("--merge", "DIR", "instead: all parts of DIR to stdout, in order; refuses gaps and mixtures", o.merge);
  table.toggle("--allow-mixed",
               "with --merge: parts of builds with other vectors too; rows of these may differ in their\n"
               "last digits from those of one run",
               o.allow_mixed);
  table.number("--skip", "0: lines that have their rows; then no header is written", o.skip, 0, Index{1} << 60);
  table.others(o.words);
}
// For programs that compute many lines together.
inline void add_batch_options(OptionTable& table, Options& o) {
  table.number("--batch", "512: lines looked at together", o.lines, 1, 1 << 20);
  table.number("--batch-tokens", "source tokens computed together; default: what suits the model", o.tokens, 1,
               1 << 20);
}

// How the model's weights are stored; a program names it among the options that change its rows.
using Weights = std::vector<std::string>;
inline void add_weights_option(OptionTable& table, Weights& weights) {
  table.choice("--weights", "STORAGE",
               "f32, bf16 or f16: half of the memory, or int8: a quarter; faster, and other numbers "
               "(examples/numerics.md); default: f32",
               weights, {"f32", "bf16", "f16", "int8"}, false);
}
inline vt::Storage storage_of(const Weights& weights) {
  vt::Storage storage = vt::Storage::f32;
  (void)vt::parse_storage(weights[0].c_str(), storage);
  return storage;
}

// What the table alone cannot say; "" when all is well.
inline std::string misuse(const Options& o) {
  const bool file = !o.input.empty() && o.input != "-";
  if (!o.words.empty() && !o.input.empty()) return "lines come from --input or as words, not both";
  if (!o.merge.empty() && (file || !o.output.empty() || o.shard != "0/1" || o.index || !o.words.empty()))
    return "--merge only reads its folder: leave --input, --output, --shard, --index and words out";
  if (o.allow_mixed && o.merge.empty()) return "--allow-mixed is for --merge";
  if (o.index && !file) return "--index needs --input FILE";
  if (o.shard != "0/1" && o.output.empty()) return "--shard needs --output DIR";
  if (o.overwrite && o.output.empty()) return "--overwrite is for --output";
  if (!o.output.empty() && !file) return "--output needs --input FILE, of which shards are cut";
  if (!o.output.empty() && o.skip > 0) return "--output knows what it has: leave --skip out";
  return "";
}

// Does it only read or prepare files, without a model?
inline bool needs_no_model(const Options& o) { return !o.merge.empty() || o.index; }

inline corpus::Input open(const Options& o, const std::string& targets) {
  corpus::Input input(
      o.words.empty() ? corpus::LineStream(o.input.empty() ? "-" : o.input) : corpus::LineStream(o.words), targets);
  for (Index line = 0; line < o.skip && input.next();) ++line;
  return input;
}

// Shows a job the first lines of the whole input, by which it decides what must be the same in all shards and in a run
// that goes on.
inline void see_first_lines(const Options& o, const std::string& targets, corpus::Job& job) {
  if (o.input.empty() || o.input == "-")
    throw std::invalid_argument(
        "--skip of stdin cannot see the first lines, which choose the head: give --layer and --head");
  Options whole = o;
  whole.skip = 0, whole.lines = Options().lines;
  corpus::Input input = open(whole, targets);
  while (job.waits_for_first_pool() && !corpus::read_pool(job, input, whole.lines, true).sources.empty()) {}
}

// --merge and --index.
inline int without_model(const OptionTable& table, const Options& o) {
  if (o.index) {
    const corpus::Stop stop;
    const auto index = corpus::line_index(o.input);
    if (!index.kept)
      throw vt::Error(vt::LoadError::file_not_created, corpus::index_path(o.input).string(),
                      "cannot be written; without it every shard reads the whole input first");
    if (!table.quiet())
      std::fprintf(stderr, "%s: %td lines, index in %s\n", table.program().c_str(), index.lines,
                   corpus::index_path(o.input).c_str());
    return 0;
  }
  const auto parts = corpus::check_parts(o.merge, o.allow_mixed);
  if (parts[0].program != table.program())
    throw vt::Error(vt::LoadError::bad_usage, o.merge, "holds parts of " + parts[0].program);
  Index unusable = 0;
  for (const auto& part : parts) unusable += part.unusable;
  corpus::merge(o.merge, parts, [](std::string_view text) { corpus::StdoutRows::write(text); });
  if (unusable > 0)
    std::fprintf(stderr, "%s: %td lines could not be used: see %s/part-*.bad\n", table.program().c_str(), unusable,
                 o.merge.c_str());
  return unusable > 0 ? 2 : 0;
}

inline int to_part(const OptionTable& table, const Options& o, corpus::Job& job, const About& about,
                   corpus::Progress& progress) {
  corpus::Work work{o.input, about.targets, {}};
  work.manifest.program = table.program();
  work.manifest.model_sha256 = corpus::model_hash(about.model);
  work.manifest.options = about.options;
  work.manifest.extension = about.extension;
  work.manifest.shard = corpus::shard_from(o.shard);
  const auto say = [&](const std::string& sentence) {
    progress.end();
    std::fprintf(stderr, "%s: %s\n", table.program().c_str(), sentence.c_str());
  };
  const auto outcome =
      corpus::run_shard(job, work, {o.output, o.checkpoint_every, o.overwrite}, {o.lines, o.tokens}, progress, say);
  const auto part = corpus::part_path(o.output, work.manifest.shard.index, about.extension).string();
  if (outcome.stopped)
    say(part + ": stopped behind " + std::to_string(outcome.lines) + " lines of it; the same command goes on");
  else if (outcome.unusable > 0)
    say(part + ": whole; " + std::to_string(outcome.unusable) + " lines could not be used: see its .bad");
  else if (!table.quiet())
    say(part + ": whole, " + std::to_string(outcome.lines) + " lines");
  return outcome.stopped ? corpus::try_again : outcome.unusable > 0 ? 2 : 0;
}

inline int to_stdout(const OptionTable& table, const Options& o, corpus::Job& job, const About& about,
                     corpus::Progress& progress) {
  corpus::Input input = open(o, about.targets);
  corpus::StdoutRows rows(table.program(), input, progress);
  if (o.skip == 0) rows.header(job.header());
  const auto outcome = corpus::run(job, input, rows, {o.lines, o.tokens}, progress);
  if (!outcome.stopped) return outcome.unusable > 0 ? 2 : 0;
  std::fprintf(stderr, "%s: stopped behind line %td; go on with --skip %td\n", table.program().c_str(),
               o.skip + outcome.lines, o.skip + outcome.lines);
  return corpus::try_again;
}

// Runs the job over what the options name; the status to exit with.
inline int run(const OptionTable& table, const Options& o, corpus::Job& job, const About& about) {
  const corpus::Stop stop;
  corpus::Progress progress(!table.quiet() && (!o.input.empty() || isatty(STDIN_FILENO) == 0 || !o.words.empty()));
  return o.output.empty() ? to_stdout(table, o, job, about, progress) : to_part(table, o, job, about, progress);
}

// f(), with its exceptions as sentences and statuses.
template <class F>
int guarded(const OptionTable& table, F&& f) try {
  const int status = f();
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) throw std::runtime_error("stdout cannot be written");
  return status;
} catch (const corpus::TryAgain& error) {
  std::fprintf(stderr, "%s: %s\n", table.program().c_str(), error.what());
  return corpus::try_again;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s: %s\n", table.program().c_str(), error.what());
  return 2;
}

}  // namespace pool
