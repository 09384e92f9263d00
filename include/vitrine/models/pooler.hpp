// Pooler: one vector for each sequence, tanh(W h + b) of its first hidden state (Devlin et al. 2019). Internal.
#pragma once
#include <vitrine/core/heap.hpp>
#include <vitrine/run/rows_call.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::detail {

template <class S>
struct Pooler {
  Parameter<S> weight, bias;

  Pooler() = default;
  Pooler(Index width, Index pooled_width)
      : weight(matrix_parameter<S>(pooled_width, width)), bias(vector_parameter<S>(pooled_width)) {}
  bool exists() const { return weight.exists(); }
  template <class Self, class F>
  static void parameters(Self& self, NamePath& path, F& visit) {
    visit_parameter(visit, path, "dense.weight", self.weight);
    visit_parameter(visit, path, "dense.bias", self.bias);
  }

  // pooled (B, 1, P) of hidden (B, T, E). bad_shape for a sequence without tokens.
  Status operator()(Tensor<S>& pooled, Workspace& workspace, const Tensor<S>& hidden,
                    const Memory* memory) const noexcept {
    const Index batch = hidden.batch(), width = hidden.width(), size = weight.rows;
    for (Index b = 0; b < batch; ++b)
      if (hidden.length_of(b) < 1)
        return {Status::bad_shape, "a sequence without tokens cannot be pooled", hidden.length_of(b), 1};
    pooled.use(memory);
    const RowMap sequences{batch, hidden.length(), hidden.starts()};
    const RowsWork<S> work{size, double(width) * double(size), {.hidden = width, .depth = width}};
    const Sequences<S> shape(hidden.data(), batch, 1, width);  // the first rows themselves stand apart
    return run_rows(pooled, workspace, shape, work, [&](auto& block, const auto&, const Rows<S>& y) {
      const Rows<S> first = block.hidden(width);
      block.split([&](Index from, Index to) {
        for (Index b = from; b < to; ++b)
          for (Index c = 0; c < width; ++c)
            first.data[b * width + c] = hidden.data()[sequences.start(block.first() + b) * width + c];
      });
      block.wait();
      Operand<S> x(first);
      block.linear(nullptr, x, {weight, bias}, y);
      block.wait();
      block.split([&](Index from, Index to) {
        for (Index i = from * size; i < to * size; i += simd<S>::lanes)
          store_first(y.data + i, kernels::tanh<S>(load_first(y.data + i, to * size - i)), to * size - i);
      });
    });
  }
};

}  // namespace vitrine::inline VITRINE_ABI::detail

#include <vitrine/core/macros_pop.hpp>
