// Sentences to vectors with a real BERT (all-MiniLM-L6-v2), how similar they are, and which tokens look at which: what
// sentence-transformers makes of the folder.
//   build/examples/sentence_similarity --model FOLDER [--html attention.html] [SENTENCE...]
#include <vitrine/vitrine.hpp>

#include <vitrine/corpus/progress.hpp>
#include <vitrine/inspect/html_page.hpp>
#include <vitrine/inspect/terminal.hpp>
#include <vitrine/io/checkpoint.hpp>
#include <vitrine/io/npy.hpp>
#include <vitrine/io/sentence_modules.hpp>
#include <vitrine/text/wordpiece.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <iostream>

#include "option_table.hpp"

namespace {

using vt::Index;
namespace inspect = vt::inspect;
using Vectors = vt::RowMajor<float>;  // a sentence a row
using Model = vt::TextEncoder<float>;
using Result = vt::TextEncoderResult<vt::keep::Nothing, float>;

struct Options {
  std::string model, html, embeddings;
  Index layer = 0, head = -1, threads = 0;
  bool ids = false;
  std::vector<std::string> sentences;
};

[[noreturn]] void refuse(const std::string& sentence) {
  std::fprintf(stderr, "sentence_similarity: %s\n", sentence.c_str());
  std::exit(2);
}

OptionTable option_table(Options& o) {
  OptionTable table("sentence_similarity", "--model FOLDER [OPTION...] [SENTENCE...]",
                    "The cosines of sentences (without any: a line each from stdin), and which tokens of the first one "
                    "look at which.\n",
                    "Exit: 0, or 2 for a bad option or a file that cannot be read.\n");
  table.text("--model", "FOLDER",
             "a BERT or DistilBERT for sentences: config.json, model.safetensors, tokenizer.json or vocab.txt",
             o.model);
  table.number("--layer", "of the picture, counted from 0", o.layer, 0, 999);
  table.number("--head", "the same; without it the mean of the layer's heads", o.head, 0, 999);
  table.text("--html", "FILE", "a page with every layer's and head's map of every sentence", o.html);
  table.text("--embeddings", "FILE",
             "the vectors as .npy, (sentences, width), as modules.json says, of length 1 without one; then no picture",
             o.embeddings);
  table.toggle("--ids", "only the ids of each line's tokens", o.ids);
  table.number("--threads", "0: all processors", o.threads, 0, 999);
  table.others(o.sentences);
  return table;
}

Model load(const std::filesystem::path& folder) {
  const vt::KnownFamily* family = vt::family_of(vt::ConfigFile(folder / "config.json"));
  if (family != nullptr && family->names == &vt::distilbert_family)
    return vt::load_model<vt::DistilBert<float>>(folder);
  return vt::load_model<vt::Bert<float>>(folder);
}

// The folder's tokenizer, which loses the case of letters too where sentence-transformers' own configuration asks.
vt::WordPiece open_tokenizer(const vt::SentenceModules& modules) {
  vt::WordPiece tokenizer(modules.transformer());
  if (!modules.lower_case() || tokenizer.options().lower_case) return tokenizer;
  vt::WordPieceOptions options = tokenizer.options();
  options.lower_case = true;
  std::vector<std::string> tokens;
  for (Index id = 0; id < tokenizer.size(); ++id) tokens.push_back(tokenizer.token(id));
  return vt::WordPiece(std::move(tokens), options, modules.transformer().string());
}

// Ragged input: nothing is computed for padding. 32 sentences at a time; no map is kept.
Vectors embed(const Model& model, const vt::SentenceModules& modules, vt::Workspace& workspace,
              const std::vector<std::vector<Index>>& sentences, bool quiet) {
  Vectors vectors;
  Result result;
  vt::corpus::Progress progress(!quiet);
  for (std::size_t first = 0; first < sentences.size(); first += 32) {
    std::vector<Index> ids, lengths;
    for (std::size_t i = first; i < std::min(first + 32, sentences.size()); ++i) {
      ids.insert(ids.end(), sentences[i].begin(), sentences[i].end());
      lengths.push_back(Index(sentences[i].size()));
    }
    vt::throw_if_failed(model.forward_into(result, workspace, vt::Tokens(ids, lengths), {}, vt::keep::nothing));
    for (std::size_t b = 0; b < lengths.size(); ++b) {
      const auto hidden = result.output.matrix(Index(b));
      const std::vector<float> vector = modules.vector(hidden.data(), hidden.rows(), hidden.cols());
      if (vectors.size() == 0) vectors.resize(Index(sentences.size()), Index(vector.size()));
      std::copy(vector.begin(), vector.end(), vectors.row(Index(first + b)).data());
    }
    const std::size_t done = std::min(first + 32, sentences.size());
    progress.at(Index(done), double(done) / double(sentences.size()));
  }
  return vectors;
}

float cosine(const Vectors& vectors, Index i, Index j) {
  return vectors.row(i).normalized().dot(vectors.row(j).normalized());
}

std::vector<std::string> names(const vt::WordPiece& tokenizer, const std::vector<Index>& ids) {
  std::vector<std::string> texts;
  for (Index id : ids) texts.push_back(tokenizer.token(id));
  return texts;
}

void run(const Options& options, bool quiet) {
  const vt::SentenceModules modules(options.model);
  const vt::WordPiece tokenizer = open_tokenizer(modules);
  if (options.ids) {
    for (const std::string& sentence : options.sentences) {
      for (Index id : tokenizer.encode(modules.prompt() + sentence)) std::printf("%td ", id);
      std::printf("\n");
    }
    return;
  }
  const auto start = std::chrono::steady_clock::now();
  const Model model = load(modules.transformer());
  const std::chrono::duration<double, std::milli> loading = std::chrono::steady_clock::now() - start;
  std::fprintf(stderr, "model ready in %.0f ms\n", loading.count());
  const Index layers = model.config().num_hidden_layers, heads = model.config().num_attention_heads;
  if (options.layer >= layers || options.head >= heads)
    refuse("the model has " + std::to_string(layers) + " layers of " + std::to_string(heads) + " heads");
  std::vector<std::vector<Index>> sentences;
  for (const std::string& sentence : options.sentences)
    sentences.push_back(tokenizer.encode(modules.prompt() + sentence, modules.max_seq_length(model.max_length())));

  vt::Workspace workspace(vt::heap(), int(options.threads));
  const Vectors vectors = embed(model, modules, workspace, sentences, quiet);
  if (!options.embeddings.empty()) {
    vt::save_npy(options.embeddings, {vectors.rows(), vectors.cols()},
                 std::span<const float>(vectors.data(), std::size_t(vectors.size())));
    return;
  }
  for (Index i = 0; i < vectors.rows(); ++i) {
    for (Index j = 0; j < vectors.rows(); ++j) std::printf("%7.3f", double(cosine(vectors, i, j)));
    std::printf("   %s\n", vt::inspect::visible(options.sentences[std::size_t(i)], " ").c_str());
  }
  if (sentences.empty()) return;

  const auto first = model(vt::Tokens(sentences[0]), {}, vt::keep::weights.only({.layers = {int(options.layer)}}));
  const Index length = Index(sentences[0].size());
  Vectors map = Vectors::Zero(length, length);
  for (Index h = 0; h < heads; ++h)
    if (options.head < 0 || h == options.head) map += first.self_attn[options.layer].matrix(0, h);
  if (options.head < 0) map /= float(heads);
  std::printf("\nWhere each token of the first sentence looks: layer %td, %s\n%s", options.layer,
              options.head < 0 ? "mean of all heads" : ("head " + std::to_string(options.head)).c_str(),
              inspect::terminal_heatmap(map.data(), length, length, names(tokenizer, sentences[0]),
                                        names(tokenizer, sentences[0]), inspect::terminal_options())
                  .c_str());
  if (options.html.empty()) return;
  std::vector<vt::TextEncoderResult<vt::DefaultKeep, float>> results;
  inspect::Page page{.title = "which tokens look at which"};
  for (const auto& ids : sentences) results.push_back(model(vt::Tokens(ids)));
  for (std::size_t i = 0; i < sentences.size(); ++i) {
    const auto tokens = names(tokenizer, sentences[i]);
    const auto pointer = [&maps = results[i].self_attn](Index l, Index h) { return maps[l].matrix(0, h).data(); };
    page.examples.push_back({options.sentences[i], {{"encoder", tokens, tokens, layers, heads, pointer}}});
  }
  inspect::save_page(options.html, page);
  std::printf("All layers and heads of all sentences: %s\n", options.html.c_str());
}

}  // namespace

int main(int count, char** arguments) {
  Options options;
  OptionTable table = option_table(options);
  if (const auto status = table.parse(count, arguments)) return *status;
  if (options.model.empty()) return table.wrong("--model is missing");
  if (options.sentences.empty())
    for (std::string line; std::getline(std::cin, line);) options.sentences.push_back(line);
  try {
    run(options, table.quiet());
  } catch (const std::exception& error) { refuse(error.what()); }
  return 0;
}
