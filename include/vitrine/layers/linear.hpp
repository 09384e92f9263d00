// Linear: y = x W^T + b; nn.Linear with weight (out_features, in_features).
#pragma once
#include <vitrine/core/heap.hpp>
#include <vitrine/run/lane.hpp>
#include <vitrine/run/module.hpp>

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

  // Allocates only to grow y and workspace, before any work. bad_config, bad_shape, not_loaded, overlap,
  // workspace_too_small, result_too_small, out_of_memory.
  Status forward_into(Tensor<S>& y, Workspace& workspace, const Sequences<S>& x) const noexcept {
    const Index in = weight_.cols, out = weight_.rows;
    if (in <= 0 || out <= 0)
      return {Status::bad_config, "in_features and out_features must be positive", in < out ? in : out};
    if (Status s = this->check_loaded(); s != Status::ok) return s;
    if (Status s = detail::check_input(x, in, "the input's width must be in_features"); s != Status::ok) return s;
    const Index rows = x.rows();
    y.use(this->memory());
    if (Status s = detail::check_overlap(y, rows * out, x); s != Status::ok) return s;
    if (Status s = y.resize_like(x, out); s != Status::ok) return s;
    const int threads = detail::team_size(workspace, double(rows) * double(in) * double(out));
    struct Plan {
      S *pack, *gathered;
    };
    const Index pack = in * kernels::panel_width<S>;
    const auto planned = [&](std::byte* base) {
      Arena arena(base);
      Plan p{arena.take<S>(pack * threads), x.contiguous() ? nullptr : arena.take<S>(rows * in)};
      return detail::Planned<Plan>{p, arena.used()};
    };
    if (Status s = workspace.reserve(planned(nullptr).bytes); s != Status::ok) return s;
    const Plan p = planned(workspace.data()).plan;
    run_team(threads, [&](Team& team) {
      if (p.gathered != nullptr) detail::gather(team, x, p.gathered);
      const S* const from = p.gathered != nullptr ? p.gathered : x.data;
      detail::for_rows(team, rows, [&](Team& t, Index first, Index last) {
        detail::LinearCall<S> call{from + first * in,      in, last - first, bias_.exists() ? bias_.vector() : nullptr,
                                   y.data() + first * out, out};
        detail::linear(t, p.pack + t.slot() * pack, weight_, 0, call);
      });
    });
    return {};
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
  static void visit_parameters(Self& self, detail::NamePath& path, F& visit) {
    detail::visit_parameter(visit, path, "weight", self.weight_);
    detail::visit_parameter(visit, path, "bias", self.bias_);
  }

 private:
  Parameter<S> weight_, bias_;
};

}  // namespace vitrine::inline VITRINE_ABI
