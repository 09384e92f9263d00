// Vectors of 32-bit integers as one vector of their low bytes or of halves of them, in order; and of floats as one of
// halves. Internal.
#pragma once
#include <vitrine/core/simd.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::detail {

// The bits of four vectors' lowest bytes, and of two vectors' lower halves, below 2^15, and upper halves.
VITRINE_INLINE simd<float>::vec low_bytes(const simd<float>::ivec (&x)[4]);
VITRINE_INLINE simd<float>::vec low_halves(const simd<float>::ivec (&x)[2]);
VITRINE_INLINE simd<float>::vec high_halves(const simd<float>::ivec (&x)[2]);

// ---- implementation

#if VITRINE_VECTOR_BYTES == 64
// Zeroing forms: g++ 12 warns of the others' undefined operand.
VITRINE_INLINE simd<float>::vec low_bytes(const simd<float>::ivec (&x)[4]) {
#if defined(__AVX512VBMI__)
  const __m512i every = _mm512_set_epi64(  // byte 4 i of two vectors, twice
      0x7c7874706c686460, 0x5c5854504c484440, 0x3c3834302c282420, 0x1c1814100c080400, 0x7c7874706c686460,
      0x5c5854504c484440, 0x3c3834302c282420, 0x1c1814100c080400);
  const auto pair = [&](int i) {
    return _mm512_permutex2var_epi8(reinterpret_cast<__m512i>(x[i]), every, reinterpret_cast<__m512i>(x[i + 1]));
  };
  return reinterpret_cast<simd<float>::vec>(_mm512_mask_blend_epi64(0xf0, pair(0), pair(2)));
#else
  const auto at = [&](int i) { return _mm512_maskz_cvtepi32_epi8(0xffff, reinterpret_cast<__m512i>(x[i])); };
  __m512i all = _mm512_castsi128_si512(at(0));
  all = _mm512_maskz_inserti32x4(0xffff, all, at(1), 1);
  all = _mm512_maskz_inserti32x4(0xffff, all, at(2), 2);
  return reinterpret_cast<simd<float>::vec>(_mm512_maskz_inserti32x4(0xffff, all, at(3), 3));
#endif
}
VITRINE_INLINE simd<float>::vec low_halves(const simd<float>::ivec (&x)[2]) {
  const auto at = [&](int i) { return _mm512_maskz_cvtepi32_epi16(0xffff, reinterpret_cast<__m512i>(x[i])); };
  return reinterpret_cast<simd<float>::vec>(_mm512_maskz_inserti64x4(0xff, _mm512_castsi256_si512(at(0)), at(1), 1));
}
#elif VITRINE_VECTOR_BYTES == 32
// 128 bits at a time: AVX alone has no integers of 256.
VITRINE_INLINE __m128i words(simd<float>::ivec x) {
  const __m256i all = reinterpret_cast<__m256i>(x);
  return _mm_packs_epi32(_mm256_castsi256_si128(all), _mm256_extractf128_si256(all, 1));
}
VITRINE_INLINE simd<float>::vec low_bytes(const simd<float>::ivec (&x)[4]) {
  const auto at = [&](int i) { return words(x[i] & simd<float>::iset1(0xff)); };
  return reinterpret_cast<simd<float>::vec>(
      _mm256_setr_m128i(_mm_packus_epi16(at(0), at(1)), _mm_packus_epi16(at(2), at(3))));
}
VITRINE_INLINE simd<float>::vec low_halves(const simd<float>::ivec (&x)[2]) {
  return reinterpret_cast<simd<float>::vec>(_mm256_setr_m128i(words(x[0]), words(x[1])));
}
#elif VITRINE_VECTOR_BYTES == 16 && defined(__SSE2__)
VITRINE_INLINE simd<float>::vec low_bytes(const simd<float>::ivec (&x)[4]) {
  const auto at = [&](int i) { return reinterpret_cast<__m128i>(x[i] & simd<float>::iset1(0xff)); };
  return reinterpret_cast<simd<float>::vec>(
      _mm_packus_epi16(_mm_packs_epi32(at(0), at(1)), _mm_packs_epi32(at(2), at(3))));
}
VITRINE_INLINE simd<float>::vec low_halves(const simd<float>::ivec (&x)[2]) {
  return reinterpret_cast<simd<float>::vec>(
      _mm_packs_epi32(reinterpret_cast<__m128i>(x[0]), reinterpret_cast<__m128i>(x[1])));
}
#elif VITRINE_VECTOR_BYTES == 16 && defined(__aarch64__)
VITRINE_INLINE uint16x8_t words(simd<float>::ivec low, simd<float>::ivec high) {
  return vcombine_u16(vmovn_u32(reinterpret_cast<uint32x4_t>(low)), vmovn_u32(reinterpret_cast<uint32x4_t>(high)));
}
VITRINE_INLINE simd<float>::vec low_bytes(const simd<float>::ivec (&x)[4]) {
  return reinterpret_cast<simd<float>::vec>(vcombine_u8(vmovn_u16(words(x[0], x[1])), vmovn_u16(words(x[2], x[3]))));
}
VITRINE_INLINE simd<float>::vec low_halves(const simd<float>::ivec (&x)[2]) {
  return reinterpret_cast<simd<float>::vec>(words(x[0], x[1]));
}
#else
template <class Part, int Vectors>
VITRINE_INLINE simd<float>::vec low_parts(const simd<float>::ivec (&x)[Vectors]) {
  using V = simd<float>;
  struct Lanes {
    std::int32_t of[V::lanes];
  };
  struct Parts {
    Part of[Vectors * V::lanes];
  } all;
  for (int i = 0; i < Vectors * V::lanes; ++i)
    all.of[i] = Part(__builtin_bit_cast(Lanes, x[i / V::lanes]).of[i % V::lanes]);
  return __builtin_bit_cast(typename V::vec, all);
}
VITRINE_INLINE simd<float>::vec low_bytes(const simd<float>::ivec (&x)[4]) { return low_parts<std::uint8_t>(x); }
VITRINE_INLINE simd<float>::vec low_halves(const simd<float>::ivec (&x)[2]) { return low_parts<std::uint16_t>(x); }
#endif

VITRINE_INLINE simd<float>::vec high_halves(const simd<float>::ivec (&x)[2]) {
#if defined(__AVX512BW__) && VITRINE_VECTOR_BYTES == 64
  const __m512i odd = _mm512_set_epi64(0x003f003d003b0039, 0x0037003500330031, 0x002f002d002b0029, 0x0027002500230021,
                                       0x001f001d001b0019, 0x0017001500130011, 0x000f000d000b0009, 0x0007000500030001);
  return reinterpret_cast<simd<float>::vec>(
      _mm512_permutex2var_epi16(reinterpret_cast<__m512i>(x[0]), odd, reinterpret_cast<__m512i>(x[1])));
#else
  return low_halves({x[0] >> 16, x[1] >> 16});
#endif
}

// Two vectors of floats as one of IEEE's halves, to nearest even, where the machine has an instruction for it. Neither
// flush-to-zero nor denormals-are-zero changes a bit of the results.
#if VITRINE_VECTOR_BYTES == 64 || (defined(__F16C__) && VITRINE_VECTOR_BYTES != 0)
inline constexpr bool has_half_instruction = true;
VITRINE_INLINE simd<float>::vec to_halves(simd<float>::vec low, simd<float>::vec high) {
  using V = simd<float>;
  constexpr int nearest = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
#if VITRINE_VECTOR_BYTES == 64
  const auto halves = [](V::vec x) { return _mm512_maskz_cvtps_ph(0xffff, reinterpret_cast<__m512>(x), nearest); };
  return reinterpret_cast<V::vec>(_mm512_maskz_inserti64x4(0xff, _mm512_castsi256_si512(halves(low)), halves(high), 1));
#elif VITRINE_VECTOR_BYTES == 32
  return reinterpret_cast<V::vec>(_mm256_setr_m128i(_mm256_cvtps_ph(reinterpret_cast<__m256>(low), nearest),
                                                    _mm256_cvtps_ph(reinterpret_cast<__m256>(high), nearest)));
#else
  return reinterpret_cast<V::vec>(_mm_unpacklo_epi64(_mm_cvtps_ph(reinterpret_cast<__m128>(low), nearest),
                                                     _mm_cvtps_ph(reinterpret_cast<__m128>(high), nearest)));
#endif
}
#else
inline constexpr bool has_half_instruction = false;
VITRINE_INLINE simd<float>::vec to_halves(simd<float>::vec low, simd<float>::vec) { return low; }
#endif

}  // namespace vitrine::inline VITRINE_ABI::detail

#include <vitrine/core/macros_pop.hpp>
