// A race of vectors, as kernels write them, which the thread sanitizer must find: exits with 0 where it does not.
#include <vitrine/core/parallel.hpp>
#include <vitrine/core/simd.hpp>

int main() {
  using V = vitrine::simd<float>;
  alignas(64) float values[V::lanes] = {};
  vitrine::run_team(2, [&](vitrine::Team& team) {
    for (int i = 0; i < 1000; ++i) V::store(values, V::set1(static_cast<float>(i + team.thread())));
  });
  return values[0] < 0 ? 1 : 0;
}
