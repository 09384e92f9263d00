// Gpt2: Transformers' GPT2LMHeadModel, an Encoder that is causal, its norms first, and logits from the tied embedding
// (Radford et al. 2019).
//
//   auto model = vt::load_model<vt::Gpt2<float>>("gpt2");                     // io/checkpoint.hpp
//   auto r = model(tokens);                                                   // Tokens: one sequence, padded or ragged
//   r.output: logits (B, T, V)      r.hidden: (B, T, E)      r.self_attn[layer].matrix(b, h): T x T
//
// Step-by-step decoding with a cache is generate/causal_steps.hpp. Positions count from a row's first id, padding
// included, as Transformers does; a row with no key left (in front of left padding) has weights 0, not 1 / T.
#pragma once
#include <vitrine/models/encoder.hpp>
#include <vitrine/models/tokens.hpp>

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
struct Gpt2Masks {
  Mask<S> mask = {};                   // besides causal(), which is always there
  std::span<const S> head_scale = {};  // see EncoderMasks
};

// Logits (B, T, V), self_attn, and the hidden states (B, T, E).
template <class K, class S>
struct Gpt2Result : EncoderResult<K, S> {  // output: logits
  Tensor<S> hidden = Tensor<S>{};          // behind the final norm
  Tensor<S> embedded = Tensor<S>{};        // what the first layer saw
};

template <class S>
class CausalSteps;

template <class S>
class Gpt2 : public Module<Gpt2<S>, S> {
 public:
  // config.json's model_type.
  static constexpr const char* model_type = "gpt2";
  // The second argument of a call.
  using Masks = Gpt2Masks<S>;

  // Not loaded until vt::load_model, vt::load or init; values and fresh results come from `memory`.
  explicit Gpt2(const Gpt2Config& c, const Memory* memory = heap()) noexcept
      : Module<Gpt2, S>(memory),
        config_(c),
        encoder_({{.d_model = c.n_embd,
                   .nhead = c.n_head,
                   .dim_feedforward = c.n_inner == Dynamic ? sizes::product(4, c.n_embd) : c.n_inner,
                   .activation = c.activation_function,
                   .layer_norm_eps = c.layer_norm_epsilon,
                   .norm_first = true},
                  c.n_layer,
                  true},
                 memory) {
    words_ = detail::matrix_parameter<S>(c.vocab_size, c.n_embd);
    positions_.rows = c.n_positions, positions_.cols = c.n_embd;
    if (!c.tie_word_embeddings) lm_head_ = words_;
    for (Index i = 0; i < encoder_.stack_.layers.size(); ++i) {
      auto& attention = encoder_.stack_.layers.data()[i].self_attn;
      if (!c.scale_attn_weights) attention.given_scale = S(1);
      if (c.scale_attn_by_inverse_layer_idx) attention.given_scale = attention.scale() / S(i + 1);
    }
  }
  // The configuration.
  const Gpt2Config& config() const noexcept { return config_; }
  // The stack between embeddings and logits.
  const Encoder<S>& encoder() const noexcept { return encoder_; }
  // The longest sequence of ids that has positions.
  Index max_length() const noexcept { return positions_.rows; }
  // V.
  Index vocab_size() const noexcept { return words_.rows; }

  // Allocates only to grow result and workspace. bad_shape names an id or a length that the model does not have;
  // bad_mask also for another causal(), or a window with offsets of its own; otherwise as Encoder.
  template <class K = DefaultKeep, class F = NoTrace>
  Status forward_into(Gpt2Result<K, S>& result, Workspace& workspace, const Tokens& tokens, const Masks& masks = {},
                      const K& keep = {}, F&& trace = {}) const noexcept {
    if (Status s = ready(); s != Status::ok) return s;
    if (Status s = embedding().all(tokens, result.embedded, this->memory()); s != Status::ok) return s;
    detail::show(trace, "embeddings", result.embedded);
    EncoderResult<K, S>& own = result;
    Tensor<S> logits = static_cast<Tensor<S>&&>(own.output);  // the encoder's own output is `hidden`
    own.output = static_cast<Tensor<S>&&>(result.hidden);
    const Status status =
        encoder_.forward_into(own, workspace, result.embedded,
                              {.src_mask = masks.mask & causal(), .head_scale = masks.head_scale}, keep, trace);
    result.hidden = static_cast<Tensor<S>&&>(own.output);
    own.output = static_cast<Tensor<S>&&>(logits);
    if (status != Status::ok) return status;
    own.output.use(this->memory());
    if (Status s = detail::multiply_rows(workspace, output(), {}, result.hidden, own.output); s != Status::ok) return s;
    detail::show(trace, "lm_head", own.output);
    return {};
  }
#if VITRINE_EXCEPTIONS
  // The same with fresh results and scratch from memory(). Throws StatusError.
  template <class K = DefaultKeep, class F = NoTrace>
  Gpt2Result<K, S> operator()(const Tokens& tokens, const Masks& masks = {}, const K& keep = {}, F&& trace = {}) const {
    Gpt2Result<K, S> result;
    Workspace workspace(this->memory());
    throw_if_failed(forward_into(result, workspace, tokens, masks, keep, trace));
    return result;
  }
#endif

  // As Module's: bad_config, out_of_memory.
  Status check_config() const noexcept {
    if (config_.vocab_size <= 0 || config_.n_embd <= 0 || config_.n_positions <= 0)
      return {Status::bad_config, "vocab_size, n_embd and n_positions must be positive"};
    return encoder_.check_config();
  }
  template <class Self, class F>
  static void visit_parameters(Self& self, detail::NamePath& path, F& visit) {
    using detail::visit_parameter;
    visit_parameter(visit, path, "wte.weight", self.words_);
    visit_parameter(visit, path, "wpe.weight", self.positions_);
    detail::visit_module(self.encoder_, "", path, visit);
    visit_parameter(visit, path, "lm_head.weight", self.lm_head_);
  }

 private:
  template <class>
  friend class CausalSteps;

  detail::TokenEmbedding<S> embedding() const { return {&words_, &positions_}; }
  const Parameter<S>& output() const { return lm_head_.exists() ? lm_head_ : words_; }
  Status ready() const noexcept {
    if (Status s = check_config(); s != Status::ok) return s;
    return this->check_loaded();
  }

  Gpt2Config config_;
  Parameter<S> words_, positions_, lm_head_;
  Encoder<S> encoder_;
};

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
