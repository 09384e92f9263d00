// Seq2Seq: token ids through an encoder and a decoder to logits; what Marian, Bart, MBart and M2M100 have in common.
//
//   auto r = model(source, target);                    // Tokens: one sequence, padded or ragged
//   r.output: logits (B, T, V)      r.hidden: the decoder's last hidden states (B, T, E)
//   r.self_attn[l], r.cross_attn[l]: the decoder's maps      r.encoder.self_attn[l], r.encoder.output: the encoder's
//
// The target is causal and begins with decoder_start_token_id. Step-by-step decoding is generate/decoding.hpp.
#pragma once
#include <vitrine/layers/positional_encoding.hpp>
#include <vitrine/models/tokens.hpp>
#include <vitrine/models/transformer.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

// Keys of config.json that change a result, by Transformers' names.
struct Seq2SeqConfig {
  Index vocab_size = Dynamic, decoder_vocab_size = Dynamic;  // Dynamic: vocab_size
  Index d_model = Dynamic, encoder_layers = 6, decoder_layers = 6;
  Index encoder_attention_heads = 8, decoder_attention_heads = 8;
  Index encoder_ffn_dim = 2048, decoder_ffn_dim = 2048;
  Index max_position_embeddings = 512;
  Activation activation_function = Activation::gelu;
  bool scale_embedding = false, share_encoder_decoder_embeddings = true, tie_word_embeddings = true;
  double layer_norm_eps = 1e-5;
  // What a checkpoint holds: Marian's positions (else they are computed), and a bias of the logits.
  bool stored_positions = false, final_logits_bias = true;
  Index pad_token_id = -1, bos_token_id = -1, eos_token_id = -1, decoder_start_token_id = -1;
};

// What a call may be given.
template <class S>
struct Seq2SeqMasks {
  Mask<S> src_mask = {};  // over the keys of padded sources, for encoder and cross-attention alike
  std::span<const S> encoder_head_scale = {}, head_scale = {}, memory_head_scale = {};  // see EncoderMasks
};

// Logits (B, T, V) with the decoder's maps, the encoder's whole result, and the hidden states (B, T, E).
template <class K, class S>
struct Seq2SeqResult : TransformerResult<K, S> {  // output: logits
  Tensor<S> hidden = Tensor<S>{};
  Tensor<S> embedded = Tensor<S>{};  // the source's, then the target's embeddings
};

template <class S, Dims D>
class DecodingSteps;

template <class S>
class Seq2Seq : public Module<Seq2Seq<S>, S> {
 public:
  // The third argument of a call.
  using Masks = Seq2SeqMasks<S>;

  // The configuration.
  const Seq2SeqConfig& config() const noexcept { return config_; }
  // The encoder, without embeddings.
  const Encoder<S>& encoder() const noexcept { return encoder_; }
  // The decoder, without embeddings and logits.
  const Decoder<S>& decoder() const noexcept { return decoder_; }
  // The longest sequence of ids that the configuration speaks of.
  Index max_length() const noexcept {
    return source_positions_.exists() ? source_positions_.rows - places_.offset : most_;
  }
  // The most ids of a sequence: max_length(), or more where positions are computed from their number.
  Index most_ids() const noexcept { return most_ > max_length() ? most_ : max_length(); }
  // As Module's: bad_config, out_of_memory.
  Status check_config() const noexcept {
    if (config_.vocab_size <= 0 || config_.d_model <= 0 || config_.max_position_embeddings <= 0)
      return {Status::bad_config, "vocab_size, d_model and max_position_embeddings must be positive"};
    if (computed_ && source_positions_.values.empty())
      return {Status::out_of_memory, "memory for the positions ran out (values)", Status::unset,
              source_positions_.elements(), Status::at_least};
    if (Status s = encoder_.check_config(); s != Status::ok) return s;
    return decoder_.check_config();
  }
  // V: how many ids the target has.
  Index vocab_size() const noexcept { return output().rows; }

  // source ids to result.output (B, S, E) and its maps (Which::encoder); `embedded` becomes what the first layer saw,
  // (B, S, E). Allocates only to grow these and workspace. bad_shape names an id or a length that the model does not
  // have; otherwise as Encoder.
  template <class K = DefaultKeep, class F = NoTrace>
  Status encode_into(  // NOLINT(readability-function-size): a model's arguments, then the result's
      EncoderResult<K, S>& result, Tensor<S>& embedded, Workspace& workspace, const Tokens& source,
      const Masks& masks = {}, const K& keep = {}, F&& trace = {}) const noexcept {
    if (Status s = ready(); s != Status::ok) return s;
    if (Status s = source_embedding().all(source, embedded, this->memory()); s != Status::ok) return s;
    auto side = detail::prefixed("encoder.", trace);
    detail::show(side, "embeddings", embedded);
    return encoder_.forward_into(result, workspace, embedded,
                                 {.src_mask = masks.src_mask, .head_scale = masks.encoder_head_scale},
                                 detail::for_encoder(keep), side);
  }
  // The whole model with the target given (teacher forcing): logits (B, T, V), T ids a target, the first the start
  // token. Allocates only to grow result and workspace. Errors as encode_into.
  template <class K = DefaultKeep, class F = NoTrace>
  Status forward_into(  // NOLINT(readability-function-size): a model's arguments, then the result's
      Seq2SeqResult<K, S>& result, Workspace& workspace, const Tokens& source, const Tokens& target,
      const Masks& masks = {}, const K& keep = {}, F&& trace = {}) const noexcept {
    if (Status s = ready(); s != Status::ok) return s;
    if (source.batch != target.batch)
      return {Status::bad_shape, "source and target must have the same batch", source.batch, target.batch};
    if (Status s = target_embedding().check(target); s != Status::ok) return s;
    if (Status s = encode_into(result.encoder, result.embedded, workspace, source, masks, keep, trace); s != Status::ok)
      return s;
    if (Status s = target_embedding().all(target, result.embedded, this->memory()); s != Status::ok) return s;
    auto side = detail::prefixed("decoder.", trace);
    detail::show(side, "embeddings", result.embedded);
    DecoderResult<K, S>& own = result;
    Tensor<S> logits = static_cast<Tensor<S>&&>(own.output);  // the decoder's own output is `hidden`
    own.output = static_cast<Tensor<S>&&>(result.hidden);
    Status status = decoder_.forward_into(own, workspace, result.embedded, result.encoder.output,
                                          {.tgt_mask = causal(),
                                           .memory_mask = masks.src_mask,
                                           .head_scale = masks.head_scale,
                                           .memory_head_scale = masks.memory_head_scale},
                                          keep, side);
    result.hidden = static_cast<Tensor<S>&&>(own.output);
    own.output = static_cast<Tensor<S>&&>(logits);
    if (status != Status::ok) return status;
    own.output.use(this->memory());
    status = detail::project_logits(workspace, head(), result.hidden, own.output);
    if (status == Status::ok) detail::show(trace, "lm_head", own.output);
    return status;
  }
#if VITRINE_EXCEPTIONS
  // The same with fresh results and scratch from memory(). Throws StatusError.
  template <class K = DefaultKeep, class F = NoTrace>
  Seq2SeqResult<K, S> operator()(const Tokens& source, const Tokens& target, const Masks& masks = {},
                                 const K& keep = {}, F&& trace = {}) const {
    return this->template fresh<Seq2SeqResult<K, S>>(source, target, masks, keep, trace);
  }
#endif

  template <class Self, class F>
  static void visit_parameters(Self& self, detail::NamePath& path, F& visit) {
    using detail::visit_parameter;
    visit_parameter(visit, path, "shared.weight", self.shared_);
    visit_parameter(visit, path, "encoder.embed_tokens.weight", self.source_table_);
    if (!self.computed_) visit_parameter(visit, path, "encoder.embed_positions.weight", self.source_positions_);
    detail::visit_part(self.source_norm_, "encoder.layernorm_embedding.", path, visit);
    detail::visit_module(self.encoder_, "encoder.", path, visit);
    visit_parameter(visit, path, "decoder.embed_tokens.weight", self.target_table_);
    if (!self.computed_) visit_parameter(visit, path, "decoder.embed_positions.weight", self.target_positions_);
    detail::visit_part(self.target_norm_, "decoder.layernorm_embedding.", path, visit);
    detail::visit_module(self.decoder_, "decoder.", path, visit);
    visit_parameter(visit, path, "lm_head.weight", self.lm_head_);
    visit_parameter(visit, path, "final_logits_bias", self.final_logits_bias_);
  }

 protected:
  // What sets the models apart.
  struct Kind {
    bool sinusoidal = false, embedding_norm = false;
    bool norm_first = false;   // in the layers, with a norm behind the last one
    bool bias = true;          // of the layers
    Index more_positions = 0;  // rows that the table has besides max_position_embeddings
    Index most_positions = 0;  // the layers know positions, or sinusoids go on behind the table: of so many ids
    double logits_factor = 1.0;
    LayerOptions encoder = {}, decoder = {};
    detail::Places places = {};
    Sinusoid sinusoid = Sinusoid::halves;
  };
  Seq2Seq(const Seq2SeqConfig& c, const Kind& kind, const Memory* memory) noexcept
      : Module<Seq2Seq, S>(memory),
        config_(c),
        computed_(kind.sinusoidal && !c.stored_positions),
        places_(kind.places),
        sinusoid_(kind.sinusoid),
        most_(kind.most_positions),
        logits_factor_(S(kind.logits_factor)),
        encoder_(encoder_stack(c, kind), memory),
        decoder_(decoder_stack(c, kind), memory) {
    if (config_.decoder_vocab_size == Dynamic) config_.decoder_vocab_size = c.vocab_size;
    const Index positions = sizes::sum(c.max_position_embeddings, kind.more_positions);
    if (c.share_encoder_decoder_embeddings) {
      shared_ = detail::matrix_parameter<S>(c.vocab_size, c.d_model);
    } else {
      source_table_ = plain_table(c.vocab_size, c.d_model);
      target_table_ = detail::matrix_parameter<S>(config_.decoder_vocab_size, c.d_model);
    }
    if (!c.tie_word_embeddings) lm_head_ = detail::matrix_parameter<S>(output_rows(), c.d_model);
    if (c.final_logits_bias) {
      final_logits_bias_ = detail::vector_parameter<S>(output_rows());
      final_logits_bias_.leading_ones = 1;
    }
    if (most_ == 0 || kind.sinusoidal) source_positions_ = target_positions_ = plain_table(positions, c.d_model);
    if (computed_ && c.d_model > 0 && positions > 0)
      source_positions_.values = target_positions_.values =
          detail::sinusoid_table<S>(memory, positions, c.d_model, kind.sinusoid, kind.places.padding);
    if (kind.embedding_norm) source_norm_ = target_norm_ = detail::NormCore<S>(c.d_model, c.layer_norm_eps, true);
  }

 private:
  template <class, Dims>
  friend class DecodingSteps;

  static LayerConfig layer(const Seq2SeqConfig& c, const Kind& kind) {
    return {.d_model = c.d_model,
            .activation = c.activation_function,
            .layer_norm_eps = c.layer_norm_eps,
            .norm_first = kind.norm_first,
            .bias = kind.bias};
  }
  static StackConfig encoder_stack(const Seq2SeqConfig& c, const Kind& kind) {
    LayerConfig own = layer(c, kind);
    own.nhead = c.encoder_attention_heads, own.dim_feedforward = c.encoder_ffn_dim, own.options = kind.encoder;
    return {own, c.encoder_layers, kind.norm_first};
  }
  static StackConfig decoder_stack(const Seq2SeqConfig& c, const Kind& kind) {
    LayerConfig own = layer(c, kind);
    own.nhead = c.decoder_attention_heads, own.dim_feedforward = c.decoder_ffn_dim, own.options = kind.decoder;
    return {own, c.decoder_layers, kind.norm_first};
  }
  static Parameter<S> plain_table(Index rows, Index cols) {
    Parameter<S> p;
    p.rows = rows, p.cols = cols;
    return p;
  }
  Index output_rows() const {
    return config_.share_encoder_decoder_embeddings ? config_.vocab_size : config_.decoder_vocab_size;
  }
  S factor() const { return config_.scale_embedding ? square_root(S(config_.d_model)) : S(1); }
  detail::TokenEmbedding<S> source_embedding() const {
    return embedding(source_table_, source_positions_, source_norm_);
  }
  detail::TokenEmbedding<S> target_embedding() const {
    return embedding(target_table_, target_positions_, target_norm_);
  }
  detail::TokenEmbedding<S> embedding(const Parameter<S>& table, const Parameter<S>& positions,
                                      const detail::NormCore<S>& norm) const {
    return {shared_.exists() ? &shared_ : &table,
            positions.exists() ? &positions : nullptr,
            norm.exists() ? &norm : nullptr,
            factor(),
            places_,
            most_ids(),
            sinusoid_};
  }
  const Parameter<S>& output() const {
    return lm_head_.exists() ? lm_head_ : shared_.exists() ? shared_ : target_table_;
  }
  detail::LogitsHead<S> head() const { return {&output(), &final_logits_bias_, logits_factor_}; }
  Status ready() const noexcept {
    if (Status s = check_config(); s != Status::ok) return s;
    return this->check_loaded();
  }

  Seq2SeqConfig config_;
  bool computed_;  // the positions are sinusoids that no file holds
  detail::Places places_;
  Sinusoid sinusoid_;
  Index most_;
  S logits_factor_;
  Parameter<S> shared_, source_table_, target_table_, lm_head_, final_logits_bias_;
  Parameter<S> source_positions_, target_positions_;
  detail::NormCore<S> source_norm_, target_norm_;
  Encoder<S> encoder_;
  Decoder<S> decoder_;
};

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
