// Every F16 and BF16 pattern, and floats around every boundary between two of them, against arithmetic in double.
#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>
#include <vitrine/core/half.hpp>
#ifdef __F16C__
#include <immintrin.h>
#endif

namespace vt = vitrine;

namespace {

double value_of_half(unsigned bits) {  // finite patterns
  const int exponent = static_cast<int>(bits >> 10 & 31), mantissa = static_cast<int>(bits & 1023);
  const double magnitude = exponent ? std::ldexp(1024 + mantissa, exponent - 25) : std::ldexp(mantissa, -24);
  return bits & 0x8000 ? -magnitude : magnitude;
}

std::uint32_t bits_of(float value) { return std::bit_cast<std::uint32_t>(value); }

}  // namespace

TEST_CASE("all 65536 F16 values widen exactly and come back") {
  int wrong = 0;
  for (unsigned bits = 0; bits < 65536; ++bits) {
    const float value = vt::half_to_float(static_cast<std::uint16_t>(bits));
    const unsigned magnitude = bits & 0x7fff;
    if (magnitude < 0x7c00) {
      wrong += static_cast<double>(value) != value_of_half(bits) || bits_of(value) >> 31 != bits >> 15;
      wrong += vt::float_to_half(value) != bits;
    } else if (magnitude == 0x7c00) {
      wrong += bits_of(value) != (bits & 0x8000 ? 0xff800000u : 0x7f800000u) || vt::float_to_half(value) != bits;
    } else {  // NaN: the payload stays, the quiet bit is set
      wrong += bits_of(value) != ((bits & 0x8000u) << 16 | 0x7fc00000u | (bits & 0x1ffu) << 13);
      wrong += vt::float_to_half(value) != (bits | 0x0200u);
    }
#ifdef __F16C__
    wrong += bits_of(_cvtsh_ss(static_cast<unsigned short>(bits))) != bits_of(value);
#endif
  }
  CHECK(wrong == 0);
}

TEST_CASE("all 65536 BF16 values widen exactly and come back") {
  int wrong = 0;
  for (unsigned bits = 0; bits < 65536; ++bits) {
    const float value = vt::bfloat16_to_float(static_cast<std::uint16_t>(bits));
    wrong += bits_of(value) != bits << 16;
    const bool is_nan = (bits & 0x7fff) > 0x7f80;
    wrong += vt::float_to_bfloat16(value) != (is_nan ? bits | 0x40u : bits);
  }
  CHECK(wrong == 0);
}

TEST_CASE("narrowing to F16 rounds to nearest, ties to even") {
  // Between each two neighbours: the middle goes to the even one, a float below and above it to the nearer one.
  int wrong = 0;
  for (unsigned bits = 0; bits < 0x7c00; ++bits) {
    const double low = value_of_half(bits), high = bits == 0x7bff ? 65536.0 : value_of_half(bits + 1);
    const auto middle = static_cast<float>((low + high) / 2);  // exact
    const unsigned even = bits & 1 ? bits + 1 : bits;
    for (const unsigned sign : {0u, 0x8000u}) {
      const auto narrowed = [&](float value) {
        return static_cast<unsigned>(vt::float_to_half(sign ? -value : value));
      };
      wrong += narrowed(middle) != (sign | even);
      wrong += narrowed(std::nextafter(middle, 0.0f)) != (sign | bits);
      wrong += narrowed(std::nextafter(middle, 1e30f)) != (sign | (bits + 1));
    }
  }
  CHECK(wrong == 0);
  CHECK(vt::float_to_half(1e30f) == 0x7c00);
  CHECK(vt::float_to_half(std::numeric_limits<float>::denorm_min()) == 0);
  CHECK(vt::float_to_half(-std::numeric_limits<float>::infinity()) == 0xfc00);
}

TEST_CASE("narrowing to BF16 rounds to nearest, ties to even") {
  int wrong = 0;
  for (std::uint32_t bits = 0; bits < 0x7f80; ++bits) {
    const std::uint32_t middle = bits << 16 | 0x8000u;
    const auto narrowed = [](std::uint32_t pattern) {
      return std::uint32_t{vt::float_to_bfloat16(std::bit_cast<float>(pattern))};
    };
    wrong += narrowed(middle) != (bits & 1 ? bits + 1 : bits);
    wrong += narrowed(middle - 1) != bits || narrowed(middle + 1) != bits + 1;
    wrong += narrowed(middle | 0x80000000u) != ((bits & 1 ? bits + 1 : bits) | 0x8000u);
  }
  CHECK(wrong == 0);
  CHECK(vt::float_to_bfloat16(std::numeric_limits<float>::max()) == 0x7f80);
  CHECK(vt::float_to_bfloat16(std::bit_cast<float>(0x7f800001u)) ==
        0x7fc0);  // a NaN that truncation would make infinite
}

TEST_CASE("arrays convert as single values do, at any alignment") {
  std::vector<unsigned char> packed(2 * 37 + 1);
  for (std::size_t i = 0; i < packed.size(); ++i) packed[i] = static_cast<unsigned char>(i * 37);
  std::vector<float> halves(37), bfloats(37);
  vt::half_to_float(packed.data() + 1, halves.data(), 37);
  vt::bfloat16_to_float(packed.data() + 1, bfloats.data(), 37);
  std::vector<unsigned char> half_bytes(2 * 37 + 1), bfloat_bytes(2 * 37 + 1);
  vt::float_to_half(halves.data(), half_bytes.data() + 1, 37);
  vt::float_to_bfloat16(bfloats.data(), bfloat_bytes.data() + 1, 37);
  for (std::size_t i = 0; i < 37; ++i) {
    const auto bits = static_cast<std::uint16_t>(packed[2 * i + 1] | packed[2 * i + 2] << 8);
    CHECK(bits_of(halves[i]) == bits_of(vt::half_to_float(bits)));
    CHECK(bits_of(bfloats[i]) == bits_of(vt::bfloat16_to_float(bits)));
    const auto narrowed = [&](const std::vector<unsigned char>& bytes) {
      return bytes[2 * i + 1] | bytes[2 * i + 2] << 8;
    };
    CHECK(narrowed(half_bytes) == vt::float_to_half(halves[i]));
    CHECK(narrowed(bfloat_bytes) == vt::float_to_bfloat16(bfloats[i]));
  }
  static_assert(vt::half_to_float(0x3c00) == 1.0f && vt::float_to_half(1.0f) == 0x3c00);
}
