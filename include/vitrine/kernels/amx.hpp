// Sums of products of int8 codes by Intel's AMX: tiles of 16 rows by 16 columns, 64 codes deep.
//
//   AmxSums<Operations>    exact sums of rows of A by a panel, over the whole steps of 64 codes; the rest is VNNI's
//   AmxInstructions        the operations of the machine (VITRINE_AMX); amx_granted: whether this process may use them
//
// The operations are five, over eight registers of at most 16 rows of 64 bytes: configure, zero, load, multiply and
// store (Intel's Software Developer's Manual, LDTILECFG to TDPBSUD). A test puts a twin in their place. Integers are
// the same as by VNNI, so that a build may take either.
#pragma once
#include <vitrine/core/config.hpp>

#if VITRINE_AMX
#include <cpuid.h>
#endif

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::kernels::detail {

// What LDTILECFG reads: the shape of each register.
struct AmxShapes {
  std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
  std::uint16_t row_bytes[8] = {}, reserved_too[8] = {};
  std::uint8_t rows[8] = {}, reserved_last[8] = {};
};
static_assert(sizeof(AmxShapes) == 64);

// Registers 0 to 3 hold sums, of two tiles of rows by two of columns, 4 and 5 rows of A, 6 and 7 columns of a panel.
// The shapes for tiles of so many rows.
inline AmxShapes amx_shapes(Index rows) {
  AmxShapes made;
  for (int tile = 0; tile < 8; ++tile) {
    made.row_bytes[tile] = 64;
    made.rows[tile] = static_cast<std::uint8_t>(tile < 6 ? rows : 16);
  }
  return made;
}

// Rows of A, as VNNI reads them, by panels of 32 columns, four bytes of a column side by side: the sums over
// whole(depth) columns of A of some rows and one panel at a time. The rows are cut into tiles of 16, the last of which
// begins 16 before the end, so that one configuration serves a call; fewer rows than 16 are one tile.
template <class Operations>
class AmxSums {
 public:
  // As many rows are summed at a time, where there are as many: of whole tiles, and of VNNI's.
  static constexpr Index block = 48, columns = 32;
  // Rows below which VNNI is as fast: it takes 16 cycles a row for what two multiplications of a tile take 32.
  static constexpr Index least_rows = 4;

  AmxSums(const std::int8_t* a, Index stride, Index rows, Index depth)
      : a_(a), stride_(stride), rows_(rows), whole_(rows < least_rows ? 0 : depth / 64 * 64) {
    if (whole_ == 0) return;
    tile_rows_ = rows < 16 ? rows : 16;
    Operations::configure(amx_shapes(tile_rows_));
  }
  AmxSums(const AmxSums&) = delete;
  AmxSums& operator=(const AmxSums&) = delete;
  ~AmxSums() {
    if (whole_ != 0) Operations::release();
  }

  // Columns of A that are summed here; the others are the caller's.
  Index whole() const { return whole_; }
  // Rows first ... of at most a block, by the panel whose codes begin there.
  void sum(Index first, const unsigned char* panel) {
    const Index end = rows_ - first < block ? rows_ : first + block;
    first_ = start(first);
    for (Index r = first; r < end; r += 32)
      if (r + 16 < end)
        tiles<true>(start(r), start(r + 16), panel);
      else
        tiles<false>(start(r), 0, panel);
  }
  // The sums of row r of the last block: `columns` of them, from one row to the next.
  const std::int32_t* row(Index r) const { return sums_ + (r - first_) * columns; }

 private:
  Index start(Index r) const { return r < rows_ - tile_rows_ ? r : rows_ - tile_rows_; }

  // One tile of rows, or two, by the panel.
  template <bool Two>
  void tiles(Index upper, Index lower, const unsigned char* panel) {
    Operations::template zero<0>();
    Operations::template zero<1>();
    if constexpr (Two) {
      Operations::template zero<2>();
      Operations::template zero<3>();
    }
    constexpr Index step = columns * 4;  // from four columns of A in the panel to the next four
    for (Index k = 0; k < whole_; k += 64, panel += 16 * step) {
      Operations::template load<6>(panel, step);
      Operations::template load<7>(panel + 64, step);
      Operations::template load<4>(a_ + upper * stride_ + k, stride_);
      Operations::template multiply<0, 4, 6>();
      Operations::template multiply<1, 4, 7>();
      if constexpr (Two) {
        Operations::template load<5>(a_ + lower * stride_ + k, stride_);
        Operations::template multiply<2, 5, 6>();
        Operations::template multiply<3, 5, 7>();
      }
    }
    store<0>(upper);
    if constexpr (Two) store<2>(lower);
  }
  template <int Tile>
  void store(Index row) {
    constexpr Index step = columns * Index{sizeof(std::int32_t)};
    std::int32_t* const to = sums_ + (row - first_) * columns;
    Operations::template store<Tile>(to, step);
    Operations::template store<Tile + 1>(to + 16, step);
  }

  const std::int8_t* a_;
  Index stride_, rows_, whole_, tile_rows_ = 0, first_ = 0;
  alignas(64) std::int32_t sums_[block * columns];
};

#if VITRINE_AMX

// Not by the compilers' intrinsics: g++'s do not tell it which memory they read.
struct AmxInstructions {
  static VITRINE_INLINE void configure(const AmxShapes& shapes) { asm volatile("ldtilecfg %0" : : "m"(shapes)); }
  static VITRINE_INLINE void release() { asm volatile("tilerelease"); }
  template <int Tile>
  static VITRINE_INLINE void zero() {
    asm volatile("tilezero %%tmm%c0" : : "i"(Tile));
  }
  // Rows `stride` bytes apart.
  template <int Tile>
  static VITRINE_INLINE void load(const void* from, Index stride) {
    asm volatile("{tileloadd (%0,%1,1), %%tmm%c2|tileloadd %%tmm%c2, [%0+%1*1]}"
                 :
                 : "r"(from), "r"(stride), "i"(Tile)
                 : "memory");
  }
  template <int Tile>
  static VITRINE_INLINE void store(void* to, Index stride) {
    asm volatile("{tilestored %%tmm%c2, (%0,%1,1)|tilestored [%0+%1*1], %%tmm%c2}"
                 :
                 : "r"(to), "r"(stride), "i"(Tile)
                 : "memory");
  }
  // sums += rows, with a sign, by columns, without.
  template <int Sums, int Rows, int Columns>
  static VITRINE_INLINE void multiply() {
    asm volatile("{tdpbsud %%tmm%c2, %%tmm%c1, %%tmm%c0|tdpbsud %%tmm%c0, %%tmm%c1, %%tmm%c2}"
                 :
                 : "i"(Sums), "i"(Rows), "i"(Columns));
  }
};

// Does the processor have the instructions, and does Linux give this process the registers' state? Asked for once
// (arch_prctl(ARCH_REQ_XCOMP_PERM, XTILEDATA), which an older kernel refuses); from any thread.
inline bool amx_granted() {
  static const bool granted = [] {
    unsigned a = 0, b = 0, c = 0, d = 0;
    constexpr unsigned tile_and_int8 = 3u << 24;
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0 || (d & tile_and_int8) != tile_and_int8) return false;
    long answer = 158;  // the system call's number
    asm volatile("syscall" : "+a"(answer) : "D"(0x1023L), "S"(18L) : "rcx", "r11", "memory");
    return answer == 0;
  }();
  return granted;
}

#endif

}  // namespace vitrine::inline VITRINE_ABI::kernels::detail

#include <vitrine/core/macros_pop.hpp>
