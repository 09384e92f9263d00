// Zip archives made to harm a reader: each is refused by its name, and no damaged one does worse.
#include <doctest/doctest.h>

#include <random>
#include <string>
#include <vector>
#include <vitrine/io/npz.hpp>
#include <vitrine/io/zlib.hpp>

#include "../io/scratch.hpp"
#include "allocation.hpp"
#include "attacks.hpp"

namespace vt = vitrine;
using attack::little;

namespace {

struct Entry {
  std::string name = "a.npy", data;
  std::uint32_t checksum = 0;
  std::uint64_t packed = 0, unpacked = 0, offset = 0;
  unsigned flags = 0, method = 0;
  bool zip64 = false;
};

const std::vector<float> four = {1, 2, 3, 4};

Entry sound_entry(std::string name = "a.npy") {
  Entry entry;
  entry.name = std::move(name);
  const vt::Index shape[] = {4};
  entry.data = vt::npy_header("<f4", shape) + std::string(reinterpret_cast<const char*>(four.data()), 16);
  entry.checksum = vt::detail::crc32(0, std::as_bytes(std::span(entry.data)));
  entry.packed = entry.unpacked = entry.data.size();
  return entry;
}

/// An archive of entries one after another; `change` may spoil their records in the directory.
template <class Change>
std::string archive(std::vector<Entry> entries, Change change, int count = -1, std::uint64_t directory_shift = 0) {
  std::string file, directory;
  for (Entry& entry : entries) {
    entry.offset = file.size();
    file += little(0x04034b50, 4) + little(20, 2) + std::string(20, '\0') + little(entry.name.size(), 2) +
            little(0, 2) + entry.name + entry.data;
  }
  for (Entry& entry : entries) {
    change(entry);
    const auto number = [&](std::uint64_t value) { return entry.zip64 ? little(0xffffffffu, 4) : little(value, 4); };
    const std::string extra = entry.zip64 ? little(1, 2) + little(24, 2) + little(entry.unpacked, 8) +
                                                little(entry.packed, 8) + little(entry.offset, 8)
                                          : "";
    directory += little(0x02014b50, 4) + little(20, 2) + little(20, 2) + little(entry.flags, 2) +
                 little(entry.method, 2) + little(0, 4) + little(entry.checksum, 4) + number(entry.packed) +
                 number(entry.unpacked) + little(entry.name.size(), 2) + little(extra.size(), 2) + little(0, 2) +
                 little(0, 2) + little(0, 2) + little(0, 4) + number(entry.offset) + entry.name + extra;
  }
  const std::uint64_t total = count < 0 ? entries.size() : static_cast<std::uint64_t>(count);
  return file + directory + little(0x06054b50, 4) + little(0, 4) + little(total, 2) + little(total, 2) +
         little(directory.size(), 4) + little(file.size() + directory_shift, 4) + little(0, 2);
}

std::string error_of_npz(const Scratch& scratch, const std::string& bytes) {
  const auto path = scratch.write("x.npz", bytes);
  const std::size_t before = start_counting_allocation();
  const std::string error = error_of([&] { vt::Npz(path, vt::zlib_inflate); });
  CHECK(peak_allocation() - before < 32768 + 1100 * bytes.size());  // deflate can pack 1032 to 1
  return error;
}

}  // namespace

TEST_CASE("hostile archives are refused by name") {
  const Scratch scratch;
  const auto with = [&](auto change) { return error_of_npz(scratch, archive({sound_entry()}, change)); };
  CHECK(with([](Entry&) {}) == "no error");
  CHECK(with([](Entry& e) { e.zip64 = true; }) == "no error");
  CHECK(with([](Entry& e) { ++e.checksum; }) == "zip_bad_checksum");
  CHECK(with([](Entry& e) { ++e.unpacked; }) == "zip_bad_member");
  CHECK(with([](Entry& e) { ++e.packed; }) == "zip_bad_member");
  CHECK(with([](Entry& e) { e.packed = e.unpacked = 0xfffffffe; }) == "zip_bad_member");
  CHECK(with([](Entry& e) { e.zip64 = true, e.packed = e.unpacked = ~0ull; }) == "zip_bad_member");
  CHECK(with([](Entry& e) { e.zip64 = true, e.offset = ~0ull - 20; }) == "zip_bad_member");
  CHECK(with([](Entry& e) { e.offset = 1; }) == "zip_bad_member");
  CHECK(with([](Entry& e) { e.offset = 0x7fffffff; }) == "zip_bad_member");
  CHECK(with([](Entry& e) { e.offset = 0xffffffff; }) == "zip_bad_member");  // says zip64, has no such field
  CHECK(with([](Entry& e) { e.flags = 1; }) == "zip_unsupported");
  CHECK(with([](Entry& e) { e.method = 14; }) == "zip_unsupported");
  CHECK(with([](Entry& e) { e.method = 8; }) == "zip_bad_member");
  CHECK(with([](Entry& e) { e.method = 8, e.zip64 = true, e.unpacked = 1ull << 40; }) == "zip_bad_member");
  CHECK(error_of_npz(scratch, archive({sound_entry(), sound_entry()}, [](Entry&) {})) == "no error");
  CHECK(error_of_npz(scratch, archive({sound_entry("a.npy"), sound_entry("b.npy")}, [](Entry& e) { e.offset = 0; })) ==
        "zip_bad_member");  // a bomb by overlap
  CHECK(error_of_npz(scratch, archive(
                                  {sound_entry()}, [](Entry&) {}, 2)) == "zip_bad_directory");
  CHECK(error_of_npz(scratch, archive(
                                  {sound_entry()}, [](Entry&) {}, 65535)) == "zip_bad_directory");
  CHECK(error_of_npz(scratch, archive(
                                  {sound_entry()}, [](Entry&) {}, 1, 1)) == "zip_bad_directory");
  CHECK(error_of_npz(scratch, archive(
                                  {sound_entry()}, [](Entry&) {}, 1, 1 << 30)) == "zip_bad_directory");
  CHECK(error_of_npz(scratch, "") == "zip_bad_directory");
  CHECK(error_of_npz(scratch, std::string(100000, 'P')) == "zip_bad_directory");
  const std::string locator = little(0x07064b50, 4) + little(0, 4) + little(~0ull, 8) + little(1, 4);
  CHECK(error_of_npz(scratch, locator + little(0x06054b50, 4) + std::string(18, '\0')) == "zip_bad_directory");
}

// As zipfile, and so NumPy, reads it.
TEST_CASE("of an array that is there twice the last holds") {
  const Scratch scratch;
  Entry other = sound_entry();
  other.data.back() = '\x40';
  other.data[other.data.size() - 2] = '\0';  // 4.0f is 40 80 00 00, 2.0f is 40 00 00 00
  other.checksum = vt::detail::crc32(0, std::as_bytes(std::span(other.data)));
  const auto path = scratch.write("x.npz", archive({sound_entry(), sound_entry("b.npy"), other}, [](Entry&) {}));
  const vt::Npz file(path);
  CHECK(file.names() == std::vector<std::string>{"a", "b"});
  CHECK(file.at("a").to_vector<float>() == std::vector<float>{1, 2, 3, 2});
}

TEST_CASE("a damaged or cut archive is read or refused by name, and never worse") {
  const Scratch scratch;
  const std::string whole =
      archive({sound_entry("a.npy"), sound_entry("b.npy")}, [](Entry& e) { e.zip64 = e.name == "b.npy"; });
  for (std::size_t size = 0; size < whole.size(); size += 7) {
    CHECK(error_of_npz(scratch, whole.substr(0, size)) != "no error");
  }
  std::mt19937 generator(1);
  const auto random = [&] { return static_cast<unsigned>(generator()); };
  for (int round = 0; round < 1000; ++round) {
    std::string bytes = whole;
    for (unsigned changes = 1 + random() % 2; changes > 0; --changes) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    error_of_npz(scratch, bytes);
  }
}
