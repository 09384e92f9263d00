// Which part of a corpus a process does: shard I of N has the lines from floor(I lines / N) to floor((I + 1) lines /
// N).
//   const auto shard = vt::corpus::shard_from("7/100");           or "slurm", "slurm/100": I is the task of a SLURM
//   array shard.range(lines).first
#pragma once
#include <charconv>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vitrine/core/config.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::corpus {

/// A half-open range of lines, counted from 0.
struct LineRange {
  Index first = 0, end = 0;
  /// How many lines.
  Index count() const { return end - first; }
};

/// Shard `index` of `count`, from 0.
struct Shard {
  Index index = 0, count = 1;
  /// Its lines of so many; contiguous, in order of the shards, and sizes differ by one at most. Never fails.
  LineRange range(Index lines) const {
    const auto cut = [&](Index i) {  // without overflow
      return lines / count * i + lines % count * i / count;
    };
    return {cut(index), cut(index + 1)};
  }
};

/// "I/N", from 0; "slurm": from SLURM_ARRAY_TASK_ID, _MIN, _MAX, _STEP and _COUNT of the environment (SLURM's sbatch
/// --array), whose tasks must be evenly spaced; "slurm/N": tasks 0 to N - 1, of which some may be started again alone.
/// Throws std::invalid_argument for anything else.
Shard shard_from(const std::string& text);

// ---- implementation

namespace detail {

inline bool whole_number(std::string_view text, Index& number) {
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  return failed == std::errc() && end == text.data() + text.size() && number >= 0 && number < Index{1} << 31;
}

inline Index slurm_number(const char* name) {
  const char* text = std::getenv(name);
  Index number = 0;
  if (text == nullptr || !whole_number(text, number))
    throw std::invalid_argument(std::string("--shard slurm: the environment has no number ") + name +
                                "; it is set in the tasks of sbatch --array");
  return number;
}

inline Shard slurm_shard(Index count) {
  const Index task = slurm_number("SLURM_ARRAY_TASK_ID");
  if (count > 0) return {task, count};
  const Index first = slurm_number("SLURM_ARRAY_TASK_MIN"), last = slurm_number("SLURM_ARRAY_TASK_MAX"),
              step = slurm_number("SLURM_ARRAY_TASK_STEP"), tasks = slurm_number("SLURM_ARRAY_TASK_COUNT");
  if (step < 1 || last < first || (last - first) / step + 1 != tasks || (task - first) % step != 0)
    throw std::invalid_argument("--shard slurm: the array's tasks are not evenly spaced; give --shard slurm/N");
  return {(task - first) / step, tasks};
}

}  // namespace detail

inline Shard shard_from(const std::string& text) {
  const std::size_t slash = text.find('/');
  const std::string first = text.substr(0, slash);
  Shard shard;
  shard.count = 0;
  const bool counted = slash != text.npos;
  if (counted && (!detail::whole_number(std::string_view(text).substr(slash + 1), shard.count) || shard.count < 1))
    throw std::invalid_argument("--shard takes I/N, slurm or slurm/N, not \"" + text + "\"");
  if (first == "slurm")
    shard = detail::slurm_shard(shard.count);
  else if (!counted || !detail::whole_number(first, shard.index))
    throw std::invalid_argument("--shard takes I/N, slurm or slurm/N, not \"" + text + "\"");
  if (shard.index >= shard.count)
    throw std::invalid_argument("--shard: shards are counted from 0, so that there is no shard " +
                                std::to_string(shard.index) + " of " + std::to_string(shard.count));
  return shard;
}

}  // namespace vitrine::inline VITRINE_ABI::corpus

#include <vitrine/core/macros_pop.hpp>
