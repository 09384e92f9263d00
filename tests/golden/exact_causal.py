"""More cases of Llama and its kind, and of T5, in double precision throughout: tests/golden/exact/NAME.

    python3 tests/golden/exact_causal.py       (from the repository; torch, transformers, safetensors, numpy)

Transformers computes their softmaxes, norms and rotary angles in float whatever the model's type, so their cases in
tests/golden/families are only as exact as float. Here softmaxes and norms are double, cos and sin are the floats nearest
to those of the same float angles, and T5's buckets are those of the float logarithm; everything else is Transformers' own.
Names that tests/golden/families has too have its weights; the others have random ones and the options that those lack.
"""
import contextlib
import json
import pathlib
import shutil

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from transformers import (AutoModelForCausalLM, AutoModelForSeq2SeqLM, GPTNeoXConfig, LlamaConfig, MistralConfig,
                          Qwen2Config, Qwen3Config)  # fmt: skip
from transformers.models.t5.modeling_t5 import T5Attention

golden = pathlib.Path("tests/golden")
GENERATE = {"greedy": {"num_beams": 1, "max_new_tokens": 9},
            "beam3": {"num_beams": 3, "num_return_sequences": 3, "length_penalty": 0.6, "max_new_tokens": 9}}


@contextlib.contextmanager
def double_parts():
    """torch.float32 is torch.float64 where a model asks for it by name, and x.float() is x."""
    softmax, float_, to = torch.nn.functional.softmax, torch.Tensor.float, torch.Tensor.to
    torch.nn.functional.softmax = lambda x, dim=None, dtype=None, **_: softmax(x, dim=dim)
    torch.Tensor.float = lambda x: x if x.dtype == torch.float64 else float_(x)
    torch.Tensor.to = lambda x, *a, **k: (x if x.dtype == torch.float64 and torch.float32 in (*a, *k.values())
                                          else to(x, *a, **k))
    try:
        yield
    finally:
        torch.nn.functional.softmax, torch.Tensor.float, torch.Tensor.to = softmax, float_, to


def nearest_rotary(module):
    frequencies, scale = module.inv_freq.numpy().astype(np.float32), np.float32(module.attention_scaling)

    def forward(x, position_ids, *_, **__):
        angles = position_ids.numpy().astype(np.float32)[..., None] * frequencies
        turns = np.concatenate([angles, angles], -1).astype(np.float64)
        return tuple(torch.from_numpy(f(turns).astype(np.float32) * scale).double() for f in (np.cos, np.sin))

    module.forward = forward


def loaded(folder, auto):
    model = auto.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    for path, module in model.named_modules():
        if path.endswith("rotary_emb"):
            nearest_rotary(module)
    return model.double()


def write(name, tensors, metadata):
    save_file({key: value.contiguous() for key, value in tensors.items()}, golden / "exact" / name / "expect.safetensors",
              {**metadata, "double": "true"})


def copied(name):
    folder = golden / "exact" / name
    folder.mkdir(parents=True, exist_ok=True)
    for file in ("config.json", "model.safetensors", "generation_config.json"):
        shutil.copy(golden / "families" / name / file, folder / file)
    with safe_open(golden / "families" / name / "expect.safetensors", "pt") as file:
        return {key: file.get_tensor(key) for key in file.keys()}, file.metadata()


def maps(out, *kinds):
    return {f"expect.{kind}.{layer}": attention for kind in kinds for layer, attention in enumerate(out[kind])}


def causal(name):
    tensors, metadata = copied(name)
    model = loaded(golden / "exact" / name, AutoModelForCausalLM)
    with torch.no_grad(), double_parts():
        out = model(tensors["input.input_ids"], output_attentions=True)
    write(name, tensors | {"expect.logits": out.logits} | maps(out, "attentions"), metadata)


def made(name, config):
    torch.manual_seed(sum(map(ord, name)))
    folder = golden / "exact" / name
    config.bos_token_id, config.eos_token_id, config.pad_token_id = 0, 1, 2
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager")
    for parameter in model.parameters():
        parameter.data = torch.randn_like(parameter) * (0.4 if parameter.dim() > 1 else 0.2)
    for path, module in model.named_modules():
        if "norm" in path:
            module.weight.data += 1
    model.save_pretrained(folder)
    ids = torch.randint(3, config.vocab_size, (1, 11))
    model = loaded(folder, AutoModelForCausalLM)
    with torch.no_grad(), double_parts():
        out = model(ids, output_attentions=True)
        tensors = {"input.input_ids": ids, "expect.logits": out.logits, **maps(out, "attentions")}
        for label, options in GENERATE.items():
            found = model.generate(ids, **options, return_dict_in_generate=True, output_scores=True)
            tensors[f"expect.generate.{label}.sequences"] = found.sequences
            if options["num_beams"] > 1:
                tensors[f"expect.generate.{label}.sequences_scores"] = found.sequences_scores
    write(name, tensors, {"architecture": type(model).__name__, "generate": json.dumps(GENERATE)})


def t5(name):
    tensors, metadata = copied(name)
    model = loaded(golden / "exact" / name, AutoModelForSeq2SeqLM)
    bucket, buckets = T5Attention._relative_position_bucket, {}

    def float_bucket(relative_position, **options):
        key = (tuple(relative_position.shape), tuple(relative_position.flatten().tolist()), tuple(options.items()))
        return buckets.setdefault(key, bucket(relative_position, **options))

    inputs = {key: tensors[f"input.{key}"] for key in ("input_ids", "attention_mask", "decoder_input_ids")}
    T5Attention._relative_position_bucket = staticmethod(float_bucket)
    with torch.no_grad():
        model(**inputs)  # the buckets, in float
        with double_parts():
            out = model(**inputs, output_attentions=True)
    T5Attention._relative_position_bucket = staticmethod(bucket)
    states = {"expect.logits": out.logits, "expect.encoder_last_hidden_state": out.encoder_last_hidden_state}
    write(name, tensors | states | maps(out, "encoder_attentions", "decoder_attentions", "cross_attentions"), metadata)


for one in ("llama_1", "mistral_0", "qwen2_0", "qwen3_0", "gemma2_0", "gpt_neox_0", "gpt_neox_1"):
    causal(one)
for one in ("t5_0", "t5_1"):
    t5(one)
small = dict(vocab_size=41, hidden_size=24, intermediate_size=20, num_hidden_layers=2, num_attention_heads=4)
made("llama_yarn", LlamaConfig(**small, num_key_value_heads=2, mlp_bias=True, max_position_embeddings=64, head_dim=10,
                               rope_parameters={"rope_type": "yarn", "rope_theta": 1000.0, "factor": 4.0,
                                                "original_max_position_embeddings": 16}))
made("llama_linear", LlamaConfig(**small, attention_bias=True, hidden_act="gelu_new", tie_word_embeddings=True,
                                 rope_parameters={"rope_type": "linear", "rope_theta": 500.0, "factor": 2.5}))
made("mistral_window", MistralConfig(**small, num_key_value_heads=1, sliding_window=3))
made("qwen2_window", Qwen2Config(**{**small, "num_hidden_layers": 3}, num_key_value_heads=2, use_sliding_window=True,
                                 sliding_window=4, max_window_layers=1))
made("qwen3_bias", Qwen3Config(**small, num_key_value_heads=2, head_dim=6, attention_bias=True))
made("gpt_neox_rotary", GPTNeoXConfig(**small, attention_bias=False,
                                      rope_parameters={"rope_type": "default", "rope_theta": 10000.0,
                                                       "partial_rotary_factor": 1.0}))
