// The frame of a call that takes each row for itself: checks, memory, one parallel region. Shared by Linear,
// FeedForward and what models multiply rows with. Internal.
#pragma once
#include <vitrine/run/input_checks.hpp>
#include <vitrine/run/runner.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::detail {

// What one row takes: values of y, multiply-adds, and scratch.
template <class S>
struct RowsWork {
  Index width = 0;
  double multiply_adds = 0;
  typename Scratch<S>::Sizes sizes = {};
};

// y (like x, work.width values a row) = step(block, rows of x, rows of y) for blocks of rows. Memory and errors of y
// and workspace; what is wrong with x is the caller's to find.
template <class S, class F>
Status run_rows(Tensor<S>& y, Workspace& workspace, const Sequences<S>& x, const RowsWork<S>& work, F&& step) noexcept {
  const Index rows = x.rows();
  if (Status s = prepare_output(y, work.width, x); s != Status::ok) return s;
  const int threads = workspace.threads_for(double(rows) * work.multiply_adds);
  struct Plan {
    Scratch<S> scratch;
    S* gathered;
  } p;
  const auto make = [&](Arena& arena) {
    return Plan{Scratch<S>::plan(arena, threads, rows, work.sizes),
                x.contiguous() ? nullptr : arena.take<S>(rows, x.width)};
  };
  if (Status s = place_plan(p, workspace, make); s != Status::ok) return s;
  run_team(threads, [&](Team& team) {
    if (p.gathered != nullptr) gather(team, x, p.gathered);
    const Rows<const S> in(p.gathered != nullptr ? p.gathered : x.data, rows, x.width);
    const Rows<S> out(y.data(), rows, work.width);
    Runner<S>(team, p.scratch, rows).blocks([&](auto& block) { step(block, block.rows_of(in), block.rows_of(out)); });
  });
  return {};
}

}  // namespace vitrine::inline VITRINE_ABI::detail

#include <vitrine/core/macros_pop.hpp>
