// SHA-256 (FIPS 180-4) of bytes as they come: what names a file's contents in manifests, models and pages.
//   vt::Sha256 hash;  hash.update(some), hash.update(more);  hash.hex()       64 digits of all so far
#pragma once
#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>
#include <vitrine/core/config.hpp>
#include <vitrine/io/error.hpp>
#include <vitrine/io/mapped_file.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

/// The SHA-256 of a stream; a copy goes on by itself. Allocates nothing but the text that hex() returns.
class Sha256 {
 public:
  /// Takes further bytes; never fails.
  void update(std::string_view bytes) noexcept;
  /// The 32 bytes for all that was taken so far; more may follow.
  std::array<std::uint8_t, 32> digest() const noexcept;
  /// The same as 64 hexadecimal digits, a string on the heap.
  std::string hex() const;

 private:
  void block(const unsigned char* bytes) noexcept;

  std::uint32_t state_[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                             0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::uint64_t size_ = 0;  // bytes
  unsigned char pending_[64] = {};
};

/// The hash of one text, 64 hexadecimal digits on the heap; never fails.
inline std::string sha256_hex(std::string_view bytes) {
  Sha256 hash;
  hash.update(bytes);
  return hash.hex();
}
/// The hash of a whole file, read through a buffer of 64 KiB: 64 digits on the heap. Throws Error as MappedFile,
/// file_unreadable.
inline std::string sha256_of_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return static_cast<void>(MappedFile(path)), std::string();  // says why
  Sha256 hash;
  std::vector<char> piece(1 << 16);
  while (file.read(piece.data(), static_cast<std::streamsize>(piece.size())), file.gcount() > 0)
    hash.update({piece.data(), static_cast<std::size_t>(file.gcount())});
  if (!file.eof()) throw Error(LoadError::file_unreadable, path.string(), "cannot be read to its end");
  return hash.hex();
}

// ---- implementation

inline void Sha256::block(const unsigned char* bytes) noexcept {
  static constexpr std::uint32_t constants[64] = {
      0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
      0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
      0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
      0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
      0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
      0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
      0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
      0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};
  std::uint32_t word[64];
  for (std::size_t k = 0; k < 16; ++k)
    word[k] = std::uint32_t{bytes[4 * k]} << 24 | std::uint32_t{bytes[4 * k + 1]} << 16 |
              std::uint32_t{bytes[4 * k + 2]} << 8 | bytes[4 * k + 3];
  for (std::size_t k = 16; k < 64; ++k) {
    const std::uint32_t early = std::rotr(word[k - 15], 7) ^ std::rotr(word[k - 15], 18) ^ word[k - 15] >> 3;
    const std::uint32_t late = std::rotr(word[k - 2], 17) ^ std::rotr(word[k - 2], 19) ^ word[k - 2] >> 10;
    word[k] = word[k - 16] + early + word[k - 7] + late;
  }
  auto [a, b, c, d, e, f, g, h] = std::to_array(state_);
  for (std::size_t k = 0; k < 64; ++k) {
    const std::uint32_t one =
        h + (std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25)) + ((e & f) ^ (~e & g)) + constants[k] + word[k];
    const std::uint32_t two = (std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
    h = g, g = f, f = e, e = d + one, d = c, c = b, b = a, a = one + two;
  }
  const std::uint32_t sum[8] = {a, b, c, d, e, f, g, h};
  for (std::size_t k = 0; k < 8; ++k) state_[k] += sum[k];
}

inline void Sha256::update(std::string_view bytes) noexcept {
  const auto* next = reinterpret_cast<const unsigned char*>(bytes.data());
  std::size_t left = bytes.size(), held = static_cast<std::size_t>(size_ % 64);
  size_ += left;
  if (held > 0) {
    const std::size_t more = std::min(left, 64 - held);
    std::memcpy(pending_ + held, next, more);
    next += more, left -= more, held += more;
    if (held < 64) return;
    block(pending_);
  }
  for (; left >= 64; next += 64, left -= 64) block(next);
  if (left > 0) std::memcpy(pending_, next, left);
}

inline std::array<std::uint8_t, 32> Sha256::digest() const noexcept {
  Sha256 last = *this;
  unsigned char end[72] = {0x80};
  const std::size_t zeros = (119 - static_cast<std::size_t>(size_ % 64)) % 64;  // between 0x80 and the length
  for (std::size_t k = 0; k < 8; ++k) end[1 + zeros + k] = static_cast<unsigned char>(size_ * 8 >> (56 - 8 * k) & 255);
  last.update({reinterpret_cast<const char*>(end), 9 + zeros});
  std::array<std::uint8_t, 32> digest{};
  for (std::size_t k = 0; k < 32; ++k)
    digest[k] = static_cast<std::uint8_t>(last.state_[k / 4] >> (24 - 8 * (k % 4)) & 255);
  return digest;
}

inline std::string Sha256::hex() const {
  constexpr char digits[] = "0123456789abcdef";
  std::string text;
  for (const std::uint8_t byte : digest()) text.append(1, digits[byte >> 4]).append(1, digits[byte & 15]);
  return text;
}

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
