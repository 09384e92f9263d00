// Bert: Transformers' BertModel, post-norm layers behind learned positions and token types (Devlin et al. 2019).
//
//   auto model = vt::load_model<vt::Bert<float>>("all-MiniLM-L6-v2");         // io/checkpoint.hpp
//   auto r = model(tokens);                                                   // see models/pooled_text_encoder.hpp
#pragma once
#include <vitrine/models/pooled_text_encoder.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

template <class S>
class Bert : public PooledTextEncoder<S> {
 public:
  // config.json's model_type.
  static constexpr const char* model_type = "bert";
  // Not loaded until vt::load_model, vt::load or init; values and fresh results come from `memory`.
  explicit Bert(const TextEncoderConfig& config, const Memory* memory = heap()) noexcept
      : PooledTextEncoder<S>(config, memory) {}
};

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
