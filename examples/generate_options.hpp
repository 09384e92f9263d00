// The command line of generate: what may be asked, and what goes together.
#pragma once
#include <optional>
#include <string>
#include <vector>
#include <vitrine/generate/generation_config.hpp>
#include <vitrine/inspect/export.hpp>

#include "pool_program.hpp"

namespace generate {

namespace vt = vitrine;
namespace inspect = vt::inspect;
using vt::Index;

struct Options {
  pool::Options pool;
  std::string model, prompt, maps;
  std::vector<std::string> format = {"text"};
  std::optional<Index> beams, max_new_tokens, top_k, seed;  // of generation_config.json where not given
  std::optional<double> temperature, top_p, min_p, typical_p, repetition_penalty;
  Index threads = 0;
  pool::Weights weights = {"f32"};
  bool stream = false, skip_prompt = false, sample = false, greedy = false;

  bool json() const { return format[0] == "jsonl"; }
  // One of the options of sampling that are given, else "".
  std::string of_sampling() const {
    return temperature ? "--temperature"
           : top_k     ? "--top-k"
           : top_p     ? "--top-p"
           : min_p     ? "--min-p"
           : typical_p ? "--typical-p"
           : seed      ? "--seed"
                       : "";
  }
};

inline OptionTable option_table(Options& o) {
  OptionTable table("generate", "--model FOLDER [OPTION...] [--prompt TEXT | LINE...] < LINES",
                    "Continues texts with a causal language model: one line out for each line in, in order, a blank "
                    "line for a\nblank line. Line breaks of a text are shown as ⏎ and ␍.\n",
                    pool::footer);
  table.text("--model", "FOLDER",
             "a checkpoint of Gpt2, Llama, Mistral, Qwen2, Qwen3, Gemma2 or GptNeoX, with tokenizer", o.model);
  table.text("--prompt", "TEXT", "a text to continue; so is every word, and without any each line of stdin", o.prompt);
  table.choice("--input-format", "FORMAT",
               "text, or jsonl: {\"ids\": [...], \"tokens\": [...]} of any tokenizer a line; out come the new ids,\n"
               "tokens and their score, the mean log-probability",
               o.format, {"text", "jsonl"}, false);
  table.toggle("--stream", "each word as soon as it is known; the same bytes in the end", o.stream);
  table.toggle("--skip-prompt", "the continuation alone", o.skip_prompt);
  table.text("--maps", "FILE",
             "all self-attention of prompt and continuation: .npz, written as lines are done; .html or .json\n"
             "(BertViz), held until the end",
             o.maps);
  table.number("--max-new-tokens", "default: generation_config.json's; without a length there, 20", o.max_new_tokens, 1,
               1 << 20);
  table.toggle("--greedy", "the likeliest token at each step, whatever generation_config.json says", o.greedy);
  table.number("--beams", "beam search; default: generation_config.json's", o.beams, 1, vt::most_beams);
  table.toggle("--sample", "tokens are drawn; default: generation_config.json's do_sample", o.sample);
  table.real("--temperature", "X", "of the sampling: scores are divided by it", o.temperature, 1e-6, 1e6);
  table.number("--top-k", "the K likeliest tokens alone; 0: all", o.top_k, 0, vt::most_length);
  table.real("--top-p", "P", "the likeliest tokens, P of the probability together", o.top_p, 0, 1);
  table.real("--min-p", "P", "tokens of at least P times the largest probability", o.min_p, 0, 1);
  table.real("--typical-p", "P", "tokens nearest to the entropy, P of the probability together", o.typical_p, 1e-6, 1);
  table.number("--seed", "0: line N draws the same tokens in every run", o.seed, 0, Index{1} << 62);
  table.real("--repetition-penalty", "X", "of tokens that are in the text already; 1: none", o.repetition_penalty, 1e-6,
             1e6);
  pool::add_options(table, o.pool);
  pool::add_batch_options(table, o.pool);
  pool::add_weights_option(table, o.weights);
  table.number("--threads", "0: all processors", o.threads, 0, 999);
  return table;
}

// What the table alone cannot say; "" when all is well.
inline std::string misuse(Options& o) {
  if (!o.prompt.empty()) o.pool.words.insert(o.pool.words.begin(), o.prompt);
  if (std::string wrong = pool::misuse(o.pool); !wrong.empty() || pool::needs_no_model(o.pool)) return wrong;
  if (o.model.empty()) return "--model is missing";
  if (!o.maps.empty() && !o.pool.output.empty()) return "--output has no maps: leave --maps out";
  if (!o.maps.empty() && !inspect::can_save_maps(o.maps)) return "--maps writes .npz, .html or .json, not " + o.maps;
  if (int(o.greedy) + int(o.sample) + int(o.beams.has_value()) > 1)
    return "--greedy, --sample and --beams are three ways to search: give one";
  if (o.stream && (o.beams || o.json() || !o.pool.output.empty()))
    return "--stream shows what is chosen once and for all: leave --beams, --input-format jsonl and --output out";
  if (o.json() && o.skip_prompt) return "--input-format jsonl writes new ids alone: leave --skip-prompt out";
  if ((o.greedy || o.beams) && !o.of_sampling().empty()) return o.of_sampling() + " is for --sample";
  return "";
}

// The folder's configuration with what was asked. Throws std::invalid_argument where the folder does not sample.
inline vt::GenerationConfig configured(const Options& o, vt::GenerationConfig config) {
  const auto set = [](auto& to, const auto& from) {
    if (from) to = static_cast<std::remove_reference_t<decltype(to)>>(*from);
  };
  if (o.max_new_tokens) config.max_new_tokens = *o.max_new_tokens;
  set(config.num_beams, o.beams);
  if (o.greedy || o.sample) config.num_beams = 1;
  config.num_return_sequences = 1;
  config.do_sample = o.sample || (config.do_sample && !o.greedy && !o.beams);
  if (!config.do_sample && !o.of_sampling().empty())
    throw std::invalid_argument(o.of_sampling() + " is for --sample, and the folder's search is another");
  set(config.temperature, o.temperature), set(config.top_k, o.top_k), set(config.top_p, o.top_p);
  set(config.min_p, o.min_p), set(config.typical_p, o.typical_p), set(config.seed, o.seed);
  set(config.repetition_penalty, o.repetition_penalty);
  if (o.stream && config.num_beams > 1)
    throw std::invalid_argument("--stream is not for beams, which generation_config.json asks for: give --greedy");
  return config;
}

// What decides the lines out.
inline nlohmann::json described(const Options& o, const vt::GenerationConfig& c) {
  nlohmann::json rows = {{"input-format", o.format[0]}, {"skip-prompt", o.skip_prompt},
                         {"beams", c.num_beams},        {"max-new-tokens", c.max_new_tokens},
                         {"max-length", c.max_length},  {"repetition-penalty", c.repetition_penalty},
                         {"sample", c.do_sample},       {"weights", o.weights[0]}};
  if (c.do_sample)
    rows.update({{"temperature", c.temperature},
                 {"top-k", c.top_k},
                 {"top-p", c.top_p},
                 {"min-p", c.min_p},
                 {"typical-p", c.typical_p},
                 {"seed", c.seed}});
  return rows;
}

}  // namespace generate
