// KeyValues: keys in panels and values in rows, for every (sequence, head): a call's scratch, or a cache that later
// calls append to. Of a window's cache a key takes the place of one that no query sees any more. Internal.
#pragma once
#include <vitrine/core/memory.hpp>
#include <vitrine/kernels/matmul.hpp>
#include <vitrine/kernels/panel.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::detail {

template <class S>
struct KeyValues {
  S* keys = nullptr;
  S* values = nullptr;
  Index heads = 0, width = 0, value_width = 0, capacity = 0;  // capacity: keys that fit each (sequence, head)
  const Index* places = nullptr;                              // of the sequences; null: each stands where its number is

  // The capacity of a ring in which a query finds the last `window` keys, itself among them: the panels that they reach
  // into. As it was for less than that, and where there is no window.
  static constexpr Index ring(Index window, Index capacity) {
    constexpr Index panel = kernels::panel_width<S>;
    const Index room = sizes::sum(sizes::round_up(window - 1, panel), panel);
    return window > 0 && room < capacity ? room : capacity;
  }
  // The place of key j: its own, or in a ring (whose capacity is whole panels) that of the key `capacity` before it.
  constexpr Index place(Index j) const { return j < capacity ? j : j % capacity; }
  // Addresses within the rooms, which are checked: plain products.
  constexpr Index key_stride() const { return kernels::packed_size<S>(capacity, width); }
  constexpr Index value_row() const { return round_up(value_width, kernels::panel_width<S>); }
  constexpr Index value_stride() const { return capacity * value_row(); }
  // Values of the keys, and of the values, of so many sequences; sizes::largest where there are more.
  constexpr Index keys_room(Index batch) const {
    return sizes::product(batch, heads, sizes::round_up(capacity, kernels::panel_width<S>), width);
  }
  constexpr Index values_room(Index batch) const {
    return sizes::product(batch, heads, capacity, sizes::round_up(value_width, kernels::panel_width<S>));
  }
  Index place_of(Index b) const { return places != nullptr ? places[b] : b; }
  S* key_panels(Index b, Index h) const { return keys + (place_of(b) * heads + h) * key_stride(); }
  S* value_rows(Index b, Index h) const { return values + (place_of(b) * heads + h) * value_stride(); }
  // Keys j ... j + count - 1, `stride` apart.
  void store_keys(Index b, Index h, Index j, Index count, const S* key, Index stride) const {
    constexpr Index panel = kernels::panel_width<S>, lanes = simd<S>::lanes;
    for (const Index end = j + count; j < end;) {
      S* const to = key_panels(b, h) + kernels::packed_at<S>(place(j), 0, width);
      const bool together = lanes > 2 && j % lanes == 0 && j + lanes <= end;
      const Index now = together ? lanes : lanes - j % lanes < end - j ? lanes - j % lanes : end - j;
      Index d = 0;
      if (together)
        for (; d + lanes <= width; d += lanes) kernels::transpose<S>(key + d, stride, to + d * panel, panel);
      if (now == 1)  // a step of decoding
        for (; d < width; ++d) to[d * panel] = key[d];
      for (; d < width; ++d)
        for (Index i = 0; i < now; ++i) to[d * panel + i] = key[i * stride + d];
      j += now, key += now * stride;
    }
  }
  void store_values(Index b, Index h, Index j, Index count, const S* value, Index stride) const {
    for (Index i = 0; i < count; ++i)
      kernels::detail::copy(value + i * stride, value_width, value_rows(b, h) + place(j + i) * value_row());
  }
  // The places of key and value j become 0.
  void store_zero(Index b, Index h, Index j) const {
    const S zero = S(0);
    for (Index d = 0; d < width; ++d) key_panels(b, h)[kernels::packed_at<S>(j, d, width)] = zero;
    for (Index d = 0; d < value_width; ++d) value_rows(b, h)[j * value_row() + d] = zero;
  }
  // One panel's keys, and their values: those that stand at place `at` of (b, h) and behind it.
  struct Panel {
    S *keys, *values;
  };
  Panel panel(Index b, Index h, Index at) const {
    return {key_panels(b, h) + at * width, value_rows(b, h) + at * value_row()};
  }
  // The first `count` of a panel, which may have fewer, to another.
  void copy(const Panel& from, Index count, const Panel& to) const {
    constexpr Index most = kernels::panel_width<S>;
    if (count >= most)
      kernels::detail::copy(from.keys, most * width, to.keys);
    else
      for (Index d = 0; d < width; ++d) kernels::detail::copy(from.keys + d * most, count, to.keys + d * most);
    kernels::detail::copy(from.values, (count < most ? count : most) * value_row(), to.values);
  }
  // The first `count` keys' places of (b, h) from another sequence, or as many as there are.
  void copy_places(Index b, Index h, Index from, Index count) const {
    for (Index at = 0; at < count && at < capacity; at += kernels::panel_width<S>)
      copy(panel(from, h, at), (count < capacity ? count : capacity) - at, panel(b, h, at));
  }
  // Keys and values 0 ... count - 1 of another, which has a place for each, or as many of the last as this ring needs.
  void copy_last(Index b, Index h, const KeyValues& from, Index count) const {
    constexpr Index width_of_panel = kernels::panel_width<S>;
    const Index panels = kernels::panel_count<S>(count), room = kernels::panel_count<S>(capacity);
    for (Index j = panels > room ? (panels - room) * width_of_panel : 0; j < count; j += width_of_panel)
      copy(from.panel(b, h, j), count - j, panel(b, h, place(j)));
  }
  static constexpr KeyValues plan(Arena& arena, Index batch, const KeyValues& layout) {
    KeyValues kv = layout;
    kv.keys = arena.take<S>(layout.keys_room(batch)), kv.values = arena.take<S>(layout.values_room(batch));
    return kv;
  }
};

}  // namespace vitrine::inline VITRINE_ABI::detail

#include <vitrine/core/macros_pop.hpp>
