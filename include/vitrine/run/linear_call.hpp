// One linear layer on some rows: y = act(x W^T + b) + residual, as a team of threads computes it. Internal: a layer
// asks its Runner.
#pragma once
#include <vitrine/core/parallel.hpp>
#include <vitrine/kernels/matmul.hpp>
#include <vitrine/run/parameter.hpp>
#include <vitrine/run/rows.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::detail {

// W and b: a weight, or one group of it (q, k or v of in_proj_weight), and the bias of its rows. Weights: what its
// layer's Dims say of its storage; f32: the weight itself knows.
template <class S, Storage Weights = Storage::f32>
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

// Rows that products read. The first product copies them where that pays (kernels::Product::a_copy); those that follow
// find the copy, if they have the same shape. A new set of rows, or new values in them, is a new Operand.
template <class S>
struct Operand {
  Rows<const S> rows;
  bool copied = false;
  [[no_unique_address]] StoredAs<S> copied_as = {};  // for weights of which storage

  Operand(const Rows<const S>& x) : rows(x) {}
};

// What becomes of x W^T + b.
template <class S>
struct Epilogue {
  Activation activation = Activation::none;
  Rows<const S> residual = {};

  bool any() const { return activation != Activation::none || residual.exist(); }
};

// Everything that one product is told.
template <class S>
struct LinearCall {
  kernels::Product<S> product = {};  // its last members are the caller's to set: a_copy, a_copied, next_weight
  Index rows = 0;
  bool in_panels = true;
  S* packed_panel = nullptr;  // this thread's, for a panel of a plain weight, or for rows as a stored weight takes them
  [[no_unique_address]] StoredAs<S> stored_as = {};
#if VITRINE_EXCEPTIONS
  Index packed_room = 0;  // values at packed_panel
#endif

  template <Storage Weights>
  LinearCall(const Rows<const S>& x, const Rows<S>& y, const Affine<S, Weights>& affine, const Epilogue<S>& epilogue)
      : rows(x.count), in_panels(affine.weight->panel != 0), stored_as(affine.weight->stored_as) {
    product.a = x.data, product.a_stride = x.stride;
    product.b = affine.weight->group(affine.group);
    product.columns = affine.weight->group_rows(), product.depth = affine.weight->cols;
    product.c = y.data, product.c_stride = y.stride;
    product.bias = affine.bias;
    product.activation = epilogue.activation;
    product.residual = epilogue.residual.data, product.residual_stride = epilogue.residual.stride;
  }
  // Values at packed_panel: a panel's at least.
  constexpr Index room() const {
#if VITRINE_EXCEPTIONS
    return packed_room;
#else
    return kernels::panel_width<S> * product.depth;
#endif
  }
};

// Panels `first` ... `last` - 1, each brought to the thread's room by bring(p, to) and multiplied from there.
template <class S, class Bring>
VITRINE_NOINLINE void multiply_brought(const LinearCall<S>& call, Index first, Index last, const Bring& bring) {
  constexpr Index width = kernels::panel_width<S>;
  kernels::Product<S> one = call.product;
  const Index columns = one.columns;
  one.b = call.packed_panel;
  for (Index p = first; p < last; ++p) {
    const Index n = p * width;
    one.next_weight = bring(p, call.packed_panel);
    one.columns = columns - n < width ? columns - n : width;
    one.c = call.product.c + n;
    if (one.bias != nullptr) one.bias = call.product.bias + n;
    if (one.residual != nullptr) one.residual = call.product.residual + n;
    kernels::matmul(one, call.rows, Index{0}, Index{1});
  }
}
// A weight that is kept plain is packed, so that the numbers are the same.
template <class S>
void multiply_plain(const LinearCall<S>& call, Index first, Index last) {
  const kernels::Product<S>& all = call.product;
  multiply_brought(call, first, last, [&](Index p, S* to) {
    kernels::pack_panel<S>({all.b, all.columns, all.depth, 1}, p * kernels::panel_width<S>, 0, all.depth, to);
    return static_cast<const S*>(nullptr);
  });
}

// The team divides the columns; it does not wait. y overlaps neither x nor the residual.
template <class S>
void linear(Team& team, const LinearCall<S>& call) {
  team.split(kernels::panel_count<S>(call.product.columns), [&](Index first, Index last) {
    if (const StoredWeight<S>* const stored = call.stored_as.get())
      stored->multiply(call, first, last);
    else if (call.in_panels)
      kernels::matmul(call.product, call.rows, first, last);
    else
      multiply_plain(call, first, last);
  });
}

// The same by weights whose storage Dims say: this build has the code of that one.
template <Storage Weights, class S>
void multiply_stored(const LinearCall<S>& call, Index first_panel, Index last_panel);  // run/stored_weight.hpp
template <Storage Weights, class S>
void linear_stored(Team& team, const LinearCall<S>& call) {
  team.split(kernels::panel_count<S>(call.product.columns),
             [&](Index first, Index last) { multiply_stored<Weights>(call, first, last); });
}

// What a product's epilogue does after the bias, on rows that are already there. The team is in step afterwards.
template <class S>
void apply_epilogue(Team& team, const Rows<S>& y, const Epilogue<S>& epilogue) {
  team.split(y.count, [&](Index first, Index last) {
    const Rows<S> own = y.part(first, last - first);
    kernels::detail::Epilogue<S> end;
    end.activation = epilogue.activation;
    if (epilogue.residual.exist())
      end.residual = epilogue.residual.part(first, own.count).data, end.residual_stride = epilogue.residual.stride;
    kernels::detail::finish(end, own.count, own.width, own.data, own.stride);
  });
  team.barrier();
}

// The order in which the products of a layer are multiplied, so that each can ask for the first panels of the next one.
// Cycles: a thread goes through some of them for each block of its rows.
template <class S>
struct PrefetchOrder {
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
