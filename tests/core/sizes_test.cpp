#include <vitrine/core/heap.hpp>
#include <vitrine/core/sizes.hpp>

#include "../support/support.hpp"

namespace vt = vitrine;
namespace sizes = vt::sizes;
using support::complaint;
using vt::Index;
using vt::Status;

static_assert(sizes::largest == std::numeric_limits<Index>::max());
static_assert(sizes::product(3, 4, 5) == 60 && sizes::product(7) == 7);
static_assert(sizes::product(sizes::largest, 1) == sizes::largest &&
              sizes::product(sizes::largest, 2) == sizes::largest);
static_assert(sizes::product(sizes::largest, sizes::largest, 0) == 0, "an empty extent is empty, whatever the others");
static_assert(sizes::product(sizes::largest, -1) == 0 && sizes::product(-3) == 0);
static_assert(sizes::sum(sizes::largest - 1, 1) == sizes::largest && sizes::sum(sizes::largest, 1) == sizes::largest);
static_assert(sizes::sum(~sizes::largest, -1) == sizes::largest && sizes::sum(-3, 2) == -1);
static_assert(sizes::distance(-3) == 3 && sizes::distance(~sizes::largest) == sizes::largest);
static_assert(sizes::bytes_of<double>(Index{1} << 40, Index{1} << 40) == std::size_t(sizes::largest));
static_assert(sizes::bytes_of<float>(3, 5) == 60);
static_assert(vt::round_up(Index{5}, Index{4}) == 8 && sizes::round_up(sizes::largest - 2, 64) == sizes::largest);
static_assert(vt::round_up(std::size_t{0}, std::size_t{64}) == 0);

namespace {

// Fails the test when it is asked for what no machine has.
const vt::Memory* honest() {
  static constexpr vt::Memory memory{
      [](std::size_t bytes) noexcept -> void* {
        CHECK(bytes < std::size_t(sizes::largest));
        return bytes < std::size_t{1} << 30 ? vt::heap()->allocate(bytes) : nullptr;
      },
      [](void* pointer, std::size_t bytes) noexcept { vt::heap()->release(pointer, bytes); }};
  return &memory;
}
constexpr Index huge = Index{1} << (sizeof(Index) * 4 - 1);  // whose square times 4 does not fit

}  // namespace

TEST_CASE("what owns memory answers out_of_memory for sizes that wrap, and stays as it was") {
  vt::Buffer<float> buffer(honest());
  REQUIRE(buffer.resize(3) == Status::ok);
  for (const Index size : {sizes::largest, sizes::largest - 1, sizes::largest / 4, sizes::largest / 4 + 1, Index{-1}})
    CHECK(buffer.resize(size) == Status::out_of_memory);
  CHECK(buffer.size() == 3);
  float* values = nullptr;
  for (const Index size : {sizes::largest, sizes::largest / 4, sizes::largest / 4 + 1}) {
    CHECK(vt::SharedValues<float>::make(honest(), size, values).empty());
    CHECK(values == nullptr);
  }

  vt::Tensor<float> tensor(honest());
  REQUIRE(tensor.resize(1, 2, 3) == Status::ok);
  CHECK(tensor.resize(huge, huge, 1) == Status::out_of_memory);
  CHECK(tensor.resize(huge, huge, huge) == Status::out_of_memory);
  CHECK(tensor.resize(-1, 2, -3) == Status::bad_shape);
  CHECK(tensor.rows() == 2);
  CHECK(tensor.resize(huge, 0, huge) == Status::ok);  // no row at all
  float few[4];
  CHECK(vt::Tensor<float>(std::span<float>(few)).resize(huge, huge, huge) == Status::result_too_small);

  vt::Workspace workspace(honest());
  CHECK(workspace.reserve(~std::size_t{0}) == Status::out_of_memory);
  CHECK(workspace.reserve(std::size_t(sizes::largest) - 3) == Status::out_of_memory);
  CHECK(workspace.reserve(100) == Status::ok);
}

TEST_CASE("an Arena counts no further than the largest size") {
  vt::Arena arena;
  (void)arena.take<float>(3, 5);
  CHECK(arena.used() == 64);
  (void)arena.take<double>(huge, huge, huge);
  CHECK(arena.used() == std::size_t(sizes::largest));
  (void)arena.take<float>(1);
  CHECK(arena.used() == std::size_t(sizes::largest));
}

TEST_CASE_TEMPLATE("maps and figures of a shape that wraps are out_of_memory", M, vt::Maps<float>,
                   vt::ScoredMaps<double>, vt::MeanMaps<float>, vt::Rollout<float>) {
  M maps(honest());
  const Index keys = Index{1} << 24, rows = keys;  // 2^48 pairs, and 2^16 sequences
  vt::MapShape shape{.layers = 1, .batch = Index{1} << 16, .heads = 1, .length = rows, .memory_length = keys};
  CHECK(maps.prepare(shape, {}, vt::Which::self) == Status::out_of_memory);
  CHECK(maps.values().empty());
  CHECK(M::count(1, Index{1} << 16, 1, rows, keys) == sizes::largest);
  shape.batch = 1, shape.layers = Index{1} << 40;
  if constexpr (!std::is_same_v<M, vt::Rollout<float>>)
    CHECK(maps.prepare(shape, {}, vt::Which::self) == Status::out_of_memory);
  const Index lengths[] = {huge, huge, huge};
  shape = {.layers = 1,
           .batch = 3,
           .heads = 8,
           .length = huge,
           .memory_length = huge,
           .lengths = lengths,
           .memory_lengths = lengths};
  CHECK(maps.prepare(shape, {}, vt::Which::self) == Status::out_of_memory);
  CHECK(maps.prepare({.length = 2, .memory_length = 2}, {}, vt::Which::self) == Status::ok);
}

TEST_CASE("statistics count without wrapping") {
  CHECK(vt::Statistics<float>::count(huge, huge, huge, huge, huge) == sizes::largest);
  CHECK(vt::TopWeights<float, 3>::count(huge, huge, huge, huge, huge) == sizes::largest);
  CHECK(vt::Statistics<float>::count(2, 3, 5, 7, 11) == 2 * 3 * 5 * (4 * 7 + 11));
}

TEST_CASE("a view of more than any memory holds is no empty one") {
  const float value = 0;
  const vt::Sequences<float> wide(&value, huge, huge, 8);
  CHECK(wide.check() == Status::bad_shape);
  CHECK(vt::Sequences<float>(&value, Index{1} << 62, 2, 2).check() == Status::bad_shape);
  CHECK(vt::from_seq_first(&value, huge, huge, huge).check() == Status::bad_shape);
  const Index lengths[] = {sizes::largest, sizes::largest, 2};  // whose sum wraps to 0
  CHECK(vt::Sequences<float>(vt::Ragged<float>(&value, 1, lengths)).check() == Status::bad_shape);
  CHECK(vt::Sequences<float>(&value, 1, 1, 1).check() == Status::ok);
}

TEST_CASE("strides that lead out of every memory are bad_shape, in either direction") {
  const float values[12] = {};
  vt::Sequences<float> x(values, 2, 3, 2);
  CHECK(x.reach() == 12);
  for (const Index stride : {sizes::largest, sizes::largest / 2, -sizes::largest, ~sizes::largest}) {
    vt::Sequences<float> rows = x, sequences = x;
    rows.row_stride = stride, sequences.batch_stride = stride;
    CHECK(rows.check() == Status::bad_shape);
    CHECK(sequences.check() == Status::bad_shape);
    rows.length = 1;  // of one row no stride is taken
    CHECK(rows.check() == Status::ok);
  }
  x.data = values + 4, x.row_stride = -2, x.batch = 1;  // rows from the last to the first
  CHECK(x.check() == Status::ok);
  CHECK(x.reach() == 6);
}

TEST_CASE("rows without values are counted as well") {
  const float value = 0;
  CHECK(vt::Sequences<float>(&value, huge, huge * 8, 0).check() == Status::bad_shape);
  vt::Tensor<float> tensor(honest());
  CHECK(tensor.resize(huge, huge * 8, 0) == Status::out_of_memory);
  CHECK(tensor.resize(3, 4, 0) == Status::ok);
  CHECK(tensor.rows() == 12);
}
