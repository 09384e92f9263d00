// Both directions of an alignment as one: by hand, and against a naive twin of the paper's procedure.
#include <doctest/doctest.h>

#include <random>
#include <vitrine/inspect/symmetrize.hpp>

namespace inspect = vitrine::inspect;
using inspect::Link;
using inspect::Links;
using vitrine::Index;

namespace {

// The procedure as it is printed, on boolean matrices.
Links naive(const Links& forward, const Links& backward, Index sources, Index targets) {
  const auto at = [&](const Links& links, Index s, Index t) {
    return std::find(links.begin(), links.end(), Link{s, t}) != links.end();
  };
  const std::vector<bool> none(static_cast<std::size_t>(targets));
  std::vector<std::vector<bool>> on(static_cast<std::size_t>(sources), none);
  for (Index s = 0; s < sources; ++s)
    for (Index t = 0; t < targets; ++t) on[std::size_t(s)][std::size_t(t)] = at(forward, s, t) && at(backward, s, t);
  const auto source_free = [&](Index s) {
    for (Index t = 0; t < targets; ++t)
      if (on[std::size_t(s)][std::size_t(t)]) return false;
    return true;
  };
  const auto target_free = [&](Index t) {
    for (Index s = 0; s < sources; ++s)
      if (on[std::size_t(s)][std::size_t(t)]) return false;
    return true;
  };
  for (bool added = true; added;) {
    added = false;
    for (Index t = 0; t < targets; ++t)
      for (Index s = 0; s < sources; ++s) {
        if (!on[std::size_t(s)][std::size_t(t)]) continue;
        for (const auto& [dt, ds] : {std::pair{-1, 0}, {0, -1}, {1, 0}, {0, 1}, {-1, -1}, {-1, 1}, {1, -1}, {1, 1}}) {
          const Index u = s + ds, v = t + dt;
          if (u < 0 || v < 0 || u >= sources || v >= targets || on[std::size_t(u)][std::size_t(v)]) continue;
          if (!at(forward, u, v) && !at(backward, u, v)) continue;
          if (!source_free(u) && !target_free(v)) continue;
          on[std::size_t(u)][std::size_t(v)] = added = true;
        }
      }
  }
  for (const Links* links : {&forward, &backward})
    for (Index t = 0; t < targets; ++t)
      for (Index s = 0; s < sources; ++s)
        if (at(*links, s, t) && source_free(s) && target_free(t)) on[std::size_t(s)][std::size_t(t)] = true;
  Links result;
  for (Index s = 0; s < sources; ++s)
    for (Index t = 0; t < targets; ++t)
      if (on[std::size_t(s)][std::size_t(t)]) result.push_back({s, t});
  return result;
}

}  // namespace

TEST_CASE("grow-diag-final-and by hand") {
  const auto of = [](const char* forward, const char* backward) {
    return inspect::pharaoh(
        inspect::grow_diag_final_and(inspect::parse_pharaoh(forward), inspect::parse_pharaoh(backward)));
  };
  CHECK(of("", "") == "");
  CHECK(of("0-0 1-1", "0-0 1-1") == "0-0 1-1");
  CHECK(of("0-0 1-0", "0-0") == "0-0 1-0");          // a neighbour with a new source word
  CHECK(of("0-0 2-2", "0-0") == "0-0 2-2");          // no neighbour, but both words are free
  CHECK(of("0-0", "0-0 0-2") == "0-0");              // its source word is taken, and it is no neighbour
  CHECK(of("0-0 1-1 0-1", "0-0 1-1") == "0-0 1-1");  // a neighbour between words that both are taken
  CHECK(of("5-5", "3-3") == "3-3 5-5");
}

TEST_CASE("grow-diag-final-and of random links is the naive twin's") {
  std::mt19937 random(5);
  const auto below = [&](Index n) { return Index(random() % std::uint32_t(n)); };
  for (int round = 0; round < 300; ++round) {
    const Index sources = 1 + below(7), targets = 1 + below(7);
    Links forward, backward;
    for (Index t = 0; t < targets; ++t) forward.push_back({below(sources), t});
    for (Index s = 0; s < sources; ++s) backward.push_back({s, below(targets)});
    std::sort(forward.begin(), forward.end());
    CHECK(inspect::grow_diag_final_and(forward, backward) == naive(forward, backward, sources, targets));
  }
}

TEST_CASE("the directions of links") {
  CHECK(inspect::pharaoh(inspect::flipped(inspect::parse_pharaoh("0-1 1-0 2-0"))) == "0-1 0-2 1-0");
  CHECK(inspect::pharaoh(inspect::intersection(inspect::parse_pharaoh("0-1 1-0"), inspect::parse_pharaoh("1-0 1-1"))) ==
        "1-0");
  CHECK(inspect::pharaoh(inspect::all_links(inspect::parse_pharaoh("1-1 0-1"), inspect::parse_pharaoh("1-0 1-1"))) ==
        "0-1 1-0 1-1");
}
