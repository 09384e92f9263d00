"""The cases tests/golden/families/{vit_0,m2m_100_0} as Transformers would have them in double precision throughout.

ViT's attention is softmax(scores, dtype=float32) and M2M100's sinusoids are float sines by whatever library PyTorch was
built with, so their cases are only as exact as float. Here the softmax is double, and the sines are the floats nearest to
the true ones; everything else is Transformers' own. Writes tests/golden/double/NAME.

    python3 tests/golden/double_reference.py         (from the repository; torch, transformers, safetensors, numpy)
"""
import pathlib
import shutil

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from transformers import M2M100ForConditionalGeneration, ViTModel

families = pathlib.Path("tests/golden/families")


def expectations(name):
    with safe_open(families / name / "expect.safetensors", "pt") as file:
        return {key: file.get_tensor(key) for key in file.keys()}, file.metadata()


def write(name, tensors, metadata):
    folder = families.parent / "double" / name
    folder.mkdir(parents=True, exist_ok=True)
    for file in ("config.json", "model.safetensors", "generation_config.json"):
        if (families / name / file).exists():
            shutil.copy(families / name / file, folder / file)
    save_file({key: value.contiguous() for key, value in tensors.items()}, folder / "expect.safetensors",
              {**metadata, "double": "true"})


def vit(name):
    tensors, metadata = expectations(name)
    model = ViTModel.from_pretrained(families / name, dtype=torch.float64, attn_implementation="eager").eval()
    softmax = torch.nn.functional.softmax
    torch.nn.functional.softmax = lambda x, dim=None, dtype=None: softmax(x, dim=dim)
    with torch.no_grad():
        out = model(pixel_values=tensors["input.pixel_values"].double(), output_attentions=True)
    torch.nn.functional.softmax = softmax
    made = {"last_hidden_state": out.last_hidden_state, "pooler_output": out.pooler_output}
    made |= {f"attentions.{i}": a for i, a in enumerate(out.attentions)}
    write(name, tensors | {f"expect.{key}": value for key, value in made.items()}, metadata)


def nearest_sines(weights, padding):
    positions, width = weights.shape
    half = width // 2
    rate = torch.exp(torch.arange(half).float() * -(np.log(10000) / (half - 1)))
    turns = (torch.arange(positions).float()[:, None] * rate[None, :]).numpy().astype(np.float64)
    table = np.concatenate([np.sin(turns), np.cos(turns)], 1).astype(np.float32)
    table[padding] = 0
    return torch.from_numpy(table).to(weights.dtype)


def m2m_100(name):
    tensors, metadata = expectations(name)
    model = M2M100ForConditionalGeneration.from_pretrained(families / name, dtype=torch.float64,
                                                           attn_implementation="eager").eval()
    for side in (model.model.encoder, model.model.decoder):
        side.embed_positions.weights = nearest_sines(side.embed_positions.weights, model.config.pad_token_id)
    inputs = {key: tensors[f"input.{key}"] for key in ("input_ids", "attention_mask", "decoder_input_ids")}
    with torch.no_grad():
        out = model(**inputs, output_attentions=True)
    made = {"logits": out.logits, "encoder_last_hidden_state": out.encoder_last_hidden_state}
    for kind in ("encoder_attentions", "decoder_attentions", "cross_attentions"):
        made |= {f"{kind}.{i}": a for i, a in enumerate(out[kind])}
    write(name, tensors | {f"expect.{key}": value for key, value in made.items()}, metadata)


vit("vit_0")
m2m_100("m2m_100_0")
