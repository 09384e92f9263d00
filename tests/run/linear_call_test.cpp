#include <vitrine/run/linear_call.hpp>
#include <vitrine/run/runner.hpp>

#include "../support/product.hpp"
#include "../support/support.hpp"

namespace detail = vitrine::detail;
namespace kernels = vitrine::kernels;
namespace product = support::product;
using detail::Affine;
using detail::Operand;
using detail::Rows;
using support::Index;
using vitrine::Activation;

namespace {

// A weight of random values, plain or in panels.
template <class S>
struct Weight {
  std::vector<S> stored;
  vitrine::Parameter<S> parameter;

  Weight(Index rows, Index cols, Index groups, bool packed, std::uint64_t seed)
      : parameter(detail::matrix_parameter<S>(rows, cols, groups)) {
    const auto plain = support::random_values<S>(rows * cols, seed);
    parameter.panel = packed ? kernels::panel_width<S> : 0;
    stored.assign(std::size_t(parameter.stored(parameter.panel)), S(0));
    for (Index n = 0; n < rows; ++n)
      for (Index k = 0; k < cols; ++k)
        stored[std::size_t(parameter.at(n, k, parameter.panel))] = plain[std::size_t(n * cols + k)];
    parameter.values = vitrine::SharedValues<S>(std::span<const S>(stored));
  }
};

// act(x W^T + b) + residual of one group, one element after another.
template <class S>
std::vector<S> expected(const Rows<const S>& x, const Affine<S>& affine, const detail::Epilogue<S>& epilogue) {
  const Index columns = affine.weight->group_rows(), from = affine.group * columns;
  std::vector<S> y;
  for (Index r = 0; r < x.count; ++r)
    for (Index n = 0; n < columns; ++n) {
      const S sum = product::chain<S>(
          x.width, [&](Index k) { return x.data[r * x.stride + k]; },
          [&](Index k) { return affine.weight->value(from + n, k); });
      const S* const bias = affine.bias != nullptr ? affine.bias + n : nullptr;
      const S* const residual =
          epilogue.residual.exist() ? epilogue.residual.data + r * epilogue.residual.stride + n : nullptr;
      y.push_back(product::epilogue<S>(sum, S(1), bias, epilogue.activation, residual));
    }
  return y;
}

}  // namespace

TEST_CASE_TEMPLATE("linear is the naive product bit for bit: plain or packed, by groups, on any team", S, float,
                   double) {
  const Index depth = 19, groups = 3;
  for (const Index columns : {1, 17, 70})
    for (const bool packed : {false, true})
      for (const bool finished : {false, true})
        for (const int threads : {1, 3}) {
          const Index count = 7, group = finished ? 2 : 1;
          const Weight<S> weight(groups * columns, depth, groups, packed, 1);
          const auto x = support::random_values<S>(count * (depth + 2), 2);
          const auto biases = support::random_values<S>(groups * columns, 3);
          const auto residual = support::random_values<S>(count * columns, 4);
          Affine<S> affine(weight.parameter);
          affine.group = group;
          detail::Epilogue<S> epilogue;
          if (finished) {
            affine.bias = biases.data() + group * columns;
            epilogue = {.activation = Activation::gelu, .residual = {residual.data(), count, columns}};
          }
          std::vector<S> y(std::size_t(count * (columns + 1)), S(-7));
          const Rows<const S> from(x.data(), count, depth, depth + 2);
          std::vector<std::vector<S>> packs(std::size_t(threads),
                                            std::vector<S>(std::size_t(depth * kernels::panel_width<S>)));
          vitrine::run_team(threads, [&](vitrine::Team& team) {
            detail::LinearCall<S> call{from, {y.data(), count, columns, columns + 1}, affine, epilogue};
            call.packed_panel = packs[std::size_t(team.thread())].data();
            detail::linear(team, call);
          });
          const auto naive = expected(from, affine, epilogue);
          for (Index r = 0; r < count; ++r) {
            CHECK(support::same(y.data() + r * (columns + 1), naive.data() + r * columns, columns));
            CHECK(y[std::size_t(r * (columns + 1) + columns)] == S(-7));
          }
        }
}

TEST_CASE_TEMPLATE("apply_epilogue does what a product's epilogue would have done", S, float, double) {
  const Index count = 5, width = 21;
  const auto sums = support::random_values<S>(count * width, 1), residual = support::random_values<S>(count * width, 2);
  for (const Activation activation : {Activation::none, Activation::relu, Activation::silu})
    for (const bool added : {false, true}) {
      std::vector<S> y = sums, naive = sums;
      detail::Epilogue<S> epilogue{.activation = activation};
      if (added) epilogue.residual = {residual.data(), count, width};
      for (std::size_t i = 0; i < naive.size(); ++i)
        naive[i] = product::epilogue<S>(naive[i], S(1), nullptr, activation, added ? &residual[i] : nullptr);
      vitrine::run_team(
          3, [&](vitrine::Team& team) { detail::apply_epilogue(team, Rows<S>(y.data(), count, width), epilogue); });
      CHECK(support::same<S>(y, naive));
      CHECK(epilogue.any() == (added || activation != Activation::none));
    }
}

TEST_CASE_TEMPLATE("products of one operand share its copy; a new operand sees new values", S, float, double) {
  const Index depth = Index(4096 / sizeof(S)), columns = 5 * kernels::panel_width<S>, count = 2 * kernels::tile_rows;
  const Weight<S> one(columns, depth, 1, true, 1), two(columns, depth, 1, true, 2);
  vitrine::Workspace workspace(vitrine::heap(), 1);
  detail::Scratch<S> scratch;
  const auto make = [&](vitrine::Arena& arena) { return detail::Scratch<S>::plan(arena, 1, count, {.hidden = depth}); };
  REQUIRE(detail::place_plan(scratch, workspace, make) == vitrine::Status::ok);
  auto x = support::random_values<S>(count * depth, 3);
  const auto before = x;
  const Rows<const S> rows(x.data(), count, depth), old_rows(before.data(), count, depth);
  std::vector<S> y(std::size_t(count * columns));
  const Rows<S> to(y.data(), count, columns);
  vitrine::Team alone;
  const detail::Runner<S> runner(alone, scratch, count);

  Operand<S> from(rows);
  CHECK_FALSE(from.copied);
  runner.linear(nullptr, from, Affine<S>(one.parameter), to);
  CHECK(from.copied);
  CHECK(support::same<S>(y, expected(rows, Affine<S>(one.parameter), {})));
  runner.linear(nullptr, from, Affine<S>(two.parameter), to);
  CHECK(support::same<S>(y, expected(rows, Affine<S>(two.parameter), {})));

  for (S& value : x) value = -value;
  if (scratch.operand_copy.base != nullptr) {  // small builds have none
    runner.linear(nullptr, from, Affine<S>(one.parameter), to);
    CHECK(support::same<S>(y, expected(old_rows, Affine<S>(one.parameter), {})));
  }
  Operand<S> again(rows);
  runner.linear(nullptr, again, Affine<S>(two.parameter), to);
  CHECK(support::same<S>(y, expected(rows, Affine<S>(two.parameter), {})));
}

TEST_CASE("an order of products goes round, one cycle for each kind of block") {
  const float panels[6] = {};
  const float *q = panels, *k = panels + 1, *v = panels + 2, *out = panels + 3, *wide = panels + 4;
  detail::PrefetchOrder<float> order;
  CHECK(order.after(q) == nullptr);
  order.cycle(q, k, v);
  order.cycle(out, wide);
  if (VITRINE_VECTOR_BYTES == 0) return;  // nobody asks
  CHECK(order.after(q) == k);
  CHECK(order.after(k) == v);
  CHECK(order.after(v) == q);
  CHECK(order.after(out) == wide);
  CHECK(order.after(wide) == out);
  CHECK(order.after(panels + 5) == nullptr);
  CHECK(order.after(nullptr) == nullptr);  // a plain weight
}
