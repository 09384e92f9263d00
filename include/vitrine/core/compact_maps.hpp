// Maps in one or two bytes a weight instead of four: keep::weights.as<MapStorage::u8>(), also f16 and bf16.
//
//   const auto r = encoder(x, {}, vt::keep::weights.as<vt::MapStorage::u8>());
//   const auto map = r.self_attn[layer].matrix(b, h);   T x S, an Eigen expression of floats: (i, j), row(i), sum(), ==
//   map.copy_to(out)                                    in floats; so does vt::RowMajor<float> copy = map
//   map.codes(), r.self_attn.codes()                    the codes themselves: T x S, and of all kept maps
//
// What a code is worth, and how far it may be off, says core/map_storage.hpp. The output has the bits that it has under
// every policy. All else is as of Maps: layers(), batch(), heads(), kept(layer, h), bytes(), errors, how long views
// live. Float layers only.
#pragma once
#include <vitrine/core/map_storage.hpp>
#include <vitrine/core/maps.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

namespace detail {

// What reads a code as a float, for Eigen.
template <MapStorage M>
struct DecodeCode {
  float operator()(map_code<M> code) const { return MapCode<M>::decode(code); }
};
template <MapStorage M>
using CompactExpression = Eigen::CwiseUnaryOp<DecodeCode<M>, const Eigen::Map<const RowMajor<map_code<M>>>>;

}  // namespace detail

// One map, T x S: an Eigen expression whose coefficients are floats, decoded as they are read. A view.
template <MapStorage M>
class CompactMatrix : public detail::CompactExpression<M> {
 public:
  // What is stored of a weight: std::uint8_t, or std::uint16_t for the bits of f16 and bf16.
  using Code = detail::map_code<M>;

  // A view of rows x columns codes, row after row.
  CompactMatrix(const Code* codes, Index rows, Index columns)
      : detail::CompactExpression<M>(Eigen::Map<const RowMajor<Code>>(codes, rows, columns)) {}
  // T S codes, row after row.
  const Code* codes() const { return this->nestedExpression().data(); }
  // Writes T S floats, row after row.
  void copy_to(float* out) const {
    const Code* const from = codes();
    for (Index i = 0; i < this->size(); ++i) out[i] = detail::MapCode<M>::decode(from[i]);
  }
  // Does not compile: there are no floats.
  template <class... I>
  const float* data(I...) const {
    static_assert(
        never<I...>,
        "vitrine: a compact map stores codes, not floats: copy_to(out) writes them as floats, codes() is what "
        "is stored; or keep vt::keep::weights");
    return nullptr;
  }
};

// The compact maps of one layer of a stack.
template <MapStorage M>
class CompactMapView {
 public:
  CompactMapView(const detail::map_code<M>* codes, const detail::MapLayout* layout, Index layer)
      : codes_(codes), layout_(layout), layer_(layer) {}
  // As MapView::matrix.
  CompactMatrix<M> matrix(Index b, Index h) const {
    return {codes_ + layout_->checked_at(layer_, b, h), layout_->rows(b), layout_->columns(b)};
  }

 private:
  const detail::map_code<M>* codes_;
  const detail::MapLayout* layout_;
  Index layer_;
};

// Weights per head, in codes of one or two bytes.
template <class S, MapStorage M>
class CompactMaps : public detail::MapStore<detail::map_code<M>> {
  static_assert(std::is_same_v<S, float>,
                "vitrine: maps of double layers are stored as doubles: keep them with vt::keep::weights");
  using Store = detail::MapStore<detail::map_code<M>>;

 public:
  using Store::Store;
  // How they are stored.
  static constexpr MapStorage storage = M;
  // Bytes of a code.
  static constexpr Index code_bytes() { return Index(sizeof(detail::map_code<M>)); }
  // One layer's maps. A view: it lives as long as this object.
  CompactMapView<M> operator[](Index layer) const& { return {this->values_.data(), &this->layout_, layer}; }
  // Of a layer's own result: as MapView::matrix.
  CompactMatrix<M> matrix(Index b, Index h) const& { return (*this)[0].matrix(b, h); }
  // A view of a temporary does not compile.
  template <class I>
  void operator[](I) const&& {
    VITRINE_DANGLING(I);
  }
  // A view of a temporary does not compile.
  template <class... I>
  void matrix(I...) const&& {
    VITRINE_DANGLING(I...);
  }
  // The codes of all kept maps, layer by layer, (B, H, T, S) in each.
  std::span<const detail::map_code<M>> codes() const noexcept { return this->values_.span(); }
  // Does not compile: there are no floats.
  template <class... I>
  std::span<const S> values(I...) const {
    static_assert(never<I...>, "vitrine: compact maps store codes, not floats: codes(), or matrix(b, h).copy_to(out)");
    return {};
  }
  // Values of such maps, for result_bytes.
  static constexpr Index count(Index layers, Index batch, Index heads, Index length, Index memory_length) {
    return sizes::product(layers, batch, heads, length, memory_length);
  }

  // As Maps::prepare.
  Status prepare(const MapShape& shape, const Selection& selection, Which kind) noexcept {
    return Store::prepare(shape, selection, kind, {});
  }
  // Where a layer writes its maps.
  detail::MapSink<S> sink(Index layer) noexcept {
    detail::MapSink<S> to{.layout = &this->layout_, .layer = layer};
    to.figures = this->values_.data();
    return to;
  }
};

namespace detail {

// How maps of class M are stored.
template <class M>
inline constexpr MapStorage storage_of = MapStorage::f32;
template <class S, MapStorage Stored>
inline constexpr MapStorage storage_of<CompactMaps<S, Stored>> = Stored;
template <class S, MapStorage Stored>
inline constexpr bool is_map<CompactMaps<S, Stored>> = true;

}  // namespace detail

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
