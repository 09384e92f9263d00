// How far it is, on a terminal, once something takes longer than two seconds.
//   vt::corpus::Progress progress(shown);
//   progress.at(lines, part_of_all);          "12345 lines, 812 a second, 38 %, 3 min 20 s left"
#pragma once
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <string>
#include <vitrine/core/config.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::corpus {

/// "1 h 5 min", "3 min 20 s", "7 s"; a string on the heap, never fails.
inline std::string duration_text(double seconds) {
  const auto whole = static_cast<long long>(seconds < 0 ? 0 : seconds + 0.5);
  const auto of = [](long long number, const char* unit) { return std::to_string(number) + unit; };
  if (whole >= 3600) return of(whole / 3600, " h ") + of(whole % 3600 / 60, " min");
  return whole >= 60 ? of(whole / 60, " min ") + of(whole % 60, " s") : of(whole, " s");
}

/// A line of progress on stderr that is written over itself, twice a second at most.
class Progress {
 public:
  /// shown: false is silent. Otherwise it is shown where stderr is a terminal.
  explicit Progress(bool shown) : shown_(shown && ::isatty(STDERR_FILENO) != 0) {}
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  ~Progress() { end(); }

  /// `lines` done so far in this run; `part` of all that there is to do, from 0 to 1, or below 0 where nobody knows.
  void at(Index lines, double part) {
    if (!shown_) return;
    const double now = seconds();
    if (now < 2 || now - last_ < 0.5) return;
    last_ = now;
    std::fprintf(stderr, "\r%s\x1b[K", text(lines, part, now).c_str());
  }
  /// What at() shows after so many seconds; on the heap.
  static std::string text(Index lines, double part, double seconds) {
    char rate[64];
    const double a_second = static_cast<double>(lines) / seconds;
    std::snprintf(rate, sizeof rate, a_second < 10 ? "%.2f" : "%.0f", a_second);
    std::string line = std::to_string(lines) + " lines, " + rate + " a second";
    if (part > 0)
      line += ", " + std::to_string(static_cast<int>(100 * part)) + " %, " +
              duration_text(seconds / part * (1 - part)) + " left";
    return line;
  }
  // Since the beginning.
  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count(); }
  /// The line ends, before something else is said.
  void end() {
    if (last_ > 0) std::fputc('\n', stderr);
    last_ = 0;
  }

 private:
  bool shown_;
  double last_ = 0;
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

}  // namespace vitrine::inline VITRINE_ABI::corpus

#include <vitrine/core/macros_pop.hpp>
