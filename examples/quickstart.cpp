// Spells words into phonemes with a trained model and shows which letters each phoneme looks at.
//   build/examples/quickstart --model examples/models/g2p [--html attention.html] [WORD...]
#include <vitrine/vitrine.hpp>

#include <vitrine/inspect/export.hpp>
#include <vitrine/inspect/terminal.hpp>
#include <vitrine/io/checkpoint.hpp>

#include <cstdio>
#include <iostream>

#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "letter_alignment.hpp"
#include "option_table.hpp"

namespace {

using vt::Index;
namespace inspect = vt::inspect;

struct Options {
  std::string model = "examples/models/g2p", html;
  Index threads = 0;
  std::vector<std::string> words;
};

[[noreturn]] void refuse(const std::string& sentence) {
  std::fprintf(stderr, "quickstart: %s\n", sentence.c_str());
  std::exit(2);
}

OptionTable option_table(Options& o) {
  OptionTable table(
      "quickstart", "[OPTION...] [WORD...]",
      "Spells each English word into the phonemes of the CMU dictionary, draws which letters each phoneme looks at, "
      "and\n"
      "writes every layer's and head's attention to one page that needs no network. Without words: those of stdin, "
      "where\n"
      "a file or a pipe gives some, else four.\n",
      "Exit: 0, or 2 for a letter that the model does not know, a bad option or a file that cannot be read.\n");
  table.text("--model", "FOLDER", "examples/models/g2p", o.model);
  table.text("--html", "FILE", "the page; without it none is written", o.html);
  table.number("--threads", "0: all processors", o.threads, 0, 999);
  table.others(o.words);
  return table;
}

std::vector<std::string> tokens(const vt::Vocabulary& vocabulary, std::span<const Index> ids) {
  std::vector<std::string> texts;
  for (Index id : ids) texts.push_back(vocabulary.token(id));
  return texts;
}

// The alignment of one word, without the end marks where nothing points to them.
std::string picture(vt::MatrixView<float> map, Index phonemes, std::vector<std::string> letters,
                    const std::vector<std::string>& symbols) {
  const Index letter_count = Index(letters.size()) - 1;
  Index columns = letter_count;
  for (Index t = 0; t < phonemes; ++t)
    if (map.row(t).maxCoeff() <= map(t, letter_count)) columns = letter_count + 1;
  letters.resize(std::size_t(columns));
  const vt::RowMajor<float> part = map.topLeftCorner(phonemes, columns);
  return inspect::terminal_alignment(part.data(), phonemes, columns, symbols, letters, inspect::terminal_options());
}

// Stdin is a file, or a pipe into which something is written soon: one that somebody merely left open stops nobody.
bool words_are_piped() {
  struct stat input;
  if (::fstat(STDIN_FILENO, &input) != 0 || (!S_ISREG(input.st_mode) && !S_ISFIFO(input.st_mode))) return false;
  pollfd ready{STDIN_FILENO, POLLIN, 0};
  return ::poll(&ready, 1, 1000) > 0;
}

void run(const Options& options) {
  const std::filesystem::path folder = options.model;
  const auto model = vt::load_model<vt::Marian<float>>(folder);
  const vt::Vocabulary vocabulary(folder / "vocab.json");
  vt::GenerationConfig config = vt::read_generation_config(folder);
  config.max_length = model.max_length();
  const Index end = vocabulary.find("</s>");

  std::vector<Index> ids, lengths;
  std::string unspellable;
  for (std::string word : options.words) {
    for (char& c : word)
      c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;  // the model knows small letters
    std::vector<Index> letters;
    try {
      letters = vocabulary.spell(word);
    } catch (const vt::Error& error) {
      unspellable += (unspellable.empty() ? "" : "\nquickstart: ") + std::string(error.what());
      continue;
    }
    if (letters.empty()) refuse("an empty word has no phonemes");
    if (Index(letters.size()) >= model.max_length())
      refuse("\"" + word.substr(0, 20) + "...\" has more letters than the model's " +
             std::to_string(model.max_length() - 1));
    letters.push_back(end);
    lengths.push_back(Index(letters.size()));
    ids.insert(ids.end(), letters.begin(), letters.end());
  }
  if (!unspellable.empty()) refuse(unspellable);
  vt::Workspace workspace(vt::heap(), int(options.threads));
  const vt::Tokens sources(ids, lengths);
  std::vector<std::vector<Index>> spelled;
  for (auto& found : vt::generate(model, workspace, sources, config)) spelled.push_back(std::move(found[0].ids));
  const auto scored = vt::score(model, workspace, sources, spelled, config);
  const auto& result = scored.result;

  const auto heads = letters::measure(model, workspace, vocabulary, config, letters::read_pairs(folder / "words.tsv"));
  const letters::HeadMeasure best = heads.best();
  inspect::Page page{.title = "letters to phonemes"};
  const Index* word_ids = ids.data();
  for (std::size_t i = 0; i < spelled.size(); word_ids += lengths[i++]) {
    const Index word = Index(i);
    const auto letters = tokens(vocabulary, {word_ids, std::size_t(lengths[i])});
    const auto phonemes = tokens(vocabulary, spelled[i]);
    const bool ended = spelled[i].back() == end;
    std::string line;
    for (std::size_t t = 0; t + (ended ? 1 : 0) < phonemes.size(); ++t) line += (t > 0 ? " " : "") + phonemes[t];
    std::printf("%s  %s\n%s\n", options.words[i].c_str(), line.c_str(),
                picture(result.cross_attn[best.layer].matrix(word, best.head), Index(phonemes.size()) - ended, letters,
                        phonemes)
                    .c_str());

    page.examples.push_back(inspect::seq2seq_example(result, word, letters, phonemes, options.words[i] + " → " + line));
  }
  std::printf(
      "Shown: cross-attention of layer %td, head %td. Of %zu heads it looks most often at a letter that can spell the\n"
      "phoneme: %.1f %% of %td phonemes of the %td held-out words in words.tsv; it reads %.1f %% of the words from "
      "left to right.\n",
      best.layer, best.head, heads.heads.size(), 100 * best.plausible, heads.phonemes, heads.words, 100 * best.ordered);
  if (!options.html.empty()) {
    inspect::save_page(options.html, page);
    std::printf("All layers and heads: %s\n", options.html.c_str());
  }
}

}  // namespace

int main(int count, char** arguments) {
  Options options;
  if (const auto status = option_table(options).parse(count, arguments)) return *status;
  if (options.words.empty() && words_are_piped())
    for (std::string word; std::cin >> word;) options.words.push_back(word);
  if (options.words.empty()) options.words = {"anhydride", "radium", "daughter", "vitrine"};
  try {
    run(options);
    if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) refuse("stdout cannot be written");
  } catch (const std::exception& error) { refuse(error.what()); }
  return 0;
}
