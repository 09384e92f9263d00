// The attention kernel through scaled_dot_product_attention, which gives it any lengths and widths.
#include <vitrine/core/half.hpp>
#include <vitrine/kernels/attention.hpp>
#include <vitrine/kernels/attention_head.hpp>
#include <vitrine/kernels/attention_products.hpp>
#include <vitrine/kernels/weight_rows.hpp>
#include <vitrine/run/key_values.hpp>

#include "../support/support.hpp"

namespace vt = vitrine;
using support::Index;
using support::Kind;
using support::MaskCase;

namespace {

constexpr Index head_widths[] = {1, 5, 20, 64, 80};

template <class S>
struct Operands {
  Index batch, heads, length, keys, width, value_width;
  std::vector<S> q, k, v;
  Operands(Index b, Index h, Index t, Index s, Index d, Index dv)
      : batch(b),
        heads(h),
        length(t),
        keys(s),
        width(d),
        value_width(dv),
        q(support::random_values<S>(b * h * t * d, 1, 2)),
        k(support::random_values<S>(b * h * s * d, 2, 2)),
        v(support::random_values<S>(b * h * s * dv, 3, 2)) {}
  vt::Heads<S> query() const { return vt::heads_bhtd(q.data(), batch, heads, length, width); }
  vt::Heads<S> key() const { return vt::heads_bhtd(k.data(), batch, heads, keys, width); }
  vt::Heads<S> value() const { return vt::heads_bhtd(v.data(), batch, heads, keys, value_width); }
};

// The result against the naive twin, head by head, with what holds of every map.
template <class S>
void check(const Operands<S>& in, const MaskCase<S>& mask) {
  const auto r =
      vt::scaled_dot_product_attention(in.query(), in.key(), in.value(), {.mask = mask.mask}, vt::keep::scores);
  for (Index b = 0; b < in.batch; ++b)
    for (Index h = 0; h < in.heads; ++h) {
      const Index at = b * in.heads + h, pairs = in.length * in.keys;
      const double* meaning = mask.meaning.data() + at * pairs;
      support::NaiveAttention naive;
      const auto context = support::naive_head(
          support::rows_of(in.q.data() + at * in.length * in.width, in.length * in.width),
          support::rows_of(in.k.data() + at * in.keys * in.width, in.keys * in.width),
          support::rows_of(in.v.data() + at * in.keys * in.value_width, in.keys * in.value_width), in.width,
          in.value_width, 1 / std::sqrt(double(in.width)), [&](Index i, Index j) { return meaning[i * in.keys + j]; },
          naive);
      const auto weights = r.weights.matrix(b, h), scores = r.weights.scores(b, h);
      REQUIRE(weights.rows() == in.length);
      REQUIRE(weights.cols() == in.keys);
      CHECK(support::difference(weights.data(), naive.weights.data(), pairs) < support::tolerance<S>);
      CHECK(support::difference(scores.data(), naive.scores.data(), pairs) < support::tolerance<S>);
      const auto output = r.output.matrix(b);
      bool right = true, exact = true, empty = true;
      double worst_sum = 0;
      for (Index i = 0; i < in.length; ++i) {
        const S* own = output.data() + i * output.cols() + h * in.value_width;
        right = right &&
                support::difference(own, context.data() + i * in.value_width, in.value_width) < support::tolerance<S>;
        double sum = 0;
        bool any = false;
        for (Index j = 0; j < in.keys; ++j) {
          sum += double(weights(i, j));
          const bool masked = meaning[i * in.keys + j] == -support::infinity;
          any = any || !masked;
          if (masked) exact = exact && weights(i, j) == S(0) && !std::signbit(weights(i, j));
        }
        if (any)
          worst_sum = support::worse(worst_sum, std::abs(sum - 1));
        else
          for (Index d = 0; d < in.value_width; ++d) empty = empty && own[d] == S(0);
      }
      CHECK(right);
      CHECK(exact);
      CHECK(empty);
      CHECK(worst_sum < 1e3 * double(std::numeric_limits<S>::epsilon()));
    }
}

}  // namespace

TEST_CASE_TEMPLATE("every length and width agrees with the naive twin", S, float, double) {
  int i = 0;
  for (const Index length : support::awkward)
    for (const Index keys : support::awkward) {
      CAPTURE(length);
      CAPTURE(keys);
      const int kinds = (i % 3 == 0 ? 0 : i * 37) % Kind::combinations;
      CAPTURE(kinds);
      check<S>({2, 2, length, keys, head_widths[i % 5], head_widths[i / 5 % 5]},
               {kinds, 2, 2, length, keys, std::uint64_t(i)});
      ++i;
    }
}

TEST_CASE_TEMPLATE("wide heads whose keys and values have other widths agree with the naive twin", S, float, double) {
  check<S>({1, 2, 9, 33, 320, 256}, {0, 1, 2, 9, 33, 1});
  check<S>({1, 2, 33, 17, 256, 320}, {Kind::causal, 1, 2, 33, 17, 2});
  check<S>({1, 2, 1, 65, 260, 273}, {0, 1, 2, 1, 65, 3});
}

TEST_CASE_TEMPLATE("every combination of masks agrees with the naive twin", S, float, double) {
  for (int kinds = 0; kinds < Kind::combinations; ++kinds) {
    CAPTURE(kinds);
    check<S>({2, 2, 33, 31, 5, 5}, {kinds, 2, 2, 33, 31, std::uint64_t(kinds)});
  }
}

TEST_CASE_TEMPLATE("what stands outside a mask's interval may be NaN or infinite", S, float, double) {
  const S poison[] = {std::numeric_limits<S>::quiet_NaN(), std::numeric_limits<S>::infinity()};
  constexpr Index length = 17, keys = 65, seen = 20;
  const Index lengths[] = {seen, seen};
  std::vector<std::uint8_t> right(2 * keys), left(2 * keys);
  std::vector<S> bias(2 * keys);
  for (Index i = 0; i < 2 * keys; ++i) {
    right[std::size_t(i)] = i % keys < seen;
    left[std::size_t(i)] = i % keys >= keys - seen;
    bias[std::size_t(i)] = i % keys < seen ? S(0.5) : -std::numeric_limits<S>::infinity();
  }
  const vt::Mask<S> masks[] = {vt::key_lengths(lengths),
                               vt::causal(seen - length),
                               vt::window(vt::unlimited, seen - length),
                               vt::key_flags(right.data(), 2, keys),
                               vt::key_bias(bias.data(), 2, keys),
                               vt::causal() & vt::key_lengths(lengths),
                               vt::key_flags(left.data(), 2, keys)};
  for (const auto& mask : masks)
    for (const S bad : poison) {
      const bool from_left = &mask == &masks[6];
      CAPTURE(&mask - masks);
      const Operands<S> clean(2, 2, length, keys, 20, 20);
      Operands<S> dirty = clean;
      for (Index row = 0; row < 4 * keys; ++row)
        if (from_left ? row % keys < keys - seen : row % keys >= seen)
          for (Index d = 0; d < 20; ++d) dirty.k[std::size_t(row * 20 + d)] = dirty.v[std::size_t(row * 20 + d)] = bad;
      const auto x = vt::scaled_dot_product_attention(clean.query(), clean.key(), clean.value(), {.mask = mask});
      const auto y = vt::scaled_dot_product_attention(dirty.query(), dirty.key(), dirty.value(), {.mask = mask});
      CHECK(support::same(x.output, y.output));
      CHECK(support::same(x.weights.values(), y.weights.values()));
    }
}

TEST_CASE_TEMPLATE("the future does not reach the past", S, float, double) {
  for (const Index length : {7, 33, 65}) {
    const Operands<S> now(1, 2, length, length, 20, 20);
    const auto x = vt::scaled_dot_product_attention(now.query(), now.key(), now.value(), {.mask = vt::causal()});
    for (const Index from : {Index{1}, length / 2, length - 1}) {
      Operands<S> later = now;
      for (Index h = 0; h < 2; ++h)
        for (Index row = from; row < length; ++row)
          for (Index d = 0; d < 20; ++d) {
            const std::size_t i = std::size_t((h * length + row) * 20 + d);
            later.q[i] += S(1), later.k[i] = row % 2 ? S(3) : std::numeric_limits<S>::quiet_NaN(), later.v[i] = S(1e30);
          }
      const auto y =
          vt::scaled_dot_product_attention(later.query(), later.key(), later.value(), {.mask = vt::causal()});
      CHECK(support::same(x.output.data(), y.output.data(), from * 40));
      for (Index h = 0; h < 2; ++h)
        CHECK(support::same(x.weights.matrix(0, h).data(), y.weights.matrix(0, h).data(), from * length));
    }
  }
}

TEST_CASE_TEMPLATE("grouped queries and another order of the operands in memory", S, float, double) {
  constexpr Index batch = 2, heads = 4, length = 7, keys = 17, width = 5;
  const Operands<S> in(batch, heads, length, keys, width, width);
  // Heads 0, 1 share key head 0 and 2, 3 key head 1: the same as repeating those heads.
  const vt::Heads<S> two_k = vt::heads_bhtd(in.k.data(), batch, 2, keys, width),
                     two_v = vt::heads_bhtd(in.v.data(), batch, 2, keys, width);
  std::vector<S> k, v, q(in.q.size());
  for (Index b = 0; b < batch; ++b)
    for (Index h = 0; h < heads; ++h) {
      const Index at = (b * 2 + h / 2) * keys * width;
      k.insert(k.end(), in.k.begin() + at, in.k.begin() + at + keys * width);
      v.insert(v.end(), in.v.begin() + at, in.v.begin() + at + keys * width);
      for (Index t = 0; t < length; ++t)
        for (Index d = 0; d < width; ++d)
          q[std::size_t(((b * length + t) * heads + h) * width + d)] =
              in.q[std::size_t(((b * heads + h) * length + t) * width + d)];
    }
  const auto x = vt::scaled_dot_product_attention(in.query(), two_k, two_v);
  const auto y = vt::scaled_dot_product_attention(in.query(), vt::heads_bhtd(k.data(), batch, heads, keys, width),
                                                  vt::heads_bhtd(v.data(), batch, heads, keys, width));
  const auto z = vt::scaled_dot_product_attention(vt::heads_bthd(q.data(), batch, heads, length, width), two_k, two_v);
  CHECK(support::same(x.output, y.output));
  CHECK(support::same(x.weights.values(), y.weights.values()));
  CHECK(support::same(x.output, z.output));
}

TEST_CASE("scores become weights by softmax") {
  const Operands<float> in(1, 2, 9, 33, 20, 20);
  const auto r =
      vt::scaled_dot_product_attention(in.query(), in.key(), in.value(), {.mask = vt::causal(3)}, vt::keep::scores);
  for (Index h = 0; h < 2; ++h)
    for (Index i = 0; i < 9; ++i) {
      support::Values row;
      for (Index j = 0; j < 33; ++j) row.push_back(r.weights.scores(0, h)(i, j));
      bench::naive_softmax(row.data(), 33);
      CHECK(support::difference(r.weights.matrix(0, h).data() + i * 33, row.data(), 33) < 1e-6);
    }
}

TEST_CASE_TEMPLATE("any scale, with and without a matrix in the mask", S, float, double) {
  const Operands<S> in(1, 2, 9, 33, 20, 20);
  const std::vector<S> no_bias(9 * 33, S(0));
  for (const double scale : {-0.5, 1.0, 3.0})
    for (const bool matrix : {false, true}) {
      CAPTURE(scale);
      vt::SdpaOptions<S> options{.scale = S(scale)};
      if (matrix) options.mask = vt::additive_bias(no_bias.data(), 9, 33);
      const auto r = vt::scaled_dot_product_attention(in.query(), in.key(), in.value(), options);
      support::NaiveAttention naive;
      for (Index h = 0; h < 2; ++h) {
        support::naive_head(
            support::rows_of(in.q.data() + h * 180, 180), support::rows_of(in.k.data() + h * 660, 660),
            support::rows_of(in.v.data() + h * 660, 660), 20, 20, scale, [](Index, Index) { return 0.0; }, naive);
        CHECK(support::difference(r.weights.matrix(0, h).data(), naive.weights.data() + h * 297, 297) <
              10 * support::tolerance<S>);
      }
    }
}

TEST_CASE("bad operands of scaled_dot_product_attention are refused by name") {
  const Operands<float> in(2, 2, 3, 4, 5, 5);
  const auto with = [&](auto change) {
    auto q = in.query(), k = in.key(), v = in.value();
    vt::SdpaOptions<float> options;
    change(q, k, v, options);
    return support::complaint([&] { (void)vt::scaled_dot_product_attention(q, k, v, options); });
  };
  using H = vt::Heads<float>;
  using O = vt::SdpaOptions<float>;
  CHECK(with([](H&, H& k, H&, O&) { k.width = 4; }) ==
        "vitrine: query and key must have the same width (got 4, expected 5) [bad_shape]");
  CHECK(
      with([](H& q, H& k, H& v, O&) { q.heads = 3, k.heads = v.heads = 2; }) ==
      "vitrine: the number of query heads must be a multiple of the number of key heads (got 3, expected a multiple of "
      "2) [bad_shape]");
  CHECK(with([](H&, H&, H& v, O&) { v.heads = 1; }) ==
        "vitrine: key and value must have the same number of heads (got 1, expected 2) [bad_shape]");
  CHECK(with([](H&, H&, H& v, O&) { v.length = 3; }) ==
        "vitrine: key and value must have the same length (got 3, expected 4) [bad_shape]");
  CHECK(with([](H&, H& k, H&, O&) { k.batch = 1; }) ==
        "vitrine: query, key and value must have the same batch (got 1, expected 2) [bad_shape]");
  CHECK(with([](H&, H&, H& v, O&) { v.batch = 1; }) ==
        "vitrine: query, key and value must have the same batch (got 1, expected 2) [bad_shape]");
  CHECK(with([](H& q, H&, H&, O&) { q.data = nullptr; }) == "vitrine: an operand has rows but no data [bad_shape]");
  CHECK(with([](H& q, H&, H&, O&) { q.length = -2; }) ==
        "vitrine: an operand's extents must not be negative (got -2) [bad_shape]");
  CHECK(with([](H&, H&, H& v, O&) { v.batch = -3; }) ==
        "vitrine: an operand's extents must not be negative (got -3) [bad_shape]");
  for (Index H::*extent : {&H::heads, &H::width})
    CHECK(with([&](H& q, H&, H&, O&) { q.*extent = 0; }) ==
          "vitrine: heads and widths must be positive (got 0) [bad_shape]");
  CHECK(with([](H&, H&, H& v, O&) { v.width = 0; }).starts_with("vitrine: heads and widths must be positive"));
  CHECK(with([](H&, H& k, H& v, O&) { k.heads = v.heads = 0; }) ==
        "vitrine: heads and widths must be positive (got 0) [bad_shape]");
  for (Index H::*extent : {&H::batch, &H::heads, &H::width})
    for (H O::*past : {&O::past_key, &O::past_value})
      CHECK(with([&](H&, H& k, H& v, O& o) { o.past_key = k, o.past_value = v, (o.*past).*extent = 1; }) ==
            "vitrine: past key and value must have the batch, heads and widths of key and value [bad_shape]");
  CHECK(with([&](H&, H& k, H&, O& o) { o.past_key = k; }) ==
        "vitrine: past key and past value must have the same length (got 0, expected 4) [bad_shape]");
  CHECK(with([](H&, H&, H&, O& o) { o.mask = vt::causal() & vt::causal(); }) ==
        "vitrine: two masks of one kind were joined by & [bad_mask]");
}

TEST_CASE("an operand that the result holds already is refused, also when the result would have to grow") {
  const Operands<float> in(1, 1, 3, 4, 5, 5);
  auto r = vt::scaled_dot_product_attention(in.query(), in.key(), in.value());
  const std::vector<float> before(r.output.span().begin(), r.output.span().end());
  vt::Workspace workspace(vt::heap());
  const auto own = vt::heads_bhtd<float>(r.output.data(), 1, 1, 3, 5);
  CHECK(scaled_dot_product_attention_into(r, workspace, own, in.key(), in.value()) == vt::Status::overlap);
  const Operands<float> longer(1, 1, 300, 3, 5, 5);
  CHECK(scaled_dot_product_attention_into(r, workspace, longer.query(), own, own) == vt::Status::overlap);
  CHECK(support::same(r.output.span(), std::span<const float>(before)));
}

#if VITRINE_BF16_PAIRS

namespace {

float bf16(float x) { return vt::bfloat16_to_float(vt::float_to_bfloat16(x)); }
// Of two rows of bf16, two columns a step.
float paired_score(const float* q, const float* k, Index width) {
  float sum = 0;
  for (Index d = 0; d < width; d += 2) {
    if (d + 1 < width) sum = vt::fma(bf16(q[d + 1]), bf16(k[d + 1]), sum);
    sum = vt::fma(bf16(q[d]), bf16(k[d]), sum);
  }
  return sum;
}

// One head whose products are of pairs, in which the keys that no row sees are NaN.
struct Paired {
  Index rows, keys, width, value_width, extra;
  int kind;  // 0: all keys, 1: causal, 2: a window, 3: flags with holes, padding on both sides
  std::vector<float> q = support::random_values<float>(rows * width, 1, 2);
  std::vector<float> k = support::random_values<float>(keys * width, 2, 2);
  std::vector<float> v = support::random_values<float>(keys * value_width, 3, 2);
  std::vector<std::uint8_t> flags = {};
  vt::Mask<float> mask = {};

  void prepare() {
    const Index masked = keys - extra;
    if (kind == 1) mask = vt::causal(masked - rows);
    if (kind == 2) mask = vt::window(5, 2);
    for (Index j = 0; j < masked; ++j) flags.push_back(j >= masked / 3 && j < masked - masked / 5 && j % 4 != 1);
    if (kind == 3) mask = vt::key_flags(flags.data(), 1, masked);
    const auto sees = [&](Index i, Index j) { return kind == 1 ? j <= i + masked - rows : j >= i - 5 && j <= i + 2; };
    for (Index j = 0; j < masked; ++j) {
      bool seen = kind == 0;
      for (Index i = 0; i < rows && kind > 0 && kind < 3; ++i) seen = seen || sees(i, j);
      if (kind == 3) seen = j >= masked / 3 && j < masked - masked / 5;
      if (seen) continue;
      std::fill_n(&k[std::size_t(j * width)], width, std::numeric_limits<float>::quiet_NaN());
      std::fill_n(&v[std::size_t(j * value_width)], value_width, std::numeric_limits<float>::infinity());
    }
  }
  // Query rows [first, last): weights and context.
  void attend(Index first, Index last, std::vector<float>& weights, std::vector<float>& context) const {
    vt::detail::KeyValues<float> kv;
    kv.heads = 1, kv.width = width, kv.value_width = value_width, kv.capacity = keys;
    std::vector<float> panels(std::size_t(kv.key_stride())), rows_of_values(std::size_t(kv.value_stride()));
    kv.keys = panels.data(), kv.values = rows_of_values.data();
    kv.store_keys(0, 0, 0, keys, k.data(), width), kv.store_values(0, 0, 0, keys, v.data(), value_width);
    vt::kernels::AttentionHead<float> head;
    head.query = q.data(), head.query_stride = width, head.key_panels = panels.data();
    head.value = rows_of_values.data(), head.value_stride = kv.value_row();
    head.context = context.data(), head.context_stride = value_width, head.weights = weights.data();
    head.keys = keys, head.width = width, head.value_width = value_width, head.extra_keys = extra;
    head.scale = 0.25f, head.in_pairs = true, head.mask = vt::row_mask(mask, 0, 0, keys - extra);
    std::vector<float> scratch(std::size_t(vt::kernels::attention_scratch<float>(keys, value_width) +
                                           vt::kernels::pairs_scratch<float>(keys, width, value_width)));
    vt::kernels::attend_head(head, first, last, scratch.data());
  }
  // The same of one row, in plain loops around the softmax.
  void naive_row(Index i, float* weights, float* context) const {
    const Index masked = keys - extra;
    const vt::RowMask<float> of_row = vt::row_mask(mask, 0, 0, masked);
    std::vector<float> s(std::size_t(keys + 32));
    for (Index j = 0; j < keys; ++j)
      s[std::size_t(j)] = vt::mul(paired_score(&q[std::size_t(i * width)], &k[std::size_t(j * width)], width), 0.25f);
    Index lo = 0, hi = 0;
    of_row.key_range(i, lo, hi);
    if (of_row.has_matrix()) of_row.apply(i, s.data(), lo, hi);
    if (lo >= hi) lo = hi = 0;
    std::vector<Index> places;
    for (Index j = lo; j < hi; ++j) places.push_back(j);
    for (Index j = masked; j < keys; ++j) places.push_back(j);
    std::vector<float> e(places.size() + 32), sums(std::size_t(value_width), 0.0f);
    for (std::size_t n = 0; n < places.size(); ++n) e[n] = s[std::size_t(places[n])];
    float inverse = 0;
    if (!places.empty())
      inverse = vt::kernels::softmax_row<float>(e.data(), Index(places.size()), {.masked = true}).inverse;
    for (std::size_t n = 0; n < places.size(); ++n) {
      weights[places[n]] = vt::mul(e[n], inverse);
      for (Index d = 0; d < value_width; ++d) {
        float& sum = sums[std::size_t(d)];
        sum = vt::fma(bf16(e[n]), bf16(v[std::size_t(places[n] * value_width + d)]), sum);
      }
    }
    for (Index d = 0; d < value_width; ++d) context[d] = vt::mul(sums[std::size_t(d)], inverse);
  }
};

}  // namespace

TEST_CASE("products of pairs of bf16 are their naive twin bit for bit, whichever rows are asked for together") {
  int i = 0;
  for (const Index rows : {1, 2, 12, 13, 31})
    for (const Index keys : {2, 3, 8, 31, 32, 33, 65, 131})
      for (const int kind : {0, 1, 2, 3})
        for (const Index extra : {0, 2}) {
          CAPTURE(rows);
          CAPTURE(keys);
          CAPTURE(kind);
          CAPTURE(extra);
          Paired in{rows, keys, head_widths[i % 5], head_widths[i / 5 % 5], extra, kind};
          ++i;
          in.prepare();
          std::vector<float> weights(std::size_t(rows * keys)), context(std::size_t(rows * in.value_width));
          std::vector<float> expected_weights = weights, expected = context;
          for (Index r = 0; r < rows; ++r)
            in.naive_row(r, &expected_weights[std::size_t(r * keys)], &expected[std::size_t(r * in.value_width)]);
          in.attend(0, rows, weights, context);
          CHECK(support::same<float>(weights, expected_weights));
          CHECK(support::same<float>(context, expected));
          const Index from = rows / 3, to = rows - rows / 4;
          std::vector<float> part = context;
          std::fill_n(part.begin() + from * in.value_width, (to - from) * in.value_width, 0.0f);
          in.attend(from, to, weights, part);
          CHECK(support::same<float>(part, expected));
        }
}

TEST_CASE("products of pairs over more keys than are read at once") {
  for (const int kind : {0, 1, 3}) {
    Paired in{3, 1301, 64, 64, 0, kind};
    in.prepare();
    std::vector<float> weights(3 * 1301), context(3 * 64), expected_weights = weights, expected = context;
    for (Index r = 0; r < 3; ++r)
      in.naive_row(r, &expected_weights[std::size_t(r * 1301)], &expected[std::size_t(r * 64)]);
    in.attend(0, 3, weights, context);
    CHECK(support::same<float>(context, expected));
  }
}

TEST_CASE("the room of pairs of a head that no memory holds is the largest size") {
  constexpr Index largest = vt::sizes::largest;
  static_assert(vt::kernels::pairs_scratch<float>(1, largest, 1) == largest);  // an overflow would not compile
  static_assert(vt::kernels::pairs_scratch<float>(largest, 64, 64) == largest);
  static_assert(vt::kernels::pairs_scratch<float>(largest, largest, largest) == largest);
  CHECK(vt::kernels::pairs_scratch<float>(32, 64, 64) < 1 << 16);
}

#endif
