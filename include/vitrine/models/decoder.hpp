// Decoder: a stack of DecoderLayers and an optional final norm; nn.TransformerDecoder.
//
//   vt::Decoder<float> decoder({.layer = {.d_model = 512, .nhead = 8}, .num_layers = 6});
//   auto r = decoder(tgt, memory, {.tgt_mask = vt::causal()});
//   r.self_attn[layer].matrix(b, h): T x T      r.cross_attn[layer].matrix(b, h): T x S
#pragma once
#include <vitrine/layers/decoder_layer.hpp>
#include <vitrine/models/layer_array.hpp>

namespace vitrine::inline VITRINE_ABI {

template <class S, Dims D = Dims{}>
class Decoder : public Module<Decoder<S, D>, S> {
 public:
  // Are all dimensions compile-time constants?
  static constexpr bool fixed = D.fixed();
  // The third argument of a call.
  using Masks = DecoderMasks<S>;

  constexpr Decoder() noexcept requires(D.fixed() && D.num_layers > 0) : Decoder(StackConfig{}) {}
  // Not loaded until vt::load, bind or init; layers, values and fresh results come from `memory`. A stack whose layers
  // found none answers out_of_memory when it is called.
  constexpr explicit Decoder(const StackConfig& config, const Memory* memory = detail::default_memory<D>()) noexcept
      : Module<Decoder, S>(memory), config_(config), layers_(memory, count(config), detail::sized<D>(config.layer)) {
    detail::check_dims<D>();
    config_.layer = detail::sized<D>(config.layer);
    config_.num_layers = count(config);
    if (config.final_norm)
      norm_ = detail::Norm<S>(config_.layer.d_model, config.layer.layer_norm_eps, config.layer.bias);
  }
  // The configuration, fixed sizes filled in.
  const StackConfig& config() const noexcept { return config_; }

  // tgt (B, T, E), memory (B, S, E) to result.output (B, T, E), self_attn[layer], cross_attn[layer]. Errors, and
  // what is allocated, as in DecoderLayer; out_of_memory also for a stack without its layers.
  template <class K = DefaultKeep, class F = NoTrace>
  Status forward_into(DecoderResult<K, S>& result, Workspace& workspace, const Sequences<S>& tgt,
                      const Sequences<S>& memory, const Masks& masks = {}, const K& keep = {},
                      F&& trace = {}) const noexcept {
    if (layers_.size() < config_.num_layers)
      return {Status::out_of_memory, "the stack has no layers: memory for them ran out, or it was moved from",
              layers_.size(), config_.num_layers};
    return detail::forward_decoder<S>(*this, layers(), result, workspace, tgt, memory, masks, keep.selection, trace);
  }
#if VITRINE_EXCEPTIONS
  // The same with fresh results and scratch from memory(). Throws StatusError.
  template <class K = DefaultKeep, class F = NoTrace>
  DecoderResult<K, S> operator()(const Sequences<S>& tgt, const Sequences<S>& memory, const Masks& masks = {},
                                 const K& keep = {}, F&& trace = {}) const {
    DecoderResult<K, S> result;
    Workspace workspace(this->memory());
    throw_if_failed(forward_into(result, workspace, tgt, memory, masks, keep, trace));
    return result;
  }
#endif

  // Bytes of scratch of a call on contiguous, equally long sequences. With `keep`, exactly that of calls with this
  // policy: with fixed dimensions, kept weights of all heads hold the scores meanwhile.
  template <class K = detail::AnyMaps>
  constexpr std::size_t workspace_bytes(const Shape& shape, int threads = 1, const K& keep = {}) const noexcept {
    return detail::decoder_workspace(layers_.data(), layers_.size(), shape, threads,
                                     detail::kept_of<K, S>(D.fixed(), keep));
  }
  template <class K = DefaultKeep>
  static constexpr std::size_t workspace_bytes() noexcept requires(D.fixed()) {
    return DecoderLayer<S, D>::template workspace_bytes<K>();
  }
  // The same of calls with a trace.
  template <class K = DefaultKeep>
  constexpr std::size_t traced_workspace_bytes(const Shape& shape, int threads = 1, const K& = {}) const noexcept {
    return detail::decoder_workspace(layers_.data(), layers_.size(), shape, threads, detail::kept_of<K, S>(false),
                                     true);
  }
  template <class K = DefaultKeep>
  static constexpr std::size_t traced_workspace_bytes() noexcept requires(D.fixed()) {
    return DecoderLayer<S, D>::template traced_workspace_bytes<K>();
  }
  // Bytes of the values of output and maps.
  template <class K = DefaultKeep>
  constexpr std::size_t result_bytes(const Shape& shape, const K& keep = {}) const noexcept {
    const Index layers = keep.selection.layers.count_below(config_.num_layers);
    const Index heads = keep.selection.heads.count_below(config_.layer.nhead);
    return detail::output_bytes<S>(shape, config_.layer.d_model) +
           detail::map_bytes<K, S>(layers, shape.batch, heads, shape.length, shape.length) +
           detail::map_bytes<K, S, 1>(layers, shape.batch, heads, shape.length, shape.memory_rows());
  }
  template <class K = DefaultKeep>
  static constexpr std::size_t result_bytes() noexcept requires(D.fixed()) {
    return detail::output_bytes<S>({D.max_batch, D.max_length}, D.d_model) +
           detail::map_bytes<K, S>(D.num_layers, D.max_batch, D.nhead, D.max_length, D.max_length) +
           detail::map_bytes<K, S, 1>(D.num_layers, D.max_batch, D.nhead, D.max_length, D.memory_bound());
  }
  // Two for each multiply-add of the products; attention over all pairs.
  double flops(const Shape& shape) const noexcept {
    const double rows = double(shape.batch * shape.length), memory = double(shape.batch * shape.memory_rows());
    if (layers_.size() == 0) return 0;
    return 2 * double(layers_.size()) *
           layers_.data()[0].work(rows, memory, rows * double(shape.length), rows * double(shape.memory_rows()));
  }

  template <class Self, class F>
  static constexpr void visit_parameters(Self& self, detail::NamePath& path, F& visit) {
    detail::visit_stack(self.layers_, self.norm_, path, visit);
  }

 private:
  template <class, Dims>
  friend class DecodingSteps;
  using Core = detail::DecoderLayerCore<S>;
  static constexpr Index count(const StackConfig& c) { return detail::agree(D.num_layers, c.num_layers); }
  detail::Layers<S, Core> layers() const noexcept {
    return {layers_.data(), layers_.size(), norm_.exists() ? &norm_ : nullptr, true};
  }

  StackConfig config_;
  detail::LayerArray<Core, D.num_layers> layers_;
  detail::Norm<S> norm_;
};

}  // namespace vitrine::inline VITRINE_ABI
