// Gemma2: Transformers' Gemma2ForCausalLM (Gemma Team 2024): a Causal with norms before and behind each part, soft caps
// of scores and logits, windows in every other layer, and scaled embeddings.
//
//   auto model = vt::load_model<vt::Gemma2<float>>("gemma-2-2b");             // io/checkpoint.hpp
//   auto r = model(tokens);                                                   // see models/causal.hpp
#pragma once
#include <vitrine/models/causal.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

// Keys of config.json that change a result, by Transformers' names.
struct Gemma2Config {
  Index vocab_size = 256000, hidden_size = 2304, intermediate_size = 9216;
  Index num_hidden_layers = 26, num_attention_heads = 8, num_key_value_heads = 4, head_dim = 256;
  Index max_position_embeddings = 8192;
  Activation hidden_activation = Activation::gelu_tanh;
  double rms_norm_eps = 1e-6;
  double query_pre_attn_scalar = 256;                                    // scores are q k / sqrt(of this)
  double attn_logit_softcapping = 50.0, final_logit_softcapping = 30.0;  // 0: none
  Index sliding_window = 4096;                                           // keys that a query sees, its own included
  LayerSet sliding_layers = {};                                          // where that holds
  bool attention_bias = false, tie_word_embeddings = true;
  RotaryConfig rope_parameters = {};  // dim: 0 stands for head_dim
  Index bos_token_id = -1, eos_token_id = -1, pad_token_id = -1;
};

template <class S>
class Gemma2 : public Causal<S> {
 public:
  // config.json's model_type.
  static constexpr const char* model_type = "gemma2";

  // Not loaded until vt::load_model, vt::load or init; values and fresh results come from `memory`.
  explicit Gemma2(const Gemma2Config& c, const Memory* memory = heap()) noexcept
      : Causal<S>({layer(c), c.num_hidden_layers, true},
                  {.vocab_size = c.vocab_size,
                   .max_length = c.max_position_embeddings,
                   .tied = c.tie_word_embeddings,
                   .embedding_scale = double(square_root(float(c.hidden_size))),  // float, as Transformers has it
                   .logit_softcap = c.final_logit_softcapping},
                  memory),
        config_(c) {
    this->each_attention([&](auto& attention, Index i) {
      if (c.sliding_layers.contains(i)) attention.config.options.window = c.sliding_window;
    });
  }
  // The configuration.
  const Gemma2Config& config() const noexcept { return config_; }

 private:
  static LayerConfig layer(const Gemma2Config& c) {
    LayerConfig layer{.d_model = c.hidden_size,
                      .nhead = c.num_attention_heads,
                      .dim_feedforward = c.intermediate_size,
                      .activation = c.hidden_activation,
                      .layer_norm_eps = c.rms_norm_eps,
                      .norm_first = true};
    layer.options = {.norm = NormKind::rms_plus_one, .branch_norms = true, .gated = true, .linear_bias = false};
    layer.options.attention = {.num_key_value_heads = c.num_key_value_heads,
                               .head_dim = c.head_dim,
                               .qkv_bias = c.attention_bias,
                               .out_bias = c.attention_bias,
                               .scale = 1.0 / square_root(c.query_pre_attn_scalar),
                               .softcap = c.attn_logit_softcapping,
                               .rotary = c.rope_parameters};
    RotaryConfig& rotary = layer.options.attention.rotary;
    if (rotary.dim == 0) rotary.dim = c.head_dim;
    return layer;
  }

  Gemma2Config config_;
};

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
