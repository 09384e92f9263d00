#include <vitrine/core/map_storage.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <string>

namespace vt = vitrine;
using vt::MapStorage;

namespace {

template <MapStorage M>
float decode(unsigned code) {
  return vt::detail::MapCode<M>::decode(vt::detail::map_code<M>(code));
}

}  // namespace

TEST_CASE("storages of maps have the names of their flags") {
  CHECK(std::string(vt::name(MapStorage::f32)) == "f32");
  CHECK(std::string(vt::name(MapStorage::f16)) == "f16");
  CHECK(std::string(vt::name(MapStorage::bf16)) == "bf16");
  CHECK(std::string(vt::name(MapStorage::u8)) == "u8");
  CHECK(std::string(vt::name(MapStorage(9))) == "");
}

TEST_CASE("what codes are worth: 0 and 1 are codes of every storage, NaN is not one of u8") {
  CHECK(decode<MapStorage::u8>(0) == 0.0f);
  CHECK(decode<MapStorage::u8>(255) == 1.0f);
  CHECK(decode<MapStorage::u8>(1) == 1 / 255.0f);
  CHECK(decode<MapStorage::f16>(0x3c00) == 1.0f);
  CHECK(decode<MapStorage::f16>(1) == 0x1p-24f);
  CHECK(decode<MapStorage::bf16>(0x3f80) == 1.0f);
  CHECK(decode<MapStorage::bf16>(0x3f81) == 1.0078125f);
  CHECK(std::isnan(decode<MapStorage::f16>(vt::detail::MapCode<MapStorage::f16>::nan)));
  CHECK(std::isnan(decode<MapStorage::bf16>(vt::detail::MapCode<MapStorage::bf16>::nan)));
  CHECK(vt::detail::MapCode<MapStorage::u8>::nan == 0);
  static_assert(sizeof(vt::detail::map_code<MapStorage::u8>) == 1);
  static_assert(sizeof(vt::detail::map_code<MapStorage::f16>) == 2);
}
