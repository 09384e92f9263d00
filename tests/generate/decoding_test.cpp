#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <vector>
#include <vitrine/generate/decoding.hpp>
#include <vitrine/generate/key_value_cache.hpp>
#include <vitrine/models/bart.hpp>
#include <vitrine/models/m2m100.hpp>
#include <vitrine/models/marian.hpp>
#include <vitrine/models/mbart.hpp>

namespace vt = vitrine;
using vt::Index;

namespace {

vt::Seq2SeqConfig small() {
  vt::Seq2SeqConfig c;
  c.vocab_size = 37, c.d_model = 24, c.encoder_layers = 2, c.decoder_layers = 3;
  c.encoder_attention_heads = 3, c.decoder_attention_heads = 4;
  c.encoder_ffn_dim = 40, c.decoder_ffn_dim = 24, c.max_position_embeddings = 40;
  c.scale_embedding = true;
  return c;
}

// Ids that look at random.
std::vector<Index> some_ids(Index count, Index vocab, unsigned seed) {
  std::vector<Index> ids(static_cast<std::size_t>(count), 0);
  for (Index& id : ids) seed = seed * 1664525u + 1013904223u, id = Index(seed >> 8) % vocab;
  return ids;
}

bool same(vt::MatrixView<float> a, Index row, vt::MatrixView<float> b, Index b_row, Index columns) {
  for (Index j = 0; j < columns; ++j)
    if (a(row, j) != b(b_row, j)) return false;
  return true;
}

// Every step of every sequence against one pass over the whole targets: the same bits.
template <class Model>
void check_steps(const Model& model, int threads, Index steps_count) {
  const Index vocab = model.vocab_size();
  const std::vector<Index> source_lengths = {5, 1, 9, 3}, target_lengths(4, steps_count);
  const auto source = some_ids(18, vocab, 1), target = some_ids(4 * steps_count, vocab, 2);
  const vt::Tokens sources(source, source_lengths);
  const auto whole = model(sources, vt::Tokens(target, target_lengths));

  vt::Workspace workspace(vt::heap(), threads);
  vt::DecodingSteps<float> steps(model, workspace, {.max_length = steps_count});
  vt::EncoderResult<vt::DefaultKeep, float> encoded;
  REQUIRE(steps.begin_into(encoded, sources, vt::keep::weights) == vt::Status::ok);
  for (Index b = 0; b < 4; ++b)
    for (Index h = 0; h < encoded.self_attn.heads(); ++h)
      CHECK(encoded.self_attn[1].matrix(b, h) == whole.encoder.self_attn[1].matrix(b, h));
  for (Index t = 0; t < steps_count; ++t) {
    std::vector<Index> ids;
    for (Index b = 0; b < 4; ++b) ids.push_back(target[std::size_t(b * steps_count + t)]);
    const auto step = steps.next(ids);
    for (Index b = 0; b < 4; ++b) {
      CHECK(same(step.output.matrix(b), 0, whole.output.matrix(b), t, vocab));
      for (Index l = 0; l < whole.self_attn.layers(); ++l)
        for (Index h = 0; h < whole.self_attn.heads(); ++h) {
          CHECK(step.self_attn[l].matrix(b, h).cols() == t + 1);
          CHECK(same(step.self_attn[l].matrix(b, h), 0, whole.self_attn[l].matrix(b, h), t, t + 1));
          CHECK(step.cross_attn[l].matrix(b, h).cols() == source_lengths[std::size_t(b)]);
          CHECK(same(step.cross_attn[l].matrix(b, h), 0, whole.cross_attn[l].matrix(b, h), t,
                     source_lengths[std::size_t(b)]));
        }
    }
  }
  CHECK(steps.length() == steps_count);
  vt::DecoderResult<vt::keep::Nothing, float> more;
  CHECK(steps.next_into(more, std::vector<Index>(4, 0), vt::keep::nothing) == vt::Status::bad_shape);
}

std::atomic<int> allocations{0};
constexpr vt::Memory counting{[](std::size_t bytes) noexcept -> void* {
                                ++allocations;
                                return std::aligned_alloc(vt::alignment, vt::round_up(bytes, vt::alignment));
                              },
                              [](void* pointer, std::size_t) noexcept { std::free(pointer); }};

}  // namespace

TEST_CASE("steps with the cache give the bits of one pass over the whole target") {
  vt::Marian<float> marian(small());
  REQUIRE(marian.init(3) == vt::Status::ok);
  check_steps(marian, 1, 12);
  vt::Bart<float> bart(small());
  REQUIRE(bart.init(4) == vt::Status::ok);
  check_steps(bart, 1, 7);
  vt::MBart<float> mbart(small());
  REQUIRE(mbart.init(5) == vt::Status::ok);
  check_steps(mbart, 1, 7);
  vt::Seq2SeqConfig c = small();  // a padding id that no target has: a step counts it, as in Transformers, a whole not
  const auto targets = some_ids(4 * 7, c.vocab_size, 2);
  for (c.pad_token_id = 0; std::count(targets.begin(), targets.end(), c.pad_token_id) > 0;) ++c.pad_token_id;
  REQUIRE(c.pad_token_id < c.max_position_embeddings);
  vt::M2M100<float> m2m100(c);
  REQUIRE(m2m100.init(6) == vt::Status::ok);
  check_steps(m2m100, 1, 7);
}

TEST_CASE("steps on several threads, with products large enough for a team") {
  vt::Seq2SeqConfig c = small();
  c.vocab_size = 3001, c.d_model = 256, c.decoder_layers = 2, c.decoder_ffn_dim = 1024, c.encoder_attention_heads = 4;
  vt::Marian<float> model(c);
  REQUIRE(model.init(5) == vt::Status::ok);
  check_steps(model, 3, 3);
  check_steps(model, 2, 3);  // threads that divide the heads
}

TEST_CASE("hypotheses leave the batch, and the others do not notice") {
  vt::Marian<float> model(small());
  REQUIRE(model.init(6) == vt::Status::ok);
  const std::vector<Index> lengths = {4, 6, 2, 7, 3};
  const auto source = some_ids(22, 37, 8);
  const Index steps_count = 9;
  const auto target = some_ids(5 * steps_count, 37, 9);
  const auto whole = model(vt::Tokens(source, lengths), vt::Tokens(target, std::vector<Index>(5, steps_count)));
  vt::Workspace workspace(vt::heap(), 2);
  vt::DecodingSteps<float> steps(model, workspace);
  CHECK(steps.reorder(std::vector<Index>{0}) == vt::Status::bad_shape);
  steps.begin(vt::Tokens(source, lengths));
  std::vector<Index> who = {0, 1, 2, 3, 4};
  for (Index t = 0; t < steps_count; ++t) {
    std::vector<Index> ids;
    for (Index b : who) ids.push_back(target[std::size_t(b * steps_count + t)]);
    const auto step = steps.next(ids);
    for (std::size_t i = 0; i < who.size(); ++i) {
      CHECK(same(step.output.matrix(Index(i)), 0, whole.output.matrix(who[i]), t, 37));
      CHECK(same(step.cross_attn[2].matrix(Index(i), 1), 0, whole.cross_attn[2].matrix(who[i], 1), t,
                 lengths[std::size_t(who[i])]));
    }
    std::vector<Index> stay;
    if (t == 1) stay = {1, 2, 3, 4};
    if (t == 4) stay = {0, 3};
    if (stay.empty()) continue;
    REQUIRE(steps.reorder(stay) == vt::Status::ok);
    for (std::size_t i = 0; i < stay.size(); ++i) who[i] = who[std::size_t(stay[i])];
    who.resize(stay.size());
    CHECK(steps.hypotheses() == Index(stay.size()));
  }
}

TEST_CASE("beams share their source and take over each other's past") {
  vt::Bart<float> model(small());
  REQUIRE(model.init(7) == vt::Status::ok);
  const std::vector<Index> lengths = {4, 8, 3};
  const auto source = some_ids(15, 37, 11);
  vt::Workspace workspace(vt::heap(), 1);
  vt::DecodingSteps<float> steps(model, workspace, {.max_length = 8, .beams = 3});
  steps.begin(vt::Tokens(source, lengths));
  const std::vector<std::vector<Index>> moves = {{0, 0, 0, 5, 4, 3, 8, 6, 6},
                                                 {2, 1, 0, 4, 4, 5, 6, 7, 8},
                                                 {3, 5, 4, 7, 7, 8},
                                                 {1, 2, 2, 5, 3, 4},
                                                 {4, 4, 3},
                                                 {0, 2, 1}};
  std::vector<std::vector<Index>> sequences(9);
  std::vector<Index> groups = {0, 1, 2};
  unsigned seed = 20;
  for (const auto& parents : moves) {
    const auto ids = some_ids(Index(sequences.size()), 37, ++seed);
    for (std::size_t i = 0; i < ids.size(); ++i) sequences[i].push_back(ids[i]);
    const auto step = steps.next(ids);
    for (std::size_t i = 0; i < sequences.size(); ++i) {
      const Index group = groups[i / 3];
      Index at = 0;
      for (Index g = 0; g < group; ++g) at += lengths[std::size_t(g)];
      const std::span<const Index> own(source.data() + at, std::size_t(lengths[std::size_t(group)]));
      const auto whole = model(vt::Tokens(own), vt::Tokens(std::span<const Index>(sequences[i])));
      const Index t = Index(sequences[i].size()) - 1;
      CHECK(same(step.output.matrix(Index(i)), 0, whole.output.matrix(0), t, 37));
      for (Index h = 0; h < 4; ++h) {
        CHECK(same(step.self_attn[2].matrix(Index(i), h), 0, whole.self_attn[2].matrix(0, h), t, t + 1));
        CHECK(same(step.cross_attn[2].matrix(Index(i), h), 0, whole.cross_attn[2].matrix(0, h), t, Index(own.size())));
      }
    }
    REQUIRE(steps.reorder(parents) == vt::Status::ok);
    std::vector<std::vector<Index>> moved;
    for (Index parent : parents) moved.push_back(sequences[std::size_t(parent)]);
    std::vector<Index> kept;
    for (std::size_t i = 0; i < parents.size(); i += 3) kept.push_back(groups[std::size_t(parents[i] / 3)]);
    sequences = moved, groups = kept;
  }
  CHECK(steps.reorder(std::vector<Index>{0, 1}) == vt::Status::bad_shape);     // not a multiple of the beams
  CHECK(steps.reorder(std::vector<Index>{0, 1, 3}) == vt::Status::bad_shape);  // no such hypothesis
}

TEST_CASE("after the first step nothing is allocated") {
  vt::Marian<float> model(small(), &counting);
  REQUIRE(model.init(8) == vt::Status::ok);
  vt::Workspace workspace(&counting, 1);
  vt::DecodingSteps<float> steps(model, workspace, {.max_length = 30});
  const std::vector<Index> lengths = {3, 4};
  const auto source = some_ids(7, 37, 1);
  steps.begin(vt::Tokens(source, lengths));
  vt::DecoderResult<vt::DefaultKeep, float> step;
  REQUIRE(steps.next_into(step, std::vector<Index>{1, 2}, vt::keep::weights) == vt::Status::ok);
  const int before = allocations;
  for (int t = 1; t < 30; ++t)
    REQUIRE(steps.next_into(step, std::vector<Index>{t % 7, t % 5}, vt::keep::weights) == vt::Status::ok);
  CHECK(allocations == before);
}

TEST_CASE("what steps refuse") {
  vt::Marian<float> model(small());
  REQUIRE(model.init(9) == vt::Status::ok);
  vt::Workspace workspace(vt::heap(), 1);
  vt::DecodingSteps<float> steps(model, workspace);
  vt::DecoderResult<vt::keep::Nothing, float> step;
  const std::vector<Index> one = {1}, two = {1, 2}, unknown = {37}, negative = {-1};
  CHECK(steps.next_into(step, one, vt::keep::nothing) == vt::Status::not_supported);
  CHECK(steps.begin_into(vt::Tokens(std::span<const Index>(unknown))) == vt::Status::bad_shape);
  CHECK(steps.begin_into(vt::Tokens(std::span<const Index>(negative))) == vt::Status::bad_shape);
  const std::vector<Index> empty = {1, 0};
  CHECK(steps.begin_into(vt::Tokens(one, empty)) == vt::Status::bad_shape);
  const std::vector<Index> long_source(41, 1);
  CHECK(steps.begin_into(vt::Tokens(std::span<const Index>(long_source))) == vt::Status::bad_shape);
  REQUIRE(steps.begin_into(vt::Tokens(std::span<const Index>(two))) == vt::Status::ok);
  CHECK(steps.next_into(step, two, vt::keep::nothing) == vt::Status::bad_shape);
  CHECK(steps.next_into(step, unknown, vt::keep::nothing) == vt::Status::bad_shape);
  vt::DecodingSteps<float> longer(model, workspace, {.max_length = 41});
  CHECK(longer.begin_into(vt::Tokens(std::span<const Index>(two))) == vt::Status::bad_config);
  CHECK(steps.next_into(step, negative, vt::keep::nothing) == vt::Status::bad_shape);
  CHECK(steps.reorder(negative) == vt::Status::bad_shape);
  for (const vt::DecodingOptions options : {vt::DecodingOptions{.beams = 0}, vt::DecodingOptions{.max_length = -1}})
    CHECK(vt::DecodingSteps<float>(model, workspace, options).begin_into(vt::Tokens(std::span<const Index>(two))) ==
          vt::Status::bad_config);

  const std::vector<Index> both = {1, 1}, four(4, 1);  // two sources, of two beams each
  vt::DecodingSteps<float> beams(model, workspace, {.beams = 2});
  REQUIRE(beams.begin_into(vt::Tokens(two, both)) == vt::Status::ok);
  REQUIRE(beams.next_into(step, four, vt::keep::nothing) == vt::Status::ok);
  for (const std::vector<Index>& parents :
       {std::vector<Index>{0, 1, 2}, {0, 1, 2, 4}, {0, 2, 2, 3}, {2, 3, 0, 1}, {0, 1, 1, 0}})
    CHECK(beams.reorder(parents) == vt::Status::bad_shape);
  CHECK(beams.reorder(std::vector<Index>{1, 0, 3, 3}) == vt::Status::ok);
  vt::Marian<float> empty_model(small());
  vt::DecodingSteps<float> unloaded(empty_model, workspace);
  CHECK(unloaded.begin_into(vt::Tokens(std::span<const Index>(two))) == vt::Status::not_loaded);
}
