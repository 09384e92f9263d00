#!/usr/bin/env python3
"""One folder in vitrine and in Transformers: how far apart are the output and every map?

    python3 examples/python/beside_transformers.py FOLDER TEXT       (or ids: FOLDER 3 7 1)

Both compute in float, so up to about 1e-5 is rounding. Needs torch and transformers beside the package vitrine.
"""

import sys

import numpy as np
import torch
import transformers
import vitrine


def largest(ours: np.ndarray, theirs: "torch.Tensor") -> float:
    """The largest difference, relative where values are above 1."""
    expected = theirs.numpy()
    assert ours.shape == expected.shape, f"{ours.shape} here, {expected.shape} there"
    return float(np.abs(ours - expected).max() / max(1.0, np.abs(expected).max()))


def main(folder: str, *line: str) -> float:
    model = vitrine.load(folder)
    ids = [int(one) for one in line] if all(one.isdigit() for one in line) else model.encode_text(" ".join(line))
    classes = {"encoder": "AutoModel", "causal": "AutoModelForCausalLM", "seq2seq": "AutoModelForSeq2SeqLM"}
    reference = getattr(transformers, classes[model.kind]).from_pretrained(
        folder, attn_implementation="eager", dtype=torch.float32
    )
    call = {"input_ids": torch.tensor([ids]), "output_attentions": True, "return_dict": True}
    target = []
    if model.kind == "seq2seq":  # any target will do: here the source's beginning
        target = [reference.config.decoder_start_token_id or 0, *ids[:4]]
        call["decoder_input_ids"] = torch.tensor([target])
    with torch.no_grad():
        theirs = reference.eval()(**call)
    ours = model([ids], [target]) if target else model([ids])
    worst = largest(ours.output, theirs[0])
    print(f"output {ours.output.shape}: {worst:.1g}")
    for name in ("attentions", "encoder_attentions", "decoder_attentions", "cross_attentions"):
        maps = getattr(theirs, name, None) or ()
        if not maps:
            continue
        differences = [largest(one, other) for one, other in zip(getattr(ours, name), maps, strict=True)]
        print(f"{name}, {len(maps)} layers of {maps[0].shape[1]} heads: {max(differences):.1g}")
        worst = max(worst, *differences)
    return worst


if __name__ == "__main__":
    main(*sys.argv[1:])
