#!/usr/bin/env bash
# The API reference from the headers' comments, by Doxygen.
#   bash .cmake/docs.sh           writes build/docs/index.html and names public entities without a comment
#   bash .cmake/docs.sh --check   only looks: exits with 1 when there is one (the rule: undocumented.awk)
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
version=$(awk '/^#define VITRINE_VERSION_/ { printf "%s%s", dot, $3; dot = "." }' include/vitrine/core/config.hpp)
{ cat .cmake/Doxyfile; echo "PROJECT_NUMBER = $version"; echo "$settings"; } | doxygen - >"$out/doxygen.log" 2>&1 || true
failed=0
! grep -E 'warning:|error:' "$out/doxygen.log" || failed=1
entities=$(grep -hc '<memberdef\|<compounddef kind="\(class\|struct\)' "$out"/xml/{class,struct,namespace}*.xml | awk '{ sum += $1 } END { print sum }')
[ "$entities" -gt 500 ] || { echo "Doxygen saw only $entities entities"; cat "$out/doxygen.log"; failed=1; }
awk -f .cmake/undocumented.awk "$out"/xml/{class,struct,namespace}*.xml | sort | sed 's/$/ has no comment/' | { ! grep .; } || failed=1
[ $failed = 1 ] || echo "$entities entities, each public one with a comment"
[ "${1:-}" = --check ] || echo "build/docs/index.html"
exit $failed
