// MBart: Transformers' MBartForConditionalGeneration (mBART-50, mREBEL). As Bart, but with the norms before each part
// and behind the last layer (Liu et al. 2020).
//
//   auto model = vt::load_model<vt::MBart<float>>("mbart-large-50-many-to-many-mmt");     // io/checkpoint.hpp
//   auto r = model(source, target);                                                       // see models/seq2seq.hpp
#pragma once
#include <vitrine/models/seq2seq.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

template <class S>
class MBart : public Seq2Seq<S> {
 public:
  // config.json's model_type.
  static constexpr const char* model_type = "mbart";
  // Not loaded until vt::load_model, vt::load or init; values and fresh results come from `memory`.
  explicit MBart(const Seq2SeqConfig& config, const Memory* memory = heap()) noexcept
      : Seq2Seq<S>(config, {.embedding_norm = true, .norm_first = true, .more_positions = 2, .places = {.offset = 2}},
                   memory) {}
};

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
