// What the firmware asks of its board: a character out, a clock, an end. mps2_an386.cpp and linux.cpp answer.
#pragma once
#include <cstdint>

namespace board {

void put(char c);
const char* argument();                      // one word from outside, or an empty text
std::uint32_t clock();                       // counts down or up; elapsed() knows which way
std::uint32_t elapsed(std::uint32_t since);  // instructions under qemu -icount shift=0; 0 where nobody counts
std::uint32_t stack_used();                  // bytes of stack that were ever used; 0 where nobody knows
[[noreturn]] void stop(int code);

struct Put {
  void operator()(char c) const { put(c); }
};

}  // namespace board

// Defined by the firmware.
int firmware();
