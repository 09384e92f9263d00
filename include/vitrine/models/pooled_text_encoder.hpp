// PooledTextEncoder: a TextEncoder and what its pooler says of each sequence; what Bert, Roberta, XlmRoberta and Albert
// have in common.
//
//   auto r = model(tokens);             // see models/text_encoder.hpp
//   r.pooled.matrix(b): 1 x E, empty when the checkpoint has no pooler
#pragma once
#include <vitrine/models/text_encoder.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

// A text encoder's result, and the pooler's.
template <class K, class S>
struct PooledTextEncoderResult : TextEncoderResult<K, S> {
  Tensor<S> pooled = Tensor<S>{};  // (B, 1, E): tanh of a linear layer over each sequence's first hidden state
};

template <class S>
class PooledTextEncoder : public TextEncoder<S> {
 public:
  // The second argument of a call.
  using Masks = TextEncoderMasks<S>;
  // As TextEncoder::forward_into, and the pooler's output, tanh(W h + b), as Transformers' BertModel has it. Allocates
  // only to grow result and workspace. bad_shape also for a sequence without tokens, which cannot be pooled.
  template <class K = DefaultKeep, class F = NoTrace>
  Status forward_into(PooledTextEncoderResult<K, S>& result, Workspace& workspace, const Tokens& tokens,
                      const Masks& masks = {}, const K& keep = {}, F&& trace = {}) const noexcept {
    if (Status s = TextEncoder<S>::forward_into(result, workspace, tokens, masks, keep, trace); s != Status::ok)
      return s;
    const detail::Pooler<S>* const pooler = this->pooler();
    if (pooler == nullptr) return {};
    if (Status s = (*pooler)(result.pooled, workspace, result.output, this->memory()); s != Status::ok) return s;
    detail::show(trace, "pooler", result.pooled);
    return {};
  }
#if VITRINE_EXCEPTIONS
  // The same with fresh results and scratch from memory(), as Transformers returns them. Throws StatusError.
  template <class K = DefaultKeep, class F = NoTrace>
  PooledTextEncoderResult<K, S> operator()(const Tokens& tokens, const Masks& masks = {}, const K& keep = {},
                                           F&& trace = {}) const {
    PooledTextEncoderResult<K, S> result;  // TextEncoder's fresh() would take its forward_into
    Workspace workspace(this->memory());
    throw_if_failed(forward_into(result, workspace, tokens, masks, keep, trace));
    return result;
  }
#endif

 protected:
  using TextEncoder<S>::TextEncoder;
};

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
