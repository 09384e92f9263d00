// Codes of int8, and what products of them ask of each instruction set: how a code stands in a row of A and in a panel,
// four columns at a time into sums of 32 bits, and codes of rounded floats. Internal: kernels/int8.hpp is made of it.
#pragma once
#include <vitrine/core/simd.hpp>

#if VITRINE_VECTOR_BYTES == 0 && defined(__ARM_FEATURE_SIMD32)
#include <arm_acle.h>
#endif

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::kernels::detail {

// A code of A as the product reads it. VNNI and NEON multiply bytes; everything else pairs of 16 bits.
#if VITRINE_VECTOR_BYTES == 64 && defined(__AVX512VNNI__)
#define VITRINE_VNNI 1
#define VITRINE_NEON 0
#elif VITRINE_VECTOR_BYTES == 16 && defined(__aarch64__)
#define VITRINE_VNNI 0
#define VITRINE_NEON 1
#else
#define VITRINE_VNNI 0
#define VITRINE_NEON 0
#endif
#if VITRINE_VNNI || VITRINE_NEON
typedef std::int8_t Int8Code __attribute__((may_alias));
#else
typedef std::int16_t Int8Code __attribute__((may_alias));
#endif
typedef float Int8Scale __attribute__((may_alias));
typedef std::int32_t Int8Sum __attribute__((may_alias));

using Int8Vector = simd<float>;
using Int8Sums = Int8Vector::ivec;

}  // namespace vitrine::inline VITRINE_ABI::kernels::detail

namespace vitrine::inline VITRINE_ABI::kernels {

// How a row's bytes of four columns stand in a panel of int8: columns 0, 2, 1 and 3, 128 added to each code; in their
// order; in their order and without the 128.
enum class Int8Layout : std::uint8_t { pairs, bytes, signed_bytes };
// That of this build, by its instruction set.
inline constexpr Int8Layout int8_layout = VITRINE_VNNI != 0   ? Int8Layout::bytes
                                          : VITRINE_NEON != 0 ? Int8Layout::signed_bytes
                                                              : Int8Layout::pairs;

}  // namespace vitrine::inline VITRINE_ABI::kernels

namespace vitrine::inline VITRINE_ABI::kernels::detail {

// Do products read rows and panels as VNNI does?
inline constexpr bool int8_vnni = VITRINE_VNNI != 0;
// What is added to a weight's code in a panel.
inline constexpr int int8_zero = VITRINE_NEON != 0 ? 0 : 128;

// Where column k of four stands among a row's four bytes: pairs of 16 bits take bytes 0 and 2, then 1 and 3.
constexpr int int8_place(Index k) {
  return sizeof(Int8Code) == 1 || k % 4 == 0 || k % 4 == 3 ? int(k % 4) : int(3 - k % 4);
}

VITRINE_INLINE std::int32_t int8_word(const void* from) {
  std::int32_t word;
  __builtin_memcpy(&word, from, 4);
  return word;
}
// As many sums as a vector has lanes, or their bytes of codes.
VITRINE_INLINE Int8Sums int8_load(const void* from) {
  return Int8Vector::bits(Int8Vector::load(static_cast<const float*>(from)));
}

#if VITRINE_NEON
// sums + in each lane the four products of its bytes of b and of those of `four`.
VITRINE_INLINE Int8Sums int8_dot(Int8Sums sums, Int8Sums b, std::int32_t four) {
  const auto codes = reinterpret_cast<int8x16_t>(b);
#if defined(__ARM_FEATURE_DOTPROD)
  const int32x2_t first{four, 0};  // not copied to all lanes, which would take a place among the products
  return reinterpret_cast<Int8Sums>(
      vdotq_lane_s32(reinterpret_cast<int32x4_t>(sums), codes, reinterpret_cast<int8x8_t>(first), 0));
#else
  const auto twice = reinterpret_cast<int8x8_t>(vdup_n_s32(four));
  const int16x8_t low = vmull_s8(vget_low_s8(codes), twice), high = vmull_s8(vget_high_s8(codes), twice);
  const int16x8_t pairs = vpaddq_s16(low, high);  // two products of codes fit 16 bits
  return reinterpret_cast<Int8Sums>(vpadalq_s16(reinterpret_cast<int32x4_t>(sums), pairs));
#endif
}
#elif !VITRINE_VNNI
// The sum of two products of 16 bits in each lane.
VITRINE_INLINE Int8Sums int8_pairs(Int8Sums x, Int8Sums y) {
#if VITRINE_VECTOR_BYTES == 64 && defined(__AVX512BW__)
  return reinterpret_cast<Int8Sums>(_mm512_madd_epi16(reinterpret_cast<__m512i>(x), reinterpret_cast<__m512i>(y)));
#elif VITRINE_VECTOR_BYTES == 32 && defined(__AVX2__)
  return reinterpret_cast<Int8Sums>(_mm256_madd_epi16(reinterpret_cast<__m256i>(x), reinterpret_cast<__m256i>(y)));
#elif VITRINE_VECTOR_BYTES == 16 && defined(__SSE2__)
  return reinterpret_cast<Int8Sums>(_mm_madd_epi16(reinterpret_cast<__m128i>(x), reinterpret_cast<__m128i>(y)));
#elif VITRINE_VECTOR_BYTES != 0
  return ((x << 16) >> 16) * ((y << 16) >> 16) + (x >> 16) * (y >> 16);
#else
  Int8Sums sum = x;
  for (int i = 0; i < Int8Vector::lanes; ++i)
    sum.v[i] = std::int16_t(x.v[i]) * std::int16_t(y.v[i]) + (x.v[i] >> 16) * (y.v[i] >> 16);
  return sum;
#endif
}
#endif

// sums[r] += four columns of Rows rows of A by four columns of the panels.
template <int Rows, int Vectors>
VITRINE_INLINE void int8_step(Int8Sums (&sums)[Rows][Vectors], const Int8Code* a, Index a_stride,
                              const Int8Sums (&b)[Vectors]) {
#if VITRINE_VNNI
#pragma GCC unroll 16
  for (int r = 0; r < Rows; ++r) {
    const __m512i four = _mm512_set1_epi32(int8_word(a + r * a_stride));
#pragma GCC unroll 8
    for (int v = 0; v < Vectors; ++v)
      sums[r][v] = reinterpret_cast<Int8Sums>(
          _mm512_dpbusd_epi32(reinterpret_cast<__m512i>(sums[r][v]), reinterpret_cast<__m512i>(b[v]), four));
  }
#elif VITRINE_NEON
#pragma GCC unroll 16
  for (int r = 0; r < Rows; ++r) {
    const std::int32_t four = int8_word(a + r * a_stride);
#pragma GCC unroll 8
    for (int v = 0; v < Vectors; ++v) sums[r][v] = int8_dot(sums[r][v], b[v], four);
  }
#else
  const Int8Sums low = Int8Vector::iset1(0x00FF00FF);
#pragma GCC unroll 2
  for (int half = 0; half < 2; ++half) {
    Int8Sums bytes[Vectors];
#pragma GCC unroll 8
    for (int v = 0; v < Vectors; ++v) bytes[v] = (half == 0 ? b[v] : b[v] >> 8) & low;
#pragma GCC unroll 16
    for (int r = 0; r < Rows; ++r) {
      const Int8Sums two = Int8Vector::iset1(int8_word(a + r * a_stride + Index{2} * half));
#pragma GCC unroll 8
      for (int v = 0; v < Vectors; ++v) {
#if VITRINE_VECTOR_BYTES == 0 && defined(__ARM_FEATURE_SIMD32)
        for (int i = 0; i < Int8Vector::lanes; ++i) sums[r][v].v[i] = __smlad(bytes[v].v[i], two.v[i], sums[r][v].v[i]);
#else
        sums[r][v] = sums[r][v] + int8_pairs(bytes[v], two);
#endif
      }
    }
  }
#endif
}

VITRINE_INLINE Int8Vector::vec int8_floats(Int8Sums x) {
#if VITRINE_VECTOR_BYTES != 0
  return __builtin_convertvector(x, Int8Vector::vec);
#else
  return {{float(x.v[0]), float(x.v[1])}};
#endif
}

// `lanes` integers, each within a byte, as codes.
VITRINE_INLINE void int8_store(Int8Code* to, Int8Sums x) {
#if VITRINE_VNNI
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm512_maskz_cvtepi32_epi8(0xFFFF, reinterpret_cast<__m512i>(x)));
#elif VITRINE_VECTOR_BYTES == 32 && defined(__AVX2__)
  const auto all = reinterpret_cast<__m256i>(x);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to),
                   _mm_packs_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1)));
#elif VITRINE_NEON
  const int16x4_t half = vmovn_s32(reinterpret_cast<int32x4_t>(x));
  const std::int32_t word = vget_lane_s32(vreinterpret_s32_s8(vmovn_s16(vcombine_s16(half, half))), 0);
  __builtin_memcpy(to, &word, sizeof word);
#else
  std::int32_t lanes[Int8Vector::lanes];
  __builtin_memcpy(lanes, &x, sizeof lanes);
  for (int i = 0; i < Int8Vector::lanes; ++i) to[i] = Int8Code(lanes[i]);
#endif
}

// The nearest integers, ties to even, of numbers within a byte: in the low bits behind 1.5 * 2^23.
inline constexpr float int8_magic = 12582912.0f;
VITRINE_INLINE Int8Sums int8_round(Int8Vector::vec x) {
  return Int8Vector::bits(x + Int8Vector::set1(int8_magic)) -
         Int8Vector::iset1(__builtin_bit_cast(std::int32_t, int8_magic));
}

// The scale by which values of at most this size become codes; never so small that its inverse is infinite. Infinite or
// NaN for such a size, and then so is every sum.
VITRINE_INLINE float int8_scale(float largest) {
  const float scale = largest / 127.0f, least = 0x1p-126f;
  return scale < least ? least : scale;
}

// A code of a weight's row, from its scale's inverse.
inline std::int32_t int8_code(float x, float inverse) {
  return __builtin_bit_cast(std::int32_t, vitrine::detail::opaque(mul(x, inverse) + int8_magic)) -
         __builtin_bit_cast(std::int32_t, int8_magic);
}

}  // namespace vitrine::inline VITRINE_ABI::kernels::detail

#undef VITRINE_VNNI
#undef VITRINE_NEON

#include <vitrine/core/macros_pop.hpp>
