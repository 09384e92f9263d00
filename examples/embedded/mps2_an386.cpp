// Start-up and semihosting for Arm's MPS2 board with the AN386 image (Cortex-M4F), as qemu-system-arm has it. A real
// board needs another clock and another put().
#include <cstddef>

#include "board.hpp"

extern "C" {
extern std::uint32_t data_start, data_end, data_load, bss_start, bss_end, stack_bottom, stack_top;
extern void (*init_array_start[])();
extern void (*init_array_end[])();
[[noreturn]] void reset();
[[noreturn]] void fault();
}

namespace {

using Handler = void (*)();
constexpr std::uint32_t painted = 0xa5a5a5a5u;
char command_line[64];

std::uint32_t semihosting(std::uint32_t operation, const void* argument) {
  register std::uint32_t r0 asm("r0") = operation;
  register const void* r1 asm("r1") = argument;
  asm volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
  return r0;
}
volatile std::uint32_t& at(std::uint32_t address) { return *reinterpret_cast<volatile std::uint32_t*>(address); }

}  // namespace

[[gnu::section(".vectors"), gnu::used]] const Handler vectors[16] = {
    reinterpret_cast<Handler>(&stack_top), reset, fault, fault, fault, fault, fault};

void fault() { board::stop(3); }

void reset() {
  at(0xe000ed88) = at(0xe000ed88) | 0xfu << 20;  // the floating-point unit, for everyone
  asm volatile("dsb\n\tisb");
  for (std::uint32_t *to = &data_start, *from = &data_load; to < &data_end;) *to++ = *from++;
  for (std::uint32_t* to = &bss_start; to < &bss_end;) *to++ = 0;
  for (volatile std::uint32_t* to = &stack_bottom; to < static_cast<std::uint32_t*>(__builtin_frame_address(0)) - 16;)
    *to++ = painted;
  at(0xe000e014) = 0xffffff;  // SysTick: 24 bits, counting down at 25 MHz
  at(0xe000e018) = 0;
  at(0xe000e010) = 5;
  for (auto start = init_array_start; start < init_array_end;) (*start++)();
  board::stop(firmware());
}

namespace board {

void put(char c) { semihosting(0x03, &c); }  // SYS_WRITEC

const char* argument() {  // qemu's -semihosting-config arg=..., the last of them
  struct {
    char* text;
    std::uint32_t size;
  } block = {command_line, sizeof command_line};
  if (semihosting(0x15, &block) != 0) return "";  // SYS_GET_CMDLINE
  const char* word = command_line;
  for (const char* c = command_line; *c != 0; ++c)
    if (*c == ' ') word = c + 1;
  return word;
}

std::uint32_t clock() { return at(0xe000e018); }
// -icount shift=0 makes an instruction a nanosecond, and a tick is forty.
std::uint32_t elapsed(std::uint32_t since) { return ((since - clock()) & 0xffffff) * 40; }

std::uint32_t stack_used() {
  const volatile std::uint32_t* p = &stack_bottom;
  while (p < &stack_top && *p == painted) ++p;
  return static_cast<std::uint32_t>((&stack_top - p) * 4);
}

void stop(int code) {
  const std::uint32_t block[2] = {0x20026, static_cast<std::uint32_t>(code)};  // ADP_Stopped_ApplicationExit
  semihosting(0x20, block);                                                    // SYS_EXIT_EXTENDED
  for (;;) {}
}

}  // namespace board
