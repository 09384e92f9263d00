// Tokens and their ids as tables for the models of text/tokenizer.hpp: byte strings and pairs of ids, looked up without
// an allocation.
#pragma once
#include <algorithm>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>
#include <vitrine/core/config.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::detail {

/// No id.
inline constexpr std::uint32_t no_token = 0xffffffff;

inline std::uint64_t mixed(std::uint64_t value) noexcept {
  value = (value ^ value >> 32) * 0xd6e8feb86659fd93u;
  return value ^ value >> 32;
}
/// Differs from run to run, so that no file can be made to collide in a table.
inline std::uint64_t table_seed() noexcept {
  static const std::uint64_t seed = [] {
    static const char place = 0;
    const auto now = std::chrono::steady_clock::now().time_since_epoch().count();
    return mixed(mixed(static_cast<std::uint64_t>(now)) ^ reinterpret_cast<std::uintptr_t>(&place));
  }();
  return seed;
}
inline std::uint64_t hash_of(std::string_view bytes, std::uint64_t seed) noexcept {
  std::uint64_t hash = seed ^ bytes.size() * 0x9e3779b97f4a7c15u, part = 0;
  std::size_t at = 0;
  for (; bytes.size() - at >= 8; at += 8) {
    std::memcpy(&part, bytes.data() + at, 8);
    hash = mixed(hash ^ part) + 0x9e3779b97f4a7c15u;
  }
  part = 0;
  std::memcpy(&part, bytes.data() + at, bytes.size() - at);
  return mixed(mixed(hash ^ part));
}

/// From byte strings to ids; of equal strings the last counts.
class TokenTable {
 public:
  void add(std::string_view token, std::uint32_t id) {
    if (2 * (count_ + 1) > slots_.size()) grow();
    Slot& slot = slots_[place(token, hash_of(token, seed_))];
    if (slot.id == no_token) {
      slot.begin = static_cast<std::uint32_t>(bytes_.size()), slot.size = static_cast<std::uint32_t>(token.size());
      bytes_.append(token);
      ++count_;
    }
    slot.id = id;
  }
  /// no_token for what is not there.
  std::uint32_t find(std::string_view token) const noexcept {
    return slots_.empty() ? no_token : slots_[place(token, hash_of(token, seed_))].id;
  }

 private:
  struct Slot {
    std::uint32_t begin = 0, size = 0, id = no_token;
  };
  std::size_t place(std::string_view token, std::uint64_t hash) const noexcept {
    for (std::size_t at = hash & (slots_.size() - 1);; at = (at + 1) & (slots_.size() - 1)) {
      const Slot& slot = slots_[at];
      if (slot.id == no_token || std::string_view(bytes_).substr(slot.begin, slot.size) == token) return at;
    }
  }
  void grow() {
    std::vector<Slot> old(std::max<std::size_t>(16, 2 * slots_.size()));
    old.swap(slots_);
    for (const Slot& slot : old)
      if (slot.id != no_token) {
        const std::string_view token = std::string_view(bytes_).substr(slot.begin, slot.size);
        slots_[place(token, hash_of(token, seed_))] = slot;
      }
  }
  std::uint64_t seed_ = table_seed();
  std::string bytes_;
  std::vector<Slot> slots_;
  std::size_t count_ = 0;
};

/// From two ids that stand side by side to the merge that joins them.
class MergeTable {
 public:
  struct Merge {
    std::uint32_t rank = no_token, id = no_token;
  };
  explicit MergeTable(std::size_t count) : slots_(std::bit_ceil(2 * count + 2)) {}
  /// Of equal pairs the last counts.
  void add(std::uint32_t left, std::uint32_t right, Merge merge) {
    slots_[place(key(left, right))] = {key(left, right), merge};
  }
  /// Rank no_token for a pair that is not joined.
  Merge find(std::uint32_t left, std::uint32_t right) const noexcept { return slots_[place(key(left, right))].merge; }

 private:
  struct Slot {
    std::uint64_t pair = ~std::uint64_t{0};
    Merge merge = {};
  };
  static std::uint64_t key(std::uint32_t left, std::uint32_t right) noexcept {
    return std::uint64_t{left} << 32 | right;
  }
  std::size_t place(std::uint64_t pair) const noexcept {
    std::size_t at = mixed(pair ^ seed_) & (slots_.size() - 1);
    while (slots_[at].pair != pair && slots_[at].merge.rank != no_token) at = (at + 1) & (slots_.size() - 1);
    return at;
  }
  std::uint64_t seed_ = table_seed();
  std::vector<Slot> slots_;
};

}  // namespace vitrine::inline VITRINE_ABI::detail

#include <vitrine/core/macros_pop.hpp>
