// Linear: y = x W^T + b; nn.Linear with weight (out_features, in_features).
#pragma once
#include <vitrine/core/heap.hpp>
#include <vitrine/run/module.hpp>
#include <vitrine/run/rows_call.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

// y = x W^T + b; nn.Linear: x (B, T, in_features), y (B, T, out_features).
template <class S>
class Linear : public Module<Linear<S>, S> {
 public:
  // Not loaded until vt::load, bind or init; values and fresh results come from `memory`.
  Linear(Index in_features, Index out_features, bool bias = true, const Memory* memory = heap())
      : Module<Linear, S>(memory), weight_(detail::matrix_parameter<S>(out_features, in_features)) {
    if (bias) bias_ = detail::vector_parameter<S>(out_features);
  }

  // As Module's: bad_config, out_of_memory.
  Status check_config() const noexcept {
    const Index in = weight_.cols, out = weight_.rows;
    if (in > 0 && out > 0) return {};
    return {Status::bad_config, "in_features and out_features must be positive", in < out ? in : out};
  }
  // Allocates only to grow y and workspace, before any work. bad_config, bad_shape, not_loaded, overlap,
  // workspace_too_small, result_too_small, out_of_memory.
  Status forward_into(Tensor<S>& y, Workspace& workspace, const Sequences<S>& x) const noexcept {
    const Index in = weight_.cols, out = weight_.rows;
    if (Status s = check_config(); s != Status::ok) return s;
    if (Status s = this->check_loaded(); s != Status::ok) return s;
    if (Status s = detail::check_input(x, in, "the input's width must be in_features"); s != Status::ok) return s;
    y.use(this->memory());
    const detail::RowsWork<S> work{out, double(in) * double(out), {.depth = in}};
    return detail::run_rows(y, workspace, x, work, [&](auto& block, const auto& from, const auto& to) {
      detail::Operand<S> operand(from);
      block.linear(nullptr, operand, {weight_, bias_}, to);
    });
  }
#if VITRINE_EXCEPTIONS
  // The same with a fresh result and scratch from memory(). Throws StatusError.
  Tensor<S> operator()(const Sequences<S>& x) const { return this->template fresh<Tensor<S>>(x); }
#endif
  template <class Self, class F>
  static void visit_parameters(Self& self, detail::NamePath& path, F& visit) {
    detail::visit_parameter(visit, path, "weight", self.weight_);
    detail::visit_parameter(visit, path, "bias", self.bias_);
  }

 private:
  Parameter<S> weight_, bias_;
};

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
