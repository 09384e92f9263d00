#!/usr/bin/env python3
"""Trained weights that PyPI carries, beside PyTorch and Transformers in double.

    python3 tests/python/test_real_weights.py WHEELS    # a folder with the unpacked wheels rxnmapper and anarcii

The programs are build/tests/golden and build/tests/pages.dir/pages; $VITRINE_BUILD names another folder than build. Needs torch,
transformers, numpy, safetensors, and the package vitrine for examples/atom_mapping.md.
"""

import contextlib
import io
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import numpy as np
import safetensors.numpy
import torch
import transformers

transformers.logging.set_verbosity_error()
ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("VITRINE_BUILD") or ROOT / "build")
sys.path.insert(0, str(ROOT / "examples" / "python"))

import atom_mapping
import runner
import to_safetensors

RXNMAPPER = "rxnmapper/models/transformers/albert_heads_8_uspto_all_1310k"
REACTIONS = (
    "CC(C)S.CN(C)C=O.Fc1cccnc1F.O=C([O-])[O-].[K+].[K+]>>CC(C)Sc1ncccc1F",
    "C1COCCO1.CC(C)(C)OC(=O)CONC(=O)NCc1cccc2ccccc12.Cl>>O=C(O)CONC(=O)NCc1cccc2ccccc12",
    "CC[O-]~[Na+].BrCC>>CCOCC",
)


def converted(folder, scratch):
    """The folder's copy with the model.safetensors that our converter makes of its pytorch_model.bin."""
    copy = pathlib.Path(scratch, "model")
    shutil.copytree(folder, copy, ignore=lambda *_: ["model.safetensors"])
    to_safetensors.convert(str(copy), say=lambda *_: None)
    return copy


def test_rxnmapper_beside_transformers(wheels):
    """Hidden states, pooler and the 96 maps of each reaction, in float and double (build/tests/golden).

    One at a time: in padded query rows, which are one token many times, Transformers' own float is 4e-5 from its double.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder = converted(wheels / RXNMAPPER, scratch)
        model = transformers.AlbertModel.from_pretrained(folder, attn_implementation="eager", dtype=torch.float64)
        cases = []
        for reaction in REACTIONS:
            cases.append(pathlib.Path(scratch, str(len(cases))))
            cases[-1].mkdir()
            for name in ("config.json", "model.safetensors"):
                (cases[-1] / name).symlink_to(folder / name)
            ids = torch.tensor([atom_mapping.read(folder, reaction)[1]])
            with torch.no_grad():
                made = model.eval()(input_ids=ids, output_attentions=True)
            expect = {"input.input_ids": ids.numpy(), "input.attention_mask": np.ones_like(ids)}
            expect["expect.last_hidden_state"] = made.last_hidden_state.numpy()
            expect["expect.pooler_output"] = made.pooler_output.numpy()
            for layer, maps in enumerate(made.attentions):
                expect[f"expect.attentions.{layer}"] = np.ascontiguousarray(maps.numpy())
            assert len(made.attentions) == 12 and made.attentions[0].shape[1] == 8
            metadata = {"architecture": "AlbertModel"}
            safetensors.numpy.save_file(expect, cases[-1] / "expect.safetensors", metadata=metadata)
        golden = [BUILD / "tests" / "golden", *cases]
        done = subprocess.run(golden, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        print(f"rxnmapper, {len(cases)} reactions in float and double: {done.stdout.strip()}")
        assert done.returncode == 0 and done.stdout.rstrip().endswith(f"{2 * len(cases)} passed, 0 failed")


def test_atom_mapping_page(wheels):
    """The command of examples/atom_mapping.md prints what the page shows."""
    page = (ROOT / "examples" / "atom_mapping.md").read_text(encoding="utf-8")
    reaction, shown = re.search(r"^```text\n\$ [^`]*?'(.*)'\n([^`]*)^```$", page, re.M).groups()
    printed = io.StringIO()
    with tempfile.TemporaryDirectory() as scratch, contextlib.redirect_stdout(printed):
        atom_mapping.main(str(converted(wheels / RXNMAPPER, scratch)), reaction)
    assert printed.getvalue().rstrip() == shown.rstrip(), printed.getvalue()


def anarcii_in_pytorch(wheels, sequence, numbers):
    """Logits and per-head maps of anarcii's own classes, in double."""
    sys.path.insert(0, str(wheels / "anarcii" / "inference"))
    import model as classes

    state = torch.load(
        wheels / "anarcii/models/antibody/antibody_4_2_128_512.pt", map_location="cpu", weights_only=True
    )
    encoder = classes.Encoder(25, 128, 2, 4, 512, 0, "cpu")
    decoder = classes.Decoder(136, 128, 2, 4, 512, 0, "cpu")
    model = classes.S2S(encoder, decoder, 0, 0, "cpu")
    model.load_state_dict(state)
    model.double().eval()
    maps = {}
    for name, attention in model.named_modules():
        if isinstance(attention, torch.nn.MultiheadAttention):
            forward = attention.forward
            attention.forward = lambda *a, forward=forward, **k: forward(*a, **{**k, "average_attn_weights": False})
            attention.register_forward_hook(lambda _, args, out, name=name: maps.update({name: out[1].numpy()[0]}))
    with torch.no_grad(), contextlib.redirect_stdout(io.StringIO()):
        logits, _ = model(torch.tensor([sequence]), torch.tensor([numbers]))
    return logits[0].numpy(), maps


def test_model_of_your_own(wheels):
    """The code of examples/model_of_your_own.md on the trained weights: logits and all maps to 1e-11."""
    state = wheels / "anarcii/models/antibody/antibody_4_2_128_512.pt"
    with tempfile.TemporaryDirectory() as scratch:
        to_safetensors.convert(str(state), f"{scratch}/anarcii.safetensors", say=lambda *_: None)
        section = ["bash", ROOT / "tests/pages/check.sh", "section", BUILD / "tests/pages.dir/pages", "examples/model_of_your_own.md"]
        done = subprocess.run(section, cwd=scratch, stdout=subprocess.PIPE, text=True)
        assert done.returncode == 0, done.stdout
        ours = np.load(f"{scratch}/maps.npz")
        picture = pathlib.Path(scratch, "anarcii.svg").read_text(encoding="utf-8")
    alphabet = ["<PAD>", "<SOS>", "<EOS>", "<SKIP>", *"ACDEFGHIKLMNPQRSTVWXY"]
    page = (ROOT / "examples" / "model_of_your_own.md").read_text(encoding="utf-8")
    letters = re.search(r'residues = "([A-Z]+)"', page)[1]
    shown = re.search(r"^```text\n([^`]*)^```$", page, re.M)[1]
    assert done.stdout.split() == shown.split(), done.stdout
    assert picture == (ROOT / "examples" / "images" / "anarcii.svg").read_text(encoding="utf-8"), "another picture"
    sequence = [1, *map(alphabet.index, letters), 2]
    logits, maps = anarcii_in_pytorch(wheels, sequence, ours["numbers"].tolist())
    worst = np.abs(ours["logits"] - logits).max() / max(1, np.abs(logits).max())
    kinds = {"encoder": "encoder.layers.%d.self_attention.multihead_attn"}
    kinds["decoder"] = "decoder.layers.%d.self_attention.multihead_attn"
    kinds["cross"] = "decoder.layers.%d.encoder_attention.multihead_attn"
    for kind, name in kinds.items():
        for layer in range(2):
            worst = max(worst, np.abs(ours[f"{kind}/{layer}"] - maps[name % layer]).max())
    print(f"anarcii: logits and {len(maps)} x 4 maps, largest error {worst:.2g}")
    assert len(maps) == 6 and worst <= 1e-11


def main(arguments):
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    return runner.run(globals(), pathlib.Path(arguments[0]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
