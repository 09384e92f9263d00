// Bytes for an HTML file: base 85 for the maps and for lists of numbers; base64 (RFC 4648) and SHA-256 (FIPS 180-4) for
// the content security policy that names the page's own script. Allocates what it returns or appends.
#pragma once
#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vitrine/core/config.hpp>

namespace vitrine::inline VITRINE_ABI::inspect {

/// Appends `bytes` in base64 with padding: 4 characters for every 3 bytes begun.
void append_base64(std::string& out, std::string_view bytes);

/// The digits of append_base85 from 0 to 84: ASCII that HTML and JSON take as it is, also within quotes.
inline constexpr std::string_view base85_digits =
    "!#%()*+,-./0123456789:;=?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[]^_abcdefghijklmnopqrstuvwxyz{|}";

/// Appends `bytes` in base 85: 5 digits for every 4 bytes begun, both with the highest first; zeros fill the last four.
void append_base85(std::string& out, std::string_view bytes);

/// Appends a number >= 0 in the same digits: one below 64; else digits from 64 on, each 64 plus a remainder by 21, the
/// lowest first, and then one below 64.
void append_number(std::string& out, std::size_t number);

/// The 32 bytes of SHA-256.
std::array<std::uint8_t, 32> sha256(std::string_view bytes);

/// "sha256-..." as a content security policy spells it.
std::string policy_hash(std::string_view script);

// ---- implementation

inline void append_base64(std::string& out, std::string_view bytes) {
  constexpr char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const auto byte = [&](std::size_t k) {
    return k < bytes.size() ? static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[k])) : 0u;
  };
  std::size_t at = out.size();
  out.resize(at + (bytes.size() + 2) / 3 * 4);
  for (std::size_t k = 0; k < bytes.size(); k += 3) {
    const std::uint32_t three = byte(k) << 16 | byte(k + 1) << 8 | byte(k + 2);
    out[at++] = digits[three >> 18];
    out[at++] = digits[three >> 12 & 63];
    out[at++] = k + 1 < bytes.size() ? digits[three >> 6 & 63] : '=';
    out[at++] = k + 2 < bytes.size() ? digits[three & 63] : '=';
  }
}

inline void append_base85(std::string& out, std::string_view bytes) {
  const auto byte = [&](std::size_t k) {
    return k < bytes.size() ? static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[k])) : 0u;
  };
  std::size_t at = out.size();
  out.resize(at + (bytes.size() + 3) / 4 * 5);
  for (std::size_t k = 0; k < bytes.size(); k += 4, at += 5) {
    std::uint32_t four = byte(k) << 24 | byte(k + 1) << 16 | byte(k + 2) << 8 | byte(k + 3);
    for (std::size_t digit = 5; digit-- > 0; four /= 85) out[at + digit] = base85_digits[four % 85];
  }
}

inline void append_number(std::string& out, std::size_t number) {
  for (; number >= 64; number /= 21) out += base85_digits[64 + number % 21];
  out += base85_digits[number];
}

inline std::array<std::uint8_t, 32> sha256(std::string_view bytes) {
  static constexpr std::uint32_t constants[64] = {
      0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
      0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
      0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
      0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
      0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
      0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
      0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
      0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};
  std::uint32_t state[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                            0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::string message(bytes);
  message += static_cast<char>(0x80);
  message.resize((message.size() + 8 + 63) / 64 * 64, '\0');
  const std::uint64_t bits = std::uint64_t{bytes.size()} * 8;
  for (std::size_t k = 0; k < 8; ++k) message[message.size() - 1 - k] = static_cast<char>(bits >> (8 * k) & 255);
  for (std::size_t block = 0; block < message.size(); block += 64) {
    std::uint32_t word[64];
    for (std::size_t k = 0; k < 16; ++k) {
      word[k] = 0;
      for (std::size_t b = 0; b < 4; ++b)
        word[k] = word[k] << 8 | static_cast<unsigned char>(message[block + 4 * k + b]);
    }
    for (std::size_t k = 16; k < 64; ++k) {
      const std::uint32_t early = std::rotr(word[k - 15], 7) ^ std::rotr(word[k - 15], 18) ^ word[k - 15] >> 3;
      const std::uint32_t late = std::rotr(word[k - 2], 17) ^ std::rotr(word[k - 2], 19) ^ word[k - 2] >> 10;
      word[k] = word[k - 16] + early + word[k - 7] + late;
    }
    auto [a, b, c, d, e, f, g, h] = std::to_array(state);
    for (std::size_t k = 0; k < 64; ++k) {
      const std::uint32_t one =
          h + (std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25)) + ((e & f) ^ (~e & g)) + constants[k] + word[k];
      const std::uint32_t two = (std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
      h = g, g = f, f = e, e = d + one, d = c, c = b, b = a, a = one + two;
    }
    const std::uint32_t sum[8] = {a, b, c, d, e, f, g, h};
    for (std::size_t k = 0; k < 8; ++k) state[k] += sum[k];
  }
  std::array<std::uint8_t, 32> digest{};
  for (std::size_t k = 0; k < 32; ++k) digest[k] = static_cast<std::uint8_t>(state[k / 4] >> (24 - 8 * (k % 4)));
  return digest;
}

inline std::string policy_hash(std::string_view script) {
  const auto digest = sha256(script);
  std::string out = "sha256-";
  append_base64(out, std::string_view(reinterpret_cast<const char*>(digest.data()), digest.size()));
  return out;
}

}  // namespace vitrine::inline VITRINE_ABI::inspect
