// What the tests of core to models share: random values, comparison by bits, masks with their plain meaning, and naive
// twins of attention and layers (plain loops in double, on top of bench/naive.hpp).
#pragma once
#include "../../bench/naive.hpp"

#include <vitrine/vitrine.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <string>
#include <vector>

namespace support {

using bench::Values;
using vitrine::Index;

// Sizes around whole vectors and panels of every build.
inline constexpr Index awkward[] = {1, 3, 7, 8, 15, 16, 17, 31, 33, 65};
inline constexpr double infinity = std::numeric_limits<double>::infinity();

class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed * 2862933555777941757u + 3037000493u) {}
  double uniform() {  // [-1, 1)
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return double(state_ >> 11) * 0x1p-52 - 1;
  }
  Index below(Index n) { return Index((uniform() + 1) / 2 * double(n)); }

 private:
  std::uint64_t state_;
};

template <class S>
std::vector<S> random_values(Index count, std::uint64_t seed, double scale = 1) {
  Random random(seed);
  std::vector<S> values(static_cast<std::size_t>(count));
  for (S& value : values) value = S(random.uniform() * scale);
  return values;
}

// Equal by bits: -0 is not +0.
template <class S>
bool same(const S* x, const S* y, Index count) {
  return count == 0 || std::memcmp(x, y, std::size_t(count) * sizeof(S)) == 0;
}
template <class S>
bool same(std::span<const S> x, std::span<const S> y) {
  return x.size() == y.size() && same(x.data(), y.data(), Index(x.size()));
}
template <class S>
bool same(const vitrine::Tensor<S>& x, const vitrine::Tensor<S>& y) {
  return same(x.span(), y.span());
}
// The first rows and columns of x against all of y.
template <class S>
bool same_corner(const vitrine::MatrixView<S>& x, const vitrine::MatrixView<S>& y) {
  if (y.rows() > x.rows() || y.cols() > x.cols()) return false;
  bool all = true;
  for (Index i = 0; i < y.rows(); ++i) all = all && same(x.data() + i * x.cols(), y.data() + i * y.cols(), y.cols());
  return all;
}
template <class S>
bool same(const vitrine::MatrixView<S>& x, const vitrine::MatrixView<S>& y) {
  return x.rows() == y.rows() && x.cols() == y.cols() && same_corner(x, y);
}

template <class S>
constexpr double tolerance = sizeof(S) == 4 ? 2e-5 : 1e-13;

// The larger of two errors; a NaN is the worst, and stays.
template <class T>
T worse(T one, T other) {
  return one != one || other <= one ? one : other;
}

// The largest |x - y| / (1 + |y|), NaN where one of them is and the other is not; equal infinities do not differ.
template <class S>
double difference(const S* x, const double* y, Index count) {
  double worst = 0;
  for (Index i = 0; i < count; ++i) {
    if (double(x[i]) == y[i]) continue;
    worst = worse(worst, std::abs(double(x[i]) - y[i]) / (1 + std::abs(y[i])));
  }
  return worst;
}

// ---- masks, and what they mean: a bias for each (b, h, i, j), -inf where a key is masked
struct Kind {
  enum { causal = 1, window = 2, lengths = 4, key_flags = 8, keep = 16, bias = 32, key_bias = 64, combinations = 128 };
};

template <class S>
struct MaskCase {
  std::vector<Index> key_lengths;
  std::vector<std::uint8_t> flags, kept;
  std::vector<S> biases, key_biases;
  vitrine::Mask<S> mask;
  Values meaning;

  MaskCase(int kinds, Index batch, Index heads, Index length, Index keys, std::uint64_t seed) {
    Random random(seed);
    const Index offset = random.below(3) - 1, left = random.below(keys), right = random.below(3);
    for (Index b = 0; b < batch; ++b) key_lengths.push_back(b == 0 ? keys : random.below(keys + 1));
    for (Index i = 0; i < batch * keys; ++i) flags.push_back(random.uniform() < 0.5);
    for (Index i = 0; i < batch * heads * length * keys; ++i) kept.push_back(random.uniform() < 0.6);
    for (Index i = 0; i < heads * length * keys; ++i)
      biases.push_back(random.uniform() < 0.7 ? S(random.uniform()) : -std::numeric_limits<S>::infinity());
    for (Index i = 0; i < batch * keys; ++i)
      key_biases.push_back(random.uniform() < 0.7 ? S(random.uniform()) : -std::numeric_limits<S>::infinity());
    if (kinds & Kind::causal) mask = mask & vitrine::causal(offset);
    if (kinds & Kind::window) mask = mask & vitrine::window(left, right);
    if (kinds & Kind::lengths) mask = mask & vitrine::key_lengths(key_lengths);
    if (kinds & Kind::key_flags) mask = mask & vitrine::key_flags(flags.data(), batch, keys);
    if (kinds & Kind::keep) mask = mask & vitrine::keep_matrix(kept.data(), batch, heads, length, keys);
    if (kinds & Kind::bias) mask = mask & vitrine::additive_bias(biases.data(), 1, heads, length, keys);
    if (kinds & Kind::key_bias) mask = mask & vitrine::key_bias(key_biases.data(), batch, keys);

    const Index shift = kinds & Kind::causal ? offset : 0;
    for (Index b = 0; b < batch; ++b)
      for (Index h = 0; h < heads; ++h)
        for (Index i = 0; i < length; ++i)
          for (Index j = 0; j < keys; ++j) {
            const bool seen = (!(kinds & Kind::causal) || j <= i + offset) &&
                              (!(kinds & Kind::window) || (j >= i + shift - left && j <= i + shift + right)) &&
                              (!(kinds & Kind::lengths) || j < key_lengths[std::size_t(b)]) &&
                              (!(kinds & Kind::key_flags) || flags[std::size_t(b * keys + j)]) &&
                              (!(kinds & Kind::keep) || kept[std::size_t(((b * heads + h) * length + i) * keys + j)]);
            double sum = seen ? 0 : -infinity;
            if (kinds & Kind::bias) sum += double(biases[std::size_t((h * length + i) * keys + j)]);
            if (kinds & Kind::key_bias) sum += double(key_biases[std::size_t(b * keys + j)]);
            meaning.push_back(sum);
          }
  }
};

// ---- naive twins, for one sequence
using NaiveRows = Values;  // row after row

// Parameters in double, by name; whatever they are packed as is undone.
class Parameters {
 public:
  template <class M>
  explicit Parameters(const M& module) {
    module.parameters([&](const char* name, const auto& p) {
      Values& values = values_[name];
      for (Index row = 0; row < p.rows; ++row)
        for (Index col = 0; col < (p.is_vector() ? 1 : p.cols); ++col) values.push_back(double(p.value(row, col)));
    });
  }
  const Values& operator[](const std::string& name) const {
    static const Values none;
    const auto found = values_.find(name);
    return found == values_.end() ? none : found->second;
  }

 private:
  std::map<std::string, Values> values_;
};

// x W^T + b: W rows [first, first + out) of `weight`.
inline NaiveRows naive_linear(const NaiveRows& x, Index in, const Values& weight, const Values& offset, Index first,
                              Index out) {
  NaiveRows y;
  for (Index row = 0; row < Index(x.size()) / in; ++row)
    for (Index o = first; o < first + out; ++o)
      y.push_back(bench::dot(x.data() + row * in, weight.data() + o * in, in) +
                  (offset.empty() ? 0 : offset[std::size_t(o)]));
  return y;
}

struct NaiveAttention {
  NaiveRows output;
  Values weights, scores;  // (H, T, S)
};

// One head: q (T, D), k (S, D), v (S, Dv), `masked`(i, j) the mask's meaning. Appends to weights and scores; gives the
// context.
template <class F>
NaiveRows naive_head(const NaiveRows& q, const NaiveRows& k, const NaiveRows& v, Index width, Index value_width,
                     double scale, F masked, NaiveAttention& into) {
  const Index length = Index(q.size()) / width, keys = Index(k.size()) / width;
  NaiveRows context(std::size_t(length * value_width), 0.0);
  for (Index i = 0; i < length; ++i) {
    Values s;
    bool any = false;
    for (Index j = 0; j < keys; ++j) {
      const double m = masked(i, j);
      any = any || m > -infinity;
      s.push_back(m > -infinity ? bench::dot(q.data() + i * width, k.data() + j * width, width) * scale + m : m);
    }
    into.scores.insert(into.scores.end(), s.begin(), s.end());
    if (any)
      bench::naive_softmax(s.data(), keys);
    else
      s.assign(s.size(), 0.0);
    into.weights.insert(into.weights.end(), s.begin(), s.end());
    for (Index j = 0; j < keys; ++j)
      if (s[std::size_t(j)] != 0)
        bench::add_scaled(context.data() + i * value_width, s[std::size_t(j)], v.data() + j * value_width, value_width);
  }
  return context;
}

// nn.MultiheadAttention under `prefix`. `masked`(h, i, j); no mask covers the extra keys.
template <class F>
NaiveAttention naive_attention(const Parameters& p, const std::string& prefix, const vitrine::AttentionConfig& c,
                               const NaiveRows& query, const NaiveRows& key, const NaiveRows& value, F masked,
                               const Values& head_scale = {}) {
  const Index embed = c.embed_dim, heads = c.num_heads, width = embed / heads;
  const Index kdim = c.kdim < 0 ? embed : c.kdim, vdim = c.vdim < 0 ? embed : c.vdim;
  const bool packed = !p[prefix + "in_proj_weight"].empty();
  const Values& in_bias = p[prefix + "in_proj_bias"];
  const auto project = [&](const NaiveRows& x, Index in, Index group, const char* name) {
    if (packed) return naive_linear(x, in, p[prefix + "in_proj_weight"], in_bias, group * embed, embed);
    const Values own =
        in_bias.empty() ? Values{} : Values(in_bias.begin() + group * embed, in_bias.begin() + (group + 1) * embed);
    return naive_linear(x, in, p[prefix + name], own, 0, embed);
  };
  NaiveRows q = project(query, embed, 0, "q_proj_weight"), k = project(key, kdim, 1, "k_proj_weight"),
            v = project(value, vdim, 2, "v_proj_weight");
  const Index keys = Index(k.size()) / embed;
  const auto append = [&](const Values& to_k, const Values& to_v) {
    k.insert(k.end(), to_k.begin(), to_k.end());
    v.insert(v.end(), to_v.begin(), to_v.end());
  };
  if (c.add_bias_kv) append(p[prefix + "bias_k"], p[prefix + "bias_v"]);
  const Values zeros(static_cast<std::size_t>(embed), 0.0);
  if (c.add_zero_attn) append(zeros, zeros);
  NaiveAttention result;
  const Index length = Index(q.size()) / embed;
  NaiveRows context(q.size(), 0.0);
  for (Index h = 0; h < heads; ++h) {
    const auto head_of = [&](const NaiveRows& rows) {
      NaiveRows own;
      for (Index i = 0; i < Index(rows.size()) / embed; ++i)
        own.insert(own.end(), rows.begin() + i * embed + h * width, rows.begin() + i * embed + (h + 1) * width);
      return own;
    };
    const NaiveRows own = naive_head(
        head_of(q), head_of(k), head_of(v), width, width, 1 / std::sqrt(double(width)),
        [&](Index i, Index j) { return j < keys ? masked(h, i, j) : 0.0; }, result);
    for (Index i = 0; i < length; ++i)
      for (Index d = 0; d < width; ++d)
        context[std::size_t(i * embed + h * width + d)] =
            own[std::size_t(i * width + d)] * (head_scale.empty() ? 1 : head_scale[std::size_t(h)]);
  }
  result.output = naive_linear(context, embed, p[prefix + "out_proj.weight"], p[prefix + "out_proj.bias"], 0, embed);
  return result;
}

struct NaiveLayer {
  NaiveRows output;
  NaiveAttention self, cross;
};

// The sublayers of an encoder layer, or with a memory of a decoder layer, under `prefix`.
template <class F, class G>
NaiveLayer naive_layer(const Parameters& p, const std::string& prefix, const vitrine::LayerConfig& c, NaiveRows x,
                       const NaiveRows* memory, F self_masked, G cross_masked) {
  const Index width = c.d_model;
  NaiveLayer result;
  int norms = 0;
  const auto sublayer = [&](auto f) {
    const std::string norm = prefix + "norm" + std::to_string(++norms) + ".";
    const auto normalise = [&](NaiveRows& rows) {
      for (Index i = 0; i < Index(rows.size()) / width; ++i)
        bench::naive_layer_norm(rows.data() + i * width, width, p[norm + "weight"], p[norm + "bias"], c.layer_norm_eps);
    };
    NaiveRows in = x;
    if (c.norm_first) normalise(in);
    const NaiveRows y = f(in);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] += y[i];
    if (!c.norm_first) normalise(x);
  };
  const vitrine::AttentionConfig attention{.embed_dim = c.d_model, .num_heads = c.nhead};
  sublayer([&](const NaiveRows& in) {
    result.self = naive_attention(p, prefix + "self_attn.", attention, in, in, in, self_masked);
    return result.self.output;
  });
  if (memory != nullptr)
    sublayer([&](const NaiveRows& in) {
      result.cross = naive_attention(p, prefix + "multihead_attn.", attention, in, *memory, *memory, cross_masked);
      return result.cross.output;
    });
  sublayer([&](const NaiveRows& in) {
    NaiveRows inner =
        naive_linear(in, width, p[prefix + "linear1.weight"], p[prefix + "linear1.bias"], 0, c.dim_feedforward);
    for (double& value : inner) value = bench::naive_activation(c.activation, value);
    return naive_linear(inner, c.dim_feedforward, p[prefix + "linear2.weight"], p[prefix + "linear2.bias"], 0, width);
  });
  result.output = x;
  return result;
}

template <class S>
NaiveRows rows_of(const S* x, Index count) {
  return NaiveRows(x, x + count);
}

// init(seed) leaves biases 0 and norms 1; this draws every parameter, so that none can be left out unnoticed.
template <class M>
void randomise(M& module, std::uint64_t seed) {
  using S = typename M::Scalar;
  std::uint64_t next = seed;
  module.mutable_parameters([&](const char*, vitrine::Parameter<S>& p) {
    const Index panel = p.packable ? vitrine::kernels::panel_width<S> : 0;
    S* values = nullptr;
    auto block = vitrine::SharedValues<S>::make(vitrine::heap(), p.stored(panel), values);
    Random random(++next);
    const double scale = p.is_vector() ? 0.5 : 1 / std::sqrt(double(p.cols));
    for (Index i = 0; i < p.stored(panel); ++i) values[i] = S(0);
    for (Index row = 0; row < p.rows; ++row)
      for (Index col = 0; col < (p.is_vector() ? 1 : p.cols); ++col)
        values[p.at(row, col, panel)] = S(random.uniform() * scale + (p.is_vector() ? 0.5 : 0));
    p.values = block, p.panel = panel;
  });
}

// The sentence, with its values, that a throwing call gives; empty when it does not throw.
template <class F>
std::string complaint(F&& f) {
  try {
    f();
  } catch (const vitrine::StatusError& error) { return error.what(); }
  return "";
}

}  // namespace support
