#include <doctest/doctest.h>

#include <vitrine/inspect/rollout.hpp>
#include <vitrine/vitrine.hpp>

using namespace vitrine;
using Matrix = RowMajor<double>;

TEST_CASE("rollout: the paper's definition on a case made by hand") {
  Matrix first(2, 2), second(2, 2), expected(2, 2);
  first << 0.5, 0.5, 0.25, 0.75;
  second << 1.0, 0.0, 0.5, 0.5;
  // A1 = [3/4 1/4; 1/8 7/8], A2 = [1 0; 1/4 3/4], A2 A1 = [3/4 1/4; 9/32 23/32]
  expected << 0.75, 0.25, 9.0 / 32, 23.0 / 32;
  const Matrix rolled = inspect::roll_layer(second, inspect::roll_layer(first, Matrix()));
  CHECK((rolled - expected).cwiseAbs().maxCoeff() <= 1e-16);
  const Matrix without = inspect::roll_layer(second, inspect::roll_layer(first, Matrix(), 0.0), 0.0);
  CHECK((without - second * first).cwiseAbs().maxCoeff() <= 1e-16);
}

TEST_CASE("rollout: through a stack, from maps per head and from their means") {
  const Index length = 5, layers = 3, heads = 2, batch = 2;
  Encoder<double> encoder({.layer = {.d_model = 8, .nhead = heads, .dim_feedforward = 16}, .num_layers = layers});
  throw_if_failed(encoder.init(7));
  Tensor<double> x(heap());
  throw_if_failed(x.resize(batch, length, 8));
  for (Index i = 0; i < x.rows() * 8; ++i) x.data()[i] = double((i * 37 + 11) % 29) / 29 - 0.5;
  const auto r = encoder(x);
  const auto mean = encoder(x, {}, keep::head_mean);
  for (Index b = 0; b < batch; ++b) {
    Matrix expected = Matrix::Identity(length, length);
    for (Index layer = 0; layer < layers; ++layer) {
      Matrix sum = Matrix::Zero(length, length);
      for (Index head = 0; head < heads; ++head) sum += r.self_attn[layer].matrix(b, head);
      const Matrix mixed = 0.5 * sum / double(heads) + 0.5 * Matrix::Identity(length, length);
      expected = (mixed * expected).eval();
      CHECK((inspect::rollout(r.self_attn, b, layer + 1) - expected).cwiseAbs().maxCoeff() <= 1e-15);
    }
    CHECK((inspect::rollout(r.self_attn, b) - expected).cwiseAbs().maxCoeff() <= 1e-15);
    CHECK((inspect::rollout(mean.self_attn, b) - expected).cwiseAbs().maxCoeff() <= 1e-15);
    CHECK((inspect::rollout(r.self_attn, b).rowwise().sum().array() - 1).abs().maxCoeff() <= 1e-15);
  }
  CHECK_THROWS_AS(inspect::rollout(r.self_attn, 0, layers + 1), std::invalid_argument);
  CHECK(inspect::rollout(r.self_attn, 0, 0).size() == 0);
}

TEST_CASE("rollout: only square maps of one size") {
  const Matrix wide = Matrix::Ones(2, 3), square = Matrix::Ones(3, 3), small = Matrix::Ones(2, 2);
  CHECK_THROWS_AS(inspect::roll_layer(wide, Matrix()), std::invalid_argument);
  CHECK_THROWS_AS(inspect::roll_layer(small, square), std::invalid_argument);
}
