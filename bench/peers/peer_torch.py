"""Times PyTorch: nn.TransformerEncoder, or scaled dot product attention alone; see --help."""

import common

arguments = common.parse_arguments(__doc__, ["encoder", "attention"])
try:
    import numpy
    import torch
except ImportError as missing:
    common.not_installed("torch", missing)

torch.set_num_threads(arguments.threads)
torch.set_grad_enabled(False)


def make_encoder():
    layer = torch.nn.TransformerEncoderLayer(
        arguments.d_model,
        arguments.nhead,
        arguments.dim_feedforward,
        activation="relu",
        batch_first=True,
        norm_first=False,
    )
    encoder = torch.nn.TransformerEncoder(layer, arguments.num_layers).eval()
    encoder.load_state_dict(
        {name: torch.from_numpy(value) for name, value in common.encoder_weights(arguments).items()}
    )
    return encoder


def keep_weights(encoder):
    """Replaces each layer's _sa_block by one that asks for per-head weights: what people do to see them."""
    maps = []

    def patch(layer):
        def sa_block(x, attn_mask, key_padding_mask, is_causal=False):
            output, weights = layer.self_attn(
                x,
                x,
                x,
                attn_mask=attn_mask,
                key_padding_mask=key_padding_mask,
                is_causal=is_causal,
                need_weights=True,
                average_attn_weights=False,
            )
            maps.append(weights)
            return layer.dropout1(output)

        layer._sa_block = sa_block

    for layer in encoder.layers:
        patch(layer)
    return maps


def fast_path_layers(call):
    """How many layers of one call go through PyTorch's fast path."""
    original, count = torch._transformer_encoder_layer_fwd, [0]

    def counted(*words, **named):
        count[0] += 1
        return original(*words, **named)

    torch._transformer_encoder_layer_fwd = counted
    try:
        call()
    finally:
        torch._transformer_encoder_layer_fwd = original
    return count[0]


def encoder_with_maps():
    torch.backends.mha.set_fastpath_enabled(False)
    encoder, x = make_encoder(), torch.from_numpy(common.encoder_input(arguments))
    maps = keep_weights(encoder)

    def call():
        maps.clear()
        return encoder(x), maps

    return call


def attention_with_maps():
    q, k, v = map(torch.from_numpy, common.attention_inputs(arguments))
    scale, bias = q.shape[-1] ** -0.5, None
    if arguments.causal:
        bias = torch.full((q.shape[-2], k.shape[-2]), float("-inf")).triu(1)

    def call():
        scores = (q * scale) @ k.transpose(-1, -2)
        weights = torch.softmax(scores if bias is None else scores.add_(bias), -1)
        return weights @ v, [weights]

    return call


def with_maps():
    return encoder_with_maps() if arguments.work == "encoder" else attention_with_maps()


def write_reference(path):
    output, maps = with_maps()()
    numpy.savez(path, output=output.numpy(), maps=common.sampled_rows(torch.stack(maps)).numpy())


def prepare(name, keeps_maps, fast_path):
    if keeps_maps:
        call = with_maps()

        def check():
            output, maps = call()
            return common.error_against(common.reference(arguments), output.numpy(), torch.stack(maps).numpy())

        return call, check
    if arguments.work == "encoder":
        torch.backends.mha.set_fastpath_enabled(fast_path)
        encoder, x = make_encoder(), torch.from_numpy(common.encoder_input(arguments))

        def call():
            return encoder(x)

        if fast_path and (taken := fast_path_layers(call)) != arguments.num_layers:
            raise RuntimeError(f"only {taken} of {arguments.num_layers} layers took the fast path")
    else:
        q, k, v = map(torch.from_numpy, common.attention_inputs(arguments))

        def call():
            return torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=arguments.causal)

    return call, lambda: common.error_against(common.reference(arguments), call().numpy())


if arguments.write_reference:
    write_reference(arguments.write_reference)
else:
    if arguments.work == "encoder":
        variants = {"fast_path": (False, True), "no_fast_path": (False, False), "need_weights": (True, None)}
    else:
        variants = {"sdpa": (False, None), "explicit": (True, None)}
    with common.cache_folder(arguments):
        common.run_variants(arguments, "torch", torch.__version__, {"grad": False}, variants, prepare)
