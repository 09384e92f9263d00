#!/usr/bin/env bash
# Programs that must not compile, and say why.
#   tests/compile_fail/check.sh FILE... [-- COMPILER OPTION...]
# FILE holds a line `// expect: SENTENCE` and both twins, the fixed one under `#ifdef FIXED`: without FIXED the compiler must fail with
# that sentence among its errors, with FIXED it must be content. It includes nothing but vitrine's headers. Exits with 1 when
# one does otherwise.
set -uo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
files=() number=0
while [ $# -gt 0 ] && [ "$1" != -- ]; do files+=("$1"); shift; done
shift $(($# > 0))
compile=("${@:-c++}")
[ $# -gt 0 ] || compile=(c++ -isystem /usr/include/eigen3)
compile+=(-std=c++20 -fsyntax-only -Wall -Wextra -I "$root/include")

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# The header is read once, for all.
echo '#include <vitrine/vitrine.hpp>' >"$scratch/vitrine.hpp"
"${compile[@]/-fsyntax-only/-O0}" -x c++-header "$scratch/vitrine.hpp" -o "$scratch/vitrine.hpp.gch" || exit 1
compile+=(-include "$scratch/vitrine.hpp")

failed=0
for file in "${files[@]}"; do
  sentence=$(sed -n 's|^// expect: ||p' "$file")
  [ -n "$sentence" ] || { echo "$file: no line // expect: SENTENCE"; failed=1; continue; }
  if errors=$("${compile[@]}" "$file" 2>&1); then
    echo "$file: compiles, but should fail with: $sentence"
    failed=1
  elif ! grep -F 'error:' <<<"$errors" | grep -F "$sentence" >/dev/null; then
    printf '%s: fails without the sentence: %s\n%s\n' "$file" "$sentence" "$(head -n 20 <<<"$errors")"
    failed=1
  elif [ "$(wc -l <<<"$errors")" -gt 40 ] && [[ ${compile[0]} != *clang* ]]; then
    echo "$file: $(wc -l <<<"$errors") lines of errors; at most 40"
    failed=1
  fi
done

# The fixed twins in one piece, each in a namespace of its own, behind what they include.
grep -h '^#include <' "${files[@]}" | sort -u >"$scratch/fixed.cpp"
for file in "${files[@]}"; do
  printf 'namespace twin_%d {\n#include "%s"\n}\n' $((++number)) "$(realpath "$file")"
done >>"$scratch/fixed.cpp"
if ! errors=$("${compile[@]}" -DFIXED "$scratch/fixed.cpp" 2>&1); then
  printf 'a fixed twin does not compile\n%s\n' "$(head -n 20 <<<"$errors")"
  failed=1
fi
exit $failed
