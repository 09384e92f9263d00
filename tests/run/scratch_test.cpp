#include <vitrine/run/scratch.hpp>

#include "../support/support.hpp"

namespace kernels = vitrine::kernels;
using support::Index;

namespace {

// What one piece holds, of all threads.
struct Range {
  const char* name;
  const void *begin, *end;
  bool overlaps(const Range& other) const { return begin < other.end && other.begin < end; }
};

template <class S>
std::vector<Range> ranges(const vitrine::detail::Scratch<S>& s, int threads, bool whole) {
  std::vector<Range> all;
  const auto add = [&](const char* name, const auto& piece, bool common) {
    if (piece.base != nullptr && piece.stride > 0)
      all.push_back({name, piece.base, piece.base + piece.stride * (common ? 1 : threads)});
  };
  add("hidden", s.hidden, whole), add("inner", s.inner, whole), add("attention", s.attention, false);
  add("pack", s.packed_panel, false), add("figures", s.figures, false), add("copy", s.operand_copy, false);
  return all;
}

}  // namespace

TEST_CASE_TEMPLATE("pieces of scratch lie apart, but for inner and attention, which take turns", S, float, double) {
  using Scratch = vitrine::detail::Scratch<S>;
  for (const int threads : {1, 3})
    for (const Index rows : {0, 1, 5, 40, 500})
      for (const bool whole : {false, true})
        for (const Index hidden : {0, 24, 600}) {
          const typename Scratch::Sizes sizes{.hidden = hidden,
                                              .inner = 2 * hidden,
                                              .keys = 33,
                                              .value_width = 9,
                                              .depth = hidden,
                                              .figures = hidden > 24 ? 3 : 0};
          vitrine::Arena counting;
          (void)Scratch::plan(counting, threads, rows, sizes, whole);
          std::vector<std::byte> bytes(counting.used() + vitrine::alignment);
          std::byte* const base =
              bytes.data() + vitrine::alignment - reinterpret_cast<std::uintptr_t>(bytes.data()) % vitrine::alignment;
          vitrine::Arena arena(base);
          const Scratch scratch = Scratch::plan(arena, threads, rows, sizes, whole);
          CHECK(arena.used() == counting.used());
          const auto all = ranges(scratch, threads, whole);
          for (const Range& one : all) {
            CAPTURE(one.name);
            CHECK(one.begin >= static_cast<const void*>(base));
            CHECK(one.end <= static_cast<const void*>(base + arena.used()));
            CHECK(reinterpret_cast<std::uintptr_t>(one.begin) % vitrine::alignment == 0);
            for (const Range& other : all) {
              if (&one == &other) continue;
              CAPTURE(other.name);
              const std::string pair = std::string(one.name) + other.name;
              const bool in_turn = !whole && (pair == "innerattention" || pair == "attentioninner");
              CHECK(one.overlaps(other) == in_turn);
            }
          }
          CHECK(scratch.attention.stride >= kernels::attention_scratch<S>(sizes.keys, sizes.value_width));
          if (whole) CHECK(scratch.inner.stride >= rows * sizes.inner);
        }
}

TEST_CASE_TEMPLATE("rows of scratch do not collide, and the widest ones have room", S, float, double) {
  const auto stride = [](Index width) { return vitrine::detail::row_stride<S>(width); };
  for (const Index width : {1, 500, 1000, 1024, 1030, 2048, 3000, 4096}) {
    CHECK(stride(width) >= width);
    CHECK(stride(width) <= width + Index(vitrine::alignment / sizeof(S)));
    CHECK_FALSE(kernels::rows_collide<S>(stride(width)));
    vitrine::Arena arena;
    const auto scratch = vitrine::detail::Scratch<S>::plan(arena, 1, 12, {.inner = width});
    for (const Index narrower :
         {width, std::max(Index{1}, width - width % 1024)})  // may get a line more where the widest do not
      CHECK(scratch.inner.stride >= 12 * stride(narrower));
  }
  CHECK(stride(1000) == 1000);
  CHECK(stride(2048) == (VITRINE_VECTOR_BYTES == 0 ? 2048 : 2048 + Index(vitrine::alignment / sizeof(S))));
}

TEST_CASE("of two layers' sizes the scratch has the larger of each") {
  using Sizes = vitrine::detail::Scratch<float>::Sizes;
  const Sizes one{.hidden = 8, .inner = 1, .keys = 5, .depth = 2, .scores_in_weights = true};
  const Sizes two{.hidden = 3, .inner = 9, .value_width = 4, .figures = 7};
  const Sizes both = one.max(two);
  CHECK(both.hidden == 8);
  CHECK(both.inner == 9);
  CHECK(both.keys == 5);
  CHECK(both.value_width == 4);
  CHECK(both.depth == 2);
  CHECK(both.figures == 7);
  CHECK_FALSE(both.scores_in_weights);  // only where both need no tile
  CHECK(one.max(one).scores_in_weights);
}

TEST_CASE("scores that stay in the weights take no tile of scratch") {
  using Scratch = vitrine::detail::Scratch<float>;
  vitrine::Arena with, without;
  (void)Scratch::plan(with, 1, 8, {.keys = 1000, .value_width = 8});
  (void)Scratch::plan(without, 1, 8, {.keys = 1000, .value_width = 8, .scores_in_weights = true});
  CHECK(with.used() >= without.used() + std::size_t(kernels::attention_rows) * 1000 * sizeof(float));
}

TEST_CASE("a plan is counted, then placed in a workspace that holds it") {
  struct Plan {
    float* values = nullptr;
    Index* more = nullptr;
  };
  const auto make = [](vitrine::Arena& arena) { return Plan{arena.take<float>(10), arena.take<Index>(3)}; };
  CHECK(vitrine::detail::planned_bytes(make) == 128);  // whole pieces of 64
  alignas(64) std::byte bytes[128];
  Plan plan;
  vitrine::Workspace small(std::span<std::byte>(bytes, 127)), workspace{std::span<std::byte>(bytes)};
  CHECK(vitrine::detail::place_plan(plan, small, make) == vitrine::Status::workspace_too_small);
  CHECK(plan.values == nullptr);
  REQUIRE(vitrine::detail::place_plan(plan, workspace, make) == vitrine::Status::ok);
  CHECK(reinterpret_cast<std::byte*>(plan.values) == bytes);
  CHECK(reinterpret_cast<std::byte*>(plan.more) == bytes + 64);
}
