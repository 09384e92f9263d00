// How the weights of products are stored, as it is chosen when a model is loaded.
#pragma once
#include <vitrine/core/config.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

// f32: as the layer's scalar, float or double. int8: a byte a value and a float scale for each row (output channel),
// symmetric, as Transformers' and CTranslate2's int8: w = code * scale, codes from -127 to 127.
enum class Storage : std::uint8_t { f32, int8 };

// "f32" or "int8"; "" for a value outside the enumeration.
constexpr const char* name(Storage storage) noexcept {
  return storage == Storage::f32 ? "f32" : storage == Storage::int8 ? "int8" : "";
}

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
