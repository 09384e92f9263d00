// How kept attention weights are stored: as the layer's scalar, or as codes of one or two bytes.
//
//   storage  bytes  code of a weight p                 largest error for p in [0, 1]
//   f32      4      p
//   f16      2      IEEE 754's half, to nearest even   2^-12 (relative 2^-11; 2^-25 below 2^-14)
//   bf16     2      bfloat16, to nearest even          2^-9 (relative 2^-8)
//   u8       1      p * 255, to nearest even           1/510
//
// A weight is rounded once, from the float that an f32 map would have; 0 and 1 stay what they are, and a masked key is
// 0. f16 and bf16 store a NaN as one; u8 has none and stores 0: the output is NaN then, and shows it.
#pragma once
#include <vitrine/core/half.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

// f32: as the layer's scalar, float or double. The others are for float layers: the top of this header.
enum class MapStorage : std::uint8_t { f32, f16, bf16, u8 };

// "f32", "f16", "bf16" or "u8"; "" for a value outside the enumeration.
constexpr const char* name(MapStorage storage) noexcept {
  switch (storage) {
    case MapStorage::f32:
      return "f32";
    case MapStorage::f16:
      return "f16";
    case MapStorage::bf16:
      return "bf16";
    case MapStorage::u8:
      return "u8";
  }
  return "";
}

namespace detail {

// What a map of this storage holds: codes, of which `nan` stands for NaN, and what a code is worth.
template <MapStorage M>
struct MapCode;
template <>
struct MapCode<MapStorage::f16> {
  using type = std::uint16_t;
  static constexpr type nan = 0x7e00;
  static constexpr float decode(type code) { return half_to_float(code); }
};
template <>
struct MapCode<MapStorage::bf16> {
  using type = std::uint16_t;
  static constexpr type nan = 0x7fc0;
  static constexpr float decode(type code) { return bfloat16_to_float(code); }
};
template <>
struct MapCode<MapStorage::u8> {
  using type = std::uint8_t;
  static constexpr type nan = 0;
  static constexpr float decode(type code) { return float(code) / 255.0f; }
};
template <MapStorage M>
using map_code = typename MapCode<M>::type;

}  // namespace detail

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
