// What a weight is made of: queries and keys of every head of a trained model, for a neuron view.
//   build/examples/trace_neuron_view [--model FOLDER] FILE.npz|FILE.json [WORD]
// npz: 0/encoder_self, 0/encoder_self.queries, 0/encoder_self.keys (layers, heads, T, T or D), and the same of
// decoder_self and cross. json: BertViz's neuron view of the encoder (window.bertviz_params of its page).
#include <vitrine/vitrine.hpp>

#include <vitrine/generate/generate.hpp>
#include <vitrine/inspect/export.hpp>
#include <vitrine/io/checkpoint.hpp>
#include <vitrine/text/vocabulary.hpp>

#include <cstdio>
#include <map>

#include "option_table.hpp"

using vt::Index;

int main(int argc, char** argv) try {
  std::string model_folder = "examples/models/g2p";
  std::vector<std::string> given;
  OptionTable table("trace_neuron_view", "[--model FOLDER] FILE.npz|FILE.json [WORD]",
                    "Writes queries and keys of every head as the model spells the word, radium if there is none.\n",
                    "Exit: 0, or 2 for a letter that the model does not know or a file that cannot be had.\n");
  table.text("--model", "FOLDER", "a Marian model with one token a letter; default: examples/models/g2p", model_folder);
  table.others(given);
  if (const auto status = table.parse(argc, argv)) return *status;
  if (given.empty() || given.size() > 2) return table.wrong("it takes a file, and at most one word");
  const std::filesystem::path file = given[0];
  if (file.extension() != ".npz" && file.extension() != ".json")
    return table.wrong("it writes .npz or .json files, not " + given[0]);
  const std::filesystem::path folder = model_folder;
  const auto model = vt::load_model<vt::Marian<float>>(folder);
  const vt::Vocabulary vocabulary(folder / "vocab.json");
  std::vector<Index> letters = vocabulary.spell(given.size() == 2 ? given[1] : "radium");
  letters.push_back(vocabulary.find("</s>"));
  vt::Workspace workspace(vt::heap());
  const auto config = vt::read_generation_config(folder);
  const std::vector<Index> spelled = vt::generate(model, workspace, vt::Tokens(letters), config)[0][0].ids;
  std::vector<Index> read = spelled;  // the decoder reads each phoneme to make the next
  read.insert(read.begin(), config.decoder_start_token_id), read.pop_back();

  std::map<std::string, std::vector<float>> vectors;  // "encoder_self.queries": (layers, heads, T, D)
  std::map<std::string, std::vector<Index>> shapes;
  const auto collect = [&](std::string_view name, Index layer, const vt::TraceView<float>& view) {
    const bool query = name.ends_with("_attn.q");
    if (!query && !name.ends_with("_attn.k")) return;
    std::string own = name.starts_with("encoder") ? "encoder_self" : "decoder_self";
    if (name.find("multihead_attn") != name.npos) own = "cross";
    own += query ? ".queries" : ".keys";
    shapes[own] = {layer + 1, view.heads(), view.length(), view.width()};
    view.each([&](const vt::RowMajor<float>& head) {
      vectors[own].insert(vectors[own].end(), head.data(), head.data() + head.size());
    });
  };
  const auto r = model(vt::Tokens(letters), vt::Tokens(read), {}, vt::keep::weights, collect);

  std::vector<std::string> source, target;
  for (Index id : letters) source.push_back(vocabulary.token(id));
  for (Index id : spelled) target.push_back(vocabulary.token(id));
  if (file.extension() == ".json") {
    vt::AtomicFile out(file);
    const auto encoder = vt::inspect::map_group("encoder", r.encoder.self_attn, 0, source, source);
    out.write(
        vt::inspect::bertviz_neuron_view(encoder, vectors["encoder_self.queries"], vectors["encoder_self.keys"], true));
    return out.commit(), 0;
  }
  vt::NpzWriter out(file);
  vt::inspect::add_maps(out, 0, vt::inspect::seq2seq_example(r, 0, source, target));
  for (const auto& [name, values] : vectors) out.add("0/" + name, shapes[name], std::span<const float>(values));
  return out.finish(), 0;
} catch (const std::exception& error) { return std::fprintf(stderr, "%s\n", error.what()), 2; }
