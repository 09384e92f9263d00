#include <doctest/doctest.h>

#include <string>
#include <vector>
#include <vitrine/models/bert.hpp>
#include <vitrine/models/distilbert.hpp>

namespace vt = vitrine;
using vt::Index;

TEST_CASE("DistilBert: a Bert without token types and pooler") {
  vt::TextEncoderConfig config;
  config.vocab_size = 23, config.hidden_size = 12, config.num_hidden_layers = 2, config.num_attention_heads = 3;
  config.intermediate_size = 20, config.max_position_embeddings = 11;
  vt::DistilBert<float> model(config);
  REQUIRE(model.init(5) == vt::Status::ok);
  model.parameters([](const std::string& name, const auto&) {
    CHECK(name.find("token_type") == name.npos);
    CHECK(name.find("pooler") == name.npos);
  });

  // The same parameters in a Bert whose token types add nothing.
  vt::Bert<float> bert(config);
  REQUIRE(bert.init(6) == vt::Status::ok);
  const std::vector<float> zeros(24, 0.0f);
  REQUIRE(bert.bind("embeddings.token_type_embeddings.weight", zeros) == vt::Status::ok);
  model.parameters([&](const char* name, const vt::Parameter<float>& p) {
    REQUIRE(bert.bind(name, p.values, p.panel) == vt::Status::ok);
  });
  const std::vector<Index> ids = {1, 5, 9, 2, 7, 7, 22}, lengths = {4, 3}, types(7, 0);
  const auto ours = model(vt::Tokens(ids, lengths));
  const auto theirs = bert(vt::Tokens(ids, lengths));
  for (Index b = 0; b < 2; ++b) {
    CHECK(ours.output.matrix(b) == theirs.output.matrix(b));
    CHECK(ours.self_attn[1].matrix(b, 0) == theirs.self_attn[1].matrix(b, 0));
  }
  vt::Workspace workspace(vt::heap());
  vt::TextEncoderResult<vt::DefaultKeep, float> result;
  CHECK(model.forward_into(result, workspace, vt::Tokens(ids, lengths), {.token_types = types}) ==
        vt::Status::not_supported);
}
