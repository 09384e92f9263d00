// FeedForward: linear2(act(linear1(x))), each row for itself (Vaswani et al. 2017, section 3.3).
#pragma once
#include <vitrine/core/heap.hpp>
#include <vitrine/run/module.hpp>
#include <vitrine/run/rows_call.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

namespace detail {

template <class S>
struct FeedForwardCore {
  Parameter<S> weight1, bias1, weight2, bias2;
  Activation activation = Activation::relu;

  constexpr FeedForwardCore() = default;
  constexpr FeedForwardCore(Index d_model, Index hidden, Activation act, bool bias)
      : weight1(matrix_parameter<S>(hidden, d_model)), weight2(matrix_parameter<S>(d_model, hidden)), activation(act) {
    if (bias) bias1 = vector_parameter<S>(hidden), bias2 = vector_parameter<S>(d_model);
  }
  constexpr Index d_model() const { return weight2.rows; }
  constexpr Index hidden() const { return weight1.rows; }
  constexpr typename Scratch<S>::Sizes sizes() const {
    return {.hidden = d_model(), .inner = hidden(), .depth = hidden() > d_model() ? hidden() : d_model()};
  }
  constexpr bool packed() const { return weight1.panel != 0 && weight2.panel != 0; }
  double work(double rows) const { return 2 * rows * double(hidden()) * double(d_model()); }
  Status check() const {
    if (d_model() <= 0) return {Status::bad_config, "d_model must be positive", d_model()};
    if (hidden() <= 0) return {Status::bad_config, "dim_feedforward must be positive", hidden()};
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
  void operator()(const Lane<S, Trace>& block, const Rows<const S>& x, const Rows<S>& y,
                  const Rows<const S>& residual = {}) const {
    const Rows<S> inner = block.inner(hidden());
    Operand<S> from(x), then(inner);
    block.linear("linear1", from, {weight1, bias1}, inner, {.activation = activation});
    block.wait();
    block.show("activation", inner);
    block.linear("linear2", then, {weight2, bias2}, y, {.residual = residual});
    block.wait();
  }
};

}  // namespace detail

// The two linear layers of a transformer layer alone, x and y (B, T, E); parameters linear1.* (F, E), linear2.* (E, F).
template <class S>
class FeedForward : public Module<FeedForward<S>, S> {
 public:
  // Not loaded until vt::load, bind or init; values and fresh results come from `memory`.
  FeedForward(Index d_model, Index dim_feedforward, Activation activation = Activation::relu, bool bias = true,
              const Memory* memory = heap())
      : Module<FeedForward, S>(memory), core_(d_model, dim_feedforward, activation, bias) {}

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
  Tensor<S> operator()(const Sequences<S>& x) const {
    Tensor<S> y(this->memory());
    Workspace workspace(this->memory());
    throw_if_failed(forward_into(y, workspace, x));
    return y;
  }
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
