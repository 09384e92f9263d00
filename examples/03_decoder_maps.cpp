// A decoder's two kinds of maps, for two sentences of different lengths in one batch.
#include <vitrine/vitrine.hpp>

#include <array>
#include <iostream>

int main() {
  std::cerr << vt::build_info().data() << '\n';
  vt::Decoder<float> decoder({.layer = {.d_model = 64, .nhead = 4, .dim_feedforward = 128}, .num_layers = 3});
  vt::throw_if_failed(decoder.init(1));

  const vt::RowMajor<float> tgt = vt::RowMajor<float>::Random(2 * 4, 64),
                            memory = vt::RowMajor<float>::Random(2 * 6, 64);
  const std::array<vt::Index, 2> lengths{6, 3};  // the second source has 3 tokens and 3 rows of padding

  const auto r = decoder(vt::Sequences<float>(tgt.data(), 2, 4, 64), vt::Sequences<float>(memory.data(), 2, 6, 64),
                         {.tgt_mask = vt::causal(), .memory_mask = vt::key_lengths(lengths)});
  const Eigen::IOFormat brief(2);
  std::cout << "layer 2, head 1, second sentence\nself (T x T):\n"
            << r.self_attn[2].matrix(1, 1).format(brief) << "\ncross (T x S), exactly 0 on padding:\n"
            << r.cross_attn[2].matrix(1, 1).format(brief) << '\n';

  // The same call that keeps one layer and head: everything else runs on the path that keeps nothing, the output has
  // the same bits.
  const auto one = decoder(vt::Sequences<float>(tgt.data(), 2, 4, 64), vt::Sequences<float>(memory.data(), 2, 6, 64),
                           {.tgt_mask = vt::causal(), .memory_mask = vt::key_lengths(lengths)},
                           vt::keep::weights.only({.which = vt::Which::cross, .layers = {2}, .heads = {1}}));
  const bool same =
      one.output.matrix(1) == r.output.matrix(1) && one.cross_attn[2].matrix(1, 1) == r.cross_attn[2].matrix(1, 1);
  std::cout << "one map kept instead of 24: " << (same ? "the same bits\n" : "DIFFERENT\n");
  return same ? 0 : 1;
}
