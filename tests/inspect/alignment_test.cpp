#include <doctest/doctest.h>

#include <vitrine/core/eigen.hpp>
#include <vitrine/inspect/alignment.hpp>

using namespace vitrine::inspect;
using Map = vitrine::RowMajor<float>;

TEST_CASE("alignment: hard links take the first of the largest, sorted by source") {
  Map map(3, 3);
  map << 0.1f, 0.2f, 0.7f,  //
      0.4f, 0.4f, 0.2f,     //
      0.0f, 0.1f, 0.9f;
  CHECK(pharaoh(hard_links(map)) == "0-1 2-0 2-2");
  CHECK(pharaoh(hard_links(map, 2, 2)) == "0-1 1-0");
  CHECK(pharaoh(hard_links(map, 9, 9)) == "0-1 2-0 2-2");
  CHECK(hard_links(map, 3, 0).empty());
  CHECK(hard_links(Map(0, 3)).empty());
}

TEST_CASE("alignment: a threshold is strict and gives pairs sorted by source") {
  Map map(2, 3);
  map << 0.5f, 0.25f, 0.25f,  //
      0.25f, 0.5f, 0.25f;
  CHECK(pharaoh(threshold_links(map, 0.25)) == "0-0 1-1");
  CHECK(pharaoh(threshold_links(map, 0.2)) == "0-0 0-1 1-0 1-1 2-0 2-1");
  CHECK(threshold_links(map, 0.5).empty());
  CHECK(pharaoh(threshold_links(map, 0.2, 1, 2)) == "0-0 1-0");
  Map tied(1, 2);  // 0.3f is 0.3 rounded up, and not above the threshold 0.3
  tied << 0.3f, 0.7f;
  CHECK(pharaoh(threshold_links(tied, 0.3)) == "1-0");
}

TEST_CASE("alignment: Marian's text") {
  Map map(2, 4);
  map << 0.9f, 0.05f, 0.03f, 0.02f,  //
      0.1f, 0.8f, 1e-7f, 1.0f / 3;
  CHECK(marian_soft(map) == "0.9,0.05,0.03,0.02 0.1,0.8,1e-07,0.333333");
  CHECK(marian_soft(Map(0, 4)).empty());
  CHECK(with_alignment("das ist gut", "0-0 1-1 2-2 3-3") == "das ist gut ||| 0-0 1-1 2-2 3-3");
}

TEST_CASE("alignment: Pharaoh pairs are read back") {
  const Links links = {{0, 0}, {1, 2}, {12, 1}};
  CHECK(parse_pharaoh(pharaoh(links)) == links);
  CHECK(parse_pharaoh(" 1-1\t2-3  13-2\r\n", 1) == links);
  CHECK(parse_pharaoh("").empty());
  for (const char* bad :
       {"1", "-", "1-", "-1", "1-x", "1--2", "a-b", "1-2-3", "99999999999999999999-1", "0-1", "1-0"}) {
    CAPTURE(bad);
    CHECK_THROWS_AS(parse_pharaoh(bad, 1), std::invalid_argument);
  }
  CHECK_THROWS_WITH(parse_pharaoh("0-0 1:2"),
                    "\"1:2\" is no link: two numbers from 0 joined by \"-\" (gold links: or by \"p\")");
}
