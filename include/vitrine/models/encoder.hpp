// Encoder: a stack of EncoderLayers and an optional final norm; nn.TransformerEncoder.
//
//   vt::Encoder<float> encoder({.layer = {.d_model = 512, .nhead = 8}, .num_layers = 6});
//   auto r = encoder(x, {.src_mask = vt::causal()});                  r.self_attn[layer].matrix(b, h): T x T
//   auto r = encoder(x, {}, vt::keep::weights.only({.layers = {0, 5}, .heads = {7}}));
#pragma once
#include <vitrine/layers/encoder_layer.hpp>
#include <vitrine/models/layer_array.hpp>

namespace vitrine::inline VITRINE_ABI {

template <class S, Dims D = Dims{}>
class Encoder : public Module<Encoder<S, D>, S> {
 public:
  // Are all dimensions compile-time constants?
  static constexpr bool fixed = D.fixed();
  // The second argument of a call.
  using Masks = EncoderMasks<S>;

  constexpr Encoder() noexcept requires(D.fixed() && D.num_layers > 0) : Encoder(StackConfig{}) {}
  // Not loaded until vt::load, bind or init; layers, values and fresh results come from `memory`. A stack whose layers
  // found none answers out_of_memory when it is called.
  constexpr explicit Encoder(const StackConfig& config, const Memory* memory = detail::default_memory<D>()) noexcept
      : Module<Encoder, S>(memory), config_(config), layers_(memory, count(config), detail::sized<D>(config.layer)) {
    detail::check_dims<D>();
    config_.layer = detail::sized<D>(config.layer);
    config_.num_layers = count(config);
    if (config.final_norm)
      norm_ = detail::Norm<S>(config_.layer.d_model, config.layer.layer_norm_eps, config.layer.bias);
  }
  // The configuration, fixed sizes filled in.
  const StackConfig& config() const noexcept { return config_; }

  // x (B, T, E) to result.output (B, T, E) and result.self_attn[layer]. Errors, and what is allocated, as in
  // EncoderLayer; out_of_memory also for a stack without its layers.
  template <class K = DefaultKeep, class F = NoTrace>
  Status forward_into(EncoderResult<K, S>& result, Workspace& workspace, const Sequences<S>& x, const Masks& masks = {},
                      const K& keep = {}, F&& trace = {}) const noexcept {
    if (layers_.size() < config_.num_layers)
      return {Status::out_of_memory, "the stack has no layers: memory for them ran out, or it was moved from",
              layers_.size(), config_.num_layers};
    return detail::forward_encoder<S>(*this, layers(), result, workspace, x, masks, keep.selection, trace);
  }
#if VITRINE_EXCEPTIONS
  // The same with fresh results and scratch from memory(). Throws StatusError.
  template <class K = DefaultKeep, class F = NoTrace>
  EncoderResult<K, S> operator()(const Sequences<S>& x, const Masks& masks = {}, const K& keep = {},
                                 F&& trace = {}) const {
    EncoderResult<K, S> result;
    Workspace workspace(this->memory());
    throw_if_failed(forward_into(result, workspace, x, masks, keep, trace));
    return result;
  }
#endif

  // Bytes of scratch of a call on contiguous, equally long sequences. With `keep`, exactly that of calls with this
  // policy: with fixed dimensions, kept weights of all heads hold the scores meanwhile.
  template <class K = detail::AnyMaps>
  constexpr std::size_t workspace_bytes(const Shape& shape, int threads = 1, const K& keep = {}) const noexcept {
    return detail::encoder_workspace(layers_.data(), layers_.size(), shape, threads,
                                     detail::kept_of<K, S>(D.fixed(), keep));
  }
  template <class K = DefaultKeep>
  static constexpr std::size_t workspace_bytes() noexcept requires(D.fixed()) {
    return EncoderLayer<S, D>::template workspace_bytes<K>();
  }
  // The same of calls with a trace.
  template <class K = DefaultKeep>
  constexpr std::size_t traced_workspace_bytes(const Shape& shape, int threads = 1, const K& = {}) const noexcept {
    return detail::encoder_workspace(layers_.data(), layers_.size(), shape, threads, detail::kept_of<K, S>(false),
                                     true);
  }
  template <class K = DefaultKeep>
  static constexpr std::size_t traced_workspace_bytes() noexcept requires(D.fixed()) {
    return EncoderLayer<S, D>::template traced_workspace_bytes<K>();
  }
  // Bytes of the values of output and maps.
  template <class K = DefaultKeep>
  constexpr std::size_t result_bytes(const Shape& shape, const K& keep = {}) const noexcept {
    return detail::output_bytes<S>(shape, config_.layer.d_model) +
           detail::map_bytes<K, S>(keep.selection.layers.count_below(config_.num_layers), shape.batch,
                                   keep.selection.heads.count_below(config_.layer.nhead), shape.length, shape.length);
  }
  template <class K = DefaultKeep>
  static constexpr std::size_t result_bytes() noexcept requires(D.fixed()) {
    return detail::output_bytes<S>({D.max_batch, D.max_length}, D.d_model) +
           detail::map_bytes<K, S>(D.num_layers, D.max_batch, D.nhead, D.max_length, D.max_length);
  }
  // Two for each multiply-add of the products; attention over all pairs.
  double flops(const Shape& shape) const noexcept {
    const double rows = double(shape.batch * shape.length);
    return layers_.size() > 0 ? 2 * double(layers_.size()) * layers_.data()[0].work(rows, rows * double(shape.length))
                              : 0;
  }

  template <class Self, class F>
  static constexpr void visit_parameters(Self& self, detail::NamePath& path, F& visit) {
    detail::visit_stack(self.layers_, self.norm_, path, visit);
  }

 private:
  template <class>
  friend class CausalSteps;
  template <class>
  friend class Gpt2;
  using Core = detail::EncoderLayerCore<S>;
  static constexpr Index count(const StackConfig& c) { return detail::agree(D.num_layers, c.num_layers); }
  detail::Layers<S, Core> layers() const noexcept {
    return {layers_.data(), layers_.size(), norm_.exists() ? &norm_ : nullptr, true};
  }

  StackConfig config_;
  detail::LayerArray<Core, D.num_layers> layers_;
  detail::Norm<S> norm_;
};

}  // namespace vitrine::inline VITRINE_ABI
