// The parts of a mask that store something: views of flags and of numbers, (B, H, T, S), where an extent of 1
// broadcasts; and -inf, which masks. Internal to masks and attention.
#pragma once
#include <vitrine/core/config.hpp>
#include <vitrine/core/sizes.hpp>

#include <type_traits>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::detail {

// A view of truth values of 1, 4 or 8 bytes, (B, H, T, S); a stride of 0 broadcasts.
struct FlagView {
  const void* data = nullptr;
  int bytes = 1;
  bool keep_if = true;
  Index extent[4] = {}, stride[4] = {};

  bool keeps(Index at) const {
    bool value;
    if (bytes == 1)
      value = static_cast<const std::uint8_t*>(data)[at] != 0;
    else if (bytes == 4)
      value = static_cast<const std::int32_t*>(data)[at] != 0;
    else
      value = static_cast<const std::int64_t*>(data)[at] != 0;
    return value == keep_if;
  }
};
template <class S>
struct BiasView {
  const S* data = nullptr;
  Index extent[4] = {}, stride[4] = {};
};
// An extent of 1 broadcasts. What has no element has no data.
template <class View>
constexpr View broadcast(View view, Index batch, Index heads, Index length, Index memory_length) {
  const Index extent[4] = {batch, heads, length, memory_length};
  Index step = 1;
  for (int i = 3; i >= 0; --i) {
    view.extent[i] = extent[i];
    view.stride[i] = extent[i] == 1 ? 0 : step;
    step = sizes::product(step, extent[i]);
  }
  if (step == 0) view.data = nullptr;
  return view;
}
template <class View>
constexpr const char* fault_of(const View& view) {
  return view.data == nullptr ? "a mask has no data, or an extent of 0" : nullptr;
}
template <class T>
FlagView flags(const T* data, bool keep_if) {
  static_assert(std::is_integral_v<T> && (sizeof(T) == 1 || sizeof(T) == 4 || sizeof(T) == 8),
                "vitrine: a mask of flags is of bool or of integers of 1, 4 or 8 bytes");
  FlagView view;
  view.data = data, view.bytes = int(sizeof(T)), view.keep_if = keep_if;
  return view;
}

// -inf by its bits, which -ffast-math cannot assume away.
VITRINE_INLINE bool is_minus_infinity(float x) { return __builtin_bit_cast(std::uint32_t, x) == 0xff800000u; }
VITRINE_INLINE bool is_minus_infinity(double x) { return __builtin_bit_cast(std::uint64_t, x) == 0xfff0000000000000u; }
template <class S>
constexpr auto minus_infinity_bits() {
  if constexpr (sizeof(S) == 4)
    return std::int32_t(0xff800000u);
  else
    return std::int64_t(0xfff0000000000000u);
}
template <class S>
constexpr S minus_infinity() {
  return __builtin_bit_cast(S, minus_infinity_bits<S>());
}

}  // namespace vitrine::inline VITRINE_ABI::detail

#include <vitrine/core/macros_pop.hpp>
