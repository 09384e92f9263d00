// Small models with random values and sources of different lengths, for tests of what a search keeps.
#pragma once
#include <vitrine/models/gpt2.hpp>
#include <vitrine/models/marian.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <vector>

namespace searched {

namespace vt = vitrine;

// Sources of 4, 1 and 6 ids; the end is likely enough that hypotheses end at different times.
inline const std::vector<vt::Index> source_ids = {3, 4, 5, 0, 0, 1, 2, 3, 4, 5, 0};
inline const std::vector<vt::Index> source_lengths = {4, 1, 6};

template <class S>
vt::Marian<S> marian(std::uint64_t seed) {
  vt::Seq2SeqConfig c;
  c.vocab_size = 17, c.d_model = 16, c.encoder_layers = 2, c.decoder_layers = 2;
  c.encoder_attention_heads = c.decoder_attention_heads = 4;
  c.encoder_ffn_dim = c.decoder_ffn_dim = 24, c.max_position_embeddings = 24;
  vt::Marian<S> model(c);
  REQUIRE(model.init(seed) == vt::Status::ok);
  return model;
}
inline vt::Gpt2<float> gpt2() {
  vt::Gpt2Config c;
  c.vocab_size = 19, c.n_positions = 24, c.n_embd = 16, c.n_layer = 2, c.n_head = 4;
  vt::Gpt2<float> model(c);
  REQUIRE(model.init(3) == vt::Status::ok);
  return model;
}

}  // namespace searched
