// The zip container of .npz, read from bytes that nobody has checked before, and its checksum.
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>
#include <vitrine/core/config.hpp>
#include <vitrine/io/error.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::detail {

/// Continues zip's CRC-32 over more bytes, eight at a time; starts from 0.
inline std::uint32_t crc32(std::uint32_t crc, std::span<const std::byte> bytes) noexcept {
  using Tables = std::array<std::array<std::uint32_t, 256>, 8>;
  static constexpr Tables tables = [] {
    Tables t{};
    for (std::uint32_t i = 0; i < 256; ++i) {
      std::uint32_t value = i;
      for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ (value & 1 ? 0xedb88320u : 0u);
      t[0][i] = value;
    }
    for (std::size_t k = 1; k < 8; ++k) {
      for (std::size_t i = 0; i < 256; ++i) t[k][i] = (t[k - 1][i] >> 8) ^ t[0][t[k - 1][i] & 0xff];
    }
    return t;
  }();
  const auto byte = [&](std::size_t i) { return std::to_integer<std::uint32_t>(bytes[i]); };
  crc = ~crc;
  std::size_t i = 0;
  for (; i + 8 <= bytes.size(); i += 8) {
    const std::uint32_t low = crc ^ (byte(i) | byte(i + 1) << 8 | byte(i + 2) << 16 | byte(i + 3) << 24);
    crc = tables[7][low & 0xff] ^ tables[6][low >> 8 & 0xff] ^ tables[5][low >> 16 & 0xff] ^ tables[4][low >> 24] ^
          tables[3][byte(i + 4)] ^ tables[2][byte(i + 5)] ^ tables[1][byte(i + 6)] ^ tables[0][byte(i + 7)];
  }
  for (; i < bytes.size(); ++i) crc = (crc >> 8) ^ tables[0][(crc ^ byte(i)) & 0xff];
  return ~crc;
}

/// One entry of the directory.
struct ZipMember {
  std::string name;
  unsigned flags = 0, method = 0;
  std::uint32_t checksum = 0;
  std::uint64_t packed = 0, unpacked = 0, offset = 0;
  std::span<const std::byte> data;  // packed bytes
};

using Inflater = bool (*)(std::span<const std::byte> in, std::span<std::byte> out);

/// Little-endian numbers at any offset of a file; outside of it they are zip_bad_directory.
class ZipBytes {
 public:
  ZipBytes(std::span<const std::byte> bytes, const std::string& label) : bytes_(bytes), label_(label) {}
  template <class U>
  U get(std::uint64_t offset) const {
    const auto part = slice(offset, sizeof(U));
    U value = 0;
    for (std::size_t i = 0; i < sizeof(U); ++i)
      value = static_cast<U>(value | static_cast<U>(static_cast<U>(std::to_integer<U>(part[i])) << (8 * i)));
    return value;
  }
  std::uint16_t u16(std::uint64_t offset) const { return get<std::uint16_t>(offset); }
  std::uint32_t u32(std::uint64_t offset) const { return get<std::uint32_t>(offset); }
  std::uint64_t u64(std::uint64_t offset) const { return get<std::uint64_t>(offset); }
  std::span<const std::byte> slice(std::uint64_t offset, std::uint64_t count) const {
    if (offset > bytes_.size() || count > bytes_.size() - offset) fail("it points past the end of the file");
    return bytes_.subspan(static_cast<std::size_t>(offset), static_cast<std::size_t>(count));
  }
  std::uint64_t size() const { return bytes_.size(); }
  [[noreturn]] void fail(std::string_view what) const {
    throw Error(LoadError::zip_bad_directory, label_, concat("its zip directory is bad: ", what));
  }

 private:
  std::span<const std::byte> bytes_;
  const std::string& label_;
};

/// Sizes and offset of 0xffffffff stand in the member's zip64 field instead.
inline void read_zip64_field(const ZipBytes& zip, ZipMember& member, std::uint64_t extra, std::uint64_t extra_end) {
  while (extra + 4 <= extra_end) {
    const std::uint64_t end = extra + 4 + zip.u16(extra + 2);
    if (end > extra_end) zip.fail("a member's extra field is longer than its place");
    if (zip.u16(extra) == 1) {
      std::uint64_t at = extra + 4;
      for (std::uint64_t* number : {&member.unpacked, &member.packed, &member.offset}) {
        if (*number != 0xffffffffu) continue;
        if (at + 8 > end) zip.fail("a member's zip64 field is too short");
        *number = zip.u64(at);
        at += 8;
      }
      return;
    }
    extra = end;
  }
}

/// The members of a zip, by offset, with their packed bytes; none overlaps another. Throws Error zip_bad_directory,
/// zip_bad_member.
inline std::vector<ZipMember> read_zip(std::span<const std::byte> file, const std::string& label) {
  const ZipBytes zip(file, label);
  if (zip.size() < 22) zip.fail("the file is too short to be a zip");
  std::uint64_t end = zip.size() - 22;  // of the members: where the end record is
  const std::uint64_t lowest = end > 65535 ? end - 65535 : 0;
  while (zip.u32(end) != 0x06054b50u || end + 22 + zip.u16(end + 20) != zip.size()) {
    if (end-- == lowest) zip.fail("the file has no end record (not a zip, or cut off)");
  }
  std::uint64_t count = zip.u16(end + 10), directory_bytes = zip.u32(end + 12), directory = zip.u32(end + 16);
  if (end >= 20 && zip.u32(end - 20) == 0x07064b50u) {  // zip64's locator
    end = zip.u64(end - 12);
    if (zip.u32(end) != 0x06064b50u) zip.fail("its zip64 end record is not where it should be");
    count = zip.u64(end + 32);
    directory_bytes = zip.u64(end + 40);
    directory = zip.u64(end + 48);
  }
  if (directory > end || directory_bytes != end - directory) zip.fail("its size and place disagree");
  if (count > directory_bytes / 46) zip.fail(concat("it counts ", count, " members, more than it has room for"));

  std::vector<ZipMember> members;
  for (std::uint64_t at = directory, next = 0; members.size() < count; at = next) {
    if (end - at < 46 || zip.u32(at) != 0x02014b50u) zip.fail(concat("member ", members.size(), " is not there"));
    const std::uint64_t name_bytes = zip.u16(at + 28), extra_bytes = zip.u16(at + 30);
    next = at + 46 + name_bytes + extra_bytes + zip.u16(at + 32);
    if (next > end) zip.fail(concat("member ", members.size(), " is cut off"));
    const auto name = zip.slice(at + 46, name_bytes);
    ZipMember& member = members.emplace_back();
    member.name.assign(reinterpret_cast<const char*>(name.data()), name.size());
    member.flags = zip.u16(at + 8);
    member.method = zip.u16(at + 10);
    member.checksum = zip.u32(at + 16);
    member.packed = zip.u32(at + 20);
    member.unpacked = zip.u32(at + 24);
    member.offset = zip.u32(at + 42);
    read_zip64_field(zip, member, at + 46 + name_bytes, at + 46 + name_bytes + extra_bytes);
  }
  std::sort(members.begin(), members.end(), [](const auto& a, const auto& b) { return a.offset < b.offset; });
  std::uint64_t position = 0;
  for (ZipMember& member : members) {
    const auto bad = [&](std::string_view why) {
      return Error(LoadError::zip_bad_member, label, concat("member ", in_quotes(member.name), " ", why));
    };
    if (member.offset < position) throw bad("overlaps the one before it");
    if (member.offset >= directory || directory - member.offset < 30 || zip.u32(member.offset) != 0x04034b50u)
      throw bad("is not where the directory says");
    const std::uint64_t data = member.offset + 30 + zip.u16(member.offset + 26) + zip.u16(member.offset + 28);
    if (data > directory || member.packed > directory - data) throw bad("reaches past the end of the members");
    member.data = zip.slice(data, member.packed);
    position = data + member.packed;
  }
  return members;
}

/// The bytes of one member: in place, or unpacked into new memory that `storage` then owns.
inline std::span<const std::byte> unpack(const ZipMember& member, const std::string& label, Inflater inflate,
                                         std::vector<std::unique_ptr<std::byte[]>>& storage) {
  const auto bad = [&](LoadError code, std::string_view why) {
    return Error(code, label, concat("member ", in_quotes(member.name), " ", why));
  };
  std::span<const std::byte> result = member.data;
  if (member.flags & 1) throw bad(LoadError::zip_unsupported, "is encrypted");
  if (member.method == 8) {
    if (!inflate)
      throw bad(
          LoadError::zip_unsupported,
          "is compressed; give Npz the argument vt::zlib_inflate of vitrine/io/zlib.hpp, or save with numpy.savez");
    if (member.unpacked / 1032 > member.packed)
      throw bad(LoadError::zip_bad_member,
                concat("claims ", member.unpacked, " bytes from ", member.packed, " packed ones"));
    const auto bytes = static_cast<std::size_t>(member.unpacked);
    storage.push_back(std::make_unique_for_overwrite<std::byte[]>(bytes));
    const std::span<std::byte> out(storage.back().get(), bytes);
    if (!inflate(member.data, out)) throw bad(LoadError::zip_bad_member, "does not unpack to its size");
    result = out;
  } else if (member.method != 0) {
    throw bad(LoadError::zip_unsupported,
              concat("is packed by method ", member.method, "; only stored and deflated members are read"));
  } else if (member.packed != member.unpacked) {
    throw bad(LoadError::zip_bad_member, "is stored with two different sizes");
  }
  if (crc32(0, result) != member.checksum) throw bad(LoadError::zip_bad_checksum, "is damaged: its checksum differs");
  return result;
}

template <class... Numbers>
void append_little(std::string& out, Numbers... numbers) {
  const auto one = [&](auto number) {
    for (std::size_t i = 0; i < sizeof(number); ++i)
      out += static_cast<char>(static_cast<std::uint64_t>(number) >> (8 * i) & 0xff);
  };
  (one(numbers), ...);
}

}  // namespace vitrine::inline VITRINE_ABI::detail

#include <vitrine/core/macros_pop.hpp>
