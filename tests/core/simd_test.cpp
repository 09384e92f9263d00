#include <vitrine/core/simd.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

namespace vt = vitrine;
using vt::Index;

namespace {

template <class S>
std::vector<S> lanes_of(typename vt::simd<S>::vec x) {
  std::vector<S> lanes(static_cast<std::size_t>(vt::simd<S>::lanes));
  vt::simd<S>::store(lanes.data(), x);
  return lanes;
}
template <class S>
std::vector<S> counted(S first, S step) {
  std::vector<S> lanes;
  for (int i = 0; i < vt::simd<S>::lanes; ++i) lanes.push_back(first + S(i) * step);
  return lanes;
}
template <class S>
bool same_bits(S x, S y) {
  return std::memcmp(&x, &y, sizeof x) == 0;
}

}  // namespace

TEST_CASE_TEMPLATE("a vector does in every lane what a scalar does", S, float, double) {
  using V = vt::simd<S>;
  const auto a = counted<S>(S(1.1), S(0.7)), b = counted<S>(S(-3.3), S(1.9)), c = counted<S>(S(0.3), S(-0.1));
  const auto x = V::load(a.data()), y = V::load(b.data()), z = V::load(c.data());
  for (int i = 0; i < V::lanes; ++i) {
    const auto at = std::size_t(i);
    CHECK(same_bits(lanes_of<S>(x + y)[at], S(a[at] + b[at])));
    CHECK(same_bits(lanes_of<S>(x - y)[at], S(a[at] - b[at])));
    CHECK(same_bits(lanes_of<S>(x / y)[at], S(a[at] / b[at])));
    CHECK(same_bits(lanes_of<S>(V::mul(x, y))[at], vt::mul(a[at], b[at])));
    CHECK(same_bits(lanes_of<S>(V::fma(x, y, z))[at], vt::fma(a[at], b[at], c[at])));
    CHECK(same_bits(lanes_of<S>(V::max(x, y))[at], std::max(a[at], b[at])));
    CHECK(same_bits(lanes_of<S>(V::min(x, y))[at], std::min(a[at], b[at])));
    CHECK(same_bits(lanes_of<S>(V::select(V::lt(x, y), x, y))[at], std::min(a[at], b[at])));
    CHECK(same_bits(V::lane(x, i), a[at]));
  }
  CHECK(same_bits(lanes_of<S>(V::set1(S(-0.0)))[0], S(-0.0)));
  CHECK(same_bits(lanes_of<S>(V::zero())[0], S(0)));
}

TEST_CASE_TEMPLATE("a product is rounded before it is added, and fma rounds once where the machine does", S, float,
                   double) {
  const S e = std::numeric_limits<S>::epsilon(), x = 1 + e;
  CHECK(vt::mul(x, x) - (1 + 2 * e) == 0);
#if VITRINE_FMA
  CHECK(vt::fma(x, x, -(1 + 2 * e)) == e * e);
#else
  CHECK(vt::fma(x, x, -(1 + 2 * e)) == 0);
#endif
}

TEST_CASE_TEMPLATE("the lanes are added by one tree, halves first", S, float, double) {
  using V = vt::simd<S>;
  auto lanes = counted<S>(S(1) / S(3), S(1) / S(7));
  const S sum = vt::reduce_add<S>(V::load(lanes.data()));
  const S most = vt::reduce_max<S>(V::load(lanes.data()));
  CHECK(most == lanes.back());
  for (std::size_t half = lanes.size() / 2; half > 0; half /= 2)
    for (std::size_t i = 0; i < half; ++i) lanes[i] = lanes[i] + lanes[i + half];
  CHECK(same_bits(sum, lanes[0]));
}

TEST_CASE_TEMPLATE("heads of a vector touch no more than they name", S, float, double) {
  using V = vt::simd<S>;
  const auto values = counted<S>(S(1), S(1));
  for (Index n = 0; n <= V::lanes + 1; ++n) {
    const auto loaded = lanes_of<S>(vt::load_first(values.data(), n));
    std::vector<S> stored(values.size(), S(-1));
    vt::store_first(stored.data(), V::load(values.data()), n);
    for (Index i = 0; i < V::lanes; ++i) {
      CHECK(loaded[std::size_t(i)] == (i < n ? S(i + 1) : S(0)));
      CHECK(stored[std::size_t(i)] == (i < n ? S(i + 1) : S(-1)));
    }
  }
}

TEST_CASE_TEMPLATE("the square root is the correctly rounded one", S, float, double) {
  for (const S x : {S(0), S(1), S(2), S(64), S(1e-30), S(3e30)}) CHECK(vt::square_root(x) == std::sqrt(x));
}
