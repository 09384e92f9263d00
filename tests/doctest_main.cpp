// The main() of every unit test program.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdio>
#include <vitrine/core/build_info.hpp>

int main(int argc, char** argv) {
  std::fprintf(stderr, "%s\n", vitrine::build_info().data());
  return doctest::Context(argc, argv).run();
}
