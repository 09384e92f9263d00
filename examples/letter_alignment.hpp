// Which head of the g2p model shows best what letter a phoneme comes from? Measured on the held-out words of words.tsv,
// the dictionary's phonemes given as the target: how many phonemes have their largest weight on a letter that can spell
// them (the table below), and how many words are read from left to right.
#pragma once
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>
#include <vitrine/generate/generate.hpp>
#include <vitrine/text/vocabulary.hpp>

namespace letters {

namespace vt = vitrine;

// Letters of English that can spell a phoneme; any vowel letter can spell any vowel.
inline bool can_spell(const std::string& letter, const std::string& phoneme) {
  static const std::map<std::string, std::string> table = {
      {"B", "b"},    {"CH", "ct"},   {"D", "d"},     {"DH", "th"},    {"ER", "aeiouyr"}, {"F", "fpgh"}, {"G", "gx"},
      {"HH", "hwj"}, {"JH", "jgd"},  {"K", "ckqxh"}, {"L", "l"},      {"M", "m"},        {"N", "n"},    {"NG", "ng"},
      {"P", "p"},    {"R", "r"},     {"S", "scxz"},  {"SH", "scthx"}, {"T", "td"},       {"TH", "th"},  {"V", "vfw"},
      {"W", "wuo"},  {"Y", "yuiej"}, {"Z", "zsx"},   {"ZH", "sgzj"}};
  const auto known = table.find(phoneme);
  return (known != table.end() ? known->second : "aeiouyw").find(letter) != std::string::npos;
}

struct Pair {
  std::string word, phonemes;
};
inline std::vector<Pair> read_pairs(const std::filesystem::path& path) {
  std::vector<Pair> pairs;
  std::ifstream file(path);
  if (!file)
    throw vt::Error(vt::LoadError::file_missing, path.string(), "cannot be read; the heads are measured on it");
  for (std::string line; std::getline(file, line);)
    if (const std::size_t tab = line.find('\t'); tab != line.npos)
      pairs.push_back({line.substr(0, tab), line.substr(tab + 1)});
  return pairs;
}

struct HeadMeasure {
  vt::Index layer = 0, head = 0;
  double plausible = 0, ordered = 0;  // shares: of phonemes, of words
};
struct Measured {
  std::vector<HeadMeasure> heads = {};
  vt::Index words = 0, phonemes = 0;
  const HeadMeasure& best() const {
    return *std::max_element(heads.begin(), heads.end(),
                             [](const auto& a, const auto& b) { return a.plausible < b.plausible; });
  }
};

inline Measured measure(const vt::Seq2Seq<float>& model, vt::Workspace& workspace, const vt::Vocabulary& vocabulary,
                        const vt::GenerationConfig& config, const std::vector<Pair>& pairs) {
  using vt::Index;
  std::vector<Index> ids, lengths;
  std::vector<std::vector<Index>> targets;
  for (const Pair& pair : pairs) {
    std::vector<Index> word = vocabulary.spell(pair.word);
    word.push_back(config.eos_token_ids.front());
    ids.insert(ids.end(), word.begin(), word.end());
    lengths.push_back(Index(word.size()));
    std::istringstream symbols(pair.phonemes);
    targets.emplace_back();
    for (std::string symbol; symbols >> symbol;) targets.back().push_back(vocabulary.find(symbol));
  }
  const auto scored = vt::score(model, workspace, vt::Tokens(ids, lengths), targets, config,
                                vt::keep::weights.only({.which = vt::Which::cross}));
  Measured result;
  result.words = Index(pairs.size());
  for (const auto& target : targets) result.phonemes += Index(target.size());
  const auto& maps = scored.result.cross_attn;
  for (Index layer = 0; layer < maps.layers(); ++layer)
    for (Index head = 0; head < maps.heads(); ++head) {
      HeadMeasure one{layer, head};
      const Index* word = ids.data();
      for (Index b = 0; b < result.words; word += lengths[std::size_t(b++)]) {
        const auto map = maps[layer].matrix(b, head);
        Index before = 0;
        bool ordered = true;
        for (Index t = 0; t < map.rows(); ++t) {
          const float* row = map.data() + t * map.cols();
          const Index at = std::max_element(row, row + map.cols()) - row;
          one.plausible +=
              can_spell(vocabulary.token(word[at]), vocabulary.token(targets[std::size_t(b)][std::size_t(t)]));
          ordered = ordered && at >= before;
          before = at;
        }
        one.ordered += ordered;
      }
      one.plausible /= double(std::max<Index>(result.phonemes, 1)),
          one.ordered /= double(std::max<Index>(result.words, 1));
      result.heads.push_back(one);
    }
  return result;
}

}  // namespace letters
