// How the weights of products are stored, as it is chosen when a model is loaded.
#pragma once
#include <vitrine/core/config.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

// f32: as the layer's scalar, float or double. int8: a byte a value and a float scale for each row (output channel),
// symmetric, as Transformers' and CTranslate2's int8: w = code * scale, codes from -127 to 127. bf16, f16: two bytes a
// value, bfloat16 and IEEE 754's half as PyTorch has them, rounded to nearest.
enum class Storage : std::uint8_t { f32, int8, bf16, f16 };

// "f32", "int8", "bf16" or "f16"; "" for a value outside the enumeration.
constexpr const char* name(Storage storage) noexcept {
  switch (storage) {
    case Storage::f32:
      return "f32";
    case Storage::int8:
      return "int8";
    case Storage::bf16:
      return "bf16";
    case Storage::f16:
      return "f16";
  }
  return "";
}

// Understands the names above. Returns false, leaving `storage` alone, for any other text.
constexpr bool parse_storage(const char* text, Storage& storage) noexcept {
  constexpr Storage all[] = {Storage::f32, Storage::int8, Storage::bf16, Storage::f16};
  for (const Storage one : all) {
    Index i = 0;
    while (text[i] != '\0' && text[i] == name(one)[i]) ++i;
    if (text[i] != name(one)[i]) continue;
    storage = one;
    return true;
  }
  return false;
}

// Four bytes of a weight that is stored as int8, bf16 or f16, as its panels have them (kernels/int8.hpp, half.hpp):
// what a header of weights for flash is made of. A constant's address may be that of its float, whose bits it has.
union StoredWord {
  std::uint32_t bits;
  float value;

  constexpr StoredWord(std::uint32_t word) : bits(word) {}
};

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
