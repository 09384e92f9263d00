// keep::statistics, keep::top and keep::rollout through whole models, and step by step.
#include <doctest/doctest.h>

#include <algorithm>
#include <vector>
#include <vitrine/generate/causal_steps.hpp>
#include <vitrine/generate/decoding.hpp>
#include <vitrine/models/bart.hpp>
#include <vitrine/models/bert.hpp>
#include <vitrine/models/gpt2.hpp>
#include <vitrine/models/marian.hpp>

namespace vt = vitrine;
using vt::Index;

namespace {

const std::vector<Index> ids = {1, 5, 9, 2, 7, 7, 22}, lengths = {4, 3}, target = {3, 8, 2, 20, 1, 6},
                         target_lengths = {3, 3};

// One layer's figures of one sequence and head against its map, and row `row` of them.
template <class Stats, class Top, class Map>
bool agree(const Stats& stats, const Top& top, const Map& map, Index b, Index h) {
  bool equal = Index(stats.entropy(b, h).size()) == map.rows() && Index(stats.received(b, h).size()) == map.cols();
  for (Index i = 0; i < map.rows() && equal; ++i) {
    Index at = -1;
    const float largest = map.row(i).maxCoeff(&at);
    equal = stats.largest(b, h)[std::size_t(i)] == largest && stats.largest_key(b, h, i) == at &&
            top.weights(b, h)(i, 0) == largest && top.key(b, h, i, 0) == at;
  }
  for (Index j = 0; j < map.cols() && equal; ++j) {
    float sum = 0;
    for (Index i = 0; i < map.rows(); ++i) sum += map(i, j);
    equal = stats.received(b, h)[std::size_t(j)] == sum;
  }
  return equal;
}
template <class Stats, class Top, class Maps>
void check_layers(const Stats& stats, const Top& top, const Maps& maps) {
  for (Index l = 0; l < maps.layers(); ++l)
    for (Index b = 0; b < maps.batch(); ++b)
      for (Index h = 0; h < maps.heads(); ++h) CHECK(agree(stats[l], top[l], maps[l].matrix(b, h), b, h));
}
// Row `row` of the whole target's figures is what its step had.
template <class Stats>
void check_step(const Stats& step, const Stats& whole, Index row) {
  for (Index l = 0; l < whole.layers(); ++l)
    for (Index b = 0; b < whole.batch(); ++b)
      for (Index h = 0; h < whole.heads(); ++h) {
        CHECK(step[l].entropy(b, h)[0] == whole[l].entropy(b, h)[std::size_t(row)]);
        CHECK(step[l].log_sum_exp(b, h)[0] == whole[l].log_sum_exp(b, h)[std::size_t(row)]);
        CHECK(step[l].largest_key(b, h, 0) == whole[l].largest_key(b, h, row));
      }
}

}  // namespace

TEST_CASE("Bert keeps figures, ragged or padded") {
  vt::TextEncoderConfig c;
  c.vocab_size = 23, c.hidden_size = 12, c.num_hidden_layers = 2, c.num_attention_heads = 3, c.intermediate_size = 20;
  vt::Bert<float> model(c);
  REQUIRE(model.init(3) == vt::Status::ok);
  const vt::Tokens tokens(ids, lengths);
  check_layers(model(tokens, {}, vt::keep::statistics).self_attn, model(tokens, {}, vt::keep::top<2>).self_attn,
               model(tokens).self_attn);
  const std::vector<Index> padded = {1, 5, 9, 2, 0, 7, 7, 22, 0, 0};
  const vt::Tokens wide(padded.data(), 2, 5);
  const vt::TextEncoderMasks<float> masks{.src_mask = vt::key_lengths(lengths)};
  const auto stats = model(wide, masks, vt::keep::statistics), packed = model(tokens, {}, vt::keep::statistics);
  check_layers(stats.self_attn, model(wide, masks, vt::keep::top<2>).self_attn, model(wide, masks).self_attn);
  for (Index b = 0; b < 2; ++b)
    for (std::size_t i = 0; i < std::size_t(lengths[std::size_t(b)]); ++i)
      CHECK(stats.self_attn[1].entropy(b, 1)[i] == packed.self_attn[1].entropy(b, 1)[i]);
  const auto rolled = model(wide, masks, vt::keep::rollout), rolled_packed = model(tokens, {}, vt::keep::rollout);
  for (Index b = 0; b < 2; ++b) {
    const Index n = lengths[std::size_t(b)];
    CHECK(rolled.self_attn.matrix(b).topLeftCorner(n, n) == rolled_packed.self_attn.matrix(b));
  }
}

TEST_CASE("Gpt2 keeps figures, whole and step by step") {
  vt::Gpt2Config c;
  c.vocab_size = 23, c.n_positions = 11, c.n_embd = 12, c.n_layer = 2, c.n_head = 3;
  vt::Gpt2<float> model(c);
  REQUIRE(model.init(3) == vt::Status::ok);
  const std::vector<Index> one(ids.begin(), ids.begin() + 5), past(ids.begin(), ids.begin() + 2);
  const vt::Tokens all{std::span<const Index>(one)};
  const auto maps = model(all);
  const auto stats = model(all, {}, vt::keep::statistics);
  check_layers(stats.self_attn, model(all, {}, vt::keep::top<2>).self_attn, maps.self_attn);
  for (const int threads : {1, 3}) {
    vt::Workspace workspace(vt::heap(), threads);
    workspace.parallel_from(0);
    vt::CausalSteps<float> steps(model, workspace, {.max_length = 8});
    vt::EncoderResult<std::remove_cvref_t<decltype(vt::keep::rollout)>, float> read;
    REQUIRE(steps.begin_into(read, past, vt::keep::rollout) == vt::Status::ok);
    CHECK(read.self_attn.matrix(0).rows() == 2);
    steps.begin(past);
    for (Index t = 2; t < 5; ++t) {
      const Index id[] = {one[std::size_t(t)]};
      check_step(steps.next(id, vt::keep::statistics).self_attn, stats.self_attn, t);
    }
  }
}

TEST_CASE("Marian and Bart keep figures, whole and step by step") {
  vt::Seq2SeqConfig c;
  c.vocab_size = 37, c.d_model = 24, c.encoder_layers = 2, c.decoder_layers = 3;
  c.encoder_attention_heads = 3, c.decoder_attention_heads = 4;
  c.encoder_ffn_dim = 40, c.decoder_ffn_dim = 24, c.max_position_embeddings = 40;
  const auto check = [&](auto model) {
    REQUIRE(model.init(3) == vt::Status::ok);
    const vt::Tokens source(ids, lengths), to(target, target_lengths);
    const auto maps = model(source, to);
    const auto stats = model(source, to, {}, vt::keep::statistics);
    const auto top = model(source, to, {}, vt::keep::top<2>);
    check_layers(stats.self_attn, top.self_attn, maps.self_attn);
    check_layers(stats.cross_attn, top.cross_attn, maps.cross_attn);
    check_layers(stats.encoder.self_attn, top.encoder.self_attn, maps.encoder.self_attn);
    CHECK(std::ranges::equal(stats.output.span(), maps.output.span()));
    vt::Workspace workspace(vt::heap(), 2);
    workspace.parallel_from(0);
    vt::DecodingSteps<float> steps(model, workspace, {.max_length = 3});
    steps.begin(source);
    for (Index t = 0; t < 3; ++t) {
      const Index id[] = {target[std::size_t(t)], target[std::size_t(3 + t)]};
      const auto step = steps.next(id, vt::keep::statistics);
      check_step(step.self_attn, stats.self_attn, t);
      check_step(step.cross_attn, stats.cross_attn, t);
    }
    const auto rolled = model(source, to, {}, vt::keep::rollout);
    CHECK(rolled.self_attn.matrix(1).rows() == 3);
    CHECK(rolled.encoder.self_attn.matrix(0).rows() == 4);
  };
  check(vt::Marian<float>(c));
  check(vt::Bart<float>(c));
}
