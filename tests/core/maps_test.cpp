#include <utility>
#include <vitrine/core/keep.hpp>
#include <vitrine/core/maps.hpp>

#include "../support/support.hpp"

namespace vt = vitrine;
using support::complaint;
using vt::Index;
using vt::IndexSet;
using vt::Status;
using vt::Which;

static_assert(IndexSet{}.all() && IndexSet{}.contains(1000) && IndexSet{}.fits(1) && IndexSet{}.count_below(70) == 70);
static_assert(IndexSet{3, 5}.contains(5) && !IndexSet{3, 5}.contains(4) && IndexSet{3, 5}.count_below(5) == 1);
static_assert(IndexSet{3, 5}.fits(6) && !IndexSet{3, 5}.fits(5) && !IndexSet{-1}.fits(9) && !IndexSet{4096}.fits(9999));
static_assert(!IndexSet{}.contains(-1) && !IndexSet{3, 5}.contains(-1) && !IndexSet{3, 5}.contains(64));
static_assert(IndexSet{63}.fits(64) && IndexSet{63}.count_below(64) == 1 && !IndexSet{63}.contains(64));
static_assert(IndexSet{63, 64, 130}.fits(131) && !IndexSet{63, 64, 130}.fits(130) && !IndexSet{64}.fits(64));
static_assert(IndexSet{63, 64, 130}.count_below(64) == 1 && IndexSet{63, 64, 130}.count_below(65) == 2);
static_assert(IndexSet{63, 64, 130}.count_below(130) == 2 && IndexSet{63, 64, 130}.count_below(9999) == 3);
static_assert(IndexSet{4095}.contains(4095) && IndexSet{4095}.fits(4096) && !IndexSet{4095}.fits(4095));
static_assert(vt::includes(Which::self | Which::cross, Which::cross) && !vt::includes(Which::self, Which::cross));
static_assert(sizeof(vt::EncoderResult<vt::keep::Nothing, float>) == sizeof(vt::Tensor<float>));

TEST_CASE("an IndexSet that grows begins empty") {
  IndexSet set;
  set.insert(2);
  CHECK_FALSE(set.all());
  CHECK(set.contains(2));
  CHECK_FALSE(set.contains(0));
  CHECK(set.fits(3));
  CHECK_FALSE(set.contains(64));
  CHECK(set.count_below(200) == 1);
  CHECK(set.fits(64));
  for (const int outside : {4096, -1}) {
    IndexSet other = {1};
    other.insert(outside);
    CHECK_FALSE(other.valid());
  }
  set.insert(99);
  CHECK(set.fits(100));
  CHECK_FALSE(set.fits(99));
  CHECK(set.count_below(100) == 2);
}

TEST_CASE("every map that was chosen has its own place, and none other") {
  const vt::MapShape shape{.layers = 3, .batch = 2, .heads = 4, .length = 5, .memory_length = 6};
  vt::Maps<float> maps(vt::heap());
  REQUIRE(maps.prepare(shape, {.layers = {0, 2}, .heads = {1, 3}}, Which::self) == Status::ok);
  CHECK(maps.values().size() == 2 * 2 * 2 * 30);
  const float* expected = maps.values().data();
  for (const Index layer : {0, 2})
    for (Index b = 0; b < 2; ++b)
      for (const Index h : {1, 3}) {
        CHECK(maps.kept(layer, h));
        CHECK(maps[layer].matrix(b, h).data() == expected);
        CHECK(maps[layer].matrix(b, h).rows() == 5);
        CHECK(maps[layer].matrix(b, h).cols() == 6);
        expected += 30;
      }
  CHECK_FALSE(maps.kept(1, 1));
  vt::Maps<float> all(vt::heap());
  REQUIRE(all.prepare(shape, {}, Which::self) == Status::ok);
  CHECK(all.kept(2, 3));
  for (const auto& [layer, head] : {std::pair{3, 0}, {0, 4}, {-1, 0}, {0, -1}}) CHECK_FALSE(all.kept(layer, head));
  CHECK(complaint([&] { (void)maps[1].matrix(0, 1); }) ==
        "vitrine: the maps of this layer were not chosen: see Selection::layers (got 1) [bad_shape]");
  CHECK(complaint([&] { (void)maps[2].matrix(0, 0); }) ==
        "vitrine: the maps of this head were not chosen: see Selection::heads (got 0) [bad_shape]");
  CHECK(complaint([&] { (void)maps[3].matrix(0, 1); }) ==
        "vitrine: no such layer (got 3, expected 0 to 2) [bad_shape]");
  CHECK(complaint([&] { (void)maps[0].matrix(0, -2); }) ==
        "vitrine: no such head (got -2, expected 0 to 3) [bad_shape]");
  CHECK(complaint([&] { (void)maps[0].matrix(0, 4); }) == "vitrine: no such head (got 4, expected 0 to 3) [bad_shape]");
  CHECK(complaint([&] { (void)maps[0].matrix(2, 1); }) ==
        "vitrine: no such sequence in the batch (got 2, expected 0 to 1) [bad_shape]");
  CHECK(complaint([&] { (void)maps[0].matrix(0); }) ==
        "vitrine: these are maps of single heads: matrix(b, h) (got 0) [bad_shape]");
  CHECK(complaint([&] { (void)maps[0].scores(0, 1); }) ==
        "vitrine: the scores were not kept; ask for them with vt::keep::scores (got 0) [bad_shape]");
}

TEST_CASE("ragged maps stand one after another, each T_b x S_b") {
  const Index lengths[] = {2, 0, 3}, keys[] = {4, 5, 1};
  vt::ScoredMaps<float> maps(vt::heap());
  const vt::MapShape shape{.layers = 2,
                           .batch = 3,
                           .heads = 2,
                           .length = 3,
                           .memory_length = 6,
                           .lengths = lengths,
                           .memory_lengths = keys,
                           .extra_keys = 1};
  REQUIRE(maps.prepare(shape, {}, Which::cross) == Status::ok);
  CHECK(maps.values().size() == 2 * 2 * (2 * 5 + 0 * 6 + 3 * 2));
  const float* expected = maps.values().data();
  for (Index layer = 0; layer < 2; ++layer)
    for (Index b = 0; b < 3; ++b)
      for (Index h = 0; h < 2; ++h) {
        const auto map = maps[layer].matrix(b, h);
        CHECK(map.data() == expected);
        CHECK(map.rows() == lengths[b]);
        CHECK(map.cols() == keys[b] + 1);
        CHECK(maps[layer].scores(b, h).size() == map.size());
        expected += map.size();
      }
}

TEST_CASE("a mean over heads is one map a sequence") {
  vt::MeanMaps<float> maps(vt::heap());
  REQUIRE(maps.prepare({.layers = 2, .batch = 2, .heads = 4, .length = 5, .memory_length = 6}, {}, Which::self) ==
          Status::ok);
  CHECK(maps.values().size() == 2 * 2 * 30);
  CHECK(maps[1].matrix(1).data() == maps.values().data() + 90);
  CHECK(complaint([&] { (void)maps[0].matrix(0, 1); }) ==
        "vitrine: a mean over heads has no single heads: matrix(b) (got 1) [bad_shape]");
}

TEST_CASE("a selection must name layers and heads that exist, but only of maps that are kept") {
  const vt::MapShape shape{.layers = 2, .batch = 1, .heads = 2, .length = 1, .memory_length = 1};
  vt::Maps<float> maps(vt::heap());
  CHECK(maps.prepare(shape, {.layers = {5}}, Which::self) == Status::bad_config);
  CHECK(maps.prepare(shape, {.heads = {2}}, Which::self) == Status::bad_config);
  vt::MapShape many = shape;
  many.layers = many.heads = 70;
  CHECK(maps.prepare(many, {.layers = {63, 69}, .heads = {64, 65, 69}}, Which::self) == Status::ok);
  CHECK(maps.kept(69, 64));
  CHECK_FALSE(maps.kept(68, 64));
  CHECK_FALSE(maps.kept(69, 66));
  CHECK(maps.values().size() == 6);
  CHECK(maps[69].matrix(0, 65).data() == maps.values().data() + 4);
  CHECK(complaint([&] { vt::throw_if_failed(maps.prepare(many, {.layers = {70}}, Which::self)); }) ==
        "vitrine: the selection names a layer that the model does not have (expected 0 to 69) [bad_config]");
  CHECK(maps.prepare(many, {.heads = {4096}}, Which::self) == Status::bad_config);
  many.layers = 5000;
  CHECK(complaint([&] { vt::throw_if_failed(maps.prepare(many, {.layers = {4999}}, Which::self)); }) ==
        "vitrine: the selection names a layer or head that no set can hold (expected 0 to 4095) [not_supported]");
  CHECK(maps.prepare(shape, {.which = Which::cross, .layers = {5}}, Which::self) == Status::ok);
  CHECK(maps.values().empty());
  CHECK(complaint([&] { (void)maps[0].matrix(0, 0); }) ==
        "vitrine: this map was not kept: the selection's `which` left it out (got 0) [bad_shape]");
}

TEST_CASE("a result that is moved to itself keeps its maps") {
  vt::Maps<float> maps(vt::heap());
  REQUIRE(maps.prepare({.heads = 2, .length = 3, .memory_length = 4}, {}, Which::self) == Status::ok);
  vt::Maps<float>& same = maps;
  maps = std::move(same);
  CHECK(maps.heads() == 2);
  CHECK(maps.matrix(0, 1).data() == maps.values().data() + 12);
  vt::Tensor<float> tensor(vt::heap());
  REQUIRE(tensor.resize(2, 3, 4) == Status::ok);
  vt::Tensor<float>& itself = tensor;
  tensor = std::move(itself);
  CHECK(tensor.matrix(1).size() == 12);
}

TEST_CASE("a moved-from result and one without memory hold no maps") {
  vt::Maps<float> maps(vt::heap());
  const vt::MapShape shape{.layers = 1, .batch = 2, .heads = 2, .length = 3, .memory_length = 3};
  REQUIRE(maps.prepare(shape, {}, Which::self) == Status::ok);
  const float* data = maps.values().data();
  vt::Maps<float> other = std::move(maps);
  CHECK(other.matrix(1, 1).data() == data + 27);
  CHECK(complaint([&] { (void)maps.matrix(0, 0); }).find("was not kept") != std::string::npos);
  CHECK(maps.values().empty());
  REQUIRE(maps.prepare(shape, {}, Which::self) == Status::ok);  // and may be used again
  CHECK(maps.matrix(1, 1).rows() == 3);

  float few[10];
  vt::Maps<float> small{std::span<float>(few)};
  CHECK(small.prepare(shape, {}, Which::self) == Status::result_too_small);
  CHECK(complaint([&] { (void)small.matrix(0, 0); }).find("was not kept") != std::string::npos);
}
