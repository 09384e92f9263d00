// keep::statistics, keep::top and keep::rollout against the same figures from kept maps, and under every way to call.
#include <vitrine/core/statistics.hpp>
#include <vitrine/kernels/rollout_layer.hpp>
#include <vitrine/kernels/row_figures.hpp>
#include <vitrine/run/figures_attention.hpp>

#include "../support/support.hpp"

#include <algorithm>
#include <numeric>

namespace figures_attention_test {

namespace vt = vitrine;
using support::Index;
using support::Kind;
using support::MaskCase;

namespace {

template <class S>
constexpr double limit = sizeof(S) == 4 ? 1e-5 : 1e-12;
bool within(double x, double y, double most) { return x == y || std::abs(x - y) <= most * std::max(1.0, std::abs(y)); }

// Of one head: what the issue says that statistics are, from its weights and scores.
template <class S, class Stats>
void check_statistics(const Stats& stats, const vt::MatrixView<S>& weights, const vt::MatrixView<S>& scores, Index b,
                      Index h) {
  const Index rows = weights.rows(), keys = weights.cols();
  REQUIRE(Index(stats.entropy(b, h).size()) == rows);
  REQUIRE(Index(stats.received(b, h).size()) == keys);
  bool entropy = true, largest = true, key = true, log_sum_exp = true;
  for (Index i = 0; i < rows; ++i) {
    double sum = 0, top = -support::infinity, total = 0;
    S most = S(0);
    Index at = -1;
    for (Index j = 0; j < keys; ++j) {
      const S w = weights(i, j);
      if (w > S(0)) sum -= double(w) * std::log(double(w));
      if (w > most) most = w, at = j;
      top = std::max(top, double(scores(i, j)));
    }
    for (Index j = 0; j < keys && top > -support::infinity; ++j) total += std::exp(double(scores(i, j)) - top);
    const double expected = top > -support::infinity ? top + std::log(total) : -support::infinity;
    const auto row = std::size_t(i);
    entropy = entropy && within(double(stats.entropy(b, h)[row]), sum, limit<S>);
    log_sum_exp = log_sum_exp && within(double(stats.log_sum_exp(b, h)[row]), expected, limit<S>);
    largest = largest && stats.largest(b, h)[row] == most;
    key = key && stats.largest_key(b, h, i) == at;
  }
  CHECK(entropy);
  CHECK(largest);
  CHECK(key);
  CHECK(log_sum_exp);
  bool received = true, bits = true;
  for (Index j = 0; j < keys; ++j) {
    double sum = 0;
    S total = S(0);
    for (Index first = 0; first < rows; first += 64) {
      S block = S(0);
      for (Index i = first; i < std::min(rows, first + 64); ++i) block += weights(i, j), sum += double(weights(i, j));
      total += block;
    }
    received = received && within(double(stats.received(b, h)[std::size_t(j)]), sum, limit<S>);
    bits = bits && stats.received(b, h)[std::size_t(j)] == total;
  }
  CHECK(received);
  CHECK(bits);
}
template <class S, class Top>
void check_top(const Top& top, const vt::MatrixView<S>& weights, Index b, Index h) {
  const auto kept = top.weights(b, h);
  REQUIRE(kept.rows() == weights.rows());
  bool equal = true;
  std::vector<Index> order(static_cast<std::size_t>(weights.cols()));
  for (Index i = 0; i < weights.rows(); ++i) {
    std::iota(order.begin(), order.end(), Index{0});
    std::stable_sort(order.begin(), order.end(), [&](Index x, Index y) { return weights(i, x) > weights(i, y); });
    for (Index n = 0; n < kept.cols(); ++n) {
      const Index j = n < weights.cols() ? order[std::size_t(n)] : -1;
      const S w = j < 0 ? S(0) : weights(i, j);
      equal = equal && kept(i, n) == w && top.key(b, h, i, n) == (w > S(0) ? j : -1);
    }
  }
  CHECK(equal);
}

template <class S>
struct Operands {
  Index batch, heads, length, keys, width;
  std::vector<S> q, k, v;
  Operands(Index b, Index h, Index t, Index s, Index d, double scale = 2)
      : batch(b),
        heads(h),
        length(t),
        keys(s),
        width(d),
        q(support::random_values<S>(b * h * t * d, 1, scale)),
        k(support::random_values<S>(b * h * s * d, 2, scale)),
        v(support::random_values<S>(b * h * s * d, 3, 2)) {}
  vt::Heads<S> query() const { return vt::heads_bhtd(q.data(), batch, heads, length, width); }
  vt::Heads<S> key() const { return vt::heads_bhtd(k.data(), batch, heads, keys, width); }
  vt::Heads<S> value() const { return vt::heads_bhtd(v.data(), batch, heads, keys, width); }
  template <class K>
  auto attend(const vt::SdpaOptions<S>& options, const K& keep) const {
    return vt::scaled_dot_product_attention(query(), key(), value(), options, keep);
  }
};

template <class S>
void check(const Operands<S>& in, const vt::SdpaOptions<S>& options) {
  const auto maps = in.attend(options, vt::keep::scores);
  const auto stats = in.attend(options, vt::keep::statistics);
  const auto top = in.attend(options, vt::keep::top<3>);
  CHECK(support::same(stats.output, maps.output));
  CHECK(support::same(top.output, maps.output));
  for (Index b = 0; b < in.batch; ++b)
    for (Index h = 0; h < in.heads; ++h) {
      check_statistics<S>(stats.weights, maps.weights.matrix(b, h), maps.weights.scores(b, h), b, h);
      check_top<S>(top.weights, maps.weights.matrix(b, h), b, h);
    }
}

vt::Workspace team_of(int threads) {
  vt::Workspace workspace(vt::heap(), threads);
  workspace.parallel_from(0);
  return workspace;
}

constexpr Index awkward[] = {1, 3, 15, 16, 17, 33, 64, 65, 130, 193};
constexpr Index width = 24, heads = 3;
const vt::LayerConfig layer_config{.d_model = width, .nhead = heads, .dim_feedforward = 16};

}  // namespace

TEST_CASE_TEMPLATE("figures equal those of the kept maps, under every combination of masks", S, float, double) {
  for (int kinds = 0; kinds < Kind::combinations; ++kinds) {
    const Index length = awkward[kinds % 10], keys = awkward[(kinds * 7 + kinds / 10) % 10];
    CAPTURE(kinds);
    CAPTURE(length);
    CAPTURE(keys);
    const MaskCase<S> mask(kinds, 2, 2, length, keys, std::uint64_t(kinds));
    check<S>({2, 2, length, keys, 5}, {.mask = mask.mask});
  }
}

TEST_CASE_TEMPLATE("figures of long sequences, with a scale, a soft cap and a past", S, float, double) {
  check<S>({1, 2, 600, 515, 20}, {});
  check<S>({1, 2, 257, 300, 20}, {.mask = vt::causal(43)});
  check<S>({1, 2, 70, 65, 20}, {.scale = S(-0.7)});
  check<S>({1, 2, 70, 65, 20}, {.scale = S(3), .softcap = S(2)});
  const Operands<S> past(1, 2, 1, 40, 20);
  check<S>({1, 2, 70, 65, 20}, {.mask = vt::causal(40), .past_key = past.key(), .past_value = past.value()});
}

TEST_CASE_TEMPLATE("ties go to the lowest key, rows without a key have -1", S, float, double) {
  Operands<S> in(1, 1, 3, 40, 4);
  std::fill(in.q.begin(), in.q.end(), S(0));  // every score is 0
  const Index lengths[] = {37};
  const auto stats = in.attend({.mask = vt::key_lengths(lengths)}, vt::keep::statistics);
  const auto top = in.attend({.mask = vt::key_lengths(lengths)}, vt::keep::top<50>);
  CHECK(stats.weights.largest_key(0, 0, 1) == 0);
  CHECK(within(double(stats.weights.entropy(0, 0)[1]), std::log(37.0), limit<S>));
  CHECK(within(double(stats.weights.log_sum_exp(0, 0)[1]), std::log(37.0), limit<S>));
  for (Index n = 0; n < 50; ++n) {
    CHECK(top.weights.key(0, 0, 2, n) == (n < 37 ? n : -1));
    CHECK((top.weights.weights(0, 0)(2, n) > S(0)) == (n < 37));
  }
  const Index none[] = {0};
  const auto empty = in.attend({.mask = vt::key_lengths(none)}, vt::keep::statistics);
  CHECK(empty.weights.entropy(0, 0)[2] == S(0));
  CHECK(empty.weights.largest(0, 0)[2] == S(0));
  CHECK(empty.weights.largest_key(0, 0, 2) == -1);
  CHECK(empty.weights.log_sum_exp(0, 0)[2] == -std::numeric_limits<S>::infinity());
  CHECK(empty.weights.received(0, 0)[5] == S(0));
  CHECK(in.attend({.mask = vt::key_lengths(none)}, vt::keep::top<2>).weights.key(0, 0, 0, 0) == -1);
}

TEST_CASE("scores that are NaN or infinite do not reach other rows") {
  Operands<float> in(1, 1, 70, 40, 4);
  const auto clean = in.attend({}, vt::keep::statistics);
  in.q[13 * 4] = std::numeric_limits<float>::quiet_NaN();
  in.q[14 * 4] = std::numeric_limits<float>::infinity();
  const auto r = in.attend({}, vt::keep::statistics);
  for (std::size_t i = 0; i < 70; ++i)
    if (i != 13 && i != 14) {
      CHECK(r.weights.entropy(0, 0)[i] == clean.weights.entropy(0, 0)[i]);
      CHECK(r.weights.largest_key(0, 0, Index(i)) == clean.weights.largest_key(0, 0, Index(i)));
    }
  CHECK(r.weights.largest_key(0, 0, 13) == -1);
  CHECK(std::isnan(r.weights.entropy(0, 0)[13]));
  // One key that is NaN, where the row's maximum does not see it.
  for (const std::size_t j : {0u, 20u, 39u}) {
    Operands<float> one(1, 1, 70, 40, 4);
    one.k[j * 4] = std::numeric_limits<float>::quiet_NaN();
    const auto figures = one.attend({}, vt::keep::statistics);
    const auto top = one.attend({}, vt::keep::top<2>);
    for (Index i = 0; i < 70; ++i) {
      CHECK(figures.weights.largest_key(0, 0, i) == -1);
      CHECK(top.weights.key(0, 0, i, 0) == -1);
    }
  }
  // Scores of -inf, which no mask made: weights 0, and no NaN in the entropy.
  Operands<float> low(1, 1, 2, 40, 1);
  std::fill(low.q.begin(), low.q.end(), std::numeric_limits<float>::max());
  for (std::size_t j = 0; j < 40; ++j) low.k[j] = j == 7 || j == 9 ? 0.0f : -4.0f;
  const auto s = low.attend({.scale = 1}, vt::keep::statistics);
  CHECK(std::abs(s.weights.entropy(0, 0)[1] - std::log(2.0f)) < 1e-6f);
  CHECK(s.weights.largest_key(0, 0, 1) == 7);
}

TEST_CASE_TEMPLATE("one result: threads, batch, ragged or alone, reused", S, float, double) {
  vt::Encoder<S> encoder({.layer = layer_config, .num_layers = 2});
  support::randomise(encoder, 3);
  const Index lengths[] = {65, 0, 400, 193, 64, 1}, total = 723;
  const auto x = support::random_values<S>(total * width, 4);
  const vt::Ragged<S> in(x.data(), width, lengths);
  const vt::EncoderMasks<S> masks{.src_mask = vt::window(70, 3)};
  const auto maps = encoder(in, masks, vt::keep::scores);
  const auto stats = encoder(in, masks, vt::keep::statistics);
  const auto top = encoder(in, masks, vt::keep::top<4>);
  const auto rolled = encoder(in, masks, vt::keep::rollout);
  CHECK(support::same(stats.output, maps.output));
  CHECK(support::same(top.output, maps.output));
  CHECK(support::same(rolled.output, maps.output));
  Index start = 0;
  for (Index b = 0; b < 6; start += lengths[b++]) {
    const vt::Sequences<S> own(x.data() + start * width, 1, lengths[b], width);
    const auto alone = encoder(own, masks, vt::keep::statistics);
    const auto alone_top = encoder(own, masks, vt::keep::top<4>);
    const auto alone_rolled = encoder(own, masks, vt::keep::rollout);
    CHECK(support::same(alone_rolled.self_attn.matrix(0), rolled.self_attn.matrix(b)));
    for (Index l = 0; l < 2; ++l)
      for (Index h = 0; h < heads; ++h) {
        check_statistics<S>(stats.self_attn[l], maps.self_attn[l].matrix(b, h), maps.self_attn[l].scores(b, h), b, h);
        check_top<S>(top.self_attn[l], maps.self_attn[l].matrix(b, h), b, h);
        CHECK(support::same(alone.self_attn[l].entropy(0, h), stats.self_attn[l].entropy(b, h)));
        CHECK(support::same(alone.self_attn[l].log_sum_exp(0, h), stats.self_attn[l].log_sum_exp(b, h)));
        CHECK(support::same(alone.self_attn[l].received(0, h), stats.self_attn[l].received(b, h)));
        CHECK(support::same(alone_top.self_attn[l].weights(0, h), top.self_attn[l].weights(b, h)));
      }
  }
  for (const int threads : {1, 2, 3, 7}) {
    CAPTURE(threads);
    vt::Workspace workspace = team_of(threads);
    const auto again = [&](const auto& keep, const auto& wanted) {
      vt::EncoderResult<std::remove_cvref_t<decltype(keep)>, S> r;
      for (int call = 0; call < 2; ++call) {
        REQUIRE(encoder.forward_into(r, workspace, in, masks, keep) == vt::Status::ok);
        CHECK(support::same(r.output, maps.output));
        CHECK(support::same(r.self_attn.values(), wanted.self_attn.values()));
      }
    };
    again(vt::keep::statistics, stats);
    again(vt::keep::top<4>, top);
    again(vt::keep::rollout, rolled);
  }
}

TEST_CASE("one result: padded keys, and queries that see none, add nothing") {
  constexpr Index rows = 70, keys = 50;
  const Operands<float> own(1, 2, rows, keys, 8);
  const auto alone = own.attend({}, vt::keep::statistics);
  for (const bool left : {false, true}) {
    // 9 padded keys, and behind the queries 100 that see no key; what stands there is no number
    const Index more = 9, all = rows + 100;
    Operands<float> padded(1, 2, all, keys + more, 8);
    std::vector<std::uint8_t> seen(std::size_t(all * (keys + more)), 0);
    const float nan = std::numeric_limits<float>::quiet_NaN();
    std::fill(padded.q.begin(), padded.q.end(), nan);
    std::fill(padded.k.begin(), padded.k.end(), nan);
    std::fill(padded.v.begin(), padded.v.end(), nan);
    for (Index h = 0; h < 2; ++h) {
      const Index to = h * (keys + more) + (left ? more : 0);
      std::copy_n(own.q.begin() + h * rows * 8, rows * 8, padded.q.begin() + h * all * 8);
      std::copy_n(own.k.begin() + h * keys * 8, keys * 8, padded.k.begin() + to * 8);
      std::copy_n(own.v.begin() + h * keys * 8, keys * 8, padded.v.begin() + to * 8);
    }
    for (Index i = 0; i < rows; ++i)
      for (Index j = 0; j < keys; ++j) seen[std::size_t(i * (keys + more) + j + (left ? more : 0))] = 1;
    const auto r = padded.attend({.mask = vt::keep_matrix(seen.data(), all, keys + more)}, vt::keep::statistics);
    for (Index h = 0; h < 2; ++h) {
      CHECK(support::same(r.weights.received(0, h).subspan(left ? more : 0, keys), alone.weights.received(0, h)));
      CHECK(support::same(r.weights.entropy(0, h).first(rows), alone.weights.entropy(0, h)));
      for (Index i = 0; i < rows; ++i)
        CHECK(r.weights.largest_key(0, h, i) == alone.weights.largest_key(0, h, i) + (left ? more : 0));
    }
  }
}

TEST_CASE_TEMPLATE("the largest weights of long rows, few and many, with many ties", S, float, double) {
  for (const bool ties : {false, true}) {
    Operands<S> in(1, 2, 30, 515, 4);
    if (ties)
      for (S& k : in.k) k = k > S(0) ? S(1) : S(0);  // 16 different keys
    const auto maps = in.attend({}, vt::keep::weights);
    const auto few = in.attend({}, vt::keep::top<1>);
    const auto some = in.attend({.mask = vt::causal(500)}, vt::keep::top<8>);
    const auto causal = in.attend({.mask = vt::causal(500)}, vt::keep::weights);
    const auto many = in.attend({}, vt::keep::top<40>);
    for (Index h = 0; h < 2; ++h) {
      check_top<S>(few.weights, maps.weights.matrix(0, h), 0, h);
      check_top<S>(some.weights, causal.weights.matrix(0, h), 0, h);
      check_top<S>(many.weights, maps.weights.matrix(0, h), 0, h);
    }
  }
}

TEST_CASE("a trace changes no figure") {
  vt::Encoder<float> encoder({.layer = layer_config, .num_layers = 2});
  support::randomise(encoder, 3);
  const auto x = support::random_values<float>(70 * width, 4);
  const vt::Sequences<float> in(x.data(), 1, 70, width);
  const auto check_traced = [&](const auto& keep) {
    Index views = 0;
    const auto plain = encoder(in, {}, keep), traced = encoder(in, {}, keep, [&](auto&&...) { ++views; });
    CHECK(views > 0);
    CHECK(support::same(traced.self_attn.values(), plain.self_attn.values()));
  };
  check_traced(vt::keep::statistics);
  check_traced(vt::keep::top<4>);
  check_traced(vt::keep::rollout);
}

TEST_CASE("extra keys have their own columns") {
  vt::MultiheadAttention<float> mha(
      {.embed_dim = width, .num_heads = heads, .add_bias_kv = true, .add_zero_attn = true});
  support::randomise(mha, 5);
  const auto x = support::random_values<float>(2 * 70 * width, 6);
  const Index lengths[] = {70, 0};
  const vt::Sequences<float> in(x.data(), 2, 70, width);
  const vt::AttentionMasks<float> masks{.mask = vt::key_lengths(lengths)};
  const auto maps = mha(in, masks, vt::keep::scores);
  const auto stats = mha(in, masks, vt::keep::statistics);
  const auto top = mha(in, masks, vt::keep::top<3>);
  const auto cross = mha(in, in, in, masks, vt::keep::statistics);
  CHECK(support::same(cross.cross_attn.values(), stats.self_attn.values()));
  for (Index b = 0; b < 2; ++b)
    for (Index h = 0; h < heads; ++h) {
      check_statistics<float>(stats.self_attn, maps.self_attn.matrix(b, h), maps.self_attn.scores(b, h), b, h);
      check_top<float>(top.self_attn, maps.self_attn.matrix(b, h), b, h);
    }
  CHECK(support::complaint([&] { (void)mha(in, masks, vt::keep::rollout); }) ==
        "vitrine: keep::rollout needs self-attention over whole sequences: as many keys as queries (got 72, expected "
        "70) [not_supported]");
}

TEST_CASE("decoders and whole models keep figures of both attentions; selections leave the others out") {
  vt::Transformer<float> model(
      {.d_model = width, .nhead = heads, .num_encoder_layers = 2, .num_decoder_layers = 3, .dim_feedforward = 16});
  support::randomise(model, 7);
  const auto src = support::random_values<float>(2 * 90 * width, 8),
             tgt = support::random_values<float>(2 * 70 * width, 9);
  const vt::Sequences<float> from(src.data(), 2, 90, width), to(tgt.data(), 2, 70, width);
  const vt::TransformerMasks<float> masks{.tgt_mask = vt::causal()};
  const auto maps = model(from, to, masks, vt::keep::scores);
  const auto stats = model(from, to, masks, vt::keep::statistics);
  const auto top = model(from, to, masks, vt::keep::top<2>);
  const auto some =
      model(from, to, masks, vt::keep::statistics.only({.which = vt::Which::cross, .layers = {0, 2}, .heads = {1}}));
  const auto one = model(from, to, masks, vt::keep::top<2>.only({.layers = {1}, .heads = {0, 2}}));
  CHECK(support::same(stats.output, maps.output));
  CHECK(support::same(some.output, maps.output));
  const auto both = [&](const auto& s, const auto& t, const auto& m, Index layers) {
    for (Index l = 0; l < layers; ++l)
      for (Index b = 0; b < 2; ++b)
        for (Index h = 0; h < heads; ++h) {
          check_statistics<float>(s[l], m[l].matrix(b, h), m[l].scores(b, h), b, h);
          check_top<float>(t[l], m[l].matrix(b, h), b, h);
        }
  };
  both(stats.self_attn, top.self_attn, maps.self_attn, 3);
  both(stats.cross_attn, top.cross_attn, maps.cross_attn, 3);
  both(stats.encoder.self_attn, top.encoder.self_attn, maps.encoder.self_attn, 2);
  CHECK(some.self_attn.bytes() == 0);
  CHECK(some.encoder.self_attn.bytes() == 0);
  CHECK(some.cross_attn.bytes() == sizeof(float) * 2 * 2 * (4 * 70 + 90));
  for (const Index l : {0, 2})
    for (Index b = 0; b < 2; ++b) {
      CHECK(support::same(some.cross_attn[l].entropy(b, 1), stats.cross_attn[l].entropy(b, 1)));
      CHECK(support::same(some.cross_attn[l].received(b, 1), stats.cross_attn[l].received(b, 1)));
    }
  CHECK(support::same(one.self_attn[1].weights(1, 2), top.self_attn[1].weights(1, 2)));
  CHECK(support::complaint([&] { (void)some.cross_attn[1].entropy(0, 1); }) ==
        "vitrine: the maps of this layer were not chosen: see Selection::layers (got 1) [bad_shape]");
  CHECK(support::complaint([&] { (void)stats.self_attn[0].largest_key(0, 0, 70); }) ==
        "vitrine: no such row (got 70, expected 0 to 69) [bad_shape]");
  CHECK(support::complaint([&] { (void)top.self_attn[0].key(0, 0, 0, 2); }) ==
        "vitrine: keep::top keeps fewer weights (got 2, expected 0 to 1) [bad_shape]");
}

TEST_CASE("more keys than a float can count are refused, and nothing of an earlier call is kept") {
  constexpr Index most = Index{1} << 24;
  const auto with = [](auto maps, Index keys) {
    REQUIRE(maps.prepare({.length = 2, .memory_length = 3}, {}, vt::Which::self) == vt::Status::ok);
    REQUIRE(maps.kept(0, 0));
    const vt::Status s = maps.prepare({.length = 1, .memory_length = keys}, {}, vt::Which::self);
    CHECK(maps.kept(0, 0) == (s == vt::Status::ok));
    return s;
  };
  const std::string sentence =
      "vitrine: there are more keys than a float can count (got 16777217, expected at most 16777216) [not_supported]";
  const auto refused = [&](auto maps) {
    return support::complaint([&] { vt::throw_if_failed(with(std::move(maps), most + 1)); });
  };
  std::vector<float> few(12);
  std::vector<double> wide(12);
  CHECK(refused(vt::Statistics<float>(few)) == sentence);
  CHECK(refused(vt::TopWeights<float, 2>(few)) == sentence);
  CHECK(with(vt::Statistics<float>(few), most) == vt::Status::result_too_small);
  CHECK(with(vt::TopWeights<float, 2>(few), most) == vt::Status::ok);
  CHECK(with(vt::Statistics<double>(wide), most + 1) == vt::Status::result_too_small);
  CHECK(with(vt::TopWeights<double, 2>(wide), most + 1) == vt::Status::ok);
}

TEST_CASE("bytes are known: results and workspaces of exactly those are enough") {
  constexpr vt::Dims dims{.d_model = width,
                          .nhead = heads,
                          .dim_feedforward = 16,
                          .num_layers = 2,
                          .max_length = 70,
                          .max_memory_length = 30};
  vt::Decoder<float> dynamic({.layer = layer_config, .num_layers = 2});
  support::randomise(dynamic, 11);
  vt::Decoder<float, dims> fixed;
  dynamic.parameters([&](const char* name, const vt::Parameter<float>& p) {
    CHECK(fixed.bind(name, p.values, p.panel) == vt::Status::ok);
  });
  const auto x = support::random_values<float>(70 * width, 12), y = support::random_values<float>(30 * width, 13);
  const vt::Sequences<float> tgt(x.data(), 1, 70, width), memory(y.data(), 1, 30, width);
  using Statistics = std::remove_cvref_t<decltype(vt::keep::statistics)>;
  using Top = std::remove_cvref_t<decltype(vt::keep::top<2>)>;
  using Rolled = std::remove_cvref_t<decltype(vt::keep::rollout)>;
  constexpr std::size_t out = 70 * width;
  static_assert(vt::Decoder<float, dims>::result_bytes<Statistics>() ==
                sizeof(float) * (out + 2 * heads * (5 * 70 + 4 * 70 + 30)));
  static_assert(vt::Decoder<float, dims>::result_bytes<Top>() == sizeof(float) * (out + 2 * heads * 2 * 2 * 140));
  static_assert(vt::Decoder<float, dims>::result_bytes<Rolled>() == sizeof(float) * (out + 2 * 70 * 70));
  CHECK(dynamic.result_bytes({1, 70, 30}, vt::keep::statistics) ==
        vt::Decoder<float, dims>::result_bytes<Statistics>());
  CHECK(dynamic.result_bytes({1, 70, 30}, vt::keep::rollout) == vt::Decoder<float, dims>::result_bytes<Rolled>());
  static std::byte scratch[vt::Decoder<float, dims>::workspace_bytes<Rolled>()];
  const auto run = [&](auto keep, auto place) {
    using K = decltype(keep);
    constexpr std::size_t bytes = vt::Decoder<float, dims>::workspace_bytes<K>();
    REQUIRE(bytes <= sizeof scratch);
    vt::Workspace workspace(std::span<std::byte>(scratch, bytes));
    std::vector<float> output(out), self(2 * heads * 5 * 70), cross(2 * heads * 310), other(70 * 70);
    vt::DecoderResult<K, float> r;
    r.output = vt::Tensor<float>(std::span<float>(output));
    place(r, self, cross, other);
    REQUIRE(fixed.forward_into(r, workspace, tgt, memory, {.tgt_mask = vt::causal()}, keep) == vt::Status::ok);
    CHECK(workspace.peak_bytes() <= bytes);
    const auto wanted = dynamic(tgt, memory, {.tgt_mask = vt::causal()}, keep);
    CHECK(support::same(r.output, wanted.output));
    CHECK(support::same(r.self_attn.values(), wanted.self_attn.values()));
    if constexpr (requires { r.cross_attn.values(); })
      CHECK(support::same(r.cross_attn.values(), wanted.cross_attn.values()));
  };
  const auto two = [](auto& r, std::vector<float>& self, std::vector<float>& cross, std::vector<float>&) {
    using Map = std::remove_cvref_t<decltype(r.self_attn)>;
    r.self_attn = Map(std::span<float>(self)), r.cross_attn = Map(std::span<float>(cross));
  };
  run(Statistics{}, two);
  run(Top{}, two);
  run(Rolled{}, [](auto& r, std::vector<float>& self, std::vector<float>&, std::vector<float>& other) {
    self.resize(70 * 70);
    r.self_attn = vt::Rollout<float>(std::span<float>(self), std::span<float>(other));
  });
}

}  // namespace figures_attention_test
