// Lines of a pool with their targets, forced through a model: what the programs that score and align have in common.
#pragma once
#include <algorithm>
#include <array>
#include <cstring>
#include <span>
#include <string>
#include <utility>
#include <vector>
#include <vitrine/corpus/loop.hpp>

#include "seq2seq_folder.hpp"

// A Job whose lines have targets: given ones, what greedy search finds ("greedy"), or the line itself ("source").
class ForcedPool : public vitrine::corpus::Job {
 public:
  using Index = vitrine::Index;
  using Line = vitrine::corpus::Line;
  using Pool = vitrine::corpus::Pool;
  using Text = vitrine::corpus::Text;

  ForcedPool(Seq2SeqFolder& folder, bool greedy) : folder_(folder), greedy_(greedy) {}
  Line read(Text text, Index number) const override { return folder_.reader().read(std::move(text), number); }
  Line read_target(Text text, Index number) const override {
    return folder_.reader().read_target(std::move(text), number);
  }
  // A source that is to be its own target must have the target's ids.
  void prepare(Pool& pool) override {
    if (greedy_ || !pool.targets.empty()) return;
    const Index vocab = folder_.model().vocab_size();
    for (Line& line : pool.sources) {
      const auto beyond = std::find_if(line.ids.begin(), line.ids.end(), [&](Index id) { return id >= vocab; });
      if (beyond == line.ids.end()) continue;
      line.error =
          "has the id " + std::to_string(*beyond) + "; the model's target ids are below " + std::to_string(vocab);
      line.ids.clear();
    }
  }
  std::string empty_row(const Line&) const override { return {}; }
  // Each thread computes batches of its own. Where the weights stay in a processor's caches the keys and values of a
  // batch have to as well; weights that come from memory serve as many rows as there are.
  Index batch_tokens() const override {
    constexpr std::size_t cached = std::size_t{8} << 20;
    return folder_.model().packed_bytes() <= cached ? 192 : 2048;
  }

 protected:
  // What a search found, as vitrine::Scored says it of one sequence.
  template <class H>
  struct Searched {
    struct {
      const decltype(H::cross_attn)& cross_attn;
    } result;
    std::array<std::span<const float>, 1> log_probs;
    explicit Searched(const H& one) : result{one.cross_attn}, log_probs{one.log_probs} {}
  };
  // The targets of a batch's lines.
  std::vector<std::vector<Index>> targets(const Pool& pool, std::span<const std::size_t> batch) {
    if (greedy_ && pool.targets.empty()) return found(pool, batch);
    std::vector<std::vector<Index>> all;
    for (const std::size_t i : batch) all.push_back((pool.targets.empty() ? pool.sources : pool.targets)[i].ids);
    return all;
  }
  // What greedy search finds.
  std::vector<std::vector<Index>> found(const Pool& pool, std::span<const std::size_t> batch) {
    vitrine::corpus::Packed packed;
    for (const std::size_t i : batch) packed.add(pool.sources[i].ids);
    return folder_.greedy(packed.tokens());
  }
  // f(k, scored, b): line batch[k] is sequence b of `scored`.
  template <class K, class F>
  void force(const Pool& pool, std::span<const std::size_t> batch, const std::vector<std::vector<Index>>& targets,
             const K& keep, const vitrine::Seq2SeqMasks<float>& masks, F&& f) {
    std::vector<const std::vector<Index>*> sources;
    for (const std::size_t i : batch) sources.push_back(&pool.sources[i].ids);
    folder_.force(sources, targets, keep, masks, f);
  }
  // f(k, scored, b, target) with the cross-attention of every line and its target. Greedy search's targets need no pass
  // of their own, where the maps of the search fit into memory: its bits are the same.
  template <class K, class F>
  void cross_attention(const Pool& pool, std::span<const std::size_t> batch, const K& keep, F&& f) {
    vitrine::corpus::Packed sources;
    for (const std::size_t i : batch) sources.add(pool.sources[i].ids);
    if (greedy_ && pool.targets.empty() && folder_.keeps_search(sources.tokens())) {
      auto found = folder_.greedy(sources.tokens(), keep);
      for (std::size_t k = 0; k < batch.size(); ++k) {
        const Searched one(found.hypotheses[k][0]);
        f(k, one, Index{0}, found.hypotheses[k][0].ids);
      }
    } else {
      const auto wanted = targets(pool, batch);
      force(pool, batch, wanted, keep, {},
            [&](std::size_t k, const auto& scored, Index b) { f(k, scored, b, wanted[k]); });
    }
  }
  // Tokens without the end mark.
  Index words(const std::vector<Index>& ids) const { return folder_.words(ids); }

  Seq2SeqFolder& folder_;
  bool greedy_;
};

// Numbers as a row that NumberRows reads.
inline std::string number_row(const std::vector<double>& numbers) {
  return {reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof(double)};
}

// Rows of numbers instead of text: f(numbers) for each line that has any, in the order of the lines.
template <class F>
class NumberRows final : public vitrine::corpus::Rows {
 public:
  NumberRows(vitrine::corpus::StdoutRows& messages, std::size_t width, F f)
      : messages_(messages), numbers_(width), f_(std::move(f)) {}
  void header(std::string_view) override {}
  void rows(std::string_view text, const vitrine::corpus::Pool&, vitrine::Index) override {
    for (const std::size_t size = numbers_.size() * sizeof(double); text.size() >= size; text.remove_prefix(size)) {
      std::memcpy(numbers_.data(), text.data(), size);
      f_(numbers_);
    }
  }
  void bad(const vitrine::corpus::Line& line, bool target) override { messages_.bad(line, target); }

 private:
  vitrine::corpus::StdoutRows& messages_;
  std::vector<double> numbers_;
  F f_;
};
