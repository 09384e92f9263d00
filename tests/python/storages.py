#!/usr/bin/env python3
"""What each storage of weights costs on trained models: the tables of examples/numerics.md.

    python3 tests/python/storages.py [--minilm MODEL_FOLDER] [--rxnmapper WHEELS]

The speller of examples/models/g2p, and the folders that .ci/run's steps minilm and real_weights fetch. The programs are
build/examples/inspect and translate; $VITRINE_BUILD names another folder than build. Needs numpy, for rxnmapper torch.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXAMPLES = pathlib.Path(os.environ.get("VITRINE_BUILD") or ROOT / "build") / "examples"
SPELLER = ROOT / "examples" / "models" / "g2p"
STORAGES = ("bf16", "f16", "int8")
KINDS = {"encoder_self": "of the encoder", "decoder_self": "of the decoder's self-attention", "cross": "of the cross-attention"}
SENTENCES = (
    "The weather is lovely today.",
    "It's so sunny outside that the streets are empty!",
    "He drove to the stadium, an hour before the match.",
    "A man is eating a piece of bread with his hands.",
    "The committee postponed its decision until the figures had been checked by somebody else.",
    "Attention weights tell which positions a layer reads, and not why it reads them.",
    "Proteins fold into shapes that their sequence of amino acids determines.",
    "Please return the book to the shelf from which you took it; thank you.",
    "Shares fell by 3.5 % in London, after a quiet morning.",
    "What is the capital of the country whose flag has a maple leaf?",
    "She sold sea shells by the sea shore, but nobody bought any of them.",
    "Rain, snow and ice made the mountain road impassable for most of the winter.",
)


def run(program, *options):
    done = subprocess.run([EXAMPLES / program, "--quiet", *map(str, options)], stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.splitlines()


def maps_of(folder, weights, lines, *options):
    """Per kind the maps of each line: (layers, heads, queries, keys)."""
    with tempfile.TemporaryDirectory() as scratch:
        text, maps = pathlib.Path(scratch, "lines"), pathlib.Path(scratch, "maps.npz")
        text.write_text("".join(line + "\n" for line in lines))
        run("inspect", "--model", folder, "--input", text, "--weights", weights, "--maps", maps, *options)
        with np.load(maps) as file:
            return {kind: [file[f"{i}/{kind}"] for i in range(len(lines))] for kind in KINDS if f"0/{kind}" in file.files}


def map_rows(folder, lines, *options):
    """A line of a table for each kind of maps: largest and mean difference from float; share of rows with the same largest key."""
    exact = maps_of(folder, "f32", lines, *options)
    made = {weights: maps_of(folder, weights, lines, *options) for weights in STORAGES}
    for kind, theirs in exact.items():
        cells = []
        for weights in STORAGES:
            pairs = list(zip(made[weights][kind], theirs))
            apart = np.concatenate([np.abs(a.astype("f8") - b).ravel() for a, b in pairs])
            same = np.concatenate([(a.argmax(-1) == b.argmax(-1)).ravel() for a, b in pairs])
            cells.append(f"{apart.max():.2g} / {apart.mean():.2g}; {same.mean():.4f}")
        yield f"weights {KINDS[kind]}, largest / mean difference; rows with the same largest key", cells


def speller_rows(scratch):
    words, sounds = zip(*(line.split("\t") for line in (SPELLER / "words.tsv").read_text().splitlines()))
    source, target = pathlib.Path(scratch, "words"), pathlib.Path(scratch, "target")
    source.write_text("".join(word + "\n" for word in words))
    spelled = lambda weights, beams: run("translate", "--model", SPELLER, "--input", source, "--weights", weights, "--beams", beams)
    scored = lambda weights, *options: run(
        "translate", "--model", SPELLER, "--input", source, "--weights", weights, "--score", target, *options
    )
    both = {weights: [spelled(weights, beams) for beams in (1, 4)] for weights in ("f32", *STORAGES)}
    share = lambda differ: f"{sum(differ) / len(words):.3f}"
    wrong = {weights: " / ".join(share(a != b for a, b in zip(one, sounds)) for one in found) for weights, found in both.items()}
    yield f"words unlike the dictionary's, greedy / 4 beams (float: {wrong['f32']})", [wrong[weights] for weights in STORAGES]
    yield "outputs equal to float's, greedy / 4 beams", [
        " / ".join(share(a == b for a, b in zip(one, exact)) for one, exact in zip(both[weights], both["f32"])) for weights in STORAGES
    ]
    target.write_text("".join(line + "\n" for line in both["f32"][0]))
    exact = np.array(scored("f32"), "f8")
    apart = [np.abs(np.array(scored(weights), "f8") - exact) for weights in STORAGES]
    yield "log-probability of a word, largest / mean difference", [f"{one.max():.2g} / {one.mean():.2g}" for one in apart]
    yield from map_rows(SPELLER, words, "--target", target)
    links = lambda weights: [set(line.split(" ||| ")[1].split()) for line in scored(weights, "--alignments", "pharaoh")]
    exact = links("f32")
    yield "links of `--alignments pharaoh` that are the same", [
        f"{sum(len(a & b) for a, b in zip(links(weights), exact)) / sum(map(len, exact)):.4f}" for weights in STORAGES
    ]


def rxnmapper_rows(wheels, scratch):
    sys.path.insert(0, str(ROOT / "examples" / "python"))
    import test_real_weights as real

    folder = real.converted(pathlib.Path(wheels) / real.RXNMAPPER, scratch)
    read = [real.atom_mapping.read(folder, reaction) for reaction in real.REACTIONS]
    lines = [json.dumps({"ids": ids, "tokens": tokens}) for tokens, ids in read]
    yield from map_rows(folder, lines, "--input-format", "jsonl")


def table(title, rows):
    print(f"| {title} | {' | '.join(STORAGES)} |\n|{'---|' * (1 + len(STORAGES))}")
    for what, cells in rows:
        print(f"| {what} | {' | '.join(cells)} |", flush=True)
    print()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minilm")
    parser.add_argument("--rxnmapper")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        table("the speller, 500 words", speller_rows(scratch))
        if asked.minilm:
            table(f"all-MiniLM-L6-v2, {len(SENTENCES)} sentences", map_rows(asked.minilm, SENTENCES))
        if asked.rxnmapper:
            table("rxnmapper's ALBERT, 3 reactions", rxnmapper_rows(asked.rxnmapper, scratch))


if __name__ == "__main__":
    main()
