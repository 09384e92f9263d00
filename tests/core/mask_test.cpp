#include <vitrine/core/mask_views.hpp>
#include <vitrine/core/row_mask.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <string>

namespace vt = vitrine;
using vt::Index;

namespace {

// The interval of a row as "lo..hi".
template <class M>
std::pair<Index, Index> key_range(const M& mask, Index i, Index keys, Index b = 0) {
  const vt::Mask<float> whole(mask);
  Index lo = -1, hi = -1;
  vt::row_mask(whole, b, 0, keys).key_range(i, lo, hi);
  return {lo, hi};
}
using Pair = std::pair<Index, Index>;

}  // namespace

TEST_CASE("causal, window and lengths are intervals") {
  CHECK(key_range(vt::BasicMask{}, 3, 8) == Pair(0, 8));
  CHECK(key_range(vt::causal(), 3, 8) == Pair(0, 4));
  CHECK(key_range(vt::causal(), 9, 8) == Pair(0, 8));
  CHECK(key_range(vt::causal(2), 3, 8) == Pair(0, 6));
  CHECK(key_range(vt::causal(-4), 3, 8) == Pair(0, 0));
  CHECK(key_range(vt::causal(-9), 3, 8) == Pair(0, 0));
  CHECK(key_range(vt::window(1, 2), 3, 8) == Pair(2, 6));
  CHECK(key_range(vt::window(vt::unlimited, 2), 3, 8) == Pair(0, 6));
  CHECK(key_range(vt::window(1, vt::unlimited), 3, 8) == Pair(2, 8));
  CHECK(key_range(vt::window(0, 0), 3, 8) == Pair(3, 4));
  CHECK(key_range(vt::window(1, 1), 20, 8) == Pair(8, 8));  // within the keys, also when it is empty
  CHECK(key_range(vt::causal(-9) & vt::window(1, 1), 3, 8) == Pair(0, 0));
  CHECK(key_range(vt::causal() & vt::window(1, 5), 3, 8) == Pair(2, 4));
  CHECK(key_range(vt::causal(2) & vt::window(1, 5), 3, 8) == Pair(4, 6));  // the window follows the offset
  CHECK(key_range(vt::window(1, 5) & vt::causal(2), 3, 8) == Pair(4, 6));
  CHECK(key_range(vt::window(1, 1, 2), 3, 8) == Pair(4, 7));

  const Index lengths[] = {2, 0, 8}, offsets[] = {0, 1, -1};
  CHECK(key_range(vt::key_lengths(lengths), 3, 8, 0) == Pair(0, 2));
  CHECK(key_range(vt::key_lengths(lengths), 3, 8, 1) == Pair(0, 0));
  CHECK(key_range(vt::key_lengths(lengths) & vt::causal(), 3, 8, 2) == Pair(0, 4));
  CHECK(key_range(vt::key_lengths(lengths), 3, 5, 2) == Pair(0, 5));  // a ragged sequence may be shorter
  CHECK(key_range(vt::causal(offsets), 3, 8, 1) == Pair(0, 5));
  CHECK(key_range(vt::window(0, 0, offsets), 3, 8, 2) == Pair(2, 3));
}

TEST_CASE("ends of windows and offsets saturate") {
  constexpr Index most = std::numeric_limits<Index>::max(), least = std::numeric_limits<Index>::min();
  CHECK(key_range(vt::window(most, most), 3, 8) == Pair(0, 8));
  CHECK(key_range(vt::window(most, 0), 3, 8) == Pair(0, 4));
  CHECK(key_range(vt::window(0, most), 3, 8) == Pair(3, 8));
  CHECK(key_range(vt::window(0, most, most), 3, 8) == Pair(8, 8));
  CHECK(key_range(vt::window(most, 0, most / 2), 3, 8) == Pair(0, 8));
  CHECK(key_range(vt::window(most, 0, least), 3, 8) == Pair(0, 0));
  CHECK(key_range(vt::causal(most), 3, 8) == Pair(0, 8));
  CHECK(key_range(vt::causal(least), 3, 8) == Pair(0, 0));
  const Index offsets[] = {most, least};
  CHECK(key_range(vt::causal(offsets), 3, 8, 0) == Pair(0, 8));
  CHECK(key_range(vt::causal(offsets), 3, 8, 1) == Pair(0, 0));
  CHECK(key_range(vt::window(most, most, offsets), 3, 8, 0) == Pair(0, 8));
  CHECK(key_range(vt::causal(most) & vt::window(most, most), 3, 8) == Pair(0, 8));
}

TEST_CASE("a mask of nothing is an error, never no mask") {
  const std::uint8_t flags[6] = {};
  const float bias[6] = {};
  const auto answer = [](const vt::Mask<float>& mask) { return vt::check_mask(mask, 2, 2, 3, 3); };
  const std::span<const Index> none;
  constexpr Index large = Index{1} << (sizeof(Index) * 4);  // whose square wraps to 0
  for (const vt::Mask<float>& mask : {
           vt::Mask<float>(vt::key_flags(flags, 2, 0)),
           vt::Mask<float>(vt::key_flags(flags, 0, 3)),
           vt::Mask<float>(vt::key_flags<bool>(nullptr, large, large)),
           vt::Mask<float>(vt::keep_matrix(flags, 0, 0)),
           vt::Mask<float>(vt::keep_matrix(flags, -1, 3)),
           vt::Mask<float>(vt::from_hf_attention_mask(flags, 0, 3)),
           vt::Mask<float>(vt::from_torch_key_padding_mask(flags, 0, 3)),
           vt::Mask<float>(vt::from_torch_attn_mask(flags, 3, 0)),
           vt::Mask<float>(vt::from_torch_sdpa_mask(flags, 0, 3)),
           vt::additive_bias(bias, 0, 0),
           vt::additive_bias<float>(nullptr, 3, 3),
           vt::key_bias(bias, 2, 0),
           vt::from_torch_key_padding_mask(bias, 0, 3),
           vt::from_torch_attn_mask(bias, 0, 3),
           vt::Mask<float>(vt::causal() & vt::key_flags(flags, 2, 0)),
           vt::causal() & vt::additive_bias(bias, 0, 0),
       }) {
    CHECK(answer(mask) == vt::Status::bad_mask);
    CHECK(std::string(answer(mask).sentence) == "a mask has no data, or an extent of 0");
  }
  for (const vt::Mask<float>& mask :
       {vt::Mask<float>(vt::from_torch_attn_mask(flags, 3, 2, 1, 1)), vt::from_torch_attn_mask(bias, 3, 2, 1, 1)})
    CHECK(std::string(answer(mask).sentence) == "a mask of B * H matrices must have a multiple of the heads");
  CHECK(answer(vt::causal(none)) == vt::Status::bad_mask);
  CHECK(answer(vt::window(0, 0, none)) == vt::Status::bad_mask);
  CHECK(answer(vt::key_lengths(none)) == vt::Status::bad_mask);
  CHECK(answer(vt::causal(none) & vt::window(0, 0)) == vt::Status::bad_mask);
  CHECK(answer(vt::key_flags(flags, 2, 3)) == vt::Status::ok);
}

TEST_CASE_TEMPLATE("a matrix is added and forbids inside the interval, which shrinks to what is kept", S, float,
                   double) {
  const S inf = std::numeric_limits<S>::infinity();
  const bool keep[] = {true, false, true, true, false, true, true, true};
  const S bias[] = {-inf, 1, 2, -inf, 4, 5, -inf, 7};
  const vt::Mask<S> mask = vt::additive_bias(bias, 1, 8) & vt::keep_matrix(keep, 1, 8);
  S scores[] = {0, 0, 0, std::numeric_limits<S>::quiet_NaN(), 0, 0, std::numeric_limits<S>::quiet_NaN(), 99};
  Index lo = 0, hi = 7;
  vt::row_mask(mask, 0, 0, Index{8}).apply(0, scores, lo, hi);
  CHECK(lo == 2);
  CHECK(hi == 6);
  CHECK(scores[2] == 2);
  CHECK(scores[3] == -inf);  // by selection: a NaN there does not survive
  CHECK(scores[4] == -inf);
  CHECK(scores[5] == 5);
  CHECK(scores[7] == 99);  // outside: not touched
}

TEST_CASE("extents of 1 broadcast, flags are of 1, 4 and 8 bytes") {
  const std::uint8_t bytes[] = {1, 0, 2};
  const std::int32_t words[] = {1, 0, 2};
  const std::int64_t longs[] = {1, 0, 2};
  const bool bools[] = {true, false, true};
  const float column[] = {3, 4, 5};
  const auto first = [](const vt::Mask<float>& mask, Index b, Index h, Index i) {
    float scores[] = {0, 0, 0};
    Index lo = 0, hi = 3;
    vt::row_mask(mask, b, h, Index{3}).apply(i, scores, lo, hi);
    return scores[1];
  };
  for (const Index b : {0, 1})
    for (const Index h : {0, 3}) {
      CHECK(std::isinf(first(vt::key_flags(bytes, 1, 3), b, h, 5)));
      CHECK(std::isinf(first(vt::key_flags(words, 1, 3), b, h, 5)));
      CHECK(std::isinf(first(vt::key_flags(longs, 1, 3), b, h, 5)));
      CHECK(std::isinf(first(vt::keep_matrix(bools, 1, 1, 1, 3), b, h, 5)));
      CHECK(first(vt::from_torch_attn_mask(bools, 1, 3), b, h, 5) == 0.0f);
    }
  const bool of_two[] = {true, true, true, true, false, true};
  for (const Index i : {0, 1}) {
    CHECK(std::isinf(first(vt::key_flags(of_two, 2, 3), i, 0, 5)) == (i == 1));
    CHECK(std::isinf(first(vt::keep_matrix(of_two, 2, 1, 1, 3), i, 0, 5)) == (i == 1));
    CHECK(std::isinf(first(vt::keep_matrix(of_two, 1, 2, 1, 3), 0, i, 5)) == (i == 1));
    CHECK(std::isinf(first(vt::keep_matrix(of_two, 2, 3), 0, 0, i)) == (i == 1));
  }
  // One value a query, for all its keys.
  for (const Index i : {0, 1, 2}) {
    CHECK(std::isinf(first(vt::keep_matrix(bytes, 3, 1), 0, 0, i)) == (i == 1));
    CHECK(first(vt::additive_bias(column, 3, 1), 0, 0, i) == column[i]);
  }
  const float bias[] = {0, 1, 0, 0, 2, 0};
  CHECK(first(vt::additive_bias(bias, 1, 2, 1, 3), 7, 1, 4) == 2.0f);
  CHECK(first(vt::additive_bias(bias, 2, 1, 1, 3), 1, 6, 4) == 2.0f);
  CHECK(first(vt::key_bias(bias, 2, 3), 1, 6, 4) == 2.0f);
  CHECK(first(vt::from_torch_key_padding_mask(bias, 2, 3), 1, 6, 4) == 2.0f);
  const double wide[] = {0, 1, 0, 0, 2, 0};
  CHECK(vt::from_torch_key_padding_mask(wide, 2, 3).key_bias.data == wide);
}

TEST_CASE("parts of every kind join in any order, scalar type or not") {
  const float bias[] = {0, 0};
  const Index lengths[] = {1};
  const vt::Mask<float> a = vt::causal() & vt::additive_bias(bias, 1, 2),
                        b = vt::additive_bias(bias, 1, 2) & vt::causal(),
                        c = vt::key_bias(bias, 1, 2) & vt::additive_bias(bias, 1, 2) & vt::key_lengths(lengths);
  for (const auto* mask : {&a, &b}) {
    CHECK(mask->is_causal);
    CHECK(mask->bias.data == bias);
    CHECK_FALSE(mask->duplicate);
  }
  CHECK(c.key_bias.data == bias);
  CHECK(c.has_lengths);
  CHECK_FALSE(c.is_causal);
  CHECK(c.any());
  CHECK_FALSE(vt::Mask<float>().any());
  CHECK((vt::key_bias(bias, 1, 2) & vt::key_bias(bias, 1, 2)).duplicate);
  CHECK((a & vt::causal()).duplicate);
  const vt::BasicMask twice = vt::causal() & vt::causal(),
                      none = vt::key_flags(static_cast<const bool*>(nullptr), 1, 2);
  CHECK((twice & vt::key_lengths(lengths)).duplicate);  // what was wrong with a part stays wrong with the whole
  CHECK((vt::key_lengths(lengths) & twice).duplicate);
  CHECK((vt::Mask<float>(twice) & vt::key_bias(bias, 1, 2)).duplicate);
  CHECK((vt::key_bias(bias, 1, 2) & vt::Mask<float>(none)).fault);
  // A window takes the causal offset; one of its own beside another one is an error, in either order.
  const Index offsets[] = {1, 2}, others[] = {1, 3};
  for (const vt::BasicMask& wrong :
       {vt::causal(1) & vt::window(2, 0, 3), vt::window(2, 0, 3) & vt::causal(),
        vt::window(2, 0, 3) & vt::causal(offsets), vt::causal(3) & vt::window(2, 0, offsets),
        vt::causal(std::span(offsets).first(1)) & vt::window(2, 0, offsets),
        vt::window(2, 0, others) & vt::causal(offsets)}) {
    CHECK(wrong.two_offsets);
    CHECK(vt::check_mask<float>(wrong & vt::key_lengths(lengths), 2, 1, 2, 4).sentence ==
          std::string("causal and window were joined, each with offsets of its own"));
  }
  for (const vt::BasicMask& right : {vt::causal(3) & vt::window(2, 0), vt::window(2, 0, 3) & vt::causal(3),
                                     vt::causal(offsets) & vt::window(2, 0, offsets)}) {
    CHECK_FALSE(right.two_offsets);
    CHECK(vt::check_mask<float>(right, 2, 1, 2, 4) == vt::Status::ok);
  }
  CHECK(vt::key_flags(static_cast<const bool*>(nullptr), 1, 0).fault !=
        nullptr);  // no keys need no flags, and no such mask
}
