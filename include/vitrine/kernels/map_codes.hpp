// A row of attention weights on its way into a compact map: rounded and packed a vector of codes at a time.
//
//   write_codes<M>(row, extra, out, stream)     the weights e * inverse of a row, as codes of storage M
//
// Each code is that of the float which an f32 map would have (core/map_storage.hpp), in every build. The order is
// SoftmaxRow's: +0 outside of the interval, the extra keys last.
#pragma once
#include <vitrine/core/detail/narrow.hpp>
#include <vitrine/core/map_storage.hpp>
#include <vitrine/kernels/score_tile.hpp>
#include <vitrine/kernels/softmax.hpp>

#include <bit>
#include <cstring>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::kernels {

// Where a head's compact map goes. `write` is write_codes of its storage, so that a program holds only those it uses.
template <class S>
struct MapCodes {
  static constexpr bool on = true;
  void* map = nullptr;  // (T, keys) codes
  Index code_bytes = 1;
  bool stream = false;  // past the caches
  void (*write)(const SoftmaxRow<S>& row, const ExtraKeys& extra, void* out, bool stream) = nullptr;
};
// Of a call without one.
struct NoCodes {
  static constexpr bool on = false;
};

// A row of extra.from + extra.count codes, rounded to nearest even as IEEE 754 has it. With `stream`, whole vectors of
// memory are written past the caches: stream_fence() before another thread reads.
template <MapStorage M>
void write_codes(const SoftmaxRow<float>& row, const ExtraKeys& extra, void* out, bool stream);

// ---- implementation

namespace detail {

// 255 w to the nearest whole number, the even one of two, in the lowest byte.
VITRINE_INLINE simd<float>::ivec round_255(simd<float>::vec weight) {
  using V = simd<float>;
  const auto whole = V::set1(0x1p23f);  // a sum with it has no fraction
#if VITRINE_FMA
  return V::bits(V::fma(weight, V::set1(255.0f), whole));
#else
  // What the product was rounded by decides where it became a half.
  const auto product = V::mul(weight, V::set1(255.0f)), sum = vitrine::detail::opaque(product + whole);
  const auto lost = (V::mul(weight, V::set1(256.0f)) - product) - weight, fraction = product - (sum - whole);
  const auto up = ~V::lt(fraction, V::set1(0.5f)) & V::lt(V::zero(), lost);
  const auto down = ~V::lt(V::set1(-0.5f), fraction) & V::lt(lost, V::zero());
  return V::bits(sum) - up + down;
#endif
}

// The code of each lane's weight, which is no NaN: in the lowest bits, of bf16 in the highest.
template <MapStorage M>
VITRINE_INLINE simd<float>::ivec encode(simd<float>::vec weight) {
  using V = simd<float>;
  const auto bits = V::bits(weight);
  if constexpr (M == MapStorage::u8) {
    return round_255(weight);
  } else if constexpr (M == MapStorage::bf16) {
    return bits + V::iset1(0x7fff) + ((bits >> 16) & V::iset1(1));
  } else {
    const auto rebased = bits - V::iset1(0x38000000);
    const auto normal = (rebased + V::iset1(0x0fff) + ((rebased >> 13) & V::iset1(1))) >> 13;
    const auto half = V::set1(0.5f);  // whose unit is that of half's subnormals
    const auto subnormal = V::bits(weight + half) - V::bits(half);
    return V::bits(V::select(V::lt(weight, V::set1(0x1p-14f)), V::from_bits(subnormal), V::from_bits(normal)));
  }
}

// A vector of the codes of vectors of weights, as many as it takes: of part(0), part(1), ...
template <MapStorage M, class F>
VITRINE_INLINE simd<float>::vec codes_of(F&& part) {
  if constexpr (M == MapStorage::u8)
    return vitrine::detail::low_bytes({encode<M>(part(0)), encode<M>(part(1)), encode<M>(part(2)), encode<M>(part(3))});
  else if constexpr (M == MapStorage::bf16)
    return vitrine::detail::high_halves({encode<M>(part(0)), encode<M>(part(1))});
  else if constexpr (vitrine::detail::has_half_instruction)
    return vitrine::detail::to_halves(part(0), part(1));
  else
    return vitrine::detail::low_halves({encode<M>(part(0)), encode<M>(part(1))});
}

// The weights of keys `key` and on, a vector; +0 outside of the row's interval.
VITRINE_INLINE simd<float>::vec weights_at(const SoftmaxRow<float>& row, Index key) {
  using V = simd<float>;
  if (key + V::lanes <= row.lo || key >= row.hi) return V::zero();
  auto w = V::mul(V::load(row.e + key), V::set1(row.inverse));
  if (key < row.lo) w = V::select(first_lanes<float>(row.lo - key), V::zero(), w);
  if (key + V::lanes > row.hi) w = V::select(first_lanes<float>(row.hi - key), w, V::zero());
  return w;
}

// A vector of codes of keys `key` and on, of which some may be outside of the row's interval.
template <MapStorage M>
VITRINE_NOINLINE void edge_codes(const SoftmaxRow<float>& row, Index key, void* out) {
  const auto codes = codes_of<M>([&](Index i) { return weights_at(row, key + i * simd<float>::lanes); });
  std::memcpy(out, &codes, sizeof codes);
}

// By its bits, so that it holds under -ffast-math.
inline bool is_nan(float value) { return (std::bit_cast<std::uint32_t>(value) & 0x7fffffffu) > 0x7f800000u; }

}  // namespace detail

template <MapStorage M>
VITRINE_NOINLINE void write_codes(const SoftmaxRow<float>& row, const ExtraKeys& extra, void* to, bool stream) {
  using V = simd<float>;
  using Code = vitrine::detail::map_code<M>;
  constexpr Index step = Index(sizeof(typename V::vec) / sizeof(Code));
  auto* const out = static_cast<Code*>(to);
  const Index lo = row.lo, hi = row.hi, keys = extra.from;
  if (detail::is_nan(row.inverse)) {  // then all of the row is
    for (Index j = 0; j < keys + extra.count; ++j)
      out[j] = (j >= lo && j < hi) || j >= keys ? vitrine::detail::MapCode<M>::nan : Code{0};
    return;
  }
  Code some[step];
  Index j = 0;
  if (stream) {  // up to the first whole vector of memory
    const auto past = Index(reinterpret_cast<std::uintptr_t>(out) % sizeof some / sizeof(Code));
    const Index before = past == 0 ? 0 : step - past < keys ? step - past : keys;
    if (before > 0) detail::edge_codes<M>(row, 0, some);
    std::memcpy(out, some, std::size_t(before) * sizeof(Code));
    j = before;
  }
  const auto factor = V::set1(row.inverse);
  for (; j + step <= keys; j += step) {
    auto codes = V::zero();
    if (j >= lo && j + step <= hi) {
      const float* const e = row.e + j;
      codes = detail::codes_of<M>([&](Index i) { return V::mul(V::load(e + i * V::lanes), factor); });
    } else if (j + step > lo && j < hi) {
      detail::edge_codes<M>(row, j, some);
      std::memcpy(&codes, some, sizeof codes);
    }
    if (VITRINE_VECTOR_BYTES != 0 && stream)
      V::stream(reinterpret_cast<float*>(out + j), codes);
    else
      std::memcpy(out + j, &codes, sizeof codes);
  }
  if (j < keys) {
    detail::edge_codes<M>(row, j, some);
    std::memcpy(out + j, some, std::size_t(keys - j) * sizeof(Code));
  }
  for (Index x = 0; x < extra.count; ++x) {
    const auto codes = detail::codes_of<M>([&](Index) { return V::set1(mul(row.e[hi + x], row.inverse)); });
    std::memcpy(out + keys + x, &codes, sizeof(Code));
  }
}

}  // namespace vitrine::inline VITRINE_ABI::kernels

#include <vitrine/core/macros_pop.hpp>
