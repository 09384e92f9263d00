// Rows of codes against their definition, one weight at a time.
#include <vitrine/core/detail/narrow.hpp>
#include <vitrine/kernels/map_codes.hpp>

#include "../support/compact.hpp"
#include "../support/product.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <type_traits>

namespace vt = vitrine;
namespace kernels = vitrine::kernels;
using vt::Index;
using vt::MapStorage;

namespace {

template <MapStorage M>
using Storage = std::integral_constant<MapStorage, M>;
#define STORAGES Storage<MapStorage::f16>, Storage<MapStorage::bf16>, Storage<MapStorage::u8>

// Exact by construction: weights, their interval, and what write_codes makes of them at `skew` codes behind a line.
template <MapStorage M>
bool as_defined(const std::vector<float>& e, float inverse, Index lo, Index hi, Index keys, Index extra, Index skew,
                bool stream) {
  using Code = vt::detail::map_code<M>;
  constexpr Code untouched = Code(0x5a);
  std::vector<Code> room(std::size_t(skew + keys + extra + 256), untouched);
  const Index line = Index(reinterpret_cast<std::uintptr_t>(room.data()) / sizeof(Code)) % 64;
  Code* const out = room.data() + (64 - line) % 64 + skew;
  kernels::write_codes<M>({e.data(), lo, hi, inverse}, {extra, keys}, out, stream);
  vt::stream_fence();
  bool same = true;
  for (Index j = 0; j < keys + extra; ++j) {
    const bool seen = j >= keys || (j >= lo && j < hi);
    const Index at = j < keys ? j : hi + j - keys;
    const float w = seen ? vt::mul(e[std::size_t(at)], inverse) : 0.0f;
    same = same && out[j] == support::code_of<M>(w);
  }
  for (const Code& code : room)
    if (&code < out || &code >= out + keys + extra) same = same && code == untouched;
  return same;
}

// Weights of one row, all of them seen.
template <MapStorage M>
bool as_defined(std::vector<float> weights) {
  const Index count = Index(weights.size());
  weights.resize(weights.size() + std::size_t(vt::simd<float>::lanes));
  return as_defined<M>(weights, 1.0f, 0, count, count, 0, 0, true);
}

// The floats around x.
void add_around(std::vector<float>& to, float x) {
  float low = x, high = x;
  to.push_back(x);
  for (int i = 0; i < 20; ++i) {
    low = std::max(0.0f, std::nextafter(low, 0.0f)), high = std::min(1.0f, std::nextafter(high, 1.0f));
    to.push_back(low), to.push_back(high);
  }
}

}  // namespace

TEST_CASE_TEMPLATE("rows of all sizes, intervals and places; nothing else is written", T, STORAGES) {
  constexpr MapStorage M = T::value;
  constexpr Index lanes = vt::simd<float>::lanes;
  for (const Index keys :
       {Index{0}, Index{1}, Index{3}, 2 * lanes - 1, 4 * lanes, 4 * lanes + 1, Index{65}, Index{200}})
    for (const Index extra : {0, 2}) {
      auto e = support::product::values<float>(keys + extra + lanes, 7);
      for (float& x : e) x = std::abs(x);
      for (const Index lo : {Index{0}, Index{1}, lanes + 3, keys / 2})
        for (const Index hi : {keys, keys - 1, lo + 1, lo}) {
          if (lo > hi || hi > keys || hi < 0) continue;
          const auto row = [&] {  // behind the interval stands what must not count
            auto own = e;
            for (Index j = 0; j < lo; ++j) own[std::size_t(j)] = std::numeric_limits<float>::quiet_NaN();
            for (Index j = hi + extra; j < Index(own.size()); ++j) own[std::size_t(j)] = 17.0f;
            return own;
          }();
          for (const Index skew : {0, 1, 5, 31, 63})
            for (const bool stream : {false, true}) CHECK(as_defined<M>(row, 0.37f, lo, hi, keys, extra, skew, stream));
        }
    }
}

TEST_CASE_TEMPLATE("weights that lie between two codes, and the floats around them", T, STORAGES) {
  constexpr MapStorage M = T::value;
  std::vector<float> weights{0.0f, 1.0f, std::numeric_limits<float>::denorm_min(), std::numeric_limits<float>::min()};
  const unsigned most = M == MapStorage::u8 ? 255 : M == MapStorage::f16 ? 0x3c00 : 0x3f80;
  for (unsigned code = 0; code < most; ++code) {
    if (M == MapStorage::u8) {
      add_around(weights, float((code + 0.5) / 255));
    } else {
      const float low = support::value_of<M>(vt::detail::map_code<M>(code)),
                  high = support::value_of<M>(vt::detail::map_code<M>(code + 1));
      const float middle = low + (high - low) / 2;
      for (const float x : {std::nextafter(middle, 0.0f), middle, std::nextafter(middle, 1.0f), low})
        weights.push_back(x);
    }
  }
  for (std::uint32_t bits = 0x30000000; bits < 0x3f800000; bits += 9973) weights.push_back(std::bit_cast<float>(bits));
  CHECK(as_defined<M>(weights));
}

TEST_CASE_TEMPLATE("a row that sees no key is 0, one of NaN is NaN where the storage has it", T, STORAGES) {
  constexpr MapStorage M = T::value;
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> e(200, nan);
  CHECK(as_defined<M>(e, 0.0f, 0, 0, 100, 0, 0, false));
  for (const float inverse : {nan, -nan, std::bit_cast<float>(0x7fffffffu)})
    CHECK(as_defined<M>(e, inverse, 3, 70, 100, 2, 1, true));
}
