// For tests of products: the naive twin, one chain of fma for each element, and memory between pages that trap.
#pragma once
#include <vitrine/kernels/activation.hpp>

#if __has_include(<sys/mman.h>)
#include <sys/mman.h>
#include <unistd.h>
#define SUPPORT_GUARD_PAGES 1
#endif

#include <cstdint>
#include <cstring>
#include <vector>

namespace support::product {

using vitrine::Activation;
using vitrine::Index;

template <class S>
std::vector<S> values(Index count, std::uint64_t seed) {
  std::vector<S> made(static_cast<std::size_t>(count));
  std::uint64_t state = seed * 2862933555777941757u + 3037000493u;
  for (S& value : made) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    value = S(double(state >> 11) * 0x1p-52 - 1);
  }
  return made;
}

// The sum of k ascending, each term by one fma; a(k) and b(k) are the factors.
template <class S, class A, class B>
S chain(Index depth, A&& a, B&& b) {
  S sum = 0;
  for (Index k = 0; k < depth; ++k) sum = vitrine::fma(a(k), b(k), sum);
  return sum;
}

// act(alpha * sum + bias) + residual, each rounded; null: none. One lane of the vector function, as elsewhere.
template <class S>
S epilogue(S sum, S alpha, const S* bias, Activation activation, const S* residual) {
  using V = vitrine::simd<S>;
  if (alpha != S(1)) sum = vitrine::mul(sum, alpha);
  if (bias != nullptr) sum = sum + *bias;
  S lanes[V::lanes];
  V::store(lanes, vitrine::kernels::activate<S>(activation, V::set1(sum)));
  if (residual != nullptr) lanes[0] = lanes[0] + *residual;
  return lanes[0];
}

// Equal by bits.
template <class S>
bool same(const S* x, const S* y, Index count) {
  return count == 0 || std::memcmp(x, y, std::size_t(count) * sizeof(S)) == 0;
}

#ifdef SUPPORT_GUARD_PAGES
// A copy of values that ends where a trapping page begins, or begins where one ends.
template <class S>
class Guarded {
 public:
  Guarded(const std::vector<S>& values, bool at_end) {
    const std::size_t page = std::size_t(sysconf(_SC_PAGESIZE)), bytes = values.size() * sizeof(S);
    const std::size_t inside = (bytes + page - 1) / page * page;
    size_ = inside + 2 * page;
    void* const mapped = mmap(nullptr, size_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED) return;
    base_ = static_cast<char*>(mapped);
    if (inside > 0 && mprotect(base_ + page, inside, PROT_READ | PROT_WRITE) != 0) return;
    data_ = reinterpret_cast<S*>(base_ + page + (at_end ? inside - bytes : 0));
    if (bytes > 0) std::memcpy(data_, values.data(), bytes);
  }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;
  ~Guarded() {
    if (base_ != nullptr) munmap(base_, size_);
  }
  S* data() const { return data_; }

 private:
  char* base_ = nullptr;
  std::size_t size_ = 0;
  S* data_ = nullptr;
};
#endif

}  // namespace support::product
