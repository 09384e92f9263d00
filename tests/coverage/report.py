"""Prints which lines and branches of include/ the programs of a coverage build ran.

    python3 tests/coverage/report.py build/sanitize [--least PERCENT] [--missed]

Every header below 95 per cent with the lines that nothing ran, what is not counted, and the totals, last the one of
lines. Exits with 1 when that is below PERCENT. --missed prints the source of all lines missed and of all branches that
only ever went one way instead.

A line is what llvm-cov calls one; all instantiations of a template together are one piece of code. Counted is what this
build compiles: not a line under an #if for another machine, nor a template that no program instantiates.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys

AIM = 95.0
Lines = dict[int, bool]  # line -> whether anything ran it
Branches = dict[tuple[int, int, int, int], list[int]]  # place -> how often it was true, how often false


def main() -> int:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--least", type=float, default=0.0)
    parser.add_argument("--missed", action="store_true")
    options = parser.parse_args()
    lines, branches = counted(options.folder)
    root = pathlib.Path(__file__).resolve().parents[2] / "include/vitrine"
    if options.missed:
        print_missed(root, lines, branches)

    below = [name for name in lines if share(lines[name].values()) < AIM]
    for name in sorted(below, key=lambda name: share(lines[name].values())):
        missed = [line for line, ran in sorted(lines[name].items()) if not ran]
        print(f"{share(lines[name].values()):6.1f} %  {name}: {ranges(missed)}")
    headers = sorted(str(path.relative_to(root)) for path in root.rglob("*.hpp"))
    print(f"{len(below)} of {len(headers)} headers below {AIM:.0f} %")
    print("no line counted in:", " ".join(name for name in headers if name not in lines) or "none")

    both = [count > 0 for place in branches.values() for counts in place.values() if any(counts) for count in counts]
    never = sum(not any(counts) for place in branches.values() for counts in place.values())
    print(f"ways through conditions: {share(both):.1f} % of {len(both)}; {never} conditions never reached or constant")
    every = [ran for place in lines.values() for ran in place.values()]
    print(f"coverage of include/: {share(every):.1f} % of {len(every)} lines in {len(lines)} headers (aim: {AIM:.0f} %)")
    return 0 if share(every) >= options.least else 1


def counted(folder: pathlib.Path) -> tuple[dict[str, Lines], dict[str, Branches]]:
    """What llvm-cov says of the programs under the folder, by header."""
    programs = [path for path in sorted(folder.rglob("*")) if path.is_file() and os.access(path, os.X_OK) and has_counters(path)]
    command = ["llvm-cov-14", "export", f"--instr-profile={folder}/all.profdata", str(programs[0])]
    command += [f"--object={program}" for program in programs[1:]]

    def export(*arguments: str) -> str:
        result = subprocess.run([*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for line in result.stderr.splitlines():
            # A program that never calls what it has in a header knows no checksum of it: another one's counts stand.
            if not line.endswith("functions have mismatched data"):
                print(line, file=sys.stderr)
        result.check_returncode()
        return result.stdout

    def header(path: str) -> str:
        return path.partition("/include/vitrine/")[2]

    lines: dict[str, Lines] = {}
    name = ""
    for entry in export("--format=lcov").splitlines():
        kind, _, value = entry.partition(":")
        if kind == "SF":
            name = header(value)
        elif kind == "DA" and name:
            line, count = value.split(",")[:2]
            lines.setdefault(name, {})[int(line)] = int(count) > 0

    branches: dict[str, Branches] = {}
    for file in json.loads(export("--format=text", "--skip-functions", "--skip-expansions"))["data"][0]["files"]:
        if name := header(file["filename"]):
            for *place, when_true, when_false, _, _, _ in file["branches"]:  # once for each instantiation
                counts = branches.setdefault(name, {}).setdefault(tuple(place), [0, 0])
                counts[0] += when_true
                counts[1] += when_false
    return lines, branches


def has_counters(path: pathlib.Path) -> bool:
    content = path.read_bytes()
    return content[:4] == b"\x7fELF" and b"__llvm_covmap" in content


def print_missed(root: pathlib.Path, lines: dict[str, Lines], branches: dict[str, Branches]) -> None:
    for name in sorted(lines):
        source = (root / name).read_text().splitlines()
        for line, ran in sorted(lines[name].items()):
            if not ran:
                print(f"{name}:{line}: missed: {source[line - 1]}")
        for place, counts in sorted(branches.get(name, {}).items()):
            if any(counts) and not all(counts):
                text = source[place[0] - 1][place[1] - 1 : place[3] - 1 if place[2] == place[0] else None]
                print(f"{name}:{place[0]}: always {'true' if counts[0] else 'false'}: {text}")


def share(ran) -> float:
    ran = list(ran)
    return 100 * sum(ran) / len(ran) if ran else 100.0


def ranges(lines: list[int]) -> str:
    """3, 4, 5, 9 as 3-5 9."""
    parts: list[list[int]] = []
    for line in lines:
        if parts and line == parts[-1][1] + 1:
            parts[-1][1] = line
        else:
            parts.append([line, line])
    return " ".join(f"{a}" if a == b else f"{a}-{b}" for a, b in parts)


if __name__ == "__main__":
    sys.exit(main())
