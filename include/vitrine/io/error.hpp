// Errors of everything that reads or writes files: one exception type, one code for each kind of rejection.
//   try { vt::SafeTensors file("model.safetensors"); } catch (const vt::Error& e) { e.code(); e.what(); }
// what() is one line that a terminal may show: the code's name, the file, then a sentence with the actual values.
#pragma once
#include <charconv>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vitrine/core/config.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

// clang-format off
/// Every reason for which a file, or what is in it, is refused.
enum class LoadError : std::uint8_t {
  // files and folders
  file_missing, file_unreadable, file_not_created, write_failed, only_pickle, bad_usage, out_of_memory,
  // safetensors
  header_too_short, header_too_large, header_past_end, header_not_object, header_not_json, header_not_utf8,
  nesting_too_deep, duplicate_name, metadata_not_strings, bad_tensor_entry, unknown_dtype, bad_shape, shape_overflow,
  size_mismatch, offsets_out_of_range, offsets_overlap, offsets_hole, trailing_bytes, bad_index,
  // what a program asks of a file
  no_such_tensor, wrong_dtype, value_out_of_range, missing_tensors, unexpected_tensors, shape_mismatch, values_differ,
  // config.json, vocabularies and text
  config_missing, config_not_json, config_bad_value, config_unsupported, config_mismatch, bad_vocabulary, unknown_symbol,
  // npy and npz
  npy_bad_magic, npy_bad_header, npy_fortran_order, npy_big_endian, npy_pickled,
  zip_bad_directory, zip_bad_member, zip_bad_checksum, zip_unsupported
};
// clang-format on

/// The code's spelling, e.g. "header_too_short"; never null.
const char* name(LoadError code) noexcept;

/// Thrown by everything in io/: a code to test, and a line to show that starts with the code's name and the file.
class Error : public std::runtime_error {
 public:
  // The line is "CODE: FILE: SENTENCE"; a control character in a file's name or a sentence becomes \xNN.
  Error(LoadError code, std::string_view file, std::string_view sentence);
  // The reason, to be tested.
  LoadError code() const noexcept { return code_; }
  /// The message without the code's name: "FILE: sentence".
  const char* message() const noexcept { return what() + std::string_view(name(code_)).size() + 2; }

 private:
  LoadError code_;
};

namespace detail {

/// `text` with every byte at which hidden(text, index) holds as \xNN.
template <class Hidden>
std::string escaped(std::string_view text, Hidden hidden) {
  constexpr char digits[] = "0123456789abcdef";
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (hidden(text, i))
      result.append("\\x").append(1, digits[byte >> 4]).append(1, digits[byte & 15]);
    else
      result += text[i];
  }
  return result;
}
/// Text from a file made fit for a terminal: in quotes, control and non-ASCII bytes as \xNN, at most 160 bytes of it.
inline std::string in_quotes(std::string_view text) {
  const auto hidden = [](std::string_view all, std::size_t i) {
    return all[i] < 0x20 || all[i] > 0x7e || all[i] == '"' || all[i] == '\\';
  };
  return "\"" + escaped(text.substr(0, 160), hidden) + (text.size() > 160 ? "...\"" : "\"");
}
/// Is this a byte of a control character of UTF-8 text: U+0000 to U+001F, U+007F to U+009F?
inline bool is_control_byte(std::string_view text, std::size_t i) {
  const auto byte = [&](std::size_t at) { return at < text.size() ? static_cast<unsigned char>(text[at]) : 0u; };
  const auto upper = [&](std::size_t at) { return byte(at) == 0xc2 && byte(at + 1) >= 0x80 && byte(at + 1) < 0xa0; };
  return byte(i) < 0x20 || byte(i) == 0x7f || upper(i) || (i > 0 && upper(i - 1));
}

/// One argument of concat: text, or a number as text.
class Piece {
 public:
  explicit Piece(std::string_view text) : text_(text) {}
  explicit Piece(std::integral auto number)
      : size_(std::size_t(std::to_chars(digits_, digits_ + sizeof digits_, number).ptr - digits_)) {}
  std::string_view text() const { return size_ > 0 ? std::string_view(digits_, size_) : text_; }

 private:
  std::string_view text_;
  char digits_[24] = {};
  std::size_t size_ = 0;
};
inline std::string join(std::initializer_list<Piece> pieces) {
  std::string text;
  for (const Piece& piece : pieces) text.append(piece.text());
  return text;
}
/// The arguments, strings and integers, one after another.
template <class... Parts>
std::string concat(const Parts&... parts) {
  return join({Piece(parts)...});
}

}  // namespace detail

inline Error::Error(LoadError code, std::string_view file, std::string_view sentence)
    : std::runtime_error(
          detail::escaped(detail::concat(vitrine::name(code), ": ", file, ": ", sentence), detail::is_control_byte)),
      code_(code) {}

inline const char* name(LoadError code) noexcept {
  using enum LoadError;
  // clang-format off
  switch (code) {  // the compiler asks for every code
    case file_missing: return "file_missing";
    case file_unreadable: return "file_unreadable";
    case file_not_created: return "file_not_created";
    case write_failed: return "write_failed";
    case only_pickle: return "only_pickle";
    case bad_usage: return "bad_usage";
    case out_of_memory: return "out_of_memory";
    case header_too_short: return "header_too_short";
    case header_too_large: return "header_too_large";
    case header_past_end: return "header_past_end";
    case header_not_object: return "header_not_object";
    case header_not_json: return "header_not_json";
    case header_not_utf8: return "header_not_utf8";
    case nesting_too_deep: return "nesting_too_deep";
    case duplicate_name: return "duplicate_name";
    case metadata_not_strings: return "metadata_not_strings";
    case bad_tensor_entry: return "bad_tensor_entry";
    case unknown_dtype: return "unknown_dtype";
    case bad_shape: return "bad_shape";
    case shape_overflow: return "shape_overflow";
    case size_mismatch: return "size_mismatch";
    case offsets_out_of_range: return "offsets_out_of_range";
    case offsets_overlap: return "offsets_overlap";
    case offsets_hole: return "offsets_hole";
    case trailing_bytes: return "trailing_bytes";
    case bad_index: return "bad_index";
    case no_such_tensor: return "no_such_tensor";
    case wrong_dtype: return "wrong_dtype";
    case value_out_of_range: return "value_out_of_range";
    case missing_tensors: return "missing_tensors";
    case unexpected_tensors: return "unexpected_tensors";
    case shape_mismatch: return "shape_mismatch";
    case values_differ: return "values_differ";
    case config_missing: return "config_missing";
    case config_not_json: return "config_not_json";
    case config_bad_value: return "config_bad_value";
    case config_unsupported: return "config_unsupported";
    case config_mismatch: return "config_mismatch";
    case bad_vocabulary: return "bad_vocabulary";
    case unknown_symbol: return "unknown_symbol";
    case npy_bad_magic: return "npy_bad_magic";
    case npy_bad_header: return "npy_bad_header";
    case npy_fortran_order: return "npy_fortran_order";
    case npy_big_endian: return "npy_big_endian";
    case npy_pickled: return "npy_pickled";
    case zip_bad_directory: return "zip_bad_directory";
    case zip_bad_member: return "zip_bad_member";
    case zip_bad_checksum: return "zip_bad_checksum";
    case zip_unsupported: return "zip_unsupported";
  }
  // clang-format on
  return "unknown_error";
}

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
