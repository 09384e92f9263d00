#include <doctest/doctest.h>

#include <cmath>
#include <utility>
#include <vector>
#include <vitrine/generate/generate.hpp>
#include <vitrine/models/bart.hpp>
#include <vitrine/models/m2m100.hpp>
#include <vitrine/models/marian.hpp>
#include <vitrine/models/mbart.hpp>
#include <vitrine/models/seq2seq.hpp>
#include <vitrine/models/tokens.hpp>

namespace vt = vitrine;
using vt::Index;

namespace {

vt::Seq2SeqConfig small_seq2seq() {
  vt::Seq2SeqConfig c;
  c.vocab_size = 19, c.d_model = 12, c.encoder_layers = 2, c.decoder_layers = 2;
  c.encoder_attention_heads = 2, c.decoder_attention_heads = 3;
  c.encoder_ffn_dim = 20, c.decoder_ffn_dim = 28, c.max_position_embeddings = 16;
  return c;
}
template <class M>
M initialised(const vt::Seq2SeqConfig& c, std::uint64_t seed) {
  M model(c);
  REQUIRE(model.init(seed) == vt::Status::ok);
  return model;
}
const std::vector<Index> source = {1, 2, 3, 4, 5, 6, 7, 8, 9}, source_lengths = {4, 5};
const std::vector<Index> target = {0, 3, 1, 0, 2, 4, 6, 8}, target_lengths = {3, 5};
// The same with padding, id 18.
const std::vector<Index> padded_source = {1, 2, 3, 4, 18, 18, 5, 6, 7, 8, 9, 18};
const std::vector<Index> padded_target = {0, 3, 1, 18, 18, 0, 2, 4, 6, 8};

template <class M>
void check_padding(const M& model) {
  const auto ragged = model(vt::Tokens(source, source_lengths), vt::Tokens(target, target_lengths));
  const auto padded = model(vt::Tokens(padded_source.data(), 2, 6), vt::Tokens(padded_target.data(), 2, 5),
                            {.src_mask = vt::key_lengths(source_lengths)});
  for (Index b = 0; b < 2; ++b) {
    const Index t = target_lengths[std::size_t(b)], s = source_lengths[std::size_t(b)];
    CHECK(ragged.output.matrix(b) == padded.output.matrix(b).topRows(t));
    CHECK(ragged.hidden.matrix(b) == padded.hidden.matrix(b).topRows(t));
    CHECK(ragged.encoder.output.matrix(b) == padded.encoder.output.matrix(b).topRows(s));
    for (Index l = 0; l < 2; ++l)
      for (Index h = 0; h < 2; ++h) {
        CHECK(ragged.cross_attn[l].matrix(b, h) == padded.cross_attn[l].matrix(b, h).topLeftCorner(t, s));
        CHECK(ragged.self_attn[l].matrix(b, h) == padded.self_attn[l].matrix(b, h).topLeftCorner(t, t));
        CHECK(ragged.encoder.self_attn[l].matrix(b, h) == padded.encoder.self_attn[l].matrix(b, h).topLeftCorner(s, s));
      }
  }
  const auto unkept =
      model(vt::Tokens(source, source_lengths), vt::Tokens(target, target_lengths), {}, vt::keep::nothing);
  CHECK(std::equal(ragged.output.span().begin(), ragged.output.span().end(), unkept.output.span().begin()));
  const auto part = model(vt::Tokens(source, source_lengths), vt::Tokens(target, target_lengths), {},
                          vt::keep::weights.only({.which = vt::Which::cross, .layers = {1}, .heads = {2}}));
  CHECK(part.cross_attn[1].matrix(1, 2) == ragged.cross_attn[1].matrix(1, 2));
  CHECK(part.self_attn.values().empty());
  CHECK(part.encoder.self_attn.values().empty());
}

std::vector<std::string> names(const auto& model) {
  std::vector<std::string> found;
  model.parameters([&](const char* name, const auto&) { found.emplace_back(name); });
  return found;
}
bool has(const std::vector<std::string>& all, const char* name) {
  return std::count(all.begin(), all.end(), name) == 1;
}

}  // namespace

TEST_CASE("padding, what is kept and what is chosen change no bit") {
  check_padding(initialised<vt::Marian<float>>(small_seq2seq(), 1));
  check_padding(initialised<vt::Bart<float>>(small_seq2seq(), 2));
  check_padding(initialised<vt::Marian<double>>(small_seq2seq(), 3));
  check_padding(initialised<vt::MBart<float>>(small_seq2seq(), 4));
  vt::Seq2SeqConfig c = small_seq2seq();
  c.pad_token_id = 1;  // an id of source and target
  check_padding(initialised<vt::M2M100<float>>(c, 5));
}

TEST_CASE("M2M100: padding ids take no position, wherever they stand") {
  vt::Seq2SeqConfig c = small_seq2seq();
  c.pad_token_id = 1;
  const auto model = initialised<vt::M2M100<float>>(c, 5);
  const std::vector<Index> plain = {4, 5, 6}, spread = {1, 4, 1, 5, 6, 1};
  const auto a = model(vt::Tokens(std::span<const Index>(plain)), vt::Tokens(std::span<const Index>(plain)));
  const std::vector<std::uint8_t> real = {0, 1, 0, 1, 1, 0};
  const auto b = model(vt::Tokens(std::span<const Index>(spread)), vt::Tokens(std::span<const Index>(spread)),
                       {.src_mask = vt::from_hf_attention_mask(real.data(), 1, 6)});
  for (const auto& [row, other] : {std::pair<Index, Index>{0, 1}, {1, 3}, {2, 4}})
    for (Index i = 0; i < 12; ++i)
      CHECK(a.encoder.output.matrix()(row, i) == doctest::Approx(b.encoder.output.matrix()(other, i)).epsilon(1e-5));
  CHECK(b.embedded.matrix().row(0) == b.embedded.matrix().row(2));  // the row of padding itself
  CHECK(model.max_length() == 16);
  CHECK(has(names(model), "encoder.norm.weight"));
  CHECK(!has(names(model), "encoder.embed_positions.weight"));
}

TEST_CASE("M2M100: the sinusoids are fairseq's, in floats") {
  const auto table = vt::detail::sinusoid_table<double>(vt::heap(), 30, 7, vt::Sinusoid::fairseq, 1);
  const auto at = [&](Index p, Index i) { return table.data()[p * 7 + i]; };
  for (Index i = 0; i < 7; ++i) CHECK(at(1, i) == 0);
  for (Index p : {0, 2, 29}) {
    for (Index i = 0; i < 3; ++i) {
      const double turn = double(p) * std::pow(10000.0, -double(i) / 2);
      CHECK(at(p, i) == doctest::Approx(std::sin(turn)).epsilon(1e-6));
      CHECK(at(p, i + 3) == doctest::Approx(std::cos(turn)).epsilon(1e-6));
      CHECK(at(p, i) == double(float(at(p, i))));
    }
    CHECK(at(p, 6) == 0);  // an odd width's last value
  }
}

TEST_CASE("M2M100: sinusoids go on behind max_position_embeddings") {
  vt::Seq2SeqConfig c = small_seq2seq();
  c.pad_token_id = 1;
  const auto model = initialised<vt::M2M100<float>>(c, 5);
  c.max_position_embeddings = 40;
  const auto longer = initialised<vt::M2M100<float>>(c, 5);
  std::vector<Index> ids;
  for (Index i = 0; i < 30; ++i) ids.push_back(2 + i % 7);
  const vt::Tokens tokens{std::span<const Index>(ids)};
  CHECK(model.most_ids() == 16384);
  const auto one = model(tokens, tokens), other = longer(tokens, tokens);
  CHECK(one.output.matrix() == other.output.matrix());
  vt::Workspace workspace(vt::heap());
  vt::GenerationConfig search;
  search.max_new_tokens = 25, search.decoder_start_token_id = 2;
  CHECK(vt::generate(model, workspace, tokens, search)[0][0].ids ==
        vt::generate(longer, workspace, tokens, search)[0][0].ids);
}

TEST_CASE("no peeking: a later id changes nothing before it") {
  const auto model = initialised<vt::Bart<float>>(small_seq2seq(), 4);
  std::vector<Index> other = target;
  other[2] = 7, other[7] = 1;
  const auto a = model(vt::Tokens(source, source_lengths), vt::Tokens(target, target_lengths));
  const auto b = model(vt::Tokens(source, source_lengths), vt::Tokens(other, target_lengths));
  CHECK(a.output.matrix(0).topRows(2) == b.output.matrix(0).topRows(2));
  CHECK(a.output.matrix(1).topRows(4) == b.output.matrix(1).topRows(4));
  CHECK(a.output.matrix(0).row(2) != b.output.matrix(0).row(2));
}

TEST_CASE("each attention has factors of its own for its heads") {
  const auto model = initialised<vt::Bart<float>>(small_seq2seq(), 4);
  const std::vector<float> off(4, 0.0f), all_off(6, 0.0f);
  const std::vector<Index> one = {1, 2, 3, 4}, changed = {1, 9, 3, 4}, to = {0, 3, 1}, changed_to = {5, 3, 1};
  const auto last = [&](const std::vector<Index>& from, const std::vector<Index>& target_ids,
                        const vt::Seq2SeqMasks<float>& masks) {
    const auto result = model(vt::Tokens(from), vt::Tokens(target_ids), masks);
    return vt::RowMajor<float>(result.output.matrix(0).row(2));
  };
  // Without cross-attention the source is not seen; without self-attention the ids before.
  const vt::Seq2SeqMasks<float> plain, no_cross{.memory_head_scale = all_off}, no_self{.head_scale = all_off};
  CHECK(last(one, to, no_cross) == last(changed, to, no_cross));
  CHECK(last(one, to, no_cross) != last(one, changed_to, no_cross));
  CHECK(last(one, to, no_self) == last(one, changed_to, no_self));
  CHECK(last(one, to, no_self) != last(changed, to, no_self));
  CHECK(last(one, to, plain) != last(one, to, no_self));
  // Without self-attention in the encoder a source's last state is its last id's.
  const vt::Seq2SeqMasks<float> no_encoder{.encoder_head_scale = off};
  const auto states = [&](const std::vector<Index>& from) {
    const auto result = model(vt::Tokens(from), vt::Tokens(to), no_encoder);
    return vt::RowMajor<float>(result.encoder.output.matrix(0).row(3));
  };
  CHECK(states(one) == states(changed));
  // One head of one layer is not another.
  const auto without = [&](std::size_t head) {
    std::vector<float> factors(6, 1.0f);
    factors[head] = 0;
    return last(one, to, {.memory_head_scale = factors});
  };
  for (std::size_t head = 1; head < 6; ++head) CHECK(without(head) != without(0));
}

TEST_CASE("parameters by architecture and configuration") {
  auto c = small_seq2seq();
  const auto marian = names(vt::Marian<float>(c));
  CHECK(has(marian, "shared.weight"));
  CHECK(has(marian, "final_logits_bias"));
  CHECK(!has(marian, "encoder.embed_positions.weight"));  // sinusoids that no file holds
  CHECK(!has(marian, "lm_head.weight"));
  CHECK(!has(marian, "encoder.layernorm_embedding.weight"));
  CHECK(has(marian, "decoder.layers.1.multihead_attn.in_proj_weight"));
  c.stored_positions = true, c.final_logits_bias = false, c.tie_word_embeddings = false;
  c.share_encoder_decoder_embeddings = false, c.decoder_vocab_size = 23;
  const vt::Marian<float> apart(c);
  const auto apart_names = names(apart);
  CHECK(has(apart_names, "encoder.embed_positions.weight"));
  CHECK(has(apart_names, "encoder.embed_tokens.weight"));
  CHECK(has(apart_names, "decoder.embed_tokens.weight"));
  CHECK(has(apart_names, "lm_head.weight"));
  CHECK(!has(apart_names, "shared.weight"));
  CHECK(!has(apart_names, "final_logits_bias"));
  CHECK(apart.vocab_size() == 23);
  const vt::Bart<float> bart(small_seq2seq());
  CHECK(has(names(bart), "decoder.layernorm_embedding.bias"));
  CHECK(bart.max_length() == 16);
  bart.parameters([](const std::string& name, const auto& p) {
    if (name == "encoder.embed_positions.weight") CHECK(p.rows == 18);  // two come before the first
  });
}

TEST_CASE("separate vocabularies") {
  auto c = small_seq2seq();
  c.share_encoder_decoder_embeddings = false, c.decoder_vocab_size = 5;
  const auto model = initialised<vt::Marian<float>>(c, 5);
  const std::vector<Index> words = {18, 3}, few = {4, 0}, many = {5};
  CHECK(model(vt::Tokens(std::span<const Index>(words)), vt::Tokens(std::span<const Index>(few))).output.width() == 5);
  vt::Seq2SeqResult<vt::DefaultKeep, float> result;
  vt::Workspace workspace(vt::heap(), 1);
  CHECK(model.forward_into(result, workspace, std::span<const Index>(words), std::span<const Index>(many)) ==
        vt::Status::bad_shape);
}

TEST_CASE("sinusoids: all sines, then all cosines, rounded to float") {
  const auto block = vt::detail::sinusoid_table<double>(vt::heap(), 9, 6, vt::Sinusoid::halves);
  for (Index t = 0; t < 9; ++t)
    for (Index i = 0; i < 3; ++i) {
      const double angle = double(t) / std::pow(10000.0, 2 * double(i) / 6);
      CHECK(block.data()[t * 6 + i] == double(float(std::sin(angle))));
      for (Index j : {i, i + 3})
        CHECK(block.data()[t * 6 + j] == double(float(vt::detail::sinusoid(t, j, 6, vt::Sinusoid::halves))));
      CHECK(block.data()[t * 6 + 3 + i] == doctest::Approx(std::cos(angle)).epsilon(1e-7));
    }
}

TEST_CASE("what a model refuses, before any work") {
  const auto model = initialised<vt::Marian<float>>(small_seq2seq(), 6);
  vt::Workspace workspace(vt::heap(), 1);
  vt::Seq2SeqResult<vt::DefaultKeep, float> result;
  const auto call = [&](const vt::Tokens& from, const vt::Tokens& to) {
    return vt::Status::Code(model.forward_into(result, workspace, from, to));
  };
  const std::vector<Index> good = {1, 2}, large = {1, 19}, negative = {-1}, too_many(17, 1);
  const auto one = [](const std::vector<Index>& ids) { return vt::Tokens(std::span<const Index>(ids)); };
  CHECK(call(one(good), one(good)) == vt::Status::ok);
  CHECK(call(one(large), one(good)) == vt::Status::bad_shape);
  CHECK(call(one(good), one(large)) == vt::Status::bad_shape);
  CHECK(call(one(negative), one(good)) == vt::Status::bad_shape);
  CHECK(call(one(too_many), one(good)) == vt::Status::bad_shape);
  CHECK(call(one(good), one(too_many)) == vt::Status::bad_shape);
  CHECK(call(vt::Tokens(source, source_lengths), one(good)) == vt::Status::bad_shape);
  CHECK(call(vt::Tokens(nullptr, 1, 2), one(good)) == vt::Status::bad_shape);
  CHECK(vt::Marian<float>(small_seq2seq()).forward_into(result, workspace, one(good), one(good)) ==
        vt::Status::not_loaded);
  CHECK(vt::Marian<float>({}).forward_into(result, workspace, one(good), one(good)) == vt::Status::bad_config);
  auto c = small_seq2seq();
  c.decoder_attention_heads = 5;
  vt::Marian<float> uneven(c);
  CHECK(uneven.init(1) == vt::Status::bad_config);
  CHECK(uneven.forward_into(result, workspace, one(good), one(good)) == vt::Status::bad_config);
}
