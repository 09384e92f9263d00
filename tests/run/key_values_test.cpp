#include <vitrine/run/key_values.hpp>

#include "../support/support.hpp"

namespace kernels = vitrine::kernels;
using support::Index;

namespace {

// Room of its own for keys and values, full of -1.
template <class S>
struct Store {
  vitrine::detail::KeyValues<S> at;
  std::vector<S> keys, values;

  Store(Index batch, const vitrine::detail::KeyValues<S>& layout)
      : at(layout),
        keys(std::size_t(batch * layout.heads * layout.key_stride()), S(-1)),
        values(std::size_t(batch * layout.heads * layout.value_stride()), S(-1)) {
    at.keys = keys.data(), at.values = values.data();
  }
  bool operator==(const Store& other) const { return keys == other.keys && values == other.values; }
};

template <class S>
vitrine::detail::KeyValues<S> layout_of(Index heads, Index width, Index value_width, Index capacity) {
  vitrine::detail::KeyValues<S> layout;
  layout.heads = heads, layout.width = width, layout.value_width = value_width, layout.capacity = capacity;
  return layout;
}

}  // namespace

TEST_CASE_TEMPLATE("keys and values come back from their places, behind any past", S, float, double) {
  const Index heads = 2, batch = 2, capacity = 37;
  for (const Index width : support::awkward)
    for (const Index past : {0, 1, 8, 19}) {
      const Index value_width = width + 2, stride = heads * width + 3, value_stride = heads * value_width;
      const Index count = capacity - past - 1;  // the last place stays free
      const auto k = support::random_values<S>(capacity * stride, 1);
      const auto v = support::random_values<S>(capacity * value_stride, 2);
      Store<S> store(batch, layout_of<S>(heads, width, value_width, capacity)), together = store;
      together.at.keys = together.keys.data(), together.at.values = together.values.data();
      const Index b = 1, h = 1;
      for (Index j = 0; j < past; ++j) {  // one at a time, as a cache gets them
        store.at.store_keys(b, h, j, 1, k.data() + j * stride, stride);
        store.at.store_values(b, h, j, 1, v.data() + j * value_stride, value_stride);
      }
      store.at.store_keys(b, h, past, count, k.data() + past * stride, stride);
      store.at.store_values(b, h, past, count, v.data() + past * value_stride, value_stride);
      together.at.store_keys(b, h, 0, past + count, k.data(), stride);
      together.at.store_values(b, h, 0, past + count, v.data(), value_stride);
      CHECK(store == together);

      std::vector<S> keys(store.keys.size(), S(-1)), values(store.values.size(), S(-1));
      const Index place = b * heads + h;
      for (Index j = 0; j < past + count; ++j) {
        for (Index d = 0; d < width; ++d)
          keys[std::size_t(place * store.at.key_stride() + kernels::packed_at<S>(j, d, width))] =
              k[std::size_t(j * stride + d)];
        for (Index d = 0; d < value_width; ++d)
          values[std::size_t(place * store.at.value_stride() + j * store.at.value_row() + d)] =
              v[std::size_t(j * value_stride + d)];
      }
      CHECK(store.keys == keys);  // and nothing beside them
      CHECK(store.values == values);
    }
}

TEST_CASE_TEMPLATE("the zero key is zero in its place alone", S, float, double) {
  const Index width = 5, j = 9;
  Store<S> store(1, layout_of<S>(2, width, 3, 11));
  store.at.store_zero(0, 1, j);
  std::vector<S> keys(store.keys.size(), S(-1)), values(store.values.size(), S(-1));
  for (Index d = 0; d < width; ++d)
    keys[std::size_t(store.at.key_stride() + kernels::packed_at<S>(j, d, width))] = S(0);
  for (Index d = 0; d < 3; ++d) values[std::size_t(store.at.value_stride() + j * store.at.value_row() + d)] = S(0);
  CHECK(store.keys == keys);
  CHECK(store.values == values);
}

TEST_CASE_TEMPLATE("a plan takes what every sequence and head of the layout needs", S, float, double) {
  const auto layout = layout_of<S>(3, 7, 5, 18);
  vitrine::Arena counting;
  (void)vitrine::detail::KeyValues<S>::plan(counting, 4, layout);
  std::vector<std::byte> bytes(counting.used());
  vitrine::Arena arena(bytes.data());
  const auto kv = vitrine::detail::KeyValues<S>::plan(arena, 4, layout);
  CHECK(arena.used() == counting.used());
  CHECK(kv.key_panels(3, 2) + kv.key_stride() <= kv.values);
  CHECK(reinterpret_cast<std::byte*>(kv.value_rows(3, 2) + kv.value_stride()) <= bytes.data() + bytes.size());
}

TEST_CASE_TEMPLATE("a ring has the panels that a window reaches into", S, float, double) {
  constexpr Index panel = kernels::panel_width<S>;
  const auto ring = [](Index window) { return vitrine::detail::KeyValues<S>::ring(window, 10 * panel); };
  CHECK(ring(0) == 10 * panel);
  CHECK(ring(1) == panel);
  CHECK(ring(2) == 2 * panel);
  CHECK(ring(panel + 1) == 2 * panel);
  CHECK(ring(panel + 2) == 3 * panel);
  CHECK(ring(8 * panel + 2) == 10 * panel);
  CHECK(ring(vitrine::sizes::largest) == 10 * panel);
}

TEST_CASE_TEMPLATE("a ring gets the last of what another has, and keeps it when beams take it over", S, float, double) {
  constexpr Index panel = kernels::panel_width<S>;
  const Index heads = 2, width = 5, value_width = 3;
  for (const Index count : {Index{1}, panel, 2 * panel, 2 * panel + 1, 5 * panel - 1, 5 * panel}) {
    CAPTURE(count);
    const auto k = support::random_values<S>(count * width, 1), v = support::random_values<S>(count * value_width, 2);
    Store<S> all(1, layout_of<S>(heads, width, value_width, count));
    Store<S> ring(2, layout_of<S>(heads, width, value_width, 2 * panel)), stored = ring, moved = ring;
    stored.at.keys = stored.keys.data(), stored.at.values = stored.values.data();
    moved.at.keys = moved.keys.data(), moved.at.values = moved.values.data();
    all.at.store_keys(0, 1, 0, count, k.data(), width), all.at.store_values(0, 1, 0, count, v.data(), value_width);
    ring.at.copy_last(0, 1, all.at, count);
    // The same, stored in the ring a key at a time from the first that copy_last takes.
    const Index first = count > 2 * panel ? (count - 1) / panel * panel - panel : 0;
    for (Index j = first; j < count; ++j) {
      stored.at.store_keys(0, 1, j, 1, k.data() + j * width, width);
      stored.at.store_values(0, 1, j, 1, v.data() + j * value_width, value_width);
    }
    bool same = true;
    const auto check = [&](const Store<S>& one, Index b, const Store<S>& other) {
      for (Index j = first; j < count; ++j) {
        const Index at = one.at.place(j);
        for (Index d = 0; d < width; ++d)
          same = same && one.at.key_panels(b, 1)[kernels::packed_at<S>(at, d, width)] ==
                             other.at.key_panels(0, 1)[kernels::packed_at<S>(at, d, width)];
        for (Index d = 0; d < value_width; ++d)
          same = same && one.at.value_rows(b, 1)[at * one.at.value_row() + d] ==
                             other.at.value_rows(0, 1)[at * other.at.value_row() + d];
      }
    };
    check(ring, 0, stored);
    moved.at.copy_last(0, 1, all.at, count), moved.at.copy_places(1, 1, 0, count);
    check(moved, 1, ring);
    const Index exchanged[] = {1, 0};
    vitrine::detail::KeyValues<S> placed = moved.at;
    placed.places = exchanged;
    CHECK(placed.key_panels(0, 1) == moved.at.key_panels(1, 1));
    CHECK(placed.value_rows(1, 0) == moved.at.value_rows(0, 0));
    CHECK(same);
  }
}
