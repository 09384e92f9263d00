#!/usr/bin/env python3
"""Figures of the firmware in this folder as JSON, from the link maps, the symbols and the runs under qemu.
Runs run.sh first (its lines go to stderr). Exits with 1 when a budget is exceeded, a forbidden symbol is linked or a
number differs from the host's by more than 1e-5 (weights in int8: 1e-3); with 2 for an unknown option, or when run.sh cannot start."""
import argparse
import json
import os
import re
import subprocess
import sys

here = os.path.dirname(os.path.abspath(__file__))
root = os.path.dirname(os.path.dirname(here))
build = os.path.join(root, "build", "embedded")
tool = os.path.join(root, "build", "examples", "embedded", "map_log")

# What firmware without a heap, exceptions, RTTI, double and stdio must not have linked.
forbidden = re.compile(
    r"^_*(malloc|free|calloc|realloc|aligned_alloc|posix_memalign|memalign|sbrk|sbrk_r|malloc_r|free_r|printf|vfprintf|puts|"
    r"setlocale|assert_func|exit|raise)$|^_Z(nw|na|dl|da)|^__cxa_|^_ZT[ISV]|^_Unwind|^__aeabi_(d|[a-z0-9]*2d)|^__gxx_|personality")
# Of d64 h4 ff128, two layers, 32 rows, with the maps of one layer, in f32.
budgets = {
    "cortex-m4f": {"code_bytes": 38 * 1024, "stack_used_bytes": 2360, "ram_bytes": 64 * 1024},
    "cortex-m3": {"code_bytes": 50 * 1024, "stack_used_bytes": 2500, "ram_bytes": 64 * 1024},
    "cortex-m0": {"code_bytes": 52 * 1024, "stack_used_bytes": 2500, "ram_bytes": 64 * 1024},
}


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def symbols(elf):
    """(address, size, kind, name) of everything that has a size, and the names of all."""
    sized, names = [], []
    for line in run("arm-none-eabi-nm", "-S", elf).splitlines():
        words = line.split()
        names.append(words[-1])
        if len(words) == 4:
            sized.append((int(words[0], 16), int(words[1], 16), words[2], words[3]))
    return sized, names


def demangled(names):
    return subprocess.run(["arm-none-eabi-c++filt"], input="\n".join(names), check=True, capture_output=True, text=True).stdout.splitlines()


def sections(elf):
    out = {}
    for line in run("arm-none-eabi-size", "-A", elf).splitlines():
        words = line.split()
        if len(words) == 3 and words[0].startswith("."):
            out[words[0]] = int(words[1])
    return out


def frames(folder, name):
    """The largest stack frames, from -fstack-usage; none may be dynamic."""
    best, dynamic = 0, 0
    for file in os.listdir(folder):
        if file.endswith(".su") and file.startswith(name + ".elf-"):
            for line in open(os.path.join(folder, file)):
                fields = line.rstrip("\n").split("\t")
                best = max(best, int(fields[1]))
                dynamic += fields[2] not in ("static", "dynamic,bounded")
    return best, dynamic


def last(log, word):
    for line in open(log):
        found = re.match(r"vt " + word + r" (\d+)\*", line)
        if found:
            return int(found.group(1))
    return None


def largest_difference(log, reference, most="1e-5"):
    """Of output and maps from the host's results; ends the script where that is more, not a number, or of other maps."""
    done = subprocess.run([tool, "compare", log, os.path.join(build, reference + ".reference"), most],
                          capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{log} differs from the host: {done.stdout.strip()} {done.stderr.strip()}")
    found = json.loads(done.stdout)
    return max(found["output_difference"], found["map_difference"])


def differences(log, name):
    """From the host's results in this storage, and in f32."""
    stored = re.fullmatch(r"(.*)_(int8|f16)", name)
    most = "1e-3" if stored and stored[2] == "int8" else "1e-5"
    return {"largest_difference": largest_difference(log, name, most)} | (
        {"largest_difference_from_f32": largest_difference(log, stored[1], "1")} if stored else {})


def firmware(target, name):
    folder = os.path.join(build, target)
    elf, log = os.path.join(folder, name + ".elf"), os.path.join(folder, name + ".log")
    sized, names = symbols(elf)
    parts = sections(elf)
    plain = demangled([s[3] for s in sized])
    weights = sum(s[1] for s, text in zip(sized, plain) if s[2] in "rRuVvW" and re.match(r"(g2p|d64)::(?!model$|dims$|config$)", text))
    ram = {re.sub(r".*::", "", text): s[1] for s, text in zip(sized, plain) if s[2] in "bBdD"}
    model = sum(s[1] for s, text in zip(sized, plain) if re.match(r"(g2p|d64)::model$", text))
    # What was linked, and everything that the linker had looked at.
    link_map = open(os.path.join(folder, name + ".map")).read()
    found = sorted({n for n in names if forbidden.search(n)} |
                   set(re.findall(r"lib_a-(?:n?malloc\w*|sbrk\w*|abort|printf)\.o", link_map)))
    frame, dynamic = frames(folder, name)
    stack = last(log, "stack")
    static = parts.get(".data", 0) + parts.get(".bss", 0)
    return {
        "code_bytes": parts[".text"] + parts.get(".data", 0) - weights,
        "model_bytes_of_these": model,
        "weight_bytes": weights,
        "static_ram_bytes": static,
        "ram": ram,
        "stack_reserved_bytes": parts[".stack"],
        "stack_used_bytes": stack,
        "largest_frame_bytes": frame,
        "frames_of_unknown_size": dynamic,
        "ram_bytes": static + parts[".stack"],
        "instructions": last(log, "instructions"),
        **differences(log, name),
        "forbidden_symbols": found,
    }


def aarch64(name):
    return differences(os.path.join(build, "aarch64", name + ".log"), name)


def main():
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--no-run", action="store_true", help="take what the last run of run.sh left")
    parser.add_argument("--yes", action="store_true", help="installs what is missing without asking")
    parser.add_argument("--no-install", action="store_true", help="installs nothing")
    arguments = parser.parse_args()
    if not arguments.no_run:
        options = ["--yes"] * arguments.yes + ["--no-install"] * arguments.no_install
        done = subprocess.run(["bash", os.path.join(here, "run.sh"), *options], stdout=sys.stderr)
        if done.returncode != 0:
            return done.returncode
    names = ["d64_nothing", "d64_weights", "g2p", "d64_weights_int8", "d64_weights_f16"]
    soft = ["d64_weights", "d64_weights_int8"]
    measured = {
        "cortex-m4f": {name: firmware("cortex-m4f", name) for name in [*names, "g2p_int8", "g2p_f16"]},
        "cortex-m3": {name: firmware("cortex-m3", name) for name in soft},
        "cortex-m0": {name: firmware("cortex-m0", name) for name in soft},
    }
    figures = {
        "compiler": run("arm-none-eabi-g++", "--version").splitlines()[0],
        "emulator": run("qemu-system-arm", "--version").splitlines()[0],
        "budgets": budgets,
        **measured,
        "aarch64": {name: aarch64(name) for name in names},
    }
    print(json.dumps(figures, indent=2))
    wrong = [f"{target}, d64_weights: {key} is {measured[target]['d64_weights'][key]}, more than {most}"
             for target, budget in budgets.items() for key, most in budget.items() if measured[target]["d64_weights"][key] > most]
    for target, name, figure in ((target, name, figure) for target, all in measured.items() for name, figure in all.items()):
        if figure["forbidden_symbols"]:
            wrong.append(f"{target}, {name}: linked {', '.join(figure['forbidden_symbols'])}")
        if figure["frames_of_unknown_size"]:
            wrong.append(f"{target}, {name}: a stack frame of unknown size")
        if figure["stack_used_bytes"] >= figure["stack_reserved_bytes"]:
            wrong.append(f"{target}, {name}: the stack overflowed")
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


sys.exit(main())
