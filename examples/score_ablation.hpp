// score_heads --ablate: for each head, how the log-probability of the targets changes when it is switched off.
#pragma once
#include <cstdio>
#include <numeric>
#include <string>
#include <string_view>
#include <vector>
#include <vitrine/inspect/csv.hpp>

#include "forced_pool.hpp"
#include "pool_program.hpp"

// A row of numbers a line: tokens, its log-probability with all heads, and without each of them.
class Ablation final : public ForcedPool {
 public:
  struct Head {
    const char* kind;
    Index layer, head;
    double change = 0;
  };
  Ablation(Seq2SeqFolder& folder, bool greedy) : ForcedPool(folder, greedy) {
    for (const char* kind : {"encoder", "decoder", "cross"}) {
      const auto [layers, count] = shape(kind);
      for (Index layer = 0; layer < layers; ++layer)
        for (Index head = 0; head < count; ++head) heads_.push_back({kind, layer, head});
    }
  }
  std::vector<Head>& heads() { return heads_; }

  void compute(const Pool& pool, std::span<const std::size_t> batch, std::span<std::string> rows) override {
    const auto wanted = targets(pool, batch);
    std::vector<std::vector<double>> numbers;
    for (const auto& target : wanted) numbers.push_back({double(target.size())});
    const auto pass = [&](const vt::Seq2SeqMasks<float>& masks) {
      force(pool, batch, wanted, vt::keep::nothing, masks, [&](std::size_t k, const auto& scored, Index b) {
        const auto& log_probs = scored.log_probs[std::size_t(b)];
        numbers[k].push_back(std::accumulate(log_probs.begin(), log_probs.end(), 0.0));
      });
    };
    pass({});
    for (const Head& one : heads_) {
      const auto [layers, count] = shape(one.kind);
      std::vector<float> scale(std::size_t(layers * count), 1.0f);
      scale[std::size_t(one.layer * count + one.head)] = 0.0f;
      vt::Seq2SeqMasks<float> masks;
      (one.kind == std::string_view("encoder")   ? masks.encoder_head_scale
       : one.kind == std::string_view("decoder") ? masks.head_scale
                                                 : masks.memory_head_scale) = scale;
      pass(masks);
    }
    for (std::size_t k = 0; k < batch.size(); ++k) rows[batch[k]] = number_row(numbers[k]);
  }

 private:
  std::pair<Index, Index> shape(std::string_view kind) const {
    const auto& encoder = folder_.model().encoder().config();
    return kind == "encoder" ? std::pair(encoder.num_layers, encoder.layer.nhead)
                             : std::pair(folder_.layers(), folder_.heads());
  }
  std::vector<Head> heads_;
};

inline int ablate(const OptionTable& table, const pool::Options& options, Ablation job, const std::string& targets) {
  const pool::corpus::Stop stop;
  pool::corpus::Progress progress(!table.quiet());
  pool::corpus::Input input = pool::open(options, targets);
  pool::corpus::StdoutRows messages(table.program(), input, progress);
  double before = 0;
  vt::Index count = 0, tokens = 0;
  auto& heads = job.heads();
  NumberRows rows(messages, heads.size() + 2, [&](const std::vector<double>& numbers) {
    ++count, tokens += vt::Index(numbers[0]), before += numbers[1];
    for (std::size_t h = 0; h < heads.size(); ++h) heads[h].change += numbers[h + 2] - numbers[1];
  });
  const auto outcome = pool::corpus::run(job, input, rows, {options.lines, options.tokens}, progress);
  if (outcome.stopped) throw pool::corpus::TryAgain("stopped; nothing was printed");
  const double per_line = 1 / double(std::max<vt::Index>(count, 1)),
               per_token = 1 / double(std::max<vt::Index>(tokens, 1));
  vt::inspect::CsvRow row;
  std::string out = "kind,layer,head,change_per_line,change_per_token\n";
  for (const auto& one : heads)
    out += row.add(one.kind).add(one.layer).add(one.head).add(one.change * per_line).add(one.change * per_token).take();
  pool::corpus::StdoutRows::write(out);
  if (!table.quiet())
    std::fprintf(stderr, "%td lines of %td target tokens; with all heads %.6g a line, %.6g a token\n", count, tokens,
                 before * per_line, before * per_token);
  return outcome.unusable > 0 ? 2 : 0;
}
