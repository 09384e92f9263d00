// One linear layer on some rows: y = act(x W^T + b) + residual, as a team of threads computes it. Internal: a layer
// asks its Lane.
#pragma once
#include <vitrine/core/parallel.hpp>
#include <vitrine/kernels/matmul.hpp>
#include <vitrine/run/parameter.hpp>
#include <vitrine/run/rows.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::detail {

// W and b: a weight, or one group of it (q, k or v of in_proj_weight), and the bias of its rows.
template <class S>
struct Affine {
  const Parameter<S>* weight = nullptr;
  const S* bias = nullptr;  // null: none
  Index group = 0;

  Affine() = default;
  Affine(const Parameter<S>& w, const Parameter<S>& b, Index its_group = 0)
      : weight(&w), bias(b.exists() ? b.vector() + its_group * w.group_rows() : nullptr), group(its_group) {}
  explicit Affine(const Parameter<S>& w) : weight(&w) {}

  const S* panels() const { return weight->panels(group); }
};

// Rows that products read. The first product copies them where that pays (kernels::Product::copy); those that follow
// find the copy, if they have the same shape. A new set of rows, or new values in them, is a new Operand.
template <class S>
struct Operand {
  Rows<const S> rows;
  bool copied = false;

  Operand(const Rows<const S>& x) : rows(x) {}
};

// What becomes of x W^T + b.
template <class S>
struct Finish {
  Activation activation = Activation::none;
  Rows<const S> residual = {};

  bool any() const { return activation != Activation::none || residual.exist(); }
};

// Everything that one product is told.
template <class S>
struct LinearCall {
  Rows<const S> x = {};
  Rows<S> y = {};
  Affine<S> affine = {};
  Finish<S> finish = {};
  S* pack = nullptr;  // this thread's, for a panel of a plain weight
  S* copy = nullptr;  // this one and what follows: see kernels::Product
  bool copied = false;
  const S* next_weight = nullptr;
};

// The team divides the columns; it does not wait. y overlaps neither x nor the residual.
template <class S>
void linear(Team& team, const LinearCall<S>& call) {
  constexpr Index width = kernels::panel_width<S>;
  const Parameter<S>& weight = *call.affine.weight;
  kernels::Product<S> product;
  product.a = call.x.data, product.a_stride = call.x.stride;
  product.columns = weight.group_rows(), product.depth = weight.cols;
  product.c = call.y.data, product.c_stride = call.y.stride;
  product.bias = call.affine.bias;
  product.activation = call.finish.activation;
  product.residual = call.finish.residual.data, product.residual_stride = call.finish.residual.stride;
  product.copy = call.copy, product.copied = call.copied, product.next_weight = call.next_weight;
  const S* values = weight.group(call.affine.group);
  team.split(kernels::panels<S>(product.columns), [&](Index first, Index last) {
    if (weight.panel != 0) {
      product.b = values;
      kernels::matmul(product, call.x.count, first, last);
      return;
    }
    for (Index p = first; p < last; ++p) {  // plain: a panel at a time is packed, so that the numbers are the same
      const Index n = p * width;
      kernels::pack_panel<S>({values, product.columns, weight.cols, 1}, n, 0, weight.cols, call.pack);
      auto one = product;
      one.b = call.pack;
      one.columns = product.columns - n < width ? product.columns - n : width;
      one.c += n;
      if (one.bias != nullptr) one.bias += n;
      if (one.residual != nullptr) one.residual += n;
      kernels::matmul(one, call.x.count, Index{0}, Index{1});
    }
  });
}

// What a product's epilogue does after the bias, on rows that are already there. The team is in step afterwards.
template <class S>
void finish_rows(Team& team, const Rows<S>& y, const Finish<S>& finish) {
  team.split(y.count, [&](Index first, Index last) {
    const Rows<S> own = y.part(first, last - first);
    kernels::detail::Epilogue<S> end;
    end.activation = finish.activation;
    if (finish.residual.exist())
      end.residual = finish.residual.part(first, own.count).data, end.residual_stride = finish.residual.stride;
    kernels::detail::finish(end, own.count, own.width, own.data, own.stride);
  });
  team.barrier();
}

// The order in which the products of a layer are multiplied, so that each can ask for the first panels of the next one.
// Cycles: a thread goes through some of them for each block of its rows.
template <class S>
struct ProductOrder {
  struct Step {
    const S *panels, *next;
  };
  Step steps[VITRINE_VECTOR_BYTES == 0 ? 1 : 12] = {};
  int count = 0;

  // The first panels, the others', and the first again.
  template <class... A>
  void cycle(const S* first, const A*... others) {
    if constexpr (VITRINE_VECTOR_BYTES == 0) return;  // nothing asks
    const S* const all[] = {first, others..., first};
    for (int i = 0; i < int(1 + sizeof...(A)); ++i) steps[count++] = {all[i], all[i + 1]};
  }
  const S* after(const S* panels) const {
    if (panels == nullptr) return nullptr;
    for (int i = 0; i < count; ++i)
      if (steps[i].panels == panels) return steps[i].next;
    return nullptr;
  }
};

}  // namespace vitrine::inline VITRINE_ABI::detail

#include <vitrine/core/macros_pop.hpp>
