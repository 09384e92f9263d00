# Sourced by the tests of programs: `program` runs what is tested, `check WHAT COMMAND...` counts and names what fails.
under_test=$(realpath "${1:?the program to test}")
model=examples/models/g2p
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failures=0
program() { "$under_test" "$@" 2>"$scratch/stderr"; }
check() {
  local what=$1
  shift
  "$@" || { echo "FAILED: $what"; failures=$((failures + 1)); }
}
exits() {  # exits STATUS ARGUMENT...
  local wanted=$1 status=0
  shift
  program "$@" >"$scratch/stdout" </dev/null || status=$?
  [ "$status" = "$wanted" ] || { echo "exit $status instead of $wanted: $*"; return 1; }
}
says() { grep -qF -- "$1" "$scratch/stderr" || { echo "stderr does not say: $1"; cat "$scratch/stderr"; return 1; }; }
finish() {
  [ $failures = 0 ] || exit 1
  echo "all checks passed"
}
