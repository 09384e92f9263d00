#include <doctest/doctest.h>

#include <limits>
#include <string>
#include <vector>
#include <vitrine/inspect/svg.hpp>

#include "../io/scratch.hpp"

using namespace vitrine::inspect;
using vitrine::Index;

namespace {

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

const std::vector<float> map = {1, 0, 0, 0, 0.5f, 0.5f};

}  // namespace

TEST_CASE("svg: a map with its labels") {
  const std::string svg = svg_heatmap(map.data(), 2, 3, {"A", "<B>"}, {"x", "longer", "\x01"}, {.title = "a & b"});
  CHECK(svg.find("<title>a &amp; b</title>") != std::string::npos);
  CHECK(svg.find(">&lt;B&gt;<") != std::string::npos);
  CHECK(svg.find("d=\"M0 0h1v1h-1z\"") != std::string::npos);  // the weight 1
  CHECK(svg.find("d=\"M1 1h2v1h-2z\"") != std::string::npos);  // two equal neighbours are one rectangle
  CHECK(count(svg, "rotate(-90") == 1);                        // the label that is wider than its column
  CHECK(svg.find("prefers-color-scheme:dark") != std::string::npos);
  CHECK(svg.find("<script") == std::string::npos);
  // its own background in both themes, so that a dark system's light text can be read on a white page
  CHECK(svg.find("<rect class=\"b\" width=\"100%\" height=\"100%\"/>") < svg.find("<text"));
  CHECK(count(svg, ".b{fill:#ffffff}.i{fill:#1b2130}") == 1);
  CHECK(count(svg, ".b{fill:#171d2a}.i{fill:#e8ecf5}") == 1);
  CHECK(svg_heatmap(map.data(), 2, 3, {}, {}, {.theme = Theme::light}).find("prefers-color-scheme") ==
        std::string::npos);
}

TEST_CASE("svg: nothing, and what is not finite") {
  CHECK(svg_heatmap(nullptr, 0, 0, {}, {}).find("</svg>") != std::string::npos);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  CHECK(svg_heatmap(&nan, 1, 1, {}, {}).find("<path class=\"x\"") != std::string::npos);
}

TEST_CASE("svg: saved whole, dark pages too") {
  const Scratch scratch;
  const std::string svg = svg_heatmap(map.data(), 2, 3, {}, {}, {.theme = Theme::dark});
  CHECK(svg.find("prefers-color-scheme") == std::string::npos);
  CHECK(svg.find(".i{fill:#e8ecf5}") != std::string::npos);
  save_text(scratch / "a.svg", svg);
  CHECK(read_text(scratch / "a.svg") == svg);
  CHECK(error_of([&] { save_text(scratch / "none/a.svg", svg); }) == "file_not_created");
}

TEST_CASE("svg: a grid of all heads, with gaps where no map was kept") {
  MapGroup group{.kind = "encoder",
                 .query_tokens = {"a", "b"},
                 .key_tokens = {"a", "b", "c"},
                 .layers = 3,
                 .heads = 2,
                 .map = [](Index layer, Index head) { return layer == 1 && head == 1 ? nullptr : map.data(); }};
  const std::string svg = svg_grid(group);
  CHECK(count(svg, "<g ") == 5);
  CHECK(svg.find(">layer 0<") != std::string::npos);
  CHECK(svg.find(">head 0<") != std::string::npos);
  group.layers = 0;
  CHECK(svg_grid(group).find("</svg>") != std::string::npos);
}
