// What the exercises share: matrices, a softmax, and the sentence that says what is still wrong. Nothing to do here.
#pragma once
#include <vitrine/vitrine.hpp>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <string>
#include <vector>

using vt::Index;
using Matrix = vt::RowMajor<double>;  // m.rows(), m.cols(), m(row, column), Matrix::Zero(rows, columns)

inline constexpr double minus_infinity = -std::numeric_limits<double>::infinity();

// Each row of scores becomes weights: what exercise 1 makes.
inline void softmax_rows(Matrix& scores) {
  for (Index i = 0; i < scores.rows(); ++i) {
    scores.row(i) = (scores.row(i).array() - scores.row(i).maxCoeff()).exp();
    scores.row(i) /= scores.row(i).sum();
  }
}

// Ends the program with 1 and a sentence.
[[noreturn]] inline void wrong(const std::string& sentence) {
  std::printf("not yet: %s\n", sentence.c_str());
  std::exit(1);
}
inline int solved(const std::string& sentence) {
  std::printf("solved: %s\n", sentence.c_str());
  return 0;
}

inline std::string text(double number) {
  char digits[32];
  std::snprintf(digits, sizeof digits, "%.4g", number);
  return digits;
}
template <class Row>
std::string text_of(const Row& row) {
  std::string out;
  for (const double number : row) out += (out.empty() ? "" : " ") + text(number);
  return "(" + out + ")";
}
inline std::string size_of(const Matrix& m) { return std::to_string(m.rows()) + " x " + std::to_string(m.cols()); }

inline bool same(const Matrix& got, const Matrix& expected, double tolerance = 1e-9) {
  return got.rows() == expected.rows() && got.cols() == expected.cols() &&
         ((got - expected).array().abs() <= tolerance).all();
}
// Names the first row that is not what it should be.
inline void expect(const std::string& what, const Matrix& got, const Matrix& expected, double tolerance = 1e-9) {
  if (got.rows() != expected.rows() || got.cols() != expected.cols())
    wrong(what + " is " + size_of(got) + " and should be " + size_of(expected));
  for (Index i = 0; i < got.rows(); ++i)
    if (!same(got.row(i), expected.row(i), tolerance))
      wrong("row " + std::to_string(i) + " of " + what + ": got " + text_of(got.row(i)) + ", expected " +
            text_of(expected.row(i)));
}

// A parameter of a layer by PyTorch's name.
template <class Layer>
Matrix parameter(const Layer& layer, const std::string& name) {
  Matrix values;
  layer.parameters([&](const char* own, const vt::Parameter<double>& p) {
    if (name != own) return;
    values.resize(p.rows, p.cols);
    for (Index i = 0; i < p.rows; ++i)
      for (Index j = 0; j < p.cols; ++j) values(i, j) = p.value(i, j);
  });
  return values;
}
