// Decoder: a stack of DecoderLayers and an optional final norm; nn.TransformerDecoder.
//
//   vt::Decoder<float> decoder({.layer = {.d_model = 512, .nhead = 8}, .num_layers = 6});
//   auto r = decoder(tgt, memory, {.tgt_mask = vt::causal()});
//   r.self_attn[layer].matrix(b, h): T x T      r.cross_attn[layer].matrix(b, h): T x S
//   decoder.forward_into(result, workspace, tgt, memory, masks, keep, trace)          (run/decoder_forward.hpp)
//   decoder.workspace_bytes({B, T, S}), decoder.result_bytes({B, T, S})               (run/workspace_bytes.hpp)
#pragma once
#include <vitrine/layers/decoder_layer.hpp>
#include <vitrine/models/stack.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

// nn.TransformerDecoder; see the top of this header. Its calls are DecoderForward's.
template <class S, Dims D = Dims{}>
class Decoder : public detail::DecoderForward<Decoder<S, D>, S, D> {
 public:
  constexpr Decoder() noexcept requires(D.fixed() && D.num_layers > 0) : Decoder(StackConfig{}) {}
  // Not loaded until vt::load, bind or init; layers, values and fresh results come from `memory`. A stack whose layers
  // found none answers out_of_memory when it is called.
  constexpr explicit Decoder(const StackConfig& config, const Memory* memory = detail::default_memory<D>()) noexcept
      : detail::DecoderForward<Decoder, S, D>(memory), stack_(config, memory) {}
  // The configuration, fixed sizes filled in.
  const StackConfig& config() const noexcept { return stack_.config; }

  template <class Self, class F>
  static constexpr void visit_parameters(Self& self, detail::NamePath& path, F& visit) {
    Core::parameters(self.stack_, path, visit);
  }

 private:
  template <class, Dims>
  friend class DecodingSteps;
  friend detail::StackForward<Decoder, detail::DecoderPlan<S>, S, D>;
  using Core = detail::Stack<S, detail::DecoderLayerCore<S, !D.fixed(), D.weights>, D>;
  constexpr auto layers() const noexcept { return stack_.view(); }

  Core stack_;
};

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
