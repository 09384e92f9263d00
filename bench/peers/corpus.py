#!/usr/bin/env python3
"""Coverage of every cross-attention head for each line of a pool, from greedy outputs: score_heads and Transformers in turn.

    python3 bench/peers/corpus.py [--build build] [--rounds 3] [--lines 5000] [--threads 2] [--base] [--shards]

Prints lines a second of both (the median over rounds; loading the model is not counted on either side) and their ratio, paired in
each round, and from which to which they were. Transformers twice: with the maps of the search's own steps, and as score_heads of
vitrine 0.1 did, with one more pass over what the search found. --base: a model of opus-mt-base's shape with random weights and sources of 32 tokens instead of the speller's words.
--shards: two shards on two cores against one process on one. Keep the machine idle; Transformers runs eagerly with
output_attentions in batches of 64 sorted by length. A first round, which does not count, compares both sides' coverage to 1e-4.
"""
import argparse
import csv
import io
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

root = pathlib.Path(__file__).resolve().parents[2]


def speller(lines):
    words = [line.split("\t")[0] for line in (root / "examples/models/g2p/words.tsv").read_text().splitlines()]
    vocabulary = json.loads((root / "examples/models/g2p/vocab.json").read_text())
    pool = [words[i % len(words)] for i in range(lines)]
    return root / "examples/models/g2p", pool, [[vocabulary[c] for c in word] + [vocabulary["</s>"]] for word in pool], []


def base(folder, lines):
    import torch
    from transformers import MarianConfig, MarianMTModel
    torch.manual_seed(1)
    config = MarianConfig(vocab_size=32000, d_model=512, encoder_layers=6, decoder_layers=6, encoder_attention_heads=8,
                          decoder_attention_heads=8, encoder_ffn_dim=2048, decoder_ffn_dim=2048, pad_token_id=31999, eos_token_id=0,
                          decoder_start_token_id=31999, forced_eos_token_id=0, max_length=33, scale_embedding=True)
    model = MarianMTModel(config).eval()
    model.generation_config.max_length = 33
    model.save_pretrained(folder)
    ids = [torch.randint(1, 31999, (31,)).tolist() + [0] for _ in range(lines)]
    return folder, [json.dumps({"ids": one}) for one in ids], ids, ["--input-format", "jsonl"]


def ours(arguments, model, pool, options, shard=None, threads=None):
    """Seconds without those of an empty pool, and the rows."""
    command = [str(arguments.build / "examples/score_heads"), "--model", str(model), "--score", "coverage", "--quiet", "--threads",
               str(threads or arguments.threads), "--max-new-tokens", "32", *options]

    def run(text):
        begin = time.perf_counter()
        out = subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout
        return time.perf_counter() - begin, out
    idle, _ = run("")
    seconds, out = run("".join(line + "\n" for line in pool))
    return seconds - idle, [[float(x) for x in row[:-1]] for row in list(csv.reader(io.StringIO(out)))[1:]]


def coverage(maps, rows, columns):
    """Of maps (B, layers, H, T, S) with so many rows and columns each: a list of layers * H values a line."""
    import torch
    real = (torch.arange(maps.shape[3]) < torch.tensor(rows)[:, None])[:, None, None, :, None]
    letters = (torch.arange(maps.shape[4]) < torch.tensor(columns)[:, None])[:, None, None]
    received = torch.where(real, maps, 0).double().sum(3).clamp(max=1)
    left = torch.where(letters, -(received + 1e-8).log(), 0).sum(-1) / torch.tensor(columns)[:, None, None]
    return left.flatten(1).tolist()


def opened(arguments, model):
    import torch
    from transformers import MarianMTModel
    torch.set_num_threads(arguments.threads)
    return MarianMTModel.from_pretrained(model, attn_implementation="eager", dtype=torch.float32).eval()


def theirs(transformer, sources, forced):
    """Seconds, and the rows. forced: the maps of one more pass."""
    import torch
    pad, end = transformer.config.pad_token_id, transformer.config.eos_token_id
    order = sorted(range(len(sources)), key=lambda i: -len(sources[i]))
    rows = [None] * len(sources)
    begin = time.perf_counter()
    with torch.inference_mode():
        for first in range(0, len(order), 64):
            batch = order[first:first + 64]
            width = len(sources[batch[0]])
            ids = torch.tensor([sources[i] + [pad] * (width - len(sources[i])) for i in batch])
            mask = (torch.arange(width) < torch.tensor([[len(sources[i])] for i in batch])).long()
            found = transformer.generate(input_ids=ids, attention_mask=mask, num_beams=1, do_sample=False, max_new_tokens=32,
                                         output_attentions=not forced, return_dict_in_generate=True)
            if forced:
                layers = transformer(input_ids=ids, attention_mask=mask, decoder_input_ids=found.sequences[:, :-1], output_attentions=True,
                                     use_cache=False).cross_attentions
            else:  # each step's maps: (B, H, 1, S) a layer
                layers = [torch.cat([step[layer] for step in found.cross_attentions], 2)
                          for layer in range(len(found.cross_attentions[0]))]
            targets = found.sequences[:, 1:].tolist()
            lengths = [target.index(end) + 1 if end in target else len(target) for target in targets]
            values = coverage(torch.stack(layers, 1), lengths, [len(sources[i]) - 1 for i in batch])
            for i, row in zip(batch, values):
                rows[i] = row
    return time.perf_counter() - begin, rows


def compare(left, right):
    if len(left) != len(right):
        sys.exit(f"{len(left)} rows and {len(right)}")
    worst = [max(abs(a - b) for a, b in zip(x, y)) for x, y in zip(left, right)]
    wrong = [one for one in worst if not one <= 1e-4]
    if len(wrong) > len(left) // 1000:  # a tie between two ids may fall either way in f32
        sys.exit(f"coverage differs in {len(wrong)} of {len(left)} lines, by {max(wrong)} at most")


def shards(arguments, model, pool, options):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "pool")
        path.write_text("".join(line + "\n" for line in pool))
        subprocess.run([str(arguments.build / "examples/score_heads"), "--input", str(path), "--index", "--quiet"], check=True)

        def run(count, output):
            begin = time.perf_counter()
            running = [subprocess.Popen([
                "taskset", "-c", str(i), str(arguments.build / "examples/score_heads"), "--model", str(model), "--score", "coverage",
                "--quiet", "--threads", "1", "--input", str(path), "--output", output, "--shard", f"{i}/{count}", *options])
                for i in range(count)]
            assert not any(one.wait() for one in running)
            return time.perf_counter() - begin
        times = [(run(1, f"{folder}/one{r}"), run(2, f"{folder}/two{r}")) for r in range(arguments.rounds + 1)][1:]
        one, two = (statistics.median(column) for column in zip(*times))
        ratios = sorted(b / a * 2 for a, b in times)
        print(f"one shard on one core {one:.2f} s, two on two {two:.2f} s: {statistics.median(ratios):.3f} of half "
              f"({ratios[0]:.3f} to {ratios[-1]:.3f})")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=root / "build")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--lines", type=int, default=5000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--base", action="store_true")
    parser.add_argument("--shards", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model, pool, sources, options = base(folder, arguments.lines) if arguments.base else speller(arguments.lines)
        if arguments.shards:
            return shards(arguments, model, pool, options)
        transformer = opened(arguments, model)
        times = []
        for _ in range(arguments.rounds + 1):
            own, rows = ours(arguments, model, pool, options)
            seconds = [own]
            for forced in (False, True):
                other, expected = theirs(transformer, sources, forced)
                seconds.append(other)
                if not times:
                    compare(rows, expected)
            times.append(seconds)
        del times[0]  # the round that was compared
        own, *others = (arguments.lines / statistics.median(column) for column in zip(*times))
        print(f"{arguments.lines} lines, {arguments.threads} threads: score_heads {own:.0f} lines/s")
        for i, recipe in enumerate(("the search's own maps", "one more pass for the maps"), 1):
            ratios = sorted(one[i] / one[0] for one in times)
            print(f"Transformers, {recipe}: {others[i - 1]:.0f} lines/s; score_heads {statistics.median(ratios):.2f} times as fast "
                  f"({ratios[0]:.2f} to {ratios[-1]:.2f})")


if __name__ == "__main__":
    main()
