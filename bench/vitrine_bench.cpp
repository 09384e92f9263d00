// The Google Benchmark suite: each kernel as naive loops, with Eigen and with vitrine, over the shapes of real models;
// encoder layers with static and with dynamic sizes beside a loop written by hand.
//
//   build/bench/vitrine_bench [--benchmark_filter=matmul/.*] [--benchmark_repetitions=9] ...
//
// Every case compares its result with a naive twin in double before it is timed; one that differs is an error and the
// exit status is 1. Kernels run on one thread; layers on as many as their name says. Counters: GFLOP/s and GB/s (each
// operand read or written once), and `peak`, the share of the fused multiply-adds that as many threads do in registers,
// measured in this process.
#include "naive.hpp"
#include "peak.hpp"

#include <vitrine/kernels/batched_matmul.hpp>
#include <vitrine/vitrine.hpp>

#include <benchmark/benchmark.h>
#include <unsupported/Eigen/SpecialFunctions>

#include <cstdio>
#include <map>
#include <memory>
#include <string>

namespace {

using namespace bench;
namespace vt = vitrine;
namespace kernels = vt::kernels;
using Floats = std::vector<float>;
using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Rows = Eigen::Map<const Matrix>;
using Row = Eigen::Map<const Eigen::RowVectorXf>;

bool wrong = false;

Floats random_floats(Index count, std::uint64_t seed, float scale = 1) {
  Floats values(static_cast<std::size_t>(count));
  std::uint64_t state = seed * 2862933555777941757u + 3037000493u;
  for (float& value : values) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    value = float((double(state >> 40) * 0x1p-23 - 1) * 1.75) * scale;
  }
  return values;
}

double peak_of(int threads) {
  static std::map<int, double> known;
  const auto found = known.find(threads);
  return found != known.end() ? found->second : known[threads] = peak_gflops<float>(threads);
}

// Rows of a result that are compared: all, or as many evenly spread ones as `budget` multiply-adds pay for.
template <class F>
void for_sampled_rows(Index rows, double cost_of_row, F&& f, double budget = 2e7) {
  const Index samples = std::clamp(Index(budget / std::max(cost_of_row, 1.0)), std::min<Index>(rows, 2), rows);
  for (Index i = 0; i < samples; ++i) f(samples > 1 ? i * (rows - 1) / (samples - 1) : 0);
}

// The largest difference of ours from the naive values, beside the largest of these.
struct Comparison {
  double error = 0, size = 1;
  void add(const float* ours, const Values& naive) {
    for (std::size_t i = 0; i < naive.size(); ++i) {
      const double difference = std::abs(double(ours[i]) - naive[i]);
      error = difference <= error ? error : difference == difference ? difference : 1e300;
      size = std::max(size, std::abs(naive[i]));
    }
  }
};

// Runs `call` once, checks what it left, then times it.
template <class Call, class Check>
void run_case(benchmark::State& state, double flops, double bytes, Call&& call, Check&& check, int threads = 1) {
  call();
  Comparison comparison;
  check(comparison);
  if (comparison.error > 1024 * 0x1p-23 * comparison.size) {
    wrong = true;
    state.SkipWithError(("wrong by " + std::to_string(comparison.error)).c_str());
    return;
  }
  const double begin = seconds_now();
  for (auto _ : state) {
    call();
    benchmark::ClobberMemory();
  }
  const double calls_per_ns = double(state.iterations()) / (seconds_now() - begin) * 1e-9;
  state.counters["GFLOP/s"] = flops * calls_per_ns;
  state.counters["GB/s"] = bytes * calls_per_ns;
  state.counters["peak"] = flops * calls_per_ns / peak_of(threads);
}

template <class F>
void add(const std::string& name, F f) {
  benchmark::RegisterBenchmark(name.c_str(), f)->UseRealTime()->Unit(benchmark::kMicrosecond);
}

// ---- C = A B^T + bias, weights (N, K) packed beforehand where they can be

struct MatmulData {
  Index rows, columns, depth;
  Floats a, b, bias, packed, c;
  MatmulData(Index m, Index n, Index k)
      : rows(m),
        columns(n),
        depth(k),
        a(random_floats(m * k, 1)),
        b(random_floats(n * k, 2, 0.05f)),
        bias(random_floats(n, 3)),
        packed(std::size_t(kernels::packed_size<float>(n, k))),
        c(std::size_t(m * n)) {
    for (Index p = 0; p < kernels::panel_count<float>(n); ++p)
      kernels::pack_panel<float>({b.data(), n, k}, p * kernels::panel_width<float>, 0, k,
                                 packed.data() + p * kernels::panel_width<float> * k);
  }
  void check(Comparison& comparison) const {
    for_sampled_rows(rows, double(columns * depth), [&](Index r) {
      Values expected(static_cast<std::size_t>(columns));
      for (Index n = 0; n < columns; ++n) {
        double sum = 0;
        for (Index k = 0; k < depth; ++k)
          sum += double(a[std::size_t(r * depth + k)]) * double(b[std::size_t(n * depth + k)]);
        expected[std::size_t(n)] = sum + double(bias[std::size_t(n)]);
      }
      comparison.add(c.data() + r * columns, expected);
    });
  }
  double flops() const { return 2 * double(rows) * double(columns) * double(depth); }
  double bytes() const { return 4 * double(rows * depth + columns * depth + rows * columns + columns); }
};

void naive_matmul(MatmulData& d) {
  for (Index m = 0; m < d.rows; ++m)
    for (Index n = 0; n < d.columns; ++n) {
      float sum = 0;
      for (Index k = 0; k < d.depth; ++k) sum += d.a[std::size_t(m * d.depth + k)] * d.b[std::size_t(n * d.depth + k)];
      d.c[std::size_t(m * d.columns + n)] = sum + d.bias[std::size_t(n)];
    }
}
void eigen_matmul(MatmulData& d) {
  Eigen::Map<Matrix> c(d.c.data(), d.rows, d.columns);
  const Rows a(d.a.data(), d.rows, d.depth), b(d.b.data(), d.columns, d.depth);
  c.noalias() = a * b.transpose();
  c.rowwise() += Row(d.bias.data(), d.columns);
}
void vitrine_matmul(MatmulData& d) {
  kernels::Product<float> product;
  product.a = d.a.data(), product.a_stride = d.depth;
  product.b = d.packed.data(), product.columns = d.columns, product.depth = d.depth;
  product.c = d.c.data(), product.c_stride = d.columns;
  product.bias = d.bias.data();
  kernels::matmul(product, d.rows, Index{0}, kernels::panel_count<float>(d.columns));
}

void add_matmul(Index m, Index n, Index k) {
  const std::string shape = "matmul/" + std::to_string(m) + "x" + std::to_string(n) + "x" + std::to_string(k) + "/";
  const auto one = [&](const char* name, void (*call)(MatmulData&)) {
    add(shape + name, [=](benchmark::State& state) {
      MatmulData d(m, n, k);
      run_case(
          state, d.flops(), d.bytes(), [&] { call(d); }, [&](Comparison& c) { d.check(c); });
    });
  };
  one("naive", naive_matmul), one("eigen", eigen_matmul), one("vitrine", vitrine_matmul);
}

// ---- C[i] = A[i] B[i]^T for many small products, nothing packed beforehand: the scores of heads, say

struct BatchedData {
  Index batch, rows, columns, depth;
  Floats a, b, c;
  vt::Workspace workspace{vt::heap(), 1};
  BatchedData(Index i, Index m, Index n, Index k)
      : batch(i),
        rows(m),
        columns(n),
        depth(k),
        a(random_floats(i * m * k, 1)),
        b(random_floats(i * n * k, 2)),
        c(std::size_t(i * m * n)) {}
  void check(Comparison& comparison) const {
    for_sampled_rows(batch * rows, double(columns * depth), [&](Index row) {
      Values expected(std::size_t(columns), 0.0);
      const float* const b_row = b.data() + row / rows * columns * depth;
      for (Index n = 0; n < columns; ++n)
        for (Index k = 0; k < depth; ++k)
          expected[std::size_t(n)] += double(a[std::size_t(row * depth + k)]) * double(b_row[n * depth + k]);
      comparison.add(c.data() + row * columns, expected);
    });
  }
};
void naive_batched(BatchedData& d) {
  for (Index row = 0; row < d.batch * d.rows; ++row)
    for (Index n = 0; n < d.columns; ++n) {
      const float *x = d.a.data() + row * d.depth, *y = d.b.data() + (row / d.rows * d.columns + n) * d.depth;
      float sum = 0;
      for (Index k = 0; k < d.depth; ++k) sum += x[k] * y[k];
      d.c[std::size_t(row * d.columns + n)] = sum;
    }
}
void eigen_batched(BatchedData& d) {
  for (Index i = 0; i < d.batch; ++i) {
    Eigen::Map<Matrix> c(d.c.data() + i * d.rows * d.columns, d.rows, d.columns);
    c.noalias() = Rows(d.a.data() + i * d.rows * d.depth, d.rows, d.depth) *
                  Rows(d.b.data() + i * d.columns * d.depth, d.columns, d.depth).transpose();
  }
}
void vitrine_batched(BatchedData& d) {
  kernels::BatchedProduct<float> p;
  p.batch = d.batch, p.rows = d.rows, p.columns = d.columns, p.depth = d.depth;
  p.a = {d.a.data(), d.rows * d.depth, d.depth};
  p.b = {d.b.data(), d.columns * d.depth, 1, d.depth};
  p.c = d.c.data(), p.c_batch_stride = d.rows * d.columns, p.c_row_stride = d.columns;
  if (kernels::batched_matmul(p, d.workspace) != vt::Status::ok) wrong = true;
}
void add_batched(Index batch, Index m, Index n, Index k) {
  const std::string shape = "batched_matmul/" + std::to_string(batch) + "x" + std::to_string(m) + "x" +
                            std::to_string(n) + "x" + std::to_string(k) + "/";
  const auto one = [&](const char* name, void (*call)(BatchedData&)) {
    add(shape + name, [=](benchmark::State& state) {
      BatchedData d(batch, m, n, k);
      run_case(
          state, 2 * double(batch * m * n) * double(k), 4 * double(batch) * double(m * k + n * k + m * n),
          [&] { call(d); }, [&](Comparison& c) { d.check(c); });
    });
  };
  one("naive", naive_batched), one("eigen", eigen_batched), one("vitrine", vitrine_batched);
}

// ---- softmax of rows, in place on a copy: 3 operations an element (maximum, exponential counted as one, division)

struct RowsData {
  Index rows, width, stride;  // y has a vector of room behind each row, which our kernel may touch
  Floats x, y, weight, bias;
  RowsData(Index m, Index n)
      : rows(m),
        width(n),
        stride(n + vt::simd<float>::lanes),
        x(random_floats(m * n, 1, 2)),
        y(std::size_t(m * (n + vt::simd<float>::lanes))),
        weight(random_floats(n, 2)),
        bias(random_floats(n, 3)) {}
  Values row(Index r) const { return Values(x.begin() + r * width, x.begin() + (r + 1) * width); }
  template <class F>
  void check(Comparison& comparison, F&& naive) const {
    for_sampled_rows(rows, double(width) * 30, [&](Index r) {
      Values expected = row(r);
      naive(expected);
      comparison.add(y.data() + r * stride, expected);
    });
  }
  double elements() const { return double(rows * width); }
};
using Strided = Eigen::Map<Matrix, 0, Eigen::OuterStride<>>;

void naive_softmax_rows(RowsData& d) {
  for (Index r = 0; r < d.rows; ++r) {
    const float* x = d.x.data() + r * d.width;
    float* y = d.y.data() + r * d.stride;
    float max = x[0], sum = 0;
    for (Index j = 0; j < d.width; ++j) max = x[j] > max ? x[j] : max;
    for (Index j = 0; j < d.width; ++j) sum += y[j] = std::exp(x[j] - max);
    for (Index j = 0; j < d.width; ++j) y[j] /= sum;
  }
}
void eigen_softmax_rows(RowsData& d) {
  const Rows x(d.x.data(), d.rows, d.width);
  Strided y(d.y.data(), d.rows, d.width, Eigen::OuterStride<>(d.stride));
  for (Index r = 0; r < d.rows; ++r) {
    y.row(r) = (x.row(r).array() - x.row(r).maxCoeff()).exp();
    y.row(r) /= y.row(r).sum();
  }
}
void vitrine_softmax_rows(RowsData& d) {
  using V = vt::simd<float>;
  for (Index r = 0; r < d.rows; ++r) {
    float* y = d.y.data() + r * d.stride;
    std::copy_n(d.x.data() + r * d.width, d.width, y);
    const auto factor = V::set1(kernels::softmax_row<float>(y, d.width, {}).inverse);
    for (Index j = 0; j < d.width; j += V::lanes) V::store(y + j, V::mul(V::load(y + j), factor));
  }
}

// ---- layer norm of rows

void naive_norm_rows(RowsData& d) {
  for (Index r = 0; r < d.rows; ++r) {
    const float* x = d.x.data() + r * d.width;
    float* y = d.y.data() + r * d.stride;
    float mean = 0, variance = 0;
    for (Index j = 0; j < d.width; ++j) mean += x[j];
    mean /= float(d.width);
    for (Index j = 0; j < d.width; ++j) variance += (x[j] - mean) * (x[j] - mean);
    const float factor = 1 / std::sqrt(variance / float(d.width) + 1e-5f);
    for (Index j = 0; j < d.width; ++j)
      y[j] = (x[j] - mean) * factor * d.weight[std::size_t(j)] + d.bias[std::size_t(j)];
  }
}
void eigen_norm_rows(RowsData& d) {
  const Rows x(d.x.data(), d.rows, d.width);
  const Row weight(d.weight.data(), d.width), bias(d.bias.data(), d.width);
  Strided y(d.y.data(), d.rows, d.width, Eigen::OuterStride<>(d.stride));
  for (Index r = 0; r < d.rows; ++r) {
    y.row(r) = x.row(r).array() - x.row(r).mean();
    const float factor = 1 / std::sqrt(y.row(r).squaredNorm() / float(d.width) + 1e-5f);
    y.row(r) = y.row(r).array() * factor * weight.array() + bias.array();
  }
}
void vitrine_norm_rows(RowsData& d) {
  kernels::layer_norm<float>(
      {d.x.data(), d.width, d.y.data(), d.stride, d.rows, d.width, d.weight.data(), d.bias.data(), 1e-5f});
}

// Cases of a row-wise function; `operations` an element, `naive` in double on one row.
template <class Naive>
void add_rows(const std::string& kind, Index m, Index n, double operations, Naive naive, void (*plain)(RowsData&),
              void (*eigen)(RowsData&), void (*ours)(RowsData&)) {
  const std::string shape = kind + "/" + std::to_string(m) + "x" + std::to_string(n) + "/";
  const auto one = [&](const char* name, void (*call)(RowsData&)) {
    add(shape + name, [=](benchmark::State& state) {
      RowsData d(m, n);
      run_case(
          state, operations * d.elements(), 8 * d.elements(), [&] { call(d); },
          [&](Comparison& c) { d.check(c, [&](Values& row) { naive(row, d); }); });
    });
  };
  one("naive", plain), one("eigen", eigen), one("vitrine", ours);
}

// ---- activations

template <vt::Activation activation>
void naive_activation_rows(RowsData& d) {
  for (Index r = 0; r < d.rows; ++r)
    for (Index j = 0; j < d.width; ++j) {
      const float x = d.x[std::size_t(r * d.width + j)];
      float& y = d.y[std::size_t(r * d.stride + j)];
      if constexpr (activation == vt::Activation::relu)
        y = x > 0 ? x : 0;
      else if constexpr (activation == vt::Activation::gelu)
        y = 0.5f * x * (1 + std::erf(x * 0.70710678f));
      else if constexpr (activation == vt::Activation::gelu_tanh)
        y = 0.5f * x * (1 + std::tanh(0.79788456f * (x + 0.044715f * x * x * x)));
      else
        y = x / (1 + std::exp(-x));
    }
}
template <vt::Activation activation>
void eigen_activation_rows(RowsData& d) {
  Strided out(d.y.data(), d.rows, d.width, Eigen::OuterStride<>(d.stride));
  auto y = out.array();
  const auto x = Rows(d.x.data(), d.rows, d.width).array();
  if constexpr (activation == vt::Activation::relu)
    y = x.max(0.f);
  else if constexpr (activation == vt::Activation::gelu)
    y = 0.5f * x * (1 + (x * 0.70710678f).erf());
  else if constexpr (activation == vt::Activation::gelu_tanh)
    y = 0.5f * x * (1 + (0.79788456f * (x + 0.044715f * x.cube())).tanh());
  else
    y = x / (1 + (-x).exp());
}
template <vt::Activation activation>
void vitrine_activation_rows(RowsData& d) {
  using V = vt::simd<float>;
  for (Index r = 0; r < d.rows; ++r)
    for (Index j = 0; j < d.width; j += V::lanes) {
      const Index left = d.width - j;
      const auto x = vt::load_first<float>(d.x.data() + r * d.width + j, left);
      vt::store_first<float>(d.y.data() + r * d.stride + j, kernels::activate<float, activation>(x), left);
    }
}
template <vt::Activation activation>
void add_activation(Index m, Index n) {
  add_rows(
      vt::name(activation), m, n, 1,
      [](Values& row, const RowsData&) {
        for (double& x : row) x = naive_activation(activation, x);
      },
      naive_activation_rows<activation>, eigen_activation_rows<activation>, vitrine_activation_rows<activation>);
}

// ---- attention of H heads, the weights kept; queries, keys and values (H, T, D)

struct AttentionData {
  Index heads, length, width;
  Floats q, k, v, output, weights;  // output (T, H * D), as ours has it
  vt::SdpaResult<vt::DefaultKeep, float> result;
  vt::Workspace workspace{vt::heap(), 1};
  AttentionData(Index h, Index t, Index d)
      : heads(h),
        length(t),
        width(d),
        q(random_floats(h * t * d, 1)),
        k(random_floats(h * t * d, 2)),
        v(random_floats(h * t * d, 3)),
        output(std::size_t(h * t * d)),
        weights(std::size_t(h * t * t)) {
    result.output.use(vt::heap());
    result.weights.use(vt::heap());
  }
  const float* head(const Floats& values, Index h) const { return values.data() + h * length * width; }
  void check(Comparison& comparison, const float* out, const float* w) const {
    for_sampled_rows(heads * length, 2 * double(length * width), [&](Index row) {
      const Index h = row / length, t = row % length;
      Values scores(std::size_t(length), 0.0), context(std::size_t(width), 0.0);
      for (Index j = 0; j < length; ++j) {
        for (Index d = 0; d < width; ++d)
          scores[std::size_t(j)] += double(head(q, h)[t * width + d]) * double(head(k, h)[j * width + d]);
        scores[std::size_t(j)] /= std::sqrt(double(width));
      }
      naive_softmax(scores.data(), length);
      for (Index j = 0; j < length; ++j)
        for (Index d = 0; d < width; ++d)
          context[std::size_t(d)] += scores[std::size_t(j)] * double(head(v, h)[j * width + d]);
      comparison.add(w + row * length, scores);
      comparison.add(out + (t * heads + h) * width, context);
    });
  }
};
void naive_attention(AttentionData& a) {
  const float scale = 1 / std::sqrt(float(a.width));
  for (Index h = 0; h < a.heads; ++h)
    for (Index t = 0; t < a.length; ++t) {
      const float* q = a.head(a.q, h) + t * a.width;
      float* w = a.weights.data() + (h * a.length + t) * a.length;
      float* out = a.output.data() + (t * a.heads + h) * a.width;
      float max = -INFINITY, sum = 0;
      for (Index j = 0; j < a.length; ++j) {
        float dot_product = 0;
        for (Index d = 0; d < a.width; ++d) dot_product += q[d] * a.head(a.k, h)[j * a.width + d];
        w[j] = dot_product * scale;
        max = w[j] > max ? w[j] : max;
      }
      for (Index j = 0; j < a.length; ++j) sum += w[j] = std::exp(w[j] - max);
      for (Index d = 0; d < a.width; ++d) out[d] = 0;
      for (Index j = 0; j < a.length; ++j) {
        w[j] /= sum;
        for (Index d = 0; d < a.width; ++d) out[d] += w[j] * a.head(a.v, h)[j * a.width + d];
      }
    }
}
void eigen_attention(AttentionData& a) {
  const float scale = 1 / std::sqrt(float(a.width));
  for (Index h = 0; h < a.heads; ++h) {
    const Rows q(a.head(a.q, h), a.length, a.width), k(a.head(a.k, h), a.length, a.width),
        v(a.head(a.v, h), a.length, a.width);
    Eigen::Map<Matrix> w(a.weights.data() + h * a.length * a.length, a.length, a.length);
    Strided out(a.output.data() + h * a.width, a.length, a.width, Eigen::OuterStride<>(a.heads * a.width));
    w.noalias() = (q * scale) * k.transpose();
    for (Index t = 0; t < a.length; ++t) {
      w.row(t) = (w.row(t).array() - w.row(t).maxCoeff()).exp();
      w.row(t) /= w.row(t).sum();
    }
    out.noalias() = w * v;
  }
}
void vitrine_attention(AttentionData& a) {
  if (vt::scaled_dot_product_attention_into(
          a.result, a.workspace, vt::heads_bhtd(a.q.data(), 1, a.heads, a.length, a.width),
          vt::heads_bhtd(a.k.data(), 1, a.heads, a.length, a.width),
          vt::heads_bhtd(a.v.data(), 1, a.heads, a.length, a.width)) != vt::Status::ok)
    wrong = true;
}
void add_attention(Index heads, Index length, Index width) {
  const std::string shape = "attention/h" + std::to_string(heads) + "_d" + std::to_string(width) + "_T" +
                            std::to_string(length) + "_weights/";
  const auto one = [&](const char* name, void (*call)(AttentionData&), bool ours) {
    add(shape + name, [=](benchmark::State& state) {
      AttentionData a(heads, length, width);
      const double pairs = double(heads * length * length);
      run_case(
          state, 4 * double(width) * pairs, 4 * (pairs + 4 * double(heads * length * width)), [&] { call(a); },
          [&](Comparison& c) {
            a.check(c, ours ? a.result.output.data() : a.output.data(),
                    ours ? a.result.weights.values().data() : a.weights.data());
          });
    });
  };
  one("naive", naive_attention, false), one("eigen", eigen_attention, false), one("vitrine", vitrine_attention, true);
}

// ---- an encoder layer: sizes known at compile time, at run time, and loops written by hand (post-norm, ReLU)

struct HandLayer {
  Index width, heads, hidden;
  Floats in_weight, in_bias, out_weight, out_bias, weight1, bias1, weight2, bias2, norm1, shift1, norm2, shift2;
  Floats qkv, context, inner, weights;

  static void linear(const Floats& weight, const Floats& bias, const float* x, Index rows, Index in, Index out,
                     float* y) {
    for (Index r = 0; r < rows; ++r)
      for (Index n = 0; n < out; ++n) {
        float sum = bias[std::size_t(n)];
        for (Index k = 0; k < in; ++k) sum += x[r * in + k] * weight[std::size_t(n * in + k)];
        y[r * out + n] = sum;
      }
  }
  static void norm(float* x, Index rows, Index n, const Floats& weight, const Floats& bias) {
    for (Index r = 0; r < rows; ++r, x += n) {
      float mean = 0, variance = 0;
      for (Index i = 0; i < n; ++i) mean += x[i] / float(n);
      for (Index i = 0; i < n; ++i) variance += (x[i] - mean) * (x[i] - mean) / float(n);
      const float factor = 1 / std::sqrt(variance + 1e-5f);
      for (Index i = 0; i < n; ++i) x[i] = (x[i] - mean) * factor * weight[std::size_t(i)] + bias[std::size_t(i)];
    }
  }
  void operator()(const float* x, Index rows, float* y) {
    const Index head_width = width / heads;
    const float scale = 1 / std::sqrt(float(head_width));
    qkv.resize(std::size_t(rows * 3 * width)), context.assign(std::size_t(rows * width), 0.f);
    inner.resize(std::size_t(rows * hidden)), weights.resize(std::size_t(heads * rows * rows));
    linear(in_weight, in_bias, x, rows, width, 3 * width, qkv.data());
    for (Index h = 0; h < heads; ++h)
      for (Index t = 0; t < rows; ++t) {
        float* w = weights.data() + (h * rows + t) * rows;
        const float* q = qkv.data() + t * 3 * width + h * head_width;
        float* out = context.data() + t * width + h * head_width;
        float max = -INFINITY, sum = 0;
        for (Index j = 0; j < rows; ++j) {
          const float* k = qkv.data() + j * 3 * width + width + h * head_width;
          w[j] = 0;
          for (Index d = 0; d < head_width; ++d) w[j] += q[d] * k[d];
          w[j] *= scale;
          max = w[j] > max ? w[j] : max;
        }
        for (Index j = 0; j < rows; ++j) sum += w[j] = std::exp(w[j] - max);
        for (Index j = 0; j < rows; ++j) {
          const float* v = qkv.data() + j * 3 * width + 2 * width + h * head_width;
          w[j] /= sum;
          for (Index d = 0; d < head_width; ++d) out[d] += w[j] * v[d];
        }
      }
    linear(out_weight, out_bias, context.data(), rows, width, width, y);
    for (Index i = 0; i < rows * width; ++i) y[i] += x[i];
    norm(y, rows, width, norm1, shift1);
    linear(weight1, bias1, y, rows, width, hidden, inner.data());
    for (float& value : inner) value = value > 0 ? value : 0;
    linear(weight2, bias2, inner.data(), rows, hidden, width, context.data());
    for (Index i = 0; i < rows * width; ++i) y[i] += context[std::size_t(i)];
    norm(y, rows, width, norm2, shift2);
  }
  Floats& named(const std::string& name) {
    if (name == "self_attn.in_proj_weight") return in_weight;
    if (name == "self_attn.in_proj_bias") return in_bias;
    if (name == "self_attn.out_proj.weight") return out_weight;
    if (name == "self_attn.out_proj.bias") return out_bias;
    if (name == "linear1.weight") return weight1;
    if (name == "linear1.bias") return bias1;
    if (name == "linear2.weight") return weight2;
    if (name == "linear2.bias") return bias2;
    if (name == "norm1.weight") return norm1;
    if (name == "norm1.bias") return shift1;
    return name == "norm2.weight" ? norm2 : shift2;
  }
};

template <class Layer>
void run_layer(benchmark::State& state, const Layer& layer, Index length, int threads, bool by_hand) {
  const auto& config = layer.config();
  const Index width = config.d_model;
  const Floats x = random_floats(length * width, 1);
  NaiveEncoderLayer naive(config);
  HandLayer hand{
      width, config.nhead, config.dim_feedforward, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}};
  layer.parameters([&](const char* name, const vt::Parameter<float>& p) {
    naive.set(name, p);
    Floats& values = hand.named(name);
    for (Index row = 0; row < p.rows; ++row)
      for (Index col = 0; col < (p.is_vector() ? 1 : p.cols); ++col) values.push_back(p.value(row, col));
  });
  vt::EncoderResult<vt::DefaultKeep, float> result;
  vt::Workspace workspace(vt::heap(), threads);
  Floats y(x.size());
  const double parameters = double(layer.parameter_count());
  run_case(
      state, layer.flops({1, length}),
      4 * (parameters + 2 * double(length * width) + double(config.nhead * length * length)),
      [&] {
        if (by_hand)
          hand(x.data(), length, y.data());
        else if (layer.forward_into(result, workspace, vt::Sequences<float>(x.data(), 1, length, width)) !=
                 vt::Status::ok)
          wrong = true;
      },
      [&](Comparison& c) {
        naive.sequence(x.data(), length);
        const float* const output = by_hand ? y.data() : result.output.data();
        const float* const weights = by_hand ? hand.weights.data() : result.self_attn.values().data();
        for_sampled_rows(length, NaiveEncoderLayer::cost(config, length), [&](Index t) {
          naive.row(t, length);
          c.add(output + t * width, naive.output());
          for (Index h = 0; h < config.nhead; ++h)
            c.add(weights + (h * length + t) * length,
                  Values(naive.weights().begin() + h * length, naive.weights().begin() + (h + 1) * length));
        });
      },
      threads);
}

template <vt::Dims D>
void add_layer() {
  const std::string shape = "encoder_layer/d" + std::to_string(D.d_model) + "_h" + std::to_string(D.nhead) + "_ff" +
                            std::to_string(D.dim_feedforward) + "_T" + std::to_string(D.max_length) + "_weights/";
  const vt::LayerConfig config{.d_model = D.d_model, .nhead = D.nhead, .dim_feedforward = D.dim_feedforward};
  const auto dynamic = [=](int threads, bool by_hand) {
    return [=](benchmark::State& state) {
      vt::EncoderLayer<float> layer(config);
      if (layer.init(1) != vt::Status::ok) wrong = true;
      run_layer(state, layer, D.max_length, threads, by_hand);
    };
  };
  const auto fixed = [=](int threads) {
    return [=](benchmark::State& state) {
      vt::EncoderLayer<float, D> layer(config, vt::heap());
      if (layer.init(1) != vt::Status::ok) wrong = true;
      run_layer(state, layer, D.max_length, threads, false);
    };
  };
  add(shape + "by_hand", dynamic(1, true));
  add(shape + "static", fixed(1));
  add(shape + "dynamic", dynamic(1, false));
  const int all = vt::default_threads();
  if (all > 1) {
    add(shape + "static/threads:" + std::to_string(all), fixed(all));
    add(shape + "dynamic/threads:" + std::to_string(all), dynamic(all, false));
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::fprintf(stderr, "%s\n", vt::build_info().data());
  Eigen::setNbThreads(1);
  // rows x columns x depth: decoding steps; a sentence and a batch through projections and feed-forward layers
  for (const Index m : {1, 4, 32, 128, 512}) add_matmul(m, 512, 512);
  add_matmul(1, 2048, 512), add_matmul(1, 512, 2048), add_matmul(1, 32000, 512);
  add_matmul(128, 2048, 512), add_matmul(128, 512, 2048), add_matmul(128, 1536, 384), add_matmul(128, 384, 1536);
  add_matmul(128, 6144, 2048), add_matmul(29, 65, 33);
  add_batched(8, 128, 128, 64), add_batched(96, 32, 32, 32), add_batched(8, 512, 512, 64);
  for (const Index n : {32, 128, 512, 2048})
    add_rows(
        "softmax", 128, n, 3, [](Values& row, const RowsData& d) { naive_softmax(row.data(), d.width); },
        naive_softmax_rows, eigen_softmax_rows, vitrine_softmax_rows);
  for (const Index n : {384, 512, 768, 2048})
    add_rows(
        "layer_norm", 128, n, 8,
        [](Values& row, const RowsData& d) {
          naive_layer_norm(row.data(), d.width, Values(d.weight.begin(), d.weight.end()),
                           Values(d.bias.begin(), d.bias.end()), 1e-5);
        },
        naive_norm_rows, eigen_norm_rows, vitrine_norm_rows);
  add_activation<vt::Activation::relu>(128, 2048);
  add_activation<vt::Activation::gelu>(128, 2048);
  add_activation<vt::Activation::gelu_tanh>(128, 2048);
  add_activation<vt::Activation::silu>(128, 2048);
  add_attention(8, 32, 64), add_attention(8, 128, 64), add_attention(12, 128, 32), add_attention(8, 512, 64);
  add_layer<vt::Dims{.d_model = 64, .nhead = 4, .dim_feedforward = 256, .max_length = 32}>();
  add_layer<vt::Dims{.d_model = 512, .nhead = 8, .dim_feedforward = 2048, .max_length = 128}>();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::AddCustomContext("build", vt::build_info().data());
  benchmark::AddCustomContext("peak_gflops_1_thread", std::to_string(peak_of(1)));
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return wrong ? 1 : 0;
}
