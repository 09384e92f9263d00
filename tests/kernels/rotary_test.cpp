#include <vitrine/kernels/rotary.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

namespace kernels = vitrine::kernels;
using vitrine::Index;

TEST_CASE_TEMPLATE("pairs are turned, and nothing else is touched", S, float, double) {
  for (const Index half : {1, 2, 3, 7, 8, 9, 16, 20, 33}) {
    std::vector<S> x(static_cast<std::size_t>(2 * half + 2)), cosines(static_cast<std::size_t>(half)),
        sines(cosines.size());
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = S(i % 7) - S(2.5);
    for (std::size_t i = 0; i < cosines.size(); ++i)
      cosines[i] = S(std::cos(0.3 * double(i))), sines[i] = S(std::sin(0.3 * double(i)));
    std::vector<S> halves = x, neighbours = x;
    kernels::rotate_halves(halves.data() + 1, half, cosines.data(), sines.data());
    kernels::rotate_neighbours(neighbours.data() + 1, half, cosines.data(), sines.data());
    for (Index i = 0; i < half; ++i) {
      const auto turned = [&](Index first, Index second, const std::vector<S>& got) {
        const double a = double(x[std::size_t(1 + first)]), b = double(x[std::size_t(1 + second)]);
        const double c = double(cosines[std::size_t(i)]), s = double(sines[std::size_t(i)]);
        CHECK(double(got[std::size_t(1 + first)]) == doctest::Approx(a * c - b * s).epsilon(1e-6));
        CHECK(double(got[std::size_t(1 + second)]) == doctest::Approx(b * c + a * s).epsilon(1e-6));
      };
      turned(i, half + i, halves);
      turned(2 * i, 2 * i + 1, neighbours);
    }
    for (const std::vector<S>* one : {&halves, &neighbours}) {
      CHECK(one->front() == x.front());
      CHECK(one->back() == x.back());
    }
  }
}
