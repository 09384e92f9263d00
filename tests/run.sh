#!/usr/bin/env bash
# Builds all but bench/ in build/ (Release, for this machine) and runs all tests.
#   bash tests/run.sh [--yes] [--no-install] [CTEST-OPTION...]        e.g.  bash tests/run.sh -R kernels
# Says how far it is: three steps, the share of the build that is done, the number of the test that runs.
# Names the system packages that are missing and installs them (asking first on a terminal, unless --yes; never with
# --no-install). The last line is "N passed, M failed"; exits with 1 when a test failed or did not build, 2 when it cannot start.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../.ci/system.sh"

options=()
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) sed -n '2,6s/^# //p' "${BASH_SOURCE[0]}"; exit 0 ;;
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
say "1 of 3: configuring build/ (Release, for this machine)"
configure || die "The configuration of build/ failed."

say "2 of 3: building; the first time takes about four minutes on two cores"
keep_going=(-k)
[ ! -e build/build.ninja ] || keep_going=(-k 0)
built=0
export NINJA_STATUS='[%p of the build, %e s] '  # make says by itself how far it is
cmake --build build --target everything_but_bench --parallel "$(nproc)" -- "${keep_going[@]}" >&2 || built=1

# What CI's own steps run.
left_out='packaging|browser|firmware|^ci$'
say "3 of 3: running the tests"
rm -f build/tests.xml
ctest --test-dir build --parallel "$(nproc)" --output-on-failure --timeout 300 --label-exclude "$left_out" \
  --output-junit tests.xml "${options[@]}" || true
[ -e build/tests.xml ] || die "ctest did not run."
say "Took $((SECONDS / 60)) min $((SECONDS % 60)) s"
[ $built -eq 0 ] || say "The build failed: see the first error above."
count_tests build/tests.xml $built
