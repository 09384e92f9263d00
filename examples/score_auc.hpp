// score_heads --auc: how well each score finds the lines of a file "source TAB reference" that greedy search gets
// wrong.
#pragma once
#include <algorithm>
#include <cstdio>
#include <map>
#include <string>
#include <utility>
#include <vector>
#include <vitrine/inspect/csv.hpp>
#include <vitrine/inspect/head_scores.hpp>

#include "forced_pool.hpp"
#include "pool_program.hpp"

// A row of numbers a line: 1 for a wrong output, its scores, the baseline, its length.
class ErrorPool final : public ForcedPool {
 public:
  ErrorPool(Seq2SeqFolder& folder, bool greedy, const vt::inspect::HeadScores& scores)
      : ForcedPool(folder, greedy), scores_(scores) {}
  Line read(Text text, Index number) const override {
    const std::size_t tab = std::min(text.text.find('\t'), text.text.size());
    std::string reference = tab < text.text.size() ? text.text.substr(tab + 1) : "";
    text.text.resize(tab);
    Line line = ForcedPool::read(std::move(text), number);
    line.text = std::move(reference);
    return line;
  }
  void compute(const Pool& pool, std::span<const std::size_t> batch, std::span<std::string> rows) override {
    const auto outputs = found(pool, batch);
    const auto wanted = greedy_ ? outputs : targets(pool, batch);
    force(pool, batch, wanted, vt::keep::weights.only({.which = vt::Which::cross}), {},
          [&](std::size_t k, const auto& scored, Index b) {
            const Line& line = pool.sources[batch[k]];
            std::vector<double> numbers = {folder_.reader().text(outputs[k]) != line.text ? 1.0 : 0.0};
            for (const double one : scores_.of_line(scored, b, words(line.ids), words(wanted[k])))
              numbers.push_back(one);
            numbers.push_back(double(line.ids.size()));
            rows[batch[k]] = number_row(numbers);
          });
  }

 private:
  const vt::inspect::HeadScores& scores_;
};

// The areas of all columns, and what a head that was chosen on the odd lines is worth on the even ones.
class Areas {
 public:
  explicit Areas(const vt::inspect::HeadScores& scores) : names_(scores.columns()) {
    names_.push_back({"negative_log_probability"}), names_.push_back({"source_length"});
    columns_.resize(names_.size());
  }
  std::size_t width() const { return names_.size() + 1; }
  void add(const std::vector<double>& numbers) {
    wrong_.push_back(numbers[0] != 0);
    for (std::size_t c = 0; c < columns_.size(); ++c) columns_[c].push_back(numbers[c + 1]);
  }
  std::string table() const {
    vt::inspect::CsvRow row;
    std::string out = "score,layer,head,auc,auc_odd_lines,auc_even_lines\n";
    for (std::size_t c = 0; c < names_.size(); ++c) {
      row.add(names_[c].score);
      names_[c].layer < 0 ? row.add_empty().add_empty() : row.add(names_[c].layer).add(names_[c].head);
      out += row.add(area(c, 0, 1)).add(area(c, 0, 2)).add(area(c, 1, 2)).take();
    }
    return out;
  }
  void print_choice() const {
    std::fprintf(stderr, "%zu lines, of which greedy search gets %td wrong\n", wrong_.size(),
                 std::count(wrong_.begin(), wrong_.end(), true));
    for (const std::size_t first : {std::size_t(0), std::size_t(1)}) {
      std::size_t lines = 0, mistaken = 0;
      for (std::size_t i = first; i < wrong_.size(); i += 2) ++lines, mistaken += wrong_[i] ? 1 : 0;
      if (mistaken > 0 && mistaken < lines) continue;
      std::fprintf(stderr, "the %s lines are all of one kind: no head is chosen\n", first == 0 ? "odd" : "even");
      return;
    }
    std::map<std::string, std::pair<double, std::size_t>> best;
    for (std::size_t c = 0; c < names_.size(); ++c) {
      auto& known = best.try_emplace(names_[c].score, -1.0, c).first->second;
      if (const double odd = area(c, 0, 2); odd > known.first) known = {odd, c};
    }
    std::fprintf(stderr, "the best head on odd lines, and what it is worth on even lines:\n");
    for (const auto& [score, choice] : best) {
      const auto& name = names_[choice.second];
      const std::string head =
          name.layer < 0 ? "" : "layer " + std::to_string(name.layer) + ", head " + std::to_string(name.head);
      std::fprintf(stderr, "  %-26s %-16s %.3f -> %.3f\n", score.c_str(), head.c_str(), choice.first,
                   area(choice.second, 1, 2));
    }
  }

 private:
  // Of every step-th line from `first` on; low confidence is what finds errors.
  double area(std::size_t column, std::size_t first, std::size_t step) const {
    const double sign = names_[column].score == "confidence" ? -1 : 1;
    std::vector<double> values;
    std::vector<bool> positive;
    for (std::size_t i = first; i < wrong_.size(); i += step)
      if (const double value = columns_[column][i]; value == value)
        values.push_back(sign * value), positive.push_back(wrong_[i]);
    return vt::inspect::area_under_curve(values, positive);
  }

  std::vector<vt::inspect::HeadScores::Column> names_;
  std::vector<std::vector<double>> columns_;
  std::vector<bool> wrong_;
};

inline int find_errors(const OptionTable& table, pool::Options options, const std::string& file, ErrorPool job,
                       Areas areas) {
  const pool::corpus::Stop stop;
  pool::corpus::Progress progress(!table.quiet());
  options.input = file;
  pool::corpus::Input input = pool::open(options, "");
  pool::corpus::StdoutRows messages(table.program(), input, progress);
  NumberRows rows(messages, areas.width(), [&](const std::vector<double>& numbers) { areas.add(numbers); });
  const auto outcome = pool::corpus::run(job, input, rows, {options.lines, options.tokens}, progress);
  if (outcome.stopped) throw pool::corpus::TryAgain("stopped; nothing was printed");
  pool::corpus::StdoutRows::write(areas.table());
  areas.print_choice();
  return outcome.unusable > 0 ? 2 : 0;
}
