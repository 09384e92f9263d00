// Which lines of a scored pool to label first: the best by a score, the best of every length, or a random choice.
//   build/examples/score_heads --model examples/models/g2p --with-text --mean < words.txt > scores.csv
//   build/examples/choose --by negative_log_probability --top 50 scores.csv
#include <cstdio>
#include <string>
#include <vector>
#include <vitrine/vitrine.hpp>

#include "pool_program.hpp"
#include "score_ranking.hpp"

namespace {

namespace corpus = vitrine::corpus;

int run(const ranking::Options& options, const std::string& file) {
  const corpus::Stop stop;
  corpus::InputFile table(file);
  ranking::Ranking ranked(options);
  constexpr int end = std::char_traits<char>::eof();
  for (int c = table.sbumpc(); c != end; c = table.sbumpc()) {
    const char one = static_cast<char>(c);
    ranked.write({&one, 1});
  }
  if (table.interrupted()) throw corpus::TryAgain("stopped; nothing was printed");
  corpus::StdoutRows::write(ranked.result());
  return 0;
}

std::string misuse(const ranking::Options& o, const std::vector<std::string>& files) {
  if (files.size() > 1) return "one table at a time";
  if (o.quantiles != (o.top == 0)) return "one of --top and --quantiles is needed";
  if (o.quantiles && (o.how[0] != "best" || o.smallest))
    return "--quantiles chooses nothing: leave --how and --smallest out";
  if (o.by.empty() == (o.how[0] != "random")) return "--by COLUMN is needed, but not for --how random";
  return "";
}

}  // namespace

int main(int count, char** arguments) {
  ranking::Options options;
  std::vector<std::string> files;
  OptionTable table("choose", "--by COLUMN --top N [OPTION...] [SCORES.csv]      (without a file: from stdin)",
                    "Chooses lines of a table that score_heads wrote (--with-text: with their texts), best first.\n",
                    "A random or balanced choice is the same on every machine. Rows without a value come last. Exit: "
                    "0; 2 for a bad option\n"
                    "or file.\n");
  table.text("--by", "COLUMN", "the score, as the header names it", options.by);
  table.number("--top", "how many lines", options.top, 1, vitrine::Index{1} << 40);
  table.choice("--how", "HOW",
               "best (default); balanced: the best of every length of the column text, with the pool's own\n"
               "share of lengths; random: the baseline",
               options.how, {"best", "balanced", "random"}, false);
  table.number("--seed", "1: of the random choice", options.seed, 0, vitrine::Index{1} << 60);
  table.toggle("--smallest", "the smallest values are best (for confidence)", options.smallest);
  table.toggle("--quantiles", "instead: quantiles of --by", options.quantiles);
  table.others(files);
  if (const auto status = table.parse(count, arguments)) return *status;
  if (const std::string wrong = misuse(options, files); !wrong.empty()) return table.wrong(wrong);
  return pool::guarded(table, [&] { return run(options, files.empty() ? "-" : files[0]); });
}
