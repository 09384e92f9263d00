// NumPy's .npy arrays: read in place, written whole or row by row. npz.hpp has the archives.
//   vt::Npy array("x.npy");  std::vector<float> x = array.tensor().to_vector<float>();
//   vt::save_npy("maps.npy", {layers, heads, rows, columns}, std::span<const float>(values));
// Little endian, C order. Pickled objects, Fortran order and big-endian numbers are refused.
#pragma once
#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>
#include <vitrine/core/config.hpp>
#include <vitrine/io/atomic_file.hpp>
#include <vitrine/io/error.hpp>
#include <vitrine/io/mapped_file.hpp>
#include <vitrine/io/tensor_view.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

/// Checks a whole .npy (versions 1 to 3) in memory and returns its tensor, named `name`; types that are not numbers
/// (text) are DType::unknown. `file` is named in errors; it and the bytes must outlive the result. Throws Error:
/// npy_bad_magic, npy_bad_header, npy_fortran_order, npy_big_endian, npy_pickled, bad_shape, shape_overflow,
/// size_mismatch, trailing_bytes.
TensorView parse_npy(std::span<const std::byte> bytes, const std::string& file, std::string name = "array");

/// The bytes before the data of a .npy: version 1, or 2 if it must, ending at a multiple of 64. `descr` is NumPy's name
/// of the type, as "<f4". Text on the heap.
std::string npy_header(std::string_view descr, std::span<const Index> shape);

/// NumPy's name of a type, on the heap; throws Error unknown_dtype for BF16, which NumPy lacks, and for DType::unknown.
std::string npy_descr(DType dtype, const std::string& file);

/// An open .npy file; copies share it.
class Npy {
 public:
  /// Maps and checks `path`. Throws what parse_npy and MappedFile throw.
  explicit Npy(const std::filesystem::path& path) {
    auto contents = std::make_shared<Contents>(Contents{path.string(), MappedFile(path), {}});
    contents->tensor = parse_npy(contents->file.bytes(), contents->label);
    contents_ = std::move(contents);
  }
  /// The array; lives as long as this object or a copy of it.
  const TensorView& tensor() const& noexcept { return contents_->tensor; }
  const TensorView& tensor() const&& = delete;  // the view would outlive the file: give the Npy a name first

 private:
  struct Contents {
    std::string label;
    MappedFile file;
    TensorView tensor;
  };
  std::shared_ptr<const Contents> contents_;
};

/// Writes an array whose shape is known and whose values come in pieces, in row-major order, without ever holding it.
template <class T>
class NpyWriter {
 public:
  /// Begins to write `path`, a buffer of 64 KiB on the heap. Throws Error as AtomicFile, bad_shape for a negative
  /// extent, and shape_overflow.
  NpyWriter(const std::filesystem::path& path, std::span<const Index> shape) : label_(path.string()), file_(path) {
    const TensorView view{"array", dtype_of<T>(), {}, {shape.begin(), shape.end()}, nullptr, 0, &label_};
    bytes_ = detail::checked_bits(view, 8 * sizeof(T)) / 8;
    file_.write(npy_header(npy_descr(dtype_of<T>(), label_), shape));
    bytes_ += file_.size();
  }
  // Writes the next values. Throws Error write_failed; finish() counts them.
  void append(std::span<const T> values) { file_.write(std::as_bytes(values)); }

  /// Puts the file in its place; throws Error size_mismatch unless all of the shape's values were appended.
  void finish() {
    if (file_.size() != bytes_)
      throw Error(LoadError::size_mismatch, label_,
                  detail::concat("needs ", bytes_, " bytes by its shape, got ", file_.size()));
    file_.commit();
  }

 private:
  std::string label_;
  AtomicFile file_;
  std::uint64_t bytes_ = 0;
};

/// Writes an array at once, n values for a shape of n; throws as NpyWriter.
template <class T>
void save_npy(const std::filesystem::path& path, const std::vector<Index>& shape, std::span<const T> values) {
  NpyWriter<T> writer(path, shape);
  writer.append(values);
  writer.finish();
}

namespace detail {

/// The Python dict in a .npy header, character by character: {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4),
/// }
class NpyHeaderParser {
 public:
  std::string descr;
  bool fortran_order = false;
  std::vector<Index> shape;

  NpyHeaderParser(std::string_view text, const std::string& file) : text_(text), file_(file) {
    expect('{');
    unsigned seen = 0;
    while (!accept('}')) {
      const std::string key = quoted_text();
      const unsigned field = key == "descr" ? 1 : key == "fortran_order" ? 2 : key == "shape" ? 4 : 0;
      if (field == 0) fail(concat("has the key ", in_quotes(key)));
      seen |= field;  // of a key that is there twice the last holds, as in NumPy
      expect(':');
      if (field == 1) read_descr();
      if (field == 2) read_order();
      if (field == 4) read_shape();
      if (!accept(',') && peek() != '}') fail("lacks a comma");
    }
    if (peek() != '\0' || at_ != text_.size()) fail("goes on after its closing brace");
    if (seen != 7) fail("lacks one of descr, fortran_order, shape");
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw Error(LoadError::npy_bad_header, file_, concat("its header ", what, ", near byte ", at_));
  }
  char peek() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  bool accept(char wanted) {
    const bool found = peek() == wanted && at_ < text_.size();
    at_ += found;
    return found;
  }
  void expect(char wanted) {
    if (!accept(wanted)) fail(concat("lacks ", std::string(1, wanted)));
  }
  std::string quoted_text() {
    const char quote = peek();
    const std::size_t end = quote == '\'' || quote == '"' ? text_.find(quote, at_ + 1) : text_.npos;
    if (end == text_.npos) fail("lacks a quoted word");
    const std::string_view word = text_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    return std::string(word);
  }
  bool accept_word(std::string_view word) {
    peek();
    const bool found = text_.substr(at_, word.size()) == word;
    at_ += found ? word.size() : 0;
    return found;
  }
  void read_descr() {
    if (peek() == '[')
      throw Error(LoadError::npy_bad_header, file_, "holds records with named fields, which are not numbers");
    descr = quoted_text();
  }
  void read_order() {
    fortran_order = accept_word("True");
    if (!fortran_order && !accept_word("False")) fail("has a fortran_order that is neither True nor False");
  }
  void read_shape() {
    expect('(');
    shape.clear();
    bool comma = true;
    while (!accept(')')) {
      if (!comma) fail("lacks a comma in its shape");
      peek();
      Index extent = -1;
      const auto [end, failed] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), extent);
      if (failed == std::errc::result_out_of_range)
        throw Error(LoadError::shape_overflow, file_, "has an extent that is too large");
      if (failed != std::errc() || extent < 0)
        throw Error(LoadError::bad_shape, file_,
                    concat("has an extent in its shape that is not a number, near byte ", at_));
      if (shape.size() == 64) throw Error(LoadError::bad_shape, file_, "has more than 64 dimensions");
      shape.push_back(extent);
      at_ = static_cast<std::size_t>(end - text_.data());
      accept('L');  // Python 2 wrote 3L
      comma = accept(',');
    }
    if (shape.size() == 1 && !comma) fail("has a shape that is not a tuple");
  }

  std::string_view text_;
  const std::string& file_;
  std::size_t at_ = 0;
};

/// Sets the type of a view from NumPy's name of it and returns the bits of an element; refuses what is not plain
/// little-endian data.
inline std::uint64_t resolve_descr(TensorView& view, const std::string& descr, const std::string& file) {
  const auto bad = [&](LoadError code, std::string_view why) {
    return Error(code, file, concat("has the type ", in_quotes(descr), ": ", why));
  };
  if (descr.size() < 2) throw bad(LoadError::npy_bad_header, "not a NumPy type");
  if (descr[0] == '>')
    throw bad(LoadError::npy_big_endian, "big-endian numbers are not read; save x.astype(x.dtype.newbyteorder('<'))");
  const bool prefixed = descr[0] == '<' || descr[0] == '|' || descr[0] == '=';
  const std::string_view type = std::string_view(descr).substr(prefixed ? 1 : 0);
  if (type.starts_with('O'))
    throw bad(LoadError::npy_pickled, "pickled Python objects are not read; they can run code");
  view.dtype_name = descr;
  for (int i = 0; i < static_cast<int>(DType::unknown); ++i) {
    const auto dtype = static_cast<DType>(i);
    if (dtype != DType::BF16 && type == std::string_view(npy_descr(dtype, file)).substr(1)) view.dtype = dtype;
  }
  if (view.dtype != DType::unknown) return 8 * size_of(view.dtype);
  std::uint32_t count = 0;
  const auto [end, failed] = std::from_chars(type.data() + 1, type.data() + type.size(), count);
  const bool text = (type[0] == 'U' || type[0] == 'S') && failed == std::errc() && end == type.data() + type.size();
  if (!text) throw bad(LoadError::npy_bad_header, "only numbers, bool and text are read");
  return std::uint64_t{count} * (type[0] == 'U' ? 32 : 8);
}

}  // namespace detail

inline std::string npy_descr(DType dtype, const std::string& file) {
  if (dtype == DType::BF16 || dtype == DType::unknown) {
    throw Error(LoadError::unknown_dtype, file,
                detail::concat("NumPy has no type for ", name(dtype), "; convert to float first"));
  }
  const char kind = dtype == DType::BOOL ? 'b' : dtype <= DType::F16 ? 'f' : dtype <= DType::I8 ? 'i' : 'u';
  return detail::concat(size_of(dtype) == 1 ? "|" : "<", std::string(1, kind), size_of(dtype));
}

inline std::string npy_header(std::string_view descr, std::span<const Index> shape) {
  std::string text = detail::concat("{'descr': '", descr, "', 'fortran_order': False, 'shape': (");
  for (const Index extent : shape) text += detail::concat(extent, shape.size() == 1 ? "," : ", ");
  if (shape.size() > 1) text.resize(text.size() - 2);
  text += "), }";
  const bool large = text.size() + 64 + 10 > 65535;
  const std::size_t before = large ? 12 : 10;
  text.append(63 - (before + text.size()) % 64, ' ').append(1, '\n');
  std::string header = large ? std::string("\x93NUMPY\x02\x00", 8) : std::string("\x93NUMPY\x01\x00", 8);
  for (std::size_t i = 0; i < before - 8; ++i) header += static_cast<char>(text.size() >> (8 * i) & 0xff);
  return header + text;
}

inline TensorView parse_npy(std::span<const std::byte> bytes, const std::string& file, std::string name) {
  const std::string_view all(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (!all.starts_with("\x93NUMPY"))
    throw Error(LoadError::npy_bad_magic, file, "does not start with NumPy's magic bytes");
  const int version = all.size() > 7 ? static_cast<unsigned char>(all[6]) : 0;
  if (version < 1 || version > 3)
    throw Error(LoadError::npy_bad_header, file,
                detail::concat("is of .npy version ", version, ", known are 1, 2 and 3"));
  const std::size_t before = version == 1 ? 10 : 12;
  if (all.size() < before) throw Error(LoadError::npy_bad_header, file, "ends before its header");
  std::size_t length = 0;
  for (std::size_t i = 8; i < before; ++i)
    length |= static_cast<std::size_t>(static_cast<unsigned char>(all[i])) << (8 * (i - 8));
  if (length > std::min<std::size_t>(all.size() - before, 1 << 20)) {
    throw Error(LoadError::npy_bad_header, file,
                detail::concat("says that its header has ", length, " bytes; ", all.size() - before,
                               " are there, 1 MiB is allowed"));
  }
  detail::NpyHeaderParser header(all.substr(before, length), file);
  TensorView view{std::move(name),
                  DType::unknown,
                  {},
                  std::move(header.shape),
                  bytes.data() + before + length,
                  bytes.size() - before - length,
                  &file};
  const std::uint64_t bits = detail::resolve_descr(view, header.descr, file);
  if (header.fortran_order) {
    throw Error(LoadError::npy_fortran_order, file,
                "is stored in Fortran order; save numpy.ascontiguousarray(x) instead");
  }
  const std::uint64_t need = detail::checked_bits(view, bits) / 8;
  if (need > view.nbytes)
    view.fail(LoadError::size_mismatch,
              detail::concat("needs ", need, " bytes by its shape and type, has ", view.nbytes));
  if (need < view.nbytes)
    view.fail(LoadError::trailing_bytes, detail::concat("has ", view.nbytes - need, " bytes after its data"));
  return view;
}

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
