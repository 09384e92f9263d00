#!/usr/bin/env python3
"""A twin of build/examples/run_module in plain NumPy and double precision.

    python3 tests/python/naive_run_module.py CASE.safetensors OUT.safetensors

It stands in for the program where nothing is built, and is itself checked against PyTorch.
"""

import json
import math
import sys

import numpy as np
import safetensors
import safetensors.numpy


def softmax(scores):
    peak = scores.max(-1, keepdims=True)
    exponent = np.exp(scores - np.where(np.isfinite(peak), peak, 0))
    total = exponent.sum(-1, keepdims=True)
    return exponent / np.where(total == 0, 1, total)  # a row with no key left stays 0


def attention(parameters, heads, query, key, value, mask=None, padding=None, zero_column=False):
    """(output, weights) of nn.MultiheadAttention, batch first."""
    width = query.shape[-1]
    if "in_proj_weight" in parameters:
        projections = np.split(parameters["in_proj_weight"], 3)
    else:
        projections = [parameters[name] for name in ("q_proj_weight", "k_proj_weight", "v_proj_weight")]
    biases = np.split(parameters.get("in_proj_bias", np.zeros(3 * width)), 3)
    q, k, v = (x @ w.T + b for x, w, b in zip((query, key, value), projections, biases))
    batch, keys = k.shape[:2]
    bias = np.zeros((batch, heads, q.shape[1], keys))
    if mask is not None:
        mask = np.where(mask, -np.inf, 0.0) if mask.dtype == bool else mask
        bias = bias + mask.reshape((batch, heads, *mask.shape[1:]) if mask.ndim == 3 else mask.shape)
    if padding is not None:
        bias = bias + np.where(padding, -np.inf, 0.0)[:, None, None, :]
    for extra_k, extra_v in ([(parameters["bias_k"], parameters["bias_v"])] if "bias_k" in parameters else []) + (
        [(np.zeros((1, 1, width)), np.zeros((1, 1, width)))] if zero_column else []
    ):
        k = np.concatenate([k, np.repeat(extra_k, batch, 0)], 1)
        v = np.concatenate([v, np.repeat(extra_v, batch, 0)], 1)
        bias = np.concatenate([bias, np.zeros((*bias.shape[:3], 1))], 3)
    q, k, v = (x.reshape(batch, -1, heads, width // heads).swapaxes(1, 2) for x in (q, k, v))
    weights = softmax(q @ k.swapaxes(2, 3) / math.sqrt(width // heads) + bias)
    context = (weights @ v).swapaxes(1, 2).reshape(batch, -1, width)
    return context @ parameters["out_proj.weight"].T + parameters.get("out_proj.bias", 0), weights


def norm(parameters, x, eps):
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred * centred).mean(-1, keepdims=True) + eps) * parameters["weight"] + parameters.get(
        "bias", 0
    )


ACTIVATIONS = {
    "relu": lambda x: np.maximum(x, 0),
    "gelu": lambda x: x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2))),
    "gelu_tanh": lambda x: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    "silu": lambda x: x / (1 + np.exp(-x)),
}


def below(parameters, prefix):
    return {name[len(prefix) :]: value for name, value in parameters.items() if name.startswith(prefix)}


def layer(parameters, config, x, memory=None, masks=(None, None), cross_masks=(None, None)):
    """(output, self-attention, cross-attention or None) of an encoder layer, or with a memory of a decoder layer."""
    maps = [None, None]

    def self_attention(x):
        y, maps[0] = attention(below(parameters, "self_attn."), config["nhead"], x, x, x, *masks)
        return y

    def cross_attention(x):
        y, maps[1] = attention(below(parameters, "multihead_attn."), config["nhead"], x, memory, memory, *cross_masks)
        return y

    def feed_forward(x):
        first, second = below(parameters, "linear1."), below(parameters, "linear2.")
        inner = ACTIVATIONS[config["activation"]](x @ first["weight"].T + first.get("bias", 0))
        return inner @ second["weight"].T + second.get("bias", 0)

    blocks = [self_attention, feed_forward] if memory is None else [self_attention, cross_attention, feed_forward]
    for i, block in enumerate(blocks, 1):

        def normed(x, name=f"norm{i}."):
            return norm(below(parameters, name), x, config["layer_norm_eps"])

        x = x + block(normed(x)) if config["norm_first"] else normed(x + block(x))
    return x, maps[0], maps[1]


def stack(parameters, config, layers, final_norm, x, *arguments):
    """(output, self-attention of each layer, cross-attention of each layer)."""
    maps = []
    for i in range(layers):
        x, *both = layer(below(parameters, f"layers.{i}."), config, x, *arguments)
        maps.append(both)
    if final_norm:
        x = norm(below(parameters, "norm."), x, config.get("final_norm_eps", config["layer_norm_eps"]))
    return x, [one for one, _ in maps], [two for _, two in maps]


def run(kind, config, parameters, inputs):
    """The tensors of the result file, without their result. prefix."""
    get = inputs.get
    if kind == "MultiheadAttention":
        output, weights = attention(
            parameters,
            config["num_heads"],
            inputs["query"],
            inputs["key"],
            inputs["value"],
            get("attn_mask"),
            get("key_padding_mask"),
            config["add_zero_attn"],
        )
        return {"output": output, "weights": weights}
    self_masks = (get("mask"), get("src_key_padding_mask"))
    tgt_masks = (get("tgt_mask"), get("tgt_key_padding_mask"))
    memory_masks = (get("memory_mask"), get("memory_key_padding_mask"))
    if kind == "EncoderLayer":
        output, weights, _ = layer(parameters, config, inputs["src"], None, self_masks)
        return {"output": output, "self_attn": weights}
    if kind == "DecoderLayer":
        output, weights, cross = layer(parameters, config, inputs["tgt"], inputs["memory"], tgt_masks, memory_masks)
        return {"output": output, "self_attn": weights, "cross_attn": cross}

    def numbered(name, maps):
        return {f"{name}.{i}": weights for i, weights in enumerate(maps)}

    if kind == "Encoder":
        output, weights, _ = stack(
            parameters, config, config["num_layers"], config["final_norm"], inputs["src"], None, self_masks
        )
        return {"output": output, **numbered("self_attn", weights)}
    if kind == "Decoder":
        output, weights, cross = stack(
            parameters,
            config,
            config["num_layers"],
            config["final_norm"],
            inputs["tgt"],
            inputs["memory"],
            tgt_masks,
            memory_masks,
        )
        return {"output": output, **numbered("self_attn", weights), **numbered("cross_attn", cross)}
    memory, encoder, _ = stack(
        below(parameters, "encoder."),
        config,
        config["num_encoder_layers"],
        True,
        inputs["src"],
        None,
        (get("src_mask"), get("src_key_padding_mask")),
    )
    output, weights, cross = stack(
        below(parameters, "decoder."),
        config,
        config["num_decoder_layers"],
        True,
        inputs["tgt"],
        memory,
        tgt_masks,
        memory_masks,
    )
    return {
        "output": output,
        **numbered("encoder_self_attn", encoder),
        **numbered("decoder_self_attn", weights),
        **numbered("cross_attn", cross),
    }


def main(case, out):
    with safetensors.safe_open(case, "numpy") as file:
        metadata = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    tensors = {name: value if value.dtype == bool else value.astype(np.float64) for name, value in tensors.items()}
    results = run(
        metadata["module"], json.loads(metadata["config"]), below(tensors, "param."), below(tensors, "input.")
    )
    real = np.float64 if metadata.get("scalar") == "double" else np.float32
    safetensors.numpy.save_file(
        {"result." + name: np.array(value.astype(real), order="C") for name, value in results.items()}, out
    )


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
