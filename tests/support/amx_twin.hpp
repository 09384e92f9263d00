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
  static void zero(int tile) {
    check(state().configured);
    std::memset(state().tiles[tile], 0, sizeof state().tiles[tile]);
  }
  static void load(int tile, const void* from, Index stride) {
    zero(tile);
    for (int r = 0; r < rows(tile); ++r)
      std::memcpy(state().tiles[tile][r], static_cast<const unsigned char*>(from) + r * stride,
                  std::size_t(bytes(tile)));
  }
  static void store(int tile, void* to, Index stride) {
    check(state().configured);
    for (int r = 0; r < rows(tile); ++r)
      std::memcpy(static_cast<unsigned char*>(to) + r * stride, state().tiles[tile][r], std::size_t(bytes(tile)));
  }
  static void multiply(int sums, int a, int b) {
    State& now = state();
    ++now.products;
    check(now.configured && sums != a && sums != b && a != b);
    check(rows(sums) == rows(a) && bytes(sums) == bytes(b) && bytes(a) == 4 * rows(b));
    for (int m = 0; m < rows(sums); ++m)
      for (int n = 0; n < bytes(sums) / 4; ++n) {
        std::int32_t sum;
        std::memcpy(&sum, now.tiles[sums][m] + 4 * n, sizeof sum);
        for (int k = 0; k < bytes(a); ++k)
          sum += int(static_cast<signed char>(now.tiles[a][m][k])) * int(now.tiles[b][k / 4][4 * n + k % 4]);
        std::memcpy(now.tiles[sums][m] + 4 * n, &sum, sizeof sum);
      }
  }

  template <int Tile>
  static void zero() {
    zero(Tile);
  }
  template <int Tile>
  static void load(const void* from, Index stride) {
    load(Tile, from, stride);
  }
  template <int Tile>
  static void store(void* to, Index stride) {
    store(Tile, to, stride);
  }
  template <int Sums, int Rows, int Columns>
  static void multiply() {
    multiply(Sums, Rows, Columns);
  }
};

}  // namespace support
