"""What every key of the configuration classes in Transformers does, one at a time: tests/io/family_keys/NAME.json.

    python3 tests/io/family_keys/make.py         (from the repository; torch, transformers, safetensors)

Each key of the class of tests/golden/families/NAME gets another value; `reference` is then "same" or "other", as the
model's output is, or "fails", and `output` the last values of another output. `here` says what vitrine does:
"honoured" (the same as the reference), "nothing" (the output stays) or "refused" (by name); that is written by hand
below, and tests/io/family_keys_test.cpp holds us to it.
"""
import dataclasses
import json
import pathlib
import shutil
import tempfile

import torch
import transformers
from safetensors.torch import load_file

families = pathlib.Path("tests/golden/families")
folder = pathlib.Path("tests/io/family_keys")

everywhere = {"transformers_version": "4.0.0", "architectures": None, "output_hidden_states": True, "return_dict": False,
              "dtype": "float16", "chunk_size_feed_forward": 3, "is_encoder_decoder": None, "id2label": {"0": "A"},
              "label2id": {"A": 0}, "problem_type": "regression", "use_cache": False, "tie_word_embeddings": False,
              "bos_token_id": 7, "eos_token_id": 8, "initializer_range": 0.5, "init_std": 0.5}
text = {"vocab_size": 50, "hidden_size": 4, "num_hidden_layers": 2, "num_attention_heads": 1, "intermediate_size": 12,
        "hidden_act": "relu", "hidden_dropout_prob": 0.5, "attention_probs_dropout_prob": 0.5,
        "max_position_embeddings": 16, "type_vocab_size": 3, "layer_norm_eps": 0.1, "pad_token_id": 3,
        "classifier_dropout": 0.5, "classifier_dropout_prob": 0.5, "is_decoder": True, "add_cross_attention": True,
        "embedding_size": 8, "num_hidden_groups": 2, "inner_group_num": 2}
seq2seq = {"vocab_size": 50, "max_position_embeddings": 16, "encoder_layers": 3, "decoder_layers": 2,
           "encoder_ffn_dim": 12, "decoder_ffn_dim": 12, "encoder_attention_heads": 1, "decoder_attention_heads": 1,
           "encoder_layerdrop": 0.9, "decoder_layerdrop": 0.9, "activation_function": "silu", "d_model": 8, "dropout": 0.5,
           "attention_dropout": 0.5, "activation_dropout": 0.5, "classifier_dropout": 0.5, "decoder_start_token_id": 3, "is_causal": False,
           "forced_eos_token_id": 3, "scale_embedding": False, "pad_token_id": 3, "is_decoder": True}
vit = {**text, "image_size": 8, "patch_size": 8, "num_channels": 1, "qkv_bias": True, "encoder_stride": 4,
       "pooler_output_size": 5, "pooler_act": "relu", "head_dim": 4}
causal = {"vocab_size": 50, "hidden_size": 16, "intermediate_size": 12, "num_hidden_layers": 1, "num_attention_heads": 2,
          "num_key_value_heads": 4, "hidden_act": "relu", "hidden_activation": "relu", "max_position_embeddings": 4,
          "rms_norm_eps": 0.1, "layer_norm_eps": 0.1, "pad_token_id": 3, "pretraining_tp": 2, "attention_bias": True,
          "attention_dropout": 0.5, "hidden_dropout": 0.5, "classifier_dropout": 0.5, "mlp_bias": True, "head_dim": 4,
          "rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 500.0}, "sliding_window": 2,
          "use_sliding_window": True, "max_window_layers": 1, "query_pre_attn_scalar": 4, "final_logit_softcapping": 1.0,
          "attn_logit_softcapping": 0.5, "use_bidirectional_attention": True, "use_parallel_residual": False,
          "is_decoder": True, "tie_word_embeddings": True, "rope_scaling": {"rope_type": "dynamic", "factor": 2.0},
          "partial_rotary_factor": 0.25, "is_causal": False}
t5 = {"vocab_size": 50, "d_model": 16, "d_kv": 4, "d_ff": 12, "num_layers": 1, "num_decoder_layers": 2, "num_heads": 2,
      "relative_attention_num_buckets": 4, "relative_attention_max_distance": 5, "dropout_rate": 0.5,
      "layer_norm_epsilon": 0.1, "initializer_factor": 2.0, "feed_forward_proj": "relu", "pad_token_id": 3,
      "classifier_dropout": 0.5, "is_decoder": True, "is_causal": False, "scale_decoder_outputs": False,
      "tie_word_embeddings": False, "decoder_start_token_id": 3}
# Keys that classes read besides their own.
more = {"vit": ["head_dim"], "mbart": ["is_causal"], "m2m_100": ["is_causal"], "t5": ["is_causal", "scale_decoder_outputs"],
        "gpt_neox": ["partial_rotary_factor", "is_causal"], "llama": ["is_causal", "rope_scaling"],
        "mistral": ["is_causal", "layer_types"], "qwen2": ["is_causal"], "qwen3": ["is_causal"], "gemma2": ["is_causal"]}

causal_families = ("llama", "mistral", "qwen2", "qwen3", "gemma2", "gpt_neox")
honoured = {"vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "hidden_act",
            "max_position_embeddings", "type_vocab_size", "layer_norm_eps", "embedding_size", "num_hidden_groups",
            "inner_group_num", "encoder_layers", "decoder_layers", "encoder_ffn_dim", "decoder_ffn_dim",
            "encoder_attention_heads", "decoder_attention_heads", "activation_function", "d_model", "scale_embedding",
            "image_size", "patch_size", "num_channels", "qkv_bias", "pooler_output_size", "num_key_value_heads", "head_dim",
            "rms_norm_eps", "rope_parameters", "attention_bias", "mlp_bias", "sliding_window", "use_sliding_window",
            "max_window_layers", "layer_types", "hidden_activation", "query_pre_attn_scalar", "final_logit_softcapping",
            "attn_logit_softcapping", "use_parallel_residual", "d_kv", "d_ff", "num_layers", "num_decoder_layers", "num_heads",
            "relative_attention_num_buckets", "relative_attention_max_distance", "feed_forward_proj", "layer_norm_epsilon",
            "scale_decoder_outputs"}
honoured_in = {"pad_token_id": {"roberta", "xlm_roberta", "m2m_100"}, "tie_word_embeddings": {"mbart", "m2m_100"}}
refused = {"add_cross_attention", "pooler_act", "is_causal"}
refused_in = {"is_decoder": {"roberta", "xlm_roberta"}, "head_dim": {"vit"}, "is_encoder_decoder": {"t5"}}


def here(name, key):
    if key in refused or name in refused_in.get(key, ()):
        return "refused"
    return "honoured" if key in honoured or name in honoured_in.get(key, ()) else "nothing"


def run(path, name, inputs):
    config = transformers.AutoConfig.from_pretrained(path)
    config.return_dict = True
    model_class = {"mbart": transformers.MBartForConditionalGeneration,
                   "m2m_100": transformers.M2M100ForConditionalGeneration,
                   "t5": transformers.T5ForConditionalGeneration,
                   **dict.fromkeys(causal_families, transformers.AutoModelForCausalLM)}.get(name)
    model_class = model_class or transformers.AutoModel
    model, info = model_class.from_pretrained(path, config=config, dtype=torch.float64, attn_implementation="eager",
                                              output_loading_info=True)
    # (A model with parts that no file holds is as good as none, and Transformers would make them up.)
    missing = [one for one in info["missing_keys"] if "position_ids" not in one]
    if missing:
        raise ValueError(f"made up: {missing}")
    with torch.no_grad():
        return model.eval()(**inputs, return_dict=True)[0].flatten()


def make(case, values):
    name = case[:-2]
    inputs = {k[6:]: v for k, v in load_file(families / case / "expect.safetensors").items() if k.startswith("input.")}
    inputs = {k: v.double() if v.is_floating_point() else v for k, v in inputs.items()}
    config = json.loads((families / case / "config.json").read_text())
    own = run(families / case, name, inputs)
    config_class = type(transformers.AutoConfig.from_pretrained(families / case))
    lines = []
    for key in [field.name for field in dataclasses.fields(config_class)] + more.get(name, []):
        if key == "is_encoder_decoder":
            value = not config_class().is_encoder_decoder
        elif key == "layer_types":
            value = ["full_attention"] * (config["num_hidden_layers"] - 1) + ["sliding_attention"]
        else:
            value = {**everywhere, **values}[key]
        entry = {"key": key, "value": value, "here": here(name, key)}
        with tempfile.TemporaryDirectory() as changed:
            shutil.copy(families / case / "model.safetensors", changed)
            (pathlib.Path(changed) / "config.json").write_text(json.dumps({**config, key: value}))
            try:
                out = run(changed, name, inputs)
                same = out.shape == own.shape and torch.allclose(out, own, rtol=0, atol=1e-12)
                entry["reference"] = "same" if same else "other"
                if not same:
                    entry["output"] = out[-8:].tolist()
            except Exception as error:  # of any kind: what it says is Transformers' affair
                entry["reference"] = "fails"
                print(case, key, "fails:", str(error).splitlines()[0][:100])
        lines.append("  " + json.dumps(entry))
    (folder / f"{name}.json").write_text("[\n" + ",\n".join(lines) + "\n]\n")


for case in ("roberta_0", "xlm_roberta_0", "albert_0"):
    make(case, text)
make("mbart_0", seq2seq)
make("m2m_100_0", {**seq2seq, "max_position_embeddings": 4})  # less than the input has: the sinusoids go on
make("vit_0", vit)
for name in causal_families:
    make(f"{name}_0", causal)
make("t5_0", t5)
