// Scores every cross-attention head on a pool of lines, for active learning; what each head is worth; how well each
// score finds wrong outputs. Formulas and results: score_heads.md.
//   build/examples/score_heads --model examples/models/g2p --target greedy --score coverage < words.txt > scores.csv
#include <unistd.h>

#include <cmath>
#include <csignal>
#include <fstream>
#include <iostream>
#include <vitrine/inspect/csv.hpp>
#include <vitrine/inspect/scores.hpp>
#include <vitrine/vitrine.hpp>

#include "option_table.hpp"
#include "seq2seq_folder.hpp"

namespace {

using vt::Index;
namespace inspect = vt::inspect;

struct Options {
  std::string model, target = "greedy", auc;
  std::vector<std::string> format = {"text"}, scores = {};  // none given: all
  Index batch = 64, skip = 0, threads = 0, max_new_tokens = 0;
  bool mean = false, ablate = false;
};

// ---- Ctrl-C: while lines are read, everything that was computed has been written, and the program ends at once;
// while a batch is computed, it ends behind it. A second Ctrl-C ends it without more ado.
volatile std::sig_atomic_t reading = 0, stopped = 0;
char farewell[128];
volatile std::sig_atomic_t farewell_size = 0;

void stop(int) {
  stopped = 1;
  if (reading == 0) return;
  [[maybe_unused]] const auto ignored = ::write(STDERR_FILENO, farewell, std::size_t(farewell_size));
  ::_exit(130);
}

// All of the text on stdout, or an exception.
void write_out(const std::string& text) {
  for (std::size_t done = 0; done < text.size();) {
    const auto wrote = ::write(STDOUT_FILENO, text.data() + done, text.size() - done);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) throw std::runtime_error("stdout cannot be written: " + std::generic_category().message(errno));
    done += std::size_t(wrote);
  }
}

// ---- a line of the pool and what is to be computed of it

struct Pool {
  std::vector<lines::Line> sources = {};
  std::vector<std::vector<Index>> targets = {};
};

class Program {
 public:
  explicit Program(const Options& options)
      : options_(options),
        folder_(options.model, options.format[0] == "jsonl", options.max_new_tokens, options.threads),
        input_(std::cin, options.target == "greedy" || options.target == "source" ? "" : options.target) {}

  // A row for each line.
  int rows() {
    struct sigaction action = {};
    action.sa_handler = stop;
    action.sa_flags = static_cast<int>(SA_RESETHAND);
    ::sigaction(SIGINT, &action, nullptr), ::sigaction(SIGTERM, &action, nullptr);
    if (options_.skip == 0) write_out(header());
    const bool watched = isatty(STDERR_FILENO) != 0 && isatty(STDIN_FILENO) == 0;
    skip();
    Pool pool;
    while (read(pool)) {
      std::vector<std::string> out(pool.sources.size(), empty_row());
      compute(pool, vt::keep::weights.only({.which = vt::Which::cross}), {},
              [&](std::size_t i, const auto& scored, Index b) {
                out[i] = row(scored, b, pool.sources[i].ids, pool.targets[i]);
              });
      std::string text;
      for (const std::string& one : out) text += one;
      write_out(text);
      if (watched) std::fprintf(stderr, "\r%td lines", lines_);
      if (stopped != 0) break;
    }
    if (watched) std::fputc('\n', stderr);
    if (stopped == 0) return unusable_ > 0 ? 2 : 0;
    say_farewell();
    std::fputs(farewell, stderr);
    return 130;
  }

  // For each head, how the log-probability of the targets changes when it is switched off.
  int ablate() {
    struct Head {
      const char* kind;
      Index layer, head;
      double change = 0;
    };
    std::vector<Head> heads;
    const auto& encoder = folder_.model().encoder().config();
    for (const char* kind : {"encoder", "decoder", "cross"}) {
      const bool first = kind == std::string_view("encoder");
      for (Index layer = 0; layer < (first ? encoder.num_layers : folder_.layers()); ++layer)
        for (Index head = 0; head < (first ? encoder.layer.nhead : folder_.heads()); ++head)
          heads.push_back({kind, layer, head});
    }
    double before = 0;
    Index count = 0, tokens = 0;
    skip();
    Pool pool;
    while (read(pool)) {
      find_targets(pool);
      const auto total = [&](const vt::Seq2SeqMasks<float>& masks) {
        std::vector<double> sums(pool.sources.size(), 0.0);
        compute(pool, vt::keep::nothing, masks, [&](std::size_t i, const auto& scored, Index b) {
          for (const float one : scored.log_probs[std::size_t(b)]) sums[i] += double(one);
        });
        return sums;
      };
      const std::vector<double> intact = total({});
      for (std::size_t i = 0; i < intact.size(); ++i) {
        if (!pool.sources[i].usable()) continue;
        before += intact[i], ++count, tokens += Index(pool.targets[i].size());
      }
      for (Head& one : heads) {
        const bool first = one.kind == std::string_view("encoder");
        std::vector<float> scale(
            std::size_t(first ? encoder.num_layers * encoder.layer.nhead : folder_.layers() * folder_.heads()), 1.0f);
        scale[std::size_t(one.layer * (first ? encoder.layer.nhead : folder_.heads()) + one.head)] = 0.0f;
        vt::Seq2SeqMasks<float> masks;
        (first                                     ? masks.encoder_head_scale
         : one.kind == std::string_view("decoder") ? masks.head_scale
                                                   : masks.memory_head_scale) = scale;
        const std::vector<double> without = total(masks);
        for (std::size_t i = 0; i < without.size(); ++i) one.change += without[i] - intact[i];
      }
    }
    const double per_line = 1 / double(std::max<Index>(count, 1)), per_token = 1 / double(std::max<Index>(tokens, 1));
    inspect::CsvRow row;
    std::string out = "kind,layer,head,change_per_line,change_per_token\n";
    for (const Head& one : heads)
      out +=
          row.add(one.kind).add(one.layer).add(one.head).add(one.change * per_line).add(one.change * per_token).take();
    write_out(out);
    std::fprintf(stderr, "%td lines of %td target tokens; with all heads %.6g a line, %.6g a token\n", count, tokens,
                 before * per_line, before * per_token);
    return unusable_ > 0 ? 2 : 0;
  }

  // How well each score finds the lines of a file "source TAB reference" that greedy search gets wrong.
  int auc() {
    std::ifstream file(options_.auc, std::ios::binary);
    if (!file) throw vt::Error(vt::LoadError::file_unreadable, options_.auc, "cannot be opened");
    std::vector<bool> wrong;
    std::vector<std::vector<double>> columns(names().size() + 2);  // the scores, the baseline, the source's length
    std::string text;
    for (bool too_long = false, more = true; more;) {
      Pool pool;
      std::vector<std::string> references;
      while (Index(pool.sources.size()) < options_.batch && (more = lines::read_line(file, text, too_long))) {
        const std::size_t tab = std::min(text.find('\t'), text.size());
        pool.sources.push_back(folder_.reader().read(text.substr(0, tab), too_long, lines_++));
        report(pool.sources.back(), options_.auc.c_str());
        references.push_back(tab < text.size() ? text.substr(tab + 1) : "");
      }
      const Pool found = found_greedily(pool);
      if (options_.target == "greedy") pool.targets = found.targets;
      std::vector<std::vector<double>> values(pool.sources.size());
      compute(pool, vt::keep::weights.only({.which = vt::Which::cross}), {},
              [&](std::size_t i, const auto& scored, Index b) {
                values[i] = scores(scored, b, pool.sources[i].ids, pool.targets[i]);
                values[i].push_back(double(pool.sources[i].ids.size()));
              });
      for (std::size_t i = 0; i < values.size(); ++i) {
        if (!pool.sources[i].usable()) continue;
        wrong.push_back(folder_.reader().text(found.targets[i]) != references[i]);
        for (std::size_t c = 0; c < columns.size(); ++c) columns[c].push_back(values[i][c]);
      }
    }
    return print_auc(columns, wrong);
  }

 private:
  struct Name {
    std::string score;
    Index layer = -1, head = -1;  // -1: all of them
  };
  // The score columns in order; the baseline follows them.
  std::vector<Name> names() const {
    std::vector<Name> all;
    for (const std::string& score : options_.scores) {
      if (options_.mean) all.push_back({score});
      for (Index layer = 0; layer < folder_.layers() && !options_.mean; ++layer)
        for (Index head = 0; head < folder_.heads(); ++head) all.push_back({score, layer, head});
    }
    return all;
  }
  std::string header() const {
    inspect::CsvRow row;
    for (const Name& name : names())
      row.add(name.layer < 0 ? name.score
                             : name.score + ".l" + std::to_string(name.layer) + ".h" + std::to_string(name.head));
    return row.add("negative_log_probability").take();
  }
  std::string empty_row() const { return std::string(names().size(), ',') + "\n"; }

  template <class Map>
  double score_of(const std::string& name, const Map& map, Index source_tokens, Index target_tokens) const {
    if (name == "coverage") return inspect::coverage(map, source_tokens);
    if (name == "confidence") return inspect::confidence(map, target_tokens, source_tokens);
    return name == "entropy" ? inspect::entropy(map) : inspect::distraction(map);
  }
  // All columns of one line.
  template <class Scored>
  std::vector<double> scores(const Scored& scored, Index b, const std::vector<Index>& source,
                             const std::vector<Index>& target) const {
    const Index source_tokens = Index(source.size()) - folder_.is_end(source.back()),
                target_tokens = Index(target.size()) - folder_.is_end(target.back());
    std::vector<double> values;
    for (const std::string& name : options_.scores) {
      double sum = 0;
      for (Index layer = 0; layer < folder_.layers(); ++layer)
        for (Index head = 0; head < folder_.heads(); ++head) {
          const double one =
              score_of(name, scored.result.cross_attn[layer].matrix(b, head), source_tokens, target_tokens);
          options_.mean ? void(sum += one) : values.push_back(one);
        }
      if (options_.mean) values.push_back(sum / double(folder_.layers() * folder_.heads()));
    }
    const std::vector<float>& log_probs = scored.log_probs[std::size_t(b)];
    values.push_back(inspect::mean_negative_log_probability(std::span<const float>(log_probs)));
    return values;
  }
  template <class Scored>
  std::string row(const Scored& scored, Index b, const std::vector<Index>& source,
                  const std::vector<Index>& target) const {
    inspect::CsvRow fields;
    for (const double value : scores(scored, b, source, target)) fields.add(value);
    return fields.take();
  }

  void say_farewell() {
    const Index done = std::max(lines_, options_.skip);
    farewell_size = std::snprintf(farewell, sizeof farewell,
                                  "\nscore_heads: stopped behind line %td; go on with --skip %td\n", done, done);
  }
  void report(const lines::Line& line, const char* where) {
    if (line.error.empty()) return;
    ++unusable_;
    std::fprintf(stderr, "score_heads: %s:%td: %s\n", where, line.number + 1, line.error.c_str());
  }
  void skip() {
    say_farewell();
    reading = 1;  // nothing is written meanwhile; after a Ctrl-C the same --skip goes on
    for (; lines_ < options_.skip; ++lines_)
      if (!input_.next()) break;
    reading = 0;
  }
  // The next lines of the pool. False when there are none.
  bool read(Pool& pool) {
    pool = {};
    say_farewell();
    reading = 1;
    if (stopped != 0) return reading = 0, false;
    while (Index(pool.sources.size()) < options_.batch && input_.next()) {
      pool.sources.push_back(folder_.reader().read(input_.source.text, input_.source.too_long, lines_));
      report(pool.sources.back(), "stdin");
      if (input_.has_targets()) {
        lines::Line line = folder_.reader().read_target(input_.target.text, input_.target.too_long, lines_);
        report(line, options_.target.c_str());
        if (!line.usable()) pool.sources.back().ids.clear();
        pool.targets.push_back(std::move(line.ids));
      }
      ++lines_;
    }
    reading = 0;
    if (!pool.sources.empty()) return true;
    input_.check_end();
    return false;
  }
  Pool found_greedily(const Pool& pool) {
    Pool found{{}, std::vector<std::vector<Index>>(pool.sources.size())};
    for (const auto& batch : lines::batches(pool.sources, 2048)) {
      lines::Packed packed;
      for (const std::size_t i : batch) packed.add(pool.sources[i].ids);
      auto ids = folder_.greedy(packed.tokens());
      for (std::size_t b = 0; b < batch.size(); ++b) found.targets[batch[b]] = std::move(ids[b]);
    }
    return found;
  }
  void find_targets(Pool& pool) {
    if (!pool.targets.empty()) return;
    if (options_.target == "greedy") {
      pool.targets = found_greedily(pool).targets;
    } else {
      for (lines::Line& line : pool.sources) {
        const Index vocab = folder_.model().vocab_size();
        const auto beyond = std::find_if(line.ids.begin(), line.ids.end(), [&](Index id) { return id >= vocab; });
        if (beyond != line.ids.end()) {
          line.error = "has the id " + std::to_string(*beyond) + "; the model's targets have " + std::to_string(vocab);
          line.ids.clear();
          report(line, options_.auc.empty() ? "stdin" : options_.auc.c_str());
        }
        pool.targets.push_back(line.ids);
      }
    }
  }
  // f(i, scored, b) for every usable line of the pool.
  template <class K, class F>
  void compute(Pool& pool, const K& keep, const vt::Seq2SeqMasks<float>& masks, F&& f) {
    find_targets(pool);
    for (const auto& batch : lines::batches(pool.sources, 2048)) {
      std::vector<const std::vector<Index>*> sources;
      std::vector<std::vector<Index>> targets;
      for (const std::size_t i : batch) sources.push_back(&pool.sources[i].ids), targets.push_back(pool.targets[i]);
      folder_.force(sources, targets, keep, masks,
                    [&](std::size_t k, const auto& scored, Index b) { f(batch[k], scored, b); });
    }
  }

  int print_auc(const std::vector<std::vector<double>>& columns, const std::vector<bool>& wrong) const {
    const auto count = wrong.size();
    const auto area = [&](std::size_t column, bool flipped, std::size_t first, std::size_t step) {
      std::vector<double> values;
      std::vector<bool> positive;
      for (std::size_t i = first; i < count; i += step)
        if (const double value = columns[column][i]; value == value)
          values.push_back(flipped ? -value : value), positive.push_back(wrong[i]);
      return inspect::area_under_curve(values, positive);
    };
    inspect::CsvRow row;
    std::string out = "score,layer,head,auc,auc_odd_lines,auc_even_lines\n";
    std::vector<Name> all = names();
    all.push_back({"negative_log_probability"}), all.push_back({"source_length"});
    std::map<std::string, std::pair<double, std::size_t>> best;
    for (std::size_t c = 0; c < all.size(); ++c) {
      const bool flipped = all[c].score == "confidence";
      const double odd = area(c, flipped, 0, 2);
      row.add(all[c].score);
      if (all[c].layer < 0)
        row.add_empty().add_empty();
      else
        row.add(all[c].layer).add(all[c].head);
      out += row.add(area(c, flipped, 0, 1)).add(odd).add(area(c, flipped, 1, 2)).take();
      auto& known = best.try_emplace(all[c].score, -1.0, c).first->second;
      if (odd > known.first) known = {odd, c};
    }
    write_out(out);
    const auto mistakes = std::count(wrong.begin(), wrong.end(), true);
    std::fprintf(stderr, "%zu lines, of which greedy search gets %td wrong\n", count, mistakes);
    for (const std::size_t first : {std::size_t(0), std::size_t(1)}) {
      std::size_t lines = 0, mistaken = 0;
      for (std::size_t i = first; i < count; i += 2) ++lines, mistaken += wrong[i] ? 1 : 0;
      if (mistaken > 0 && mistaken < lines) continue;
      std::fprintf(stderr, "the %s lines are all of one kind: no head is chosen\n", first == 0 ? "odd" : "even");
      return unusable_ > 0 ? 2 : 0;
    }
    std::fprintf(stderr, "the best head on odd lines, and what it is worth on even lines:\n");
    for (const auto& [score, choice] : best) {
      const Name& name = all[choice.second];
      const std::string head =
          name.layer < 0 ? "" : "layer " + std::to_string(name.layer) + ", head " + std::to_string(name.head);
      std::fprintf(stderr, "  %-26s %-16s %.3f -> %.3f\n", score.c_str(), head.c_str(), choice.first,
                   area(choice.second, score == "confidence", 1, 2));
    }
    return unusable_ > 0 ? 2 : 0;
  }

  Options options_;
  Seq2SeqFolder folder_;
  lines::Input input_;
  Index lines_ = 0, unusable_ = 0;
};

}  // namespace

int main(int count, char** arguments) {
  Options options;
  OptionTable table(
      "score_heads", "--model FOLDER [OPTION...] < POOL > scores.csv",
      "One teacher-forced pass over each line of the pool; one row for each line, in order (a blank or unusable line\n"
      "gives empty fields), one column for each score, layer and head, and the model's negative log-probability.\n",
      "The same bytes for any --batch and --threads. Ctrl-C leaves whole rows and says how to go on.\n"
      "Exit: 0; 2 for a bad option or file, and after all others for lines that could not be used (named on stderr);\n"
      "130 after Ctrl-C.\n");
  table.text("--model", "FOLDER", "config.json and model.safetensors of a Marian or Bart model", options.model);
  table.choice("--input-format", "FORMAT",
               "text (default), or jsonl: {\"ids\": [...], \"tokens\": [...]} of any tokenizer a line", options.format,
               {"text", "jsonl"}, false);
  table.text("--target", "WHAT",
             "greedy (default): what greedy search makes of the line; source: the line itself;\n"
             "or a file with a target for each line",
             options.target);
  table.choice("--score", "LIST", "of coverage,confidence,entropy,distraction; default: all four", options.scores,
               {"coverage", "confidence", "entropy", "distraction"}, true);
  table.toggle("--mean", "each score's mean over layers and heads", options.mean);
  table.toggle("--ablate", "instead: the change of the log-probability with each head off", options.ablate);
  table.text("--auc", "FILE",
             "instead: how well each score finds the lines (\"source TAB reference\") that greedy\n"
             "search gets wrong, as the area under the curve",
             options.auc);
  table.number("--batch", "64: lines computed together", options.batch, 1, 1 << 20);
  table.number("--skip", "0: lines that already have rows; then no header is written", options.skip, 0, Index{1} << 60);
  table.number("--max-new-tokens", "of greedy search; default: generation_config.json's, or the model's length",
               options.max_new_tokens, 1, 1 << 20);
  table.number("--threads", "0: all processors", options.threads, 0, 999);
  if (const auto status = table.parse(count, arguments)) return *status;
  if (options.model.empty()) return table.wrong("--model is missing");
  if (options.ablate && !options.auc.empty()) return table.wrong("--ablate and --auc are different tasks");
  if (!options.auc.empty() &&
      (options.format[0] != "text" || (options.target != "greedy" && options.target != "source")))
    return table.wrong("--auc takes text, and greedy or source as the target");
  if (!options.auc.empty() && options.skip > 0)
    return table.wrong("--auc takes all lines of its file: leave --skip out");
  if (options.ablate && (options.mean || !options.scores.empty()))
    return table.wrong("--ablate computes no scores: leave --mean and --score out");
  if (options.max_new_tokens > 0 && options.auc.empty() && options.target != "greedy")
    return table.wrong("nothing is searched with --target: leave --max-new-tokens out");
  if (options.scores.empty()) options.scores = {"coverage", "confidence", "entropy", "distraction"};
  std::fprintf(stderr, "%s\n", vt::build_info().data());
  std::ios::sync_with_stdio(false);
  try {
    Program program(options);
    return options.ablate ? program.ablate() : options.auc.empty() ? program.rows() : program.auc();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "score_heads: %s\n", error.what());
    return 2;
  }
}
