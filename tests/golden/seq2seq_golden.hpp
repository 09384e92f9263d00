// Golden cases of Marian and Bart: hidden states, logits, all maps, what generate finds, and coverage scores.
#pragma once
#include <cmath>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>
#include <vitrine/generate/generate.hpp>
#include <vitrine/io/checkpoint.hpp>

#include "report.hpp"

namespace golden {

// All maps of one layer, (B, H, T, S), against NAME.LAYER.
template <class Maps, class S>
void compare_maps(const vt::SafeTensors& file, const std::string& name, const Maps& maps, Report& report) {
  for (Index layer = 0; layer < maps.layers(); ++layer) {
    const vt::TensorView* view = file.find(name + "." + std::to_string(layer));
    if (view == nullptr) {
      report.fail(name + "." + std::to_string(layer) + " is not in the file");
      continue;
    }
    const Index size = maps.batch() * maps.heads() * maps.length() * maps.memory_length();
    report.compare<S>(*view, {maps.batch(), maps.heads(), maps.length(), maps.memory_length()},
                      {maps[layer].matrix(0, 0).data(), std::size_t(size)}, tolerance<S>);
  }
}

// The real ids of each padded row, one after another.
struct Unpadded {
  std::vector<Index> ids = {}, lengths = {};
  Unpadded(const std::vector<Index>& padded, const std::vector<Index>& mask, Index length) {
    for (std::size_t i = 0; i < padded.size(); ++i) {
      if (i % std::size_t(length) == 0) lengths.push_back(0);
      if (mask[i] != 0) ids.push_back(padded[i]), ++lengths.back();
    }
  }
  vt::Tokens tokens() const { return {ids, lengths}; }
};

// -(1 / |x|) sum over the source's ids but the last of log(min(sum over rows of the map, 1) + 1e-8).
template <class S>
double coverage(vt::MatrixView<S> map) {
  double sum = 0;
  const Index words = map.cols() - 1;
  for (Index j = 0; j < words; ++j) {
    double column = 0;
    for (Index i = 0; i < map.rows(); ++i) column += double(map(i, j));
    sum -= std::log(std::min(column, 1.0) + 1e-8);
  }
  return sum / double(words);
}

// Compiled once for all families.
template <class S>
void compare_seq2seq(const vt::Seq2Seq<S>& model, const std::filesystem::path& folder, const vt::SafeTensors& file,
                     Report& report) {
  const vt::TensorView &ids_view = file.at("input.input_ids"), &target_view = file.at("input.decoder_input_ids");
  const auto ids = ids_view.to_vector<Index>(), targets = target_view.to_vector<Index>();
  const auto mask = file.at("input.attention_mask").to_vector<Index>();
  const Index length = ids_view.shape[1], rows = target_view.shape[0];  // of g2p, the first rows only

  const auto result =
      model(vt::Tokens(ids.data(), rows, length), vt::Tokens(targets.data(), rows, target_view.shape[1]),
            {.src_mask = vt::from_hf_attention_mask(mask.data(), rows, length)});
  const auto compare = [&](const char* name, const vt::Tensor<S>& tensor) {
    report.compare<S>(file.at(name), {tensor.batch(), tensor.length(), tensor.width()}, tensor.span(), tolerance<S>);
  };
  compare("expect.encoder_last_hidden_state", result.encoder.output);
  compare("expect.logits", result.output);
  compare_maps<vt::Maps<S>, S>(file, "expect.encoder_attentions", result.encoder.self_attn, report);
  compare_maps<vt::Maps<S>, S>(file, "expect.decoder_attentions", result.self_attn, report);
  compare_maps<vt::Maps<S>, S>(file, "expect.cross_attentions", result.cross_attn, report);

  const vt::GenerationConfig base = vt::read_generation_config(folder);
  const Unpadded sources(ids, mask, length);
  vt::Workspace workspace(vt::heap());
  const vt::ConfigFile generate(file.metadata().contains("generate") ? file.metadata().at("generate") : "{}",
                                folder.string() + " generate");
  for (const auto& [label, options] : generate.json().items()) {
    const auto config = vt::generation_config(vt::ConfigFile(options.dump(), label), base);
    const auto found = vt::generate(model, workspace, sources.tokens(), config);
    const std::string name = "expect.generate." + label;
    const vt::TensorView& wanted = file.at(name + ".sequences");
    std::vector<Index> sequences;
    std::vector<S> scores;
    for (const auto& hypotheses : found)
      for (const auto& one : hypotheses) {
        sequences.push_back(config.decoder_start_token_id);
        sequences.insert(sequences.end(), one.ids.begin(), one.ids.end());
        sequences.resize((scores.size() + 1) * std::size_t(wanted.shape[1]), config.pad_token_id);
        scores.push_back(one.score);
      }
    report.compare<Index>(wanted, {Index(scores.size()), wanted.shape[1]}, sequences, 0.0);
    if (const vt::TensorView* view = file.find(name + ".sequences_scores"))  // Transformers adds them in float
      report.compare<S>(*view, {Index(scores.size())}, scores, sizeof(S) == 4 ? 1e-4 : 2e-6);
    if (label != "greedy") continue;

    for (const char* target : {"greedy", "source"}) {
      const vt::TensorView* view = file.find(std::string("expect.score.coverage.") + target);
      if (view == nullptr) continue;
      std::vector<double> values;
      const Index* source = sources.ids.data();
      for (Index b = 0; b < view->shape[0]; source += sources.lengths[std::size_t(b++)]) {
        const std::span<const Index> word(source, std::size_t(sources.lengths[std::size_t(b)]));
        const std::vector<Index> given =
            *target == 'g' ? found[std::size_t(b)][0].ids : std::vector<Index>(word.begin(), word.end());
        const auto scored = vt::score(model, workspace, vt::Tokens(word), {given}, config);
        const auto& cross = scored.result.cross_attn;
        for (Index layer = 0; layer < cross.layers(); ++layer)
          for (Index head = 0; head < cross.heads(); ++head)
            values.push_back(coverage<S>(cross[layer].matrix(0, head)));
      }
      report.compare<double>(*view, view->shape, values, tolerance<S>);
    }
  }
}

template <class M>
void run_seq2seq_case(const std::filesystem::path& folder, const vt::SafeTensors& file, Report& report) {
  compare_seq2seq<typename M::Scalar>(vt::load_model<M>(folder), folder, file, report);
}

}  // namespace golden
