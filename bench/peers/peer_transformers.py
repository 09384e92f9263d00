"""Times Transformers' generate on a MarianMTModel, or a LlamaForCausalLM, with random weights, exactly `--steps` steps; see --help."""

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

import common

arguments = common.parse_arguments(__doc__, ["decode", "causal"])
try:
    import numpy
    import torch
    import transformers
except ImportError as missing:
    common.not_installed("transformers", missing)

torch.set_num_threads(arguments.threads)
torch.set_grad_enabled(False)
END, PAD = 0, arguments.vocab - 1
CAUSAL = arguments.work == "causal"


def make_llama(attention):
    config = transformers.LlamaConfig(
        vocab_size=arguments.vocab,
        hidden_size=arguments.d_model,
        intermediate_size=arguments.dim_feedforward,
        num_hidden_layers=arguments.num_layers,
        num_attention_heads=arguments.nhead,
        num_key_value_heads=arguments.kv_heads,
        max_position_embeddings=arguments.prompt + arguments.steps + 1,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=END,
        pad_token_id=PAD,
    )
    config._attn_implementation = attention
    model = transformers.LlamaForCausalLM(config).eval()
    weights = {name: torch.from_numpy(value) for name, value in common.llama_weights(arguments).items()}
    missing, unexpected = model.load_state_dict(weights, strict=False)
    if unexpected or missing not in ([], ["lm_head.weight"]):
        raise RuntimeError(f"weights do not fit LlamaForCausalLM: {missing} {unexpected}")
    model.tie_weights()
    return model


def llama_ids():
    return torch.from_numpy(common.llama_tokens(arguments))


def make_model(attention):
    if CAUSAL:
        return make_llama(attention)
    config = transformers.MarianConfig(
        vocab_size=arguments.vocab,
        d_model=arguments.d_model,
        encoder_layers=arguments.num_encoder_layers,
        decoder_layers=arguments.num_decoder_layers,
        encoder_attention_heads=arguments.nhead,
        decoder_attention_heads=arguments.nhead,
        encoder_ffn_dim=arguments.dim_feedforward,
        decoder_ffn_dim=arguments.dim_feedforward,
        activation_function="swish",
        scale_embedding=True,
        max_position_embeddings=512,
        pad_token_id=PAD,
        decoder_start_token_id=PAD,
        eos_token_id=END,
        forced_eos_token_id=None,
    )
    config._attn_implementation = attention
    model = transformers.MarianMTModel(config).eval()
    weights = {name: torch.from_numpy(value) for name, value in common.marian_weights(arguments).items()}
    missing, unexpected = model.load_state_dict(weights, strict=False)
    tied = ("embed_tokens.weight", "embed_positions.weight", "lm_head.weight")
    if unexpected or any(not name.endswith(tied) for name in missing):
        raise RuntimeError(f"weights do not fit MarianMTModel: {missing} {unexpected}")
    model.tie_weights()
    return model


def score(model):
    """Log-probabilities of random targets, (B, steps + 1) followed by </s>, of a causal model (B, steps); in one call."""
    if CAUSAL:
        ids = llama_ids()
        logits = model(input_ids=ids).logits[:, arguments.prompt - 1 : -1]
        return torch.log_softmax(logits, -1).gather(-1, ids[:, arguments.prompt :, None])[..., 0].numpy()
    source, target = map(torch.from_numpy, common.marian_tokens(arguments))
    inputs = torch.cat([torch.full((arguments.batch, 1), PAD), target], 1)
    labels = torch.cat([target, torch.full((arguments.batch, 1), END)], 1)
    logits = model(input_ids=source, decoder_input_ids=inputs).logits
    return torch.log_softmax(logits, -1).gather(-1, labels[..., None])[..., 0].numpy()


def prepare(name, keeps_maps, attention):
    model = make_model(attention)
    source = llama_ids()[:, : arguments.prompt] if CAUSAL else torch.from_numpy(common.marian_tokens(arguments)[0])
    options = transformers.GenerationConfig(
        num_beams=arguments.beams,
        do_sample=False,
        min_new_tokens=arguments.steps,
        max_new_tokens=arguments.steps,
        output_attentions=keeps_maps,
        return_dict_in_generate=True,
        use_cache=True,
        pad_token_id=PAD,
        eos_token_id=END,
        decoder_start_token_id=None if CAUSAL else PAD,
    )
    mask = torch.ones_like(source)

    def call():
        return model.generate(source, attention_mask=mask, generation_config=options)

    def check():
        result = call()
        made = result.sequences.shape[1] - (arguments.prompt if CAUSAL else 1)
        if made != arguments.steps:
            raise RuntimeError(f"{made} steps instead of {arguments.steps}")
        if keeps_maps and len(result.attentions if CAUSAL else result.cross_attentions) != arguments.steps:
            raise RuntimeError("maps of some steps are missing")
        return float(numpy.abs(score(model) - common.reference(arguments, "peer_transformers.py")["output"]).max())

    return call, check


def write_reference(path):
    """The scores; of a causal model also all log-probabilities after the prompt and after all but the last id."""
    model = make_model("eager")
    arrays = {"output": score(model)}
    if CAUSAL:
        logits = model(input_ids=llama_ids()[:, :-1]).logits[:, [arguments.prompt - 1, -1]]
        arrays["log_probs"] = torch.log_softmax(logits, -1).numpy()
    numpy.savez(path, **arrays)


if arguments.write_reference:
    write_reference(arguments.write_reference)
else:
    variants = {"sdpa": (False, "sdpa"), "eager": (False, "eager"), "output_attentions": (True, "eager")}
    with common.cache_folder(arguments):
        common.run_variants(
            arguments,
            "transformers",
            transformers.__version__ + " on torch " + torch.__version__,
            {"grad": False},
            variants,
            prepare,
        )
