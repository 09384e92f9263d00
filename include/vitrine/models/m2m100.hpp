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

namespace detail {

// Fairseq's table of sinusoids: sin(p r^i), then cos(p r^i), r = 10000^(-1 / (width / 2 - 1)), all in float as
// Transformers computes it; the row of padding is 0, as is the last value of an odd width. Empty when memory ran out.
template <class S>
Block<S> fairseq_sinusoids(const Memory* memory, Index positions, Index width, const Places& places) noexcept {
  constexpr double logarithm = 9.210340371976182736, quarter = 1.57079632679489661923;
  S* values = nullptr;
  Block<S> block = Block<S>::make(memory, positions * width, values);
  const Index half = width / 2;
  const float step = half > 1 ? -float(logarithm / double(half - 1)) : 0.0f;
  for (Index i = 0; values != nullptr && i < width; ++i) {
    const float rate = float(table_exp(double(mul(float(i % half), step))));
    const double phase = i < half ? 0.0 : quarter;
    for (Index p = 0; p < positions; ++p) {
      const bool zero = p == places.padding || i == 2 * half;
      values[p * width + i] = zero ? S(0) : S(float(table_sin(double(mul(float(p), rate)) + phase)));
    }
  }
  return block;
}

}  // namespace detail

template <class S>
class M2M100 : public Seq2Seq<S> {
 public:
  // config.json's model_type.
  static constexpr const char* model_type = "m2m_100";
  // Not loaded until vt::load_model, vt::load or init; values and fresh results come from `memory`. config.pad_token_id
  // is needed, and a d_model of at least 4.
  explicit M2M100(const Seq2SeqConfig& config, const Memory* memory = heap()) noexcept
      : Seq2Seq<S>(config,
                   {.sinusoidal = true,
                    .norm_first = true,
                    .more_positions = 2,
                    .places = detail::Places::behind(config.pad_token_id),
                    .sinusoids = detail::fairseq_sinusoids<S>},
                   memory) {}
};

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
