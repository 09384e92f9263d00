#!/usr/bin/env python3
"""What `import vitrine` costs over C++, and its speed with all maps beside PyTorch's hook recipe and Transformers eager.

    python3 bench/python.py [--only call,encoder,bert,gpt2,marian] [--threads N] [--repetitions N] [--json]

Both sides of a line compute the same from the same values with the same threads: that is checked (outputs and maps to
1e-3, ids equal) before they take turns, each in a process of its own, as people run it: in one process each would find
memory that the other has touched and freed. Medians; the ratio is the median of those of each turn. The first lines are
this machine's peak and the overhead of a call over the C++ program encoder_forward, which reuses its result where
Python makes a new one (build/bench/peak and encoder_forward, if they are built). Exit status 1 when a ratio is below
1.3 or the overhead above 10 microseconds.
"""

import argparse
import contextlib
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("HF_HUB_OFFLINE", "1")
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "examples", "python"))

import hook_recipe
import numpy as np
import torch
import transformers
import vitrine


def in_turn(repetitions, *sides):
    """Milliseconds of callables that take turns, a list for each, after two rounds that do not count."""
    times = [[] for _ in sides]
    for i in range(repetitions + 2):
        for side, taken in zip(sides, times):
            start = time.perf_counter()
            side()
            if i >= 2:
                taken.append(1e3 * (time.perf_counter() - start))
    return times


def program(name, *arguments):
    """What a program of build/bench says, or None where it is not built."""
    path = os.path.join(ROOT, "build", "bench", name)
    if not os.path.exists(path):
        return None
    return json.loads(subprocess.run([path, *map(str, arguments)], capture_output=True, text=True, check=True).stdout)


def call_overhead(threads, rounds=7):
    """Microseconds of a call of d64 h4 ff256 L2 T32 that keeps all weights, of the same with its output and maps taken as
    arrays, and in C++ (None: not built); medians over rounds in turn, and the median of the differences within rounds."""
    encoder = vitrine.Encoder(d_model=64, nhead=4, num_layers=2, dim_feedforward=256).init(1)
    x = np.random.default_rng(1).normal(size=(1, 32, 64)).astype(np.float32)

    def arrays():
        result = encoder(x, threads=threads)
        return result.output, result.self_attn

    sizes = "--d_model 64 --nhead 4 --dim_feedforward 256 --num_layers 2 --batch 1 --length 32 --keep weights"
    found = []
    for _ in range(rounds):
        cpp = program("encoder_forward", *sizes.split(), "--threads", threads, "--repetitions", 2000)
        calls = [statistics.median(times) for times in in_turn(2000, lambda: encoder(x, threads=threads), arrays)]
        found.append([1e3 * one for one in calls] + [1e3 * cpp["results"][0]["median_ms"] if cpp else None])
    call, with_arrays, cpp = zip(*found)
    row = {"call_us": statistics.median(call), "arrays_us": statistics.median(with_arrays), "cpp_us": None}
    if cpp[0] is not None:
        row["cpp_us"] = statistics.median(cpp)
        row["overhead_us"] = statistics.median(a - b for a, b in zip(call, cpp))
    return row


def values(nested):
    """All arrays of nested tuples and lists, one after another; numbers in a list are an array."""
    if isinstance(nested, (tuple, list)) and not (nested and isinstance(nested[0], (int, float))):
        return [one for part in nested for one in values(part)]
    return [nested.detach().numpy() if torch.is_tensor(nested) else np.asarray(nested)]


def check(name, ours, theirs):
    if [one.shape for one in ours] != [one.shape for one in theirs]:
        sys.exit(f"{name}: shapes differ: {[one.shape for one in ours]} and {[one.shape for one in theirs]}")
    for a, b in zip(ours, theirs):
        worst = float(np.abs(a - b).max() / max(1, np.abs(b).max()))
        if not worst <= (0 if a.dtype.kind == "i" else 1e-3):
            sys.exit(f"{name}: the two sides differ by {worst}")


# Works: (name, our side, their side, what of ours and what of theirs must be the same).


def encoders(_):
    for width, heads, hidden, layers, batch, length in ((512, 8, 2048, 6, 8, 128), (256, 4, 1024, 4, 1, 64)):
        layer = torch.nn.TransformerEncoderLayer(width, heads, hidden, batch_first=True)
        module = torch.nn.TransformerEncoder(layer, layers, enable_nested_tensor=False).eval()
        x = torch.randn(batch, length, width)
        mask = torch.nn.Transformer.generate_square_subsequent_mask(length)
        ours = vitrine.from_torch(module)

        def mine(ours=ours, x=x):
            result = ours(x, is_causal=True)
            return result.output, result.self_attn

        def hooks(module=module, x=x, mask=mask):
            return hook_recipe.attention_maps(module, x, mask=mask)

        name = f"nn.TransformerEncoder d{width} L{layers} B{batch} T{length}"
        yield name, mine, hooks, lambda found: found, lambda found: (found[0], list(found[1].values()))


def opened(model, folder):
    model.eval().save_pretrained(folder)
    return vitrine.load(folder), type(model).from_pretrained(folder, attn_implementation="eager").eval()


def some_ids(batch, length):
    return torch.randint(4, 5000, (batch, length), generator=torch.Generator().manual_seed(1))


def bert(folder):
    for width, layers, batch, length in ((384, 6, 8, 128), (768, 12, 8, 128)):  # of MiniLM and of Bert-base
        ids = some_ids(batch, length)
        config = transformers.BertConfig(vocab_size=5000, hidden_size=width, num_hidden_layers=layers,
                                         num_attention_heads=12, intermediate_size=4 * width)  # fmt: skip
        ours, theirs = opened(transformers.BertModel(config), folder)
        shown = lambda r: (r.last_hidden_state, r.attentions)
        yield (f"Bert d{width} L{layers} B{batch} T{length}", lambda: ours(ids), lambda: theirs(ids, output_attentions=True),
               shown, shown)  # fmt: skip


def mine_found(hypotheses, maps):
    """Ids of the best hypothesis of each source, and its maps of each layer."""
    return [[one[0].ids for one in hypotheses], [getattr(one[0], maps) for one in hypotheses]]


def gpt2(folder):
    ids = some_ids(8, 128)
    config = transformers.GPT2Config(vocab_size=5000, n_embd=512, n_layer=6, n_head=8, n_positions=256)
    config.bos_token_id = config.eos_token_id = 0
    ours, theirs = opened(transformers.GPT2LMHeadModel(config), folder)
    yield ("GPT-2 d512 L6 B8 T128", lambda: ours(ids), lambda: theirs(ids, output_attentions=True),
           lambda r: (r.logits, r.attentions), lambda r: (r.logits, r.attentions))  # fmt: skip
    options = dict(max_new_tokens=32, min_new_tokens=32)
    dictionary = dict(output_attentions=True, return_dict_in_generate=True, do_sample=False, pad_token_id=0)
    yield (
        "GPT-2 d512 L6 generate B1, 32 of 64",
        lambda: mine_found(ours.generate(ids[:1, :64], keep="weights", **options), "self_attn"),
        lambda: theirs.generate(ids[:1, :64], **options, **dictionary),
        lambda r: r[0],
        lambda r: list(r.sequences[:, 64:]),
    )


def marian(folder):
    ids = some_ids(4, 56)
    config = transformers.MarianConfig(
        vocab_size=8000, d_model=512, encoder_layers=6, decoder_layers=6, encoder_attention_heads=8,
        decoder_attention_heads=8, encoder_ffn_dim=2048, decoder_ffn_dim=2048, max_position_embeddings=256,
        pad_token_id=7999, eos_token_id=0, decoder_start_token_id=7999, forced_eos_token_id=None, bos_token_id=1,
        init_std=0.1,
    )  # fmt: skip
    ours, theirs = opened(transformers.MarianMTModel(config), folder)
    sources, targets = ids[:4, :24] % 7000 + 1, ids[:4, 24:56] % 7000 + 1
    dictionary = dict(output_attentions=True, return_dict_in_generate=True, do_sample=False, pad_token_id=7999)
    for beams in (1, 4):
        options = dict(num_beams=beams, max_new_tokens=24, min_new_tokens=24)

        def mine(options=options):
            return mine_found(ours.generate(sources, keep="weights", **options), "cross_attn")

        def other(options=options):
            return theirs.generate(sources, **options, **dictionary)

        if beams == 1:  # each step's maps, (B, H, 1, S) a layer; beams are other sequences from step to step
            name, shown = "Marian d512 L6 generate B4 greedy", lambda r: (
                list(r.sequences[:, 1:]),
                [[torch.cat([step[layer][b] for step in r.cross_attentions], 1) for layer in range(6)] for b in range(4)],
            )
        else:
            name, shown = "Marian d512 L6 generate B4, 4 beams", lambda r: list(r.sequences[:, 1:])
        yield name, mine, other, (lambda r: r) if beams == 1 else (lambda r: r[0]), shown

    def their_score():
        start = torch.full((4, 1), 7999)
        out = theirs(sources, decoder_input_ids=torch.cat([start, targets[:, :-1]], 1), output_attentions=True)
        return list(out.logits.log_softmax(-1).gather(2, targets[..., None])[..., 0]), out.cross_attentions

    def our_score():
        found = ours.score(sources, targets)
        return [one.log_probs for one in found], [one.cross_attn for one in found]

    yield ("Marian d512 L6 score B4 T32", our_score, their_score,
           lambda r: r, lambda r: (r[0], [[layer[b] for layer in r[1]] for b in range(4)]))  # fmt: skip


WORKS = {"encoder": encoders, "bert": bert, "gpt2": gpt2, "marian": marian}


def one_side(connection, kind, side, threads):
    """A process: for each work of a kind its name and values, then times of as many calls as are asked for."""
    torch.set_num_threads(threads)
    gone = contextlib.suppress(EOFError, BrokenPipeError)  # the other side has failed
    with tempfile.TemporaryDirectory() as folder, torch.no_grad(), gone:
        torch.manual_seed(1)
        for name, *calls_and_values in WORKS[kind](folder):
            call, shown = calls_and_values[side], calls_and_values[2 + side]
            connection.send((name, values(shown(call()))))
            while calls := connection.recv():
                time.sleep(0.01)  # until the threads of the other side have stopped to spin
                start = time.perf_counter()
                for _ in range(calls):
                    call()
                connection.send(1e3 * (time.perf_counter() - start) / calls)
        connection.send(None)


def compared(chosen, threads, repetitions):
    rows = []
    context = multiprocessing.get_context("spawn")
    for kind in chosen:
        ends = [context.Pipe() for _ in range(2)]
        for side, end in enumerate(ends):
            context.Process(target=one_side, args=(end[1], kind, side, threads), daemon=True).start()
            end[1].close()
        (ours, _), (theirs, _) = ends

        def turn(calls):
            taken = []
            for end, count in zip((ours, theirs), calls):
                end.send(count)
                taken.append(end.recv())
            return taken

        while (mine := ours.recv()) is not None:
            name, other = mine[0], theirs.recv()
            check(name, mine[1], other[1])
            turn((1, 1))
            calls = [max(1, round(20 / one)) for one in turn((1, 1))]
            times = [turn(calls) for _ in range(repetitions)]
            ours.send(0), theirs.send(0)
            medians = [statistics.median(one) for one in zip(*times)]
            ratio = statistics.median(other / mine for mine, other in times)
            rows.append({"name": name, "vitrine_ms": medians[0], "other_ms": medians[1], "ratio": ratio})
        theirs.recv()
    return rows


def show(found):
    peak, call = found["peak"], found.get("call")
    if peak is not None:
        print(f"{peak['cpu']}, {peak['threads']} threads: peak {peak['peak_gflops']:.0f} GFLOP/s")
    if call is not None:
        beside = "encoder_forward is not built"
        if call["cpp_us"] is not None:
            beside = f"in C++ {call['cpp_us']:.1f}, overhead {call['overhead_us']:.1f}"
        print(f"a call, d64 h4 ff256 L2 T32, in microseconds: {call['call_us']:.1f} ({beside}; {call['arrays_us']:.1f} with")
        print("its output and maps as arrays)")
    if found["rows"]:
        print(f"{'all maps kept':44}{'vitrine ms':>12}{'other ms':>12}{'ratio':>8}")
    for row in found["rows"]:
        print(f"{row['name']:44}{row['vitrine_ms']:12.2f}{row['other_ms']:12.2f}{row['ratio']:8.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(["call", *WORKS]), help="of call, " + ", ".join(WORKS))
    parser.add_argument("--threads", type=int, default=0, help="of both sides; 0: as many as there are")
    parser.add_argument("--repetitions", type=int, default=15)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    options = parser.parse_args()
    only = options.only.split(",")
    if not set(only) <= {"call", *WORKS}:
        parser.error(f"--only is {options.only} and may hold call, {', '.join(WORKS)}")
    threads = options.threads or vitrine._core.default_threads()
    torch.set_num_threads(threads)
    os.environ["OMP_NUM_THREADS"] = str(threads)
    print(vitrine.build_info(), f"| torch {torch.__version__}, transformers {transformers.__version__}", file=sys.stderr)
    found = {"peak": program("peak", "--threads", threads)}
    if "call" in only:
        found["call"] = call_overhead(threads)
    found["rows"] = compared([kind for kind in WORKS if kind in only], threads, options.repetitions)
    print(json.dumps(found)) if options.json else show(found)
    slow = any(row["ratio"] < 1.3 for row in found["rows"])
    return 1 if slow or found.get("call", {}).get("overhead_us", 0) > 10 else 0


if __name__ == "__main__":
    sys.exit(main())
