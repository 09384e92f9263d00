// A job without a model: a line's row is its number, its text and how many ids it has. Lines "bad" cannot be used.
#pragma once
#include <functional>
#include <string>
#include <utility>
#include <vitrine/corpus/loop.hpp>

struct CountingJob final : vitrine::corpus::Job {
  std::function<void()> before_batch = [] {};
  vitrine::Index threads = 1;

  std::string header() const override { return "number,text,ids\n"; }
  vitrine::corpus::Line read(vitrine::corpus::Text text, vitrine::Index number) const override {
    vitrine::corpus::Line line{number};
    if (text.text == "bad")
      line.error = "is bad";
    else if (!text.text.empty())
      line.ids.assign(text.text.size(), 1), line.tokens.assign(text.text.size(), "x");
    line.text = std::move(text.text);
    return line;
  }
  vitrine::corpus::Line read_target(vitrine::corpus::Text text, vitrine::Index number) const override {
    return read(std::move(text), number);
  }
  std::string empty_row(const vitrine::corpus::Line& line) const override {
    return std::to_string(line.number) + ",,\n";
  }
  vitrine::Index workers(vitrine::Index batches) override { return batches < threads ? batches : threads; }
  void compute(const vitrine::corpus::Pool& pool, std::span<const std::size_t> batch,
               std::span<std::string> rows) override {
    before_batch();
    for (const std::size_t i : batch) {
      const auto& line = pool.sources[i];
      rows[i] = std::to_string(line.number) + "," + line.text + "," + std::to_string(line.ids.size()) +
                (pool.targets.empty() ? "" : "," + pool.targets[i].text) + "\n";
    }
  }
};

// What one uninterrupted run writes of n lines "x", "xx", ... of changing lengths, every 100th bad and every 37th
// blank.
inline std::string counting_line(vitrine::Index i) {
  return i % 100 == 99 ? "bad" : i % 37 == 36 ? "" : std::string(std::size_t(1 + i * 7 % 23), 'x');
}
inline std::string counting_input(vitrine::Index lines) {
  std::string text;
  for (vitrine::Index i = 0; i < lines; ++i) text += counting_line(i) + "\n";
  return text;
}
inline std::string counting_rows(vitrine::Index first, vitrine::Index end) {
  std::string text;
  for (vitrine::Index i = first; i < end; ++i) {
    const std::string line = counting_line(i);
    text += std::to_string(i) + ",";
    text += line.empty() || line == "bad" ? ",\n" : line + "," + std::to_string(line.size()) + "\n";
  }
  return text;
}
