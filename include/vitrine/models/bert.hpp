// Bert: Transformers' BertModel, post-norm layers behind learned positions and token types (Devlin et al. 2019).
//
//   auto model = vt::load_model<vt::Bert<float>>("all-MiniLM-L6-v2");         // io/checkpoint.hpp
//   auto r = model(tokens);                                                   // see models/text_encoder.hpp
//   r.pooled.matrix(b): 1 x E, empty when the checkpoint has no pooler
#pragma once
#include <vitrine/models/text_encoder.hpp>

namespace vitrine::inline VITRINE_ABI {

// A text encoder's result, and the pooler's.
template <class K, class S>
struct BertResult : TextEncoderResult<K, S> {
  Tensor<S> pooled = Tensor<S>{};  // (B, 1, E): tanh of a linear layer over each sequence's first hidden state
};

template <class S>
class Bert : public TextEncoder<S> {
 public:
  // config.json's model_type.
  static constexpr const char* model_type = "bert";
  // The second argument of a call.
  using Masks = TextEncoderMasks<S>;
  // Not loaded until vt::load_model, vt::load or init; values and fresh results come from `memory`.
  explicit Bert(const TextEncoderConfig& config, const Memory* memory = heap()) noexcept
      : TextEncoder<S>(config, memory) {}

  // As TextEncoder::forward_into, and the pooler's output, tanh(W h + b). Allocates only to grow result and workspace.
  // bad_shape also for a sequence without tokens, which cannot be pooled.
  template <class K = DefaultKeep, class F = NoTrace>
  Status forward_into(BertResult<K, S>& result, Workspace& workspace, const Tokens& tokens, const Masks& masks = {},
                      const K& keep = {}, F&& trace = {}) const noexcept {
    if (Status s = TextEncoder<S>::forward_into(result, workspace, tokens, masks, keep, trace); s != Status::ok)
      return s;
    if (!this->has_pooler()) return {};
    if (Status s = this->pool(result.pooled, workspace, result.output); s != Status::ok) return s;
    detail::show(trace, "pooler", result.pooled);
    return {};
  }
#if VITRINE_EXCEPTIONS
  // The same with fresh results and scratch from memory(). Throws StatusError.
  template <class K = DefaultKeep, class F = NoTrace>
  BertResult<K, S> operator()(const Tokens& tokens, const Masks& masks = {}, const K& keep = {}, F&& trace = {}) const {
    BertResult<K, S> result;
    Workspace workspace(this->memory());
    throw_if_failed(forward_into(result, workspace, tokens, masks, keep, trace));
    return result;
  }
#endif
};

}  // namespace vitrine::inline VITRINE_ABI
