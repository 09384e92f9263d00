// The command line of translate: what may be asked, and what goes together.
#pragma once
#include <charconv>
#include <stdexcept>
#include <string>
#include <vector>
#include <vitrine/inspect/export.hpp>
#include <vitrine/inspect/text.hpp>

#include "pool_program.hpp"

namespace translate {

namespace vt = vitrine;
namespace inspect = vt::inspect;
using vt::Index;

struct Options {
  pool::Options pool;
  std::string model, score, alignments, maps, layer = "auto", head = "auto", length_penalty;
  std::vector<std::string> format = {"text"};
  pool::Weights weights = {"f32"};
  Index beams = 0, n_best = 0, max_new_tokens = 0, threads = 0;  // 0: not given
  bool word_scores = false, merge_words = false, drop_end = false, step = false;
  double threshold = -1;  // of --alignments; below 0: none
};

inline OptionTable option_table(Options& o) {
  OptionTable table(
      "translate", "--model FOLDER [OPTION...] [LINE...] < LINES",
      "Translates with a Marian or Bart model: one line out for each line in, in order, a blank line for a blank line\n"
      "(--n-best: as many as that).\n",
      pool::footer);
  table.text("--model", "FOLDER",
             "config.json, model.safetensors, and tokens: source.spm and vocab.json, or vocab.json\n"
             "with a token for each letter",
             o.model);
  table.choice("--input-format", "FORMAT",
               "text, or jsonl: {\"ids\": [...], \"tokens\": [...]} of any tokenizer a line", o.format,
               {"text", "jsonl"}, false);
  table.number("--beams", "default: generation_config.json's", o.beams, 1, 1024);
  table.number("--n-best",
               "hypotheses for each line, as Marian lists them: N ||| text ||| F0= SUM ||| SCORE. SUM is the\n"
               "log-probability, SCORE what search ranks by: after --length-penalty,\n"
               "and without an end mark that the length forced",
               o.n_best, 1, 1024);
  table.number("--max-new-tokens", "default: generation_config.json's; without a length there, the model's",
               o.max_new_tokens, 1, 1 << 20);
  table.text("--length-penalty", "X", "scores are divided by length^X; default: generation_config.json's",
             o.length_penalty);
  table.text("--score", "FILE", "no search: the log-probability of each of FILE's lines as the target", o.score);
  table.toggle("--word-scores", "with each token's log-probability", o.word_scores);
  table.text("--alignments", "FORMAT",
             "hard, soft or a threshold between 0 and 1 as Marian writes them, or pharaoh: hard\n"
             "links of the text alone, without <s>, </s> and languages' tokens",
             o.alignments);
  table.toggle("--merge-words", "alignments between words instead of subwords", o.merge_words);
  table.text("--layer", "L",
             "the cross-attention that aligns, from 0; auto: measured on words.tsv where the folder has\n"
             "it, else the head that is surest of itself on the first lines (of typed lines: the first)",
             o.layer);
  table.text("--head", "H", "the same", o.head);
  table.text("--maps", "FILE",
             "all maps of the Nth line out, from 0: .npz, written as lines are done; .html or .json\n"
             "(BertViz), held until the end",
             o.maps);
  table.toggle("--step",
               "greedy search with the map of that layer and head drawn after every token, then the line out as text",
               o.step);
  table.toggle("--drop-end", "maps and alignments without the end mark's row", o.drop_end);
  pool::add_options(table, o.pool);
  pool::add_batch_options(table, o.pool);
  pool::add_weights_option(table, o.weights);
  table.number("--threads", "0: all processors", o.threads, 0, 999);
  return table;
}

template <class T>
T number(const std::string& name, const std::string& text, T least, T most) {
  T value{};
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failed != std::errc() || end != text.data() + text.size() || !(value >= least && value <= most))
    throw std::invalid_argument(name + " takes a number from " + inspect::short_number(double(least)) + " to " +
                                inspect::short_number(double(most)) + ", not \"" + text + "\"");
  return value;
}

// What the table alone cannot say; "" when all is well.
inline std::string misuse(Options& o) {
  if (std::string wrong = pool::misuse(o.pool); !wrong.empty() || pool::needs_no_model(o.pool)) return wrong;
  if (o.model.empty()) return "--model is missing";
  if (!o.maps.empty() && !o.pool.output.empty()) return "--output has no maps: leave --maps out";
  if (o.alignments == "1") o.alignments = "hard";  // as Marian takes it
  if (!o.maps.empty() && !inspect::can_save_maps(o.maps)) return "--maps writes .npz, .html or .json, not " + o.maps;
  if ((o.layer == "auto") != (o.head == "auto")) return "--layer and --head go together";
  if (!o.score.empty() && (o.beams > 0 || o.n_best > 0 || o.max_new_tokens > 0 || !o.length_penalty.empty()))
    return "--score searches nothing: leave --beams, --n-best, --max-new-tokens and --length-penalty out";
  if (o.step && (o.beams > 0 || o.n_best > 0 || o.word_scores || !o.score.empty() || !o.alignments.empty() ||
                 !o.maps.empty() || !o.length_penalty.empty() || !o.pool.output.empty()))
    return "--step only draws: leave --beams, --n-best, --length-penalty, --score, --word-scores, --alignments, --maps "
           "and --output out";
  if (o.alignments.empty() && o.merge_words) return "--merge-words is for --alignments";
  if ((o.alignments.empty() || o.alignments == "pharaoh") && o.maps.empty() && o.drop_end)
    return "--drop-end is for --maps and --alignments, of which pharaoh has no marks";
  if (o.alignments.empty() && !o.step && o.layer != "auto") return "--layer and --head are for --alignments and --step";
  if (o.n_best > 0 && o.beams == 0) o.beams = o.n_best;
  return "";
}

// --alignments as a number, where it is one.
inline void read_threshold(Options& o) {
  if (o.alignments.empty() || o.alignments == "hard" || o.alignments == "soft" || o.alignments == "pharaoh") return;
  o.threshold = number<double>("--alignments (hard, soft, pharaoh or a threshold)", o.alignments, 0, 1);
  if (o.threshold == 0) throw std::invalid_argument("--alignments takes a threshold above 0");  // as Marian
}

}  // namespace translate
