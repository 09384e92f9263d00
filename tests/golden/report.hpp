// What golden counts, and how it compares. A kind of case is a header beside this one with a function
//   template <class S> void run_KIND_case(const std::filesystem::path&, golden::Report&)
// that ends in one report.finish() for each case and scalar; golden.cpp says which paths are of which kind.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <set>
#include <span>
#include <string>
#include <vector>
#include <vitrine/io/safetensors.hpp>

namespace golden {

namespace vt = vitrine;
using vt::Index;

// With m = max(1, largest |expected|): float at most 2e-5 m, double at most 1e-11 m.
template <class S>
inline constexpr double tolerance = sizeof(S) == 4 ? 2e-5 : 1e-11;
template <class S>
inline constexpr const char* scalar_name = sizeof(S) == 4 ? "float" : "double";

class Report {
 public:
  int passed = 0, failed = 0;

  // Begins a case; what fails from here on is of it.
  void begin(const std::string& path, const char* scalar) {
    case_ = path + " " + scalar;
    good_ = true;
    allowed_ = 0;
    compared_.clear();
  }
  // The reference of this case is itself off by so much, relative as the tolerance is.
  void allow(double reference_error) { allowed_ = reference_error; }
  void fail(const std::string& what) {
    good_ = false;
    std::printf("%s: %s\n", case_.c_str(), what.c_str());
  }
  // One tensor of the case against values of any scalar, at most `relative` * max(1, largest |expected|) apart.
  // Infinities must be the same; a NaN never is.
  template <class S>
  void compare(const vt::TensorView& expected, const std::vector<Index>& shape, std::span<const S> values,
               double relative) {
    compared_.insert(expected.name);
    if (expected.shape != shape || expected.elements() != Index(values.size())) {
      fail(expected.name + " has the shape " + text(shape) + ", expected " + text(expected.shape));
      return;
    }
    const std::vector<double> wanted = expected.to_vector<double>();
    double largest = 1, error = 0;
    std::size_t worst = 0;
    for (double x : wanted)
      if (std::isfinite(x)) largest = std::max(largest, std::abs(x));
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      const double x = double(values[i]);
      double difference = std::abs(x - wanted[i]);
      if (std::isinf(wanted[i]) && x == wanted[i]) difference = 0;
      if (std::isnan(difference)) difference = std::numeric_limits<double>::infinity();
      if (difference > error) error = difference, worst = i;
    }
    const double tolerated = std::max(relative, relative > 0 ? allowed_ : 0.0) * largest;
    if (error > tolerated) {
      char line[200];
      std::snprintf(line, sizeof line, "error %.3g, tolerance %.3g (element %zu: %.9g, expected %.9g)", error,
                    tolerated, worst, double(values[worst]), wanted[worst]);
      fail(expected.name + " " + line);
    }
  }
  // Every expect tensor of the file must have been compared. Ends the case.
  void finish(const vt::SafeTensors& file) {
    for (const vt::TensorView& view : file.tensors())
      if (view.name.starts_with("expect.") && !compared_.contains(view.name)) fail(view.name + " was not computed");
    finish();
  }
  void finish() { ++(good_ ? passed : failed); }

 private:
  static std::string text(const std::vector<Index>& shape) { return vt::detail::shape_text(shape); }
  std::string case_;
  bool good_ = true;
  double allowed_ = 0;
  std::set<std::string> compared_;
};

}  // namespace golden
