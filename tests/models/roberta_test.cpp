#include <doctest/doctest.h>

#include <string>
#include <type_traits>
#include <vector>
#include <vitrine/models/bert.hpp>
#include <vitrine/models/pooled_text_encoder.hpp>
#include <vitrine/models/pooler.hpp>
#include <vitrine/models/roberta.hpp>
#include <vitrine/models/xlm_roberta.hpp>

namespace vt = vitrine;
using vt::Index;

namespace {

vt::TextEncoderConfig small_roberta() {
  vt::TextEncoderConfig c;
  c.vocab_size = 23, c.hidden_size = 12, c.num_hidden_layers = 2, c.num_attention_heads = 3, c.intermediate_size = 20;
  c.max_position_embeddings = 11, c.type_vocab_size = 1, c.pad_token_id = 1;
  return c;
}

}  // namespace

TEST_CASE_TEMPLATE("Roberta: positions begin behind the padding id, which takes its own", M, vt::Roberta<float>,
                   vt::XlmRoberta<float>) {
  M model(small_roberta());
  vt::Bert<float> bert(small_roberta());
  REQUIRE(model.init(3) == vt::Status::ok);
  REQUIRE(bert.init(3) == vt::Status::ok);  // the same values, positions from 0
  CHECK(model.max_length() == 9);
  CHECK(bert.max_length() == 11);
  const std::vector<Index> ids = {5, 1, 7, 9}, shifted = {8, 1, 5, 7, 9};
  const auto result = model(vt::Tokens(std::span<const Index>(ids)));
  const auto shift = bert(vt::Tokens(std::span<const Index>(shifted)));
  // Rows 2, 3 and 4 of the positions: ids 5, 7 and 9 there, and here with the padding between them.
  CHECK(result.embedded.matrix().row(0) == shift.embedded.matrix().row(2));
  CHECK(result.embedded.matrix().row(1) == shift.embedded.matrix().row(1));
  CHECK(result.embedded.matrix().row(2) == shift.embedded.matrix().row(3));
  CHECK(result.embedded.matrix().row(3) == shift.embedded.matrix().row(4));
  CHECK(result.pooled.matrix().cols() == 12);

  const std::vector<Index> nine(9, 2), ten(10, 2);
  CHECK_NOTHROW((void)model(vt::Tokens(std::span<const Index>(nine))));
  CHECK_THROWS_AS((void)model(vt::Tokens(std::span<const Index>(ten))), vt::StatusError);
}

TEST_CASE("Roberta: padding before and behind changes no bit of the rest") {
  vt::Roberta<float> model(small_roberta());
  REQUIRE(model.init(4) == vt::Status::ok);
  const std::vector<Index> ids = {5, 6, 7, 8, 9}, lengths = {3, 2}, padded = {5, 6, 7, 1, 1, 8, 9, 1};
  const std::vector<std::uint8_t> keep = {1, 1, 1, 0, 0, 1, 1, 0};
  const auto ragged = model(vt::Tokens(ids, lengths));
  const auto result =
      model(vt::Tokens(padded.data(), 2, 4), {.src_mask = vt::from_hf_attention_mask(keep.data(), 2, 4)});
  CHECK(result.output.matrix(0).topRows(3) == ragged.output.matrix(0));
  CHECK(result.embedded.matrix(1).middleRows(1, 2) == ragged.embedded.matrix(1));
  CHECK(result.self_attn[1].matrix(0, 2).topLeftCorner(3, 3) == ragged.self_attn[1].matrix(0, 2));
}
