#!/usr/bin/env python3
"""PyTorch's numbers for trace_blackboard.cpp: python3 examples/trace_blackboard.py > examples/trace_blackboard.hpp

One nn.TransformerEncoderLayer in double precision, 4 tokens of width 8, 2 heads, weights that fit a blackboard. What a
module returns comes from a forward hook; what happens inside nn.MultiheadAttention is written out and checked against
what it returns.
"""
import math

import torch

TOKENS, WIDTH, HEADS, HIDDEN = 4, 8, 2, 8
HEAD_WIDTH = WIDTH // HEADS
torch.set_default_dtype(torch.float64)


def pattern(rows, columns, a, b, modulus, scale):
    """Small round numbers around 0: ((a i + b j) mod modulus - middle) * scale."""
    i, j = torch.arange(rows)[:, None], torch.arange(columns)[None, :]
    return ((a * i + b * j) % modulus - modulus // 2) * scale


layer = torch.nn.TransformerEncoderLayer(WIDTH, HEADS, HIDDEN, dropout=0, activation=torch.nn.ReLU(), batch_first=True)
layer.eval()
values = {
    "self_attn.in_proj_weight": pattern(3 * WIDTH, WIDTH, 2, 3, 5, 0.25),
    "self_attn.in_proj_bias": pattern(1, 3 * WIDTH, 0, 1, 3, 0.5)[0],
    "self_attn.out_proj.weight": pattern(WIDTH, WIDTH, 3, 1, 5, 0.25),
    "self_attn.out_proj.bias": pattern(1, WIDTH, 0, 2, 3, 0.5)[0],
    "linear1.weight": pattern(HIDDEN, WIDTH, 1, 4, 7, 0.25),
    "linear1.bias": pattern(1, HIDDEN, 0, 1, 3, 0.25)[0],
    "linear2.weight": pattern(WIDTH, HIDDEN, 5, 2, 7, 0.25),
    "linear2.bias": pattern(1, WIDTH, 0, 1, 5, 0.25)[0],
    "norm1.weight": torch.ones(WIDTH),
    "norm1.bias": torch.zeros(WIDTH),
    "norm2.weight": torch.full((WIDTH,), 2.0),
    "norm2.bias": torch.ones(WIDTH),
}
layer.load_state_dict(values)
x = pattern(TOKENS, WIDTH, 3, 2, 5, 0.5)[None]

seen = {}
for name in ("self_attn", "linear1", "activation", "linear2", "norm1", "norm2"):
    module = getattr(layer, name)
    module.register_forward_hook(lambda _, i, out, name=name: seen.__setitem__(name, out[0] if name == "self_attn" else out))
for number in (1, 2):
    norm = getattr(layer, f"norm{number}")
    norm.register_forward_pre_hook(lambda _, i, number=number: seen.__setitem__(f"residual{number}", i[0]))
with torch.no_grad():
    output = layer(x)
    attention = layer.self_attn
    q, k, v = torch.nn.functional.linear(x, attention.in_proj_weight, attention.in_proj_bias).chunk(3, -1)
    q, k, v = (t.view(1, TOKENS, HEADS, HEAD_WIDTH).transpose(1, 2) for t in (q, k, v))
    scores = q @ k.transpose(-1, -2) / math.sqrt(HEAD_WIDTH)
    weights = scores.softmax(-1)
    context = weights @ v
    out_proj = attention.out_proj(context.transpose(1, 2).reshape(1, TOKENS, WIDTH))
    returned, maps = attention(x, x, x, need_weights=True, average_attn_weights=False)
assert torch.allclose(maps, weights, rtol=0, atol=1e-15) and torch.allclose(returned, out_proj, rtol=0, atol=1e-14)
assert torch.allclose(seen["self_attn"], out_proj, rtol=0, atol=1e-14) and torch.equal(output, seen["norm2"])

shown = [
    ("self_attn.q", "q = x Wq^T + bq", q),
    ("self_attn.k", "k = x Wk^T + bk", k),
    ("self_attn.v", "v = x Wv^T + bv", v),
    ("self_attn.scores", "s = q k^T / sqrt(4)", scores),
    ("self_attn.weights", "p = softmax(s), row by row", weights),
    ("self_attn.context", "c = p v", context),
    ("self_attn.out_proj", "a = [c of head 0, c of head 1] Wo^T + bo", seen["self_attn"]),
    ("residual1", "x + a", seen["residual1"]),
    ("norm1", "y = (x + a - mean) / sqrt(variance + 1e-5), token by token", seen["norm1"]),
    ("linear1", "h = y W1^T + b1", seen["linear1"]),
    ("activation", "r = max(h, 0)", seen["activation"]),
    ("linear2", "f = r W2^T + b2", seen["linear2"]),
    ("residual2", "y + f", seen["residual2"]),
    ("norm2", "z = 2 (y + f - mean) / sqrt(variance + 1e-5) + 1", seen["norm2"]),
    ("output", "z", output),
]
numbers = lambda tensor: ", ".join(repr(float(value)) for value in tensor.flatten())
print(f"""// Written by trace_blackboard.py with PyTorch {torch.__version__}, in double precision.
#pragma once
#include <string_view>
#include <vector>

// clang-format off
namespace blackboard {{

struct Values {{
  std::string_view name, formula;
  int heads, rows, columns;  // heads 0: (1, rows, columns)
  std::vector<double> values;
}};

inline const std::vector<double> x = {{{numbers(x)}}};
""")
print("inline const std::vector<Values> parameters = {")
for name, value in values.items():
    print(f'    {{"{name}", "", 0, {value.shape[0] if value.dim() == 2 else 1}, {value.shape[-1]}, {{{numbers(value)}}}}},')
print("};\n\ninline const std::vector<Values> pytorch = {")
for name, formula, value in shown:
    heads = HEADS if value.dim() == 4 else 0
    print(f'    {{"{name}", "{formula}", {heads}, {value.shape[-2]}, {value.shape[-1]},\n     {{{numbers(value)}}}}},')
print("};\n\n}  // namespace blackboard")
