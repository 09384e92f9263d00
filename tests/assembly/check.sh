#!/usr/bin/env bash
# Looks at the assembly of the micro-kernels: an inner loop must be multiply-adds in full registers, must touch no vector on the
# stack and must keep no address in a vector register (such a move takes a multiply-add's turn).
# A product in int8 must have AMX where the compiler knows of it, and with it the numbers of VNNI: by such a processor, or by an
# interpreter of these instructions on any other with VNNI (amx.cpp).
#   tests/assembly/check.sh COMPILER [FLAG...]     e.g. g++ or clang++-14; exits with 77 when the compiler is not there
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
compiler=${1:?a compiler}
shift
flags=("$@")
command -v "$compiler" >/dev/null || { echo "$compiler is not installed"; exit 77; }
failed=0

# $1: -march; $2: register; $3: how many multiply-adds a step of k takes; $4: their name; $5...: more flags
look() {
  local body
  body=$("$compiler" -std=c++20 -O3 -march="$1" -I ../../include "${flags[@]}" "${@:5}" -S -o - tile.cpp 2>&1) || { printf '%s\n' "$body"; failed=1; return; }
  # The block between a label and the jump back to it that holds most multiply-adds is the inner loop.
  printf '%s\n' "$body" | awk -v march="$1" -v register="$2" -v wanted="$3" -v name="$4" '
    /^\.L[A-Za-z0-9_]+:/ { label = $1; sub(":.*", "", label); start[label] = NR }
    { line[NR] = $0 }
    /^\tj[a-z]+\t/ { if ($2 in start) {
        fma = stack = moved = other = 0
        for (i = start[$2]; i <= NR; ++i) {
          if (line[i] ~ name) { if (line[i] ~ "%" register) ++fma; else ++other }
          if (line[i] ~ /vmov/ && line[i] ~ /\(%r[sb]p\)/) ++stack
          if (line[i] ~ /\tv(mov[dq]|pinsr[dq]|pextr[dq])\t/ && line[i] !~ /\(/) ++moved
        }
        if (fma + other > best) { best = fma + other; best_fma = fma; best_stack = stack; best_moved = moved } } }
    END {
      printf "%s: the inner loop has %d multiply-adds, %d of them in %s, %d vector moves to or from the stack and %d between vector and general registers\n", march, best, best_fma, register, best_stack, best_moved
      exit !(best_fma == best && best_fma > 0 && best_fma % wanted == 0 && best_stack == 0 && best_moved == 0)
    }' || failed=1
}
look skylake-avx512 zmm 24 vfn?madd
look sapphirerapids zmm 24 vfn?madd
look x86-64-v4 zmm 24 vfn?madd
look sapphirerapids zmm 12 vfn?madd -DVITRINE_TILE_VECTORS=1
look sapphirerapids zmm 24 vdpbf16ps -DVITRINE_TILE_BF16=1
look cooperlake zmm 12 vdpbf16ps -DVITRINE_TILE_BF16=1 -DVITRINE_TILE_VECTORS=1
look haswell ymm 12 vfn?madd
look icelake-server zmm 24 vpdpbusd -DVITRINE_TILE_INT8=1
look znver3 zmm 24 vpdpbusd -DVITRINE_TILE_INT8=1 -mavx512{f,bw,vl,dq,vnni}

amx() {
  local object instruction counts='' found
  object=$(mktemp)
  compile() { "$compiler" -std=c++20 -I ../../include "${flags[@]}" -o "$object" "$@" amx.cpp; }
  compile -O3 -march=sapphirerapids -c || failed=1
  for instruction in cpuid syscall ldtilecfg tilezero tileloadd tdpbsud tilestored tilerelease; do
    found=$(objdump -d --no-show-raw-insn "$object" | grep -cw "$instruction") || failed=1
    counts+=", $found $instruction"
  done
  echo "sapphirerapids: a product in int8 has ${counts#, }"
  if grep -qw avx512_vnni /proc/cpuinfo; then
    compile -O1 -march=native -mamx-tile -mamx-int8 && "$object" || failed=1
  else
    echo "AMX: not run, this processor has no VNNI"
  fi
  rm -f "$object"
}
amx
exit $failed
