#include <vitrine/core/parallel.hpp>

#include "../support/support.hpp"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <vector>

#if defined(__unix__)
#include <sys/wait.h>
#include <unistd.h>
#endif
#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace vt = vitrine;
using vt::Index;
using vt::Team;

namespace {

constexpr int team_sizes[] = {1, 2, 3, 7};  // 7: more than there are processors

std::vector<int> counts(std::size_t n) { return std::vector<int>(n, 0); }

}  // namespace

TEST_CASE("every item is done once, by one thread, phase after phase") {
  for (const int threads : team_sizes)
    for (const Index items : {0, 1, 5, 100}) {
      std::vector<std::atomic<int>> done(100);
      std::atomic<bool> in_order{true};
      vt::run_team(threads, [&](Team& team) {
        for (int phase = 0; phase < 20; ++phase)
          team.for_each(items, [&](Index i) {
            if (done[std::size_t(i)].fetch_add(1) != phase) in_order = false;
          });
      });
      CHECK(in_order);
      for (Index i = 0; i < 100; ++i) CHECK(done[std::size_t(i)] == (i < items ? 20 : 0));
    }
}

TEST_CASE("turns of a group end in order, whatever their thread and length") {
  for (const int threads : team_sizes)
    for (const Index groups : {0, 1, 3, 64, 200})
      for (const Index turns : {1, 2, 5}) {
        std::vector<Index> sum(static_cast<std::size_t>(groups),
                               0);  // unprotected: the turns themselves keep writers apart
        std::atomic<bool> in_order{true};
        vt::run_team(threads, [&](Team& team) {
          for (Index phase = 0; phase < 3; ++phase)
            team.in_turn(groups, turns, [&](Index group, Index turn, const auto& wait) {
              if ((group + turn) % 7 == 3) return;  // who does not wait has its turn all the same
              wait();
              Index& own = sum[std::size_t(group)];
              if (own > phase * turns + turn) in_order = false;
              own = phase * turns + turn + 1;
            });
        });
        CHECK(in_order);
        for (Index g = 0; g < groups; ++g) {
          Index last = turns;
          while (last > 0 && (g + last - 1) % 7 == 3) --last;
          CHECK(sum[std::size_t(g)] == (last > 0 ? 2 * turns + last : 0));
        }
      }
}

TEST_CASE("shares cover everything without overlap") {
  for (const int threads : team_sizes)
    for (const Index count : {0, 1, 2, 6, 7, 8, 1000}) {
      auto seen = counts(1000);
      vt::run_team(threads, [&](Team& team) {
        team.split(count, [&](Index first, Index last) {
          for (Index i = first; i < last; ++i) ++seen[std::size_t(i)];
        });
      });
      for (Index i = 0; i < 1000; ++i) CHECK(seen[std::size_t(i)] == (i < count ? 1 : 0));
    }
}

TEST_CASE("rows are dealt out in tiles, or given to the whole team") {
  for (const int threads : team_sizes)
    for (const Index count : {0, 1, 11, 12, 13, 95, 96, 97, 700}) {
      std::vector<std::atomic<int>> alone(700), shared(700);
      std::atomic<bool> tiled{true}, slots{true};
      vt::run_team(threads, [&](Team& team) {
        team.row_blocks(count, 96, 12, [&](Team& t, Index first, Index last) {
          if (t.slot() != team.thread()) slots = false;
          if (t.alone() && first % 12 != 0) tiled = false;
          for (Index i = first; i < last; ++i) ++(t.alone() ? alone : shared)[std::size_t(i)];
        });
      });
      CHECK(tiled);
      CHECK(slots);
      for (Index i = 0; i < count; ++i) {
        const auto at = std::size_t(i);
        const bool once = alone[at] == 1 && shared[at] == 0;
        const bool by_all = alone[at] == 0 && shared[at] >= 2 && shared[at] <= threads;
        CHECK((once || by_all));
      }
    }
}

TEST_CASE("the last block of each thread comes in quarters, a thread alone keeps whole ones") {
  for (const int threads : {1, 2, 3}) {
    std::mutex mutex;
    std::vector<Index> sizes;
    int members = 0;  // one in a build without OpenMP
    vt::run_team(threads, [&](Team& team) {
      team.row_blocks(96 * 12, 96, 12, [&](Team&, Index first, Index last) {
        const std::lock_guard lock(mutex);
        members = team.threads();
        sizes.push_back(last - first);
      });
    });
    const Index large = std::count(sizes.begin(), sizes.end(), Index{96});
    const Index quarters = std::count(sizes.begin(), sizes.end(), Index{24});
    CHECK(large == (members == 1 ? 12 : 12 - members));
    CHECK(quarters == (members == 1 ? 0 : 4 * members));
    CHECK(Index(sizes.size()) == large + quarters);
  }
}

TEST_CASE("a barrier holds everyone back") {
  for (const int threads : team_sizes) {
    std::atomic<int> arrived{0};
    std::atomic<bool> early{false};
    vt::run_team(threads, [&](Team& team) {
      for (int round = 1; round <= 50; ++round) {
        ++arrived;
        team.barrier();
        if (arrived < round * team.threads()) early = true;
        team.barrier();
      }
    });
    CHECK_FALSE(early);
  }
}

#if VITRINE_OPENMP
TEST_CASE("inside another parallel region a team is one thread, and gives the same") {
  vt::EncoderLayer<float> layer({.d_model = 32, .nhead = 4, .dim_feedforward = 64});
  REQUIRE(layer.init(1) == vt::Status::ok);
  const auto x = support::random_values<float>(2 * 300 * 32, 1);
  const auto expected = layer({x.data(), 2, 300, 32});
  std::atomic<int> right{0}, teams_of_one{0};
#pragma omp parallel num_threads(3)
  {
    vt::run_team(4, [&](Team& team) { teams_of_one += team.threads() == 1; });
    const auto r = layer({x.data(), 2, 300, 32});
    right +=
        support::same(r.output, expected.output) && support::same(r.self_attn.values(), expected.self_attn.values());
  }
  CHECK(right == 3);
  CHECK(teams_of_one == 3);
}
#endif

#if defined(__unix__) && !defined(__SANITIZE_THREAD__)
TEST_CASE("a forked child computes serially, and the same") {
  vt::EncoderLayer<float> layer({.d_model = 32, .nhead = 4, .dim_feedforward = 64});
  REQUIRE(layer.init(1) == vt::Status::ok);
  const auto x = support::random_values<float>(2 * 300 * 32, 1);
  const auto forward = [&] {
    vt::EncoderResult<vt::DefaultKeep, float> r;
    vt::Workspace workspace(vt::heap(), 4);
    REQUIRE(layer.forward_into(r, workspace, {x.data(), 2, 300, 32}) == vt::Status::ok);
    return r;
  };
  const auto expected = forward();
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    alarm(200);
    _exit(support::same(forward().output, expected.output) ? 0 : 1);
  }
  int status = -1;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  CHECK(support::same(forward().output, expected.output));  // the parent goes on with its threads
}
#endif

#if defined(__SSE2__)
TEST_CASE("workers compute in the caller's floating-point mode, and get their own back") {
  const unsigned before = _mm_getcsr();
  _mm_setcsr(before | 0x8040);  // flush to zero, denormals are zero
  std::atomic<int> flushing{0}, threads{0};
  vt::run_team(3, [&](Team& team) {
    threads = team.threads();
    flushing += (_mm_getcsr() & 0x8040) == 0x8040;
  });
  _mm_setcsr(before);
  CHECK(flushing == threads);
  flushing = 0;
  vt::run_team(3, [&](Team&) { flushing += (_mm_getcsr() & 0x8040) != 0; });
  CHECK(flushing == 0);
  CHECK(_mm_getcsr() == before);
}
#endif
