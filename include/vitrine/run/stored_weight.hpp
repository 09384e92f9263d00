// A weight that is stored as something else than values of its layer's scalar: how it is made, multiplied and read.
// Parameters point at it; layers know nothing of it. Internal: a user calls Module::store_weights.
#pragma once
#include <vitrine/core/status.hpp>
#include <vitrine/kernels/int8.hpp>
#include <vitrine/run/linear_call.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::detail {

#if VITRINE_EXCEPTIONS

// Rows are read by each thread for itself, as many at a time as fit its room: chunks of about one size, where they can
// of whole tiles.
inline void multiply_int8(const LinearCall<float>& call, Index first_panel, Index last_panel) {
  constexpr Index tile = kernels::tile_rows;
  const kernels::Product<float>& all = call.product;
  const Index rows = call.rows, fitting = kernels::Int8Rows::fitting(call.packed_room, all.depth);
  const Index chunks = (rows + fitting - 1) / fitting, even = (rows + chunks - 1) / chunks;
  const Index tiled = (even + tile - 1) / tile * tile, chunk = tiled <= fitting ? tiled : even;
  for (Index first = 0; first < rows; first += chunk) {
    const Index count = rows - first < chunk ? rows - first : chunk;
    const auto codes = kernels::Int8Rows::in(call.packed_panel, count, all.depth);
    kernels::Product<float> product = all;
    product.a = all.a + first * all.a_stride, product.c = all.c + first * all.c_stride;
    if (all.residual != nullptr) product.residual = all.residual + first * all.residual_stride;
    if (!all.a_copied || count < rows)
      for (Index r = 0; r < count; ++r) kernels::int8_read(product.a + r * all.a_stride, all.depth, codes, r);
    kernels::int8_matmul(product, codes, count, first_panel, last_panel);
  }
}
inline void pack_int8(const Parameter<float>& from, Index group, float* to) {
  constexpr Index width = kernels::panel_width<float>;
  const Index rows = from.group_rows(), panel_size = width * kernels::int8_columns(from.cols);
  const float* const values = from.group(group);
  for (Index p = 0; p < kernels::panel_count<float>(rows); ++p) {
    // Row i of a panel: its columns are panel_width apart.
    const Index first = p * width;
    const float* const data = from.panel == 0 ? values : values + first * from.cols - first;
    const bool plain = from.panel == 0;
    kernels::int8_pack({data, rows, plain ? from.cols : Index{1}, plain ? Index{1} : width}, first, from.cols,
                       to + p * panel_size);
  }
}
inline void read_int8(const Parameter<float>& weight, Index row, Index first, Index count, float* out) {
  const Index rows = weight.group_rows();
  kernels::int8_unpack(weight.group(row / rows), row % rows, weight.cols, first, count, out);
}
inline constexpr StoredWeight<float> int8_weight{Storage::int8, kernels::int8_columns, pack_int8, multiply_int8,
                                                 read_int8};

// The weight's values into another storage. On an error the weight is as it was.
template <class S>
Status store_weight(const Memory* memory, Parameter<S>& p, Storage storage) noexcept {
  if constexpr (!std::is_same_v<S, float>) {
    return {Status::not_supported, "only weights of float layers are stored in another way: use float, not double"};
  } else {
    const StoredWeight<S>* const now = p.stored_as.get();
    if (now != nullptr && now->storage == storage) return {};
    if (now != nullptr)
      return {Status::not_supported, "the weights are stored in another way already: load them again"};
    if (p.cols > kernels::int8_deepest)
      return {Status::not_supported, "a weight has too many columns for int8", p.cols, kernels::int8_deepest,
              Status::at_most};
    for (Index i = 0; i < p.values.size(); ++i)
      if (!(p.values.data()[i] - p.values.data()[i] == S(0)))
        return {Status::not_supported, "a weight has a value that is not finite, which int8 cannot store"};
    const StoredWeight<S>& how = int8_weight;
    const Index group_size =
        sizes::product(sizes::round_up(p.group_rows(), kernels::panel_width<S>), how.columns(p.cols));
    S* values = nullptr;
    const SharedValues<S> shared = SharedValues<S>::make(memory, sizes::product(p.groups, group_size), values);
    if (values == nullptr)
      return {Status::out_of_memory, "memory for the stored weights ran out (values)", Status::unset,
              sizes::product(p.groups, group_size), Status::at_least};
    for (Index g = 0; g < p.groups; ++g) how.pack(p, g, values + g * group_size);
    p.hold(shared, kernels::panel_width<S>, StoredAs<S>(&how));
    return {};
  }
}

#endif

}  // namespace vitrine::inline VITRINE_ABI::detail

#include <vitrine/core/macros_pop.hpp>
