#!/usr/bin/env python3
"""Our tokenizer beside the tokenizers package: the same text, line by line, one thread, in turn; prints the ratio.

    pip install tokenizers==0.23.3
    cmake --build build --target tokenizer && python3 bench/peers/peer_tokenizers.py [--build DIR] [--mb 10] [NAME...]

NAME is a folder of tests/golden/tokenizers (all of them by default). Our program compares its ids with the package's
before it is timed. The text is the repository's own pages and licence, varied by seed, at least 10 MB.
"""

import argparse
import json
import os
import pathlib
import random
import statistics
import struct
import subprocess
import sys
import tempfile
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"
ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def make_text(megabytes):
    """Lines whose words come from the repository's pages, so that most words are seen again and some are not."""
    pages = sorted(ROOT.glob("*.md")) + sorted(ROOT.glob("examples/*.md")) + [ROOT / "LICENSE"]
    lines = [line for page in pages for line in page.read_text(encoding="utf-8").splitlines() if line.strip()]
    words = [word for line in lines for word in line.split()]
    letters = random.Random(1)
    out, size = [], 0
    while size < megabytes * 1_000_000:
        line = letters.choice(lines)
        if letters.random() < 0.5:  # as many new lines as old ones
            line = " ".join(letters.choice(words) for _ in range(letters.randint(3, 40)))
        if letters.random() < 0.2:
            line += " " + "".join(letters.choice("abcdefghijklmnopqrstuvwxyzäöüéß") for _ in range(letters.randint(4, 12)))
        out.append(line)
        size += len(line.encode()) + 1
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--build", default="build")
    parser.add_argument("--mb", type=float, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    try:
        from tokenizers import Tokenizer
    except ImportError:
        print("tokenizers is not installed: pip install tokenizers==0.23.3", file=sys.stderr)
        return 3
    folders = ROOT / "tests" / "golden" / "tokenizers"
    lines = make_text(options.mb)
    size = sum(len(line.encode()) + 1 for line in lines) / 1e6
    print("| tokenizer | vitrine MB/s | tokenizers MB/s | ratio |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as scratch:
        text, ids = os.path.join(scratch, "text"), os.path.join(scratch, "ids")
        pathlib.Path(text).write_text("".join(line + "\n" for line in lines), encoding="utf-8", newline="\n")
        for name in options.names or sorted(path.name for path in folders.iterdir()):
            theirs = Tokenizer.from_file(str(folders / name / "tokenizer.json"))
            with open(ids, "wb") as out:
                for line in lines:
                    found = theirs.encode(line).ids
                    out.write(struct.pack(f"<{len(found)}i", *found))
            ours, peer, ratios = [], [], []
            for _ in range(options.rounds):
                run = subprocess.run(
                    [os.path.join(options.build, "bench", "tokenizer"), "--tokenizer", str(folders / name / "tokenizer.json"),
                     "--text", text, "--ids", ids, "--repetitions", "1"],
                    stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)  # fmt: skip
                ours.append(json.loads(run.stdout)["mb_per_s"])
                begin = time.perf_counter()
                for line in lines:
                    theirs.encode(line)
                peer.append(size / (time.perf_counter() - begin))
                ratios.append(ours[-1] / peer[-1])
            print(f"| {name} | {statistics.median(ours):.1f} | {statistics.median(peer):.1f} | {statistics.median(ratios):.2f} |")
    return 0


sys.exit(main())
