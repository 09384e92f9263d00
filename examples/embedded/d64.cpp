// Firmware for figures: an encoder of d64 h4 ff128 with two layers on 32 rows, without maps or (KEEP_MAPS) with those
// of one layer. Weights by weights_to_header init:7; the input is arithmetic.
#include <d64_weights.hpp>

#include "board.hpp"
#include "d64_input.hpp"
#include "text_form.hpp"

namespace vt = vitrine;

namespace {

constexpr vt::Index width = d64::dims.d_model, length = d64::dims.max_length;
alignas(64) std::byte scratch[d64::model.workspace_bytes({1, length})];
alignas(64) float input[length * width], output[length * width];
#ifdef KEEP_MAPS
alignas(64) float maps[d64::dims.nhead * length * length];
#endif

}  // namespace

int firmware() {
  for (vt::Index i = 0; i < length * width; ++i) input[i] = d64_input(i);
  vt::Workspace workspace(scratch);
#ifdef KEEP_MAPS
  vt::EncoderResult<vt::DefaultKeep, float> result{vt::Tensor<float>(output), vt::Maps<float>(maps)};
  const auto keep = vt::keep::weights.only({.layers = {1}});
#else
  vt::EncoderResult<vt::keep::Nothing, float> result{vt::Tensor<float>(output)};
  const auto keep = vt::keep::nothing;
#endif
  const auto start = board::clock();
  const vt::Status status = d64::model.forward_into(result, workspace, {input, 1, length, width}, {}, keep);
  const auto instructions = board::elapsed(start);
  const auto stack = board::stack_used();
  if (status != vt::Status::ok) return 1;
#ifndef QUIET
  text_form::Writer text{board::Put{}};
  text.begin_line();
  text.word("begin");
  text.end_line();
  text.output(result.output.matrix(0));
#ifdef KEEP_MAPS
  for (vt::Index head = 0; head < d64::dims.nhead; ++head)
    text.map("encoder_self", 1, head, result.self_attn[1].matrix(0, head));
#endif
  text.begin_line();
  text.word("instructions");
  text.number(instructions);
  text.end_line();
  text.begin_line();
  text.word("stack");
  text.number(stack);
  text.end_line();
  text.begin_line();
  text.word("end");
  text.end_line();
#else
  (void)instructions, (void)stack;
#endif
  return 0;
}
