#!/usr/bin/env bash
# What must hold of every header, whatever it contains.
#   tests/headers/check.sh tiers           a header includes its own tier or a lower one, in no circle, and only the std headers its tier may
#   tests/headers/check.sh mirrors         include/vitrine/TIER/NAME.hpp has tests/TIER/NAME_test.cpp, or a source in tests/ includes it
#   tests/headers/check.sh alone           each compiles alone with clang++-14, without a warning, core to models without exceptions
#                                          and RTTI; no template calls what only another header, included before it, would declare
#   tests/headers/check.sh documented      each public entity says what it must (.cmake/undocumented.awk says what); needs doxygen
#   tests/headers/check.sh named           comments name only headers, pages and scripts that are there
#   tests/headers/check.sh cost [CXX]      compiles a file with EncoderLayer<float>: prints the time, refuses over 700 MB
#   tests/headers/check.sh tidy            clang-tidy-14 finds nothing of its list (.clang-tidy) in them
#   tests/headers/check.sh macros          each with code hides other people's macros from it; tests/macros/check.sh: numbers behind them
#   tests/headers/check.sh functions       none has more than 6 parameters or 80 lines, but for those that say why; prints these
# Prints one line for each violation and exits with 1 when there is one. A check whose tool is missing or fails has not passed.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
headers() { find include/vitrine -name '*.hpp' | sort; }

# vitrine.hpp is of models' tier. io, text, corpus and inspect are hosted: anything may lie below them, nothing of the rest above.
tier_rank() {
  case $1 in core) echo 0 ;; kernels) echo 1 ;; run) echo 2 ;; layers) echo 3 ;; models | vitrine.hpp) echo 4 ;;
    generate) echo 5 ;; io) echo 6 ;; text) echo 7 ;; corpus) echo 8 ;; inspect) echo 9 ;; *) echo "unknown" ;; esac
}
free_of_heap='core|kernels|run|layers|models|vitrine\.hpp'

tiers() {
  local header tier other rank name reached
  while read -r header; do
    tier=${header#include/vitrine/} tier=${tier%%/*}
    rank=$(tier_rank "$tier")
    [ "$rank" != unknown ] || { echo "$header: $tier is no tier"; continue; }
    while read -r name; do
      case $name in
        vitrine/*)
          other=${name#vitrine/} other=${other%%/*}
          [ "$(tier_rank "$other")" -le "$rank" ] || echo "$header: includes $name, of a higher tier" ;;
        iostream | fstream | string | vector | functional)
          [[ ! $tier =~ ^($free_of_heap)$ ]] || echo "$header: includes <$name>, which $tier/ must not" ;;
        Eigen/* | eigen3/*)
          [ "$tier" != kernels ] || echo "$header: includes $name, but kernels know no Eigen" ;;
      esac
    done < <(sed -nE 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*[<"]([^>"]+)[>"].*/\1/p' "$header")
    ! grep -nE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' "$header" | sed "s|^|$header:|; s|$|  (write <vitrine/...>)|" | grep . || true
  done < <(headers)
  # tsort names the headers of a circle, and answers an example of one.
  ! printf 'one two\ntwo one\n' | tsort >/dev/null 2>&1 || echo "tsort finds no circle"
  headers | xargs grep -HE '^[[:space:]]*#[[:space:]]*include[[:space:]]*<vitrine/' | grep -v /macros_ |
    sed -E 's|^include/([^:]+):[^<]*<([^>]+)>.*|\1 \2|' | tsort 2>&1 >/dev/null | sed 's|^tsort: |a circle of includes: |'
  # The same through everything included: kernels reach no Eigen, and the umbrella no stream.
  for header in include/vitrine/kernels/*.hpp include/vitrine/vitrine.hpp; do
    if ! reached=$("${CXX:-c++}" -std=c++20 -Iinclude -isystem "${EIGEN:-/usr/include/eigen3}" -x c++ -M "$header") || [ -z "$reached" ]; then
      echo "$header: ${CXX:-c++} -M does not say what it reaches"
    elif [[ $header == */kernels/* ]]; then
      ! grep -qE '/Eigen/' <<<"$reached" || echo "$header: reaches Eigen"
    else
      ! grep -qE '/(iostream|fstream)( |$)' <<<"$reached" || echo "$header: reaches <iostream> or <fstream>"
    fi
  done
}

mirrors() {
  local header name
  while read -r header; do
    name=${header#include/vitrine/}
    [ -e "tests/${name%.hpp}_test.cpp" ] || grep -qrF "#include <vitrine/$name>" tests ||
      echo "$header: no tests/${name%.hpp}_test.cpp, nor any test that includes it"
  done < <(find include/vitrine -mindepth 2 -maxdepth 2 -name '*.hpp' | sort)  # what lies deeper is a part of these
}

# A pair about the code of every header; those in inspect/html_page/ are a page's texts.
macros() {
  local header
  while read -r header; do
    [ "$(grep -cE '^#include <vitrine/core/macros_(push|pop)[.]hpp>$' "$header")" = 2 ] ||
      echo "$header: no pair of core/macros_push.hpp and core/macros_pop.hpp"
  done < <(headers | xargs grep -lE '^namespace vitrine' | grep -vE 'core/(config|macros_(push|pop))[.]hpp|inspect/html_page/')
  local said
  said=$(bash tests/macros/check.sh 2>&1) || printf 'tests/macros/check.sh: %s\n' "$said"
}

# A call with dependent arguments is looked up where the template stands, and nothing is said when that finds nothing: the
# error comes from the first program that includes the headers in another order. clang's tree calls such a lookup empty.
alone_one() {
  local header=$1 said strict=()
  [[ ! ${header#include/vitrine/} =~ ^($free_of_heap)(/|$) ]] || strict=(-fno-exceptions -fno-rtti)
  said=$(mktemp)
  printf '#include <%s>\n' "${header#include/}" |
    clang++-14 -std=c++20 -fsyntax-only -Iinclude -isystem /usr/include/eigen3 -Wall -Wextra -Wpedantic -Wconversion -Wshadow \
      -Werror "${strict[@]}" -Xclang -ast-dump -Xclang -ast-dump-filter -Xclang vitrine -x c++ - 2>"$said" |
    LC_ALL=C sed -n "/ empty$/s|.*= \('[A-Za-z0-9_]*'\) empty$|$header: nothing that it includes declares \1|p" | sort -u
  [ "${PIPESTATUS[1]}" -eq 0 ] || printf '%s: does not compile alone %s\n    %s\n' "$header" "${strict[*]}" "$(grep -m1 'error:' "$said")"
  rm -f "$said"
}

alone() {
  export -f alone_one
  export free_of_heap
  # macros_pop.hpp ends what macros_push.hpp begins.
  headers | grep -v /core/macros_pop.hpp | xargs -P "$(nproc)" -I{} bash -c 'alone_one "$@"' _ {} 2>&1
}

documented() {
  local said
  said=$(bash .cmake/docs.sh --check 2>&1) || printf '%s\n' "${said:-.cmake/docs.sh --check fails}"
}

named() {
  local header name folder
  headers | xargs grep -HoE '//.*' | grep -oE '^[^:]+:|[A-Za-z0-9_][A-Za-z0-9_./-]*\.(hpp|md|sh|py)\b' |
    awk '/:$/ { header = $0; next } { print header $0 }' | sort -u |
    while IFS=: read -r header name; do
      for folder in "" include/ include/vitrine/ "${header%/*}/" "${header%/*}/../"; do
        [ ! -e "$folder$name" ] || continue 2
      done
      echo "$header: a comment names $name, which is not there"
    done
}

# The compiler's own memory is what counts: its largest process.
cost() {
  local program=${1:-${CXX:-c++}} source
  source=$(mktemp --suffix=.cpp)
  cat >"$source" <<'END'
#include <vitrine/vitrine.hpp>
int main() {
  namespace vt = vitrine;
  vt::EncoderLayer<float> layer({.d_model = 64, .nhead = 4, .dim_feedforward = 128});
  if (layer.init(1) != vt::Status::ok) return 1;
  const float x[8 * 64] = {};
  auto [output, self_attn, cross_attn] = layer({x, 1, 8, 64});
  return self_attn.matrix(0, 0)(7, 7) > 0 ? 0 : 1;
}
END
  python3 - "$program" "$source" <<'END'
import resource, subprocess, sys
program, source = sys.argv[1:]
code = subprocess.call([program, '-std=c++20', '-O2', '-march=native', '-Iinclude', '-isystem', '/usr/include/eigen3', '-c', source, '-o', '/dev/null'])
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(f'figure: {program}: EncoderLayer<float> compiles in {used.ru_utime + used.ru_stime:.1f} s (aim: 6) and {used.ru_maxrss / 1024:.0f} MB', file=sys.stderr)
if code != 0: print(f'EncoderLayer<float> does not compile with {program}')
if used.ru_maxrss > 700 * 1024: print(f'{program} takes over 700 MB for EncoderLayer<float>')
END
  local code=$?
  rm -f "$source"
  return $code
}

# Every finding is an error (.clang-tidy), so that a run that ends well has found nothing. One that ends with 1 may have
# found something in the source itself, which is no header; anything else is a failure.
tidy_one() {
  local said found code=0
  said=$(clang-tidy-14 --quiet "${2:---config-file=.clang-tidy}" "$1" -- -std=c++20 -fopenmp -Iinclude -isystem /usr/include/eigen3 2>&1) || code=$?
  found=$(sed "s|$PWD/||" <<<"$said" | grep -E "^include/.*(warning|error${3:+|note}): |error: .*clang-diagnostic")
  if [ -n "$found" ]; then
    printf '%s\n' "$found"
  elif [ $code -ne 0 ] && ! { [ $code -eq 1 ] && grep -q ',-warnings-as-errors\]$' <<<"$said"; }; then
    printf '%s: clang-tidy-14 fails: %s\n' "$1" "$(tail -n 5 <<<"$said")"
  fi
}

all_headers() {
  local all
  all=$(mktemp --suffix=.cpp)
  headers | sed 's|include/\(.*\)|#include <\1>|' >"$all"
  echo "$all"
}

tidy() {
  local all code
  all=$(all_headers)
  export -f tidy_one
  printf '%s\n' "$all" examples/translate.cpp tests/golden.cpp |
    xargs -P "$(nproc)" -I{} bash -c 'tidy_one "$@"' _ {} | sort -u
  code=$?
  rm -f "$all"
  return $code
}

# Whoever needs more says so where the finding is: // NOLINT(readability-function-size): REASON
functions() {
  local all excuses
  excuses=$(headers | xargs grep -nE 'NOLINT[A-Z]*\([^)]*readability-function-size|NOLINT[A-Z]*($|[^A-Z(])')
  sed -nE 's|^([^:]+):([0-9]+):.*NOLINT\(readability-function-size\): |longer, with a reason: \1:\2: |p' <<<"$excuses" >&2
  grep -vE '// NOLINT\(readability-function-size\): [^ ]+ [^ ]' <<<"$excuses" | sed '/^$/d; s|$|  (write // NOLINT(readability-function-size): REASON)|'
  all=$(all_headers)
  tidy_one "$all" "--config={Checks: '-*,readability-function-size', HeaderFilterRegex: 'include/vitrine/', WarningsAsErrors: '*',
    CheckOptions: [{key: readability-function-size.ParameterThreshold, value: 6},
                   {key: readability-function-size.LineThreshold, value: 80},
                   {key: readability-function-size.StatementThreshold, value: 100000}]}" notes
  rm -f "$all"
}

case ${1:-} in
  tiers | mirrors | macros | alone | documented | named | cost | tidy | functions)
    violations=$("$@") || violations+="${violations:+$'\n'}$1: the check itself failed"
    [ "$(headers | wc -l)" -gt 50 ] || violations+="${violations:+$'\n'}$1: only $(headers | wc -l) headers were found" ;;
  *) sed -n '2,13s/^# //p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
esac
[ -z "$violations" ] || { printf '%s\n' "$violations"; exit 1; }
echo "$1: $(headers | wc -l) headers, no violation"
