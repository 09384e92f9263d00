// What a call keeps of its attention: a type, so that what was not kept cannot be read.
//
//   keep::weights     per head, after softmax (the default); weights.as<MapStorage::u8>() in a quarter of the bytes
//   keep::scores      after scale and mask, before softmax, with the weights
//   keep::head_mean   the mean over heads
//   keep::statistics  of each head's rows entropy, largest weight and its key, log-sum-exp; of its columns the sums
//   keep::top<k>      of each head's rows the k largest weights and their keys
//   keep::rollout     attention rollout through all layers (self-attention)
//   keep::nothing
//
// The last four before `nothing` store no T x S map of a head: core/statistics.hpp.
// .only({.which = vt::Which::cross, .layers = {0, 11}, .heads = {7}}) narrows a policy at run time; everything else
// stays on the path that keeps nothing. Indices stay the model's own. The output has the same bits under every policy.
#pragma once
#include <vitrine/core/config.hpp>
#include <vitrine/core/eigen.hpp>
#include <vitrine/core/map_storage.hpp>

#include <initializer_list>
#include <type_traits>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

// Kinds of attention, to be joined by |.
enum class Which : std::uint8_t { none = 0, self = 1, cross = 2, encoder = 4, all = 7 };
// The kinds of both.
constexpr Which operator|(Which x, Which y) { return Which(std::uint8_t(x) | std::uint8_t(y)); }
// One of the kinds is in the set.
constexpr bool includes(Which set, Which kind) { return (std::uint8_t(set) & std::uint8_t(kind)) != 0; }

// Indices below `most`; a default one holds all of them, and those from `most` on as well.
class IndexSet {
 public:
  // As many as a layer has heads at most, more than a checkpoint has layers. 64 where pointers have 32 bits: there the
  // set lies on the small stack of a microcontroller.
  static constexpr Index most = sizeof(void*) < 8 ? 64 : 4096;

  constexpr IndexSet() noexcept = default;
  // These indices; one below 0, or not below `most`, makes the set invalid, which the call that is given it reports.
  constexpr IndexSet(std::initializer_list<int> indices) noexcept : all_(false) {
    for (int i : indices) insert(i);
  }
  // Adds an index; the first one ends "all of them".
  constexpr void insert(int i) noexcept {
    all_ = false;
    if (i >= 0 && i < most)
      words_[i / 64] |= std::uint64_t{1} << (i % 64);
    else
      valid_ = false;
  }
  // The index is in the set.
  constexpr bool contains(Index i) const noexcept {
    return i >= 0 && (all_ || (i < most && ((words_[i / 64] >> (i % 64)) & 1) != 0));
  }
  // How many of 0 ... n - 1 are in the set; also the place of n among them.
  constexpr Index count_below(Index n) const noexcept {
    if (all_) return n;
    Index count = 0;
    for (Index i = 0; i < most && i < n; i += 64)
      for (std::uint64_t word = below(words_[i / 64], n - i); word != 0; word &= word - 1) ++count;
    return count;
  }
  // Holds every index, also those from `most` on.
  constexpr bool all() const noexcept { return all_; }
  // No index was below 0, or `most` and above.
  constexpr bool valid() const noexcept { return valid_; }
  // Every index is one of 0 ... n - 1.
  constexpr bool fits(Index n) const noexcept { return all_ || (valid_ && count_below(n) == count_below(most)); }

 private:
  // The lowest n bits.
  static constexpr std::uint64_t below(std::uint64_t word, Index n) noexcept {
    return n < 64 ? word & ((std::uint64_t{1} << n) - 1) : word;
  }

  std::uint64_t words_[most / 64] = {};
  bool all_ = true, valid_ = true;
};

// Which maps of a call are kept: kinds of attention, layers and heads by the model's own indices. All of them unless
// narrowed.
struct Selection {
  Which which = Which::all;
  IndexSet layers = {}, heads = {};
};

namespace detail {
// What the encoder of a model is told, to which its maps are self-attention: Which::encoder chooses them.
template <class K>
constexpr K for_encoder(K keep) {
  keep.selection.which = includes(keep.selection.which, Which::encoder) ? Which::self : Which::none;
  return keep;
}
}  // namespace detail

template <class S>
class Maps;
template <class S>
class ScoredMaps;
template <class S>
class MeanMaps;
template <class S>
class Statistics;
template <class S, Index Count>
class TopWeights;
template <class S>
class Rollout;
template <class S, MapStorage M>
class CompactMaps;

// False, however instantiated: for static_asserts in templates that must not be used.
template <class...>
inline constexpr bool never = false;

// In the overloads for temporaries of all that return views.
#define VITRINE_DANGLING(...)       \
  static_assert(never<__VA_ARGS__>, \
                "vitrine: this view would outlive the temporary that it points into; give the result a name first")

// A map that the policy did not keep, and one that a layer does not have. Empty; a different type for each place in a
// result.
template <int Place>
struct NotKept {
  // Does not compile: says what to ask for.
  template <class... I>
  MatrixView<float> matrix(I...) const {  // of a map's type: what is done with it adds no error of its own
    static_assert(never<I...>, "vitrine: this map was not kept; ask for it with vt::keep::weights");
    return {nullptr, 0, 0};
  }
  // The same for a stack's layer.
  template <class I>
  const NotKept& operator[](I) const {
    static_assert(never<I>, "vitrine: this map was not kept; ask for it with vt::keep::weights");
    return *this;
  }
};
// A map that this kind of layer does not have; as NotKept.
template <int Place>
struct NoSuch {
  // Does not compile: there is nothing to ask for.
  template <class... I>
  MatrixView<float> matrix(I...) const {
    static_assert(never<I...>, "vitrine: this layer has no such attention");
    return {nullptr, 0, 0};
  }
  // The same for a stack's layer.
  template <class I>
  const NoSuch& operator[](I) const {
    static_assert(never<I>, "vitrine: this layer has no such attention");
    return *this;
  }
};

namespace keep {

// The policy of keep::weights.as<M>().
template <MapStorage M>
struct Compact {
  // As Policy's.
  template <class S, int Place>
  using map = CompactMaps<S, M>;
  Selection selection = {};
  // As Policy's.
  constexpr Compact only(const Selection& chosen) const { return {chosen}; }
};
// M is the class that holds the maps of a layer, or of a stack.
template <template <class> class M>
struct Policy {
  // What holds the maps of a layer or stack whose scalar is S; Place tells the members of a result apart.
  template <class S, int Place>
  using map = M<S>;
  Selection selection = {};
  // The same policy for fewer maps.
  constexpr Policy only(const Selection& chosen) const { return {chosen}; }
  // The same maps stored as f16, bf16 or u8: core/compact_maps.hpp. Of keep::weights only.
  template <MapStorage Stored>
  constexpr auto as() const {
    static_assert(std::is_same_v<M<float>, Maps<float>>,
                  "vitrine: only keep::weights can be stored as f16, bf16 or u8");
    if constexpr (Stored == MapStorage::f32)
      return *this;
    else
      return Compact<Stored>{selection};
  }
};
// The policy of keep::top<Count>.
template <Index Count>
struct Top {
  static_assert(Count >= 1, "vitrine: keep::top<k> keeps at least one weight of each row");
  // As Policy's.
  template <class S, int Place>
  using map = TopWeights<S, Count>;
  Selection selection = {};
  // As Policy's.
  constexpr Top only(const Selection& chosen) const { return {chosen}; }
};
// The policy of keep::rollout: self-attention only.
struct Rolled {
  // As Policy's; cross-attention keeps nothing.
  template <class S, int Place>
  using map = std::conditional_t<Place == 0, Rollout<S>, NotKept<Place>>;
  Selection selection = {};
  // The same policy for encoder or decoder alone; layers and heads cannot be chosen.
  constexpr Rolled only(const Selection& chosen) const { return {chosen}; }
};
// The policy that keeps no map.
struct Nothing {
  // An empty type, whose use does not compile.
  template <class S, int Place>
  using map = NotKept<Place>;
  Selection selection = {Which::none};
};

// Weights of every head, (B, H, T, S) a layer: the default.
inline constexpr Policy<Maps> weights;
// Weights and scores of every head: twice the memory.
inline constexpr Policy<ScoredMaps> scores;
// The mean over heads, (B, T, S) a layer; PyTorch's average_attn_weights.
inline constexpr Policy<MeanMaps> head_mean;
// 4 T + S values of every head: core/statistics.hpp.
inline constexpr Policy<Statistics> statistics;
// The Count largest weights of each row of every head, with their keys: 2 Count T values.
template <Index Count>
inline constexpr Top<Count> top;
// One T x T matrix through all layers, and another of scratch.
inline constexpr Rolled rollout;
// No maps.
inline constexpr Nothing nothing;

}  // namespace keep

// What a call keeps when it is not told: the weights of every head.
using DefaultKeep = keep::Policy<Maps>;

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
