// LayerNorm: y = (x - mean) / sqrt(variance + eps) * weight + bias over the last dimension (Ba, Kiros and Hinton 2016);
// nn.LayerNorm.
#pragma once
#include <vitrine/core/heap.hpp>
#include <vitrine/kernels/layer_norm.hpp>
#include <vitrine/run/lane.hpp>
#include <vitrine/run/module.hpp>

namespace vitrine::inline VITRINE_ABI {

namespace detail {

template <class S>
struct Norm {
  Parameter<S> weight, bias;
  S eps = S(1e-5);

  constexpr Norm() = default;
  constexpr Norm(Index width, double epsilon, bool with_bias) : weight(vector_parameter<S>(width)), eps(S(epsilon)) {
    if (with_bias) bias = vector_parameter<S>(width);
  }
  constexpr bool exists() const { return weight.exists(); }
  template <class Self, class F>
  static constexpr void parameters(Self& self, NamePath& path, F& visit) {
    visit_parameter(visit, path, "weight", self.weight);
    visit_parameter(visit, path, "bias", self.bias);
  }
  // The team divides the rows and is in step afterwards. y may be x.
  void operator()(Team& team, const S* x, Index x_stride, S* y, Index y_stride, Index rows) const {
    team.split(rows, [&](Index first, Index last) {
      kernels::layer_norm(x + first * x_stride, x_stride, y + first * y_stride, y_stride, last - first, weight.rows,
                          weight.vector(), bias.exists() ? bias.vector() : nullptr, eps);
    });
    team.barrier();
  }
};

}  // namespace detail

// nn.LayerNorm over rows of `width` values.
template <class S>
class LayerNorm : public Module<LayerNorm<S>, S> {
 public:
  // Not loaded until vt::load, bind or init; values and fresh results come from `memory`.
  explicit LayerNorm(Index width, double eps = 1e-5, bool bias = true, const Memory* memory = heap())
      : Module<LayerNorm, S>(memory), norm_(width, eps, bias) {}

  // y: (B, T, width), like x. Allocates only to grow y; needs no scratch. bad_shape, not_loaded, overlap,
  // result_too_small, out_of_memory.
  Status forward_into(Tensor<S>& y, Workspace&, const Sequences<S>& x) const noexcept {
    if (Status s = this->check_loaded(); s != Status::ok) return s;
    if (Status s = detail::check_input(x, norm_.weight.rows, "the input's width must be the layer's"); s != Status::ok)
      return s;
    y.use(this->memory());
    if (Status s = detail::check_overlap(y, x.rows() * x.width, x); s != Status::ok) return s;
    if (Status s = y.resize_like(x, x.width); s != Status::ok) return s;
    Team team;
    if (!x.contiguous()) detail::gather(team, x, y.data());
    norm_(team, x.contiguous() ? x.data : y.data(), x.width, y.data(), x.width, x.rows());
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
  static constexpr void visit_parameters(Self& self, detail::NamePath& path, F& visit) {
    detail::Norm<S>::parameters(self.norm_, path, visit);
  }

 private:
  detail::Norm<S> norm_;
};

}  // namespace vitrine::inline VITRINE_ABI
