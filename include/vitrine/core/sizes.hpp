// Sizes that cannot wrap: what does not fit an Index stays at sizes::largest, which no memory has, so that it is
// refused where memory is asked for.
//
//   sizes::product(batch, length, width)    sizes::sum(x, y)    sizes::bytes_of<S>(batch, length, width)
//   sizes::distance(stride)    round_up(count, unit)
//
// Extents are not negative where these are called; a negative one counts as 0.
#pragma once
#include <vitrine/core/config.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

inline constexpr std::size_t alignment = 64;  // of every allocation and of every piece of an Arena; a power of two

namespace sizes {

// The largest Index: all that is known of a size of so much is that it is too much.
inline constexpr Index largest = Index(~std::size_t{0} >> 1);

// The product of extents, `largest` where it is larger.
constexpr Index product(Index extent) noexcept { return extent > 0 ? extent : 0; }
template <class... Extents>
constexpr Index product(Index first, Index second, Extents... more) noexcept {
  if (first <= 0 || second <= 0) return 0;
  Index result = 0;
  if (!__builtin_mul_overflow(first, second, &result)) return product(result, Index(more)...);
  return ((Index(more) > 0) && ...) ? largest : 0;
}

// A stride without its sign.
constexpr Index distance(Index stride) noexcept {
  return stride >= 0 ? stride : stride == ~largest ? largest : -stride;
}
// The sum of two sizes, `largest` where it is larger.
constexpr Index sum(Index first, Index second) noexcept {
  Index result = 0;
  return __builtin_add_overflow(first, second, &result) ? largest : result;
}

}  // namespace sizes

// The next multiple of `unit`, which is not 0. Of values that exist: where a plan is made, sizes::round_up.
constexpr Index round_up(Index count, Index unit) noexcept { return (count + unit - 1) / unit * unit; }
constexpr std::size_t round_up(std::size_t bytes, std::size_t unit) noexcept {
  return (bytes + unit - 1) / unit * unit;
}

namespace sizes {

// The next multiple of `unit`; of what is close to `largest`, `largest`.
constexpr Index round_up(Index count, Index unit) noexcept {
  return count > largest - unit ? largest : vitrine::round_up(count, unit);
}
// The bytes of so many values of S; `largest` where there are more.
template <class S, class... Extents>
constexpr std::size_t bytes_of(Index first, Extents... more) noexcept {
  return std::size_t(product(first, Index(more)..., Index(sizeof(S))));
}
// The sum of two numbers of bytes, each at most `largest`; at most `largest`.
constexpr std::size_t sum_of_bytes(std::size_t first, std::size_t second) noexcept {
  const std::size_t bytes = first + second;
  return bytes < std::size_t(largest) ? bytes : std::size_t(largest);
}

}  // namespace sizes

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
