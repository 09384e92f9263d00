// The key-value cache of a decoder: what each layer's attentions have read, in the layout that the kernels use.
//
// Self-attention keys stand in panels and values in rows, one place for each hypothesis; a new key is D strided writes
// and nothing is ever packed again. Keys and values of the encoder's output are computed once, one place for each
// source, which consecutive hypotheses (beams) share.
#pragma once
#include <vitrine/layers/attention_core.hpp>

namespace vitrine::inline VITRINE_ABI {

template <class S>
class KeyValueCache {
 public:
  struct Sizes {
    Index layers = 0, heads = 0, width = 0;  // width: of a head
    Index sources = 0, sharing = 1;          // hypotheses: sources x sharing
    Index capacity = 0, memory_capacity = 0;
  };

  explicit KeyValueCache(const Memory* memory) noexcept : self_(memory), memory_(memory), spare_(memory) {}
  // Forgets everything. Memory: grows to layers x (hypotheses x capacity + sources x memory_capacity) x 2 E values,
  // rounded up to panels; none when a former size was enough. out_of_memory.
  Status reserve(const Sizes& sizes) noexcept {
    sizes_ = sizes;
    detail::KeyValues<S> one;
    one.heads = sizes.heads, one.width = one.value_width = sizes.width;
    one.capacity = sizes.capacity;
    self_layout_ = one;
    one.capacity = sizes.memory_capacity;
    memory_layout_ = one;
    if (Status s = self_.resize(sizes.layers * hypotheses() * slot(self_layout_)); s != Status::ok) return s;
    if (Status s = memory_.resize(sizes.layers * sizes.sources * slot(memory_layout_)); s != Status::ok) return s;
    return spare_.resize(sizes.sharing > 1 ? sizes.layers * sizes.sharing * slot(self_layout_) : 0);
  }
  const Sizes& sizes() const noexcept { return sizes_; }
  Index hypotheses() const noexcept { return sizes_.sources * sizes_.sharing; }
  std::size_t bytes() const noexcept { return std::size_t(self_.size() + memory_.size() + spare_.size()) * sizeof(S); }

  // What `layer` has read of the hypotheses and of their sources.
  detail::KeyValues<S> self(Index layer) noexcept { return at(self_, self_layout_, layer, hypotheses()); }
  detail::KeyValues<S> memory(Index layer) noexcept { return at(memory_, memory_layout_, layer, sizes_.sources); }

  // Hypothesis i becomes what parents[i] was, for all i < parents.size(): a multiple of `sharing`, each group of that
  // size from one source, in ascending order of sources. `filled` keys are copied; memory_lengths has each source's.
  // A part for each thread of the team, which is in step afterwards.
  void reorder(Team& team, std::span<const Index> parents, Index filled, const Index* memory_lengths) noexcept {
    const Index sharing = sizes_.sharing, groups = Index(parents.size()) / sharing;
    team.for_each(sizes_.layers * sizes_.heads, [&](Index item) {
      const Index layer = item / sizes_.heads, h = item % sizes_.heads;
      const detail::KeyValues<S> kv = self(layer), cross = memory(layer);
      detail::KeyValues<S> spare = self_layout_;
      spare.heads = 1;
      spare.keys = spare_.data() + item * sharing * (kv.key_stride() + kv.value_stride());
      spare.values = spare.keys + sharing * kv.key_stride();
      for (Index g = 0; g < groups; ++g) {
        const Index* from = parents.data() + g * sharing;
        const Index source = from[0] / sharing;
        if (source != g) copy(cross, source, h, cross, g, h, memory_lengths[source]);
        if (sharing == 1) {
          if (source != g) copy(kv, source, h, kv, g, h, filled);
          continue;
        }
        for (Index i = 0; i < sharing; ++i)  // a beam that others need and that will be overwritten
          if (from[i] != g * sharing + i) copy(kv, from[i], h, spare, i, 0, filled);
        for (Index i = 0; i < sharing; ++i)
          if (from[i] != g * sharing + i) copy(spare, i, 0, kv, g * sharing + i, h, filled);
      }
    });
  }

 private:
  static Index slot(const detail::KeyValues<S>& kv) { return kv.heads * (kv.key_stride() + kv.value_stride()); }
  static detail::KeyValues<S> at(Buffer<S>& buffer, detail::KeyValues<S> layout, Index layer, Index places) {
    layout.keys = buffer.data() + layer * places * slot(layout);
    layout.values = layout.keys + places * layout.heads * layout.key_stride();
    return layout;
  }
  static void copy(const detail::KeyValues<S>& from, Index b, Index h, const detail::KeyValues<S>& to, Index to_b,
                   Index to_h, Index filled) {
    const Index keys = kernels::packed_size<S>(filled, from.width), values = filled * from.value_row();
    const S *k = from.key_panels(b, h), *v = from.value_rows(b, h);
    S *to_k = to.key_panels(to_b, to_h), *to_v = to.value_rows(to_b, to_h);
    for (Index i = 0; i < keys; ++i) to_k[i] = k[i];
    for (Index i = 0; i < values; ++i) to_v[i] = v[i];
  }

  Sizes sizes_;
  detail::KeyValues<S> self_layout_, memory_layout_;
  Buffer<S> self_, memory_, spare_;
};

}  // namespace vitrine::inline VITRINE_ABI
