// FeedForward: linear2(act(linear1(x))), each row for itself (Vaswani et al. 2017, section 3.3); gated:
// linear2(act(gate(x)) * linear1(x)) (Shazeer 2020: SwiGLU with silu, GeGLU with gelu).
#pragma once
#include <vitrine/core/heap.hpp>
#include <vitrine/run/module.hpp>
#include <vitrine/run/rows_call.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

namespace detail {

template <class S, bool Options = true, Storage Weights = Storage::f32>
struct FeedForwardCore {
  using Linear = Affine<S, Weights>;
  Parameter<S> weight1, bias1, weight2, bias2;  // gated: weight1 and bias1 are the gate's rows, then linear1's
  Activation activation = Activation::relu;
  bool gated = false;

  constexpr FeedForwardCore() = default;
  constexpr FeedForwardCore(Index d_model, Index hidden, Activation act, bool bias, bool with_gate = false)
      : weight2(matrix_parameter<S>(d_model, hidden, 1, Weights)), activation(act), gated(Options && with_gate) {
    const Index groups = gated ? 2 : 1;
    const Index rows = sizes::product(groups, hidden);
    weight1 = matrix_parameter<S>(rows, d_model, groups, Weights);
    if (bias) bias1 = vector_parameter<S>(rows), bias2 = vector_parameter<S>(d_model);
  }
  constexpr Index d_model() const { return weight2.rows; }
  constexpr Index dim_feedforward() const { return weight2.cols; }
  constexpr typename Scratch<S>::Sizes sizes() const {
    return {.hidden = d_model(),
            .inner = sizes::product(gated ? 2 : 1, dim_feedforward()),
            .depth = dim_feedforward() > d_model() ? dim_feedforward() : d_model()};
  }
  // What is multiplied behind `before`, block by block.
  void add_to(PrefetchOrder<S>& order, const Parameter<S>& before) const {
    if (gated)
      order.cycle(before.panels(), weight1.panels(), weight1.panels(1), weight2.panels());
    else
      order.cycle(before.panels(), weight1.panels(), weight2.panels());
  }
  constexpr bool in_place() const {
    return multiplied_in_place<Weights>(weight1) && multiplied_in_place<Weights>(weight2);
  }
  double work(double rows) const { return (gated ? 3 : 2) * rows * double(dim_feedforward()) * double(d_model()); }
  Status check() const {
    if (d_model() <= 0) return {Status::bad_config, "d_model must be positive", d_model()};
    if (dim_feedforward() <= 0) return {Status::bad_config, "dim_feedforward must be positive", dim_feedforward()};
    return {};
  }
  template <class Self, class F>
  static constexpr void parameters(Self& self, NamePath& path, F& visit) {
    visit_parameter(visit, path, "linear1.weight", self.weight1);
    visit_parameter(visit, path, "linear1.bias", self.bias1);
    visit_parameter(visit, path, "linear2.weight", self.weight2);
    visit_parameter(visit, path, "linear2.bias", self.bias2);
  }
  // y = linear2(act(linear1(x))) + residual, on the rows of a block; y may be x. Ends with the block's threads in step.
  template <class Trace>
  void operator()(const Runner<S, Trace>& block, const Rows<const S>& x, const Rows<S>& y,
                  const Rows<const S>& residual = {}) const {
    const Rows<S> whole = block.inner(gated ? 2 * dim_feedforward() : dim_feedforward()),
                  inner = whole.columns(0, dim_feedforward());
    Operand<S> from(x), activated(inner);
    block.linear(gated ? "gate" : "linear1", from, Linear(weight1, bias1), inner, {.activation = activation});
    if constexpr (Options)
      if (gated) multiply_gate(block, from, inner, whole.columns(dim_feedforward(), dim_feedforward()));
    block.wait();
    block.show("activation", inner);
    block.linear("linear2", activated, Linear(weight2, bias2), y, {.residual = residual});
    block.wait();
  }

 private:
  // gate *= linear1(x).
  template <class Trace>
  void multiply_gate(const Runner<S, Trace>& block, Operand<S>& x, const Rows<S>& gate, const Rows<S>& up) const {
    using V = simd<S>;
    block.linear("linear1", x, Linear(weight1, bias1, 1), up);
    block.wait();
    block.split([&](Index first, Index last) {
      for (Index r = first; r < last; ++r) {
        S *const g = gate.data + r * gate.stride, *const u = up.data + r * up.stride;
        for (Index i = 0; i < gate.width; i += V::lanes) {
          const Index left = gate.width - i;
          store_first<S>(g + i, V::mul(load_first<S>(g + i, left), load_first<S>(u + i, left)), left);
        }
      }
    });
  }
};

}  // namespace detail

// The two linear layers of a transformer layer alone, x and y (B, T, E); parameters linear1.* (F, E), linear2.* (E, F).
// Gated, linear1.* is (2 F, E): the gate's rows, then the others.
template <class S>
class FeedForward : public Module<FeedForward<S>, S> {
 public:
  // Not loaded until vt::load, bind or init; values and fresh results come from `memory`.
  FeedForward(Index d_model, Index dim_feedforward, Activation activation = Activation::relu, bool bias = true,
              const Memory* memory = heap())
      : Module<FeedForward, S>(memory), core_(d_model, dim_feedforward, activation, bias) {}
  // The gated kind, its values from `memory`.
  static FeedForward gated(Index d_model, Index dim_feedforward, Activation activation = Activation::silu,
                           bool bias = false, const Memory* memory = heap()) {
    FeedForward layer(d_model, dim_feedforward, activation, bias, memory);
    layer.core_ = {d_model, dim_feedforward, activation, bias, true};
    return layer;
  }

  // As Module's: bad_config, out_of_memory.
  Status check_config() const noexcept { return core_.check(); }
  // Allocates only to grow y and workspace, before any work. bad_config, bad_shape, not_loaded, overlap,
  // workspace_too_small, result_too_small, out_of_memory.
  Status forward_into(Tensor<S>& y, Workspace& workspace, const Sequences<S>& x) const noexcept {
    if (Status s = check_config(); s != Status::ok) return s;
    if (Status s = this->check_loaded(); s != Status::ok) return s;
    if (Status s = detail::check_input(x, core_.d_model(), "the input's width must be d_model"); s != Status::ok)
      return s;
    y.use(this->memory());
    const detail::RowsWork<S> work{x.width, core_.work(1), core_.sizes()};
    return detail::run_rows(y, workspace, x, work,
                            [&](auto& block, const auto& from, const auto& to) { core_(block, from, to); });
  }
#if VITRINE_EXCEPTIONS
  // The same with a fresh result and scratch from memory(). Throws StatusError.
  Tensor<S> operator()(const Sequences<S>& x) const { return this->template fresh<Tensor<S>>(x); }
#endif
  template <class Self, class F>
  static constexpr void visit_parameters(Self& self, detail::NamePath& path, F& visit) {
    detail::FeedForwardCore<S>::parameters(self.core_, path, visit);
  }

 private:
  detail::FeedForwardCore<S> core_;
};

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
