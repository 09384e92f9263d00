// Word alignments of sentence pairs, by teacher forcing: the links of the cross-attention head that aligns, as Pharaoh
// text; with a model of the other direction too, both as one (grow-diag-final-and).
//   build/examples/align --model examples/models/g2p --target phonemes.txt < words.txt > pharaoh.txt
#include <optional>
#include <vitrine/inspect/alignment.hpp>
#include <vitrine/inspect/symmetrize.hpp>
#include <vitrine/inspect/words.hpp>
#include <vitrine/vitrine.hpp>

#include "aligning_head.hpp"
#include "forced_pool.hpp"
#include "pool_program.hpp"

namespace {

using vt::Index;
namespace inspect = vt::inspect;
namespace corpus = vt::corpus;

struct Options {
  pool::Options pool;
  std::string model, target, reverse, forward, backward;
  std::vector<std::string> format = {"text"};
  Index threads = 0, layer = -1, head = -1, reverse_layer = -1, reverse_head = -1;
  bool merge_words = false;
};

// One model and the head by which it aligns.
struct Direction {
  Seq2SeqFolder folder;
  std::string path;
  translate::Head head = {};

  Direction(const std::string& model, const Options& o, translate::Head chosen)
      : folder(model, o.format[0] == "jsonl", 0, o.threads), path(model), head(chosen) {
    if (head.known() && (head.layer >= folder.layers() || head.head >= folder.heads()))
      throw std::invalid_argument(model + ": the decoder has " + std::to_string(folder.layers()) + " layers of " +
                                  std::to_string(folder.heads()) + " heads, from 0");
  }
  void choose(const corpus::Pool& pool, bool quiet) {
    const auto usable = [](const corpus::Line& one) { return one.usable(); };
    if (!head.known() && std::any_of(pool.sources.begin(), pool.sources.end(), usable))
      head = translate::aligning_head(folder, path, pool, quiet);
  }
  Index words(const corpus::Line& line) const { return translate::text_tokens(folder, line.ids, line.tokens).count; }
  // The links of some pairs, without marks.
  std::vector<inspect::Links> links(const corpus::Pool& pool, std::span<const std::size_t> batch, bool merged) {
    std::vector<const std::vector<Index>*> sources;
    std::vector<std::vector<Index>> targets;
    for (const std::size_t i : batch) sources.push_back(&pool.sources[i].ids), targets.push_back(pool.targets[i].ids);
    std::vector<inspect::Links> links(batch.size());
    folder.force(sources, targets, vt::keep::weights.only(head.selection()), {},
                 [&](std::size_t k, const auto& scored, Index b) {
                   const corpus::Line &source = pool.sources[batch[k]], &target = pool.targets[batch[k]];
                   links[k] = translate::text_links(scored.result.cross_attn[head.layer].matrix(b, head.head),
                                                    translate::text_tokens(folder, source.ids, source.tokens),
                                                    translate::text_tokens(folder, target.ids, target.tokens), merged);
                 });
    return links;
  }
};

// A line of links for each pair; blank for a pair that is blank or cannot be used.
class Alignment final : public corpus::Job {
 public:
  Alignment(const Options& options, bool quiet)
      : options_(options), quiet_(quiet), forward_(options.model, options, {options.layer, options.head}) {
    if (!options.reverse.empty())
      backward_.emplace(options.reverse, options, translate::Head{options.reverse_layer, options.reverse_head});
  }
  bool needs_head() const { return !forward_.head.known() || (backward_ && !backward_->head.known()); }
  nlohmann::json heads() const {
    const auto of = [](const Direction& one) { return nlohmann::json{one.head.layer, one.head.head}; };
    return {of(forward_), backward_ ? of(*backward_) : nlohmann::json()};
  }

  corpus::Line read(corpus::Text text, Index number) const override {
    return forward_.folder.reader().read(std::move(text), number);
  }
  corpus::Line read_target(corpus::Text text, Index number) const override {
    return forward_.folder.reader().read_target(std::move(text), number);
  }
  bool waits_for_first_pool() const override { return needs_head(); }
  void prepare(corpus::Pool& pool) override {
    forward_.choose(pool, quiet_);
    if (!backward_) return;
    reversed_ = {};
    for (std::size_t i = 0; i < pool.sources.size(); ++i) reverse(pool.sources[i], pool.targets[i]);
    backward_->choose(reversed_, quiet_);
  }
  std::string empty_row(const corpus::Line&) const override { return "\n"; }
  void compute(const corpus::Pool& pool, std::span<const std::size_t> batch, std::span<std::string> rows) override {
    const auto forward = forward_.links(pool, batch, options_.merge_words);
    const auto backward = backward_ ? backward_->links(reversed_, batch, options_.merge_words) : forward;
    for (std::size_t k = 0; k < batch.size(); ++k) {
      const auto links =
          backward_ ? inspect::grow_diag_final_and(forward[k], inspect::flipped(backward[k])) : forward[k];
      rows[batch[k]] = inspect::pharaoh(links) + "\n";
    }
  }

 private:
  // The pair as the other model reads it.
  void reverse(corpus::Line& source, const corpus::Line& target) {
    const corpus::Reader& reader = backward_->folder.reader();
    reversed_.sources.push_back(reader.read({target.text}, source.number));
    reversed_.targets.push_back(reader.read_target({source.text}, source.number));
    if (!source.usable()) return;
    for (const corpus::Line* one : {&reversed_.sources.back(), &reversed_.targets.back()})
      if (!one->usable() && source.error.empty()) source.error = "in the other direction: " + one->error;
    const bool same = source.error.empty() && backward_->words(reversed_.targets.back()) == forward_.words(source) &&
                      backward_->words(reversed_.sources.back()) == forward_.words(target);
    if (source.error.empty() && !same && !options_.merge_words)
      source.error = "is cut into other tokens by the two models: give --merge-words";
    if (!source.error.empty()) source.ids.clear();
  }

  const Options& options_;
  bool quiet_;
  Direction forward_;
  std::optional<Direction> backward_;
  corpus::Pool reversed_;
};

// Two files of links that are there already, the second by a model of the other direction.
int combine(const Options& o) {
  const corpus::Stop stop;
  corpus::Input input(corpus::LineStream(o.forward), o.backward);
  while (!corpus::Stop::asked() && input.next()) {
    const auto forward = inspect::parse_pharaoh(input.source.text),
               backward = inspect::parse_pharaoh(input.target.text);
    corpus::StdoutRows::write(inspect::pharaoh(inspect::grow_diag_final_and(forward, inspect::flipped(backward))) +
                              "\n");
  }
  if (corpus::Stop::asked()) throw corpus::TryAgain("stopped");
  input.check_end();
  return 0;
}

OptionTable option_table(Options& o) {
  OptionTable table(
      "align", "--model FOLDER --target FILE [OPTION...] < SOURCES > links.txt",
      "For each line and its target the links of one cross-attention head, \"0-0 1-2\" (source-target, from 0, "
      "without\n"
      "end marks): what guided alignment of Marian and Moses reads. A blank line for a pair without any.\n",
      pool::footer);
  table.text("--model", "FOLDER", "a Marian or Bart model from the source to the target", o.model);
  table.text("--target", "FILE", "a target for each line", o.target);
  table.text("--reverse", "FOLDER", "a model from the target to the source: then grow-diag-final-and of both",
             o.reverse);
  table.number("--layer",
               "the cross-attention that aligns; default: measured on words.tsv where the folder has\n"
               "it, else the head that is surest of itself on the first lines",
               o.layer, 0, 4095);
  table.number("--head", "the same", o.head, 0, 4095);
  table.number("--reverse-layer", "of the other model", o.reverse_layer, 0, 4095);
  table.number("--reverse-head", "the same", o.reverse_head, 0, 4095);
  table.toggle("--merge-words", "links between words instead of subwords", o.merge_words);
  table.choice("--input-format", "FORMAT",
               "text, or jsonl: {\"ids\": [...], \"tokens\": [...]} of any tokenizer a line", o.format,
               {"text", "jsonl"}, false);
  table.text("--forward", "FILE", "instead: grow-diag-final-and of links that are there already", o.forward);
  table.text("--backward", "FILE", "with it: those of the other direction, as its model names them", o.backward);
  table.number("--threads", "0: all processors", o.threads, 0, 999);
  pool::add_options(table, o.pool);
  pool::add_batch_options(table, o.pool);
  return table;
}

// What the table alone cannot say; "" when all is well.
std::string misuse(const Options& o) {
  if (const std::string wrong = pool::misuse(o.pool); !wrong.empty() || pool::needs_no_model(o.pool)) return wrong;
  if (o.forward.empty() != o.backward.empty()) return "--forward and --backward go together";
  if (!o.forward.empty()) return o.model.empty() ? "" : "--forward and --backward need no --model";
  if (o.model.empty()) return "--model is missing";
  if (o.target.empty()) return "--target is missing";
  if ((o.layer < 0) != (o.head < 0) || (o.reverse_layer < 0) != (o.reverse_head < 0))
    return "a layer and its head go together";
  if (o.reverse.empty() && o.reverse_layer >= 0) return "--reverse-layer and --reverse-head are of the --reverse model";
  if (!o.reverse.empty() && o.format[0] == "jsonl")
    return "--reverse reads the pair's text: with jsonl align both directions, then --forward and --backward";
  return "";
}

int run(const OptionTable& table, const Options& o) {
  if (pool::needs_no_model(o.pool)) return pool::without_model(table, o.pool);
  if (!o.forward.empty()) return combine(o);
  Alignment job(o, table.quiet());
  if ((!o.pool.output.empty() || o.pool.skip > 0) && job.needs_head()) pool::see_first_lines(o.pool, o.target, job);
  const nlohmann::json lines = {{"input-format", o.format[0]},
                                {"merge-words", o.merge_words},
                                {"heads", job.heads()},
                                {"reverse", o.reverse.empty() ? "" : corpus::model_hash(o.reverse)}};
  return pool::run(table, o.pool, job, {o.model, o.target, lines, ".txt"});
}

}  // namespace

int main(int count, char** arguments) {
  Options options;
  OptionTable table = option_table(options);
  if (const auto status = table.parse(count, arguments)) return *status;
  if (const std::string wrong = misuse(options); !wrong.empty()) return table.wrong(wrong);
  return pool::guarded(table, [&] { return run(table, options); });
}
