// Scores every cross-attention head on a pool of lines, for active learning; what each head is worth; how well each
// score finds wrong outputs. Formulas and results: score_heads.md.
//   build/examples/score_heads --model examples/models/g2p --target greedy --score coverage < words.txt > scores.csv
#include <iostream>
#include <vitrine/inspect/csv.hpp>
#include <vitrine/inspect/head_scores.hpp>
#include <vitrine/vitrine.hpp>

#include "forced_pool.hpp"
#include "pool_program.hpp"
#include "score_ablation.hpp"
#include "score_auc.hpp"
#include "score_ranking.hpp"

namespace {

using vt::Index;
namespace inspect = vt::inspect;

struct Options {
  pool::Options pool;
  ranking::Options ranking;
  std::string model, target = "greedy", auc;
  std::vector<std::string> format = {"text"}, scores = {};  // none given: all
  pool::Weights weights = {"f32"};
  Index threads = 0, max_new_tokens = 0;
  bool mean = false, ablate = false, with_text = false, per_token = false;

  bool jsonl() const { return format[0] == "jsonl"; }
  bool searched() const { return target == "greedy"; }
  std::string targets() const { return target == "greedy" || target == "source" ? "" : target; }
  bool ranked() const { return !ranking.by.empty(); }
};

// A CSV row for each line, or for each target token.
class Scores final : public ForcedPool {
 public:
  Scores(Seq2SeqFolder& folder, const Options& options, const inspect::HeadScores& scores)
      : ForcedPool(folder, options.searched()), options_(options), scores_(scores) {}

  std::string header() const override {
    inspect::CsvRow row;
    if (options_.with_text || options_.per_token) row.add("line");
    if (options_.with_text) row.add("text");
    if (options_.per_token) row.add("position").add("token");
    for (const auto& column : scores_.columns()) row.add(column.name());
    return row.add("negative_log_probability").take();
  }
  std::string empty_row(const Line& line) const override {
    if (options_.per_token) return {};
    inspect::CsvRow row;
    begin(row, line);
    for (std::size_t i = 0; i < scores_.columns().size() + 1; ++i) row.add_empty();
    return row.take();
  }
  Index workers(Index batches) override { return folder_.share(batches); }
  void compute(const Pool& pool, std::span<const std::size_t> batch, std::span<std::string> rows) override {
    cross_attention(pool, batch, vt::keep::weights.only({.which = vt::Which::cross}),
                    [&](std::size_t k, const auto& scored, Index b, const std::vector<Index>& target) {
                      const Line& line = pool.sources[batch[k]];
                      rows[batch[k]] = options_.per_token
                                           ? token_rows(scored, b, line, target)
                                           : row(line, scores_.of_line(scored, b, words(line.ids), words(target)));
                    });
  }

 private:
  void begin(inspect::CsvRow& row, const Line& line) const {
    if (options_.with_text || options_.per_token) row.add(line.number);
    if (options_.with_text) row.add(line.text);
  }
  std::string row(const Line& line, const std::vector<double>& values) const {
    inspect::CsvRow row;
    begin(row, line);
    for (const double value : values) row.add(value);
    return row.take();
  }
  template <class Scored>
  std::string token_rows(const Scored& scored, Index b, const Line& line, const std::vector<Index>& target) const {
    inspect::CsvRow row;
    std::string out;
    for (Index t = 0; t < Index(target.size()); ++t) {
      begin(row, line);
      row.add(t).add(folder_.reader().token(target[std::size_t(t)]));
      for (const double value : scores_.of_token(scored, b, t, words(line.ids))) row.add(value);
      out += row.take();
    }
    return out;
  }

  const Options& options_;
  const inspect::HeadScores& scores_;
};

OptionTable option_table(Options& o) {
  OptionTable table(
      "score_heads", "--model FOLDER [OPTION...] [LINE...] < POOL > scores.csv",
      "One teacher-forced pass over each line of the pool; one row for each line, in order (a blank or unusable line\n"
      "gives empty fields), one column for each score, layer and head, and the model's negative log-probability.\n",
      pool::footer);
  table.text("--model", "FOLDER", "config.json and model.safetensors of a Marian or Bart model", o.model);
  table.choice("--input-format", "FORMAT",
               "text (default), or jsonl: {\"ids\": [...], \"tokens\": [...]} of any tokenizer a line", o.format,
               {"text", "jsonl"}, false);
  table.text("--target", "WHAT",
             "greedy (default): what greedy search makes of the line; source: the line itself;\n"
             "or a file with a target for each line",
             o.target);
  table.choice("--score", "LIST", "of coverage,confidence,entropy,distraction; default: all four", o.scores,
               inspect::HeadScores::all(), true);
  table.toggle("--mean", "each score's mean over layers and heads", o.mean);
  table.toggle("--with-text", "the line's number, from 0, and its text as the first columns", o.with_text);
  table.toggle("--per-token", "a row for each target token, with the line's number, its position and its text",
               o.per_token);
  pool::add_options(table, o.pool);
  pool::add_batch_options(table, o.pool);
  table.number("--top", "with --merge: the N lines with the largest value of --by", o.ranking.top, 1, Index{1} << 40);
  table.text("--by", "SCORE", "a column of the rows", o.ranking.by);
  table.toggle("--smallest", "with --top: the smallest values", o.ranking.smallest);
  table.toggle("--quantiles", "with --merge: quantiles of --by", o.ranking.quantiles);
  table.toggle("--ablate", "instead: the change of the log-probability with each head off", o.ablate);
  table.text("--auc", "FILE",
             "instead: how well each score finds the lines (\"source TAB reference\") that greedy\n"
             "search gets wrong, as the area under the curve",
             o.auc);
  table.number("--max-new-tokens", "of greedy search; default: generation_config.json's, or the model's length",
               o.max_new_tokens, 1, 1 << 20);
  pool::add_weights_option(table, o.weights);
  table.number("--threads", "0: all processors", o.threads, 0, 999);
  return table;
}

// What the table alone cannot say; "" when all is well.
std::string misuse(const Options& o) {
  if (const std::string wrong = pool::misuse(o.pool); !wrong.empty()) return wrong;
  const bool asked = o.ranking.top > 0 || o.ranking.quantiles;
  if ((asked || o.ranked() || o.ranking.smallest) && o.pool.merge.empty())
    return "--top, --by, --smallest and --quantiles are for --merge; choose ranks a table";
  if (asked != o.ranked() || (o.ranking.top > 0 && o.ranking.quantiles))
    return "--by goes with one of --top and --quantiles";
  if (pool::needs_no_model(o.pool)) return "";
  if (o.model.empty()) return "--model is missing";
  if (o.ablate && !o.auc.empty()) return "--ablate and --auc are different tasks";
  if ((o.ablate || !o.auc.empty()) && (!o.pool.output.empty() || o.with_text || o.per_token))
    return "--ablate and --auc print one table: leave --output, --with-text and --per-token out";
  if (!o.auc.empty() && (o.jsonl() || !o.targets().empty()))
    return "--auc takes text, and greedy or source as the target";
  if (!o.auc.empty() && (o.pool.skip > 0 || !o.pool.input.empty() || !o.pool.words.empty()))
    return "--auc takes all lines of its file: leave --skip, --input and words out";
  if (o.ablate && (o.mean || !o.scores.empty())) return "--ablate computes no scores: leave --mean and --score out";
  if (o.per_token && std::count(o.scores.begin(), o.scores.end(), "coverage") > 0)
    return "--per-token has no coverage, which is of a whole line";
  if (o.max_new_tokens > 0 && o.auc.empty() && !o.searched())
    return "nothing is searched with --target: leave --max-new-tokens out";
  return "";
}

// All parts as one table, or its best rows.
int merge(const OptionTable& table, const Options& o) {
  if (!o.ranked()) return pool::without_model(table, o.pool);
  ranking::Ranking ranked(o.ranking);
  vt::corpus::merge(o.pool.merge, vt::corpus::check_parts(o.pool.merge, o.pool.allow_mixed),
                    [&](std::string_view text) { ranked.write(text); });
  vt::corpus::StdoutRows::write(ranked.result());
  return 0;
}

int run(const OptionTable& table, const Options& o) {
  if (pool::needs_no_model(o.pool)) return merge(table, o);
  Seq2SeqFolder folder(o.model, o.jsonl(), o.max_new_tokens, o.threads, pool::storage_of(o.weights));
  if (o.ablate) return ablate(table, o.pool, Ablation(folder, o.searched()), o.targets());
  const inspect::HeadScores scores(o.scores, folder.layers(), folder.heads(), o.mean);
  if (!o.auc.empty()) return find_errors(table, o.pool, o.auc, ErrorPool(folder, o.searched(), scores), Areas(scores));
  Scores job(folder, o, scores);
  const nlohmann::json rows = {{"input-format", o.format[0]},
                               {"target", o.targets().empty() ? o.target : "file"},
                               {"score", o.scores},
                               {"mean", o.mean},
                               {"with-text", o.with_text},
                               {"per-token", o.per_token},
                               {"max-new-tokens", o.max_new_tokens},
                               {"weights", o.weights[0]}};
  return pool::run(table, o.pool, job, {o.model, o.targets(), rows, ".csv"});
}

}  // namespace

int main(int count, char** arguments) {
  Options options;
  OptionTable table = option_table(options);
  if (const auto status = table.parse(count, arguments)) return *status;
  if (const std::string wrong = misuse(options); !wrong.empty()) return table.wrong(wrong);
  if (options.scores.empty()) options.scores = inspect::HeadScores::all();
  if (options.per_token) std::erase(options.scores, "coverage");
  return pool::guarded(table, [&] { return run(table, options); });
}
