// Configurations, shapes, strides and masks from C++, whatever their numbers: a size that is answered is one that
// holds, every other is a Status. Inputs have exactly the values that their extents say, so that the sanitizers see a
// wrong one.
#include <vitrine/models/bert.hpp>
#include <vitrine/models/llama.hpp>
#include <vitrine/models/t5.hpp>
#include <vitrine/models/transformer.hpp>
#include <vitrine/models/vit.hpp>
#include <vitrine/vitrine.hpp>

#include <vector>

#include "small_memory.hpp"
#include "targets.hpp"

namespace vt = vitrine;
using vt::Index;
using vt::Status;

namespace {

void must(bool holds) {
  if (!holds) __builtin_trap();
}

// Numbers from the fuzzer's bytes: small ones mostly, at times the ones that overflow.
class Numbers {
 public:
  explicit Numbers(std::string_view bytes) : bytes_(bytes) {}
  bool left() const { return at_ < bytes_.size(); }
  unsigned byte() { return left() ? static_cast<unsigned char>(bytes_[at_++]) : 0; }
  bool flag() { return byte() % 2 != 0; }
  // An extent.
  Index size() {
    const unsigned b = byte();
    if (b < 224) return Index(b % 16);
    if (b < 232) return Index(b - 224) * 24 + 17;
    const Index most = vt::sizes::largest;
    const Index extreme[] = {-1,           -2,       -most - 1,      most,           most - 1,
                             most / 2 + 1, most / 2, most / 4 + 1,   most / 8 + 1,   Index{1} << 32,
                             1 << 16,      1 << 24,  Index{1} << 31, Index{1} << 62, (Index{1} << 62) + 1};
    return extreme[(b - 232) % 15];
  }
  // One that most calls accept.
  Index sound() { return byte() % 8 == 0 ? size() : Index(1 + byte() % 8); }
  double real() {
    static constexpr double values[] = {1.0, 0.5, 2.0, 10000.0, 8.0, 1e-6, 0.0, -1.0, 1e300, -1e300, 1e-300};
    const unsigned b = byte();
    if (b < 240) return values[b % 6];
    if (b < 252) return values[6 + b % 5];
    return b == 252 ? __builtin_nan("") : b == 253 ? -__builtin_inf() : __builtin_inf();
  }

 private:
  std::string_view bytes_;
  std::size_t at_ = 0;
};

// Exactly so many values, all of them seen by the sanitizers; none where there would be too many.
std::vector<float> exactly(Index values) {
  std::vector<float> result(values > 0 && values <= 4096 ? std::size_t(values) : 0);
  for (std::size_t i = 0; i < result.size(); ++i) result[i] = float(i % 13) - 6.0f;
  result.shrink_to_fit();
  return result;
}

vt::Activation activation(Numbers& n) { return vt::Activation(n.byte() % 5); }

vt::AttentionOptions attention_options(Numbers& n) {
  vt::AttentionOptions o;
  if (n.flag()) o.num_key_value_heads = n.sound();
  if (n.flag()) o.head_dim = n.sound();
  if (n.flag()) o.scale = n.real(), o.softcap = n.real(), o.window = n.size();
  o.qk_norm = n.byte() % 4 == 0;
  if (n.byte() % 4 == 0)
    o.rotary = {.dim = n.byte() % 4 == 0 ? n.size() : Index(2 * std::size_t(n.sound())),
                .theta = n.real(),
                .pairs = vt::RotaryPairs(n.byte() % 2),
                .scaling = vt::RotaryScaling(n.byte() % 4),
                .factor = n.real(),
                .low_freq_factor = n.real(),
                .high_freq_factor = n.real(),
                .original_max_position_embeddings = n.size(),
                .attention_factor = n.real(),
                .beta_fast = n.real(),
                .beta_slow = n.real()};
  if (n.byte() % 4 == 0)
    o.relative_buckets = n.byte() % 4 == 0 ? n.size() : 8, o.relative_max_distance = n.size(),
    o.relative_bidirectional = n.flag();
  return o;
}
vt::LayerConfig layer_config(Numbers& n) {
  vt::LayerConfig c;
  c.nhead = n.sound();
  c.d_model = n.byte() % 4 == 0 ? n.size() : vt::sizes::product(c.nhead, n.sound());
  c.dim_feedforward = n.sound();
  c.activation = activation(n), c.layer_norm_eps = n.real(), c.norm_first = n.flag(), c.bias = n.flag();
  if (n.flag()) {
    c.options.attention = attention_options(n);
    c.options.norm = vt::NormKind(n.byte() % 3);
    c.options.branch_norms = n.byte() % 8 == 0, c.options.parallel = n.byte() % 8 == 0;
    c.options.gated = n.flag(), c.options.linear_bias = n.flag();
  }
  return c;
}
vt::Selection selection(Numbers& n) {
  vt::Selection s;
  if (n.flag()) s.which = vt::Which(n.byte() % 8);
  if (n.byte() % 4 == 0) s.layers = {int(n.byte()) - 8, int(n.byte() % 4)};
  if (n.byte() % 4 == 0) s.heads = {int(n.byte()) - 8, int(n.byte() % 8)};
  return s;
}

// The values of masks, which outlive the call.
struct MaskValues {
  std::vector<float> numbers;
  std::vector<std::uint8_t> flags;
  std::vector<Index> lengths;
};
vt::Mask<float> mask(Numbers& n, MaskValues& own, Index batch, Index heads, Index length, Index keys) {
  const auto extent = [&](Index wanted) { return n.byte() % 8 == 0 ? n.size() : n.byte() % 4 == 0 ? 1 : wanted; };
  vt::Mask<float> m;
  const auto values = [&](Index b, Index h, Index t, Index s) { return vt::sizes::product(b, h, t, s); };
  if (n.byte() % 4 == 0) m = m & vt::causal(n.size());
  if (n.byte() % 4 == 0) m = m & vt::window(n.size(), n.size(), n.size());
  if (n.byte() % 4 == 0) {
    own.lengths.assign(std::size_t(n.byte() % 8 == 0 ? 3 : batch >= 0 && batch < 64 ? batch : 0), n.sound());
    m = m & vt::key_lengths(own.lengths);
  }
  if (n.byte() % 4 == 0) {
    const Index b = extent(batch), h = extent(heads), t = extent(length), s = extent(keys);
    own.numbers = exactly(values(b, h, t, s));
    if (!own.numbers.empty()) m = m & vt::additive_bias(own.numbers.data(), b, h, t, s);
  }
  if (n.byte() % 4 == 0) {
    const Index b = extent(batch), h = extent(heads), t = extent(length), s = extent(keys);
    own.flags.assign(exactly(values(b, h, t, s)).size(), std::uint8_t(n.byte() % 3));
    if (!own.flags.empty()) m = m & vt::keep_matrix(own.flags.data(), b, h, t, s);
  }
  return m;
}

// What a module says of itself, whatever it was made of; has it values now?
template <class M>
bool begin(M& module) {
  const Status::Code config = module.check_config();
  (void)module.loaded(), (void)module.parameter_count();
  must(module.packed_bytes() <= std::size_t(vt::sizes::largest));
  const Status::Code status = module.init(1);
  must(config == Status::ok || status != Status::ok);
  must(status == Status::ok || status == Status::bad_config || status == Status::out_of_memory ||
       status == Status::not_supported);
  return status == Status::ok;
}
template <class M, class K>
void sizes_of(const M& module, const vt::Shape& shape, const K& keep) {
  const std::size_t most = std::size_t(vt::sizes::largest);
  must(module.workspace_bytes(shape, 2, keep) <= most && module.result_bytes(shape, keep) <= most);
}
// A call that ended well wrote all that it said it would, and no more.
template <class M, class R, class K>
void check_result(const M& module, const R& result, const vt::Workspace& workspace, const vt::Shape& shape,
                  const K& keep) {
  must(result.output.batch() == shape.batch && result.output.length() == shape.length);
  must(module.workspace_bytes(shape, 1, keep) >= workspace.peak_bytes());
  std::size_t bytes = result.output.span().size_bytes();
  if constexpr (requires { result.self_attn.bytes(); }) bytes += result.self_attn.bytes();
  if constexpr (requires { result.cross_attn.bytes(); }) bytes += result.cross_attn.bytes();
  must(module.result_bytes(shape, keep) == bytes);
}

// With one of the policies.
template <class F>
void with_policy(Numbers& n, F f) {
  const vt::Selection chosen = selection(n);
  switch (n.byte() % 4) {
    case 0:
      return f(vt::keep::weights.only(chosen));
    case 1:
      return f(vt::keep::statistics.only(chosen));
    case 2:
      return f(vt::keep::scores.only(chosen));
    default:
      return f(vt::keep::nothing);
  }
}

// A view of rows, and the values that it needs: its own strides at times.
struct Input {
  std::vector<float> values;
  vt::Sequences<float> view;

  Input(Numbers& n, Index batch, Index length, Index width) {
    const bool plain = n.byte() % 4 != 0;
    const Index row = plain ? width : n.size(), step = plain ? vt::sizes::product(length, width) : n.size();
    view = {nullptr, batch, length, width};
    view.row_stride = row, view.batch_stride = step;
    Index reach = vt::sizes::product(batch, length, width) > 0 ? width : 0;
    if (reach > 0 && (row < 0 || step < 0))
      reach = 4097;  // no data
    else if (reach > 0)
      reach = vt::sizes::sum(reach,
                             vt::sizes::sum(vt::sizes::product(length - 1, row), vt::sizes::product(batch - 1, step)));
    values = exactly(reach);
    static const float one = 0;  // of what no memory holds, and is refused before it is read
    view.data = Index(values.size()) == reach ? values.data() : reach > Index{1} << 60 ? &one : nullptr;
  }
};

template <class E>
void encode(Numbers& n, E&& encoder, Index heads, Index width, Index layers = 1) {
  const vt::Shape shape{n.sound(), n.sound(), 0};
  const bool ready = begin(encoder);
  with_policy(n, [&](const auto& keep) {
    using K = std::remove_cvref_t<decltype(keep)>;
    sizes_of(encoder, shape, keep);
    const Input x(n, shape.batch, shape.length, width);
    MaskValues own;
    const auto masks = mask(n, own, shape.batch, heads, shape.length, shape.length);
    const auto scale = exactly(n.byte() % 8 == 0 ? n.size() : n.flag() ? heads : vt::sizes::product(layers, heads));
    vt::EncoderResult<K, float> result;
    vt::Workspace workspace(small_memory(), 1);
    const Status status = encoder.forward_into(result, workspace, x.view, {masks, scale}, keep);
    must(ready || status != Status::ok);
    if (status == Status::ok && shape.length > 0) check_result(encoder, result, workspace, shape, keep);
  });
}
template <class E>
void decode(Numbers& n, E&& decoder, Index heads, Index width) {
  const vt::Shape shape{n.sound(), n.sound(), n.sound()};
  const bool ready = begin(decoder);
  with_policy(n, [&](const auto& keep) {
    using K = std::remove_cvref_t<decltype(keep)>;
    sizes_of(decoder, shape, keep);
    const Input x(n, shape.batch, shape.length, width), memory(n, shape.batch, shape.memory_length, width);
    MaskValues own, of_memory;
    vt::DecoderMasks<float> masks;
    masks.tgt_mask = mask(n, own, shape.batch, heads, shape.length, shape.length);
    masks.memory_mask = mask(n, of_memory, shape.batch, heads, shape.length, shape.memory_length);
    vt::DecoderResult<K, float> result;
    vt::Workspace workspace(small_memory(), 1);
    const Status status = decoder.forward_into(result, workspace, x.view, memory.view, masks, keep);
    must(ready || status != Status::ok);
    if (status == Status::ok && shape.length > 0 && shape.memory_length > 0 && memory.view.contiguous())
      check_result(decoder, result, workspace, shape, keep);
  });
}
void attend(Numbers& n) {
  vt::AttentionConfig c;
  c.num_heads = n.sound(), c.embed_dim = n.byte() % 4 == 0 ? n.size() : vt::sizes::product(c.num_heads, n.sound());
  c.bias = n.flag(), c.add_bias_kv = n.byte() % 4 == 0, c.add_zero_attn = n.byte() % 4 == 0;
  if (n.byte() % 4 == 0) c.kdim = n.sound(), c.vdim = n.sound();
  if (n.flag()) c.options = attention_options(n);
  vt::MultiheadAttention<float> mha(c, small_memory());
  const bool ready = begin(mha);
  const vt::Shape shape{n.sound(), n.sound(), n.sound()};
  with_policy(n, [&](const auto& keep) {
    using K = std::remove_cvref_t<decltype(keep)>;
    sizes_of(mha, shape, keep);
    const Index kdim = c.kdim == vt::Dynamic ? c.embed_dim : c.kdim,
                vdim = c.vdim == vt::Dynamic ? c.embed_dim : c.vdim;
    const Input query(n, shape.batch, shape.length, c.embed_dim), key(n, shape.batch, shape.memory_length, kdim);
    const Input value(n, shape.batch, shape.memory_length, vdim);
    MaskValues own;
    const auto masks = mask(n, own, shape.batch, c.num_heads, shape.length, shape.memory_length);
    vt::CrossResult<K, float> result;
    vt::Workspace workspace(small_memory(), 1);
    const Status status = mha.forward_into(result, workspace, query.view, key.view, value.view, {masks}, keep);
    must(ready || status != Status::ok);
  });
}
void scaled_dot_product(Numbers& n) {
  const Index batch = n.sound(), heads = n.sound(), group = n.sound(), length = n.sound(), keys = n.sound();
  const Index width = n.sound(), value_width = n.sound(), past = n.flag() ? n.sound() : 0;
  const auto operand = [&](std::vector<float>& values, Index h, Index rows, Index columns) {
    values = exactly(vt::sizes::product(batch, h, rows, columns));
    return n.flag() ? vt::heads_bhtd(values.data(), batch, h, rows, columns)
                    : vt::heads_bthd(values.data(), batch, h, rows, columns);
  };
  std::vector<float> values[5];
  const Index query_heads = vt::sizes::product(heads, group);
  const auto q = operand(values[0], query_heads, length, width), k = operand(values[1], heads, keys, width),
             v = operand(values[2], heads, keys, value_width);
  vt::SdpaOptions<float> o;
  if (past != 0) {
    o.past_key = operand(values[3], heads, past, width);
    o.past_value = operand(values[4], heads, past, value_width);
  }
  MaskValues own;
  o.mask = mask(n, own, batch, query_heads, length, vt::sizes::sum(keys > 0 ? keys : 0, past > 0 ? past : 0));
  if (n.flag()) o.scale = float(n.real()), o.softcap = float(n.real());
  o.scores_at = vt::kernels::ScoresAt(n.byte() % 4);
  with_policy(n, [&](const auto& keep) {
    using K = std::remove_cvref_t<decltype(keep)>;
    vt::SdpaResult<K, float> result;
    vt::Workspace workspace(small_memory(), 1);
    (void)vt::scaled_dot_product_attention_into(result, workspace, q, k, v, o, keep);
  });
}
void multiply(Numbers& n) {
  vt::kernels::BatchedProduct<float> p;
  p.batch = n.sound(), p.rows = n.sound(), p.columns = n.sound(), p.depth = n.sound();
  using vt::sizes::product;
  const auto a = exactly(product(p.batch, p.rows, p.depth)), b = exactly(product(p.batch, p.columns, p.depth));
  auto c = exactly(product(p.batch, p.rows, p.columns));
  p.a.data = a.data(), p.a.batch_stride = product(p.rows, p.depth);
  p.a.row_stride = n.flag() ? p.depth : 1, p.a.column_stride = p.a.row_stride == 1 && p.depth != 1 ? p.rows : 1;
  p.b.data = b.data(), p.b.batch_stride = product(p.columns, p.depth);
  p.b.row_stride = n.flag() ? p.columns : 1, p.b.column_stride = p.b.row_stride == 1 && p.columns != 1 ? p.depth : 1;
  p.c = c.data(), p.c_batch_stride = product(p.rows, p.columns), p.c_row_stride = p.columns;
  vt::Workspace workspace(small_memory(), 1);
  must(vt::kernels::workspace_bytes(p) <= std::size_t(vt::sizes::largest));
  const auto has = [](const std::vector<float>& values, Index count) { return Index(values.size()) == count; };
  const bool whole = has(a, product(p.batch, p.rows, p.depth)) && has(b, product(p.batch, p.columns, p.depth)) &&
                     has(c, product(p.batch, p.rows, p.columns));
  if (!whole) p.a.data = nullptr, p.c = nullptr;
  (void)vt::kernels::batched_matmul(p, workspace);
}
// What owns memory, and views.
void hold(Numbers& n) {
  vt::Tensor<float> tensor(small_memory());
  vt::Buffer<double> buffer(small_memory());
  vt::Arena arena;
  for (int i = 0; i < 4 && n.left(); ++i) {
    const Index batch = n.size(), length = n.size(), width = n.size();
    if (tensor.resize(batch, length, width) == Status::ok)
      must(tensor.span().size() == std::size_t(vt::sizes::product(batch, length, width)));
    if (buffer.resize(batch) == Status::ok && batch > 0) buffer[batch - 1] = 1;
    (void)arena.take<float>(batch, length, width);
    must(arena.used() <= std::size_t(vt::sizes::largest));
    const std::vector<Index> lengths = {n.size(), n.size(), n.size()};
    const float value = 0;
    const vt::Sequences<float> views[] = {{&value, batch, length, width},
                                          vt::from_seq_first(&value, length, batch, width),
                                          vt::Ragged<float>(&value, width, lengths)};
    for (const auto& view : views) {
      (void)view.rows(), (void)view.contiguous();
      if (view.check() == Status::ok && tensor.resize_like(view, view.width) == Status::ok)
        must(tensor.rows() == view.rows());
    }
    vt::Maps<float> maps(small_memory());
    vt::MapShape shape{n.size(), batch, n.size(), length, width, {}, {}, 0};
    if (n.flag()) shape.batch = 3, shape.lengths = shape.memory_lengths = lengths;
    const bool sound = shape.layers >= 0 && shape.batch >= 0 && shape.heads >= 0 && length >= 0 && width >= 0 &&
                       lengths[0] >= 0 && lengths[1] >= 0 && lengths[2] >= 0;
    if (sound && maps.prepare(shape, selection(n), vt::Which::self) == Status::ok)
      must(maps.values().size() <= (std::size_t{1} << 18));
    must(vt::Maps<float>::count(batch, length, width, batch, length) >= 0);
    must(vt::Statistics<float>::count(batch, length, width, batch, length) >= 0);
    vt::Linear<float> linear(batch, length, n.flag(), small_memory());
    vt::LayerNorm<float> norm(width, n.real(), n.flag(), small_memory());
    vt::Embedding<float> embedding(length, width, small_memory());
    (void)begin(linear), (void)begin(norm), (void)begin(embedding);
  }
}
// Models: made, and asked.
void model(Numbers& n) {
  const auto call = [&](auto&& m) {
    if (!begin(m)) return;
    const std::vector<Index> ids(n.byte() % 12, Index(std::size_t(n.sound()) - 1));
    const vt::Tokens tokens{std::span<const Index>(ids)};
    using M = std::remove_cvref_t<decltype(m)>;
    vt::Workspace workspace(small_memory(), 1);
    if constexpr (requires { m.max_length(); }) (void)m.max_length();
    if constexpr (std::is_base_of_v<vt::Seq2Seq<float>, M>) {
      vt::Seq2SeqResult<vt::DefaultKeep, float> result;
      (void)m.forward_into(result, workspace, tokens, tokens);
    } else if constexpr (std::is_base_of_v<vt::Causal<float>, M>) {
      vt::CausalResult<vt::DefaultKeep, float> result;
      (void)m.forward_into(result, workspace, tokens);
    } else {
      vt::PooledTextEncoderResult<vt::DefaultKeep, float> result;
      (void)m.forward_into(result, workspace, tokens);
    }
  };
  switch (n.byte() % 5) {
    case 0: {
      vt::TextEncoderConfig c;
      c.vocab_size = n.sound(), c.num_attention_heads = n.sound();
      c.hidden_size = n.byte() % 4 == 0 ? n.size() : vt::sizes::product(c.num_attention_heads, n.sound());
      c.num_hidden_layers = n.sound(), c.intermediate_size = n.sound(), c.max_position_embeddings = n.sound();
      c.type_vocab_size = n.sound();
      return call(vt::Bert<float>(c, small_memory()));
    }
    case 1: {
      vt::LlamaConfig c;
      c.vocab_size = n.sound(), c.num_attention_heads = n.sound();
      c.hidden_size = n.byte() % 4 == 0 ? n.size() : vt::sizes::product(c.num_attention_heads, n.sound());
      c.num_hidden_layers = n.sound(), c.intermediate_size = n.sound(), c.max_position_embeddings = n.sound();
      if (n.flag()) c.num_key_value_heads = n.sound(), c.head_dim = n.sound();
      c.rope_parameters = attention_options(n).rotary;
      c.sliding_window = n.size(), c.sliding_layers.insert(n.size()), c.tie_word_embeddings = n.flag();
      return call(vt::Llama<float>(c, small_memory()));
    }
    case 2: {
      vt::T5Config c;
      c.vocab_size = n.sound(), c.d_model = n.sound(), c.d_kv = n.sound(), c.d_ff = n.sound();
      c.num_layers = n.sound(), c.num_decoder_layers = n.sound(), c.num_heads = n.sound();
      c.relative_attention_num_buckets = n.size(), c.relative_attention_max_distance = n.size();
      c.is_gated_act = n.flag(), c.tie_word_embeddings = n.flag();
      return call(vt::T5<float>(c, small_memory()));
    }
    case 3: {
      vt::VitConfig c;
      c.num_attention_heads = n.sound();
      c.hidden_size = n.byte() % 4 == 0 ? n.size() : vt::sizes::product(c.num_attention_heads, n.sound());
      c.num_hidden_layers = n.sound(), c.intermediate_size = n.sound(), c.num_channels = n.sound();
      c.image_height = n.sound(), c.image_width = n.sound(), c.patch_height = n.sound(), c.patch_width = n.sound();
      vt::Vit<float> vit(c, small_memory());
      if (!begin(vit)) return;
      const Index images = n.sound();
      const auto pixels = exactly(vt::sizes::product(images, c.num_channels, c.image_height, c.image_width));
      vt::VitResult<vt::DefaultKeep, float> result;
      vt::Workspace workspace(small_memory(), 1);
      return void(vit.forward_into(
          result, workspace,
          {pixels.empty() ? nullptr : pixels.data(), images, c.num_channels, c.image_height, c.image_width}));
    }
    default: {
      vt::TransformerConfig c;
      c.nhead = n.sound(), c.d_model = n.byte() % 4 == 0 ? n.size() : vt::sizes::product(c.nhead, n.sound());
      c.num_encoder_layers = n.sound(), c.num_decoder_layers = n.sound(), c.dim_feedforward = n.sound();
      vt::Transformer<float> transformer(c, small_memory());
      sizes_of(transformer, {n.size(), n.size(), n.size()}, vt::keep::weights);
      (void)begin(transformer);
    }
  }
}

}  // namespace

void fuzz_constructors(std::string_view input) {
  Numbers n(input);
  const unsigned kind = n.byte() % 9;
  const auto stack = [&](const vt::LayerConfig& layer) {
    vt::StackConfig c;
    c.layer = layer, c.num_layers = n.sound(), c.final_norm = n.flag();
    return c;
  };
  if (kind == 4) return attend(n);
  if (kind == 5) return scaled_dot_product(n);
  if (kind == 6) return multiply(n);
  if (kind == 7) return hold(n);
  if (kind == 8) return model(n);
  const vt::LayerConfig c = layer_config(n);
  if (kind == 0) return encode(n, vt::EncoderLayer<float>(c, small_memory()), c.nhead, c.d_model);
  if (kind == 1) return decode(n, vt::DecoderLayer<float>(c, small_memory()), c.nhead, c.d_model);
  const vt::StackConfig many = stack(c);
  if (kind == 2) return encode(n, vt::Encoder<float>(many, small_memory()), c.nhead, c.d_model, many.num_layers);
  decode(n, vt::Decoder<float>(many, small_memory()), c.nhead, c.d_model);
}
