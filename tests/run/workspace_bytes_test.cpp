// What a layer says that a call will take is what the call takes.
#include <vitrine/run/workspace_bytes.hpp>

#include "../support/support.hpp"

namespace workspace_bytes_test {

using support::Index;

namespace {

template <class M>
std::size_t bytes_of(const M& maps) {
  if constexpr (requires { maps.bytes(); })
    return maps.bytes();
  else
    return 0;
}
template <class R>
std::size_t bytes_of_result(const R& result) {
  return result.output.span().size_bytes() + bytes_of(result.self_attn) + bytes_of(result.cross_attn);
}

// One call in a workspace of its own: `call(workspace, result)` answers its status.
template <class R, class L, class K, class F>
void check_sizes(const L& layer, const vt::Shape& shape, const K& keep, F&& call) {
  for (const int threads : {1, 3}) {
    R result;
    vt::Workspace workspace(vt::heap(), threads);
    workspace.parallel_from(0);
    REQUIRE(call(workspace, result) == vt::Status::ok);
    // The caller's bytes may begin anywhere: that costs at most one alignment.
    CHECK(layer.workspace_bytes(shape, workspace.threads_for(0), keep) == workspace.peak_bytes() + vt::alignment);
    CHECK(layer.result_bytes(shape, keep) == bytes_of_result(result));
  }
}

constexpr Index batch = 2, length = 5, memory_length = 7, width = 24;

template <class L, class K>
void check_encoder(const L& layer, const K& keep) {
  const auto x = support::random_values<float>(batch * length * width, 1);
  check_sizes<vt::EncoderResult<K, float>>(layer, {batch, length}, keep, [&](vt::Workspace& workspace, auto& result) {
    return layer.forward_into(result, workspace, {x.data(), batch, length, width}, {}, keep);
  });
}
template <class L, class K>
void check_decoder(const L& layer, const K& keep) {
  const auto x = support::random_values<float>(batch * length * width, 1);
  const auto memory = support::random_values<float>(batch * memory_length * width, 2);
  check_sizes<vt::DecoderResult<K, float>>(
      layer, {batch, length, memory_length}, keep, [&](vt::Workspace& workspace, auto& result) {
        return layer.forward_into(result, workspace, {x.data(), batch, length, width},
                                  {memory.data(), batch, memory_length, width}, {}, keep);
      });
}

// Every policy, whole and narrowed. `layers`: some that the stack has.
template <class F>
void for_policies(const vt::IndexSet& layers, F&& f) {
  const vt::Selection narrow[] = {
      {}, {.which = vt::Which::none}, {.which = vt::Which::self}, {.which = vt::Which::cross}, {.layers = layers}};
  for (const vt::Selection& chosen : narrow) {
    f(vt::keep::weights.only(chosen));
    f(vt::keep::scores.only(chosen));
    f(vt::keep::statistics.only(chosen));
    f(vt::keep::top<2>.only(chosen));
    f(vt::keep::head_mean.only(chosen));
  }
  f(vt::keep::weights.only({.which = vt::Which::self, .layers = layers, .heads = {1, 3}}));
  f(vt::keep::scores.only({.heads = {2}}));
  f(vt::keep::nothing);
}

constexpr vt::LayerConfig layer_config{.d_model = width, .nhead = 4, .dim_feedforward = 40};

template <class L>
L made(const L& layer) {
  L own = layer;
  REQUIRE(own.init(1) == vt::Status::ok);
  return own;
}

}  // namespace

TEST_CASE("a layer's sizes are those of its calls, under every policy and selection") {
  const auto encoder = made(vt::EncoderLayer<float>(layer_config));
  const auto decoder = made(vt::DecoderLayer<float>(layer_config));
  for_policies({0}, [&](const auto& keep) { check_encoder(encoder, keep), check_decoder(decoder, keep); });
  check_encoder(encoder, vt::keep::rollout);
  check_encoder(encoder, vt::keep::rollout.only({.which = vt::Which::cross}));
}

TEST_CASE("a stack's sizes are those of its calls, under every policy and selection") {
  const auto encoder = made(vt::Encoder<float>({.layer = layer_config, .num_layers = 3}));
  const auto decoder = made(vt::Decoder<float>({.layer = layer_config, .num_layers = 3}));
  for_policies({0, 2}, [&](const auto& keep) { check_encoder(encoder, keep), check_decoder(decoder, keep); });
  check_encoder(encoder, vt::keep::rollout);
}

TEST_CASE("an attention's sizes hold for both call forms, extra keys included") {
  for (const bool extra : {false, true}) {
    const auto mha = made(vt::MultiheadAttention<float>(
        {.embed_dim = width, .num_heads = 4, .add_bias_kv = extra, .add_zero_attn = extra}));
    const auto x = support::random_values<float>(batch * length * width, 1);
    const auto memory = support::random_values<float>(batch * memory_length * width, 2);
    const vt::Sequences<float> query(x.data(), batch, length, width), key(memory.data(), batch, memory_length, width);
    const auto both = [&](const auto& keep) {
      using K = std::remove_cvref_t<decltype(keep)>;
      if (keep.selection.which != vt::Which::cross)
        check_sizes<vt::SelfResult<K, float>>(mha, {batch, length}, keep, [&](auto& workspace, auto& result) {
          return mha.forward_into(result, workspace, query, {}, keep);
        });
      if (keep.selection.which != vt::Which::self)
        check_sizes<vt::CrossResult<K, float>>(mha, {batch, length, memory_length}, keep,
                                               [&](auto& workspace, auto& result) {
                                                 return mha.forward_into(result, workspace, query, key, key, {}, keep);
                                               });
    };
    for_policies({0}, both);
  }
}

TEST_CASE("a transformer's result has the maps of the chosen side alone") {
  vt::Transformer<float> model(
      {.d_model = width, .nhead = 4, .num_encoder_layers = 2, .num_decoder_layers = 2, .dim_feedforward = 40});
  REQUIRE(model.init(1) == vt::Status::ok);
  const auto x = support::random_values<float>(batch * memory_length * width, 1);
  using vt::Which;
  for (const Which which :
       {Which::all, Which::encoder, Which::self, Which::cross, Which::none, Which::encoder | Which::cross}) {
    const auto keep = vt::keep::weights.only({.which = which, .heads = {0, 2}});
    const auto result = model({x.data(), batch, memory_length, width}, {x.data(), batch, length, width}, {}, keep);
    CHECK(model.result_bytes({batch, length, memory_length}, keep) ==
          bytes_of_result(result) + bytes_of_result(result.encoder));
  }
}

TEST_CASE("fixed dimensions say the same, and their constants are enough for every call") {
  constexpr vt::Dims dims{
      .d_model = width, .nhead = 4, .dim_feedforward = 40, .max_batch = batch, .max_length = length};
  using Layer = vt::EncoderLayer<float, dims>;
  Layer layer(vt::LayerConfig{}, vt::heap());
  REQUIRE(layer.init(1) == vt::Status::ok);
  for_policies({0}, [&](const auto& keep) { check_encoder(layer, keep); });
  constexpr vt::Shape shape{batch, length};
  CHECK(Layer::workspace_bytes() >= layer.workspace_bytes(shape, 1, vt::keep::weights));
  static_assert(Layer::result_bytes() == sizeof(float) * std::size_t(batch * length * (width + 4 * length)));
  static_assert(Layer::result_bytes<vt::keep::Nothing>() == sizeof(float) * std::size_t(batch * length * width));
}

}  // namespace workspace_bytes_test
