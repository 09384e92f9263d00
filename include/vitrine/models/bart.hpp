// Bart: Transformers' BartForConditionalGeneration. As Marian, but with learned positions, two of which come before the
// first, and a norm on the embeddings (Lewis et al. 2020).
#pragma once
#include <vitrine/models/seq2seq.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

template <class S>
class Bart : public Seq2Seq<S> {
 public:
  // config.json's model_type.
  static constexpr const char* model_type = "bart";
  // Not loaded until vt::load_model, vt::load or init; values and fresh results come from `memory`.
  explicit Bart(const Seq2SeqConfig& config, const Memory* memory = heap()) noexcept
      : Seq2Seq<S>(config, {.embedding_norm = true, .more_positions = 2, .places = {.offset = 2}}, memory) {}
};

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
