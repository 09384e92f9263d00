#include <vitrine/layers/decoder_layer.hpp>
#include <vitrine/layers/encoder_layer.hpp>
#include <vitrine/run/stack_forward.hpp>

#include "../support/support.hpp"

namespace detail = vitrine::detail;
using support::Index;

namespace {

constexpr vitrine::LayerConfig config{.d_model = 8, .nhead = 2, .dim_feedforward = 24};

template <class Core>
std::vector<Core> loaded_cores(Index count, Index panel) {
  std::vector<Core> cores(static_cast<std::size_t>(count), Core(config));
  const auto load = [&](const char*, vitrine::Parameter<float>& p) {
    float* values = nullptr;
    const Index stored = p.packable ? panel : 0;
    const auto shared = vitrine::SharedValues<float>::make(vitrine::heap(), p.stored(stored), values);
    std::fill(values, values + p.stored(stored), 0.0f);
    p.hold(shared, stored);
  };
  for (Core& core : cores) {
    detail::NamePath path;
    Core::parameters(core, path, load);
  }
  return cores;
}

template <class Core>
detail::StackView<float, Core> view(const std::vector<Core>& cores) {
  return {cores.data(), Index(cores.size()), Index(cores.size()), &config, nullptr, true};
}

}  // namespace

TEST_CASE("what a call takes is counted over the parts of every layer") {
  const auto encoder = loaded_cores<detail::EncoderLayerCore<float>>(3, vitrine::kernels::panel_width<float>);
  const auto decoder = loaded_cores<detail::DecoderLayerCore<float>>(2, vitrine::kernels::panel_width<float>);
  // 4 E E of the projections, 2 E of each pair, 2 E F of the feed-forward.
  CHECK(view(encoder).work(5, 25) == 3 * (5 * 4 * 64 + 25 * 2 * 8 + 5 * 2 * 8 * 24));
  // And 2 E E of the queries' side, 2 E E of the encoder's rows, 2 E of each pair with them.
  CHECK(view(decoder).work(5, 25, 7, 35) == 2 * (5 * 4 * 64 + 25 * 16 + 5 * 2 * 64 + 7 * 2 * 64 + 35 * 16 + 5 * 384));
  CHECK(detail::StackView<float, detail::EncoderLayerCore<float>>{}.work(5, 25) == 0);

  CHECK(view(encoder).sizes(9).keys == 9);
  CHECK(view(encoder).sizes(9).inner == 24);
  CHECK(view(encoder).sizes(9).depth == 24);
}

TEST_CASE("weights in panels need no room, one plain weight of one layer does") {
  constexpr Index panel = vitrine::kernels::panel_width<float>;
  auto decoder = loaded_cores<detail::DecoderLayerCore<float>>(2, panel);
  CHECK(view(decoder).in_place());
  CHECK(view(decoder).own_sizes(9).depth == 0);
  const auto plain = loaded_cores<detail::DecoderLayerCore<float>>(1, 0);
  for (const int part : {0, 1, 2}) {
    auto some = decoder;
    if (part == 0) some[1].self_attn = plain[0].self_attn;
    if (part == 1) some[1].cross_attn = plain[0].cross_attn;
    if (part == 2) some[1].feed_forward = plain[0].feed_forward;
    CHECK_FALSE(view(some).in_place());
    CHECK(view(some).own_sizes(9).depth == 24);
  }
}

TEST_CASE("each product asks for the weight that is multiplied next") {
  if (VITRINE_VECTOR_BYTES == 0) return;  // nothing asks
  const auto cores = loaded_cores<detail::DecoderLayerCore<float>>(1, vitrine::kernels::panel_width<float>);
  const detail::DecoderLayerCore<float>& layer = cores[0];
  const auto order = view(cores).prefetch_order(0);
  CHECK(order.after(layer.self_attn.in_proj.panels(0)) == layer.self_attn.in_proj.panels(1));
  CHECK(order.after(layer.self_attn.in_proj.panels(2)) == layer.self_attn.in_proj.panels(0));
  CHECK(order.after(layer.cross_attn.in_proj.panels(1)) == layer.cross_attn.in_proj.panels(2));
  CHECK(order.after(layer.cross_attn.out_proj.panels()) == layer.feed_forward.weight1.panels());
  CHECK(order.after(layer.feed_forward.weight2.panels()) == layer.cross_attn.out_proj.panels());
  CHECK(order.after(layer.self_attn.out_proj.panels()) == nullptr);
}
