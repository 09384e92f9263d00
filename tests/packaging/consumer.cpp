// Somebody else's program: uses the library and says how it was built.
#if __has_include(<vitrine/vitrine.hpp>)
#include <vitrine/vitrine.hpp>
#else
#include <vitrine/core/config.hpp>
#endif
#include <cstdio>

int main() {
  std::printf("vitrine %d.%d.%d openmp %d optimised %d vector %d\n", VITRINE_VERSION_MAJOR, VITRINE_VERSION_MINOR,
              VITRINE_VERSION_PATCH, VITRINE_OPENMP,
#ifdef __OPTIMIZE__
              1,
#else
              0,
#endif
              VITRINE_VECTOR_BYTES);
}
