#!/usr/bin/env python3
"""Golden cases of GPT-2 whose scores have another scale than 1 / sqrt(D); the form of the other models' cases.

    python3 tests/golden/gpt2_scales.py      (torch, transformers): writes tests/golden/models/gpt2_2 and gpt2_3

Random weights in float32; everything expected is computed from them in double precision, attention in Transformers' eager
form. gpt2_2 also has a search whose probabilities are made to sum to 1 again after words were banned: scores that teacher
forcing cannot repeat.
"""

import json
import pathlib

import torch
from safetensors.torch import save_file
from transformers import GenerationConfig, GPT2Config, GPT2LMHeadModel

FOLDER = pathlib.Path(__file__).resolve().parent / "models"
GREEDY = {"num_beams": 1, "max_new_tokens": 9}
BEAMS = {"num_beams": 3, "num_return_sequences": 3, "length_penalty": 0.6, "max_new_tokens": 9}
BANNED = {**BEAMS, "renormalize_logits": True, "no_repeat_ngram_size": 1}
CASES = {
    "gpt2_2": ({"scale_attn_weights": False}, {"greedy": GREEDY, "beam3": BEAMS, "beam3_renormalized": BANNED}),
    "gpt2_3": ({"scale_attn_by_inverse_layer_idx": True}, {"greedy": GREEDY, "beam3": BEAMS}),
}


def make(name, options, generate):
    config = GPT2Config(vocab_size=61, n_positions=32, n_embd=8, n_layer=3, n_head=2, bos_token_id=0, eos_token_id=0,
                        pad_token_id=0, attn_implementation="eager", **options)  # fmt: skip
    model = GPT2LMHeadModel(config).eval()
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            norm = ".ln_" in key and key.endswith("weight")
            parameter.copy_(torch.randn_like(parameter) * 0.5 + (1 if norm else 0))
    model.save_pretrained(FOLDER / name)
    model = model.double()
    ids = torch.randint(1, 61, (3, 9))
    mask = torch.ones_like(ids)
    mask[2, 6:] = 0
    with torch.no_grad():
        result = model(input_ids=ids, attention_mask=mask, output_attentions=True)
    tensors = {"input.input_ids": ids, "input.attention_mask": mask, "expect.logits": result.logits}
    for layer, weights in enumerate(result.attentions):
        tensors[f"expect.attentions.{layer}"] = weights
    base = model.generation_config.to_dict()
    for label, rules in generate.items():
        model.generation_config = GenerationConfig.from_dict({**base, **rules})
        found = model.generate(input_ids=ids[:1], return_dict_in_generate=True, output_scores=True)
        tensors[f"expect.generate.{label}.sequences"] = found.sequences
        if rules["num_beams"] > 1:
            tensors[f"expect.generate.{label}.sequences_scores"] = found.sequences_scores.double()
    metadata = {"architecture": "GPT2LMHeadModel", "generate": json.dumps(generate)}
    save_file({key: value.contiguous() for key, value in tensors.items()}, FOLDER / name / "expect.safetensors", metadata)


if __name__ == "__main__":
    torch.manual_seed(5)
    for name, (options, generate) in CASES.items():
        make(name, options, generate)
