#include <doctest/doctest.h>

#include <cmath>
#include <vector>
#include <vitrine/models/bert.hpp>
#include <vitrine/models/text_encoder.hpp>
#include <vitrine/vitrine.hpp>

namespace vt = vitrine;
using vt::Index;

namespace {

vt::TextEncoderConfig small_bert() {
  vt::TextEncoderConfig c;
  c.vocab_size = 23, c.hidden_size = 12, c.num_hidden_layers = 2, c.num_attention_heads = 3, c.intermediate_size = 20;
  c.max_position_embeddings = 11;
  return c;
}
template <class S = float>
vt::Bert<S> initialised(const vt::TextEncoderConfig& config = small_bert()) {
  vt::Bert<S> model(config);
  REQUIRE(model.init(3) == vt::Status::ok);
  return model;
}
const std::vector<Index> ids = {1, 5, 9, 2, 7, 7, 22}, types = {0, 0, 1, 1, 0, 1, 0}, lengths = {4, 3};
// The same with padding, id 0.
const std::vector<Index> padded = {1, 5, 9, 2, 0, 7, 7, 22, 0, 0}, padded_types = {0, 0, 1, 1, 0, 0, 1, 0, 0, 0};
const std::vector<std::uint8_t> keep = {1, 1, 1, 1, 0, 1, 1, 1, 0, 0};

}  // namespace

TEST_CASE("Bert: embeddings, layers and pooler are what the public layers make of the same parameters") {
  const auto model = initialised<double>();
  const auto result = model(vt::Tokens(ids, lengths), {.token_types = types});
  vt::RowMajor<double> words(23, 12), positions(11, 12), kinds(2, 12), pooler(12, 12);
  std::vector<double> bias(12);
  model.parameters([&](const std::string& name, const vt::Parameter<double>& p) {
    const auto copy = [&](vt::RowMajor<double>& to) {
      for (Index r = 0; r < p.rows; ++r)
        for (Index c = 0; c < p.cols; ++c) to(r, c) = p.value(r, c);
    };
    if (name == "embeddings.word_embeddings.weight") copy(words);
    if (name == "embeddings.position_embeddings.weight") copy(positions);
    if (name == "embeddings.token_type_embeddings.weight") copy(kinds);
    if (name == "pooler.dense.weight") copy(pooler);
    if (name == "pooler.dense.bias")
      for (Index i = 0; i < 12; ++i) bias[std::size_t(i)] = p.value(i);
  });
  vt::RowMajor<double> x(7, 12);
  for (Index row = 0; row < 7; ++row) {
    x.row(row) =
        words.row(ids[std::size_t(row)]) + kinds.row(types[std::size_t(row)]) + positions.row(row < 4 ? row : row - 4);
    const double mean = x.row(row).mean(), variance = (x.row(row).array() - mean).square().mean();
    x.row(row) = (x.row(row).array() - mean) / std::sqrt(variance + 1e-12);  // init: weight 1, bias 0
  }
  for (Index i = 0; i < x.size(); ++i) CHECK(result.embedded.data()[i] == doctest::Approx(x.data()[i]).epsilon(1e-12));
  const auto layers = model.encoder()(result.embedded);
  for (Index b = 0; b < 2; ++b) {
    CHECK(layers.output.matrix(b) == result.output.matrix(b));
    CHECK(layers.self_attn[1].matrix(b, 2) == result.self_attn[1].matrix(b, 2));
    for (Index i = 0; i < 12; ++i)
      CHECK(result.pooled.matrix(b)(0, i) ==
            doctest::Approx(std::tanh(pooler.row(i).dot(result.output.matrix(b).row(0)) + bias[std::size_t(i)])));
  }
  CHECK(result.pooled.matrix(0).rows() == 1);
}

TEST_CASE("Bert: padding, neighbours, threads and what is kept change no bit") {
  const auto model = initialised();
  const auto ragged = model(vt::Tokens(ids, lengths), {.token_types = types});
  for (const vt::Mask<float>& mask :
       {vt::Mask<float>(vt::key_lengths(lengths)), vt::Mask<float>(vt::from_hf_attention_mask(keep.data(), 2, 5))}) {
    const auto result = model(vt::Tokens(padded.data(), 2, 5), {.src_mask = mask, .token_types = padded_types});
    for (Index b = 0; b < 2; ++b) {
      const Index length = lengths[std::size_t(b)];
      CHECK(ragged.output.matrix(b) == result.output.matrix(b).topRows(length));
      CHECK(ragged.pooled.matrix(b) == result.pooled.matrix(b));
      for (Index l = 0; l < 2; ++l)
        for (Index h = 0; h < 3; ++h) {
          const auto map = result.self_attn[l].matrix(b, h);
          CHECK(ragged.self_attn[l].matrix(b, h) == map.topLeftCorner(length, length));
          for (Index i = 0; i < 5; ++i) {  // padded queries are computed, over the keys that are real
            CHECK(map.row(i).tail(5 - length).isZero(0));
            CHECK(map.row(i).sum() == doctest::Approx(1));
          }
        }
    }
  }
  const auto alone = model(vt::Tokens(std::span<const Index>(ids).subspan(4)), {.token_types = {types.data() + 4, 3}});
  CHECK(alone.output.matrix() == ragged.output.matrix(1));
  vt::PooledTextEncoderResult<vt::keep::Nothing, float> reused;
  for (int threads : {1, 2, 3}) {
    vt::Workspace workspace(vt::heap(), threads);
    workspace.parallel_from(0);
    for (int call = 0; call < 2; ++call) {
      REQUIRE(model.forward_into(reused, workspace, vt::Tokens(ids, lengths), {.token_types = types},
                                 vt::keep::nothing) == vt::Status::ok);
      CHECK(reused.output.matrix(1) == ragged.output.matrix(1));
      CHECK(reused.pooled.matrix(1) == ragged.pooled.matrix(1));
    }
  }
}

TEST_CASE("Bert: each sequence's first token is pooled, whichever is the longest") {
  const auto model = initialised();
  const std::vector<Index> sequences[] = {{7, 22}, {1, 5, 9, 2, 3}, {4}, {8, 6, 2}};
  std::vector<Index> all, counts;
  for (const auto& one : sequences) all.insert(all.end(), one.begin(), one.end()), counts.push_back(Index(one.size()));
  const auto together = model(vt::Tokens(all, counts));
  for (Index b = 0; b < 4; ++b) {
    const auto alone = model(vt::Tokens(sequences[b]));
    CHECK(together.pooled.matrix(b) == alone.pooled.matrix(0));
  }
}

TEST_CASE("Bert: no token types are all of type 0; head_scale switches heads off") {
  const auto model = initialised();
  const std::vector<Index> zeros(7, 0);
  const auto without = model(vt::Tokens(ids, lengths)), with = model(vt::Tokens(ids, lengths), {.token_types = zeros});
  CHECK(without.output.matrix(1) == with.output.matrix(1));
  const std::vector<float> scale = {1, 0, 1};
  const auto scaled = model(vt::Tokens(ids, lengths), {.head_scale = scale});
  CHECK(scaled.output.matrix(0) != without.output.matrix(0));
  CHECK(scaled.self_attn[0].matrix(0, 1) == without.self_attn[0].matrix(0, 1));
}

TEST_CASE("Bert: without a pooler there is no pooled output, and sequences may be empty") {
  vt::TextEncoderConfig config = small_bert();
  config.pooler = false;
  const auto model = initialised(config);
  const std::vector<Index> some = {3, 0, 4};
  const auto result = model(vt::Tokens(ids, some));
  CHECK(result.pooled.span().empty());
  CHECK(result.output.matrix(1).rows() == 0);
  const auto pooling = initialised();
  CHECK_THROWS_AS((void)pooling(vt::Tokens(ids, some)), vt::StatusError);
}

TEST_CASE("Bert: refusals name the value") {
  const auto model = initialised();
  vt::Workspace workspace(vt::heap());
  vt::PooledTextEncoderResult<vt::DefaultKeep, float> result;
  const auto status = [&](const vt::Tokens& tokens, const vt::TextEncoderMasks<float>& masks = {}) {
    return model.forward_into(result, workspace, tokens, masks);
  };
  const std::vector<Index> unknown = {1, 23}, negative = {-1}, long_one(12, 1), two = {0, 1}, third = {0, 2};
  CHECK(status(std::span<const Index>(unknown)) == vt::Status::bad_shape);
  CHECK(status(std::span<const Index>(unknown)).actual == 23);
  CHECK(status(std::span<const Index>(negative)) == vt::Status::bad_shape);
  CHECK(status(std::span<const Index>(long_one)) == vt::Status::bad_shape);
  CHECK(status(std::span<const Index>(two), {.token_types = third}).actual == 2);
  CHECK(status(std::span<const Index>(two), {.token_types = long_one}) == vt::Status::bad_shape);
  CHECK(status(std::span<const Index>(two), {.src_mask = vt::key_lengths(lengths)}) == vt::Status::bad_mask);
  CHECK(status(std::span<const Index>(two)) == vt::Status::ok);
  const vt::Bert<float> unloaded(small_bert());
  CHECK(unloaded.forward_into(result, workspace, std::span<const Index>(two)) == vt::Status::not_loaded);
  vt::TextEncoderConfig none = small_bert();
  none.vocab_size = 0;
  CHECK(vt::Bert<float>(none).forward_into(result, workspace, std::span<const Index>(two)) == vt::Status::bad_config);
}
