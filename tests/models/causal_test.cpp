#include <vitrine/models/causal.hpp>

#include <doctest/doctest.h>

#include <vector>
#include <vitrine/generate/generate.hpp>
#include <vitrine/models/gemma2.hpp>
#include <vitrine/models/gpt_neox.hpp>
#include <vitrine/models/llama.hpp>
#include <vitrine/models/t5.hpp>

namespace vt = vitrine;
using vt::Index;

namespace {

vt::LlamaConfig llama() {
  vt::LlamaConfig c;
  c.vocab_size = 23, c.hidden_size = 24, c.intermediate_size = 20, c.num_hidden_layers = 3;
  c.num_attention_heads = 4, c.num_key_value_heads = 2, c.head_dim = 8, c.max_position_embeddings = 40;
  c.qk_norm = true, c.qkv_bias = true;
  c.sliding_window = 3;
  c.sliding_layers.insert(1);
  return c;
}
vt::Gemma2Config gemma2() {
  vt::Gemma2Config c;
  c.vocab_size = 23, c.hidden_size = 16, c.intermediate_size = 12, c.num_hidden_layers = 2;
  c.num_attention_heads = 4, c.num_key_value_heads = 1, c.head_dim = 6, c.max_position_embeddings = 40;
  c.sliding_window = 4, c.attn_logit_softcapping = 5, c.final_logit_softcapping = 3;
  c.sliding_layers.insert(0);
  return c;
}
vt::GptNeoXConfig gpt_neox() {
  vt::GptNeoXConfig c;
  c.vocab_size = 23, c.hidden_size = 24, c.intermediate_size = 20, c.num_hidden_layers = 2;
  c.num_attention_heads = 4, c.max_position_embeddings = 40;
  c.rope_parameters.dim = 4;
  return c;
}
template <class M, class C>
M made(const C& config) {
  M model(config);
  vt::throw_if_failed(model.init(5));
  return model;
}

// One result: alone, in a ragged batch, with a trace, and a step at a time through the cache.
template <class M>
void one_result(const M& model) {
  using S = typename M::Scalar;
  const std::vector<Index> ids = {3, 7, 1, 0, 22, 9, 9, 4, 15, 2, 8, 11};
  const auto alone = model(vt::Tokens(ids));
  std::vector<Index> packed = {5, 5, 5};
  packed.insert(packed.end(), ids.begin(), ids.end());
  const std::vector<Index> lengths = {3, Index(ids.size())};
  const auto ragged = model(vt::Tokens(packed, lengths));
  const auto traced =
      model(vt::Tokens(ids), {}, vt::keep::weights, [](std::string_view, Index, const vt::TraceView<S>&) {});
  const Index vocab = model.vocab_size(), length = Index(ids.size());
  const S* const batch = ragged.output.data() + 3 * vocab;
  for (Index i = 0; i < length * vocab; ++i) {
    REQUIRE(alone.output.data()[i] == batch[i]);
    REQUIRE(alone.output.data()[i] == traced.output.data()[i]);
  }
  for (Index layer = 0; layer < alone.self_attn.layers(); ++layer)
    for (Index h = 0; h < 4; ++h) {  // a map of every query head
      CHECK(alone.self_attn[layer].matrix(0, h) == ragged.self_attn[layer].matrix(1, h));
      CHECK(alone.self_attn[layer].matrix(0, h) == traced.self_attn[layer].matrix(0, h));
    }
  vt::Workspace workspace(vt::heap());
  vt::CausalSteps<S> steps(model, workspace, {.max_length = length});
  steps.begin(std::span<const Index>());
  for (Index t = 0; t < length; ++t) {
    const auto step = steps.next({&ids[std::size_t(t)], 1});
    for (Index v = 0; v < vocab; ++v) REQUIRE(step.output.data()[v] == alone.output.data()[t * vocab + v]);
    for (Index layer = 0; layer < alone.self_attn.layers(); ++layer)
      for (Index h = 0; h < 4; ++h)
        CHECK(step.self_attn[layer].matrix(0, h) == alone.self_attn[layer].matrix(0, h).row(t).head(t + 1));
  }
}

// Prompts of different lengths together find what each finds alone: ids, scores and maps.
template <class M>
void one_search(const M& model, const vt::GenerationConfig& config) {
  const std::vector<Index> packed = {5, 3, 7, 1, 0, 22, 9, 9, 4, 15, 2, 8, 11, 6, 6}, lengths = {1, 9, 3, 2};
  vt::Workspace workspace(vt::heap(), 2);
  workspace.parallel_from(0);
  const auto together = vt::generate(model, workspace, vt::Tokens(packed, lengths), config, vt::keep::weights);
  REQUIRE(together.size() == 4);
  std::size_t at = 0;
  for (std::size_t b = 0; b < 4; at += std::size_t(lengths[b++])) {
    vt::GenerationConfig own = config;
    own.sequence_numbers = {Index(b)};
    const auto alone =
        vt::generate(model, workspace, std::span(&packed[at], std::size_t(lengths[b])), own, vt::keep::weights);
    REQUIRE(together[b].size() == alone.size());
    for (std::size_t k = 0; k < alone.size(); ++k) {
      const auto &one = together[b][k], &other = alone[k];
      CHECK(one.ids == other.ids);
      CHECK(one.score == other.score);
      CHECK(one.log_probs == other.log_probs);
      for (Index layer = 0; layer < one.self_attn.layers(); ++layer)
        for (Index h = 0; h < 4; ++h) CHECK(one.self_attn[layer].matrix(0, h) == other.self_attn[layer].matrix(0, h));
    }
  }
}
template <class M>
void searches(const M& model) {
  vt::GenerationConfig config;
  one_search(model, config);  // as long as there are positions
  config.max_length = 14, config.eos_token_ids = {4, 7, 9, 13};
  one_search(model, config);  // some end early
  config.num_beams = 3, config.num_return_sequences = 2, config.max_length = 0, config.max_new_tokens = 6;
  one_search(model, config);
  config.num_beams = config.num_return_sequences = 1, config.do_sample = true, config.seed = 3;
  one_search(model, config);
}

}  // namespace

TEST_CASE("prompts of different lengths together find what each finds alone") {
  searches(made<vt::Llama<float>>(llama()));
  searches(made<vt::Gemma2<double>>(gemma2()));
  searches(made<vt::GptNeoX<float>>(gpt_neox()));
}

TEST_CASE("prompts that are none are refused") {
  const auto model = made<vt::Llama<float>>(llama());
  vt::Workspace workspace(vt::heap());
  const std::vector<Index> ids = {1, 2, 3};
  const auto refused = [&](const std::vector<Index>& lengths) {
    CHECK_THROWS_AS((void)vt::generate(model, workspace, vt::Tokens(ids, lengths), {}), vt::StatusError);
  };
  refused({3, 0});
  refused({2, 2});
  refused({4, -1});
  CHECK(vt::generate(model, workspace, vt::Tokens(ids.data(), 0, 3), {}).empty());
}

TEST_CASE_TEMPLATE("one result, bit for bit", S, float, double) {
  one_result(made<vt::Llama<S>>(llama()));
  one_result(made<vt::Gemma2<S>>(gemma2()));
  one_result(made<vt::GptNeoX<S>>(gpt_neox()));
}

TEST_CASE("a window hides keys, in its layers alone") {
  const auto model = made<vt::Llama<double>>(llama());
  const std::vector<Index> ids = {3, 7, 1, 0, 22, 9};
  const auto r = model(vt::Tokens(ids));
  for (Index layer = 0; layer < 3; ++layer)
    for (Index i = 0; i < 6; ++i)
      for (Index j = 0; j < 6; ++j) {
        const bool seen = j <= i && (layer != 1 || j > i - 3);
        CHECK((r.self_attn[layer].matrix(0, 0)(i, j) > 0) == seen);
      }
}

TEST_CASE("rotary positions go on behind max_position_embeddings") {
  vt::LlamaConfig c = llama();
  const auto longer = made<vt::Llama<float>>(c);
  c.max_position_embeddings = 4;
  const auto model = made<vt::Llama<float>>(c);
  const std::vector<Index> ids = {3, 7, 1, 0, 22, 9, 5};
  CHECK(model.max_length() == 4);
  const auto one = model(vt::Tokens(ids)), other = longer(vt::Tokens(ids));
  CHECK(one.output.matrix() == other.output.matrix());
  vt::Workspace workspace(vt::heap());
  const auto found = vt::generate(model, workspace, std::span<const Index>(ids), {});
  REQUIRE(found[0].ids.size() == 20);
  CHECK(found[0].ids == vt::generate(longer, workspace, std::span<const Index>(ids), {})[0].ids);
}

TEST_CASE("dynamic rotary positions are the unscaled ones, and end at max_position_embeddings") {
  vt::LlamaConfig config = llama();
  config.max_position_embeddings = 6;
  const auto plain = made<vt::Llama<float>>(config);
  config.rope_parameters.scaling = vt::RotaryScaling::dynamic, config.rope_parameters.factor = 2;
  const auto dynamic = made<vt::Llama<float>>(config);
  const std::vector<Index> six = {3, 7, 1, 0, 22, 9}, seven = {3, 7, 1, 0, 22, 9, 4};
  const auto expected = plain(vt::Tokens(six)), found = dynamic(vt::Tokens(six));
  CHECK((found.output.matrix(0) == expected.output.matrix(0)));
  CHECK(dynamic.most_ids() == 6);
  CHECK(plain.most_ids() > 6);
  vt::Workspace workspace(vt::heap());
  vt::CausalResult<vt::DefaultKeep, float> result;
  CHECK(dynamic.forward_into(result, workspace, vt::Tokens(seven)) == vt::Status::bad_shape);
  CHECK_THROWS(vt::generate(dynamic, workspace, vt::Tokens(seven), vt::GenerationConfig{.max_new_tokens = 1}));
}

TEST_CASE("sizes that make no sense are bad_config") {
  const auto refused = [](vt::LlamaConfig c) { return vt::Llama<float>(c).init(1) == vt::Status::bad_config; };
  vt::LlamaConfig groups = llama(), odd = llama(), none = llama();
  groups.num_key_value_heads = 3, odd.rope_parameters.dim = 5, none.head_dim = 0;
  CHECK(refused(groups));
  CHECK(refused(odd));
  CHECK(refused(none));
  CHECK(!refused(llama()));
}

TEST_CASE("T5: a step at a time gives what the whole target gives") {
  vt::T5Config c;
  c.vocab_size = 19, c.d_model = 16, c.d_kv = 5, c.d_ff = 12, c.num_layers = c.num_decoder_layers = 2, c.num_heads = 3;
  c.relative_attention_num_buckets = 8, c.relative_attention_max_distance = 10;
  c.is_gated_act = true;
  const auto model = made<vt::T5<float>>(c);
  const std::vector<Index> source = {4, 5, 6, 1}, target = {0, 7, 3, 3, 9, 2, 8};
  const auto whole = model(vt::Tokens(source), vt::Tokens(target));
  vt::Workspace workspace(vt::heap());
  vt::DecodingSteps<float> steps(model, workspace, {.max_length = 12});
  steps.begin(vt::Tokens(source));
  for (Index t = 0; t < Index(target.size()); ++t) {
    const auto step = steps.next({&target[std::size_t(t)], 1});
    for (Index v = 0; v < 19; ++v) REQUIRE(step.output.data()[v] == whole.output.data()[t * 19 + v]);
    for (Index h = 0; h < 3; ++h) {
      CHECK(step.self_attn[1].matrix(0, h) == whole.self_attn[1].matrix(0, h).row(t).head(t + 1));
      CHECK(step.cross_attn[1].matrix(0, h) == whole.cross_attn[1].matrix(0, h).row(t));
    }
  }
}
