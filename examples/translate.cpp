// Translates lines with a MarianMT or BART checkpoint, with alignments and attention maps where asked for.
//   build/examples/translate --model examples/models/g2p --beams 4 --alignments hard < words.txt
#include <unistd.h>

#include <memory>
#include <numeric>
#include <vitrine/vitrine.hpp>

#include "aligning_head.hpp"
#include "maps_file.hpp"
#include "seq2seq_folder.hpp"
#include "step_frames.hpp"
#include "translate_options.hpp"
#include "translate_text.hpp"

namespace translate {

namespace corpus = vt::corpus;
using Scored = vt::Scored<vt::DefaultKeep, float>;

// One line out for each line, or --n-best of them.
class Translation final : public corpus::Job {
 public:
  Translation(Seq2SeqFolder& folder, const Options& options, bool quiet)
      : options_(options), folder_(folder), config_(folder.config()), maps_(options.maps), quiet_(quiet) {
    config_.num_beams = options.beams > 0 ? options.beams : vt::read_generation_config(options.model).num_beams;
    config_.num_return_sequences = std::max<Index>(options.n_best, 1);
    if (!options.length_penalty.empty())
      config_.length_penalty = number<double>("--length-penalty", options.length_penalty, -100, 100);
    vt::throw_if_failed(vt::check(config_, folder_.model().vocab_size()));
    if (options.layer == "auto") return;
    head_ = {number<Index>("--layer", options.layer, 0, 4095), number<Index>("--head", options.head, 0, 4095)};
    if (head_.layer >= folder_.layers() || head_.head >= folder_.heads())
      throw std::invalid_argument("the decoder has " + std::to_string(folder_.layers()) + " layers of " +
                                  std::to_string(folder_.heads()) + " heads, from 0");
  }
  const vt::GenerationConfig& config() const { return config_; }
  bool needs_head() const { return !head_.known() && (options_.step || !options_.alignments.empty()); }
  const Head& head() const { return head_; }
  void finish() { maps_.finish(model_name(options_.model)); }

  corpus::Line read(corpus::Text text, Index number) const override {
    return folder_.reader().read(std::move(text), number);
  }
  corpus::Line read_target(corpus::Text text, Index number) const override {
    return folder_.reader().read_target(std::move(text), number);
  }
  // The head is chosen from the first lines as they stand in the input, whatever is computed together.
  bool waits_for_first_pool() const override {
    return needs_head() && (!options_.pool.input.empty() || isatty(STDIN_FILENO) == 0);
  }
  void prepare(corpus::Pool& pool) override {
    const auto usable = [](const corpus::Line& one) { return one.usable(); };
    if (needs_head() && std::any_of(pool.sources.begin(), pool.sources.end(), usable))
      head_ = aligning_head(folder_, options_.model, pool, quiet_);
  }
  std::string empty_row(const corpus::Line& line) const override {
    std::string row;
    for (Index k = 0; k < config_.num_return_sequences; ++k)  // as many for a line without hypotheses
      row += options_.n_best > 0 && !folder_.reader().json() ? std::to_string(line.number) + " |||\n" : "\n";
    return row;
  }
  void compute(const corpus::Pool& pool, std::span<const std::size_t> batch, std::span<std::string> rows) override {
    if (options_.step) return step(pool, batch, rows);
    corpus::Packed packed;
    for (const std::size_t i : batch) packed.add(pool.sources[i].ids);
    std::vector<std::vector<vt::Hypothesis<float>>> found;
    if (pool.targets.empty())
      found = vt::generate(folder_.model(), folder_.workspace(), packed.tokens(), config_);
    else
      for (const std::size_t i : batch) found.push_back({{pool.targets[i].ids}});
    for (Index k = 0; k < config_.num_return_sequences; ++k) {
      std::vector<vt::Hypothesis<float>> chosen;
      for (auto& hypotheses : found) chosen.push_back(std::move(hypotheses[std::size_t(k)]));
      write({pool, batch, packed.tokens(), k}, chosen, rows);
    }
  }

 private:
  struct Batch {
    const corpus::Pool& pool;
    std::span<const std::size_t> lines;
    vt::Tokens tokens;
    Index k;  // which hypotheses
  };

  bool ended(const std::vector<Index>& ids) const { return !ids.empty() && config_.is_end(ids.back()); }

  // The maps of each line as they grow, then the line out.
  void step(const corpus::Pool& pool, std::span<const std::size_t> batch, std::span<std::string> rows) {
    for (const std::size_t i : batch)
      rows[i] = folder_.reader().text(frames::step(folder_, folder_.config(), pool.sources[i], head_)) + "\n";
  }

  // What maps have rows for.
  std::vector<std::vector<Index>> shown(const std::vector<vt::Hypothesis<float>>& found) const {
    std::vector<std::vector<Index>> ids;
    for (const auto& one : found) {
      ids.push_back(one.ids);
      if (options_.drop_end && ended(one.ids) && one.ids.size() > 1) ids.back().pop_back();
    }
    return ids;
  }

  // The log-probabilities of given targets, from the pass that made the maps where that scored all of them.
  void score_given(const Batch& batch, const Scored* maps, bool whole, std::vector<vt::Hypothesis<float>>& found) {
    std::vector<std::vector<Index>> targets;
    for (const auto& one : found) targets.push_back(one.ids);
    const auto log_probs = maps != nullptr && whole ? maps->log_probs
                                                    : vt::score(folder_.model(), folder_.workspace(), batch.tokens,
                                                                targets, config_, vt::keep::nothing)
                                                          .log_probs;
    for (std::size_t b = 0; b < found.size(); ++b) found[b].log_probs = log_probs[b];
  }

  // Pharaoh's links are of text alone.
  std::string links(vt::MatrixView<float> map, const corpus::Line& line, const std::vector<Index>& target,
                    const std::vector<std::string>& tokens) const {
    if (options_.alignments != "pharaoh")
      return alignment(options_, map, words_of(folder_.reader(), line.tokens), words_of(folder_.reader(), tokens));
    return inspect::pharaoh(text_links(map, text_tokens(folder_, line.ids, line.tokens),
                                       text_tokens(folder_, target, tokens), options_.merge_words));
  }

  // The k-th hypotheses of a batch; a search that found fewer than were asked for has some without ids.
  void write(const Batch& batch, std::vector<vt::Hypothesis<float>>& found, std::span<std::string> rows) {
    const bool aligned = !options_.alignments.empty(), mapped = maps_.wanted();
    const auto targets = shown(found);
    std::shared_ptr<Scored> maps;
    if (aligned || mapped)
      maps =
          std::make_shared<Scored>(vt::score(folder_.model(), folder_.workspace(), batch.tokens, targets, config_,
                                             mapped ? vt::keep::weights : vt::keep::weights.only(head_.selection())));
    if (!options_.score.empty()) score_given(batch, maps.get(), !options_.drop_end, found);
    for (std::size_t b = 0; b < batch.lines.size(); ++b) {
      const corpus::Line& line = batch.pool.sources[batch.lines[b]];
      std::vector<std::string> given;  // as a target's line names them
      if (!batch.pool.targets.empty()) given = batch.pool.targets[batch.lines[b]].tokens;
      auto target = given.empty() ? folder_.reader().tokens(targets[b]) : given;
      target.resize(targets[b].size());
      const auto& log_probs = found[b].log_probs;
      const double score =
          options_.score.empty() ? double(found[b].score) : std::accumulate(log_probs.begin(), log_probs.end(), 0.0);
      Output one{line.number, found[b].ids, score, log_probs, "", std::move(given)};
      if (aligned)
        one.alignment =
            links(maps->result.cross_attn[head_.layer].matrix(Index(b), head_.head), line, targets[b], target);
      rows[batch.lines[b]] += formatted(options_, folder_.reader(), one);
      if (!mapped) continue;
      auto example =
          inspect::seq2seq_example(maps->result, Index(b), line.tokens, target, folder_.reader().text(targets[b]));
      example.number = line.number * config_.num_return_sequences + batch.k;
      maps_.add(std::move(example), maps);
    }
  }

  const Options& options_;
  Seq2SeqFolder& folder_;
  vt::GenerationConfig config_;
  Head head_;
  MapsFile maps_;
  bool quiet_;
};

// What decides the lines out.
pool::About about(const Options& o, Translation& job) {
  if ((!o.pool.output.empty() || o.pool.skip > 0) && job.needs_head()) pool::see_first_lines(o.pool, o.score, job);
  const auto& c = job.config();
  const nlohmann::json lines = {{"input-format", o.format[0]},
                                {"beams", c.num_beams},
                                {"n-best", o.n_best},
                                {"max-new-tokens", o.max_new_tokens},
                                {"length-penalty", c.length_penalty},
                                {"word-scores", o.word_scores},
                                {"alignments", o.alignments},
                                {"merge-words", o.merge_words},
                                {"drop-end", o.drop_end},
                                {"score", !o.score.empty()},
                                {"layer", job.head().layer},
                                {"head", job.head().head},
                                {"weights", o.weights[0]}};
  return {o.model, o.score, lines, o.format[0] == "jsonl" ? ".jsonl" : ".txt"};
}

int run(const OptionTable& table, Options& o) {
  if (pool::needs_no_model(o.pool)) return pool::without_model(table, o.pool);
  read_threshold(o);
  Seq2SeqFolder folder(o.model, o.format[0] == "jsonl", o.max_new_tokens, o.threads, pool::storage_of(o.weights));
  Translation job(folder, o, table.quiet());
  if (o.step) o.pool.lines = 1;
  const int status = pool::run(table, o.pool, job, about(o, job));
  job.finish();
  return status;
}

}  // namespace translate

int main(int count, char** arguments) {
  translate::Options options;
  OptionTable table = translate::option_table(options);
  if (const auto status = table.parse(count, arguments)) return *status;
  if (const std::string wrong = translate::misuse(options); !wrong.empty()) return table.wrong(wrong);
  return pool::guarded(table, [&] { return translate::run(table, options); });
}
