#!/usr/bin/env bash
# Builds all but bench/ in build/ (Release, for this machine) and runs all tests.
#   bash tests/run.sh [--yes] [--no-install] [CTEST-OPTION...]        e.g.  bash tests/run.sh -R kernels
# Names the system packages that are missing and installs them (asking first on a terminal, unless --yes; never with
# --no-install). The last line is "N passed, M failed"; exits with 1 when a test failed or did not build, 2 when it cannot start.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../.ci/system.sh"

options=()
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) sed -n '2,5s/^# //p' "${BASH_SOURCE[0]}"; exit 0 ;;
    *) parse_install_option "$1" || options+=("$1") ;;
  esac
  shift
done

need_tests() {
  need_toolchain
  need doctest-dev doctest header doctest/doctest.h
  need libutf8proc-dev "utf8proc, for tokenizers" header utf8proc.h
  need libpcre2-dev "PCRE2, for tokenizers" header pcre2.h
}

install_missing need_tests
cd "$root"
say "Configuring build/ (Release, for this machine)"
configure || die "The configuration of build/ failed."

say "Building; the first time takes about four minutes on two cores"
keep_going=(-k)
[ ! -e build/build.ninja ] || keep_going=(-k 0)
built=0
cmake --build build --target everything_but_bench --parallel "$(nproc)" -- "${keep_going[@]}" >&2 || built=1

# What CI's own steps run.
left_out='packaging|browser|firmware|^ci$'
say "Running the tests"
rm -f build/tests.xml
ctest --test-dir build --parallel "$(nproc)" --output-on-failure --timeout 300 --label-exclude "$left_out" \
  --output-junit tests.xml "${options[@]}" || true
[ -e build/tests.xml ] || die "ctest did not run."
[ $built -eq 0 ] || say "The build failed: see the first error above."
count_tests build/tests.xml $built
