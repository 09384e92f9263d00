// The rows of a table of scores that should be labelled first, and where a score's values lie.
#pragma once
#include <algorithm>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>
#include <vitrine/corpus/ranking.hpp>
#include <vitrine/inspect/csv.hpp>

namespace ranking {

namespace vt = vitrine;
namespace corpus = vt::corpus;
using vt::Index;

struct Options {
  std::string by;                           // a column; not needed for a random choice
  std::vector<std::string> how = {"best"};  // best, balanced or random
  Index top = 0, seed = 1;
  bool smallest = false, quantiles = false;
};

// Takes a table in pieces, header first. Chosen rows have the line's number in front where they have no column of that
// name.
class Ranking {
 public:
  explicit Ranking(const Options& options)
      : options_(options), best_(std::size_t(options.top)), balanced_(std::size_t(options.top)) {}
  void write(std::string_view text) {
    for (const char c : text) {
      if (c == '"') quoted_ = !quoted_;
      if (c != '\n' || quoted_) {
        row_ += c;
        continue;
      }
      take();
      row_.clear();
    }
  }
  std::string result() {
    if (!row_.empty()) take();
    if (header_.empty()) throw std::invalid_argument("the table has no header");
    return options_.quantiles ? quantiles() : chosen();
  }

 private:
  bool is(const char* how) const { return options_.how[0] == how; }
  void take() {
    if (header_.empty()) {
      header_ = row_;
      if (!is("random")) column_ = corpus::csv_column(header_, options_.by);
      if (is("balanced")) text_ = corpus::csv_column(header_, "text");
      return;
    }
    const auto fields = corpus::csv_fields(row_);
    const auto field = [&](std::size_t column) { return column < fields.size() ? fields[column] : std::string(); };
    const double value = corpus::csv_number(field(column_)), key = options_.smallest ? -value : value;
    const Index number = number_++;
    if (options_.quantiles) {
      if (value == value) values_.push_back(value);
    } else if (is("random")) {
      best_.add(corpus::random_key(std::uint64_t(options_.seed), number), row_, number);
    } else if (is("balanced")) {
      balanced_.add(key, row_, number, characters(field(text_)));
    } else {
      best_.add(key, row_, number);
    }
  }
  static std::size_t characters(const std::string& text) {
    return std::size_t(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
  }
  std::string chosen() {
    const bool numbered = corpus::csv_fields(header_)[0] == "line";
    std::string out = (numbered ? "" : "line,") + header_ + "\n";
    for (const auto& one : is("balanced") ? balanced_.take() : best_.take())
      out += (numbered ? "" : std::to_string(one.number) + ",") + one.row + "\n";
    return out;
  }
  std::string quantiles() {
    std::sort(values_.begin(), values_.end());
    vt::inspect::CsvRow row;
    std::string out = row.add("quantile").add(options_.by).take();
    for (const double q : {0.0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0})
      out += row.add(q).add(corpus::quantile(values_, q)).take();
    return out;
  }

  Options options_;
  std::string header_, row_;
  bool quoted_ = false;
  std::size_t column_ = 0, text_ = 0;
  Index number_ = 0;
  corpus::BestRows best_;
  corpus::BalancedRows balanced_;
  std::vector<double> values_;  // 8 bytes a row
};

}  // namespace ranking
