// Exercise 6: find the head that aligns best, in a real trained model.
//
// examples/models/g2p spells English words into phonemes. Its decoder has 3 layers of 4 heads that look at the letters
// while each phoneme is written. Which of the 12 heads shows best what letter a phoneme comes from? For each head, take
// all phonemes of all words, find the letter with the largest weight, and count how often that letter can spell the
// phoneme. Return the head with the largest share of such phonemes, and that share (between 0 and 1).
//
//     cross[layer].matrix(w, head)(t, s)         weight that phoneme t of word w gives to letter s
//     words[w].phonemes[t], words[w].letters[s]  their texts: "AY", "i". The last letter is the end mark "</s>"
//     cross.layers(), cross.heads()
//     letters::can_spell("i", "AY")              true
#include "../letter_alignment.hpp"
#include "exercise.hpp"

#include <vitrine/inspect/terminal.hpp>
#include <vitrine/io/checkpoint.hpp>

struct Word {
  std::vector<std::string> letters, phonemes;
};
struct Choice {
  Index layer = 0, head = 0;
  double share = 0;
};
Choice best_head(const vt::Maps<float>& cross, const std::vector<Word>& words);

#ifndef SOLVED
Choice best_head([[maybe_unused]] const vt::Maps<float>& cross, [[maybe_unused]] const std::vector<Word>& words) {
  Choice best;
  // <- your code here
  return best;
}
#endif

// ---- What is checked ----
int check() {
  const std::filesystem::path folder = "examples/models/g2p";
  const auto model = vt::load_model<vt::Marian<float>>(folder);
  const vt::Vocabulary vocabulary(folder / "vocab.json");
  auto config = vt::read_generation_config(folder);
  const auto pairs = letters::read_pairs(folder / "words.tsv");  // 500 words that the model was not trained on

  std::vector<Word> words;
  std::vector<Index> ids, lengths;
  std::vector<std::vector<Index>> targets;
  for (const auto& pair : pairs) {
    Word word{vt::Vocabulary::characters(pair.word), {}};
    word.letters.push_back("</s>");
    std::istringstream symbols(pair.phonemes);
    for (std::string symbol; symbols >> symbol;) word.phonemes.push_back(symbol);
    targets.emplace_back();
    for (const auto& letter : word.letters) ids.push_back(vocabulary.find(letter));
    for (const auto& phoneme : word.phonemes) targets.back().push_back(vocabulary.find(phoneme));
    lengths.push_back(Index(word.letters.size()));
    words.push_back(std::move(word));
  }
  vt::Workspace workspace(vt::heap());
  const auto scored = vt::score(model, workspace, vt::Tokens(ids, lengths), targets, config);
  const auto& cross = scored.result.cross_attn;

  const Choice got = best_head(cross, words);
  if (got.layer < 0 || got.layer >= cross.layers() || got.head < 0 || got.head >= cross.heads())
    wrong("got layer " + std::to_string(got.layer) + ", head " + std::to_string(got.head) +
          "; the decoder has layers 0 to 2 and heads 0 to 3");
  const std::string chosen = "layer " + std::to_string(got.layer) + ", head " + std::to_string(got.head);
  const auto measured = letters::measure(model, workspace, vocabulary, config, pairs);
  const double share = measured.heads[std::size_t(got.layer * cross.heads() + got.head)].plausible,
               best = measured.best().plausible;
  if (!(std::abs(got.share - share) < 1e-9)) {
    const std::string counted = "for " + chosen + " you count a share of " + text(got.share) + ", expected " +
                                text(share) + " of " + std::to_string(measured.phonemes) + " phonemes";
    if (got.share > 1) wrong(counted + ": a share is hits over phonemes, not the number of hits");
    if (got.share == 0)
      wrong(counted + ": nothing is counted yet, or whole numbers are divided: 2 / 3 is 0, 2.0 / 3 is not");
    wrong(counted + ": does the inner loop go over letters, and is every phoneme of every word counted once?");
  }
  if (share < best)
    wrong("got " + chosen + ", where " + text(100 * share) +
          " % of the phonemes look at a letter that can spell them; another head has more. Are all 12 compared?");

  const Matrix map = cross[got.layer].matrix(0, got.head).cast<double>();
  const vt::RowMajor<float> shown = map.leftCols(map.cols() - 1).cast<float>();
  std::fputs(vt::inspect::terminal_alignment(shown.data(), shown.rows(), shown.cols(), words[0].phonemes,
                                             words[0].letters, vt::inspect::terminal_options())
                 .c_str(),
             stdout);
  return solved(chosen + " aligns best: " + text(100 * share) +
                " % of the phonemes look at a letter that can spell them");
}
int main() {
  try {
    return check();
  } catch (const std::exception& error) {
    std::printf("%s\nRun this in the repository's root, where examples/models/g2p is.\n", error.what());
    return 2;
  }
}
