// Naive twins: plain loops in double, one row at a time, that the programs here compare their results with.
#pragma once
#include <vitrine/core/activation_kind.hpp>
#include <vitrine/core/dims.hpp>
#include <vitrine/run/parameter.hpp>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

namespace bench {

using vitrine::Index;
using Values = std::vector<double>;

// Four sums, because one chain of additions waits for itself.
inline double dot(const double* x, const double* y, Index n) {
  double sum[4] = {};
  Index i = 0;
  for (; i + 4 <= n; i += 4)
    for (Index k = 0; k < 4; ++k) sum[k] += x[i + k] * y[i + k];
  for (; i < n; ++i) sum[0] += x[i] * y[i];
  return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}
inline void add_scaled(double* to, double factor, const double* from, Index n) {
  for (Index i = 0; i < n; ++i) to[i] += factor * from[i];
}

inline void naive_softmax(double* s, Index n) {
  double max = -std::numeric_limits<double>::infinity(), sum = 0;
  for (Index j = 0; j < n; ++j) max = std::max(max, s[j]);
  for (Index j = 0; j < n; ++j) sum += s[j] = std::exp(s[j] - max);
  for (Index j = 0; j < n; ++j) s[j] /= sum;
}

inline double naive_activation(vitrine::Activation activation, double x) {
  switch (activation) {
    case vitrine::Activation::relu:
      return x > 0 ? x : 0;
    case vitrine::Activation::gelu:
      return 0.5 * x * std::erfc(-x * 0.70710678118654752440);
    case vitrine::Activation::gelu_tanh:
      return 0.5 * x * (1 + std::tanh(0.79788456080286535588 * (x + 0.044715 * x * x * x)));
    case vitrine::Activation::silu:
      return x / (1 + std::exp(-x));
    case vitrine::Activation::none:
      break;
  }
  return x;
}

// y = (x - mean) / sqrt(variance + eps) * weight + bias; no weight: 1, no bias: 0.
inline void naive_layer_norm(double* x, Index n, const Values& weight, const Values& bias, double eps) {
  double mean = 0, variance = 0;
  for (Index i = 0; i < n; ++i) mean += x[i];
  mean /= double(n);
  for (Index i = 0; i < n; ++i) variance += (x[i] - mean) * (x[i] - mean);
  const double factor = 1 / std::sqrt(variance / double(n) + eps);
  for (Index i = 0; i < n; ++i) {
    x[i] = (x[i] - mean) * factor;
    if (!weight.empty()) x[i] *= weight[std::size_t(i)];
    if (!bias.empty()) x[i] += bias[std::size_t(i)];
  }
}

// One encoder layer, row by row. Keys and values are not projected for the whole sequence: with
// q . (W_k x + b_k) = (W_k^T q) . x + q . b_k  and  sum_j p_j (W_v x_j + b_v) = W_v (sum_j p_j x_j) + b_v
// a row costs 4 E E + 2 E F + 2 H T E multiply-adds, so that rows of long sequences can be sampled.
class NaiveEncoderLayer {
 public:
  explicit NaiveEncoderLayer(const vitrine::LayerConfig& config) : config_(config) {}

  // Values of a parameter by nn.TransformerEncoderLayer's name; whatever it is packed and stored as is undone here.
  template <class S>
  void set(const std::string& name, const vitrine::Parameter<S>& p) {
    const Index cols = p.is_vector() ? 1 : p.cols;
    Values values(std::size_t(p.elements()));
    for (Index row = 0; row < p.rows; ++row)
      for (Index col = 0; col < cols; ++col) values[std::size_t(row * cols + col)] = double(p.value(row, col));
    named(name) = std::move(values);
  }

  // The input of one sequence, n rows of E.
  template <class S>
  void sequence(const S* x, Index n) {
    const Index width = config_.d_model;
    x_.assign(x, x + n * width);
    length_ = n;
    attended_ = x_;
    if (config_.norm_first)
      for (Index j = 0; j < n; ++j) norm(attended_.data() + j * width, norm1_weight_, norm1_bias_);
  }

  // Row t, which sees its first `visible` keys. Afterwards output() has E values, weights() and scores() (H, n).
  void row(Index t, Index visible) {
    const Index width = config_.d_model, heads = config_.nhead, head_width = width / heads, n = length_;
    const double* own = attended_.data() + t * width;
    const auto at = [](const Values& values, Index i) { return values.empty() ? 0.0 : values[std::size_t(i)]; };
    weights_.assign(std::size_t(heads * n), 0.0);
    scores_.assign(std::size_t(heads * n), -std::numeric_limits<double>::infinity());
    Values context(std::size_t(width), 0.0), key(static_cast<std::size_t>(width)), mix(static_cast<std::size_t>(width));
    for (Index h = 0; h < heads; ++h) {
      key.assign(key.size(), 0.0);
      double constant = 0;
      for (Index d = h * head_width; d < (h + 1) * head_width; ++d) {
        const double query = dot(in_weight_.data() + d * width, own, width) + at(in_bias_, d);
        add_scaled(key.data(), query, in_weight_.data() + (width + d) * width, width);
        constant += query * at(in_bias_, width + d);
      }
      double* const s = scores_.data() + h * n;
      double* const p = weights_.data() + h * n;
      for (Index j = 0; j < visible; ++j)
        p[j] = s[j] = (dot(key.data(), attended_.data() + j * width, width) + constant) / std::sqrt(double(head_width));
      naive_softmax(p, visible);
      mix.assign(mix.size(), 0.0);
      for (Index j = 0; j < visible; ++j) add_scaled(mix.data(), p[j], attended_.data() + j * width, width);
      for (Index d = h * head_width; d < (h + 1) * head_width; ++d)
        context[std::size_t(d)] =
            dot(in_weight_.data() + (2 * width + d) * width, mix.data(), width) + at(in_bias_, 2 * width + d);
    }
    Values x(x_.begin() + t * width, x_.begin() + (t + 1) * width);
    for (Index e = 0; e < width; ++e)
      x[std::size_t(e)] += dot(out_weight_.data() + e * width, context.data(), width) + at(out_bias_, e);
    if (!config_.norm_first) norm(x.data(), norm1_weight_, norm1_bias_);
    Values in = x;
    if (config_.norm_first) norm(in.data(), norm2_weight_, norm2_bias_);
    const Index hidden = config_.dim_feedforward;
    Values inner(static_cast<std::size_t>(hidden));
    for (Index f = 0; f < hidden; ++f)
      inner[std::size_t(f)] =
          naive_activation(config_.activation, dot(weight1_.data() + f * width, in.data(), width) + at(bias1_, f));
    for (Index e = 0; e < width; ++e)
      x[std::size_t(e)] += dot(weight2_.data() + e * hidden, inner.data(), hidden) + at(bias2_, e);
    if (!config_.norm_first) norm(x.data(), norm2_weight_, norm2_bias_);
    output_ = std::move(x);
  }
  const Values& output() const { return output_; }
  const Values& weights() const { return weights_; }
  const Values& scores() const { return scores_; }  // -inf where a key is not visible

  // Multiply-adds of row().
  static double cost(const vitrine::LayerConfig& c, Index length) {
    const double width = double(c.d_model);
    return 4 * width * width + 2 * width * double(c.dim_feedforward) + 2 * double(c.nhead) * double(length) * width;
  }

 private:
  Values& named(const std::string& name) {
    if (name == "self_attn.in_proj_weight") return in_weight_;
    if (name == "self_attn.in_proj_bias") return in_bias_;
    if (name == "self_attn.out_proj.weight") return out_weight_;
    if (name == "self_attn.out_proj.bias") return out_bias_;
    if (name == "linear1.weight") return weight1_;
    if (name == "linear1.bias") return bias1_;
    if (name == "linear2.weight") return weight2_;
    if (name == "linear2.bias") return bias2_;
    if (name == "norm1.weight") return norm1_weight_;
    if (name == "norm1.bias") return norm1_bias_;
    if (name == "norm2.weight") return norm2_weight_;
    if (name == "norm2.bias") return norm2_bias_;
    return unknown_;
  }
  void norm(double* x, const Values& weight, const Values& bias) const {
    naive_layer_norm(x, config_.d_model, weight, bias, config_.layer_norm_eps);
  }

  vitrine::LayerConfig config_;
  Values in_weight_, in_bias_, out_weight_, out_bias_, weight1_, bias1_, weight2_, bias2_;
  Values norm1_weight_, norm1_bias_, norm2_weight_, norm2_bias_, unknown_;
  Values x_, attended_, output_, weights_, scores_;
  Index length_ = 0;
};

}  // namespace bench
