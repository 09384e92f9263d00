#include <vitrine/layers/relative_position_bias.hpp>

#include <doctest/doctest.h>

#include <vector>
#include <vitrine/core/heap.hpp>
#include <vitrine/layers/multihead_attention.hpp>
#include <vitrine/models/decoder.hpp>
#include <vitrine/models/encoder.hpp>

#include "../support/support.hpp"

namespace vt = vitrine;
using vt::Index;

// T5Attention._relative_position_bucket of Transformers 5.23 for distances -40, -35, ..., 40.
TEST_CASE("buckets are T5's") {
  const std::vector<Index> both = {12, 12, 11, 11, 10, 9, 8, 5, 0, 21, 24, 25, 26, 27, 27, 28, 28};
  const std::vector<Index> causal = {23, 22, 20, 19, 17, 15, 10, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0};
  const vt::RelativePositionBias<float> encoder({.buckets = 32, .max_distance = 128, .heads = 2});
  const vt::RelativePositionBias<float> decoder(
      {.buckets = 32, .max_distance = 128, .heads = 2, .bidirectional = false});
  for (std::size_t i = 0; i < both.size(); ++i) {
    const Index distance = -40 + 5 * Index(i);
    CAPTURE(distance);
    CHECK(encoder.bucket(distance) == both[i]);
    CHECK(decoder.bucket(distance) == causal[i]);
  }
}

// Values of Transformers 5.23, which has none for the far distances of (32, 16, causal) and of (32, 8, both).
TEST_CASE("buckets where few distances share one, and where none would") {
  struct Case {
    vt::RelativePositionConfig config;
    std::vector<Index> buckets;  // of distances -20, -10, 0, 10, 20
  };
  for (const Case& one :
       {Case{{.buckets = 32, .max_distance = 9}, {15, 15, 0, 31, 31}},
        Case{{.buckets = 32, .max_distance = 17, .bidirectional = false}, {31, 10, 0, 0, 0}},
        Case{{.buckets = 32, .max_distance = 6, .bidirectional = false}, {13, 10, 0, 0, 0}},
        Case{{.buckets = 32, .max_distance = 6}, {0, 2, 0, 18, 0}},  // it fails for the first and last
        Case{{.buckets = 4, .max_distance = 2}, {1, 1, 0, 3, 3}}}) {
    const vt::RelativePositionBias<float> bias(one.config);
    CHECK(bias.check_config() == vt::Status::ok);
    for (std::size_t i = 0; i < one.buckets.size(); ++i) CHECK(bias.bucket(-20 + 10 * Index(i)) == one.buckets[i]);
  }
  const vt::RelativePositionBias<float> far({.buckets = 32, .max_distance = Index{1} << 60});
  CHECK(far.bucket(-(Index{1} << 62)) == 15);
  for (const vt::RelativePositionConfig& config :
       {vt::RelativePositionConfig{.buckets = 32, .max_distance = 8, .heads = 2},
        {.buckets = 32, .max_distance = 1, .heads = 2},
        {.buckets = 32, .max_distance = 16, .heads = 2, .bidirectional = false},
        {.buckets = 3, .max_distance = 128, .heads = 2}}) {
    vt::RelativePositionBias<float> bias(config);
    CHECK(bias.init(1) == vt::Status::bad_config);
    CHECK(vt::MultiheadAttention<float>({.embed_dim = 4,
                                         .num_heads = 2,
                                         .options = {.relative_buckets = config.buckets,
                                                     .relative_max_distance = config.max_distance,
                                                     .relative_bidirectional = config.bidirectional}})
              .init(1) == vt::Status::bad_config);
  }
}

TEST_CASE("a bias is the weight of its bucket") {
  vt::RelativePositionBias<double> bias({.buckets = 8, .max_distance = 20, .heads = 3});
  std::vector<double> weight(24);
  for (std::size_t i = 0; i < weight.size(); ++i) weight[i] = double(i);
  vt::throw_if_failed(bias.bind("weight", weight));
  for (Index distance = -30; distance <= 30; ++distance)
    for (Index h = 0; h < 3; ++h) CHECK(bias.bias(distance, h) == double(3 * bias.bucket(distance) + h));
}

// It stands where an additive mask would: the call says so, and takes the other masks.
TEST_CASE("an additive mask beside a bias by position is bad_mask") {
  const vt::LayerConfig layer{
      .d_model = 8, .nhead = 2, .dim_feedforward = 8, .options = {.attention = {.relative_buckets = 8}}};
  vt::Encoder<float> encoder({.layer = layer, .num_layers = 2});
  vt::Decoder<float> decoder({.layer = layer, .num_layers = 2});
  vt::MultiheadAttention<float> mha({.embed_dim = 8, .num_heads = 2, .options = layer.options.attention});
  for (const vt::Status& s : {encoder.init(1), decoder.init(2), mha.init(3)}) vt::throw_if_failed(s);
  const auto values = support::random_values<float>(3 * 8, 4);
  const vt::Sequences<float> x(values.data(), 1, 3, 8);
  const float numbers[9] = {};
  const auto bias = vt::additive_bias(numbers, 3, 3);
  const auto with = [&](const vt::Mask<float>& mask) {
    vt::Workspace workspace(vt::heap());
    vt::EncoderResult<vt::DefaultKeep, float> encoded;
    vt::DecoderResult<vt::DefaultKeep, float> decoded;
    vt::SelfResult<vt::DefaultKeep, float> attended;
    const vt::Status of_encoder = encoder.forward_into(encoded, workspace, x, {mask});
    CHECK(decoder.forward_into(decoded, workspace, x, x, {.tgt_mask = mask}) == of_encoder.code);
    CHECK(mha.forward_into(attended, workspace, x, {mask}) == of_encoder.code);
    return of_encoder.code;
  };
  CHECK(with(bias) == vt::Status::bad_mask);
  CHECK(with(vt::causal() & bias) == vt::Status::bad_mask);
  CHECK(with(vt::causal()) == vt::Status::ok);
  CHECK(with(vt::causal() & vt::key_bias(numbers, 1, 3)) == vt::Status::ok);
  vt::DecoderResult<vt::DefaultKeep, float> decoded;
  vt::Workspace workspace(vt::heap());
  CHECK(decoder.forward_into(decoded, workspace, x, x, {.memory_mask = bias}) == vt::Status::ok);  // has no such bias
}

// More keys than queries, or fewer, have positions of their own: as rows of a longer call.
TEST_CASE("positions of a call whose keys are others than its queries") {
  const vt::AttentionOptions options{.rotary = {.dim = 4}, .relative_buckets = 8, .relative_max_distance = 6};
  vt::MultiheadAttention<float> mha({.embed_dim = 8, .num_heads = 2, .options = options});
  vt::throw_if_failed(mha.init(3));
  const auto values = support::random_values<float>(9 * 8, 4);
  const vt::Sequences<float> all(values.data(), 1, 9, 8), few(values.data(), 1, 4, 8);
  const auto whole = mha(all, all, all), queries = mha(few, all, all), keys = mha(all, few, few);
  CHECK((queries.cross_attn.matrix(0, 1).array() == whole.cross_attn.matrix(0, 1).topRows(4).array()).all());
  const auto some = mha(all, all, all, {vt::key_lengths(std::vector<Index>{4})});
  CHECK((keys.cross_attn.matrix(0, 1).array() == some.cross_attn.matrix(0, 1).leftCols(4).array()).all());
}
