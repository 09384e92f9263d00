// GptNeoX: Transformers' GPTNeoXForCausalLM (Black et al. 2022; Pythia, Biderman et al. 2023): a Causal whose attention
// and feed-forward stand side by side, with rotary positions of a part of each head.
//
//   auto model = vt::load_model<vt::GptNeoX<float>>("pythia-70m");            // io/checkpoint.hpp
//   auto r = model(tokens);                                                   // see models/causal.hpp
#pragma once
#include <vitrine/models/causal.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

// Keys of config.json that change a result, by Transformers' names.
struct GptNeoXConfig {
  Index vocab_size = 50432, hidden_size = 6144, intermediate_size = 24576;
  Index num_hidden_layers = 44, num_attention_heads = 64, max_position_embeddings = 2048;
  Activation hidden_act = Activation::gelu;
  double layer_norm_eps = 1e-5;
  bool use_parallel_residual = true, attention_bias = true, tie_word_embeddings = false;
  RotaryConfig rope_parameters = {};  // dim: the part of a head that is turned
  Index bos_token_id = -1, eos_token_id = -1, pad_token_id = -1;
};

template <class S>
class GptNeoX : public Causal<S> {
 public:
  // config.json's model_type.
  static constexpr const char* model_type = "gpt_neox";

  // Not loaded until vt::load_model, vt::load or init; values and fresh results come from `memory`.
  explicit GptNeoX(const GptNeoXConfig& c, const Memory* memory = heap()) noexcept
      : Causal<S>({layer(c), c.num_hidden_layers, true},
                  {.words = "embed_in.weight",
                   .vocab_size = c.vocab_size,
                   .max_length = c.max_position_embeddings,
                   .tied = c.tie_word_embeddings},
                  memory),
        config_(c) {}
  // The configuration.
  const GptNeoXConfig& config() const noexcept { return config_; }

 private:
  static LayerConfig layer(const GptNeoXConfig& c) {
    LayerConfig layer{.d_model = c.hidden_size,
                      .nhead = c.num_attention_heads,
                      .dim_feedforward = c.intermediate_size,
                      .activation = c.hidden_act,
                      .layer_norm_eps = c.layer_norm_eps,
                      .norm_first = true};
    layer.options.parallel = c.use_parallel_residual;
    layer.options.attention = {.qkv_bias = c.attention_bias, .out_bias = c.attention_bias, .rotary = c.rope_parameters};
    return layer;
  }

  GptNeoXConfig config_;
};

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
