"""Times llama.cpp (package xllamacpp) on a Llama model with random weights in f32, bf16 or int8 (Q8_0), a prompt and
exactly `--steps` steps; see --help."""

import os

import common

arguments = common.parse_arguments(__doc__, ["causal"], ["f32", "bf16", "int8"])
try:
    import gguf
    import numpy
    import xllamacpp
except ImportError as missing:
    common.not_installed("llama_cpp", missing)

STORED = {"f32": "F32", "bf16": "BF16", "int8": "Q8_0"}[arguments.weights]
NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
}


def tensor_name(name):
    """llama.cpp's name of a tensor of common.llama_weights."""
    name = name.removesuffix(".weight")
    if not name.startswith("model.layers."):
        return NAMES[name] + ".weight"
    layer, rest = name.removeprefix("model.layers.").split(".", 1)
    return f"blk.{layer}.{NAMES[rest]}.weight"


def interleaved(weight, heads):
    """Rows of a head as llama.cpp rotates them: pairs of neighbours instead of halves."""
    return weight.reshape(heads, 2, -1, weight.shape[1]).swapaxes(1, 2).reshape(weight.shape)


def write_model(path):
    """Writes the weights of common.llama_weights as GGUF, with a vocabulary that only has to exist."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(arguments.prompt + arguments.steps + 1)
    writer.add_embedding_length(arguments.d_model)
    writer.add_block_count(arguments.num_layers)
    writer.add_feed_forward_length(arguments.dim_feedforward)
    writer.add_head_count(arguments.nhead)
    writer.add_head_count_kv(arguments.kv_heads)
    writer.add_rope_dimension_count(arguments.d_model // arguments.nhead)
    writer.add_rope_freq_base(10000.0)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_vocab_size(arguments.vocab)
    writer.add_tokenizer_model("llama")
    writer.add_token_list(["</s>", "<unk>"] + [f"t{i}" for i in range(2, arguments.vocab)])
    writer.add_token_scores([0.0] * arguments.vocab)
    kinds = [gguf.TokenType.CONTROL, gguf.TokenType.UNKNOWN]
    writer.add_token_types(kinds + [gguf.TokenType.NORMAL] * (arguments.vocab - 2))
    writer.add_eos_token_id(0)
    writer.add_unk_token_id(1)
    writer.add_add_bos_token(False)
    kind = gguf.GGMLQuantizationType[STORED]
    for name, weight in common.llama_weights(arguments).items():
        if "q_proj" in name or "k_proj" in name:
            weight = interleaved(weight, arguments.nhead if "q_proj" in name else arguments.kv_heads)
        if weight.ndim == 1 or STORED == "F32":
            writer.add_tensor(tensor_name(name), numpy.ascontiguousarray(weight))
        else:
            writer.add_tensor(tensor_name(name), gguf.quants.quantize(weight, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def prepare(name, keeps_maps, data):
    names = ("seed", "d_model", "nhead", "kv_heads", "dim_feedforward", "num_layers", "vocab", "prompt", "steps")
    key = "_".join(str(getattr(arguments, name)) for name in names)
    path = os.path.join(arguments.cache, f"llama_cpp_{key}_{arguments.weights}.gguf")
    if not os.path.exists(path):
        write_model(path)
    parameters = xllamacpp.CommonParams()
    parameters.model.path = path
    parameters.n_ctx = arguments.prompt + arguments.steps + 1
    parameters.n_batch = parameters.n_ubatch = arguments.prompt
    parameters.n_parallel = 1
    parameters.n_gpu_layers = 0
    if arguments.weights == "f32":  # Else its defaults: keys and values in f16, flash attention, which is 2e-3 off.
        parameters.cache_type_k = parameters.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
        parameters.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    for threads in (parameters.cpuparams, parameters.cpuparams_batch):
        threads.n_threads = arguments.threads
    server = xllamacpp.Server(parameters)
    (ids,) = common.llama_tokens(arguments).tolist()

    def complete(prompt, steps, **options):
        asked = {"prompt": prompt, "n_predict": steps, "temperature": 0.0, "ignore_eos": True, "cache_prompt": False}
        answer = server.handle_completions({**asked, **options})
        if "error" in answer:
            raise RuntimeError(str(answer["error"]))
        return answer

    def call():
        return complete(ids[: arguments.prompt], arguments.steps)

    def check():
        usage = call()["usage"]
        made = (usage["prompt_tokens"], usage["completion_tokens"], usage["prompt_tokens_details"]["cached_tokens"])
        if made != (arguments.prompt, arguments.steps, 0):
            raise RuntimeError(f"{made} ids read, made and read from a cache")
        expected = common.reference(arguments, "peer_transformers.py")
        if expected is None:
            return None
        error = 0.0  # of the likeliest ids' log-probabilities, after the prompt and after all but the last id
        for prompt, log_probs in zip((ids[: arguments.prompt], ids[:-1]), expected["log_probs"][0]):
            (first,) = complete(prompt, 1, n_probs=20)["choices"][0]["logprobs"]["content"]
            error = max([error] + [abs(one["logprob"] - log_probs[one["id"]]) for one in first["top_logprobs"]])
        return float(error)

    return call, check


settings = {"quantisation": STORED, "n_parallel": 1, "cache_prompt": False}
with common.cache_folder(arguments):
    common.run_variants(
        arguments, "llama_cpp", xllamacpp.__version__, settings, {"completion": (False, None)}, prepare
    )
