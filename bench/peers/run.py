#!/usr/bin/env python3
"""Times vitrine and other libraries in turn on the same shapes and prints one Markdown table.

    python3 bench/peers/run.py [--quick] [--only encoder,small] [--works TEXT] [--weights f32,bf16,int8]
                               [--peers torch,openvino] [--build build] [--json FILE]

README.md beside this file says what is measured and what to install. Only the standard library is needed here; each
peer runs in a program of its own, peer_NAME.py. Exit status: 0 ok, 1 something failed, 2 bad usage or no build.
"""

import argparse
import datetime
import json
import os
import shutil
import subprocess
import sys
import tempfile

from table import machine, markdown, notes, summarise
from works import GROUPS, PEERS, PROGRAM_OF, STORED, TINY, WEIGHTS, WORKS, peers_of

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))


def flags(values):
    words = []
    for name, value in values.items():
        words += ["--" + name] * value if isinstance(value, bool) else ["--" + name, str(value)]
    return words


def say(*words):
    print(*words, file=sys.stderr, flush=True)


def run_json(command, timeout=1800):
    """(status, JSON object or None, the end of what the program said on stderr)."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        return -1, None, f"no answer in {timeout} s"
    except OSError as error:
        return -1, None, str(error)
    try:
        report = json.loads(done.stdout)
    except ValueError:
        report = None
    return done.returncode, report, done.stderr.strip()[-600:]


# --- one run of ours, one run of a peer ---------------------------------------------------------------------


def run_ours(options, work, weights, repetitions):
    """{"nothing": entry, "weights": entry}, the two policies of keeping, timed alternately; or {"error": text}."""
    command = [os.path.join(options.build, "bench", PROGRAM_OF[work["work"]])] + flags(work["ours"])
    command += ["--keep", "nothing,weights", "--threads", str(options.threads), "--repetitions", str(repetitions)]
    if work["work"] in STORED:
        command += ["--weights", weights]
    status, report, said = run_json(command)
    if status or report is None:
        return {"error": f"status {status}: {said or 'no JSON on stdout'}", "command": " ".join(command), "raw": report}
    entries = {entry["keep"]: entry for entry in report["results"]}
    lacking = [name for name in ("nothing", "weights") if "median_ms" not in entries.get(name, {})]
    return {"error": f"no median_ms for keep {lacking[0]}"} if lacking else entries


def run_peer(options, work, weights, peer, repetitions, folder, check):
    command = [sys.executable, "-B", os.path.join(HERE, f"peer_{peer}.py"), "--work", work["work"]]
    command += flags(work["shape"]) + ["--weights", weights]
    command += ["--threads", str(options.threads), "--repetitions", str(repetitions), "--cache", folder]
    status, report, said = run_json(command + ([] if check else ["--no_check"]))
    if report is None:
        report = {"peer": peer, "error": f"status {status}: {said}"}
    return report


def measure(options, work, storages):
    """Alternates ours and each peer for all rounds, storage after storage: a row for each storage, runs in order."""
    repetitions = options.repetitions or (
        max(3, work["repetitions"] * 3 // 5) if options.quick else work["repetitions"]
    )
    repetitions = max(repetitions, -(-9 // options.rounds))
    rows = [
        {**work, "weights": weights, "repetitions": repetitions, "rounds": options.rounds, "runs": []}
        for weights in storages
    ]
    absent = set()
    with tempfile.TemporaryDirectory(prefix="vitrine_peers_") as folder:
        for turn in range(options.rounds):
            for row in rows:
                weights = row["weights"]
                with_ours = options.build and (weights == "f32" or work["work"] in STORED)
                known = [name for name in peers_of(work, weights) if name in options.peers]
                for peer in [name for name in known if (name, weights) not in absent] or [None]:
                    who = ", ".join((["ours"] if with_ours else []) + ([peer] if peer else []))
                    say(f"  round {turn + 1} of {options.rounds}, {weights}: {who}")
                    ours = run_ours(options, work, weights, repetitions) if with_ours else None
                    if ours and "error" in ours:
                        say("  ours failed:", ours["error"])
                    report = None
                    if peer:
                        report = run_peer(options, work, weights, peer, repetitions, folder, turn == 0)
                        if "error" in report:
                            absent.add((peer, weights))
                            say(f"  {peer}: {report['error']}")
                    row["runs"].append({"round": turn, "ours": ours, "peer": peer, "report": report})
    return rows


# --- the command line ---------------------------------------------------------------------------------------


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="3 rounds of fewer repetitions instead of 5")
    parser.add_argument("--only", default=",".join(GROUPS), help="groups of works: " + ",".join(GROUPS))
    parser.add_argument("--works", default="", metavar="TEXT", help="of those, the works whose names contain TEXT")
    parser.add_argument("--weights", default=",".join(WEIGHTS), help="what weights are stored as: " + ",".join(WEIGHTS))
    parser.add_argument("--peers", default=",".join(PEERS), help="of " + ",".join(PEERS))
    parser.add_argument("--build", default="build", help="our build folder; `none` times the peers only")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=0)
    parser.add_argument("--repetitions", type=int, default=0, help="of each process in each round")
    parser.add_argument("--json", default="", metavar="FILE", help="write every single run there")
    parser.add_argument("--tiny", action="store_true", help="tiny shapes: to see whether all of it works")
    options = parser.parse_args()
    options.rounds = options.rounds or (3 if options.quick else 5)
    for text, known in (("only", GROUPS), ("weights", WEIGHTS), ("peers", PEERS)):
        names = [name for name in getattr(options, text).split(",") if name]
        unknown = [name for name in names if name not in known]
        if unknown:
            parser.error(f"--{text}: unknown name {unknown[0]}; there are {', '.join(known)}")
        setattr(options, text, names)
    if options.threads < 1 or options.rounds < 1:
        parser.error("--threads and --rounds must be at least 1")
    works = [work for work in (TINY if options.tiny else WORKS) if work["group"] in options.only]
    works = [work for work in works if options.works in work["label"]]
    if not works:
        parser.error(f"--works: no name of a chosen work contains {options.works}")
    return options, works


def find_build(options, works):
    """Makes the path absolute and ends the program with one sentence if a needed program is missing."""
    if options.build == "none":
        options.build = ""
        return
    asked = options.build
    options.build = os.path.abspath(asked) if os.path.isdir(asked) else os.path.join(ROOT, asked)
    for name in dict.fromkeys(PROGRAM_OF[work["work"]] for work in works):
        program = os.path.join(options.build, "bench", name)
        if not os.access(program, os.X_OK):
            say(
                f"error: {program} does not exist: build the project first (its README says how), "
                "name the folder with --build, choose works with --only, or time the peers alone with --build none"
            )
            sys.exit(2)


def main():
    options, works = parse_options()
    find_build(options, works)
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    about = {
        "machine": machine(),
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "load": load,
        "versions": {},
        "build": "",
        "commit": "",
        "threads": options.threads,
    }
    if options.build and shutil.which("git"):
        commit = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
        about["commit"] = commit.stdout.strip()
    rows, summaries = [], []
    for number, work in enumerate(works):
        say(f"{number + 1} of {len(works)}: {work['label']}")
        storages = [weights for weights in options.weights if peers_of(work, weights) is not None]
        of_work = measure(options, work, storages)
        in_f32 = next((row for row in of_work if row["weights"] == "f32"), None)
        summaries += [summarise(row, options.peers, in_f32) for row in of_work]
        rows += of_work
    for row in rows:
        for run in row["runs"]:
            if run["report"] and "version" in run["report"]:
                about["versions"][run["peer"]] = run["report"]["version"]
            if run["ours"] and "error" not in run["ours"]:
                about["build"] = str(run["ours"]["weights"].get("build", about["build"]))
    print("\n".join(markdown(summaries, options.peers, bool(options.build))))
    print()
    print("\n".join("- " + line for line in notes(options, summaries, about)))
    if options.json:
        with open(options.json, "w") as file:
            json.dump({**about, "summary": summaries, "rows": rows}, file, indent=1)
            file.write("\n")
    failed = any(
        summary["ours_error"] or any(cell["error"] not in (None, "not installed") for cell in summary["peers"].values())
        for summary in summaries
    )
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
