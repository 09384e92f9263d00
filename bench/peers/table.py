"""From the runs of run.py to one Markdown table and the notes under it."""

import os
import platform
import statistics

from works import PEERS, peers_of


def milliseconds(value):
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def share(row, entry):
    """The share of the machine's limit that our program measured in its own run: arithmetic, or reading where it
    decodes one sequence of one beam. None where another kind of product has another limit."""
    if row["weights"] != "f32":
        return None
    one = row["shape"].get("batch", 1) * row["shape"].get("beams", 1) == 1
    return entry.get("read_fraction") if one and "read_fraction" in entry else entry.get("peak_fraction")


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


def by_round(row, keep):
    """{round: median over its runs of ours}."""
    times = {}
    for run in row["runs"] if row else []:
        if run["ours"] and "error" not in run["ours"]:
            times.setdefault(run["round"], []).append(run["ours"][keep]["median_ms"])
    return {turn: statistics.median(values) for turn, values in times.items()}


def over_f32(row, in_f32, keep="weights"):
    """Our time over our time in f32, paired by round; None without either."""
    stored, full = by_round(row, keep), by_round(in_f32, keep)
    ratios = [time / full[turn] for turn, time in stored.items() if turn in full]
    return statistics.median(ratios) if ratios and row is not in_f32 else None


def maps_over_no_maps(row, peer, variant):
    """Our time with maps over the time of a peer's variant, each of the peer's runs with ours just before it."""
    ratios = [
        run["ours"]["weights"]["median_ms"] / result["median_ms"]
        for run in row["runs"]
        if run["peer"] == peer and run["ours"] and "error" not in run["ours"] and "error" not in run["report"]
        for result in run["report"]["results"]
        if result["variant"] == variant and "error" not in result
    ]
    return statistics.median(ratios) if ratios else None


def peer_summary(row, peer):
    """What one peer's cell shows, and its first error."""
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
    return cell


def summarise(row, peers, in_f32):
    """The numbers of one row of the table; `in_f32` is the row of the same work in f32, if it was timed."""
    summary = {"work": row["label"], "weights": row["weights"], "peers": {}}
    summary["repetitions"] = row["repetitions"] * row["rounds"]
    for keep in ("nothing", "weights"):
        medians = ours_values(row, keep, lambda entry: entry["median_ms"])
        shares = ours_values(row, keep, lambda entry: share(row, entry))
        summary["ours_" + keep] = statistics.median(medians) if medians else None
        summary["share_" + keep] = statistics.median(shares) if shares else None
    pairs = zip(
        ours_values(row, "weights", lambda entry: entry["median_ms"]),
        ours_values(row, "nothing", lambda entry: entry["median_ms"]),
    )
    ratios = [weights / nothing for weights, nothing in pairs]
    summary["weights_over_nothing"] = statistics.median(ratios) if ratios else None
    summary["over_f32"] = over_f32(row, in_f32)
    summary["ours_error"] = next(
        (run["ours"]["error"] for run in row["runs"] if run["ours"] and "error" in run["ours"]), None
    )
    for peer in peers_of(row, row["weights"]):
        if peer in peers:
            summary["peers"][peer] = peer_summary(row, peer)
    for kind in ("no_maps", "maps"):
        best = [(peer, cell[kind]) for peer, cell in summary["peers"].items() if cell[kind]]
        peer, cell = min(best, key=lambda item: item[1][1]) if best else (None, None)
        summary["ours_over_fastest_" + kind] = 1 / cell[2] if cell and cell[2] else None
        if kind == "no_maps":
            summary["ours_maps_over_fastest_no_maps"] = maps_over_no_maps(row, peer, cell[0]) if cell else None
    return summary


def peer_cell(cell):
    if cell is None:
        return "–"
    if cell["error"] == "not installed":
        return "not installed"
    if not cell["no_maps"] and not cell["maps"]:
        return "failed"
    lacking = "failed" if cell["error"] else "–"
    return " / ".join(milliseconds(cell[kind][1]) if cell[kind] else lacking for kind in ("no_maps", "maps"))


def markdown(summaries, peers, with_ours):
    shown = [peer for peer in peers if any(peer in summary["peers"] for summary in summaries)]
    head = ["work (ms, without / with maps)", "weights"]
    if with_ours:
        head += ["ours", "with / without", "over f32, with", "share of peak"]
    head += [PEERS[peer] for peer in shown]
    if with_ours:
        head += ["ours / fastest peer", "ours with / fastest without"]
    lines = ["| " + " | ".join(head) + " |", "|---|---" + "|---:" * (len(head) - 2) + "|"]

    def number(value, form=".2f"):
        return "–" if value is None else format(value, form)

    def both(summary, name, names=("nothing", "weights")):
        values = [summary[f"{name}_{kind}"] for kind in names]
        return "–" if values == [None, None] else " / ".join(map(number, values))

    for summary in summaries:
        cells = [summary["work"], summary["weights"]]
        if with_ours:
            times = [summary["ours_" + keep] for keep in ("nothing", "weights")]
            if summary["ours_error"]:
                cells.append("failed")
            else:
                cells.append("–" if None in times else " / ".join(map(milliseconds, times)))
            cells += [number(summary["weights_over_nothing"], ".3f"), number(summary["over_f32"])]
            cells.append(both(summary, "share"))
        cells += [peer_cell(summary["peers"].get(peer)) for peer in shown]
        if with_ours:
            cells.append(both(summary, "ours_over_fastest", ("no_maps", "maps")))
            cells.append(number(summary["ours_maps_over_fastest_no_maps"]))
        lines.append("| " + " | ".join(cells) + " |")
    return lines


# --- the machine and the notes ----------------------------------------------------------------------------------


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
    known = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "asimd", "sve")
    sets = [word for word in known if word in words]
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


def notes(options, summaries, about):
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
        f"{options.threads} threads; medians over {options.rounds} rounds in turn (each a median of its process), "
        f"at least {counts[0]} repetitions; a cell is the fastest variant of that peer; "
        "ratios pair each run with ours just before it."
    )
    if any(summary["work"].startswith("decode") for summary in summaries):
        lines.append(
            "Decode: share of peak is read_fraction where one row is multiplied; CTranslate2 returns one map a step "
            "(last layer, first head), the others all."
        )
    if about["load"] is not None and about["load"] > 0.5:
        lines.append(
            f"The load average at the start was {about['load']:.2f}: other programs ran, "
            "so these times should not be quoted."
        )
    for summary in summaries:
        name = f"{summary['work']}, {summary['weights']}"
        if summary["ours_error"]:
            lines.append(f"{name}: ours: {' '.join(summary['ours_error'].split())[:300]}")
        for peer, cell in summary["peers"].items():
            if cell["error"] and cell["error"] != "not installed":
                lines.append(f"{name}: {PEERS[peer]}: {' '.join(cell['error'].split())[:300]}")
            elif not cell["error"] and cell["max_error"] is None:
                lines.append(f"{name}: {PEERS[peer]} was not compared with PyTorch, which is not installed.")
            elif summary["weights"] != "f32" and cell["max_error"] is not None:
                lines.append(f"{name}: {PEERS[peer]} is {cell['max_error']:.2g} from PyTorch in f32.")
    return lines
