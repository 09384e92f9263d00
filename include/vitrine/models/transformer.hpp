// Transformer: an Encoder and a Decoder, each with a final norm, as nn.Transformer has it.
//
//   vt::Transformer<float> model({.d_model = 512, .nhead = 8});
//   auto r = model(src, tgt, {.tgt_mask = vt::causal()});
//   r.output (B, T, E), r.self_attn[l], r.cross_attn[l]: the decoder's
//   r.encoder.output (B, S, E), r.encoder.self_attn[l]: the encoder's
#pragma once
#include <vitrine/models/decoder.hpp>
#include <vitrine/models/encoder.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

// What a call may be given: masks over S x S, T x T and T x S.
template <class S>
struct TransformerMasks {
  Mask<S> src_mask = {}, tgt_mask = {}, memory_mask = {};
};

// The decoder's three members and the encoder's whole result.
template <class K, class S>
struct TransformerResult : DecoderResult<K, S> {
  EncoderResult<K, S> encoder = {};
};

template <class S>
class Transformer : public Module<Transformer<S>, S> {
 public:
  // The third argument of a call.
  using Masks = TransformerMasks<S>;

  // Not loaded until vt::load or init; layers, values and fresh results come from `memory`.
  explicit Transformer(const TransformerConfig& c = {}, const Memory* memory = heap()) noexcept
      : Module<Transformer, S>(memory),
        config_(c),
        encoder_(stack(c, c.num_encoder_layers), memory),
        decoder_(stack(c, c.num_decoder_layers), memory) {}
  // The configuration.
  const TransformerConfig& config() const noexcept { return config_; }
  // The encoder; its own stack, to be called alone.
  const Encoder<S>& encoder() const noexcept { return encoder_; }
  // The decoder.
  const Decoder<S>& decoder() const noexcept { return decoder_; }

  // As Module's: bad_config, out_of_memory.
  Status check_config() const noexcept {
    if (Status s = encoder_.check_config(); s != Status::ok) return s;
    return decoder_.check_config();
  }

  // src (B, S, E), tgt (B, T, E) to result.encoder.output (B, S, E) and result.output (B, T, E). Selection:
  // Which::encoder chooses the encoder's maps, self and cross the decoder's. Errors, and what is allocated, as in
  // Encoder and Decoder; nothing is computed when an argument of either is wrong, but the encoder's result may be when
  // memory runs out.
  template <class K = DefaultKeep, class F = NoTrace>
  Status forward_into(  // NOLINT(readability-function-size): PyTorch's arguments, then the result's
      TransformerResult<K, S>& result, Workspace& workspace, const Sequences<S>& src, const Sequences<S>& tgt,
      const Masks& masks = {}, const K& keep = {}, F&& trace = {}) const noexcept {
    if (src.batch != tgt.batch)
      return {Status::bad_shape, "source and target must have the same batch", src.batch, tgt.batch};
    if (Status s = detail::check_input(tgt, config_.d_model, "the target's width must be d_model"); s != Status::ok)
      return s;
    if (Status s = check_mask(masks.tgt_mask, tgt.batch, config_.nhead, tgt.length, tgt.length); s != Status::ok)
      return s;
    if (Status s = check_mask(masks.memory_mask, tgt.batch, config_.nhead, tgt.length, src.length); s != Status::ok)
      return s;
    if (Status s = encoder_.forward_into(result.encoder, workspace, src, {.src_mask = masks.src_mask},
                                         detail::for_encoder(keep), detail::prefixed("encoder.", trace));
        s != Status::ok)
      return s;
    DecoderResult<K, S>& own = result;
    return decoder_.forward_into(own, workspace, tgt, result.encoder.output,
                                 {.tgt_mask = masks.tgt_mask, .memory_mask = masks.memory_mask}, keep,
                                 detail::prefixed("decoder.", trace));
  }
#if VITRINE_EXCEPTIONS
  // The same with fresh results and scratch from memory(). Throws StatusError.
  template <class K = DefaultKeep, class F = NoTrace>
  TransformerResult<K, S> operator()(const Sequences<S>& src, const Sequences<S>& tgt, const Masks& masks = {},
                                     const K& keep = {}, F&& trace = {}) const {
    return this->template fresh<TransformerResult<K, S>>(src, tgt, masks, keep, trace);
  }
#endif
  // Bytes of scratch of a call on contiguous, equally long sequences. Here and below shape.length is the target's,
  // memory_length the source's.
  template <class K = DefaultKeep>
  std::size_t workspace_bytes(const Shape& shape, int threads = 1, const K& keep = {}) const noexcept {
    const std::size_t a = encoder_.workspace_bytes({shape.batch, shape.memory_rows()}, threads, keep);
    const std::size_t b = decoder_.workspace_bytes(shape, threads, keep);
    return a > b ? a : b;
  }
  // The same of calls with a trace.
  template <class K = DefaultKeep>
  std::size_t traced_workspace_bytes(const Shape& shape, int threads = 1, const K& keep = {}) const noexcept {
    const std::size_t a = encoder_.traced_workspace_bytes({shape.batch, shape.memory_rows()}, threads, keep);
    const std::size_t b = decoder_.traced_workspace_bytes(shape, threads, keep);
    return a > b ? a : b;
  }
  // Bytes of the values of both outputs and of all maps that `keep` chooses.
  template <class K = DefaultKeep>
  std::size_t result_bytes(const Shape& shape, const K& keep = {}) const noexcept {
    return sizes::sum_of_bytes(encoder_.result_bytes({shape.batch, shape.memory_rows()}, detail::for_encoder(keep)),
                               decoder_.result_bytes(shape, keep));
  }
  // Two for each multiply-add of the products; attention over all pairs.
  double flops(const Shape& shape) const noexcept {
    return encoder_.flops({shape.batch, shape.memory_rows()}) + decoder_.flops(shape);
  }

  template <class Self, class F>
  static void visit_parameters(Self& self, detail::NamePath& path, F& visit) {
    detail::visit_module(self.encoder_, "encoder.", path, visit);
    detail::visit_module(self.decoder_, "decoder.", path, visit);
  }

 private:
  static StackConfig stack(const TransformerConfig& c, Index layers) {
    return {{c.d_model, c.nhead, c.dim_feedforward, c.dropout, c.activation, c.layer_norm_eps, c.norm_first, c.bias},
            layers,
            true};
  }

  TransformerConfig config_;
  Encoder<S> encoder_;
  Decoder<S> decoder_;
};

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
