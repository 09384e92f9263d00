// The small layers, and what all layers have in common.
#include <vitrine/layers/embedding.hpp>
#include <vitrine/layers/feed_forward.hpp>
#include <vitrine/layers/layer_norm.hpp>
#include <vitrine/layers/linear.hpp>
#include <vitrine/layers/positional_encoding.hpp>
#include <vitrine/run/module.hpp>
#include <vitrine/run/parameter.hpp>
#include <vitrine/run/random.hpp>

#include "../support/support.hpp"

namespace vt = vitrine;
using support::complaint;
using support::Index;

TEST_CASE_TEMPLATE("Linear, FeedForward and LayerNorm agree with their naive twins, on strided rows too", S, float,
                   double) {
  constexpr Index in = 20, out = 33, hidden = 17;
  for (const Index rows : support::awkward)
    for (const bool bias : {true, false}) {
      CAPTURE(rows);
      vt::Linear<S> linear(in, out, bias);
      vt::FeedForward<S> feed_forward(in, hidden, vt::Activation::gelu, bias);
      vt::LayerNorm<S> norm(in, 1e-4, bias);
      support::randomise(linear, 1);
      support::randomise(feed_forward, 2);
      support::randomise(norm, 3);
      const auto x = support::random_values<S>(2 * rows * in, 4);
      const auto naive = support::rows_of(x.data(), 2 * rows * in);
      const support::Parameters l(linear), f(feed_forward), n(norm);
      const vt::Sequences<S> batch_first(x.data(), 2, rows, in);

      const auto y = linear(batch_first);
      const auto naive_y = support::naive_linear(naive, in, l["weight"], l["bias"], 0, out);
      CHECK(support::difference(y.data(), naive_y.data(), 2 * rows * out) < support::tolerance<S>);

      const auto z = feed_forward(batch_first);
      auto inner = support::naive_linear(naive, in, f["linear1.weight"], f["linear1.bias"], 0, hidden);
      for (double& value : inner) value = bench::naive_activation(vt::Activation::gelu, value);
      const auto naive_z = support::naive_linear(inner, hidden, f["linear2.weight"], f["linear2.bias"], 0, in);
      CHECK(support::difference(z.data(), naive_z.data(), 2 * rows * in) < support::tolerance<S>);

      const auto w = norm(batch_first);
      auto naive_w = naive;
      for (Index i = 0; i < 2 * rows; ++i)
        bench::naive_layer_norm(naive_w.data() + i * in, in, n["weight"], n["bias"], 1e-4);
      CHECK(support::difference(w.data(), naive_w.data(), 2 * rows * in) < support::tolerance<S>);

      std::vector<S> transposed(x.size());
      for (Index b = 0; b < 2; ++b)
        for (Index t = 0; t < rows; ++t)
          std::copy_n(x.begin() + (b * rows + t) * in, in, transposed.begin() + (t * 2 + b) * in);
      const auto seq_first = vt::from_seq_first(transposed.data(), rows, Index{2}, in);
      CHECK(support::same(linear(seq_first), y));
      CHECK(support::same(feed_forward(seq_first), z));
      CHECK(support::same(norm(seq_first), w));
    }
}

TEST_CASE("the small layers refuse bad arguments by name") {
  const std::vector<float> values(64, 1.0f);
  const vt::Sequences<float> x(values.data(), 1, 4, 8), narrow(values.data(), 1, 4, 7);
  vt::Linear<float> linear(8, 16);
  vt::FeedForward<float> feed_forward(8, 16);
  vt::LayerNorm<float> norm(8);
  const auto calls = [&](const vt::Sequences<float>& in) {
    return std::vector<std::string>{complaint([&] { (void)linear(in); }), complaint([&] { (void)feed_forward(in); }),
                                    complaint([&] { (void)norm(in); })};
  };
  const std::string not_loaded = "vitrine: a parameter has no values yet: call load, bind or init first [not_loaded]";
  CHECK(calls(x) == std::vector<std::string>(3, not_loaded));
  REQUIRE(linear.init(1) == vt::Status::ok);
  REQUIRE(feed_forward.init(1) == vt::Status::ok);
  REQUIRE(norm.init(1) == vt::Status::ok);
  CHECK(calls(narrow) ==
        std::vector<std::string>{"vitrine: the input's width must be in_features (got 7, expected 8) [bad_shape]",
                                 "vitrine: the input's width must be d_model (got 7, expected 8) [bad_shape]",
                                 "vitrine: the input's width must be the layer's (got 7, expected 8) [bad_shape]"});
  CHECK(calls({nullptr, 1, 4, 8}) == std::vector<std::string>(3, "vitrine: an input has rows but no data [bad_shape]"));
  CHECK(complaint([&] { (void)vt::Linear<float>(0, 4)(x); }) ==
        "vitrine: in_features and out_features must be positive (got 0) [bad_config]");

  vt::Workspace workspace(vt::heap());
  auto y = norm(x);
  CHECK(norm.forward_into(y, workspace, y) == vt::Status::overlap);
  CHECK(feed_forward.forward_into(y, workspace, y) == vt::Status::overlap);
  CHECK(linear.forward_into(y, workspace, y) == vt::Status::overlap);  // and would have to grow
}

TEST_CASE("Embedding gives rows by number, from either layout, and names an id that it does not have") {
  vt::Embedding<float> embedding(5, 3);
  const auto table = support::random_values<float>(15, 1);
  REQUIRE(embedding.bind("weight", table) == vt::Status::ok);
  const Index ids[] = {4, 0, 0, 2};
  const auto y = embedding(ids, 2, 2);
  for (Index i = 0; i < 4; ++i) CHECK(support::same(y.data() + i * 3, table.data() + ids[i] * 3, 3));
  const Index bad[] = {4, 5, 0, 2}, negative[] = {0, 0, -2, 0};
  CHECK(complaint([&] { (void)embedding(bad, 2, 2); }) ==
        "vitrine: an id is not in the embedding table (got 5, expected 0 to 4) [bad_shape]");
  CHECK(complaint([&] { (void)embedding(negative, 2, 2); }) ==
        "vitrine: an id is not in the embedding table (got -2, expected 0 to 4) [bad_shape]");
  CHECK(complaint([&] { (void)embedding(ids, 2, 3); }) ==
        "vitrine: there must be batch x length ids (got 4, expected 6) [bad_shape]");
}

TEST_CASE("PositionalEncoding is within one rounding of sines and cosines") {
  for (const vt::Sinusoid layout : {vt::Sinusoid::interleaved, vt::Sinusoid::halves})
    for (const Index width : {10, 9, 1}) {  // of an odd width the sines have one more, as in PyTorch and Transformers
      vt::Tensor<double> x(vt::heap());
      REQUIRE(x.resize(2, 300, width) == vt::Status::ok);
      std::fill_n(x.data(), 2 * 300 * width, 1.0);
      const vt::PositionalEncoding<double> encoding(width, layout);
      CHECK(encoding.add_to(x, 7) == vt::Status::ok);
      double worst = 0;
      for (Index b = 0; b < 2; ++b)
        for (Index t = 0; t < 300; ++t)
          for (Index i = 0; i < width; ++i) {
            const bool interleaved = layout == vt::Sinusoid::interleaved;
            const Index sines = (width + 1) / 2, pair = interleaved ? i / 2 : i < sines ? i : i - sines;
            const bool cosine = interleaved ? i % 2 == 1 : i >= sines;
            const double angle = double(t + 7) / std::pow(10000.0, double(2 * pair) / double(width));
            const double expected = cosine ? std::cos(angle) : std::sin(angle);
            worst = support::worse(worst, std::abs(x.matrix(b)(t, i) - 1 - expected));
          }
      CHECK(worst < 1e-12);
      CHECK(vt::PositionalEncoding<double>(width + 1).add_to(x) == vt::Status::bad_shape);
    }
}

TEST_CASE_TEMPLATE("plain parameters give the bits of packed ones; copies of a layer share the values", S, float,
                   double) {
  constexpr vt::LayerConfig config{.d_model = 20, .nhead = 4, .dim_feedforward = 33};
  vt::EncoderLayer<S> packed(config), plain(config);
  support::randomise(packed, 9);
  std::map<std::string, std::vector<S>> values;
  packed.parameters([&](const char* name, const vt::Parameter<S>& p) {
    auto& own = values[name];
    for (Index row = 0; row < p.rows; ++row)
      for (Index col = 0; col < (p.is_vector() ? 1 : p.cols); ++col) own.push_back(p.value(row, col));
    CHECK((p.packable ? p.panel == vt::kernels::panel_width<S> : p.panel == 0));
  });
  for (const auto& [name, own] : values) CHECK(plain.bind(name.c_str(), own) == vt::Status::ok);
  for (const Index length : {1, 7, 33}) {
    const auto x = support::random_values<S>(length * 20, 1);
    const auto one = packed({x.data(), 1, length, 20}), two = plain({x.data(), 1, length, 20});
    CHECK(support::same(one.output, two.output));
    CHECK(support::same(one.self_attn.values(), two.self_attn.values()));
  }

  const vt::EncoderLayer<S> copy = packed;
  std::vector<const S*> first, second;
  packed.parameters([&](const char*, const vt::Parameter<S>& p) { first.push_back(p.values.data()); });
  copy.parameters([&](const char*, const vt::Parameter<S>& p) { second.push_back(p.values.data()); });
  CHECK(first == second);
  packed = vt::EncoderLayer<S>(config);  // the copy keeps the bytes alive
  const auto x = support::random_values<S>(20, 1);
  CHECK(support::same(copy({x.data(), 1, 1, 20}).output, plain({x.data(), 1, 1, 20}).output));
}

TEST_CASE("parameters have PyTorch's names and shapes") {
  std::string names;
  const auto list = [&](const char* name, const vt::Parameter<float>& p) {
    names += std::string(name) + " " + std::to_string(p.rows) + "," + std::to_string(p.cols) + "\n";
  };
  vt::DecoderLayer<float>({.d_model = 8, .nhead = 2, .dim_feedforward = 6}).parameters(list);
  CHECK(names ==
        "self_attn.in_proj_weight 24,8\nself_attn.in_proj_bias 24,0\nself_attn.out_proj.weight 8,8\n"
        "self_attn.out_proj.bias 8,0\nmultihead_attn.in_proj_weight 24,8\nmultihead_attn.in_proj_bias 24,0\n"
        "multihead_attn.out_proj.weight 8,8\nmultihead_attn.out_proj.bias 8,0\nlinear1.weight 6,8\nlinear1.bias 6,0\n"
        "linear2.weight 8,6\nlinear2.bias 8,0\nnorm1.weight 8,0\nnorm1.bias 8,0\nnorm2.weight 8,0\nnorm2.bias 8,0\n"
        "norm3.weight 8,0\nnorm3.bias 8,0\n");
  names.clear();
  vt::MultiheadAttention<float>({.embed_dim = 8, .num_heads = 2, .add_bias_kv = true, .kdim = 5}).parameters(list);
  CHECK(names ==
        "q_proj_weight 8,8\nk_proj_weight 8,5\nv_proj_weight 8,8\nin_proj_bias 24,0\nbias_k 8,0\nbias_v 8,0\n"
        "out_proj.weight 8,8\nout_proj.bias 8,0\n");
  names.clear();
  vt::EncoderLayer<float>({.d_model = 8, .nhead = 2, .dim_feedforward = 6, .bias = false}).parameters(list);
  CHECK(names ==
        "self_attn.in_proj_weight 24,8\nself_attn.out_proj.weight 8,8\nlinear1.weight 6,8\nlinear2.weight 8,6\n"
        "norm1.weight 8,0\nnorm2.weight 8,0\n");
}

TEST_CASE("bind refuses a wrong name, size or panel, and leaves the parameter as it was") {
  vt::Linear<float> linear(4, 3);
  const std::vector<float> values(64, 1.0f);
  const auto first = [&](std::size_t n) { return std::span<const float>(values).first(n); };
  CHECK(linear.bind("wait", first(12)) == vt::Status::not_supported);
  CHECK(linear.bind("weigh", first(12)) == vt::Status::not_supported);
  const vt::Status size = linear.bind("weight", first(11));
  CHECK(std::string(vt::StatusError(size).what()) ==
        "vitrine: a parameter was given another number of values than it has (got 11, expected 12) [bad_shape]");
  CHECK(linear.bind("weight", first(12), 3) == vt::Status::not_supported);
  CHECK(linear.bind("bias", first(3), vt::kernels::panel_width<float>) == vt::Status::not_supported);
  CHECK_FALSE(linear.loaded());
  CHECK(linear.bind("weight", first(12)) == vt::Status::ok);
  CHECK(linear.bind("bias", first(3)) == vt::Status::ok);
  CHECK(linear.loaded());
  CHECK(linear.parameter_count() == 15);
  CHECK(linear.packed_bytes() == 15 * sizeof(float));
}

TEST_CASE("init draws PyTorch's distributions, the same numbers from the same seed, in float and double") {
  vt::EncoderLayer<float> one({.d_model = 32, .nhead = 4, .dim_feedforward = 64}), two = one;
  vt::EncoderLayer<double> wide({.d_model = 32, .nhead = 4, .dim_feedforward = 64});
  REQUIRE(one.init(7) == vt::Status::ok);
  REQUIRE(two.init(8) == vt::Status::ok);
  REQUIRE(wide.init(7) == vt::Status::ok);
  const support::Parameters a(one), b(two), c(wide);
  CHECK(a["linear1.weight"] != b["linear1.weight"]);
  for (const char* name : {"self_attn.in_proj_weight", "linear1.weight", "linear1.bias", "norm1.weight"}) {
    CAPTURE(name);
    REQUIRE(a[name].size() == c[name].size());
    for (std::size_t i = 0; i < a[name].size(); ++i) CHECK(float(c[name][i]) == float(a[name][i]));
  }
  const auto within = [&](const char* name, double bound) {
    double largest = 0, sum = 0;
    for (const double value : a[name]) largest = std::max(largest, std::abs(value)), sum += value;
    CHECK(largest <= bound * (1 + 1e-6));
    CHECK(largest > 0.9 * bound);
    CHECK(std::abs(sum / double(a[name].size())) < 0.2 * bound);
  };
  within("self_attn.in_proj_weight", std::sqrt(6.0 / (96 + 32)));
  within("self_attn.out_proj.weight", 1 / std::sqrt(32.0));
  within("linear1.weight", 1 / std::sqrt(32.0));
  within("linear1.bias", 1 / std::sqrt(32.0));
  within("linear2.weight", 1 / std::sqrt(64.0));
  for (const double value : a["self_attn.in_proj_bias"]) CHECK(value == 0);
  for (const double value : a["self_attn.out_proj.bias"]) CHECK(value == 0);
  for (const double value : a["norm2.weight"]) CHECK(value == 1);
  for (const double value : a["norm2.bias"]) CHECK(value == 0);
}

TEST_CASE("init reports a bad configuration at once") {
  const auto code = [](auto&& module) { return module.init(1).code; };
  CHECK(code(vt::EncoderLayer<float>({.d_model = 7, .nhead = 2})) == vt::Status::bad_config);
  CHECK(code(vt::EncoderLayer<float>({.d_model = 8, .nhead = 2, .dim_feedforward = 0})) == vt::Status::bad_config);
  CHECK(code(vt::DecoderLayer<float>({})) == vt::Status::bad_config);
  CHECK(code(vt::MultiheadAttention<float>({.embed_dim = 8, .num_heads = 3})) == vt::Status::bad_config);
  CHECK(code(vt::MultiheadAttention<float>({.embed_dim = 8, .num_heads = 2, .kdim = 0})) == vt::Status::bad_config);
  CHECK(code(vt::Encoder<float>({.layer = {.d_model = 8, .nhead = 2}, .num_layers = 0})) == vt::Status::bad_config);
  CHECK(code(vt::Decoder<float>({.layer = {.d_model = 8, .nhead = 3}, .num_layers = 2})) == vt::Status::bad_config);
  CHECK(code(vt::Transformer<float>({.d_model = 9})) == vt::Status::bad_config);
  CHECK(code(vt::Linear<float>(0, 4)) == vt::Status::bad_config);
  CHECK(code(vt::Embedding<float>(0, 4)) == vt::Status::bad_config);
  CHECK(code(vt::LayerNorm<float>(0)) == vt::Status::bad_config);
  CHECK(code(vt::FeedForward<float>(0, 4)) == vt::Status::bad_config);
}

TEST_CASE("configurations whose sizes wrap are answered, never computed with") {
  constexpr vt::Index half = vt::Index{1} << (sizeof(vt::Index) * 4), huge = vt::sizes::largest - 7;
  for (const vt::Index size : {half, huge}) {
    vt::EncoderLayer<float> layer({.d_model = size / 8 * 8, .nhead = 8, .dim_feedforward = size});
    CHECK(layer.init(1) == vt::Status::out_of_memory);
    CHECK(layer.workspace_bytes({size, size, size}, 1 << 20) == std::size_t(vt::sizes::largest));
    CHECK(layer.result_bytes({size, size, size}) == std::size_t(vt::sizes::largest));
    CHECK(layer.parameter_count() > 0);
    CHECK(layer.packed_bytes() > std::size_t(half));
    vt::Encoder<float> stack({.layer = {.d_model = 8, .nhead = 2, .dim_feedforward = 8},
                              .num_layers = size * (size == half ? half / 4 : 1)});
    CHECK(stack.init(1) == vt::Status::out_of_memory);
    vt::EncoderResult<vt::DefaultKeep, float> result;
    vt::Workspace workspace(vt::heap());
    CHECK(stack.forward_into(result, workspace, vt::RowMajor<float>(2, 8)) == vt::Status::out_of_memory);
    vt::Decoder<float> decoder({.layer = {.d_model = 8, .nhead = 2, .dim_feedforward = 8}, .num_layers = 2});
    for (const vt::Shape& shape : {vt::Shape{size, 1, 1}, {1, size, 1}, {1, 1, size}, {size, size, size}}) {
      CHECK(decoder.workspace_bytes(shape, 3) > std::size_t(half));
      CHECK(decoder.result_bytes(shape, vt::keep::scores) > std::size_t(half / 8));
      CHECK(decoder.traced_workspace_bytes(shape, 3) <= std::size_t(vt::sizes::largest));
    }
    vt::MultiheadAttention<double> attention({.embed_dim = 8, .num_heads = 2, .add_zero_attn = true, .kdim = huge});
    CHECK(attention.init(1) == vt::Status::out_of_memory);
    CHECK(vt::Linear<float>(size, size).init(1) == vt::Status::out_of_memory);
    CHECK(vt::Embedding<double>(size, size).init(1) == vt::Status::out_of_memory);
    CHECK(vt::FeedForward<float>(size, size).init(1) == vt::Status::out_of_memory);
  }
}
