#include "allocation.hpp"

#include <atomic>
#include <cstdlib>
#include <new>

namespace {

std::atomic<std::size_t> used{0}, peak{0};
std::atomic<long> left{-1};  // negative: as many as wanted
std::atomic<std::size_t> smallest{1};
constexpr std::size_t before = alignof(std::max_align_t);  // where a block's size is kept

}  // namespace

std::size_t start_counting_allocation() {
  peak = used.load();
  return peak;
}

std::size_t peak_allocation() { return peak; }

void fail_allocation_after(long count, std::size_t least) {
  left = count;
  smallest = least;
}

void* operator new(std::size_t bytes) {
  if (left >= 0 && bytes >= smallest) {
    if (left == 0) throw std::bad_alloc();
    --left;
  }
  auto* block = static_cast<unsigned char*>(std::malloc(bytes + before));
  if (!block) throw std::bad_alloc();
  *reinterpret_cast<std::size_t*>(block) = bytes;
  const std::size_t now = used += bytes;
  for (std::size_t highest = peak; now > highest && !peak.compare_exchange_weak(highest, now);) {}
  return block + before;
}

void operator delete(void* pointer) noexcept {
  if (!pointer) return;
  auto* block = static_cast<unsigned char*>(pointer) - before;
  used -= *reinterpret_cast<std::size_t*>(block);
  std::free(block);
}

// These too, which the address sanitizer has of its own: std::stable_sort.
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  try {
    return operator new(bytes);
  } catch (const std::bad_alloc&) { return nullptr; }
}
void* operator new[](std::size_t bytes, const std::nothrow_t& none) noexcept { return operator new(bytes, none); }
void operator delete(void* pointer, const std::nothrow_t&) noexcept { operator delete(pointer); }
void operator delete[](void* pointer, const std::nothrow_t&) noexcept { operator delete(pointer); }

void* operator new[](std::size_t bytes) { return operator new(bytes); }
void operator delete[](void* pointer) noexcept { operator delete(pointer); }
void operator delete(void* pointer, std::size_t) noexcept { operator delete(pointer); }
void operator delete[](void* pointer, std::size_t) noexcept { operator delete(pointer); }
