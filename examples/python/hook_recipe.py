"""The attention maps of an nn.TransformerEncoder, TransformerDecoder or Transformer in plain PyTorch, with hooks."""

import torch
from torch import nn


def attention_maps(module, *inputs, **masks):
    """(output, maps): maps["layers.0.self_attn"] is (B, H, T, S), one for every nn.MultiheadAttention inside."""
    maps, handles = {}, []
    attentions = {name: part for name, part in module.named_modules() if isinstance(part, nn.MultiheadAttention)}

    def with_weights(forward):  # the layers hard-code need_weights=False
        return lambda *args, **kwargs: forward(*args, **{**kwargs, "need_weights": True, "average_attn_weights": False})

    for name, attention in attentions.items():
        attention.forward = with_weights(attention.forward)
        handles.append(
            attention.register_forward_hook(lambda _, args, output, name=name: maps.update({name: output[1]}))
        )
    fastpath, training = torch.backends.mha.get_fastpath_enabled(), module.training
    torch.backends.mha.set_fastpath_enabled(False)  # the fused path computes no weights
    module.eval()  # in training the weights are those after dropout
    try:
        with torch.no_grad():
            output = module(*inputs, **masks)
    finally:
        module.train(training)
        torch.backends.mha.set_fastpath_enabled(fastpath)
        for handle in handles:
            handle.remove()
        for attention in attentions.values():
            del attention.forward
    return output, maps
