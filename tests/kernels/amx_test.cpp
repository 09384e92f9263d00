// Sums by AMX, with its twin in software for the instructions: any rows, depth and panel, no byte read that is not an
// operand's.
#include <vitrine/kernels/amx.hpp>

#include "../support/amx_twin.hpp"
#include "../support/product.hpp"

#include <doctest/doctest.h>

#include <vector>

namespace vt = vitrine;
namespace detail = vitrine::kernels::detail;
using vt::Index;

#if defined(SUPPORT_GUARD_PAGES) && !defined(__aarch64__)  // under qemu it would cost seconds and show nothing else

namespace {

using Sums = detail::AmxSums<support::AmxTwin>;

template <class T>
std::vector<T> codes(Index count, unsigned seed) {
  std::vector<T> made(static_cast<std::size_t>(count));
  std::uint32_t state = seed * 2654435761u + 1u;
  for (T& one : made) state = state * 1664525u + 1013904223u, one = T(state >> 24);
  return made;
}

// Rows [0, rows) by one panel: how many sums are wrong.
int wrong_sums(Index rows, Index depth, bool at_end) {
  const Index stride = (depth + 15) / 16 * 16 + 64, steps = (depth + 3) / 4;
  const Index room = (rows - 1) * stride + depth;  // nothing behind the last row's last code
  const support::product::Guarded<std::int8_t> a(codes<std::int8_t>(room, 1), at_end);
  const support::product::Guarded<unsigned char> panel(codes<unsigned char>(steps * 128, 2), at_end);
  int wrong = 0;
  Sums sums(a.data(), stride, rows, depth);
  for (Index r = 0; r < rows && sums.whole() > 0; ++r) {
    if (r % Sums::block == 0) sums.sum(r, panel.data());
    for (Index n = 0; n < Sums::columns; ++n) {
      int sum = 0;
      for (Index k = 0; k < sums.whole(); ++k)
        sum += int(a.data()[r * stride + k]) * int(panel.data()[k / 4 * 128 + n * 4 + k % 4]);
      wrong += sums.row(r)[n] != sum;
    }
  }
  return wrong;
}

}  // namespace

TEST_CASE("sums by AMX are the naive ones, of any number of rows") {
  support::AmxTwin::state() = {};
  for (const bool at_end : {false, true})
    for (const Index rows : {4, 5, 15, 16, 17, 31, 32, 33, 40, 47, 48, 49, 63, 64, 65, 96, 97, 113})
      for (const Index depth : {64, 67, 200}) {
        CAPTURE(rows);
        CAPTURE(depth);
        CHECK(wrong_sums(rows, depth, at_end) == 0);
        CHECK_FALSE(support::AmxTwin::state().configured);  // released
      }
  CHECK(support::AmxTwin::state().faults == 0);
  CHECK(support::AmxTwin::state().products > 0);
}

TEST_CASE("few rows and what is less deep than a tile are left to others, without touching the machine") {
  support::AmxTwin::state() = {};
  const std::int8_t a[3 * 64] = {};
  CHECK(Sums(a, 64, 3, 64).whole() == 0);
  CHECK(Sums(a, 0, 40, 63).whole() == 0);
  CHECK(support::AmxTwin::state().configurations == 0);
  CHECK(Sums(a, 0, 40, 191).whole() == 128);
  CHECK(support::AmxTwin::state().configurations == 1);
}

#endif

#if VITRINE_AMX
TEST_CASE("whether AMX may be used is asked for once") { CHECK(detail::amx_granted() == detail::amx_granted()); }
#endif
