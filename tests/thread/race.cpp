// A race, which the thread sanitizer must find: exits with 0 where it does not.
#include <vitrine/core/parallel.hpp>

int main() {
  int count = 0;
  vitrine::run_team(2, [&](vitrine::Team& team) {
    for (int i = 0; i < 1000; ++i) count = count + 1 + team.thread();
  });
  return count < 0 ? 1 : 0;
}
