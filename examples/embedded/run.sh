#!/usr/bin/env bash
# Builds the firmware of this folder for a Cortex-M4F and for aarch64, and d64 with maps for a Cortex-M3 and a Cortex-M0,
# which have no floating-point unit; runs it under qemu, and compares every number with this machine's dynamic model (at
# most 1e-5 apart).
#   bash examples/embedded/run.sh [--yes] [--no-install] [WORD]          WORD: what the g2p encoder reads; radium
# Names the Debian packages that are missing and installs them (asking first on a terminal, unless --yes; never with
# --no-install). What it makes stands in build/embedded/: weights as headers, *.elf with *.map and *.su, logs, pages.
# The last line is "N passed, M failed"; exits with 1 when one failed, 2 when it cannot start.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../../.ci/system.sh"

word=radium
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) sed -n '2,8s/^# //p' "${BASH_SOURCE[0]}"; exit 0 ;;
    -*) parse_install_option "$1" || die "unknown option $1; see --help" ;;
    *) word=$1 ;;
  esac
  shift
done
[[ $word =~ ^[a-z\']{1,15}$ ]] || die "WORD must be 1 to 15 small letters: the firmware's encoder has room for 15 and the end mark"

need_embedded() {
  need_toolchain
  need gcc-arm-none-eabi "the compiler for Cortex-M" command arm-none-eabi-g++
  need libnewlib-arm-none-eabi newlib file /usr/include/newlib/stdlib.h
  need libstdc++-arm-none-eabi-newlib "libstdc++ for Cortex-M" file /usr/include/newlib/c++
  need qemu-system-arm qemu-system-arm command qemu-system-arm
  need g++-aarch64-linux-gnu "the compiler for 64-bit ARM" command aarch64-linux-gnu-g++
  need qemu-user qemu-aarch64 command qemu-aarch64 qemu-aarch64-static
}
install_missing need_embedded
cd "$root"
here=examples/embedded out=build/embedded
mkdir -p $out/{cortex-m4f,cortex-m3,cortex-m0,aarch64}

say "Building the tools of this machine"
configured || configure || die "The configuration of build/ failed."
cmake --build build --target weights_to_header map_log --parallel "$(nproc)" >$out/tools.log 2>&1 ||
  { cat $out/tools.log >&2; die "The build failed; its log is $out/tools.log"; }
tools=build/examples/embedded

say "Writing the weights as headers"
weights() {  # PANEL
  mkdir -p $out/panel$1
  $tools/weights_to_header examples/models/g2p $out/panel$1/g2p_weights.hpp --d_model 128 --nhead 4 --dim_feedforward 512 \
    --num_layers 3 --max_length 16 --activation silu --names marian --prefix model.encoder. --name g2p --panel "$1" 2>>$out/tools.log
  $tools/weights_to_header init:7 $out/panel$1/d64_weights.hpp --d_model 64 --nhead 4 --dim_feedforward 128 --num_layers 2 \
    --max_length 32 --name d64 --panel "$1" 2>>$out/tools.log
}
weights 4
weights 8

common=(-std=c++20 -DNDEBUG -fno-exceptions -fno-rtti -fno-threadsafe-statics -fno-math-errno -ffunction-sections
  -fdata-sections -fstack-usage -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror -Iinclude -isystem /usr/include/eigen3 -Wl,--gc-sections)
# Without a floating-point unit the square root is newlib's, without the wrapper that sets errno: that takes 1 080 bytes of RAM.
soft=-Wl,--defsym=sqrtf=__ieee754_sqrtf
declare -A core=([cortex-m4f]="-mcpu=cortex-m4 -mfloat-abi=hard -mfpu=fpv4-sp-d16" [cortex-m3]="-mcpu=cortex-m3 $soft" [cortex-m0]="-mcpu=cortex-m0 $soft")
declare -A machine=([cortex-m4f]=mps2-an386 [cortex-m3]=mps2-an385 [cortex-m0]=mps2-an385)  # a Cortex-M3 runs what a Cortex-M0 does
build() {  # TARGET NAME SOURCE [OPTION...]
  local target=$1 name=$2 source=$3
  local elf=$out/$target/$name.elf options
  shift 3
  if [ "$target" = aarch64 ]; then
    aarch64-linux-gnu-g++ "${common[@]}" -O2 -static -I$out/panel8 "$@" $here/$source $here/linux.cpp -Wl,-Map=$out/$target/$name.map -o $elf
  else
    read -ra options <<<"${core[$target]}"
    arm-none-eabi-g++ "${common[@]}" "${options[@]}" -mthumb -Os -I$out/panel4 "$@" \
      $here/$source $here/mps2_an386.cpp -nostdlib -nostartfiles -T $here/mps2_an386.ld -Wl,-Map=$out/$target/$name.map \
      -Wl,--defsym=stack_size=3072 -o $elf -lm -lc -lgcc
  fi
}
run() {  # TARGET NAME [WORD]
  local elf=$out/$1/$2.elf
  if [ "$1" = aarch64 ]; then
    timeout 120 "$(command -v qemu-aarch64 || command -v qemu-aarch64-static)" $elf "${3:-none}"
  else
    timeout 120 qemu-system-arm -M ${machine[$1]} -display none -monitor none -serial none -icount shift=0 \
      -chardev stdio,id=host -semihosting-config "enable=on,target=native,chardev=host,arg=firmware,arg=${3:-none}" -kernel $elf </dev/null
  fi
}

passed=0 failed=0
check() {  # TARGET NAME [WORD]
  local log=$out/$1/$2.log difference code=0
  run "$1" "$2" "${3:-}" >$log || code=$?
  difference=$($tools/map_log compare $log $out/$2.reference 2>&1) || code=1
  [ $code -eq 0 ] && passed=$((passed + 1)) || failed=$((failed + 1))
  printf '%-6s %-10s %-12s %s\n' "$([ $code -eq 0 ] && echo ok || echo FAILED)" "$1" "$2" "$difference"
}

say "Building the firmware"
$tools/map_log reference d64_nothing >$out/d64_nothing.reference
$tools/map_log reference d64_weights >$out/d64_weights.reference
$tools/map_log reference g2p examples/models/g2p "$word" >$out/g2p.reference
build_both() {  # TARGET OTHER-TARGET NAME SOURCE [OPTION...]: side by side
  local one=$1 other=$2
  shift 2
  build "$one" "$@" &
  build "$other" "$@"
  wait $!
}
build_both cortex-m4f aarch64 d64_nothing d64.cpp
build_both cortex-m4f aarch64 d64_weights d64.cpp -DKEEP_MAPS
build_both cortex-m4f aarch64 g2p g2p_encoder.cpp
build_both cortex-m3 cortex-m0 d64_weights d64.cpp -DKEEP_MAPS
say "Running it under qemu"
for target in cortex-m4f aarch64; do
  check $target d64_nothing
  check $target d64_weights
  check $target g2p "$word"
  $tools/map_log page $out/$target/g2p.log $out/$target/g2p.html 2>>$out/tools.log
done
for target in cortex-m3 cortex-m0; do check $target d64_weights; done
say "The attention of \"$word\", computed on the Cortex-M4F: $out/cortex-m4f/g2p.html"
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
