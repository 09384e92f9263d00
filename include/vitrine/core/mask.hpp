// Masks: who may attend to whom. One run-time type of views, joined by &, at most one of each kind; nothing T x S is
// stored for causal, window or lengths.
//
//   causal(offset), (offsets)       key j is seen by query i if j <= i + offset; one offset, or one for each sequence
//   window(left, right)             i + offset - left <= j <= i + offset + right, with the causal offset or, without
//                                   causal, one of its own (window(left, right, offset) or offsets); unlimited: no
//                                   bound
//   key_lengths(lengths)            sequence b has lengths[b] keys
//   key_flags(flags, B, S)          flags[b][j] true: key j may be seen
//   keep_matrix(keep, T, S), (keep, B, H, T, S)     true: may be seen; an extent of 1 broadcasts
//   additive_bias(bias, T, S), (bias, B, H, T, S)   added to the scores after the scale; -inf masks, by its bits
//   key_bias(bias, B, S)            the same for a key of every query
//   from_torch_key_padding_mask(mask, B, S)                                     true means IGNORE
//   from_torch_attn_mask(mask, T, S), (mask, B * H, H, T, S)                    true means IGNORE
//   from_torch_sdpa_mask(mask, T, S), (mask, B, H, T, S)                        true means attend
//   from_hf_attention_mask(mask, B, S)                                          1 means keep
//
// A mask gives each row an interval [lo, hi) of keys and, inside it, an optional matrix. Outside nothing is computed or
// multiplied, whatever it holds. A row with no key left has weights 0 and context 0.
#pragma once
#include <vitrine/core/config.hpp>
#include <vitrine/core/mask_views.hpp>
#include <vitrine/core/sizes.hpp>
#include <vitrine/core/status.hpp>

#include <span>
#include <type_traits>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

// No bound on this side of a window.
inline constexpr Index unlimited = -1;

namespace detail {
// Offsets and ends of windows beyond every sequence, brought so near 0 that their sums do not overflow; what was the
// largest end still reaches over every offset.
constexpr Index saturated(Index value, Index most = sizes::largest / 4) {
  return std::size_t(value) + std::size_t(most) <= 2 * std::size_t(most) ? value : value < 0 ? -most : most;
}
constexpr Index saturated_end(Index value) { return saturated(value, sizes::largest / 2); }
// A matrix, a vector or a pointer, as attn_mask is given in PyTorch.
template <class T>
concept NumbersOnly = requires(const T& t) {
  t.derived();
}
|| requires(const T& t) { t.data(), t.size(); }
|| (std::is_pointer_v<T> && std::is_arithmetic_v<std::remove_pointer_t<T>>);
}  // namespace detail

// The kinds that know no scalar type.
struct BasicMask {
  bool is_causal = false, is_window = false, has_lengths = false, has_offsets = false, duplicate = false;
  const char* fault = nullptr;  // a maker was given what is no mask: an error of the call, never no mask
  bool two_offsets = false;     // causal and window were joined, each with an offset of its own: an error of the call
  Index offset = 0, left = unlimited, right = unlimited;
  std::span<const Index> offsets = {}, lengths = {};  // offsets: of each sequence, instead of the one
  detail::FlagView key_keep = {}, keep = {};
};

// What calls take: every kind, with biases of the scalar S. A call answers bad_mask when extents, values or the
// combination make no sense.
template <class S>
struct Mask : BasicMask {
  detail::BiasView<S> bias = {}, key_bias = {};
  Mask() = default;
  // The kinds that know no scalar, as they are.
  Mask(const BasicMask& mask) : BasicMask(mask) {}
  // Does not compile: says what to do instead.
  template <detail::NumbersOnly T>
  Mask(const T&) {
    static_assert(!detail::NumbersOnly<T>,
                  "vitrine: numbers alone do not say in whose sense they mask: vt::additive_bias(data, T, S), "
                  "vt::keep_matrix(data, T, S), or a converter such as vt::from_torch_attn_mask");
  }
  // There is something to be masked.
  bool any() const {
    return is_causal || is_window || has_lengths || key_keep.data || keep.data || bias.data || key_bias.data;
  }
};

namespace detail {
inline void join(BasicMask& x, const BasicMask& y) {
  if (x.fault == nullptr) x.fault = y.fault;
  x.duplicate = x.duplicate || y.duplicate || (x.is_causal && y.is_causal) || (x.is_window && y.is_window) ||
                (x.has_lengths && y.has_lengths) || (x.key_keep.data && y.key_keep.data) ||
                (x.keep.data && y.keep.data);
  const auto differ = [](const BasicMask& window, const BasicMask& causal) {
    return window.is_window && !window.is_causal && causal.is_causal && (window.offset != 0 || window.has_offsets) &&
           (window.offset != causal.offset || window.has_offsets != causal.has_offsets ||
            window.offsets.data() != causal.offsets.data() || window.offsets.size() != causal.offsets.size());
  };
  x.two_offsets = x.two_offsets || y.two_offsets || differ(x, y) || differ(y, x);
  if (y.is_causal || (y.is_window && !x.is_causal))
    x.offset = y.offset, x.offsets = y.offsets, x.has_offsets = y.has_offsets;
  if (y.is_causal) x.is_causal = true;
  if (y.is_window) x.is_window = true, x.left = y.left, x.right = y.right;
  if (y.has_lengths) x.has_lengths = true, x.lengths = y.lengths;
  if (y.key_keep.data) x.key_keep = y.key_keep;
  if (y.keep.data) x.keep = y.keep;
}
template <class T>
BasicMask key_flag_mask(const T* data, bool keep_if, Index batch, Index memory_length) {
  BasicMask m;
  m.key_keep = broadcast(flags(data, keep_if), batch, 1, 1, memory_length);
  m.fault = fault_of(m.key_keep);
  return m;
}
template <class T>
BasicMask flag_mask(const T* data, bool keep_if, Index batch, Index heads, Index length, Index memory_length) {
  BasicMask m;
  m.keep = broadcast(flags(data, keep_if), batch, heads, length, memory_length);
  m.fault = detail::fault_of(m.keep);
  return m;
}
}  // namespace detail

// Both masks: a key must be allowed by each, biases add. Two of one kind are an error of the call.
inline BasicMask operator&(BasicMask x, const BasicMask& y) {
  detail::join(x, y);
  return x;
}
template <class S>
Mask<S> operator&(Mask<S> x, const BasicMask& y) {
  detail::join(x, y);
  return x;
}
template <class S>
Mask<S> operator&(const BasicMask& x, const Mask<S>& y) {
  return Mask<S>(x) & y;
}
template <class S>
Mask<S> operator&(Mask<S> x, const Mask<S>& y) {
  detail::join(x, y);
  x.duplicate = x.duplicate || (x.bias.data && y.bias.data) || (x.key_bias.data && y.key_bias.data);
  if (y.bias.data) x.bias = y.bias;
  if (y.key_bias.data) x.key_bias = y.key_bias;
  return x;
}

// ---- makers; the views stay the caller's

// Key j is seen by query i if j <= i + offset; one offset, or B of them, one for each sequence.
inline BasicMask causal(Index offset = 0) {
  BasicMask m;
  m.is_causal = true, m.offset = detail::saturated(offset);
  return m;
}
inline BasicMask causal(std::span<const Index> offsets) {
  BasicMask m;
  m.is_causal = true, m.offsets = offsets, m.has_offsets = true;
  return m;
}
// Keys from `left` before to `right` behind the query's own position, which is i + offset.
inline BasicMask window(Index left, Index right, Index offset = 0) {
  BasicMask m;
  m.is_window = true, m.offset = detail::saturated(offset);
  m.left = detail::saturated_end(left), m.right = detail::saturated_end(right);
  return m;
}
inline BasicMask window(Index left, Index right, std::span<const Index> offsets) {
  BasicMask m = window(left, right);
  m.offsets = offsets, m.has_offsets = true;
  return m;
}
// Sequence b has lengths[b] keys (0 to S); B lengths.
inline BasicMask key_lengths(std::span<const Index> lengths) {
  BasicMask m;
  m.has_lengths = true, m.lengths = lengths;
  return m;
}
// (B, S) flags: true, or not 0, where the key may be seen.
template <class T>
BasicMask key_flags(const T* keep, Index batch, Index memory_length) {
  return detail::key_flag_mask(keep, true, batch, memory_length);
}
// (B, H, T, S) or (T, S) flags: true where the query may see the key. An extent of 1 broadcasts.
template <class T>
BasicMask keep_matrix(const T* keep, Index batch, Index heads, Index length, Index memory_length) {
  return detail::flag_mask(keep, true, batch, heads, length, memory_length);
}
template <class T>
BasicMask keep_matrix(const T* keep, Index length, Index memory_length) {
  return keep_matrix(keep, 1, 1, length, memory_length);
}
// (B, H, T, S) or (T, S) numbers that are added to the scores after the scale; -inf masks the key, bit for bit. An
// extent of 1 broadcasts.
template <class S>
Mask<S> additive_bias(const S* bias, Index batch, Index heads, Index length, Index memory_length) {
  Mask<S> m;
  m.bias.data = bias;
  m.bias = detail::broadcast(m.bias, batch, heads, length, memory_length);
  m.fault = detail::fault_of(m.bias);
  return m;
}
template <class S>
Mask<S> additive_bias(const S* bias, Index length, Index memory_length) {
  return additive_bias(bias, 1, 1, length, memory_length);
}
// (B, S) numbers that are added to every query's scores.
template <class S>
Mask<S> key_bias(const S* bias, Index batch, Index memory_length) {
  Mask<S> m;
  m.key_bias.data = bias;
  m.key_bias = detail::broadcast(m.key_bias, batch, 1, 1, memory_length);
  m.fault = detail::fault_of(m.key_bias);
  return m;
}

// ---- converters: the name says whose sense the argument has

// nn.MultiheadAttention's key_padding_mask, (B, S): true means ignore; numbers are added to the scores.
template <class T>
auto from_torch_key_padding_mask(const T* mask, Index batch, Index memory_length) {
  if constexpr (std::is_floating_point_v<T>)
    return key_bias(mask, batch, memory_length);
  else
    return detail::key_flag_mask(mask, false, batch, memory_length);
}
// nn.MultiheadAttention's attn_mask, (T, S): true means ignore; numbers are added.
template <class T>
auto from_torch_attn_mask(const T* mask, Index length, Index memory_length) {
  if constexpr (std::is_floating_point_v<T>)
    return additive_bias(mask, length, memory_length);
  else
    return detail::flag_mask(mask, false, 1, 1, length, memory_length);
}
// PyTorch's rank 3 form (B * H, T, S).
template <class T>
auto from_torch_attn_mask(const T* mask, Index batch_times_heads, Index heads, Index length, Index memory_length) {
  const Index batch = heads > 0 ? batch_times_heads / heads : 0;
  auto m = [&] {
    if constexpr (std::is_floating_point_v<T>)
      return additive_bias(mask, batch, heads, length, memory_length);
    else
      return detail::flag_mask(mask, false, batch, heads, length, memory_length);
  }();
  if (batch * heads != batch_times_heads) m.fault = "a mask of B * H matrices must have a multiple of the heads";
  return m;
}
// The mask of PyTorch's scaled_dot_product_attention, (B, H, T, S) or (T, S): true means attend. An extent of 1
// broadcasts.
template <class T>
BasicMask from_torch_sdpa_mask(const T* attend, Index batch, Index heads, Index length, Index memory_length) {
  return keep_matrix(attend, batch, heads, length, memory_length);
}
template <class T>
BasicMask from_torch_sdpa_mask(const T* attend, Index length, Index memory_length) {
  return keep_matrix(attend, 1, 1, length, memory_length);
}
// Transformers' attention_mask, (B, S): 1 means keep.
template <class T>
BasicMask from_hf_attention_mask(const T* keep, Index batch, Index memory_length) {
  return key_flags(keep, batch, memory_length);
}

// The extents of every part against those of a call; bad_mask. Layers call it before any work.
template <class S>
Status check_mask(const Mask<S>& mask, Index batch, Index heads, Index length, Index memory_length) {
  if (mask.fault != nullptr) return {Status::bad_mask, mask.fault};
  if (mask.duplicate) return {Status::bad_mask, "two masks of one kind were joined by &"};
  if (mask.two_offsets) return {Status::bad_mask, "causal and window were joined, each with offsets of its own"};
  if (mask.is_window && (mask.left < unlimited || mask.right < unlimited))
    return {Status::bad_mask, "a window's bounds are at least 0, or vt::unlimited",
            mask.left < mask.right ? mask.left : mask.right};
  if (mask.has_offsets && Index(mask.offsets.size()) != batch)
    return {Status::bad_mask, "causal and window must have one offset, or one for each sequence",
            Index(mask.offsets.size()), batch};
  if (mask.has_lengths) {
    if (Index(mask.lengths.size()) != batch)
      return {Status::bad_mask, "key_lengths must have one length for each sequence", Index(mask.lengths.size()),
              batch};
    for (Index length_of : mask.lengths)
      if (length_of < 0 || length_of > memory_length)
        return {Status::bad_mask, "a key length must be between 0 and the number of keys", length_of, memory_length,
                Status::at_most};
  }
  const Index wanted[4] = {batch, heads, length, memory_length};
  const char* sentences[4] = {
      "the mask's batch must be 1 or that of the input", "the mask's heads must be 1 or those of the layer",
      "the mask's query length must be 1 or that of the input", "the mask's key length must be that of the keys"};
  const Index* extents[4] = {mask.key_keep.data ? mask.key_keep.extent : nullptr,
                             mask.keep.data ? mask.keep.extent : nullptr, mask.bias.data ? mask.bias.extent : nullptr,
                             mask.key_bias.data ? mask.key_bias.extent : nullptr};
  for (const Index* extent : extents)
    for (int i = 0; extent != nullptr && i < 4; ++i)
      if (extent[i] != wanted[i] && extent[i] != 1) return {Status::bad_mask, sentences[i], extent[i], wanted[i]};
  return {};
}

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
