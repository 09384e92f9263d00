// The heap as a Memory. Layers with fixed sizes never name it.
//
// Large pieces that are released on Linux wait for the next one of their size: a fresh page costs a fault at its first
// use, and faults, not stores, are what makes fresh attention maps slow (bench/README.md). At most 256 MiB wait, in at
// most 256 pieces.
#pragma once
#include <vitrine/core/memory.hpp>

#include <bit>
#include <cstdint>
#include <cstdlib>
#include <new>
#if defined(__linux__)
#include <sys/mman.h>

#include <array>
#include <atomic>
#endif
// Address sanitizers see the use of released memory only where it is released.
#if defined(__has_feature)
#define VITRINE_HAS_FEATURE(x) __has_feature(x)
#else
#define VITRINE_HAS_FEATURE(x) 0
#endif
#if defined(__linux__) && !defined(__SANITIZE_ADDRESS__) && !VITRINE_HAS_FEATURE(address_sanitizer)
#define VITRINE_WAITING_PIECES 1
#else
#define VITRINE_WAITING_PIECES 0
#endif
#undef VITRINE_HAS_FEATURE

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

// 64-byte aligned memory of the C library; see the top of this header. Any thread; never fails but for want of memory,
// where allocate answers null.
const Memory* heap() noexcept;

// Gives back to the C library what waits to be used again, at most 256 MiB. Any thread.
void trim_heap() noexcept;

// ---- implementation

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

constexpr std::size_t large_piece = std::size_t{1} << 17, huge_page = std::size_t{1} << 21;

// Bytes of a piece. Of large ones those of about one size are the same to the next who asks, and the largest are whole
// huge pages.
constexpr std::size_t piece_bytes(std::size_t bytes) noexcept {
  if (bytes < large_piece) return round_up(bytes, alignment);
  const std::size_t step = std::bit_floor(bytes) / 8;
  return round_up(bytes, bytes >= 2 * huge_page && step < huge_page ? huge_page : step);
}

inline void* fresh_piece(std::size_t bytes) noexcept {
  const bool large = bytes >= 2 * huge_page;
  void* const pointer = aligned_bytes(large ? huge_page : alignment, bytes);
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  if (large && pointer != nullptr) static_cast<void>(madvise(pointer, bytes, MADV_HUGEPAGE));
#endif
  return pointer;
}

#if VITRINE_WAITING_PIECES
// Released pieces, each of which says its bytes in its own first word. Lock-free: a piece belongs to whoever took its
// address out of the place.
class WaitingPieces {
 public:
  static constexpr std::size_t most = std::size_t{1} << 28;  // a search of 32 sources with 4 beams has 180 MB

  // A piece of so many bytes, or null.
  void* take(std::size_t bytes) noexcept {
    if (bytes < large_piece) return nullptr;
    for (Place& place : places_) {
      if (place.bytes.load(std::memory_order_relaxed) != bytes) continue;
      void* const piece = exchange(place, nullptr);
      if (piece == nullptr) continue;
      if (bytes_of(piece) == bytes) return piece;
      put(piece, bytes_of(piece));
    }
    return nullptr;
  }
  // False where it may not wait. What has waited longest makes room, if there is none.
  bool put(void* pointer, std::size_t bytes) noexcept {
    if (bytes < large_piece || bytes > most) return false;
    bytes_of(pointer) = bytes;
    waiting_.fetch_add(bytes, std::memory_order_relaxed);
    const std::size_t at = next_.fetch_add(1, std::memory_order_relaxed);
    Place& place = empty_place(at);
    free_aligned(exchange(place, pointer));
    place.bytes.store(bytes, std::memory_order_relaxed);
    for (std::size_t i = 1; i < places_.size() && waiting_.load(std::memory_order_relaxed) > most; ++i)
      free_aligned(exchange(places_[(at + i) % places_.size()], nullptr));
    return true;
  }
  void trim() noexcept {
    for (Place& place : places_) free_aligned(exchange(place, nullptr));
  }

 private:
  // bytes: a hint, which another thread may have made untrue.
  struct Place {
    std::atomic<void*> piece{nullptr};
    std::atomic<std::size_t> bytes{0};
  };
  static std::size_t& bytes_of(void* piece) noexcept { return *static_cast<std::size_t*>(piece); }
  // The first that is empty from a place on, as it seems; else that place.
  Place& empty_place(std::size_t at) noexcept {
    for (std::size_t i = 0; i < places_.size(); ++i)
      if (Place& place = places_[(at + i) % places_.size()]; place.piece.load(std::memory_order_relaxed) == nullptr)
        return place;
    return places_[at % places_.size()];
  }
  // What waited in a place, which is counted no more.
  void* exchange(Place& place, void* piece) noexcept {
    void* const old = place.piece.exchange(piece, std::memory_order_acq_rel);
    if (old != nullptr) waiting_.fetch_sub(bytes_of(old), std::memory_order_relaxed);
    return old;
  }

  std::array<Place, 256> places_;  // each step of a search has two pieces: its maps
  std::atomic<std::size_t> waiting_{0}, next_{0};
};
inline WaitingPieces waiting_pieces;
#endif

}  // namespace detail

inline const Memory* heap() noexcept {
  static constexpr Memory memory{[](std::size_t wanted) noexcept -> void* {
                                   const std::size_t bytes = detail::piece_bytes(wanted);
#if VITRINE_WAITING_PIECES
                                   if (void* const piece = detail::waiting_pieces.take(bytes)) return piece;
                                   if (void* const piece = detail::fresh_piece(bytes)) return piece;
                                   trim_heap();
#endif
                                   return detail::fresh_piece(bytes);
                                 },
                                 [](void* pointer, std::size_t wanted) noexcept {
#if VITRINE_WAITING_PIECES
                                   if (pointer == nullptr) return;
                                   if (detail::waiting_pieces.put(pointer, detail::piece_bytes(wanted))) return;
#else
                                   static_cast<void>(wanted);
#endif
                                   detail::free_aligned(pointer);
                                 }};
  return &memory;
}

inline void trim_heap() noexcept {
#if VITRINE_WAITING_PIECES
  detail::waiting_pieces.trim();
#endif
}

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
