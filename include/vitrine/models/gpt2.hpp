// Gpt2: Transformers' GPT2LMHeadModel, a Causal with its norms first, learned positions, and logits from the tied
// embedding (Radford et al. 2019).
//
//   auto model = vt::load_model<vt::Gpt2<float>>("gpt2");                     // io/checkpoint.hpp
//   auto r = model(tokens);                                                   // see models/causal.hpp
#pragma once
#include <vitrine/models/causal.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

// Keys of config.json that change a result, by Transformers' names.
struct Gpt2Config {
  Index vocab_size = 50257, n_positions = 1024, n_embd = 768, n_layer = 12, n_head = 12;
  Index n_inner = Dynamic;  // Dynamic: 4 n_embd
  Activation activation_function = Activation::gelu_tanh;
  double layer_norm_epsilon = 1e-5;
  bool tie_word_embeddings = true;
  // Scores are q k / sqrt(D), without scale_attn_weights q k; by_inverse_layer_idx divides those of layer l by l + 1.
  bool scale_attn_weights = true, scale_attn_by_inverse_layer_idx = false;
  Index bos_token_id = -1, eos_token_id = -1, pad_token_id = -1;
};

// What a call may be given.
template <class S>
using Gpt2Masks = CausalMasks<S>;
// What a call returns.
template <class K, class S>
using Gpt2Result = CausalResult<K, S>;

template <class S>
class Gpt2 : public Causal<S> {
 public:
  // config.json's model_type.
  static constexpr const char* model_type = "gpt2";

  // Not loaded until vt::load_model, vt::load or init; values and fresh results come from `memory`.
  explicit Gpt2(const Gpt2Config& c, const Memory* memory = heap()) noexcept
      : Causal<S>({{.d_model = c.n_embd,
                    .nhead = c.n_head,
                    .dim_feedforward = c.n_inner == Dynamic ? 4 * c.n_embd : c.n_inner,
                    .activation = c.activation_function,
                    .layer_norm_eps = c.layer_norm_epsilon,
                    .norm_first = true},
                   c.n_layer,
                   true},
                  {.words = "wte.weight",
                   .vocab_size = c.vocab_size,
                   .max_length = c.n_positions,
                   .learned_positions = true,
                   .tied = c.tie_word_embeddings},
                  memory),
        config_(c) {
    this->each_attention([&](auto& attention, Index i) {
      double& scale = attention.config.options.scale;
      if (!c.scale_attn_weights) scale = 1;
      if (c.scale_attn_by_inverse_layer_idx) scale = double(attention.scale() / S(i + 1));
    });
  }
  // The configuration.
  const Gpt2Config& config() const noexcept { return config_; }

 private:
  Gpt2Config config_;
};

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
