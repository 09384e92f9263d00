// Llama, Mistral, Qwen2 and Qwen3: a Causal whose layers have RMS norms first, rotary positions, gated feed-forwards
// and grouped key heads (Touvron et al. 2023; Jiang et al. 2023; Qwen 2024, 2025). They differ by a few options.
//
//   auto model = vt::load_model<vt::Llama<float>>("SmolLM2-135M");            // io/checkpoint.hpp
//   auto r = model(tokens);                                                   // see models/causal.hpp
#pragma once
#include <vitrine/models/causal.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

// Keys of config.json that change a result, by Transformers' names.
struct LlamaConfig {
  Index vocab_size = 32000, hidden_size = 4096, intermediate_size = 11008;
  Index num_hidden_layers = 32, num_attention_heads = 32;
  Index num_key_value_heads = Dynamic;  // Dynamic: num_attention_heads
  Index head_dim = Dynamic;             // Dynamic: hidden_size / num_attention_heads
  Index max_position_embeddings = 2048;
  Activation hidden_act = Activation::silu;
  double rms_norm_eps = 1e-6;
  RotaryConfig rope_parameters = {};  // dim: 0 stands for head_dim
  bool attention_bias = false;        // of all four projections; Qwen2 has those of q, k and v: qkv_bias
  bool qkv_bias = false;
  bool mlp_bias = false;
  bool qk_norm = false;          // Qwen3
  Index sliding_window = 0;      // keys that a query sees, its own included
  LayerSet sliding_layers = {};  // where that holds
  bool tie_word_embeddings = false;
  Index bos_token_id = -1, eos_token_id = -1, pad_token_id = -1;
};

// Llama, and Mistral, Qwen2 and Qwen3, which differ in options.
template <class S>
class Llama : public Causal<S> {
 public:
  // config.json's model_type.
  static constexpr const char* model_type = "llama";

  // Not loaded until vt::load_model, vt::load or init; values and fresh results come from `memory`.
  explicit Llama(const LlamaConfig& c, const Memory* memory = heap()) noexcept
      : Causal<S>({layer(c), c.num_hidden_layers, true},
                  {.vocab_size = c.vocab_size, .max_length = c.max_position_embeddings, .tied = c.tie_word_embeddings},
                  memory),
        config_(c) {
    this->each_attention([&](auto& attention, Index i) {
      if (c.sliding_layers.contains(i)) attention.config.options.window = c.sliding_window;
    });
  }
  // The configuration.
  const LlamaConfig& config() const noexcept { return config_; }

 private:
  static LayerConfig layer(const LlamaConfig& c) {
    LayerConfig layer{.d_model = c.hidden_size,
                      .nhead = c.num_attention_heads,
                      .dim_feedforward = c.intermediate_size,
                      .activation = c.hidden_act,
                      .layer_norm_eps = c.rms_norm_eps,
                      .norm_first = true};
    layer.options = {.norm = NormKind::rms, .gated = true, .linear_bias = c.mlp_bias};
    AttentionOptions& attention = layer.options.attention;
    attention = {.num_key_value_heads = c.num_key_value_heads,
                 .head_dim = c.head_dim,
                 .qkv_bias = c.attention_bias || c.qkv_bias,
                 .out_bias = c.attention_bias,
                 .qk_norm = c.qk_norm,
                 .norm_eps = c.rms_norm_eps,
                 .rotary = c.rope_parameters};
    if (attention.head_dim == Dynamic && c.num_attention_heads > 0)
      attention.head_dim = c.hidden_size / c.num_attention_heads;
    if (attention.rotary.dim == 0) attention.rotary.dim = attention.head_dim;
    return layer;
  }

  LlamaConfig config_;
};

// MistralForCausalLM.
template <class S>
class Mistral : public Llama<S> {
 public:
  // config.json's model_type.
  static constexpr const char* model_type = "mistral";
  using Llama<S>::Llama;
};
// Qwen2ForCausalLM.
template <class S>
class Qwen2 : public Llama<S> {
 public:
  // config.json's model_type.
  static constexpr const char* model_type = "qwen2";
  using Llama<S>::Llama;
};
// Qwen3ForCausalLM.
template <class S>
class Qwen3 : public Llama<S> {
 public:
  // config.json's model_type.
  static constexpr const char* model_type = "qwen3";
  using Llama<S>::Llama;
};

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
