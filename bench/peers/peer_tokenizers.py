#!/usr/bin/env python3
"""Our tokenizer beside the tokenizers package: the same text, line by line, one thread, in turn; prints the ratio.

    pip install tokenizers==0.23.3
    cmake --build build --target tokenizer && python3 bench/peers/peer_tokenizers.py [--build DIR] [--mb 10] [NAME...]

NAME is a folder of tests/golden/tokenizers (all of them by default), whose vocabularies are small; NAME:SIZE is the same
with a vocabulary of SIZE trained on the text by the package's own trainer, as gpt2:32000. The text is that of
mixed_text.py, at least 10 MB. Our program compares its ids with the package's before it is timed. The package is timed
by encode and by encode_batch of 1000 lines, and the faster of the two counts. Medians of the rounds.
"""

import argparse
import json
import os
import pathlib
import statistics
import struct
import subprocess
import sys
import tempfile
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"
ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
FOLDERS = ROOT / "tests" / "golden" / "tokenizers"


def trained(name, size, lines):
    """The tokenizer.json of that name with a vocabulary of `size`."""
    from tokenizers import Tokenizer, pre_tokenizers, trainers

    made = json.loads((FOLDERS / name / "tokenizer.json").read_text(encoding="utf-8"))
    model, kind = made["model"], made["model"]["type"]
    tokenizer = Tokenizer.from_str(json.dumps(made))
    specials = [token["content"] for token in sorted(made["added_tokens"], key=lambda token: token["id"])]
    if model.get("byte_fallback"):
        specials += [f"<0x{byte:02X}>" for byte in range(256)]
    options = {"vocab_size": size, "special_tokens": specials, "show_progress": False}
    if kind == "BPE" and made["pre_tokenizer"] is None:  # pieces of one word, as SentencePiece learns them
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
    if kind == "Unigram":
        trainer = trainers.UnigramTrainer(unk_token=model["vocab"][model["unk_id"]][0], **options)
    elif kind == "WordPiece":
        trainer = trainers.WordPieceTrainer(**options)
    elif "ByteLevel" in json.dumps(made["pre_tokenizer"]):
        trainer = trainers.BpeTrainer(initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), **options)
    else:
        trainer = trainers.BpeTrainer(**options)
    tokenizer.train_from_iterator(lines, trainer)
    made["model"] = json.loads(tokenizer.to_str())["model"]
    return json.dumps(made)


def in_batches(tokenizer, lines):
    for begin in range(0, len(lines), 1000):
        tokenizer.encode_batch(lines[begin : begin + 1000])


def one_by_one(tokenizer, lines):
    for line in lines:
        tokenizer.encode(line)


def seconds(way, tokenizer, lines):
    begin = time.perf_counter()
    way(tokenizer, lines)
    return time.perf_counter() - begin


def write_ids(tokenizer, lines, path):
    with open(path, "wb") as out:
        for line in lines:
            found = tokenizer.encode(line).ids
            out.write(struct.pack(f"<{len(found)}i", *found))


def compare(program, folder, lines, rounds, scratch):
    """MB/s of ours and of the package's, and the median of their ratios."""
    from tokenizers import Tokenizer

    text, ids = os.path.join(scratch, "text"), os.path.join(scratch, "ids")
    pathlib.Path(text).write_text("".join(line + "\n" for line in lines), encoding="utf-8", newline="\n")
    size = os.path.getsize(text) / 1e6
    theirs = Tokenizer.from_file(folder)
    write_ids(theirs, lines, ids)
    way = min((one_by_one, in_batches), key=lambda way: seconds(way, theirs, lines))
    ours, peer = [], []
    for _ in range(rounds):
        command = [program, "--tokenizer", folder, "--text", text, "--ids", ids, "--repetitions", "1"]
        run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if run.returncode != 0:
            raise SystemExit(f"{folder}: {run.stderr}")
        ours.append(json.loads(run.stdout)["mb_per_s"])
        peer.append(size / seconds(way, theirs, lines))
    ratio = statistics.median(one / other for one, other in zip(ours, peer))
    return statistics.median(ours), statistics.median(peer), ratio


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--build", default="build")
    parser.add_argument("--mb", type=float, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--trained", help="a folder that keeps trained vocabularies for the next run")
    options = parser.parse_args()
    try:
        import tokenizers  # noqa: F401
    except ImportError:
        print("tokenizers is not installed: pip install tokenizers==0.23.3", file=sys.stderr)
        return 3
    from mixed_text import mixed_text

    lines = mixed_text(options.mb)
    program = os.path.join(options.build, "bench", "tokenizer")
    print("| tokenizer | vitrine MB/s | tokenizers MB/s | ratio |\n|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        for name in options.names or sorted(path.name for path in FOLDERS.iterdir()):
            folder = FOLDERS / name / "tokenizer.json"
            if ":" in name:
                folder = pathlib.Path(options.trained or scratch, name.replace(":", "_") + ".json")
                if not folder.exists():
                    folder.write_text(trained(*name.split(":")[:1], int(name.split(":")[1]), lines), encoding="utf-8")
            ours, peer, ratio = compare(program, str(folder), lines, options.rounds, scratch)
            print(f"| {name} | {ours:.1f} | {peer:.1f} | {ratio:.2f} |", flush=True)
    return 0


sys.exit(main())
