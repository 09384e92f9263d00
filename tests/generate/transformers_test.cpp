#include <doctest/doctest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>
#include <vitrine/generate/generate.hpp>
#include <vitrine/io/checkpoint.hpp>
#include <vitrine/text/vocabulary.hpp>

namespace vt = vitrine;
using vt::Index;

TEST_CASE("rules of generation: the hypotheses and scores of Transformers (transformers_reference.py)") {
  const std::string folder = "examples/models/g2p";
  const auto model = vt::load_model<vt::Marian<float>>(folder);
  const vt::Vocabulary vocabulary(folder + "/vocab.json");
  std::vector<Index> ids, lengths;
  std::ifstream words(folder + "/words.tsv");
  std::string line;
  for (int i = 0; i < 108 && std::getline(words, line); ++i) {
    if (i < 100) continue;
    std::vector<Index> word = vocabulary.spell(line.substr(0, line.find('\t')));
    word.push_back(0);
    ids.insert(ids.end(), word.begin(), word.end());
    lengths.push_back(Index(word.size()));
  }
  vt::Workspace workspace(vt::heap());
  std::ifstream stream("tests/generate/transformers_reference.json");
  const nlohmann::json cases = nlohmann::json::parse(stream);
  REQUIRE(cases.size() == 13);
  for (const auto& one : cases) {
    const std::string options = one.at("config").dump();
    CAPTURE(options);
    const auto config = vt::generation_config(vt::ConfigFile(options, "(options)"), vt::read_generation_config(folder));
    const auto found = vt::generate(model, workspace, vt::Tokens(ids, lengths), config);
    REQUIRE(found.size() == one.at("found").size());
    for (std::size_t b = 0; b < found.size(); ++b)
      for (std::size_t k = 0; k < found[b].size(); ++k) {
        CHECK(found[b][k].ids == one.at("found").at(b).at(k).get<std::vector<Index>>());
        if (!one.at("scores").is_null())
          CHECK(double(found[b][k].score) == doctest::Approx(one.at("scores").at(b).at(k).get<double>()).epsilon(1e-4));
      }
  }
}
