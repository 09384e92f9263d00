// What to label first: the best rows of a table of scores (CSV, RFC 4180, a header first), in one pass and with no more
// memory than what is kept.
//   vt::corpus::BestRows best(100);                 best.add(csv_number(csv_fields(row)[column]), row); ... best.take()
//   vt::corpus::BalancedRows balanced(100);         the same with the pool's own share of every length
//   best.add(random_key(seed, number), row)         a random choice
#pragma once
#include <algorithm>
#include <charconv>
#include <cstdint>
#include <limits>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>
#include <vitrine/core/config.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::corpus {

/// The fields of one CSV row, quotes taken off; on the heap. A row without its line break; never fails.
std::vector<std::string> csv_fields(std::string_view row);

/// The column of that name. Throws std::invalid_argument, which lists the columns.
std::size_t csv_column(std::string_view header, const std::string& name);

/// A field as a number; NaN for an empty field or no number. Never fails.
double csv_number(const std::string& field);

/// A row that was kept: its number in the input, from 0.
struct KeptRow {
  Index number = 0;
  std::string row = {};
  double key = 0;
  /// Is it better? Equal keys: the one that came first.
  bool operator<(const KeptRow& other) const { return key != other.key ? key > other.key : number < other.number; }
};

/// The K rows with the largest keys, equal ones in the order of the input; NaN is the least. Memory: K rows.
class BestRows {
 public:
  /// K = count.
  explicit BestRows(std::size_t count) : count_(count) {}
  /// A row, without its line break, of that number; never fails but for memory.
  void add(double key, std::string row, Index number);
  /// The rows, best first, on the heap. What is kept is empty then.
  std::vector<KeptRow> take();

 private:
  std::size_t count_;
  std::vector<KeptRow> heap_;  // the worst on top
};

/// The best K rows with the pool's own share of every length, as far as K can be shared out (largest remainders): what
/// a score chooses beyond choosing long lines. Memory: K rows for every length.
class BalancedRows {
 public:
  /// K = count.
  explicit BalancedRows(std::size_t count) : count_(count) {}
  // A row of a line of that length, as BestRows.
  void add(double key, std::string row, Index number, std::size_t length) {
    auto& one = lengths_.try_emplace(length, count_).first->second;
    one.best.add(key, std::move(row), number);
    ++one.lines, ++lines_;
  }
  // As BestRows.
  std::vector<KeptRow> take();

 private:
  struct Length {
    explicit Length(std::size_t count) : best(count) {}
    BestRows best;
    std::size_t lines = 0, share = 0;
  };
  std::size_t count_, lines_ = 0;
  std::map<std::size_t, Length> lengths_;
};

/// A key in [0, 1) that depends on nothing but the seed and the line's number: the same choice on every machine and in
/// every cut of the input (Steele, Lea and Flood 2014, SplitMix64).
double random_key(std::uint64_t seed, Index number) noexcept;

/// The q-quantile of values in ascending order, linear between neighbours (Hyndman and Fan 1996, type 7, NumPy's
/// default); NaN for none.
inline double quantile(const std::vector<double>& sorted, double q) {
  if (sorted.empty()) return std::numeric_limits<double>::quiet_NaN();
  const double at = q * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(at);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (at - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

// ---- implementation

inline std::vector<std::string> csv_fields(std::string_view row) {
  std::vector<std::string> fields(1);
  bool quoted = false;
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (quoted && row[i] == '"' && i + 1 < row.size() && row[i + 1] == '"')
      fields.back() += row[i++];
    else if (row[i] == '"')
      quoted = !quoted;
    else if (row[i] == ',' && !quoted)
      fields.emplace_back();
    else
      fields.back() += row[i];
  }
  return fields;
}

inline std::size_t csv_column(std::string_view header, const std::string& name) {
  const auto fields = csv_fields(header);
  for (std::size_t i = 0; i < fields.size(); ++i)
    if (fields[i] == name) return i;
  throw std::invalid_argument("there is no column " + name + "; there are " + std::string(header));
}

inline double csv_number(const std::string& field) {
  double value = 0;
  const auto [end, failed] = std::from_chars(field.data(), field.data() + field.size(), value);
  const bool whole = failed == std::errc() && end == field.data() + field.size() && !field.empty();
  return whole ? value : std::numeric_limits<double>::quiet_NaN();
}

inline void BestRows::add(double key, std::string row, Index number) {
  KeptRow one{number, std::move(row), key == key ? key : -std::numeric_limits<double>::infinity()};
  if (count_ == 0 || (heap_.size() == count_ && !(one < heap_.front()))) return;
  if (heap_.size() == count_) std::pop_heap(heap_.begin(), heap_.end()), heap_.pop_back();
  heap_.push_back(std::move(one));
  std::push_heap(heap_.begin(), heap_.end());
}

inline std::vector<KeptRow> BestRows::take() {
  std::sort(heap_.begin(), heap_.end());
  return std::exchange(heap_, {});
}

inline std::vector<KeptRow> BalancedRows::take() {
  const std::size_t wanted = std::min(count_, lines_);
  std::vector<std::pair<std::size_t, Length*>> remainders;
  std::size_t shared = 0;
  for (auto& [length, one] : lengths_) {
    one.share = wanted * one.lines / lines_;
    shared += one.share;
    remainders.emplace_back(wanted * one.lines % lines_, &one);
  }
  std::stable_sort(remainders.begin(), remainders.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  for (std::size_t i = 0; shared < wanted; ++i, ++shared) ++remainders[i].second->share;
  std::vector<KeptRow> rows;
  for (auto& [length, one] : lengths_) {
    std::vector<KeptRow> best = one.best.take();
    for (std::size_t i = 0; i < one.share; ++i) rows.push_back(std::move(best[i]));
  }
  std::sort(rows.begin(), rows.end());
  lengths_.clear(), lines_ = 0;
  return rows;
}

inline double random_key(std::uint64_t seed, Index number) noexcept {
  std::uint64_t z = (seed + 1) * 0x9e3779b97f4a7c15u + static_cast<std::uint64_t>(number) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return static_cast<double>((z ^ z >> 31) >> 11) * 0x1p-53;
}

}  // namespace vitrine::inline VITRINE_ABI::corpus

#include <vitrine/core/macros_pop.hpp>
