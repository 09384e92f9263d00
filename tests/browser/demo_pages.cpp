// Writes pages from made-up but plausible maps, each with its true weights beside it, for page_browser.py:
//   demo_pages FOLDER      FOLDER/NAME.html and FOLDER/NAME.f32 (every kept map of the page, float32, in the page's
//   order)
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <memory>
#include <string>
#include <vector>
#include <vitrine/inspect/bertviz.hpp>
#include <vitrine/inspect/html_page.hpp>
#include <vitrine/inspect/svg.hpp>

namespace {

using vitrine::Index;
using namespace vitrine::inspect;

struct Random {
  std::uint64_t state;
  double operator()() {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return static_cast<double>(state >> 11) / 9007199254740992.0;
  }
};

/// Maps [layer][head][T][S] of the kinds of heads that real models have.
struct Maps {
  Index layers, heads, rows, columns;
  std::vector<float> weights;
  float* at(Index layer, Index head) { return weights.data() + (layer * heads + head) * rows * columns; }
};

std::shared_ptr<Maps> make_maps(Index layers, Index heads, Index rows, Index columns, bool causal, bool cross,
                                std::uint64_t seed) {
  auto maps = std::make_shared<Maps>(Maps{
      layers, heads, rows, columns, std::vector<float>(static_cast<std::size_t>(layers * heads * rows * columns))});
  Random random{seed};
  const double slope = static_cast<double>(columns) / static_cast<double>(rows);
  for (Index layer = 0; layer < layers; ++layer) {
    for (Index head = 0; head < heads; ++head) {
      const int kind = static_cast<int>((layer * 3 + head * 5 + layer * head) % 7);
      const double sharpness = 0.6 + 5 * random(), spread = 0.5 + 2.5 * random();
      std::vector<double> bias(static_cast<std::size_t>(columns));
      for (double& value : bias) value = random() * random();
      float* map = maps->at(layer, head);
      for (Index i = 0; i < rows; ++i) {
        const double centre = cross ? slope * static_cast<double>(i) : static_cast<double>(i);
        double sum = 0;
        std::vector<double> row(static_cast<std::size_t>(columns));
        for (Index j = 0; j < columns; ++j) {
          const double step = static_cast<double>(j) - centre;
          double score = 0;
          if (kind == 0 || kind == 1) score = -step * step / spread * (cross ? 1.2 : 0.8) * sharpness;
          if (kind == 2) score = -(step + 1) * (step + 1) * sharpness;
          if (kind == 3) score = (j == 0 ? 4.0 : 0.0) + bias[static_cast<std::size_t>(j)];
          if (kind == 4) score = 5 * bias[static_cast<std::size_t>(j)] * sharpness - 0.1 * std::abs(step);
          if (kind == 5) score = (j == columns - 1 ? 3.0 : 0.0) - (step - 1) * (step - 1);
          if (kind == 6) score = 0.4 * random() + (j / 4 == static_cast<Index>(centre) / 4 ? 2.0 : 0.0);
          score += 0.7 * random();
          const double weight = causal && j > i ? 0 : std::exp(score);
          row[static_cast<std::size_t>(j)] = weight;
          sum += weight;
        }
        for (Index j = 0; j < columns; ++j)
          map[i * columns + j] = static_cast<float>(row[static_cast<std::size_t>(j)] / sum);
      }
    }
  }
  return maps;
}

MapGroup group_of(std::string kind, std::vector<std::string> queries, std::vector<std::string> keys, Index layers,
                  Index heads, std::uint64_t seed, std::vector<Index> missing = {}) {
  const bool cross = kind == "cross", causal = kind == "decoder";
  auto maps = make_maps(layers, heads, static_cast<Index>(queries.size()), static_cast<Index>(keys.size()), causal,
                        cross, seed);
  auto map = [maps, missing](Index layer, Index head) -> const float* {
    for (const Index index : missing) {
      if (index == layer * maps->heads + head) return nullptr;
    }
    return maps->at(layer, head);
  };
  return {std::move(kind), std::move(queries), std::move(keys), layers, heads, map};
}

Example example_of(std::string title, const std::vector<std::string>& source, const std::vector<std::string>& target,
                   Index layers, Index heads, std::uint64_t seed) {
  return {std::move(title),
          {group_of("cross", target, source, layers, heads, seed),
           group_of("encoder", source, source, layers, heads, seed + 1),
           group_of("decoder", target, target, layers, heads, seed + 2)}};
}

std::vector<std::string> numbered(Index count) {
  static const char* words[] = {"the", "▁model", "looks", "at", "##ing", "glass", "case", ",", "Haus", "of"};
  std::vector<std::string> tokens;
  for (Index k = 0; k < count; ++k) tokens.emplace_back(words[(k * 7 + k / 10) % 10]);
  return tokens;
}

void save(const std::filesystem::path& folder, const std::string& name, const Page& page,
          const PageOptions& options = {}) {
  save_page(folder / (name + ".html"), page, options);
  vitrine::AtomicFile truth(folder / (name + ".f32"));
  for (const Example& example : page.examples) {
    for (const MapGroup& group : example.groups) {
      const auto count = static_cast<std::size_t>(group.query_count() * group.key_count());
      for (Index k = 0; k < group.layers * group.heads; ++k) {
        if (const float* map = group.map(k / group.heads, k % group.heads))
          truth.write(std::as_bytes(std::span(map, count)));
      }
    }
  }
  truth.commit();
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) {
    std::fprintf(stderr, "usage: demo_pages FOLDER\n");
    return 2;
  }
  const std::filesystem::path folder = arguments[1];
  std::filesystem::create_directories(folder);

  Page words{"letters to phonemes", {}};
  words.examples.push_back(example_of("anhydride", {"a", "n", "h", "y", "d", "r", "i", "d", "e", "</s>"},
                                      {"AE", "N", "HH", "AY", "D", "R", "IH", "D", "</s>"}, 4, 4, 1));
  words.examples.push_back(
      example_of("boxes", {"b", "o", "x", "e", "s", "</s>"}, {"B", "AA", "K", "S", "AH", "Z", "</s>"}, 4, 4, 2));
  words.examples.push_back(
      example_of("radium", {"r", "a", "d", "i", "u", "m", "</s>"}, {"R", "EY", "D", "IY", "AH", "M", "</s>"}, 4, 4, 3));
  save(folder, "words", words);
  const std::vector<MapGroup>& groups = words.examples[0].groups;
  save_text(folder / "map.svg",
            svg_heatmap(groups[0].map(1, 2), groups[0].query_count(), groups[0].key_count(), groups[0].query_tokens,
                        groups[0].key_tokens, {.title = "layer 1, head 2"}));
  save_text(folder / "grid.svg", svg_grid(groups[0], {.title = "cross-attention"}));
  save_text(folder / "head_view.json",
            bertviz_head_view(groups, {.layer = 2, .heads = {1, 3}, .include_layers = {1, 2, 3}}));
  const MapGroup& encoder = groups[1];
  std::vector<float> queries(std::size_t(encoder.layers * encoder.heads * encoder.query_count() * 8));
  for (std::size_t i = 0; i < queries.size(); ++i) queries[i] = float(i * 7 % 23) / 10 - 1;
  save_text(folder / "neuron_view.json",
            bertviz_neuron_view(encoder, queries, queries, true, {.layer = 2, .heads = {1}}));
  save_text(folder / "model_view.json", bertviz_model_view(groups, {.include_heads = {0, 2, 3}}));

  const std::vector<std::string> sentence = {"[CLS]",  "the",     "animal", "didn", "'",   "t",     "cross", "the",
                                             "street", "because", "it",     "was",  "too", "tired", ".",     "[SEP]"};
  save(folder, "sentence",
       {"a sentence in an encoder",
        {{"the animal", {group_of("encoder", sentence, sentence, 12, 12, 5, {0, 17, 143})}}}});

  const std::vector<std::string> hostile = {"</script><script>window.hostile=1</script>",
                                            "\"><img src=x onerror=window.hostile=1>",
                                            "'quotes\" & \\ `${1}`",
                                            "שלום עולם",
                                            "مرحبا",
                                            "👩‍👩‍👧‍👦🏳️‍🌈",
                                            "a\nb\tc",
                                            std::string("nul\0nul", 7),
                                            "\xff\xfe\xc3(",
                                            "\u202egnp.exe",
                                            "<!--",
                                            "",
                                            " ",
                                            "\u2028",
                                            "語語語",
                                            std::string(5000, 'x'),
                                            "]]>",
                                            "-->",
                                            "__proto__",
                                            "{{7*7}}"};
  Page page{"</title><script>window.hostile=1</script>", {}};
  page.examples.push_back(example_of("</option><script>window.hostile=1</script>", hostile, hostile, 2, 3, 7));
  page.examples.push_back(example_of("\"quoted\" \xff", {"a"}, {"b"}, 2, 3, 8));
  page.examples[0].groups[2].kind = "<b>decoder</b>";
  save(folder, "hostile", page);
  const MapGroup& odd = page.examples[0].groups[0];
  save_text(folder / "hostile.svg", svg_heatmap(odd.map(0, 0), odd.query_count(), odd.key_count(), odd.query_tokens,
                                                odd.key_tokens, {.title = page.title}));

  auto broken = group_of("encoder", sentence, sentence, 2, 2, 9);
  auto maps = make_maps(2, 2, 16, 16, false, false, 9);
  maps->at(0, 1)[16 * 3 + 5] = std::numeric_limits<float>::quiet_NaN();
  maps->at(1, 0)[16 * 4] = std::numeric_limits<float>::infinity();
  for (Index j = 0; j < 16; ++j) maps->at(1, 1)[16 * 6 + j] = 0;
  broken.map = [maps](Index layer, Index head) { return maps->at(layer, head); };
  save(folder, "broken", {"a map with values that are not finite", {{"broken", {broken}}}});

  save(folder, "empty", {"nothing at all", {}});
  save(folder, "none",
       {"groups without maps",
        {{"none",
          {{"encoder", {}, {}, 2, 2, [](Index, Index) -> const float* { return nullptr; }},
           group_of("cross", {"a"}, {"b"}, 1, 1, 3, {0})}}}});
  Page tabs{"many groups", {{"twelve", {}}, {"none", {}}}};
  for (std::uint64_t k = 0; k < 12; ++k)
    tabs.examples[0].groups.push_back(
        group_of("group " + std::to_string(k), {"a", "b"}, {"c", "d", "e"}, 1, 2, 20 + k));
  save(folder, "tabs", tabs);
  // Eight heads and four, a layer without maps, a group without any, a very long name.
  const std::vector<std::string> three = {"a", "b", "c"};
  const auto some = [&](std::string kind, Index heads, std::uint64_t seed, auto... kept) {
    std::vector<Index> missing;
    for (Index k = 0; k < 2 * heads; ++k)
      if (sizeof...(kept) > 0 && ((k != kept) && ...)) missing.push_back(k);
    return group_of(std::move(kind), three, three, 2, heads, seed, missing);
  };
  save(folder, "uneven",
       {"uneven",
        {{"all",
          {some("eight", 8, 40), some("four", 4, 41), some("eight again", 8, 42, 5), some("nothing", 4, 43, -1),
           some(std::string(200, 'w'), 2, 44)}},
         {"of one layer", {some("eight", 8, 45, 2)}, 3}}});
  // Sixty tokens that look back at all others about alike, as an untrained decoder does; and a single one.
  Page causal{"a causal map", {{"sixty tokens", {group_of("decoder", numbered(60), numbered(60), 2, 2, 47)}}}};
  auto even = std::make_shared<std::vector<float>>(60 * 60);
  for (Index i = 0; i < 60; ++i)
    for (Index j = 0; j <= i; ++j) (*even)[static_cast<std::size_t>(60 * i + j)] = 1 / static_cast<float>(i + 1);
  causal.examples[0].groups[0].map = [even, maps = causal.examples[0].groups[0].map](Index layer, Index head) {
    return layer == 0 && head == 0 ? even->data() : maps(layer, head);
  };
  save(folder, "causal", causal);
  save(folder, "one", {"one token", {{"one", {group_of("decoder", {"Hallo"}, {"Hallo"}, 2, 2, 48)}}}});
  save(folder, "large",
       {"12 x 12 x 512 x 512", {{"512 tokens", {group_of("encoder", numbered(512), numbered(512), 12, 12, 11)}}}});
  save(folder, "reduced",
       {"a long text", {{"1500 x 1100", {group_of("cross", numbered(1500), numbered(1100), 2, 2, 13)}}}});
  return 0;
}
