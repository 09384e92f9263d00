// Encoder: a stack of EncoderLayers and an optional final norm; nn.TransformerEncoder.
//
//   vt::Encoder<float> encoder({.layer = {.d_model = 512, .nhead = 8}, .num_layers = 6});
//   auto r = encoder(x, {.src_mask = vt::causal()});                  r.self_attn[layer].matrix(b, h): T x T
//   auto r = encoder(x, {}, vt::keep::weights.only({.layers = {0, 5}, .heads = {7}}));
//   encoder.forward_into(result, workspace, x, masks, keep, trace)    (run/encoder_forward.hpp)
//   encoder.workspace_bytes({B, T}), encoder.result_bytes({B, T})     (run/workspace_bytes.hpp)
#pragma once
#include <vitrine/layers/encoder_layer.hpp>
#include <vitrine/models/stack.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

// nn.TransformerEncoder; see the top of this header. Its calls are EncoderForward's.
template <class S, Dims D = Dims{}>
class Encoder : public detail::EncoderForward<Encoder<S, D>, S, D> {
 public:
  constexpr Encoder() noexcept requires(D.fixed() && D.num_layers > 0) : Encoder(StackConfig{}) {}
  // Not loaded until vt::load, bind or init; layers, values and fresh results come from `memory`. A stack whose layers
  // found none answers out_of_memory when it is called.
  constexpr explicit Encoder(const StackConfig& config, const Memory* memory = detail::default_memory<D>()) noexcept
      : detail::EncoderForward<Encoder, S, D>(memory), stack_(config, memory) {}
  // The configuration, fixed sizes filled in.
  const StackConfig& config() const noexcept { return stack_.config; }

  template <class Self, class F>
  static constexpr void visit_parameters(Self& self, detail::NamePath& path, F& visit) {
    Core::parameters(self.stack_, path, visit);
  }

 private:
  template <class>
  friend class CausalSteps;
  template <class>
  friend class Causal;
  template <class>
  friend class TextEncoder;
  friend detail::StackForward<Encoder, detail::EncoderPlan<S>, S, D>;
  using Core = detail::Stack<S, detail::EncoderLayerCore<S, !D.fixed(), D.weights>, D>;
  constexpr auto layers() const noexcept { return stack_.view(); }

  Core stack_;
};

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
