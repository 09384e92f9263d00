// Writing a file so that it is either whole or not there: into a temporary file in the same folder, flushed to disk,
// then renamed over the target. A failure, an exception or a killed process leaves the old file, or none, and never
// half of a new one.
#pragma once
#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>
#include <vitrine/core/config.hpp>
#include <vitrine/io/error.hpp>
#include <vitrine/io/mapped_file.hpp>

namespace vitrine::inline VITRINE_ABI {

/// A file being written; nothing is seen under its name before commit(). Not movable.
class AtomicFile {
 public:
  /// Begins to write `path`. A symbolic link is followed; a device or pipe (/dev/stdout) is written directly, as it
  /// cannot be replaced. Throws Error file_not_created (no such folder, no permission, a folder of that name).
  explicit AtomicFile(const std::filesystem::path& path);
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  ~AtomicFile();  // without commit(): removes what was written

  /// Appends bytes, through a buffer of 64 KiB. Throws Error write_failed (disk full, file size limit).
  void write(std::span<const std::byte> bytes);
  void write(std::string_view text) { write(std::as_bytes(std::span(text))); }

  /// Bytes written so far.
  std::size_t size() const noexcept { return size_; }

  /// Flushes to the disk and puts the file in its place. Throws Error write_failed, with nothing changed.
  void commit();

 private:
  void put(std::span<const std::byte> bytes);
  void flush();
  std::filesystem::path folder() const { return path_.has_parent_path() ? path_.parent_path() : "."; }
  [[noreturn]] void fail(LoadError code, const char* what, int reason) const {
    throw Error(code, path_.string(), detail::concat(what, ": ", std::generic_category().message(reason)));
  }

  std::filesystem::path path_, temporary_;  // temporary_: empty if there is none to remove
  std::vector<std::byte> buffer_;
  std::size_t size_ = 0;
  bool direct_ = false, nameless_ = false;
#if VITRINE_POSIX_FILES
  int file_ = -1;
#else
  std::FILE* file_ = nullptr;
#endif
};

inline void AtomicFile::write(std::span<const std::byte> bytes) {
  constexpr std::size_t capacity = 65536;
  size_ += bytes.size();
  const bool past_the_buffer = bytes.size() > capacity / 2;
  if (past_the_buffer || buffer_.size() + bytes.size() > capacity) flush();
  if (past_the_buffer) return put(bytes);
  buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
}

inline void AtomicFile::flush() {
  put(buffer_);
  buffer_.clear();
}

namespace detail {

/// A name beside `path` that no other process or thread uses.
inline std::filesystem::path temporary_name(const std::filesystem::path& path, long process) {
  static std::atomic<unsigned> counter{0};
  std::filesystem::path name = path;
  name += concat(".", process, ".", counter++, ".tmp");
  return name;
}

}  // namespace detail

#if VITRINE_POSIX_FILES

inline AtomicFile::AtomicFile(const std::filesystem::path& path) : path_(path) {
  struct stat old;
  const bool exists = ::stat(path_.c_str(), &old) == 0;
  direct_ = exists && !S_ISREG(old.st_mode);
  if (direct_) {
    file_ = ::open(path_.c_str(), O_WRONLY | O_CLOEXEC);
    if (file_ < 0) fail(LoadError::file_not_created, "cannot write to it", errno);
    return;
  }
  std::error_code failed;
  if (std::filesystem::is_symlink(path_, failed)) path_ = std::filesystem::weakly_canonical(path, failed);
  if (path_.empty()) fail(LoadError::file_not_created, "cannot follow this link", ELOOP);
  if (exists && ::access(path_.c_str(), W_OK) != 0) fail(LoadError::file_not_created, "cannot replace it", errno);
  temporary_ = detail::temporary_name(path_, ::getpid());
#ifdef O_TMPFILE  // without a name until commit(), so that a killed process leaves nothing behind
  if (::access("/proc/self/fd", X_OK) == 0) file_ = ::open(folder().c_str(), O_WRONLY | O_TMPFILE | O_CLOEXEC, 0666);
  nameless_ = file_ >= 0;
#endif
  if (!nameless_) file_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (file_ < 0) {
    const int reason = errno;
    temporary_.clear();
    fail(LoadError::file_not_created, "cannot create a file in its folder", reason);
  }
  if (exists) static_cast<void>(::fchmod(file_, old.st_mode & 07777));
}

inline AtomicFile::~AtomicFile() {
  if (file_ >= 0) ::close(file_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

inline void AtomicFile::put(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(file_, bytes.data(), std::min<std::size_t>(bytes.size(), std::size_t{1} << 30));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) fail(LoadError::write_failed, "cannot write", written < 0 ? errno : ENOSPC);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

inline void AtomicFile::commit() {
  flush();
  if (!direct_ && ::fsync(file_) != 0) fail(LoadError::write_failed, "cannot write", errno);
#ifdef O_TMPFILE
  const std::string open_file = detail::concat("/proc/self/fd/", file_);
  if (nameless_ && ::linkat(AT_FDCWD, open_file.c_str(), AT_FDCWD, temporary_.c_str(), AT_SYMLINK_FOLLOW) != 0) {
    fail(LoadError::write_failed, "cannot name the finished file", errno);
  }
#endif
  if (::close(std::exchange(file_, -1)) != 0) fail(LoadError::write_failed, "cannot write", errno);
  if (direct_) return;
  if (::rename(temporary_.c_str(), path_.c_str()) != 0)
    fail(LoadError::write_failed, "cannot rename the finished file", errno);
  temporary_.clear();
  // The new name must reach the disk too; a file system that cannot do that has still done the rename.
  if (const int handle = ::open(folder().c_str(), O_RDONLY | O_CLOEXEC | O_DIRECTORY); handle >= 0) {
    static_cast<void>(::fsync(handle));
    ::close(handle);
  }
}

#else

inline AtomicFile::AtomicFile(const std::filesystem::path& path) : path_(path) {
  temporary_ = detail::temporary_name(path_, 0);
  file_ = std::fopen(temporary_.string().c_str(), "wbx");
  if (!file_) {
    temporary_.clear();
    fail(LoadError::file_not_created, "cannot create a file in its folder", errno);
  }
}

inline AtomicFile::~AtomicFile() {
  std::error_code ignored;
  if (file_) std::fclose(file_);
  if (!temporary_.empty()) std::filesystem::remove(temporary_, ignored);
}

inline void AtomicFile::put(std::span<const std::byte> bytes) {
  if (std::fwrite(bytes.data(), 1, bytes.size(), file_) != bytes.size())
    fail(LoadError::write_failed, "cannot write", errno);
}

inline void AtomicFile::commit() {
  flush();
  if (std::fclose(std::exchange(file_, nullptr)) != 0) fail(LoadError::write_failed, "cannot write", errno);
  std::error_code failed;
  std::filesystem::rename(temporary_, path_, failed);
  if (failed)
    throw Error(LoadError::write_failed, path_.string(),
                detail::concat("cannot rename the finished file: ", failed.message()));
  temporary_.clear();
}

#endif

}  // namespace vitrine::inline VITRINE_ABI
