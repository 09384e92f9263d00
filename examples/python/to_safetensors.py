#!/usr/bin/env python3
"""Turns PyTorch files and live PyTorch modules into safetensors files that vitrine loads.

From a shell, for pytorch_model.bin, .pt, .pth and .ckpt files and for Hugging Face folders that hold only .bin files:

    python3 examples/python/to_safetensors.py model.pt                  # writes model.safetensors
    python3 examples/python/to_safetensors.py my-marian-folder          # writes my-marian-folder/model.safetensors

From Python, for a live module (nn.MultiheadAttention, nn.Transformer or one of its parts). The number of heads,
norm_first, the activation and eps are in no state_dict, so they go into the file's metadata:

    import to_safetensors
    to_safetensors.save(module, "model.safetensors")

Files are read with weights_only=True, always: nothing in them is executed.
"""

import argparse
import functools
import json
import os
import pickletools
import re
import shlex
import sys
import tempfile
import warnings
import zipfile

WRAPPERS = ("state_dict", "model_state_dict", "model", "module")  # where training scripts put the parameters
DTYPES = ("float16", "bfloat16", "float32", "float64")
# Hugging Face names of one and the same embedding matrix, the one to keep first.
TIED = (
    "shared.weight",
    "wte.weight",
    "word_embeddings.weight",
    "embed_tokens.weight",
    "lm_head.weight",
    "vocab_projector.weight",
    "predictions.decoder.weight",
)
# What no model has any business with: a file that calls these attacks whoever loads it.
ATTACKS = (
    "os.",
    "posix.",
    "nt.",
    "subprocess.",
    "sys.",
    "socket.",
    "shutil.",
    "runpy.",
    "pty.",
    "webbrowser.",
) + tuple(
    f"{module}.{name}"
    for module in ("builtins", "__builtin__")
    for name in ("eval", "exec", "compile", "open", "__import__")
)


class Refusal(ValueError):
    """An input that cannot be converted; the message says what to do instead."""


# ---- live modules --------------------------------------------------------------------------------


def save(module, path, dtype=None, force=False):
    """Writes a live module's parameters, under PyTorch's names, and its configuration ("module" and "config" metadata).

    dtype is None (as they are) or one of DTYPES. Refuses to replace a file unless force is true.
    """
    kind, config = describe(module)
    metadata = {"module": kind, "config": json.dumps(config), "torch": str(_import_torch().__version__)}
    _write(_completed(kind, config, unwrap(module)), str(path), metadata, dtype, force)


def unwrap(module):
    """The module inside torch.compile's and DataParallel's wrappers."""
    torch = _import_torch()
    wrappers = (torch.nn.DataParallel, torch.nn.parallel.DistributedDataParallel)
    while True:
        if "_orig_mod" in module._modules:
            module = module._modules["_orig_mod"]
        elif isinstance(module, wrappers):
            module = module.module
        else:
            return module


def describe(module):
    """(kind, configuration) of a live module: constructor options by PyTorch's names, None where PyTorch has None.

    Raises Refusal for a module that computes anything else than the PyTorch class it is or derives from.
    """
    nn = _import_torch().nn
    module = unwrap(module)
    for kind, base, read in (
        ("MultiheadAttention", nn.MultiheadAttention, _attention_config),
        ("EncoderLayer", nn.TransformerEncoderLayer, _layer_config),
        ("DecoderLayer", nn.TransformerDecoderLayer, _layer_config),
        ("Encoder", nn.TransformerEncoder, _stack_config),
        ("Decoder", nn.TransformerDecoder, _stack_config),
        ("Transformer", nn.Transformer, _transformer_config),
    ):
        if isinstance(module, base):
            _require_unchanged(module, base)
            _require_floats(module)
            _warn_of_hooks(module)
            config = read(module)
            if kind != "MultiheadAttention":
                known = parameter_shapes(kind, {**config, "bias": True})
                config["bias"] = any(name.endswith("bias") and name in known for name in module.state_dict())
            _check_parameters(kind, config, module)
            return kind, config
    raise Refusal(
        f"{type(module).__name__} is none of nn.MultiheadAttention, nn.TransformerEncoderLayer, "
        "nn.TransformerDecoderLayer, nn.TransformerEncoder, nn.TransformerDecoder, nn.Transformer; pass the "
        "one inside it, or save its parameters "
        "alone: torch.save(module.state_dict(), 'weights.pt') and then to_safetensors.py weights.pt"
    )


def parameters(module):
    """A live module's parameters by PyTorch's names, as save writes them, whole: where only some of the linear layers
    and norms have a bias the others get zeros, and a norm without weight and bias gets ones and zeros."""
    return _completed(*describe(module), unwrap(module))


def _require_unchanged(module, base):
    for method in ("forward", "_sa_block", "_mha_block", "_ff_block"):
        original = getattr(base, method, None)
        if original is not None and (getattr(type(module), method) is not original or method in vars(module)):
            raise Refusal(
                f"this {type(module).__name__} replaces {base.__name__}.{method}, which vitrine does not run; build "
                f"a plain nn.{base.__name__} with the same options, load_state_dict into it, and pass that"
            )


def _require_part(owner, name, *bases):
    """The part of that name computes what the first of these classes does that it derives from."""
    part = getattr(owner, name, None)
    base = next((base for base in bases if isinstance(part, base)), None)
    if base is None:
        raise Refusal(
            f"the {name} of this {type(owner).__name__} is a {type(part).__name__}, not an nn.{bases[0].__name__}"
        )
    _require_unchanged(part, base)
    return part


def _warn_of_hooks(module):
    hooked = [
        name or type(module).__name__
        for name, part in module.named_modules()
        if part._forward_hooks or part._forward_pre_hooks
    ]
    if hooked:
        warnings.warn(
            f"{', '.join(hooked)}: hooks on forward are not run; where one changes what passes, the numbers are others",
            stacklevel=4,
        )


def _require_floats(module):
    for name, part in module.named_modules():
        if "quantized" in type(part).__module__.split("."):
            raise Refusal(
                f"{name or 'the module'} is quantised (a {type(part).__module__}.{type(part).__name__}), and its "
                "numbers are no longer the trained ones; pass the module as it was before"
            )


def _attention_config(attention):
    _require_part(attention, "out_proj", _import_torch().nn.Linear)
    width = attention.embed_dim
    return {
        "embed_dim": width,
        "num_heads": attention.num_heads,
        "bias": attention.out_proj.bias is not None,
        "add_bias_kv": attention.bias_k is not None,
        "add_zero_attn": bool(attention.add_zero_attn),
        "kdim": None if attention.kdim == width else attention.kdim,
        "vdim": None if attention.vdim == width else attention.vdim,
    }


def _layer_config(layer):
    nn = _import_torch().nn
    names = ["self_attn"] + (["multihead_attn"] if hasattr(layer, "multihead_attn") else [])
    attentions = [_require_part(layer, name, nn.MultiheadAttention) for name in names]
    for name in ("linear1", "linear2"):
        _require_part(layer, name, nn.Linear)
    for name in ("dropout", "dropout1", "dropout2", "dropout3"):
        if hasattr(layer, name):
            _require_part(layer, name, nn.Dropout, nn.Identity)
    heads = _same("the number of heads of self_attn and multihead_attn", [a.num_heads for a in attentions])
    for option in ("add_bias_kv", "add_zero_attn", "kdim", "vdim"):
        if any(_attention_config(attention)[option] for attention in attentions):
            raise Refusal(f"the layer's attention has {option}, which nn.Transformer* layers cannot be built with")
    norms = [
        _require_part(layer, name, nn.LayerNorm) for name in ("norm1", "norm2", "norm3") if hasattr(layer, name)
    ]
    return {
        "d_model": layer.self_attn.embed_dim,
        "nhead": heads,
        "dim_feedforward": layer.linear1.weight.shape[0],
        "activation": activation_name(layer.activation),
        "layer_norm_eps": _same("the eps of the layer's norms", [norm.eps for norm in norms]),
        "norm_first": bool(layer.norm_first),
    }


def _stack_config(stack):
    nn = _import_torch().nn
    base = nn.TransformerEncoderLayer if isinstance(stack, nn.TransformerEncoder) else nn.TransformerDecoderLayer
    configs = []
    for layer in stack.layers:
        if not isinstance(layer, base):
            raise Refusal(f"the stack holds a {type(layer).__name__}, not only nn.{base.__name__}")
        _require_unchanged(layer, base)
        configs.append(_layer_config(layer))
    if not configs:
        raise Refusal("the stack has no layers")
    config = _same("the configuration of the layers", configs)
    config = {**config, "num_layers": len(configs), "final_norm": stack.norm is not None}
    if stack.norm is not None and _require_part(stack, "norm", nn.LayerNorm).eps != config["layer_norm_eps"]:
        config["final_norm_eps"] = stack.norm.eps
    return config


def _transformer_config(transformer):
    nn = _import_torch().nn
    parts = []
    for name, base in (("encoder", nn.TransformerEncoder), ("decoder", nn.TransformerDecoder)):
        stack = getattr(transformer, name)
        if not isinstance(stack, base):
            raise Refusal(f"the Transformer's custom_{name} is a {type(stack).__name__}, not an nn.{base.__name__}")
        _require_unchanged(stack, base)
        config = _stack_config(stack)
        if not config.pop("final_norm"):
            raise Refusal(f"the Transformer's custom_{name} has no final norm, which nn.Transformer always has")
        if "final_norm_eps" in config:
            raise Refusal(
                f"the final norm's eps of the Transformer's custom_{name} is {stack.norm.eps} and the layers' "
                f"{config['layer_norm_eps']}; save encoder and decoder by themselves"
            )
        parts.append((config.pop("num_layers"), config))
    config = _same("the configuration of encoder and decoder", [config for _, config in parts])
    return {**config, "num_encoder_layers": parts[0][0], "num_decoder_layers": parts[1][0]}


def _same(what, values):
    if any(value != values[0] for value in values):
        raise Refusal(f"{what} must be the same throughout, and is {' and '.join(str(value) for value in values)}")
    return values[0]


def activation_name(activation):
    """relu, gelu, gelu_tanh or silu: whichever the string or callable computes, found by calling it."""
    torch = _import_torch()
    functional = torch.nn.functional
    known = {
        "relu": functional.relu,
        "gelu": functional.gelu,
        "gelu_tanh": functools.partial(functional.gelu, approximate="tanh"),
        "silu": functional.silu,
    }
    if isinstance(activation, str) and activation in known:
        return activation
    points = torch.cat(
        [torch.linspace(-12, 12, 4801, dtype=torch.float64), torch.tensor([-1e3, -50.0, 50.0, 1e3]).double()]
    )
    try:
        with torch.no_grad():
            values = activation(points.clone())
        for name, function in known.items():
            if values.shape == points.shape and torch.allclose(
                values.double(), function(points), rtol=1e-12, atol=1e-13
            ):
                return name
    except Exception:  # whatever a stranger's callable raises, it is not one of the four
        pass
    label = getattr(activation, "__name__", None) or repr(activation)
    raise Refusal(f"the activation {label} is none of relu, gelu (exact), gelu with approximate='tanh' and silu")


def parameter_shapes(kind, config):
    """Every parameter's name and shape that a module of this kind and configuration has."""
    if kind == "MultiheadAttention":
        return _attention_shapes(**{name: value for name, value in config.items() if name != "num_heads"})
    if kind in ("EncoderLayer", "DecoderLayer"):
        width, inner, bias = config["d_model"], config["dim_feedforward"], config["bias"]
        shapes = {}
        for attention in ("self_attn.", "multihead_attn.")[: 1 if kind == "EncoderLayer" else 2]:
            shapes.update({attention + name: shape for name, shape in _attention_shapes(width, bias).items()})
        modules = {"linear1": (inner, width), "linear2": (width, inner), "norm1": (width,), "norm2": (width,)}
        if kind == "DecoderLayer":
            modules["norm3"] = (width,)
        for name, shape in modules.items():
            shapes[name + ".weight"] = shape
            if bias:
                shapes[name + ".bias"] = shape[:1]
        return shapes
    if kind in ("Encoder", "Decoder"):
        layer = parameter_shapes(kind + "Layer", config)
        shapes = {f"layers.{i}.{name}": shape for i in range(config["num_layers"]) for name, shape in layer.items()}
        if config["final_norm"]:
            shapes.update(
                {
                    "norm." + name: (config["d_model"],)
                    for name in (["weight", "bias"] if config["bias"] else ["weight"])
                }
            )
        return shapes
    return {
        f"{part}.{name}": shape
        for part in ("encoder", "decoder")
        for name, shape in parameter_shapes(
            part.capitalize(), {**config, "num_layers": config[f"num_{part}_layers"], "final_norm": True}
        ).items()
    }


def _attention_shapes(embed_dim, bias=True, add_bias_kv=False, add_zero_attn=False, kdim=None, vdim=None):
    width = embed_dim
    if kdim is None and vdim is None:
        shapes = {"in_proj_weight": (3 * width, width)}
    else:
        shapes = {
            "q_proj_weight": (width, width),
            "k_proj_weight": (width, kdim or width),
            "v_proj_weight": (width, vdim or width),
        }
    shapes["out_proj.weight"] = (width, width)
    if bias:
        shapes.update({"in_proj_bias": (3 * width,), "out_proj.bias": (width,)})
    if add_bias_kv:
        shapes.update({"bias_k": (1, 1, width), "bias_v": (1, 1, width)})
    return shapes


def _completed(kind, config, module):
    """What the stock forward uses: a subclass may have parameters and buffers besides."""
    torch = _import_torch()
    expected = parameter_shapes(kind, config)
    state = {name: value for name, value in module.state_dict().items() if name in expected}
    dtype = next((value.dtype for value in state.values()), torch.float32)
    for name, shape in expected.items():
        owner_name, _, kind_of = name.rpartition(".")
        try:
            owner = module.get_submodule(owner_name)
        except AttributeError:
            continue
        if name in state or getattr(owner, kind_of, 0) is not None:
            continue  # it is there, or it is something else
        if isinstance(owner, torch.nn.LayerNorm) and tuple(owner.normalized_shape) != shape:
            continue
        if kind_of.endswith("bias"):
            state[name] = torch.zeros(shape, dtype=dtype)
        elif isinstance(owner, torch.nn.LayerNorm):
            state[name] = torch.ones(shape, dtype=dtype)
    return state


def _check_parameters(kind, config, module):
    expected = parameter_shapes(kind, config)
    found = {name: tuple(value.shape) for name, value in _completed(kind, config, module).items()}
    faults = [f"{name} is missing" for name in expected if name not in found]
    if faults:  # perhaps under another name: what a parametrisation has made of it
        faults += [f"{name} is unexpected" for name in module.state_dict() if name not in expected]
    faults += [
        f"{name} is {found[name]} and not {shape}"
        for name, shape in expected.items()
        if found.get(name, shape) != shape
    ]
    faults += [
        f"{name} is {value.dtype} and not floating"
        for name, value in module.state_dict().items()
        if name in expected and not value.is_floating_point()
    ]
    if faults:
        raise Refusal(f"the parameters are not those of PyTorch's {type(module).__name__}: " + "; ".join(faults))


# ---- files ---------------------------------------------------------------------------------------


def convert(path, output=None, dtype=None, key=None, force=False, say=lambda line: None):
    """Converts a file or a Hugging Face folder and returns the path written; raises Refusal with a sentence of advice.

    output: by default model.safetensors in a folder, or beside Hugging Face's pytorch_model.bin, else FILE.safetensors.
    key: where in the file the parameters are; by default state_dict, model_state_dict, model, module, or all of it.
    """
    torch = _import_torch()
    files, hugging_face = _files_of(path)
    folder = os.path.dirname(files[0])
    if output is None:
        beside = hugging_face or os.path.isdir(path)
        output = os.path.join(folder, "model.safetensors") if beside else os.path.splitext(path)[0] + ".safetensors"
    _refuse_existing(output, force)
    tensors = {}
    for file in files:
        for name, value in _state_dict(torch, file, key, say).items():
            if name in tensors:
                raise Refusal(f"{name} is in two of the files")
            tensors[name] = value
    tensors = _without_wrapper_names(tensors, say)
    if hugging_face:
        tensors = _hugging_face_names(tensors)
        tensors = _tied_once(tensors, folder, say)
    _write(tensors, output, {"format": "pt"}, dtype, force)
    size = os.path.getsize(output)
    say(f"wrote {output}: {len(tensors)} tensors, {size / 1e6:.1f} MB")
    if not os.path.exists(os.path.join(folder, "config.json")):
        say(
            "it holds the parameters alone; nhead, norm_first, the activation and eps are yours to give when you "
            "load it (to_safetensors.save(module, path) writes them into the file)"
        )
    return output


def _files_of(path):
    """The files that hold the parameters, and whether they are a Hugging Face checkpoint's."""
    if os.path.isdir(path):
        inside = set(os.listdir(path))
        if "pytorch_model.bin" in inside:
            return [os.path.join(path, "pytorch_model.bin")], True
        if "pytorch_model.bin.index.json" in inside:
            return _shards(os.path.join(path, "pytorch_model.bin.index.json")), True
        if "model.safetensors" in inside:
            raise Refusal(f"{path} holds model.safetensors already; there is nothing to convert")
        others = sorted(name for name in inside if name.endswith((".bin", ".pt", ".pth", ".ckpt")))
        shards = [name for name in others if re.fullmatch(r"pytorch_model-\d+-of-\d+\.bin", name)]
        if shards:  # their index was lost; every name says where it belongs
            return [os.path.join(path, name) for name in shards], True
        if len(others) == 1:
            return [os.path.join(path, others[0])], False
        hint = f"; name the file to convert: {', '.join(others)}" if others else ""
        raise Refusal(f"{path} holds neither pytorch_model.bin nor pytorch_model.bin.index.json{hint}")
    if not os.path.exists(path):
        raise Refusal(f"{path} does not exist")
    if path.endswith(".bin.index.json"):
        return _shards(path), True
    return [path], os.path.basename(path) == "pytorch_model.bin"


def _shards(index):
    try:
        with open(index, encoding="utf-8") as stream:
            names = sorted(set(json.load(stream)["weight_map"].values()))
        if not names or any(os.path.basename(name) != name for name in names):
            raise ValueError("weight_map does not name files beside it")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Refusal(f"{index} is not an index of shards ({error})") from None
    files = [os.path.join(os.path.dirname(index), name) for name in names]
    missing = [file for file in files if not os.path.exists(file)]
    if missing:
        raise Refusal(f"{index} names files that are not there: {', '.join(missing)}")
    return files


def _state_dict(torch, path, key, say):
    with open(path, "rb") as stream:
        start = stream.read(64)
    if start.startswith(b"version https://git-lfs"):
        raise Refusal(f"{path} is a Git LFS pointer, not the file itself; run: git lfs pull")
    if start[8:9] == b"{" and path.endswith(".safetensors"):
        raise Refusal(f"{path} is a safetensors file already; there is nothing to convert")
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path) or None)
    except Exception as error:  # a hostile or damaged file may raise anything
        raise Refusal(_why_not(path, error)) from None
    return _parameters_in(torch, loaded, path, key, say)


def _parameters_in(torch, loaded, path, key, say):
    def tensors_of(value):
        return isinstance(value, dict) and any(isinstance(entry, torch.Tensor) for entry in value.values())

    if not isinstance(loaded, dict):
        raise Refusal(f"{path} holds a {type(loaded).__name__}, not a dictionary of tensors")
    keys = [key] if key else [name for name in WRAPPERS if tensors_of(loaded.get(name))]
    if keys:
        if not tensors_of(loaded.get(keys[0])):
            raise Refusal(
                f'{path} has no dictionary of tensors under "{keys[0]}"; '
                f"its entries are {', '.join(map(str, loaded))}"
            )
        say(f'taken from "{keys[0]}" of {path}')
        loaded = loaded[keys[0]]
    elif not tensors_of(loaded):
        raise Refusal(
            f"{path} has no dictionary of tensors; its entries are {', '.join(map(str, loaded)) or 'none'}; "
            "name one with --key"
        )
    elif any(isinstance(value, dict) and tensors_of(value) for value in loaded.values()):
        inner = [name for name, value in loaded.items() if tensors_of(value)]
        raise Refusal(
            f"{path} has tensors of its own and dictionaries of tensors ({', '.join(map(str, inner))}); "
            "choose with --key"
        )
    for name, value in loaded.items():
        if not isinstance(value, torch.Tensor):
            say(f"left out: {name}, which is a {type(value).__name__} and not a tensor")
    return {str(name): value for name, value in loaded.items() if isinstance(value, torch.Tensor)}


def _why_not(path, error):
    """The refusal of a file that torch.load does not read with weights_only=True; looks without running."""
    quoted = repr(path)
    here = os.path.dirname(os.path.abspath(__file__))
    safe = f"{os.path.splitext(path)[0]}.state_dict.pt"
    load = f"torch.load({quoted}, map_location='cpu', weights_only=False)"
    then = f"python3 {shlex.quote(os.path.relpath(__file__))} {shlex.quote(safe)}"
    shape, classes, words, protocol = _pickled_objects(path)

    def run(code):
        code = "import torch; " + code
        plain = not set(code) & set('"$`\\!')  # then double quotes, around Python's single ones, are easier to read
        return f'python3 -c "{code}"' if plain else f"python3 -c {shlex.quote(code)}"

    if shape == "torchscript":
        return (
            f"{path} is a TorchScript archive; run instead:\n  "
            + run(f"torch.save(torch.jit.load({quoted}, map_location='cpu').state_dict(), {safe!r})")
            + f" && {then}"
        )
    attack = next((name for name in classes if name.startswith(ATTACKS)), None)
    if attack:
        return f"{path} calls {attack} when it is unpickled, as no model does: do not load it"
    trust = "Unpickling runs the file's own code, so only if you trust where it comes from, run instead:\n  "
    if protocol > 2:
        return (
            f"{path} was written with pickle protocol {protocol}, which PyTorch reads with weights_only=False alone. "
            + trust
            + run(f"torch.save(getattr(x := {load}, 'state_dict', lambda: x)(), {safe!r})")
            + f" && {then}"
        )
    if not classes:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].split(" In PyTorch ")[0]
        return f"{path} is not a file that torch.save wrote, or is damaged ({reason})"
    if shape == "object":
        whole = f"{path} holds a whole pickled {classes[0]}, not a state_dict. {trust}"
        if classes[0].startswith(("torch.nn.modules.transformer.", "torch.nn.modules.activation.MultiheadAttention")):
            target = f"{os.path.splitext(path)[0]}.safetensors"
            find = f"import sys; sys.path.insert(0, {here!r}); import to_safetensors; "
            return whole + run(f"{find}to_safetensors.save({load}, {target!r})")
        if classes[0].startswith("transformers."):
            return whole + run(f"{load}.save_pretrained({os.path.splitext(path)[0]!r})")
        return whole + run(f"torch.save({load}.state_dict(), {safe!r})") + f" && {then}"
    key = next((name for name in WRAPPERS if name in words), "state_dict")
    entry = f"{load}[{key!r}]"
    if any(name.startswith(("torch.nn.modules.", "transformers.")) for name in classes):
        entry = f"getattr(x := {entry}, 'state_dict', lambda: x)()"
    return (
        f"{path} holds objects beside its tensors ({', '.join(classes[:3])}). {trust}"
        + run(f"torch.save({entry}, {safe!r})")
        + f" && {then}"
    )


def _pickled_objects(path):
    """(object, dict, torchscript or None; the classes beside torch's own tensors; all strings; the pickle protocol)."""
    classes, words, first, protocol = [], set(), None, 0
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                names = archive.namelist()
                if any(name.endswith("/constants.pkl") for name in names):
                    return "torchscript", [], set(), 0
                streams = [archive.open(next(name for name in names if name.endswith("data.pkl")))]
        else:
            streams = [open(path, "rb")]
        with streams[0] as stream:
            if not zipfile.is_zipfile(path):
                for _ in range(3):  # legacy files start with a magic number, a version and the writer's word sizes
                    for _ in pickletools.genops(stream):
                        pass
            for opcode, argument, _ in pickletools.genops(stream):
                if opcode.name in ("PROTO", "FRAME"):
                    protocol = argument if opcode.name == "PROTO" else protocol
                    continue
                first = first or opcode.name
                if isinstance(argument, str) and opcode.name in ("GLOBAL", "INST"):
                    module, name = argument.split(" ", 1)
                    if module == "collections" and name == "OrderedDict" and not classes and first == "GLOBAL":
                        first = "EMPTY_DICT"
                    if module not in ("torch", "torch._utils", "collections", "torch.storage"):
                        classes.append(f"{module}.{name}")
                elif isinstance(argument, str):
                    words.add(argument)
    except Exception:  # the file is not a pickle; what was seen so far is all there is to say
        pass
    return ("dict" if first == "EMPTY_DICT" else "object" if first else None), classes, words, protocol


def _without_wrapper_names(tensors, say):
    """Names without what torch.compile, FullyShardedDataParallel and DistributedDataParallel put into them."""
    renamed = {}
    plain = {name: name.replace("_orig_mod.", "").replace("_fsdp_wrapped_module.", "") for name in tensors}
    while plain and all(name.startswith("module.") for name in plain.values()):
        plain = {name: value[len("module.") :] for name, value in plain.items()}
    for name, value in tensors.items():
        if plain[name] in renamed:
            raise Refusal(f"{plain[name]} would stand for two tensors once the wrappers' prefixes are removed")
        renamed[plain[name]] = value
    if list(renamed) != list(tensors):
        say("removed the prefixes that wrappers put before the names (module., _orig_mod.)")
    return renamed


def _hugging_face_names(tensors):
    """Today's names of the tensors of the oldest checkpoints: LayerNorm.gamma and beta are weight and bias."""
    for old, new in (("LayerNorm.gamma", "LayerNorm.weight"), ("LayerNorm.beta", "LayerNorm.bias")):
        tensors = {name[: -len(old)] + new if name.endswith(old) else name: value for name, value in tensors.items()}
    return tensors


def _tied_once(tensors, folder, say):
    """Without the further names of an embedding that shares its memory, unless the configuration unties them."""
    try:
        with open(os.path.join(folder, "config.json"), encoding="utf-8") as stream:
            if json.load(stream).get("tie_word_embeddings", True) is False:
                return tensors
    except (OSError, ValueError, AttributeError):
        return tensors  # no configuration says what is tied: every name is written
    kept = {}
    for ending in TIED:
        for name, value in tensors.items():
            if name.endswith(ending) and value.numel():
                kept.setdefault((value.data_ptr(), value.dtype, value.shape, value.stride()), name)
    result = {}
    for name, value in tensors.items():
        first = kept.get((value.data_ptr(), value.dtype, value.shape, value.stride()), name)
        if first != name and name.endswith(TIED):
            say(f"tied: {name} is {first}, stored once")
        else:
            result[name] = value
    return result


def _refuse_existing(path, force):
    if os.path.isdir(path):
        raise Refusal(f"{path} is a folder; name a file")
    if os.path.exists(path) and not force:
        raise Refusal(f"{path} exists; --force replaces it")


def _write(tensors, path, metadata, dtype, force):
    """Writes all or nothing: into a file beside the target, which then takes its name."""
    torch = _import_torch()
    _refuse_existing(path, force)
    target, memory = getattr(torch, dtype) if dtype else None, set()
    for name, value in tensors.items():
        if value.layout != torch.strided or value.is_quantized or value.is_meta:
            raise Refusal(
                f"{name} is {'on the meta device' if value.is_meta else 'sparse or quantised'}; convert it to a dense "
                "tensor first"
            )
        original = value = value.detach().cpu()
        if target is not None and value.is_floating_point():
            value = value.to(target)
            if bool(torch.isfinite(original).all()) and not bool(torch.isfinite(value).all()):
                raise Refusal(f"{name} has values that {dtype} cannot hold")
        value = value.contiguous()
        storage = value.untyped_storage().data_ptr()
        tensors[name] = (
            value.clone() if storage in memory else value
        )  # safetensors wants every tensor in memory of its own
        memory.add(storage)
    folder = os.path.dirname(path) or "."
    if not os.path.isdir(folder):
        raise Refusal(f"{folder} is not a folder")
    mask = os.umask(0)
    os.umask(mask)
    handle, temporary = tempfile.mkstemp(prefix="." + os.path.basename(path) + ".", dir=folder)
    os.close(handle)
    try:
        _import_safetensors().save_file(tensors, temporary, metadata=metadata)
        os.chmod(temporary, 0o666 & ~mask)
        with open(temporary, "rb") as stream:
            os.fsync(stream.fileno())
        _refuse_existing(path, force)
        os.replace(temporary, path)
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)


def _import_torch():
    try:
        import torch
    except ImportError:
        raise Refusal(
            "PyTorch is needed to read its files and is not installed; run: python3 -m pip install torch safetensors "
            "--extra-index-url https://download.pytorch.org/whl/cpu"
        ) from None
    return torch


def _import_safetensors():
    try:
        import safetensors.torch
    except ImportError:
        raise Refusal("the package safetensors is not installed; run: python3 -m pip install safetensors") from None
    return safetensors.torch


def _print_printable(text, stream=None):
    """Prints without the control characters that names out of a file may hold."""
    print("".join(c if c.isprintable() or c == "\n" else "?" for c in text), file=stream or sys.stdout)


def main(arguments=None):
    parser = argparse.ArgumentParser(
        prog="to_safetensors.py",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="exit status: 0 written; 2 bad usage, or a file that cannot be converted (stderr says why)",
    )
    parser.add_argument("path", help="a .bin, .pt, .pth or .ckpt file, a .bin.index.json, or a Hugging Face folder")
    parser.add_argument("--output", metavar="FILE", help="where to write (default: beside the input)")
    parser.add_argument("--dtype", choices=DTYPES, help="convert floating tensors to this type (default: as they are)")
    parser.add_argument(
        "--key", help="the entry of the file that holds the parameters (default: found by its usual names)"
    )
    parser.add_argument("--force", action="store_true", help="replace an existing file")
    options = parser.parse_args(arguments)
    try:
        convert(options.path, options.output, options.dtype, options.key, options.force, say=_print_printable)
    except (Refusal, OSError) as error:
        _print_printable(f"to_safetensors.py: {error}", sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
