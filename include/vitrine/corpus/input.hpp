// A pool as it is read: lines and, where they are given, a target for each.
#pragma once
#include <memory>
#include <string>
#include <utility>
#include <vitrine/corpus/line.hpp>
#include <vitrine/corpus/line_index.hpp>
#include <vitrine/corpus/shard.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::corpus {

/// Lines and targets in step, over all of the input or a range of lines. Texts are on the heap.
class Input {
 public:
  // All of `stream`, without targets or with those of a file. Throws Error as LineStream.
  explicit Input(LineStream stream, const std::string& targets = {}) : sources_(std::move(stream)) {
    if (!targets.empty()) targets_ = std::make_unique<LineStream>(targets);
  }

  /// Goes to the first line of a range, and ends behind its last. Throws Error as LineStream.
  void restrict_to(const LineRange& range, const LineIndex& sources, const LineIndex* targets);
  /// The next line, and its target if there are any. False at the end of either, or where Stop came first. Throws Error
  /// as LineStream.
  bool next();
  // Do lines have targets?
  bool has_targets() const { return targets_ != nullptr; }
  /// Would next() go on without waiting?
  bool ready() { return sources_.file().ready(); }
  // Of the line that next() found last, from 0.
  Index number() const { return sources_.number() - 1; }
  /// The part of the input that was read, from 0 to 1; below 0 where its size is not known.
  double fraction() const;
  // Its name in errors.
  const std::string& name() const { return sources_.file().name(); }
  // The targets' file in errors.
  const std::string& targets_name() const { return targets_->file().name(); }
  /// Throws Error bad_usage if one of them ended before the other; for when all that was read has been dealt with.
  void check_end() const {
    if (!mismatch_.empty()) throw Error(LoadError::bad_usage, targets_name(), mismatch_);
  }

  Text source = {}, target = {};

 private:
  LineStream sources_;
  std::unique_ptr<LineStream> targets_;
  LineRange range_ = {0, -1};  // end -1: all
  std::string mismatch_;
  bool ended_ = false;
};

// ---- implementation

inline void Input::restrict_to(const LineRange& range, const LineIndex& sources, const LineIndex* targets) {
  range_ = range, ended_ = false;
  sources.seek(sources_, range.first);
  if (targets_ != nullptr && targets != nullptr) targets->seek(*targets_, range.first);
}

inline bool Input::next() {
  if (ended_ || (range_.end >= 0 && sources_.number() >= range_.end)) return false;
  const bool some = sources_.next(source);
  if (sources_.file().interrupted()) return false;
  const bool paired = has_targets() ? targets_->next(target) : some;
  ended_ = !some || !paired;
  if (some != paired)
    mismatch_ = some ? "has fewer lines than the input: line " + std::to_string(sources_.number()) + " is missing"
                     : "has more lines than the input, which has " + std::to_string(sources_.number());
  return !ended_;
}

inline double Input::fraction() const {
  if (range_.end < 0) return sources_.file().fraction();
  return range_.count() > 0
             ? static_cast<double>(sources_.number() - range_.first) / static_cast<double>(range_.count())
             : 1.0;
}

}  // namespace vitrine::inline VITRINE_ABI::corpus

#include <vitrine/core/macros_pop.hpp>
