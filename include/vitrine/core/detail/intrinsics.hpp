// What simd.hpp asks of each instruction set: vector types, the fused product, stores past the cache, loads and stores
// of a vector's first lanes. Internal.
#pragma once
#include <vitrine/core/config.hpp>

#if defined(__SSE2__)
#include <immintrin.h>
#elif VITRINE_VECTOR_BYTES == 16 && defined(__aarch64__)
#include <arm_neon.h>
#endif

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::detail {

#if VITRINE_VECTOR_BYTES != 0
template <class S>
struct vector_types;
template <>
struct vector_types<float> {
  typedef float vec __attribute__((vector_size(VITRINE_VECTOR_BYTES), may_alias));
  typedef std::int32_t ivec __attribute__((vector_size(VITRINE_VECTOR_BYTES), may_alias));
  typedef vec unaligned __attribute__((aligned(4)));
  using lane_int = std::int32_t;
};
template <>
struct vector_types<double> {
  typedef double vec __attribute__((vector_size(VITRINE_VECTOR_BYTES), may_alias));
  typedef std::int64_t ivec __attribute__((vector_size(VITRINE_VECTOR_BYTES), may_alias));
  typedef vec unaligned __attribute__((aligned(8)));
  using lane_int = std::int64_t;
};

// The one intrinsic: g++ 12 takes a lane loop over __builtin_fma apart, clang uses 512 bits only where an intrinsic
// asks for them.
#if VITRINE_VECTOR_BYTES == 64
using f32v = vector_types<float>::vec;
using f64v = vector_types<double>::vec;
VITRINE_INLINE f32v fused(f32v x, f32v y, f32v z) {
  return reinterpret_cast<f32v>(
      _mm512_fmadd_ps(reinterpret_cast<__m512>(x), reinterpret_cast<__m512>(y), reinterpret_cast<__m512>(z)));
}
VITRINE_INLINE f64v fused(f64v x, f64v y, f64v z) {
  return reinterpret_cast<f64v>(
      _mm512_fmadd_pd(reinterpret_cast<__m512d>(x), reinterpret_cast<__m512d>(y), reinterpret_cast<__m512d>(z)));
}
VITRINE_INLINE void nontemporal(float* p, f32v x) { _mm512_stream_ps(p, reinterpret_cast<__m512>(x)); }
VITRINE_INLINE void nontemporal(double* p, f64v x) { _mm512_stream_pd(p, reinterpret_cast<__m512d>(x)); }
// The first n < lanes elements, by mask registers: the memory of masked lanes is not touched.
VITRINE_INLINE unsigned first_lanes(Index n) { return n > 0 ? (1u << n) - 1 : 0; }
VITRINE_INLINE f32v masked_load(const float* p, Index n) {
  return reinterpret_cast<f32v>(_mm512_maskz_loadu_ps(__mmask16(first_lanes(n)), p));
}
VITRINE_INLINE f64v masked_load(const double* p, Index n) {
  return reinterpret_cast<f64v>(_mm512_maskz_loadu_pd(__mmask8(first_lanes(n)), p));
}
VITRINE_INLINE void masked_store(float* p, f32v x, Index n) {
  _mm512_mask_storeu_ps(p, __mmask16(first_lanes(n)), reinterpret_cast<__m512>(x));
}
VITRINE_INLINE void masked_store(double* p, f64v x, Index n) {
  _mm512_mask_storeu_pd(p, __mmask8(first_lanes(n)), reinterpret_cast<__m512d>(x));
}
#elif VITRINE_VECTOR_BYTES == 32
using f32v = vector_types<float>::vec;
using f64v = vector_types<double>::vec;
#if VITRINE_FMA
VITRINE_INLINE f32v fused(f32v x, f32v y, f32v z) {
  return reinterpret_cast<f32v>(
      _mm256_fmadd_ps(reinterpret_cast<__m256>(x), reinterpret_cast<__m256>(y), reinterpret_cast<__m256>(z)));
}
VITRINE_INLINE f64v fused(f64v x, f64v y, f64v z) {
  return reinterpret_cast<f64v>(
      _mm256_fmadd_pd(reinterpret_cast<__m256d>(x), reinterpret_cast<__m256d>(y), reinterpret_cast<__m256d>(z)));
}
#endif
VITRINE_INLINE void nontemporal(float* p, f32v x) { _mm256_stream_ps(p, reinterpret_cast<__m256>(x)); }
VITRINE_INLINE void nontemporal(double* p, f64v x) { _mm256_stream_pd(p, reinterpret_cast<__m256d>(x)); }
#elif defined(__SSE2__)
using f32v = vector_types<float>::vec;
using f64v = vector_types<double>::vec;
#if VITRINE_FMA
VITRINE_INLINE f32v fused(f32v x, f32v y, f32v z) {
  return reinterpret_cast<f32v>(
      _mm_fmadd_ps(reinterpret_cast<__m128>(x), reinterpret_cast<__m128>(y), reinterpret_cast<__m128>(z)));
}
VITRINE_INLINE f64v fused(f64v x, f64v y, f64v z) {
  return reinterpret_cast<f64v>(
      _mm_fmadd_pd(reinterpret_cast<__m128d>(x), reinterpret_cast<__m128d>(y), reinterpret_cast<__m128d>(z)));
}
#endif
VITRINE_INLINE void nontemporal(float* p, f32v x) { _mm_stream_ps(p, reinterpret_cast<__m128>(x)); }
VITRINE_INLINE void nontemporal(double* p, f64v x) { _mm_stream_pd(p, reinterpret_cast<__m128d>(x)); }
#elif defined(__aarch64__)
using f32v = vector_types<float>::vec;
using f64v = vector_types<double>::vec;
VITRINE_INLINE f32v fused(f32v x, f32v y, f32v z) {
  return reinterpret_cast<f32v>(
      vfmaq_f32(reinterpret_cast<float32x4_t>(z), reinterpret_cast<float32x4_t>(x), reinterpret_cast<float32x4_t>(y)));
}
VITRINE_INLINE f64v fused(f64v x, f64v y, f64v z) {
  return reinterpret_cast<f64v>(
      vfmaq_f64(reinterpret_cast<float64x2_t>(z), reinterpret_cast<float64x2_t>(x), reinterpret_cast<float64x2_t>(y)));
}
VITRINE_INLINE void nontemporal(float* p, f32v x) { *reinterpret_cast<vector_types<float>::unaligned*>(p) = x; }
VITRINE_INLINE void nontemporal(double* p, f64v x) { *reinterpret_cast<vector_types<double>::unaligned*>(p) = x; }
#else
template <class T, class X>
VITRINE_INLINE void nontemporal(T* p, X x) {
  *reinterpret_cast<typename vector_types<T>::unaligned*>(p) = x;
}
#endif
// Is any lane of a comparison true?
template <class I>
VITRINE_INLINE bool any_lane(I m) {
#if VITRINE_VECTOR_BYTES == 64
  return _mm512_test_epi32_mask(reinterpret_cast<__m512i>(m), reinterpret_cast<__m512i>(m)) != 0;
#elif VITRINE_VECTOR_BYTES == 32
  return _mm256_movemask_ps(reinterpret_cast<__m256>(m)) != 0;
#elif defined(__SSE2__)
  return _mm_movemask_ps(reinterpret_cast<__m128>(m)) != 0;
#elif defined(__aarch64__)
  return vmaxvq_u32(reinterpret_cast<uint32x4_t>(m)) != 0;
#else
  bool any = false;
  for (std::size_t i = 0; i < sizeof(m) / sizeof(m[0]); ++i) any = any || m[i] != 0;
  return any;
#endif
}
#endif

// Hides where a value came from, so that no compiler fuses the product that made it into a later sum.
template <class T>
VITRINE_INLINE T opaque(T x) {
#if defined(__AVX512F__)
  asm("" : "+v"(x));
#elif defined(__SSE2__)
  asm("" : "+x"(x));
#elif defined(__aarch64__)
  asm("" : "+w"(x));
#elif defined(__ARM_FP)
  if constexpr (sizeof(T) == 4)
    asm("" : "+t"(x));
  else
    asm("" : "+m"(x));
#else
  asm("" : "+m"(x));
#endif
  return x;
}

}  // namespace vitrine::inline VITRINE_ABI::detail

#include <vitrine/core/macros_pop.hpp>
