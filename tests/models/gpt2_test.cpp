#include <doctest/doctest.h>

#include <vector>
#include <vitrine/models/gpt2.hpp>
#include <vitrine/vitrine.hpp>

namespace vt = vitrine;
using vt::Index;

namespace {

vt::Gpt2Config small_gpt2() {
  vt::Gpt2Config c;
  c.vocab_size = 23, c.n_positions = 11, c.n_embd = 12, c.n_layer = 2, c.n_head = 3;
  return c;
}
const std::vector<Index> gpt2_ids = {1, 5, 9, 2, 7, 7, 22}, gpt2_lengths = {4, 3};

}  // namespace

TEST_CASE("Gpt2: logits are the tied embedding's products with the hidden states") {
  for (bool tied : {true, false}) {
    vt::Gpt2Config config = small_gpt2();
    config.tie_word_embeddings = tied;
    vt::Gpt2<double> model(config);
    REQUIRE(model.init(3) == vt::Status::ok);
    const auto result = model(vt::Tokens(gpt2_ids, gpt2_lengths));
    vt::RowMajor<double> output(23, 12);
    model.parameters([&](const std::string& name, const vt::Parameter<double>& p) {
      if (name != (tied ? "wte.weight" : "lm_head.weight")) return;
      for (Index r = 0; r < 23; ++r)
        for (Index c = 0; c < 12; ++c) output(r, c) = p.value(r, c);
    });
    const auto layers = model.encoder()(result.embedded, {.src_mask = vt::causal()});
    for (Index b = 0; b < 2; ++b) {
      CHECK(layers.output.matrix(b) == result.hidden.matrix(b));
      const vt::RowMajor<double> logits = result.hidden.matrix(b) * output.transpose();
      CHECK((logits - result.output.matrix(b)).cwiseAbs().maxCoeff() < 1e-13);
      CHECK(result.self_attn[1].matrix(b, 2)(0, 1) == 0);
    }
  }
}

TEST_CASE("Gpt2: a sequence knows nothing of what follows it, of padding and of its neighbours") {
  vt::Gpt2<float> model(small_gpt2());
  REQUIRE(model.init(3) == vt::Status::ok);
  const auto ragged = model(vt::Tokens(gpt2_ids, gpt2_lengths));
  const std::vector<Index> padded = {1, 5, 9, 2, 0, 7, 7, 22, 0, 0};
  for (bool masked : {false, true}) {  // behind a sequence padding is never seen, with a mask or without
    const auto result =
        model(vt::Tokens(padded.data(), 2, 5), {.mask = masked ? vt::key_lengths(gpt2_lengths) : vt::BasicMask{}});
    for (Index b = 0; b < 2; ++b) {
      const Index length = gpt2_lengths[std::size_t(b)];
      CHECK(ragged.output.matrix(b) == result.output.matrix(b).topRows(length));
      for (Index l = 0; l < 2; ++l)
        CHECK(ragged.self_attn[l].matrix(b, 1) == result.self_attn[l].matrix(b, 1).topLeftCorner(length, length));
    }
  }
  vt::Gpt2Result<vt::keep::Nothing, float> reused;
  for (int threads : {1, 2, 3}) {
    vt::Workspace workspace(vt::heap(), threads);
    workspace.parallel_from(0);
    for (int call = 0; call < 2; ++call) {
      REQUIRE(model.forward_into(reused, workspace, vt::Tokens(gpt2_ids, gpt2_lengths), {}, vt::keep::nothing) ==
              vt::Status::ok);
      CHECK(reused.output.matrix(1) == ragged.output.matrix(1));
    }
  }
}

TEST_CASE("Gpt2: scores without 1 / sqrt(D), and divided by the number of their layer") {
  const auto scores = [](bool scaled, bool inverse) {
    vt::Gpt2Config config = small_gpt2();  // D = 4: all factors here are powers of two
    config.scale_attn_weights = scaled, config.scale_attn_by_inverse_layer_idx = inverse;
    vt::Gpt2<float> model(config);
    REQUIRE(model.init(3) == vt::Status::ok);
    const vt::Gpt2<float> copy = model;
    return copy(vt::Tokens(gpt2_ids, gpt2_lengths), {}, vt::keep::scores).self_attn;
  };
  const auto ordinary = scores(true, false), whole = scores(false, false), inverse = scores(true, true),
             both = scores(false, true);
  CHECK(whole[0].scores(0, 1) == 2 * ordinary[0].scores(0, 1));
  CHECK(inverse[0].scores(0, 1) == ordinary[0].scores(0, 1));  // so that layer 1 sees the same
  CHECK(2 * inverse[1].scores(0, 1) == ordinary[1].scores(0, 1));
  CHECK(inverse[1].matrix(0, 1) != ordinary[1].matrix(0, 1));
  CHECK(both[0].scores(0, 1) == whole[0].scores(0, 1));
}

TEST_CASE("Gpt2: refusals name the value") {
  vt::Gpt2<float> model(small_gpt2());
  vt::Workspace workspace(vt::heap());
  vt::Gpt2Result<vt::DefaultKeep, float> result;
  const std::vector<Index> unknown = {1, 23}, long_one(12, 1), two = {0, 1};
  CHECK(model.forward_into(result, workspace, std::span<const Index>(two)) == vt::Status::not_loaded);
  REQUIRE(model.init(1) == vt::Status::ok);
  CHECK(model.forward_into(result, workspace, std::span<const Index>(unknown)).actual == 23);
  CHECK(model.forward_into(result, workspace, std::span<const Index>(long_one)).expected == 11);
  CHECK(model.forward_into(result, workspace, std::span<const Index>(two), {.mask = vt::causal(1)}) ==
        vt::Status::bad_mask);
  for (const auto& [batch, length] : {std::pair<Index, Index>{-1, 2}, {1, -2}})
    CHECK(model.forward_into(result, workspace, vt::Tokens(two.data(), batch, length)) == vt::Status::bad_shape);
  const std::vector<Index> lengths_of_them = {3, -1};
  CHECK(model.forward_into(result, workspace, vt::Tokens(two, lengths_of_them)) == vt::Status::bad_shape);
  for (Index vt::Gpt2Config::*size :
       {&vt::Gpt2Config::vocab_size, &vt::Gpt2Config::n_embd, &vt::Gpt2Config::n_positions}) {
    auto c = small_gpt2();
    c.*size = 0;
    CHECK(vt::Gpt2<float>(c).forward_into(result, workspace, std::span<const Index>(two)) == vt::Status::bad_config);
  }
  CHECK(model.forward_into(result, workspace, std::span<const Index>(two)) == vt::Status::ok);
}
