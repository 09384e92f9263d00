// What classic mistakes look like: the trained g2p model with its mask inverted, without scaling, with its heads not
// split, without positions. Prints the numbers that give each away; examples/mistakes.md explains them.
//   build/examples/mistakes [FOLDER]        FOLDER: where the page's pictures go (examples/images)
#include <vitrine/vitrine.hpp>

#include <deque>
#include <iostream>
#include <vitrine/inspect/svg.hpp>
#include <vitrine/io/checkpoint.hpp>

#include "letter_alignment.hpp"
#include "option_table.hpp"

namespace {

using vt::Index;
using Model = vt::Marian<float>;
using Texts = std::vector<std::string>;
namespace inspect = vt::inspect;
const std::filesystem::path g2p = "examples/models/g2p";

// Wrong models: the right one's parameters in another configuration, or with some values replaced.
class Mistakes {
 public:
  explicit Mistakes(const Model& right) : right_(right) {}

  // The factor 1 / sqrt(d_k) is undone: queries are multiplied by sqrt(d_k) as they are made.
  Model unscaled() {
    Model model = right_;
    const auto& config = right_.config();
    const float root = std::sqrt(float(config.d_model / config.encoder_attention_heads));
    right_.parameters([&](const std::string& name, const vt::Parameter<float>& p) {
      if (name.find(".in_proj_") == name.npos) return;
      std::vector<float>& values = owned_.emplace_back();
      const Index columns = p.is_vector() ? 1 : p.cols;
      for (Index row = 0; row < p.rows; ++row)
        for (Index column = 0; column < columns; ++column)
          values.push_back(p.value(row, column) * (row < p.rows / 3 ? root : 1.0f));
      vt::throw_if_failed(model.bind(name.c_str(), values));
    });
    return model;
  }
  // The whole width as one head. Every shape still fits.
  Model one_head() const {
    vt::Seq2SeqConfig config = right_.config();
    config.encoder_attention_heads = config.decoder_attention_heads = 1;
    Model model(config);
    take_parameters(model);
    return model;
  }
  // Positions of zero.
  Model without_positions() {
    vt::Seq2SeqConfig config = right_.config();
    config.stored_positions = true;
    Model model(config);
    take_parameters(model);
    owned_.emplace_back(std::size_t(config.max_position_embeddings * config.d_model), 0.0f);
    for (const char* name : {"encoder.embed_positions.weight", "decoder.embed_positions.weight"})
      vt::throw_if_failed(model.bind(name, owned_.back()));
    return model;
  }

 private:
  void take_parameters(Model& model) const {
    right_.parameters([&](const char* name, const vt::Parameter<float>& p) {
      vt::throw_if_failed(model.bind(name, p.values, p.panel));
    });
  }
  const Model& right_;
  std::deque<std::vector<float>> owned_ = {};
};

// The 500 held-out words, and what the model is asked about them.
class Words {
 public:
  explicit Words(const vt::GenerationConfig& config) : vocabulary_(g2p / "vocab.json"), config_(config) {
    for (const auto& pair : letters::read_pairs(g2p / "words.tsv")) {
      const auto word = ids_of(pair.word);
      ids_.insert(ids_.end(), word.begin(), word.end());
      lengths_.push_back(Index(word.size()));
      std::istringstream symbols(pair.phonemes);
      targets_.emplace_back();
      for (std::string symbol; symbols >> symbol;) targets_.back().push_back(vocabulary_.find(symbol));
    }
  }
  std::vector<Index> ids_of(const std::string& word) const {
    auto ids = vocabulary_.spell(word);
    ids.push_back(vocabulary_.find("</s>"));
    return ids;
  }
  Texts texts(const std::vector<Index>& ids) const {
    Texts texts;
    for (const Index id : ids) texts.push_back(vocabulary_.token(id));
    return texts;
  }

  // All words padded to the longest, as most libraries do it; `inverted`: the mask has the wrong sense.
  auto padded(const Model& model, bool inverted) {
    const Index count = Index(lengths_.size()), longest = *std::max_element(lengths_.begin(), lengths_.end());
    padded_.assign(std::size_t(count * longest), config_.pad_token_id);
    keep_.assign(padded_.size(), 0);
    for (Index b = 0, at = 0; b < count; at += lengths_[std::size_t(b++)]) {
      std::copy_n(ids_.begin() + at, lengths_[std::size_t(b)], padded_.begin() + b * longest);
      std::fill_n(keep_.begin() + b * longest, lengths_[std::size_t(b)], std::uint8_t(1));  // Hugging Face: 1 is keep
    }
    return vt::score(model, workspace_, vt::Tokens(padded_.data(), count, longest), targets_, config_,
                     vt::keep::weights.only({.which = vt::Which::cross}),
                     {.src_mask = inverted ? vt::from_torch_key_padding_mask(keep_.data(), count, longest)
                                           : vt::from_hf_attention_mask(keep_.data(), count, longest)});
  }
  template <class K = vt::DefaultKeep>
  auto scored(const Model& model, const K& keep = {}, std::span<const float> memory_head_scale = {}) {
    return vt::score(model, workspace_, vt::Tokens(ids_, lengths_), targets_, config_, keep,
                     {.memory_head_scale = memory_head_scale});
  }
  // One word and its dictionary spelling.
  auto scored(const Model& model, const std::string& word, const std::vector<Index>& target) {
    return vt::score(model, workspace_, vt::Tokens(ids_of(word)), {target}, config_);
  }
  std::vector<Index> spelled(const Model& model, const std::string& word) {
    return vt::generate(model, workspace_, vt::Tokens(ids_of(word)), config_)[0][0].ids;
  }
  // "AE K S", cut after 12.
  std::string line(const std::vector<Index>& ids) const {
    std::string text;
    for (std::size_t i = 0; i < ids.size() && i < 12 && !config_.is_end(ids[i]); ++i)
      text += (i > 0 ? " " : "") + vocabulary_.token(ids[i]);
    return text + (ids.size() > 13 ? " ..." : "");
  }
  // How many phonemes look at a letter that can spell them, for each head of the cross-attention.
  std::vector<letters::HeadMeasure> measured(const Model& model) {
    return letters::measure(model, workspace_, vocabulary_, config_, letters::read_pairs(g2p / "words.tsv")).heads;
  }
  const std::vector<Index>& lengths() const { return lengths_; }

 private:
  vt::Vocabulary vocabulary_;
  vt::GenerationConfig config_;
  vt::Workspace workspace_{vt::heap()};
  std::vector<Index> ids_ = {}, lengths_ = {}, padded_ = {};
  std::vector<std::uint8_t> keep_ = {};
  std::vector<std::vector<Index>> targets_ = {};
};

// The mean log-probability of the dictionary's phonemes.
template <class Scored>
double log_probability(const Scored& scored) {
  double sum = 0, count = 0;
  for (const auto& word : scored.log_probs)
    for (const float value : word) sum += double(value), ++count;
  return sum / count;
}
// Mean over all rows of the layer's maps, for f(row, sequence).
template <class F>
double row_mean(const vt::Maps<float>& maps, Index layer, F&& f) {
  double sum = 0, count = 0;
  for (Index b = 0; b < maps.batch(); ++b)
    for (Index h = 0; h < maps.heads(); ++h)
      for (Index t = 0; t < maps.length(b); ++t) sum += double(f(maps[layer].matrix(b, h).row(t), b)), ++count;
  return sum / count;
}
const auto largest = [](const auto& row, Index) { return row.maxCoeff(); };
// How far apart the rows of equal letters are, at most, in any head: 0 when a letter's place does not matter.
double apart(const vt::Maps<float>& maps, const Texts& letters) {
  double most = 0;
  for (Index layer = 0; layer < maps.layers(); ++layer)
    for (Index h = 0; h < maps.heads(); ++h)
      for (std::size_t i = 0; i < letters.size(); ++i)
        for (std::size_t j = 0; j < i; ++j)
          if (letters[i] == letters[j])
            most =
                std::max(most, double((maps[layer].matrix(0, h).row(Index(i)) - maps[layer].matrix(0, h).row(Index(j)))
                                          .cwiseAbs()
                                          .maxCoeff()));
  return most;
}

void line(const char* what, double right, double wrong, int decimals = 2) {
  std::printf("  %-52s %8.*f %8.*f\n", what, decimals, right, decimals, wrong);
}

void run(const std::filesystem::path& folder) {
  const Model right = vt::load_model<Model>(g2p);
  vt::GenerationConfig config = vt::read_generation_config(g2p);
  config.max_length = right.max_length();
  Words words(config);
  Mistakes mistakes(right);
  const auto picture = [&](const char* name, const auto& map, const Texts& queries, const Texts& keys,
                           const std::string& title) {
    if (folder.empty()) return;
    inspect::save_text(folder / (std::string("mistake_") + name + ".svg"),
                       inspect::svg_heatmap(map.data(), map.rows(), map.cols(), queries, keys, {.title = title}));
  };
  const auto grid = [&](const char* name, const vt::Maps<float>& maps, const Texts& tokens, const std::string& title) {
    if (folder.empty()) return;
    inspect::MapGroup group{.kind = "encoder", .query_tokens = tokens, .key_tokens = tokens};
    group.layers = maps.layers(), group.heads = maps.heads();
    group.map = [&](Index layer, Index head) { return maps[layer].matrix(0, head).data(); };
    inspect::save_text(folder / (std::string("mistake_") + name + ".svg"), inspect::svg_grid(group, {.title = title}));
  };
  const auto spells = [&](const Model& model) {
    for (const char* word : {"anhydride", "banana"})
      std::printf("  spells %-10s %s\n", word, words.line(words.spelled(model, word)).c_str());
  };
  const std::string word = "anhydride";
  const Texts letters = words.texts(words.ids_of(word));
  const auto target = words.spelled(right, word);
  const Texts phonemes = words.texts(target);

  const auto all = words.scored(right);
  const auto& encoder = all.result.encoder.self_attn;
  std::printf("%-54s %8s %8s\n", "500 words, the dictionary's phonemes given", "right", "wrong");
  std::printf("the model as it was trained\n");
  spells(right);

  std::printf("mask inverted\n");
  {
    const auto good = words.padded(right, false), bad = words.padded(right, true);
    const auto& cross = good.result.cross_attn;
    const auto on_padding = [&](const auto& row, Index b) {
      return row.tail(row.cols() - words.lengths()[std::size_t(b)]).sum();
    };
    line("weight on padding, cross-attention", row_mean(cross, 1, on_padding),
         row_mean(bad.result.cross_attn, 1, on_padding));
    line("log-probability of a phoneme", log_probability(good), log_probability(bad));
    constexpr Index radium = 4;  // the fifth of words.tsv
    Texts keys = words.texts(words.ids_of("radium"));
    keys.resize(std::size_t(cross.memory_length(radium)), "<pad>");
    const Texts queries{"R", "EY", "D", "IY", "AH", "M"};
    picture("mask_right", cross[1].matrix(radium, 1), queries, keys, "as trained");
    picture("mask_wrong", bad.result.cross_attn[1].matrix(radium, 1), queries, keys, "mask inverted");

    // The decoder's own mask: PyTorch's attn_mask (True: ignore) given to an interface where True means attend.
    const auto one = words.scored(right, word, target);
    const Index count = Index(target.size());
    std::vector<std::uint8_t> ignore;
    for (Index t = 0; t < count; ++t)
      for (Index s = 0; s < count; ++s) ignore.push_back(s > t);
    const vt::Tensor<float>& embedded = one.result.embedded;
    const auto future = right.decoder()(embedded, one.result.encoder.output,
                                        {.tgt_mask = vt::from_torch_sdpa_mask(ignore.data(), count, count)});
    const auto later = [&](const vt::Maps<float>& maps) {
      double sum = 0;
      for (Index h = 0; h < maps.heads(); ++h)
        for (Index t = 0; t + 1 < count; ++t) sum += double(maps[0].matrix(0, h).row(t).tail(count - t - 1).sum());
      return sum / double(maps.heads() * (count - 1));
    };
    line("weight on later tokens, decoder", later(one.result.self_attn), later(future.self_attn));
    line("sum of the decoder's last row", double(one.result.self_attn[0].matrix(0, 0).row(count - 1).sum()),
         double(future.self_attn[0].matrix(0, 0).row(count - 1).sum()));
    Texts inputs = phonemes;
    inputs.pop_back(), inputs.insert(inputs.begin(), "<start>");
    picture("causal_right", one.result.self_attn[0].matrix(0, 0), phonemes, inputs, "as trained");
    picture("causal_wrong", future.self_attn[0].matrix(0, 0), phonemes, inputs, "mask inverted");
  }

  const auto compare = [&](const char* name, const Model& wrong) {
    const auto bad = words.scored(wrong);
    std::printf("%s\n", name);
    line("heads in a layer", double(encoder.heads()), double(bad.result.encoder.self_attn.heads()), 0);
    line("largest weight of a row, encoder layer 0", row_mean(encoder, 0, largest),
         row_mean(bad.result.encoder.self_attn, 0, largest));
    const Texts banana = words.texts(words.ids_of("banana"));
    const auto spelling = words.spelled(right, "banana");
    line("rows of the three a of \"banana\", at most apart",
         apart(words.scored(right, "banana", spelling).result.encoder.self_attn, banana),
         apart(words.scored(wrong, "banana", spelling).result.encoder.self_attn, banana));
    line("log-probability of a phoneme", log_probability(all), log_probability(bad));
    spells(wrong);
  };
  const Model unscaled = mistakes.unscaled(), one_head = mistakes.one_head(),
              without_positions = mistakes.without_positions();
  compare("no scaling", unscaled);
  compare("heads not split", one_head);
  compare("positions missing", without_positions);

  const auto good = words.scored(right, word, target), hot = words.scored(unscaled, word, target),
             merged = words.scored(one_head, word, target);
  picture("scaling_right", good.result.encoder.self_attn[0].matrix(0, 0), letters, letters, "as trained");
  picture("scaling_wrong", hot.result.encoder.self_attn[0].matrix(0, 0), letters, letters, "no scaling");
  grid("heads_right", good.result.encoder.self_attn, letters, "as trained");
  grid("heads_wrong", merged.result.encoder.self_attn, letters, "heads not split");
  const Texts banana = words.texts(words.ids_of("banana"));
  const auto spelling = words.spelled(right, "banana");
  const auto placed = words.scored(right, "banana", spelling),
             lost = words.scored(without_positions, "banana", spelling);
  picture("positions_right", placed.result.encoder.self_attn[1].matrix(0, 2), banana, banana, "as trained");
  picture("positions_wrong", lost.result.encoder.self_attn[1].matrix(0, 2), banana, banana, "positions missing");

  // What attention does not explain: the head that aligns best is not the one that the model misses most.
  std::printf("%-45s %8s %17s\n", "one head of the cross-attention switched off", "aligns", "log-probability");
  std::printf("  %-43s %8s %17.2f\n", "none", "", log_probability(all));
  const auto heads = words.measured(right);
  for (std::size_t i = 0; i < heads.size(); ++i) {
    std::vector<float> scale(heads.size(), 1.0f);
    scale[i] = 0;
    std::printf("  layer %td, head %td%27s %6.1f %% %17.2f\n", heads[i].layer, heads[i].head, "",
                100 * heads[i].plausible, log_probability(words.scored(right, vt::keep::nothing, scale)));
  }
}

}  // namespace

int main(int count, char** arguments) {
  std::vector<std::string> folder;
  OptionTable table("mistakes", "[FOLDER]", "What classic mistakes look like in numbers and, in FOLDER, in pictures.\n",
                    "Exit: 0, or 2 for a folder that cannot be written.\n");
  table.others(folder);
  if (const auto status = table.parse(count, arguments)) return *status;
  if (folder.size() > 1) return table.wrong("one folder at most");
  try {
    run(folder.empty() ? "" : folder[0]);
  } catch (const std::exception& error) { return std::cerr << "mistakes: " << error.what() << '\n', 2; }
  return 0;
}
