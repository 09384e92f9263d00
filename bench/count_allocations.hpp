// Counts what the C library's allocator hands out, in every thread: malloc, calloc, realloc, aligned_alloc, memalign
// and posix_memalign, so operator new too. Replaces them for the whole program: include it in one source file only.
#pragma once
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#if defined(__SSE2__) && __has_include(<mm_malloc.h>)
#include <mm_malloc.h>  // clang's declares posix_memalign without its noexcept: it must come before a definition
#endif

// A sanitizer has its own malloc; elsewhere than in glibc there is nothing to call from a replacement.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define BENCH_COUNTS_ALLOCATIONS 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define BENCH_COUNTS_ALLOCATIONS 0
#endif
#endif
#ifndef BENCH_COUNTS_ALLOCATIONS
#ifdef __GLIBC__
#define BENCH_COUNTS_ALLOCATIONS 1
#else
#define BENCH_COUNTS_ALLOCATIONS 0
#endif
#endif

namespace bench {
inline std::atomic<long long> allocation_count{0};
inline constexpr bool counts_allocations = BENCH_COUNTS_ALLOCATIONS != 0;
}  // namespace bench

#if BENCH_COUNTS_ALLOCATIONS
extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
void __libc_free(void*);

void* malloc(std::size_t bytes) noexcept {
  bench::allocation_count.fetch_add(1, std::memory_order_relaxed);
  return __libc_malloc(bytes);
}
void* calloc(std::size_t count, std::size_t bytes) noexcept {
  bench::allocation_count.fetch_add(1, std::memory_order_relaxed);
  return __libc_calloc(count, bytes);
}
void* realloc(void* pointer, std::size_t bytes) noexcept {
  bench::allocation_count.fetch_add(1, std::memory_order_relaxed);
  return __libc_realloc(pointer, bytes);
}
void* memalign(std::size_t alignment, std::size_t bytes) noexcept {
  bench::allocation_count.fetch_add(1, std::memory_order_relaxed);
  return __libc_memalign(alignment, bytes);
}
void* aligned_alloc(std::size_t alignment, std::size_t bytes) noexcept { return memalign(alignment, bytes); }
int posix_memalign(void** pointer, std::size_t alignment, std::size_t bytes) noexcept {
  void* made = memalign(alignment, bytes);
  if (made == nullptr) return ENOMEM;
  *pointer = made;
  return 0;
}
void free(void* pointer) noexcept { __libc_free(pointer); }
}
#endif
