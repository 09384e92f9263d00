#!/usr/bin/env bash
# Macros of other people's headers (prelude.hpp) change no number and break no build, before our headers and behind them.
#   tests/macros/check.sh [COMPILER OPTION...]     default: c++ -isystem /usr/include/eigen3
# Compiles program.cpp without the prelude, behind it and with it behind our headers, for each standard and kind of vectors:
# each must print what it prints without. And a program with a namespace vt of its own.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
compile=("$@")
[ $# -gt 0 ] || compile=(c++ -isystem /usr/include/eigen3)
compile+=(-O0 -Iinclude -Itests/macros)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
failed=0
[ "$(grep -c '^#define' tests/macros/prelude.hpp)" -ge 200 ] || { echo "fewer than 200 macros"; failed=1; }
run() {  # NAME OPTION...
  local name=$1
  shift
  "${compile[@]}" "$@" tests/macros/program.cpp -o "$folder/$name" 2>"$folder/errors" && "$folder/$name" >"$folder/$name.txt" ||
    { echo "$name ($*) does not compile or run:"; grep -m3 'error' "$folder/errors"; failed=1; }
}
for kind in "-std=c++20 -DVITRINE_VECTOR_BYTES=0" -std=gnu++20; do
  read -ra options <<<"$kind"
  run plain "${options[@]}"
  run before "${options[@]}" -include tests/macros/prelude.hpp
  run between "${options[@]}" -DBETWEEN
  for order in before between; do
    cmp -s "$folder/plain.txt" "$folder/$order.txt" || { echo "$kind: other numbers with the macros $order"; failed=1; }
  done
done
printf 'namespace vt { int of_the_user(); }\n#define VITRINE_NO_VT\n#include <vitrine/vitrine.hpp>\nvitrine::Index vt_of_the_user = vitrine::unlimited;\n' |
  "${compile[@]}" -std=c++20 -fsyntax-only -x c++ - || { echo "a namespace vt of one's own"; failed=1; }
[ $failed -eq 0 ] && echo "$(grep -c '^#define' tests/macros/prelude.hpp) macros change nothing"
exit $failed
