// Products in int8 by AMX's instructions as the compiler assembled them, equal to VNNI's bit for bit. Where the
// processor has no AMX each of them raises SIGILL, whose handler reads its bytes and has the twin carry it out.
#include <vitrine/kernels/int8.hpp>

#include "../support/amx_twin.hpp"
#include "../support/product.hpp"

#include <ucontext.h>
#include <csignal>
#include <cstdio>
#include <cstdlib>

namespace kernels = vitrine::kernels;
using support::AmxTwin;
using vitrine::Index;

namespace {

[[noreturn]] void give_up(const char* why) {
  std::fprintf(stderr, "%s\n", why);
  std::_Exit(1);
}

// The bytes of one instruction (Intel's manual, volume 2, section 2.3: VEX with three bytes, the map 0F38).
struct Instruction {
  int prefix, opcode, mod, reg, rm, third, length;  // prefix: 0 none, 2 F3, 3 F2
  Index address = 0, index = 0;                     // base + displacement; the scaled index

  Instruction(const unsigned char* at, const greg_t* registers) {
    static constexpr int order[] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                    REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
    if (at[0] != 0xC4 || (at[1] & 31) != 2 || (at[2] & 0x84) != 0) give_up("an instruction that is none of AMX");
    const int high_index = at[1] & 0x40 ? 0 : 8, high_base = at[1] & 0x20 ? 0 : 8;
    prefix = at[2] & 3, third = ~(at[2] >> 3) & 15, opcode = at[3];
    mod = at[4] >> 6, reg = at[4] >> 3 & 7, rm = at[4] & 7, length = 5;
    if (mod == 3) return;
    int base = rm;
    if (rm == 4) {
      const int scaled = at[length++], number = (scaled >> 3 & 7) + high_index;
      base = scaled & 7;
      if (number != 4) index = Index(registers[order[number]]) << (scaled >> 6);
    }
    if (mod == 0 && base == 5) give_up("an address without a register");
    address = Index(registers[order[base + high_base]]);
    if (mod == 1) address += static_cast<signed char>(at[length++]);
    if (mod == 2) {
      std::int32_t far_away;
      std::memcpy(&far_away, at + length, 4);
      address += far_away, length += 4;
    }
  }
};

void carry_out(int, siginfo_t*, void* context) {
  greg_t* const registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
  const Instruction it(reinterpret_cast<const unsigned char*>(registers[REG_RIP]), registers);
  const int kind = it.prefix * 256 + it.opcode;
  if (kind == 0x049 && it.mod != 3)  // LDTILECFG
    AmxTwin::configure(*reinterpret_cast<const kernels::detail::AmxShapes*>(it.address + it.index));
  else if (kind == 0x049 && it.reg == 0 && it.rm == 0)  // TILERELEASE
    AmxTwin::release();
  else if (kind == 0x349 && it.mod == 3 && it.rm == 0)  // TILEZERO
    AmxTwin::zero(it.reg);
  else if (kind == 0x34B && it.rm == 4)  // TILELOADD
    AmxTwin::load(it.reg, reinterpret_cast<const void*>(it.address), it.index);
  else if (kind == 0x24B && it.rm == 4)  // TILESTORED
    AmxTwin::store(it.reg, reinterpret_cast<void*>(it.address), it.index);
  else if (kind == 0x25E && it.mod == 3)  // TDPBSUD: of the codes with a sign by those without
    AmxTwin::multiply(it.reg, it.rm, it.third);
  else
    give_up("an instruction of AMX that this does not know");
  registers[REG_RIP] += it.length;
}

bool same(Index rows, Index columns, Index depth) {
  constexpr Index width = kernels::panel_width<float>;
  const auto x = support::product::values<float>(rows * depth, 1),
             w = support::product::values<float>(columns * depth, 2);
  const Index panels = kernels::panel_count<float>(columns), panel = width * kernels::int8_columns(depth);
  std::vector<float> packed(std::size_t(panels * panel)), room(std::size_t(rows * (depth + 128)));
  for (Index p = 0; p < panels; ++p)
    kernels::int8_pack({w.data(), columns, depth, 1}, p * width, depth, packed.data() + p * panel);
  const auto read = kernels::Int8Rows::in(room.data(), rows, depth);
  for (Index r = 0; r < rows; ++r) kernels::int8_read(x.data() + r * depth, depth, read, r);
  std::vector<float> by_amx(std::size_t(rows * columns)), by_vnni(by_amx.size());
  kernels::Product<float> product;
  product.b = packed.data(), product.columns = columns, product.depth = depth, product.c_stride = columns;
  product.c = by_amx.data();
  {
    kernels::detail::Int8AmxOperands<kernels::detail::AmxInstructions> operands(read, rows, depth);
    kernels::detail::multiply_panels(product, operands, rows, 0, panels);
  }
  product.c = by_vnni.data();
  kernels::detail::multiply_panels(product, kernels::detail::Int8Operands{read}, rows, 0, panels);
  return support::product::same(by_amx.data(), by_vnni.data(), rows * columns);
}

}  // namespace

int main() {
  const bool granted = kernels::detail::amx_granted();
  if (!granted) {
    struct sigaction action = {};
    action.sa_sigaction = carry_out, action.sa_flags = SA_SIGINFO;
    sigaction(SIGILL, &action, nullptr);
  }
  for (const Index rows : {4, 16, 40, 113})
    for (const Index depth : {64, 200})
      if (!same(rows, 70, depth)) give_up("products by AMX differ from VNNI's");
  const auto& twin = AmxTwin::state();
  if (granted) return std::puts("AMX: products equal VNNI's, by this processor's instructions") < 0;
  if (twin.faults > 0 || twin.products == 0) give_up("instructions that the processor would refuse, or none");
  std::printf("AMX: products equal VNNI's, %d multiplications of tiles interpreted, none by a processor\n",
              twin.products);
}
