// fork() in a process whose threads others made: this file is a process of its own in ctest, and its first case comes
// before vitrine has made a team.
#include "../support/support.hpp"

#if defined(__unix__) && !defined(__SANITIZE_THREAD__)
#include <sys/wait.h>
#include <unistd.h>
#if VITRINE_OPENMP
#include <omp.h>
#endif

namespace vt = vitrine;

namespace {

const std::vector<float>& input() {
  static const auto x = support::random_values<float>(2 * 300 * 32, 1);
  return x;
}

vt::EncoderLayer<float> layer_with_values() {
  vt::EncoderLayer<float> layer({.d_model = 32, .nhead = 4, .dim_feedforward = 64});
  REQUIRE(layer.init(1) == vt::Status::ok);
  return layer;
}

vt::EncoderResult<vt::DefaultKeep, float> forward(const vt::EncoderLayer<float>& layer, int threads) {
  vt::EncoderResult<vt::DefaultKeep, float> r;
  vt::Workspace workspace(vt::heap(), threads);
  vt::throw_if_failed(layer.forward_into(r, workspace, {input().data(), 2, 300, 32}));
  return r;
}

// What a child's f() answers, in at most 20 seconds; -1 when it did not come to an end by itself.
template <class F>
int in_a_child(F f) {
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    alarm(200);
    _exit(f());
  }
  int status = -1;
  REQUIRE(waitpid(child, &status, 0) == child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace

TEST_CASE("a child computes, the same, when only others had used threads before the fork") {
  const auto layer = layer_with_values();
  const auto expected = forward(layer, 1);
#if VITRINE_OPENMP
  int others = 0;
#pragma omp parallel num_threads(3) reduction(+ : others)
  others += 1;
  REQUIRE(others == 3);
#endif
  CHECK(in_a_child([&] {
          const auto r = forward(layer, 4);
          return support::same(r.output, expected.output) &&
                         support::same(r.self_attn.values(), expected.self_attn.values())
                     ? 0
                     : 1;
        }) == 0);
  CHECK(support::same(forward(layer, 4).output, expected.output));  // the parent has its threads
}

TEST_CASE("a child of a child computes, and so does the parent afterwards") {
  const auto layer = layer_with_values();
  const auto expected = forward(layer, 4);
  const auto same = [&] { return support::same(forward(layer, 3).output, expected.output); };
  CHECK(in_a_child([&] {
          const pid_t grandchild = fork();
          if (grandchild == 0) _exit(same() ? 0 : 1);
          int status = -1;
          if (waitpid(grandchild, &status, 0) != grandchild || status != 0) return 1;
          return same() ? 0 : 2;
        }) == 0);
  CHECK(same());
}

#if VITRINE_OPENMP
TEST_CASE("a child forked inside a parallel region of the caller computes") {
  const auto layer = layer_with_values();
  const auto expected = forward(layer, 2);
  int answers[2] = {-1, -1};
#pragma omp parallel num_threads(2)
  {
    const pid_t child = fork();
    if (child == 0) {
      alarm(200);
      vt::EncoderResult<vt::DefaultKeep, float> r;
      vt::Workspace workspace(vt::heap(), 4);
      const bool ok = layer.forward_into(r, workspace, {input().data(), 2, 300, 32}) == vt::Status::ok;
      _exit(ok && support::same(r.output, expected.output) ? 0 : 1);
    }
    int status = -1;
    if (child > 0 && waitpid(child, &status, 0) == child) answers[omp_get_thread_num()] = status;
  }
  CHECK(answers[0] == 0);
  CHECK(answers[1] == 0);
}

TEST_CASE("a layer inside a region that is inside another gives the same, on every thread") {
  const auto layer = layer_with_values();
  const auto expected = forward(layer, 2);
  const int levels = omp_get_max_active_levels();
  omp_set_max_active_levels(2);
  int right = 0, calls = 0;
#pragma omp parallel num_threads(2) reduction(+ : right, calls)
#pragma omp parallel num_threads(2) reduction(+ : right, calls)
  {
    vt::EncoderResult<vt::DefaultKeep, float> r;
    vt::Workspace workspace(vt::heap(), 4);
    const bool ok = layer.forward_into(r, workspace, {input().data(), 2, 300, 32}) == vt::Status::ok;
    right += ok && support::same(r.output, expected.output);
    calls += 1;
  }
  omp_set_max_active_levels(levels);
  CHECK(calls == 4);
  CHECK(right == calls);
}
#endif
#endif
