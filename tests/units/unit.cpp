// One unit of a program: UNIT is its name. check.sh builds it in many ways and links them all together.
#include <vitrine/models/bert.hpp>
#include <vitrine/models/gpt2.hpp>
#include <vitrine/models/marian.hpp>
#include <vitrine/vitrine.hpp>

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)

namespace {

namespace vt = vitrine;
using vt::Index;

struct Hash {
  std::uint64_t value = 0xcbf29ce484222325u;
  bool good = true;
  void add(const float* x, Index count) {
    const auto* bytes = reinterpret_cast<const unsigned char*>(x);
    for (Index i = 0; i < count * Index{4}; ++i) value = (value ^ bytes[i]) * 0x100000001b3u;
  }
  template <class Map>
  void add_matrix(const Map& m) {
    add(m.data(), m.rows() * m.cols());
  }
  void check(const vt::Status& status) {
    if (status != vt::Status::ok) good = false;
  }
};

constexpr Index width = 20, heads = 4;
constexpr vt::LayerConfig config{.d_model = width, .nhead = heads, .dim_feedforward = 33};

template <class K>
void layers(Hash& hash, vt::Workspace& workspace, const float* x, const float* memory, const K& keep) {
  vt::EncoderLayer<float> encoder(config);
  vt::DecoderLayer<float> decoder(config);
  hash.check(encoder.init(1)), hash.check(decoder.init(2));
  const Index lengths[] = {17, 5, 9};
  const auto mask = vt::causal() & vt::key_lengths(lengths);
  vt::EncoderResult<K, float> encoded;
  vt::DecoderResult<K, float> decoded;
  hash.check(encoder.forward_into(encoded, workspace, {x, 3, 17, width}, {.src_mask = mask}, keep));
  hash.check(
      decoder.forward_into(decoded, workspace, {x, 3, 17, width}, {memory, 3, 19, width}, {.tgt_mask = mask}, keep));
  for (Index b = 0; b < 3; ++b) hash.add_matrix(encoded.output.matrix(b)), hash.add_matrix(decoded.output.matrix(b));
  if constexpr (std::is_same_v<K, vt::DefaultKeep>) hash.add_matrix(decoded.cross_attn.matrix(2, 3));
}

template <class Model, class Result>
void text(Hash& hash, vt::Workspace& workspace, Model&& model, Result result) {
  const Index ids[] = {1, 2, 3, 4, 5, 6, 7};
  hash.check(model.init(4));
  if constexpr (requires { result.encoder; })
    hash.check(model.forward_into(result, workspace, std::span<const Index>(ids), std::span<const Index>(ids)));
  else
    hash.check(model.forward_into(result, workspace, std::span<const Index>(ids)));
  hash.add_matrix(result.output.matrix(0));
}

}  // namespace

extern "C" std::uint64_t JOIN(run_, UNIT)() {
  Hash hash;
  vt::Workspace workspace(vt::heap(), 2);
  workspace.parallel_from(0);
  float x[3 * 17 * width], memory[3 * 19 * width];
  std::uint64_t state = 1;
  const auto fill = [&](float& value) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    value = float(int(state >> 40)) * 0x1p-23f - 1;
  };
  for (float& value : x) fill(value);
  for (float& value : memory) fill(value);
  layers(hash, workspace, x, memory, vt::keep::weights);
  layers(hash, workspace, x, memory, vt::keep::scores);
  layers(hash, workspace, x, memory, vt::keep::head_mean);
  layers(hash, workspace, x, memory, vt::keep::nothing);
  vt::Transformer<float> transformer(
      {.d_model = width, .nhead = heads, .num_encoder_layers = 1, .num_decoder_layers = 2, .dim_feedforward = 33});
  hash.check(transformer.init(3));
  vt::TransformerResult<vt::DefaultKeep, float> r;
  hash.check(transformer.forward_into(r, workspace, {memory, 3, 19, width}, {x, 3, 17, width}));
  hash.add_matrix(r.output.matrix(2)), hash.add_matrix(r.cross_attn[1].matrix(2, 3));
  vt::SdpaResult<vt::DefaultKeep, float> attended;
  const auto head = vt::heads_bthd(x, Index{1}, heads, Index{17}, width / heads);
  attended.output.use(vt::heap()), attended.weights.use(vt::heap());
  hash.check(vt::scaled_dot_product_attention_into(attended, workspace, head, head, head, {.softcap = 3}));
  hash.add_matrix(attended.weights.matrix(0, 1));
  text(hash, workspace,
       vt::Bert<float>({.vocab_size = 8,
                        .hidden_size = width,
                        .num_hidden_layers = 1,
                        .num_attention_heads = heads,
                        .intermediate_size = 33,
                        .max_position_embeddings = 9}),
       vt::PooledTextEncoderResult<vt::DefaultKeep, float>());
  text(hash, workspace,
       vt::Gpt2<float>({.vocab_size = 8, .n_positions = 9, .n_embd = width, .n_layer = 1, .n_head = heads}),
       vt::Gpt2Result<vt::DefaultKeep, float>());
  text(hash, workspace,
       vt::Marian<float>({.vocab_size = 8,
                          .d_model = width,
                          .encoder_layers = 1,
                          .decoder_layers = 1,
                          .encoder_attention_heads = heads,
                          .decoder_attention_heads = heads,
                          .encoder_ffn_dim = 33,
                          .decoder_ffn_dim = 33}),
       vt::Seq2SeqResult<vt::DefaultKeep, float>());
  return hash.good ? hash.value : 0;
}

// An error of this unit's own, thrown and caught.
#if VITRINE_EXCEPTIONS
extern "C" bool JOIN(throws_, UNIT)() {
  const float x[width] = {};
  vt::EncoderLayer<float> unloaded(config);
  try {
    (void)unloaded({x, 1, 1, width});
    return false;
  } catch (const vt::StatusError&) { return true; }
}
#else
extern "C" bool JOIN(throws_, UNIT)() { return true; }
#endif
