#!/usr/bin/env python3
"""Times vitrine and other libraries in turn on the same shapes and prints one Markdown table.

    python3 bench/peers/run.py [--quick] [--only encoder,small] [--peers torch,openvino] [--build build] [--json FILE]

README.md beside this file says what is measured and what to install. Only the standard library is needed here; each
peer runs in a program of its own, peer_NAME.py. Exit status: 0 ok, 1 something failed, 2 bad usage or no build.
"""

import argparse
import datetime
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
PEERS = {
    "torch": "PyTorch",
    "onnxruntime": "ONNX Runtime",
    "openvino": "OpenVINO",
    "ctranslate2": "CTranslate2",
    "transformers": "Transformers",
}
GROUPS = ("encoder", "attention", "decode", "causal", "small")
PEERS_OF = {
    "encoder": ("torch", "onnxruntime", "openvino"),
    "attention": ("torch", "onnxruntime", "openvino"),
    "decode": ("ctranslate2", "transformers"),
    "causal": ("transformers",),
}
PROGRAM_OF = {"encoder": "encoder_forward", "attention": "attention", "decode": "decode", "causal": "causal"}


def encoder(d_model, nhead, dim_feedforward, num_layers, batch, length, group="encoder", repetitions=5):
    label = f"encoder d{d_model} h{nhead} ff{dim_feedforward} L{num_layers} B{batch} T{length}"
    shape = dict(
        d_model=d_model, nhead=nhead, dim_feedforward=dim_feedforward, num_layers=num_layers, batch=batch, length=length
    )
    return dict(label=label, group=group, work="encoder", shape=shape, ours=shape, repetitions=repetitions)


def attention(nhead, width, length, causal, repetitions=9):
    label = f"attention alone h{nhead} d{width} T{length}" + ", causal" * causal
    shape = dict(d_model=nhead * width, nhead=nhead, batch=1, length=length, causal=causal)
    ours = dict(batch=1, heads=nhead, kv_heads=nhead, length=length, memory_length=length, width=width, causal=causal)
    return dict(label=label, group="attention", work="attention", shape=shape, ours=ours, repetitions=repetitions)


def decode(d_model, nhead, dim_feedforward, layers, vocab, source_length, steps, beams, repetitions=5):
    label = f"decode d{d_model} h{nhead} ff{dim_feedforward} {layers}+{layers} V{vocab} B1 S{source_length}, "
    label += f"{steps} steps, " + ("greedy" if beams == 1 else f"{beams} beams")
    shape = dict(
        d_model=d_model,
        nhead=nhead,
        dim_feedforward=dim_feedforward,
        num_encoder_layers=layers,
        num_decoder_layers=layers,
        vocab=vocab,
        batch=1,
        source_length=source_length,
        steps=steps,
        beams=beams,
    )
    return dict(label=label, group="decode", work="decode", shape=shape, ours=shape, repetitions=repetitions)


def causal(d_model, nhead, kv_heads, dim_feedforward, num_layers, vocab, prompt, steps, repetitions=5):
    label = f"Llama d{d_model} h{nhead} kv{kv_heads} ff{dim_feedforward} L{num_layers} V{vocab} B1, prompt {prompt}, "
    label += f"{steps} steps"
    shape = dict(
        d_model=d_model,
        nhead=nhead,
        kv_heads=kv_heads,
        dim_feedforward=dim_feedforward,
        num_layers=num_layers,
        vocab=vocab,
        batch=1,
        prompt=prompt,
        steps=steps,
    )
    return dict(label=label, group="causal", work="causal", shape=shape, ours=shape, repetitions=repetitions)


WORKS = [
    encoder(512, 8, 2048, 6, 8, 128),
    encoder(384, 12, 1536, 6, 16, 128),
    encoder(2048, 8, 512, 12, 1, 128),
    encoder(512, 8, 2048, 6, 1, 512),
    encoder(512, 8, 2048, 2, 1, 2048),
    encoder(64, 4, 256, 2, 1, 32, group="small", repetitions=501),
    attention(8, 64, 2048, False),
    attention(8, 64, 2048, True),
    decode(512, 8, 2048, 6, 32000, 32, 32, 1),
    decode(512, 8, 2048, 6, 32000, 32, 32, 4),
    causal(576, 9, 3, 1536, 30, 49152, 512, 32),
]
# The same programs over shapes so small that only whether they work is seen.
TINY = [
    encoder(64, 4, 128, 2, 2, 24),
    encoder(32, 4, 64, 1, 1, 8, group="small", repetitions=21),
    attention(4, 16, 40, False),
    attention(4, 16, 40, True),
    decode(64, 4, 128, 2, 300, 12, 8, 1),
    decode(64, 4, 128, 2, 300, 12, 8, 4),
    causal(64, 4, 2, 128, 2, 300, 12, 8),
]


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


def run_ours(options, work, repetitions):
    """{"nothing": entry, "weights": entry} as our program prints them, or {"error": text}."""
    program = os.path.join(options.build, "bench", PROGRAM_OF[work["work"]])
    # encoder_forward and attention time two policies alternately in one process; decode takes one a run.
    policies = ["nothing", "weights"] if work["work"] == "decode" else ["nothing,weights"]
    entries = {}
    for policy in policies:
        command = (
            [program]
            + flags(work["ours"])
            + ["--keep", policy, "--threads", str(options.threads), "--repetitions", str(repetitions)]
        )
        status, report, said = run_json(command)
        if status or report is None:
            return {
                "error": f"status {status}: {said or 'no JSON on stdout'}",
                "command": " ".join(command),
                "raw": report,
            }
        for entry in report.get("results", [report]):
            entry.setdefault("keep", policy)
            entries[entry["keep"]] = {**{key: value for key, value in report.items() if key != "results"}, **entry}
    lacking = [name for name in ("nothing", "weights") if "median_ms" not in entries.get(name, {})]
    return {"error": f"no median_ms for keep {lacking[0]}"} if lacking else entries


def run_peer(options, work, peer, repetitions, folder, check):
    command = [sys.executable, "-B", os.path.join(HERE, f"peer_{peer}.py"), "--work", work["work"]] + flags(
        work["shape"]
    )
    command += ["--threads", str(options.threads), "--repetitions", str(repetitions), "--cache", folder]
    status, report, said = run_json(command + ([] if check else ["--no_check"]))
    if report is None:
        report = {"peer": peer, "error": f"status {status}: {said}"}
    return report


def measure(options, work):
    """Alternates ours and each peer for all rounds: the runs in the order of time."""
    repetitions = options.repetitions or (
        max(3, work["repetitions"] * 3 // 5) if options.quick else work["repetitions"]
    )
    repetitions = max(repetitions, -(-9 // options.rounds))
    runs, absent = [], set()
    with tempfile.TemporaryDirectory(prefix="vitrine_peers_") as folder:
        for turn in range(options.rounds):
            peers = [peer for peer in options.peers if peer in PEERS_OF[work["work"]] and peer not in absent]
            for peer in peers or [None]:
                say(f"  round {turn + 1} of {options.rounds}: {'ours, ' if options.build else ''}{peer or ''}")
                ours = run_ours(options, work, repetitions) if options.build else None
                if ours and "error" in ours:
                    say("  ours failed:", ours["error"])
                report = run_peer(options, work, peer, repetitions, folder, turn == 0) if peer else None
                if report and "error" in report:
                    absent.add(peer)
                    say(f"  {peer}: {report['error']}")
                runs.append({"round": turn, "ours": ours, "peer": peer, "report": report})
    return {**work, "repetitions": repetitions, "rounds": options.rounds, "runs": runs}


# --- the table ----------------------------------------------------------------------------------------------


def milliseconds(value):
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def share(entry):
    """The share of the machine's limit that our program measured in its own run: arithmetic, or reading where it decodes."""
    return entry.get("read_fraction", entry.get("peak_fraction"))


def ours_values(row, keep, get):
    runs = [run["ours"] for run in row["runs"] if run["ours"] and "error" not in run["ours"]]
    values = [get(run[keep]) for run in runs]
    return [value for value in values if value is not None]


def peer_results(row, peer, maps):
    """{variant: [(median of a run, our median just before it or None)]} of the variants with or without maps."""
    found = {}
    for run in row["runs"]:
        if run["peer"] != peer or "error" in run["report"]:
            continue
        ours = run["ours"]
        before = None if not ours or "error" in ours else ours["weights" if maps else "nothing"]["median_ms"]
        for result in run["report"]["results"]:
            if result["maps"] == maps and "error" not in result:
                found.setdefault(result["variant"], []).append((result["median_ms"], before))
    # A variant that failed its check in the first round is not shown for the unchecked rounds after it.
    failed = {
        result["variant"]
        for run in row["runs"]
        if run["peer"] == peer
        for result in run["report"].get("results", [])
        if "error" in result
    }
    return {variant: pairs for variant, pairs in found.items() if variant not in failed}


def fastest(results):
    """(variant, median, ratio to ours or None) of the fastest variant, or None."""
    if not results:
        return None
    variant = min(results, key=lambda name: statistics.median(pair[0] for pair in results[name]))
    ratios = [time / before for time, before in results[variant] if before]
    return (
        variant,
        statistics.median(pair[0] for pair in results[variant]),
        statistics.median(ratios) if ratios else None,
    )


def summarise(row, peers):
    """The numbers of one row of the table."""
    summary = {"work": row["label"], "repetitions": row["repetitions"] * row["rounds"], "peers": {}}
    for keep in ("nothing", "weights"):
        medians = ours_values(row, keep, lambda entry: entry["median_ms"])
        shares = ours_values(row, keep, share)
        summary["ours_" + keep] = statistics.median(medians) if medians else None
        summary["share_" + keep] = statistics.median(shares) if shares else None
    pairs = zip(
        ours_values(row, "weights", lambda entry: entry["median_ms"]),
        ours_values(row, "nothing", lambda entry: entry["median_ms"]),
    )
    ratios = [weights / nothing for weights, nothing in pairs]
    summary["weights_over_nothing"] = statistics.median(ratios) if ratios else None
    summary["ours_error"] = next(
        (run["ours"]["error"] for run in row["runs"] if run["ours"] and "error" in run["ours"]), None
    )
    for peer in peers:
        if peer not in PEERS_OF[row["work"]]:
            continue
        cell = {"no_maps": fastest(peer_results(row, peer, False)), "maps": fastest(peer_results(row, peer, True))}
        reports = [run["report"] for run in row["runs"] if run["peer"] == peer]
        errors = [report["error"] for report in reports if "error" in report]
        errors += [
            f"{result['variant']}: {result['error']}"
            for report in reports
            for result in report.get("results", [])
            if "error" in result
        ]
        cell["error"] = errors[0] if errors else None
        checks = [result.get("max_error") for report in reports for result in report.get("results", [])]
        checks = [value for value in checks if value is not None]
        cell["max_error"] = max(checks) if checks else None
        summary["peers"][peer] = cell
    for kind in ("no_maps", "maps"):
        best = [cell[kind] for cell in summary["peers"].values() if cell[kind]]
        best = min(best, key=lambda item: item[1]) if best else None
        summary["fastest_over_ours_" + kind] = best[2] if best else None
    return summary


def peer_cell(cell):
    if cell is None:
        return "–"
    if cell["error"] == "not installed":
        return "not installed"
    if not cell["no_maps"] and not cell["maps"]:
        return "failed"
    return " / ".join(milliseconds(cell[kind][1]) if cell[kind] else "failed" for kind in ("no_maps", "maps"))


def markdown(summaries, peers, with_ours):
    shown = [peer for peer in peers if any(peer in summary["peers"] for summary in summaries)]
    head = ["work (ms)"]
    if with_ours:
        head += ["ours, nothing", "ours, weights", "weights / nothing", "share of peak, nothing / weights"]
    head += [f"{PEERS[peer]}, no maps / maps" for peer in shown]
    if with_ours:
        head += ["fastest peer / ours, no maps", "fastest peer / ours, maps"]
    lines = ["| " + " | ".join(head) + " |", "|---" + "|---:" * (len(head) - 1) + "|"]

    def number(value, form):
        return "–" if value is None else format(value, form)

    for summary in summaries:
        cells = [summary["work"]]
        if with_ours:
            for keep in ("nothing", "weights"):
                value = summary["ours_" + keep]
                cells.append("failed" if summary["ours_error"] else "–" if value is None else milliseconds(value))
            cells.append(number(summary["weights_over_nothing"], ".3f"))
            cells.append(f"{number(summary['share_nothing'], '.2f')} / {number(summary['share_weights'], '.2f')}")
        cells += [peer_cell(summary["peers"].get(peer)) for peer in shown]
        if with_ours:
            cells += [number(summary["fastest_over_ours_" + kind], ".2f") for kind in ("no_maps", "maps")]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


# --- the machine --------------------------------------------------------------------------------------------


def machine():
    fields = {}
    try:
        with open("/proc/cpuinfo") as file:
            for line in file:
                name, _, value = line.partition(":")
                fields.setdefault(name.strip(), value.strip())
    except OSError:
        pass
    name = fields.get("model name") or platform.processor() or platform.machine()
    if "model" in fields:
        name += f" (family {fields.get('cpu family')}, model {fields['model']}, stepping {fields.get('stepping')})"
    words = fields.get("flags", fields.get("Features", "")).split()
    sets = [word for word in ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "asimd", "sve") if word in words]
    # Only the release's own name: the host's name would say where the table was made, not on what.
    try:
        system = platform.freedesktop_os_release()["PRETTY_NAME"]
    except OSError:
        system = platform.system()
    return {
        "cpu": name,
        "cpus": os.cpu_count(),
        "instruction_sets": sets,
        "system": system,
        "python": platform.python_version(),
    }


def notes(options, rows, summaries, about):
    host = about["machine"]
    lines = [
        f"Machine: {host['cpu']}, {host['cpus']} CPUs, {' '.join(host['instruction_sets'])}; "
        f"{host['system']}; Python {host['python']}. {about['date']}."
    ]
    if about["versions"]:
        lines.append(
            "Versions: " + "; ".join(f"{PEERS[peer]} {version}" for peer, version in about["versions"].items()) + "."
        )
    if about["build"]:
        lines.append(
            f"Ours: {about['build']}" + (f"; tree at commit {about['commit']}" if about["commit"] else "") + "."
        )
    counts = sorted({summary["repetitions"] for summary in summaries})
    lines.append(
        f"{options.threads} threads, f32; medians over {options.rounds} rounds in turn (each a median of its process), "
        f"at least {counts[0]} repetitions; a cell is the fastest variant of that peer; "
        "ratios pair each run with ours just before it."
    )
    if any(summary["work"].startswith("decode") for summary in summaries):
        lines.append(
            "Decode: share of peak is read_fraction; CTranslate2 returns one map a step (last layer, first head), "
            "the others all."
        )
    if about["load"] is not None and about["load"] > 0.5:
        lines.append(
            f"The load average at the start was {about['load']:.2f}: other programs ran, "
            "so these times should not be quoted."
        )
    for summary in summaries:
        if summary["ours_error"]:
            lines.append(f"{summary['work']}: ours: {' '.join(summary['ours_error'].split())[:300]}")
        for peer, cell in summary["peers"].items():
            if cell["error"] and cell["error"] != "not installed":
                lines.append(f"{summary['work']}: {PEERS[peer]}: {' '.join(cell['error'].split())[:300]}")
            elif not cell["error"] and cell["max_error"] is None:
                lines.append(f"{summary['work']}: {PEERS[peer]} was not compared with PyTorch, which is not installed.")
    return lines


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="3 rounds of fewer repetitions instead of 5")
    parser.add_argument("--only", default=",".join(GROUPS), help="groups of works: " + ",".join(GROUPS))
    parser.add_argument("--peers", default=",".join(PEERS), help="of " + ",".join(PEERS))
    parser.add_argument("--build", default="build", help="our build folder; `none` times the peers only")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=0)
    parser.add_argument("--repetitions", type=int, default=0, help="of each process in each round")
    parser.add_argument("--json", default="", metavar="FILE", help="write every single run there")
    parser.add_argument("--tiny", action="store_true", help="tiny shapes: to see whether all of it works")
    options = parser.parse_args()
    options.rounds = options.rounds or (3 if options.quick else 5)
    for text, known in (("only", GROUPS), ("peers", PEERS)):
        names = [name for name in getattr(options, text).split(",") if name]
        unknown = [name for name in names if name not in known]
        if unknown:
            parser.error(f"--{text}: unknown name {unknown[0]}; there are {', '.join(known)}")
        setattr(options, text, names)
    if options.threads < 1 or options.rounds < 1:
        parser.error("--threads and --rounds must be at least 1")
    return options


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
    options = parse_options()
    works = [work for work in (TINY if options.tiny else WORKS) if work["group"] in options.only]
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
    rows = []
    for number, work in enumerate(works):
        say(f"{number + 1} of {len(works)}: {work['label']}")
        rows.append(measure(options, work))
        for run in rows[-1]["runs"]:
            if run["report"] and "version" in run["report"]:
                about["versions"][run["peer"]] = run["report"]["version"]
            if run["ours"] and "error" not in run["ours"]:
                about["build"] = str(run["ours"]["weights"].get("build", about["build"]))
    summaries = [summarise(row, options.peers) for row in rows]
    print("\n".join(markdown(summaries, options.peers, bool(options.build))))
    print()
    print("\n".join("- " + line for line in notes(options, rows, summaries, about)))
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
