#!/usr/bin/env bash
# Spells words into phonemes with a small trained model and shows its attention, in the terminal and as attention.html.
#   bash examples/quickstart.sh [--yes] [--no-install] [WORD...]
# Names the system packages that are missing and installs them (asking first on a terminal, unless --yes; never with
# --no-install), builds one program in build/, and runs it. Exits as that program does: 0, or 2 for a word it cannot spell.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../.ci/system.sh"

words=()
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) sed -n '2,5s/^# //p' "${BASH_SOURCE[0]}"; exit 0 ;;
    --) shift; words+=("$@"); break ;;
    -*) parse_install_option "$1" || die "unknown option $1; usage: bash examples/quickstart.sh [--yes] [--no-install] [WORD...]" ;;
    *) words+=("$1") ;;
  esac
  shift
done

install_missing need_toolchain
cd "$root"
program=build/examples/quickstart
[ -x $program ] || say "Building $program: half a minute or so, this first time"
configured || configure || die "The configuration of build/ failed."
cmake --build build --target quickstart --parallel "$(nproc)" >build/quickstart.log 2>&1 ||
  { cat build/quickstart.log >&2; die "The build failed; its log is build/quickstart.log"; }
say "Running $program --model examples/models/g2p --html attention.html ${words[*]}"
# The program takes words of stdin, too; here it may be the script that runs this.
exec $program --model examples/models/g2p --html attention.html -- "${words[@]}" </dev/null
