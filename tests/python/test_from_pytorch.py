#!/usr/bin/env python3
"""PyTorch's own numbers beside vitrine's, and the converter over every kind of file that people have.

    python3 tests/python/test_from_pytorch.py [NAME...]      # those whose names contain NAME; or: pytest tests/python

The maps come from the hook recipe (examples/python/hook_recipe.py) on one side and from the package vitrine
(`pip install .`) on the other.
"""

import argparse
import ast
import contextlib
import functools
import io
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import warnings

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "examples", "python"))

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import nn

import hook_recipe
import runner
import to_safetensors
import vitrine

CONVERTER = os.path.join(ROOT, "examples", "python", "to_safetensors.py")
warnings.filterwarnings("ignore", message=".*(enable_nested_tensor|mismatched|nested tensors).*")


# ---- helpers -------------------------------------------------------------------------------------


def agree(ours, theirs, scalar="float", what=""):
    theirs = theirs.detach().double().numpy()
    assert ours.shape == theirs.shape, f"{what}: shape {ours.shape}, and PyTorch's is {theirs.shape}"
    assert ours.dtype == (np.float32 if scalar == "float" else np.float64), f"{what}: {ours.dtype}"
    tolerance = (2e-5 if scalar == "float" else 1e-11) * max(1.0, np.abs(theirs).max(initial=0))
    error = np.abs(ours - theirs).max(initial=0)
    assert error <= tolerance, f"{what}: largest error {error:.3g}, tolerance {tolerance:.3g}"


def refused(call, *words, kind=ValueError):
    try:
        call()
    except kind as error:
        for word in words:
            assert word in str(error), f"'{word}' is not in: {error}"
        return str(error)
    raise AssertionError(f"not refused; expected an error with {words}")


def scrambled(module, seed=7):
    """Every parameter different, biases and norms included: PyTorch starts all layers equal and all biases at 0."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(
                0.2 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64).to(parameter.dtype)
            )
    return module.eval()


def randn(*shape, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape))).to(dtype)


def padding(*lengths):
    return torch.arange(max(lengths))[None, :] >= torch.tensor(lengths)[:, None]


def causal(size):
    return nn.Transformer.generate_square_subsequent_mask(size)


def encoder_layer(norm_first=False, **options):
    return nn.TransformerEncoderLayer(32, 4, 48, norm_first=norm_first, **{"batch_first": True, **options})


def compare(module, *inputs, scalar="float", **masks):
    """One call through the hook recipe and one through vitrine.run, everything compared."""
    names = {"src_mask": "mask"} if isinstance(module, nn.TransformerEncoder) else {"mask": "src_mask"}
    output, maps = hook_recipe.attention_maps(
        module, *inputs, **{names.get(name, name): mask for name, mask in masks.items()}
    )
    ours = run(module, *inputs, scalar=scalar, **masks)
    agree(ours.output, output, scalar, "output")
    parts = {"self_attn": ours.self_attn, "multihead_attn": ours.cross_attn}
    count = 0
    for name, map_ in maps.items():
        *path, attention = name.split(".")
        chosen = ours.encoder.self_attn if path[0:1] == ["encoder"] else parts[attention]
        agree(chosen[int(path[-1])] if path else chosen, map_, scalar, name)
        count += 1
    stacks = [ours.self_attn, ours.cross_attn] + ([ours.encoder.self_attn] if ours.encoder else [])
    assert count == sum(len(one) if isinstance(one, tuple) else one is not None for one in stacks), "a map is missing"
    return ours


def run(module, *inputs, scalar=None, **masks):
    """The package's result; a bool matrix is said to be PyTorch's, and `mask` is what a stack calls src_mask."""
    given = {}
    for name, mask in masks.items():
        flags = getattr(mask, "dtype", None) in (torch.bool, np.dtype(bool)) and "padding" not in name
        given["src_mask" if name == "mask" else name] = vitrine.from_torch_attn_mask(mask) if flags else mask
    dtype = {None: None, "float": np.float32, "double": np.float64}[scalar]
    return vitrine.from_torch(module, dtype=dtype)(*inputs, **given)


def compare_attention(module, *inputs, **arguments):
    three = inputs * 3 if len(inputs) == 1 else inputs
    given = {name: value for name, value in arguments.items() if name not in ("scalar",)}
    with torch.no_grad():
        output, weights = module(*three, need_weights=True, average_attn_weights=False, **given)
    ours = run(module, *inputs, **arguments)
    agree(ours.output, output, arguments.get("scalar", "float"), "output")
    agree(ours.self_attn if len(inputs) == 1 else ours.cross_attn, weights, arguments.get("scalar", "float"), "weights")
    return ours


@contextlib.contextmanager
def folder():
    with tempfile.TemporaryDirectory() as name:
        before = os.getcwd()
        os.chdir(name)
        try:
            yield name
        finally:
            os.chdir(before)


def command(*arguments):
    """The converter's command line, run in this process: (returncode, stdout, stderr)."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = to_safetensors.main(list(arguments))
        except SystemExit as stop:
            code = stop.code
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())


def process(*arguments, **environment):
    """The same in a process of its own."""
    return subprocess.run(
        [sys.executable, CONVERTER, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )


def converted(state, path="model.pt", output=None, expect=None, **options):
    """Saves state with torch.save, converts it, and compares every tensor with expect (by default state itself)."""
    torch.save(state, path, **options)
    output = to_safetensors.convert(path, output)
    tensors = safetensors.torch.load_file(output)
    expect = state if expect is None else expect
    assert tensors.keys() == expect.keys(), f"{sorted(tensors)} and not {sorted(expect)}"
    for name, value in expect.items():
        assert tensors[name].dtype == value.dtype and torch.equal(tensors[name], value), name
    return output


def metadata_of(path):
    with safetensors.safe_open(path, "pt") as file:
        return file.metadata()


# ---- the maps ------------------------------------------------------------------------------------


def test_encoder_by_the_hook_recipe():
    for norm_first in (False, True):
        for final_norm in (None, nn.LayerNorm(32)):
            encoder = scrambled(nn.TransformerEncoder(encoder_layer(norm_first), 3, final_norm))
            ours = compare(encoder, randn(2, 9, 32))
            assert len(ours.self_attn) == 3 and ours.self_attn[0].shape == (2, 4, 9, 9) and ours.cross_attn is None
            np.testing.assert_allclose(ours.self_attn[2].sum(-1), 1, atol=1e-6)


def test_encoder_masks_of_each_kind():
    encoder, x = scrambled(nn.TransformerEncoder(encoder_layer(), 2)), randn(3, 7, 32)
    blocked = torch.rand(7, 7, generator=torch.Generator().manual_seed(1)) < 0.3
    blocked.fill_diagonal_(False)
    key_padding = padding(7, 4, 1)
    each_head = randn(12, 7, 7)
    compare(encoder, x, mask=blocked)
    compare(encoder, x, src_mask=causal(7))
    compare(encoder, x, mask=causal(7).isinf())
    compare(encoder, x, mask=randn(7, 7))
    compare(encoder, x, mask=each_head)
    compare(encoder, x, mask=each_head.masked_fill(causal(7).isinf(), -torch.inf))
    compare(encoder, x, src_key_padding_mask=key_padding)
    compare(encoder, x, mask=causal(7).isinf(), src_key_padding_mask=key_padding)
    compare(encoder, x, mask=causal(7), src_key_padding_mask=torch.zeros(3, 7).masked_fill(key_padding, -torch.inf))
    compare(encoder, x, src_key_padding_mask=randn(3, 7))  # a finite bias on keys
    compare(encoder, x, mask=randn(7, 7), src_key_padding_mask=randn(3, 7))
    compare(encoder, x, mask=causal(7), is_causal=True)


def test_is_causal_alone_is_the_causal_mask():
    encoder, x = scrambled(nn.TransformerEncoder(encoder_layer(), 2)), randn(2, 6, 32)
    alone = run(encoder, x, is_causal=True)
    named = run(encoder, x, mask=causal(6))
    np.testing.assert_array_equal(alone.output, named.output)
    assert not np.triu(alone.self_attn[1], 1).any()
    joined = run(encoder, x, mask=causal(6).isinf().T, is_causal=True)
    np.testing.assert_allclose(joined.self_attn[0], np.broadcast_to(np.eye(6), (2, 4, 6, 6)), atol=1e-7)
    both = run(encoder, x, mask=randn(6, 6), is_causal=True)
    added = run(encoder, x, mask=randn(6, 6) + causal(6))
    np.testing.assert_array_equal(both.output, added.output)


def test_layouts():
    for batch_first, shape in ((True, (2, 5, 32)), (False, (5, 2, 32)), (True, (5, 32)), (False, (5, 32))):
        layer = scrambled(encoder_layer(batch_first=batch_first))
        ours = compare(layer, randn(*shape), mask=causal(5))
        assert ours.self_attn.shape == ((4, 5, 5) if len(shape) == 2 else (2, 4, 5, 5))
    compare(layer, randn(5, 32), mask=randn(4, 5, 5))  # (H, T, S) of an unbatched input
    compare(layer, randn(5, 32), src_key_padding_mask=padding(5, 3)[1])
    decoder = scrambled(nn.TransformerDecoderLayer(32, 4, 48))
    compare(decoder, randn(5, 3, 32), randn(8, 3, 32), memory_key_padding_mask=padding(8, 2, 5))
    compare(decoder, randn(5, 32), randn(8, 32), tgt_mask=causal(5))
    attention = scrambled(nn.MultiheadAttention(32, 4, kdim=20, vdim=24))
    compare_attention(attention, randn(5, 3, 32), randn(8, 3, 20), randn(8, 3, 24), key_padding_mask=padding(8, 2, 5))
    compare_attention(attention, randn(5, 32), randn(8, 20), randn(8, 24))
    transformer = scrambled(nn.Transformer(32, 4, 1, 2, 48))
    compare(transformer, randn(6, 3, 32), randn(5, 3, 32), tgt_mask=causal(5))
    compare(transformer, randn(6, 32), randn(5, 32))


def test_numpy_inputs_give_the_same():
    layer, x = scrambled(encoder_layer()), randn(2, 5, 32)
    ours = run(layer, x.numpy(), src_mask=causal(5).isinf().numpy())
    np.testing.assert_array_equal(ours.output, run(layer, x, mask=causal(5).isinf()).output)


def test_encoder_layer_options():
    x = randn(2, 6, 32)
    for options in (
        {"activation": "gelu"},
        {"bias": False},
        {"layer_norm_eps": 1e-3, "norm_first": True},
        {"activation": nn.GELU("tanh")},
        {"activation": torch.nn.functional.silu, "norm_first": True, "bias": False},
    ):
        compare(scrambled(encoder_layer(**options)), x, mask=causal(6))


def test_multihead_attention():
    for options in (
        {},
        {"bias": False},
        {"add_bias_kv": True},
        {"add_zero_attn": True},
        {"add_bias_kv": True, "add_zero_attn": True},
    ):
        attention = scrambled(nn.MultiheadAttention(24, 3, batch_first=True, **options))
        ours = compare_attention(attention, randn(2, 6, 24))
        assert ours.cross_attn is None
        compare_attention(attention, randn(2, 6, 24), attn_mask=causal(6).isinf(), key_padding_mask=padding(6, 3))
        compare_attention(attention, randn(2, 4, 24), randn(2, 9, 24), randn(2, 9, 24), attn_mask=randn(6, 4, 9))
    for kdim, vdim in ((16, None), (None, 20), (16, 20)):
        attention = scrambled(nn.MultiheadAttention(24, 4, batch_first=True, kdim=kdim, vdim=vdim, add_bias_kv=True))
        compare_attention(
            attention, randn(2, 4, 24), randn(2, 9, kdim or 24), randn(2, 9, vdim or 24), key_padding_mask=padding(9, 5)
        )


def test_decoder_layer_and_stack():
    tgt, memory = randn(3, 6, 32), randn(3, 8, 32)
    tgt_padding, memory_padding, causal_bool = padding(6, 2, 5), padding(8, 3, 7), causal(6).isinf()
    for norm_first in (False, True):
        layer = nn.TransformerDecoderLayer(32, 4, 48, batch_first=True, norm_first=norm_first)
        for module in (scrambled(layer), scrambled(nn.TransformerDecoder(layer, 3, nn.LayerNorm(32)))):
            compare(module, tgt, memory)
            compare(module, tgt, memory, tgt_mask=causal(6))
            compare(
                module,
                tgt,
                memory,
                tgt_mask=causal_bool,
                tgt_key_padding_mask=tgt_padding,
                memory_key_padding_mask=memory_padding,
            )
            compare(module, tgt, memory, memory_mask=randn(6, 8), memory_key_padding_mask=memory_padding)
            compare(module, tgt, memory, tgt_mask=randn(12, 6, 6), memory_mask=randn(12, 6, 8))
    flags = run(module, tgt, memory, tgt_is_causal=True, memory_is_causal=True)
    assert not np.triu(flags.self_attn[0], 1).any() and not np.triu(flags.cross_attn[2], 1).any()


def test_transformer():
    transformer = scrambled(nn.Transformer(32, 4, 2, 3, 48, batch_first=True, activation="gelu"))
    src, tgt = randn(2, 7, 32), randn(2, 5, 32)
    ours = compare(transformer, src, tgt)
    assert (len(ours.encoder.self_attn), len(ours.self_attn), len(ours.cross_attn)) == (2, 3, 3)
    compare(transformer, src, tgt, tgt_mask=causal(5))
    compare(transformer, src, tgt, src_mask=randn(7, 7), tgt_mask=causal(5), memory_mask=randn(5, 7))
    compare(
        transformer,
        src,
        tgt,
        tgt_mask=causal(5).isinf(),
        src_key_padding_mask=padding(7, 4),
        tgt_key_padding_mask=padding(5, 3),
        memory_key_padding_mask=padding(7, 4),
    )
    compare(scrambled(nn.Transformer(32, 4, 1, 1, 48, batch_first=True, norm_first=True, bias=False)), src, tgt)


def test_biases_and_norms_that_only_some_have():
    x, memory = randn(2, 6, 32), randn(2, 4, 32)
    plain = nn.LayerNorm(32, elementwise_affine=False)
    compare(scrambled(nn.TransformerEncoder(encoder_layer(bias=False), 2, nn.LayerNorm(32))), x, mask=causal(6))
    compare(scrambled(nn.TransformerEncoder(encoder_layer(), 2, nn.LayerNorm(32, bias=False))), x)
    compare(scrambled(nn.TransformerEncoder(encoder_layer(bias=False), 2, plain)), x)
    for eps in (1e-6, 0.5):
        compare(scrambled(nn.TransformerEncoder(encoder_layer(), 2, nn.LayerNorm(32, eps=eps))), x)
    compare(scrambled(nn.TransformerEncoder(encoder_layer(), 2, plain)), x)
    decoder = nn.TransformerDecoderLayer(32, 4, 48, batch_first=True, bias=False)
    compare(scrambled(nn.TransformerDecoder(decoder, 2, nn.LayerNorm(32))), x, memory)
    layer = encoder_layer()
    layer.linear1 = nn.Linear(32, 48, bias=False)
    layer.norm2 = plain
    compare(scrambled(layer), x)
    encoder = nn.TransformerEncoder(encoder_layer(), 2)
    encoder.layers[1].self_attn.out_proj.bias = None
    compare(scrambled(encoder), x)
    assert to_safetensors.describe(nn.TransformerEncoder(encoder_layer(bias=False), 2, plain))[1]["bias"] is False
    with folder():
        module = scrambled(nn.TransformerEncoder(encoder_layer(bias=False), 1, nn.LayerNorm(32)))
        to_safetensors.save(module, "m.safetensors")
        tensors = safetensors.torch.load_file("m.safetensors")
        assert not tensors["layers.0.self_attn.in_proj_bias"].any() and tensors["norm.bias"].any()


def test_double():
    encoder = scrambled(nn.TransformerEncoder(encoder_layer(dtype=torch.float64), 2))
    compare(encoder, randn(2, 6, 32, dtype=torch.float64), scalar="double", mask=causal(6).double())
    ours = run(encoder, randn(2, 6, 32, dtype=torch.float64))
    assert ours.output.dtype == np.float64  # a float64 module asks for double
    compare_attention(
        scrambled(nn.MultiheadAttention(32, 4, batch_first=True).double()),
        randn(2, 6, 32, dtype=torch.float64),
        scalar="double",
    )


def test_half_modules_are_widened():
    layer = scrambled(encoder_layer())
    for dtype in (torch.float16, torch.bfloat16):
        half = encoder_layer(dtype=dtype)
        half.load_state_dict(layer.to(dtype).state_dict())
        ours = run(half.eval(), randn(2, 5, 32).to(dtype))
        wide = encoder_layer()
        wide.load_state_dict(half.state_dict())
        agree(ours.output, wide.eval()(randn(2, 5, 32).to(dtype).float()), what=str(dtype))


def test_a_row_without_keys_is_zero():
    attention = scrambled(nn.MultiheadAttention(32, 4, batch_first=True))
    mask = torch.zeros(5, 5, dtype=torch.bool)
    mask[3] = True
    x = randn(2, 5, 32)
    with torch.no_grad():
        output, weights = attention(x, x, x, attn_mask=mask, average_attn_weights=False)
    ours = run(attention, x, attn_mask=mask)
    assert torch.isnan(output[:, 3]).all() and not ours.self_attn[:, :, 3].any()
    agree(ours.output[:, 3], attention.out_proj.bias.expand(2, 32))
    keep = [0, 1, 2, 4]
    agree(ours.output[:, keep], output[:, keep])
    agree(ours.self_attn[:, :, keep], weights[:, :, keep])


def test_a_finite_bias_stays_finite():
    layer, x = scrambled(encoder_layer()), randn(1, 4, 32)
    everywhere = np.full((4, 4), np.finfo(np.float64).min)  # beyond float: not a mask, so the rows still sum to 1
    ours = run(layer, x, mask=everywhere)
    np.testing.assert_allclose(ours.self_attn.sum(-1), 1, atol=1e-6)


def test_wrapped_modules():
    layer, x = scrambled(encoder_layer()), randn(2, 5, 32)
    plain = run(layer, x)
    np.testing.assert_array_equal(run(torch.compile(layer), x).output, plain.output)
    np.testing.assert_array_equal(run(nn.DataParallel(layer), x).output, plain.output)


def test_training_mode_is_noted():
    layer, x = scrambled(encoder_layer()), randn(2, 5, 32)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        plain = run(layer, x)
        assert not seen, seen
        trained = run(layer.train(), x)
    assert any("training mode" in str(one.message) for one in seen)
    np.testing.assert_array_equal(trained.output, plain.output)
    assert layer.training


def test_the_recipe_leaves_no_trace():
    encoder, x = scrambled(nn.TransformerEncoder(encoder_layer(), 2)), randn(2, 5, 32)
    encoder.train()
    hook_recipe.attention_maps(encoder, x)
    assert encoder.training and torch.backends.mha.get_fastpath_enabled()
    for part in encoder.modules():
        assert not part._forward_hooks and "forward" not in vars(part)


def test_calls_refuse():
    layer, x = scrambled(encoder_layer()), randn(2, 5, 32)
    refused(lambda: run(layer, x, x), "positional argument", kind=TypeError)
    refused(lambda: run(layer, x, tgt_mask=causal(5)), "tgt_mask", kind=TypeError)
    refused(lambda: run(layer, x, mask=causal(6)), "mask", "[bad_mask]")
    refused(lambda: run(layer, x, mask=torch.ones(5, 5, dtype=torch.uint8)), "uint8", "from_torch_attn_mask")
    refused(lambda: run(layer, x, src_key_padding_mask=padding(5, 3, 2)), "[bad_mask]")
    refused(lambda: run(layer, randn(2, 5, 31)), "got 31, expected 32")
    refused(lambda: run(layer, x.long()), "int64")
    refused(lambda: run(layer, randn(2, 2, 5, 32)), "(2, 2, 5, 32)")
    refused(lambda: vitrine.from_torch(layer, dtype="half"), "float32 or float64")
    refused(lambda: run(nn.Transformer(32, 4, 1, 1, 48, batch_first=True).eval(), x, randn(3, 5, 32)), "batch", "got 2")
    refused(lambda: run(nn.Transformer(32, 4, 1, 1, 48).eval(), x, x, is_causal=True), "is_causal", kind=TypeError)
    refused(lambda: run(scrambled(nn.MultiheadAttention(32, 4)), x, x), "key and value")
    refused(lambda: run(nn.Linear(32, 32), x), "Linear is none of nn.MultiheadAttention")


def test_modules_that_compute_something_else_are_refused():
    describe = to_safetensors.describe

    class Patched(nn.TransformerEncoderLayer):
        def _sa_block(self, x, attn_mask, key_padding_mask, is_causal=False):
            return super()._sa_block(x, attn_mask, key_padding_mask, is_causal)

    class Renamed(nn.TransformerEncoderLayer):
        """Overrides nothing that is computed."""

    refused(lambda: describe(Patched(32, 4)), "Patched replaces TransformerEncoderLayer._sa_block", "load_state_dict")
    assert describe(Renamed(32, 4))[0] == "EncoderLayer"
    refused(lambda: describe(nn.TransformerEncoder(Patched(32, 4), 2)), "_sa_block")
    layer = encoder_layer()
    layer.self_attn.forward = layer.self_attn.forward
    refused(lambda: describe(layer), "MultiheadAttention.forward")
    for function in (torch.sigmoid, nn.LeakyReLU(), torch.nn.functional.relu6, lambda x: x.sum()):
        refused(lambda: describe(encoder_layer(activation=function)), "activation", "none of relu")
    encoder = nn.TransformerEncoder(encoder_layer(), 2)
    encoder.layers[1].norm_first = True
    refused(lambda: describe(encoder), "configuration of the layers must be the same")
    transformer = nn.Transformer(32, 4, 1, 1, 48)
    transformer.encoder.norm.eps = 1e-6
    refused(lambda: describe(transformer), "1e-06", "1e-05", "by themselves")
    refused(lambda: describe(nn.TransformerEncoder(encoder_layer(), 2, nn.Identity())), "Identity")
    layer = encoder_layer()
    layer.norm1 = nn.LayerNorm((5, 32), elementwise_affine=False)
    refused(lambda: describe(layer), "norm1.weight is missing")
    layer = encoder_layer()
    nn.utils.parametrizations.weight_norm(layer.linear1)
    refused(lambda: describe(layer), "linear1.weight is missing", "parametrizations")
    layer = encoder_layer()
    layer.norm2 = nn.RMSNorm(32)
    refused(lambda: describe(layer), "RMSNorm")
    with warnings.catch_warnings(action="ignore"):
        quantised = torch.ao.quantization.quantize_dynamic(nn.TransformerEncoder(encoder_layer(), 2).eval())
    refused(lambda: describe(quantised), "layers.0.linear1 is quantised", "before")


def test_activations_are_recognised():
    functional = torch.nn.functional
    for activation, name in (
        ("relu", "relu"),
        ("gelu", "gelu"),
        (functional.relu, "relu"),
        (nn.ReLU(), "relu"),
        (torch.relu, "relu"),
        (nn.GELU(), "gelu"),
        (nn.GELU("tanh"), "gelu_tanh"),
        (nn.SiLU(), "silu"),
        (functional.silu, "silu"),
        (functools.partial(functional.gelu, approximate="tanh"), "gelu_tanh"),
        (lambda x: x * torch.sigmoid(x), "silu"),
        (lambda x: x.clamp(min=0), "relu"),
        (nn.ReLU(inplace=True), "relu"),
    ):
        assert to_safetensors.describe(encoder_layer(activation=activation))[1]["activation"] == name, activation


# ---- the converter -------------------------------------------------------------------------------


def test_saved_modules_carry_their_configuration():
    modules = {
        "MultiheadAttention": nn.MultiheadAttention(24, 3, kdim=16, add_bias_kv=True),
        "EncoderLayer": encoder_layer(activation=nn.GELU("tanh")),
        "DecoderLayer": nn.TransformerDecoderLayer(32, 4, 48),
        "Encoder": nn.TransformerEncoder(encoder_layer(), 2, nn.LayerNorm(32)),
        "Decoder": nn.TransformerDecoder(nn.TransformerDecoderLayer(32, 4, 48, bias=False), 2),
        "Transformer": nn.Transformer(32, 4, 1, 2, 48),
    }
    with folder():
        for kind, module in modules.items():
            to_safetensors.save(module, "m.safetensors", force=True)
            metadata = metadata_of("m.safetensors")
            assert metadata["module"] == kind and metadata["torch"] == str(torch.__version__)
            assert json.loads(metadata["config"]) == to_safetensors.describe(module)[1]
            tensors, state = safetensors.torch.load_file("m.safetensors"), module.state_dict()
            assert tensors.keys() == state.keys() and all(torch.equal(tensors[name], state[name]) for name in state)
        attention = modules["MultiheadAttention"]
        assert to_safetensors.describe(attention)[1] == {
            "embed_dim": 24,
            "num_heads": 3,
            "bias": True,
            "add_bias_kv": True,
            "add_zero_attn": False,
            "kdim": 16,
            "vdim": None,
        }
        refused(lambda: to_safetensors.save(attention, "m.safetensors"), "m.safetensors exists")
        to_safetensors.save(torch.compile(attention), "m.safetensors", dtype="float16", force=True)
        assert all(value.dtype == torch.float16 for value in safetensors.torch.load_file("m.safetensors").values())


def state_dict():
    return scrambled(nn.TransformerEncoder(encoder_layer(), 2)).state_dict()


def test_zip_and_legacy_files():
    state = dict(
        state_dict(),
        half=randn(3, 4).half(),
        brain=randn(5).bfloat16(),
        count=torch.tensor(3),
        flags=padding(2, 3),
        view=randn(4, 6).T,
        part=randn(10, 2)[3:5],
        empty=torch.zeros(0, 3),
    )
    with folder():
        for path, options in (
            ("a.pt", {}),
            ("b.ckpt", {"_use_new_zipfile_serialization": False}),
            ("c.pth", {}),
            ("pytorch_model.bin", {}),
            ("d", {}),
        ):
            output = converted(state, path, **options)
            assert output == (
                "model.safetensors" if path == "pytorch_model.bin" else os.path.splitext(path)[0] + ".safetensors"
            )
            assert metadata_of(output) == {"format": "pt"}
            assert not [name for name in os.listdir(".") if name.startswith(".")], "a temporary file is left"
        assert os.stat("a.safetensors").st_mode == os.stat("a.pt").st_mode


def test_wrappers():
    state = state_dict()
    optimizer = torch.optim.AdamW(nn.Linear(2, 2).parameters()).state_dict()
    with folder():
        for i, wrapper in enumerate(("state_dict", "model_state_dict", "model")):
            converted({"epoch": 3, wrapper: state, "optimizer": optimizer, "loss": 0.1}, f"{i}.ckpt", expect=state)
        torch.save({"weights": state, "ema": {"x": randn(2)}}, "own.pt")
        refused(lambda: to_safetensors.convert("own.pt"), "weights, ema", "--key")
        assert command("own.pt", "--key", "ema").returncode == 0
        assert list(safetensors.torch.load_file("own.safetensors")) == ["x"]
        refused(lambda: to_safetensors.convert("own.pt", "x.safetensors", key="nothing"), "weights, ema")
        torch.save([randn(2)], "list.pt")
        refused(lambda: to_safetensors.convert("list.pt"), "a list, not a dictionary")
        torch.save({}, "empty.pt")
        refused(lambda: to_safetensors.convert("empty.pt"), "no dictionary of tensors")
        torch.save(dict(state, extra=None), "extra.pt")
        said = []
        to_safetensors.convert("extra.pt", say=said.append)
        assert any("left out: extra" in line for line in said)


def test_prefixes():
    state = state_dict()
    with folder():
        for i, prefix in enumerate(
            ("module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module.", "module.module.")
        ):
            converted({prefix + name: value for name, value in state.items()}, f"{i}.pt", expect=state)
        inside = {name.replace("layers.0.", "layers.0._orig_mod."): value for name, value in state.items()}
        converted(inside, "inside.pt", expect=state)
        some = {"module.a": randn(2), "b": randn(2)}  # then module. is a name of the model's own
        converted(some, "some.pt")
        torch.save({"a": randn(2), "_orig_mod.a": randn(3)}, "clash.pt")
        refused(lambda: to_safetensors.convert("clash.pt"), "a would stand for two tensors")
        layer = encoder_layer()
        converted(nn.DataParallel(torch.compile(layer)).state_dict(), "live.pt", expect=layer.state_dict())


def test_tied_tensors():
    shared = randn(10, 4)
    aliases = {
        "model.encoder.embed_tokens.weight": shared,
        "model.shared.weight": shared,
        "lm_head.weight": shared,
        "final_logits_bias": randn(1, 10),
        "a.weight": randn(4),
        "b.weight": None,
    }
    aliases["b.weight"] = aliases["a.weight"]
    with folder():
        converted(aliases, "twice.pt")  # any other file: each name has its tensor, equal
        os.mkdir("hf")
        torch.save(aliases, "hf/pytorch_model.bin")
        with open("hf/config.json", "w", encoding="utf-8") as stream:
            json.dump({"model_type": "marian"}, stream)
        to_safetensors.convert("hf")
        assert sorted(safetensors.torch.load_file("hf/model.safetensors")) == [
            "a.weight",
            "b.weight",
            "final_logits_bias",
            "model.shared.weight",
        ]
        with open("hf/config.json", "w", encoding="utf-8") as stream:
            json.dump({"tie_word_embeddings": False}, stream)
        to_safetensors.convert("hf", force=True)
        assert len(safetensors.torch.load_file("hf/model.safetensors")) == 6
        copies = {name: value.clone() for name, value in aliases.items()}
        torch.save(copies, "hf/pytorch_model.bin")
        to_safetensors.convert("hf/pytorch_model.bin", force=True)
        assert len(safetensors.torch.load_file("hf/model.safetensors")) == 6  # equal, not shared: kept as they are


def test_hugging_face_folders():
    state = dict(state_dict(), **{"bert.LayerNorm.gamma": randn(4), "bert.LayerNorm.beta": randn(5)})
    expect = {name.replace("gamma", "weight").replace("beta", "bias"): value for name, value in state.items()}
    with folder():
        os.mkdir("one")
        torch.save(state, "one/pytorch_model.bin")
        done = command("one")
        assert done.returncode == 0 and "wrote one/model.safetensors: 26 tensors" in done.stdout, done
        assert safetensors.torch.load_file("one/model.safetensors").keys() == expect.keys()
        done = command("one")
        assert done.returncode == 2 and "model.safetensors exists; --force replaces it" in done.stderr, done
        assert command("one", "--force").returncode == 0
        os.mkdir("many")
        names = list(state)
        index = {"metadata": {"total_size": 1}, "weight_map": {}}
        for i in range(2):
            part = f"pytorch_model-{i + 1:05}-of-00002.bin"
            torch.save({name: state[name] for name in names[i::2]}, f"many/{part}")
            index["weight_map"].update({name: part for name in names[i::2]})
        with open("many/pytorch_model.bin.index.json", "w", encoding="utf-8") as stream:
            json.dump(index, stream)
        for path in ("many", "many/pytorch_model.bin.index.json"):
            to_safetensors.convert(path, force=True)
            tensors = safetensors.torch.load_file("many/model.safetensors")
            assert all(torch.equal(tensors[name], value) for name, value in expect.items()) and len(tensors) == len(
                expect
            )
        os.unlink("many/pytorch_model-00002-of-00002.bin")
        refused(lambda: to_safetensors.convert("many", force=True), "not there", "pytorch_model-00002-of-00002.bin")
        with open("many/pytorch_model.bin.index.json", "w", encoding="utf-8") as stream:
            json.dump({"weight_map": {"a": "../one/pytorch_model.bin"}}, stream)
        refused(lambda: to_safetensors.convert("many", force=True), "not an index of shards")
        os.mkdir("empty")
        refused(lambda: to_safetensors.convert("empty"), "neither pytorch_model.bin nor")
        torch.save(state, "empty/weights.pt")
        assert to_safetensors.convert("empty") == os.path.join("empty", "model.safetensors")  # the only file: no question
        os.unlink("empty/model.safetensors")
        torch.save(state, "empty/more.pt")
        refused(lambda: to_safetensors.convert("empty"), "name the file to convert: more.pt, weights.pt")
        os.mkdir("lost_index")
        for i, name in enumerate(("a", "b"), 1):
            torch.save({name: torch.zeros(i)}, f"lost_index/pytorch_model-0000{i}-of-00002.bin")
        to_safetensors.convert("lost_index")
        assert os.path.exists("lost_index/model.safetensors")
        os.rename("one/model.safetensors", "empty/model.safetensors")
        refused(lambda: to_safetensors.convert("empty"), "nothing to convert")


def run_line(message):
    """Runs the command that a refusal ends with, as a person would paste it."""
    line = message.strip().splitlines()[-1].strip().replace("python3", shlex.quote(sys.executable))
    done = subprocess.run(line, shell=True, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{line}\n{done.stderr}"


def test_pickled_modules_are_refused_with_the_line_to_run():
    encoder = scrambled(nn.TransformerEncoder(encoder_layer(), 2))
    with folder():
        for name, options in (("zip.pt", {}), ("legacy.pt", {"_use_new_zipfile_serialization": False})):
            torch.save(encoder, name, **options)
            done = command(name)
            assert done.returncode == 2 and not os.path.exists(name[:-3] + ".safetensors"), done
            assert "a whole pickled torch.nn.modules.transformer.TransformerEncoder" in done.stderr, done.stderr
            assert "only if you trust" in done.stderr and "to_safetensors.save" in done.stderr
            run_line(done.stderr)
            assert metadata_of(name[:-3] + ".safetensors")["module"] == "Encoder"
        torch.save(nn.Sequential(nn.Linear(3, 4)), "other.pt")
        run_line(command("other.pt").stderr)
        assert sorted(safetensors.torch.load_file("other.state_dict.safetensors")) == ["0.bias", "0.weight"]
        torch.save({"model": encoder, "epoch": 1}, "inside.pt")
        message = command("inside.pt").stderr
        assert "holds objects beside its tensors" in message, message
        run_line(message)
        assert len(safetensors.torch.load_file("inside.state_dict.safetensors")) == len(encoder.state_dict())
        torch.save({"state_dict": encoder.state_dict(), "args": argparse.Namespace(lr=1)}, "args.pt")
        message = command("args.pt").stderr
        assert "argparse.Namespace" in message, message
        run_line(message)
        assert len(safetensors.torch.load_file("args.state_dict.safetensors")) == len(encoder.state_dict())
        for value in (encoder, encoder.state_dict()):
            torch.save(value, "four.pt", pickle_protocol=4)
            message = command("four.pt").stderr
            assert "pickle protocol 4" in message, message
        run_line(message)
        assert len(safetensors.torch.load_file("four.state_dict.safetensors")) == len(encoder.state_dict())
        torch.jit.save(torch.jit.script(nn.Linear(3, 4)), "script.pt")
        message = command("script.pt").stderr
        assert "TorchScript" in message, message
        run_line(message)
        assert len(safetensors.torch.load_file("script.state_dict.safetensors")) == 2


def test_hostile_and_wrong_files():
    class Evil:
        def __reduce__(self):
            return os.system, ("touch evil-ran",)

    with folder():
        torch.save({"state_dict": {"a": randn(2)}, "x": Evil()}, "evil.pt")
        torch.save(Evil(), "evil2.pt", _use_new_zipfile_serialization=False)
        for name in ("evil.pt", "evil2.pt"):
            done = command(name)
            assert done.returncode == 2 and "calls posix.system" in done.stderr and "python3" not in done.stderr, done
            assert not os.path.exists("evil-ran")
        torch.save(state_dict(), "whole.pt")
        with open("whole.pt", "rb") as stream:
            whole = stream.read()
        files = {
            "empty.pt": b"",
            "text.pt": b"hello world\n" * 9,
            "cut.pt": whole[: len(whole) // 2],
            "zip.pt": whole[:300] + whole[-200:],
            "lfs.bin": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n",
        }
        for name, content in files.items():
            with open(name, "wb") as stream:
                stream.write(content)
            done = command(name)
            assert done.returncode == 2 and "Traceback" not in done.stderr and name in done.stderr, done
        assert "git lfs pull" in done.stderr
        assert command("not-there.pt").returncode == 2
        assert not [name for name in os.listdir(".") if name.endswith(".safetensors")]
        torch.save({"a": randn(2), "\x1b[2J": 1}, "escape.pt")
        done = command("escape.pt")
        assert done.returncode == 0 and "left out: ?[2J" in done.stdout and "\x1b" not in done.stdout, done
        torch.save({"a": randn(3, 3).to_sparse()}, "sparse.pt")
        refused(lambda: to_safetensors.convert("sparse.pt"), "a is", "sparse")
        converted({"a": randn(2)}, "fine.pt")
        refused(lambda: to_safetensors.convert("fine.safetensors", "again.safetensors"), "safetensors file already")


def test_command_line():
    with folder():
        state = dict(state_dict(), count=torch.tensor(3))
        torch.save(state, "a.pt")
        done = process("--help")
        assert done.returncode == 0 and "--dtype" in done.stdout and "exit status" in done.stdout
        assert command().returncode == 2 and command("a.pt", "--dtype", "int8").returncode == 2
        done = process("a.pt", "--output", "b.safetensors", "--dtype", "float16")
        assert (
            done.returncode == 0 and "wrote b.safetensors: 25 tensors" in done.stdout and "nhead" in done.stdout
        ), done
        tensors = safetensors.torch.load_file("b.safetensors")
        assert all(
            torch.equal(tensors[name], value.half() if value.is_floating_point() else value)
            for name, value in state.items()
        )
        before = os.stat("b.safetensors")
        done = process("a.pt", "--output", "b.safetensors")
        assert (
            done.returncode == 2
            and "--force" in done.stderr
            and os.stat("b.safetensors").st_mtime_ns == before.st_mtime_ns
        )
        assert command("a.pt", "--output", "b.safetensors", "--force").returncode == 0
        assert command("a.pt", "--output", ".").returncode == 2
        assert command("a.pt", "--output", "no/such/folder/x.safetensors").returncode == 2
        torch.save({"a": torch.tensor([1e6])}, "large.pt")
        done = command("large.pt", "--dtype", "float16")
        assert done.returncode == 2 and "a has values that float16 cannot hold" in done.stderr
        assert not os.path.exists("large.safetensors")


def test_without_torch():
    with folder():
        torch.save(state_dict(), "a.pt")
        os.mkdir("hidden")
        with open("hidden/torch.py", "w", encoding="utf-8") as stream:
            stream.write("raise ImportError('hidden by the test')\n")
        done = process("a.pt", PYTHONPATH=os.path.abspath("hidden"))
        assert done.returncode == 2 and "PyTorch is needed" in done.stderr and "pip install torch" in done.stderr, done
        assert process("--help", PYTHONPATH=os.path.abspath("hidden")).returncode == 0


# ---- the pages -----------------------------------------------------------------------------------


def read_page(page):
    with open(os.path.join(ROOT, page), encoding="utf-8") as stream:
        return stream.read()


def blocks(page):
    return re.findall(r"^```python\n(.*?)^```$", read_page(page), re.MULTILINE | re.DOTALL)


def executed(block, **names):
    """The names after a block, its last expression among them as `shown`."""
    tree = ast.parse(block)
    if isinstance(tree.body[-1], ast.Expr):
        tree.body[-1] = ast.copy_location(
            ast.Assign(targets=[ast.Name("shown", ast.Store())], value=tree.body[-1].value), tree.body[-1]
        )
    exec(compile(ast.fix_missing_locations(tree), "a page", "exec"), names)
    return names


def test_pages():
    """Every python block of the pages runs and gives what the page says."""
    pages = ["README.md", "bench/README.md"]
    for directory, _, names in os.walk(os.path.join(ROOT, "examples")):
        pages += [os.path.relpath(os.path.join(directory, name), ROOT) for name in names if name.endswith(".md")]
    found = {page: blocks(page) for page in pages if blocks(page)}
    assert {page: len(all_) for page, all_ in found.items()} == {
        "README.md": 2,
        "examples/from_pytorch.md": 3,
        "examples/from_hugging_face.md": 1,
        "examples/python.md": 7,
        "examples/inspecting.md": 1,
    }, "a page has gained or lost a block: run it here"

    with folder():
        first = executed(found["README.md"][0])
        assert first["result"].self_attn[0].shape == (1, 4, 5, 5), first["result"]
        os.symlink(os.path.join(ROOT, "examples"), "examples")
        names = {}
        for block in found["examples/python.md"]:
            names = executed(block, **names)
        assert names["best"].text == "AE N HH AY D R AY D" and os.path.getsize("anhydride.html") > 10000
        ragged = names["ragged"]
        assert [one.shape for one in ragged.output] == [(7, 64), (4, 64)] and ragged.self_attn[1][1].shape == (4, 4, 4)
        assert names["result"].self_attn[1].shape == (3, 4, 7, 7) and os.path.getsize("maps.npz") > 1000
        assert names["codes"].dtype == np.uint8 and names["codes"].shape == names["best"].cross_attn[1].shape
        assert names["phonemes"][0] == "AE N HH AY D R AY D" and len(names["links"]) == 3 and len(names["table"]) == 4
    encoder, x, mask = scrambled(nn.TransformerEncoder(encoder_layer(), 2)), randn(2, 5, 32), causal(5)
    output, maps = hook_recipe.attention_maps(encoder, x, mask=mask)
    attentions = {name: part for name, part in encoder.named_modules() if isinstance(part, nn.MultiheadAttention)}
    fastpath = torch.backends.mha.get_fastpath_enabled()
    try:
        after = executed(
            found["README.md"][1],
            torch=torch, encoder=encoder, x=x, causal=mask, attentions=attentions, maps={}, handles=[],
        )  # fmt: skip
    finally:
        torch.backends.mha.set_fastpath_enabled(fastpath)
    assert torch.equal(after["output"], output) and all(torch.equal(after["maps"][name], maps[name]) for name in maps)

    save, live, attention = found["examples/from_pytorch.md"]
    with folder():
        executed(save, module=encoder)
        with safetensors.safe_open("model.safetensors", "pt") as stored:
            assert torch.equal(stored.get_tensor("layers.1.linear2.weight"), encoder.layers[1].linear2.weight)
    shown = executed(live, encoder=encoder, x=x, layer=1, b=1, h=3)["shown"]
    agree(shown, maps["layers.1.self_attn"][1, 3])
    printed = re.search(r"^```text\n(.*?)^```\n\n```python\nmha = ", read_page("examples/from_pytorch.md"), re.M | re.S)
    same = np.array([line.split() for line in printed[1].splitlines()], dtype=float)
    np.testing.assert_allclose(executed(attention, torch=torch)["shown"][0].detach().numpy(), same, atol=1e-6)

    class Tokenizer:  # stands for any of Transformers': ids of a text, tokens of ids
        def __call__(self, text):
            return {"input_ids": [ord(letter) for letter in text]}

        def convert_ids_to_tokens(self, ids):
            return [chr(one) for one in ids]

    with folder():
        names = executed(
            found["examples/from_hugging_face.md"][0], json=json, tokenizer=Tokenizer(), sentences=["ab", '"é'])
        assert names["out"].closed
        with open("lines.jsonl", encoding="utf-8") as stream:
            lines = [json.loads(line) for line in stream]
        assert lines == [{"ids": [97, 98], "tokens": ["a", "b"]}, {"ids": [34, 233], "tokens": ['"', "é"]}]

    inspect = os.path.join(ROOT, "build", "examples", "inspect")
    if os.path.exists(inspect):
        with folder():
            model = os.path.join(ROOT, "examples", "models", "g2p")
            subprocess.run(
                [inspect, "--model", model, "--maps", "maps.npz", "radium"],
                check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            names = executed(found["examples/inspecting.md"][0], numpy=np)
            cross = names["maps"]["0/cross"]
            assert cross.shape == (3, 4, 7, 7) and abs(cross.sum(-1) - 1).max() < 1e-5, cross.shape
            assert [str(one) for one in names["shown"]][:6] == list("radium"), names["shown"]
            assert {"0/encoder_self", "0/decoder_self"} <= set(names["maps"].files)


def main(names):
    return runner.run(globals(), parts=names, shown=False)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
