#include <vitrine/core/compact_maps.hpp>

#include "../support/compact.hpp"
#include "../support/support.hpp"

#include <sstream>

namespace compact_maps_test {

namespace vt = vitrine;
using support::Index;
using vt::MapStorage;
using U8 = vt::keep::Compact<MapStorage::u8>;

namespace {

constexpr Index width = 16, length = 9;

struct Called {
  vt::Encoder<float> encoder{{.layer = {.d_model = width, .nhead = 4, .dim_feedforward = 24}, .num_layers = 3}};
  std::vector<float> x = support::random_values<float>(2 * length * width, 2);
  vt::Sequences<float> in{x.data(), 2, length, width};
  Called() { support::randomise(encoder, 1); }
};

}  // namespace

TEST_CASE("a compact map reads as a matrix of floats") {
  const Called c;
  const auto maps = c.encoder(c.in);
  const auto r = c.encoder(c.in, {}, vt::keep::weights.as<MapStorage::u8>());
  CHECK(support::same(r.output, maps.output));
  CHECK(support::same_maps(r.self_attn, maps.self_attn));
  CHECK(r.self_attn.storage == MapStorage::u8);
  CHECK(r.self_attn.bytes() * 4 == maps.self_attn.bytes());
  CHECK(r.self_attn.codes().size() == r.self_attn.bytes());

  const auto map = r.self_attn[1].matrix(1, 3);
  const vt::RowMajor<float> copy = map;
  CHECK(map == copy);
  CHECK(map.row(4).sum() == copy.row(4).sum());
  CHECK((map - maps.self_attn[1].matrix(1, 3)).cwiseAbs().maxCoeff() <= 0.501f / 255);
  CHECK(map.codes() == r.self_attn.codes().data() + ((1 * 2 + 1) * 4 + 3) * length * length);
  std::ostringstream shown, expected;
  shown << map, expected << copy;
  CHECK(shown.str() == expected.str());
  const auto row = r.self_attn[1].matrix(1, 3).row(2);  // holds its view: no temporary is left behind
  CHECK(row(5) == copy(2, 5));
}

TEST_CASE("a layer's own maps, of one layer and of cross-attention") {
  vt::MultiheadAttention<float> mha({.embed_dim = width, .num_heads = 4});
  support::randomise(mha, 3);
  const Called c;
  const auto maps = mha(c.in);
  const auto self = mha(c.in, {}, vt::keep::weights.as<MapStorage::f16>());
  const auto cross = mha(c.in, c.in, c.in, {}, vt::keep::weights.as<MapStorage::bf16>());
  CHECK(support::same_maps(self.self_attn, maps.self_attn));
  CHECK(support::same_maps(cross.cross_attn, mha(c.in, c.in, c.in).cross_attn));
  CHECK(support::same_map(self.self_attn.matrix(1, 2), maps.self_attn.matrix(1, 2)));
}

TEST_CASE("as<f32> is the policy itself, and selections stay") {
  static_assert(std::is_same_v<decltype(vt::keep::weights.as<MapStorage::f32>()), vt::DefaultKeep>);
  const Called c;
  const auto maps = c.encoder(c.in, {}, vt::keep::weights.only({.layers = {2}, .heads = {0, 3}}));
  const auto first =
      c.encoder(c.in, {}, vt::keep::weights.as<MapStorage::f16>().only({.layers = {2}, .heads = {0, 3}}));
  const auto last = c.encoder(c.in, {}, vt::keep::weights.only({.layers = {2}, .heads = {0, 3}}).as<MapStorage::f16>());
  for (const auto* r : {&first, &last}) {
    CHECK(support::same_maps(r->self_attn, maps.self_attn));
    CHECK(r->self_attn.bytes() == 2 * 2 * 2 * length * length);
    CHECK_FALSE(r->self_attn.kept(1, 0));
    CHECK(support::complaint([&] { (void)r->self_attn[1].matrix(0, 0); }) ==
          "vitrine: the maps of this layer were not chosen: see Selection::layers (got 1) [bad_shape]");
    CHECK(support::complaint([&] { (void)r->self_attn[2].matrix(2, 0); }) ==
          "vitrine: no such sequence in the batch (got 2, expected 0 to 1) [bad_shape]");
  }
}

TEST_CASE("bytes are known, and caller memory of exactly those is enough") {
  constexpr vt::Dims dims{
      .d_model = width, .nhead = 4, .dim_feedforward = 24, .num_layers = 3, .max_batch = 2, .max_length = length};
  const Called c;
  const auto keep = vt::keep::weights.as<MapStorage::u8>();
  constexpr std::size_t output_bytes = sizeof(float) * 2 * length * width, codes = 3 * 2 * 4 * length * length;
  static_assert(vt::Encoder<float, dims>::result_bytes<U8>() == output_bytes + codes);
  CHECK(c.encoder.result_bytes({2, length}, keep) == output_bytes + codes);
  CHECK(c.encoder.result_bytes({2, length}, vt::keep::weights.as<MapStorage::bf16>()) == output_bytes + 2 * codes);

  vt::Encoder<float, dims> fixed;
  c.encoder.parameters([&](const char* name, const vt::Parameter<float>& p) {
    CHECK(fixed.bind(name, p.values, p.panel) == vt::Status::ok);
  });
  std::vector<float> output(output_bytes / sizeof(float));
  std::vector<std::uint8_t> room(codes);
  std::vector<std::byte> scratch(vt::Encoder<float, dims>::workspace_bytes<U8>());
  vt::Workspace workspace{std::span<std::byte>(scratch)};
  vt::EncoderResult<U8, float> r{vt::Tensor<float>(output), vt::CompactMaps<float, MapStorage::u8>(room)};
  REQUIRE(fixed.forward_into(r, workspace, c.in, {}, keep) == vt::Status::ok);
  CHECK(support::same_maps(r.self_attn, c.encoder(c.in).self_attn));
  CHECK(r.self_attn.codes().data() == room.data());
  vt::EncoderResult<U8, float> small{vt::Tensor<float>(output),
                                     vt::CompactMaps<float, MapStorage::u8>(std::span(room).first(codes - 1))};
  CHECK(fixed.forward_into(small, workspace, c.in, {}, keep) == vt::Status::result_too_small);
  const auto moved = std::move(r);
  CHECK(moved.self_attn[2].matrix(1, 3).codes() == room.data() + codes - length * length);
}

}  // namespace compact_maps_test
