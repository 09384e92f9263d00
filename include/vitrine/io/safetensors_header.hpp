// The safetensors container, parsed and checked from bytes that nobody has checked before: the JSON header in front,
// the index of sharded checkpoints. A SAX parser: nothing is allocated but the names and shapes that the header itself
// spells out. safetensors.hpp is the reader on top.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>
#include <vitrine/core/config.hpp>
#include <vitrine/io/detail/file_kind.hpp>
#include <vitrine/io/detail/names.hpp>
#include <vitrine/io/detail/utf8.hpp>
#include <vitrine/io/error.hpp>
#include <vitrine/io/tensor_view.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

/// What a reader may let pass.
struct SafeTensorsOptions {
  bool allow_trailing_bytes = false;  // bytes after the last tensor, which some writers leave behind
};

/// A parsed container: its tensors, sorted by name, their `data` inside the parsed bytes, and its `__metadata__`. Of
/// tensors of one name the last holds, as in the reference.
struct SafeTensorsHeader {
  std::vector<TensorView> tensors;
  std::map<std::string, std::string> metadata;
};

/// Longest header that is read, in bytes; the reference implementation's limit.
inline constexpr std::uint64_t max_safetensors_header = 100'000'000;

/// Checks and parses a whole container. `file` is named in errors and must outlive the result. Throws Error: header_*,
/// duplicate_name (of fields), metadata_not_strings, bad_tensor_entry, bad_shape, shape_overflow, size_mismatch,
/// offsets_*, trailing_bytes, nesting_too_deep. A type that is not known is no error here but in TensorView::copy_to.
SafeTensorsHeader parse_safetensors(std::span<const std::byte> bytes, const std::string& file,
                                    SafeTensorsOptions options = {});

namespace detail {

/// Largest number of brackets open at once, outside strings.
inline std::size_t json_depth(std::string_view text) noexcept {
  std::size_t depth = 0, deepest = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string && c == '\\') {
      ++i;
    } else if (c == '"') {
      in_string = !in_string;
    } else if (!in_string && (c == '{' || c == '[')) {
      deepest = std::max(deepest, ++depth);
    } else if (!in_string && (c == '}' || c == ']') && depth > 0) {
      --depth;
    }
  }
  return deepest;
}

/// What must hold before a JSON parser sees text from a file: throws header_not_utf8, nesting_too_deep, header_not_json
/// (a NUL byte).
inline void check_json_text(std::string_view text, std::size_t max_depth, std::string_view file) {
  if (!is_utf8(text)) throw Error(LoadError::header_not_utf8, file, "its JSON is not UTF-8");
  if (const std::size_t depth = json_depth(text); depth > max_depth) {
    throw Error(LoadError::nesting_too_deep, file,
                concat("its JSON nests ", depth, " levels deep, at most ", max_depth, " are allowed"));
  }
  if (text.find('\0') != text.npos)
    throw Error(LoadError::header_not_json, file, "its JSON contains a NUL byte");  // which nlohmann takes for the end
}

/// The callbacks of nlohmann's SAX interface that neither header nor index wants, as errors of one kind.
class StrictSax {
 public:
  using Json = nlohmann::json;
  explicit StrictSax(const std::string& file) : file_(file) {}
  bool parse_error(std::size_t position, const std::string&, const std::exception&) {
    throw Error(LoadError::header_not_json, file_, concat("its JSON is malformed at byte ", position));
  }

 protected:
  [[noreturn]] void fail(LoadError code, std::string_view sentence) const { throw Error(code, file_, sentence); }
  const std::string& file_;
};

class HeaderSax : public StrictSax {
 public:
  struct Entry {
    TensorView view;
    std::uint64_t begin = 0, end = 0;
  };
  std::vector<Entry> entries;
  std::map<std::string, std::string> metadata;

  using StrictSax::StrictSax;
  bool null() {
    if (place_ == Place::dtype) return true;
    if (place_ != Place::top || key_ != "__metadata__") return unknown(0) || unexpected("null");
    see_metadata();
    return true;
  }
  bool boolean(bool) { return unknown(0) || unexpected("a boolean"); }
  bool binary(Json::binary_t&) { return unexpected("binary data"); }
  bool number_integer(Json::number_integer_t value) {
    if (unknown(0)) return true;
    if (place_ == Place::shape) fail(LoadError::bad_shape, tensor("has the extent ", value, " in its shape"));
    if (place_ == Place::offsets) fail(LoadError::offsets_out_of_range, tensor("has the offset ", value));
    return unexpected("a number");
  }
  bool number_float(Json::number_float_t, const std::string& text) {
    if (unknown(0)) return true;
    const bool whole = text.find_first_not_of("0123456789") == text.npos;  // too large for 64 bits
    if (place_ == Place::shape)
      fail(whole ? LoadError::shape_overflow : LoadError::bad_shape,
           tensor("has the extent ", in_quotes(text), " in its shape"));
    if (place_ == Place::offsets)
      fail(whole ? LoadError::offsets_out_of_range : LoadError::bad_tensor_entry,
           tensor("has the offset ", in_quotes(text)));
    return unexpected("a number");
  }
  bool number_unsigned(Json::number_unsigned_t value) {
    if (unknown(0)) return true;
    if (place_ == Place::offsets) {
      if (offsets_ < 2) (offsets_ == 0 ? entries.back().begin : entries.back().end) = value;
      ++offsets_;
    } else if (place_ == Place::shape) {
      if (value > static_cast<std::uint64_t>(std::numeric_limits<Index>::max())) {
        fail(LoadError::shape_overflow, tensor("has the extent ", value, " in its shape"));
      }
      entries.back().view.shape.push_back(static_cast<Index>(value));
    } else {
      return unexpected("a number");
    }
    return true;
  }
  bool string(std::string& value) {
    if (unknown(0)) return true;
    if (place_ == Place::metadata) {
      metadata[key_] = std::move(value);  // the last of a key holds, as in the reference
    } else if (place_ == Place::entry && key_ == "dtype") {
      entries.back().view.dtype_name = std::move(value);
      next_of_list();
    } else {
      return unexpected("a string");
    }
    return true;
  }
  bool key(std::string& value) {
    if (place_ == Place::unknown) return true;
    if (place_ == Place::dtype) {
      if (!entries.back().view.dtype_name.empty()) return unexpected("two names");
      entries.back().view.dtype_name = std::move(value);
      return true;
    }
    key_ = std::move(value);
    if (place_ == Place::entry) {
      const unsigned field = key_ == "dtype" ? 1 : key_ == "shape" ? 2 : key_ == "data_offsets" ? 4 : 0;
      if (field == 0) place_ = Place::unknown;
      if (fields_ & field) fail(LoadError::duplicate_name, tensor("has the field ", key_, " twice"));
      fields_ |= field;
    }
    return true;
  }
  bool start_object(std::size_t) {
    if (unknown(+1)) return true;
    if (place_ == Place::file) {
      place_ = Place::top;
    } else if (place_ == Place::top && key_ == "__metadata__") {
      see_metadata();
      place_ = Place::metadata;
    } else if (place_ == Place::top) {
      start_entry(false);
    } else if (place_ == Place::entry && key_ == "dtype") {
      place_ = Place::dtype;  // {"F32":null}, which the reference reads too
    } else {
      return unexpected("an object");
    }
    return true;
  }
  bool end_object() {
    if (unknown(-1)) return true;
    if (place_ == Place::dtype) {
      if (entries.back().view.dtype_name.empty()) return unexpected("an object without a name");
      place_ = Place::entry;
      next_of_list();
      return true;
    }
    if (place_ == Place::entry) check_fields();
    place_ = place_ == Place::top ? Place::file : Place::top;
    return true;
  }
  bool start_array(std::size_t) {
    if (unknown(+1)) return true;
    if (place_ == Place::top && key_ != "__metadata__") {
      start_entry(true);
    } else if (place_ == Place::entry && (key_ == "shape" || key_ == "data_offsets")) {
      place_ = key_ == "shape" ? Place::shape : Place::offsets;
    } else {
      return unexpected("an array");
    }
    return true;
  }
  bool end_array() {
    if (unknown(-1)) return true;
    if (place_ == Place::entry) {  // of a list of fields
      check_fields();
      place_ = Place::top;
    } else {
      place_ = Place::entry;
      next_of_list();
    }
    return true;
  }

 private:
  enum class Place : std::uint8_t { file, top, metadata, entry, dtype, shape, offsets, unknown };

  /// Passes over what a field of a tensor holds that the format does not know; false where there is none.
  bool unknown(int deeper) {
    if (place_ != Place::unknown) return false;
    unknown_depth_ += deeper;
    if (unknown_depth_ == 0) place_ = Place::entry;
    return true;
  }
  /// A tensor's fields follow: by name, or as a list without names, which the reference reads too.
  void start_entry(bool listed) {
    entries.emplace_back().view.name = std::move(key_);
    place_ = Place::entry;
    fields_ = 0;
    offsets_ = 0;
    listed_ = listed;
    next_of_list();
  }
  void next_of_list() {
    if (!listed_) return;
    key_ = fields_ == 0 ? "dtype" : fields_ == 1 ? "shape" : fields_ == 3 ? "data_offsets" : "fourth field";
    fields_ = 2 * fields_ + 1;
  }
  void check_fields() const {
    if (fields_ != (listed_ ? 15 : 7))
      fail(LoadError::bad_tensor_entry, tensor("lacks one of dtype, shape, data_offsets"));
    if (offsets_ != 2) fail(LoadError::bad_tensor_entry, tensor("has ", offsets_, " data_offsets instead of 2"));
  }
  void see_metadata() {
    if (std::exchange(metadata_seen_, true)) fail(LoadError::duplicate_name, "its header has __metadata__ twice");
  }
  template <class... Parts>
  std::string tensor(const Parts&... parts) const {
    return concat("tensor ", in_quotes(entries.back().view.name), " ", parts...);
  }
  bool unexpected(std::string_view what) const {
    if (place_ == Place::metadata || (place_ == Place::top && key_ == "__metadata__")) {
      fail(LoadError::metadata_not_strings,
           concat("__metadata__ must map strings to strings, found ", what, " at ", in_quotes(key_)));
    }
    if (place_ == Place::shape) fail(LoadError::bad_shape, tensor("has ", what, " in its shape"));
    if (place_ == Place::entry && key_ == "shape") fail(LoadError::bad_shape, tensor("has ", what, " as its shape"));
    if (place_ == Place::entry || place_ == Place::dtype || place_ == Place::offsets)
      fail(LoadError::bad_tensor_entry, tensor("has ", what, " in its ", key_));
    fail(LoadError::bad_tensor_entry,
         concat("found ", what, " where tensor ", in_quotes(key_), " should be described"));
  }

  Place place_ = Place::file;
  std::string key_;
  unsigned fields_ = 0;
  int offsets_ = 0, unknown_depth_ = 0;
  bool metadata_seen_ = false, listed_ = false;
};

/// Bits of one element of any type that the format names, also of those that cannot be converted; 0 for others.
inline std::uint64_t dtype_bits(const TensorView& view) noexcept {
  if (view.dtype != DType::unknown) return 8 * size_of(view.dtype);
  constexpr std::pair<std::string_view, std::uint64_t> others[] = {
      {"F8_E4M3", 8}, {"F8_E5M2", 8}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"F8_E8M0", 8},
      {"C64", 64},    {"F4", 4},      {"F6_E2M3", 6},     {"F6_E3M2", 6}};
  for (const auto& [name, bits] : others) {
    if (name == view.dtype_name) return bits;
  }
  return 0;
}

/// Resolves the dtype and checks that shape, type and data_offsets of one entry agree with each other and with
/// `available` bytes of data.
inline void check_entry(HeaderSax::Entry& entry, std::uint64_t available, const std::string& file) {
  TensorView& view = entry.view;
  view.file = &file;
  for (int i = 0; i < static_cast<int>(DType::unknown); ++i) {
    if (view.dtype_name == name(static_cast<DType>(i))) view.dtype = static_cast<DType>(i);
  }
  const std::uint64_t bits = dtype_bits(view);
  const std::uint64_t need = checked_bits(view, bits);
  if (entry.begin > entry.end || entry.end > available) {
    view.fail(LoadError::offsets_out_of_range, concat("has data_offsets ", entry.begin, " to ", entry.end,
                                                      ", the file has ", available, " bytes of data"));
  }
  const std::uint64_t have = entry.end - entry.begin;
  if (bits != 0 && (need % 8 != 0 || need / 8 != have)) {
    view.fail(LoadError::size_mismatch, concat("needs ", (need + 7) / 8, " bytes by its shape and type, has ", have));
  }
  view.nbytes = static_cast<std::size_t>(have);
}

/// Checks that the entries, in the order of their offsets, cover `available` bytes without hole or overlap.
inline void check_coverage(const std::vector<HeaderSax::Entry>& entries, std::uint64_t available, bool allow_trailing,
                           const std::string& file) {
  std::vector<const HeaderSax::Entry*> order;
  order.reserve(entries.size());
  for (const auto& entry : entries) order.push_back(&entry);
  std::sort(order.begin(), order.end(),
            [](auto* a, auto* b) { return std::pair(a->begin, a->end) < std::pair(b->begin, b->end); });
  std::uint64_t position = 0;
  for (const auto* entry : order) {
    const auto where = [&] { return concat("begins at ", entry->begin, ", the tensor before it ends at ", position); };
    if (entry->begin < position) entry->view.fail(LoadError::offsets_overlap, where());
    if (entry->begin > position) entry->view.fail(LoadError::offsets_hole, where());
    position = entry->end;
  }
  if (position != available && !allow_trailing) {
    throw Error(LoadError::trailing_bytes, file, concat("has ", available - position, " bytes after its last tensor"));
  }
}

}  // namespace detail

inline SafeTensorsHeader parse_safetensors(std::span<const std::byte> bytes, const std::string& file,
                                           SafeTensorsOptions options) {
  // What is no safetensors file shows in its first bytes, read as a length.
  const std::string_view all(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const auto no_header = [&](LoadError code, const std::string& sentence) {
    const std::string_view kind = detail::other_kind(all);
    throw Error(code, file, kind.empty() ? sentence : detail::concat(kind, ", and not safetensors"));
  };
  if (bytes.size() < 8)
    no_header(LoadError::header_too_short,
              detail::concat("has ", bytes.size(), " bytes, a safetensors file has at least 8"));
  std::uint64_t length = 0;
  for (std::size_t i = 0; i < 8; ++i) length |= std::to_integer<std::uint64_t>(bytes[i]) << (8 * i);
  if (length > max_safetensors_header)
    no_header(LoadError::header_too_large, detail::concat("says that its header has ", length, " bytes, at most ",
                                                          max_safetensors_header, " are allowed"));
  if (length > bytes.size() - 8)
    no_header(LoadError::header_past_end,
              detail::concat("says that its header has ", length, " bytes, ", bytes.size() - 8, " are there"));
  const std::string_view text = all.substr(8, static_cast<std::size_t>(length));
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first == text.npos || text[first] != '{')
    no_header(LoadError::header_not_object, "its header does not start with {");
  detail::check_json_text(text, 127, file);  // serde_json's limit
  detail::HeaderSax sax(file);
  nlohmann::json::sax_parse(text.begin(), text.end(), &sax);

  auto& entries = sax.entries;
  detail::sort_by_name(
      entries, [](const detail::HeaderSax::Entry& entry) -> auto& { return entry.view.name; });
  const std::span<const std::byte> data = bytes.subspan(8 + text.size());
  for (auto& entry : entries) {
    detail::check_entry(entry, data.size(), file);
    entry.view.data = data.data() + entry.begin;
  }
  detail::check_coverage(entries, data.size(), options.allow_trailing_bytes, file);

  SafeTensorsHeader header{{}, std::move(sax.metadata)};
  header.tensors.reserve(entries.size());
  for (auto& entry : entries) header.tensors.push_back(std::move(entry.view));
  return header;
}

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
