#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>
#include <vitrine/inspect/html_page.hpp>
#include <vitrine/inspect/html_page_frame.hpp>

using namespace vitrine::inspect;
using vitrine::Index;

namespace {

constexpr std::size_t script_and_style = 98304;  // of a page without any map, at most

/// By its bits, so that it holds under -ffast-math.
bool is_nan(float value) { return (std::bit_cast<std::uint32_t>(value) << 1) > std::uint32_t{0xff} << 24; }

/// The text of the element with that id.
std::string element(const std::string& html, const std::string& id) {
  const std::size_t at = html.find("id=\"" + id + "\">");
  REQUIRE(at != std::string::npos);
  const std::size_t start = at + id.size() + 6;
  return html.substr(start, html.find("</script>", start) - start);
}

std::string from_base85(const std::string& text) {
  std::string out;
  REQUIRE(text.size() % 5 == 0);
  for (std::size_t at = 0; at < text.size(); at += 5) {
    std::uint64_t four = 0;
    for (std::size_t k = 0; k < 5; ++k) four = four * 85 + base85_digits.find(text[at + k]);
    for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(four >> shift & 255u);
  }
  return out;
}

/// What the page's script makes of a group.
struct Unpacked {
  nlohmann::json shape;
  std::vector<std::string> queries, keys;
  Index row_step, column_step, rows, columns;
  std::vector<std::vector<float>> scales = {}, weights = {}, figures = {};  // of each kept head
};

/// The groups of one example; all before it must be read too.
std::vector<Unpacked> unpacked(const std::string& html, std::size_t example = 0) {
  const auto data = nlohmann::json::parse(element(html, "data"));
  const std::string digits = data["examples"].get<std::string>();
  std::size_t digit = 0, at = 0;
  const auto number = [&] {
    for (std::size_t sum = 0, unit = 1;; unit *= 21) {
      const std::size_t value = base85_digits.find(digits.at(digit++));
      if (value < 64) return sum + unit * value;
      sum += unit * (value - 64);
    }
  };
  const auto step = [&](const auto& tokens) {
    return std::max<Index>(
        1, (static_cast<Index>(tokens.size()) + data["side"].get<Index>() - 1) / data["side"].get<Index>());
  };
  const std::string bytes = from_base85(element(html, "maps"));
  const auto next = [&] { return static_cast<unsigned char>(bytes.at(at++)); };
  std::vector<Unpacked> out;
  for (std::size_t e = 0; e < data["titles"].size(); ++e) {
    std::vector<std::vector<std::string>> lists(number());
    for (auto& list : lists) {
      for (std::size_t left = number(); left > 0; --left) list.push_back(data["texts"][number()]);
    }
    for (std::size_t left = number(); left > 0; --left) {
      Unpacked one{data["shapes"][number()], {}, {}, 0, 0, 0, 0};
      one.queries = lists.at(number()), one.keys = lists.at(number());
      one.row_step = step(one.queries), one.column_step = step(one.keys);
      one.rows = (static_cast<Index>(one.queries.size()) + one.row_step - 1) / one.row_step;
      one.columns = (static_cast<Index>(one.keys.size()) + one.column_step - 1) / one.column_step;
      for (std::size_t slot = 0; slot < one.shape["kept"].size(); ++slot) {
        std::vector<float>&figures = one.figures.emplace_back(), &scales = one.scales.emplace_back(),
        &weights = one.weights.emplace_back();
        for (int k = one.row_step * one.column_step > 1 ? 8 : 2; k > 0; --k) {
          const int high = next();
          figures.push_back(vitrine::half_to_float(static_cast<std::uint16_t>(high << 8 | next())));
        }
        for (Index i = 0; i < one.rows; ++i) {
          const int code = next();
          scales.push_back(code == 255 ? std::numeric_limits<float>::quiet_NaN()
                                       : std::exp2(static_cast<float>(one.shape["exponent"].get<int>()) -
                                                   static_cast<float>(code) / 4));
        }
        for (Index i = 0; i < one.rows; ++i) {
          for (Index j = 0; j < one.columns; ++j)
            weights.push_back(one.shape["causal"].get<bool>() && j > i
                                  ? 0
                                  : scales[static_cast<std::size_t>(i)] * static_cast<float>(next()) / 255);
        }
      }
      if (e == example) out.push_back(std::move(one));
    }
  }
  CHECK(digit == digits.size());
  CHECK(at <= bytes.size());
  CHECK(bytes.size() < at + 4);
  return out;
}

/// Whether each weight is the true one within 1/255 of its row's largest.
void check_weights(const std::vector<float>& weights, const std::vector<float>& truth, Index columns) {
  REQUIRE(weights.size() == truth.size());
  for (auto row = truth.begin(); row != truth.end(); row += columns) {
    const float largest = *std::max_element(row, row + columns);
    for (auto weight = row; weight != row + columns; ++weight)
      CHECK(std::abs(weights[static_cast<std::size_t>(weight - truth.begin())] - *weight) <= 0.6f * largest / 255);
  }
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

TEST_CASE("html_page: a stored weight is the true one within 1/255 of its row's largest") {
  const std::vector<std::vector<float>> maps = {some_map(7, 11, 1), {}, some_map(7, 11, 2)};
  const auto groups = unpacked(page_html(page_of(maps, 7, 11)));
  REQUIRE(groups.size() == 1);
  CHECK(groups[0].shape["kept"] == nlohmann::json::array({0, 2}));
  CHECK(groups[0].rows == 7);
  CHECK(groups[0].columns == 11);
  for (std::size_t slot = 0; slot < 2; ++slot) {
    check_weights(groups[0].weights[slot], maps[2 * slot], 11);
    const HeadFigures figures = head_figures(maps[2 * slot].data(), 7, 11);
    REQUIRE(groups[0].figures[slot].size() == 2);
    CHECK(groups[0].figures[slot][0] == doctest::Approx(figures.entropy).epsilon(0.001));
    CHECK(groups[0].figures[slot][1] == doctest::Approx(figures.distance).epsilon(0.001));
  }
}

TEST_CASE("html_page: rows of any size are held to the same precision") {
  for (const float unit : {1.0f, 0.999f, 1.0001f, 3e-10f, 7e30f}) {
    CAPTURE(unit);
    std::vector<float> map = some_map(40, 9, 3);
    float factor = unit;
    for (std::size_t i = 0; i < 40; ++i, factor *= 0.37f) {  // down to 1e-17 of the first row
      for (std::size_t j = 0; j < 9; ++j) map[9 * i + j] *= factor;
    }
    check_weights(unpacked(page_html(page_of({map}, 40, 9)))[0].weights[0], map, 9);
  }
}

TEST_CASE("html_page: a causal map is stored without what it cannot see") {
  std::vector<float> causal = some_map(6, 6, 4);
  for (std::size_t i = 0; i < 6; ++i)
    std::fill(causal.begin() + std::ptrdiff_t(7 * i + 1), causal.begin() + std::ptrdiff_t(6 * (i + 1)), 0.0f);
  auto groups = unpacked(page_html(page_of({causal, causal}, 6, 6)));
  CHECK(groups[0].shape["causal"] == true);
  check_weights(groups[0].weights[1], causal, 6);
  auto almost = causal;
  almost[5] = 1e-3f;  // one head that sees ahead
  groups = unpacked(page_html(page_of({causal, almost}, 6, 6)));
  CHECK(groups[0].shape["causal"] == false);
  check_weights(groups[0].weights[0], causal, 6);
  check_weights(groups[0].weights[1], almost, 6);
}

TEST_CASE("html_page: one weight right of the diagonal, wherever it stands, is kept") {
  for (const auto& [rows, columns] : {std::pair<Index, Index>{4, 4}, {3, 5}, {5, 3}, {1, 2}}) {
    for (Index i = 0; i < rows; ++i) {
      for (Index j = i + 1; j < columns; ++j) {
        CAPTURE(i);
        CAPTURE(j);
        std::vector<float> map(static_cast<std::size_t>(rows * columns));
        for (Index row = 0; row < rows; ++row) map[static_cast<std::size_t>(row * columns)] = 0.5f;
        map[static_cast<std::size_t>(i * columns + j)] = 0.25f;
        const auto group = unpacked(page_html(page_of({map}, rows, columns)))[0];
        CHECK(group.shape["causal"] == false);
        check_weights(group.weights[0], map, columns);
      }
    }
  }
}

TEST_CASE("html_page: the file is small") {
  std::vector<std::vector<float>> maps;
  for (unsigned k = 0; k < 12; ++k) maps.push_back(some_map(128, 128, k));
  CHECK(page_html(page_of(maps, 128, 128)).size() <= 1.27 * 12 * 128 * 128 + double(script_and_style));
  CHECK(page_html(page_of({{1.0f}}, 1, 1)).size() < script_and_style);
  CHECK(page_html({}).size() < script_and_style);
}

TEST_CASE("html_page: many short examples share what they have in common") {  // real words: tests/translate/run.sh
  const auto full = some_map(9, 9, 5);
  auto causal = full;
  for (std::size_t i = 0; i < 9; ++i)
    std::fill(causal.begin() + std::ptrdiff_t(10 * i + 1), causal.begin() + std::ptrdiff_t(9 * (i + 1)), 0.0f);
  Page page;
  for (int e = 0; e < 500; ++e) {
    std::vector<std::string> letters, sounds;
    for (int k = 0; k < 9; ++k) {
      letters.emplace_back(1, static_cast<char>('a' + (e + k * k) % 26));
      sounds.push_back(std::string(1, static_cast<char>('A' + (e * k) % 26)) + "H");
    }
    const auto group = [&](std::string kind, auto queries, auto keys, const std::vector<float>& map) {
      return MapGroup{std::move(kind), queries, keys, 3, 4, [&map](Index, Index) { return map.data(); }};
    };
    page.examples.push_back({"word " + std::to_string(e),
                             {group("encoder", letters, letters, full), group("decoder", sounds, sounds, causal),
                              group("cross", sounds, letters, full)}});
  }
  const std::string html = page_html(page);
  CHECK(html.size() <= 1.28 * 500 * 36 * 81 + double(script_and_style));
  const auto groups = unpacked(html, 321);
  REQUIRE(groups.size() == 3);
  for (std::size_t g = 0; g < 3; ++g) {
    CHECK(groups[g].shape["kind"] == page.examples[321].groups[g].kind);
    CHECK(groups[g].queries == page.examples[321].groups[g].query_tokens);
    CHECK(groups[g].keys == page.examples[321].groups[g].key_tokens);
    check_weights(groups[g].weights[11], g == 1 ? causal : full, 9);
  }
}

TEST_CASE("html_page: one small map of each of many words") {
  const auto map = some_map(8, 8, 6);
  Page page;
  for (int e = 0; e < 700; ++e) {
    std::vector<std::string> letters, sounds;
    std::string word;
    for (int k = 0; k < 7; ++k) {
      letters.emplace_back(1, static_cast<char>('a' + (e * k + e / 26) % 26));
      sounds.push_back("s" + std::to_string((e + 11 * k) % 70));
      word += letters.back();
    }
    letters.emplace_back("</s>"), sounds.emplace_back("</s>");
    page.examples.push_back({word, {{"cross", sounds, letters, 1, 1, [&map](Index, Index) { return map.data(); }}}});
  }
  const std::string html = page_html(page);  // below 1.4 bytes a weight and 60 bytes an example
  CHECK(html.size() <= 700 * (1.4 * 64 + 60) + double(script_and_style));
  const auto group = unpacked(html, 654).at(0);
  CHECK(group.queries == page.examples[654].groups[0].query_tokens);
  CHECK(group.keys == page.examples[654].groups[0].key_tokens);
  check_weights(group.weights[0], map, 8);
}

TEST_CASE("html_page: large maps are reduced to the largest of each block") {
  const auto map = some_map(50, 30, 3);
  PageOptions options;
  options.max_side = 25;
  const auto group = unpacked(page_html(page_of({map}, 50, 30), options))[0];
  CHECK(group.row_step == 2);
  CHECK(group.column_step == 2);
  CHECK(group.rows == 25);
  CHECK(group.columns == 15);
  CHECK(group.queries.size() == 50);
  std::vector<float> truth;
  for (std::size_t i = 0; i < 25; ++i) {
    for (std::size_t j = 0; j < 15; ++j)
      truth.push_back(std::max(
          {map[60 * i + 2 * j], map[60 * i + 2 * j + 1], map[60 * i + 30 + 2 * j], map[60 * i + 30 + 2 * j + 1]}));
  }
  check_weights(group.weights[0], truth, 15);
  const HeadFigures figures = head_figures(map.data(), 50, 30);  // of the whole map
  REQUIRE(group.figures[0].size() == 8);
  CHECK(group.figures[0][0] == doctest::Approx(figures.entropy).epsilon(0.001));
  CHECK(group.figures[0][3] == doctest::Approx(figures.previous).epsilon(0.001));
  CHECK(group.figures[0][7] == doctest::Approx(figures.distance).epsilon(0.001));
  options.max_side = 1024;
  options.max_weights = 400;
  CHECK(unpacked(page_html(page_of({map}, 50, 30), options))[0].rows < 30);
}

TEST_CASE("html_page: hostile texts stay texts") {
  const std::string evil = "</script><script>alert(1)</script>";
  auto page = page_of({some_map(1, 2, 1)}, 1, 2);
  page.title = page.examples[0].title = page.examples[0].groups[0].kind = page.examples[0].groups[0].query_tokens[0] =
      evil;
  page.examples[0].groups[0].key_tokens = {std::string("\0\xff", 2), "-->"};
  const std::string html = page_html(page);
  CHECK(html.find(evil) == std::string::npos);
  CHECK(html.find("alert(1)</") == std::string::npos);
  CHECK(html.find('\0') == std::string::npos);
  const auto data = nlohmann::json::parse(element(html, "data"));
  CHECK(data["title"] == evil);
  CHECK(data["titles"][0] == evil);
  CHECK(data["numbers"] == nlohmann::json::array({0}));
  const auto group = unpacked(html)[0];
  CHECK(group.shape["kind"] == evil);
  CHECK(group.queries[0] == evil);
  CHECK(group.keys[0] == std::string("\0\ufffd", 4));
}

TEST_CASE("html_page: names its own script and style, and fetches nothing") {
  const std::string html = page_html({});
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

TEST_CASE("html_page: what is not finite is marked, what is negative is refused") {
  auto map = some_map(3, 4, 1);
  map[5] = std::numeric_limits<float>::infinity();
  map[8] = map[9] = map[10] = map[11] = 0;
  const auto group = unpacked(page_html(page_of({map}, 3, 4)))[0];
  CHECK(is_nan(group.scales[0][1]));
  CHECK(!is_nan(group.scales[0][2]));
  for (std::size_t j = 8; j < 12; ++j) CHECK(group.weights[0][j] == 0);
  for (const float figure : group.figures[0]) CHECK(is_nan(figure));
  map[0] = -0.1f;
  CHECK_THROWS_AS(page_html(page_of({map}, 3, 4)), std::invalid_argument);
}

TEST_CASE("html_page: empty groups, and the theme to begin with") {
  CHECK_NOTHROW(page_html(page_of({{}}, 0, 0)));
  CHECK_NOTHROW(page_html({"no groups", {{"none", {}}}}));
  PageOptions options;
  CHECK(page_html({}, options).find("<html lang=\"en\">") != std::string::npos);
  options.theme = Theme::dark;
  CHECK(page_html({}, options).find("<html lang=\"en\" data-theme=\"dark\">") != std::string::npos);
  options.max_side = 0;
  CHECK_THROWS_AS(page_html({}, options), std::invalid_argument);
}

TEST_CASE("html_page: saved whole") {
  const auto path = std::filesystem::temp_directory_path() / "vitrine_html_page_test.html";
  const auto page = page_of({some_map(2, 2, 1)}, 2, 2);
  save_page(path, page);
  CHECK(std::filesystem::file_size(path) == page_html(page).size());
  std::filesystem::remove(path);
  CHECK_THROWS_AS(save_page("/no/such/folder/page.html", page), vitrine::Error);
}
