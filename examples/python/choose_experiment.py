#!/usr/bin/env python3
"""Which score finds the words that the speller spells wrong? Choosing simulated on the 500 held-out words: nothing is trained.

    python3 examples/python/choose_experiment.py [--build build/examples] [--svg examples/images/choosing.svg]

For each score (the mean of all heads, and the head that is best on the odd lines, judged on the even ones) the lines are ranked, and
the share of wrong words among the K chosen is compared with a random choice, the longest words and the model's own probability. 95 %
intervals are percentiles of 2,000 bootstrap samples of the words (Efron 1979). Only Python's own library is needed.
"""
import argparse
import csv
import io
import pathlib
import random
import subprocess

root = pathlib.Path(__file__).resolve().parents[2]
model = str(root / "examples/models/g2p")


def run(program, *options, lines):
    text = "".join(line + "\n" for line in lines)
    return subprocess.run([str(program), "--model", model, *options], input=text, capture_output=True, text=True, check=True).stdout


def precision(keys, wrong, count):
    """The share of wrong words among the `count` with the largest keys."""
    best = sorted(range(len(keys)), key=lambda i: (-keys[i], i))[:count]
    return sum(wrong[i] for i in best) / count


def interval(keys, wrong, share, rounds=2000):
    generator = random.Random(1)
    values = []
    for _ in range(rounds):
        sample = [generator.randrange(len(keys)) for _ in keys]
        values.append(precision([keys[i] for i in sample], [wrong[i] for i in sample], max(1, int(share * len(keys)))))
    values.sort()
    return values[int(0.025 * rounds)], values[int(0.975 * rounds)]


def by_chance(wrong, count, rounds=2000):
    """The mean share of wrong words among `count` random ones, and where 95 % of such choices are."""
    generator = random.Random(1)
    values = sorted(sum(generator.sample(wrong, count)) / count for _ in range(rounds))
    return sum(values) / rounds, values[int(0.025 * rounds)], values[int(0.975 * rounds)]


def svg(curves, wrong, path):
    width, height, left, top = 640, 360, 56, 20
    colours = ["#1b6ca8", "#c1502e", "#3b8f4b", "#8757a5", "#777777", "#b8860b"]
    x = lambda share: left + share * (width - left - 190)
    y = lambda value: top + (1 - value) * (height - top - 50)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" font-size="12">',
             f'<rect width="{width}" height="{height}" fill="white"/>']
    for tick in (0, 0.25, 0.5, 0.75, 1):
        parts.append(f'<path d="M{x(0):.1f} {y(tick):.1f}H{x(1):.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{left - 6}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:.0%}</text>')
        parts.append(f'<text x="{x(tick):.1f}" y="{height - 34}" text-anchor="middle">{tick:.0%}</text>')
    parts.append(f'<text x="{x(0.5):.1f}" y="{height - 12}" text-anchor="middle">share of the words that is chosen</text>')
    parts.append(f'<text x="14" y="{y(0.5):.1f}" text-anchor="middle" transform="rotate(-90 14 {y(0.5):.1f})">of these wrong</text>')
    share = sum(wrong) / len(wrong)
    parts.append(f'<path d="M{x(0):.1f} {y(share):.1f}H{x(1):.1f}" stroke="#000" stroke-dasharray="4 3"/>')
    parts.append(f'<text x="{x(1) + 6:.1f}" y="{y(share) + 4:.1f}">a random choice</text>')
    for (name, keys), colour, row in zip(curves, colours, range(len(curves))):
        points = " ".join(f"{x(k / len(keys)):.1f},{y(precision(keys, wrong, k)):.1f}" for k in range(10, len(keys) + 1, 5))
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        parts.append(f'<text x="{x(1) + 6:.1f}" y="{top + 14 + 16 * row}" fill="{colour}">{name}</text>')
    path.write_text("\n".join(parts) + "\n</svg>\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=root / "build/examples")
    parser.add_argument("--svg", type=pathlib.Path)
    arguments = parser.parse_args()
    pairs = [line.split("\t") for line in (root / "examples/models/g2p/words.tsv").read_text().splitlines()]
    words = [word for word, _ in pairs]
    spelled = run(arguments.build / "translate", "--beams", "1", lines=words).splitlines()
    wrong = [int(found != reference) for found, (_, reference) in zip(spelled, pairs)]
    table = list(csv.DictReader(io.StringIO(run(arguments.build / "score_heads", lines=words))))
    sign = {"confidence": -1}
    column = lambda name: [sign.get(name.split(".")[0], 1) * float(row[name]) for row in table]
    heads = [name for name in table[0] if ".l" in name]
    scores = list(dict.fromkeys(name.split(".")[0] for name in heads))
    odd, even = range(0, len(words), 2), range(1, len(words), 2)
    curves = [("probability", column("negative_log_probability")), ("length", [float(len(word)) for word in words])]
    for score in scores:
        own = [column(name) for name in heads if name.startswith(score + ".")]
        curves.append((score, [sum(values) / len(own) for values in zip(*own)]))
    print(f"{sum(wrong)} of {len(words)} words are wrong ({sum(wrong) / len(words):.1%})")
    print("| chosen by | of 50 (10 %) wrong | 95 % | of 125 (25 %) wrong | 95 % |\n|---|---|---|---|---|")
    cells = []
    for count in (50, 125):
        mean, low, high = by_chance(wrong, count)
        cells += [f"{mean:.0%}", f"{low:.0%} to {high:.0%}"]
    print("| random, the mean of 2,000 | " + " | ".join(cells) + " |")
    for name, keys in curves:
        cells = []
        for count in (50, 125):
            low, high = interval(keys, wrong, count / len(words))
            cells += [f"{precision(keys, wrong, count):.0%}", f"{low:.0%} to {high:.0%}"]
        print(f"| {name} | " + " | ".join(cells) + " |")
    print("\nthe head that is best on odd lines, judged on even ones (25 % chosen):")
    for score in scores:
        part = lambda name, lines: precision([column(name)[i] for i in lines], [wrong[i] for i in lines], len(lines) // 4)
        best = max((name for name in heads if name.startswith(score + ".")), key=lambda name: part(name, odd))
        low, high = interval([column(best)[i] for i in even], [wrong[i] for i in even], 0.25)
        print(f"| {best} | {part(best, odd):.0%} | {part(best, even):.0%} | {low:.0%} to {high:.0%} |")
    if arguments.svg:
        svg(curves, wrong, arguments.svg)


if __name__ == "__main__":
    main()
