// Stored weights: every product equals a naive twin bit for bit, whatever the tile, the team and the room; in int8, and
// where bf16 and f16 are widened, whatever the instruction set too.
#include <vitrine/core/half.hpp>
#include <vitrine/core/storage.hpp>
#include <vitrine/kernels/half.hpp>
#include <vitrine/kernels/int8.hpp>
#include <vitrine/run/module.hpp>
#include <vitrine/run/runner.hpp>
#include <vitrine/run/stored_weight.hpp>

#include "../support/product.hpp"
#include "../support/quantised.hpp"
#include "../support/support.hpp"

#include <cmath>
#include <limits>

namespace detail = vitrine::detail;
namespace kernels = vitrine::kernels;
namespace product = support::product;
using detail::Rows;
using support::Index;
using vitrine::Activation;
using vitrine::Parameter;
using vitrine::Status;
using vitrine::Storage;

namespace {

float rounded(float x, Storage storage) {
  return storage == Storage::f16 ? vitrine::half_to_float(vitrine::float_to_half(x))
                                 : vitrine::bfloat16_to_float(vitrine::float_to_bfloat16(x));
}
// The machine's own step of two columns, in one lane.
float add_pair([[maybe_unused]] const float (&a)[2], [[maybe_unused]] const float (&b)[2], float sum) {
#if VITRINE_BF16_PAIRS
  const auto pair = [](const float(&two)[2]) {
    const unsigned low = vitrine::float_to_bfloat16(two[0]), high = vitrine::float_to_bfloat16(two[1]);
    return reinterpret_cast<__m512bh>(_mm512_set1_epi32(int(high << 16 | low)));
  };
  sum = _mm512_cvtss_f32(_mm512_dpbf16_ps(_mm512_set1_ps(sum), pair(a), pair(b)));
#endif
  return sum;
}

constexpr Storage stored[] = {Storage::int8, Storage::bf16, Storage::f16};

template <class S>
Status store(const vitrine::Memory* memory, Parameter<S>& weight, Storage storage) {
  vitrine::SharedPieces<S> pieces(memory);
  return detail::store_weight(pieces, weight, storage);
}

// A weight of random values in a storage, and what it was made of.
struct Stored {
  std::vector<float> plain;
  Parameter<float> parameter;
  Storage storage;

  Stored(Storage as, Index rows, Index cols, Index groups, bool packed, std::uint64_t seed)
      : plain(support::random_values<float>(rows * cols, seed)),
        parameter(detail::matrix_parameter<float>(rows, cols, groups)),
        storage(as) {
    const Index panel = packed ? kernels::panel_width<float> : 0;
    float* values = nullptr;
    const auto block = vitrine::SharedValues<float>::make(vitrine::heap(), parameter.stored(panel), values);
    std::fill_n(values, parameter.stored(panel), 0.0f);
    for (Index n = 0; n < rows; ++n)
      for (Index k = 0; k < cols; ++k) values[parameter.at(n, k, panel)] = plain[std::size_t(n * cols + k)];
    parameter.hold(block, panel);
    REQUIRE(store(vitrine::heap(), parameter, storage) == Status::ok);
  }
  // Row r of x times row n: in int8 integers and then three roundings, else a chain of the rounded values.
  float product(const float* x, Index n) const {
    const Index depth = parameter.cols;
    const float* const w = plain.data() + n * depth;
    if (storage == Storage::int8) return support::quantised::product(x, w, depth);
    if (storage == Storage::f16 || !kernels::bf16_pairs)
      return product::chain<float>(
          depth, [&](Index k) { return x[k]; }, [&](Index k) { return rounded(w[k], storage); });
    float sum = 0;
    for (Index k = 0; k < depth; k += 2)
      sum = add_pair({x[k], k + 1 < depth ? x[k + 1] : 0}, {w[k], k + 1 < depth ? w[k + 1] : 0}, sum);
    return sum;
  }
  // Floats' room that so many rows of x take while they are multiplied.
  Index room(Index rows) const {
    const Index depth = parameter.cols;
    Index row = 2 + kernels::Int8Rows::row_codes(depth);
#if VITRINE_BF16_PAIRS
    if (storage == Storage::bf16) row = kernels::Bf16Rows::row_pairs(depth);
#endif
    return std::max(depth * kernels::panel_width<float>, rows * row);
  }
};

struct Task {
  Index count, columns, depth, groups;
  int threads;
  bool packed, finished;
  Index room;  // for so many rows at least
};
void check_task(Storage storage, const Task& t) {
  const Stored weight(storage, t.groups * t.columns, t.depth, t.groups, t.packed, 1);
  const Index group = t.groups - 1, stride = t.depth + 2;
  auto x = support::random_values<float>(t.count * stride, 2);
  for (Index r = 0; r < t.count; ++r)  // what lies behind a row is not read
    std::fill_n(&x[std::size_t(r * stride + t.depth)], 2, std::numeric_limits<float>::quiet_NaN());
  const auto bias = support::random_values<float>(t.columns, 3);
  const auto residual = support::random_values<float>(t.count * t.columns, 4);
  const Rows<const float> from(x.data(), t.count, t.depth, stride);
  detail::Affine<float> affine(weight.parameter);
  affine.group = group;
  detail::Epilogue<float> finish;
  if (t.finished) {
    affine.bias = bias.data();
    finish = {.activation = t.depth % 2 == 0 ? Activation::relu : Activation::gelu,
              .residual = {residual.data(), t.count, t.columns}};
  }
  std::vector<float> y(std::size_t(t.count * (t.columns + 1)), -7.0f);
  const Index room = weight.room(t.room);
  std::vector<std::vector<float>> packs(std::size_t(t.threads), std::vector<float>(std::size_t(room)));
  vitrine::run_team(t.threads, [&](vitrine::Team& team) {
    detail::LinearCall<float> call(from, {y.data(), t.count, t.columns, t.columns + 1}, affine, finish);
    call.packed_panel = packs[std::size_t(team.thread())].data(), call.packed_room = room;
    detail::linear(team, call);
  });
  bool same = true;
  for (Index r = 0; r < t.count; ++r) {
    for (Index n = 0; n < t.columns; ++n) {
      const float sum = weight.product(x.data() + r * stride, group * t.columns + n);
      const float* const added = t.finished ? residual.data() + r * t.columns + n : nullptr;
      const float naive =
          product::epilogue<float>(sum, 1.0f, t.finished ? &bias[std::size_t(n)] : nullptr, finish.activation, added);
      same = same && product::same(&naive, y.data() + r * (t.columns + 1) + n, 1);
    }
    same = same && y[std::size_t(r * (t.columns + 1) + t.columns)] == -7.0f;
  }
  CAPTURE(std::string(name(storage)));
  CAPTURE(t.count);
  CAPTURE(t.columns);
  CAPTURE(t.depth);
  CAPTURE(t.threads);
  CHECK(same);
}

void check_shared_rows(Index count) {
  const Index depth = 48, columns = 3 * kernels::panel_width<float>;
  auto plain = detail::matrix_parameter<float>(columns, depth);
  const auto values = support::random_values<float>(columns * depth, 3);
  plain.hold(vitrine::SharedValues<float>(std::span<const float>(values)), 0);
  vitrine::Workspace workspace(vitrine::heap(), 1);
  detail::Scratch<float> scratch;
  const auto make = [&](vitrine::Arena& arena) {
    return detail::Scratch<float>::plan(arena, 1, count, {.inner = 2 * depth, .depth = depth});
  };
  REQUIRE(detail::place_plan(scratch, workspace, make) == vitrine::Status::ok);
  const auto x = support::random_values<float>(count * depth, 4);
  vitrine::Team alone;
  const detail::Runner<float> runner(alone, scratch, count);
  detail::Operand<float> from(Rows<const float>(x.data(), count, depth));
  std::vector<float> y(std::size_t(count * columns));
  const auto check = [&](const Stored& weight) {
    runner.linear(nullptr, from, detail::Affine<float>(weight.parameter), Rows<float>(y.data(), count, columns));
    bool same = true;
    for (Index r = 0; r < count; ++r)
      for (Index n = 0; n < columns; ++n)
        same = same && y[std::size_t(r * columns + n)] == weight.product(x.data() + r * depth, n);
    CAPTURE(std::string(name(weight.storage)));
    CHECK(same);
  };
  for (const Storage storage : stored) {
    const Stored first(storage, columns, depth, 1, true, 1), third(storage, columns, depth, 1, false, 2);
    check(first);
    check(third);
    runner.linear(nullptr, from, detail::Affine<float>(plain), Rows<float>(y.data(), count, columns));
    check(first);
  }
}

}  // namespace

TEST_CASE("a product is its naive twin bit for bit: any storage, shape, team, room and layout that it was made of") {
  for (const Storage storage : stored)
    for (const Index depth : {1, 2, 3, 4, 19, 64, 1030})
      for (const Index columns : {1, 17, 70, 150})
        for (const Index count : {1, 2, 3, 5, 13, 40}) {
          if (depth > 100 && columns > 17 && count > 13) continue;
          const bool odd = (depth + columns + count) % 2 != 0;
          check_task(storage, {count, columns, depth, 1, 1, odd, false, odd ? 100 : 0});
          check_task(storage, {count, columns, depth, 3, 3, !odd, true, odd ? 0 : 100});
        }
}

TEST_CASE("products of one operand share its rows as read, and not with a weight of another storage between them") {
  check_shared_rows(5);
  check_shared_rows(150);  // more than are read at a time
}

TEST_CASE("what a stored weight is read as is near, and stored to the same bytes again") {
  for (const Storage storage : stored)
    for (const Index depth : {1, 7, 64}) {
      const Index rows = 37;
      const Stored weight(storage, rows, depth, 1, true, 5);
      std::vector<float> read(std::size_t(rows * depth));
      double largest = 0;  // in units of what may be lost
      for (Index n = 0; n < rows; ++n) {
        const float scale = support::quantised::weight_scale_of(weight.plain.data() + n * depth, depth);
        for (Index k = 0; k < depth; ++k) {
          const auto at = std::size_t(n * depth + k);
          read[at] = weight.parameter.value(n, k);
          if (storage == Storage::int8)
            largest = std::max(largest, std::fabs(double(read[at]) - double(weight.plain[at])) / double(scale));
          else
            CHECK(read[at] == rounded(weight.plain[at], storage));
        }
      }
      CHECK(largest <= 0.5001);
      auto again = detail::matrix_parameter<float>(rows, depth);
      again.hold(vitrine::SharedValues<float>(std::span<const float>(read)), 0);
      REQUIRE(store(vitrine::heap(), again, storage) == Status::ok);
      CHECK(again.values.size() == weight.parameter.values.size());
      CHECK(std::memcmp(again.values.data(), weight.parameter.values.data(),
                        std::size_t(again.values.size()) * sizeof(float)) == 0);
    }
}

TEST_CASE("a row that is not finite makes no finite sum, tiny and empty rows are as they are, neighbours stay") {
  const Index depth = 21, columns = 9;
  for (const Storage storage : stored) {
    const Stored weight(storage, columns, depth, 1, true, 6);
    std::vector<float> x = support::random_values<float>(6 * depth, 7);
    const auto before = x;
    x[3] = std::numeric_limits<float>::quiet_NaN();
    x[std::size_t(depth + 2)] = std::numeric_limits<float>::infinity();
    std::fill_n(x.begin() + 2 * depth, depth, 0.0f);
    std::fill_n(x.begin() + 3 * depth, depth, std::numeric_limits<float>::denorm_min());
    std::vector<float> y(std::size_t(6 * columns)), room(std::size_t(weight.room(6)));
    vitrine::Team alone;
    detail::LinearCall<float> call({x.data(), 6, depth}, {y.data(), 6, columns},
                                   detail::Affine<float>(weight.parameter), {});
    call.packed_panel = room.data(), call.packed_room = Index(room.size());
    detail::linear(alone, call);
    for (Index n = 0; n < columns; ++n) {
      CHECK_FALSE(std::isfinite(y[std::size_t(n)]));
      CHECK_FALSE(std::isfinite(y[std::size_t(columns + n)]));
      CHECK(y[std::size_t(2 * columns + n)] == 0.0f);
      CHECK(std::fabs(y[std::size_t(3 * columns + n)]) < 1e-36f);
      CHECK(y[std::size_t(4 * columns + n)] == weight.product(before.data() + 4 * depth, n));
    }
  }
}

TEST_CASE("what a storage has no number for is refused, and the weight is as it was") {
  auto values = support::random_values<float>(6, 8);
  auto weight = detail::matrix_parameter<float>(2, 3);
  weight.hold(vitrine::SharedValues<float>(std::span<const float>(values)), 0);
  const auto refused = [&](Storage storage, float value) {
    values[4] = value;
    return store(nullptr, weight, storage) == Status::not_supported && weight.panel == 0;
  };
  for (const Storage storage : stored) {
    CHECK(refused(storage, std::numeric_limits<float>::infinity()));
    CHECK(refused(storage, -std::numeric_limits<float>::infinity()));
    CHECK(refused(storage, std::numeric_limits<float>::quiet_NaN()));
    CHECK_FALSE(refused(storage, 65519.0f));
  }
  CHECK(refused(Storage::f16, -65520.0f));
  CHECK(refused(Storage::bf16, 0x1.ffp127f));
  CHECK_FALSE(refused(Storage::bf16, 0x1.fefffep127f));
  CHECK_FALSE(refused(Storage::int8, std::numeric_limits<float>::max()));
  for (const Storage storage : stored) {
    values[4] = 1;
    auto other = weight;
    CHECK(store(nullptr, other, storage) == Status::out_of_memory);
    CHECK(other.values.data() == values.data());
    CHECK(store(vitrine::heap(), other, storage) == Status::ok);
    CHECK(store(vitrine::heap(), other, storage) == Status::ok);
    CHECK(store(vitrine::heap(), other, storage == Storage::f16 ? Storage::bf16 : Storage::f16) ==
          Status::not_supported);

    const auto doubles = support::random_values<double>(6, 8);
    auto wide = detail::matrix_parameter<double>(2, 3);
    wide.hold(vitrine::SharedValues<double>(std::span<const double>(doubles)), 0);
    CHECK(store(vitrine::heap(), wide, storage) == Status::not_supported);
  }
  CHECK(store(vitrine::heap(), weight, Storage(9)) == Status::bad_config);
}

TEST_CASE("storages have names that are understood") {
  for (const Storage storage : {Storage::f32, Storage::int8, Storage::bf16, Storage::f16}) {
    Storage read = Storage(9);
    CHECK(vitrine::parse_storage(name(storage), read));
    CHECK(read == storage);
  }
  Storage kept = Storage::f16;
  for (const char* text : {"", "f3", "f322", "float", "BF16"}) CHECK_FALSE(vitrine::parse_storage(text, kept));
  CHECK(kept == Storage::f16);
  CHECK(std::string_view(name(Storage(9))).empty());
}
