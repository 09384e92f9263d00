#include <doctest/doctest.h>

#include <cmath>
#include <vitrine/inspect/ramp.hpp>

using namespace vitrine::inspect;

TEST_CASE("ramp: luminance is ordered, rising on dark pages and falling on light ones") {
  const auto luminance = [](Colour colour) {
    const auto linear = [](double part) {
      return part <= 0.04045 * 255 ? part / 255 / 12.92 : std::pow((part / 255 + 0.055) / 1.055, 2.4);
    };
    return 0.2126 * linear(colour.red) + 0.7152 * linear(colour.green) + 0.0722 * linear(colour.blue);
  };
  for (int k = 0; k < 100; ++k) {
    CHECK(luminance(ramp((k + 1) / 100.0, Theme::dark)) > luminance(ramp(k / 100.0, Theme::dark)));
    CHECK(luminance(ramp((k + 1) / 100.0, Theme::light)) < luminance(ramp(k / 100.0, Theme::light)));
  }
  // Both ends are far apart: at least the contrast that text needs.
  CHECK((luminance(ramp(1, Theme::dark)) + 0.05) / (luminance(ramp(0, Theme::dark)) + 0.05) > 7);
  CHECK((luminance(ramp(0, Theme::light)) + 0.05) / (luminance(ramp(1, Theme::light)) + 0.05) > 7);
}

TEST_CASE("ramp: clamped, and written as hexadecimal digits") {
  CHECK(ramp(-1, Theme::dark) == ramp(0, Theme::dark));
  CHECK(ramp(2, Theme::light) == ramp(1, Theme::light));
  CHECK(ramp(0.3, Theme::automatic) == ramp(0.3, Theme::light));
  CHECK(hex({255, 10, 0}) == "ff0a00");
}
