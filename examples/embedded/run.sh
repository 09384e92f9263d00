#!/usr/bin/env bash
# Builds the firmware of this folder for a Cortex-M4F and for aarch64, and d64 with maps for a Cortex-M3 and a Cortex-M0,
# which have no floating-point unit, with weights in f32, and some of it in int8 and f16; runs it under qemu, and compares
# every number with this machine's dynamic model in the same storage (at most 1e-5 apart; int8 1e-3).
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
weights() {  # PANEL STORAGE
  local folder=$out/panel$1_$2
  mkdir -p $folder
  $tools/weights_to_header examples/models/g2p $folder/g2p_weights.hpp --d_model 128 --nhead 4 --dim_feedforward 512 \
    --num_layers 3 --max_length 16 --activation silu --names marian --prefix model.encoder. --name g2p \
    --panel "$1" --weights "$2" 2>>$out/tools.log
  $tools/weights_to_header init:7 $folder/d64_weights.hpp --d_model 64 --nhead 4 --dim_feedforward 128 --num_layers 2 \
    --max_length 32 --name d64 --panel "$1" --weights "$2" 2>>$out/tools.log
}
for storage in f32 int8 f16; do
  weights 4 $storage
  weights 8 $storage
done

common=(-std=c++20 -DNDEBUG -fno-exceptions -fno-rtti -fno-threadsafe-statics -fno-math-errno -ffunction-sections
  -fdata-sections -fstack-usage -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror -Iinclude -isystem /usr/include/eigen3 -Wl,--gc-sections)
# Without a floating-point unit the square root is newlib's, without the wrapper that sets errno: that takes 1 080 bytes of RAM.
soft=-Wl,--defsym=sqrtf=__ieee754_sqrtf
declare -A core=([cortex-m4f]="-mcpu=cortex-m4 -mfloat-abi=hard -mfpu=fpv4-sp-d16" [cortex-m3]="-mcpu=cortex-m3 $soft" [cortex-m0]="-mcpu=cortex-m0 $soft")
declare -A machine=([cortex-m4f]=mps2-an386 [cortex-m3]=mps2-an385 [cortex-m0]=mps2-an385)  # a Cortex-M3 runs what a Cortex-M0 does
storage_of() { case $1 in *_int8) echo int8 ;; *_f16) echo f16 ;; *) echo f32 ;; esac; }
build() {  # TARGET NAME SOURCE [OPTION...]
  local target=$1 name=$2 source=$3
  local elf=$out/$target/$name.elf options storage
  storage=$(storage_of $name)
  shift 3
  if [ "$target" = aarch64 ]; then
    aarch64-linux-gnu-g++ "${common[@]}" -O2 -static -I$out/panel8_$storage "$@" $here/$source $here/linux.cpp -Wl,-Map=$out/$target/$name.map -o $elf
  else
    read -ra options <<<"${core[$target]}"
    arm-none-eabi-g++ "${common[@]}" "${options[@]}" -mthumb -Os -I$out/panel4_$storage "$@" \
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
  # One code more or less of a row is a hundredth of its largest value by a weight.
  difference=$($tools/map_log compare $log $out/$2.reference $([ "$(storage_of $2)" = int8 ] && echo 1e-3 || echo 1e-5) 2>&1) || code=1
  [ $code -eq 0 ] && passed=$((passed + 1)) || failed=$((failed + 1))
  printf '%-6s %-10s %-16s %s\n' "$([ $code -eq 0 ] && echo ok || echo FAILED)" "$1" "$2" "$difference"
}

say "Building the firmware"
$tools/map_log reference d64_nothing >$out/d64_nothing.reference
for storage in f32 int8 f16; do
  suffix=${storage/f32/}
  $tools/map_log reference d64_weights --weights $storage >$out/d64_weights${suffix:+_$suffix}.reference
  $tools/map_log reference g2p examples/models/g2p "$word" --weights $storage >$out/g2p${suffix:+_$suffix}.reference
done
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
build_both cortex-m4f aarch64 d64_weights_int8 d64.cpp -DKEEP_MAPS
build_both cortex-m4f aarch64 d64_weights_f16 d64.cpp -DKEEP_MAPS
build cortex-m4f g2p_int8 g2p_encoder.cpp &
build cortex-m4f g2p_f16 g2p_encoder.cpp
wait $!
build_both cortex-m3 cortex-m0 d64_weights d64.cpp -DKEEP_MAPS
build_both cortex-m3 cortex-m0 d64_weights_int8 d64.cpp -DKEEP_MAPS
say "Running it under qemu"
for target in cortex-m4f aarch64; do
  check $target d64_nothing
  check $target d64_weights
  check $target g2p "$word"
  check $target d64_weights_int8
  check $target d64_weights_f16
  $tools/map_log page $out/$target/g2p.log $out/$target/g2p.html 2>>$out/tools.log
done
check cortex-m4f g2p_int8 "$word"
check cortex-m4f g2p_f16 "$word"
for target in cortex-m3 cortex-m0; do
  check $target d64_weights
  check $target d64_weights_int8
done
say "The attention of \"$word\", computed on the Cortex-M4F: $out/cortex-m4f/g2p.html"
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
