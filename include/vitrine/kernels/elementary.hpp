// exp, erf, tanh and log of a vector, made of the operations of core/simd.hpp: the same bits from every compiler.
//
//   exp<S>(x)               float within 2 ulp, double within 4; +0 where the result would be subnormal
//   exp_nonpositive<S>(x)   the same bits for x <= 0 and NaN in fewer instructions, for softmax
//   erf<S>(x), tanh<S>(x), log<S>(x)    within 4 ulp
//
// x is a vector of `lanes` values. Nothing here allocates or fails. Polynomials are minimax fits (relative error of the
// result); coefficients were rounded one at a time, the lowest first.
#pragma once
#include <vitrine/core/simd.hpp>

#include <vitrine/core/macros_push.hpp>

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
  using lane_int = typename simd<S>::lane_int;
  using word = std::make_unsigned_t<lane_int>;
#if VITRINE_VECTOR_BYTES != 0
  typedef word words __attribute__((vector_size(VITRINE_VECTOR_BYTES)));
  return reinterpret_cast<typename simd<S>::ivec>(reinterpret_cast<words>(x) + reinterpret_cast<words>(y));
#else
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

// P(X > a) exp(a^2 / 2) for a standard normal X and a >= 0, as a polynomial around 1: its terms are small between 0 and
// 1.53, where the tail is 1/16 and the error bound of gelu is tightest. Right of 6 (9 in double) it is held constant.
template <class S>
VITRINE_INLINE typename simd<S>::vec normal_ratio(typename simd<S>::vec a) {
  using V = simd<S>;
  if constexpr (sizeof(S) == 4) {
    const auto x = V::min(V::set1(6.f), a) - V::set1(1.f);
    return horner<S>(x, 0x1.0bdb2ep-2f, -0x1.195248p-3f, 0x1.fcc804p-5f, -0x1.9b015ap-6f, 0x1.2f4c1ap-7f,
                     -0x1.9ef2dap-9f, 0x1.09b208p-10f, -0x1.41cb6cp-12f, 0x1.77f292p-14f, -0x1.a9065cp-16f,
                     0x1.acc178p-18f, -0x1.47ab82p-20f, 0x1.368c1ap-23f, -0x1.06cc1p-27f);
  } else {
    const auto x = V::min(V::set1(9.), a) - V::set1(1.);
    return horner<S>(x, 0x1.0bdb2e039df32p-2, -0x1.19524a734ae3dp-3, 0x1.fcc82327e201ap-5, -0x1.9b00af18dbb7fp-6,
                     0x1.2f47cb9b74ce8p-7, -0x1.9efadbab679b5p-9, 0x1.0a0c1b9603543p-10, -0x1.423c59006c3efp-12,
                     0x1.72fa0ab2b07e1p-14, -0x1.97fc27bea72d2p-16, 0x1.ae5e66d0c69fcp-18, -0x1.b4ef572f6fbe1p-20,
                     0x1.ac2e21d12db92p-22, -0x1.96050071444c4p-24, 0x1.7557f2ae7a0dcp-26, -0x1.4d83b2806249ep-28,
                     0x1.21ecc247dbeaap-30, -0x1.eb6b117e51cecp-33, 0x1.96fbd7f2c078cp-35, -0x1.49c3032965371p-37,
                     0x1.03ca42ac58a4dp-39, -0x1.858a542318453p-42, 0x1.0b9b25d0fac2ap-44, -0x1.418f0887a7066p-47,
                     0x1.423d2ad5c5b3ep-50, -0x1.00f0d3a804ee4p-53, 0x1.3579e24045db5p-57, -0x1.0667662a5abbfp-61,
                     0x1.15c9a988cba9fp-66, -0x1.1348f2976e5c4p-72);
  }
}
// exp(-scale x^2), where scale is a power of two, with the square's rounding error put back.
template <class S>
VITRINE_INLINE typename simd<S>::vec gauss(typename simd<S>::vec x, S scale) {
  using V = simd<S>;
  const auto square = V::mul(x, x);
  const auto minus = V::set1(-scale);
  return exp_nonpositive<S, true>(V::mul(square, minus), V::mul(product_error<S>(x, x, square), minus));
}
// P(X > a) for a standard normal X and a >= 0.
template <class S>
VITRINE_INLINE typename simd<S>::vec normal_tail(typename simd<S>::vec a) {
  return simd<S>::mul(gauss<S>(a, S(0.5)), normal_ratio<S>(a));
}

}  // namespace detail

// exp(x) = e^x; exp(0) = 1, exp(-inf) = +0, +inf from 88.7228394 (709.78271289338409) on, NaN for NaN.
template <class S>
VITRINE_INLINE typename simd<S>::vec exp(typename simd<S>::vec x) {
  return detail::exp_any<S, false>(x, x);
}
// exp(x) = e^x for x <= 0 or NaN, equal bit for bit to exp; any other argument gives nonsense.
template <class S>
VITRINE_INLINE typename simd<S>::vec exp_nonpositive(typename simd<S>::vec x) {
  return detail::exp_nonpositive<S, false>(x, x);
}

// The error function, erf(x) = 2 / sqrt(pi) times the integral of e^(-t^2) from 0 to x; erf(-0) = -0, NaN for NaN.
template <class S>
VITRINE_INLINE typename simd<S>::vec erf(typename simd<S>::vec x) {
  using V = simd<S>;
  const auto a = detail::absolute<S>(x);
  const auto square = V::mul(x, x);
  typename V::vec factor;
  if constexpr (sizeof(S) == 4)
    factor = detail::horner<S>(square, 0x1.20dd74p0f, -0x1.8126b0p-2f, 0x1.ce15cap-4f, -0x1.b657640p-6f, 0x1.45e3f6p-8f,
                               -0x1.32316p-11f);
  else
    factor =
        detail::horner<S>(square, 0x1.20dd750429b6dp0, -0x1.812746b0379bep-2, 0x1.ce2f21a041021p-4,
                          -0x1.b82ce311fc85cp-6, 0x1.565bccf5b2777p-8, -0x1.c02daea58e4b1p-11, 0x1.f9a2673bb418p-14,
                          -0x1.f4c0ab33263abp-17, 0x1.b8d42675ce259p-20, -0x1.54dd40934b94p-23, 0x1.825e33ac7cbb9p-27);
  // erf(a) = 1 - 2 P(X > a sqrt(2))
  const auto sqrt2 = V::set1(sizeof(S) == 4 ? S(0x1.6a09e6p0) : S(0x1.6a09e667f3bcdp0));
  const auto ratio = detail::normal_ratio<S>(V::mul(a, sqrt2));
  const auto large = V::fma(V::mul(detail::gauss<S>(x, S(1)), ratio), V::set1(S(-2)), V::set1(S(1)));
  const auto sign = V::bits(x) & V::iset1(detail::float_format<S>::sign);
  return V::select(V::lt(a, V::set1(S(0.75))), V::mul(x, factor), V::from_bits(V::bits(large) | sign));
}

// The hyperbolic tangent, tanh(x) = 1 - 2 / (e^(2x) + 1); tanh(-0) = -0, NaN for NaN.
template <class S>
VITRINE_INLINE typename simd<S>::vec tanh(typename simd<S>::vec x) {
  using V = simd<S>;
  const auto a = detail::absolute<S>(x);
  const auto square = V::mul(x, x);
  typename V::vec factor;
  if constexpr (sizeof(S) == 4)
    factor =
        detail::horner<S>(square, -0x1.55554ap-2f, 0x1.110cfep-3f, -0x1.b922e4p-5f, 0x1.59147ap-6f, -0x1.9a613p-8f);
  else
    factor =
        detail::horner<S>(square, -0x1.555555555554fp-2, 0x1.1111111110794p-3, -0x1.ba1ba1b97d0e0p-5,
                          0x1.664f4859598bfp-6, -0x1.226e2f11e92f3p-7, 0x1.d6d29b3a83e8p-9, -0x1.7d8fcf780634ap-10,
                          0x1.34838ec790e0ap-11, -0x1.e96e99d9daea6p-13, 0x1.5d7135b505cd2p-14, -0x1.4709bb770a346p-16);
  const auto one = V::set1(S(1));
  const auto small = V::fma(V::mul(a, square), factor, a);
  const auto large = one - V::set1(S(2)) / (exp<S>(a + a) + one);
  const auto sign = V::bits(x) & V::iset1(detail::float_format<S>::sign);
  return V::from_bits(V::bits(V::select(V::lt(a, V::set1(S(0.55))), small, large)) | sign);
}

// The natural logarithm: log(0) = -inf, NaN below and for NaN. With x = 2^n (1 + f) between sqrt(1/2) and sqrt(2), s =
// f / (2 + f) and log(1 + f) = f - f^2 / 2 + s (f^2 / 2 + s^2 R(s^2)).
template <class S>
VITRINE_INLINE typename simd<S>::vec log(typename simd<S>::vec x) {
  using V = simd<S>;
  using Format = detail::float_format<S>;
  constexpr int mantissa_bits = Format::mantissa_bits;
  constexpr auto bits_of_sqrt_half =
      __builtin_bit_cast(typename V::lane_int, sizeof(S) == 4 ? S(0x1.6a09e6p-1) : S(0x1.6a09e667f3bcdp-1));
  constexpr S smallest_normal = sizeof(S) == 4 ? S(0x1p-126f) : S(0x1p-1022);
  const auto small = V::lt(x, V::set1(smallest_normal));
  const auto normal = V::select(small, V::mul(x, V::set1(sizeof(S) == 4 ? S(0x1p24) : S(0x1p54))), x);
  const auto above = detail::add_bits<S>(V::bits(normal), V::iset1(-bits_of_sqrt_half));
  const auto exponent = above >> mantissa_bits;
  const auto fraction = V::from_bits(detail::add_bits<S>(
      above & V::iset1((typename V::lane_int(1) << mantissa_bits) - 1), V::iset1(bits_of_sqrt_half)));
  const auto round = V::set1(Format::round);
  const auto biased = V::from_bits(detail::add_bits<S>(V::bits(round), exponent));
  const auto n =
      (detail::hidden<S>(biased) - round) - V::select(small, V::set1(sizeof(S) == 4 ? S(24) : S(54)), V::zero());
  const auto f = fraction - V::set1(S(1));
  const auto half_square = V::mul(V::mul(f, f), V::set1(S(0.5)));
  const auto s = f / (V::set1(S(2)) + f);
  const auto t = V::mul(s, s);
  typename V::vec rest, high, low;
  if constexpr (sizeof(S) == 4) {
    rest = detail::horner<S>(t, 0x1.555554p-1f, 0x1.999bd6p-2f, 0x1.23f0f8p-2f, 0x1.ec38eep-3f);
    high = V::set1(0x1.62e4p-1f), low = V::set1(0x1.7f7d1cp-20f);
  } else {
    rest = detail::horner<S>(t, 0x1.5555555555593p-1, 0x1.999999997f9fap-2, 0x1.249249422a277p-2, 0x1.c71c51d7e5af6p-3,
                             0x1.746649ab625f2p-3, 0x1.39a095ec2a21fp-3, 0x1.2f117bf687e64p-3);
    high = V::set1(0x1.62e42fefa4p-1), low = V::set1(-0x1.8432a1b0e2634p-43);
  }
  const auto correction = V::fma(s, V::fma(t, rest, half_square), V::mul(n, low));
  const auto value = V::fma(n, high, f - (half_square - correction));
  const auto infinity = V::set1(Format::infinity);
  const auto nan = V::set1(sizeof(S) == 4 ? S(__builtin_nanf("")) : S(__builtin_nan("")));
  const auto finite = V::select(V::lt(x, infinity), value, x);
  return V::select(V::lt(V::zero(), x), finite, V::select(V::lt(x, V::zero()), nan, x - infinity));
}

// Scalars, as one lane of a vector.
VITRINE_INLINE float exp(float x) { return simd<float>::lane(exp<float>(simd<float>::set1(x)), 0); }
VITRINE_INLINE double exp(double x) { return simd<double>::lane(exp<double>(simd<double>::set1(x)), 0); }
VITRINE_INLINE float erf(float x) { return simd<float>::lane(erf<float>(simd<float>::set1(x)), 0); }
VITRINE_INLINE double erf(double x) { return simd<double>::lane(erf<double>(simd<double>::set1(x)), 0); }
VITRINE_INLINE float tanh(float x) { return simd<float>::lane(tanh<float>(simd<float>::set1(x)), 0); }
VITRINE_INLINE double tanh(double x) { return simd<double>::lane(tanh<double>(simd<double>::set1(x)), 0); }
VITRINE_INLINE float log(float x) { return simd<float>::lane(log<float>(simd<float>::set1(x)), 0); }
VITRINE_INLINE double log(double x) { return simd<double>::lane(log<double>(simd<double>::set1(x)), 0); }

}  // namespace vitrine::inline VITRINE_ABI::kernels

#include <vitrine/core/macros_pop.hpp>
