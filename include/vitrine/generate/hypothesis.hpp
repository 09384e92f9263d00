// What a search finds: ids, score, log-probabilities, and the maps of a hypothesis traced back through the beams.
//
//   auto found = vt::generate(model, workspace, sources, config, vt::keep::weights, vt::EndRow::drop);
//   const auto& best = found.hypotheses[source][0];
//   best.cross_attn[layer].matrix(0, head): T x S           best.cross_attn.values(): [layer][head][target][source]
//
// A step knows its maps before it is known which beams will live, so a search that keeps maps holds those of all beams
// until it ends, and then copies what each returned hypothesis went through into one block of its own, without padding.
#pragma once
#include <algorithm>
#include <utility>
#include <vector>
#include <vitrine/core/compact_maps.hpp>
#include <vitrine/core/maps.hpp>
#include <vitrine/core/mask.hpp>

#if VITRINE_EXCEPTIONS
#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

// One finished sequence of a search.
template <class S>
struct Hypothesis {
  std::vector<Index> ids = {};    // without the start token; the end token, if it came to that, is the last
  S score = S(0);                 // sum of log-probabilities / length^length_penalty; the length counts the end
  std::vector<S> log_probs = {};  // of each id, as the model has them: before the rules of the search
};

// Whether the maps of a hypothesis have the row that made its end token.
enum class EndRow : bool { drop, keep };

// A hypothesis and its maps, a batch of one: row t made ids[t] (of a Causal model, whose prompt has P ids, row P - 1 +
// t).
template <class S, class Self, class Cross>
struct MappedHypothesis : Hypothesis<S> {
  [[no_unique_address]] Self self_attn = {};    // layers x heads x T x T
  [[no_unique_address]] Cross cross_attn = {};  // layers x heads x T x S
};

// ---- implementation

namespace detail {

// A hypothesis and the row of each step's batch that it was.
template <class S>
struct Found : Hypothesis<S> {
  std::vector<Index> rows = {};
};

// The maps of all steps of one search. Holds nothing where nothing is kept.
template <class R>
class StepMaps {
 public:
  using Self = decltype(R::self_attn);
  using Cross = decltype(R::cross_attn);
  static constexpr bool keeps = requires(Self self) { self.sink(Index{}); };
  static_assert(!keeps || is_map<Self>,
                "vitrine: a search keeps maps (keep::weights, keep::scores, keep::head_mean); for figures of what it "
                "found, force that with vt::score");

  void take([[maybe_unused]] R& step) {
    if constexpr (keeps) steps_.push_back({std::move(step.self_attn), std::move(step.cross_attn)});
  }
  Self& self(Index step) { return steps_[std::size_t(step)].self; }
  Cross& cross(Index step) { return steps_[std::size_t(step)].cross; }

 private:
  struct Step {
    Self self;
    [[no_unique_address]] Cross cross;
  };
  std::vector<Step> steps_;
};

// Row `row` of a sequence's maps.
template <class M>
struct MapRow {
  MapRow(M* of, Index at, Index its_row) : maps(of), sequence(at), row(its_row) {}
  M* maps;
  Index sequence, row;
};

// A batch of one: row t is row_of(t), masked where that one ends.
template <class S, class M, class F>
void gather(M& out, const Memory* memory, const MapShape& shape, const Selection& selection, Which kind, F&& row_of) {
  if constexpr (requires { out.sink(Index{}); }) {
    throw_if_failed(prepare_maps(out, memory, shape, selection, kind));
    const auto copy = [&]<class T>(const T* from, T* to, const MapRow<M>& place, Index t, T masked) {
      if (from == nullptr || to == nullptr) return;
      const Index stride = place.maps->memory_length(place.sequence), columns = std::min(stride, shape.memory_length);
      to += t * shape.memory_length;
      std::copy_n(from + place.row * stride, columns, to);
      std::fill(to + columns, to + shape.memory_length, masked);
    };
    for (Index layer = 0; layer < shape.layers; ++layer) {
      const MapSink<S> to = out.sink(layer);
      for (Index t = 0; to.any() && t < shape.length; ++t) {
        const MapRow<M> place = row_of(t);
        const MapSink<S> from = place.maps->sink(layer);
        for (Index h = 0; h < out.heads(); ++h) {
          const auto at = [&](const MapSink<S>& sink, S* base, Index b) { return sink.place(base, b, h); };
          copy(at(from, from.weights, place.sequence), at(to, to.weights, 0), place, t, S(0));
          copy(at(from, from.scores, place.sequence), at(to, to.scores, 0), place, t, minus_infinity<S>());
          copy(at(from, from.mean, place.sequence), at(to, to.mean, 0), place, t, S(0));
          if constexpr (requires { out.code_bytes(); }) {
            const auto copy_codes = [&]<class Code>(Code masked) {
              copy(from.template figures_at<Code>(place.sequence, h), to.template figures_at<Code>(0, h), place, t,
                   masked);
            };
            if (out.code_bytes() == 1) copy_codes(std::uint8_t{0});
            if (out.code_bytes() == 2) copy_codes(std::uint16_t{0});
          }
        }
      }
    }
  }
}

}  // namespace detail

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
#endif
