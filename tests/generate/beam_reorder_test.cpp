#include <vitrine/generate/beam_reorder.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <vector>
#include <vitrine/core/heap.hpp>

namespace vt = vitrine;
using vt::Index;
namespace detail = vt::detail;

namespace {

constexpr Index beams = 3, sources = 2;

// Places of a cache, their contents a hypothesis each, and what reordering makes of both.
struct Cache {
  detail::BeamPlaces places{vt::heap()};
  std::vector<Index> contents = {0, 1, 2, 3, 4, 5};

  Cache() { REQUIRE(places.begin(sources, beams) == vt::Status::ok); }
  std::vector<Index> read(std::size_t count) const {
    std::vector<Index> all;
    for (std::size_t i = 0; i < count; ++i) all.push_back(contents[std::size_t(places.hypotheses()[i])]);
    return all;
  }
  void reorder(const std::vector<Index>& parents) {
    REQUIRE(detail::check_parents(parents, beams * sources, beams) == vt::Status::ok);
    places.reorder(parents);
    std::set<Index> read;
    for (Index i = 0; i < places.copies(); ++i) read.insert(places[i].from);
    for (Index i = 0; i < places.copies(); ++i) {
      CHECK(read.count(places[i].to) == 0);
      contents[std::size_t(places[i].to)] = contents[std::size_t(places[i].from)];
    }
  }
};

std::vector<Index> choice(Index groups, Index skipped, Index code) {
  std::vector<Index> parents;
  for (Index i = 0; i < groups * beams; ++i, code /= beams)
    parents.push_back((i / beams + skipped) * beams + code % beams);
  return parents;
}

}  // namespace

TEST_CASE("every choice of parents among three beams of two sources, twice") {
  for (Index groups = 1; groups <= sources; ++groups)
    for (Index skipped = 0; skipped <= sources - groups; ++skipped)
      for (Index code = 0; code < (groups == 1 ? 27 : 729); ++code) {
        const std::vector<Index> parents = choice(groups, skipped, code);
        Cache cache;
        cache.reorder(parents);
        CHECK(cache.read(parents.size()) == parents);
        const std::set<Index> living(parents.begin(), parents.end());
        CHECK(cache.places.copies() == Index(parents.size() - living.size()));
        for (Index g = 0; g < groups; ++g) {
          CHECK(cache.places.sources()[g] == g + skipped);
          for (Index i = 0; i < beams; ++i) CHECK(cache.places.hypotheses()[g * beams + i] / beams == g + skipped);
        }
        // and again, from places that are no longer in order
        const std::vector<Index> next = choice(groups, 0, 26 - code % 27 + (groups == 2 ? 27 * (code % 5) : 0));
        std::vector<Index> expected;
        for (const Index parent : next) expected.push_back(parents[std::size_t(parent)]);
        cache.reorder(next);
        CHECK(cache.read(next.size()) == expected);
      }
}

TEST_CASE("nothing is copied where every beam goes on in whatever order, nor where sources leave") {
  Cache cache;
  cache.reorder({2, 0, 1, 3, 5, 4});
  CHECK(cache.places.copies() == 0);
  CHECK(cache.read(6) == std::vector<Index>{2, 0, 1, 3, 5, 4});
  cache.reorder({3, 4, 5});
  CHECK(cache.places.copies() == 0);
  CHECK(cache.read(3) == std::vector<Index>{3, 5, 4});
  CHECK(cache.places.sources()[0] == 1);
}
