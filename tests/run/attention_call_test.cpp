#include <vitrine/run/attention_call.hpp>

#include "../support/support.hpp"

namespace detail = vitrine::detail;
using support::Index;

namespace {

// Four sequences of four heads; two beams share keys and values, two query heads a key head; two past keys.
constexpr Index batch = 4, sharing = 2, heads = 4, group = 2, length = 5, past = 2, now = 6, width = 7, value_width = 9;
constexpr Index kv_batch = batch / sharing, kv_heads = heads / group, keys = past + now;

template <class S>
struct Case {
  std::vector<S> query = support::random_values<S>(batch * length * heads * width, 1);
  std::vector<S> key = support::random_values<S>(kv_batch * kv_heads * keys * width, 2);
  std::vector<S> value = support::random_values<S>(kv_batch * kv_heads * keys * value_width, 3);
  std::vector<S> factors = {S(1), S(0), S(0.5), S(-2)};
  std::vector<S> panels, rows, context = std::vector<S>(std::size_t(batch * length * heads * value_width));
  vitrine::Mask<S> mask = vitrine::causal(past);
  detail::AttentionCall<S> call;

  Case() {
    detail::KeyValues<S>& kv = call.key_values;
    kv.heads = kv_heads, kv.width = width, kv.value_width = value_width, kv.capacity = keys + 3;
    panels.resize(std::size_t(kv_batch * kv_heads * kv.key_stride()));
    rows.resize(std::size_t(kv_batch * kv_heads * kv.value_stride()));
    kv.keys = panels.data(), kv.values = rows.data();
    for (Index b = 0; b < kv_batch; ++b)
      for (Index h = 0; h < kv_heads; ++h) {
        kv.store_keys(b, h, 0, keys, key_of(b, h), width);
        kv.store_values(b, h, 0, keys, value_of(b, h), value_width);
      }
    call.query = {query.data(), batch * length, heads * width};
    call.context = {context.data(), batch * length, heads * value_width};
    call.query_rows = {batch, length, nullptr}, call.key_rows = {kv_batch, now, nullptr};
    call.past = past, call.heads = heads, call.sharing = sharing, call.heads_per_key_head = group, call.scale = S(0.3);
  }
  const S* key_of(Index b, Index h) const { return key.data() + (b * kv_heads + h) * keys * width; }
  const S* value_of(Index b, Index h) const { return value.data() + (b * kv_heads + h) * keys * value_width; }
  void run(int threads) {
    vitrine::Workspace workspace(vitrine::heap(), threads);
    detail::Scratch<S> scratch;
    const auto make = [&](vitrine::Arena& arena) {
      return detail::Scratch<S>::plan(arena, threads, 0, {.keys = keys, .value_width = value_width});
    };
    REQUIRE(detail::place_plan(scratch, workspace, make) == vitrine::Status::ok);
    vitrine::run_team(threads, [&](vitrine::Team& team) {
      detail::attend_heads(detail::Runner<S>(team, scratch, batch * length), call);
    });
  }
};

}  // namespace

TEST_CASE_TEMPLATE("every head meets its keys: shared by beams and by groups, behind the past", S, float, double) {
  for (const int threads : {1, 3}) {
    Case<S> one;
    vitrine::Maps<S> maps(vitrine::heap());
    const vitrine::MapShape shape{1, batch, heads, length, keys, {}, {}, 0};
    REQUIRE(maps.prepare(shape, {}, vitrine::Which::self) == vitrine::Status::ok);
    one.call.set_layer(one.mask, one.factors.data(), maps.sink(0));
    one.run(threads);
    for (Index b = 0; b < batch; ++b)
      for (Index h = 0; h < heads; ++h) {
        const Index kv_b = b / sharing, kv_h = h / group;
        support::NaiveRows q;
        for (Index t = 0; t < length; ++t)
          for (Index d = 0; d < width; ++d)
            q.push_back(double(one.query[std::size_t(((b * length + t) * heads + h) * width + d)]));
        support::NaiveAttention naive;
        auto context = support::naive_head(
            q, support::rows_of(one.key_of(kv_b, kv_h), keys * width),
            support::rows_of(one.value_of(kv_b, kv_h), keys * value_width), width, value_width, double(S(0.3)),
            [](Index i, Index j) { return j <= i + past ? 0.0 : -support::infinity; }, naive);
        for (double& value : context) value *= double(one.factors[std::size_t(h)]);
        CHECK(support::difference(maps.matrix(b, h).data(), naive.weights.data(), length * keys) <
              support::tolerance<S>);
        for (Index t = 0; t < length; ++t)
          CHECK(support::difference(one.context.data() + ((b * length + t) * heads + h) * value_width,
                                    context.data() + t * value_width, value_width) < support::tolerance<S>);
      }
  }
}

TEST_CASE_TEMPLATE("the context may stand where the queries did, bit for bit", S, float, double) {
  // As wide as the values, so that a head's context takes the place of its queries.
  Case<S> apart;
  apart.call.key_values.value_width = width;  // the first values of each row
  apart.call.key_values.capacity = keys + 3;
  std::vector<S> rows(std::size_t(kv_batch * kv_heads * apart.call.key_values.value_stride()));
  apart.call.key_values.values = rows.data();
  for (Index b = 0; b < kv_batch; ++b)
    for (Index h = 0; h < kv_heads; ++h)
      apart.call.key_values.store_values(b, h, 0, keys, apart.value_of(b, h), value_width);
  apart.call.context = {apart.context.data(), batch * length, heads * width};
  apart.run(1);
  const std::vector<S> expected(apart.context.begin(), apart.context.begin() + batch * length * heads * width);
  apart.call.context = apart.call.query;
  apart.run(2);
  CHECK(support::same<S>(apart.query, expected));
}

TEST_CASE_TEMPLATE("keys in a window's ring give the bits that they give in places of their own", S, float, double) {
  constexpr Index panel = vitrine::kernels::panel_width<S>;
  for (const Index rows_now : {Index{1}, Index{2}, Index{7}, Index{20}})
    for (const Index window : {Index{1}, Index{3}, panel, panel + 1, 2 * panel + 3})
      for (const Index before : {panel - 1, 2 * panel, 3 * panel + 5, 7 * panel + 2}) {
        CAPTURE(rows_now);
        CAPTURE(window);
        CAPTURE(before);
        const Index all = before + rows_now, one = 2 * width;  // two heads
        const auto query = support::random_values<S>(rows_now * one, 1);
        const auto key = support::random_values<S>(all * one, 2), value = support::random_values<S>(all * one, 3);
        detail::KeyValues<S> layout;
        layout.heads = 2, layout.width = layout.value_width = width;
        const auto run = [&](Index capacity, vitrine::ScoredMaps<S>& maps) {
          layout.capacity = capacity;
          std::vector<S> panels(std::size_t(2 * layout.key_stride())), rows(std::size_t(2 * layout.value_stride()));
          layout.keys = panels.data(), layout.values = rows.data();
          for (Index h = 0; h < 2; ++h) {
            layout.store_keys(0, h, 0, all, key.data() + h * width, one);
            layout.store_values(0, h, 0, all, value.data() + h * width, one);
          }
          std::vector<S> context(query.size());
          detail::AttentionCall<S> call;
          call.query = {const_cast<S*>(query.data()), rows_now, one}, call.context = {context.data(), rows_now, one};
          call.query_rows = call.key_rows = {1, rows_now, nullptr};
          call.key_values = layout, call.past = before, call.heads = 2, call.scale = S(0.4), call.window = window;
          const vitrine::Mask<S> mask = vitrine::causal(before);
          REQUIRE(maps.prepare({1, 1, 2, rows_now, all, {}, {}, 0}, {}, vitrine::Which::self) == vitrine::Status::ok);
          call.set_layer(mask, nullptr, maps.sink(0));
          vitrine::Workspace workspace(vitrine::heap());
          detail::Scratch<S> scratch;
          const auto make = [&](vitrine::Arena& arena) {
            return detail::Scratch<S>::plan(arena, 1, 0, {.keys = all, .value_width = width});
          };
          REQUIRE(detail::place_plan(scratch, workspace, make) == vitrine::Status::ok);
          vitrine::run_team(
              1, [&](vitrine::Team& team) { detail::attend_heads(detail::Runner<S>(team, scratch, rows_now), call); });
          return context;
        };
        vitrine::ScoredMaps<S> flat(vitrine::heap()), round(vitrine::heap());
        const auto expected = run(all, flat);
        const auto found = run(detail::KeyValues<S>::ring(window + rows_now - 1, all), round);
        CHECK(support::same<S>(found, expected));
        for (Index h = 0; h < 2; ++h) {
          CHECK(round.matrix(0, h) == flat.matrix(0, h));
          CHECK(round.scores(0, h) == flat.scores(0, h));
        }
      }
}
