#include <vitrine/layers/attention.hpp>
#include <vitrine/layers/multihead_attention.hpp>
#include <vitrine/layers/scaled_dot_product_attention.hpp>

#include "../support/support.hpp"

namespace vt = vitrine;
using support::complaint;
using support::Index;
using support::Kind;
using support::MaskCase;

namespace {

template <class S>
vt::MultiheadAttention<S> attention(const vt::AttentionConfig& config, std::uint64_t seed = 1) {
  vt::MultiheadAttention<S> layer(config);
  support::randomise(layer, seed);
  return layer;
}

}  // namespace

TEST_CASE_TEMPLATE("MultiheadAttention agrees with its naive twin, whatever its options", S, float, double) {
  constexpr Index batch = 2, embed = 24, heads = 3;
  int i = 0;
  for (const bool bias : {true, false})
    for (const bool bias_kv : {false, true})
      for (const bool zero : {false, true})
        for (const Index kdim : {vt::Dynamic, Index{10}})
          for (const Index vdim : {vt::Dynamic, Index{7}}) {
            const vt::AttentionConfig config{.embed_dim = embed,
                                             .num_heads = heads,
                                             .bias = bias,
                                             .add_bias_kv = bias_kv,
                                             .add_zero_attn = zero,
                                             .kdim = kdim,
                                             .vdim = vdim};
            const auto layer = attention<S>(config);
            const support::Parameters parameters(layer);
            const Index length = support::awkward[i % 9], keys = support::awkward[i / 2 % 9];
            const int kinds = i % 4 == 0 ? 0 : i * 29 % Kind::combinations;
            const Index key_width = kdim < 0 ? embed : kdim, value_width = vdim < 0 ? embed : vdim;
            const Index extra = Index(bias_kv) + Index(zero);
            ++i;
            CAPTURE(i);
            const auto q = support::random_values<S>(batch * length * embed, 1);
            const auto k = support::random_values<S>(batch * keys * key_width, 2);
            const auto v = support::random_values<S>(batch * keys * value_width, 3);
            const MaskCase<S> mask(kinds, batch, heads, length, keys, std::uint64_t(i));
            const std::vector<S> scale{S(1), S(0), S(0.5)};
            const auto r =
                layer({q.data(), batch, length, embed}, {k.data(), batch, keys, key_width},
                      {v.data(), batch, keys, value_width}, {.mask = mask.mask, .head_scale = scale}, vt::keep::scores);
            for (Index b = 0; b < batch; ++b) {
              const auto naive = support::naive_attention(
                  parameters, "", config, support::rows_of(q.data() + b * length * embed, length * embed),
                  support::rows_of(k.data() + b * keys * key_width, keys * key_width),
                  support::rows_of(v.data() + b * keys * value_width, keys * value_width),
                  [&](Index h, Index row, Index j) {
                    return mask.meaning[std::size_t(((b * heads + h) * length + row) * keys + j)];
                  },
                  {1, 0, 0.5});
              CHECK(support::difference(r.output.matrix(b).data(), naive.output.data(), length * embed) <
                    support::tolerance<S>);
              for (Index h = 0; h < heads; ++h) {
                const auto weights = r.cross_attn.matrix(b, h), scores = r.cross_attn.scores(b, h);
                REQUIRE(weights.cols() == keys + extra);
                const Index at = h * weights.size();
                CHECK(support::difference(weights.data(), naive.weights.data() + at, weights.size()) <
                      support::tolerance<S>);
                CHECK(support::difference(scores.data(), naive.scores.data() + at, weights.size()) <
                      support::tolerance<S>);
              }
            }
          }
}

TEST_CASE("the columns are the keys, then bias_k, then the zero key; without keys only those two are seen") {
  const auto layer = attention<float>({.embed_dim = 8, .num_heads = 2, .add_bias_kv = true, .add_zero_attn = true});
  const auto x = support::random_values<float>(3 * 8, 1);
  const Index none[] = {0};
  const auto r = layer({x.data(), 1, 3, 8}, {.mask = vt::key_lengths(none)}, vt::keep::scores);
  for (Index h = 0; h < 2; ++h)
    for (Index i = 0; i < 3; ++i) {
      for (Index j = 0; j < 3; ++j) CHECK(r.self_attn.matrix(0, h)(i, j) == 0.0f);
      CHECK(r.self_attn.matrix(0, h)(i, 3) > 0.0f);
      CHECK(r.self_attn.scores(0, h)(i, 4) == 0.0f);
      CHECK(r.self_attn.matrix(0, h)(i, 3) + r.self_attn.matrix(0, h)(i, 4) == doctest::Approx(1));
    }
}

TEST_CASE("a row without a key has weights 0, context 0 and the output projection's bias") {
  const auto layer = attention<float>({.embed_dim = 8, .num_heads = 2});
  const auto x = support::random_values<float>(2 * 3 * 8, 1);
  const Index lengths[] = {3, 0};
  const auto r = layer({x.data(), 2, 3, 8}, {.mask = vt::key_lengths(lengths)});
  const auto bias = support::Parameters(layer)["out_proj.bias"];
  for (Index i = 0; i < 3; ++i)
    for (Index e = 0; e < 8; ++e) CHECK(double(r.output.matrix(1)(i, e)) == bias[std::size_t(e)]);
  CHECK((r.self_attn.matrix(1, 0).array() == 0).all());
}

TEST_CASE("a factor of 0 switches a head off, and its map stays") {
  const auto layer = attention<float>({.embed_dim = 8, .num_heads = 2});
  const auto x = support::random_values<float>(5 * 8, 1);
  const std::vector<float> off{1, 0}, on{1, 1};
  const auto without = layer({x.data(), 1, 5, 8}, {.head_scale = off}),
             with = layer({x.data(), 1, 5, 8}, {.head_scale = on}), plain = layer({x.data(), 1, 5, 8});
  CHECK(support::same(with.output, plain.output));
  CHECK_FALSE(support::same(without.output, plain.output));
  CHECK(support::same(without.self_attn.values(), plain.self_attn.values()));
  const std::vector<float> both_off{0, 0};
  const auto none = layer({x.data(), 1, 5, 8}, {.head_scale = both_off});
  const auto bias = support::Parameters(layer)["out_proj.bias"];
  for (Index i = 0; i < 5; ++i) CHECK(support::difference(none.output.matrix().data() + i * 8, bias.data(), 8) == 0);
}

TEST_CASE("PyTorch's masks are read in the sense that their name says") {
  constexpr Index batch = 2, heads = 2, length = 3;
  const auto layer = attention<float>({.embed_dim = 8, .num_heads = heads});
  const auto x = support::random_values<float>(batch * length * 8, 1);
  const auto map = [&](const vt::Mask<float>& mask) {
    auto r = layer({x.data(), batch, length, 8}, {.mask = mask});
    return std::vector<float>(r.self_attn.values().begin(), r.self_attn.values().end());
  };
  const bool ignore_key[] = {false, false, true, false, true, true},
             keep_key[] = {true, true, false, true, false, false};
  const std::int64_t attention_mask[] = {1, 1, 0, 1, 0, 0};
  const float inf = std::numeric_limits<float>::infinity(), float_mask[] = {0, 0, -inf, 0, -inf, -inf};
  const auto expected = map(vt::key_lengths(std::vector<Index>{2, 1}));
  CHECK(map(vt::from_torch_key_padding_mask(ignore_key, batch, length)) == expected);
  CHECK(map(vt::from_torch_key_padding_mask(float_mask, batch, length)) == expected);
  CHECK(map(vt::key_flags(keep_key, batch, length)) == expected);
  CHECK(map(vt::from_hf_attention_mask(attention_mask, batch, length)) == expected);

  const bool ignore[] = {false, true, true, false, false, true, false, false, false};
  const bool attend[] = {true, false, false, true, true, false, true, true, true};
  const float bias[] = {0, -inf, -inf, 0, 0, -inf, 0, 0, 0};
  const auto causal = map(vt::causal());
  CHECK(map(vt::from_torch_attn_mask(ignore, length, length)) == causal);
  CHECK(map(vt::from_torch_attn_mask(bias, length, length)) == causal);
  CHECK(map(vt::from_torch_sdpa_mask(attend, length, length)) == causal);
  CHECK(map(vt::keep_matrix(attend, length, length)) == causal);

  // (B * H, T, S), index b * H + h
  std::vector<std::uint8_t> each(std::size_t(batch * heads * length * length), 0);
  std::vector<float> each_bias(each.size(), 0.0f);
  each[std::size_t((1 * heads + 0) * 9 + 0 * 3 + 2)] = 1;
  each_bias[std::size_t((1 * heads + 0) * 9 + 0 * 3 + 2)] = -inf;
  const auto one_off = map(vt::from_torch_attn_mask(each.data(), batch * heads, heads, length, length));
  for (std::size_t i = 0; i < one_off.size(); ++i) CHECK((one_off[i] == 0) == (each[i] == 1));
  CHECK(map(vt::from_torch_attn_mask(each_bias.data(), batch * heads, heads, length, length)) == one_off);
}

TEST_CASE("a large finite bias is not a mask") {
  const auto layer = attention<float>({.embed_dim = 8, .num_heads = 2});
  const auto x = support::random_values<float>(3 * 8, 1);
  const std::vector<float> lowest(9, std::numeric_limits<float>::lowest());
  const auto r = layer({x.data(), 1, 3, 8}, {.mask = vt::additive_bias(lowest.data(), 3, 3)});
  CHECK((r.self_attn.matrix(0, 0).array() > 0).all());  // uniform, as Transformers has it
}

TEST_CASE("every bad argument is refused by its own sentence, with the values, before any work") {
  const auto layer = attention<float>({.embed_dim = 8, .num_heads = 2});
  const auto with_kdim = attention<float>({.embed_dim = 8, .num_heads = 2, .kdim = 6, .vdim = 5});
  const std::vector<float> values(2 * 4 * 8, 1.0f);
  const auto view = [&](Index b, Index t, Index e) { return vt::Sequences<float>(values.data(), b, t, e); };
  const auto x = view(2, 4, 8);
  using Masks = vt::AttentionMasks<float>;

  auto result = layer(view(1, 2, 8));
  const std::vector<float> output(result.output.span().begin(), result.output.span().end());
  const std::vector<float> map(result.self_attn.values().begin(), result.self_attn.values().end());
  vt::Workspace workspace(vt::heap());
  const auto self = [&](const vt::Sequences<float>& in, const Masks& masks) {
    const vt::Status status = layer.forward_into(result, workspace, in, masks);
    CHECK(support::same(result.output.span(), std::span<const float>(output)));
    CHECK(support::same(result.self_attn.values(), std::span<const float>(map)));
    CHECK(result.output.length() == 2);
    CHECK(workspace.peak_bytes() == 0);
    return std::string(vt::StatusError(status).what());
  };
  const auto cross = [&](const auto& mha, const auto& q, const auto& k, const auto& v, const Masks& masks = {}) {
    return complaint([&] { (void)mha(q, k, v, masks); });
  };

  CHECK(self(view(2, 4, 6), {}) == "vitrine: the query's width must be embed_dim (got 6, expected 8) [bad_shape]");
  CHECK(self(view(-2, 4, 8), {}) == "vitrine: an input's extents must not be negative (got -2) [bad_shape]");
  CHECK(self(view(2, -4, 8), {}) == "vitrine: an input's extents must not be negative (got -4) [bad_shape]");
  CHECK(self(vt::Sequences<float>(nullptr, 2, 4, 8), {}) == "vitrine: an input has rows but no data [bad_shape]");
  const Index negative[] = {1, -3};
  CHECK(self(vt::Ragged<float>(values.data(), 8, negative), {}) ==
        "vitrine: a ragged input's lengths must not be negative (got -3) [bad_shape]");

  CHECK(cross(with_kdim, x, view(2, 4, 7), view(2, 4, 5)) ==
        "vitrine: the key's width must be kdim (got 7, expected 6) [bad_shape]");
  CHECK(cross(with_kdim, x, view(2, 4, 6), view(2, 4, 8)) ==
        "vitrine: the value's width must be vdim (got 8, expected 5) [bad_shape]");
  CHECK(cross(layer, x, view(1, 4, 8), view(1, 4, 8)) ==
        "vitrine: query and key must have the same batch (got 1, expected 2) [bad_shape]");
  CHECK(cross(layer, x, x, view(1, 4, 8)) ==
        "vitrine: key and value must have the same batch (got 1, expected 2) [bad_shape]");
  CHECK(cross(layer, x, x, view(2, 3, 8)) ==
        "vitrine: key and value must have the same length (got 3, expected 4) [bad_shape]");

  const Index three[] = {1, 1, 1}, too_long[] = {4, 5}, below[] = {4, -2};
  CHECK(self(x, {.mask = vt::key_lengths(three)}) ==
        "vitrine: key_lengths must have one length for each sequence (got 3, expected 2) [bad_mask]");
  CHECK(self(x, {.mask = vt::key_lengths(too_long)}) ==
        "vitrine: a key length must be between 0 and the number of keys (got 5, expected at most 4) [bad_mask]");
  CHECK(self(x, {.mask = vt::key_lengths(below)}) ==
        "vitrine: a key length must be between 0 and the number of keys (got -2, expected at most 4) [bad_mask]");
  const std::vector<std::uint8_t> flags(400, 1);
  CHECK(self(x, {.mask = vt::key_flags(flags.data(), 2, 5)}) ==
        "vitrine: the mask's key length must be that of the keys (got 5, expected 4) [bad_mask]");
  CHECK(self(x, {.mask = vt::key_flags(flags.data(), 3, 4)}) ==
        "vitrine: the mask's batch must be 1 or that of the input (got 3, expected 2) [bad_mask]");
  CHECK(self(x, {.mask = vt::keep_matrix(flags.data(), 3, 4)}) ==
        "vitrine: the mask's query length must be 1 or that of the input (got 3, expected 4) [bad_mask]");
  CHECK(self(x, {.mask = vt::keep_matrix(flags.data(), 2, 3, 4, 4)}) ==
        "vitrine: the mask's heads must be 1 or those of the layer (got 3, expected 2) [bad_mask]");
  CHECK(self(x, {.mask = vt::additive_bias(values.data(), 4, 5)}) ==
        "vitrine: the mask's key length must be that of the keys (got 5, expected 4) [bad_mask]");
  CHECK(self(x, {.mask = vt::from_torch_attn_mask(flags.data(), 5, 2, 4, 4)}) ==
        "vitrine: a mask of B * H matrices must have a multiple of the heads [bad_mask]");
  CHECK(self(x, {.mask = vt::window(-2, 0)}) ==
        "vitrine: a window's bounds are at least 0, or vt::unlimited (got -2) [bad_mask]");
  CHECK(self(x, {.mask = vt::window(0, -3)}) ==
        "vitrine: a window's bounds are at least 0, or vt::unlimited (got -3) [bad_mask]");
  CHECK(self(x, {.mask = vt::causal(three)}) ==
        "vitrine: causal and window must have one offset, or one for each sequence (got 3, expected 2) [bad_mask]");
  const float* const no_bias = nullptr;
  const bool* const no_flags = nullptr;
  const std::string no_data = "vitrine: a mask has no data, or an extent of 0 [bad_mask]";
  CHECK(self(x, {.mask = vt::additive_bias(no_bias, 4, 4)}) == no_data);
  CHECK(self(x, {.mask = vt::key_bias(no_bias, 2, 4)}) == no_data);
  CHECK(self(x, {.mask = vt::key_flags(no_flags, 2, 4)}) == no_data);
  CHECK(self(x, {.mask = vt::keep_matrix(no_flags, 4, 4) & vt::causal()}) == no_data);

  const std::string duplicate = "vitrine: two masks of one kind were joined by & [bad_mask]";
  const Index lengths[] = {1, 2};
  CHECK(self(x, {.mask = vt::causal() & vt::causal()}) == duplicate);
  CHECK(self(x, {.mask = vt::window(1, 1) & vt::causal() & vt::window(1, 1)}) == duplicate);
  CHECK(self(x, {.mask = vt::key_lengths(lengths) & vt::key_lengths(lengths)}) == duplicate);
  CHECK(self(x, {.mask = vt::key_flags(flags.data(), 2, 4) & vt::from_torch_key_padding_mask(flags.data(), 2, 4)}) ==
        duplicate);
  CHECK(self(x, {.mask = vt::keep_matrix(flags.data(), 4, 4) & vt::keep_matrix(flags.data(), 4, 4)}) == duplicate);
  CHECK(self(x, {.mask = vt::additive_bias(values.data(), 4, 4) & vt::additive_bias(values.data(), 4, 4)}) ==
        duplicate);
  CHECK(self(x, {.mask = vt::key_bias(values.data(), 2, 4) & vt::key_bias(values.data(), 2, 4)}) == duplicate);
  const std::vector<float> factors(3, 1.0f);
  CHECK(self(x, {.head_scale = factors}) ==
        "vitrine: head_scale must have one factor for each head (got 3, expected 2) [bad_mask]");

  const auto configured = [&](const vt::AttentionConfig& config) {
    vt::MultiheadAttention<float> mha(config);
    return complaint([&] { (void)mha(x); });
  };
  CHECK(configured({.embed_dim = 0, .num_heads = 2}) == "vitrine: d_model must be positive (got 0) [bad_config]");
  CHECK(configured({.embed_dim = 8, .num_heads = 0}) == "vitrine: nhead must be positive (got 0) [bad_config]");
  CHECK(configured({.embed_dim = 8, .num_heads = -4}) == "vitrine: nhead must be positive (got -4) [bad_config]");
  CHECK(configured({.embed_dim = 8194, .num_heads = 4097}) ==
        "vitrine: nhead is larger than 4096 (got 4097) [bad_config]");
  CHECK(configured({.embed_dim = 8, .num_heads = 3}) ==
        "vitrine: d_model must be divisible by nhead (got 8, expected a multiple of 3) [bad_config]");
  CHECK(configured({.embed_dim = 8, .num_heads = 2, .kdim = 0}) ==
        "vitrine: kdim must be positive (got 0) [bad_config]");
  CHECK(configured({.embed_dim = 8, .num_heads = 2, .vdim = 0}) ==
        "vitrine: vdim must be positive (got 0) [bad_config]");
  CHECK(configured({.embed_dim = 8, .num_heads = 2}) ==
        "vitrine: a parameter has no values yet: call load, bind or init first [not_loaded]");

  vt::SelfResult<vt::DefaultKeep, float> own;
  CHECK(layer.forward_into(own, workspace, x) == vt::Status::ok);
  const vt::Status status = layer.forward_into(own, workspace, own.output);
  CHECK(vt::StatusError(status).what() == std::string("vitrine: the output must not overlap an input [overlap]"));
}

TEST_CASE("no keys and no rows are sizes like others") {
  const auto layer = attention<float>({.embed_dim = 8, .num_heads = 2});
  const auto x = support::random_values<float>(3 * 8, 1);
  const auto no_keys = layer({x.data(), 1, 3, 8}, {nullptr, 1, 0, 8}, {nullptr, 1, 0, 8});
  const auto bias = support::Parameters(layer)["out_proj.bias"];
  for (Index i = 0; i < 3; ++i) CHECK(support::difference(no_keys.output.matrix().data() + i * 8, bias.data(), 8) == 0);
  CHECK(no_keys.cross_attn.matrix(0, 1).cols() == 0);
  const auto no_rows = layer({nullptr, 1, 0, 8}, {x.data(), 1, 3, 8}, {x.data(), 1, 3, 8});
  CHECK(no_rows.output.rows() == 0);
  CHECK(layer({nullptr, 0, 3, 8}).output.rows() == 0);
  const Index lengths[] = {2, 0, 1};
  const auto ragged = layer(vt::Ragged<float>(x.data(), 8, lengths));
  CHECK(ragged.self_attn.matrix(1, 0).size() == 0);
  CHECK(ragged.self_attn.matrix(2, 0)(0, 0) == 1.0f);
}

TEST_CASE_TEMPLATE("large maps, which are written past the caches, have the bits of small ones", S, float, double) {
  const auto layer = attention<S>({.embed_dim = 8, .num_heads = 2});
  for (const Index keys : {Index{736}, Index{743}}) {  // more than 4 MiB for both heads; whole vectors, and not
    CAPTURE(keys);
    const auto x = support::random_values<S>(keys * 8, 1);
    const vt::Sequences<S> input(x.data(), 1, keys, 8);
    const auto both = layer(input, {.mask = vt::causal()});
    const auto none = layer(input, {.mask = vt::causal()}, vt::keep::nothing);
    CHECK(support::same(both.output, none.output));
    const auto few = layer(vt::Sequences<S>(x.data(), 1, 100, 8), {.mask = vt::causal()});
    for (const Index h : {0, 1}) {
      CHECK(both.self_attn.matrix(0, h).topLeftCorner(100, 100) == few.self_attn.matrix(0, h));
      CHECK(both.self_attn.matrix(0, h).topRightCorner(100, keys - 100).isZero(0));
      CHECK((both.self_attn.matrix(0, h).rowwise().sum().array() - 1).abs().maxCoeff() < S(1e-4));
    }
  }
}

TEST_CASE("work is counted, and scratch and results are announced") {
  const auto layer = attention<float>({.embed_dim = 8, .num_heads = 2});
  CHECK(layer.flops({1, 3, 5}) == 2.0 * (2 * 3 * 64 + 2 * 5 * 64 + 2 * 3 * 5 * 8));
  const auto x = support::random_values<float>(2 * 33 * 8, 1);
  std::vector<std::byte> bytes(layer.workspace_bytes({2, 33}));
  vt::Workspace exact(bytes);
  vt::SelfResult<vt::DefaultKeep, float> r;
  CHECK(layer.forward_into(r, exact, {x.data(), 2, 33, 8}) == vt::Status::ok);
  vt::Workspace less(std::span<std::byte>(bytes).first(bytes.size() / 2));
  CHECK(layer.forward_into(r, less, {x.data(), 2, 33, 8}) == vt::Status::workspace_too_small);
}
