// One vector of the machine, in the few operations that the kernels need.
//
//   using V = simd<float>;    V::lanes floats: 16 with AVX-512, 8 with AVX, 4 with SSE and NEON, 2 in a plain array
//   V::vec x = V::load(p), y = V::set1(2);      loads and stores need no alignment
//   x + y, x - y, x / y       as written; a product is never written with *
//   V::mul(x, y)              rounded product, never fused with a neighbour, whatever -ffp-contract says
//   V::fma(x, y, z)           x * y + z, one rounding where the machine has the instruction, else two
//
// The numbers of the library are made of these, so that one build gives one result (examples/threads.md). Vector types
// stay inside always_inline functions: how they are passed to real functions depends on the flags of a translation
// unit.
#pragma once
#include <vitrine/core/detail/intrinsics.hpp>

#include <type_traits>
#include <utility>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

template <class S>
struct simd;

// ---- scalars, for the same numbers as one lane

// The rounded product, never fused with a neighbour.
template <class S>
VITRINE_INLINE S mul(S x, S y) {
  return detail::opaque(static_cast<S>(x * y));
}
// x y + z: one rounding where VITRINE_FMA says so, else two.
VITRINE_INLINE float fma(float x, float y, float z) {
#if VITRINE_FMA
  return __builtin_fmaf(x, y, z);
#else
  return mul(x, y) + z;
#endif
}
VITRINE_INLINE double fma(double x, double y, double z) {
#if VITRINE_FMA && (defined(__FP_FAST_FMA) || defined(__FMA__) || defined(__aarch64__))
  return __builtin_fma(x, y, z);
#else
  return mul(x, y) + z;
#endif
}
// The correctly rounded square root, without libm's errno.
VITRINE_INLINE float square_root(float x) {
#if defined(__SSE2__)
  return _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(x)));
#elif defined(__arm__) && defined(__ARM_FP)
  asm("vsqrt.f32 %0, %1" : "=t"(x) : "t"(x));
  return x;
#else
  return __builtin_sqrtf(x);
#endif
}
VITRINE_INLINE double square_root(double x) {
#if defined(__SSE2__)
  return _mm_cvtsd_f64(_mm_sqrt_sd(_mm_setzero_pd(), _mm_set_sd(x)));
#else
  return __builtin_sqrt(x);
#endif
}

#if VITRINE_VECTOR_BYTES != 0

// One vector of S and the operations on it; the top of this header shows how they are used. load, store and stream take
// `lanes` values (stream: aligned, past the cache), comparisons give a mask of all bits or none for each lane, which
// `select` reads.
template <class S>
struct simd {
  // The compiler's vector types.
  using types = detail::vector_types<S>;
  // `lanes` values.
  using vec = typename types::vec;
  using ivec = typename types::ivec;  // lanes of as many bits; also the result of a comparison (all ones or zero)
  // An integer as wide as S.
  using lane_int = typename types::lane_int;
  static constexpr int lanes = VITRINE_VECTOR_BYTES / int(sizeof(S));

  // `lanes` values from memory; p needs no alignment.
  static VITRINE_INLINE vec load(const S* p) { return *reinterpret_cast<const typename types::unaligned*>(p); }
  // `lanes` values into memory; p needs no alignment.
  static VITRINE_INLINE void store(S* p, vec x) { *reinterpret_cast<typename types::unaligned*>(p) = x; }
  // Past the caches; p is aligned to a vector. Fence with stream_fence() before another thread reads.
  static VITRINE_INLINE void stream(S* p, vec x) { detail::nontemporal(p, x); }
  // +0 in every lane.
  static VITRINE_INLINE vec zero() { return vec{}; }
  static VITRINE_INLINE vec set1(S x) { return x - vec{}; }  // x - 0 is x, -0 too: compilers fold it to a broadcast
  // The integer in every lane.
  static VITRINE_INLINE ivec iset1(lane_int x) { return ivec{} + x; }
  // The lanes' bits, as they are.
  static VITRINE_INLINE ivec bits(vec x) { return reinterpret_cast<ivec>(x); }
  // The inverse of bits.
  static VITRINE_INLINE vec from_bits(ivec x) { return reinterpret_cast<vec>(x); }
  // The rounded product, never fused with a neighbour.
  static VITRINE_INLINE vec mul(vec x, vec y) { return detail::opaque(x * y); }
  // x y + z: one rounding where VITRINE_FMA says so, else two.
  static VITRINE_INLINE vec fma(vec x, vec y, vec z) {
#if VITRINE_FMA
    return detail::fused(x, y, z);
#else
    return mul(x, y) + z;
#endif
  }
  // x < y: all bits of the lane or none; false for NaN.
  static VITRINE_INLINE ivec lt(vec x, vec y) { return reinterpret_cast<ivec>(x < y); }
  // The same of integers.
  static VITRINE_INLINE ivec ilt(ivec x, ivec y) { return reinterpret_cast<ivec>(x < y); }
  // x == y of integers.
  static VITRINE_INLINE ivec ieq(ivec x, ivec y) { return reinterpret_cast<ivec>(x == y); }
  // Is any lane of a comparison true?
  static VITRINE_INLINE bool any(ivec m) { return detail::any_lane(m); }
  // x where m has all bits, y where it has none.
  static VITRINE_INLINE vec select(ivec m, vec x, vec y) { return m ? x : y; }
  // x > y ? x : y, so y where either is NaN.
  static VITRINE_INLINE vec max(vec x, vec y) { return x > y ? x : y; }
  // x < y ? x : y, so y where either is NaN.
  static VITRINE_INLINE vec min(vec x, vec y) { return x < y ? x : y; }
  // 0, 1, 2, ...
  static VITRINE_INLINE ivec iota() {
    ivec x{};
    for (int i = 0; i < lanes; ++i) x[i] = lane_int(i);
    return x;
  }
  // Lane i.
  static VITRINE_INLINE S lane(vec x, int i) { return x[i]; }
};

#else

// A plain array of two lanes: with sixteen of them as registers the same tile fits the 32 single registers of a
// Cortex-M4F.
template <class S>
struct simd {
  using lane_int = std::conditional_t<sizeof(S) == 4, std::int32_t, std::int64_t>;
  static constexpr int lanes = 2;
  template <class T>
  struct array {
    T v[lanes];
    friend VITRINE_INLINE array operator+(array x, array y) { return {{T(x.v[0] + y.v[0]), T(x.v[1] + y.v[1])}}; }
    friend VITRINE_INLINE array operator-(array x, array y) { return {{T(x.v[0] - y.v[0]), T(x.v[1] - y.v[1])}}; }
    friend VITRINE_INLINE array operator/(array x, array y) { return {{T(x.v[0] / y.v[0]), T(x.v[1] / y.v[1])}}; }
    friend VITRINE_INLINE array operator&(array x, array y) { return {{T(x.v[0] & y.v[0]), T(x.v[1] & y.v[1])}}; }
    friend VITRINE_INLINE array operator|(array x, array y) { return {{T(x.v[0] | y.v[0]), T(x.v[1] | y.v[1])}}; }
    friend VITRINE_INLINE array operator^(array x, array y) { return {{T(x.v[0] ^ y.v[0]), T(x.v[1] ^ y.v[1])}}; }
    friend VITRINE_INLINE array operator~(array x) { return {{T(~x.v[0]), T(~x.v[1])}}; }
    friend VITRINE_INLINE array operator<<(array x, int n) { return {{shifted(x.v[0], n), shifted(x.v[1], n)}}; }
    friend VITRINE_INLINE array operator>>(array x, int n) { return {{T(x.v[0] >> n), T(x.v[1] >> n)}}; }
    static VITRINE_INLINE T shifted(T x, int n) { return T(std::make_unsigned_t<T>(x) << n); }
  };
  using vec = array<S>;
  using ivec = array<lane_int>;

  static VITRINE_INLINE vec load(const S* p) { return {{p[0], p[1]}}; }
  static VITRINE_INLINE void store(S* p, vec x) { p[0] = x.v[0], p[1] = x.v[1]; }
  static VITRINE_INLINE void stream(S* p, vec x) { store(p, x); }
  static VITRINE_INLINE vec zero() { return {{S(0), S(0)}}; }
  static VITRINE_INLINE vec set1(S x) { return {{x, x}}; }
  static VITRINE_INLINE ivec iset1(lane_int x) { return {{x, x}}; }
  static VITRINE_INLINE ivec bits(vec x) { return __builtin_bit_cast(ivec, x); }
  static VITRINE_INLINE vec from_bits(ivec x) { return __builtin_bit_cast(vec, x); }
  static VITRINE_INLINE vec mul(vec x, vec y) { return {{vitrine::mul(x.v[0], y.v[0]), vitrine::mul(x.v[1], y.v[1])}}; }
  static VITRINE_INLINE vec fma(vec x, vec y, vec z) {
    return {{vitrine::fma(x.v[0], y.v[0], z.v[0]), vitrine::fma(x.v[1], y.v[1], z.v[1])}};
  }
  static VITRINE_INLINE ivec lt(vec x, vec y) { return {{-lane_int(x.v[0] < y.v[0]), -lane_int(x.v[1] < y.v[1])}}; }
  static VITRINE_INLINE ivec ilt(ivec x, ivec y) { return {{-lane_int(x.v[0] < y.v[0]), -lane_int(x.v[1] < y.v[1])}}; }
  static VITRINE_INLINE ivec ieq(ivec x, ivec y) {
    return {{-lane_int(x.v[0] == y.v[0]), -lane_int(x.v[1] == y.v[1])}};
  }
  // Is any lane of a comparison true?
  static VITRINE_INLINE bool any(ivec m) { return m.v[0] != 0 || m.v[1] != 0; }
  static VITRINE_INLINE vec select(ivec m, vec x, vec y) {
    return {{m.v[0] ? x.v[0] : y.v[0], m.v[1] ? x.v[1] : y.v[1]}};
  }
  static VITRINE_INLINE vec max(vec x, vec y) {
    return {{x.v[0] > y.v[0] ? x.v[0] : y.v[0], x.v[1] > y.v[1] ? x.v[1] : y.v[1]}};
  }
  static VITRINE_INLINE vec min(vec x, vec y) {
    return {{x.v[0] < y.v[0] ? x.v[0] : y.v[0], x.v[1] < y.v[1] ? x.v[1] : y.v[1]}};
  }
  static VITRINE_INLINE ivec iota() { return {{lane_int(0), lane_int(1)}}; }
  static VITRINE_INLINE S lane(vec x, int i) { return x.v[i]; }
};

#endif

namespace detail {

#if VITRINE_VECTOR_BYTES != 0
// Lanes First, First + 1, ... of x; past the last one begins again.
template <int First, class Vector, int... I>
VITRINE_INLINE auto lanes_from(Vector x, std::integer_sequence<int, I...>) {
  constexpr int lanes = int(sizeof(Vector) / sizeof(x[0]));
  return __builtin_shufflevector(x, x, ((First + I) % lanes)...);
}
#endif
template <bool Max, class X>
VITRINE_INLINE X more(X x, X y) {
  if constexpr (Max)
    return x > y ? x : y;
  else
    return x + y;
}
// The lanes by one fixed tree: the halves are added (or compared) until a single lane is left. Halves of more than 16
// bytes are vectors of their own, which cost half as much.
template <class S, bool Max, class Vector>
VITRINE_INLINE S reduce(Vector x) {
#if VITRINE_VECTOR_BYTES != 0
  constexpr int half = int(sizeof(Vector) / sizeof(S)) / 2;
  if constexpr (sizeof(Vector) > 16) {
    const std::make_integer_sequence<int, half> lanes;
    return reduce<S, Max>(more<Max>(lanes_from<0>(x, lanes), lanes_from<half>(x, lanes)));
  } else {
    const std::make_integer_sequence<int, 2 * half> lanes;
    x = more<Max>(x, lanes_from<half>(x, lanes));
    if constexpr (half == 2) x = more<Max>(x, lanes_from<1>(x, lanes));
    return x[0];
  }
#else
  return more<Max>(x.v[0], x.v[1]);
#endif
}

}  // namespace detail

// The sum of the lanes: lane i and lane i + lanes / 2 first, and so on by halves.
template <class S>
VITRINE_INLINE S reduce_add(typename simd<S>::vec x) {
  return detail::reduce<S, false>(x);
}
// The largest lane, in the same order; of no use where one is NaN.
template <class S>
VITRINE_INLINE S reduce_max(typename simd<S>::vec x) {
  return detail::reduce<S, true>(x);
}

// The first n lanes from p, zero in the others; touches no byte past p + n.
template <class S>
VITRINE_INLINE typename simd<S>::vec load_first(const S* p, Index n) {
  if (n >= simd<S>::lanes) return simd<S>::load(p);
#if VITRINE_VECTOR_BYTES == 64
  return detail::masked_load(p, n);
#else
  S lanes[simd<S>::lanes] = {};
  for (Index i = 0; i < n; ++i) lanes[i] = p[i];
  return simd<S>::load(lanes);
#endif
}
// The first n values (all, when n is at least `lanes`); touches nothing behind them.
template <class S>
VITRINE_INLINE void store_first(S* p, typename simd<S>::vec x, Index n) {
  if (n >= simd<S>::lanes) return simd<S>::store(p, x);
#if VITRINE_VECTOR_BYTES == 64
  detail::masked_store(p, x, n);
#else
  S lanes[simd<S>::lanes];
  simd<S>::store(lanes, x);
  for (Index i = 0; i < n; ++i) p[i] = lanes[i];
#endif
}

// Orders streamed stores before what follows.
VITRINE_INLINE void stream_fence() {
#if defined(__SSE2__) && VITRINE_VECTOR_BYTES != 0
  _mm_sfence();
#endif
}

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
