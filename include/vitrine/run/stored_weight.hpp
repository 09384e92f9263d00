// A weight that is stored as something else than values of its layer's scalar: how it is made, multiplied and read.
// Parameters point at it; layers know nothing of it. Internal: a user calls Module::store_weights.
#pragma once
#include <vitrine/core/status.hpp>
#include <vitrine/kernels/half.hpp>
#include <vitrine/kernels/int8.hpp>
#include <vitrine/run/linear_call.hpp>

#include <limits>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::detail {

// Rows are read, as the storage takes them, by each thread for itself, as many at a time as fit its room: chunks of
// about one size, where they can of whole tiles. read(x, depth, rows, r), multiply(product, rows, count, panels).
template <class StoredRows, auto read, auto multiply>
void multiply_read(const LinearCall<float>& call, Index first_panel, Index last_panel) {
  constexpr Index tile = kernels::tile_rows;
  const kernels::Product<float>& all = call.product;
  const Index rows = call.rows, fitting = StoredRows::fitting(call.room(), all.depth);
  const Index chunks = (rows + fitting - 1) / fitting, even = (rows + chunks - 1) / chunks;
  const Index tiled = (even + tile - 1) / tile * tile, chunk = tiled <= fitting ? tiled : even;
  for (Index first = 0; first < rows; first += chunk) {
    const Index count = rows - first < chunk ? rows - first : chunk;
    const auto own = StoredRows::in(call.packed_panel, count, all.depth);
    kernels::Product<float> product = all;
    product.a = all.a + first * all.a_stride, product.c = all.c + first * all.c_stride;
    if (all.residual != nullptr) product.residual = all.residual + first * all.residual_stride;
    if (!all.a_copied || count < rows)
      for (Index r = 0; r < count; ++r) read(product.a + r * all.a_stride, all.depth, own, r);
    multiply(product, own, count, first_panel, last_panel);
  }
}
// Each tile of rows widens the values as it goes where that hides behind the products; else many rows share each panel,
// widened once.
template <Storage F>
void multiply_widened(const LinearCall<float>& call, Index first, Index last) {
  const kernels::Product<float>& all = call.product;
  if (call.rows <= kernels::tile_rows || kernels::half_widens_freely<F>)
    return kernels::half_matmul<F>(all, call.rows, first, last);
  multiply_brought(call, first, last, [&](Index p, float* to) {
    const Index panel = kernels::panel_width<float> * kernels::half_columns(all.depth);
    kernels::half_widen<F>(all.b + p * panel, all.depth, to);
    return p + 1 < last ? all.b + (p + 1) * panel : all.next_weight;
  });
}

// As a weight of this storage is multiplied.
template <Storage F, class S>
void multiply_stored(const LinearCall<S>& call, Index first_panel, Index last_panel) {
  if constexpr (F == Storage::int8)
    multiply_read<kernels::Int8Rows, kernels::int8_read, kernels::int8_matmul>(call, first_panel, last_panel);
#if VITRINE_BF16_PAIRS
  else if constexpr (F == Storage::bf16)
    multiply_read<kernels::Bf16Rows, kernels::bf16_read, kernels::bf16_matmul>(call, first_panel, last_panel);
#endif
  else
    multiply_widened<F>(call, first_panel, last_panel);
}
// Does a weight that Dims say is stored so need no room of the thread's?
template <Storage Weights, class S>
constexpr bool multiplied_in_place(const Parameter<S>& weight) {
  if constexpr (Weights == Storage::f32) return weight.in_place();
  const bool widens = Weights != Storage::int8 && !(Weights == Storage::bf16 && kernels::bf16_pairs);
  return widens && kernels::half_widens_freely<Weights> && weight.panel != 0;
}

// A group of a weight of values into panels of its columns(cols) floats a row.
template <auto pack, auto columns>
void pack_stored(const Parameter<float>& from, Index group, float* to) {
  constexpr Index width = kernels::panel_width<float>;
  const Index rows = from.group_rows(), panel_size = width * columns(from.cols);
  const float* const values = from.group(group);
  for (Index p = 0; p < kernels::panel_count<float>(rows); ++p) {
    // Row i of a panel: its columns are panel_width apart.
    const Index first = p * width;
    const float* const data = from.panel == 0 ? values : values + first * from.cols - first;
    const bool plain = from.panel == 0;
    pack({data, rows, plain ? from.cols : Index{1}, plain ? Index{1} : width}, first, from.cols, to + p * panel_size);
  }
}
template <auto unpack>
void read_stored(const Parameter<float>& weight, Index row, Index first, Index count, float* out) {
  const Index rows = weight.group_rows();
  unpack(weight.group(row / rows), row % rows, weight.cols, first, count, out);
}

inline constexpr StoredWeight<float> int8_weight{Storage::int8,
                                                 kernels::int8_columns,
                                                 pack_stored<kernels::int8_pack, kernels::int8_columns>,
                                                 multiply_stored<Storage::int8, float>,
                                                 read_stored<kernels::int8_unpack>,
                                                 std::numeric_limits<float>::infinity(),
                                                 "a weight has a value that is not finite, which int8 cannot store"};
inline constexpr StoredWeight<float> bf16_weight{
    Storage::bf16,
    kernels::half_columns,
    pack_stored<kernels::half_pack<Storage::bf16>, kernels::half_columns>,
    multiply_stored<Storage::bf16, float>,
    read_stored<kernels::half_unpack<Storage::bf16>>,
    0x1.ffp127f,
    "a weight has a value that is not finite or rounds to infinity, which bf16 does not store"};
inline constexpr StoredWeight<float> f16_weight{
    Storage::f16,
    kernels::half_columns,
    pack_stored<kernels::half_pack<Storage::f16>, kernels::half_columns>,
    multiply_stored<Storage::f16, float>,
    read_stored<kernels::half_unpack<Storage::f16>>,
    65520.0f,
    "a weight has a value that is not finite or larger than 65504, which f16 does not store"};

// Null for f32 and for values outside the enumeration.
constexpr const StoredWeight<float>* stored_weight(Storage storage) {
  const StoredWeight<float>* const all[] = {&int8_weight, &bf16_weight, &f16_weight};
  for (const StoredWeight<float>* const one : all)
    if (one->storage == storage) return one;
  return nullptr;
}

template <class S>
constexpr const StoredWeight<S>* stored_weight_of(Storage storage) {
  if constexpr (std::is_same_v<S, float>)
    return stored_weight(storage);
  else
    return nullptr;
}

// Values of S that the panels of a weight take in a storage.
template <class S>
constexpr Index stored_size(const Parameter<S>& p, const StoredWeight<S>& how) {
  const Index rows = sizes::round_up(p.group_rows(), kernels::panel_width<S>);
  return sizes::product(p.groups, rows, how.columns(p.cols));
}
template <class S>
constexpr Status check_depth(const Parameter<S>& p, Storage storage) {
  if (storage != Storage::int8 || p.cols <= kernels::int8_deepest) return {};
  return {Status::not_supported, "a weight has too many columns for int8", p.cols, kernels::int8_deepest,
          Status::at_most};
}
// Takes the panels' words that stand in the caller's memory.
template <class S>
constexpr Status hold_words(Parameter<S>& p, std::span<const StoredWord> words, Index panel) {
  const StoredWeight<S>* const how = stored_weight_of<S>(p.declared);
  if (how == nullptr) return {Status::not_supported, "this parameter has values, not the words of a stored weight"};
  if (panel != kernels::panel_width<S>)
    return {Status::not_supported, "panels of this width are not those of this build", panel, kernels::panel_width<S>};
  if (Status s = check_depth(p, p.declared); s != Status::ok) return s;
  const Index size = stored_size(p, *how), given = Index(words.size());
  if (given != size)
    return {Status::bad_shape, "a stored weight was given another number of words than it has", given, size};
#if VITRINE_EXCEPTIONS
  const StoredAs<S> as(how);
#else
  const StoredAs<S> as;
#endif
  p.hold(SharedValues<S>(std::span<const S>(&words.data()->value, words.size())), panel, as);
  return {};
}

#if VITRINE_EXCEPTIONS

// Values of S that the panels take in this storage; f32 and what is none: 0.
template <class S>
constexpr Index stored_size(const Parameter<S>& p, Storage storage) {
  const StoredWeight<S>* const how = stored_weight_of<S>(storage);
  return how == nullptr ? 0 : stored_size(p, *how);
}

// The weight's values into another storage. On an error the weight is as it was.
template <class S>
Status store_weight(SharedPieces<S>& pieces, Parameter<S>& p, Storage storage) noexcept {
  if constexpr (!std::is_same_v<S, float>) {
    return {Status::not_supported, "only weights of float layers are stored in another way: use float, not double"};
  } else {
    const StoredWeight<S>* const now = p.stored_as.get();
    if (now != nullptr && now->storage == storage) return {};
    if (now != nullptr)
      return {Status::not_supported, "the weights are stored in another way already: load them again"};
    const StoredWeight<S>* const how = stored_weight(storage);
    if (how == nullptr) return {Status::bad_config, "no such storage of weights", Index(storage)};
    if (p.declared != Storage::f32 && p.declared != storage)
      return {Status::not_supported, "the layer's Dims say that its weights are stored in another way"};
    if (Status s = check_depth(p, storage); s != Status::ok) return s;
    for (Index i = 0; i < p.values.size(); ++i)
      if (!how->holds(p.values.data()[i])) return {Status::not_supported, how->refusal};
    const Index size = stored_size(p, *how), group_size = size / p.groups;
    S* values = nullptr;
    const SharedValues<S> shared = pieces.make(size, values);
    if (values == nullptr)
      return {Status::out_of_memory, "memory for the stored weights ran out (values)", Status::unset, size,
              Status::at_least};
    for (Index g = 0; g < p.groups; ++g) how->pack(p, g, values + g * group_size);
    p.hold(shared, kernels::panel_width<S>, StoredAs<S>(how));
    return {};
  }
}

#endif

}  // namespace vitrine::inline VITRINE_ABI::detail

#include <vitrine/core/macros_pop.hpp>
