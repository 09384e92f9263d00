// trace through stacks and whole models: names, layers, and that nothing else changes.
#include <vitrine/models/bert.hpp>
#include <vitrine/models/gpt2.hpp>
#include <vitrine/models/marian.hpp>

#include <algorithm>

#include "../support/support.hpp"

namespace vt = vitrine;
using support::Index;

namespace {

using Nothing = vt::keep::Nothing;

struct Names {
  std::vector<std::string> names;
  std::vector<Index> layers;
  std::vector<std::vector<float>> values;
  void operator()(std::string_view name, Index layer, const vt::TraceView<float>& view) {
    names.emplace_back(name), layers.push_back(layer);
    values.emplace_back();
    view.each([&](const auto& m) {
      for (Index i = 0; i < m.rows(); ++i)
        for (Index j = 0; j < m.cols(); ++j) values.back().push_back(m(i, j));
    });
  }
  std::size_t find(const std::string& name) const {
    CAPTURE(name);
    CHECK(std::count(names.begin(), names.end(), name) == 1);
    return std::size_t(std::find(names.begin(), names.end(), name) - names.begin());
  }
  Index layer(const std::string& name) const { return layers.at(find(name)); }
  bool holds(const std::string& name, std::span<const float> wanted) const {
    return support::same(std::span<const float>(values.at(find(name))), wanted);
  }
};

}  // namespace

TEST_CASE("an Encoder's names have the layer in front, and its layers are handed on") {
  for (const bool final_norm : {false, true}) {
    vt::Encoder<float> encoder({.layer = {.d_model = 8, .nhead = 2, .dim_feedforward = 12, .norm_first = true},
                                .num_layers = 12,
                                .final_norm = final_norm});
    support::randomise(encoder, 1);
    const auto x = support::random_values<float>(5 * 8, 1);
    const vt::Sequences<float> in(x.data(), 1, 5, 8);
    Names trace;
    const auto plain = encoder(in, {.src_mask = vt::causal()}, vt::keep::scores);
    const auto r =
        encoder(in, {.src_mask = vt::causal()}, vt::keep::scores.only({.layers = {3, 11}, .heads = {1}}), trace);
    CHECK(trace.names.size() == 12 * 15 + (final_norm ? 1 : 0));
    CHECK(trace.layer("layers.11.self_attn.q") == 11);
    CHECK(trace.layer("layers.0.norm2") == 0);
    CHECK(support::same(plain.output, r.output));
    CHECK(support::same(plain.self_attn[11].matrix(0, 1), r.self_attn[11].matrix(0, 1)));
    CHECK(support::same(plain.self_attn[3].scores(0, 1), r.self_attn[3].scores(0, 1)));
    CHECK(trace.holds("layers.5.self_attn.weights", plain.self_attn.values().subspan(5 * 2 * 25, 2 * 25)));
    CHECK(trace.holds(final_norm ? "norm" : "layers.11.output", r.output.span()));
    if (final_norm) CHECK(trace.layer("norm") == -1);
    const auto rolled = encoder(in, {}, vt::keep::rollout), shown = encoder(in, {}, vt::keep::rollout, trace);
    CHECK(support::same(rolled.self_attn.matrix(0), shown.self_attn.matrix(0)));
  }
}

TEST_CASE("a Transformer's names have the side in front") {
  vt::Transformer<float> model(
      {.d_model = 8, .nhead = 2, .num_encoder_layers = 2, .num_decoder_layers = 1, .dim_feedforward = 12});
  support::randomise(model, 1);
  const auto x = support::random_values<float>(9 * 8, 1);
  const vt::Sequences<float> src(x.data(), 1, 5, 8), tgt(x.data() + 40, 1, 4, 8);
  Names trace;
  const auto plain = model(src, tgt), r = model(src, tgt, {}, vt::keep::weights, trace);
  CHECK(support::same(plain.output, r.output));
  CHECK(support::same(plain.encoder.self_attn.values(), r.encoder.self_attn.values()));
  CHECK(support::same(plain.cross_attn.values(), r.cross_attn.values()));
  CHECK(trace.layer("encoder.layers.1.self_attn.scores") == 1);
  CHECK(trace.layer("decoder.layers.0.multihead_attn.k") == 0);
  CHECK(trace.holds("encoder.norm", r.encoder.output.span()));
  CHECK(trace.holds("decoder.norm", r.output.span()));
  CHECK(trace.holds("decoder.layers.0.multihead_attn.weights", r.cross_attn.values()));
  CHECK(trace.find("encoder.norm") < trace.find("decoder.layers.0.self_attn.q"));

  // Caller memory of traced_workspace_bytes is enough for both sides.
  std::vector<std::byte> scratch(model.traced_workspace_bytes({1, 4, 5}));
  vt::Workspace workspace(scratch);
  vt::TransformerResult<Nothing, float> into;
  CHECK(model.forward_into(into, workspace, src, tgt, {}, vt::keep::nothing, trace) == vt::Status::ok);
}

TEST_CASE("whole models show their embeddings and what stands behind the layers") {
  const std::vector<Index> ids = {1, 5, 2, 7}, lengths = {3, 1};
  const vt::Tokens tokens(ids, lengths);
  const auto same_with_and_without = [](const auto& model, Names& trace, const auto&... inputs) {
    const auto plain = model(inputs...);
    auto r = model(inputs..., {}, vt::keep::weights, trace);
    CHECK(support::same(plain.output, r.output));
    CHECK(support::same(plain.self_attn.values(), r.self_attn.values()));
    return r;
  };
  {
    vt::Bert<float> model({.vocab_size = 9,
                           .hidden_size = 8,
                           .num_hidden_layers = 2,
                           .num_attention_heads = 2,
                           .intermediate_size = 12,
                           .max_position_embeddings = 6});
    support::randomise(model, 1);
    Names trace;
    const auto r = same_with_and_without(model, trace, tokens);
    CHECK(trace.names.front() == "embeddings");
    CHECK(trace.names.back() == "pooler");
    CHECK(trace.holds("embeddings", r.embedded.span()));
    CHECK(trace.holds("encoder.layers.1.output", r.output.span()));
    CHECK(trace.holds("pooler", r.pooled.span()));
    CHECK(trace.layer("pooler") == -1);
  }
  {
    vt::Gpt2<float> model({.vocab_size = 9, .n_positions = 6, .n_embd = 8, .n_layer = 2, .n_head = 2});
    support::randomise(model, 1);
    Names trace;
    const auto r = same_with_and_without(model, trace, tokens);
    CHECK(trace.names.front() == "embeddings");
    CHECK(trace.names.back() == "lm_head");
    CHECK(trace.holds("norm", r.hidden.span()));
    CHECK(trace.holds("lm_head", r.output.span()));
    CHECK(trace.layer("layers.1.self_attn.v") == 1);
  }
  {
    vt::Marian<float> model({.vocab_size = 9,
                             .d_model = 8,
                             .encoder_layers = 1,
                             .decoder_layers = 2,
                             .encoder_attention_heads = 2,
                             .decoder_attention_heads = 2,
                             .encoder_ffn_dim = 12,
                             .decoder_ffn_dim = 12,
                             .max_position_embeddings = 6});
    support::randomise(model, 1);
    Names trace;
    const auto r = same_with_and_without(model, trace, tokens, tokens);
    CHECK(trace.names.front() == "encoder.embeddings");
    CHECK(trace.names.back() == "lm_head");
    CHECK(trace.holds("decoder.embeddings", r.embedded.span()));
    CHECK(trace.holds("encoder.layers.0.output", r.encoder.output.span()));
    CHECK(trace.holds("decoder.layers.1.output", r.hidden.span()));
    CHECK(trace.holds("lm_head", r.output.span()));
  }
}
