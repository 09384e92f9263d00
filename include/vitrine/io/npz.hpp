// NumPy's .npz archives: a zip of .npy members. Written stored (numpy.savez), read stored and, given an inflater,
// deflated (numpy.savez_compressed).
//   vt::Npz archive("maps.npz");                      archive.at("0/cross").to_vector<float>();
//   vt::Npz packed("maps.npz", vt::zlib_inflate);     // with <vitrine/io/zlib.hpp>, which needs -lz
//   vt::NpzWriter writer("maps.npz");
//   writer.add("0/cross", {layers, heads, rows, columns}, std::span<const float>(values));  writer.finish();
#pragma once
#include <algorithm>
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
#include <vitrine/io/detail/names.hpp>
#include <vitrine/io/detail/utf8.hpp>
#include <vitrine/io/detail/zip.hpp>
#include <vitrine/io/error.hpp>
#include <vitrine/io/mapped_file.hpp>
#include <vitrine/io/npy.hpp>
#include <vitrine/io/tensor_view.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

/// Unpacks raw deflate data into exactly `out`; false if the data is bad or of another length. zlib.hpp has one.
using Inflate = bool (*)(std::span<const std::byte> in, std::span<std::byte> out);

/// An open archive; copies share it. Members that are not .npy are left out. Stored members are read in place, deflated
/// ones unpacked at once.
class Npz {
 public:
  /// Maps and checks `path`, checksums included. Throws Error: zip_bad_directory, zip_bad_member, zip_bad_checksum,
  /// zip_unsupported (encrypted, another method, deflated without `inflate`), what parse_npy and MappedFile throw. Of
  /// arrays of one name the last holds, as in NumPy. A deflated member's memory is at most 1032 times its packed size,
  /// the most that deflate can pack.
  explicit Npz(const std::filesystem::path& path, Inflate inflate = nullptr);

  /// All arrays, sorted by name (without .npy). Views live as long as this object or a copy of it.
  std::span<const TensorView> tensors() const& noexcept { return contents_->tensors; }
  std::span<const TensorView> tensors() const&& =
      delete;  // the views would outlive the file: give the Npz a name first

  // The arrays' names, sorted; new strings.
  std::vector<std::string> names() const;

  /// The array of that name, or nullptr.
  const TensorView* find(std::string_view name) const& noexcept;
  const TensorView* find(std::string_view name) const&& =
      delete;  // the view would outlive the file: give the Npz a name first
  /// The array of that name; throws Error no_such_tensor, which lists the names nearest to it.
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

  /// Writes an array of numbers or bool. Throws Error: size_mismatch, bad_shape, shape_overflow, duplicate_name,
  /// bad_usage (a name over 65000 bytes), write_failed.
  template <class T>
  void add(const std::string& name, const std::vector<Index>& shape, std::span<const T> values) {
    const std::span<const T> pieces[] = {values};
    add_pieces<T>(name, shape, pieces);
  }

  /// Writes one array whose values lie in several pieces, one after another, for instance the maps of one layer each.
  /// Throws as add.
  template <class T>
  void add_pieces(const std::string& name, const std::vector<Index>& shape,
                  std::span<const std::span<const T>> pieces) {
    std::vector<std::span<const std::byte>> bytes;
    for (const auto& piece : pieces) bytes.push_back(std::as_bytes(piece));
    add_bytes(name, npy_descr(dtype_of<T>(), label_), 8 * sizeof(T), shape, bytes);
  }

  /// Writes UTF-8 strings as a NumPy array of str; bytes that are not UTF-8 become U+FFFD. Memory: 4 bytes a character
  /// of the longest, times their number. Throws as add.
  void add_strings(const std::string& name, std::span<const std::string> strings);

  /// Writes the directory and puts the file in its place. Without it nothing is written. Throws Error write_failed.
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

inline Npz::Npz(const std::filesystem::path& path, Inflate inflate) {
  auto contents = std::make_shared<Contents>(Contents{path.string(), MappedFile(path), {}, {}, {}});
  for (const detail::ZipMember& member : detail::read_zip(contents->file.bytes(), contents->label)) {
    if (!member.name.ends_with(".npy")) continue;
    const std::string name = member.name.substr(0, member.name.size() - 4);
    const auto bytes = detail::unpack(member, contents->label, inflate, contents->unpacked);
    contents->labels.push_back(detail::concat(contents->label, ", member ", detail::in_quotes(member.name)));
    contents->tensors.push_back(parse_npy(bytes, contents->labels.back(), name));
  }
  auto& all = contents->tensors;
  detail::sort_by_name(
      all, [](const TensorView& view) -> auto& { return view.name; });
  contents_ = std::move(contents);
}

inline std::vector<std::string> Npz::names() const { return detail::names_of(contents_->tensors); }

inline const TensorView* Npz::find(std::string_view name) const& noexcept {
  return detail::find_by_name(contents_->tensors, name);
}

inline const TensorView& Npz::at(std::string_view name) const& {
  return detail::view_of(contents_->tensors, name, contents_->label);
}

inline void NpzWriter::add_bytes(const std::string& name, const std::string& descr, std::uint64_t bits,
                                 const std::vector<Index>& shape, std::span<const std::span<const std::byte>> pieces) {
  const TensorView view{name, DType::unknown, descr, shape, nullptr, 0, &label_};
  const std::uint64_t need = detail::checked_bits(view, bits) / 8;
  const std::string header = npy_header(descr, shape);
  std::uint32_t checksum = detail::crc32(0, std::as_bytes(std::span(header)));
  std::uint64_t have = 0;
  for (const auto& piece : pieces) {
    checksum = detail::crc32(checksum, piece);
    have += piece.size();
  }
  if (have != need)
    view.fail(LoadError::size_mismatch, detail::concat("needs ", need, " bytes by its shape and type, got ", have));
  if (name.size() > 65000) view.fail(LoadError::bad_usage, "has a name too long for a zip");
  if (!names_.insert(name).second) view.fail(LoadError::duplicate_name, "is there already");
  members_.push_back({name + ".npy", checksum, header.size() + have, file_.size()});
  const Member& member = members_.back();
  const bool large = always_zip64_ || member.bytes >= 0xffffffffu;
  const auto size = large ? 0xffffffffu : static_cast<std::uint32_t>(member.bytes);
  std::string record;
  detail::append_little(record, std::uint32_t{0x04034b50}, std::uint16_t(large ? 45 : 20), std::uint16_t{0x0800},
                        std::uint16_t{0}, std::uint32_t{0x00210000}, checksum, size, size,
                        static_cast<std::uint16_t>(member.name.size()), std::uint16_t(large ? 20 : 0));
  record += member.name;
  if (large) detail::append_little(record, std::uint16_t{1}, std::uint16_t{16}, member.bytes, member.bytes);
  file_.write(record);
  file_.write(header);
  for (const auto& piece : pieces) file_.write(piece);
}

inline void NpzWriter::add_strings(const std::string& name, std::span<const std::string> strings) {
  std::size_t longest = 1;
  for (const std::string& text : strings) longest = std::max(longest, detail::decode_utf8(text).size());
  std::string bytes;
  for (const std::string& text : strings) {
    std::u32string characters = detail::decode_utf8(text);
    characters.resize(longest);
    for (const char32_t c : characters) detail::append_little(bytes, c);
  }
  const std::span<const std::byte> pieces[] = {std::as_bytes(std::span(bytes))};
  add_bytes(name, detail::concat("<U", longest), 32 * longest, {static_cast<Index>(strings.size())}, pieces);
}

inline void NpzWriter::finish() {
  const std::uint64_t directory = file_.size();
  for (const Member& member : members_) {
    const bool large = always_zip64_ || member.bytes >= 0xffffffffu || member.offset >= 0xffffffffu;
    const auto size = large ? 0xffffffffu : static_cast<std::uint32_t>(member.bytes);
    std::string record;
    detail::append_little(
        record, std::uint32_t{0x02014b50}, std::uint16_t(large ? 45 : 20), std::uint16_t(large ? 45 : 20),
        std::uint16_t{0x0800}, std::uint16_t{0}, std::uint32_t{0x00210000}, member.checksum, size, size,
        static_cast<std::uint16_t>(member.name.size()), std::uint16_t(large ? 28 : 0), std::uint64_t{0},
        std::uint16_t{0}, large ? 0xffffffffu : static_cast<std::uint32_t>(member.offset));
    record += member.name;
    if (large)
      detail::append_little(record, std::uint16_t{1}, std::uint16_t{24}, member.bytes, member.bytes, member.offset);
    file_.write(record);
  }
  const std::uint64_t end = file_.size(), count = members_.size();
  const bool large = always_zip64_ || count >= 0xffffu || end >= 0xffffffffu;
  std::string record;
  if (large) {
    detail::append_little(record, std::uint32_t{0x06064b50}, std::uint64_t{44}, std::uint16_t{45}, std::uint16_t{45},
                          std::uint64_t{0}, count, count, end - directory, directory, std::uint32_t{0x07064b50},
                          std::uint32_t{0}, end, std::uint32_t{1});
  }
  const auto short_count = static_cast<std::uint16_t>(large ? 0xffffu : count);
  detail::append_little(record, std::uint32_t{0x06054b50}, std::uint32_t{0}, short_count, short_count,
                        static_cast<std::uint32_t>(large ? 0xffffffffu : end - directory),
                        static_cast<std::uint32_t>(large ? 0xffffffffu : directory), std::uint16_t{0});
  file_.write(record);
  file_.commit();
}

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
