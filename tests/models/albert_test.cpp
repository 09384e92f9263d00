#include <doctest/doctest.h>

#include <map>
#include <string>
#include <vector>
#include <vitrine/models/albert.hpp>

namespace vt = vitrine;
using vt::Index;

namespace {

vt::TextEncoderConfig small() {
  vt::TextEncoderConfig c;
  c.vocab_size = 23, c.hidden_size = 12, c.num_hidden_layers = 5, c.num_attention_heads = 3, c.intermediate_size = 20;
  c.max_position_embeddings = 11, c.embedding_size = 5, c.num_hidden_groups = 2, c.inner_group_num = 2;
  return c;
}

}  // namespace

TEST_CASE("Albert: groups are divided as Transformers divides") {
  const vt::TextEncoderConfig c = small();
  CHECK(c.layers() == 10);
  const std::vector<Index> first = {0, 1, 0, 1, 0, 1, 6, 7, 6, 7};
  for (Index i = 0; i < 10; ++i) CHECK(c.first_layer(i) == first[std::size_t(i)]);
  CHECK(vt::TextEncoderConfig().first_layer(7) == 7);
}

TEST_CASE("Albert: values that layers share are counted, made and bound once") {
  vt::Albert<float> model(small());
  CHECK(!model.loaded());
  const vt::Tokens none;
  vt::Workspace workspace(vt::heap());
  vt::PooledTextEncoderResult<vt::DefaultKeep, float> result;
  CHECK(model.forward_into(result, workspace, none) == vt::Status::not_loaded);
  REQUIRE(model.init(3) == vt::Status::ok);
  std::map<std::string, const float*> values;
  model.encoder().parameters([&](const std::string& name, const auto& p) { values[name] = p.values.data(); });
  CHECK(values.size() == 10 * 12);
  CHECK(values.at("layers.4.linear1.weight") == values.at("layers.0.linear1.weight"));
  CHECK(values.at("layers.9.norm2.bias") == values.at("layers.7.norm2.bias"));
  CHECK(values.at("layers.6.linear1.weight") != values.at("layers.0.linear1.weight"));
  CHECK(values.at("layers.1.linear1.weight") != values.at("layers.0.linear1.weight"));

  const Index layer = 4 * 12 * 12 + 4 * 12 + 2 * 12 * 20 + 20 + 12 + 4 * 12;
  CHECK(model.parameter_count() == 4 * layer + (23 + 11 + 2 + 2) * 5 + 12 * 5 + 12 + 12 * 12 + 12);
  const std::vector<float> bias(20, 2.0f);
  REQUIRE(model.bind("encoder.layers.6.linear1.bias", bias) == vt::Status::ok);
  CHECK(model.bind("encoder.layers.8.linear1.bias", bias) == vt::Status::not_supported);
  model.encoder().parameters([&](const std::string& name, const auto& p) {
    if (name == "layers.8.linear1.bias") CHECK(p.values.data() == bias.data());
  });
}

TEST_CASE("Albert: embeddings are widened before the first layer; padding, threads and what is kept change no bit") {
  vt::Albert<float> model(small());
  REQUIRE(model.init(3) == vt::Status::ok);
  const std::vector<Index> ids = {5, 6, 7, 8, 9}, lengths = {3, 2}, padded = {5, 6, 7, 8, 9, 0};
  const auto ragged = model(vt::Tokens(ids, lengths));
  CHECK(ragged.narrow.width() == 5);
  CHECK(ragged.embedded.width() == 12);
  CHECK(ragged.self_attn.layers() == 10);
  const auto result = model(vt::Tokens(padded.data(), 2, 3), {.src_mask = vt::key_lengths(lengths)});
  CHECK(result.output.matrix(1).topRows(2) == ragged.output.matrix(1));
  CHECK(result.pooled.matrix(1) == ragged.pooled.matrix(1));
  CHECK(result.self_attn[9].matrix(1, 2).topLeftCorner(2, 2) == ragged.self_attn[9].matrix(1, 2));
  vt::Workspace workspace(vt::heap(), 3);
  workspace.parallel_from(0);
  vt::PooledTextEncoderResult<vt::keep::Nothing, float> reused;
  for (int call = 0; call < 2; ++call) {
    REQUIRE(model.forward_into(reused, workspace, vt::Tokens(ids, lengths), {}, vt::keep::nothing) == vt::Status::ok);
    CHECK(reused.output.matrix(0) == ragged.output.matrix(0));
    CHECK(reused.pooled.matrix(0) == ragged.pooled.matrix(0));
  }
}
