// The board that is a Linux process: for aarch64 under qemu-user, or for this machine.
#include <cstdio>
#include <cstdlib>

#include "board.hpp"

namespace {
const char* word = "";
}

namespace board {
void put(char c) { std::putchar(c); }
const char* argument() { return word; }
std::uint32_t clock() { return 0; }
std::uint32_t elapsed(std::uint32_t) { return 0; }
std::uint32_t stack_used() { return 0; }
void stop(int code) { std::exit(code); }
}  // namespace board

int main(int count, char** arguments) {
  if (count > 1) word = arguments[count - 1];
  return firmware();
}
