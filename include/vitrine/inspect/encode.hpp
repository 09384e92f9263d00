// Bytes for an HTML file: base 85 for the maps and for lists of numbers; base64 (RFC 4648) and SHA-256 (FIPS 180-4) for
// the content security policy that names the page's own script. Allocates what it returns or appends.
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vitrine/core/config.hpp>
#include <vitrine/io/sha256.hpp>

#include <vitrine/core/macros_push.hpp>

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
  Sha256 hash;
  hash.update(bytes);
  return hash.digest();
}

inline std::string policy_hash(std::string_view script) {
  const auto digest = sha256(script);
  std::string out = "sha256-";
  append_base64(out, std::string_view(reinterpret_cast<const char*>(digest.data()), digest.size()));
  return out;
}

}  // namespace vitrine::inline VITRINE_ABI::inspect

#include <vitrine/core/macros_pop.hpp>
