#include <vitrine/layers/decoder_layer.hpp>
#include <vitrine/layers/encoder_layer.hpp>
#include <vitrine/run/decoder_forward.hpp>
#include <vitrine/run/encoder_forward.hpp>
#include <vitrine/run/runner.hpp>

#include "../support/support.hpp"

namespace vt = vitrine;
using support::complaint;
using support::Index;
using support::Kind;
using support::MaskCase;
using vt::Activation;

namespace {

constexpr Index width = 20, heads = 4, hidden = 33;

template <class F>
void each_config(F f) {
  int i = 0;
  for (const bool norm_first : {false, true})
    for (const bool bias : {true, false})
      for (const Activation activation :
           {Activation::relu, Activation::gelu, Activation::gelu_tanh, Activation::silu}) {
        ++i;
        f(vt::LayerConfig{.d_model = width,
                          .nhead = heads,
                          .dim_feedforward = hidden,
                          .activation = activation,
                          .layer_norm_eps = i % 2 ? 1e-5 : 1e-3,
                          .norm_first = norm_first,
                          .bias = bias},
          i);
      }
}

}  // namespace

TEST_CASE_TEMPLATE("EncoderLayer agrees with its naive twin, whatever its options", S, float, double) {
  each_config([](const vt::LayerConfig& config, int i) {
    CAPTURE(i);
    vt::EncoderLayer<S> layer(config);
    support::randomise(layer, 5);
    const support::Parameters parameters(layer);
    const Index batch = 2, length = support::awkward[i % 9];
    const auto x = support::random_values<S>(batch * length * width, 1);
    const MaskCase<S> mask(i * 17 % Kind::combinations, batch, heads, length, length, std::uint64_t(i));
    const auto r = layer({x.data(), batch, length, width}, {.src_mask = mask.mask}, vt::keep::scores);
    for (Index b = 0; b < batch; ++b) {
      const auto masked = [&](Index h, Index row, Index j) {
        return mask.meaning[std::size_t(((b * heads + h) * length + row) * length + j)];
      };
      const auto naive =
          support::naive_layer(parameters, "", config, support::rows_of(x.data() + b * length * width, length * width),
                               nullptr, masked, masked);
      CHECK(support::difference(r.output.matrix(b).data(), naive.output.data(), length * width) <
            10 * support::tolerance<S>);
      for (Index h = 0; h < heads; ++h) {
        const Index at = h * length * length;
        CHECK(support::difference(r.self_attn.matrix(b, h).data(), naive.self.weights.data() + at, length * length) <
              support::tolerance<S>);
        CHECK(support::difference(r.self_attn.scores(b, h).data(), naive.self.scores.data() + at, length * length) <
              support::tolerance<S>);
      }
    }
  });
}

TEST_CASE_TEMPLATE("DecoderLayer agrees with its naive twin, whatever its options", S, float, double) {
  each_config([](const vt::LayerConfig& config, int i) {
    CAPTURE(i);
    vt::DecoderLayer<S> layer(config);
    support::randomise(layer, 6);
    const support::Parameters parameters(layer);
    const Index batch = 2, length = support::awkward[i % 9], keys = support::awkward[i * 5 % 9];
    const auto x = support::random_values<S>(batch * length * width, 1),
               memory = support::random_values<S>(batch * keys * width, 2);
    const MaskCase<S> self(i * 17 % Kind::combinations, batch, heads, length, length, std::uint64_t(i));
    const MaskCase<S> cross(i * 31 % Kind::combinations, batch, heads, length, keys, std::uint64_t(i + 50));
    const auto r = layer({x.data(), batch, length, width}, {memory.data(), batch, keys, width},
                         {.tgt_mask = self.mask, .memory_mask = cross.mask}, vt::keep::scores);
    for (Index b = 0; b < batch; ++b) {
      const auto own_memory = support::rows_of(memory.data() + b * keys * width, keys * width);
      const auto naive = support::naive_layer(
          parameters, "", config, support::rows_of(x.data() + b * length * width, length * width), &own_memory,
          [&](Index h, Index row, Index j) {
            return self.meaning[std::size_t(((b * heads + h) * length + row) * length + j)];
          },
          [&](Index h, Index row, Index j) {
            return cross.meaning[std::size_t(((b * heads + h) * length + row) * keys + j)];
          });
      CHECK(support::difference(r.output.matrix(b).data(), naive.output.data(), length * width) <
            10 * support::tolerance<S>);
      for (Index h = 0; h < heads; ++h) {
        CHECK(support::difference(r.self_attn.matrix(b, h).data(), naive.self.weights.data() + h * length * length,
                                  length * length) < support::tolerance<S>);
        CHECK(support::difference(r.cross_attn.matrix(b, h).data(), naive.cross.weights.data() + h * length * keys,
                                  length * keys) < 10 * support::tolerance<S>);
        CHECK(support::difference(r.cross_attn.scores(b, h).data(), naive.cross.scores.data() + h * length * keys,
                                  length * keys) < 10 * support::tolerance<S>);
      }
    }
  });
}

TEST_CASE("the future does not reach the past, NaN in it either") {
  vt::EncoderLayer<float> layer({.d_model = width, .nhead = heads, .dim_feedforward = hidden});
  support::randomise(layer, 1);
  for (const bool poison : {false, true}) {
    auto x = support::random_values<float>(17 * width, 1);
    const auto before = layer({x.data(), 1, 17, width}, {.src_mask = vt::causal()});
    for (Index i = 9 * width; i < 17 * width; ++i)
      x[std::size_t(i)] = poison ? std::numeric_limits<float>::quiet_NaN() : 1e20f;
    const auto after = layer({x.data(), 1, 17, width}, {.src_mask = vt::causal()});
    CHECK(support::same(before.output.data(), after.output.data(), 9 * width));
    for (Index h = 0; h < heads; ++h)
      CHECK(support::same(before.self_attn.matrix(0, h).data(), after.self_attn.matrix(0, h).data(), 9 * 17));
  }
}

TEST_CASE("padded rows that hold NaN, and neighbours that do, change nothing elsewhere") {
  vt::EncoderLayer<float> layer({.d_model = width, .nhead = heads, .dim_feedforward = hidden, .norm_first = true});
  support::randomise(layer, 1);
  constexpr Index length = 18;
  auto x = support::random_values<float>(3 * length * width, 1);
  const Index lengths[] = {5, 18, 18};
  const auto clean = layer({x.data(), 3, length, width}, {.src_mask = vt::key_lengths(lengths)});
  for (Index i = 5 * width; i < length * width; ++i) x[std::size_t(i)] = std::numeric_limits<float>::quiet_NaN();
  for (Index i = 2 * length * width; i < 3 * length * width; ++i)
    x[std::size_t(i)] = std::numeric_limits<float>::infinity();
  const auto dirty = layer({x.data(), 3, length, width}, {.src_mask = vt::key_lengths(lengths)});
  CHECK(support::same(clean.output.data(), dirty.output.data(), 5 * width));
  CHECK(support::same(clean.output.matrix(1), dirty.output.matrix(1)));
  for (Index h = 0; h < heads; ++h) {
    CHECK(support::same(clean.self_attn.matrix(0, h).data(), dirty.self_attn.matrix(0, h).data(), 5 * length));
    CHECK(support::same(clean.self_attn.matrix(1, h), dirty.self_attn.matrix(1, h)));
  }
}

TEST_CASE("every bad argument of the layers is refused by its own sentence, before any work") {
  vt::EncoderLayer<float> encoder({.d_model = 8, .nhead = 2, .dim_feedforward = 16});
  vt::DecoderLayer<float> decoder({.d_model = 8, .nhead = 2, .dim_feedforward = 16});
  const std::vector<float> values(2 * 4 * 9, 1.0f);
  const auto view = [&](Index b, Index t, Index e) { return vt::Sequences<float>(values.data(), b, t, e); };
  const auto x = view(2, 4, 8);
  const auto encode = [&](const vt::Sequences<float>& in, const vt::EncoderMasks<float>& masks = {}) {
    return complaint([&] { (void)encoder(in, masks); });
  };
  const auto decode = [&](const vt::Sequences<float>& tgt, const vt::Sequences<float>& memory,
                          const vt::DecoderMasks<float>& masks = {}) {
    return complaint([&] { (void)decoder(tgt, memory, masks); });
  };
  const std::string not_loaded = "vitrine: a parameter has no values yet: call load, bind or init first [not_loaded]";
  CHECK(encode(x) == not_loaded);
  CHECK(decode(x, x) == not_loaded);
  REQUIRE(encoder.init(1) == vt::Status::ok);
  REQUIRE(decoder.init(1) == vt::Status::ok);
  CHECK(encode(x) == "");
  CHECK(decode(x, x) == "");

  CHECK(encode(view(2, 4, 9)) == "vitrine: the input's width must be d_model (got 9, expected 8) [bad_shape]");
  CHECK(decode(view(2, 4, 9), x) == "vitrine: the target's width must be d_model (got 9, expected 8) [bad_shape]");
  CHECK(decode(x, view(2, 4, 9)) == "vitrine: the memory's width must be d_model (got 9, expected 8) [bad_shape]");
  CHECK(decode(x, view(1, 4, 8)) ==
        "vitrine: target and memory must have the same batch (got 1, expected 2) [bad_shape]");
  const std::string duplicate = "vitrine: two masks of one kind were joined by & [bad_mask]";
  CHECK(encode(x, {.src_mask = vt::causal() & vt::causal()}) == duplicate);
  CHECK(decode(x, x, {.tgt_mask = vt::causal() & vt::causal()}) == duplicate);
  CHECK(decode(x, x, {.memory_mask = vt::causal() & vt::causal()}) == duplicate);
  const std::vector<std::uint8_t> flags(30, 1);
  CHECK(decode(x, view(2, 3, 8), {.memory_mask = vt::keep_matrix(flags.data(), 4, 4)}) ==
        "vitrine: the mask's key length must be that of the keys (got 4, expected 3) [bad_mask]");
  const std::vector<float> factors(3, 1.0f);
  const std::string scale = "vitrine: head_scale must have one factor for each head (got 3, expected 2) [bad_mask]";
  CHECK(encode(x, {.head_scale = factors}) == scale);
  CHECK(decode(x, x, {.head_scale = factors}) == scale);
  CHECK(decode(x, x, {.memory_head_scale = factors}) == scale);

  const auto configured = [&](const vt::LayerConfig& config) {
    vt::EncoderLayer<float> layer(config);
    return complaint([&] { (void)layer(x); });
  };
  CHECK(configured({}) == "vitrine: d_model must be positive (got -1) [bad_config]");
  CHECK(configured({.d_model = 8, .nhead = 3}) ==
        "vitrine: d_model must be divisible by nhead (got 8, expected a multiple of 3) [bad_config]");
  CHECK(configured({.d_model = 8, .nhead = 2, .dim_feedforward = 0}) ==
        "vitrine: dim_feedforward must be positive (got 0) [bad_config]");
}

TEST_CASE("an input that lies in the output is refused, also when the output would have to grow") {
  vt::DecoderLayer<float> decoder({.d_model = 8, .nhead = 2, .dim_feedforward = 16});
  REQUIRE(decoder.init(1) == vt::Status::ok);
  const auto long_one = support::random_values<float>(9 * 8, 1);
  auto r = decoder({long_one.data(), 1, 4, 8}, {long_one.data(), 1, 9, 8});
  const std::vector<float> before(r.output.span().begin(), r.output.span().end());
  vt::Workspace workspace(vt::heap());
  CHECK(decoder.forward_into(r, workspace, r.output, {long_one.data(), 1, 9, 8}) == vt::Status::overlap);
  CHECK(decoder.forward_into(r, workspace, {long_one.data(), 1, 9, 8}, r.output) == vt::Status::overlap);
  CHECK(decoder.forward_into(r, workspace, {long_one.data(), 1, 4, 8}, {r.output.data() + 3 * 8, 1, 1, 8}) ==
        vt::Status::overlap);
  CHECK(support::same(r.output.span(), std::span<const float>(before)));
}

TEST_CASE("a selection that names what the layer does not have is refused") {
  vt::EncoderLayer<float> layer({.d_model = 8, .nhead = 2, .dim_feedforward = 16});
  REQUIRE(layer.init(1) == vt::Status::ok);
  const std::vector<float> values(4 * 8, 1.0f);
  const vt::Sequences<float> x(values.data(), 1, 4, 8);
  const auto keeping = [&](const auto& keep) { return complaint([&] { (void)layer(x, {}, keep); }); };
  CHECK(keeping(vt::keep::weights.only({.heads = {2}})) ==
        "vitrine: the selection names a head that the model does not have (expected 0 to 1) [bad_config]");
  CHECK(keeping(vt::keep::weights.only({.heads = {-1}})) ==
        "vitrine: the selection names a head that the model does not have (expected 0 to 1) [bad_config]");
  CHECK(keeping(vt::keep::weights.only({.layers = {1}})) ==
        "vitrine: the selection names a layer that the model does not have (expected 0 to 0) [bad_config]");
  CHECK(keeping(vt::keep::head_mean.only({.heads = {1}})) ==
        "vitrine: keep::head_mean is the mean over all heads; choose layers only [not_supported]");

  const auto r = layer(x, {}, vt::keep::weights.only({.heads = {1}}));
  CHECK(r.self_attn.matrix(0, 1).rows() == 4);
  CHECK(complaint([&] { (void)r.self_attn.matrix(0, 0); }) ==
        "vitrine: the maps of this head were not chosen: see Selection::heads (got 0) [bad_shape]");
  CHECK(complaint([&] { (void)r.self_attn.matrix(0, 2); }) ==
        "vitrine: no such head (got 2, expected 0 to 1) [bad_shape]");
  CHECK(complaint([&] { (void)r.self_attn.matrix(1, 1); }) ==
        "vitrine: no such sequence in the batch (got 1, expected 0 to 0) [bad_shape]");
  CHECK(complaint([&] { (void)r.self_attn[1].matrix(0, 1); }) ==
        "vitrine: no such layer (got 1, expected 0 to 0) [bad_shape]");
  const auto none = layer(x, {}, vt::keep::weights.only({.which = vt::Which::cross}));
  CHECK(complaint([&] { (void)none.self_attn.matrix(0, 0); }) ==
        "vitrine: this map was not kept: the selection's `which` left it out (got 0) [bad_shape]");
}

TEST_CASE("static sizes give the same bits as dynamic ones, and their bytes are known before") {
  constexpr vt::Dims dims{
      .d_model = 16, .nhead = 4, .dim_feedforward = 24, .max_batch = 2, .max_length = 9, .max_memory_length = 11};
  vt::DecoderLayer<float> dynamic({.d_model = 16, .nhead = 4, .dim_feedforward = 24});
  support::randomise(dynamic, 3);
  const auto tgt = support::random_values<float>(2 * 9 * 16, 1), memory = support::random_values<float>(2 * 11 * 16, 2);
  vt::DecoderLayer<float, dims> fixed;
  dynamic.parameters([&](const char* name, const vt::Parameter<float>& p) {
    CHECK(fixed.bind(name, p.values.span(), p.panel) == vt::Status::ok);
  });
  constexpr std::size_t workspace_bytes = vt::DecoderLayer<float, dims>::workspace_bytes();
  CHECK(workspace_bytes >= dynamic.workspace_bytes({2, 9, 11}));  // more: weights may be bound that are not in panels
  CHECK(dynamic.workspace_bytes({2, 9}) == dynamic.workspace_bytes({2, 9, 9}));
  alignas(64) static std::byte bytes[workspace_bytes];
  static float output[2 * 9 * 16], self[2 * 4 * 9 * 9], cross[2 * 4 * 9 * 11];
  static_assert(sizeof output + sizeof self + sizeof cross == vt::DecoderLayer<float, dims>::result_bytes());
  vt::Workspace workspace(bytes);
  vt::DecoderResult<vt::DefaultKeep, float> r{vt::Tensor<float>(output), vt::Maps<float>(self), vt::Maps<float>(cross)};
  CHECK(fixed.forward_into(r, workspace, {tgt.data(), 2, 9, 16}, {memory.data(), 2, 11, 16},
                           {.tgt_mask = vt::causal()}) == vt::Status::ok);
  const auto expected = dynamic({tgt.data(), 2, 9, 16}, {memory.data(), 2, 11, 16}, {.tgt_mask = vt::causal()});
  CHECK(support::same(r.output, expected.output));
  CHECK(support::same(r.self_attn.values(), expected.self_attn.values()));
  CHECK(support::same(r.cross_attn.values(), expected.cross_attn.values()));
  CHECK(r.output.data() == output);

  const auto longer = support::random_values<float>(2 * 12 * 16, 2);
  CHECK(fixed.forward_into(r, workspace, {longer.data(), 2, 12, 16}, {memory.data(), 2, 11, 16}) ==
        vt::Status::result_too_small);
  CHECK(support::same(r.output, expected.output));
  vt::Workspace small{std::span<std::byte>(bytes).first(64)};
  CHECK(fixed.forward_into(r, small, {tgt.data(), 2, 9, 16}, {memory.data(), 2, 11, 16}) ==
        vt::Status::workspace_too_small);
}
