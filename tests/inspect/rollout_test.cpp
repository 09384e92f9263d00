#include <doctest/doctest.h>

#include <vitrine/inspect/rollout.hpp>
#include <vitrine/vitrine.hpp>

#include <limits>
#include <vector>

using namespace vitrine;
namespace vt = vitrine;
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

TEST_CASE_TEMPLATE("rollout on the fly: the one from kept maps and the paper's", S, float, double) {
  const Index width = 24, layers = 3, heads = 3;
  const double limit = sizeof(S) == 4 ? 1e-6 : 1e-15;
  vt::Encoder<S> encoder({.layer = {.d_model = width, .nhead = heads, .dim_feedforward = 16}, .num_layers = layers});
  throw_if_failed(encoder.init(7));
  for (const Index length : {1, 2, 13, 33, 70, 130}) {
    CAPTURE(length);
    std::vector<S> x(std::size_t(2 * length * width));
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = S(int(i * 37 + 11) % 29) / S(15) - S(1);
    const Index key_lengths[] = {length, length / 2};
    for (const int kind : {0, 1, 2, 3, 4, 7}) {
      CAPTURE(kind);
      Mask<S> mask;
      if (kind & 1) mask = mask & causal();
      if (kind & 2) mask = mask & vt::key_lengths(key_lengths);
      if (kind & 4) mask = mask & window(1, 1);  // rows that stand together have no key in common
      const Sequences<S> in(x.data(), 2, length, width);
      const auto maps = encoder(in, {.src_mask = mask});
      const auto rolled = encoder(in, {.src_mask = mask}, keep::rollout);
      for (Index b = 0; b < 2; ++b) {
        RowMajor<double> expected = RowMajor<double>::Identity(length, length);  // the paper's, plain loops in double
        for (Index layer = 0; layer < layers; ++layer) {
          RowMajor<double> next = RowMajor<double>::Zero(length, length);
          for (Index i = 0; i < length; ++i)
            for (Index k = 0; k < length; ++k) {
              double mean = 0;
              for (Index h = 0; h < heads; ++h) mean += double(maps.self_attn[layer].matrix(b, h)(i, k)) / heads;
              const double mixed = 0.5 * mean + (i == k ? 0.5 : 0);
              for (Index j = 0; j < length; ++j) next(i, j) += mixed * expected(k, j);
            }
          expected = next;
        }
        const RowMajor<double> own = rolled.self_attn.matrix(b).template cast<double>();
        CHECK((own - expected).cwiseAbs().maxCoeff() <= limit);
        const RowMajor<double> kept = inspect::rollout(maps.self_attn, b).template cast<double>();
        CHECK((own - kept).cwiseAbs().maxCoeff() <= limit);
        if constexpr (std::is_same_v<S, float>) {
          const auto codes = encoder(in, {.src_mask = mask}, keep::weights.as<MapStorage::f16>());
          const RowMajor<double> compact = inspect::rollout(codes.self_attn, b).template cast<double>();
          CHECK((own - compact).cwiseAbs().maxCoeff() <= 0x1p-10);
        }
      }
    }
  }
  CHECK(encoder.result_bytes({2, 70}, keep::rollout) == sizeof(S) * (2 * 70 * width + 2 * 2 * 70 * 70));
}

TEST_CASE("rollout: what a later token or padding holds does not matter") {
  Encoder<float> encoder({.layer = {.d_model = 8, .nhead = 2, .dim_feedforward = 16}, .num_layers = 3});
  throw_if_failed(encoder.init(7));
  std::vector<float> x(40 * 8);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = float(int(i * 37 + 11) % 29) / 15 - 1;
  const auto before = encoder({x.data(), 1, 40, 8}, {.src_mask = causal()}, keep::rollout);
  const auto alone = encoder({x.data(), 1, 20, 8}, {}, keep::rollout);
  for (std::size_t i = 20 * 8; i < x.size(); ++i) x[i] = std::numeric_limits<float>::quiet_NaN();
  const auto after = encoder({x.data(), 1, 40, 8}, {.src_mask = causal()}, keep::rollout);
  const Index lengths[] = {20};
  const auto padded = encoder({x.data(), 1, 40, 8}, {.src_mask = key_lengths(lengths)}, keep::rollout);
  bool same = true;
  for (Index i = 0; i < 20; ++i)
    for (Index j = 0; j < 20; ++j) {
      same = same && before.self_attn.matrix(0)(i, j) == after.self_attn.matrix(0)(i, j);
      same = same && alone.self_attn.matrix(0)(i, j) == padded.self_attn.matrix(0)(i, j);
    }
  CHECK(same);
  const auto maps = encoder({x.data(), 1, 40, 8}, {.src_mask = key_lengths(lengths)});
  const auto kept = inspect::rollout(maps.self_attn, 0);
  CHECK((kept.topRows(20) - padded.self_attn.matrix(0).topRows(20)).cwiseAbs().maxCoeff<Eigen::PropagateNaN>() <=
        1e-6f);
}

TEST_CASE("rollout on the fly: what it cannot do is refused by name") {
  Encoder<float> encoder({.layer = {.d_model = 8, .nhead = 2, .dim_feedforward = 16}, .num_layers = 2});
  throw_if_failed(encoder.init(7));
  const std::vector<float> x(4 * 8, 1.0f);
  const auto refused = [&](const Selection& selection) {
    EncoderResult<keep::Rolled, float> r;
    Workspace workspace(heap());
    return encoder.forward_into(r, workspace, {x.data(), 1, 4, 8}, {}, keep::rollout.only(selection));
  };
  CHECK(refused({.layers = {0}}) == Status::not_supported);
  CHECK(refused({.heads = {0}}) == Status::not_supported);
  CHECK(refused({.which = Which::cross}) == Status::ok);
  CHECK(refused({}) == Status::ok);
}

TEST_CASE("rollout: only square maps of one size") {
  const Matrix wide = Matrix::Ones(2, 3), square = Matrix::Ones(3, 3), small = Matrix::Ones(2, 2);
  CHECK_THROWS_AS(inspect::roll_layer(wide, Matrix()), std::invalid_argument);
  CHECK_THROWS_AS(inspect::roll_layer(small, square), std::invalid_argument);
}

TEST_CASE("rollout: padding on the left may hold NaN") {
  Encoder<float> encoder({.layer = {.d_model = 8, .nhead = 2, .dim_feedforward = 16}, .num_layers = 3});
  throw_if_failed(encoder.init(7));
  constexpr Index padding = 20, length = 21;
  std::vector<float> x((padding + length) * 8, std::numeric_limits<float>::quiet_NaN());
  std::vector<std::uint8_t> seen(padding + length, 0);
  for (std::size_t i = padding * 8; i < x.size(); ++i) x[i] = float(int(i * 37 + 11) % 29) / 15 - 1;
  std::fill(seen.begin() + padding, seen.end(), std::uint8_t{1});
  const auto padded = encoder({x.data(), 1, padding + length, 8},
                              {.src_mask = from_hf_attention_mask(seen.data(), 1, padding + length)}, keep::rollout);
  const auto alone = encoder({x.data() + padding * 8, 1, length, 8}, {}, keep::rollout);
  const auto map = padded.self_attn.matrix(0).bottomRows(length);
  CHECK((map.rightCols(length) - alone.self_attn.matrix(0)).cwiseAbs().maxCoeff<Eigen::PropagateNaN>() <= 1e-6f);
  CHECK(map.leftCols(padding).isZero(0));
}
