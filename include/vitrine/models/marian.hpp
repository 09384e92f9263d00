// Marian: Transformers' MarianMTModel. Post-norm layers, sinusoidal positions, tied embeddings, a bias on the logits.
//
//   auto model = vt::load_model<vt::Marian<float>>("opus-mt-en-de");          // io/checkpoint.hpp
//   auto r = model(source, target);                                           // see models/seq2seq.hpp
#pragma once
#include <vitrine/models/seq2seq.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

template <class S>
class Marian : public Seq2Seq<S> {
 public:
  // config.json's model_type.
  static constexpr const char* model_type = "marian";
  // Not loaded until vt::load_model, vt::load or init; values and fresh results come from `memory`.
  explicit Marian(const Seq2SeqConfig& config, const Memory* memory = heap()) noexcept
      : Seq2Seq<S>(config, {.sinusoidal = true}, memory) {}
};

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
