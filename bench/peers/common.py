"""What the peer programs share: one small command line, random weights from a seed, the check against PyTorch, timing.

A peer program times the chosen variants one after the other and prints one JSON object:
{"peer", "version", "settings", "results": [{"variant", "maps", "times_ms", "median_ms", "min_ms", "max_error"}]}.
Exit status: 0 ok, 1 a check or a variant failed, 2 bad usage, 3 the package is not installed.
"""

import argparse
import contextlib
import gc
import json
import os
import statistics
import subprocess
import sys
import time

# Set before numpy, torch and the others are imported: each reads it once.
if "OMP_NUM_THREADS" not in os.environ:
    _threads = "2"
    for _i, _word in enumerate(sys.argv):
        if _word == "--threads" and _i + 1 < len(sys.argv):
            _threads = sys.argv[_i + 1]
        elif _word.startswith("--threads="):
            _threads = _word.split("=", 1)[1]
    os.environ["OMP_NUM_THREADS"] = _threads

# The largest difference from PyTorch in f32, by what the weights are stored as. Outputs are normalised and
# log-probabilities of the same order: something wrong is off by more than 1.
TOLERANCE = {"f32": 1e-3, "bf16": 0.1, "int8": 0.3}
HERE = os.path.dirname(os.path.abspath(__file__))
SHAPE = (
    "d_model",
    "nhead",
    "dim_feedforward",
    "num_layers",
    "batch",
    "length",
    "causal",
    "num_encoder_layers",
    "num_decoder_layers",
    "vocab",
    "source_length",
    "steps",
    "beams",
    "kv_heads",
    "prompt",
    "seed",
)


def not_installed(peer, error):
    """Says in the JSON object that a package is missing, and ends the program."""
    print(json.dumps({"peer": peer, "error": "not installed", "detail": str(error)}))
    sys.exit(3)


def parse_arguments(description, works, weights=("f32",)):
    """The command line of every peer; `works` and storages of `weights` are those that this peer can time."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--work", choices=works, default=works[0])
    parser.add_argument("--variants", default="", help="comma-separated; all by default")
    parser.add_argument("--weights", choices=weights, default=weights[0], help="what weights are stored as")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repetitions", type=int, default=9)
    parser.add_argument("--warmup", type=int, default=2, help="calls before the timed ones")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--cache", default="", help="folder for graphs and PyTorch's results; a temporary one by default"
    )
    parser.add_argument("--no_check", action="store_true", help="do not compare with PyTorch before timing")
    parser.add_argument(
        "--write_reference", default="", metavar="FILE.npz", help="write PyTorch's results, time nothing"
    )
    shape = parser.add_argument_group("shape")
    for name, default in (
        ("d_model", 512),
        ("nhead", 8),
        ("dim_feedforward", 2048),
        ("num_layers", 6),
        ("batch", 1),
        ("length", 128),
        ("num_encoder_layers", 6),
        ("num_decoder_layers", 6),
        ("vocab", 32000),
        ("source_length", 32),
        ("steps", 32),
        ("beams", 1),
        ("kv_heads", 3),
        ("prompt", 512),
    ):
        shape.add_argument("--" + name, type=int, default=default)
    shape.add_argument("--causal", action="store_true", help="only for --work attention")
    arguments = parser.parse_args()
    if arguments.d_model % arguments.nhead:
        parser.error(f"--d_model {arguments.d_model} is not a multiple of --nhead {arguments.nhead}")
    return arguments


def chosen(arguments, variants):
    """The chosen ones of `variants`, a dict from a variant's name to whatever the peer needs."""
    if not arguments.variants:
        return variants
    names = arguments.variants.split(",")
    unknown = [name for name in names if name not in variants]
    if unknown:
        print(f"unknown variant {unknown[0]}; there are {', '.join(variants)}", file=sys.stderr)
        sys.exit(2)
    return {name: variants[name] for name in names}


@contextlib.contextmanager
def cache_folder(arguments):
    """Yields the folder for graphs and references and makes a temporary one if none was given."""
    import tempfile

    if arguments.cache:
        os.makedirs(arguments.cache, exist_ok=True)
        yield arguments.cache
    else:
        with tempfile.TemporaryDirectory(prefix="vitrine_peers_") as folder:
            arguments.cache = folder
            yield folder


# --- random weights and inputs ------------------------------------------------------------------------------


def _normal(generator, *shape, scale=1.0):
    import numpy

    values = generator.standard_normal(shape, dtype=numpy.float32)
    values *= numpy.float32(scale)
    return values


def encoder_weights(arguments):
    """Weights of an nn.TransformerEncoder (post-norm, ReLU, no final norm) under PyTorch's names."""
    import numpy

    width, hidden = arguments.d_model, arguments.dim_feedforward
    weights = {}
    for layer in range(arguments.num_layers):
        generator = numpy.random.default_rng([arguments.seed, layer])
        for name, rows, columns in (
            ("self_attn.in_proj_", 3 * width, width),
            ("self_attn.out_proj.", width, width),
            ("linear1.", hidden, width),
            ("linear2.", width, hidden),
        ):
            weights[f"layers.{layer}.{name}weight"] = _normal(generator, rows, columns, scale=columns**-0.5)
            weights[f"layers.{layer}.{name}bias"] = _normal(generator, rows, scale=0.1)
        for norm in ("norm1", "norm2"):
            weights[f"layers.{layer}.{norm}.weight"] = 1 + _normal(generator, width, scale=0.1)
            weights[f"layers.{layer}.{norm}.bias"] = _normal(generator, width, scale=0.1)
    return weights


def encoder_input(arguments):
    """(B, T, E)."""
    import numpy

    generator = numpy.random.default_rng([arguments.seed, 1 << 20])
    return _normal(generator, arguments.batch, arguments.length, arguments.d_model)


def attention_inputs(arguments):
    """q, k and v, each (B, H, T, D)."""
    import numpy

    generator = numpy.random.default_rng([arguments.seed, 1 << 21])
    shape = (arguments.batch, arguments.nhead, arguments.length, arguments.d_model // arguments.nhead)
    return [_normal(generator, *shape) for _ in range(3)]


def marian_weights(arguments):
    """Weights of a MarianMTModel under Transformers' names; the row of <pad>, the last one, is zero as in opus-mt."""
    import numpy

    width, hidden, vocab = arguments.d_model, arguments.dim_feedforward, arguments.vocab
    generator = numpy.random.default_rng([arguments.seed, 1 << 22])
    weights = {}

    def linear(name, rows, columns):
        weights[name + ".weight"] = _normal(generator, rows, columns, scale=columns**-0.5)
        weights[name + ".bias"] = _normal(generator, rows, scale=0.1)

    def norm(name):
        weights[name + ".weight"] = 1 + _normal(generator, width, scale=0.1)
        weights[name + ".bias"] = _normal(generator, width, scale=0.1)

    for side, layers in (("encoder", arguments.num_encoder_layers), ("decoder", arguments.num_decoder_layers)):
        for layer in range(layers):
            prefix = f"model.{side}.layers.{layer}."
            for block in ("self_attn",) if side == "encoder" else ("self_attn", "encoder_attn"):
                for projection in ("q_proj", "k_proj", "v_proj", "out_proj"):
                    linear(f"{prefix}{block}.{projection}", width, width)
                norm(f"{prefix}{block}_layer_norm")
            linear(prefix + "fc1", hidden, width)
            linear(prefix + "fc2", width, hidden)
            norm(prefix + "final_layer_norm")
    shared = _normal(generator, vocab, width, scale=width**-0.5)
    shared[-1] = 0
    weights["model.shared.weight"] = shared
    weights["final_logits_bias"] = _normal(generator, 1, vocab, scale=0.1)
    return weights


def marian_tokens(arguments):
    """Random source ids (B, S) and target ids (B, steps), none of them </s> (0), <unk> (1) or <pad> (the last)."""
    import numpy

    generator = numpy.random.default_rng([arguments.seed, 1 << 23])
    source = generator.integers(2, arguments.vocab - 1, (arguments.batch, arguments.source_length))
    return source, generator.integers(2, arguments.vocab - 1, (arguments.batch, arguments.steps))


def llama_weights(arguments):
    """Weights of a LlamaForCausalLM with tied embeddings under Transformers' names."""
    import numpy

    width, hidden = arguments.d_model, arguments.dim_feedforward
    keys = arguments.kv_heads * (width // arguments.nhead)
    generator = numpy.random.default_rng([arguments.seed, 1 << 24])
    weights = {"model.embed_tokens.weight": _normal(generator, arguments.vocab, width, scale=width**-0.5)}
    for layer in range(arguments.num_layers):
        prefix = f"model.layers.{layer}."
        for name, rows, columns in (
            ("self_attn.q_proj", width, width),
            ("self_attn.k_proj", keys, width),
            ("self_attn.v_proj", keys, width),
            ("self_attn.o_proj", width, width),
            ("mlp.gate_proj", hidden, width),
            ("mlp.up_proj", hidden, width),
            ("mlp.down_proj", width, hidden),
        ):
            weights[f"{prefix}{name}.weight"] = _normal(generator, rows, columns, scale=columns**-0.5)
        for norm in ("input_layernorm", "post_attention_layernorm"):
            weights[f"{prefix}{norm}.weight"] = 1 + _normal(generator, width, scale=0.1)
    weights["model.norm.weight"] = 1 + _normal(generator, width, scale=0.1)
    return weights


def llama_tokens(arguments):
    """Random ids (B, prompt + steps), none of them the end (0)."""
    import numpy

    generator = numpy.random.default_rng([arguments.seed, 1 << 23])
    return generator.integers(1, arguments.vocab - 1, (arguments.batch, arguments.prompt + arguments.steps))


# --- the check against PyTorch ------------------------------------------------------------------------------


def sampled_rows(maps):
    """A few query rows of maps (..., T, S): enough to see a wrong one, small enough to store."""
    return maps[..., :: max(1, maps.shape[-2] // 32), :]


def reference(arguments, program="peer_torch.py"):
    """PyTorch's results for this shape as a dict of arrays, or None where PyTorch is not installed.

    They are computed in another process, so that no second OpenMP runtime lives in the timed one.
    """
    import numpy

    key = "_".join(str(int(getattr(arguments, name))) for name in SHAPE)
    path = os.path.join(arguments.cache, f"reference_{arguments.work}_{key}.npz")
    if not os.path.exists(path):
        command = [
            sys.executable,
            "-B",
            os.path.join(HERE, program),
            "--work",
            arguments.work,
            "--write_reference",
            path,
            "--threads",
            str(arguments.threads),
        ]
        for name in SHAPE:
            value = getattr(arguments, name)
            command += ["--" + name] * value if isinstance(value, bool) else ["--" + name, str(value)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode == 3:
            return None
        if done.returncode:
            raise RuntimeError("PyTorch's reference failed: " + done.stderr[-2000:])
    with numpy.load(path) as file:
        return dict(file)


def error_against(expected, output, maps=None):
    """Largest error of the output (absolute) and of sampled map rows (over the largest weight), whichever is larger."""
    import numpy

    error = float(numpy.abs(output - expected["output"]).max())
    if maps is not None:
        rows = sampled_rows(maps)
        error = max(error, float(numpy.abs(rows - expected["maps"]).max() / numpy.abs(expected["maps"]).max()))
        error = max(error, float(numpy.abs(rows.sum(-1) - 1).max()))
    return error


# --- timing and the report ----------------------------------------------------------------------------------


def time_calls(arguments, call):
    """Milliseconds of each timed repetition of `call()`."""
    for _ in range(arguments.warmup):
        call()
    times = []
    for _ in range(arguments.repetitions):
        start = time.perf_counter_ns()
        call()
        times.append((time.perf_counter_ns() - start) / 1e6)
    return times


def run_variants(arguments, peer, version, settings, variants, prepare):
    """Times every variant and prints the JSON object.

    `variants` maps a name to (keeps_maps, data); `prepare(name, keeps_maps, data)` returns `(call, check)`: `check()`
    is the largest error, or None if nothing could be compared. A variant is freed before the next is prepared.
    """
    report = {
        "peer": peer,
        "version": version,
        "settings": settings,
        "work": arguments.work,
        "weights": arguments.weights,
        "shape": {name: getattr(arguments, name) for name in SHAPE},
        "threads": arguments.threads,
        "results": [],
    }
    failed = False
    for name, (keeps_maps, data) in chosen(arguments, variants).items():
        entry = {"variant": name, "maps": keeps_maps}
        try:
            call, check = prepare(name, keeps_maps, data)
            entry["max_error"] = None if arguments.no_check else check()
            if entry["max_error"] is not None and not entry["max_error"] <= TOLERANCE[arguments.weights]:
                raise RuntimeError(f"disagrees with PyTorch by {entry['max_error']:.3g}")
            times = time_calls(arguments, call)
            entry.update(times_ms=times, median_ms=statistics.median(times), min_ms=min(times))
        except Exception as error:  # One variant that fails must not hide the others.
            entry["error"] = f"{type(error).__name__}: {error}"
            failed = True
        call = check = None
        gc.collect()
        report["results"].append(entry)
    print(json.dumps(report))
    sys.exit(1 if failed else 0)
