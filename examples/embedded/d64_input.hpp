// The input of d64.cpp, the same everywhere: whole numbers over a power of two, between -2 and 2.
#pragma once
#include <cstddef>
#include <cstdint>

inline float d64_input(std::ptrdiff_t i) {
  const auto mixed = static_cast<std::uint32_t>(i + 1) * 2654435761u;
  return static_cast<float>(static_cast<std::int32_t>(mixed >> 20) - 2048) * 0x1p-10f;
}
