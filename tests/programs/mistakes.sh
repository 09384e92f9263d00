#!/usr/bin/env bash
# mistakes PROGRAM: the numbers and pictures of examples/mistakes.md are what the program makes.
set -uo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/check.sh"
page=examples/mistakes.md

check "it runs" exits 0 "$scratch"
check "the page holds what it prints" cmp "$scratch/stdout" <(awk '/^```/ { inside = !inside; next } inside' $page)
for number in $(awk '/^```/ { inside = !inside; next } !inside' $page | grep -oE -- '-?[0-9]+\.[0-9]+' | sort -u); do
  check "the page says $number, the program does not" grep -qE -- "(^|[^0-9.-])$number( |$)" "$scratch/stdout"
done
for picture in examples/images/mistake_*.svg; do
  check "the page shows $picture" grep -qF "(images/${picture##*/})" $page
  # Colours may differ by a step where another processor rounds otherwise; titles, labels and the largest weight do not.
  check "$picture is what it draws" cmp <(grep '<text' "$picture") <(grep '<text' "$scratch/${picture##*/}")
done
check "as many pictures as it draws" [ "$(ls examples/images/mistake_*.svg | wc -l)" = "$(ls "$scratch"/*.svg | wc -l)" ]
check "a folder that is not there" exits 2 "$scratch/nowhere"
check "too many arguments" exits 2 a b
finish
