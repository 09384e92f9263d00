// A stack's final norm with an eps and a bias of its own is the stack without one, and a LayerNorm behind it.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <string_view>
#include <vector>
#include <vitrine/vitrine.hpp>

namespace vt = vitrine;
using vt::Index;

TEST_CASE("a final norm with eps and bias of its own") {
  constexpr Index width = 8, length = 5;
  const vt::LayerConfig layer{.d_model = width, .nhead = 2, .dim_feedforward = 6, .bias = false};
  std::vector<float> x(std::size_t(width * length));
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = float(Index(i * 37 % 19) - 9) / 16;
  const vt::Sequences<float> input(x.data(), 1, length, width);
  const auto run = [&](bool norm, std::optional<double> eps, std::optional<bool> bias) {
    vt::Encoder<float> encoder(
        {.layer = layer, .num_layers = 2, .final_norm = norm, .final_norm_eps = eps, .final_norm_bias = bias});
    vt::throw_if_failed(encoder.init(3));
    Index parameters = 0;
    encoder.parameters(
        [&](const char* name, const auto&) { parameters += std::string_view(name).starts_with("norm."); });
    CHECK(parameters == (!norm ? 0 : bias.value_or(layer.bias) ? 2 : 1));
    const auto result = encoder(input);
    return std::vector<float>(result.output.span().begin(), result.output.span().end());
  };
  const std::vector<float> bare = run(false, {}, {});
  for (const double eps : {1e-5, 0.25}) {
    std::vector<double> wanted;  // (x - mean) / sqrt(variance + eps) of each row; init gives weight 1 and bias 0
    for (auto row = bare.begin(); row != bare.end(); row += width) {
      double sum = 0, squares = 0;
      for (Index c = 0; c < width; ++c) sum += double(row[c]);
      for (Index c = 0; c < width; ++c) squares += (double(row[c]) - sum / width) * (double(row[c]) - sum / width);
      for (Index c = 0; c < width; ++c)
        wanted.push_back((double(row[c]) - sum / width) / std::sqrt(squares / width + eps));
    }
    const auto near = [&](const std::vector<float>& values) {
      double worst = 0;
      for (std::size_t i = 0; i < values.size(); ++i) worst = std::max(worst, std::abs(double(values[i]) - wanted[i]));
      return worst < 2e-6;
    };
    CHECK(near(run(true, eps, true)));
    CHECK(near(run(true, eps, {})));
    CHECK(near(run(true, {}, {})) == (eps == 1e-5));
  }
}
