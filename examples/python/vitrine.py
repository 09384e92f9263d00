"""The attention maps of a live PyTorch module as NumPy arrays, computed by vitrine.

    import vitrine
    result = vitrine.run(encoder, x, mask=m)        # nn.MultiheadAttention, nn.Transformer or one of its parts
    result.output                                   # as PyTorch lays it out (batch_first or not, batched or not)
    result.self_attn[layer][b, h]                   # T x S, rows sum to 1

There is no binding: a run writes the module and its inputs to a file, calls build/examples/run_module on it and reads
the results. Dropout is off, as in eval(). A row with no key left has weights 0 where PyTorch gives NaN. Forward hooks
are not called.
"""

import dataclasses
import json
import os
import subprocess
import tempfile
import warnings

import numpy as np
import safetensors.numpy

import to_safetensors

# Of each kind: forward's inputs, then its attentions: (the mask's name in a case, the names it may be given by,
# the causal flag, the key padding mask, the inputs whose lengths are the mask's rows and columns).
_SELF = ("mask", "src_mask", "attn_mask")
_TGT = ("tgt_mask", ("tgt_mask",), "tgt_is_causal", "tgt_key_padding_mask", "tgt", "tgt")
_MEMORY = ("memory_mask", ("memory_mask",), "memory_is_causal", "memory_key_padding_mask", "tgt", "memory")
_FORWARD = {
    "MultiheadAttention": (
        ("query", "key", "value"),
        [("attn_mask", _SELF, "is_causal", "key_padding_mask", "query", "key")],
    ),
    "EncoderLayer": (("src",), [("mask", _SELF, "is_causal", "src_key_padding_mask", "src", "src")]),
    "Encoder": (("src",), [("mask", _SELF, "is_causal", "src_key_padding_mask", "src", "src")]),
    "DecoderLayer": (("tgt", "memory"), [_TGT, _MEMORY]),
    "Decoder": (("tgt", "memory"), [_TGT, _MEMORY]),
    "Transformer": (
        ("src", "tgt"),
        [
            ("src_mask", ("src_mask",), "src_is_causal", "src_key_padding_mask", "src", "src"),
            _TGT,
            _MEMORY[:5] + ("src",),
        ],
    ),
}


@dataclasses.dataclass
class Result:
    """Maps are (B, H, T, S), without B for unbatched input; stacks have a list with one map for each layer."""

    output: np.ndarray = None
    self_attn: object = None
    cross_attn: object = None
    encoder: "Result" = None  # of nn.Transformer: its encoder's maps


def run(module, *inputs, scalar=None, run_module=None, **arguments):
    """Runs a live module on inputs (PyTorch tensors or NumPy arrays, in forward's order) and returns a Result.

    arguments: forward's masks, key padding masks and is_causal flags by PyTorch's names; a bool mask is True where
    attention is not allowed, a float mask is added. `mask`, `src_mask` and `attn_mask` are the same where there is only
    one. A flag applies the causal mask, alone or joined with the mask given. nn.MultiheadAttention with one input
    attends to itself. scalar: "float" or "double", by default double for a float64 module. run_module: the program, by
    default $VITRINE_RUN_MODULE or build/examples/run_module. Raises ValueError for what cannot be run and RuntimeError
    with the program's own message.
    """
    program = _program(run_module)
    with tempfile.TemporaryDirectory(prefix="vitrine-") as folder:
        case, out = os.path.join(folder, "case.safetensors"), os.path.join(folder, "out.safetensors")
        kind, layout = _write_case(case, module, inputs, scalar, arguments)
        done = subprocess.run([program, case, out], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{program} ended with {done.returncode}: {done.stderr.strip() or done.stdout.strip()}")
        results = safetensors.numpy.load_file(out)
    return _result(kind, results, layout)


def save_case(path, module, *inputs, scalar=None, **arguments):
    """Writes what run() would compute to a file: everything that a bug report needs."""
    _write_case(path, module, inputs, scalar, arguments)


def _program(given):
    here = os.path.dirname(os.path.abspath(__file__))
    program = (
        given
        or os.environ.get("VITRINE_RUN_MODULE")
        or os.path.normpath(os.path.join(here, "..", "..", "build", "examples", "run_module"))
    )
    if not os.path.exists(program):
        raise FileNotFoundError(
            f"{program} is not there; build it (cmake -S . -B build && cmake --build build --target run_module) "
            "or name it with run_module= or $VITRINE_RUN_MODULE"
        )
    return os.path.abspath(program)


def _write_case(path, module, inputs, scalar, arguments):
    module = to_safetensors.unwrap(module)
    kind, config = to_safetensors.describe(module)
    if module.training and any(
        getattr(part, "p", 0) or isinstance(getattr(part, "dropout", 0), float) and part.dropout
        for part in module.modules()
    ):
        warnings.warn(
            "the module is in training mode; vitrine computes what it gives after module.eval(), without dropout",
            stacklevel=3,
        )
    state = {name: _numpy(name, value) for name, value in to_safetensors.parameters(module).items()}
    if scalar is None:
        scalar = "double" if any(value.dtype == np.float64 for value in state.values()) else "float"
    if scalar not in ("float", "double"):
        raise ValueError(f'scalar is "float" or "double", not {scalar!r}')
    real = np.float32 if scalar == "float" else np.float64

    names = _FORWARD[kind][0]
    self_attention = kind == "MultiheadAttention" and (
        len(inputs) == 1 or len(inputs) == 3 and inputs[0] is inputs[1] is inputs[2]
    )
    if kind == "MultiheadAttention" and len(inputs) == 1:
        inputs = inputs * 3
    if len(inputs) != len(names):
        raise ValueError(f"{kind} takes {', '.join(names)}: {len(names)} inputs, and got {len(inputs)}")
    arrays = {name: _numpy(name, value) for name, value in zip(names, inputs)}
    batch_first = _batch_first(module)
    ranks = {value.ndim for value in arrays.values()}
    if ranks not in ({2}, {3}):
        raise ValueError(
            f"{' and '.join(names)} are all (length, width) or all batched, and have shapes "
            + ", ".join(str(value.shape) for value in arrays.values())
        )
    batched = ranks == {3}
    for name, value in arrays.items():
        if not np.issubdtype(value.dtype, np.floating):
            raise ValueError(f"{name} is {value.dtype} and must be floating")
        arrays[name] = value[None] if not batched else value if batch_first else value.swapaxes(0, 1)
    size = _check_inputs(kind, config, arrays), config.get("nhead") or config["num_heads"]
    tensors, call = _masks(kind, arrays, size, batched, {k: v for k, v in arguments.items() if v is not None})
    if kind == "MultiheadAttention":
        call["self_attention"] = self_attention
    tensors.update(arrays)

    case = {"param." + name: value for name, value in state.items()}
    case.update({"input." + name: value for name, value in tensors.items()})
    case = {
        name: np.array(value if value.dtype == bool else _narrow(value, real), order="C")
        for name, value in case.items()
    }
    metadata = {"module": kind, "config": json.dumps(config), "call": json.dumps(call), "scalar": scalar}
    safetensors.numpy.save_file(case, path, metadata=metadata)
    return kind, (self_attention, batched, batch_first)


def _masks(kind, arrays, batch_and_heads, batched, arguments):
    """(a case's mask tensors, its call metadata) of forward's mask arguments, which must all be known."""
    batch, heads = batch_and_heads
    names, masks = _FORWARD[kind]
    tensors, call = {}, {}
    for name, aliases, causal, padding, rows, columns in masks:
        size = (batch, heads, arrays[rows].shape[1], arrays[columns].shape[1])
        given = [alias for alias in aliases if alias in arguments]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} are the same mask; give one")
        mask = _mask(given[0], arguments.pop(given[0]), size) if given else None
        mask = _join(mask, np.triu(np.ones(size[2:], bool), 1)) if arguments.pop(causal, False) else mask
        if padding in arguments:
            keys = _padding(padding, arguments.pop(padding), (batch, size[3]), batched)
            if keys.dtype == bool:
                tensors[padding] = keys
            else:  # a finite bias on keys is a bias on scores
                keys = np.broadcast_to(keys[:, None, None, :], size).reshape(-1, *size[2:])
                mask = _join(mask, np.ascontiguousarray(keys))
        if mask is not None:
            tensors[name] = mask
            if name in ("mask", "tgt_mask"):
                call[name + "_kind"] = _kind(mask)
    if arguments:
        known = [option for mask in masks for option in (*mask[1], *mask[2:4])]
        raise ValueError(
            f"{kind} has no argument {', '.join(arguments)}; it takes {', '.join(names)} and {', '.join(known)}"
        )
    return tensors, call


def _numpy(name, value):
    if hasattr(value, "detach"):  # a PyTorch tensor
        if value.is_meta:
            raise ValueError(f"{name} is on the meta device and has no values")
        value = value.detach().cpu()
        if value.is_floating_point() and value.element_size() < 4:
            value = value.float()
        return value.numpy()
    return np.asarray(value)


def _narrow(value, real):
    """Rounded to the scalar; a finite value stays finite, since -inf alone is a masked key."""
    if real == np.float32 and value.dtype == np.float64:
        largest = np.finfo(np.float32).max
        value = np.where(np.isfinite(value), np.clip(value, -largest, largest), value)
    return value.astype(real)


def _batch_first(module):
    for part in module.modules():
        if hasattr(part, "batch_first"):
            return part.batch_first
    return False


def _check_inputs(kind, config, arrays):
    width = config.get("d_model") or config["embed_dim"]
    widths = {"key": config.get("kdim") or width, "value": config.get("vdim") or width}
    first = next(iter(arrays))
    for name, value in arrays.items():
        if value.shape[2] != widths.get(name, width):
            raise ValueError(f"{name} is {value.shape[2]} wide and the module takes {widths.get(name, width)}")
        if value.shape[0] != arrays[first].shape[0]:
            raise ValueError(f"{name} has batch {value.shape[0]} and {first} has {arrays[first].shape[0]}")
    if "value" in arrays and arrays["key"].shape[1] != arrays["value"].shape[1]:
        raise ValueError(f"key has length {arrays['key'].shape[1]} and value {arrays['value'].shape[1]}")
    return arrays[first].shape[0]


def _mask(name, value, size):
    value = _bool_or_float(name, value)
    batch, heads, rows, columns = size
    if value.shape not in ((rows, columns), (batch * heads, rows, columns)):
        raise ValueError(
            f"{name} is {value.shape} and must be {(rows, columns)} or (B*H, T, S) = {(batch * heads, rows, columns)}"
        )
    return value


def _padding(name, value, size, batched):
    value = _bool_or_float(name, value)
    if value.shape != (size if batched else size[1:]):
        raise ValueError(f"{name} is {value.shape} and must be {size if batched else size[1:]}")
    value = value.reshape(size)
    if value.dtype != bool and np.all((value == 0) | (value == -np.inf)):
        return value != 0
    return value


def _bool_or_float(name, value):
    value = _numpy(name, value)
    if value.dtype != bool and not np.issubdtype(value.dtype, np.floating):
        raise ValueError(
            f"{name} is {value.dtype}; a mask is bool (True: not allowed) or floating (added to the scores)"
        )
    return value


def _join(first, second):
    """Both masks at once: bool masks are or-ed, and where one is floating they are added with True as -inf."""
    if first is None:
        return second
    if first.dtype == bool and second.dtype == bool:
        return first | second
    return sum(np.where(mask, -np.inf, 0.0) if mask.dtype == bool else mask for mask in (first, second))


def _kind(mask):
    blocked = mask if mask.dtype == bool else mask == -np.inf
    if np.array_equal(blocked, np.triu(np.ones(mask.shape[-2:], bool), 1)) and (
        mask.dtype == bool or not mask[~blocked].any()
    ):
        return "causal"
    return "bool" if mask.dtype == bool else "float"


def _result(kind, results, layout):
    self_attention, batched, batch_first = layout

    def maps(name):
        one = results.get("result." + name)
        if one is not None:
            return one if batched else one[0]
        count = sum(key.startswith(f"result.{name}.") for key in results)
        return [results[f"result.{name}.{i}"] if batched else results[f"result.{name}.{i}"][0] for i in range(count)]

    output = results["result.output"]
    output = output[0] if not batched else output if batch_first else output.swapaxes(0, 1)
    if kind == "MultiheadAttention":
        return Result(output, **{"self_attn" if self_attention else "cross_attn": maps("weights")})
    if kind in ("EncoderLayer", "Encoder"):
        return Result(output, maps("self_attn"))
    if kind == "Transformer":
        return Result(
            output, maps("decoder_self_attn"), maps("cross_attn"), Result(self_attn=maps("encoder_self_attn"))
        )
    return Result(output, maps("self_attn"), maps("cross_attn"))
