#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>
#include <vitrine/inspect/viewer.hpp>
#include <vitrine/inspect/viewer_page.hpp>

using namespace vitrine::inspect;
using vitrine::Index;

namespace {

/// By its bits, so that it holds under -ffast-math.
bool is_nan(float value) { return (std::bit_cast<std::uint32_t>(value) << 1) > std::uint32_t{0xff} << 24; }

/// The text of the element with that id.
std::string element(const std::string& html, const std::string& id) {
  const std::size_t at = html.find("id=\"" + id + "\">");
  REQUIRE(at != std::string::npos);
  const std::size_t start = at + id.size() + 6;
  return html.substr(start, html.find("</script>", start) - start);
}

std::string from_base64(const std::string& text) {
  const std::string digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    if (c == '=') break;
    bits = bits << 6 | static_cast<std::uint32_t>(digits.find(c));
    count += 6;
    if (count >= 8) out += static_cast<char>(bits >> (count -= 8) & 255u);
  }
  return out;
}

/// The weights of one stored head, and the scales of its rows.
std::vector<float> stored(const std::string& maps, Index slot, Index rows, Index columns,
                          std::vector<float>* scales = nullptr) {
  const auto characters = static_cast<std::size_t>((rows * (4 + columns) + 2) / 3 * 4);
  const std::string bytes = from_base64(maps.substr(static_cast<std::size_t>(slot) * characters, characters));
  REQUIRE(bytes.size() == static_cast<std::size_t>(rows * (4 + columns)));
  std::vector<float> out;
  for (Index i = 0; i < rows; ++i) {
    std::uint32_t bits = 0;
    for (int k = 3; k >= 0; --k)
      bits = bits << 8 | static_cast<unsigned char>(bytes[static_cast<std::size_t>(4 * i + k)]);
    const float scale = std::bit_cast<float>(bits);
    if (scales) scales->push_back(scale);
    for (Index j = 0; j < columns; ++j)
      out.push_back(
          scale *
          static_cast<float>(static_cast<unsigned char>(bytes[static_cast<std::size_t>(4 * rows + i * columns + j)])) /
          255.0f);
  }
  return out;
}

std::vector<float> some_map(Index rows, Index columns, unsigned seed) {
  std::vector<float> map;
  for (Index i = 0; i < rows; ++i) {
    double sum = 0;
    std::vector<double> row;
    for (Index j = 0; j < columns; ++j) {
      seed = seed * 1664525u + 1013904223u;
      row.push_back(std::exp(8.0 * seed / 4294967296.0));
      sum += row.back();
    }
    for (const double weight : row) map.push_back(static_cast<float>(weight / sum));
  }
  return map;
}

Page page_of(const std::vector<std::vector<float>>& maps, Index rows, Index columns) {
  MapGroup group{.kind = "cross",
                 .query_tokens = std::vector<std::string>(static_cast<std::size_t>(rows), "q"),
                 .key_tokens = std::vector<std::string>(static_cast<std::size_t>(columns), "k"),
                 .layers = 1,
                 .heads = static_cast<Index>(maps.size()),
                 .map = [maps](Index, Index head) {
                   const auto& map = maps[static_cast<std::size_t>(head)];
                   return map.empty() ? nullptr : map.data();
                 }};
  return {"test", {{"example", {group}}}};
}

}  // namespace

TEST_CASE("viewer: a stored weight is the true one within 1/255 of its row's largest") {
  const std::vector<std::vector<float>> maps = {some_map(7, 11, 1), {}, some_map(7, 11, 2)};
  const std::string html = viewer_html(page_of(maps, 7, 11));
  const auto data = nlohmann::json::parse(element(html, "data"));
  const auto& group = data["examples"][0]["groups"][0];
  CHECK(group["kept"] == nlohmann::json::array({0, 2}));
  CHECK(group["rows"] == 7);
  CHECK(group["columns"] == 11);
  CHECK(group["figures"].size() == 2);
  const std::string text = element(html, "maps-0.0");
  for (const Index slot : {0, 1}) {
    const auto weights = stored(text, slot, 7, 11);
    const auto& truth = maps[static_cast<std::size_t>(2 * slot)];
    for (std::size_t i = 0; i < 7; ++i) {
      const float largest = *std::max_element(truth.begin() + static_cast<std::ptrdiff_t>(11 * i),
                                              truth.begin() + static_cast<std::ptrdiff_t>(11 * (i + 1)));
      for (std::size_t j = 0; j < 11; ++j)
        CHECK(std::abs(weights[11 * i + j] - truth[11 * i + j]) <= 0.51f * largest / 255);
    }
  }
}

TEST_CASE("viewer: the file is small") {
  std::vector<std::vector<float>> maps;
  for (unsigned k = 0; k < 12; ++k) maps.push_back(some_map(128, 128, k));
  CHECK(static_cast<double>(viewer_html(page_of(maps, 128, 128)).size()) <= 1.4 * 12 * 128 * 128 + 1048576);
  CHECK(viewer_html({}).size() < 100000);
}

TEST_CASE("viewer: large maps are reduced to the largest of each block") {
  const auto map = some_map(50, 30, 3);
  ViewerOptions options;
  options.max_side = 25;
  const std::string html = viewer_html(page_of({map}, 50, 30), options);
  const auto group = nlohmann::json::parse(element(html, "data"))["examples"][0]["groups"][0];
  CHECK(group["rowStep"] == 2);
  CHECK(group["columnStep"] == 2);
  CHECK(group["rows"] == 25);
  CHECK(group["columns"] == 15);
  CHECK(group["queries"].size() == 50);
  const auto weights = stored(element(html, "maps-0.0"), 0, 25, 15);
  for (std::size_t i = 0; i < 25; ++i) {
    for (std::size_t j = 0; j < 15; ++j) {
      const float truth = std::max(
          {map[60 * i + 2 * j], map[60 * i + 2 * j + 1], map[60 * i + 30 + 2 * j], map[60 * i + 30 + 2 * j + 1]});
      CHECK(weights[15 * i + j] == doctest::Approx(truth).epsilon(0.02));
    }
  }
  options.max_side = 1024;
  options.max_weights = 400;
  CHECK(nlohmann::json::parse(
            element(viewer_html(page_of({map}, 50, 30), options), "data"))["examples"][0]["groups"][0]["rows"]
            .get<int>() < 30);
}

TEST_CASE("viewer: hostile texts stay texts") {
  const std::string evil = "</script><script>alert(1)</script>";
  auto page = page_of({some_map(1, 2, 1)}, 1, 2);
  page.title = page.examples[0].title = page.examples[0].groups[0].kind = page.examples[0].groups[0].query_tokens[0] =
      evil;
  page.examples[0].groups[0].key_tokens = {std::string("\0\xff", 2), "-->"};
  const std::string html = viewer_html(page);
  CHECK(html.find(evil) == std::string::npos);
  CHECK(html.find("alert(1)</") == std::string::npos);
  CHECK(html.find('\0') == std::string::npos);
  const auto data = nlohmann::json::parse(element(html, "data"));
  CHECK(data["examples"][0]["groups"][0]["queries"][0] == evil);
  CHECK(data["examples"][0]["groups"][0]["keys"][0] == std::string("\0\ufffd", 4));
}

TEST_CASE("viewer: names its own script and style, and fetches nothing") {
  const std::string html = viewer_html({});
  const auto between = [&](const std::string& from, const std::string& to) {
    const std::size_t start = html.find(from) + from.size();
    return html.substr(start, html.find(to, start) - start);
  };
  CHECK(html.find("script-src '" + policy_hash(between("<script>", "</script>")) + "'") != std::string::npos);
  CHECK(html.find("style-src '" + policy_hash(between("<style>", "</style>")) + "'") != std::string::npos);
  CHECK(html.find("default-src 'none'") != std::string::npos);
  for (const char* word : {"http://", "https://", "localStorage", "innerHTML", "eval(", "alert(", "document.write",
                           " onclick", " style=\""}) {
    CAPTURE(word);
    CHECK(html.find(word) == std::string::npos);
  }
}

TEST_CASE("viewer: what is not finite is marked, what is negative is refused") {
  auto map = some_map(3, 4, 1);
  map[5] = std::numeric_limits<float>::infinity();
  map[8] = map[9] = map[10] = map[11] = 0;
  std::vector<float> scales;
  const std::string html = viewer_html(page_of({map}, 3, 4));
  const auto weights = stored(element(html, "maps-0.0"), 0, 3, 4, &scales);
  CHECK(is_nan(scales[1]));
  CHECK(scales[2] == 0);
  CHECK(weights[8] == 0);
  CHECK(nlohmann::json::parse(element(html, "data"))["examples"][0]["groups"][0]["figures"][0][0].is_null());
  map[0] = -0.1f;
  CHECK_THROWS_AS(viewer_html(page_of({map}, 3, 4)), std::invalid_argument);
}

TEST_CASE("viewer: empty groups, and the theme to begin with") {
  CHECK_NOTHROW(viewer_html(page_of({{}}, 0, 0)));
  CHECK_NOTHROW(viewer_html({"no groups", {{"none", {}}}}));
  ViewerOptions options;
  CHECK(viewer_html({}, options).find("<html lang=\"en\">") != std::string::npos);
  options.theme = Theme::dark;
  CHECK(viewer_html({}, options).find("<html lang=\"en\" data-theme=\"dark\">") != std::string::npos);
  options.max_side = 0;
  CHECK_THROWS_AS(viewer_html({}, options), std::invalid_argument);
}

TEST_CASE("viewer: saved whole") {
  const auto path = std::filesystem::temp_directory_path() / "vitrine_viewer_test.html";
  const auto page = page_of({some_map(2, 2, 1)}, 2, 2);
  save_viewer(path, page);
  CHECK(std::filesystem::file_size(path) == viewer_html(page).size());
  std::filesystem::remove(path);
  CHECK_THROWS_AS(save_viewer("/no/such/folder/page.html", page), vitrine::Error);
}
