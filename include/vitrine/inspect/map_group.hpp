// What the pictures are made of: our own plain description of attention maps and of the tokens on their two sides,
// whatever model they come from.
//   MapGroup cross{.kind = "cross", .query_tokens = phonemes, .key_tokens = letters, .layers = 6, .heads = 8,
//                  .map = [&](Index layer, Index head) { return result.cross_attn[layer].matrix(0, head).data(); }};
//   Page page{.title = "letters to phonemes", .examples = {{.title = "anhydride", .groups = {cross}}}};
#pragma once
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>
#include <vitrine/core/config.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::inspect {

/// One kind of attention of one input: all layers' and heads' maps between the same query tokens (T, rows) and key
/// tokens (S, columns).
struct MapGroup {
  std::string kind = {};  ///< Name of its tab: "encoder", "decoder", "cross"; anything else is shown as it is.
  std::vector<std::string> query_tokens = {};  ///< T texts of any bytes: the tokens that attend.
  std::vector<std::string> key_tokens = {};    ///< S texts of any bytes: the tokens that are attended to.
  Index layers = 0;
  Index heads = 0;
  /// The T x S weights (row-major, rows S apart, each >= 0) of a head; nullptr when that map was not kept. What it
  /// returns must stay until the next call; a picture may ask for the same map more than once.
  std::function<const float*(Index layer, Index head)> map = {};

  // T, the number of rows.
  Index query_count() const noexcept { return static_cast<Index>(query_tokens.size()); }
  // S, the number of columns.
  Index key_count() const noexcept { return static_cast<Index>(key_tokens.size()); }
};

/// One input, a word or a sentence: its groups become the tabs, in this order; the first is open.
struct Example {
  std::string title = {};
  std::vector<MapGroup> groups = {};
  Index number = -1;  ///< Its name in .npz, .html and CSV, e.g. its line; below 0: its place. All or none of a page.
};

/// What one page shows.
struct Page {
  std::string title = "attention";
  std::vector<Example> examples = {};

  // The number of the i-th example.
  Index number(std::size_t i) const noexcept {
    return examples[i].number < 0 ? static_cast<Index>(i) : examples[i].number;
  }
};

/// Figures of one map, each the mean over its rows (Clark et al. 2019; distance: Vig and Belinkov 2019). Entropy in
/// nats, distance in tokens, the others 0 to 1. Rows without any weight (fully masked) are left out.
struct HeadFigures {
  double entropy = 0;   ///< - sum of p log p: 0 when one key has all, log S when all have the same.
  double largest = 0;   ///< The row's largest weight, "confidence".
  double same = 0;      ///< Weight on the key with the query's own index.
  double previous = 0;  ///< Weight on the key before it.
  double next = 0;      ///< Weight on the key after it.
  double first = 0;     ///< Weight on key 0.
  double last = 0;      ///< Weight on key S - 1.
  double distance = 0;  ///< Sum of p |query index - key index|.
};

/// The HeadFigures of a T x S row-major map (Clark et al. 2019). Entries that are not finite make all of them NaN; a
/// map without rows, 0.
HeadFigures head_figures(const float* map, Index query_count, Index key_count) noexcept;

/// Throws std::invalid_argument when a group has negative sizes, or layers and heads but no function.
void check(const MapGroup& group);

// ---- implementation

namespace detail {

/// By its bits, so that it holds under -ffast-math.
inline bool is_finite(float value) noexcept {
  return (std::bit_cast<std::uint32_t>(value) & 0x7f800000u) != 0x7f800000u;
}

}  // namespace detail

inline HeadFigures head_figures(const float* map, Index query_count, Index key_count) noexcept {
  HeadFigures sum;
  Index rows = 0;
  for (Index i = 0; i < query_count; ++i) {
    const float* row = map + i * key_count;
    double entropy = 0, largest = 0, distance = 0, total = 0;
    for (Index j = 0; j < key_count; ++j) {
      const double weight = static_cast<double>(row[j]);
      if (!detail::is_finite(row[j])) {
        constexpr double nan = std::numeric_limits<double>::quiet_NaN();
        return {nan, nan, nan, nan, nan, nan, nan, nan};
      }
      if (weight > 0) entropy -= weight * std::log(weight);
      largest = weight > largest ? weight : largest;
      distance += weight * static_cast<double>(i > j ? i - j : j - i);
      total += weight;
    }
    if (total <= 0) continue;
    ++rows;
    const auto at = [&](Index j) { return j >= 0 && j < key_count ? static_cast<double>(row[j]) : 0.0; };
    sum.entropy += entropy, sum.largest += largest, sum.distance += distance;
    sum.same += at(i), sum.previous += at(i - 1), sum.next += at(i + 1), sum.first += at(0),
        sum.last += at(key_count - 1);
  }
  for (double* figure :
       {&sum.entropy, &sum.largest, &sum.same, &sum.previous, &sum.next, &sum.first, &sum.last, &sum.distance}) {
    *figure /= static_cast<double>(rows > 0 ? rows : 1);
  }
  return sum;
}

inline void check(const MapGroup& group) {
  if (group.layers < 0 || group.heads < 0)
    throw std::invalid_argument("map group \"" + group.kind + "\": layers and heads must not be negative");
  if (group.layers > 0 && group.heads > 0 && !group.map)
    throw std::invalid_argument("map group \"" + group.kind + "\": no function `map` is given");
}

}  // namespace vitrine::inline VITRINE_ABI::inspect

#include <vitrine/core/macros_pop.hpp>
