#!/usr/bin/env python3
"""What `import vitrine` costs over C++, and its speed with all maps beside PyTorch's hook recipe and Transformers eager.

    python3 bench/python.py [--threads N] [--repetitions N] [--json]

Prints a table of medians: both sides take turns in one process, with the same threads, values and maps. The first line
is the overhead of a call over the C++ program encoder_forward (build/bench/encoder_forward, if it is built). Exit
status 1 when a ratio is below 1.3 or the overhead above 10 microseconds.
"""

import argparse
import itertools
import json
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
    """Medians in milliseconds of callables that take turns, after two rounds that do not count."""
    times = [[] for _ in sides]
    for i in range(repetitions + 2):
        for side, taken in zip(sides, times):
            start = time.perf_counter()
            side()
            if i >= 2:
                taken.append(1e3 * (time.perf_counter() - start))
    return [statistics.median(taken) for taken in times]


def call_overhead(threads):
    """(milliseconds from Python, milliseconds in C++ or None) of d64 h4 ff256 L2 T32, all weights kept."""
    encoder = vitrine.Encoder(d_model=64, nhead=4, num_layers=2, dim_feedforward=256).init(1)
    x = np.random.default_rng(1).normal(size=(1, 32, 64)).astype(np.float32)
    (ours,) = in_turn(3000, lambda: encoder(x, threads=threads))
    program = os.path.join(ROOT, "build", "bench", "encoder_forward")
    if not os.path.exists(program):
        return ours, None
    sizes = "--d_model 64 --nhead 4 --dim_feedforward 256 --num_layers 2 --batch 1 --length 32 --keep weights --fresh"
    command = [program, *sizes.split(), "--threads", str(threads), "--repetitions", "3000"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return ours, json.loads(done.stdout)["results"][0]["median_ms"]


def encoders():
    for width, heads, hidden, layers, batch, length in ((512, 8, 2048, 6, 8, 128), (256, 4, 1024, 4, 1, 64)):
        layer = torch.nn.TransformerEncoderLayer(width, heads, hidden, batch_first=True)
        module = torch.nn.TransformerEncoder(layer, layers, enable_nested_tensor=False).eval()
        x = torch.randn(batch, length, width)
        mask = torch.nn.Transformer.generate_square_subsequent_mask(length)
        ours = vitrine.from_torch(module)
        name = f"nn.TransformerEncoder d{width} L{layers} B{batch} T{length}"
        yield name, lambda: ours(x, is_causal=True).self_attn, lambda: hook_recipe.attention_maps(module, x, mask=mask)


def opened(model, folder):
    model.eval().save_pretrained(folder)
    return vitrine.load(folder), type(model).from_pretrained(folder, attn_implementation="eager").eval()


def families(folder):
    ids = torch.randint(4, 5000, (8, 64))
    bert = transformers.BertConfig(vocab_size=5000, hidden_size=384, num_hidden_layers=6, num_attention_heads=12,
                                   intermediate_size=1536)  # fmt: skip
    ours, theirs = opened(transformers.BertModel(bert), os.path.join(folder, "bert"))
    yield "Bert d384 L6 B8 T64", lambda: ours(ids).attentions, lambda: theirs(ids, output_attentions=True)

    gpt2 = transformers.GPT2Config(vocab_size=5000, n_embd=512, n_layer=6, n_head=8, n_positions=256)
    gpt2.bos_token_id = gpt2.eos_token_id = 0
    ours2, theirs2 = opened(transformers.GPT2LMHeadModel(gpt2), os.path.join(folder, "gpt2"))
    yield "GPT-2 d512 L6 B8 T64", lambda: ours2(ids).attentions, lambda: theirs2(ids, output_attentions=True)
    options = dict(max_new_tokens=32, min_new_tokens=32)
    dictionary = dict(output_attentions=True, return_dict_in_generate=True, do_sample=False, pad_token_id=0)
    yield (
        "GPT-2 generate 32",
        lambda: ours2.generate([ids[0].tolist()], keep="weights", **options)[0][0].self_attn,
        lambda: theirs2.generate(ids[:1], **options, **dictionary),
    )

    marian = transformers.MarianConfig(
        vocab_size=8000, d_model=512, encoder_layers=6, decoder_layers=6, encoder_attention_heads=8,
        decoder_attention_heads=8, encoder_ffn_dim=2048, decoder_ffn_dim=2048, max_position_embeddings=256,
        pad_token_id=7999, eos_token_id=0, decoder_start_token_id=7999, forced_eos_token_id=None, bos_token_id=1,
    )  # fmt: skip
    ours3, theirs3 = opened(transformers.MarianMTModel(marian), os.path.join(folder, "marian"))
    sources = ids[:4, :24] % 7000 + 1
    for beams in (1, 4):
        options3 = dict(num_beams=beams, max_new_tokens=24, min_new_tokens=24)
        yield (
            f"Marian d512 L6 generate B4 beams {beams}",
            lambda o=options3: [h[0].cross_attn for h in ours3.generate(sources, keep="weights", **o)],
            lambda o=options3: theirs3.generate(sources, **o, **{**dictionary, "pad_token_id": 7999}),
        )
    targets = ids[:4, 24:56] % 7000 + 1

    def their_score():
        start = torch.full((4, 1), 7999)
        out = theirs3(sources, decoder_input_ids=torch.cat([start, targets[:, :-1]], 1), output_attentions=True)
        return out.logits.log_softmax(-1).gather(2, targets[..., None]), out.cross_attentions

    yield "Marian d512 L6 score B4", lambda: [s.cross_attn for s in ours3.score(sources, targets)], their_score


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=0, help="of both sides; 0: as many as there are")
    parser.add_argument("--repetitions", type=int, default=15)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    options = parser.parse_args()
    threads = options.threads or vitrine._core.default_threads()
    torch.set_num_threads(threads)
    os.environ["OMP_NUM_THREADS"] = str(threads)
    print(vitrine.build_info(), f"| torch {torch.__version__}, transformers {transformers.__version__}", file=sys.stderr)
    ours, cpp = call_overhead(threads)
    rows, worst = [], float("inf")
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        for name, ours_of, theirs_of in itertools.chain(encoders(), families(folder)):
            mine, other = in_turn(options.repetitions, ours_of, theirs_of)
            rows.append({"name": name, "vitrine_ms": mine, "other_ms": other, "ratio": other / mine})
            worst = min(worst, other / mine)
    overhead = None if cpp is None else 1e3 * (ours - cpp)
    if options.json:
        print(json.dumps({"call_ms": ours, "cpp_ms": cpp, "overhead_us": overhead, "rows": rows}))
    else:
        beside = "encoder_forward is not built" if cpp is None else f"{1e3 * cpp:.1f} in C++, overhead {overhead:.1f}"
        print(f"a call, d64 h4 ff256 L2 T32: {1e3 * ours:.1f} microseconds ({beside})\n")
        print(f"{'all maps kept':44}{'vitrine ms':>12}{'other ms':>12}{'ratio':>8}")
        for row in rows:
            print(f"{row['name']:44}{row['vitrine_ms']:12.2f}{row['other_ms']:12.2f}{row['ratio']:8.2f}")
    return 1 if worst < 1.3 or (overhead is not None and overhead > 10) else 0


if __name__ == "__main__":
    sys.exit(main())
