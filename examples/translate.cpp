// Translates lines from stdin with a MarianMT or BART checkpoint, with alignments and attention maps where asked for.
//   build/examples/translate --model examples/models/g2p --beams 4 --alignments hard < words.txt
#include <unistd.h>

#include <charconv>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <memory>
#include <vitrine/inspect/alignment.hpp>
#include <vitrine/inspect/export.hpp>
#include <vitrine/inspect/words.hpp>
#include <vitrine/io/checkpoint.hpp>
#include <vitrine/vitrine.hpp>

#include "letter_alignment.hpp"
#include "option_table.hpp"
#include "seq2seq_folder.hpp"
#include "step_frames.hpp"

namespace {

using vt::Index;
namespace inspect = vt::inspect;

struct Options {
  std::string model, score, alignments, maps, layer = "auto", head = "auto", length_penalty;
  std::vector<std::string> format = {"text"};
  Index beams = 0, n_best = 0, max_new_tokens = 0, batch_tokens = 2048, threads = 0;  // 0: not given
  bool word_scores = false, merge_words = false, drop_end = false, step = false;
  double threshold = -1;
};

OptionTable option_table(Options& o) {
  OptionTable table(
      "translate", "--model FOLDER [OPTION...] < LINES",
      "Translates with a Marian or Bart model: one line out for each line in, in order, a blank line for a blank line\n"
      "(--n-best: as many as that).\n",
      "Exit: 0; 2 for a bad option or file, and behind all others for lines that could not be used (named on "
      "stderr).\n");
  table.text("--model", "FOLDER",
             "config.json, model.safetensors, and tokens: source.spm and vocab.json, or vocab.json\n"
             "with a token for each letter",
             o.model);
  table.choice("--input-format", "FORMAT",
               "text, or jsonl: {\"ids\": [...], \"tokens\": [...]} of any tokenizer a line", o.format,
               {"text", "jsonl"}, false);
  table.number("--beams", "default: generation_config.json's", o.beams, 1, 1024);
  table.number("--n-best", "hypotheses for each line, as N ||| text ||| score", o.n_best, 1, 1024);
  table.number("--max-new-tokens", "default: generation_config.json's; without a length there, the model's",
               o.max_new_tokens, 1, 1 << 20);
  table.text("--length-penalty", "X", "scores are divided by length^X; default: generation_config.json's",
             o.length_penalty);
  table.text("--score", "FILE", "no search: the log-probability of each of FILE's lines as the target", o.score);
  table.toggle("--word-scores", "with each token's log-probability", o.word_scores);
  table.text("--alignments", "FORMAT",
             "hard, soft or a threshold between 0 and 1 as Marian writes them, or pharaoh: hard\n"
             "without the end marks",
             o.alignments);
  table.toggle("--merge-words", "alignments between words instead of subwords", o.merge_words);
  table.text("--layer", "L",
             "the cross-attention that aligns, from 0; auto: measured on words.tsv where the folder has\n"
             "it, else the head that is surest of itself on the first lines",
             o.layer);
  table.text("--head", "H", "the same", o.head);
  table.text("--maps", "FILE",
             "all maps of the Nth line out, from 0: .npz, written as lines are done; .html or .json\n"
             "(BertViz), held until the end",
             o.maps);
  table.toggle("--step", "greedy search with the map of that layer and head drawn after every token", o.step);
  table.toggle("--drop-end", "maps and soft alignments without the end mark's row", o.drop_end);
  table.number("--batch-tokens", "2048: source tokens computed together; changes no result", o.batch_tokens, 1,
               1 << 20);
  table.number("--threads", "0: all processors", o.threads, 0, 999);
  return table;
}

[[noreturn]] void refuse(const std::string& sentence) {
  std::fprintf(stderr, "translate: %s\n", sentence.c_str());
  std::exit(2);
}

template <class T>
T number(const std::string& name, const std::string& text, T least, T most) {
  T value{};
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failed != std::errc() || end != text.data() + text.size() || !(value >= least && value <= most))
    refuse(name + " takes a number from " + inspect::short_number(double(least)) + " to " +
           inspect::short_number(double(most)) + ", not \"" + text + "\"");
  return value;
}

// What the table alone cannot say.
void check_options(Options& o) {
  if (o.model.empty()) refuse("--model is missing; see --help");
  if (!o.alignments.empty() && o.alignments != "hard" && o.alignments != "soft" && o.alignments != "pharaoh")
    o.threshold = number<double>("--alignments (hard, soft, pharaoh or a threshold)", o.alignments, 0, 1);
  if (!o.maps.empty() && !inspect::can_save_maps(o.maps)) refuse("--maps writes .npz, .html or .json, not " + o.maps);
  if ((o.layer == "auto") != (o.head == "auto")) refuse("--layer and --head go together");
  if (!o.score.empty() && (o.beams > 0 || o.n_best > 0))
    refuse("--score searches nothing: leave --beams and --n-best out");
  if (o.step &&
      (o.beams > 0 || o.n_best > 0 || o.word_scores || !o.score.empty() || !o.alignments.empty() || !o.maps.empty()))
    refuse("--step only draws: leave --beams, --n-best, --score, --word-scores, --alignments and --maps out");
  if (o.n_best > 0 && o.beams == 0) o.beams = o.n_best;
}

using Scored = vt::Scored<vt::DefaultKeep, float>;

class Program {
 public:
  explicit Program(const Options& options)
      : options_(options),
        folder_(options.model, options.format[0] == "jsonl", options.max_new_tokens, options.threads),
        config_(folder_.config()) {
    const auto given = vt::read_generation_config(options.model);
    config_.num_beams = options.beams > 0 ? options.beams : given.num_beams;
    config_.num_return_sequences = std::max<Index>(options.n_best, 1);
    if (!options.length_penalty.empty())
      config_.length_penalty = number<double>("--length-penalty", options.length_penalty, -100, 100);
    vt::throw_if_failed(vt::check(config_, folder_.model().vocab_size()));
    if (options.layer != "auto")
      choose(number<Index>("--layer", options.layer, 0, 4095), number<Index>("--head", options.head, 0, 4095));
    if (std::filesystem::path(options.maps).extension() == ".npz") archive_.emplace(options.maps);
    if (!options.score.empty()) {
      targets_.open(options.score, std::ios::binary);
      if (!targets_) throw vt::Error(vt::LoadError::file_unreadable, options.score, "cannot be opened");
    }
  }

  int run() {
    const bool interactive = isatty(STDIN_FILENO) != 0,
               watched = isatty(STDERR_FILENO) != 0 && !interactive && !options_.step;
    std::string text;
    bool too_long = false, more = true;
    while (more) {
      std::vector<lines::Line> sources, targets;
      while (sources.size() < (interactive ? 1 : 512) && (more = lines::read_line(std::cin, text, too_long))) {
        sources.push_back(folder_.reader().read(text, too_long, lines_));
        report(sources.back(), "");
        if (!options_.score.empty()) {
          if (!lines::read_line(targets_, text, too_long))
            throw vt::Error(vt::LoadError::bad_usage, options_.score, "has fewer lines than the input");
          targets.push_back(folder_.reader().read_target(text, too_long, lines_));
          report(targets.back(), "target ");
          if (!targets.back().usable()) sources.back().ids.clear();
        }
        ++lines_;
      }
      if (options_.step)
        step(sources);
      else
        chunk(sources, targets);
      if (watched) std::fprintf(stderr, "\r%td lines", lines_);
    }
    if (watched) std::fputc('\n', stderr);
    if (!options_.score.empty() && lines::read_line(targets_, text, too_long))
      throw vt::Error(vt::LoadError::bad_usage, options_.score, "has more lines than the input");
    if (archive_) archive_->finish();
    if (!archive_ && !options_.maps.empty()) {
      std::sort(examples_.begin(), examples_.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
      inspect::Page page{.title = options_.model};
      for (auto& [number, example] : examples_) page.examples.push_back(std::move(example));
      inspect::save_maps(options_.maps, page);
    }
    if (std::fflush(stdout) != 0) refuse("stdout cannot be written");
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
    layer_ = layer, head_ = head;
  }
  // The head that aligns, when none was named.
  void choose_head(const vt::Tokens& sources, const std::vector<std::vector<Index>>& found) {
    const std::filesystem::path words = std::filesystem::path(options_.model) / "words.tsv";
    std::error_code failed;
    if (std::filesystem::exists(words, failed) && folder_.reader().vocabulary()) {
      const auto measured = letters::measure(folder_.model(), folder_.workspace(), *folder_.reader().vocabulary(),
                                             config_, letters::read_pairs(words));
      layer_ = measured.best().layer, head_ = measured.best().head;
      std::fprintf(
          stderr,
          "alignments: layer %td, head %td (%.1f %% of the phonemes of words.tsv on a letter that can spell them)\n",
          layer_, head_, 100 * measured.best().plausible);
      return;
    }
    const auto scored = vt::score(folder_.model(), folder_.workspace(), sources, found, config_,
                                  vt::keep::weights.only({.which = vt::Which::cross}));
    const auto& cross = scored.result.cross_attn;
    double best = -1;
    for (Index layer = 0; layer < cross.layers(); ++layer)
      for (Index head = 0; head < cross.heads(); ++head) {
        double sum = 0;
        Index rows = 0;
        for (Index b = 0; b < cross.batch(); ++b) {
          const auto map = cross[layer].matrix(b, head);
          for (Index t = 0; t + 1 < map.rows() && map.cols() > 1; ++t, ++rows)
            sum += double(map.row(t).head(map.cols() - 1).maxCoeff());
        }
        sum /= double(std::max<Index>(rows, 1));
        if (sum > best) best = sum, layer_ = layer, head_ = head;
      }
    std::fprintf(stderr,
                 "alignments: layer %td, head %td (its rows' largest weights are the largest: %.2f on average)\n",
                 layer_, head_, best);
  }

  std::string alignment(vt::MatrixView<float> map, const std::vector<std::string>& source,
                        const std::vector<std::string>& target, bool ended) const {
    const bool without_end = options_.alignments == "pharaoh";
    const Index rows = map.rows() - (without_end && ended ? 1 : 0), columns = map.cols() - (without_end ? 1 : 0);
    const auto own = inspect::words_of(target), theirs = inspect::words_of(source);
    if (options_.alignments == "soft")
      return options_.merge_words ? inspect::marian_soft(inspect::merge_words(map, own, theirs))
                                  : inspect::marian_soft(map);
    const auto links = options_.threshold >= 0 ? inspect::threshold_links(map, options_.threshold, rows, columns)
                                               : inspect::hard_links(map, rows, columns);
    return inspect::pharaoh(options_.merge_words ? inspect::merge_links(links, own, theirs) : links);
  }

  // The maps of each line as they grow, then the line out.
  void step(const std::vector<lines::Line>& sources) {
    for (const lines::Line& source : sources) {
      std::vector<Index> ids;
      if (source.usable()) {
        const vt::Tokens tokens(source.ids);
        if (layer_ < 0) choose_head(tokens, folder_.greedy(tokens));
        ids = frames::step(folder_, folder_.config(), source, layer_, head_);
      }
      std::printf("%s\n", folder_.reader().text(ids).c_str());
      std::fflush(stdout);
    }
  }

  void chunk(const std::vector<lines::Line>& sources, const std::vector<lines::Line>& targets) {
    const bool listed = options_.n_best > 0;
    const Index n_best = config_.num_return_sequences;
    std::vector<std::string> out(sources.size());
    for (std::size_t i = 0; i < sources.size(); ++i)
      out[i] = listed ? std::to_string(sources[i].number) + " |||\n" : "\n";
    for (const auto& batch : lines::batches(sources, options_.batch_tokens)) {
      lines::Packed packed;
      for (std::size_t i : batch) packed.add(sources[i].ids);
      std::vector<std::vector<vt::Hypothesis<float>>> found;
      if (targets.empty())
        found = vt::generate(folder_.model(), folder_.workspace(), packed.tokens(), config_);
      else
        for (std::size_t i : batch) found.push_back({{targets[i].ids, 0}});
      for (std::size_t i : batch) out[i].clear();
      for (Index k = 0; k < n_best; ++k) {
        std::vector<std::vector<Index>> chosen;
        for (const auto& hypotheses : found) chosen.push_back(hypotheses[std::size_t(k)].ids);
        write(sources, batch, packed, chosen, found, k, out);
      }
    }
    for (const std::string& text : out) std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
  }

  // The k-th hypotheses of one batch.
  void write(const std::vector<lines::Line>& sources, const std::vector<std::size_t>& batch,
             const lines::Packed& packed, const std::vector<std::vector<Index>>& chosen,
             const std::vector<std::vector<vt::Hypothesis<float>>>& found, Index k, std::vector<std::string>& out) {
    const bool aligned = !options_.alignments.empty(), mapped = !options_.maps.empty(),
               scoring = !options_.score.empty();
    if (aligned && layer_ < 0) choose_head(packed.tokens(), chosen);
    std::vector<std::vector<Index>> kept = chosen;
    if (options_.drop_end && !scoring && !options_.word_scores)
      for (auto& ids : kept)
        if (config_.is_end(ids.back()) && ids.size() > 1) ids.pop_back();
    std::unique_ptr<Scored> scored;
    if (aligned || mapped || scoring || options_.word_scores) {
      auto keep = vt::keep::weights;
      if (!mapped)
        keep = keep.only(
            {.which = aligned ? vt::Which::cross : vt::Which::none, .layers = one(layer_), .heads = one(head_)});
      scored = std::make_unique<Scored>(
          vt::score(folder_.model(), folder_.workspace(), packed.tokens(), kept, config_, keep));
    }
    for (std::size_t b = 0; b < batch.size(); ++b) {
      const lines::Line& line = sources[batch[b]];
      const auto target = folder_.reader().tokens(kept[b]);
      std::string words, links;
      double score = double(found[b][std::size_t(k)].score);
      if (scored && (scoring || options_.word_scores)) {
        double sum = 0;
        for (float value : scored->log_probs[b])
          sum += double(value), words += " " + inspect::short_number(double(value), 6);
        if (scoring) score = sum;
      }
      if (aligned)
        links = alignment(scored->result.cross_attn[layer_].matrix(Index(b), head_), line.tokens, target,
                          config_.is_end(kept[b].back()));
      out[batch[b]] += folder_.reader().json() ? json(line, chosen[b], score, links, words)
                                               : text(line, chosen[b], score, links, words);
      if (!mapped) continue;
      const Index number = line.number * config_.num_return_sequences + k;
      auto example =
          inspect::seq2seq_example(scored->result, Index(b), line.tokens, target, folder_.reader().text(kept[b]));
      if (archive_)
        inspect::add_maps(*archive_, number, example);
      else
        examples_.emplace_back(number, std::move(example));
    }
    if (mapped && !archive_) held_.push_back(std::move(scored));  // the examples are views of it
  }
  static vt::IndexSet one(Index i) {
    vt::IndexSet set;
    if (i >= 0 && i < 64) set = {int(i)};
    return set;
  }

  std::string text(const lines::Line& line, const std::vector<Index>& ids, double score, const std::string& links,
                   const std::string& words) const {
    const std::string shown = inspect::short_number(score, 6);
    std::string out = options_.n_best > 0 ? std::to_string(line.number) + " ||| " : "";
    out += options_.score.empty() ? folder_.reader().text(ids) : shown;
    if (!options_.alignments.empty()) out += " ||| " + links;
    if (options_.word_scores) out += " ||| WordScores=" + words;
    if (options_.n_best > 0) out += " ||| " + shown;
    return out + "\n";
  }
  std::string json(const lines::Line&, const std::vector<Index>& ids, double score, const std::string& links,
                   const std::string& words) const {
    nlohmann::json object = {{"ids", ids}, {"tokens", folder_.reader().tokens(ids)}, {"score", score}};
    if (!options_.alignments.empty()) object["alignment"] = links;
    if (options_.word_scores) object["word_scores"] = nlohmann::json::parse("[" + commas(words) + "]");
    return object.dump() + "\n";
  }
  static std::string commas(std::string words) {
    if (!words.empty()) words.erase(0, 1);
    std::replace(words.begin(), words.end(), ' ', ',');
    return words;
  }

  Options options_;
  Seq2SeqFolder folder_;
  vt::GenerationConfig config_;
  Index layer_ = -1, head_ = -1, lines_ = 0, unusable_ = 0;
  std::ifstream targets_;
  std::optional<vt::NpzWriter> archive_;
  std::vector<std::pair<Index, inspect::Example>> examples_;
  std::vector<std::unique_ptr<Scored>> held_;
};

}  // namespace

int main(int count, char** arguments) {
  Options options;
  if (const auto status = option_table(options).parse(count, arguments)) return *status;
  check_options(options);
  std::fprintf(stderr, "%s\n", vt::build_info().data());
  std::ios::sync_with_stdio(false);
  try {
    return Program(options).run();
  } catch (const std::exception& error) { refuse(error.what()); }
}
