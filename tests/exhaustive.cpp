// exhaustive [STRIDE [NAME...]]: every float (or every STRIDE-th) through exp, erf, tanh, log, gelu, gelu_tanh and
// silu, against double.
//
// Prints for each function the largest error, where it is, and a hash of all results: builds that agree print the same
// lines. Exit 0: all within their bounds, 1: not, 2: bad usage.
#include "kernels/all_floats.hpp"

#include <vitrine/kernels/layer_norm.hpp>

#include <cstdio>
#include <cstdlib>

namespace {

using namespace all_floats;
namespace kernels = vitrine::kernels;
bool passed = true;

void print(const char* name, const char* unit, double bound, const Report<float>& r) {
  const bool good = r.wrong == 0 && r.worst <= bound;
  std::printf("%-16s %.4f %s (at most %g) at %a, hash %016llx%s\n", name, r.worst, unit, bound, double(r.worst_at),
              static_cast<unsigned long long>(r.hash), good ? "" : "  FAILED");
  if (r.wrong != 0)
    std::printf("  %llu wrong special values, such as at %a\n", static_cast<unsigned long long>(r.wrong),
                double(r.wrong_at));
  std::fflush(stdout);
  passed = passed && good;
}

template <class S>
std::uint64_t layer_norm_hash() {
  std::uint64_t state = 1, hash = 0;
  for (const vitrine::Index width : {1, 3, 7, 8, 15, 16, 17, 31, 33, 63, 64, 65, 100, 512}) {
    const auto size = static_cast<std::size_t>(width);
    std::vector<S> x(size), weight(size), bias(size), y(size);
    for (auto* v : {&x, &weight, &bias})
      for (S& value : *v) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        value = static_cast<S>(static_cast<double>(state >> 11) * 0x1p-52 - 1);
      }
    for (int kind = 0; kind < 4; ++kind) {
      kernels::layer_norm<S>({.x = x.data(),
                              .x_stride = width,
                              .y = y.data(),
                              .y_stride = width,
                              .rows = 1,
                              .width = width,
                              .weight = kind & 1 ? weight.data() : nullptr,
                              .bias = kind & 2 ? bias.data() : nullptr,
                              .eps = S(1e-5)});
      for (const S& value : y) {
        std::uint64_t bits = 0;
        std::memcpy(&bits, &value, sizeof value);
        hash = (hash ^ bits) * 0x100000001b3u;
      }
    }
  }
  return hash;
}

template <class Function>
void print_double(const char* name, Function function, double low, double high) {
  const auto none = [](double) { return 0.0; };
  const auto nothing = [](double, double, double) { return 0.0; };
  const Report<double> r = sample(function, none, nothing, low, high, 1 << 20);
  std::printf("%-16s double, hash %016llx\n", name, static_cast<unsigned long long>(r.hash));
}

}  // namespace

int main(int argc, char** argv) {
  const long stride = argc > 1 ? std::strtol(argv[1], nullptr, 10) : 1;
  if (stride < 1) {
    std::fprintf(stderr, "usage: exhaustive [STRIDE [NAME...]]\n");
    return 2;
  }
  const auto every = static_cast<std::uint64_t>(stride);
  const auto wanted = [&](const char* name) {
    for (int i = 2; i < argc; ++i)
      if (std::strcmp(argv[i], name) == 0) return true;
    return argc <= 2;
  };
  const auto floats = [&](const char* name, const char* unit, double bound, auto function, auto reference, auto error) {
    if (wanted(name)) print(name, unit, bound, sweep(function, reference, error, every));
  };
  const auto doubles = [&](const char* name, auto function, double low, double high) {
    if (wanted(name)) print_double(name, function, low, high);
  };
  const auto ulp = [](double, double y, double reference) { return ulps(float(y), reference); };
  const auto flushed = [](double, double y, double reference) { return ulps_flushed(float(y), reference); };
  const auto bounded = [](double x, double y, double reference) {
    return activation_error(float(x), float(y), reference);
  };
  const auto gelu = [](double x) { return x * 0.5 * std::erfc(x * -0.70710678118654752); };
  const auto gelu_tanh = [](double x) { return x / (1 + std::exp(-1.5957691216057307 * (x + 0.044715 * x * x * x))); };
  floats(
      "exp", "ulp", 2, VITRINE_TESTED(float, exp), [](double x) { return std::exp(x); }, flushed);
  floats("gelu", "eps", 2, VITRINE_TESTED(float, gelu), gelu, bounded);
  floats("gelu_tanh", "eps", 2, VITRINE_TESTED(float, gelu_tanh), gelu_tanh, bounded);
  floats(
      "silu", "eps", 2, VITRINE_TESTED(float, silu), [](double x) { return x / (1 + std::exp(-x)); }, bounded);
  floats(
      "erf", "ulp", 4, VITRINE_TESTED(float, erf), [](double x) { return std::erf(x); }, ulp);
  floats(
      "tanh", "ulp", 4, VITRINE_TESTED(float, tanh), [](double x) { return std::tanh(x); }, ulp);
  floats(
      "log", "ulp", 4, VITRINE_TESTED(float, log), [](double x) { return std::log(x); }, ulp);
  doubles("exp", VITRINE_TESTED(double, exp), -710, 710);
  doubles("gelu", VITRINE_TESTED(double, gelu), -9, 9);
  doubles("gelu_tanh", VITRINE_TESTED(double, gelu_tanh), -9, 9);
  doubles("silu", VITRINE_TESTED(double, silu), -9, 9);
  doubles("erf", VITRINE_TESTED(double, erf), -7, 7);
  doubles("tanh", VITRINE_TESTED(double, tanh), -9, 9);
  doubles("log", VITRINE_TESTED(double, log), 0.5, 2);
  if (wanted("layer_norm"))
    std::printf("%-16s float hash %016llx, double hash %016llx\n", "layer_norm",
                static_cast<unsigned long long>(layer_norm_hash<float>()),
                static_cast<unsigned long long>(layer_norm_hash<double>()));
  return passed ? 0 : 1;
}
