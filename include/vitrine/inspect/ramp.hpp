// The colours of all pictures: one ramp from the background (weight 0) to the strongest contrast (weight 1), for dark
// and for light pages. Lightness rises (dark) or falls (light) evenly in Oklab (Ottosson 2020), so that the order is
// readable with any colour vision and in print; the hue goes from blue over green to yellow. Computed here, used by the
// page, the SVG and the terminal.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vitrine/core/config.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::inspect {

/// Red, green, blue; 0 to 255, sRGB.
struct Colour {
  std::uint8_t red = 0, green = 0, blue = 0;
  friend bool operator==(const Colour&, const Colour&) = default;
};

// The background that colours are made for.
enum class Theme : std::uint8_t { automatic, light, dark };

/// The colour of a weight; `strength` from 0 to 1 is clamped. Theme::automatic is taken as light.
Colour ramp(double strength, Theme theme);

/// "rrggbb", as CSS and SVG take it behind a #: a string too short for the heap.
std::string hex(Colour colour);

// ---- implementation

namespace detail {

struct LinearRgb {
  double red, green, blue;
  bool is_shown() const { return std::min({red, green, blue}) >= -1e-6 && std::max({red, green, blue}) <= 1 + 1e-6; }
};

inline LinearRgb from_oklab(double lightness, double a, double b) {
  const auto cube = [](double x) { return x * x * x; };
  const double long_cone = cube(lightness + 0.3963377774 * a + 0.2158037573 * b);
  const double middle_cone = cube(lightness - 0.1055613458 * a - 0.0638541728 * b);
  const double short_cone = cube(lightness - 0.0894841775 * a - 1.2914855480 * b);
  return {4.0767416621 * long_cone - 3.3077115913 * middle_cone + 0.2309699292 * short_cone,
          -1.2684380046 * long_cone + 2.6097574011 * middle_cone - 0.3413193965 * short_cone,
          -0.0041960863 * long_cone - 0.7034186147 * middle_cone + 1.7076147010 * short_cone};
}

inline std::uint8_t to_srgb(double linear) {
  const double x = std::clamp(linear, 0.0, 1.0);
  return static_cast<std::uint8_t>(
      std::lround(255 * (x <= 0.0031308 ? 12.92 * x : 1.055 * std::pow(x, 1 / 2.4) - 0.055)));
}

}  // namespace detail

inline Colour ramp(double strength, Theme theme) {
  const double t = std::clamp(strength, 0.0, 1.0);
  const bool dark = theme == Theme::dark;
  const double lightness = dark ? 0.265 + 0.685 * t : 0.975 - 0.70 * t;
  const double hue = (dark ? 272 - 172 * t : 108 + 166 * std::pow(t, 0.8)) * 3.14159265358979 / 180;
  const double rise = std::min(1.0, 4 * t);  // weight 0 is nearly grey: it belongs to the page
  double chroma = (dark ? 0.03 : 0.004) + 0.135 * rise * (2 - rise);
  detail::LinearRgb colour = detail::from_oklab(lightness, chroma * std::cos(hue), chroma * std::sin(hue));
  while (!colour.is_shown() && chroma > 0) {  // keep lightness and hue, give up chroma
    chroma -= 0.002;
    colour = detail::from_oklab(lightness, chroma * std::cos(hue), chroma * std::sin(hue));
  }
  return {detail::to_srgb(colour.red), detail::to_srgb(colour.green), detail::to_srgb(colour.blue)};
}

inline std::string hex(Colour colour) {
  constexpr char digits[] = "0123456789abcdef";
  std::string out;
  for (const unsigned part : {colour.red, colour.green, colour.blue})
    out += digits[part >> 4], out += digits[part & 15u];
  return out;
}

}  // namespace vitrine::inline VITRINE_ABI::inspect

#include <vitrine/core/macros_pop.hpp>
