// Where bytes come from: a pair of functions, or the caller. Ownership is not a template argument.
//
//   Memory            two function pointers; null instead of one means "the caller's bytes": nothing refers to a heap
//   SharedValues<S>   immutable values that copies share (reference count in their bytes), or a view of caller bytes
//   SharedPieces<S>   makes SharedValues of many sizes, side by side
//   Buffer<S>         move-only values that grow through their Memory, or stay within the caller's span
//   Arena             hands out pieces of one range, 64-byte aligned; over nothing it counts what would be needed
#pragma once
#include <vitrine/core/config.hpp>
#include <vitrine/core/sizes.hpp>
#include <vitrine/core/status.hpp>

#include <atomic>
#include <new>
#include <span>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI {

// Both functions may be called from any thread. allocate returns `alignment`-aligned bytes, or null.
struct Memory {
  void* (*allocate)(std::size_t bytes) noexcept;
  void (*release)(void* pointer, std::size_t bytes) noexcept;
};

namespace detail {
// `count` values of S and `more` bytes, in whole pieces of `alignment`; null where no memory is that large.
template <class S>
void* allocate_values(const Memory* memory, Index count, std::size_t more, std::size_t& bytes) noexcept {
  bytes = round_up(sizes::bytes_of<S>(count), alignment) + more;
  return bytes < std::size_t(sizes::largest) ? memory->allocate(bytes) : nullptr;
}
}  // namespace detail

// n values that nobody changes. Copying is cheap and thread-safe: copies of owning values share their bytes.
template <class S>
class SharedValues {
 public:
  constexpr SharedValues() noexcept = default;
  // A view: the caller keeps the values alive and unchanged for as long as any copy is used.
  constexpr explicit SharedValues(std::span<const S> values) noexcept
      : data_(values.data()), size_(Index(values.size())) {}
  // `size` values that own their bytes, to be filled through `writable` before they are shared; empty if memory runs
  // out.
  static SharedValues make(const Memory* memory, Index size, S*& writable) noexcept {
    SharedValues shared;
    writable = nullptr;
    if (memory == nullptr || size < 0) return shared;
    std::size_t bytes = 0;
    void* raw = detail::allocate_values<S>(memory, size, alignment, bytes);
    if (raw == nullptr) return shared;
    shared.header_ = ::new (raw) Header{memory, bytes, {1}};
    writable = reinterpret_cast<S*>(static_cast<std::byte*>(raw) + alignment);
    shared.data_ = writable;
    shared.size_ = size;
    return shared;
  }
  constexpr SharedValues(const SharedValues& other) noexcept
      : data_(other.data_), size_(other.size_), header_(other.header_) {
    if (header_ != nullptr) header_->count.fetch_add(1, std::memory_order_relaxed);
  }
  constexpr SharedValues(SharedValues&& other) noexcept
      : data_(other.data_), size_(other.size_), header_(other.header_) {
    other.forget();
  }
  constexpr SharedValues& operator=(SharedValues other) noexcept {
    drop();
    data_ = other.data_, size_ = other.size_, header_ = other.header_;
    other.forget();
    return *this;
  }
  constexpr ~SharedValues() { drop(); }

  // `count` values from `first` on, which keep the bytes of all alive.
  constexpr SharedValues part(Index first, Index count) const noexcept {
    SharedValues some(*this);
    some.data_ += first, some.size_ = count;
    return some;
  }

  // The values; null when there are none.
  constexpr const S* data() const noexcept { return data_; }
  // How many values.
  constexpr Index size() const noexcept { return size_; }
  // Nothing was given or made.
  constexpr bool empty() const noexcept { return data_ == nullptr; }
  // The same as a span.
  constexpr std::span<const S> span() const noexcept { return {data_, std::size_t(size_)}; }
  // The bytes are shared by the copies, not the caller's.
  constexpr bool owns() const noexcept { return header_ != nullptr; }

 private:
  struct Header {
    const Memory* memory;
    std::size_t bytes;
    std::atomic<Index> count;
  };
  static_assert(sizeof(Header) <= alignment);
  constexpr void forget() noexcept { data_ = nullptr, size_ = 0, header_ = nullptr; }
  constexpr void drop() noexcept {
    if (header_ != nullptr && header_->count.fetch_sub(1, std::memory_order_acq_rel) == 1)
      header_->memory->release(header_, header_->bytes);
    forget();
  }

  const S* data_ = nullptr;
  Index size_ = 0;
  Header* header_ = nullptr;
};

// Makes SharedValues of many sizes, side by side in pieces of at most 32 MB, which get huge pages (heap.hpp) where one
// of them is too small: with pages of 4 KB a product waits for their addresses, and a row by weights in int8 takes a
// third longer. A piece is as large as what was expected to share it, and lives as long as one of its values.
template <class S>
class SharedPieces {
 public:
  // Over `memory`; null: make() finds none.
  explicit SharedPieces(const Memory* memory) noexcept : memory_(memory) {}
  SharedPieces(const SharedPieces&) = delete;
  SharedPieces& operator=(const SharedPieces&) = delete;

  // make() will be called for these sizes, in this order. What is not expected, and what would fill a piece, stands
  // alone.
  void expect(Index size) noexcept {
    const Index taken = piece_of(size);
    if (taken >= most) return;
    if (planned_ == 0 || pieces_[planned_ - 1] + taken > most) {
      if (planned_ == most_pieces) return;
      pieces_[planned_++] = 0;
    }
    pieces_[planned_ - 1] += taken;
  }
  // `size` values to be filled, as SharedValues::make gives them.
  SharedValues<S> make(Index size, S*& writable) noexcept {
    const Index taken = piece_of(size);
    const bool next = taken > piece_.size() - used_;
    if (size <= 0 || taken >= most || (next && !begin_piece(taken)))
      return SharedValues<S>::make(memory_, size, writable);
    writable = first_ + used_;
    used_ += taken;
    return piece_.part(used_ - taken, size);
  }

 private:
  static constexpr Index most = ((Index{32} << 20) - 4096) / Index(sizeof(S)), most_pieces = 256;
  // What so many values take of a piece.
  static constexpr Index piece_of(Index size) noexcept { return sizes::round_up(size, Index(alignment / sizeof(S))); }

  // The next piece, if it has room for so many values.
  bool begin_piece(Index values) noexcept {
    if (made_ == planned_ || pieces_[made_] < values) return false;
    piece_ = SharedValues<S>::make(memory_, pieces_[made_++], first_), used_ = 0;
    return first_ != nullptr;
  }

  const Memory* memory_;
  Index pieces_[most_pieces];  // their sizes
  Index planned_ = 0, made_ = 0;
  SharedValues<S> piece_;  // the one that is being filled
  S* first_ = nullptr;
  Index used_ = 0;
};

// n values of one owner. Growing does not keep the contents; a smaller size keeps the capacity.
template <class S>
class Buffer {
 public:
  // Grows through `memory`; null: empty until `use`.
  explicit Buffer(const Memory* memory = nullptr) noexcept : memory_(memory) {}
  // Caller memory, never grown.
  explicit Buffer(std::span<S> values) noexcept : data_(values.data()), capacity_(Index(values.size())) {}
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  Buffer(Buffer&& other) noexcept { take(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    if (this != &other) {
      drop();
      take(other);
    }
    return *this;
  }
  ~Buffer() { drop(); }

  // Answers result_too_small for caller memory that does not hold `size` values, out_of_memory when the Memory has no
  // more. A size that is `sizes::largest` or negative is no size: out_of_memory.
  Status resize(Index size) noexcept {
    if (size < 0) size = sizes::largest;
    if (size > capacity_) {
      if (memory_ == nullptr)
        return {Status::result_too_small, "the caller's result memory is too small: see result_bytes", capacity_, size,
                Status::at_least};
      std::size_t bytes = 0;
      void* fresh = detail::allocate_values<S>(memory_, size, 0, bytes);
      if (fresh == nullptr)
        return {Status::out_of_memory, "memory for the result ran out (values)", Status::unset, size, Status::at_least};
      drop();
      data_ = static_cast<S*>(fresh);
      bytes_ = bytes;
      capacity_ = size;
    }
    size_ = size;
    return {};
  }
  // The values; null when there are none.
  S* data() noexcept { return data_; }
  const S* data() const noexcept { return data_; }
  // How many values there are.
  Index size() const noexcept { return size_; }
  // Values that fit without another allocation.
  Index capacity() const noexcept { return capacity_; }
  // The values as a span.
  std::span<S> span() noexcept { return {data_, std::size_t(size_)}; }
  std::span<const S> span() const noexcept { return {data_, std::size_t(size_)}; }
  // Value i, unchecked.
  S& operator[](Index i) noexcept { return data_[i]; }
  const S& operator[](Index i) const noexcept { return data_[i]; }
  // Where it grows; null: it does not.
  const Memory* memory() const noexcept { return memory_; }
  // Where memory comes from, for a buffer that has neither memory nor a Memory yet.
  void use(const Memory* memory) noexcept {
    if (capacity_ == 0 && memory_ == nullptr) memory_ = memory;
  }

 private:
  void drop() noexcept {
    if (bytes_ != 0) memory_->release(data_, bytes_);
    data_ = nullptr, size_ = capacity_ = 0, bytes_ = 0;
  }
  void take(Buffer& other) noexcept {
    data_ = other.data_, size_ = other.size_, capacity_ = other.capacity_, bytes_ = other.bytes_;
    memory_ = other.memory_;
    other.data_ = nullptr, other.size_ = other.capacity_ = 0, other.bytes_ = 0;
  }

  S* data_ = nullptr;
  Index size_ = 0, capacity_ = 0;
  std::size_t bytes_ = 0;  // 0: the caller's
  const Memory* memory_ = nullptr;
};

// A bump pointer. The same code that takes pieces from a null Arena says how many bytes it will need.
class Arena {
 public:
  // Over these bytes, aligned to `alignment`; over null it only counts.
  constexpr explicit Arena(std::byte* base = nullptr) noexcept : base_(base) {}
  // The place of the next n values, n the product of the extents, uninitialised; null while counting. Never checks the
  // end: count first.
  template <class S, class... Extents>
  constexpr S* take(Index first, Extents... more) noexcept {
    const std::size_t offset = used_;
    used_ = sizes::sum_of_bytes(used_, round_up(sizes::bytes_of<S>(first, more...), alignment));
    return base_ == nullptr ? nullptr : reinterpret_cast<S*>(base_ + offset);
  }
  // Bytes handed out so far; `sizes::largest` where they cannot be counted.
  constexpr std::size_t used() const noexcept { return used_; }

 private:
  std::byte* base_;
  std::size_t used_ = 0;
};

}  // namespace vitrine::inline VITRINE_ABI

#include <vitrine/core/macros_pop.hpp>
