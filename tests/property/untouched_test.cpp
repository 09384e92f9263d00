// A call that fails leaves the results of the one before as they were, bit for bit, and the layer and workspace usable.
#include "../support/support.hpp"

namespace vt = vitrine;
using support::Index;
using vt::Status;

namespace {

constexpr vt::LayerConfig layer_config{.d_model = 16, .nhead = 4, .dim_feedforward = 32};

const vt::Memory no_memory{[](std::size_t) noexcept -> void* { return nullptr; }, [](void*, std::size_t) noexcept {}};

template <class R>
std::vector<float> all_of(const R& r) {
  std::vector<float> all(r.output.span().begin(), r.output.span().end());
  const auto add = [&](const auto& maps) {
    for (const float value : maps.values()) all.push_back(value);
  };
  add(r.self_attn);
  if constexpr (requires { r.cross_attn.values(); }) add(r.cross_attn);
  return all;
}

}  // namespace

TEST_CASE("forward_into: wrong shapes, masks, overlaps, a layer without values, no memory for the workspace") {
  vt::Decoder<float> decoder({.layer = layer_config, .num_layers = 2});
  REQUIRE(decoder.init(1) == Status::ok);
  const auto x = support::random_values<float>(2 * 9 * 16, 1), m = support::random_values<float>(2 * 7 * 16, 2);
  const vt::Sequences<float> tgt(x.data(), 2, 9, 16), memory(m.data(), 2, 7, 16);
  vt::DecoderResult<vt::DefaultKeep, float> r;
  vt::Workspace workspace(vt::heap(), 2);
  REQUIRE(decoder.forward_into(r, workspace, tgt, memory, {.tgt_mask = vt::causal()}) == Status::ok);
  const auto before = all_of(r);
  REQUIRE(before.size() > 2 * 9 * 16);

  const auto fails = [&](Status::Code wanted, const Status& status) {
    CHECK(status == wanted);
    CHECK(all_of(r) == before);
  };
  fails(Status::bad_shape, decoder.forward_into(r, workspace, {x.data(), 2, 9, 8}, memory));
  fails(Status::bad_shape, decoder.forward_into(r, workspace, tgt, {m.data(), 1, 7, 16}));
  const Index lengths[] = {3, 8};  // longer than the memory
  fails(Status::bad_mask, decoder.forward_into(r, workspace, tgt, memory, {.memory_mask = vt::key_lengths(lengths)}));
  const float scale[] = {1, 0, 1};
  fails(Status::bad_mask, decoder.forward_into(r, workspace, tgt, memory, {.head_scale = scale}));
  fails(Status::overlap, decoder.forward_into(r, workspace, {r.output.data(), 2, 9, 16}, memory));
  const vt::Decoder<float> empty({.layer = layer_config, .num_layers = 2});
  fails(Status::not_loaded, empty.forward_into(r, workspace, tgt, memory));
  vt::Workspace none(&no_memory, 2);
  fails(Status::out_of_memory, decoder.forward_into(r, none, tgt, memory));

  REQUIRE(decoder.forward_into(r, workspace, tgt, memory, {.tgt_mask = vt::causal()}) == Status::ok);
  CHECK(all_of(r) == before);
}

TEST_CASE("a call that throws: what it would have been assigned to is as it was") {
  vt::EncoderLayer<float> layer(layer_config);
  REQUIRE(layer.init(1) == Status::ok);
  const auto x = support::random_values<float>(2 * 9 * 16, 1);
  auto r = layer({x.data(), 2, 9, 16});
  const auto before = all_of(r);
  CHECK_THROWS(r = layer({x.data(), 2, 9, 8}));
  const Index lengths[] = {3, 10};
  CHECK_THROWS(r = layer({x.data(), 2, 9, 16}, {.src_mask = vt::key_lengths(lengths)}));
  CHECK_THROWS(r = vt::EncoderLayer<float>(layer_config)({x.data(), 2, 9, 16}));
  CHECK(all_of(r) == before);
  CHECK(all_of(layer({x.data(), 2, 9, 16})) == before);
}
