#include <vitrine/core/heap.hpp>
#include <vitrine/core/memory.hpp>
#include <vitrine/core/workspace.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <thread>
#include <utility>
#include <vector>

namespace vt = vitrine;
using vt::Index;
using vt::Status;

namespace {

// Counts, and fails from a given allocation on.
struct Counting {
  static inline int allocations = 0, releases = 0, left = -1;
  static inline std::size_t bytes = 0, most = ~std::size_t{0};
  static const vt::Memory* memory() {
    static constexpr vt::Memory m{[](std::size_t n) noexcept -> void* {
                                    if (left == 0 || n > most) return nullptr;
                                    --left, ++allocations, bytes += n;
                                    return vt::heap()->allocate(n);
                                  },
                                  [](void* p, std::size_t n) noexcept {
                                    ++releases, bytes -= n;
                                    vt::heap()->release(p, n);
                                  }};
    return &m;
  }
  static void reset(int limit = -1) { allocations = releases = 0, left = limit, bytes = 0, most = ~std::size_t{0}; }
};

bool aligned(const void* p) { return reinterpret_cast<std::uintptr_t>(p) % vt::alignment == 0; }

}  // namespace

TEST_CASE("the heap gives aligned memory of every size") {
  for (const std::size_t bytes : {1u, 63u, 64u, 65u, 4096u, 5u << 20}) {
    auto* p = static_cast<unsigned char*>(vt::heap()->allocate(bytes));
    REQUIRE(p != nullptr);
    CHECK(aligned(p));
    p[0] = p[bytes - 1] = 1;
    vt::heap()->release(p, bytes);
  }
}

TEST_CASE("a large piece that was released is the next one of about its size, until the heap is trimmed") {
  vt::trim_heap();
  constexpr std::size_t bytes = 3u << 20;
  void* const first = vt::heap()->allocate(bytes);
  REQUIRE(first != nullptr);
  vt::heap()->release(first, bytes);
  void* const again = vt::heap()->allocate(bytes - 1000);
  void* const other = vt::heap()->allocate(bytes);  // nothing waits
  CHECK(other != again);
#if VITRINE_WAITING_PIECES
  CHECK(again == first);
#endif
  vt::heap()->release(other, bytes);
  vt::heap()->release(again, bytes - 1000);
  vt::trim_heap();
  vt::trim_heap();
}

TEST_CASE("pieces that wait are the last that were released, and belong to one thread each") {
  vt::trim_heap();
  std::vector<void*> pieces;
  const auto release = [&](std::size_t bytes) {
    for (void* const piece : pieces) vt::heap()->release(piece, bytes);
    pieces.clear();
  };
  for (int i = 0; i < 40; ++i) pieces.push_back(vt::heap()->allocate(std::size_t{8} << 20));
  release(std::size_t{8} << 20);
  constexpr std::size_t large = std::size_t{100} << 20;
  auto* const behind = static_cast<unsigned char*>(vt::heap()->allocate(large));
  REQUIRE(behind != nullptr);
  behind[large / 2] = 7;
  vt::heap()->release(behind, large);
  auto* const again = static_cast<unsigned char*>(vt::heap()->allocate(large));
  REQUIRE(again != nullptr);
#if VITRINE_WAITING_PIECES
  CHECK(again == behind);
  CHECK(again[large / 2] == 7);  // its page has not gone back to the system, which would have cleared it
#endif
  vt::heap()->release(again, large);
  for (int i = 0; i < 300; ++i) pieces.push_back(vt::heap()->allocate(std::size_t{1} << 18));
  release(std::size_t{1} << 18);
  std::vector<std::thread> threads;
  std::atomic<int> shared{0};
  for (unsigned char id = 1; id <= 4; ++id)
    threads.emplace_back([id, &shared] {
      for (int round = 0; round < 2000; ++round) {
        const std::size_t size = std::size_t{1} << (17 + round % 3);
        auto* const piece = static_cast<volatile unsigned char*>(vt::heap()->allocate(size));
        if (piece == nullptr) continue;
        for (const std::size_t at : {std::size_t{0}, std::size_t{100}, size - 1}) piece[at] = id;
        std::this_thread::yield();
        for (const std::size_t at : {std::size_t{0}, std::size_t{100}, size - 1}) shared += piece[at] != id;
        vt::heap()->release(const_cast<unsigned char*>(piece), size);
      }
    });
  for (std::thread& one : threads) one.join();
  CHECK(shared == 0);
  vt::trim_heap();
}

#if VITRINE_WAITING_PIECES
TEST_CASE("of more than may wait the last that were put wait, and nothing beyond") {
  vt::detail::WaitingPieces waiting;
  const auto put = [&](int count, std::size_t bytes) {
    for (int i = 0; i < count; ++i) {
      void* const piece = vt::detail::aligned_bytes(vt::alignment, bytes);
      REQUIRE(piece != nullptr);
      CHECK(waiting.put(piece, bytes));
    }
  };
  const auto taken = [&](std::size_t bytes) {
    int count = 0;
    for (void* piece; (piece = waiting.take(bytes)) != nullptr; ++count) vt::detail::free_aligned(piece);
    return count;
  };
  constexpr std::size_t small = vt::detail::large_piece, large = std::size_t{100} << 20;
  put(300, small);
  CHECK(taken(small) == 256);
  put(5, small);
  put(3, large);
  CHECK(taken(large) == 2);
  CHECK(taken(small) == 0);  // they had waited longer
  put(2, waiting.most / 2);
  CHECK(taken(waiting.most / 2) == 2);
  void* const larger = vt::detail::aligned_bytes(vt::alignment, 2 * waiting.most);
  REQUIRE(larger != nullptr);
  CHECK(!waiting.put(larger, 2 * waiting.most));
  CHECK(!waiting.put(larger, small - vt::alignment));
  vt::detail::free_aligned(larger);
  put(2, small);
  waiting.trim();
  CHECK(taken(small) == 0);
}
#endif

TEST_CASE("a Buffer grows through its memory, keeps its capacity, and stays as it was when there is none") {
  Counting::reset();
  {
    vt::Buffer<float> buffer(Counting::memory());
    CHECK(buffer.resize(0) == Status::ok);
    CHECK(Counting::allocations == 0);
    CHECK(buffer.resize(10) == Status::ok);
    CHECK(aligned(buffer.data()));
    CHECK(buffer.resize(3) == Status::ok);
    CHECK(buffer.size() == 3);
    CHECK(buffer.resize(10) == Status::ok);
    CHECK(Counting::allocations == 1);
    buffer[9] = 7;
    Counting::left = 0;
    const Status status = buffer.resize(1000);
    CHECK(status == Status::out_of_memory);
    CHECK(status.expected == 1000);
    CHECK(buffer.size() == 10);
    CHECK(buffer[9] == 7);

    Counting::left = -1;
    vt::Buffer<float> other = std::move(buffer);
    CHECK(other[9] == 7);
    CHECK(buffer.size() == 0);
    CHECK(buffer.resize(4) == Status::ok);  // a moved-from buffer may be used again
    other = std::move(buffer);
    CHECK(other.size() == 4);
    CHECK(Counting::releases == 1);
  }
  CHECK(Counting::allocations == Counting::releases);
  CHECK(Counting::bytes == 0);
}

TEST_CASE("a Buffer over the caller's memory never allocates") {
  double values[4];
  vt::Buffer<double> buffer(values);
  CHECK(buffer.resize(4) == Status::ok);
  CHECK(buffer.data() == values);
  const Status status = buffer.resize(5);
  CHECK(status == Status::result_too_small);
  CHECK(status.actual == 4);
  CHECK(status.expected == 5);
  CHECK(buffer.size() == 4);
}

TEST_CASE("a part of SharedValues keeps the bytes of all") {
  double* writable = nullptr;
  auto all = vt::SharedValues<double>::make(vt::heap(), 6, writable);
  REQUIRE(writable != nullptr);
  for (int i = 0; i < 6; ++i) writable[i] = i;
  const auto part = all.part(2, 3);
  all = vt::SharedValues<double>();
  CHECK(part.size() == 3);
  CHECK(part.owns());
  CHECK((part.data()[0] == 2 && part.data()[2] == 4));
}

TEST_CASE("SharedPieces stand side by side, aligned, in pieces that live as long as one of them") {
  const Index megabyte = Index{1} << 18;  // in floats
  const Index sizes[] = {3, megabyte, 5 * megabyte + 1, 0, 8 * megabyte, 20 * megabyte, 7};
  std::vector<vt::SharedValues<float>> made;
  Counting::reset();
  {
    vt::SharedPieces<float> pieces(Counting::memory());
    for (const Index size : sizes) pieces.expect(size);
    for (const Index size : sizes) {
      float* writable = nullptr;
      made.push_back(pieces.make(size, writable));
      REQUIRE(writable != nullptr);
      CHECK(aligned(writable));
      CHECK(made.back().data() == writable);
      CHECK(made.back().size() == size);
      std::fill_n(writable, size, float(made.size()));
    }
  }
  for (std::size_t i = 0; i < made.size(); ++i) {
    const auto values = made[i].span();
    CHECK(std::count(values.begin(), values.end(), float(i + 1)) == made[i].size());
  }
  CHECK(made[1].data() - made[0].data() == Index(vt::alignment / sizeof(float)));
  // 14 MB; the empty one; 20 MB and the last: with no room behind them.
  CHECK(Counting::allocations == 3);
  CHECK(Counting::bytes < (std::size_t{34} << 20) + 4096);
  const auto kept = made[2];
  made.clear();
  CHECK(Counting::releases == 2);
  CHECK(kept.data()[0] == 3);
}

TEST_CASE("SharedPieces: what is larger than a piece or more than was said stands alone; none is made without memory") {
  float* writable = nullptr;
  Counting::reset();
  {
    vt::SharedPieces<float> pieces(Counting::memory());
    pieces.expect(100);
    const auto large = pieces.make(Index{9} << 20, writable), more = pieces.make(50, writable);
    CHECK(large.size() == Index{9} << 20);
    CHECK(Counting::allocations == 2);
    CHECK(pieces.make(-1, writable).empty());
    CHECK(pieces.make(vt::sizes::largest, writable).empty());
    CHECK(writable == nullptr);
  }
  CHECK(Counting::bytes == 0);
  Counting::reset(0);
  for (const vt::Memory* memory : {Counting::memory(), static_cast<const vt::Memory*>(nullptr)}) {
    vt::SharedPieces<float> pieces(memory);
    pieces.expect(5), pieces.expect(100);
    CHECK(pieces.make(5, writable).empty());
    CHECK(writable == nullptr);
  }
  // A piece is more than there is, one weight is not.
  Counting::reset();
  Counting::most = 1000;
  vt::SharedPieces<float> pieces(Counting::memory());
  pieces.expect(50), pieces.expect(950);
  CHECK(pieces.make(50, writable).size() == 50);
}

TEST_CASE("copies of SharedValues share their bytes, on any thread; the last one releases them") {
  Counting::reset();
  {
    double* writable = nullptr;
    auto block = vt::SharedValues<double>::make(Counting::memory(), 5, writable);
    REQUIRE(writable != nullptr);
    CHECK(aligned(writable));
    CHECK(block.owns());
    writable[4] = 3;
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
      threads.emplace_back([block] {
        for (int j = 0; j < 1000; ++j) {
          vt::SharedValues<double> copy = block, moved = std::move(copy);
          copy = moved;
        }
      });
    for (auto& thread : threads) thread.join();
    vt::SharedValues<double> copy = block;
    CHECK(copy.data() == block.data());
    block = vt::SharedValues<double>();
    CHECK(block.empty());
    CHECK(copy.span()[4] == 3);
    CHECK(Counting::releases == 0);
  }
  CHECK(Counting::releases == 1);
  CHECK(Counting::bytes == 0);

  Counting::reset(0);
  double* none = nullptr;
  CHECK(vt::SharedValues<double>::make(Counting::memory(), 5, none).empty());
  CHECK(none == nullptr);
  const double values[] = {1, 2};
  const vt::SharedValues<double> view{std::span<const double>(values)};
  CHECK_FALSE(view.owns());
  CHECK(view.data() == values);
}

TEST_CASE("an Arena over nothing counts what it would hand out") {
  alignas(64) std::byte bytes[512];
  vt::Arena counting, real(bytes);
  for (vt::Arena* arena : {&counting, &real}) {
    const auto* a = arena->take<float>(3);
    const auto* none = arena->take<float>(0);
    const auto* b = arena->take<double>(9);
    CHECK(arena->used() == 64 + 128);
    if (arena == &real) {
      CHECK(reinterpret_cast<const std::byte*>(a) == bytes);
      CHECK(reinterpret_cast<const std::byte*>(b) == bytes + 64);
    } else {
      CHECK(a == nullptr);
      CHECK(none == nullptr);
      CHECK(b == nullptr);
    }
  }
}

TEST_CASE("a Workspace over the caller's memory aligns it and says when it is too small") {
  std::vector<std::byte> bytes(1000);
  for (const std::size_t skip : {0u, 1u, 33u}) {
    vt::Workspace workspace(std::span<std::byte>(bytes).subspan(skip));
    CHECK(workspace.reserve(800) == Status::ok);
    CHECK(aligned(workspace.data()));
    CHECK(workspace.data() >= bytes.data() + skip);
    CHECK(workspace.data() + 800 <= bytes.data() + bytes.size());
    const Status status = workspace.reserve(1001);
    CHECK(status == Status::workspace_too_small);
    CHECK(status.expected == 1001);
    CHECK(workspace.peak_bytes() == 1001);
  }
  alignas(vt::alignment) std::byte few[vt::alignment];
  CHECK(vt::Workspace(std::span<std::byte>(few).subspan(1)).reserve(1) == Status::workspace_too_small);
  CHECK(vt::Workspace(vt::heap(), 3).threads() == 3);
  CHECK(vt::Workspace(vt::heap()).threads() >= 1);
  CHECK(vt::Workspace(vt::heap(), -1).threads() >= 1);
}
