#!/usr/bin/env bash
# Programs that must not compile, and say why.
#   tests/compile_fail/check.sh FILE... [-- COMPILER OPTION...]
# FILE holds a line `// expect: SENTENCE` and both twins, the fixed one under `#ifdef FIXED`: without FIXED the compiler must fail with
# that sentence among its errors, with FIXED it must be content. Exits with 1 when one does otherwise.
set -uo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
files=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do files+=("$1"); shift; done
shift $(($# > 0))
compile=("${@:-c++}")
[ $# -gt 0 ] || compile=(c++ -isystem /usr/include/eigen3)
compile+=(-std=c++20 -fsyntax-only -Wall -Wextra -I "$root/include")

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
  fi
  if ! errors=$("${compile[@]}" -DFIXED "$file" 2>&1); then
    printf '%s: its fixed twin does not compile\n%s\n' "$file" "$(head -n 20 <<<"$errors")"
    failed=1
  fi
done
exit $failed
