// A whole file as read-only bytes: memory-mapped on POSIX systems, read into memory elsewhere.
// Do not shorten a file while it is mapped: touching a page that is gone ends the process (SIGBUS).
#pragma once
#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <memory>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vitrine/core/config.hpp>
#include <vitrine/io/error.hpp>
#if __has_include(<sys/mman.h>) && __has_include(<unistd.h>)
#define VITRINE_POSIX_FILES 1
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#else
#define VITRINE_POSIX_FILES 0
#endif

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

/// The bytes of one regular file for as long as this object lives; move-only.
class MappedFile {
 public:
  /// Opens and maps `path`. Throws Error: file_missing; file_unreadable (no permission, a folder, a device, a pipe).
  explicit MappedFile(const std::filesystem::path& path);
  MappedFile(MappedFile&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)),
        size_(std::exchange(other.size_, 0)),
        copy_(std::move(other.copy_)) {}
  MappedFile& operator=(MappedFile&& other) noexcept {
    MappedFile taken(std::move(other));
    std::swap(data_, taken.data_);
    std::swap(size_, taken.size_);
    std::swap(copy_, taken.copy_);
    return *this;
  }
  ~MappedFile();

  // The whole file; lives as long as this object.
  std::span<const std::byte> bytes() const noexcept { return {data_, size_}; }
  // Its first byte.
  const std::byte* data() const noexcept { return data_; }
  // Its length in bytes.
  std::size_t size() const noexcept { return size_; }

  /// Gives back the memory of the whole pages inside [offset, offset + bytes): they are read from the file again when
  /// touched.
  void release_pages(std::size_t offset, std::size_t bytes) const noexcept;

 private:
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  std::unique_ptr<std::byte[]> copy_;  // only where there is no mmap
};

#if VITRINE_POSIX_FILES

inline MappedFile::MappedFile(const std::filesystem::path& path) {
  // O_NONBLOCK: opening a pipe must not wait for its writer.
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) {
    const int reason = errno;
    const bool missing = reason == ENOENT || reason == ENOTDIR;
    throw Error(missing ? LoadError::file_missing : LoadError::file_unreadable, path.string(),
                detail::concat("cannot open it: ", std::generic_category().message(reason)));
  }
  struct stat info;
  const bool known = ::fstat(file, &info) == 0;
  void* mapped = nullptr;
  if (known && S_ISREG(info.st_mode) && info.st_size > 0) {
    size_ = static_cast<std::size_t>(info.st_size);
    mapped = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file, 0);
  }
  const int reason = errno;
  ::close(file);
  if (!known || !S_ISREG(info.st_mode))
    throw Error(LoadError::file_unreadable, path.string(), "it is not a regular file");
  if (mapped == MAP_FAILED) {
    throw Error(LoadError::file_unreadable, path.string(),
                detail::concat("cannot map its ", size_, " bytes: ", std::generic_category().message(reason)));
  }
  data_ = static_cast<const std::byte*>(mapped);
}

inline MappedFile::~MappedFile() {
  if (data_) ::munmap(const_cast<std::byte*>(data_), size_);
}

inline void MappedFile::release_pages(std::size_t offset, std::size_t bytes) const noexcept {
  const long page_size = ::sysconf(_SC_PAGESIZE);
  if (!data_ || page_size <= 0 || offset > size_) return;
  const auto page = static_cast<std::size_t>(page_size);
  const std::size_t end = bytes < size_ - offset ? offset + bytes : size_;
  const std::size_t first = (offset + page - 1) / page * page, last = end == size_ ? end : end / page * page;
  if (first < last) ::madvise(const_cast<std::byte*>(data_) + first, last - first, MADV_DONTNEED);
}

#else

inline MappedFile::MappedFile(const std::filesystem::path& path) {
  std::error_code failed;
  if (!std::filesystem::exists(path, failed))
    throw Error(LoadError::file_missing, path.string(), "there is no such file");
  std::ifstream in(path, std::ios::binary | std::ios::ate);
  const std::streamoff end =
      std::filesystem::is_regular_file(path, failed) ? static_cast<std::streamoff>(in.tellg()) : -1;
  if (!in || end < 0) throw Error(LoadError::file_unreadable, path.string(), "cannot open it as a regular file");
  size_ = static_cast<std::size_t>(end);
  copy_ = std::make_unique<std::byte[]>(size_);
  in.seekg(0);
  if (!in.read(reinterpret_cast<char*>(copy_.get()), end)) {
    throw Error(LoadError::file_unreadable, path.string(), "reading it failed");
  }
  data_ = copy_.get();
}

inline MappedFile::~MappedFile() = default;
inline void MappedFile::release_pages(std::size_t, std::size_t) const noexcept {}

#endif

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
