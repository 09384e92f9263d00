# Sourced by examples/quickstart.sh, tests/run.sh and .ci/run: finds what a build needs, offers to install what is missing,
# and configures. Everything here talks on stderr: stdout belongs to the program that is run in the end.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
install=ask  # ask, yes or no
missing=()   # Debian's and Ubuntu's names
purposes=()  # what each is for

say() { printf '%s\n' "$*" >&2; }
die() { say "$*"; exit 2; }

compiler() {
  local name
  for name in ${CXX:+"$CXX"} c++ g++ clang++; do
    command -v "$name" >/dev/null 2>&1 && { echo "$name"; return; }
  done
  return 1
}

# has KIND NAME...: succeeds when any of the names is there. KIND is header, command or file.
has() {
  local kind=$1 name program
  shift
  for name in "$@"; do
    if [ "$kind" = command ]; then
      command -v "$name" >/dev/null 2>&1 && return 0
    elif [ "$kind" = file ]; then
      [ -e "$name" ] && return 0
    elif program=$(compiler); then
      printf '#if !__has_include(<%s>)\n#error\n#endif\n' "$name" | "$program" -x c++ -std=c++20 -E - >/dev/null 2>&1 && return 0
    elif [ -e "/usr/include/$name" ]; then
      return 0
    fi
  done
  return 1
}

# need PACKAGE PURPOSE KIND NAME...: notes the package when nothing of what it would bring is there.
need() {
  local package=$1 purpose=$2
  shift 2
  has "$@" || { missing+=("$package"); purposes+=("$purpose"); }
}

need_toolchain() {
  compiler >/dev/null || { missing+=(g++); purposes+=("a C++20 compiler"); }
  need cmake "CMake 3.21 or newer" command cmake
  need make "make (or ninja)" command ninja make
  need libeigen3-dev "Eigen 3.4 or newer" header Eigen/Core eigen3/Eigen/Core
  need nlohmann-json3-dev "nlohmann-json" header nlohmann/json.hpp
  need zlib1g-dev zlib header zlib.h
}

# install_missing CHECK: installs what CHECK (a function of needs) finds missing, after asking on a terminal.
install_missing() {
  local check=$1 number answer as_root=()
  missing=() purposes=()
  "$check"
  [ ${#missing[@]} -gt 0 ] || return 0
  say "Missing on this system:"
  for number in "${!missing[@]}"; do say "  ${purposes[$number]} (Debian, Ubuntu: ${missing[$number]})"; done
  command -v apt-get >/dev/null 2>&1 || die "This is not Debian or Ubuntu: please install them with your own tools, then run this again."
  if [ "$(id -u)" -ne 0 ]; then
    as_root=(sudo)
    [ "$install" = no ] || command -v sudo >/dev/null 2>&1 ||
      die "Neither root nor sudo here. As root: apt-get install ${missing[*]}"
  fi
  [ "$install" != no ] || die "Install them with: ${as_root[*]:+sudo }apt-get install ${missing[*]}"
  if [ "$install" = ask ] && [ -t 0 ]; then
    read -r -p "Install them now with apt-get? [Y/n] " answer
    case $answer in '' | [yY]*) ;; *) die "Nothing was installed. With: ${as_root[*]:+sudo }apt-get install ${missing[*]}" ;; esac
  fi
  say "Installing ${missing[*]}"
  apt "${as_root[@]}" -- "${missing[@]}" || die "apt-get could not install ${missing[*]}"
  missing=() purposes=()
  "$check"
  [ ${#missing[@]} -eq 0 ] || die "Still missing after the installation: ${missing[*]}"
}

# apt [sudo] -- PACKAGE...: the package lists are fetched only when what is there does not suffice.
apt() {
  local as_root=()
  while [ "$1" != -- ]; do as_root+=("$1"); shift; done
  shift
  local get=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 -o Acquire::Retries=3 -o DPkg::Lock::Timeout=120)
  { flock 9; "${get[@]}" install -y --no-install-recommends "$@" || { "${get[@]}" update && "${get[@]}" install -y --no-install-recommends "$@"; }; } \
    </dev/null >"${TMPDIR:-/tmp}/vitrine-apt.$$.log" 2>&1 9>"${TMPDIR:-/tmp}/vitrine-apt.lock" ||
    { cat "${TMPDIR:-/tmp}/vitrine-apt.$$.log" >&2; return 1; }
  rm -f "${TMPDIR:-/tmp}/vitrine-apt.$$.log"
}

# True when build/ is ready for `cmake --build`, and made for this folder.
configured() {
  { [ -e "$root/build/build.ninja" ] || [ -e "$root/build/Makefile" ]; } &&
    grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$root" "$root/build/CMakeCache.txt"
}

# configure [OPTION...]: build/, Release, for this machine. What another folder's build left there is started afresh.
configure() {
  local generator=() log=$root/build/configure.log
  if ! configured; then
    rm -rf "$root/build/CMakeCache.txt" "$root/build/CMakeFiles"
    ! command -v ninja >/dev/null 2>&1 || generator=(-G Ninja)
  fi
  mkdir -p "$root/build"
  cmake -S "$root" -B "$root/build" "${generator[@]}" -DCMAKE_BUILD_TYPE=Release -DVITRINE_NATIVE=ON \
    -DVITRINE_DEVELOPER_MODE=ON -DVITRINE_WERROR="$([ "${CI:-}" = true ] && echo ON || echo OFF)" "$@" >"$log" 2>&1 || { cat "$log" >&2; return 1; }
}

# parse_install_option OPTION: true when it was one of ours.
parse_install_option() {
  case $1 in
    --yes) install=yes ;;
    --no-install) install=no ;;
    *) return 1 ;;
  esac
}

# count_tests FILE [FAILURES]: prints "N passed, M failed" from ctest's JUnit file, M including other failures; true when that is good.
# What had to be skipped is named and counts as neither.
count_tests() {
  local all passed skipped
  all=$(grep -c '<testcase ' "$1" || true)
  passed=$(grep -c '<testcase .*status="run"' "$1" || true)
  skipped=$(grep -c '<skipped message="SKIP_RETURN_CODE' "$1" || true)
  [ "$skipped" -eq 0 ] || awk -F'"' '/<testcase /{name = $2} /<skipped message="SKIP_RETURN_CODE/{print "skipped: " name}' "$1"
  echo "$passed passed, $((all - passed - skipped + ${2:-0})) failed"
  [ $((all - passed - skipped + ${2:-0})) -eq 0 ] && [ "$passed" -gt 0 ]
}
