// Which cross-attention head aligns, when nobody named one.
#pragma once
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <vector>
#include <vitrine/corpus/loop.hpp>
#include <vitrine/inspect/words.hpp>

#include "letter_alignment.hpp"
#include "seq2seq_folder.hpp"

namespace translate {

namespace vt = vitrine;
using vt::Index;

struct Head {
  Index layer = -1, head = -1;
  bool known() const { return layer >= 0; }
  // Its cross map alone.
  vt::Selection selection() const { return {.which = vt::Which::cross, .layers = {int(layer)}, .heads = {int(head)}}; }
};

// The words that tokens make: by the tokenizer's own marks, or by what marks the tokens of a JSON line have.
inline vt::inspect::Words words_of(const vt::corpus::Reader& reader, const std::vector<std::string>& tokens) {
  const auto marks = reader.subwords();
  return marks ? vt::inspect::words_of(tokens, *marks) : vt::inspect::words_of(tokens);
}

// The tokens of a sequence that are text: without the marks in front and behind (<s>, </s>, a language's token; >>fra<<
// is text that somebody wrote). Links of words count from the first of them.
struct TextTokens {
  Index first = 0, count = 0;
  vt::inspect::Words words = {};  // of these tokens
};
inline TextTokens text_tokens(const Seq2SeqFolder& folder, const std::vector<Index>& ids,
                              const std::vector<std::string>& tokens) {
  const auto is_mark = [&](Index i) {
    const std::string& name = tokens.at(std::size_t(i));
    const Index id = ids[std::size_t(i)];
    if (folder.is_end(id)) return true;
    if (name.starts_with(">>") || name == "<unk>" || name == "[UNK]") return false;
    return vt::inspect::detail::is_mark(name) || folder.reader().is_special(id);
  };
  Index first = 0, last = Index(ids.size());
  while (last > 0 && is_mark(last - 1)) --last;
  while (first < last && is_mark(first)) ++first;
  TextTokens text{first, last - first};
  const auto all = words_of(folder.reader(), tokens);
  for (Index i = first; i < last; ++i)
    text.words.of_token.push_back(all.of_token[std::size_t(i)] - all.of_token[std::size_t(first)]);
  return text;
}

// The links of a sentence's words, or tokens, without marks.
template <class M>
vt::inspect::Links text_links(const M& map, const TextTokens& source, const TextTokens& target, bool merged) {
  const auto links = vt::inspect::hard_links(map.block(target.first, source.first, target.count, source.count));
  return merged ? vt::inspect::merge_links(links, target.words, source.words) : links;
}

// The head whose rows have the largest weights on the first 32 lines as they stand in the input, with these targets or,
// without any, what greedy search finds; end marks left out. `largest`: their mean.
inline Head surest_head(Seq2SeqFolder& folder, const std::vector<vt::corpus::Line>& sources,
                        const std::vector<vt::corpus::Line>& targets, double& largest) {
  std::vector<const std::vector<Index>*> given;
  std::vector<std::vector<Index>> wanted;
  for (std::size_t i = 0; i < sources.size() && given.size() < 32; ++i) {
    if (!sources[i].usable()) continue;
    given.push_back(&sources[i].ids);
    wanted.push_back(targets.empty() ? folder.greedy(vt::Tokens(sources[i].ids))[0] : targets[i].ids);
  }
  const Index heads = folder.heads(), all = folder.layers() * heads;
  std::vector<double> sums(std::size_t(all), 0.0);
  Index rows = 0;
  folder.force(given, wanted, vt::keep::weights.only({.which = vt::Which::cross}), {},
               [&](std::size_t i, const auto& scored, Index b) {
                 const Index words = folder.words(wanted[i]), keys = folder.words(*given[i]);
                 if (keys == 0) return;
                 rows += words;
                 for (Index h = 0; h < all; ++h) {
                   const auto map = scored.result.cross_attn[h / heads].matrix(b, h % heads);
                   for (Index t = 0; t < words; ++t) sums[std::size_t(h)] += double(map.row(t).head(keys).maxCoeff());
                 }
               });
  const auto best = std::max_element(sums.begin(), sums.end());
  largest = *best / double(std::max<Index>(rows, 1));
  return {(best - sums.begin()) / heads, (best - sums.begin()) % heads};
}

// Measured on words.tsv where the folder of a spelling model has it, else the surest on these lines; says on stderr
// which and why, unless quiet.
inline Head aligning_head(Seq2SeqFolder& folder, const std::filesystem::path& path, const vt::corpus::Pool& pool,
                          bool quiet) {
  std::error_code failed;
  if (std::filesystem::exists(path / "words.tsv", failed) && folder.reader().subwords() == vt::Subwords::none) {
    const auto measured = letters::measure(folder.model(), folder.workspace(), vt::Vocabulary(path / "vocab.json"),
                                           folder.config(), letters::read_pairs(path / "words.tsv"));
    const letters::HeadMeasure best = measured.best();
    if (!quiet)
      std::fprintf(
          stderr,
          "alignments: layer %td, head %td (%.1f %% of the phonemes of words.tsv on a letter that can spell them)\n",
          best.layer, best.head, 100 * best.plausible);
    return {best.layer, best.head};
  }
  double largest = 0;
  const Head best = surest_head(folder, pool.sources, pool.targets, largest);
  if (!quiet)
    std::fprintf(stderr,
                 "alignments: layer %td, head %td (its rows' largest weights are the largest: %.2f on average)\n",
                 best.layer, best.head, largest);
  return best;
}

}  // namespace translate
