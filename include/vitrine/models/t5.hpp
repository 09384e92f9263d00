// T5: Transformers' T5ForConditionalGeneration, v1.0 and v1.1 (flan-T5), and MT5 (Raffel et al. 2020; Xue et al. 2021):
// a Seq2Seq without positions in its embeddings; its self-attentions have a bias by distance, its scores no scale, its
// norms are RMS norms without biases, its feed-forwards gated or not.
//
//   auto model = vt::load_model<vt::T5<float>>("flan-t5-small");                      // io/checkpoint.hpp
//   auto r = model(source, target);                                                   // see models/seq2seq.hpp
#pragma once
#include <vitrine/models/seq2seq.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

// Keys of config.json that change a result, by Transformers' names.
struct T5Config {
  Index vocab_size = 32128, d_model = 512, d_kv = 64, d_ff = 2048;
  Index num_layers = 6, num_decoder_layers = 6, num_heads = 8;
  Index relative_attention_num_buckets = 32, relative_attention_max_distance = 128;
  Activation dense_act_fn = Activation::relu;
  bool is_gated_act = false;
  double layer_norm_epsilon = 1e-6;
  bool scale_decoder_outputs = true;  // logits are of hidden states / sqrt(d_model): v1.0
  bool share_encoder_decoder_embeddings = true, tie_word_embeddings = true;
  Index pad_token_id = 0, eos_token_id = 1, decoder_start_token_id = 0;
};

template <class S>
class T5 : public Seq2Seq<S> {
 public:
  // config.json's model_type.
  static constexpr const char* model_type = "t5";
  // Ids of the longest sequence; the model itself knows no end, so this bounds memory alone.
  static constexpr Index longest = 16384;

  // Not loaded until vt::load_model, vt::load or init; values and fresh results come from `memory`.
  explicit T5(const T5Config& c, const Memory* memory = heap()) noexcept
      : Seq2Seq<S>(seq2seq(c),
                   {.norm_first = true,
                    .bias = false,
                    .most_positions = longest,
                    .logits_factor = c.scale_decoder_outputs ? 1.0 / square_root(double(c.d_model)) : 1.0,
                    .encoder = options(c, true),
                    .decoder = options(c, false)},
                   memory),
        t5_config_(c) {}
  // The configuration.
  const T5Config& config() const noexcept { return t5_config_; }

 private:
  static Seq2SeqConfig seq2seq(const T5Config& c) {
    Seq2SeqConfig s{.vocab_size = c.vocab_size,
                    .d_model = c.d_model,
                    .encoder_layers = c.num_layers,
                    .decoder_layers = c.num_decoder_layers,
                    .encoder_attention_heads = c.num_heads,
                    .decoder_attention_heads = c.num_heads,
                    .encoder_ffn_dim = c.d_ff,
                    .decoder_ffn_dim = c.d_ff,
                    .max_position_embeddings = longest,
                    .activation_function = c.dense_act_fn};
    s.layer_norm_eps = c.layer_norm_epsilon, s.final_logits_bias = false;
    s.share_encoder_decoder_embeddings = c.share_encoder_decoder_embeddings;
    s.tie_word_embeddings = c.tie_word_embeddings;
    s.pad_token_id = c.pad_token_id, s.eos_token_id = c.eos_token_id;
    s.decoder_start_token_id = c.decoder_start_token_id;
    return s;
  }
  static LayerOptions options(const T5Config& c, bool encoder) {
    return {.attention = {.head_dim = c.d_kv,
                          .scale = 1.0,
                          .relative_buckets = c.relative_attention_num_buckets,
                          .relative_max_distance = c.relative_attention_max_distance,
                          .relative_bidirectional = encoder},
            .norm = NormKind::rms,
            .gated = c.is_gated_act};
  }

  T5Config t5_config_;
};

// MT5ForConditionalGeneration.
template <class S>
class MT5 : public T5<S> {
 public:
  // config.json's model_type.
  static constexpr const char* model_type = "mt5";
  using T5<S>::T5;
};

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
