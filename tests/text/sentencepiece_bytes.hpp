// SentencePiece models as bytes: protobuf fields, and character maps whose double array is written by hand.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace spm {

inline std::string varint(std::uint64_t value) {
  std::string text;
  for (; value >= 0x80; value >>= 7) text += static_cast<char>(value | 0x80);
  return text + static_cast<char>(value);
}
inline std::string field(int number, const std::string& bytes) {
  return varint(std::uint64_t(number) << 3 | 2) + varint(bytes.size()) + bytes;
}
inline std::string number(int number, std::uint64_t value) {
  return varint(std::uint64_t(number) << 3) + varint(value);
}

enum Type { normal = 1, unknown = 2, control = 3, user_defined = 4 };
inline std::string piece(const std::string& text, Type type = normal) {
  return field(1, field(1, text) + (type == normal ? "" : number(3, type)));
}
/// The pieces that every model needs, and "a" and "b".
inline std::string pieces() { return piece("<unk>", unknown) + piece("</s>", control) + piece("a") + piece("b"); }

/// A character map of these units and replacements.
inline std::string map(const std::vector<std::uint32_t>& units, const std::string& texts) {
  std::string bytes;
  const auto append = [&](std::uint32_t value) {
    for (int i = 0; i < 4; ++i) bytes += static_cast<char>(value >> (8 * i) & 0xff);
  };
  append(static_cast<std::uint32_t>(4 * units.size()));
  for (const std::uint32_t one : units) append(one);
  return bytes + texts;
}
inline std::string model(const std::string& map) { return pieces() + field(3, field(2, map)); }

/// A unit labelled c that leads from its index to a place.
inline std::uint32_t unit(std::uint32_t index, std::uint32_t place, unsigned char c, bool leaf) {
  return (index ^ place) << 10 | (leaf ? 1u << 8 : 0u) | c;
}
/// The keys "a", "aa", ... up to `length`, of which the last `keys` are replaced by the text at `value`.
inline std::vector<std::uint32_t> chain(std::uint32_t length, std::uint32_t keys = 1, std::uint32_t value = 0) {
  std::vector<std::uint32_t> units(256 * (length + 2), 1u << 31);  // to which no byte leads
  units[0] = unit(0, 256, 0, false);
  for (std::uint32_t i = 1; i <= length; ++i) {
    const bool leaf = i + keys > length;
    units[256 * i + 'a'] = unit(256 * i + 'a', 256 * (i + 1), 'a', leaf);
    if (leaf) units[256 * (i + 1)] = value | 1u << 31;
  }
  return units;
}

struct Case {
  std::string what;
  std::string bytes;
};

/// What a model may just have.
inline std::vector<Case> at_the_limits() {
  std::string symbols = pieces();
  for (std::size_t i = 1; i <= 64; ++i) symbols += piece(std::string(i, 'x'), user_defined);
  return {
      {"no character map", pieces()},
      {"an empty character map", model("")},
      {"one key", model(map(chain(1), std::string("b\0", 2)))},
      {"an empty replacement", model(map(chain(1), std::string("\0", 1)))},
      {"a denormalizer", pieces() + field(5, field(2, map(chain(1), std::string("b\0", 2))))},
      {"32 nested keys", model(map(chain(32, 32), std::string("b\0", 2)))},
      {"a key of 1024 bytes", model(map(chain(1024), std::string("b\0", 2)))},
      {"a replacement of 1024 bytes", model(map(chain(1), std::string(1024, 'b') + '\0'))},
      {"64 nested user-defined symbols", symbols},
      {"a piece of 7999 bytes", pieces() + piece(std::string(7999, 'a'))},
      {"unknown fields", number(7, 1) + pieces() + field(300, "x") + "\x3d....\x39........"},
      {"self-test samples that fail", pieces() + field(4, field(1, field(1, "ab") + field(2, "b a")))},
  };
}

/// What crashes SentencePiece 0.1.97, lets it run on, or is no model.
inline std::vector<Case> attacks() {
  const std::string end("b\0", 2);
  std::string symbols = pieces();
  for (std::size_t i = 1; i <= 65; ++i) symbols += piece(std::string(i, 'x'), user_defined);
  const auto changed = [](std::vector<std::uint32_t> units, std::size_t at, std::uint32_t unit) {
    units[at] = unit;
    return units;
  };
  const auto of_size = [&](std::uint32_t size) { return map({size, 0}, end).substr(4); };
  return {
      {"a root that leads past the end", model(map(changed(chain(1), 0, unit(0, 1 << 21, 0, false)), end))},
      {"a root that leads far past the end", model(map(changed(chain(1), 0, 0xfffffe00), end))},
      {"a root whose last units are not there", model(map(std::vector<std::uint32_t>(255, 0), end))},
      {"a key that leads past the end",
       model(map(changed(chain(1), 256 + 'a', unit(256 + 'a', 1 << 20, 'a', true)), end))},
      {"a byte NUL that leads past the end", model(map(changed(chain(1), 256, unit(256, 1 << 20, 0, false)), end))},
      {"a replacement past the end", model(map(chain(1, 1, 2), end))},
      {"a replacement far past the end", model(map(chain(1, 1, 0x7fffffff), end))},
      {"a replacement without an end", model(map(chain(1), "b"))},
      {"no replacements", model(map(chain(1), ""))},
      {"no units", model(map({}, end))},
      {"a map of three bytes", model("abc")},
      {"a map of four bytes", model(std::string(4, '\0'))},
      {"units one byte longer than the map", model(of_size(7))},
      {"units as long as the map", model(of_size(8))},
      {"units of 4 GB", model(of_size(0xfffffffc))},
      {"units that are not whole", model(of_size(5))},
      {"a loop", model(map(changed(chain(1), 256 + 'a', unit(256 + 'a', 256, 'a', false)), end))},
      {"a loop of keys", model(map(changed(chain(1), 256 + 'a', unit(256 + 'a', 256, 'a', true)), end))},
      {"a loop of two", model(map(changed(chain(2), 512 + 'a', unit(512 + 'a', 256, 'a', true)), end))},
      {"33 nested keys", model(map(chain(33, 33), end))},
      {"a key of 1025 bytes", model(map(chain(1025), end))},
      {"a replacement of 1025 bytes", model(map(chain(1), std::string(1025, 'b') + '\0'))},
      {"the same in the denormalizer", pieces() + field(5, field(2, map(chain(1, 1, 2), end)))},
      {"a bad map before a good one",
       pieces() + field(3, field(2, map(chain(1, 1, 2), end)) + field(2, map(chain(1), end)))},
      {"65 nested user-defined symbols", symbols},
      {"a piece of a NUL", pieces() + piece(std::string("\0", 1))},
      {"a piece with a NUL in it", pieces() + piece(std::string("a\0b", 3))},
      {"a piece of 8000 bytes", pieces() + piece(std::string(8000, 'a'))},
      {"a piece of a million bytes", pieces() + piece(std::string(1000000, 'a'))},
      {"an empty piece", pieces() + piece("")},
      {"a piece of nothing", pieces() + field(1, "")},
      {"a piece cut off", pieces() + field(1, "\x0a\x05xy")},
      {"a normalizer cut off", pieces() + field(3, "\x12\x7f")},
      {"a model cut off", pieces() + "\x1a\x7f"},
      {"a tag that never ends", pieces() + std::string(11, '\xff')},
      {"a tag of more than 32 bits", pieces() + std::string("\x8a\x80\x80\x80\x10\0", 6)},
      {"a length of 2^64 - 1", pieces() + "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"},
      {"field 0", pieces() + std::string("\x02\0", 2)},
      {"a group", pieces() + "\x0b\x0c"},
      {"wire type 7", pieces() + "\x0f"},
      {"text", "no model"},
  };
}

}  // namespace spm
