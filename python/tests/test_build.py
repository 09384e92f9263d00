"""The build: instruction sets, size, documentation, types."""

import doctest
import importlib
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import vitrine

FOLDER = Path(vitrine.__file__).parent
CODE = """
import sys, numpy as np, vitrine
rng = np.random.default_rng(4)
encoder = vitrine.Encoder(d_model=64, nhead=4, num_layers=2, dim_feedforward=128, activation="gelu").init(7)
x = rng.normal(size=(2, 37, 64)).astype(np.float32)
result = encoder(x, src_mask=vitrine.causal())
found = vitrine.load(sys.argv[1]).generate([[5, 17, 3, 0]], num_beams=2, max_new_tokens=8, keep="weights")[0][0]
np.savez(sys.argv[2], output=result.output, maps=np.stack(result.self_attn), ids=found.ids, cross=found.cross_attn[1])
print(vitrine.build_info())
"""


def run(isa, *arguments):
    environment = dict(os.environ, VITRINE_ISA=isa)
    return subprocess.run(
        [sys.executable, "-c", CODE, *map(str, arguments)], env=environment, capture_output=True, text=True, timeout=120
    )


def test_every_instruction_set_gives_the_same_numbers(pair, tmp_path):
    results = {}
    for isa in vitrine._core.isas:
        done = run(isa, pair("marian").folder, tmp_path / f"{isa}.npz")
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(isa + " ")
        results[isa] = np.load(tmp_path / f"{isa}.npz")
    widths = {"sse2": "128-bit", "avx2": "256-bit", "avx512": "512-bit"}
    assert widths.get(vitrine._core.isa, "") in vitrine.build_info()
    first = results[vitrine._core.isa]
    for other in results.values():
        assert (other["ids"] == first["ids"]).all()
        for name in ("output", "maps", "cross"):
            np.testing.assert_allclose(other[name], first[name], atol=2e-6, rtol=2e-5)


def test_an_unknown_instruction_set_is_refused():
    done = run("avx1024", "", "")
    assert done.returncode != 0 and "ImportError" in done.stderr and "avx1024" in done.stderr


def test_the_extension_is_small():
    sizes = {path.name: path.stat().st_size for path in FOLDER.glob("_core*.so")}
    assert len(sizes) == 1 and sum(sizes.values()) < 5_000_000, sizes
    assert b"\0.debug_info\0" not in next(FOLDER.glob("_core*.so")).read_bytes()


@pytest.mark.parametrize("name", ["vitrine"] + [f"vitrine.{m.name}" for m in pkgutil.iter_modules([str(FOLDER)])])
def test_doctests(name):
    if name.endswith(("_core", "to_safetensors", "__main__")):
        return
    module = importlib.import_module(name)
    assert doctest.testmod(module, extraglobs={"np": np, "vitrine": vitrine}).failed == 0
    assert module.__doc__


def test_everything_public_is_documented():
    for name in vitrine.__all__:
        entity = getattr(vitrine, name)
        assert entity.__doc__, name
        for own in vars(entity) if isinstance(entity, type) else ():
            value = vars(entity)[own]
            if not own.startswith("_") and callable(value):
                assert value.__doc__, f"{name}.{own}"


def test_types(tmp_path):
    pytest.importorskip("mypy")
    root = Path(__file__).parent.parent.parent
    files = [str(path) for path in sorted((root / "examples" / "python").glob("maps_*.py"))]
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path), "--ignore-missing-imports"]
    for what in (["-p", "vitrine"], files):  # to mypy an environment below the present folder is no library
        done = subprocess.run(command + what, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
