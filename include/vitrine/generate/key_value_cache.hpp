// The key-value cache of a decoder (Transformers' past_key_values): what each layer's attentions have read, in the
// layout that the kernels use. A layer with a window keeps what its window can reach, however long the text.
//
// Self-attention keys stand in panels and values in rows, one place for each hypothesis; a new key is D strided writes
// and nothing is ever packed again. Keys and values of the encoder's output are computed once, one place for each
// source, which consecutive hypotheses (beams) share. Which place is whose may change (generate/beam_reorder.hpp).
#pragma once
#include <vitrine/core/parallel.hpp>
#include <vitrine/generate/beam_reorder.hpp>
#include <vitrine/run/key_values.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

// Keys and values of every layer: of the hypotheses' own ids, and of the sources.
template <class S>
class KeyValueCache {
 public:
  // What decides its memory; capacities are in ids.
  struct Sizes {
    Index layers = 0, heads = 0, width = 0;  // width: of a head
    Index sources = 0, sharing = 1;          // hypotheses: sources x sharing
    Index capacity = 0, source_capacity = 0;
  };

  // Empty; grows through `memory`.
  explicit KeyValueCache(const Memory* memory) noexcept
      : layers_(memory), self_(memory), cross_(memory), places_(memory) {}
  // Forgets everything. window_of(layer): how many keys a query sees there, 0: all. Memory: grows to the sum over
  // layers of (hypotheses x capacity + sources x source_capacity) x 2 E values (E: heads x width), rounded up to panels
  // (kernels::panel_width keys); a window's capacity is at most window - 1 keys, rounded up, and a panel. None when a
  // former size was enough. out_of_memory.
  template <class F>
  Status reserve(const Sizes& sizes, F&& window_of) noexcept {
    sizes_ = sizes;
    detail::KeyValues<S> layout = this->layout(sizes.capacity);
    if (Status s = layers_.resize(sizes.layers); s != Status::ok) return s;
    Index one = 0;  // of one hypothesis
    for (Index i = 0; i < sizes.layers; ++i) {
      layout.capacity = detail::KeyValues<S>::ring(window_of(i), sizes.capacity);
      layers_[i] = {one, layout.capacity};
      one = sizes::sum(one, room(1, layout));
    }
    const Index cross = room(sizes.sources, this->layout(sizes.source_capacity));
    if (Status s = self_.resize(sizes::product(one, hypotheses())); s != Status::ok) return s;
    if (Status s = cross_.resize(sizes::product(sizes.layers, cross)); s != Status::ok) return s;
    return places_.begin(sizes.sources, sizes.sharing);
  }
  // The same of layers without windows.
  Status reserve(const Sizes& sizes) noexcept {
    return reserve(sizes, [](Index) { return Index{0}; });
  }
  // What was reserved.
  const Sizes& sizes() const noexcept { return sizes_; }
  // Hypotheses at present.
  Index hypotheses() const noexcept { return sizes::product(sizes_.sources, sizes_.sharing); }
  // Keys that every layer has room for.
  Index smallest_capacity() const noexcept {
    Index least = sizes_.capacity;
    for (Index i = 0; i < sizes_.layers; ++i) least = layers_[i].capacity < least ? layers_[i].capacity : least;
    return least;
  }
  // Bytes of these keys and values.
  std::size_t bytes() const noexcept { return std::size_t(self_.size() + cross_.size()) * sizeof(S); }

  // One layer's keys and values of the hypotheses; its capacity is the layer's own.
  detail::KeyValues<S> self(Index layer) noexcept {
    detail::KeyValues<S> kv = self_places(layer);
    kv.places = places_.hypotheses();
    return kv;
  }
  // One layer's keys and values of the sources.
  detail::KeyValues<S> cross(Index layer) noexcept {
    const detail::KeyValues<S> layout = this->layout(sizes_.source_capacity);
    detail::KeyValues<S> kv = at(cross_, layout, layer * room(sizes_.sources, layout), sizes_.sources);
    kv.places = places_.sources();
    return kv;
  }
  // The same as self by place, not by hypothesis: as all are before the first reordering.
  detail::KeyValues<S> self_places(Index layer) noexcept {
    return at(self_, layout(layers_[layer].capacity), layers_[layer].start * hypotheses(), hypotheses());
  }

  // Hypothesis i becomes what parents[i] was, for all i < parents.size(): a multiple of `sharing`, each group of that
  // size from one source, in ascending order of sources. Of parents with several children `filled` keys are copied.
  // Allocates nothing.
  void reorder(int threads, std::span<const Index> parents, Index filled) noexcept {
    places_.reorder(parents);
    if (places_.copies() == 0 || filled == 0) return;
    run_team(threads, [&](Team& team) {
      team.for_each(sizes_.layers * sizes_.heads, [&](Index item) {
        const detail::KeyValues<S> own = self_places(item / sizes_.heads);
        for (Index i = 0; i < places_.copies(); ++i)
          own.copy_places(places_[i].to, item % sizes_.heads, places_[i].from, filled);
      });
    });
  }

 private:
  struct Layer {
    Index start, capacity;  // values of one hypothesis before it
  };

  detail::KeyValues<S> layout(Index capacity) const {
    detail::KeyValues<S> kv;
    kv.heads = sizes_.heads, kv.width = kv.value_width = sizes_.width, kv.capacity = capacity;
    return kv;
  }
  // Values of so many places in one layer; sizes::largest where there are more.
  static Index room(Index places, const detail::KeyValues<S>& kv) {
    return sizes::sum(kv.keys_room(places), kv.values_room(places));
  }
  static detail::KeyValues<S> at(Buffer<S>& buffer, detail::KeyValues<S> kv, Index start, Index places) {
    kv.keys = buffer.data() + start, kv.values = kv.keys + kv.keys_room(places);
    return kv;
  }

  Sizes sizes_;
  Buffer<Layer> layers_;
  Buffer<S> self_, cross_;
  detail::BeamPlaces places_;
};

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
