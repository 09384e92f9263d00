// Compact maps of cached steps and of searches, against those in floats.
#include <vitrine/generate/causal_steps.hpp>
#include <vitrine/generate/decoding.hpp>
#include <vitrine/generate/generate.hpp>

#include "../support/compact.hpp"
#include "searched_models.hpp"

#include <doctest/doctest.h>

namespace vt = vitrine;
using vt::Index;

TEST_CASE("steps of a decoder and of a causal model, whose maps grow") {
  const auto model = searched::marian<float>(5);
  const auto causal = searched::gpt2();
  support::each_storage([&](const auto& keep) {
    vt::Workspace workspace(vt::heap(), 2);
    vt::DecodingSteps<float> one(model, workspace), two(model, workspace);
    vt::EncoderResult<vt::DefaultKeep, float> encoder;
    vt::EncoderResult<std::remove_cvref_t<decltype(keep)>, float> encoder_codes;
    REQUIRE(one.begin_into(encoder, vt::Tokens(searched::source_ids, searched::source_lengths), vt::keep::weights) ==
            vt::Status::ok);
    REQUIRE(two.begin_into(encoder_codes, vt::Tokens(searched::source_ids, searched::source_lengths), keep) ==
            vt::Status::ok);
    CHECK(support::same_maps(encoder_codes.self_attn, encoder.self_attn));
    vt::CausalSteps<float> first(causal, workspace), second(causal, workspace);
    vt::CausalSteps<float>::Result<vt::DefaultKeep> maps;
    vt::CausalSteps<float>::Result<std::remove_cvref_t<decltype(keep)>> codes;
    REQUIRE(first.begin_into(maps, vt::Tokens(searched::source_ids, searched::source_lengths), vt::keep::weights) ==
            vt::Status::ok);
    REQUIRE(second.begin_into(codes, vt::Tokens(searched::source_ids, searched::source_lengths), keep) ==
            vt::Status::ok);
    CHECK(support::same_maps(codes.self_attn, maps.self_attn));
    for (Index t = 0; t < 12; ++t) {
      const std::vector<Index> ids{t % 7, 1, t % 5};
      const auto floats = one.next(ids);
      const auto compact = two.next(ids, keep);
      CHECK(compact.output.matrix(2) == floats.output.matrix(2));
      CHECK(support::same_maps(compact.self_attn, floats.self_attn));
      CHECK(support::same_maps(compact.cross_attn, floats.cross_attn));
      REQUIRE(first.next_into(maps, ids, vt::keep::weights) == vt::Status::ok);
      REQUIRE(second.next_into(codes, ids, keep) == vt::Status::ok);
      CHECK(support::same_maps(codes.self_attn, maps.self_attn));
    }
  });
}

TEST_CASE("searches trace codes back through the beams") {
  const auto model = searched::marian<float>(5);
  const auto causal = searched::gpt2();
  vt::GenerationConfig g;
  g.decoder_start_token_id = 16, g.pad_token_id = 16, g.eos_token_ids = {0, 3}, g.max_new_tokens = 9;
  g.num_beams = g.num_return_sequences = 3;
  vt::Workspace workspace(vt::heap(), 2);
  const vt::Tokens from(searched::source_ids, searched::source_lengths);
  const auto maps = vt::generate(model, workspace, from, g, vt::keep::weights);
  vt::GenerationConfig plain = g;
  plain.pad_token_id = plain.decoder_start_token_id = -1;
  const auto of_causal = vt::generate(causal, workspace, from, plain, vt::keep::weights);
  support::each_storage([&](const auto& keep) {
    const auto codes = vt::generate(model, workspace, from, g, keep);
    CHECK(support::same_maps(codes.encoder.self_attn, maps.encoder.self_attn));
    for (std::size_t b = 0; b < 3; ++b)
      for (std::size_t i = 0; i < 3; ++i) {
        const auto& one = codes.hypotheses[b][i];
        const auto& same = maps.hypotheses[b][i];
        CHECK(one.ids == same.ids);
        CHECK(one.log_probs == same.log_probs);
        CHECK(support::same_maps(one.self_attn, same.self_attn));
        CHECK(support::same_maps(one.cross_attn, same.cross_attn));
      }
    const auto found = vt::generate(causal, workspace, from, plain, keep);
    for (std::size_t b = 0; b < 3; ++b)
      for (std::size_t i = 0; i < 3; ++i) CHECK(support::same_maps(found[b][i].self_attn, of_causal[b][i].self_attn));
  });
}
