#include <vitrine/layers/relative_position_bias.hpp>

#include <doctest/doctest.h>

#include <vector>
#include <vitrine/core/heap.hpp>

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

TEST_CASE("a bias is the weight of its bucket") {
  vt::RelativePositionBias<double> bias({.buckets = 8, .max_distance = 20, .heads = 3});
  std::vector<double> weight(24);
  for (std::size_t i = 0; i < weight.size(); ++i) weight[i] = double(i);
  vt::throw_if_failed(bias.bind("weight", weight));
  for (Index distance = -30; distance <= 30; ++distance)
    for (Index h = 0; h < 3; ++h) CHECK(bias.bias(distance, h) == double(3 * bias.bucket(distance) + h));
}
