// One shard's rows on the disk. part-00007.csv.tmp grows and is flushed at checkpoints, which part-00007.checkpoint
// describes; when it is whole it is renamed to part-00007.csv and then described in part-00007.json. Lines that could
// not be used are listed in part-00007.bad. A rerun does what is missing or wrong; a second process on the same shard
// asks for another try.
#pragma once
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vitrine/corpus/growing_file.hpp>
#include <vitrine/corpus/manifest.hpp>
#include <vitrine/corpus/stop.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::corpus {

/// A lock on a file of its own that ends with the process (flock); the file goes with it. Not movable.
class FileLock {
 public:
  /// Throws TryAgain when somebody else has it, Error file_not_created. Where the file system knows no locks it is
  /// none.
  explicit FileLock(const std::filesystem::path& path);
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;
  ~FileLock() {
    ::unlink(path_.c_str());
    ::close(file_);
  }

 private:
  std::filesystem::path path_;
  int file_ = -1;
};

/// The part that a process makes. Memory: buffers of 64 KiB.
class Part {
 public:
  /// Says a sentence to whoever watches.
  using Say = std::function<void(const std::string&)>;

  /// The part of the manifest's shard in a folder, which is created. What is there and right is taken over, `say` names
  /// what is not. With `overwrite` parts of other work may be replaced. Throws TryAgain, Error bad_usage for a part of
  /// other work, file_not_created, write_failed.
  Part(const std::filesystem::path& folder, Manifest wanted, bool overwrite, const Say& say);

  /// Is the whole part there and right? Then nothing may be written.
  bool done() const noexcept { return done_; }
  /// Lines of the range that have their rows already.
  Index lines() const noexcept { return lines_; }
  /// Was the part, or what was taken up of it, made of lines with this hash (hash_line)?
  bool made_of(const Sha256& lines) const { return lines.hex() == manifest_.range_sha256; }
  // The part's manifest as far as it is known.
  const Manifest& manifest() const noexcept { return manifest_; }

  /// Forgets what was taken over. Throws Error write_failed.
  void restart();
  /// What stands before the first row. Throws Error write_failed.
  void header(std::string_view text);
  /// The rows of the next lines. Throws Error write_failed.
  void rows(std::string_view text, Index lines);
  /// A line that could not be used, counted from 0. Throws Error write_failed.
  void bad(Index line, std::string_view sentence);
  /// All so far is on the disk and would be taken over. Throws Error write_failed.
  void checkpoint(const Sha256& lines, double seconds);
  /// The part is whole. Throws Error write_failed.
  void commit(const Sha256& lines, double seconds);

 private:
  std::filesystem::path path(const std::string& extension) const {
    return part_path(folder_, manifest_.shard.index, extension);
  }
  bool take_over(bool overwrite, const Say& say);
  void take_up(bool overwrite, const Say& say);
  void refuse_other_work(const std::filesystem::path& file, const Manifest& found, bool overwrite) const;
  void describe(const Sha256& lines, double seconds);
  void remove_remains() const;

  std::filesystem::path folder_;
  Manifest manifest_;
  std::unique_ptr<FileLock> lock_;
  std::unique_ptr<GrowingFile> rows_, bad_;
  Index lines_ = 0;
  double seconds_before_ = 0;
  bool done_ = false;
};

// ---- implementation

inline FileLock::FileLock(const std::filesystem::path& path) : path_(path) {
  for (;;) {
    file_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (file_ < 0)
      throw Error(LoadError::file_not_created, path_.string(),
                  "cannot be created: " + std::generic_category().message(errno));
    if (::flock(file_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
      ::close(file_);
      throw TryAgain(path_.string() + ": another process works on this part");
    }
    // Its last owner may have removed it meanwhile; then it locks nobody out.
    struct stat opened = {}, named = {};
    if (::fstat(file_, &opened) == 0 && ::stat(path_.c_str(), &named) == 0 && opened.st_ino == named.st_ino) return;
    ::close(file_);
  }
}

inline Part::Part(const std::filesystem::path& folder, Manifest wanted, bool overwrite, const Say& say)
    : folder_(folder), manifest_(std::move(wanted)) {
  std::error_code failed;
  std::filesystem::create_directories(folder_, failed);
  if (failed) throw Error(LoadError::file_not_created, folder_.string(), "cannot be created: " + failed.message());
  lock_ = std::make_unique<FileLock>(path(".lock"));
  if ((done_ = take_over(overwrite, say))) {
    remove_remains();
    return;
  }
  rows_ = std::make_unique<GrowingFile>(path(manifest_.extension));
  bad_ = std::make_unique<GrowingFile>(path(".bad"));
  take_up(overwrite, say);
}

// Is the part there, whole and of this work?
inline bool Part::take_over(bool overwrite, const Say& say) {
  std::error_code failed;
  if (!std::filesystem::exists(path(".json"), failed)) return false;
  Manifest found;
  try {
    found = read_manifest(path(".json"));
  } catch (const Error& error) {
    say(std::string(error.message()) + ": the part is computed again");
    return false;
  }
  refuse_other_work(path(".json"), found, overwrite);
  const std::string other = difference(manifest_, found, !overwrite);
  std::string wrong = other.empty() ? damage(folder_, found) : other;
  if (wrong.empty() && (found.range.first != manifest_.range.first || found.range.end != manifest_.range.end))
    wrong = "has other lines";
  if (wrong.empty()) {
    manifest_ = found;
    return true;
  }
  say(path(".json").string() + ": " + wrong + ": the part is computed again");
  return false;
}

inline void Part::refuse_other_work(const std::filesystem::path& file, const Manifest& found, bool overwrite) const {
  const std::string other = difference(manifest_, found, true);
  if (!other.empty() && !overwrite)
    throw Error(LoadError::bad_usage, file.string(),
                other + "; give another --output, or --overwrite to compute it again");
}

// Takes up the last checkpoint. One of other vectors is left behind: its rows' bits would not be this build's.
inline void Part::take_up(bool overwrite, const Say& say) {
  std::error_code failed;
  if (!std::filesystem::exists(path(".checkpoint"), failed)) return restart();
  std::string wrong;
  Manifest found;
  try {
    found = read_manifest(path(".checkpoint"));
    wrong = difference(manifest_, found, false);
  } catch (const Error& error) { wrong = error.message(); }
  if (!found.program.empty()) refuse_other_work(path(".checkpoint"), found, overwrite);
  if (wrong.empty() && !(rows_->resume(found.bytes, found.sha256) && bad_->resume(found.bad_bytes, found.bad_sha256)))
    wrong = "what was written until then is not there any more";
  if (!wrong.empty()) {
    say(path(".checkpoint").string() + ": " + wrong + ": the part begins anew");
    return restart();
  }
  lines_ = found.range.end - found.range.first;
  const LineRange range = manifest_.range;
  manifest_ = found;
  manifest_.range = range;
  seconds_before_ = found.seconds;
}

inline void Part::restart() {
  rows_->resume(0, sha256_hex("")), bad_->resume(0, sha256_hex(""));
  lines_ = 0, seconds_before_ = 0;
  manifest_.unusable = 0, manifest_.header_bytes = 0;
}

inline void Part::header(std::string_view text) {
  rows_->write(text);
  manifest_.header_bytes = text.size();
}

inline void Part::rows(std::string_view text, Index lines) {
  rows_->write(text);
  lines_ += lines;
}

inline void Part::bad(Index line, std::string_view sentence) {
  bad_->write(std::to_string(line + 1) + "\t" + std::string(sentence) + "\n");
  ++manifest_.unusable;
}

inline void Part::describe(const Sha256& lines, double seconds) {
  manifest_.range_sha256 = lines.hex();
  manifest_.bytes = rows_->size(), manifest_.sha256 = rows_->sha256();
  manifest_.bad_bytes = bad_->size(), manifest_.bad_sha256 = bad_->sha256();
  manifest_.seconds = seconds_before_ + seconds;
}

inline void Part::checkpoint(const Sha256& lines, double seconds) {
  rows_->sync(), bad_->sync();
  describe(lines, seconds);
  nlohmann::json json = to_json(manifest_);
  json["end_line"] = manifest_.range.first + lines_;
  write_manifest(path(".checkpoint"), json);
}

inline void Part::commit(const Sha256& lines, double seconds) {
  describe(lines, seconds);
  rows_->commit(), bad_->commit();
  std::error_code ignored;
  if (manifest_.bad_bytes == 0) std::filesystem::remove(path(".bad"), ignored);  // of a former try
  write_manifest(path(".json"), to_json(manifest_));
  remove_remains();
  done_ = true;
}

// What was needed on the way to a whole part, and what a process may leave that was killed while it wrote a manifest.
inline void Part::remove_remains() const {
  std::error_code ignored;
  for (const std::string& name : {std::string(".checkpoint"), std::string(".bad.tmp"), manifest_.extension + ".tmp",
                                  std::string(".checkpoint.vitrine-0.tmp"), std::string(".json.vitrine-0.tmp")})
    std::filesystem::remove(path(name), ignored);
}

}  // namespace vitrine::inline VITRINE_ABI::corpus

#include <vitrine/core/macros_pop.hpp>
