// A model's attention on some lines: statistics of every head, and its maps as a page, an archive or JSON.
//   build/examples/inspect --model examples/models/g2p --maps attention.html radium vitrine
#include <algorithm>
#include <cstdio>
#include <iostream>
#include <sstream>
#include <vitrine/vitrine.hpp>

#include "inspect_models.hpp"
#include "option_table.hpp"

namespace {

using vt::Index;
namespace inspect = vt::inspect;

struct Options {
  std::string model, target, maps, title, layers, heads;
  std::vector<std::string> format = {"text"}, statistics = {""}, kinds = {"encoder", "decoder", "cross"}, lines;
  Index threads = 0, max_new_tokens = 0;
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
    if (part.empty() || part.size() > 2 || part.find_first_not_of("0123456789") != part.npos) return false;
    set.insert(std::stoi(part));
    part.clear();
  }
  return true;
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

class Program {
 public:
  Program(const Options& options, const models::Keep& keep)
      : options_(options),
        keep_(keep),
        model_(
            models::open_model(options.model, options.format[0] == "jsonl", options.max_new_tokens, options.threads)),
        input_(options.lines.empty() ? std::cin : given_, options.target) {
    for (const std::string& one : options.lines) given_ << one << '\n';
    if (!options.target.empty() && !model_->takes_targets())
      throw vt::Error(vt::LoadError::bad_usage, options.model, "is no model that takes a --target");
    const std::string only = model_->only_kind();
    if (!only.empty() && std::find(options.kinds.begin(), options.kinds.end(), only) == options.kinds.end())
      throw vt::Error(vt::LoadError::bad_usage, options.model, "has attention of kind " + only + " only: see --kinds");
    if (!only.empty() && options.max_new_tokens > 0)
      throw vt::Error(vt::LoadError::bad_usage, options.model, "generates nothing here: leave --max-new-tokens out");
    if (std::filesystem::path(options.maps).extension() == ".npz") archive_.emplace(options.maps);
  }

  int run() {
    if (options_.statistics[0] == "csv") std::fputs(inspect::statistics_header().c_str(), stdout);
    while (input_.next()) line();
    input_.check_end();
    if (archive_)
      archive_->finish();
    else if (!options_.maps.empty())
      inspect::save_maps(options_.maps, page());
    if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) throw std::runtime_error("stdout cannot be written");
    return unusable_ > 0 ? 2 : 0;
  }

 private:
  void line() {
    const Index number = input_.number();
    const lines::Line source = model_->read(input_.source.text, input_.source.too_long, number);
    lines::Line target;
    if (input_.has_targets()) target = model_->read_target(input_.target.text, input_.target.too_long, number);
    const bool usable = source.usable() && target.error.empty() && (!input_.has_targets() || target.usable());
    for (const lines::Line* one : {&source, static_cast<const lines::Line*>(&target)}) {
      if (one->error.empty()) continue;
      ++unusable_;
      std::fprintf(stderr, "inspect: %sline %td %s\n", one == &target ? "target " : "", number + 1, one->error.c_str());
    }
    if (!usable) return;
    models::Inspected inspected = model_->look(source, target, keep_);
    inspected.example.number = number;
    if (options_.statistics[0] == "csv")
      std::fputs(inspect::statistics_rows(number, inspected.example).c_str(), stdout);
    else if (options_.statistics[0] == "text")
      std::fputs(statistics_table(inspected.example).c_str(), stdout);
    if (archive_)
      inspect::add_maps(*archive_, number, inspected.example);
    else if (!options_.maps.empty())
      kept_.push_back(std::move(inspected));
  }
  inspect::Page page() {
    inspect::Page page{.title = options_.title.empty() ? options_.model : options_.title, .examples = {}};
    for (models::Inspected& one : kept_) page.examples.push_back(std::move(one.example));
    return page;
  }

  Options options_;
  models::Keep keep_;
  std::unique_ptr<models::Model> model_;
  std::stringstream given_;  // lines of the command line
  lines::Input input_;
  std::optional<vt::NpzWriter> archive_;
  std::vector<models::Inspected> kept_;
  Index unusable_ = 0;
};

}  // namespace

int main(int count, char** arguments) {
  Options options;
  OptionTable table(
      "inspect", "--model FOLDER [OPTION...] [LINE...]      (without lines: from stdin)",
      "Runs a model on lines and shows its attention: figures of every head, and the maps in a file.\n",
      "Figures, means over rows: entropy (nats), largest weight, weight on the own, previous, next, first\n"
      "and last token, and the distance in tokens. Blank lines keep their number and give nothing.\n"
      "Exit: 0; 2 for a bad option or file, and after all others for lines that could not be used.\n");
  table.text("--model", "FOLDER", "a checkpoint of Marian, Bart, Bert, DistilBert or Gpt2", options.model);
  table.choice("--input-format", "FORMAT",
               "text (default), or jsonl: {\"ids\": [...], \"tokens\": [...]} of any tokenizer a line", options.format,
               {"text", "jsonl"}, false);
  table.text("--target", "FILE", "with encoder and decoder: a target for each line; default: greedy search",
             options.target);
  table.text("--maps", "FILE", "FILE.html: the viewer; FILE.npz: arrays; FILE.json: BertViz", options.maps);
  table.choice("--statistics", "HOW", "text (default without --maps), csv, or none (default with it)",
               options.statistics, {"text", "csv", "none"}, false);
  table.choice("--kinds", "LIST", "of encoder,decoder,cross; default: all", options.kinds,
               {"encoder", "decoder", "cross"}, true);
  table.text("--layers", "LIST", "e.g. 0,5; default: all", options.layers);
  table.text("--heads", "LIST", "e.g. 1,2; default: all", options.heads);
  table.text("--title", "TEXT", "of the page", options.title);
  table.number("--max-new-tokens", "of greedy search; default: generation_config.json's, or the model's length",
               options.max_new_tokens, 1, 1 << 20);
  table.number("--threads", "0: all processors", options.threads, 0, 999);
  table.others(options.lines);
  if (const auto status = table.parse(count, arguments)) return *status;
  if (options.model.empty()) return table.wrong("--model is missing");
  if (!options.maps.empty() && !inspect::can_save_maps(options.maps))
    return table.wrong("--maps writes .npz, .html or .json files, not " + options.maps);
  if (options.statistics[0].empty()) options.statistics[0] = options.maps.empty() ? "text" : "none";
  if (!options.title.empty() && std::filesystem::path(options.maps).extension() != ".html")
    return table.wrong("--title is of the page: --maps FILE.html");
  if (!options.target.empty() && options.max_new_tokens > 0)
    return table.wrong("nothing is searched with --target: leave --max-new-tokens out");
  vt::Selection selection{.which = vt::Which::none, .layers = {}, .heads = {}};
  for (const std::string& kind : options.kinds)
    selection.which = selection.which | (kind == "encoder"   ? vt::Which::encoder
                                         : kind == "decoder" ? vt::Which::self
                                                             : vt::Which::cross);
  if (!parse_set(options.layers, selection.layers) || !parse_set(options.heads, selection.heads))
    return table.wrong("--layers and --heads take numbers below 64 joined by commas");
  std::fprintf(stderr, "%s\n", vt::build_info().data());
  std::ios::sync_with_stdio(false);
  try {
    return Program(options, vt::keep::weights.only(selection)).run();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "inspect: %s\n", error.what());
    return 2;
  }
}
