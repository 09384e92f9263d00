// Golden cases of Causal models (GPT-2, Llama, ...): logits, all maps, what generate finds after the first row of ids,
// and what teacher forcing says of that, where no rule of the search changes the score of what it finds.
#pragma once
#include <cmath>
#include <filesystem>
#include <string>
#include <vector>
#include <vitrine/generate/generate.hpp>
#include <vitrine/io/checkpoint.hpp>

#include "report.hpp"
#include "seq2seq_golden.hpp"

namespace golden {

// Compiled once for all families.
template <class S>
void compare_causal(const vt::Causal<S>& model, const std::filesystem::path& folder, const vt::SafeTensors& file,
                    Report& report) {
  const vt::TensorView& view = file.at("input.input_ids");
  const auto ids = view.to_vector<Index>();
  const vt::TensorView* const padding = file.find("input.attention_mask");
  const auto mask = padding != nullptr ? padding->to_vector<Index>() : std::vector<Index>(ids.size(), 1);
  const Index batch = view.shape[0], length = view.shape[1];
  const auto result =
      model(vt::Tokens(ids.data(), batch, length), {.mask = vt::from_hf_attention_mask(mask.data(), batch, length)});
  report.compare<S>(file.at("expect.logits"), {batch, length, model.vocab_size()}, result.output.span(), tolerance<S>);
  compare_maps<vt::Maps<S>, S>(file, "expect.attentions", result.self_attn, report);

  const vt::GenerationConfig base = vt::read_generation_config(folder);
  const std::span<const Index> prompt(ids.data(), std::size_t(length));
  vt::Workspace workspace(vt::heap());
  const vt::ConfigFile generate(file.metadata().at("generate"), folder.string() + " generate");
  for (const auto& [label, options] : generate.json().items()) {
    const auto config = vt::generation_config(vt::ConfigFile(options.dump(), label), base);
    const std::string name = "expect.generate." + label;
    const vt::TensorView& wanted = file.at(name + ".sequences");
    std::vector<Index> sequences;
    std::vector<S> scores, forced;
    const bool rescored =
        config.renormalize_logits || config.forced_bos_token_id >= 0 || config.forced_eos_token_id >= 0;
    for (const auto& one : vt::generate(model, workspace, prompt, config)) {
      sequences.insert(sequences.end(), prompt.begin(), prompt.end());
      sequences.insert(sequences.end(), one.ids.begin(), one.ids.end());
      sequences.resize((scores.size() + 1) * std::size_t(wanted.shape[1]), config.pad_token_id);
      scores.push_back(one.score);
      const auto scored = vt::score(model, workspace, prompt, {one.ids}, vt::keep::nothing);
      double sum = 0;
      for (const S value : scored.log_probs[0]) sum += double(value);
      forced.push_back(S(sum / std::pow(double(one.ids.size()), config.length_penalty)));
    }
    report.compare<Index>(wanted, {Index(scores.size()), wanted.shape[1]}, sequences, 0.0);
    if (const vt::TensorView* expected = file.find(name + ".sequences_scores"))  // Transformers adds them in float
      for (const auto& values : {scores, rescored ? scores : forced})
        report.compare<S>(*expected, {Index(values.size())}, values, sizeof(S) == 4 ? 1e-4 : 2e-6);
  }
}

template <class M>
void run_causal_case(const std::filesystem::path& folder, const vt::SafeTensors& file, Report& report) {
  compare_causal<typename M::Scalar>(vt::load_model<M>(folder), folder, file, report);
}

}  // namespace golden
