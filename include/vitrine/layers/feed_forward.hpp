// FeedForward: linear2(act(linear1(x))), each row for itself (Vaswani et al. 2017, section 3.3).
#pragma once
#include <vitrine/core/heap.hpp>
#include <vitrine/run/lane.hpp>
#include <vitrine/run/module.hpp>
#include <vitrine/run/trace.hpp>

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
    return {d_model(), hidden(), 0, 0, hidden() > d_model() ? hidden() : d_model()};
  }
  constexpr bool packed() const { return weight1.panel != 0 && weight2.panel != 0; }
  double work(double rows) const { return 2 * rows * double(hidden()) * double(d_model()); }
  Status check() const {
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
  // y = residual + linear2(act(linear1(x))); the hidden rows stand in the wide scratch. y may be x. `then`: what is
  // multiplied next (LinearCall). Ends with the team in step.
  template <class Trace = Untraced>
  void operator()(Team& team, const Scratch<S>& s, const S* x, Index x_stride, Index rows, const S* residual,
                  Index residual_stride, S* y, Index y_stride, const Trace& trace = {}, const S* then = nullptr) const {
    S* const inner = s.wide.of(team);  // (rows, F)
    constexpr bool on = Trace::on;     // then the epilogues' last steps are done apart
    linear(team, s.pack.own(team), weight1, 0,
           LinearCall<S>{x, x_stride, rows, bias1.exists() ? bias1.vector() : nullptr, inner, hidden(),
                         on ? Activation::none : activation, nullptr, 0, s.copy.own(team), false, weight2.panels()});
    team.barrier();
    if constexpr (on) {
      trace.rows(team, "linear1", inner, hidden());
      finish_rows(team, activation, inner, rows, hidden());
      trace.rows(team, "activation", inner, hidden());
    }
    linear(team, s.pack.own(team), weight2, 0,
           LinearCall<S>{inner, hidden(), rows, bias2.exists() ? bias2.vector() : nullptr, y, y_stride,
                         Activation::none, on ? nullptr : residual, residual_stride, s.copy.own(team), false, then});
    team.barrier();
    if constexpr (on) {
      trace.rows(team, "linear2", y, d_model());
      finish_rows(team, Activation::none, y, rows, d_model(), residual, residual_stride);
    }
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

  // Allocates only to grow y and workspace, before any work. bad_config, bad_shape, not_loaded, overlap,
  // workspace_too_small, result_too_small, out_of_memory.
  Status forward_into(Tensor<S>& y, Workspace& workspace, const Sequences<S>& x) const noexcept {
    if (Status s = core_.check(); s != Status::ok) return s;
    if (Status s = this->check_loaded(); s != Status::ok) return s;
    if (Status s = detail::check_input(x, core_.d_model(), "the input's width must be d_model"); s != Status::ok)
      return s;
    y.use(this->memory());
    if (Status s = detail::check_overlap(y, x.rows() * x.width, x); s != Status::ok) return s;
    if (Status s = y.resize_like(x, x.width); s != Status::ok) return s;
    const Index rows = x.rows(), width = x.width;
    const int threads = detail::team_size(workspace, core_.work(double(rows)));
    struct Plan {
      detail::Scratch<S> scratch;
      S* gathered;
    };
    const auto planned = [&](std::byte* base) {
      Arena arena(base);
      Plan p{detail::Scratch<S>::plan(arena, threads, rows, core_.sizes()),
             x.contiguous() ? nullptr : arena.take<S>(rows * width)};
      return detail::Planned<Plan>{p, arena.used()};
    };
    if (Status s = workspace.reserve(planned(nullptr).bytes); s != Status::ok) return s;
    const Plan p = planned(workspace.data()).plan;
    run_team(threads, [&](Team& team) {
      if (p.gathered != nullptr) detail::gather(team, x, p.gathered);
      const S* const in = p.gathered != nullptr ? p.gathered : x.data;
      detail::for_rows(team, rows, [&](Team& t, Index first, Index last) {
        core_(t, p.scratch, in + first * width, width, last - first, nullptr, 0, y.data() + first * width, width);
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
  static constexpr void visit_parameters(Self& self, detail::NamePath& path, F& visit) {
    detail::FeedForwardCore<S>::parameters(self.core_, path, visit);
  }

 private:
  detail::FeedForwardCore<S> core_;
};

}  // namespace vitrine::inline VITRINE_ABI
