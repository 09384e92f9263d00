// The heap as a Memory. Layers with fixed sizes never name it.
#pragma once
#include <vitrine/core/memory.hpp>

#include <cstdlib>
#include <new>
#if defined(__linux__)
#include <sys/mman.h>
#endif

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

namespace detail {
#if defined(_GLIBCXX_HAVE_ALIGNED_ALLOC) || defined(_LIBCPP_VERSION)
inline void* aligned_bytes(std::size_t unit, std::size_t bytes) noexcept { return std::aligned_alloc(unit, bytes); }
inline void free_aligned(void* pointer) noexcept { std::free(pointer); }
#else
// A C library without aligned_alloc (newlib): what malloc gave stands in the word before the aligned bytes.
inline void* aligned_bytes(std::size_t unit, std::size_t bytes) noexcept {
  void* const raw = std::malloc(bytes + unit + sizeof(void*));
  if (raw == nullptr) return nullptr;
  const auto after = reinterpret_cast<std::uintptr_t>(raw) + sizeof(void*);
  void** const pointer = static_cast<void**>(raw) + 1 + (unit - after % unit) % unit / sizeof(void*);
  pointer[-1] = raw;
  return pointer;
}
inline void free_aligned(void* pointer) noexcept {
  if (pointer != nullptr) std::free(static_cast<void**>(pointer)[-1]);
}
#endif
}  // namespace detail

// 64-byte aligned memory of the C library. Large pieces ask the kernel for huge pages: their first use costs a page
// fault each, and faults, not stores, are what makes fresh attention maps slow (bench/README.md).
inline const Memory* heap() noexcept {
  static constexpr std::size_t huge = std::size_t{1} << 21;
  static constexpr Memory memory{[](std::size_t bytes) noexcept -> void* {
                                   const bool large = bytes >= 2 * huge;
                                   void* pointer = detail::aligned_bytes(large ? huge : alignment,
                                                                         round_up(bytes, large ? huge : alignment));
#if defined(__linux__) && defined(MADV_HUGEPAGE)
                                   if (large && pointer != nullptr)
                                     (void)madvise(pointer, round_up(bytes, huge), MADV_HUGEPAGE);
#endif
                                   return pointer;
                                 },
                                 [](void* pointer, std::size_t) noexcept { detail::free_aligned(pointer); }};
  return &memory;
}

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
