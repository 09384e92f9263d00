// M2M100: Transformers' M2M100ForConditionalGeneration, which is NLLB too. Norms before each part and behind the last
// layer, sinusoidal positions that padding ids do not take (Fan et al. 2020; NLLB team 2022).
//
//   auto model = vt::load_model<vt::M2M100<float>>("nllb-200-distilled-600M");            // io/checkpoint.hpp
//   auto r = model(source, target);                                                       // see models/seq2seq.hpp
//
// The first id of a translation is the target language's: GenerationConfig::forced_bos_token_id.
#pragma once
#include <vitrine/models/seq2seq.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

template <class S>
class M2M100 : public Seq2Seq<S> {
 public:
  // config.json's model_type.
  static constexpr const char* model_type = "m2m_100";
  // Not loaded until vt::load_model, vt::load or init; values and fresh results come from `memory`. config.pad_token_id
  // is needed, and a d_model of at least 4. Positions are computed: a sequence may have more ids than
  // max_position_embeddings, 16384 at least.
  explicit M2M100(const Seq2SeqConfig& config, const Memory* memory = heap()) noexcept
      : Seq2Seq<S>(config,
                   {.sinusoidal = true,
                    .norm_first = true,
                    .more_positions = 2,
                    .most_positions = 16384,
                    .places = detail::Places::behind(config.pad_token_id),
                    .sinusoid = Sinusoid::fairseq},
                   memory) {}
};

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
