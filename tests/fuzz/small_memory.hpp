// A Memory that gives a megabyte in all.
#pragma once
#include <vitrine/core/heap.hpp>
#include <vitrine/core/memory.hpp>

inline const vitrine::Memory* small_memory() {
  static std::size_t given = 0;
  static constexpr vitrine::Memory memory{[](std::size_t bytes) noexcept -> void* {
                                            if (bytes > (std::size_t{1} << 20) - given) return nullptr;
                                            given += bytes;
                                            return vitrine::heap()->allocate(bytes);
                                          },
                                          [](void* values, std::size_t bytes) noexcept {
                                            given -= bytes;
                                            vitrine::heap()->release(values, bytes);
                                          }};
  return &memory;
}
