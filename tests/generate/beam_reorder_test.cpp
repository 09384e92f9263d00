#include <vitrine/generate/beam_reorder.hpp>

#include <doctest/doctest.h>

#include <vector>
#include <vitrine/core/heap.hpp>

namespace vt = vitrine;
using vt::Index;
namespace detail = vt::detail;

// Places as the moves leave them, against the parents themselves.
TEST_CASE("beam moves: every choice of parents among three beams of two sources") {
  constexpr Index beams = 3, sources = 2;
  detail::BeamMoves moves(vt::heap());
  REQUIRE(moves.reserve(beams * sources, beams) == vt::Status::ok);
  for (Index groups = 1; groups <= sources; ++groups)
    for (Index skipped = 0; skipped <= sources - groups; ++skipped)
      for (Index code = 0; code < (groups == 1 ? 27 : 729); ++code) {
        std::vector<Index> parents;
        for (Index i = 0, digits = code; i < groups * beams; ++i, digits /= beams)
          parents.push_back((i / beams + skipped) * beams + digits % beams);
        REQUIRE(detail::check_parents(parents, beams * sources, beams) == vt::Status::ok);
        moves.plan(parents, beams, true);
        REQUIRE(moves.count() <= 3 * beams * sources);

        std::vector<Index> places = {0, 1, 2, 3, 4, 5}, of_sources = {0, 1};
        Index spare = -1;
        for (Index m = 0; m < moves.count(); ++m) {
          const detail::BeamMove move = moves[m];
          if (move.of_source)
            of_sources[std::size_t(move.to)] = of_sources[std::size_t(move.from)];
          else
            (move.to < 0 ? spare : places[std::size_t(move.to)]) =
                move.from < 0 ? spare : places[std::size_t(move.from)];
        }
        places.resize(parents.size());
        CHECK(places == parents);
        for (Index g = 0; g < groups; ++g) CHECK(of_sources[std::size_t(g)] == g + skipped);
      }
}

TEST_CASE("beam moves: nothing moves where every beam goes on, and no source where there is none") {
  detail::BeamMoves moves(vt::heap());
  REQUIRE(moves.reserve(4, 2) == vt::Status::ok);
  moves.plan(std::vector<Index>{0, 1, 2, 3}, 2, true);
  CHECK(moves.count() == 0);
  moves.plan(std::vector<Index>{2, 3}, 2, false);
  for (Index m = 0; m < moves.count(); ++m) CHECK(!moves[m].of_source);
}
