// NumPy's .npz archives: a zip of .npy members. Written stored (numpy.savez), read stored and, given an inflater,
// deflated (numpy.savez_compressed).
//   vt::Npz archive("maps.npz");                      archive.at("0/cross").to_vector<float>();
//   vt::Npz packed("maps.npz", vt::zlib_inflate);     // with <vitrine/io/zlib.hpp>, which needs -lz
//   vt::NpzWriter writer("maps.npz");                 writer.add("0/cross", {l, h, t, s}, std::span<const
//   float>(values));  writer.finish();
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>
#include <vitrine/core/config.hpp>
#include <vitrine/io/atomic_file.hpp>
#include <vitrine/io/error.hpp>
#include <vitrine/io/mapped_file.hpp>
#include <vitrine/io/names.hpp>
#include <vitrine/io/npy.hpp>
#include <vitrine/io/tensor_view.hpp>

namespace vitrine::inline VITRINE_ABI {

/// Unpacks raw deflate data into exactly `out`; false if the data is bad or of another length. zlib.hpp has one.
using Inflate = bool (*)(std::span<const std::byte> in, std::span<std::byte> out);

/// An open archive; copies share it. Members that are not .npy are left out. Stored members are read in place, deflated
/// ones unpacked at once.
class Npz {
 public:
  /// Maps and checks `path`, checksums included. Throws Error: zip_bad_directory, zip_bad_member, zip_bad_checksum,
  /// zip_unsupported (encrypted, another method, deflated without `inflate`), duplicate_name, what parse_npy and
  /// MappedFile throw. A deflated member's memory is at most 1032 times its packed size, the most that deflate can
  /// pack.
  explicit Npz(const std::filesystem::path& path, Inflate inflate = nullptr);

  /// All arrays, sorted by name (without .npy). Views live as long as this object or a copy of it.
  std::span<const TensorView> tensors() const& noexcept { return contents_->tensors; }
  std::span<const TensorView> tensors() const&& =
      delete;  // the views would outlive the file: give the Npz a name first

  std::vector<std::string> names() const;

  /// The array of that name, or nullptr; at() throws Error no_such_tensor instead, which lists the nearest names.
  const TensorView* find(std::string_view name) const& noexcept;
  const TensorView* find(std::string_view name) const&& =
      delete;  // the view would outlive the file: give the Npz a name first
  const TensorView& at(std::string_view name) const&;
  const TensorView& at(std::string_view name) const&& =
      delete;  // the view would outlive the file: give the Npz a name first

 private:
  struct Contents {
    std::string label;
    MappedFile file;
    std::deque<std::string> labels;  // views point to them
    std::vector<std::unique_ptr<std::byte[]>> unpacked;
    std::vector<TensorView> tensors;
  };
  std::shared_ptr<const Contents> contents_;
};

/// Writes an archive member by member; it appears under its name only at finish(). The same calls give the same bytes.
class NpzWriter {
 public:
  /// Throws Error as AtomicFile. `always_zip64` uses the records for large files also where they are not needed.
  explicit NpzWriter(const std::filesystem::path& path, bool always_zip64 = false)
      : label_(path.string()), file_(path), always_zip64_(always_zip64) {}

  /// Writes an array of numbers or bool. Throws Error: size_mismatch, shape_overflow, duplicate_name, write_failed.
  template <class T>
  void add(const std::string& name, const std::vector<Index>& shape, std::span<const T> values) {
    const std::span<const T> pieces[] = {values};
    add_pieces<T>(name, shape, pieces);
  }

  /// Writes one array whose values lie in several pieces, one after another, for instance the maps of one layer each.
  template <class T>
  void add_pieces(const std::string& name, const std::vector<Index>& shape,
                  std::span<const std::span<const T>> pieces) {
    std::vector<std::span<const std::byte>> bytes;
    for (const auto& piece : pieces) bytes.push_back(std::as_bytes(piece));
    add_bytes(name, npy_descr(dtype_of<T>(), label_), 8 * sizeof(T), shape, bytes);
  }

  /// Writes UTF-8 strings as a NumPy array of str; bytes that are not UTF-8 become U+FFFD. Memory: 4 bytes a character
  /// of the longest, times their number.
  void add_strings(const std::string& name, std::span<const std::string> strings);

  /// Writes the directory and puts the file in its place. Without it nothing is written.
  void finish();

 private:
  struct Member {
    std::string name;
    std::uint32_t checksum;
    std::uint64_t bytes, offset;
  };
  void add_bytes(const std::string& name, const std::string& descr, std::uint64_t bits, const std::vector<Index>& shape,
                 std::span<const std::span<const std::byte>> pieces);

  std::string label_;
  AtomicFile file_;
  bool always_zip64_;
  std::vector<Member> members_;
  std::set<std::string> names_;
};

namespace detail {

/// Continues zip's CRC-32 over more bytes (eight at a time); starts from 0.
std::uint32_t crc32(std::uint32_t crc, std::span<const std::byte> bytes) noexcept;

struct ZipMember {
  std::string name;
  unsigned flags = 0, method = 0;
  std::uint32_t checksum = 0;
  std::uint64_t packed = 0, unpacked = 0, offset = 0;
  std::span<const std::byte> data;  // packed bytes
};

/// The members of a zip, by offset, with their packed bytes; none overlaps another.
std::vector<ZipMember> read_zip(std::span<const std::byte> file, const std::string& label);

}  // namespace detail
}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/io/npz_impl.hpp>
