// A result as text for a serial port: one line a row, each with a check sum, readable by eye and by map_log.
//
//   vt begin r a d i u m*43                   the tokens, or row numbers
//   vt output 6 128*30                        rows, columns; then one line a row
//   vt 0.1250000 -1.5000000 ...*33
//   vt map self_attn 2 0 6 6*30               kind, layer, head, rows, columns; then one line a row
//   vt end*4d
//
// Seven digits after the point. The sum is the exclusive or of all characters from "vt" on before the star, as NMEA has
// it. A line that does not begin with "vt " is somebody else's. No heap, no printf, no double.
#pragma once
#include <vitrine/core/views.hpp>

#include <cstdint>

namespace text_form {

// Put is callable with one character.
template <class Put>
class Writer {
 public:
  explicit Writer(Put put) : put_(put) {}

  void begin_line() {
    sum_ = 0;
    text("vt");
  }
  void end_line() {
    const unsigned sum = sum_;
    put_('*');
    put_("0123456789abcdef"[sum >> 4]);
    put_("0123456789abcdef"[sum & 15]);
    put_('\n');
  }
  void text(const char* words) {
    while (*words != 0) one(*words++);
  }
  void word(const char* words) {
    one(' ');
    text(words);
  }
  void number(std::uint32_t value) {
    one(' ');
    digits(value, 1);
  }
  void number(float value) {
    one(' ');
    const auto bits = __builtin_bit_cast(std::uint32_t, value);
    if ((bits & 0x7f800000u) == 0x7f800000u)
      return text((bits & 0x7fffffu) != 0 ? "nan" : (bits >> 31) != 0 ? "-inf" : "inf");
    if ((bits >> 31) != 0) one('-'), value = -value;
    std::uint32_t exponent = 0;
    for (; value >= 4e9f; ++exponent) value /= 10;
    auto whole = static_cast<std::uint32_t>(value);
    auto rest = static_cast<std::uint32_t>((value - static_cast<float>(whole)) * 1e7f + 0.5f);
    if (rest >= 10000000u) rest -= 10000000u, ++whole;
    digits(whole, 1);
    one('.');
    digits(rest, 7);
    if (exponent != 0) one('e'), digits(exponent, 1);
  }
  template <class Matrix>
  void rows(const Matrix& matrix) {
    for (vitrine::Index i = 0; i < vitrine::Index(matrix.rows()); ++i) {
      begin_line();
      for (vitrine::Index j = 0; j < vitrine::Index(matrix.cols()); ++j) number(matrix(i, j));
      end_line();
    }
  }
  template <class Matrix>
  void output(const Matrix& matrix) {
    begin_line();
    word("output");
    extents(matrix);
    rows(matrix);
  }
  template <class Matrix>
  void map(const char* kind, vitrine::Index layer, vitrine::Index head, const Matrix& matrix) {
    begin_line();
    word("map");
    word(kind);
    number(std::uint32_t(layer));
    number(std::uint32_t(head));
    extents(matrix);
    rows(matrix);
  }

 private:
  void one(char c) {
    sum_ ^= static_cast<unsigned char>(c);
    put_(c);
  }
  void digits(std::uint32_t value, int least) {
    char reversed[10];
    int count = 0;
    do reversed[count++] = static_cast<char>('0' + value % 10), value /= 10;
    while (value != 0 || count < least);
    while (count > 0) one(reversed[--count]);
  }
  template <class Matrix>
  void extents(const Matrix& matrix) {
    number(std::uint32_t(matrix.rows()));
    number(std::uint32_t(matrix.cols()));
    end_line();
  }

  Put put_;
  unsigned char sum_ = 0;
};

}  // namespace text_form
