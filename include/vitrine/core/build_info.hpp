// How this translation unit was built, in one line.
#pragma once
#include <vitrine/core/config.hpp>
#include <vitrine/core/parallel.hpp>
#include <vitrine/core/simd.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

// A line of text in a fixed array; data() ends in a zero. A type of its own for optimised units, which may stand beside
// others.
template <bool Optimised>
class BuildInfo {
 public:
  BuildInfo() {
    add("vitrine "), add(VITRINE_VERSION_MAJOR), add("."), add(VITRINE_VERSION_MINOR), add("."),
        add(VITRINE_VERSION_PATCH);
    add(", float, "), add(simd<float>::lanes * 32),
        add(VITRINE_VECTOR_BYTES != 0 ? "-bit vectors" : "-bit plain lanes");
    add(VITRINE_FMA ? " with fma" : " without fma");
    if (VITRINE_OPENMP)
      add(", OpenMP, "), add(default_threads()), add(" threads");
    else
      add(", no OpenMP: 1 thread");
    add(Optimised ? ", OPTIMISED" : ", NOT OPTIMISED: add -O3");
  }
  // The line; lives as long as this object.
  const char* data() const { return text_; }

 private:
  void add(const char* text) {
    while (*text != 0 && size_ + 1 < int(sizeof text_)) text_[size_++] = *text++;
  }
  void add(int number) {
    if (number >= 10) add(number / 10);
    const char digit[2] = {static_cast<char>('0' + number % 10), 0};
    add(digit);
  }
  char text_[160] = {};
  int size_ = 0;
};

// Scalar type, vector width, OpenMP and threads, OPTIMISED or NOT OPTIMISED. Programs print it first.
#if defined(__OPTIMIZE__)
static inline BuildInfo<true> build_info() { return {}; }
#else
static inline BuildInfo<false> build_info() { return {}; }
#endif

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
