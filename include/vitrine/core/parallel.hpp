// Threads: the one file that knows OpenMP.
//
//   detail::threads_of_call(multiply_adds, ...)    how many threads: one where the work is small
//   run_team(threads, f)        f(team) on every thread of a team; serially inside another region and after fork()
//   team.for_each(items, f)     f(item) for every item, each on one thread, first come first served; then all wait
//   team.split(count, f)        f(first, last) with an equal share of [0, count) for each thread; no waiting
//   team.row_blocks(count, block, tile, f)    f(team, first, last): many rows are dealt out as blocks, each to one
//                               thread (a team of one); few go whole to the team: f divides products by columns and
//                               ends with a barrier, unless nothing follows in the region
//   team.in_turn(groups, turns, f)    f(group, turn, wait) for every turn of every group, like for_each; wait()
//                               returns when the group's earlier turns have ended
//   team.barrier()              all wait for all
//
// No result depends on how work is dealt out: every element is computed by one thread, in one order
// (examples/threads.md).
#pragma once
#include <vitrine/core/config.hpp>

#include <atomic>
#include <type_traits>
#if VITRINE_OPENMP
#include <omp.h>
#if defined(__unix__)
#include <pthread.h>
#include <sched.h>
#endif
#endif
#if defined(__SSE2__)
#include <immintrin.h>
#endif

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

namespace detail {

// What the threads of one team share.
struct TeamState {
  alignas(64) std::atomic<Index> next[2] = {0, 0};  // the next item of this phase and of the following one
  alignas(64) std::atomic<Index> arrived{0};        // at all barriers so far
  static constexpr Index groups = 64;
  alignas(
      64) std::atomic<Index> ended[2][groups] = {};  // turns that have ended, of this phase and of the following one
};

inline void relax() noexcept {
#if defined(__SSE2__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// The caller's floating-point mode (rounding, flush to zero), which workers must share for one result.
inline std::uint64_t float_mode() noexcept {
#if defined(__SSE2__)
  return _mm_getcsr();
#elif defined(__aarch64__)
  std::uint64_t mode;
  asm volatile("mrs %0, fpcr" : "=r"(mode));
  return mode;
#else
  return 0;
#endif
}
inline void set_float_mode([[maybe_unused]] std::uint64_t mode) noexcept {
#if defined(__SSE2__)
  _mm_setcsr(static_cast<unsigned>(mode));
#elif defined(__aarch64__)
  asm volatile("msr fpcr, %0" : : "r"(mode));
#endif
}

}  // namespace detail

// The threads of one parallel region, seen from one of them. See the top of this header.
class Team {
 public:
  constexpr Team() noexcept = default;
  Team(const Team&) = delete;  // each counts its barriers
  Team& operator=(const Team&) = delete;
  Team(detail::TeamState* state, int thread, int threads) noexcept
      : state_(threads > 1 ? state : nullptr), thread_(thread), threads_(threads), slot_(thread) {}

  // This thread's number, from 0.
  int thread() const noexcept { return thread_; }
  // How many threads the team has.
  int threads() const noexcept { return threads_; }
  // Which piece of per-thread scratch is this thread's, also while it works alone on a block of rows.
  int slot() const noexcept { return slot_; }
  // A team of one: nothing to wait for.
  bool alone() const noexcept { return threads_ == 1; }

  // Waits until all threads of the team are here. Spins, then yields. One line of memory goes to the last thread and
  // back to the others.
  void barrier() noexcept {
    if (!others || state_ == nullptr) return;
    all_arrived_ += threads_;
    if (state_->arrived.fetch_add(1, std::memory_order_acq_rel) + 1 == all_arrived_) return;
    wait_until([&] { return state_->arrived.load(std::memory_order_acquire) >= all_arrived_; });
  }

  // f(item) for each of 0 ... items - 1, on whichever thread comes first; then all wait.
  template <class F>
  void for_each(Index items, F&& f) {
    if (!others || state_ == nullptr) {
      for (Index item = 0; item < items; ++item) f(item);
      return;
    }
    std::atomic<Index>& next = state_->next[phase_ & 1];
    if (thread_ == 0)
      state_->next[(phase_ + 1) & 1].store(0, std::memory_order_relaxed);  // its last users passed a barrier
    for (Index item; (item = next.fetch_add(1, std::memory_order_relaxed)) < items;) f(item);
    ++phase_;
    barrier();
  }

  // What a turn does after wait() is seen by the later ones. Turns are dealt out in ascending order, so that nobody
  // waits for a turn that has not begun.
  template <class F>
  void in_turn(Index groups, Index turns, F&& f) {
    if (!others || state_ == nullptr) {
      for (Index group = 0; group < groups; ++group)
        for (Index turn = 0; turn < turns; ++turn) f(group, turn, [] {});
      return;
    }
    constexpr Index counters = detail::TeamState::groups;  // groups beyond share them, one after the other
    std::atomic<Index>* const ended = state_->ended[turn_phase_ & 1];
    ++turn_phase_;
    if (thread_ == 0)
      for (std::atomic<Index>& count : state_->ended[turn_phase_ & 1]) count.store(0, std::memory_order_relaxed);
    for_each(groups * turns, [&](Index item) {
      const Index group = item / turns, turn = item % turns;
      std::atomic<Index>& count = ended[group % counters];
      const Index before = group / counters * turns + turn;
      const auto wait = [&] { wait_until([&] { return count.load(std::memory_order_acquire) == before; }); };
      f(group, turn, wait);
      wait();
      count.store(before + 1, std::memory_order_release);
    });
  }

  // f(first, last) with this thread's share of [0, count). Does not wait.
  template <class F>
  void split(Index count, F&& f) const {
    const Index first = count * thread_ / threads_, last = count * (thread_ + 1) / threads_;
    if (first < last) f(first, last);
  }

  // `block` rows at most to a thread alone, in multiples of `tile`. With few rows f is called once on every thread with
  // the whole team, and ends with a barrier, unless nothing follows in the region. The team is then in step.
  template <class F>
  void row_blocks(Index count, Index block, Index tile, F&& f) {
    if (count <= 0) return;
    if (alone() || count >= block * threads_) {
      const Index tiles = (count + tile - 1) / tile;
      Index blocks = (count + block - 1) / block;
      blocks = (blocks + threads_ - 1) / threads_ * threads_;  // the same number for each
      if (blocks > tiles) blocks = tiles;
      // The last block of each thread is dealt out in quarters, so that nobody waits long for a slower thread.
      const Index whole = others && !alone() && blocks >= Index{3} * threads_ ? blocks - threads_ : blocks;
      const auto tiles_before = [&](Index i) {
        return !others || i <= whole ? tiles * i / blocks : tiles * (3 * whole + i) / (4 * blocks);
      };
      for_each(4 * blocks - 3 * whole, [&](Index i) {
        const Index first = tiles_before(i) * tile, end = tiles_before(i + 1) * tile;
        if (first == end) return;
        Team single;
        single.slot_ = slot_;
        f(single, first, end < count ? end : count);
      });
    } else {
      f(*this, Index{0}, count);
    }
  }

 private:
  // Without OpenMP there never are, at any optimisation, and no atomic operation is linked: a Cortex-M0 has none.
  static constexpr bool others = VITRINE_OPENMP != 0;
  template <class F>
  static void wait_until(F&& done) noexcept {
    for (int spins = 0; !done(); ++spins) {
      detail::relax();
#if VITRINE_OPENMP && defined(__unix__)
      if (spins > 1000) sched_yield();  // some 40 us: perhaps there are more threads than free processors
#endif
    }
  }

  detail::TeamState* state_ = nullptr;  // null: a team of one
  int thread_ = 0, threads_ = 1, slot_ = 0;
  int phase_ = 0, turn_phase_ = 0;
  Index all_arrived_ = 0;  // at this thread's last barrier
};

namespace detail {
// A thread's own copy of what its team shares; without threads the thing itself, as a small stack wants it.
template <class T>
using OwnCopy = std::conditional_t<VITRINE_OPENMP != 0, T, T&>;
}  // namespace detail

// The number of threads used when a Workspace asks for 0.
inline int default_threads() noexcept {
#if VITRINE_OPENMP
  return omp_get_max_threads();
#else
  return 1;
#endif
}
namespace detail {
// How many threads a call of so many multiply-adds runs on: `most`, or one where a team would cost more than it saves.
// Without OpenMP nobody counts.
VITRINE_INLINE int threads_of_call([[maybe_unused]] double multiply_adds, [[maybe_unused]] double parallel_from,
                                   [[maybe_unused]] int most) noexcept {
#if VITRINE_OPENMP
  return multiply_adds < parallel_from ? 1 : most;
#else
  return 1;
#endif
}
}  // namespace detail

#if VITRINE_OPENMP && defined(__unix__)
namespace detail {
// libgomp cannot start a team in a forked child, whoever made the threads that the parent had: it runs serially there.
// Registered before main() (or when a library that holds this is opened), as a parent may fork before its first team.
inline std::atomic<bool> forked{false};
inline const int watching_forks =
    pthread_atfork(nullptr, nullptr, [] { forked.store(true, std::memory_order_relaxed); });
}  // namespace detail
#endif

// f must not throw. Threads beyond the first are woken only when threads > 1.
template <class F>
void run_team(int threads, F&& f) noexcept {
#if VITRINE_OPENMP
  bool serial = threads <= 1 || omp_in_parallel();
#if defined(__unix__)
  serial = serial || detail::forked.load(std::memory_order_relaxed);
#endif
  if (!serial) {
    detail::TeamState state;
    const std::uint64_t mode = detail::float_mode();
#pragma omp parallel num_threads(threads) default(shared)
    {
      const std::uint64_t own = detail::float_mode();
      detail::set_float_mode(mode);
      Team team(&state, omp_get_thread_num(), omp_get_num_threads());
      f(team);
      detail::set_float_mode(own);
    }
    return;
  }
#else
  (void)threads;
#endif
  Team team;
  f(team);
}

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
