// The key-value cache of a decoder (Transformers' past_key_values): what each layer's attentions have read, in the
// layout that the kernels use.
//
// Self-attention keys stand in panels and values in rows, one place for each hypothesis; a new key is D strided writes
// and nothing is ever packed again. Keys and values of the encoder's output are computed once, one place for each
// source, which consecutive hypotheses (beams) share.
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
      : self_(memory), cross_(memory), spare_(memory), moves_(memory) {}
  // Forgets everything. Memory: grows to layers x (hypotheses x capacity + sources x source_capacity) x 2 E values (E:
  // heads x width), rounded up to panels, and with beams one hypothesis more; none when a former size was enough.
  // out_of_memory.
  Status reserve(const Sizes& sizes) noexcept {
    sizes_ = sizes;
    detail::KeyValues<S> one;
    one.heads = sizes.heads, one.width = one.value_width = sizes.width;
    one.capacity = sizes.capacity;
    self_layout_ = one;
    one.capacity = sizes.source_capacity;
    cross_layout_ = one;
    if (Status s = self_.resize(room(sizes.layers, hypotheses(), self_layout_)); s != Status::ok) return s;
    if (Status s = cross_.resize(room(sizes.layers, sizes.sources, cross_layout_)); s != Status::ok) return s;
    if (Status s = moves_.reserve(hypotheses(), sizes.sharing); s != Status::ok) return s;
    return spare_.resize(sizes.sharing > 1 ? room(sizes.layers, 1, self_layout_) : 0);
  }
  // What was reserved.
  const Sizes& sizes() const noexcept { return sizes_; }
  // Hypotheses at present.
  Index hypotheses() const noexcept { return sizes::product(sizes_.sources, sizes_.sharing); }
  // Bytes of these keys and values.
  std::size_t bytes() const noexcept { return std::size_t(self_.size() + cross_.size() + spare_.size()) * sizeof(S); }

  // One layer's keys and values of the hypotheses.
  detail::KeyValues<S> self(Index layer) noexcept { return at(self_, self_layout_, layer, hypotheses()); }
  // One layer's keys and values of the sources.
  detail::KeyValues<S> cross(Index layer) noexcept { return at(cross_, cross_layout_, layer, sizes_.sources); }

  // Hypothesis i becomes what parents[i] was, for all i < parents.size(): a multiple of `sharing`, each group of that
  // size from one source, in ascending order of sources. `filled` keys are copied, and of a source as many as
  // source_lengths says; null where sources have none. Allocates nothing.
  void reorder(int threads, std::span<const Index> parents, Index filled, const Index* source_lengths) noexcept {
    moves_.plan(parents, sizes_.sharing, sizes_.source_capacity > 0);
    if (moves_.count() == 0) return;
    run_team(threads, [&](Team& team) {
      team.for_each(sizes_.layers * sizes_.heads, [&](Index item) {
        const Index h = item % sizes_.heads;
        const detail::KeyValues<S> kv = self(item / sizes_.heads), of_source = cross(item / sizes_.heads);
        detail::KeyValues<S> spare = self_layout_;
        spare.heads = 1;
        if (spare_.size() > 0) spare = at(spare_, spare, item, 1);  // else no move goes by way of it
        for (Index m = 0; m < moves_.count(); ++m) {
          const detail::BeamMove move = moves_[m];
          if (move.of_source) {
            copy({of_source, move.from, h}, {of_source, move.to, h}, source_lengths[move.from]);
          } else {
            const Place from = move.from < 0 ? Place{spare, 0, 0} : Place{kv, move.from, h};
            copy(from, move.to < 0 ? Place{spare, 0, 0} : Place{kv, move.to, h}, filled);
          }
        }
      });
    });
  }

 private:
  // Values of so many places in each of the layers; sizes::largest where there are more.
  static Index room(Index layers, Index places, const detail::KeyValues<S>& kv) {
    return sizes::product(layers, sizes::sum(kv.keys_room(places), kv.values_room(places)));
  }
  static detail::KeyValues<S> at(Buffer<S>& buffer, detail::KeyValues<S> layout, Index layer, Index places) {
    const Index keys = layout.keys_room(places);
    layout.keys = buffer.data() + layer * (keys + layout.values_room(places)), layout.values = layout.keys + keys;
    return layout;
  }
  struct Place {
    const detail::KeyValues<S>& kv;
    Index b, h;
  };
  static void copy(const Place& from, const Place& to, Index filled) {
    constexpr Index panel = kernels::panel_width<S>;
    const Index width = from.kv.width, values = filled * from.kv.value_row();
    const Index whole = filled / panel * panel * width, rest = filled % panel;
    const S *k = from.kv.key_panels(from.b, from.h), *v = from.kv.value_rows(from.b, from.h);
    S *to_k = to.kv.key_panels(to.b, to.h), *to_v = to.kv.value_rows(to.b, to.h);
    for (Index i = 0; i < whole; ++i) to_k[i] = k[i];
    if (rest > 0)
      for (Index d = 0; d < width; ++d)
        for (Index i = 0; i < rest; ++i) to_k[whole + d * panel + i] = k[whole + d * panel + i];
    for (Index i = 0; i < values; ++i) to_v[i] = v[i];
  }

  Sizes sizes_;
  detail::KeyValues<S> self_layout_, cross_layout_;
  Buffer<S> self_, cross_, spare_;
  detail::BeamMoves moves_;
};

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
