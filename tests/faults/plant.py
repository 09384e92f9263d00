#!/usr/bin/env python3
"""Plants the faults of faults.txt, one at a time, and says which of them the tests see.

    tests/faults/plant.py                     all of them: copies the sources to build/faults, builds, runs; goes on where it stopped
    tests/faults/plant.py --seconds 230       stops behind so many seconds (75 then: call it again)
    tests/faults/plant.py kernels/ core/mask  those of headers whose names begin so
    tests/faults/plant.py --list              checks that every fault's text stands where it should, builds nothing
    tests/faults/plant.py --own               asks the tests that name a fault only; what survives them is asked about again
    tests/faults/plant.py --fresh             forgets earlier answers

All faults are compiled in at once, each behind a switch that the variable VITRINE_FAULT turns on, so that the tests are
built once. A fault is killed when a test that names it fails or hangs, else when one of its tier or a golden case does.
A line for each survivor; the last line is "N killed, M survived". Exit 1 when fewer than 95 % are killed.
Not part of CI.
"""
import argparse
import hashlib
import os
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = ROOT / "build" / "faults"
TREE, BUILD = FOLDER / "source", FOLDER / "build"
SWITCH = """
#include <cstdlib>
namespace vitrine_faults {
inline const int planted = [] {
  const char* const number = std::getenv("VITRINE_FAULT");
  return number == nullptr ? 0 : std::atoi(number);
}();
}  // namespace vitrine_faults
// In constant expressions there are none.
constexpr bool vitrine_planted(int fault) {
  return !__builtin_is_constant_evaluated() && vitrine_faults::planted == fault;
}
"""
# What a fault of a tier must not get past, besides the tests that its header names.
WIDER = {
    "core": "core run layers models property", "kernels": "kernels run layers models property",
    "run": "run layers models property", "layers": "layers run models property", "models": "models generate property",
    "generate": "generate models", "io": "io hostile", "text": "text", "corpus": "corpus", "inspect": "inspect",
    "examples": ""}
MOST_SECONDS = 120  # of one test, which is then taken to hang


class Fault:
    def __init__(self, header, tests, before, old, behind, new):
        self.header, self.tests, self.new = header, tests, new
        self.before, self.old, self.behind = before, old, behind
        self.tier = header.split("/")[0]
        self.number = int(self.key()[:7], 16)  # its own, so that another fault in the list rebuilds nothing else

    def name(self):
        return f"{self.header}: {self.old.strip() or '(nothing)'} -> {self.new.strip()}"

    def key(self):
        text = "\0".join((self.header, self.before, self.old, self.behind, self.new))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def path(self):
        return ROOT / self.header if self.tier == "examples" else ROOT / "include" / "vitrine" / (self.header + ".hpp")

    def planted(self):
        if self.old.rstrip().endswith(";") or self.new.strip() == ";":
            return f"{{ if (vitrine_planted({self.number})) {{ {self.new} }} else {{ {self.old} }} }}"
        return f"(vitrine_planted({self.number}) ? ({self.new}) : ({self.old}))"


def read_faults():
    faults, header, tests, old = [], None, [], None
    for line in (pathlib.Path(__file__).parent / "faults.txt").read_text().splitlines():
        if line.startswith("["):
            header, _, rest = line[1:].partition("]")
            tests = rest.split() or [header]
        elif line.startswith("- "):
            old = line[2:]
        elif line.startswith("+ "):
            before, braces, rest = old.partition("{{")
            middle, _, behind = rest.partition("}}") if braces else (old, "", "")
            before = before if braces else ""
            faults.append(Fault(header, tests, before, middle, behind, line[2:]))
    return faults


def loose(text):
    """A pattern for the text, however its blanks and lines are broken."""
    return r"\s*".join(re.escape(part) for part in re.findall(r"\w+|[^\w\s]", text))


def plant(faults):
    """The headers' texts with all faults; says which do not stand where they should."""
    texts, wrong = {}, []
    for fault in faults:
        path = fault.path()
        text = texts.get(path) or (path.read_text() if path.exists() else "")
        parts = [loose(part) for part in (fault.before, fault.old, fault.behind)]
        found = list(re.finditer(rf"({parts[0]})(\s*)({parts[1]})(\s*)({parts[2]})", text))
        if len(found) != 1 or not fault.old.strip():
            wrong.append(f"{len(found)} places: {fault.name()}")
            continue
        begin, end = found[0].span(3)
        texts[path] = text[:begin] + fault.planted() + text[end:]
    return texts, wrong


def copy_tree(texts):
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True).stdout.decode()
    config = ROOT / "include/vitrine/core/config.hpp"
    for name in filter(None, listed.split("\0")):
        source, target = ROOT / name, TREE / name
        if not source.is_file():
            continue
        content = texts[source].encode() if source in texts else source.read_bytes()
        if source == config:
            content = content.replace(b"#include <cstddef>\n", SWITCH.encode() + b"#include <cstddef>\n", 1)
        if target.exists() and target.read_bytes() == content:
            continue  # its time stays, and so does what was built of it
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        target.chmod(source.stat().st_mode)
    there = set(listed.split("\0"))
    for path in TREE.rglob("*"):
        if path.is_file() and str(path.relative_to(TREE)) not in there:
            path.unlink()  # of an older copy: tests are found by their names


def build(faults):
    tiers = {fault.tier for fault in faults}
    configure = ["cmake", "-S", str(TREE), "-B", str(BUILD), "-DVITRINE_WERROR=OFF"]
    subprocess.run(configure, check=True, stdout=subprocess.DEVNULL)
    tests = {f"{folder}_tests" for tier in tiers for folder in (tier + " " + WIDER[tier]).split()} - {"examples_tests"}
    for program in sorted(tests) + ["golden", "run_case", "configs"] + sorted(
            {test.split("/")[-1] for fault in faults if fault.tier == "examples" for test in fault.tests}):
        print(f"building {program}", flush=True)
        subprocess.run(["cmake", "--build", str(BUILD), "--target", program, "--parallel", str(os.cpu_count())],
                       check=True, stdout=subprocess.DEVNULL)


def passes(tests, fault):
    """Do these tests of ctest, a pattern, pass with the fault?"""
    command = ["ctest", "--test-dir", str(BUILD), "--timeout", str(MOST_SECONDS), "--stop-on-failure", "--no-tests=error",
               "-LE", "packaging|browser|firmware|^ci$", "-R", tests]
    environment = dict(os.environ, VITRINE_FAULT=str(fault), OMP_WAIT_POLICY="passive")
    return subprocess.run(command, env=environment, capture_output=True).returncode == 0


def own_tests(fault):
    return "^(" + "|".join(re.escape(test) for test in fault.tests) + ")$"


def wider_tests(fault):
    return "^(" + "|".join(WIDER[fault.tier].split()) + ")/|^golden$"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("headers", nargs="*")
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--own", action="store_true")
    parser.add_argument("--fresh", action="store_true")
    parser.add_argument("--no-build", action="store_true", help="the tests are built, and nothing has changed")
    arguments = parser.parse_args()
    begin = time.monotonic()
    faults = read_faults()
    texts, wrong = plant(faults)
    print(*wrong, sep="\n", end="\n" if wrong else "")
    print(f"{len(faults)} faults in {len({fault.header for fault in faults})} headers, {len(wrong)} without their place")
    if arguments.list or wrong:
        return 1 if wrong else 0

    results = FOLDER / "results.txt"
    if not arguments.no_build:
        copy_tree(texts)
        build(faults)
    if arguments.fresh:
        results.unlink(missing_ok=True)
    known = dict(line.split()[:2] for line in results.read_text().splitlines()) if results.exists() else {}
    if not arguments.own:
        known = {key: verdict for key, verdict in known.items() if verdict != "undecided"}
    chosen = [f for f in faults if not arguments.headers or f.header.startswith(tuple(arguments.headers))]
    sound = set()  # patterns that pass without a fault
    for fault in chosen:
        if fault.key() in known:
            continue
        if time.monotonic() - begin > arguments.seconds:
            print(f"{len([f for f in chosen if f.key() in known])} of {len(chosen)} so far: call it again")
            return 75
        verdict = "survived"
        for tests in (own_tests(fault), wider_tests(fault))[: 2 if WIDER[fault.tier] and not arguments.own else 1]:
            if tests not in sound and not passes(tests, 0):
                print(f"these tests fail without a fault: {tests}")
                return 2
            sound.add(tests)
            if not passes(tests, fault.number):
                verdict = "killed"
                break
        print(f"{verdict:8} {fault.name()}", flush=True)
        if arguments.own and verdict == "survived":
            verdict = "undecided"
        known[fault.key()] = verdict
        with results.open("a") as file:
            file.write(f"{fault.key()} {verdict} {fault.name()}\n")
    survived = [fault for fault in chosen if known.get(fault.key()) != "killed"]
    print(*(f"survived {fault.name()}" for fault in survived), sep="\n", end="\n" if survived else "")
    print(f"{len(chosen) - len(survived)} killed, {len(survived)} survived")
    return 0 if len(survived) <= 0.05 * len(chosen) else 1


if __name__ == "__main__":
    sys.exit(main())
