#!/usr/bin/env python3
"""From a live nn.TransformerEncoder to its maps, their figures and a page: python3 examples/python/maps_of_module.py."""

import sys

import numpy as np
import torch
import vitrine
from torch import nn


def main(page: str = "module.html") -> None:
    torch.manual_seed(1)
    layer = nn.TransformerEncoderLayer(64, 4, 128, batch_first=True)
    encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).eval()
    x = torch.randn(1, 6, 64)

    result = vitrine.from_torch(encoder)(x, src_mask=vitrine.causal())
    with torch.no_grad():
        expected = encoder(x, mask=nn.Transformer.generate_square_subsequent_mask(6))
    print("largest difference to PyTorch:", float(np.abs(result.output - expected.numpy()).max()) < 1e-5)
    for index, maps in enumerate(result.self_attn):
        entropies = [vitrine.inspect.entropy(head) for head in maps[0]]
        print(f"layer {index}: entropy of each head", np.round(entropies, 2))
    result.save(page, tokens="a b c d e f".split(), title="a module")


if __name__ == "__main__":
    main(*sys.argv[1:])
