// What translate writes for one hypothesis: a line of text, with what Marian's decoder appends to it, or a JSON object.
#pragma once
#include <charconv>
#include <numeric>
#include <string>
#include <utility>
#include <vector>
#include <vitrine/corpus/reader.hpp>
#include <vitrine/inspect/alignment.hpp>
#include <vitrine/inspect/text.hpp>
#include <vitrine/inspect/words.hpp>

#include "translate_options.hpp"

namespace translate {

// One hypothesis as it is written; `alignment` where one was asked for.
struct Output {
  Index line = 0;  // of the input, from 0
  std::vector<Index> ids = {};
  double score = 0;
  std::vector<float> log_probs = {};
  std::string alignment = {};
  std::vector<std::string> tokens = {};  // as a given target's line names them
};

// The links or weights of a map in Marian's forms, by --alignments and --merge-words: marks are among them.
inline std::string alignment(const Options& o, vt::MatrixView<float> map, const inspect::Words& source,
                             const inspect::Words& target) {
  if (o.alignments == "soft")
    return o.merge_words ? inspect::marian_soft(inspect::merge_words(map, target, source)) : inspect::marian_soft(map);
  const auto links = o.threshold >= 0 ? inspect::threshold_links(map, o.threshold) : inspect::hard_links(map);
  return inspect::pharaoh(o.merge_words ? inspect::merge_links(links, target, source) : links);
}

// A number in Marian's digits: log-probabilities of words are `fixed` with 5, scores `general` with 6.
inline std::string digits(double value, std::chars_format format, int count) {
  char text[64];
  return {text, std::to_chars(text, text + sizeof text, value, format, count).ptr};
}

// Marian's fields: [N |||] text or score [||| alignment] [||| WordScores= ...] [||| F0= sum ||| score]; F0 is the
// log-probability of the whole line, the last field what --length-penalty made of it.
inline std::string as_text(const Options& o, const vt::corpus::Reader& reader, const Output& one) {
  std::string out = o.n_best > 0 ? std::to_string(one.line) + " ||| " : "";
  out += o.score.empty() ? reader.text(one.ids) : inspect::short_number(one.score, 6);
  if (!o.alignments.empty()) out += " ||| " + one.alignment;
  if (o.word_scores) {
    out += " ||| WordScores=";
    for (const float value : one.log_probs) out += " " + digits(double(value), std::chars_format::fixed, 5);
  }
  if (o.n_best > 0) {
    const double sum = std::accumulate(one.log_probs.begin(), one.log_probs.end(), 0.0);
    out += " ||| F0= " + digits(sum, std::chars_format::general, 6) + " ||| " +
           digits(one.score, std::chars_format::general, 6);
  }
  return out + "\n";
}

inline std::string as_json(const Options& o, const vt::corpus::Reader& reader, const Output& one) {
  nlohmann::json object = {
      {"ids", one.ids}, {"tokens", one.tokens.empty() ? reader.tokens(one.ids) : one.tokens}, {"score", one.score}};
  if (!o.alignments.empty()) object["alignment"] = one.alignment;
  if (o.word_scores) {
    object["word_scores"] = nlohmann::json::array();
    for (const float value : one.log_probs)
      object["word_scores"].push_back(nlohmann::json::parse(inspect::short_number(double(value), 6)));
  }
  return object.dump() + "\n";
}

inline std::string formatted(const Options& o, const vt::corpus::Reader& reader, const Output& one) {
  return reader.json() ? as_json(o, reader, one) : as_text(o, reader, one);
}

}  // namespace translate
