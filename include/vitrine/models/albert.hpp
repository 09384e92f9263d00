// Albert: Transformers' AlbertModel: BERT with embeddings that a matrix widens and layers that share their values (Lan
// et al. 2020). Layer l of the maps is the l-th that is computed; values that several layers share are in memory once.
//
//   auto model = vt::load_model<vt::Albert<float>>("albert-base-v2");         // io/checkpoint.hpp
//   auto r = model(tokens);                                                   // see models/pooled_text_encoder.hpp
#pragma once
#include <vitrine/models/pooled_text_encoder.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

template <class S>
class Albert : public PooledTextEncoder<S> {
 public:
  // config.json's model_type.
  static constexpr const char* model_type = "albert";
  // Not loaded until vt::load_model, vt::load or init; values and fresh results come from `memory`.
  // config.embedding_size and num_hidden_groups are needed.
  explicit Albert(const TextEncoderConfig& config, const Memory* memory = heap()) noexcept
      : PooledTextEncoder<S>(config, memory) {}
};

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
