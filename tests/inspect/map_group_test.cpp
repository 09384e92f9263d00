#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>
#include <vitrine/inspect/map_group.hpp>

#include "../support/numbers.hpp"

using namespace vitrine::inspect;

TEST_CASE("page: figures of a head") {
  const std::vector<float> even(4, 0.5f);
  const HeadFigures figures = head_figures(even.data(), 2, 2);
  CHECK(figures.entropy == doctest::Approx(std::log(2.0)));
  CHECK(figures.largest == doctest::Approx(0.5));
  CHECK(figures.same == doctest::Approx(0.5));
  CHECK(figures.previous == doctest::Approx(0.25));
  CHECK(figures.next == doctest::Approx(0.25));
  CHECK(figures.first == doctest::Approx(0.5));
  CHECK(figures.last == doctest::Approx(0.5));
  CHECK(figures.distance == doctest::Approx(0.5));

  const std::vector<float> previous = {1, 0, 0, 1, 0, 0, 0, 1, 0};
  CHECK(head_figures(previous.data(), 3, 3).previous == doctest::Approx(2.0 / 3));
  CHECK(head_figures(previous.data(), 3, 3).entropy == 0);
}

TEST_CASE("page: rows without any weight are left out, and what is not finite is said") {
  std::vector<float> map = {0, 0, 0.25f, 0.75f};
  CHECK(head_figures(map.data(), 2, 2).largest == doctest::Approx(0.75));
  map[0] = std::numeric_limits<float>::infinity();
  CHECK(is_nan(head_figures(map.data(), 2, 2).entropy));
  CHECK(is_nan(head_figures(map.data(), 2, 2).distance));
  CHECK(head_figures(nullptr, 0, 0).entropy == 0);
}

TEST_CASE("page: a group that cannot be drawn is refused") {
  MapGroup group{.kind = "cross", .layers = 1, .heads = 1};
  CHECK_THROWS_AS(check(group), std::invalid_argument);
  group.map = [](vitrine::Index, vitrine::Index) -> const float* { return nullptr; };
  CHECK_NOTHROW(check(group));
  group.heads = -1;
  CHECK_THROWS_AS(check(group), std::invalid_argument);
  CHECK_NOTHROW(check(MapGroup{}));
}
