// AMX in software: the operations of kernels/amx.hpp as Intel's manual describes them, with its checks of shapes.
#pragma once
#include <vitrine/kernels/amx.hpp>

#include <cstring>

namespace support {

struct AmxTwin {
  using Index = vitrine::Index;
  struct State {
    vitrine::kernels::detail::AmxShapes shapes;
    unsigned char tiles[8][16][64];
    bool configured = false;
    int faults = 0;  // what the processor would refuse
    int configurations = 0, products = 0;
  };
  static State& state() {
    static thread_local State one;
    return one;
  }
  static int rows(int tile) { return state().shapes.rows[tile]; }
  static int bytes(int tile) { return state().shapes.row_bytes[tile]; }
  static void check(bool right) { state().faults += !right; }

  static void configure(const vitrine::kernels::detail::AmxShapes& shapes) {
    State& now = state();
    now.shapes = shapes, now.configured = true, ++now.configurations;
    std::memset(now.tiles, 0, sizeof now.tiles);
    check(shapes.palette == 1 && shapes.start_row == 0);
    for (int tile = 0; tile < 8; ++tile)
      check(rows(tile) >= 1 && rows(tile) <= 16 && bytes(tile) >= 4 && bytes(tile) <= 64 && bytes(tile) % 4 == 0);
    for (const unsigned char one : shapes.reserved) check(one == 0);
    for (const std::uint16_t one : shapes.reserved_too) check(one == 0);
    for (const unsigned char one : shapes.reserved_last) check(one == 0);
  }
  static void release() {
    check(state().configured);
    state().configured = false;
  }
  template <int Tile>
  static void zero() {
    check(state().configured);
    std::memset(state().tiles[Tile], 0, sizeof state().tiles[Tile]);
  }
  template <int Tile>
  static void load(const void* from, Index stride) {
    zero<Tile>();
    for (int r = 0; r < rows(Tile); ++r)
      std::memcpy(state().tiles[Tile][r], static_cast<const unsigned char*>(from) + r * stride,
                  std::size_t(bytes(Tile)));
  }
  template <int Tile>
  static void store(void* to, Index stride) {
    check(state().configured);
    for (int r = 0; r < rows(Tile); ++r)
      std::memcpy(static_cast<unsigned char*>(to) + r * stride, state().tiles[Tile][r], std::size_t(bytes(Tile)));
  }
  template <int Sums, int Rows, int Columns>
  static void multiply() {
    State& now = state();
    ++now.products;
    check(now.configured && Sums != Rows && Sums != Columns && Rows != Columns);
    check(rows(Sums) == rows(Rows) && bytes(Sums) == bytes(Columns) && bytes(Rows) == 4 * rows(Columns));
    for (int m = 0; m < rows(Sums); ++m)
      for (int n = 0; n < bytes(Sums) / 4; ++n) {
        std::int32_t sum;
        std::memcpy(&sum, now.tiles[Sums][m] + 4 * n, sizeof sum);
        for (int k = 0; k < bytes(Rows); ++k)
          sum += int(static_cast<signed char>(now.tiles[Rows][m][k])) * int(now.tiles[Columns][k / 4][4 * n + k % 4]);
        std::memcpy(now.tiles[Sums][m] + 4 * n, &sum, sizeof sum);
      }
  }
};

}  // namespace support
