// Memory that runs out at the n-th allocation, for each n: the named error, nothing leaked, everything still usable.
#include <vitrine/generate/causal_steps.hpp>
#include <vitrine/generate/decoding.hpp>
#include <vitrine/models/bert.hpp>
#include <vitrine/models/gpt2.hpp>
#include <vitrine/models/marian.hpp>

#include "../support/support.hpp"

namespace vt = vitrine;
using support::Index;
using vt::Status;

namespace {

// Gives `left` allocations, none of more than `most` bytes, then none.
struct Failing {
  static inline int left = 0, given = 0, held = 0;
  static inline std::size_t bytes = 0, most = ~std::size_t{0};
  static const vt::Memory* memory() {
    static constexpr vt::Memory m{[](std::size_t n) noexcept -> void* {
                                    if (left <= 0 || n > most) return nullptr;
                                    --left, ++given, ++held, bytes += n;
                                    return vt::heap()->allocate(n);
                                  },
                                  [](void* p, std::size_t n) noexcept {
                                    --held, bytes -= n;
                                    vt::heap()->release(p, n);
                                  }};
    return &m;
  }
};
constexpr int enough = 1 << 20;

// Calls f with 0, 1, 2, ... allocations until it answers ok; every answer before is out_of_memory. How often.
template <class F>
int until_enough(F f) {
  for (int n = 0; n < 1000; ++n) {
    Failing::left = n;
    const Status status = f();
    Failing::left = enough;
    if (status == Status::ok) return n;
    CHECK(status == Status::out_of_memory);
    CHECK(std::string(status.sentence).find("ran out") != std::string::npos);
  }
  return -1;
}

constexpr vt::LayerConfig layer_config{.d_model = 20, .nhead = 4, .dim_feedforward = 33};

}  // namespace

TEST_CASE("init and forward_into, with fresh results and with ones that grow") {
  Failing::left = enough;
  {
    vt::Decoder<float> decoder({.layer = layer_config, .num_layers = 2, .final_norm = true}, Failing::memory());
    Failing::most = 8192;  // no piece for many parameters: each for itself, but for the last ones
    CHECK(until_enough([&] { return decoder.init(1); }) > 4);
    Failing::most = ~std::size_t{0};
    CHECK(until_enough([&] { return decoder.init(1); }) == 2);
    vt::Decoder<float> twin({.layer = layer_config, .num_layers = 2, .final_norm = true});
    REQUIRE(twin.init(1) == Status::ok);
    const auto x = support::random_values<float>(3 * 17 * 20, 1),
               memory = support::random_values<float>(3 * 20 * 20, 2);
    const Index lengths[] = {5, 17, 1}, memory_lengths[] = {3, 1, 20};
    const auto expected = twin({x.data(), 3, 17, 20}, {memory.data(), 3, 20, 20}, {}, vt::keep::scores);
    const auto ragged_expected = twin(vt::Ragged<float>(x.data(), 20, lengths),
                                      vt::Ragged<float>(memory.data(), 20, memory_lengths), {}, vt::keep::scores);

    using R = vt::DecoderResult<std::remove_cvref_t<decltype(vt::keep::scores)>, float>;
    // fresh result and workspace each time
    CHECK(until_enough([&] {
            R r;
            vt::Workspace workspace(Failing::memory());
            return decoder.forward_into(r, workspace, {x.data(), 3, 17, 20}, {memory.data(), 3, 20, 20}, {},
                                        vt::keep::scores);
          }) == 6);
    // one result, which holds a smaller call; after each failure that smaller call works
    R r;
    vt::Workspace workspace(Failing::memory());
    const auto small = [&] {
      return decoder.forward_into(r, workspace, {x.data(), 1, 2, 20}, {memory.data(), 1, 3, 20}, {}, vt::keep::scores);
    };
    REQUIRE(small() == Status::ok);
    const std::vector<float> small_output(r.output.span().begin(), r.output.span().end());
    for (int n = 0;; ++n) {
      REQUIRE(n < 20);
      R grown;
      vt::Workspace own(Failing::memory());
      REQUIRE(decoder.forward_into(grown, own, {x.data(), 1, 2, 20}, {memory.data(), 1, 3, 20}, {}, vt::keep::scores) ==
              Status::ok);
      Failing::left = n;
      const Status status =
          decoder.forward_into(grown, own, vt::Ragged<float>(x.data(), 20, lengths),
                               vt::Ragged<float>(memory.data(), 20, memory_lengths), {}, vt::keep::scores);
      Failing::left = enough;
      if (status == Status::ok) {
        CHECK(support::same(grown.output, ragged_expected.output));
        CHECK(support::same(grown.cross_attn[1].scores(2, 3), ragged_expected.cross_attn[1].scores(2, 3)));
        break;
      }
      CHECK(status == Status::out_of_memory);
      // Whatever is left of it may be looked at.
      for (Index b = 0; b < grown.output.batch(); ++b) CHECK(grown.output.matrix(b).cols() == 20);
      REQUIRE(decoder.forward_into(grown, own, {x.data(), 1, 2, 20}, {memory.data(), 1, 3, 20}, {}, vt::keep::scores) ==
              Status::ok);
      CHECK(support::same(grown.output.span(), std::span<const float>(small_output)));
    }
    REQUIRE(decoder.forward_into(r, workspace, {x.data(), 3, 17, 20}, {memory.data(), 3, 20, 20}, {},
                                 vt::keep::scores) == Status::ok);
    CHECK(support::same(r.output, expected.output));
    // Nothing is allocated by a call that is not larger than the last.
    Failing::given = 0;
    REQUIRE(small() == Status::ok);
    REQUIRE(decoder.forward_into(r, workspace, {x.data(), 3, 17, 20}, {memory.data(), 3, 20, 20}, {},
                                 vt::keep::scores) == Status::ok);
    CHECK(Failing::given == 0);
    CHECK(support::same(r.cross_attn.values(), expected.cross_attn.values()));
  }
  CHECK(Failing::held == 0);
  CHECK(Failing::bytes == 0);
}

TEST_CASE("a stack without memory for its layers says so, and so do copies") {
  const auto x = support::random_values<float>(3 * 20, 1);
  const vt::Sequences<float> in(x.data(), 1, 3, 20);
  Failing::left = 0;
  vt::Encoder<float> encoder({.layer = layer_config, .num_layers = 2}, Failing::memory());
  vt::Decoder<float> decoder({.layer = layer_config, .num_layers = 2}, Failing::memory());
  vt::EncoderResult<vt::DefaultKeep, float> r;
  vt::DecoderResult<vt::DefaultKeep, float> d;
  vt::Workspace workspace(vt::heap());
  CHECK(encoder.forward_into(r, workspace, in) == Status::out_of_memory);
  CHECK(decoder.forward_into(d, workspace, in, in) == Status::out_of_memory);

  Failing::left = enough;
  vt::Encoder<float> whole({.layer = layer_config, .num_layers = 2}, Failing::memory());
  REQUIRE(whole.init(1) == Status::ok);
  Failing::left = 0;
  const vt::Encoder<float> copy = whole;
  CHECK(copy.forward_into(r, workspace, in) == Status::out_of_memory);
  Failing::left = enough;
  CHECK(whole.forward_into(r, workspace, in) == Status::ok);
}

TEST_CASE("weights that are stored otherwise give their memory back, though the vectors stay") {
  Failing::left = enough;
  {
    vt::Encoder<float> encoder({.layer = {.d_model = 64, .nhead = 4, .dim_feedforward = 96}, .num_layers = 2},
                               Failing::memory());
    REQUIRE(encoder.init(1) == Status::ok);
    const std::size_t before = Failing::bytes;
    CHECK(until_enough([&] { return encoder.store_weights(vt::Storage::int8); }) == 1);
    CHECK(Failing::bytes < before / 2);
  }
  CHECK(Failing::held == 0);
}

TEST_CASE("the attention, the small layers and scaled_dot_product_attention") {
  Failing::left = enough;
  {
    const auto x = support::random_values<float>(2 * 9 * 20, 1);
    const vt::Sequences<float> in(x.data(), 2, 9, 20);
    vt::MultiheadAttention<float> mha({.embed_dim = 20, .num_heads = 4, .add_bias_kv = true}, Failing::memory());
    vt::Linear<float> linear(20, 7, true, Failing::memory());
    vt::FeedForward<float> feed_forward(20, 7, vt::Activation::relu, true, Failing::memory());
    vt::LayerNorm<float> norm(20, 1e-5, true, Failing::memory());
    vt::Embedding<float> embedding(5, 20, Failing::memory());
    CHECK(until_enough([&] { return mha.init(1); }) == 2);
    CHECK(until_enough([&] { return linear.init(1); }) == 2);
    CHECK(until_enough([&] { return feed_forward.init(1); }) == 2);
    CHECK(until_enough([&] { return norm.init(1); }) == 1);
    CHECK(until_enough([&] { return embedding.init(1); }) == 1);
    const auto each = [&](auto f) {
      return until_enough([&] {
        vt::Tensor<float> y;
        vt::Workspace workspace(Failing::memory());
        return f(y, workspace);
      });
    };
    CHECK(each([&](auto& y, auto& w) { return linear.forward_into(y, w, in); }) == 2);
    CHECK(each([&](auto& y, auto& w) { return feed_forward.forward_into(y, w, in); }) == 2);
    CHECK(each([&](auto& y, auto& w) { return norm.forward_into(y, w, in); }) == 1);
    const Index ids[] = {1, 2, 3, 4};
    CHECK(each([&](auto& y, auto&) { return embedding.forward_into(y, ids, 2, 2); }) == 1);
    CHECK(until_enough([&] {
            vt::SelfResult<vt::DefaultKeep, float> r;
            vt::Workspace workspace(Failing::memory());
            return mha.forward_into(r, workspace, in);
          }) == 3);
    CHECK(until_enough([&] {
            vt::SdpaResult<vt::DefaultKeep, float> r;
            r.output.use(Failing::memory()), r.weights.use(Failing::memory());
            vt::Workspace workspace(Failing::memory());
            const auto heads = vt::heads_bthd(x.data(), Index{2}, Index{4}, Index{9}, Index{5});
            return vt::scaled_dot_product_attention_into(r, workspace, heads, heads, heads);
          }) == 3);
  }
  CHECK(Failing::held == 0);
  CHECK(Failing::bytes == 0);
}

TEST_CASE("models with their ids, whole and step by step") {
  Failing::left = enough;
  {
    const std::vector<Index> ids = {1, 2, 3, 4, 5}, lengths = {3, 2}, next = {6, 7, 6, 7};
    const vt::Tokens tokens(ids, lengths);
    vt::Seq2SeqConfig c;
    c.vocab_size = 11, c.d_model = 8, c.encoder_layers = c.decoder_layers = 2;
    c.encoder_attention_heads = c.decoder_attention_heads = 2;
    c.encoder_ffn_dim = c.decoder_ffn_dim = 12, c.max_position_embeddings = 9;
    Failing::left = 0;
    vt::Marian<float> no_positions(c, Failing::memory());
    Failing::left = enough;
    vt::Seq2SeqResult<vt::DefaultKeep, float> none;
    vt::Workspace heap_workspace(vt::heap());
    CHECK(no_positions.forward_into(none, heap_workspace, tokens, tokens) == Status::out_of_memory);

    vt::Marian<float> marian(c, Failing::memory());
    REQUIRE(marian.init(1) == Status::ok);
    CHECK(until_enough([&] {
            vt::Seq2SeqResult<vt::DefaultKeep, float> r;
            vt::Workspace workspace(Failing::memory());
            return marian.forward_into(r, workspace, tokens, tokens);
          }) > 5);
    CHECK(until_enough([&] {
            vt::Workspace workspace(Failing::memory());
            vt::DecodingSteps<float> steps(marian, workspace, {.beams = 2});
            vt::EncoderResult<vt::DefaultKeep, float> encoded;
            vt::DecoderResult<vt::DefaultKeep, float> step;
            if (Status s = steps.begin_into(encoded, tokens, vt::keep::weights); s != Status::ok) return s;
            return steps.next_into(step, next, vt::keep::weights);
          }) > 10);

    vt::Gpt2Config g;
    g.vocab_size = 11, g.n_positions = 9, g.n_embd = 8, g.n_layer = 2, g.n_head = 2;
    vt::Gpt2<float> gpt2(g, Failing::memory());
    REQUIRE(gpt2.init(1) == Status::ok);
    CHECK(until_enough([&] {
            vt::Gpt2Result<vt::DefaultKeep, float> r;
            vt::Workspace workspace(Failing::memory());
            return gpt2.forward_into(r, workspace, tokens);
          }) > 3);
    CHECK(until_enough([&] {
            vt::Workspace workspace(Failing::memory());
            vt::CausalSteps<float> steps(gpt2, workspace, {.beams = 2});
            vt::EncoderResult<vt::DefaultKeep, float> read, step;
            if (Status s = steps.begin_into(read, ids, vt::keep::weights); s != Status::ok) return s;
            return steps.next_into(step, lengths, vt::keep::weights);
          }) > 8);

    vt::TextEncoderConfig t;
    t.vocab_size = 11, t.hidden_size = 8, t.num_hidden_layers = 2, t.num_attention_heads = 2, t.intermediate_size = 12;
    t.max_position_embeddings = 9;
    vt::Bert<float> bert(t, Failing::memory());
    REQUIRE(bert.init(1) == Status::ok);
    CHECK(until_enough([&] {
            vt::PooledTextEncoderResult<vt::DefaultKeep, float> r;
            vt::Workspace workspace(Failing::memory());
            return bert.forward_into(r, workspace, tokens);
          }) > 3);
  }
  CHECK(Failing::held == 0);
}
