// The codes of compact maps by their definition, one weight at a time.
#pragma once
#include <vitrine/core/compact_maps.hpp>

#include <cmath>

namespace support {

using vitrine::Index;
using vitrine::MapStorage;

template <MapStorage M>
vitrine::detail::map_code<M> code_of(float weight) {
  if (weight != weight) return vitrine::detail::MapCode<M>::nan;
  if constexpr (M == MapStorage::f16)
    return vitrine::float_to_half(weight);
  else if constexpr (M == MapStorage::bf16)
    return vitrine::float_to_bfloat16(weight);
  else
    return std::uint8_t(std::nearbyint(double(weight) * 255));  // exact in double
}
template <MapStorage M>
float value_of(vitrine::detail::map_code<M> code) {
  if constexpr (M == MapStorage::f16)
    return vitrine::half_to_float(code);
  else if constexpr (M == MapStorage::bf16)
    return vitrine::bfloat16_to_float(code);
  else
    return float(code) / 255.0f;
}

// The compact map is what the f32 map says: codes, values, the copy.
template <MapStorage M>
bool same_map(const vitrine::CompactMatrix<M>& compact, const vitrine::MatrixView<float>& map) {
  if (compact.rows() != map.rows() || compact.cols() != map.cols()) return false;
  std::vector<float> copy(static_cast<std::size_t>(map.size()));
  compact.copy_to(copy.data());
  for (Index i = 0; i < map.rows(); ++i)
    for (Index j = 0; j < map.cols(); ++j) {
      const Index at = i * map.cols() + j;
      const auto code = compact.codes()[at];
      if (code != code_of<M>(map(i, j))) return false;
      const float value = value_of<M>(code), read = compact(i, j);
      if (std::memcmp(&value, &read, sizeof value) != 0 || std::memcmp(&value, &copy[std::size_t(at)], 4) != 0)
        return false;
    }
  return true;
}
// All maps of a layer or stack.
template <MapStorage M>
bool same_maps(const vitrine::CompactMaps<float, M>& compact, const vitrine::Maps<float>& maps) {
  if (compact.layers() != maps.layers() || compact.batch() != maps.batch() || compact.heads() != maps.heads())
    return false;
  for (Index l = 0; l < maps.layers(); ++l)
    for (Index b = 0; b < maps.batch(); ++b)
      for (Index h = 0; h < maps.heads(); ++h)
        if (maps.kept(l, h) != compact.kept(l, h) ||
            (maps.kept(l, h) && !same_map<M>(compact[l].matrix(b, h), maps[l].matrix(b, h))))
          return false;
  return true;
}

// f(keep) for each storage: keep::weights.as<...>().
template <class F>
void each_storage(F&& f) {
  f(vitrine::keep::weights.as<MapStorage::f16>());
  f(vitrine::keep::weights.as<MapStorage::bf16>());
  f(vitrine::keep::weights.as<MapStorage::u8>());
}

}  // namespace support
