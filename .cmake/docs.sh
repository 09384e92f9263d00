#!/usr/bin/env bash
# The guide and the API reference as one site, by Doxygen: the pages, and the headers' comments.
#   bash .cmake/docs.sh           writes build/docs/index.html, and names public entities that do not say what they must and links
#                                 that lead nowhere
#   bash .cmake/docs.sh --check   only looks: exits with 1 when there is one (the rule: undocumented.awk), or when the rule does
#                                 not find in the headers of tests/headers/undocumented/ the very lines of expected.txt
# A comment is `//` in front of a declaration or behind it; doxygen.awk says how one is read, guide.awk how a page is.
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
# The page of the reference: every header with its first sentence, by tier.
reference_page() {
  local tier header
  echo '/** @page reference The API, header by header'
  echo 'Ways into it, with code that runs: the guide. Symbols: B batch, T target length, S source length,'
  echo 'E model width, H heads, D head width, F feed-forward width. `vt` is `vitrine`.'
  for tier in core kernels run layers models generate io text corpus inspect; do
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
reference_page >"$out/reference.dox"

# The guide's pages as Doxygen is to see them, README.md first; what they link to besides is copied.
guide() {
  local page made pages
  mkdir -p "$out/guide" "$out/files"
  pages=$(bash tests/pages/check.sh list)
  for page in README.md examples/README.md $(grep -vxE '(examples/)?README.md|bench/.*' <<<"$pages") $(grep '^bench/' <<<"$pages") CHANGELOG.md CONTRIBUTING.md; do
    made=$out/guide/${page//\//_}
    awk -v root="$PWD" -v copied="$out/copied" -f .cmake/guide.awk "$page" >"$made"
    echo "INPUT += $made"
  done
  echo "USE_MDFILE_AS_MAINPAGE = $out/guide/README.md"
  sort -u "$out/copied" | while read -r made; do
    mkdir -p "$out/files/$(dirname "$made")"
    if [ -d "$made" ]; then  # its list
      mkdir -p "$out/files/$made"
      { echo "<!doctype html><meta charset=\"utf-8\"><title>$made</title><h1>$made</h1><ul>"; ls "$made" | sed 's/.*/<li>&/'; echo "</ul>"; } >"$out/files/$made/index.html"
    else
      cp "$made" "$out/files/$made"
    fi
  done
}

# Links of the site that lead to no file, or to no element of one. (Doxygen 1.9 itself leads to a list of nested classes also where
# all are private.)
broken_links() {
  (cd "$out" && find . -maxdepth 1 -name '*.html' -print0 | xargs -0 awk '
    FNR == 1 { page = FILENAME; sub(/^[.]\//, "", page); known[page] = 1 }
    {
      rest = $0
      while (match(rest, /(id|name)="[^"]*"/)) {
        id = substr(rest, RSTART, RLENGTH); rest = substr(rest, RSTART + RLENGTH)
        sub(/^[^"]*"/, "", id); sub(/"$/, "", id); ids[page "#" id] = 1
      }
      rest = $0
      while (match(rest, /(href|src)="[^"]*"/)) {
        link = substr(rest, RSTART, RLENGTH); rest = substr(rest, RSTART + RLENGTH)
        sub(/^[^"]*"/, "", link); sub(/"$/, "", link)
        if (link !~ /^(https?:|mailto:|javascript:|#$)/ && link !~ /#nested-classes$/ && link != "") links[page "\t" (link ~ /^#/ ? page link : link)] = 1
      }
    }
    END {
      for (entry in links) {
        split(entry, parts, "\t")
        file = parts[2]; sub(/#.*/, "", file)
        if (!(file in known)) {
          known[file] = (getline line <file) >= 0 ? 2 : 0
          close(file)
        }
        if (!known[file] || parts[2] ~ /#./ && known[file] == 1 && !(parts[2] in ids)) { print parts[1] ": leads to " parts[2] ", which is not there"; ++broken }
        ++count
      }
      print count " links" >"/dev/stderr"
      exit broken > 0 || count < 1000
    }')
}

[ "${1:-}" = --check ] || settings=$(guide)
version=$(awk '/^#define VITRINE_VERSION_/ { printf "%s%s", dot, $3; dot = "." }' include/vitrine/core/config.hpp)
extract() { { cat .cmake/Doxyfile; printf '%s\n' "$@"; } | doxygen - 2>&1 || true; }
# What is undocumented in the headers under $1, whose XML is in $2.
undocumented() {
  awk -v root="$1" -v filter='awk -f .cmake/doxygen.awk' -f .cmake/undocumented.awk "$2"/xml/{class,struct,namespace}*.xml | LC_ALL=C sort
}
extract "PROJECT_NUMBER = $version" "$settings" "INPUT += $out/reference.dox" >"$out/doxygen.log"
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
[ "${1:-}" = --check ] || broken_links || failed=1
[ $failed = 1 ] || echo "$entities entities, each public one says what it must"
[ "${1:-}" = --check ] || echo "build/docs/index.html"
exit $failed
