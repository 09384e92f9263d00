// The programs of examples/ as functions (programs.cpp).
#pragma once
#include <span>
#include <string_view>

namespace programs {

struct Program {
  std::string_view name;
  int (*main)(int count, char** arguments);
};
std::span<const Program> all();

/// The program's exit code; -1 where there is no such program.
int run(std::string_view name, int count, char** arguments);

}  // namespace programs
