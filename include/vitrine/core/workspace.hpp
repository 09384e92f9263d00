// The scratch of a call, and how many threads it may use. One for each calling thread; reused from call to call.
#pragma once
#include <vitrine/core/memory.hpp>
#include <vitrine/core/parallel.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

// The scratch of calls and their number of threads; move it, do not share it between calling threads.
class Workspace {
 public:
  // Grows through `memory`; threads 0: as many as OpenMP would use.
  explicit Workspace(const Memory* memory, int threads = 0) noexcept
      : bytes_(memory), threads_(threads > 0 ? threads : default_threads()) {}
  // Caller memory, never grown: a call that needs more answers workspace_too_small. Align it to `alignment` for full
  // use.
  explicit Workspace(std::span<std::byte> bytes, int threads = 1) noexcept
      : bytes_(aligned(bytes)), threads_(threads > 0 ? threads : 1) {}

  // The most threads that a call uses.
  int threads() const noexcept { return threads_; }
  // Calls of fewer multiply-adds than this run on one thread: a team would cost more than it saves. The numbers are the
  // same.
  void parallel_from(double multiply_adds) noexcept { parallel_from_ = multiply_adds; }
  double parallel_from() const noexcept { return parallel_from_; }
  // The threads of a call of so many multiply-adds.
  VITRINE_INLINE int threads_for(double multiply_adds) const noexcept {
    return detail::threads_of_call(multiply_adds, parallel_from_, threads_);
  }
  // The most that any call took so far.
  std::size_t peak_bytes() const noexcept { return peak_; }

  // Makes room for `bytes`; workspace_too_small or out_of_memory. Called by layers before any work, never inside a
  // parallel region.
  Status reserve(std::size_t bytes) noexcept {
    if (bytes > peak_) peak_ = bytes;
    if (Status s = bytes_.resize(Index(bytes)); s != Status::ok) {  // negative where it is more than `largest`
      if (s == Status::result_too_small) {
        s.code = Status::workspace_too_small;
        s.sentence = "the caller's workspace is too small: see workspace_bytes";
      }
      return s;
    }
    return {};
  }
  // The scratch, `alignment`-aligned.
  std::byte* data() noexcept { return bytes_.data(); }

 private:
  static std::span<std::byte> aligned(std::span<std::byte> bytes) noexcept {
    const auto address = reinterpret_cast<std::uintptr_t>(bytes.data());
    const std::size_t skip = (alignment - address % alignment) % alignment;
    return skip < bytes.size() ? bytes.subspan(skip) : std::span<std::byte>{};
  }

  Buffer<std::byte> bytes_;
  int threads_;
  double parallel_from_ = 8e6;
  std::size_t peak_ = 0;
};

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
