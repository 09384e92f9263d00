// A model's attention on some lines: statistics of every head, and its maps as a page, an archive or JSON.
//   build/examples/inspect --model examples/models/g2p --maps attention.html radium vitrine
#include <algorithm>
#include <cstdio>
#include <memory>
#include <vitrine/vitrine.hpp>

#include "inspect_models.hpp"
#include "maps_file.hpp"
#include "pool_program.hpp"
#include "reduced_maps.hpp"

namespace {

using vt::Index;
namespace inspect = vt::inspect;

struct Options {
  pool::Options pool;
  models::Asked asked;
  pool::Weights weights = {"f32"};
  std::string model, target, maps, title, layers, heads;
  std::vector<std::string> format = {"text"}, statistics = {""}, reduce = {""}, kinds = {"encoder", "decoder", "cross"};
};

// "0,3,5" to a set; nothing to all. False when it is no such list.
bool parse_set(const std::string& text, vt::IndexSet& set) {
  if (text.empty()) return true;
  std::string part;
  for (const char c : text + ",") {
    if (c != ',') {
      part += c;
      continue;
    }
    if (part.empty() || part.size() > 9 || part.find_first_not_of("0123456789") != part.npos) return false;
    set.insert(std::stoi(part));
    part.clear();
  }
  return set.valid();
}

std::string statistics_table(const inspect::Example& example) {
  std::string out = inspect::visible(example.title, " ") + "\n";  // tokens may hold anything
  char line[160];
  std::snprintf(line, sizeof line, "  %-8s %5s %4s %8s %7s %6s %8s %6s %6s %6s %8s\n", "kind", "layer", "head",
                "entropy", "largest", "same", "previous", "next", "first", "last", "distance");
  out += line;
  for (const inspect::MapGroup& group : example.groups) {
    for (Index layer = 0; layer < group.layers; ++layer) {
      for (Index head = 0; head < group.heads; ++head) {
        const float* map = group.map(layer, head);
        if (map == nullptr) continue;
        const auto f = inspect::head_figures(map, group.query_count(), group.key_count());
        std::snprintf(line, sizeof line, "  %-8s %5td %4td %8.3f %7.3f %6.3f %8.3f %6.3f %6.3f %6.3f %8.2f\n",
                      group.kind.c_str(), layer, head, f.entropy, f.largest, f.same, f.previous, f.next, f.first,
                      f.last, f.distance);
        out += line;
      }
    }
  }
  return out + "\n";
}

// The figures of each line's maps, and the maps into a file.
class Inspection final : public vt::corpus::Job {
 public:
  Inspection(const Options& options, const models::Keep& keep)
      : options_(options), keep_(keep), model_(models::open_model(options.model, options.asked)), maps_(options.maps) {
    const auto refuse = [&](const std::string& why) { throw vt::Error(vt::LoadError::bad_usage, options.model, why); };
    if (!options.target.empty() && !model_->takes_targets()) refuse("is no model that takes a --target");
    const std::string only = model_->only_kind();
    if (only.empty()) return;
    if (std::find(options.kinds.begin(), options.kinds.end(), only) == options.kinds.end())
      refuse("has attention of kind " + only + " only: see --kinds");
    if (options.asked.max_new_tokens > 0 || options.asked.beams > 0)
      refuse("generates nothing here: leave --max-new-tokens and --beams out");
  }
  void finish() { maps_.finish(options_.title.empty() ? model_name(options_.model) : options_.title); }

  std::string header() const override { return csv() ? inspect::statistics_header() : ""; }
  vt::corpus::Line read(vt::corpus::Text text, Index number) const override {
    return model_->read(std::move(text), number);
  }
  vt::corpus::Line read_target(vt::corpus::Text text, Index number) const override {
    return model_->read_target(std::move(text), number);
  }
  std::string empty_row(const vt::corpus::Line&) const override { return {}; }
  void compute(const vt::corpus::Pool& pool, std::span<const std::size_t> batch, std::span<std::string> rows) override {
    for (const std::size_t i : batch) {
      const vt::corpus::Line& source = pool.sources[i];
      models::Inspected one = model_->look(source, pool.targets.empty() ? vt::corpus::Line() : pool.targets[i], keep_);
      one.example.number = source.number;
      if (!options_.reduce[0].empty()) reduced::reduce(one.example, options_.reduce[0] == "rollout");
      if (csv())
        rows[i] = inspect::statistics_rows(source.number, one.example);
      else if (options_.statistics[0] == "text")
        rows[i] = statistics_table(one.example);
      if (maps_.wanted()) maps_.add(std::move(one.example), std::move(one.holder));
    }
  }

 private:
  bool csv() const { return options_.statistics[0] == "csv"; }

  const Options& options_;
  models::Keep keep_;
  std::unique_ptr<models::Model> model_;
  MapsFile maps_;
};

OptionTable option_table(Options& o) {
  OptionTable table(
      "inspect", "--model FOLDER [OPTION...] [LINE...]      (without lines: from stdin)",
      "Runs a model on lines and shows its attention: figures of every head, and the maps in a file.\n",
      "Figures, means over rows: entropy (nats), largest weight, weight on the own, previous, next, first\n"
      "and last token, and the distance in tokens. Blank lines keep their number and give nothing.\n"
      "Exit: 0; 2 for a bad option or file, and after all others for lines that could not be used; 75 when lines are\n"
      "left to do.\n");
  table.text("--model", "FOLDER", "a checkpoint of any family that vitrine opens (examples/loading.md)", o.model);
  table.choice("--input-format", "FORMAT",
               "text (default), or jsonl: {\"ids\": [...], \"tokens\": [...]} of any tokenizer a line", o.format,
               {"text", "jsonl"}, false);
  table.text("--target", "FILE", "with encoder and decoder: a target for each line; default: what search finds",
             o.target);
  table.text("--maps", "FILE", "FILE.html: a page; FILE.npz: arrays; FILE.json: BertViz", o.maps);
  table.choice("--statistics", "HOW", "text (default without --maps), csv, or none (default with it)", o.statistics,
               {"text", "csv", "none"}, false);
  table.choice("--reduce", "HOW",
               "mean: of each layer's heads; rollout: of self-attention, through each layer and all\n"
               "below it (Abnar and Zuidema 2020); both as head 0",
               o.reduce, {"mean", "rollout"}, false);
  table.choice("--kinds", "LIST", "of encoder,decoder,cross; default: all", o.kinds, {"encoder", "decoder", "cross"},
               true);
  table.text("--layers", "LIST", "e.g. 0,5; default: all", o.layers);
  table.text("--heads", "LIST", "e.g. 1,2; default: all", o.heads);
  table.text("--title", "TEXT", "of the page; default: the model's name", o.title);
  table.number("--beams", "of the search for targets; default: 1, greedy", o.asked.beams, 1, 1024);
  table.number("--max-new-tokens", "of that search; default: generation_config.json's, or the model's length",
               o.asked.max_new_tokens, 1, 1 << 20);
  pool::add_weights_option(table, o.weights);
  table.number("--threads", "0: all processors", o.asked.threads, 0, 999);
  pool::add_options(table, o.pool);
  return table;
}

// What the table alone cannot say; "" when all is well.
std::string misuse(Options& o) {
  if (std::string wrong = pool::misuse(o.pool); !wrong.empty() || pool::needs_no_model(o.pool)) return wrong;
  if (o.model.empty()) return "--model is missing";
  if (!o.maps.empty() && !inspect::can_save_maps(o.maps))
    return "--maps writes .npz, .html or .json files, not " + o.maps;
  if (o.statistics[0].empty()) o.statistics[0] = !o.pool.output.empty() ? "csv" : o.maps.empty() ? "text" : "none";
  if (!o.pool.output.empty() && (!o.maps.empty() || o.statistics[0] != "csv"))
    return "--output has rows of --statistics csv: leave --maps out";
  if (!o.title.empty() && std::filesystem::path(o.maps).extension() != ".html")
    return "--title is of the page: --maps FILE.html";
  if (!o.target.empty() && (o.asked.max_new_tokens > 0 || o.asked.beams > 0))
    return "nothing is searched with --target: leave --max-new-tokens and --beams out";
  if (o.reduce[0] == "rollout" && (!o.heads.empty() || !o.layers.empty()))
    return "a rollout goes through all layers and heads: leave --layers and --heads out";
  o.asked.json = o.format[0] == "jsonl";
  o.asked.weights = pool::storage_of(o.weights);
  o.pool.lines = 1;  // each is computed alone
  return "";
}

int run(const OptionTable& table, const Options& o, const vt::Selection& selection) {
  if (pool::needs_no_model(o.pool)) return pool::without_model(table, o.pool);
  Inspection job(o, vt::keep::weights.only(selection));
  const nlohmann::json rows = {{"input-format", o.format[0]},
                               {"reduce", o.reduce[0]},
                               {"kinds", o.kinds},
                               {"layers", o.layers},
                               {"heads", o.heads},
                               {"target", !o.target.empty()},
                               {"beams", o.asked.beams},
                               {"max-new-tokens", o.asked.max_new_tokens},
                               {"weights", o.weights[0]}};
  const int status = pool::run(table, o.pool, job, {o.model, o.target, rows, ".csv"});
  job.finish();
  return status;
}

}  // namespace

int main(int count, char** arguments) {
  Options options;
  OptionTable table = option_table(options);
  if (const auto status = table.parse(count, arguments)) return *status;
  if (const std::string wrong = misuse(options); !wrong.empty()) return table.wrong(wrong);
  vt::Selection selection{.which = vt::Which::none, .layers = {}, .heads = {}};
  for (const std::string& kind : options.kinds)
    selection.which = selection.which | (kind == "encoder"   ? vt::Which::encoder
                                         : kind == "decoder" ? vt::Which::self
                                                             : vt::Which::cross);
  if (!parse_set(options.layers, selection.layers) || !parse_set(options.heads, selection.heads))
    return table.wrong("--layers and --heads take numbers below " + std::to_string(vt::IndexSet::most) +
                       " joined by commas");
  return pool::guarded(table, [&] { return run(table, options, selection); });
}
