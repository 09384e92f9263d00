// exp, erf and log of a vector, made of the operations of core/simd.hpp: the same bits from every compiler of one
// machine.
//
//   exp<S>(x)               float within 2 ulp, double within 4; +0 where the result would be below the smallest normal
//   number exp_nonpositive<S>(x)   the same bits for x <= 0 and NaN, in fewer instructions: softmax after its maximum
//   is subtracted erf<S>(x), log<S>(x)    within 4 ulp; log takes subnormals, log(0) = -inf, log(-1) = NaN
//
// Polynomials are minimax fits (relative error of the result), their coefficients rounded one at a time, the lowest
// first.
#pragma once
#include <vitrine/core/simd.hpp>

namespace vitrine::inline VITRINE_ABI::kernels {

namespace detail {

// c0 + x (c1 + x (c2 + ...)), from the highest down.
template <class S>
VITRINE_INLINE typename simd<S>::vec horner(typename simd<S>::vec, S c0) {
  return simd<S>::set1(c0);
}
template <class S, class... More>
VITRINE_INLINE typename simd<S>::vec horner(typename simd<S>::vec x, S c0, More... more) {
  return simd<S>::fma(horner<S>(x, more...), x, simd<S>::set1(c0));
}

// Keeps -ffast-math from cancelling what is added and subtracted again.
template <class S>
VITRINE_INLINE typename simd<S>::vec hidden(typename simd<S>::vec x) {
#if VITRINE_VECTOR_BYTES != 0
  return vitrine::detail::opaque(x);
#else
  return {{vitrine::detail::opaque(x.v[0]), vitrine::detail::opaque(x.v[1])}};
#endif
}

// Sum of bit patterns, modulo 2^32 or 2^64.
template <class S>
VITRINE_INLINE typename simd<S>::ivec add_bits(typename simd<S>::ivec x, typename simd<S>::ivec y) {
#if VITRINE_VECTOR_BYTES != 0
  return x + y;
#else
  using lane_int = typename simd<S>::lane_int;
  using word = std::make_unsigned_t<lane_int>;
  return {{lane_int(word(x.v[0]) + word(y.v[0])), lane_int(word(x.v[1]) + word(y.v[1]))}};
#endif
}

template <class S>
struct float_format;
template <>
struct float_format<float> {
  static constexpr int mantissa_bits = 23;
  static constexpr int bias = 127;
  static constexpr std::int32_t sign = INT32_MIN;
  static constexpr float round = 0x1.8p23f;  // adding it leaves a rounded integer in the low bits
  static constexpr float infinity = __builtin_huge_valf();
};
template <>
struct float_format<double> {
  static constexpr int mantissa_bits = 52;
  static constexpr int bias = 1023;
  static constexpr std::int64_t sign = INT64_MIN;
  static constexpr double round = 0x1.8p52;
  static constexpr double infinity = __builtin_huge_val();
};

template <class S>
VITRINE_INLINE typename simd<S>::vec negative(typename simd<S>::vec x) {
  using V = simd<S>;
  return V::from_bits(V::bits(x) ^ V::iset1(float_format<S>::sign));
}
template <class S>
VITRINE_INLINE typename simd<S>::vec absolute(typename simd<S>::vec x) {
  using V = simd<S>;
  return V::from_bits(V::bits(x) & V::iset1(~float_format<S>::sign));
}

// x * y - product, where product = mul(x, y). Without fma from halves of the digits, good to a few bits of the error.
template <class S>
VITRINE_INLINE typename simd<S>::vec product_error(typename simd<S>::vec x, typename simd<S>::vec y,
                                                   typename simd<S>::vec product) {
  using V = simd<S>;
#if VITRINE_FMA
  return V::fma(x, y, negative<S>(product));
#else
  const auto high = V::iset1(static_cast<typename V::lane_int>(-1) - ((sizeof(S) == 4 ? 0x1000 : 0x8000000) - 1));
  const auto xh = V::from_bits(V::bits(x) & high), xl = hidden<S>(x - xh);
  const auto yh = V::from_bits(V::bits(y) & high), yl = hidden<S>(y - yh);
  return ((V::mul(xh, yh) - product) + V::mul(xh, yl) + V::mul(xl, yh)) + V::mul(xl, yl);
#endif
}

// exp(x + small) = value * 2^n with |log(value)| <= log(2) / 2; the low bits of steps are round + shift + n.
template <class S>
struct exp_parts {
  typename simd<S>::vec value, steps;
};
template <class S, bool WithSmall>
VITRINE_INLINE exp_parts<S> split_exp(typename simd<S>::vec x, typename simd<S>::vec small, S shift) {
  using V = simd<S>;
  const auto round = V::set1(float_format<S>::round + shift);
  typename V::vec steps, rest, value;
  if constexpr (sizeof(S) == 4) {
    steps = hidden<S>(V::fma(x, V::set1(0x1.715476p0f), round));
    const auto n = steps - round;
    rest = V::fma(n, V::set1(-0x1.62e4p-1f), x);  // exact: the constant has 15 bits
    if constexpr (WithSmall) rest = rest + small;
    rest = V::fma(n, V::set1(-0x1.7f7d1cp-20f), rest);
    value = horner<S>(rest, 1.f, 1.f, 0x1.fffffcp-2f, 0x1.555492p-3f, 0x1.5558aap-5f, 0x1.12398cp-7f, 0x1.6a5428p-10f);
  } else {
    steps = hidden<S>(V::fma(x, V::set1(0x1.71547652b82fep0), round));
    const auto n = steps - round;
    rest = V::fma(n, V::set1(-0x1.62e42fefa4p-1), x);  // exact: 40 bits
    if constexpr (WithSmall) rest = rest + small;
    rest = V::fma(n, V::set1(0x1.8432a1b0e2634p-43), rest);
    value = horner<S>(rest, 1., 1., 0x1.000000000000ap-1, 0x1.55555555555p-3, 0x1.555555555069ep-5,
                      0x1.1111111126376p-7, 0x1.6c16c18480fffp-10, 0x1.a01a013286b23p-13, 0x1.a019993e1d00bp-16,
                      0x1.71df1320673c3p-19, 0x1.28ae1f04115d6p-22, 0x1.ad9c358de69b8p-26);
  }
  return {value, steps};
}

// The smallest argument with a normal result, and the smallest with an infinite one.
template <class S>
inline constexpr S exp_lowest = sizeof(S) == 4 ? S(-0x1.5d589ep6) : S(-0x1.6232bdd7abcd2p9);
template <class S>
inline constexpr S exp_overflow = sizeof(S) == 4 ? S(0x1.62e43p6) : S(0x1.62e42fefa39fp9);

template <class S, bool WithSmall>
VITRINE_INLINE typename simd<S>::vec exp_any(typename simd<S>::vec x, typename simd<S>::vec small) {
  using V = simd<S>;
  const auto parts = split_exp<S, WithSmall>(x, small, S(0));
  const auto scaled =
      V::from_bits(add_bits<S>(V::bits(parts.value), V::bits(parts.steps) << float_format<S>::mantissa_bits));
  const auto flushed = V::select(V::lt(x, V::set1(exp_lowest<S>)), V::zero(), scaled);
  return V::select(V::lt(x, V::set1(exp_overflow<S>)), flushed, x + V::set1(float_format<S>::infinity));
}
template <class S, bool WithSmall>
VITRINE_INLINE typename simd<S>::vec exp_nonpositive(typename simd<S>::vec x, typename simd<S>::vec small) {
  using V = simd<S>;
  const auto parts = split_exp<S, WithSmall>(x, small, S(float_format<S>::bias));
  const auto power = V::from_bits(V::bits(parts.steps) << float_format<S>::mantissa_bits);
  // A product, not a sum of exponents, so that NaN stays NaN; as an fma, because a mask can be folded into it.
  const auto scaled = V::fma(parts.value, power, V::set1(S(-0.0)));
  return V::select(V::lt(x, V::set1(exp_lowest<S>)), V::zero(), scaled);
}

}  // namespace detail

// e^x: exp(0) = 1, exp(-inf) = +0, +inf from 88.7228394 (709.78271289338409) on, NaN for NaN.
template <class S>
VITRINE_INLINE typename simd<S>::vec exp(typename simd<S>::vec x) {
  return detail::exp_any<S, false>(x, x);
}
// e^x for x <= 0 or NaN, equal bit for bit to exp; any other argument gives nonsense.
template <class S>
VITRINE_INLINE typename simd<S>::vec exp_nonpositive(typename simd<S>::vec x) {
  return detail::exp_nonpositive<S, false>(x, x);
}
VITRINE_INLINE float exp(float x) { return simd<float>::lane(exp<float>(simd<float>::set1(x)), 0); }
VITRINE_INLINE double exp(double x) { return simd<double>::lane(exp<double>(simd<double>::set1(x)), 0); }

}  // namespace vitrine::inline VITRINE_ABI::kernels
