// A file of text, standard input or words given already, as bytes: plain, gzip or Zstandard (told by their first
// bytes). Waiting for input ends when corpus::Stop is asked.
//   vt::corpus::InputFile file("pool.txt.zst");        "-": standard input
//   file.sgetc(), file.sbumpc()                        as any std::streambuf
#pragma once
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <span>
#include <streambuf>
#include <string>
#include <system_error>
#include <utility>
#include <vector>
#include <vitrine/corpus/detail/unpack.hpp>
#include <vitrine/corpus/stop.hpp>
#include <vitrine/io/error.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::corpus {

/// The unpacked bytes of one input, read in pieces of 64 KiB, on the heap. Reading throws Error file_unreadable.
class InputFile final : public std::streambuf {
 public:
  /// Opens a file; "-" is standard input. Throws Error file_missing or file_unreadable.
  explicit InputFile(const std::string& path);
  /// The words themselves, a line each, as a copy on the heap; never fails.
  explicit InputFile(const std::vector<std::string>& words);
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;
  ~InputFile() override {
    if (file_ > 0) ::close(file_);
  }

  // As errors name it: the path, "stdin" or "the command line".
  const std::string& name() const noexcept { return name_; }
  /// Would reading go on without waiting? Reads nothing.
  bool ready() noexcept;
  /// Was reading ended by Stop, before the input's end?
  bool interrupted() const noexcept { return interrupted_; }
  /// Goes to a byte of a plain regular file. Throws Error file_unreadable for another kind.
  void seek(std::uint64_t offset);
  /// Is it a compressed file? Known once something was read, or after peek().
  bool compressed() const noexcept { return unpacker_ != nullptr; }
  /// The unpacked byte that is read next, counted from the start.
  std::uint64_t position() const noexcept { return before_ + static_cast<std::uint64_t>(gptr() - eback()); }
  /// How much of the file as it lies on the disk has been read, from 0 to 1; -1 where its size is not known.
  double fraction() const noexcept {
    return size_ > 0 ? std::min(1.0, static_cast<double>(raw_) / static_cast<double>(size_)) : -1.0;
  }

 private:
  int_type underflow() override;
  bool wait() noexcept;
  std::size_t read_raw(std::span<char> out);
  void choose_unpacker();
  [[noreturn]] void fail(const std::string& sentence) const {
    throw Error(LoadError::file_unreadable, name_, "the input cannot be read: " + sentence);
  }

  std::string name_;
  int file_ = -1;  // -1: words
  std::uint64_t size_ = 0, raw_ = 0, before_ = 0;
  std::vector<char> packed_, plain_;
  std::size_t packed_at_ = 0;  // of packed_, what is taken already
  std::unique_ptr<detail::Unpacker> unpacker_;
  bool regular_ = false, begun_ = false, ended_ = false, interrupted_ = false;
};

// ---- implementation

inline InputFile::InputFile(const std::string& path) : name_(path == "-" ? "stdin" : path) {
  file_ = path == "-" ? 0 : ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file_ < 0)
    throw Error(errno == ENOENT ? LoadError::file_missing : LoadError::file_unreadable, name_,
                "cannot be opened: " + std::generic_category().message(errno));
  struct stat status = {};
  regular_ = ::fstat(file_, &status) == 0 && S_ISREG(status.st_mode);
  if (regular_) size_ = static_cast<std::uint64_t>(status.st_size);
}

inline InputFile::InputFile(const std::vector<std::string>& words) : name_("the command line"), ended_(true) {
  for (const std::string& word : words) {
    plain_.insert(plain_.end(), word.begin(), word.end());
    plain_.push_back('\n');
  }
  setg(plain_.data(), plain_.data(), plain_.data() + plain_.size());
}

inline bool InputFile::ready() noexcept {
  if (gptr() < egptr() || file_ < 0 || regular_ || packed_at_ < packed_.size()) return true;
  pollfd one = {file_, POLLIN, 0};
  return ::poll(&one, 1, 0) > 0;
}

// False when Stop was asked first.
inline bool InputFile::wait() noexcept {
  if (regular_ || Stop::descriptor() < 0) return true;
  for (;;) {
    pollfd both[2] = {{file_, POLLIN, 0}, {Stop::descriptor(), POLLIN, 0}};
    const int found = ::poll(both, 2, -1);
    if (found < 0 && errno == EINTR) continue;
    return found < 0 || both[1].revents == 0;
  }
}

inline std::size_t InputFile::read_raw(std::span<char> out) {
  for (;;) {
    if (!wait() || (Stop::asked() && !regular_)) return interrupted_ = true, 0;
    const ssize_t got = ::read(file_, out.data(), out.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail(std::generic_category().message(errno));
    raw_ += static_cast<std::uint64_t>(got);
    return static_cast<std::size_t>(got);
  }
}

// The first bytes say what it is; a pipe may give them one by one.
inline void InputFile::choose_unpacker() {
  begun_ = true;
  packed_.resize(4);
  std::size_t have = 0;
  while (have < packed_.size()) {
    const std::size_t got = read_raw(std::span(packed_).subspan(have));
    have += got;
    if (got == 0 || (packed_[0] != '\x1f' && packed_[0] != '\x28')) break;
  }
  packed_.resize(have);
  bool unknown = false;
  unpacker_ = detail::unpacker_for({packed_.data(), packed_.size()}, unknown);
  if (unknown) fail("it is compressed with Zstandard, and this build was made without it (Debian: libzstd-dev)");
}

inline InputFile::int_type InputFile::underflow() {
  constexpr std::size_t piece = 65536;
  if (gptr() < egptr()) return traits_type::to_int_type(*gptr());
  if (ended_ || interrupted_) return traits_type::eof();
  before_ = position();
  if (!begun_) choose_unpacker();
  std::size_t made = 0;
  plain_.resize(piece);
  while (made == 0 && !ended_ && !interrupted_) {
    if (unpacker_ == nullptr) {
      made = std::exchange(packed_at_, packed_.size()) < packed_.size() ? packed_.size() : 0;
      if (made > 0)
        std::copy(packed_.begin(), packed_.end(), plain_.begin());  // what was looked at
      else if ((made = read_raw(plain_)) == 0)
        ended_ = !interrupted_;
      continue;
    }
    if (packed_at_ == packed_.size()) {
      packed_.resize(piece);
      packed_.resize(read_raw(packed_));
      packed_at_ = 0;
      ended_ = packed_.empty() && !interrupted_;
      if (ended_ && !unpacker_->may_end()) fail("it ends in the middle of compressed data");
      if (packed_.empty()) continue;
    }
    const auto step = unpacker_->unpack(std::span(packed_).subspan(packed_at_), plain_);
    if (step.damaged) fail("its compressed data is damaged behind byte " + std::to_string(before_));
    packed_at_ += step.taken, made = step.made;
  }
  setg(plain_.data(), plain_.data(), plain_.data() + made);
  return made > 0 ? traits_type::to_int_type(*gptr()) : traits_type::eof();
}

inline void InputFile::seek(std::uint64_t offset) {
  if (!begun_) choose_unpacker();
  if (!regular_ || unpacker_ != nullptr) fail("only a plain file can be read from the middle");
  if (::lseek(file_, static_cast<off_t>(offset), SEEK_SET) < 0) fail(std::generic_category().message(errno));
  packed_.clear(), packed_at_ = 0;
  setg(nullptr, nullptr, nullptr);
  before_ = raw_ = offset, ended_ = false;
}

}  // namespace vitrine::inline VITRINE_ABI::corpus

#include <vitrine/core/macros_pop.hpp>
