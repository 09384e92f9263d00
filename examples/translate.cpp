// Translates lines from stdin with a MarianMT or BART checkpoint, with alignments and attention maps where asked for.
//   build/examples/translate --model examples/models/g2p --beams 4 --alignments hard < words.txt
#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <memory>
#include <numeric>
#include <vitrine/inspect/export.hpp>
#include <vitrine/io/checkpoint.hpp>
#include <vitrine/vitrine.hpp>

#include "aligning_head.hpp"
#include "seq2seq_folder.hpp"
#include "step_frames.hpp"
#include "translate_options.hpp"
#include "translate_text.hpp"

namespace translate {

using Scored = vt::Scored<vt::DefaultKeep, float>;

class Program {
 public:
  explicit Program(const Options& options)
      : options_(options),
        folder_(options.model, options.format[0] == "jsonl", options.max_new_tokens, options.threads),
        config_(folder_.config()),
        input_(std::cin, options.score) {
    const auto given = vt::read_generation_config(options.model);
    config_.num_beams = options.beams > 0 ? options.beams : given.num_beams;
    config_.num_return_sequences = std::max<Index>(options.n_best, 1);
    if (!options.length_penalty.empty())
      config_.length_penalty = number<double>("--length-penalty", options.length_penalty, -100, 100);
    vt::throw_if_failed(vt::check(config_, folder_.model().vocab_size()));
    if (options.layer != "auto")
      choose(number<Index>("--layer", options.layer, 0, 4095), number<Index>("--head", options.head, 0, 4095));
    if (std::filesystem::path(options.maps).extension() == ".npz") archive_.emplace(options.maps);
  }

  int run() {
    const bool interactive = isatty(STDIN_FILENO) != 0,
               watched = isatty(STDERR_FILENO) != 0 && !interactive && !options_.step;
    for (bool more = true; more;) {
      std::vector<lines::Line> sources, targets;
      while (sources.size() < (interactive ? 1 : 512) && (more = input_.next())) {
        sources.push_back(folder_.reader().read(input_.source.text, input_.source.too_long, input_.number()));
        report(sources.back(), "");
        if (input_.has_targets()) {
          targets.push_back(folder_.reader().read_target(input_.target.text, input_.target.too_long, input_.number()));
          report(targets.back(), "target ");
          if (!targets.back().usable()) sources.back().ids.clear();
        }
      }
      if (options_.step)
        step(sources);
      else
        chunk(sources, targets);
      if (watched) std::fprintf(stderr, "\r%td lines", input_.number() + 1);
    }
    if (watched) std::fputc('\n', stderr);
    input_.check_end();
    if (archive_) archive_->finish();
    if (!archive_ && !options_.maps.empty()) {
      std::sort(examples_.begin(), examples_.end(), [](const auto& a, const auto& b) { return a.number < b.number; });
      const inspect::Page page{.title = options_.model, .examples = std::move(examples_)};
      inspect::save_maps(options_.maps, page);
    }
    if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) refuse("stdout cannot be written");
    return unusable_ > 0 ? 2 : 0;
  }

 private:
  void report(const lines::Line& line, const char* what) {
    if (line.error.empty()) return;
    ++unusable_;
    std::fprintf(stderr, "translate: %sline %td: %s\n", what, line.number + 1, line.error.c_str());
  }

  void choose(Index layer, Index head) {
    if (layer >= folder_.layers() || head >= folder_.heads())
      refuse("the decoder has " + std::to_string(folder_.layers()) + " layers of " + std::to_string(folder_.heads()) +
             " heads, from 0");
    head_ = {layer, head};
  }
  // From the first chunk that has lines, before they are sorted into batches.
  void choose_head(const std::vector<lines::Line>& sources, const std::vector<lines::Line>& targets) {
    const bool any = std::any_of(sources.begin(), sources.end(), [](const lines::Line& one) { return one.usable(); });
    if (!head_.known() && any) head_ = aligning_head(folder_, options_.model, sources, targets);
  }

  // The maps of each line as they grow, then the line out.
  void step(const std::vector<lines::Line>& sources) {
    for (const lines::Line& source : sources) {
      std::vector<Index> ids;
      if (source.usable()) {
        choose_head({source}, {});
        ids = frames::step(folder_, folder_.config(), source, head_);
      }
      std::printf("%s\n", folder_.reader().text(ids).c_str());
      std::fflush(stdout);
    }
  }

  void chunk(const std::vector<lines::Line>& sources, const std::vector<lines::Line>& targets) {
    const bool listed = options_.n_best > 0;
    if (!options_.alignments.empty()) choose_head(sources, targets);
    const Index n_best = config_.num_return_sequences;
    std::vector<std::string> out(sources.size());
    for (std::size_t i = 0; i < sources.size(); ++i)
      for (Index k = 0; k < n_best; ++k)  // as many for a line without hypotheses
        out[i] += listed && !folder_.reader().json() ? std::to_string(sources[i].number) + " |||\n" : "\n";
    for (const auto& batch : lines::batches(sources, options_.batch_tokens)) {
      lines::Packed packed;
      for (std::size_t i : batch) packed.add(sources[i].ids);
      std::vector<std::vector<vt::Hypothesis<float>>> found;
      if (targets.empty())
        found = vt::generate(folder_.model(), folder_.workspace(), packed.tokens(), config_);
      else
        for (std::size_t i : batch) found.push_back({{targets[i].ids}});
      for (std::size_t i : batch) out[i].clear();
      for (Index k = 0; k < n_best; ++k) {
        std::vector<vt::Hypothesis<float>> chosen;
        for (auto& hypotheses : found) chosen.push_back(std::move(hypotheses[std::size_t(k)]));
        write(sources, batch, packed.tokens(), chosen, k, out);
      }
    }
    for (const std::string& text : out) std::fwrite(text.data(), 1, text.size(), stdout);
    if (std::fflush(stdout) != 0) refuse("stdout cannot be written");
  }

  bool ended(const std::vector<Index>& ids) const { return !ids.empty() && config_.is_end(ids.back()); }

  // The k-th hypotheses of one batch; a search that found fewer than were asked for has some without ids.
  void write(const std::vector<lines::Line>& sources, const std::vector<std::size_t>& batch, const vt::Tokens& tokens,
             std::vector<vt::Hypothesis<float>>& found, Index k, std::vector<std::string>& out) {
    const bool aligned = !options_.alignments.empty(), mapped = !options_.maps.empty();
    std::vector<std::vector<Index>> targets, shown;  // shown: what maps have rows for
    for (const auto& one : found) {
      targets.push_back(one.ids), shown.push_back(one.ids);
      if (options_.drop_end && ended(one.ids) && one.ids.size() > 1) shown.back().pop_back();
    }
    std::unique_ptr<Scored> maps;
    if (aligned || mapped)
      maps =
          std::make_unique<Scored>(vt::score(folder_.model(), folder_.workspace(), tokens, shown, config_,
                                             mapped ? vt::keep::weights : vt::keep::weights.only(head_.selection())));
    if (!options_.score.empty()) {
      const bool same = maps != nullptr && shown == targets;  // the pass that made the maps scored all of it
      auto log_probs =
          same ? maps->log_probs
               : vt::score(folder_.model(), folder_.workspace(), tokens, targets, config_, vt::keep::nothing).log_probs;
      for (std::size_t b = 0; b < found.size(); ++b) found[b].log_probs = std::move(log_probs[b]);
    }
    for (std::size_t b = 0; b < batch.size(); ++b) {
      const lines::Line& line = sources[batch[b]];
      const auto target = folder_.reader().tokens(shown[b]);
      const auto& log_probs = found[b].log_probs;
      const double score =
          options_.score.empty() ? double(found[b].score) : std::accumulate(log_probs.begin(), log_probs.end(), 0.0);
      Output one{line.number, targets[b], score, log_probs, ""};
      if (aligned)
        one.alignment = alignment(options_, maps->result.cross_attn[head_.layer].matrix(Index(b), head_.head),
                                  line.tokens, target, ended(shown[b]), ended(line.ids));
      out[batch[b]] += formatted(options_, folder_.reader(), one);
      if (!mapped) continue;
      auto example =
          inspect::seq2seq_example(maps->result, Index(b), line.tokens, target, folder_.reader().text(shown[b]));
      example.number = line.number * config_.num_return_sequences + k;
      if (archive_)
        inspect::add_maps(*archive_, example.number, example);
      else
        examples_.push_back(std::move(example));
    }
    if (mapped && !archive_) held_.push_back(std::move(maps));  // the examples are views of it
  }

  Options options_;
  Seq2SeqFolder folder_;
  vt::GenerationConfig config_;
  lines::Input input_;
  Head head_;
  Index unusable_ = 0;
  std::optional<vt::NpzWriter> archive_;
  std::vector<inspect::Example> examples_;
  std::vector<std::unique_ptr<Scored>> held_;
};

}  // namespace translate

int main(int count, char** arguments) {
  namespace vt = vitrine;
  using namespace translate;
  Options options;
  if (const auto status = option_table(options).parse(count, arguments)) return *status;
  check_options(options);
  std::fprintf(stderr, "%s\n", vt::build_info().data());
  std::ios::sync_with_stdio(false);
  try {
    return Program(options).run();
  } catch (const std::exception& error) { refuse(error.what()); }
}
