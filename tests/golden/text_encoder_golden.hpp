// Golden cases of Bert and its kin: hidden states, the pooler's output, all maps; padded queries too.
#pragma once
#include <filesystem>
#include <type_traits>
#include <vector>
#include <vitrine/io/checkpoint.hpp>

#include "report.hpp"
#include "seq2seq_golden.hpp"

namespace golden {

// Compiled once for families with a pooler, and once for those without.
template <class Base>
void compare_text_encoder(const Base& model, const vt::SafeTensors& file, Report& report) {
  using S = typename Base::Scalar;
  const vt::TensorView& view = file.at("input.input_ids");
  const auto ids = view.to_vector<Index>(), mask = file.at("input.attention_mask").to_vector<Index>();
  std::vector<Index> types;
  if (const vt::TensorView* given = file.find("input.token_type_ids")) types = given->to_vector<Index>();
  const Index batch = view.shape[0], length = view.shape[1];

  const auto result = model(vt::Tokens(ids.data(), batch, length),
                            {.src_mask = vt::from_hf_attention_mask(mask.data(), batch, length), .token_types = types});
  report.compare<S>(file.at("expect.last_hidden_state"), {batch, length, model.config().hidden_size},
                    result.output.span(), tolerance<S>);
  if constexpr (requires { result.pooled; })
    report.compare<S>(file.at("expect.pooler_output"), {batch, model.config().hidden_size}, result.pooled.span(),
                      tolerance<S>);
  compare_maps<vt::Maps<S>, S>(file, "expect.attentions", result.self_attn, report);

  // Without padding: the same bits in the rows that are real (where positions are those of the ids behind the padding,
  // they are others without it).
  const Unpadded real(ids, mask, length);
  std::vector<Index> real_types;
  for (std::size_t i = 0; i < types.size(); ++i)
    if (mask[i] != 0) real_types.push_back(types[i]);
  const auto packed = model(real.tokens(), {.token_types = real_types});
  for (Index b = 0; b < batch; ++b) {
    const Index rows = real.lengths[std::size_t(b)];
    if (mask[std::size_t(b * length)] == 0) continue;
    if (packed.output.matrix(b) != result.output.matrix(b).topRows(rows)) report.fail("ragged input differs");
    for (Index layer = 0; layer < packed.self_attn.layers(); ++layer)
      for (Index head = 0; head < packed.self_attn.heads(); ++head)
        if (packed.self_attn[layer].matrix(b, head) !=
            result.self_attn[layer].matrix(b, head).topLeftCorner(rows, rows))
          report.fail("a map of ragged input differs");
  }
}

template <class M>
void run_text_encoder_case(const std::filesystem::path& folder, const vt::SafeTensors& file, Report& report) {
  using S = typename M::Scalar;
  using Pooled = vt::PooledTextEncoder<S>;
  using Base = std::conditional_t<std::is_base_of_v<Pooled, M>, Pooled, vt::TextEncoder<S>>;
  compare_text_encoder<Base>(vt::load_model<M>(folder), file, report);
}

}  // namespace golden
