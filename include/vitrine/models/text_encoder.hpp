// TextEncoder: token ids through embeddings, a norm and an Encoder; what Bert and DistilBert have in common.
//
//   auto r = model(tokens);                                       // Tokens: one sequence, padded or ragged
//   auto r = model(padded, {.src_mask = vt::key_lengths(lengths)});
//   r.output: last hidden states (B, T, E)      r.self_attn[layer].matrix(b, h): T x T
//
// Padding: a mask hides padded keys, and padded queries are computed over the keys that are left, as Transformers does.
// A row with no key left has weights 0 here, where Transformers' finite bias makes it uniform.
#pragma once
#include <vitrine/models/encoder.hpp>
#include <vitrine/models/tokens.hpp>

namespace vitrine::inline VITRINE_ABI {

// Keys of config.json that change a result, by BERT's names.
struct TextEncoderConfig {
  Index vocab_size = 30522, hidden_size = 768;
  Index num_hidden_layers = 12, num_attention_heads = 12, intermediate_size = 3072;
  Index max_position_embeddings = 512;
  Index type_vocab_size = 2;  // 0: no token types
  Activation hidden_act = Activation::gelu;
  double layer_norm_eps = 1e-12;
  bool pooler = true;  // does the checkpoint have one?
  Index pad_token_id = 0;
};

// What a call may be given.
template <class S>
struct TextEncoderMasks {
  Mask<S> src_mask = {};
  std::span<const S> head_scale = {};       // see EncoderMasks
  std::span<const Index> token_types = {};  // one for each id; empty: all 0
};

// The last hidden states, self_attn, and the embeddings, both (B, T, E).
template <class K, class S>
struct TextEncoderResult : EncoderResult<K, S> {
  Tensor<S> embedded = Tensor<S>{};  // what the first layer saw
};

template <class S>
class TextEncoder : public Module<TextEncoder<S>, S> {
 public:
  // The second argument of a call.
  using Masks = TextEncoderMasks<S>;

  // The configuration.
  const TextEncoderConfig& config() const noexcept { return config_; }
  // The stack behind the embeddings.
  const Encoder<S>& encoder() const noexcept { return encoder_; }
  // The longest sequence of ids that has positions.
  Index max_length() const noexcept { return positions_.rows; }
  // Ids that the embedding knows.
  Index vocab_size() const noexcept { return words_.rows; }

  // Allocates only to grow result and workspace. bad_shape names an id, a token type or a length that the model does
  // not have, not_supported token types where it has none; otherwise as Encoder.
  template <class K = DefaultKeep, class F = NoTrace>
  Status forward_into(TextEncoderResult<K, S>& result, Workspace& workspace, const Tokens& tokens,
                      const Masks& masks = {}, const K& keep = {}, F&& trace = {}) const noexcept {
    if (Status s = embed(tokens, masks.token_types, result.embedded, workspace); s != Status::ok) return s;
    detail::show(trace, "embeddings", result.embedded);
    return encoder_.forward_into(result, workspace, result.embedded,
                                 {.src_mask = masks.src_mask, .head_scale = masks.head_scale}, keep,
                                 detail::prefixed("encoder.", trace));
  }
#if VITRINE_EXCEPTIONS
  // The same with fresh results and scratch from memory(). Throws StatusError.
  template <class K = DefaultKeep, class F = NoTrace>
  TextEncoderResult<K, S> operator()(const Tokens& tokens, const Masks& masks = {}, const K& keep = {},
                                     F&& trace = {}) const {
    TextEncoderResult<K, S> result;
    Workspace workspace(this->memory());
    throw_if_failed(forward_into(result, workspace, tokens, masks, keep, trace));
    return result;
  }
#endif

  template <class Self, class F>
  static void visit_parameters(Self& self, detail::NamePath& path, F& visit) {
    using detail::visit_parameter;
    visit_parameter(visit, path, "embeddings.word_embeddings.weight", self.words_);
    visit_parameter(visit, path, "embeddings.position_embeddings.weight", self.positions_);
    visit_parameter(visit, path, "embeddings.token_type_embeddings.weight", self.types_);
    detail::visit_part(self.norm_, "embeddings.LayerNorm.", path, visit);
    detail::visit_module(self.encoder_, "encoder.", path, visit);
    visit_parameter(visit, path, "pooler.dense.weight", self.pooler_weight_);
    visit_parameter(visit, path, "pooler.dense.bias", self.pooler_bias_);
  }

 protected:
  TextEncoder(const TextEncoderConfig& c, const Memory* memory) noexcept
      : Module<TextEncoder, S>(memory),
        config_(c),
        norm_(c.hidden_size, c.layer_norm_eps, true),
        encoder_({{.d_model = c.hidden_size,
                   .nhead = c.num_attention_heads,
                   .dim_feedforward = c.intermediate_size,
                   .activation = c.hidden_act,
                   .layer_norm_eps = c.layer_norm_eps},
                  c.num_hidden_layers,
                  false},
                 memory) {
    words_ = table(c.vocab_size), positions_ = table(c.max_position_embeddings);
    if (c.type_vocab_size > 0) types_ = table(c.type_vocab_size);
    if (!c.pooler) return;
    pooler_weight_ = detail::matrix_parameter<S>(c.hidden_size, c.hidden_size);
    pooler_bias_ = detail::vector_parameter<S>(c.hidden_size);
  }

  // pooled (B, 1, E) = tanh(W h + b), h the hidden states of each sequence's first token.
  Status pool(Tensor<S>& pooled, Workspace& workspace, const Tensor<S>& hidden) const noexcept {
    const Index batch = hidden.batch(), width = hidden.width();
    for (Index b = 0; b < batch; ++b)
      if (hidden.length_of(b) < 1)
        return {Status::bad_shape, "a sequence without tokens cannot be pooled", hidden.length_of(b), 1};
    pooled.use(this->memory());
    const detail::RowMap sequences{batch, hidden.length(), hidden.starts()};
    const detail::RowsWork<S> work{width, double(width) * double(width), {.hidden = width, .depth = width}};
    const Sequences<S> shape(hidden.data(), batch, 1, width);  // the first rows themselves stand apart
    return detail::run_rows(pooled, workspace, shape, work, [&](auto& block, const auto&, const detail::Rows<S>& y) {
      const detail::Rows<S> first = block.hidden(width);
      block.split([&](Index from, Index to) {
        for (Index b = from; b < to; ++b)
          for (Index c = 0; c < width; ++c)
            first.data[b * width + c] = hidden.data()[sequences.start(block.first() + b) * width + c];
      });
      block.wait();
      detail::Operand<S> x(first);
      block.linear(nullptr, x, {pooler_weight_, pooler_bias_}, y);
      block.wait();
      block.split([&](Index from, Index to) {
        for (Index i = from * width; i < to * width; i += simd<S>::lanes)
          store_head(y.data + i, kernels::tanh<S>(load_head(y.data + i, to * width - i)), to * width - i);
      });
    });
  }
  bool has_pooler() const noexcept { return pooler_weight_.exists(); }

 private:
  Parameter<S> table(Index rows) const {
    Parameter<S> p;
    p.rows = rows, p.cols = config_.hidden_size;
    return p;
  }
  // embedded = norm((word + token type) + position), each step rounded.
  Status embed(const Tokens& tokens, std::span<const Index> types, Tensor<S>& embedded,
               Workspace& workspace) const noexcept {
    if (config_.vocab_size <= 0 || config_.hidden_size <= 0 || config_.max_position_embeddings <= 0)
      return {Status::bad_config, "vocab_size, hidden_size and max_position_embeddings must be positive"};
    if (Status s = this->check_loaded(); s != Status::ok) return s;
    const detail::TokenEmbedding<S> words{&words_, &positions_};
    if (Status s = words.check(tokens); s != Status::ok) return s;
    const Index rows = tokens.rows(), width = config_.hidden_size;
    if (!types.empty()) {
      if (!types_.exists()) return {Status::not_supported, "this model has no token types"};
      if (Index(types.size()) != rows)
        return {Status::bad_shape, "there must be one token type for each id", Index(types.size()), rows};
      for (Index type : types)
        if (type < 0 || type >= types_.rows)
          return {Status::bad_shape, "a token type is not in its table", type, types_.rows};
    }
    Sequences<S> like(nullptr, tokens.batch, tokens.length, width);
    like.lengths = tokens.lengths;
    embedded.use(this->memory());
    if (Status s = embedded.resize_like(like, width); s != Status::ok) return s;
    S* const out = embedded.data();
    run_team(workspace.threads_for(8 * double(rows) * double(width)), [&](Team& team) {
      const Sequences<S> x(embedded);
      team.split(tokens.batch, [&](Index first, Index last) {
        Index row = 0;
        for (Index b = 0; b < first; ++b) row += x.length_of(b);
        for (Index b = first; b < last; ++b)
          for (Index t = 0; t < x.length_of(b); ++t, ++row) {
            S* const to = out + row * width;
            detail::embed_row(words_, tokens.ids[row], S(1), to);
            if (types_.exists()) {
              const S* type = types_.values.data() + (types.empty() ? 0 : types[std::size_t(row)]) * width;
              for (Index c = 0; c < width; ++c) to[c] += type[c];
            }
            const S* position = positions_.values.data() + t * width;
            for (Index c = 0; c < width; ++c) to[c] += position[c];
          }
      });
      team.barrier();
      team.split(rows, [&](Index first, Index last) {
        const detail::Rows<S> own(out + first * width, last - first, width);
        norm_(own, own);
      });
    });
    return {};
  }

  TextEncoderConfig config_;
  Parameter<S> words_, positions_, types_, pooler_weight_, pooler_bias_;
  detail::NormCore<S> norm_;
  Encoder<S> encoder_;
};

}  // namespace vitrine::inline VITRINE_ABI
