// Roberta: Transformers' RobertaModel: BERT whose positions count from behind the padding id, which itself takes none
// (Liu et al. 2019).
//
//   auto model = vt::load_model<vt::Roberta<float>>("all-distilroberta-v1");  // io/checkpoint.hpp
//   auto r = model(tokens);                                                   // see models/pooled_text_encoder.hpp
#pragma once
#include <vitrine/models/pooled_text_encoder.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

template <class S>
class Roberta : public PooledTextEncoder<S> {
 public:
  // config.json's model_type.
  static constexpr const char* model_type = "roberta";
  // Not loaded until vt::load_model, vt::load or init; values and fresh results come from `memory`.
  // config.pad_token_id is needed.
  explicit Roberta(const TextEncoderConfig& config, const Memory* memory = heap()) noexcept
      : PooledTextEncoder<S>(config, memory, detail::Places::behind(config.pad_token_id)) {}
};

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
