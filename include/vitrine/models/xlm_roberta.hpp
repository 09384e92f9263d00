// XlmRoberta: Transformers' XLMRobertaModel: Roberta for a hundred languages (Conneau et al. 2020).
//
//   auto model = vt::load_model<vt::XlmRoberta<float>>("xlm-roberta-base");   // io/checkpoint.hpp
//   auto r = model(tokens);                                                   // see models/pooled_text_encoder.hpp
#pragma once
#include <vitrine/models/pooled_text_encoder.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

template <class S>
class XlmRoberta : public PooledTextEncoder<S> {
 public:
  // config.json's model_type.
  static constexpr const char* model_type = "xlm-roberta";
  // Not loaded until vt::load_model, vt::load or init; values and fresh results come from `memory`.
  // config.pad_token_id is needed.
  explicit XlmRoberta(const TextEncoderConfig& config, const Memory* memory = heap()) noexcept
      : PooledTextEncoder<S>(config, memory, detail::Places::behind(config.pad_token_id)) {}
};

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
