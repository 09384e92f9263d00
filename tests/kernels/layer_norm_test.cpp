#include "../support/support.hpp"

#include <vitrine/kernels/layer_norm.hpp>

#include <doctest/doctest.h>

#if __has_include(<sys/mman.h>)
#include <sys/mman.h>
#include <unistd.h>
#endif

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

namespace {

using vitrine::Index;
namespace kernels = vitrine::kernels;
constexpr Index widths[] = {1, 3, 7, 8, 15, 16, 17, 31, 33, 63, 64, 65, 100, 512};

template <class S>
std::vector<S> random_values(Index count, std::uint64_t seed) {
  std::vector<S> values(static_cast<std::size_t>(count));
  std::uint64_t state = seed * 2862933555777941757u + 3037000493u;
  for (S& value : values) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    value = static_cast<S>(static_cast<double>(state >> 11) * 0x1p-52 - 1);
  }
  return values;
}

template <class S>
std::vector<long double> naive(const S* x, Index width, const S* weight, const S* bias, S eps) {
  long double mean = 0, variance = 0;
  for (Index i = 0; i < width; ++i) mean += x[i];
  mean /= static_cast<long double>(width);
  for (Index i = 0; i < width; ++i) variance += (x[i] - mean) * (x[i] - mean);
  variance /= static_cast<long double>(width);
  std::vector<long double> y;
  for (Index i = 0; i < width; ++i)
    y.push_back((x[i] - mean) / std::sqrt(variance + eps) * (weight ? weight[i] : 1) + (bias ? bias[i] : 0));
  return y;
}

template <class S>
bool equal(const std::vector<S>& x, const std::vector<S>& y) {
  return x.size() == y.size() && std::memcmp(x.data(), y.data(), x.size() * sizeof(S)) == 0;
}

}  // namespace

TEST_CASE_TEMPLATE("layer_norm agrees with its naive twin, misaligned, strided, with and without weight and bias", S,
                   float, double) {
  constexpr Index rows = 3;
  for (const Index width : widths)
    for (const Index offset : {0, 1, 3})
      for (int kind = 0; kind < 4; ++kind) {
        CAPTURE(width);
        CAPTURE(offset);
        CAPTURE(kind);
        const Index x_stride = width + 5, y_stride = width + 2;
        const auto x = random_values<S>(offset + rows * x_stride, 1);
        const auto parameters = random_values<S>(2 * width + offset, 2);
        const S* weight = kind & 1 ? parameters.data() + offset : nullptr;
        const S* bias = kind & 2 ? parameters.data() + offset + width : nullptr;
        std::vector<S> y(static_cast<std::size_t>(offset + rows * y_stride), S(77));
        kernels::layer_norm<S>(
            {x.data() + offset, x_stride, y.data() + offset, y_stride, rows, width, weight, bias, S(1e-5)});
        long double worst = 0;
        for (Index row = 0; row < rows; ++row) {
          const auto expected = naive(x.data() + offset + row * x_stride, width, weight, bias, S(1e-5));
          for (Index i = 0; i < width; ++i)
            worst =
                support::worse(worst, std::abs(y[std::size_t(offset + row * y_stride + i)] - expected[std::size_t(i)]));
          for (Index i = width; i < y_stride; ++i) CHECK(y[std::size_t(offset + row * y_stride + i)] == S(77));
        }
        for (Index i = 0; i < offset; ++i) CHECK(y[std::size_t(i)] == S(77));
        CHECK(worst <= 16 * static_cast<long double>(std::numeric_limits<S>::epsilon()));
      }
}

TEST_CASE_TEMPLATE("a row's numbers depend on the row alone", S, float, double) {
  for (const Index width : widths) {
    CAPTURE(width);
    const auto row = random_values<S>(width, 3), weight = random_values<S>(width, 4), bias = random_values<S>(width, 5);
    const auto size = static_cast<std::size_t>(width);
    std::vector<S> alone(size);
    kernels::layer_norm<S>({row.data(), 0, alone.data(), 0, 1, width, weight.data(), bias.data(), S(1e-5)});
    // Among other rows, from another alignment.
    auto many = random_values<S>(4 * width + 1, 6);
    std::copy(row.begin(), row.end(), many.begin() + 1 + 2 * width);
    auto in_place = many;
    std::vector<S> result(4 * size + 1);
    kernels::layer_norm<S>(
        {many.data() + 1, width, result.data() + 1, width, 4, width, weight.data(), bias.data(), S(1e-5)});
    CHECK(equal(alone, {result.begin() + 1 + 2 * width, result.begin() + 1 + 3 * width}));
    // In place.
    kernels::layer_norm<S>(
        {in_place.data() + 1, width, in_place.data() + 1, width, 4, width, weight.data(), bias.data(), S(1e-5)});
    CHECK(equal(std::vector<S>(result.begin() + 1, result.end()), {in_place.begin() + 1, in_place.end()}));
  }
}

TEST_CASE_TEMPLATE("a large mean costs no more than the input's own rounding", S, float, double) {
  auto x = random_values<S>(512, 7);
  for (S& value : x) value += S(1000);
  std::vector<S> y(512);
  kernels::layer_norm<S>({x.data(), 0, y.data(), 0, 1, 512, nullptr, nullptr, S(1e-5)});
  const auto expected = naive<S>(x.data(), 512, nullptr, nullptr, S(1e-5));
  for (std::size_t i = 0; i < 512; ++i)
    CHECK(std::abs(y[i] - expected[i]) <= 4000 * static_cast<long double>(std::numeric_limits<S>::epsilon()));
}

TEST_CASE_TEMPLATE("NaN and infinity fill their row and no other; constant rows give the bias", S, float, double) {
  constexpr Index width = 19;
  for (const S bad :
       {std::numeric_limits<S>::quiet_NaN(), std::numeric_limits<S>::infinity(), -std::numeric_limits<S>::infinity()})
    for (const Index at : {0, 7, 18}) {
      auto x = random_values<S>(3 * width, 8);
      x[std::size_t(width + at)] = bad;
      std::vector<S> y(x.size());
      kernels::layer_norm<S>({x.data(), width, y.data(), width, 3, width, nullptr, nullptr, S(1e-5)});
      for (std::size_t i = 0; i < x.size(); ++i) CHECK(std::isnan(y[i]) == (i / width == 1));
    }
  const std::vector<S> constant(width, S(0.5)), bias = random_values<S>(width, 9);
  std::vector<S> y(width);
  kernels::layer_norm<S>({constant.data(), 0, y.data(), 0, 1, width, bias.data(), bias.data(), S(1e-5)});
  CHECK(equal(y, bias));
}

#if __has_include(<sys/mman.h>)
TEST_CASE_TEMPLATE("layer_norm touches no byte outside its rows", S, float, double) {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  struct Pages {  // one readable page between two that are not
    char* base;
    std::size_t page;
    explicit Pages(std::size_t size) : page(size) {
      base = static_cast<char*>(mmap(nullptr, 3 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
      REQUIRE(static_cast<void*>(base) != MAP_FAILED);
      REQUIRE(mprotect(base + page, page, PROT_READ | PROT_WRITE) == 0);
    }
    ~Pages() { munmap(base, 3 * page); }
    S* first() { return reinterpret_cast<S*>(base + page); }
    S* last(Index count) { return reinterpret_cast<S*>(base + 2 * page) - count; }
  };
  Pages x(page), y(page), weight(page), bias(page);
  for (const Index width : widths) {
    if (width * Index(sizeof(S)) > Index(page)) continue;
    CAPTURE(width);
    kernels::layer_norm<S>(
        {x.last(width), width, y.last(width), width, 1, width, weight.last(width), bias.last(width), S(1e-5)});
    kernels::layer_norm<S>({x.first(), width, y.first(), width, 1, width, weight.first(), bias.first(), S(1e-5)});
    CHECK(y.first()[0] == 0);
  }
}
#endif
