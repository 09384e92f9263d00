// Writing a file so that it is either whole or not there: into a temporary file in the same folder, flushed to disk,
// then renamed over the target in one step (POSIX). A failure, an exception or a killed process leaves the old file, or
// none, and never half of a new one. Where a file cannot be without a name (or in the moment between its name and its
// place) a killed process may leave one NAME.vitrine-0.tmp, which the next writer of NAME removes.
#pragma once
#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>
#include <vitrine/core/config.hpp>
#include <vitrine/io/error.hpp>
#include <vitrine/io/mapped_file.hpp>
#if VITRINE_POSIX_FILES
#include <sys/file.h>
#endif

#include <vitrine/core/macros_push.hpp>

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
  std::size_t size_ = 0, name_limit_ = 255;
  bool direct_ = false, nameless_ = false;
#if VITRINE_POSIX_FILES
  template <class Make>
  bool make_temporary(Make make);
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

#if VITRINE_POSIX_FILES

namespace detail {

/// Removes a temporary file whose writer is gone: a writer holds a lock on its own, which ends with it.
inline bool remove_abandoned(const std::filesystem::path& name) noexcept {
  const int file = ::open(name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (file < 0) return false;
  struct stat opened, named;
  const bool removed = ::fstat(file, &opened) == 0 && S_ISREG(opened.st_mode) &&
                       ::flock(file, LOCK_EX | LOCK_NB) == 0 && ::lstat(name.c_str(), &named) == 0 &&
                       named.st_dev == opened.st_dev && named.st_ino == opened.st_ino && ::unlink(name.c_str()) == 0;
  ::close(file);
  return removed;
}

/// What a symbolic link leads to in the end, also where nothing is there yet; empty for a circle.
inline std::filesystem::path followed(std::filesystem::path path) {
  std::error_code failed;
  for (int links = 0; links < 40; ++links) {
    if (!std::filesystem::is_symlink(path, failed)) return path;
    const std::filesystem::path next = std::filesystem::read_symlink(path, failed);
    if (failed) return path;
    path = next.is_absolute() ? next : path.parent_path() / next;
  }
  return {};
}

}  // namespace detail

// The first of PATH.vitrine-0.tmp, ...-1.tmp, ... that no living writer uses; make(name) creates it or sets errno. So
// what killed writers may leave behind is found by the next one, and does not grow.
template <class Make>
bool AtomicFile::make_temporary(Make make) {
  for (int number = 0; number < 1000; ++number) {
    const std::string suffix = detail::concat(".vitrine-", number, ".tmp");
    std::string base = path_.filename().string();
    if (base.size() + suffix.size() > name_limit_)  // a name that is allowed must not fail for ours being longer
      base = base.substr(0, name_limit_ / 2) + "-" + std::to_string(std::hash<std::string>()(base));
    std::filesystem::path name = path_.parent_path() / (base + suffix);
    do {
      if (make(name.c_str())) {
        temporary_ = std::move(name);
        return true;
      }
      if (errno != EEXIST) return false;
    } while (detail::remove_abandoned(name));
  }
  errno = EEXIST;
  return false;
}

inline AtomicFile::AtomicFile(const std::filesystem::path& path) : path_(path) {
  struct stat old;
  const bool exists = ::stat(path_.c_str(), &old) == 0;
  direct_ = exists && !S_ISREG(old.st_mode);
  if (direct_) {
    file_ = ::open(path_.c_str(), O_WRONLY | O_CLOEXEC);
    if (file_ < 0) fail(LoadError::file_not_created, "cannot write to it", errno);
    return;
  }
  path_ = detail::followed(path);
  if (path_.empty()) {
    path_ = path;
    fail(LoadError::file_not_created, "cannot follow this link", ELOOP);
  }
  if (const long limit = ::pathconf(folder().c_str(), _PC_NAME_MAX); limit > 0)
    name_limit_ = static_cast<std::size_t>(limit);
  if (path_.filename().string().size() > name_limit_)
    fail(LoadError::file_not_created, "cannot create it", ENAMETOOLONG);
  if (exists && ::access(path_.c_str(), W_OK) != 0) fail(LoadError::file_not_created, "cannot replace it", errno);
#ifdef O_TMPFILE  // without a name until commit(), so that a killed process leaves nothing behind
  if (::access("/proc/self/fd", X_OK) == 0) file_ = ::open(folder().c_str(), O_WRONLY | O_TMPFILE | O_CLOEXEC, 0666);
  nameless_ = file_ >= 0;
  if (nameless_) static_cast<void>(::flock(file_, LOCK_EX | LOCK_NB));
#endif
  const auto create = [&](const char* name) {
    file_ = ::open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (file_ < 0) return false;
    // Somebody who looks for abandoned files may see it before it is locked, and remove it.
    struct stat made;
    const bool locked = ::flock(file_, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;
    if (locked && ::fstat(file_, &made) == 0 && made.st_nlink > 0) return true;
    ::close(std::exchange(file_, -1));
    errno = EEXIST;
    return false;
  };
  if (!nameless_ && !make_temporary(create))
    fail(LoadError::file_not_created, "cannot create a file in its folder", errno);
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
  const std::filesystem::path place = folder();  // nothing may fail once the file is renamed
  if (!direct_ && ::fsync(file_) != 0) fail(LoadError::write_failed, "cannot write", errno);
#ifdef O_TMPFILE
  const std::string open_file = detail::concat("/proc/self/fd/", file_);
  const auto link = [&](const char* name) {
    return ::linkat(AT_FDCWD, open_file.c_str(), AT_FDCWD, name, AT_SYMLINK_FOLLOW) == 0;
  };
  if (nameless_ && !make_temporary(link)) fail(LoadError::write_failed, "cannot name the finished file", errno);
#endif
  if (direct_) {
    if (::close(std::exchange(file_, -1)) != 0) fail(LoadError::write_failed, "cannot write", errno);
    return;
  }
  // Renamed before it is closed, which ends the lock; all of it is on the disk already.
  if (::rename(temporary_.c_str(), path_.c_str()) != 0)
    fail(LoadError::write_failed, "cannot rename the finished file", errno);
  temporary_.clear();
  ::close(std::exchange(file_, -1));
  // The new name must reach the disk too; a file system that cannot do that has still done the rename.
  if (const int handle = ::open(place.c_str(), O_RDONLY | O_CLOEXEC | O_DIRECTORY); handle >= 0) {
    static_cast<void>(::fsync(handle));
    ::close(handle);
  }
}

#else

inline AtomicFile::AtomicFile(const std::filesystem::path& path) : path_(path) {
  static std::atomic<unsigned> counter{0};  // no other thread's name
  temporary_ = path_;
  temporary_ += detail::concat(".vitrine-", counter++, ".tmp");
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

#include <vitrine/core/macros_pop.hpp>
