// The first header: checks the compiler, decides what the build can do, and names the namespace after it.
//
// A decision that asks `defined` first can be overridden by defining its macro. Each one that changes generated code is
// part of VITRINE_ABI, the inline namespace, so that two differently built translation units can be linked without
// sharing a symbol. That holds for core to models from -O1 on (at -O0 small functions of Eigen are not inlined);
// generate, io, text, corpus and inspect use std:: and nlohmann:: templates, which know no such namespace: include
// those in units that are built alike.
#pragma once

#define VITRINE_VERSION_MAJOR 0
#define VITRINE_VERSION_MINOR 2
#define VITRINE_VERSION_PATCH 0

#if __cplusplus < 202002L
#error "vitrine needs C++20: add -std=c++20"
#define VITRINE_UNUSABLE  // vitrine.hpp stops here: one sentence is enough
#elif defined(__clang__) && __clang_major__ < 14
#error "vitrine needs clang 14 or newer, or g++ 11 or newer"
#define VITRINE_UNUSABLE
#elif !defined(__clang__) && (!defined(__GNUC__) || __GNUC__ < 11)
#error "vitrine needs g++ 11 or newer, or clang 14 or newer"
#define VITRINE_UNUSABLE
#elif !__has_include(<Eigen/Core>) && !__has_include(<eigen3/Eigen/Core>)
#error "vitrine needs Eigen 3.4 or newer: install libeigen3-dev, or add -I with the folder that holds Eigen/Core"
#define VITRINE_UNUSABLE
#else

#include <cstddef>
#include <cstdint>

// ---- threads
#if defined(VITRINE_OPENMP)
// Use the provided definition.
#elif defined(_OPENMP)
#define VITRINE_OPENMP 1
#else
#define VITRINE_OPENMP 0
#endif

// ---- bytes of a vector register; 0: a plain array of lanes, for targets whose compiler knows no vectors
#if defined(VITRINE_VECTOR_BYTES)
// Use the provided definition.
#elif defined(__AVX512F__)
#define VITRINE_VECTOR_BYTES 64
#elif defined(__AVX__)
#define VITRINE_VECTOR_BYTES 32
#elif defined(__SSE2__) || defined(__aarch64__)
#define VITRINE_VECTOR_BYTES 16
#else
#define VITRINE_VECTOR_BYTES 0
#endif

// ---- vector registers of the machine: the register tile of the matmul kernel follows from it
#if defined(VITRINE_VECTOR_REGISTERS)
// Use the provided definition.
#elif defined(__AVX512F__) || defined(__aarch64__)
#define VITRINE_VECTOR_REGISTERS 32
#else
#define VITRINE_VECTOR_REGISTERS 16
#endif

// ---- products of bf16 weights in pairs, by the machine's instruction (AVX512_BF16); 0: widened to float
#if defined(VITRINE_BF16_PAIRS)
// Use the provided definition.
#elif VITRINE_VECTOR_BYTES == 64 && defined(__AVX512BF16__) && defined(__AVX512VNNI__)
#define VITRINE_BF16_PAIRS 1
#else
#define VITRINE_BF16_PAIRS 0
#endif

// ---- products of int8 weights by AMX, on Linux and where the processor has it; 0: by VNNI
#if defined(VITRINE_AMX)
// Use the provided definition.
#elif VITRINE_VECTOR_BYTES == 64 && defined(__AVX512VNNI__) && (defined(__AMX_INT8__) || defined(__AMXINT8__)) && \
    defined(__linux__) && defined(__LP64__) && __STDC_HOSTED__  // the second name is clang 14's
#define VITRINE_AMX 1
#else
#define VITRINE_AMX 0
#endif

// ---- exceptions: without them only the forward_into forms exist
#if defined(VITRINE_EXCEPTIONS)
// Use the provided definition.
#elif defined(__cpp_exceptions)
#define VITRINE_EXCEPTIONS 1
#else
#define VITRINE_EXCEPTIONS 0
#endif

// ---- checks of indices in accessors (matrix(b, h), layer numbers): off with NDEBUG and VITRINE_NO_ACCESS_CHECKS; the
// checks of a call are always on
#if defined(VITRINE_CHECKS)
// Use the provided definition.
#elif defined(NDEBUG) && defined(VITRINE_NO_ACCESS_CHECKS)
#define VITRINE_CHECKS 0
#else
#define VITRINE_CHECKS 1
#endif

// ---- what is not ours to decide, and the name that follows
// 1: the machine fuses multiply and add; else core/simd.hpp's fma rounds twice.
#if defined(__FMA__) || defined(__AVX512F__) || defined(__aarch64__) || defined(__FP_FAST_FMAF)
#define VITRINE_FMA 1
#else
#define VITRINE_FMA 0
#endif

// What the flags let the compiler do to numbers: ieee, or fast and a digit for each liberty. clang has no macro for any
// but -ffinite-math-only and -ffast-math: define VITRINE_ABI_MATH there to tell such units apart.
#if defined(VITRINE_ABI_MATH)
// Use the provided definition.
#elif (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__) || defined(__FAST_MATH__) ||           \
    defined(__ASSOCIATIVE_MATH__) || defined(__RECIPROCAL_MATH__) || defined(__NO_SIGNED_ZEROS__) || \
    defined(__NO_TRAPPING_MATH__) || defined(__ROUNDING_MATH__) || defined(__SUPPORT_SNAN__)
#if defined(__clang__) && defined(__FAST_MATH__)
#define VITRINE_ABI_FINITE 2  // and all the others
#elif defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__
#define VITRINE_ABI_FINITE 1
#else
#define VITRINE_ABI_FINITE 0
#endif
#if defined(__ASSOCIATIVE_MATH__)
#define VITRINE_ABI_ASSOCIATIVE 1
#else
#define VITRINE_ABI_ASSOCIATIVE 0
#endif
#if defined(__RECIPROCAL_MATH__)
#define VITRINE_ABI_RECIPROCAL 1
#else
#define VITRINE_ABI_RECIPROCAL 0
#endif
#if defined(__NO_SIGNED_ZEROS__)
#define VITRINE_ABI_ZEROS 1
#else
#define VITRINE_ABI_ZEROS 0
#endif
#if defined(__NO_TRAPPING_MATH__)
#define VITRINE_ABI_TRAPS 1
#elif defined(__SUPPORT_SNAN__)
#define VITRINE_ABI_TRAPS 2
#else
#define VITRINE_ABI_TRAPS 0
#endif
#if defined(__ROUNDING_MATH__)
#define VITRINE_ABI_ROUNDING 1
#else
#define VITRINE_ABI_ROUNDING 0
#endif
#define VITRINE_JOIN_MATH_(f, a, r, z, t, o) fast##f##a##r##z##t##o
#define VITRINE_JOIN_MATH(f, a, r, z, t, o) VITRINE_JOIN_MATH_(f, a, r, z, t, o)
#define VITRINE_ABI_MATH                                                                                    \
  VITRINE_JOIN_MATH(VITRINE_ABI_FINITE, VITRINE_ABI_ASSOCIATIVE, VITRINE_ABI_RECIPROCAL, VITRINE_ABI_ZEROS, \
                    VITRINE_ABI_TRAPS, VITRINE_ABI_ROUNDING)
#else
#define VITRINE_ABI_MATH ieee
#endif
// The instruction set as a level, x86-64-v1 to v4, 5 with VNNI, 6 with pairs of bf16, 7 with AMX, 8 with both, 0 for
// AVX2 without F16C; for aarch64 1, 2 with SVE, 3 with dot products, 4 with both. But for those pairs it changes no
// number, but code of one level must not run for another, and weights in int8 and f16 are packed for it.
#if defined(__ARM_FEATURE_DOTPROD) && defined(__ARM_FEATURE_SVE)
#define VITRINE_ABI_LEVEL 4
#elif defined(__ARM_FEATURE_DOTPROD)
#define VITRINE_ABI_LEVEL 3
#elif VITRINE_BF16_PAIRS && VITRINE_AMX
#define VITRINE_ABI_LEVEL 8
#elif VITRINE_AMX
#define VITRINE_ABI_LEVEL 7
#elif VITRINE_BF16_PAIRS
#define VITRINE_ABI_LEVEL 6
#elif defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__) && \
    defined(__AVX512VNNI__)
#define VITRINE_ABI_LEVEL 5
#elif defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
#define VITRINE_ABI_LEVEL 4
#elif defined(__AVX2__) && !defined(__F16C__)
#define VITRINE_ABI_LEVEL 0
#elif defined(__AVX2__)
#define VITRINE_ABI_LEVEL 3
#elif defined(__SSE4_2__) || defined(__ARM_FEATURE_SVE)
#define VITRINE_ABI_LEVEL 2
#else
#define VITRINE_ABI_LEVEL 1
#endif
#define VITRINE_JOIN_(v, w, r, l, f, o, c, e, m) v##_w##w##_r##r##_l##l##_fma##f##_omp##o##_chk##c##_exc##e##_##m
#define VITRINE_JOIN(v, w, r, l, f, o, c, e, m) VITRINE_JOIN_(v, w, r, l, f, o, c, e, m)
#define VITRINE_ABI                                                                                                \
  VITRINE_JOIN(v0, VITRINE_VECTOR_BYTES, VITRINE_VECTOR_REGISTERS, VITRINE_ABI_LEVEL, VITRINE_FMA, VITRINE_OPENMP, \
               VITRINE_CHECKS, VITRINE_EXCEPTIONS, VITRINE_ABI_MATH)

// ---- how functions are compiled: into their callers, or never
#define VITRINE_INLINE inline __attribute__((always_inline))
#define VITRINE_NOINLINE __attribute__((noinline))

namespace vitrine::inline VITRINE_ABI {

// Sizes, strides, indices and ids: signed, as wide as a pointer.
using Index = std::ptrdiff_t;

}  // namespace vitrine::inline VITRINE_ABI

#endif
