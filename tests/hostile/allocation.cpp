#include "allocation.hpp"

#include <atomic>
#include <cstdlib>
#include <new>

namespace {

std::atomic<std::size_t> used{0}, peak{0};
constexpr std::size_t before = alignof(std::max_align_t);  // where a block's size is kept

}  // namespace

std::size_t start_counting_allocation() {
  peak = used.load();
  return peak;
}

std::size_t peak_allocation() { return peak; }

void* operator new(std::size_t bytes) {
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

void* operator new[](std::size_t bytes) { return operator new(bytes); }
void operator delete[](void* pointer) noexcept { operator delete(pointer); }
void operator delete(void* pointer, std::size_t) noexcept { operator delete(pointer); }
void operator delete[](void* pointer, std::size_t) noexcept { operator delete(pointer); }
