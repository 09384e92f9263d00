#!/usr/bin/env bash
# Builds small consumers outside the tree, one for each way in.
#   tests/packaging/run.sh [WAY...]     without arguments all of: see the functions below
# Prints one line for each; the last is "N passed, M failed"; exits with 1 when one failed.
set -uo pipefail
source_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
here=$source_dir/tests/packaging
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cxx=${CXX:-c++}
eval "$(awk '/^#define VITRINE_VERSION_/ { print tolower(substr($2, 17)) "=" $3 }' "$source_dir/include/vitrine/core/config.hpp")"
version=$major.$minor.$patch

# expect PROGRAM WORDS...: the program runs and its one line holds the words, e.g. `expect ./consumer "openmp 1"`.
expect() {
  local line words
  line=$("$1") || return 1
  shift
  for words in "vitrine $version" "$@"; do
    grep -qF "$words " <<<"$line " || { echo "expected \"$words\" in: $line"; return 1; }
  done
}
refuses() { ! "$@" || { echo "should have failed: $*"; return 1; }; }

# install DIR OPTION...: what a distributor does; DIR/moved is where the tree then lies, so that nothing absolute survives.
install() {
  local dir=$1
  shift
  cmake -S "$source_dir" -B "$dir/build" -DVITRINE_DEVELOPER_MODE=OFF -DCMAKE_INSTALL_PREFIX="$dir/prefix" "$@" &&
    cmake --install "$dir/build" && rm -rf "$dir/build" && mv "$dir/prefix" "$dir/moved"
}

# consume HOW BUILD OPTION...: configures and builds the CMake consumer.
consume() {
  local how=$1 build=$2
  shift 2
  cmake -S "$here/cmake" -B "$build" -DHOW="$how" -DWANTED="$major.$minor" -DVITRINE_SOURCE="$source_dir" -DCMAKE_CXX_COMPILER="$cxx" "$@" && cmake --build "$build"
}

find_package() {
  install "$work/package" && consume find_package "$work/found" -DCMAKE_PREFIX_PATH="$work/package/moved" &&
    expect "$work/found/consumer" "openmp 1" "optimised 0" && expect "$work/found/consumer_native" "openmp 1" "optimised 1" &&
    test -x "$work/package/moved/share/doc/vitrine/examples/slurm_array.sh" && test -x "$work/package/moved/share/doc/vitrine/examples/python/ray_score.py" &&
    ! grep -rlF "$work/package/prefix" "$work/package/moved" && ! grep -rlF "$source_dir" "$work/package/moved"
}
find_package_openmp() {
  install "$work/openmp" -DVITRINE_OPENMP=OFF &&
    consume find_package "$work/openmp/auto" -DCMAKE_PREFIX_PATH="$work/openmp/moved" && expect "$work/openmp/auto/consumer" "openmp 1" &&
    consume find_package "$work/openmp/on" -DCMAKE_PREFIX_PATH="$work/openmp/moved" -DVITRINE_OPENMP=ON &&
    expect "$work/openmp/on/consumer" "openmp 1" &&
    consume find_package "$work/openmp/off" -DCMAKE_PREFIX_PATH="$work/openmp/moved" -DVITRINE_OPENMP=OFF -DCMAKE_CXX_FLAGS=-fopenmp &&
    expect "$work/openmp/off/consumer" "openmp 0"
}
find_package_version() {  # before 1.0 another minor version is another library
  install "$work/version" || return 1
  refuses cmake -S "$here/cmake" -B "$work/version/build" -DHOW=find_package -DWANTED="$major.$((minor + 1))" -DCMAKE_PREFIX_PATH="$work/version/moved"
}
install_without_eigen() {
  install "$work/bare" -DCMAKE_DISABLE_FIND_PACKAGE_Eigen3=ON \
    -DCMAKE_IGNORE_PATH="/usr/include/eigen3;/usr/local/include/eigen3" && test -e "$work/bare/moved/include/vitrine/core/config.hpp"
}
copied_eigen() {  # Eigen as a mere folder of headers, found by no package
  local eigen
  eigen=$(dirname "$(dirname "$(echo '#include <Eigen/Core>' | $cxx -x c++ -I/usr/include/eigen3 -E - | grep -om1 '/[^"]*/Eigen/Core')")")
  mkdir -p "$work/copied/include/eigen3" && cp -r "$eigen/Eigen" "$work/copied/include/eigen3/" &&
    consume add_subdirectory "$work/copied/build" -DCMAKE_DISABLE_FIND_PACKAGE_Eigen3=ON -DCMAKE_PREFIX_PATH="$work/copied" &&
    grep -q "VITRINE_EIGEN_INCLUDE_DIR:PATH=$work/copied" "$work/copied/build/CMakeCache.txt" && expect "$work/copied/build/consumer"
}
add_subdirectory() {
  consume add_subdirectory "$work/sub" && expect "$work/sub/consumer" "openmp 1" "optimised 0" &&
    expect "$work/sub/consumer_native" "optimised 1"
}
fetch_content() { consume fetch_content "$work/fetched" && expect "$work/fetched/consumer" "openmp 1" "optimised 0"; }
openmp_off() {  # also where the flag comes from elsewhere
  consume add_subdirectory "$work/off" -DVITRINE_OPENMP=OFF -DCMAKE_CXX_FLAGS=-fopenmp && expect "$work/off/consumer" "openmp 0" &&
    refuses grep -q OpenMP_CXX "$work/off/CMakeCache.txt"
}
openmp_on_missing() {
  refuses cmake -S "$source_dir" -B "$work/on" -DVITRINE_DEVELOPER_MODE=OFF -DVITRINE_OPENMP=ON -DCMAKE_DISABLE_FIND_PACKAGE_OpenMP=ON &&
    cmake -S "$source_dir" -B "$work/auto" -DVITRINE_DEVELOPER_MODE=OFF -DCMAKE_DISABLE_FIND_PACKAGE_OpenMP=ON
}
openmp_choice() {  # AUTO, ON and OFF, and nothing else: in the tree, in the package, in meson
  local value sentence said
  install "$work/choice" -DVITRINE_OPENMP=no || return 1
  for value in maybe auto ''; do
    sentence="VITRINE_OPENMP is \"$value\"; it can be AUTO, ON or OFF."
    ! said=$(cmake -S "$source_dir" -B "$work/choice/tree" -DVITRINE_DEVELOPER_MODE=OFF "-DVITRINE_OPENMP=$value" 2>&1) &&
      grep -F "$sentence" <<<"$said" || { echo "$said"; return 1; }
    ! said=$(consume find_package "$work/choice/found" -DCMAKE_PREFIX_PATH="$work/choice/moved" "-DVITRINE_OPENMP=$value" 2>&1) &&
      grep -F "$sentence" <<<"$said" || { echo "$said"; return 1; }
  done
  refuses meson setup "$work/choice/meson" "$source_dir" -Ddeveloper_mode=disabled -Dopenmp=maybe
}
pkg_config() {
  local flags
  install "$work/pc" && export PKG_CONFIG_PATH=$work/pc/moved/share/pkgconfig && test "$(pkg-config --modversion vitrine)" = "$version" &&
    flags=$(pkg-config --cflags --libs vitrine) && $cxx -std=c++20 "$here/consumer.cpp" $flags -o "$work/pc/consumer" &&
    expect "$work/pc/consumer" "openmp 0" || return 1
  install "$work/pc_on" -DVITRINE_OPENMP=ON && export PKG_CONFIG_PATH=$work/pc_on/moved/share/pkgconfig &&
    flags=$(pkg-config --cflags --libs vitrine) && $cxx -std=c++20 "$here/consumer.cpp" $flags -o "$work/pc_on/consumer" &&
    expect "$work/pc_on/consumer" "openmp 1"
}
plain_include() {  # the README's one-line command
  $cxx -std=c++20 -O3 -march=native -fopenmp -I "$source_dir/include" "$here/consumer.cpp" -o "$work/plain" &&
    expect "$work/plain" "openmp 1" "optimised 1"
}
meson_consumer() { mkdir -p "$1" && cp "$here/meson/meson.build" "$here/consumer.cpp" "$1/"; }
meson_dependency() {
  meson setup "$work/mb" "$source_dir" --prefix "$work/meson/prefix" -Ddeveloper_mode=disabled &&
    meson install -C "$work/mb" && mv "$work/meson/prefix" "$work/meson/moved" && meson_consumer "$work/meson/use" &&
    ! grep -rlF "$work/meson/prefix" "$work/meson/moved" &&
    CXX=$cxx meson setup "$work/meson/use/build" "$work/meson/use" --wrap-mode=nofallback \
      --pkg-config-path "$work/meson/moved/share/pkgconfig" &&
    meson compile -C "$work/meson/use/build" && expect "$work/meson/use/build/consumer" "openmp 0"
}
meson_subproject() {
  meson_consumer "$work/sp" && mkdir -p "$work/sp/subprojects" && ln -s "$source_dir" "$work/sp/subprojects/vitrine" &&
    CXX=$cxx meson setup "$work/sp/build" "$work/sp" --force-fallback-for=vitrine && meson compile -C "$work/sp/build" &&
    expect "$work/sp/build/consumer" "openmp 1"
}

all=(find_package find_package_openmp find_package_version install_without_eigen copied_eigen add_subdirectory fetch_content
  openmp_off openmp_on_missing openmp_choice pkg_config plain_include meson_dependency meson_subproject)
[ "${1:-}" != --list ] || { printf '%s\n' "${all[@]}"; exit 0; }
passed=0 failed=0
for way in "${@:-${all[@]}}"; do
  if ("$way") >"$work/$way.log" 2>&1; then
    echo "ok      $way"
    passed=$((passed + 1))
  else
    echo "FAILED  $way"
    tail -n 30 "$work/$way.log"
    failed=$((failed + 1))
  fi
done
echo "$passed passed, $failed failed"
[ $failed -eq 0 ] && [ $passed -gt 0 ]
