// keep::weights.as<...>() against keep::weights, converted by definition, under every way to call.
#include <vitrine/core/compact_maps.hpp>
#include <vitrine/kernels/map_codes.hpp>
#include <vitrine/run/figures_attention.hpp>

#include "../support/compact.hpp"
#include "../support/support.hpp"

namespace compact_run_test {

namespace vt = vitrine;
using support::each_storage;
using support::Index;
using support::Kind;
using support::MaskCase;

namespace {

constexpr Index width = 24, heads = 3;
const vt::LayerConfig layer_config{.d_model = width, .nhead = heads, .dim_feedforward = 16};

template <class S>
bool same_codes(std::span<const S> x, std::span<const S> y) {
  return std::equal(x.begin(), x.end(), y.begin(), y.end());
}

}  // namespace

TEST_CASE("under every combination of masks; a masked key is 0, and so is a row without keys") {
  constexpr Index sizes[] = {1, 3, 15, 16, 17, 33, 64, 65, 130, 193};
  for (int kinds = 0; kinds < Kind::combinations; ++kinds) {
    const Index length = sizes[kinds % 10], keys = sizes[(kinds * 7 + kinds / 10) % 10];
    CAPTURE(kinds);
    const MaskCase<float> mask(kinds, 2, 2, length, keys, std::uint64_t(kinds));
    const auto q = support::random_values<float>(2 * 2 * length * 5, 1, 3),
               k = support::random_values<float>(2 * 2 * keys * 5, 2, 3),
               v = support::random_values<float>(2 * 2 * keys * 5, 3);
    const auto attend = [&](const auto& keep) {
      return vt::scaled_dot_product_attention(vt::heads_bhtd(q.data(), 2, 2, length, 5),
                                              vt::heads_bhtd(k.data(), 2, 2, keys, 5),
                                              vt::heads_bhtd(v.data(), 2, 2, keys, 5), {.mask = mask.mask}, keep);
    };
    const auto maps = attend(vt::keep::weights);
    each_storage([&](const auto& keep) {
      const auto compact = attend(keep);
      CHECK(support::same(compact.output, maps.output));
      CHECK(support::same_maps(compact.weights, maps.weights));
      bool zero = true;
      for (std::size_t at = 0; at < mask.meaning.size(); ++at)
        zero = zero && (mask.meaning[at] > -support::infinity || compact.weights.codes()[at] == 0);
      CHECK(zero);
    });
  }
}

TEST_CASE("large maps, which go past the caches, whatever their rows' lengths") {
  for (const Index length : {1100, 1089})
    for (const bool causal : {false, true}) {
      vt::MultiheadAttention<float> mha({.embed_dim = 16, .num_heads = 4});
      support::randomise(mha, 3);
      const auto x = support::random_values<float>(length * 16, 4);
      const vt::Sequences<float> in(x.data(), 1, length, 16);
      vt::AttentionMasks<float> masks;
      if (causal) masks.mask = vt::causal();
      const auto maps = mha(in, masks);
      each_storage([&](const auto& keep) {
        const auto compact = mha(in, masks, keep);
        CHECK(compact.self_attn.bytes() > 4 << 20);
        CHECK(support::same(compact.output, maps.output));
        CHECK(support::same_maps(compact.self_attn, maps.self_attn));
      });
    }
}

TEST_CASE("one result: threads, batch, ragged or alone, reused, traced") {
  vt::Encoder<float> encoder({.layer = layer_config, .num_layers = 2});
  support::randomise(encoder, 3);
  const Index lengths[] = {65, 0, 130, 1};
  const auto x = support::random_values<float>(196 * width, 4);
  const vt::Ragged<float> in(x.data(), width, lengths);
  const vt::EncoderMasks<float> masks{.src_mask = vt::window(70, 3)};
  const auto maps = encoder(in, masks);
  each_storage([&](const auto& keep) {
    using K = std::remove_cvref_t<decltype(keep)>;
    const auto together = encoder(in, masks, keep);
    CHECK(support::same(together.output, maps.output));
    CHECK(support::same_maps(together.self_attn, maps.self_attn));
    Index start = 0;
    for (Index b = 0; b < 4; start += lengths[b++]) {
      const auto alone = encoder(vt::Sequences<float>(x.data() + start * width, 1, lengths[b], width), masks, keep);
      for (Index l = 0; l < 2; ++l)
        for (Index h = 0; h < heads; ++h) CHECK(alone.self_attn[l].matrix(0, h) == together.self_attn[l].matrix(b, h));
    }
    for (const int threads : {1, 2, 3, 7}) {
      vt::Workspace workspace(vt::heap(), threads);
      workspace.parallel_from(0);
      vt::EncoderResult<K, float> r;
      for (int call = 0; call < 2; ++call) {
        REQUIRE(encoder.forward_into(r, workspace, in, masks, keep) == vt::Status::ok);
        CHECK(same_codes(r.self_attn.codes(), together.self_attn.codes()));
      }
    }
    Index views = 0;
    const auto traced = encoder(in, masks, keep, [&](auto&&...) { ++views; });
    CHECK(views > 0);
    CHECK(same_codes(traced.self_attn.codes(), together.self_attn.codes()));
  });
}

TEST_CASE("extra keys; padded keys add nothing, whatever stands there") {
  vt::MultiheadAttention<float> mha(
      {.embed_dim = width, .num_heads = heads, .add_bias_kv = true, .add_zero_attn = true});
  support::randomise(mha, 5);
  auto x = support::random_values<float>(2 * 70 * width, 6);
  const Index lengths[] = {70, 33};
  std::fill(x.begin() + (70 + 33) * width, x.end(), std::numeric_limits<float>::quiet_NaN());
  const vt::Sequences<float> query(x.data(), 2, 33, width), in(x.data(), 2, 70, width);
  const vt::AttentionMasks<float> masks{.mask = vt::key_lengths(lengths)};
  const auto maps = mha(query, in, in, masks);
  const vt::Sequences<float> second(query.data + 33 * width, 1, 33, width), keys(x.data() + 70 * width, 1, 33, width);
  each_storage([&](const auto& keep) {
    const auto alone_compact = mha(second, keys, keys, {}, keep);
    const auto compact = mha(query, in, in, masks, keep);
    CHECK(support::same_maps(compact.cross_attn, maps.cross_attn));
    for (Index h = 0; h < heads; ++h) {
      const vt::RowMajor<float> one = compact.cross_attn.matrix(1, h), own = alone_compact.cross_attn.matrix(0, h);
      CHECK(one.leftCols(33) == own.leftCols(33));
      CHECK(one.middleCols(33, 70 - 33).isZero(0));
      CHECK(one.rightCols(2) == own.rightCols(2));
    }
  });
}

TEST_CASE("queries and keys that are NaN: their rows are, where the storage has it, and no others") {
  vt::MultiheadAttention<float> mha({.embed_dim = width, .num_heads = heads});
  support::randomise(mha, 5);
  auto x = support::random_values<float>(70 * width, 6), memory = support::random_values<float>(40 * width, 7);
  x[13 * width] = std::numeric_limits<float>::quiet_NaN();
  const vt::Sequences<float> query(x.data(), 1, 70, width), in(memory.data(), 1, 40, width);
  const auto maps = mha(query, in, in);
  each_storage(
      [&](const auto& keep) { CHECK(support::same_maps(mha(query, in, in, {}, keep).cross_attn, maps.cross_attn)); });
}

TEST_CASE("whole models keep both attentions in codes, and the encoder's") {
  vt::Transformer<float> model(
      {.d_model = width, .nhead = heads, .num_encoder_layers = 2, .num_decoder_layers = 3, .dim_feedforward = 16});
  support::randomise(model, 7);
  const auto src = support::random_values<float>(2 * 40 * width, 8),
             tgt = support::random_values<float>(2 * 35 * width, 9);
  const vt::Sequences<float> from(src.data(), 2, 40, width), to(tgt.data(), 2, 35, width);
  const vt::TransformerMasks<float> masks{.tgt_mask = vt::causal()};
  const auto maps = model(from, to, masks);
  each_storage([&](const auto& keep) {
    const auto r = model(from, to, masks, keep);
    CHECK(support::same(r.output, maps.output));
    CHECK(support::same_maps(r.self_attn, maps.self_attn));
    CHECK(support::same_maps(r.cross_attn, maps.cross_attn));
    CHECK(support::same_maps(r.encoder.self_attn, maps.encoder.self_attn));
    const auto some = model(from, to, masks, keep.only({.which = vt::Which::cross, .layers = {0, 2}, .heads = {1}}));
    CHECK(support::same(some.output, maps.output));
    CHECK(some.self_attn.bytes() + some.encoder.self_attn.bytes() == 0);
    CHECK(some.cross_attn[2].matrix(1, 1) == r.cross_attn[2].matrix(1, 1));
    CHECK(model.result_bytes({2, 35, 40}, keep) == r.output.span().size_bytes() + r.encoder.output.span().size_bytes() +
                                                       r.self_attn.bytes() + r.cross_attn.bytes() +
                                                       r.encoder.self_attn.bytes());
  });
}

}  // namespace compact_run_test
