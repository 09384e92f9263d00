// Where the maps of a call stand in memory, as the layers and kernels that fill them see it. Internal.
#pragma once
#include <vitrine/core/keep.hpp>
#include <vitrine/core/status.hpp>

#include <span>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

// What decides how many maps there are and how large they are.
struct MapShape {
  Index layers = 1, batch = 1, heads = 1, length = 0, memory_length = 0;  // memory_length: columns, extra keys included
  std::span<const Index> lengths = {}, memory_lengths = {};               // of ragged sequences
  Index extra_keys = 0;
};

namespace detail {

inline void index_error([[maybe_unused]] const char* sentence, [[maybe_unused]] Index index,
                        [[maybe_unused]] Index limit) {
#if VITRINE_EXCEPTIONS
  throw StatusError({Status::bad_shape, sentence, index, limit, Status::below});
#else
  __builtin_trap();
#endif
}

// What is stored of each (layer, sequence, head): a value for each pair of query and key, or for each row and column.
struct MapForm {
  bool mean = false, scores = false;  // one map for all heads; a second block of the same form
  Index per_row = 0, per_column = 0;  // both 0: pairs
};

// Where the map of (layer, b, h) stands.
struct MapLayout {
  MapShape shape = {};
  IndexSet layers = {}, heads = {};
  bool kept = false, mean = false;
  Index per_row = 0, per_column = 0;
  Index per_layer = 0;
  const Index* offsets = nullptr;  // ragged: values of one head before sequence b

  Index rows(Index b) const { return shape.lengths.empty() ? shape.length : shape.lengths[std::size_t(b)]; }
  Index columns(Index b) const {
    return shape.memory_lengths.empty() ? shape.memory_length : shape.memory_lengths[std::size_t(b)] + shape.extra_keys;
  }
  // Values of one head. Of a layout that stands: lay_out has seen that nothing here overflows.
  Index size(Index b) const { return size(rows(b), columns(b)); }
  Index size(Index height, Index width) const {
    return per_row + per_column == 0 ? height * width : per_row * height + per_column * width;
  }
  Index heads_kept() const { return mean ? 1 : heads.count_below(shape.heads); }
  // From a head's map of sequence b to that of the next, which is as long.
  Index distance(Index b) const { return size(b) * heads_kept(); }
  bool has(Index layer, Index h) const { return kept && layers.contains(layer) && (mean || heads.contains(h)); }
  Index at(Index layer, Index b, Index h) const {
    const Index one = size(b), before = offsets != nullptr ? offsets[b] : b * size(shape.length, shape.memory_length);
    return layers.count_below(layer) * per_layer + before * heads_kept() + (mean ? 0 : heads.count_below(h)) * one;
  }
  void check(Index layer, Index b, Index h) const {
    if (!kept) index_error("this map was not kept: the selection's `which` left it out", layer, Status::unset);
    if (layer < 0 || layer >= shape.layers) index_error("no such layer", layer, shape.layers);
    if (b < 0 || b >= shape.batch) index_error("no such sequence in the batch", b, shape.batch);
    if (mean && h != 0) index_error("a mean over heads has no single heads: matrix(b)", h, Status::unset);
    if (h < 0 || h >= shape.heads) index_error("no such head", h, shape.heads);
    if (!layers.contains(layer))
      index_error("the maps of this layer were not chosen: see Selection::layers", layer, Status::unset);
    if (!mean && !heads.contains(h))
      index_error("the maps of this head were not chosen: see Selection::heads", h, Status::unset);
  }
  // `at`, after the check of builds that check.
  Index checked_at(Index layer, Index b, Index h) const {
#if VITRINE_CHECKS
    check(layer, b, h);
#endif
    return at(layer, b, h);
  }
};

// One layer's place for its maps, as the kernels see it. Pointers are null where nothing is kept.
template <class S>
struct MapSink {
  S *weights = nullptr, *scores = nullptr, *mean = nullptr;
  const MapLayout* layout = nullptr;
  Index layer = 0;
  // Of a policy that stores no maps of S: its values, where those of the layer before stand (a rollout), and how many
  // of the largest weights it keeps.
  void* figures = nullptr;
  const S* before = nullptr;
  Index top = 0;

  bool any() const { return layout != nullptr && layout->kept && layout->layers.contains(layer); }
  template <class T>
  T* place(T* base, Index b, Index h) const {
    return base == nullptr || layout == nullptr || !layout->has(layer, h) ? nullptr : base + layout->at(layer, b, h);
  }
  template <class T>
  T* figures_at(Index b, Index h) const {
    return place(static_cast<T*>(figures), b, h);
  }
};

}  // namespace detail

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
