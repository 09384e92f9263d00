// DistilBert: Transformers' DistilBertModel: BERT without token types and without a pooler (Sanh et al. 2019).
//
//   auto model = vt::load_model<vt::DistilBert<float>>("distilbert-base-uncased");    // io/checkpoint.hpp
//   auto r = model(tokens);                                                           // see models/text_encoder.hpp
#pragma once
#include <vitrine/models/text_encoder.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

template <class S>
class DistilBert : public TextEncoder<S> {
 public:
  // config.json's model_type.
  static constexpr const char* model_type = "distilbert";
  // Not loaded until vt::load_model, vt::load or init; values and fresh results come from `memory`. It has no token
  // types and no pooler, whatever `config` says.
  explicit DistilBert(TextEncoderConfig config, const Memory* memory = heap()) noexcept
      : TextEncoder<S>(without_extras(config), memory) {}

 private:
  static TextEncoderConfig without_extras(TextEncoderConfig config) {
    config.type_vocab_size = 0, config.pooler = false;
    return config;
  }
};

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
