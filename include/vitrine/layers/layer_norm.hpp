// LayerNorm: y = (x - mean) / sqrt(variance + eps) * weight + bias over the last dimension (Ba, Kiros and Hinton 2016);
// nn.LayerNorm.
#pragma once
#include <vitrine/core/dims.hpp>
#include <vitrine/core/heap.hpp>
#include <vitrine/kernels/layer_norm.hpp>
#include <vitrine/kernels/rms_norm.hpp>
#include <vitrine/run/input_checks.hpp>
#include <vitrine/run/module.hpp>
#include <vitrine/run/runner.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

namespace detail {

// A norm of any kind; fixed layers have LayerNorm alone (Options false).
template <class S, bool Options = true>
struct NormCore {
  Parameter<S> weight, bias;
  S eps = S(1e-5);
  NormKind kind = NormKind::layer;

  constexpr NormCore() = default;
  constexpr NormCore(Index width, double epsilon, bool with_bias, NormKind of = NormKind::layer)
      : weight(vector_parameter<S>(width)), eps(S(epsilon)), kind(of) {
    if (with_bias && kind == NormKind::layer) bias = vector_parameter<S>(width);
  }
  constexpr bool exists() const { return weight.exists(); }
  template <class Self, class F>
  static constexpr void parameters(Self& self, NamePath& path, F& visit) {
    visit_parameter(visit, path, "weight", self.weight);
    visit_parameter(visit, path, "bias", self.bias);
  }
  // Rows x to rows y, which may be x.
  void operator()(const Rows<const S>& x, const Rows<S>& y) const {
    const kernels::NormRows<S> call{x.data,  x.stride,    y.data,          y.stride,
                                    x.count, weight.rows, weight.vector(), bias.exists() ? bias.vector() : nullptr,
                                    eps};
    if constexpr (Options) {
      if (kind == NormKind::rms) return kernels::rms_norm<S>(call);
      if (kind == NormKind::rms_plus_one) return kernels::rms_norm<S, true>(call);
    }
    kernels::layer_norm<S>(call);
  }
  // The threads of a block divide the rows and are in step afterwards.
  template <class Trace>
  void operator()(const Runner<S, Trace>& block, const Rows<const S>& x, const Rows<S>& y) const {
    block.split([&](Index first, Index last) { (*this)(x.part(first, last - first), y.part(first, last - first)); });
    block.wait();
  }
};

// The calls of LayerNorm and RmsNorm.
template <class Derived, class S>
class NormModule : public Module<Derived, S> {
 public:
  // As Module's: bad_config, out_of_memory.
  Status check_config() const noexcept {
    if (norm_.exists()) return {};
    return {Status::bad_config, "width must be positive", norm_.weight.rows};
  }
  // y: (B, T, width), like x. Allocates only to grow y; needs no scratch. bad_config, bad_shape, not_loaded, overlap,
  // result_too_small, out_of_memory.
  Status forward_into(Tensor<S>& y, Workspace&, const Sequences<S>& x) const noexcept {
    if (Status s = check_config(); s != Status::ok) return s;
    if (Status s = this->check_loaded(); s != Status::ok) return s;
    if (Status s = check_input(x, norm_.weight.rows, "the input's width must be the layer's"); s != Status::ok)
      return s;
    y.use(this->memory());
    if (Status s = prepare_output(y, x.width, x); s != Status::ok) return s;
    Team alone;
    if (!x.contiguous()) gather(alone, x, y.data());
    const Rows<S> out(y.data(), x.rows(), x.width);
    norm_(x.contiguous() ? Rows<const S>(x.data, x.rows(), x.width) : out, out);
    return {};
  }
#if VITRINE_EXCEPTIONS
  // The same with a fresh result from memory(). Throws StatusError.
  Tensor<S> operator()(const Sequences<S>& x) const {
    Tensor<S> y(this->memory());
    Workspace workspace(this->memory(), 1);
    throw_if_failed(forward_into(y, workspace, x));
    return y;
  }
#endif
  template <class Self, class F>
  static constexpr void visit_parameters(Self& self, NamePath& path, F& visit) {
    NormCore<S>::parameters(self.norm_, path, visit);
  }

 protected:
  constexpr NormModule(const NormCore<S>& norm, const Memory* memory) noexcept
      : Module<Derived, S>(memory), norm_(norm) {}

 private:
  NormCore<S> norm_;
};

}  // namespace detail

// nn.LayerNorm over rows of `width` values.
template <class S>
class LayerNorm : public detail::NormModule<LayerNorm<S>, S> {
 public:
  // Not loaded until vt::load, bind or init; values and fresh results come from `memory`.
  explicit LayerNorm(Index width, double eps = 1e-5, bool bias = true, const Memory* memory = heap())
      : detail::NormModule<LayerNorm, S>({width, eps, bias}, memory) {}
};

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
