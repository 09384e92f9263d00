// Reordering of beams between two steps (Transformers' reorder_cache): hypothesis i goes on from what parents[i] was.
// Here is the check of the parents, and which places of a cache are copied where; KeyValueCache copies them. Internal.
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

// One copy. -1: the spare place.
struct BeamMove {
  Index from, to;
  bool of_source;  // of a source's keys and values, which its beams share; else of a hypothesis' own
};

// The copies of one reordering, in an order in which nothing is overwritten that a later one needs; rings go by way of
// the spare place.
class BeamMoves {
 public:
  explicit BeamMoves(const Memory* memory) noexcept : moves_(memory), from_(memory) {}

  // Room for all that so many hypotheses can need. out_of_memory.
  Status reserve(Index hypotheses, Index beams) noexcept {
    if (Status s = moves_.resize(sizes::product(3, hypotheses)); s != Status::ok) return s;
    return from_.resize(beams);
  }
  // For parents that check_parents accepts. Allocates nothing.
  void plan(std::span<const Index> parents, Index beams, bool has_sources) noexcept {
    count_ = 0;
    for (Index g = 0; g < Index(parents.size()) / beams; ++g) {
      const Index first = g * beams, source = parents[std::size_t(first)] / beams;
      if (source != g && has_sources) moves_[count_++] = {source, g, true};
      plan_group(parents.subspan(std::size_t(first), std::size_t(beams)), first);
    }
  }
  Index count() const noexcept { return count_; }
  const BeamMove& operator[](Index i) const noexcept { return moves_[i]; }

 private:
  // The beams of one source, in places `first` and on.
  void plan_group(std::span<const Index> parents, Index first) noexcept {
    const Index beams = Index(parents.size());
    Index* const from = from_.data();  // of each place that is still to be written; its own: done
    Index left = 0;
    for (Index i = 0; i < beams; ++i) {
      from[i] = parents[std::size_t(i)];
      left += from[i] != first + i;
    }
    while (left > 0) {
      Index ready = beams, waiting = 0;
      for (Index i = 0; i < beams && ready == beams; ++i) {
        if (from[i] == first + i) continue;
        waiting = i;
        bool needed = false;
        for (Index k = 0; k < beams; ++k) needed = needed || (k != i && from[k] == first + i);
        if (!needed) ready = i;
      }
      if (ready < beams) {
        moves_[count_++] = {from[ready], first + ready, false};
        from[ready] = first + ready;
        --left;
      } else {
        moves_[count_++] = {first + waiting, -1, false};
        for (Index k = 0; k < beams; ++k)
          if (k != waiting && from[k] == first + waiting) from[k] = -1;
      }
    }
  }

  Buffer<BeamMove> moves_;
  Buffer<Index> from_;
  Index count_ = 0;
};

}  // namespace vitrine::inline VITRINE_ABI::detail

#include <vitrine/core/macros_pop.hpp>
