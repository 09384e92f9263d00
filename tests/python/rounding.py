#!/usr/bin/env python3
"""How large scores amplify rounding, here and in PyTorch alike: the table of examples/numerics.md.

    VITRINE_RUN_MODULE=build/examples/run_module python3 tests/python/rounding.py

Trains a two-layer encoder to sort 16 numbers (half a minute), makes its scores larger and larger, and prints how far float outputs are from
those in double. Exit 1 when ours are more than twice as far off as PyTorch's, or not within 2e-5 m while no score is above 100.
"""
import copy
import json
import os
import subprocess
import sys
import tempfile

import torch
from safetensors.torch import load_file, save_file
from torch import nn

VOCABULARY, LENGTH, WIDTH, HEADS, BATCH = 24, 16, 64, 4, 64


def train():
    embedding, positions, head = nn.Embedding(VOCABULARY, WIDTH), nn.Parameter(torch.randn(LENGTH, WIDTH) * 0.3), nn.Linear(WIDTH, VOCABULARY)
    layer = nn.TransformerEncoderLayer(WIDTH, HEADS, 2 * WIDTH, dropout=0, batch_first=True)
    encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
    optimizer = torch.optim.Adam([*embedding.parameters(), positions, *head.parameters(), *encoder.parameters()], 2e-3)
    for _ in range(600):
        x = torch.randint(1, VOCABULARY, (BATCH, LENGTH))
        loss = nn.functional.cross_entropy(head(encoder(embedding(x) + positions)).flatten(0, 1), x.sort(1).values.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return encoder.eval(), (embedding(torch.randint(1, VOCABULARY, (BATCH, LENGTH))) + positions).detach(), loss.item()


def largest_score(encoder, x):
    largest = 0.0
    for layer in encoder.layers:
        q, k, _ = nn.functional.linear(x, layer.self_attn.in_proj_weight, layer.self_attn.in_proj_bias).chunk(3, -1)
        q, k = (part.view(BATCH, LENGTH, HEADS, -1).transpose(1, 2) for part in (q, k))
        largest = max(largest, (q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5).abs().max().item())
        x = layer(x)
    return largest


def ours(encoder, x):
    config = {"d_model": WIDTH, "nhead": HEADS, "dim_feedforward": 2 * WIDTH, "activation": "relu", "layer_norm_eps": 1e-5, "norm_first": False,
              "bias": True, "num_layers": 2, "final_norm": False}
    with tempfile.TemporaryDirectory() as folder:
        case, result = os.path.join(folder, "case.safetensors"), os.path.join(folder, "result.safetensors")
        tensors = {"param." + name: value.contiguous() for name, value in encoder.state_dict().items()}
        save_file({**tensors, "input.src": x.contiguous()}, case, metadata={"module": "Encoder", "config": json.dumps(config), "call": "{}"})
        subprocess.run([os.environ["VITRINE_RUN_MODULE"], case, result], check=True)
        return next(value for name, value in load_file(result).items() if name.endswith("output"))


def main():
    torch.manual_seed(0)
    torch.set_num_threads(1)
    trained, x, loss = train()
    failed = loss > 0.1
    print(f"trained: loss {loss:.3f}")
    with torch.no_grad():
        for factor in (1, 2, 4, 8, 16):
            encoder = copy.deepcopy(trained)
            for layer in encoder.layers:
                layer.self_attn.in_proj_weight[:2 * WIDTH] *= factor
                layer.self_attn.in_proj_bias[:2 * WIDTH] *= factor
            score, exact = largest_score(encoder, x), copy.deepcopy(encoder).double()(x.double())
            m = max(1.0, exact.abs().max().item())
            theirs, here = ((output.double() - exact).abs().max().item() for output in (encoder(x), ours(encoder, x)))
            print(f"largest score {score:7.1f}   PyTorch {theirs:.1e}   vitrine {here:.1e}   2e-5 m = {2e-5 * m:.1e}")
            failed |= here > 2 * theirs or (score < 100 and here > 2e-5 * m)
    return failed


if __name__ == "__main__":
    sys.exit(main())
