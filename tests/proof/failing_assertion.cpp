// Fails on purpose: see CMakeLists.txt.
#include <doctest/doctest.h>

#include <stdexcept>

TEST_CASE("check") { CHECK(1 + 1 == 3); }
TEST_CASE("require") { REQUIRE(1 + 1 == 3); }
TEST_CASE("exception") { throw std::runtime_error("thrown on purpose"); }
TEST_CASE("passes") { CHECK(1 + 1 == 2); }
