// A shard of a file through a job, to a part on the disk: what is there and right is left alone, what a killed process
// left is taken up. Because rows depend on nothing but model, options and line, doing a shard twice gives the same
// bytes, and no process needs to know of another.
//   const auto outcome = vt::corpus::run_shard(job, work, {.folder = "out"}, {}, progress, say);
#pragma once
#include <functional>
#include <string>
#include <vitrine/corpus/line_index.hpp>
#include <vitrine/corpus/loop.hpp>
#include <vitrine/corpus/part.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::corpus {

/// The whole of which a shard is done.
struct Work {
  std::string input = {}, targets = {};  // files; no targets: ""
  Manifest manifest = {};                // program, model_sha256, options, extension and shard
};

/// Where a part goes and how often it is made safe.
struct PartOptions {
  std::string folder = {};
  Index checkpoint_every = 10000;  // lines
  bool overwrite = false;          // parts of other work too
};

/// Does what is missing of the shard. The outcome is that of the whole part; stopped: a checkpoint was written, and
/// lines are left. `say` is given sentences for whoever watches. Throws TryAgain, Error as Part, Input and line_index,
/// bad_usage for as many targets as there are not lines, and where the part was made of other lines.
Outcome run_shard(Job& job, const Work& work, const PartOptions& where, const LoopOptions& options, Progress& progress,
                  const Part::Say& say);

// ---- implementation

namespace detail {

inline void hash_line(Sha256& hash, const std::string& source, const std::string* target) {
  hash.update(source), hash.update("\n");
  if (target != nullptr) hash.update(*target), hash.update("\n");
}

/// Rows of a part, with the hash of the lines that they are of.
class PartRows final : public Rows {
 public:
  PartRows(Part& part, Sha256 lines, Index checkpoint_every, const Progress& progress)
      : part_(part), lines_(lines), every_(checkpoint_every), progress_(progress) {}
  void header(std::string_view text) override { part_.header(text); }
  void rows(std::string_view text, const Pool& pool, Index count) override {
    part_.rows(text, count);
    for (std::size_t i = 0; i < std::size_t(count); ++i)
      hash_line(lines_, pool.sources[i].text, pool.targets.empty() ? nullptr : &pool.targets[i].text);
    if ((since_ += count) >= every_) checkpoint();
  }
  void bad(const Line& line, bool target) override { part_.bad(line.number, (target ? "target: " : "") + line.error); }
  void checkpoint() { part_.checkpoint(lines_, progress_.seconds()), since_ = 0; }
  const Sha256& lines() const { return lines_; }

 private:
  Part& part_;
  Sha256 lines_;
  Index every_, since_ = 0;
  const Progress& progress_;
};

/// Reads lines that need no rows; their hash.
inline Sha256 hash_of_next(Input& input, Index lines) {
  Sha256 hash;
  while (lines-- > 0 && input.next())
    hash_line(hash, input.source.text, input.has_targets() ? &input.target.text : nullptr);
  return hash;
}

}  // namespace detail

inline Outcome run_shard(Job& job, const Work& work, const PartOptions& where, const LoopOptions& options,
                         Progress& progress, const Part::Say& say) {
  const LineIndex index = line_index(work.input),
                  targets = work.targets.empty() ? LineIndex() : line_index(work.targets);
  if (!work.targets.empty() && targets.lines != index.lines)
    throw Error(LoadError::bad_usage, work.targets,
                "has " + std::to_string(targets.lines) + " lines, the input has " + std::to_string(index.lines));
  Manifest wanted = work.manifest;
  describe_build(wanted);
  wanted.input_lines = index.lines, wanted.input_sha256 = index.sha256, wanted.targets_sha256 = targets.sha256;
  wanted.range = wanted.shard.range(index.lines);

  Part part(where.folder, wanted, where.overwrite, say);
  const auto open = [&] {
    Input input(LineStream(work.input), work.targets);
    input.restrict_to(wanted.range, index, &targets);
    return input;
  };
  Input input = open();
  const Index known = part.done() ? wanted.range.count() : part.lines();
  Sha256 lines = detail::hash_of_next(input, known);
  if (Stop::asked()) throw TryAgain("stopped before the first line");
  if (known > 0 && !part.made_of(lines))
    throw Error(LoadError::bad_usage, work.input,
                "was changed: its lines from " + std::to_string(wanted.range.first + 1) +
                    " on are not those that part " + std::to_string(wanted.shard.index) + " was made of");
  if (part.done()) return {wanted.range.count(), part.manifest().unusable, false};

  detail::PartRows rows(part, lines, where.checkpoint_every, progress);
  if (known == 0) part.restart(), rows.header(job.header());
  const Outcome outcome = run(job, input, rows, options, progress);
  const bool whole = part.lines() == wanted.range.count();
  if (!whole && !outcome.stopped)
    throw Error(LoadError::bad_usage, work.input, "has fewer lines than its index says: it was changed");
  whole ? part.commit(rows.lines(), progress.seconds()) : rows.checkpoint();
  return {part.lines(), part.manifest().unusable, !whole};
}

}  // namespace vitrine::inline VITRINE_ABI::corpus

#include <vitrine/core/macros_pop.hpp>
