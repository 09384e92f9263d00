// Firmware: the encoder of examples/models/g2p (d128 h4 ff512, 3 layers) on a word's letters. Prints the output and the
// maps of the last layer in the text form. The weights are a header that weights_to_header wrote (run.sh does it).
#include <g2p_weights.hpp>

#include "board.hpp"
#include "text_form.hpp"

namespace vt = vitrine;

namespace {

constexpr vt::Index width = g2p::dims.d_model, longest = g2p::dims.max_length, last_layer = g2p::dims.num_layers - 1;
constexpr float factor = 0x1.6a09e6p3f;  // sqrt(128): the model's scale_embedding
constexpr vt::Index end_of_word = 0;

// All memory of the firmware, by name.
alignas(64) std::byte scratch[g2p::model.workspace_bytes({1, longest})];
alignas(64) float input[longest * width], output[longest * width];
alignas(64) float maps[g2p::dims.nhead * longest * longest];

vt::Index id_of(char letter) { return letter == '\'' ? 2 : letter >= 'a' && letter <= 'z' ? 3 + (letter - 'a') : -1; }
void embed(vt::Index id, vt::Index position, float* row) {
  for (vt::Index i = 0; i < width; ++i)
    row[i] = vt::mul(g2p::embedding[id * width + i], factor) + g2p::positions[position * width + i];
}

}  // namespace

int firmware() {
  const char* word = board::argument();
  if (*word == 0) word = "radium";
  text_form::Writer text{board::Put{}};

  vt::Index length = 0;
  text.begin_line();
  text.word("begin");
  for (; word[length] != 0; ++length) {
    const vt::Index id = id_of(word[length]);
    if (id < 0 || length + 1 >= longest) return 2;
    const char letter[2] = {word[length], 0};
    text.word(letter);
    embed(id, length, input + length * width);
  }
  embed(end_of_word, length, input + length * width);
  text.word("</s>");
  text.end_line();
  ++length;

  vt::EncoderResult<vt::DefaultKeep, float> result{vt::Tensor<float>(output), vt::Maps<float>(maps)};
  vt::Workspace workspace(scratch);
  const auto start = board::clock();
  const vt::Status status = g2p::model.forward_into(result, workspace, {input, 1, length, width}, {},
                                                    vt::keep::weights.only({.layers = {last_layer}}));
  const auto instructions = board::elapsed(start);
  if (status != vt::Status::ok) {
    text.begin_line();
    text.word("failed");
    text.word(vt::name(status.code));
    text.end_line();
    return 1;
  }

  text.output(result.output.matrix(0));
  for (vt::Index head = 0; head < g2p::dims.nhead; ++head)
    text.map("encoder_self", last_layer, head, result.self_attn[last_layer].matrix(0, head));
  text.begin_line();
  text.word("instructions");
  text.number(instructions);
  text.end_line();
  text.begin_line();
  text.word("stack");
  text.number(board::stack_used());
  text.end_line();
  text.begin_line();
  text.word("end");
  text.end_line();
  return 0;
}
