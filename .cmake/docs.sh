#!/usr/bin/env bash
# The API reference from the headers' comments, by Doxygen.
#   bash .cmake/docs.sh           writes build/docs/index.html and names public entities that do not say what they must
#   bash .cmake/docs.sh --check   only looks: exits with 1 when there is one (the rule: undocumented.awk), or when the rule does
#                                 not find in the headers of tests/headers/undocumented/ the very lines of expected.txt
# A comment is `//` in front of a declaration or behind it; doxygen.awk says how one is read.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
command -v doxygen >/dev/null || { echo "doxygen is missing (Debian, Ubuntu: package doxygen)" >&2; exit 2; }
out=build/docs settings=
if [ "${1:-}" = --check ]; then
  out=$(mktemp -d)
  trap 'rm -rf "$out"' EXIT
  settings="OUTPUT_DIRECTORY = $out
GENERATE_HTML = NO"
else
  rm -rf "$out"
  mkdir -p "$out"
fi
# The first page: every header with its first sentence, by tier.
main_page() {
  local tier header
  echo '/** @mainpage The API, header by header'
  echo 'Ways into it, with code that runs: README.md and examples/README.md. Symbols: B batch, T target length, S source length,'
  echo 'E model width, H heads, D head width, F feed-forward width. `vt` is `vitrine`.'
  for tier in core kernels layers models generate io inspect; do
    printf '\n@section tier_%s %s\n<table>\n' $tier $tier
    for header in include/vitrine/$tier/*.hpp; do
      awk -v path="${header#include/}" '
        /^#pragma once/ || /^\/\/ *$/ || !/^\/\// || /^\/\/   / { exit }
        { sub(/^\/\/ /, ""); text = text (text == "" ? "" : " ") $0 }
        END {
          if (match(text, /[.]( |$)/)) text = substr(text, 1, RSTART)
          gsub(/&/, "\\&amp;", text); gsub(/</, "\\&lt;", text)
          name = path; sub(/.*\//, "", name)
          printf "<tr><td>@link %s %s @endlink</td><td>%s</td></tr>\n", path, name, text
        }' "$header"
    done
    echo '</table>'
  done
  echo '*/'
  echo '/** @namespace vitrine Everything; namespace vt = vitrine. */'
  echo '/** @namespace vitrine::keep What a call keeps of its attention. */'
  echo '/** @namespace vitrine::kernels Pointers and strides in, no layer types. */'
  echo '/** @namespace vitrine::inspect Analysis of maps, and their pictures. */'
}
main_page >"$out/main_page.dox"

version=$(awk '/^#define VITRINE_VERSION_/ { printf "%s%s", dot, $3; dot = "." }' include/vitrine/core/config.hpp)
extract() { { cat .cmake/Doxyfile; printf '%s\n' "$@"; } | doxygen - 2>&1 || true; }
# What is undocumented in the headers under $1, whose XML is in $2.
undocumented() {
  awk -v root="$1" -v filter='awk -f .cmake/doxygen.awk' -f .cmake/undocumented.awk "$2"/xml/{class,struct,namespace}*.xml | LC_ALL=C sort
}
extract "PROJECT_NUMBER = $version" "INPUT += $out/main_page.dox" "$settings" >"$out/doxygen.log"
failed=0
! grep -E 'warning:|error:' "$out/doxygen.log" || failed=1
entities=$(grep -hc '<memberdef\|<compounddef kind="\(class\|struct\)' "$out"/xml/{class,struct,namespace}*.xml | awk '{ sum += $1 } END { print sum }')
[ "$entities" -gt 500 ] || { echo "Doxygen saw only $entities entities"; cat "$out/doxygen.log"; failed=1; }
undocumented include "$out" | { ! grep .; } || failed=1
if [ "${1:-}" = --check ]; then
  fixture=tests/headers/undocumented
  mkdir "$out/fixture"
  extract "INPUT = $fixture" "STRIP_FROM_PATH = $fixture" "OUTPUT_DIRECTORY = $out/fixture" "GENERATE_HTML = NO" >/dev/null
  diff $fixture/expected.txt <(undocumented $fixture "$out/fixture") || failed=1
fi
[ $failed = 1 ] || echo "$entities entities, each public one says what it must"
[ "${1:-}" = --check ] || echo "build/docs/index.html"
exit $failed
