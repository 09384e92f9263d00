"""More cases of families, in double precision throughout: tests/golden/exact/NAME, the form of the other models' cases.

    python3 tests/golden/exact_families.py       (from the repository; torch, transformers, safetensors, numpy)

ViT's attention is softmax(scores, dtype=float32) and M2M100's sinusoids are float sines by whatever library PyTorch was
built with, so their cases in tests/golden/families are only as exact as float. Here the softmax is double, and the sines
are the floats nearest to the true ones; everything else is Transformers' own. vit_0 and m2m_100_0 have the weights of
tests/golden/families; the others have random ones and the options that those cases lack: groups of several layers,
padding ids in front and between, a forced first id, patches that are no squares, biases, another width of the pooler.
"""
import json
import pathlib
import shutil

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from transformers import (AlbertConfig, AlbertModel, GenerationConfig, M2M100Config, M2M100ForConditionalGeneration,
                          MBartConfig, MBartForConditionalGeneration, RobertaConfig, RobertaModel, ViTConfig, ViTModel,
                          XLMRobertaConfig, XLMRobertaModel)  # fmt: skip

golden = pathlib.Path("tests/golden")
GENERATE = {"greedy": {"num_beams": 1, "max_new_tokens": 9},
            "beam3": {"num_beams": 3, "num_return_sequences": 3, "length_penalty": 0.6, "max_new_tokens": 9}}
NLLB = {label: {**options, "forced_bos_token_id": 9} for label, options in GENERATE.items()}
softmax = torch.nn.functional.softmax
torch.nn.functional.softmax = lambda x, dim=None, dtype=None, **_: softmax(x, dim=dim)


def nearest_sines(weights, padding):
    positions, width = weights.shape
    half = width // 2
    rate = torch.exp(torch.arange(half).float() * -(np.log(10000) / (half - 1)))
    turns = (torch.arange(positions).float()[:, None] * rate[None, :]).numpy().astype(np.float64)
    table = np.concatenate([np.sin(turns), np.cos(turns), np.zeros((positions, width % 2))], 1).astype(np.float32)
    table[padding] = 0
    return torch.from_numpy(table).to(weights.dtype)


def loaded(folder, model_class):
    model = model_class.from_pretrained(folder, dtype=torch.float64, attn_implementation="eager").eval()
    if model_class is M2M100ForConditionalGeneration:
        for side in (model.model.encoder, model.model.decoder):
            side.embed_positions.weights = nearest_sines(side.embed_positions.weights, model.config.pad_token_id)
    return model


def expect(folder, model_class, inputs, generate):
    model = loaded(folder, model_class)
    with torch.no_grad():
        out = model(**{k: v.double() if v.is_floating_point() else v for k, v in inputs.items()}, output_attentions=True)
    tensors = {f"input.{key}": value for key, value in inputs.items()}
    encoder_decoder = "logits" in out
    for key in ("logits", "encoder_last_hidden_state") if encoder_decoder else ("last_hidden_state", "pooler_output"):
        tensors[f"expect.{key}"] = out[key]
    for kind in ("encoder_attentions", "decoder_attentions", "cross_attentions") if encoder_decoder else ("attentions",):
        for layer, attention in enumerate(out[kind]):
            tensors[f"expect.{kind}.{layer}"] = attention
    metadata = {"architecture": model_class.__name__, "double": "true"}
    if generate:
        metadata["generate"] = json.dumps(generate)
        sources = {key: inputs[key] for key in ("input_ids", "attention_mask")}
        for label, options in generate.items():
            made = model.generate(**sources, **options, do_sample=False, output_scores=True, return_dict_in_generate=True)
            tensors[f"expect.generate.{label}.sequences"] = made.sequences
            if options["num_beams"] > 1:
                tensors[f"expect.generate.{label}.sequences_scores"] = made.sequences_scores
    save_file({key: value.contiguous() for key, value in tensors.items()}, folder / "expect.safetensors", metadata)


def copied(name, model_class, generate):
    source, folder = golden / "families" / name, golden / "exact" / name
    folder.mkdir(parents=True, exist_ok=True)
    for file in source.iterdir():
        if file.name != "expect.safetensors":
            shutil.copy(file, folder)
    with safe_open(source / "expect.safetensors", "pt") as file:
        inputs = {key[6:]: file.get_tensor(key) for key in file.keys() if key.startswith("input.")}
    expect(folder, model_class, inputs, generate)


def made(name, model_class, config, inputs, generate=None):
    folder = golden / "exact" / name
    torch.manual_seed(len(name))
    model = model_class(config)
    for parameter in model.parameters():
        parameter.data = torch.randn_like(parameter) * (0.5 if parameter.dim() > 1 else 0.2)
    for module in model.modules():  # the embeddings' row of padding, which from_pretrained leaves as it is stored
        if isinstance(module, torch.nn.LayerNorm):
            module.weight.data += 1
    model.save_pretrained(folder)
    expect(folder, model_class, inputs, generate)


random = torch.Generator().manual_seed(1)
ids = torch.randint(5, 50, (4, 7), generator=random)
mask = torch.ones_like(ids)
for row, padded in enumerate(([], [0, 1], [5, 6], [])):
    ids[row, padded] = 1
    mask[row, padded] = 0
ids[3, 2] = ids[3, 4] = 1  # padding ids that the mask keeps
text = dict(vocab_size=50, hidden_size=12, num_attention_heads=3, intermediate_size=20, max_position_embeddings=16)
padded = {"input_ids": ids, "attention_mask": mask}

made("roberta_padded", RobertaModel, RobertaConfig(**text, num_hidden_layers=2, layer_norm_eps=1e-5), padded)
made("xlm_roberta_types", XLMRobertaModel, XLMRobertaConfig(**text, num_hidden_layers=1, hidden_act="relu"),
     {**padded, "token_type_ids": ids % 2})
made("albert_groups", AlbertModel,
     AlbertConfig(**text, embedding_size=5, num_hidden_layers=5, num_hidden_groups=2, inner_group_num=2),
     {**padded, "token_type_ids": ids % 2})
seq2seq = dict(vocab_size=50, encoder_layers=2, decoder_layers=2, encoder_ffn_dim=20, decoder_ffn_dim=28,
               encoder_attention_heads=3, decoder_attention_heads=2, max_position_embeddings=16)
targets = torch.cat([torch.full((4, 1), 2), torch.randint(5, 50, (4, 4), generator=random)], 1)
targets[1, 2] = 1
made("nllb_padded", M2M100ForConditionalGeneration, M2M100Config(**seq2seq, d_model=18),
     {**padded, "decoder_input_ids": targets}, NLLB)
behind = {"input_ids": ids[[0, 2]], "attention_mask": mask[[0, 2]], "decoder_input_ids": targets[[0, 2]]}
made("mbart_relu", MBartForConditionalGeneration,
     MBartConfig(**seq2seq, d_model=12, activation_function="relu", decoder_start_token_id=3), behind, GENERATE)
made("vit_bias", ViTModel,
     ViTConfig(hidden_size=12, num_hidden_layers=2, num_attention_heads=3, intermediate_size=20, image_size=(13, 8),
               patch_size=(4, 2), num_channels=2, pooler_output_size=5, hidden_act="gelu_new", layer_norm_eps=1e-6),
     {"pixel_values": torch.randn(2, 2, 13, 8, generator=random)})
copied("vit_0", ViTModel, None)
copied("m2m_100_0", M2M100ForConditionalGeneration, GENERATE)
