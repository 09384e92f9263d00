// Stacks, and the pair of them: what holds beyond their layers (tests/layers).
#include <vitrine/models/decoder.hpp>
#include <vitrine/models/encoder.hpp>
#include <vitrine/models/stack.hpp>
#include <vitrine/models/transformer.hpp>

#include "../support/support.hpp"

namespace vt = vitrine;
using support::complaint;
using support::Index;

namespace {

constexpr vt::LayerConfig layer_config{
    .d_model = 20, .nhead = 4, .dim_feedforward = 33, .activation = vt::Activation::gelu};

// One layer of a stack, with the stack's parameters.
template <class Layer, class Stack>
Layer layer_of(const Stack& stack, Index i) {
  Layer layer(layer_config);
  const std::string prefix = "layers." + std::to_string(i) + ".";
  stack.parameters([&](const char* name, const auto& p) {
    if (std::string(name).starts_with(prefix))
      CHECK(layer.bind(name + prefix.size(), p.values, p.panel) == vt::Status::ok);
  });
  return layer;
}

}  // namespace

TEST_CASE_TEMPLATE("an Encoder is its layers, one after another, then its norm", S, float, double) {
  for (const bool final_norm : {false, true}) {
    vt::Encoder<S> encoder({.layer = layer_config, .num_layers = 3, .final_norm = final_norm});
    support::randomise(encoder, 1);
    const auto x = support::random_values<S>(2 * 9 * 20, 1);
    const vt::Sequences<S> in(x.data(), 2, 9, 20);
    std::vector<S> scale(12, S(1));
    scale[4 + 2] = S(0);  // head 2 of layer 1
    const auto r = encoder(in, {.src_mask = vt::causal(), .head_scale = scale}, vt::keep::scores);
    vt::Tensor<S> y(vt::heap());
    for (Index i = 0; i < 3; ++i) {
      const auto layer = layer_of<vt::EncoderLayer<S>>(encoder, i);
      const auto own = std::span<const S>(scale).subspan(std::size_t(4 * i), 4);
      auto one =
          layer(i == 0 ? in : vt::Sequences<S>(y), {.src_mask = vt::causal(), .head_scale = own}, vt::keep::scores);
      for (Index b = 0; b < 2; ++b)
        for (Index h = 0; h < 4; ++h) {
          CHECK(support::same(r.self_attn[i].matrix(b, h), one.self_attn.matrix(b, h)));
          CHECK(support::same(r.self_attn[i].scores(b, h), one.self_attn.scores(b, h)));
        }
      y = std::move(one.output);
    }
    if (final_norm) {
      vt::LayerNorm<S> norm(20);
      encoder.parameters([&](const char* name, const auto& p) {
        if (std::string(name).starts_with("norm.")) CHECK(norm.bind(name + 5, p.values) == vt::Status::ok);
      });
      y = norm(y);
    }
    CHECK(support::same(r.output, y));
  }
}

TEST_CASE("a Transformer is its encoder, then its decoder with the encoder's output") {
  vt::Transformer<float> model(
      {.d_model = 20, .nhead = 4, .num_encoder_layers = 2, .num_decoder_layers = 3, .dim_feedforward = 33});
  support::randomise(model, 1);
  const auto src = support::random_values<float>(2 * 7 * 20, 1), tgt = support::random_values<float>(2 * 5 * 20, 2);
  const Index lengths[] = {7, 3};
  const auto r =
      model({src.data(), 2, 7, 20}, {tgt.data(), 2, 5, 20},
            {.src_mask = vt::key_lengths(lengths), .tgt_mask = vt::causal(), .memory_mask = vt::key_lengths(lengths)});
  const auto encoded = model.encoder()({src.data(), 2, 7, 20}, {.src_mask = vt::key_lengths(lengths)});
  const auto decoded = model.decoder()({tgt.data(), 2, 5, 20}, encoded.output,
                                       {.tgt_mask = vt::causal(), .memory_mask = vt::key_lengths(lengths)});
  CHECK(support::same(r.encoder.output, encoded.output));
  CHECK(support::same(r.encoder.self_attn.values(), encoded.self_attn.values()));
  CHECK(support::same(r.output, decoded.output));
  CHECK(support::same(r.self_attn.values(), decoded.self_attn.values()));
  CHECK(support::same(r.cross_attn.values(), decoded.cross_attn.values()));
  const vt::Sequences<float> s(src.data(), 2, 7, 20), t(tgt.data(), 2, 5, 20);

  const auto kept = [&](vt::Which which) { return model(s, t, {}, vt::keep::weights.only({.which = which})); };
  const auto encoder_only = kept(vt::Which::encoder), cross_only = kept(vt::Which::cross);
  CHECK(encoder_only.encoder.self_attn[1].matrix(1, 3).rows() == 7);
  CHECK(encoder_only.self_attn.values().empty());
  CHECK(encoder_only.cross_attn.values().empty());
  CHECK(cross_only.encoder.self_attn.values().empty());
  CHECK(cross_only.self_attn.values().empty());
  CHECK(cross_only.cross_attn[2].matrix(1, 3).cols() == 7);
  // The decoder's last layer is one that the encoder does not have.
  const auto last = model(s, t, {}, vt::keep::weights.only({.which = vt::Which::cross, .layers = {2}}));
  CHECK(support::same(last.cross_attn[2].matrix(1, 3), cross_only.cross_attn[2].matrix(1, 3)));

  const auto call = [&](const vt::Sequences<float>& a, const vt::Sequences<float>& b,
                        const vt::TransformerMasks<float>& masks = {}) {
    return complaint([&] { (void)model(a, b, masks); });
  };
  CHECK(call(s, {tgt.data(), 1, 5, 20}) ==
        "vitrine: source and target must have the same batch (got 2, expected 1) [bad_shape]");
  CHECK(call({src.data(), 2, 7, 19}, t) ==
        "vitrine: the input's width must be d_model (got 19, expected 20) [bad_shape]");
  CHECK(call(s, {tgt.data(), 2, 5, 19}) ==
        "vitrine: the target's width must be d_model (got 19, expected 20) [bad_shape]");
  vt::TransformerResult<vt::DefaultKeep, float> untouched;  // refused before the encoder's work
  vt::Workspace workspace(vt::heap());
  CHECK(model.forward_into(untouched, workspace, s, {tgt.data(), 2, 5, 19}) == vt::Status::bad_shape);
  CHECK(untouched.encoder.output.span().empty());
  const std::string duplicate = "vitrine: two masks of one kind were joined by & [bad_mask]";
  const auto twice = vt::causal() & vt::causal();
  CHECK(call(s, t, {.src_mask = twice}) == duplicate);
  CHECK(call(s, t, {.tgt_mask = twice}) == duplicate);
  CHECK(call(s, t, {.memory_mask = twice}) == duplicate);
  CHECK(complaint([&] { (void)vt::Transformer<float>({.d_model = 20, .nhead = 4})(s, t); }) ==
        "vitrine: a parameter has no values yet: call load, bind or init first [not_loaded]");
}

TEST_CASE("parameters have PyTorch's names, and a norm only where there is one") {
  std::map<std::string, int> names;
  vt::Transformer<float>(
      {.d_model = 8, .nhead = 2, .num_encoder_layers = 1, .num_decoder_layers = 2, .dim_feedforward = 4})
      .parameters([&](const char* name, const vt::Parameter<float>&) { ++names[name]; });
  CHECK(names.size() == 12 + 2 + 2 * 18 + 2);
  CHECK(names.count("encoder.layers.0.self_attn.in_proj_weight"));
  CHECK(names.count("encoder.norm.weight"));
  CHECK(names.count("decoder.layers.1.multihead_attn.out_proj.bias"));
  CHECK(names.count("decoder.norm.bias"));
  names.clear();
  vt::Encoder<float>({.layer = layer_config, .num_layers = 12})
      .parameters([&](const char* name, const vt::Parameter<float>&) { ++names[name]; });
  CHECK(names.size() == 12 * 12);
  CHECK(names.count("layers.11.norm2.bias"));
  CHECK_FALSE(names.count("norm.weight"));
}

TEST_CASE("stacks refuse what they cannot be, and copy cheaply") {
  const std::vector<float> values(4 * 20, 1.0f);
  const vt::Sequences<float> x(values.data(), 1, 4, 20);
  CHECK(complaint([&] { (void)vt::Encoder<float>({.layer = layer_config, .num_layers = 0})(x); }) ==
        "vitrine: num_layers must be positive (got 0) [bad_config]");
  CHECK(complaint([&] { (void)vt::Decoder<float>({.layer = layer_config, .num_layers = 0})(x, x); }) ==
        "vitrine: num_layers must be positive (got 0) [bad_config]");
  CHECK(complaint([&] { (void)vt::Encoder<float>({.num_layers = 1})(x); }) ==
        "vitrine: d_model must be positive (got -1) [bad_config]");

  vt::Decoder<float> decoder({.layer = layer_config, .num_layers = 2});
  REQUIRE(decoder.init(1) == vt::Status::ok);
  const vt::Decoder<float> copy = decoder;
  vt::Decoder<float> moved = std::move(decoder);
  CHECK(support::same(copy(x, x).output, moved(x, x).output));
  moved = vt::Decoder<float>({.layer = layer_config, .num_layers = 1});
  CHECK_FALSE(moved.loaded());
  CHECK(copy(x, x).output.rows() == 4);
  CHECK(complaint([&] { (void)copy(x, x, {}, vt::keep::weights.only({.layers = {2}})); }) ==
        "vitrine: the selection names a layer that the model does not have (expected 0 to 1) [bad_config]");
}

TEST_CASE("a static stack gives the bits of the dynamic one; announced bytes are enough") {
  constexpr vt::Dims dims{.d_model = 20, .nhead = 4, .dim_feedforward = 33, .num_layers = 2, .max_length = 9};
  vt::Encoder<float> dynamic({.layer = {.d_model = 20, .nhead = 4, .dim_feedforward = 33}, .num_layers = 2});
  support::randomise(dynamic, 1);
  vt::Encoder<float, dims> fixed;
  dynamic.parameters([&](const char* name, const vt::Parameter<float>& p) {
    CHECK(fixed.bind(name, p.values.span(), p.panel) == vt::Status::ok);
  });
  const auto x = support::random_values<float>(9 * 20, 1);
  constexpr std::size_t bytes = vt::Encoder<float, dims>::workspace_bytes();
  alignas(64) static std::byte scratch[bytes];
  static float output[9 * 20], maps[2 * 4 * 9 * 9];
  static_assert(sizeof output + sizeof maps == vt::Encoder<float, dims>::result_bytes());
  vt::Workspace workspace(scratch);
  vt::EncoderResult<vt::DefaultKeep, float> r{vt::Tensor<float>(output), vt::Maps<float>(maps)};
  for (const Index length : {1, 5, 9}) {
    CHECK(fixed.forward_into(r, workspace, {x.data(), 1, length, 20}) == vt::Status::ok);
    const auto expected = dynamic({x.data(), 1, length, 20});
    CHECK(support::same(r.output, expected.output));
    CHECK(support::same(r.self_attn.values(), expected.self_attn.values()));
  }
  CHECK(dynamic.result_bytes({2, 9}, vt::keep::weights.only({.layers = {1}, .heads = {0, 3}})) ==
        sizeof(float) * (2 * 9 * 20 + 1 * 2 * 2 * 81));
  CHECK(dynamic.result_bytes({2, 9}, vt::keep::nothing) == sizeof(float) * 2 * 9 * 20);
  CHECK(dynamic.result_bytes({2, 9}, vt::keep::head_mean) == sizeof(float) * (2 * 9 * 20 + 2 * 2 * 81));
  CHECK(dynamic.flops({1, 9}) == 2 * 2.0 * (4 * 9 * 400 + 2 * 81 * 20 + 2 * 9 * 20 * 33));
}

TEST_CASE("a shape without memory_length announces as many keys as queries") {
  const vt::DecoderLayer<float> layer({.d_model = 20, .nhead = 4, .dim_feedforward = 33});
  const vt::Decoder<float> decoder({.layer = {.d_model = 20, .nhead = 4, .dim_feedforward = 33}, .num_layers = 2});
  const vt::Transformer<float> model(
      {.d_model = 20, .nhead = 4, .num_encoder_layers = 1, .num_decoder_layers = 2, .dim_feedforward = 33});
  const auto check = [](const auto& one) {
    CHECK(one.result_bytes({2, 9}) == one.result_bytes({2, 9, 9}));
    CHECK(one.result_bytes({2, 9}) > one.result_bytes({2, 9, 8}));
    CHECK(one.workspace_bytes({2, 9}) == one.workspace_bytes({2, 9, 9}));
    CHECK(one.flops({2, 9}) == one.flops({2, 9, 9}));
  };
  check(layer);
  check(decoder);
  check(model);
}

TEST_CASE_TEMPLATE("a stack takes rows that stand apart", S, float, double) {
  vt::Encoder<S> encoder({.layer = layer_config, .num_layers = 2});
  support::randomise(encoder, 1);
  constexpr Index batch = 2, length = 13, width = 20;
  const auto apart = support::random_values<S>(length * batch * width, 1);  // (T, B, E)
  std::vector<S> together;
  for (Index b = 0; b < batch; ++b)
    for (Index t = 0; t < length; ++t)
      for (Index i = 0; i < width; ++i) together.push_back(apart[std::size_t((t * batch + b) * width + i)]);
  const vt::Sequences<S> in(together.data(), batch, length, width);
  const auto expected = encoder(in), r = encoder(vt::from_seq_first(apart.data(), length, batch, width));
  CHECK(support::same(r.output, expected.output));
  CHECK(support::same(r.self_attn.values(), expected.self_attn.values()));
}

TEST_CASE_TEMPLATE("a mean over heads is the mean of their maps, at the edges too", S, float, double) {
  vt::Encoder<S> encoder({.layer = layer_config, .num_layers = 2});
  support::randomise(encoder, 1);
  const Index lengths[] = {13, 6};
  const auto x = support::random_values<S>(2 * 13 * 20, 1);
  const vt::Sequences<S> in(x.data(), 2, 13, 20);
  for (const vt::Mask<S>& mask : {vt::Mask<S>(vt::key_lengths(lengths)), vt::Mask<S>(vt::window(2, 3))}) {
    const auto all = encoder(in, {.src_mask = mask});
    const auto mean = encoder(in, {.src_mask = mask}, vt::keep::head_mean);
    for (Index layer = 0; layer < 2; ++layer)
      for (Index b = 0; b < 2; ++b) {
        double worst = 0;
        for (Index i = 0; i < 13; ++i)
          for (Index j = 0; j < 13; ++j) {
            double sum = 0;
            for (Index h = 0; h < 4; ++h) sum += double(all.self_attn[layer].matrix(b, h)(i, j));
            worst = support::worse(worst, std::abs(double(mean.self_attn[layer].matrix(b)(i, j)) - sum / 4));
          }
        CHECK(worst < support::tolerance<S>);
      }
  }
}
