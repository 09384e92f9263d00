// Ctrl-C and SIGTERM as a question that long work asks itself: a batch system sends SIGTERM before it kills, and what
// was computed by then must not be lost.
//   const vt::corpus::Stop stop;                       from here on; a second signal ends the process as ever
//   while (!vt::corpus::Stop::asked()) ...             and InputFile wakes up from waiting for input
#pragma once
#include <fcntl.h>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): <csignal> promises no sigaction
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <stdexcept>
#include <vitrine/core/config.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::corpus {

/// The exit status that asks for another try, EX_TEMPFAIL of sysexits.h: nothing is wrong, and some is left to do.
inline constexpr int try_again = 75;

/// Thrown when nothing is wrong but another try is needed: a program ends with try_again.
struct TryAgain : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// While it lives, the first SIGINT or SIGTERM is noted instead of ending the process (POSIX sigaction). One at a time.
class Stop {
 public:
  Stop() noexcept;
  ~Stop();
  Stop(const Stop&) = delete;
  Stop& operator=(const Stop&) = delete;
  /// Has a signal come? Safe from any thread.
  static bool asked() noexcept { return asked_.load(std::memory_order_relaxed) != 0; }
  /// A descriptor that becomes readable with the signal, for poll(); -1 where there is no Stop.
  static int descriptor() noexcept { return pipe_[0]; }

 private:
  static void note(int) noexcept {
    const int before = errno;
    asked_ = 1;
    [[maybe_unused]] const auto ignored = ::write(pipe_[1], "", 1);
    errno = before;
  }
  static inline std::atomic<int> asked_ = 0;
  static inline int pipe_[2] = {-1, -1};
  struct sigaction interrupt_ = {}, terminate_ = {};
};

inline Stop::Stop() noexcept {
  if (::pipe2(pipe_, O_CLOEXEC | O_NONBLOCK) != 0) pipe_[0] = pipe_[1] = -1;
  asked_ = 0;
  struct sigaction action = {};
  action.sa_handler = note;
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  static_cast<void>(::sigaction(SIGINT, &action, &interrupt_));
  static_cast<void>(::sigaction(SIGTERM, &action, &terminate_));
}

inline Stop::~Stop() {
  static_cast<void>(::sigaction(SIGINT, &interrupt_, nullptr));
  static_cast<void>(::sigaction(SIGTERM, &terminate_, nullptr));
  for (int& end : pipe_)
    if (end >= 0) ::close(end), end = -1;
  asked_ = 0;
}

}  // namespace vitrine::inline VITRINE_ABI::corpus

#include <vitrine/core/macros_pop.hpp>
