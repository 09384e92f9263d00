#!/usr/bin/env bash
# quickstart PROGRAM: phonemes, the page, and words that it cannot spell.
set -uo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/check.sh"

check "--help" exits 0 --help
check "a word" exits 0 --model $model --html "$scratch/page.html" radium
check "its phonemes" grep -q '^radium  R EY D IY AH M$' "$scratch/stdout"
check "the page" grep -q '<title>' "$scratch/page.html"
(cd "$scratch" && "$under_test" --model "$OLDPWD/$model" --html attention.html anhydride >stdout 2>stderr)
check "the README's output" diff <(awk '/^    \$ bash examples\/quickstart.sh/ {on = 1; next} on && /^$/ {print; next} on && !/^    / {exit} on {print substr($0, 5)}' README.md | sed -e '$d') \
  <(sed -e '$!b' -e '/^$/d' "$scratch/stdout")
check "words of stdin" cmp -s <("$under_test" --quiet --model $model ratio radium) <(printf 'ratio\nradium\n' | "$under_test" --quiet --model $model)
mkfifo "$scratch/open"
exec 3<>"$scratch/open"
check "an open pipe without any" grep -q '^anhydride  ' <(timeout 20 "$under_test" --quiet --model $model <&3)
exec 3>&-
check "letters outside the vocabulary" exits 2 --model $model 'na~ve' radium 'b4d'
check "the first word" says '"na~ve" needs'
check "and the second" says '"b4d" needs'
finish
