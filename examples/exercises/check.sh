#!/usr/bin/env bash
# Checks the exercises themselves: each compiles as it is, says in a sentence what is wrong, and exits with 1; each solution
# compiles with the same command and exits with 0. README.md shows what the first says.
#   examples/exercises/check.sh [NAME...]     e.g. 3_causal_mask; without names all of them. CXX, CXXFLAGS and the number of
#                                             programs that are compiled at once, JOBS (2), are taken from the environment
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
folder=examples/exercises
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# one SOURCE EXPECTED: compiles and runs it; EXPECTED is what the last line begins with: "not yet: ..." or "solved: ...".
one() {
  local source=$1 expected=$2 code=0 wanted=1 program
  program=$scratch/$(tr '/' '_' <<<"${source%.cpp}")
  [ "$expected" = solved ] && wanted=0
  # shellcheck disable=SC2086
  "${CXX:-g++}" -std=c++20 ${CXXFLAGS:--O1} -I include "$source" -o "$program" >"$program.log" 2>&1 || {
    echo "FAILED: $source does not compile"; cat "$program.log"; return 1; }
  "$program" >"$program.out" 2>&1 || code=$?
  if [ $code -ne $wanted ] || ! tail -n 1 "$program.out" | grep -qE "^$expected: .{20,}"; then
    echo "FAILED: $source exits with $code (expected $wanted) and says:"
    cat "$program.out"
    return 1
  fi
  echo "$source  $(tail -n 1 "$program.out" | cut -c 1-120)"
}
export -f one
export folder scratch

names=("$@")
[ $# -gt 0 ] || { names=("$folder"/[0-9]_*.cpp); names=("${names[@]##*/}"); names=("${names[@]%.cpp}"); }
for name in "${names[@]}"; do
  printf '%s\0%s\0' "$folder/$name.cpp" 'not yet' "$folder/solutions/$name.cpp" solved
done | xargs -0 -n 2 -P "${JOBS:-2}" bash -c 'one "$@"' _ || exit 1
said=$scratch/examples_exercises_1_softmax.out
if [ -e "$said" ] && ! grep -qxF -- "$(tail -n 1 "$said")" $folder/README.md; then
  echo "FAILED: $folder/README.md does not show what 1_softmax.cpp says"
  exit 1
fi
echo "exercises: ${#names[@]}; the holes fail with their sentence, the solutions pass"
