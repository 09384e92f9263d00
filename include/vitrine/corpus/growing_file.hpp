// A file that grows for hours and must survive a kill at any moment: written as NAME.tmp, flushed at checkpoints, taken
// up again from a checkpoint whose hash still holds, and put in its place when it is whole.
//   vt::corpus::GrowingFile file("out/part-00007.csv");
//   file.resume(bytes, sha256);  file.write(row);  file.sync();  file.commit();
#pragma once
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>
#include <vitrine/io/error.hpp>
#include <vitrine/io/sha256.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::corpus {

/// A file in the making; bytes go to fixed offsets, so that a second writer of the same rows writes the same. Not
/// movable.
class GrowingFile {
 public:
  /// Opens PATH.tmp, or creates it. Throws Error file_not_created (no such folder, no permission, too long a name).
  explicit GrowingFile(const std::filesystem::path& path);
  GrowingFile(const GrowingFile&) = delete;
  GrowingFile& operator=(const GrowingFile&) = delete;
  ~GrowingFile() {
    if (file_ >= 0) ::close(file_);
  }
  /// Goes on behind the first `bytes` if they have that hash; else false, and the file begins anew. Throws Error
  /// write_failed.
  bool resume(std::uint64_t bytes, const std::string& sha256);
  /// Appends. Throws Error write_failed (disk full, quota).
  void write(std::string_view text);
  /// Everything so far is on the disk. Throws Error write_failed.
  void sync();
  /// Flushes, reads back what is on the disk, and renames PATH.tmp to PATH; without any byte there is no file. Throws
  /// Error write_failed, also when what is read is not what was written.
  void commit();
  /// Bytes so far.
  std::uint64_t size() const noexcept { return size_; }
  // Their hash, on the heap.
  std::string sha256() const { return hash_.hex(); }

 private:
  [[noreturn]] void fail(LoadError code, const char* what) const {
    throw Error(code, temporary_.string(), std::string(what) + ": " + std::generic_category().message(errno));
  }
  void flush();
  Sha256 hash_of_first(std::uint64_t bytes, std::uint64_t& found) const;

  std::filesystem::path path_, temporary_;
  int file_ = -1;
  std::uint64_t size_ = 0, written_ = 0;  // with and without what is in the buffer
  std::string buffer_;
  Sha256 hash_;
};

/// The name of a folder's entries reaches the disk, where its file system can do that; never fails.
inline void sync_folder(const std::filesystem::path& folder) noexcept {
  const int handle = ::open(folder.c_str(), O_RDONLY | O_CLOEXEC | O_DIRECTORY);
  if (handle < 0) return;
  static_cast<void>(::fsync(handle));
  ::close(handle);
}

// ---- implementation

inline GrowingFile::GrowingFile(const std::filesystem::path& path)
    : path_(path), temporary_(std::filesystem::path(path).concat(".tmp")) {
  file_ = ::open(temporary_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (file_ < 0) fail(LoadError::file_not_created, "cannot be created");
}

inline Sha256 GrowingFile::hash_of_first(std::uint64_t bytes, std::uint64_t& found) const {
  Sha256 hash;
  std::vector<char> piece(1 << 16);
  for (found = 0; found < bytes;) {
    const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(piece.size(), bytes - found));
    const ssize_t got = ::pread(file_, piece.data(), wanted, static_cast<off_t>(found));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    hash.update({piece.data(), static_cast<std::size_t>(got)});
    found += static_cast<std::uint64_t>(got);
  }
  return hash;
}

inline bool GrowingFile::resume(std::uint64_t bytes, const std::string& sha256) {
  std::uint64_t found = 0;
  Sha256 hash = hash_of_first(bytes, found);
  const bool same = found == bytes && hash.hex() == sha256;
  size_ = written_ = same ? bytes : 0;
  hash_ = same ? hash : Sha256();
  if (::ftruncate(file_, static_cast<off_t>(size_)) != 0) fail(LoadError::write_failed, "cannot be cut");
  return same;
}

inline void GrowingFile::write(std::string_view text) {
  hash_.update(text);
  size_ += text.size();
  buffer_ += text;
  if (buffer_.size() >= 1 << 16) flush();
}

inline void GrowingFile::flush() {
  for (std::string_view rest = buffer_; !rest.empty();) {
    const ssize_t put = ::pwrite(file_, rest.data(), rest.size(), static_cast<off_t>(written_));
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) fail(LoadError::write_failed, "cannot be written");
    written_ += static_cast<std::uint64_t>(put);
    rest.remove_prefix(static_cast<std::size_t>(put));
  }
  buffer_.clear();
}

inline void GrowingFile::sync() {
  flush();
  if (::fsync(file_) != 0) fail(LoadError::write_failed, "cannot be flushed to the disk");
}

inline void GrowingFile::commit() {
  sync();
  if (::ftruncate(file_, static_cast<off_t>(size_)) != 0) fail(LoadError::write_failed, "cannot be cut");
  std::uint64_t found = 0;
  const Sha256 hash = hash_of_first(size_, found);
  if (found != size_ || hash.digest() != hash_.digest())
    throw Error(LoadError::write_failed, temporary_.string(),
                "holds other bytes than were written: another process, or the disk");
  const int failed = size_ == 0 ? ::unlink(temporary_.c_str()) : ::rename(temporary_.c_str(), path_.c_str());
  if (failed != 0) fail(LoadError::write_failed, "cannot be renamed");
  ::close(std::exchange(file_, -1));
  sync_folder(path_.has_parent_path() ? path_.parent_path() : ".");
}

}  // namespace vitrine::inline VITRINE_ABI::corpus

#include <vitrine/core/macros_pop.hpp>
