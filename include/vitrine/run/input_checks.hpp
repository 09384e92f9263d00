// What is wrong with the inputs of a call: found here, before any work. Internal.
#pragma once
#include <vitrine/core/mask.hpp>
#include <vitrine/core/views.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::detail {

template <class S>
Status check_input(const Sequences<S>& x, Index width, const char* sentence) {
  if (x.width != width) return {Status::bad_shape, sentence, x.width, width};
  return x.check();
}

// Factors of the heads' contexts: none, one for each head, or one for each head of each layer.
template <class S>
Status check_head_scale(std::span<const S> scale, Index layers, Index heads) {
  const Index size = Index(scale.size());
  if (size != 0 && size != heads && size != sizes::product(layers, heads))
    return {Status::bad_mask, "head_scale must have one factor for each head", size, heads};
  return {};
}
// Those of one layer; null: none.
template <class S>
const S* head_scale_of(std::span<const S> scale, Index layer, Index heads) {
  if (scale.empty()) return nullptr;
  return scale.data() + (Index(scale.size()) == heads ? 0 : layer * heads);
}

// Do two byte ranges overlap?
inline bool overlaps(const void* a, std::size_t a_bytes, const void* b, std::size_t b_bytes) {
  const auto x = reinterpret_cast<std::uintptr_t>(a), y = reinterpret_cast<std::uintptr_t>(b);
  return a_bytes > 0 && b_bytes > 0 && x < y + b_bytes && y < x + a_bytes;
}
// Before the output gets room for `values`: growing it would free an input that lies in it.
template <class S>
Status check_overlap(const Tensor<S>& output, Index values, const Sequences<S>& x) {
  const Index reach = x.rows() > 0 ? x.reach() : 0;
  const Index room = values < output.capacity() ? values : output.capacity();
  if (overlaps(output.data(), sizes::bytes_of<S>(room), x.data, sizes::bytes_of<S>(reach)))
    return {Status::overlap, "the output must not overlap an input"};
  return {};
}
// Room for `width` values of each row of x, which no input may overlap.
template <class S, class... Others>
Status prepare_output(Tensor<S>& output, Index width, const Sequences<S>& x, const Others&... others) {
  Status status = check_overlap(output, x.rows() * width, x);
  ((status = status == Status::ok ? check_overlap(output, x.rows() * width, others) : status), ...);
  return status == Status::ok ? output.resize_like(x, width) : status;
}

}  // namespace vitrine::inline VITRINE_ABI::detail

#include <vitrine/core/macros_pop.hpp>
