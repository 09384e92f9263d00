// What a call of a layer or stack takes: bytes of scratch and of results, multiply-adds. Written once over what each
// says of itself; internal but for SizedModule's public functions, which MultiheadAttention, EncoderLayer,
// DecoderLayer, Encoder and Decoder have. How they are counted is our own.
//
//   layer.workspace_bytes({B, T, S}, threads)     layer.result_bytes({B, T, S}, keep)     layer.flops({B, T, S})
//   with fixed dimensions also decltype(layer)::workspace_bytes(), result_bytes(): constants for the largest call
#pragma once
#include <vitrine/core/dims.hpp>
#include <vitrine/core/maps.hpp>
#include <vitrine/run/figures_attention.hpp>
#include <vitrine/run/module.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

namespace detail {

// Everything that a plan depends on: what was given, and how it is run.
struct CallShape {
  Shape shape = {};
  std::span<const Index> lengths = {}, memory_lengths = {};  // of ragged inputs
  int threads = 1;
  Kept kept = {};
  bool traced = false;
  bool gather[3] = {};  // inputs whose rows do not stand one after another, and must be copied
  Index gathered(int i) const { return sizes::product(shape.batch, i == 0 ? shape.length : shape.memory_length); }
};
// Its scratch, for `rows` rows.
template <class S>
constexpr Scratch<S> plan_scratch(Arena& arena, const CallShape& call, Index rows, typename Scratch<S>::Sizes sizes) {
  sizes.figures = call.kept.figures, sizes.scores_in_weights = call.kept.scores_in_weights && !call.traced;
  return Scratch<S>::plan(arena, call.threads, rows, sizes, call.traced);
}

// The maps of a call: of how many layers and heads, over how many keys.
struct MapExtents {
  Index layers = 1, heads = 0;
  Index self_keys = 0, cross_keys = 0;  // 0: there is none of the kind
  Index width = 0;                      // of the output
  Which self_kind = Which::self;        // a selection of this kind keeps the maps over self_keys
};

// Bytes of all maps of one kind that policy K keeps. Place: 0 self-attention, 1 cross-attention.
template <class K, class S, int Place>
constexpr std::size_t map_bytes(const K& keep, const Shape& shape, const MapExtents& extents) {
  using M = typename K::template map<S, Place>;
  const Index keys = Place == 0 ? extents.self_keys : extents.cross_keys;
  if (!includes(keep.selection.which, Place == 0 ? extents.self_kind : Which::cross)) return 0;
  const Index layers = keep.selection.layers.count_below(extents.layers);
  const Index heads = keep.selection.heads.count_below(extents.heads);
  if constexpr (requires { M::count(layers, shape.batch, heads, shape.length, keys); })
    return keys == 0 ? 0 : sizes::bytes_of<typename M::Value>(M::count(layers, shape.batch, heads, shape.length, keys));
  else
    return 0;
}

}  // namespace detail

// The base of every layer and stack that keeps maps. Derived has
//   scratch_bytes(CallShape)      map_extents(Shape)      multiply_adds(Shape)
template <class Derived, class S, Dims D>
class SizedModule : public Module<Derived, S> {
 public:
  using Module<Derived, S>::bind;
  // A weight that Dims{.weights} say is stored: the words of its panels, each group of rows for itself, as
  // weights_to_header writes them; panel: kernels::panel_width<S>. The bytes stay the caller's. not_supported: no such
  // weight, or a panel of another width. bad_shape: another number of words.
  constexpr Status bind(const char* name, std::span<const StoredWord> words, Index panel) noexcept {
    static_assert(D.weights != Storage::f32,
                  "vitrine: this layer's weights are values of its scalar: words are of layers whose Dims say how "
                  "weights are stored, as Dims{.weights = vt::Storage::int8}");
    return this->with_parameter(name, [&](Parameter<S>& p) { return detail::hold_words(p, words, panel); });
  }

  // Bytes of scratch of a call on contiguous, equally long sequences. Less is needed when all weights are in panels,
  // which only the first form can know. With `keep`, exactly that of calls with this policy: with fixed dimensions,
  // kept weights of all heads hold the scores meanwhile.
  template <class K = detail::AnyMaps>
  constexpr std::size_t workspace_bytes(const Shape& shape, int threads = 1, const K& keep = {}) const noexcept {
    return scratch(*this, {.shape = shape, .threads = threads, .kept = detail::kept_of<K, S>(D.fixed(), keep)});
  }
  template <class K = DefaultKeep>
  static constexpr std::size_t workspace_bytes() noexcept requires(D.fixed()) {
    return scratch(Derived{}, {.shape = largest(), .kept = detail::kept_of<K, S>(false)});
  }
  // The same of calls with a trace.
  template <class K = DefaultKeep>
  constexpr std::size_t traced_workspace_bytes(const Shape& shape, int threads = 1, const K& = {}) const noexcept {
    return scratch(*this, {.shape = shape, .threads = threads, .kept = detail::kept_of<K, S>(false), .traced = true});
  }
  template <class K = DefaultKeep>
  static constexpr std::size_t traced_workspace_bytes() noexcept requires(D.fixed()) {
    return scratch(Derived{}, {.shape = largest(), .kept = detail::kept_of<K, S>(false), .traced = true});
  }
  // Bytes of the values of output and maps, of those alone that keep.only(...) chooses.
  template <class K = DefaultKeep>
  constexpr std::size_t result_bytes(const Shape& shape, const K& keep = {}) const noexcept {
    return results(static_cast<const Derived&>(*this), shape, keep);
  }
  template <class K = DefaultKeep>
  static constexpr std::size_t result_bytes() noexcept requires(D.fixed()) {
    return results(Derived{}, largest(), K{});
  }
  // Two for each multiply-add of the products; attention over all pairs.
  double flops(const Shape& shape) const noexcept {
    return 2 * static_cast<const Derived&>(*this).multiply_adds(shape);
  }

 protected:
  constexpr explicit SizedModule(const Memory* memory) noexcept : Module<Derived, S>(memory) {}

 private:
  static constexpr Shape largest() { return {D.max_batch, D.max_length, D.memory_bound()}; }
  static constexpr std::size_t scratch(const SizedModule& self, detail::CallShape call) {
    call.shape.memory_length = call.shape.memory_rows();
    const std::size_t bytes = static_cast<const Derived&>(self).scratch_bytes(call);
    return bytes == 0 ? 0 : sizes::sum_of_bytes(bytes, alignment);
  }
  template <class K>
  static constexpr std::size_t results(const Derived& self, const Shape& shape, const K& keep) {
    const detail::MapExtents extents = self.map_extents(shape);
    const std::size_t maps = sizes::sum_of_bytes(detail::map_bytes<K, S, 0>(keep, shape, extents),
                                                 detail::map_bytes<K, S, 1>(keep, shape, extents));
    return sizes::sum_of_bytes(sizes::bytes_of<S>(shape.batch, shape.length, extents.width), maps);
  }
};

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
