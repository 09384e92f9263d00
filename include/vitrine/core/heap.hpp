// The heap as a Memory. Layers with fixed sizes never name it.
#pragma once
#include <vitrine/core/memory.hpp>

#include <cstdlib>
#include <new>
#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace vitrine::inline VITRINE_ABI {

// 64-byte aligned memory of the C library. Large pieces ask the kernel for huge pages: their first use costs a page
// fault each, and faults, not stores, are what makes fresh attention maps slow (bench/README.md).
inline const Memory* heap() noexcept {
  static constexpr std::size_t huge = std::size_t{1} << 21;
  static constexpr Memory memory{[](std::size_t bytes) noexcept -> void* {
                                   const bool large = bytes >= 2 * huge;
                                   void* pointer = std::aligned_alloc(large ? huge : alignment,
                                                                      round_up(bytes, large ? huge : alignment));
#if defined(__linux__) && defined(MADV_HUGEPAGE)
                                   if (large && pointer != nullptr)
                                     (void)madvise(pointer, round_up(bytes, huge), MADV_HUGEPAGE);
#endif
                                   return pointer;
                                 },
                                 [](void* pointer, std::size_t) noexcept { std::free(pointer); }};
  return &memory;
}

}  // namespace vitrine::inline VITRINE_ABI
