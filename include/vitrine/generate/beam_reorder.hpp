// Reordering of beams between two steps (Transformers' reorder_cache): hypothesis i goes on from what parents[i] was.
// Here is the check of the parents, and which place of a cache each hypothesis has: a parent's first child takes over
// its place, so that only what has several children is copied, and nothing where hypotheses leave. Internal.
#pragma once
#include <vitrine/core/memory.hpp>
#include <vitrine/core/status.hpp>

#include <span>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::detail {

// What both kinds of steps ask of the parents that beams choose; `rows` hypotheses are running.
inline Status check_parents(std::span<const Index> parents, Index rows, Index beams) noexcept {
  const Index count = Index(parents.size());
  if (count % beams != 0)
    return {Status::bad_shape, "the number of hypotheses must be a multiple of the beams", count, beams,
            Status::multiple_of};
  Index last = -1;
  for (Index i = 0; i < count; ++i) {
    const Index parent = parents[std::size_t(i)];
    if (parent < 0 || parent >= rows) return {Status::bad_shape, "no such hypothesis", parent, rows, Status::below};
    const Index group = parent / beams;
    if (i % beams == 0 ? group <= last : group != last)
      return {Status::bad_shape, "the beams of a source stay together, and sources keep their order", parent};
    last = group;
  }
  return {};
}

// Places of hypotheses and of their sources. The beams of a source have the places source * beams and on, in some
// order.
class BeamPlaces {
 public:
  // One copy, from place to place. None is copied to that another copy needs.
  struct Copy {
    Index from, to;
  };

  explicit BeamPlaces(const Memory* memory) noexcept
      : hypotheses_(memory), sources_(memory), before_(memory), copies_(memory) {}

  // So many sources with so many beams each, every one in the place of its number. out_of_memory.
  Status begin(Index sources, Index beams) noexcept {
    const Index all = sizes::product(sources, beams);
    if (Status s = hypotheses_.resize(all); s != Status::ok) return s;
    if (Status s = sources_.resize(sources); s != Status::ok) return s;
    if (Status s = before_.resize(beams); s != Status::ok) return s;
    if (Status s = copies_.resize(all); s != Status::ok) return s;
    for (Index i = 0; i < all; ++i) hypotheses_[i] = i;
    for (Index g = 0; g < sources; ++g) sources_[g] = g;
    count_ = 0;
    return {};
  }
  // For parents that check_parents accepts. Allocates nothing.
  void reorder(std::span<const Index> parents) noexcept {
    const Index beams = before_.size();
    count_ = 0;
    for (Index g = 0; g < Index(parents.size()) / beams; ++g) {
      const auto own = parents.subspan(std::size_t(g * beams), std::size_t(beams));
      const Index source = own[0] / beams;
      sources_[g] = sources_[source];
      reorder_group(own, source * beams, hypotheses_.data() + g * beams);
    }
  }
  // Of each hypothesis, and of each source.
  const Index* hypotheses() const noexcept { return hypotheses_.data(); }
  const Index* sources() const noexcept { return sources_.data(); }
  // What the last reordering copies.
  Index copies() const noexcept { return count_; }
  const Copy& operator[](Index i) const noexcept { return copies_[i]; }

 private:
  // The beams of one source, which were the hypotheses `first` and on.
  void reorder_group(std::span<const Index> parents, Index first, Index* places) noexcept {
    constexpr Index taken = -1;
    const Index beams = Index(parents.size());
    Index* const before = before_.data();
    for (Index i = 0; i < beams; ++i) before[i] = hypotheses_[first + i];
    for (Index i = 0; i < beams; ++i) {
      Index& place = before[parents[std::size_t(i)] - first];
      places[i] = place, place = taken;
    }
    Index unused = 0;
    for (Index i = 0; i < beams; ++i) {
      if (places[i] != taken) continue;
      while (before[unused] == taken) ++unused;
      Index sibling = 0;  // the first child of the same parent
      while (parents[std::size_t(sibling)] != parents[std::size_t(i)]) ++sibling;
      places[i] = before[unused++];
      copies_[count_++] = {places[sibling], places[i]};
    }
  }

  Buffer<Index> hypotheses_, sources_, before_;
  Buffer<Copy> copies_;
  Index count_ = 0;
};

}  // namespace vitrine::inline VITRINE_ABI::detail

#include <vitrine/core/macros_pop.hpp>
