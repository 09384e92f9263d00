// IEEE 754's half (F16) and bfloat16 (BF16) to and from float, one value or `count` values at a time: exact when
// widening, to nearest even when narrowing. Integer arithmetic but for one exact product, so that neither rounding
// mode, flush-to-zero nor -ffast-math changes a bit. Allocates nothing.
#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vitrine/core/config.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

/// The value of an F16 bit pattern, exact; a NaN keeps its payload and becomes quiet, as F16C does.
constexpr float half_to_float(std::uint16_t half) noexcept {
  const std::uint32_t magnitude = half & 0x7fffu, mantissa = half & 0x03ffu;
  const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000u) << 16;
  std::uint32_t bits = (magnitude << 13) + 0x38000000u;
  bits += magnitude >= 0x7c00u ? 0x38000000u : 0u;
  bits |= magnitude > 0x7c00u ? 0x00400000u : 0u;
  const auto subnormal =
      std::bit_cast<std::uint32_t>(static_cast<float>(static_cast<std::int32_t>(mantissa)) * 0x1p-24f);
  return std::bit_cast<float>(sign | (magnitude < 0x0400u ? subnormal : bits));
}

/// The value of a BF16 bit pattern, exact.
constexpr float bfloat16_to_float(std::uint16_t bits) noexcept {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

/// The F16 bit pattern nearest to a float, ties to even; 65520 and above become infinity, subnormals are kept.
constexpr std::uint16_t float_to_half(float value) noexcept {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = bits >> 16 & 0x8000u, magnitude = bits & 0x7fffffffu;
  std::uint32_t result = 0;
  if (magnitude > 0x7f800000u) {
    result = 0x7e00u | (magnitude >> 13 & 0x01ffu);
  } else if (magnitude >= 0x477ff000u) {  // 65520, half way to the power of two that F16 no longer has
    result = 0x7c00u;
  } else if (magnitude >= 0x38800000u) {  // 2^-14, the smallest normal
    const std::uint32_t rebased = magnitude - 0x38000000u;
    result = (rebased + 0x0fffu + (rebased >> 13 & 1u)) >> 13;
  } else if (magnitude > 0x33000000u) {  // 2^-25, half of the smallest subnormal, goes to even: zero
    const std::uint32_t shift = 126u - (magnitude >> 23), mantissa = (magnitude & 0x007fffffu) | 0x00800000u;
    result = (mantissa + (1u << (shift - 1)) - 1u + (mantissa >> shift & 1u)) >> shift;
  }
  return static_cast<std::uint16_t>(sign | result);
}

/// The BF16 bit pattern nearest to a float, ties to even; a NaN stays one.
constexpr std::uint16_t float_to_bfloat16(float value) noexcept {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const bool is_nan = (bits & 0x7fffffffu) > 0x7f800000u;
  return static_cast<std::uint16_t>((is_nan ? bits | 0x00400000u : bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

namespace detail {

template <class From, class To, class Convert>
void convert_each(const void* in, void* out, std::ptrdiff_t count, Convert convert) noexcept {
  const auto* source = static_cast<const unsigned char*>(in);
  auto* target = static_cast<unsigned char*>(out);
  for (std::ptrdiff_t i = 0; i < count; ++i) {
    From from;
    std::memcpy(&from, source + i * static_cast<std::ptrdiff_t>(sizeof(From)), sizeof(From));
    const To to = convert(from);
    std::memcpy(target + i * static_cast<std::ptrdiff_t>(sizeof(To)), &to, sizeof(To));
  }
}

}  // namespace detail

/// Arrays of `count` values; `in` and `out` need no alignment and may not overlap.
inline void half_to_float(const void* in, float* out, std::ptrdiff_t count) noexcept {
  detail::convert_each<std::uint16_t, float>(in, out, count, [](std::uint16_t bits) { return half_to_float(bits); });
}
inline void bfloat16_to_float(const void* in, float* out, std::ptrdiff_t count) noexcept {
  detail::convert_each<std::uint16_t, float>(in, out, count,
                                             [](std::uint16_t bits) { return bfloat16_to_float(bits); });
}
inline void float_to_half(const float* in, void* out, std::ptrdiff_t count) noexcept {
  detail::convert_each<float, std::uint16_t>(in, out, count, [](float value) { return float_to_half(value); });
}
inline void float_to_bfloat16(const float* in, void* out, std::ptrdiff_t count) noexcept {
  detail::convert_each<float, std::uint16_t>(in, out, count, [](float value) { return float_to_bfloat16(value); });
}

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
