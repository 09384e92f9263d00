// Causal: token ids through embeddings, an Encoder whose mask is causal, a final norm, and logits; what Gpt2, Llama and
// their like have in common.
//
//   auto r = model(tokens);                       // Tokens: one sequence, padded or ragged
//   r.output: logits (B, T, V)      r.hidden: (B, T, E)      r.self_attn[layer].matrix(b, h): T x T
//
// Step-by-step decoding with a cache is generate/causal_steps.hpp. Positions count from a row's first id, padding
// included, as Transformers does; a row with no key left (in front of left padding) has weights 0, not 1 / T.
#pragma once
#include <vitrine/models/encoder.hpp>
#include <vitrine/models/tokens.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

// A set of layers, of 1024 at most: those that have a window.
class LayerSet {
 public:
  // Adds layer i; nothing for one that cannot be.
  constexpr void insert(Index i) noexcept {
    if (i >= 0 && i < most) bits_[i / 64] |= std::uint64_t{1} << (i % 64);
  }
  // The layer is in the set.
  constexpr bool contains(Index i) const noexcept {
    return i >= 0 && i < most && ((bits_[i / 64] >> (i % 64)) & 1) != 0;
  }

 private:
  static constexpr Index most = 1024;
  std::uint64_t bits_[most / 64] = {};
};

// What a call may be given.
template <class S>
struct CausalMasks {
  Mask<S> mask = {};                   // besides causal(), which is always there
  std::span<const S> head_scale = {};  // see EncoderMasks
};

// Logits (B, T, V), self_attn, and the hidden states (B, T, E).
template <class K, class S>
struct CausalResult : EncoderResult<K, S> {  // output: logits
  Tensor<S> hidden = Tensor<S>{};            // behind the final norm
  Tensor<S> embedded = Tensor<S>{};          // what the first layer saw
};

template <class S>
class CausalSteps;

template <class S>
class Causal : public Module<Causal<S>, S> {
 public:
  // The second argument of a call.
  using Masks = CausalMasks<S>;

  // The stack between embeddings and logits.
  const Encoder<S>& encoder() const noexcept { return encoder_; }
  // The longest sequence of ids that the configuration speaks of.
  Index max_length() const noexcept { return kind_.max_length; }
  // The most ids of a sequence: max_length() of learned positions and of dynamic rotary ones; others are computed, as
  // far as anyone may want.
  Index most_ids() const noexcept {
    constexpr Index computed = Index{1} << 20;
    const RotaryConfig& rotary = encoder_.config().layer.options.attention.rotary;
    const bool ends = kind_.learned_positions || rotary.scaling == RotaryScaling::dynamic;
    return ends || kind_.max_length > computed ? kind_.max_length : computed;
  }
  // V.
  Index vocab_size() const noexcept { return words_.rows; }

  // As Module's: bad_config, out_of_memory.
  Status check_config() const noexcept {
    if (words_.rows <= 0 || words_.cols <= 0 || kind_.max_length <= 0)
      return {Status::bad_config, "a model's vocabulary, width and longest length must be positive"};
    return encoder_.check_config();
  }
  // Allocates only to grow result and workspace. bad_shape names an id or a length that the model does not have;
  // bad_mask also for another causal(), or a window with offsets of its own; otherwise as Encoder.
  template <class K = DefaultKeep, class F = NoTrace>
  Status forward_into(CausalResult<K, S>& result, Workspace& workspace, const Tokens& tokens, const Masks& masks = {},
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
    if (Status s = detail::project_logits(workspace, head(), result.hidden, own.output); s != Status::ok) return s;
    detail::show(trace, "lm_head", own.output);
    return {};
  }
#if VITRINE_EXCEPTIONS
  // The same with fresh results and scratch from memory(). Throws StatusError.
  template <class K = DefaultKeep, class F = NoTrace>
  CausalResult<K, S> operator()(const Tokens& tokens, const Masks& masks = {}, const K& keep = {},
                                F&& trace = {}) const {
    return this->template fresh<CausalResult<K, S>>(tokens, masks, keep, trace);
  }
#endif

  template <class Self, class F>
  static void visit_parameters(Self& self, detail::NamePath& path, F& visit) {
    using detail::visit_parameter;
    visit_parameter(visit, path, self.kind_.words, self.words_);
    visit_parameter(visit, path, "wpe.weight", self.positions_);
    detail::visit_module(self.encoder_, "", path, visit);
    visit_parameter(visit, path, "lm_head.weight", self.lm_head_);
  }

 protected:
  // What sets the models apart besides their layers.
  struct Kind {
    const char* words = "embed_tokens.weight";  // the table's name
    Index vocab_size = Dynamic, max_length = 0;
    bool learned_positions = false;  // a table of max_length rows; else the layers know positions
    bool tied = true;                // the logits' matrix is the table
    double embedding_scale = 1.0;    // of the table's rows
    double logit_softcap = 0.0;      // logits become c tanh(x / c); 0: none
  };
  Causal(const StackConfig& stack, const Kind& kind, const Memory* memory) noexcept
      : Module<Causal, S>(memory), kind_(kind), encoder_(stack, memory) {
    words_ = detail::matrix_parameter<S>(kind.vocab_size, stack.layer.d_model);
    if (kind.learned_positions) positions_.rows = kind.max_length, positions_.cols = stack.layer.d_model;
    if (!kind.tied) lm_head_ = words_;
  }
  // Options of single layers, while nothing is loaded yet: f(attention, i) for each.
  template <class F>
  void each_attention(F&& f) {
    auto& layers = encoder_.stack_.layers;
    for (Index i = 0; i < layers.size(); ++i) f(layers.data()[i].self_attn, i);
  }

 private:
  template <class>
  friend class CausalSteps;

  detail::TokenEmbedding<S> embedding() const {
    detail::TokenEmbedding<S> e{&words_, positions_.exists() ? &positions_ : nullptr};
    e.factor = S(kind_.embedding_scale), e.most = most_ids();
    return e;
  }
  detail::LogitsHead<S> head() const {
    detail::LogitsHead<S> head{lm_head_.exists() ? &lm_head_ : &words_};
    head.softcap = S(kind_.logit_softcap);
    return head;
  }
  Status ready() const noexcept {
    if (Status s = check_config(); s != Status::ok) return s;
    return this->check_loaded();
  }

  Kind kind_;
  Parameter<S> words_, positions_, lm_head_;
  Encoder<S> encoder_;
};

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
