// Golden cases of Vit: hidden states, the pooler's output, all maps.
#pragma once
#include <filesystem>
#include <vector>
#include <vitrine/io/checkpoint.hpp>

#include "report.hpp"
#include "seq2seq_golden.hpp"

namespace golden {

template <class M>
void run_vit_case(const std::filesystem::path& folder, const vt::SafeTensors& file, Report& report) {
  using S = typename M::Scalar;
  const M model = vt::load_model<M>(folder);
  const vt::TensorView& view = file.at("input.pixel_values");
  const auto pixels = view.to_vector<S>();
  const auto& shape = view.shape;
  const auto result = model({pixels.data(), shape[0], shape[1], shape[2], shape[3]});
  const Index width = model.config().hidden_size;
  report.compare<S>(file.at("expect.last_hidden_state"), {shape[0], 1 + model.config().patches(), width},
                    result.output.span(), tolerance<S>);
  report.compare<S>(file.at("expect.pooler_output"), {shape[0], result.pooled.width()}, result.pooled.span(),
                    tolerance<S>);
  compare_maps<vt::Maps<S>, S>(file, "expect.attentions", result.self_attn, report);
}

}  // namespace golden
