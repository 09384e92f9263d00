// What a serial port said, as a page, against another log, or as this machine would say it.
//   map_log page LOG OUT.html            the page: one file, no network
//   map_log compare LOG OTHER [MOST]     the largest difference of all numbers
//   map_log reference g2p FOLDER WORD    the text form from this machine's dynamic model; or: d64_nothing, d64_weights;
//                                        behind them --weights int8, f16 or bf16
#include <vitrine/vitrine.hpp>

#include <vitrine/inspect/html_page.hpp>
#include <vitrine/io/checkpoint.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "d64_input.hpp"
#include "map_log.hpp"
#include "text_form.hpp"

namespace {

using vt::Index;

constexpr const char* usage =
    "usage: map_log page LOG OUT.html | compare LOG OTHER [MOST]\n"
    "               | reference {g2p FOLDER WORD | d64_nothing | d64_weights} [--weights f32|int8|bf16|f16]\n"
    "page       writes the attention maps of a log as one HTML file that needs no network\n"
    "compare    prints the largest difference between the numbers of two logs; exit 1 above MOST, 1e-5\n"
    "reference  prints what the firmware should: examples/embedded/g2p_encoder.cpp, or d64.cpp without or with maps\n"
    "Exit: 0; 1 when logs differ; 2 for bad usage, a log that is damaged, or logs of other results or other maps.\n";

struct Print {
  void operator()(char c) const { std::putchar(c); }
};

template <class R>
void print(const std::vector<std::string>& tokens, const R& result, Index layer, Index heads) {
  text_form::Writer text{Print{}};
  text.begin_line();
  text.word("begin");
  for (const std::string& token : tokens) text.word(token.c_str());
  text.end_line();
  text.output(result.output.matrix(0));
  for (Index head = 0; head < heads; ++head)
    text.map("encoder_self", layer, head, result.self_attn[layer].matrix(0, head));
  text.begin_line();
  text.word("end");
  text.end_line();
}

int reference_g2p(const std::string& folder, const std::string& word, vt::Storage weights) {
  const auto model = vt::load_model<vt::Marian<float>>(folder, {.weights = weights});
  std::vector<Index> ids;
  std::vector<std::string> tokens;
  for (const char c : word) {
    ids.push_back(c == '\'' ? 2 : c >= 'a' && c <= 'z' ? 3 + (c - 'a') : -1);
    tokens.push_back({c});
  }
  ids.push_back(0);
  tokens.push_back("</s>");
  vt::EncoderResult<vt::DefaultKeep, float> result;
  vt::Tensor<float> embedded;
  vt::Workspace workspace(vt::heap());
  vt::throw_if_failed(model.encode_into(result, embedded, workspace, std::span<const Index>(ids)));
  print(tokens, result, model.config().encoder_layers - 1, model.config().encoder_attention_heads);
  return 0;
}

int reference_d64(Index heads, vt::Storage weights) {
  vt::Encoder<float> model({.layer = {.d_model = 64, .nhead = 4, .dim_feedforward = 128}, .num_layers = 2});
  vt::throw_if_failed(model.init(7));
  vt::throw_if_failed(model.store_weights(weights));
  std::vector<float> x(32 * 64);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = d64_input(std::ptrdiff_t(i));
  print({}, model(vt::Sequences<float>(x.data(), 1, 32, 64)), 1, heads);
  return 0;
}

// The larger difference; a NaN is the largest, and stays.
double worse(double one, double other) { return one != one || other <= one ? one : other; }

double difference(const map_log::Matrix& a, const map_log::Matrix& b) {
  if (a.rows != b.rows || a.columns != b.columns) throw std::runtime_error("matrices of different sizes");
  double most = 0;
  for (std::size_t i = 0; i < a.values.size(); ++i) {
    most = worse(most, std::fabs(double(a.values[i]) - double(b.values[i])));
  }
  return most;
}
// Of all results, which must have the same maps in the same order.
int compare(const std::string& path, const std::string& other_path, double most) {
  const auto all = map_log::read(path), others = map_log::read(other_path);
  if (all.size() != others.size()) throw std::runtime_error("the logs have different numbers of results");
  double output = 0, maps = 0;
  std::size_t compared = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    output = worse(output, difference(all[i].output, others[i].output));
    const std::size_t count = all[i].maps.size(), other_count = others[i].maps.size();
    if (count != other_count)
      throw std::runtime_error("result " + std::to_string(i + 1) + " has " + std::to_string(count) + " maps in " +
                               path + " and " + std::to_string(other_count) + " in " + other_path);
    for (std::size_t j = 0; j < count; ++j, ++compared) {
      const map_log::Map &map = all[i].maps[j], &twin = others[i].maps[j];
      if (map.kind != twin.kind || map.layer != twin.layer || map.head != twin.head)
        throw std::runtime_error("map " + std::to_string(j + 1) + " of result " + std::to_string(i + 1) +
                                 " is of another kind, layer or head in " + other_path);
      maps = worse(maps, difference(map.matrix, twin.matrix));
    }
    if (all[i].output.values.empty()) throw std::runtime_error("a result without an output");
  }
  std::printf("{\"output_difference\": %.3g, \"map_difference\": %.3g, \"maps_compared\": %zu}\n", output, maps,
              compared);
  return output <= most && maps <= most ? 0 : 1;
}

int page(const std::string& log, const std::string& out) {
  namespace inspect = vt::inspect;
  const auto results = map_log::read(log);
  inspect::Page page{.title = "attention from " + log.substr(log.rfind('/') + 1), .examples = {}};
  for (const map_log::Result& result : results) {
    inspect::Example example;
    for (const std::string& token : result.tokens)
      if (token != "</s>") example.title += token;
    std::vector<std::string> kinds;
    for (const map_log::Map& map : result.maps)
      if (std::find(kinds.begin(), kinds.end(), map.kind) == kinds.end()) kinds.push_back(map.kind);
    for (const std::string& kind : kinds) {
      inspect::MapGroup group{.kind = kind.ends_with("_self") ? kind.substr(0, kind.size() - 5) : kind};
      for (const map_log::Map& map : result.maps) {
        if (map.kind != kind) continue;
        const auto named = [&](long count) {
          if (long(result.tokens.size()) == count) return result.tokens;
          std::vector<std::string> numbers;
          for (long i = 0; i < count; ++i) numbers.push_back(std::to_string(i));
          return numbers;
        };
        if (group.query_tokens.empty())
          group.query_tokens = named(map.matrix.rows), group.key_tokens = named(map.matrix.columns);
        if (group.query_count() != map.matrix.rows || group.key_count() != map.matrix.columns)
          throw std::runtime_error("maps of one kind have different sizes");
        group.layers = std::max(group.layers, Index(map.layer) + 1);
        group.heads = std::max(group.heads, Index(map.head) + 1);
      }
      group.map = [&result, kind](Index layer, Index head) -> const float* {
        for (const map_log::Map& map : result.maps)
          if (map.kind == kind && map.layer == layer && map.head == head) return map.matrix.values.data();
        return nullptr;
      };
      example.groups.push_back(group);
    }
    page.examples.push_back(example);
  }
  inspect::save_page(out, page);
  std::fprintf(stderr, "%s: %zu results\n", out.c_str(), results.size());
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  std::vector<std::string> words(arguments + 1, arguments + count);
  vt::Storage weights = vt::Storage::f32;
  const std::size_t before = words.size() < 2 ? 0 : words.size() - 2;
  if (before > 0 && words[0] == "reference" && words[before] == "--weights" &&
      vt::parse_storage(words.back().c_str(), weights))
    words.resize(before);
  try {
    if (words.size() == 3 && words[0] == "page") return page(words[1], words[2]);
    if (words.size() == 3 && words[0] == "compare") return compare(words[1], words[2], 1e-5);
    if (words.size() == 4 && words[0] == "compare") return compare(words[1], words[2], std::stod(words[3]));
    if (words.size() == 4 && words[0] == "reference" && words[1] == "g2p")
      return reference_g2p(words[2], words[3], weights);
    if (words == std::vector<std::string>{"reference", "d64_nothing"}) return reference_d64(0, weights);
    if (words == std::vector<std::string>{"reference", "d64_weights"}) return reference_d64(4, weights);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "map_log: %s\n", vt::detail::escaped(error.what(), vt::detail::is_control_byte).c_str());
    return 2;
  }
  std::fputs(usage, words == std::vector<std::string>{"--help"} ? stdout : stderr);
  return words == std::vector<std::string>{"--help"} ? 0 : 2;
}
