"""vitrine: a transformer whose attention is on display.

>>> import numpy as np, vitrine
>>> encoder = vitrine.Encoder(d_model=64, nhead=4, num_layers=2).init(1)
>>> result = encoder(np.zeros((1, 5, 64), np.float32), src_mask=vitrine.causal())
>>> result.self_attn[0][0, 3].shape          # layer 0, sequence 0, head 3
(5, 5)

`load` opens a Hugging Face folder, `from_torch` a live PyTorch module. Errors are vitrine.Error, a ValueError.
"""

from __future__ import annotations

from typing import List, Tuple

from . import _core, corpus, inspect
from ._core import Error
from ._layers import (
    Decoder,
    DecoderLayer,
    Encoder,
    EncoderLayer,
    MultiheadAttention,
    Transformer,
    from_torch,
    scaled_dot_product_attention,
)
from ._masks import (
    Mask,
    additive_bias,
    causal,
    from_hf_attention_mask,
    from_torch_attn_mask,
    from_torch_key_padding_mask,
    from_torch_sdpa_mask,
    key_lengths,
    window,
)
from ._models import Model, Steps, load
from ._results import Hypothesis, Result, Statistics, Top, as_floats

__all__ = [
    "Decoder",
    "DecoderLayer",
    "Encoder",
    "EncoderLayer",
    "Error",
    "Hypothesis",
    "Mask",
    "Model",
    "MultiheadAttention",
    "Result",
    "Statistics",
    "Steps",
    "Top",
    "Transformer",
    "additive_bias",
    "as_floats",
    "build_info",
    "causal",
    "corpus",
    "from_hf_attention_mask",
    "from_torch",
    "from_torch_attn_mask",
    "from_torch_key_padding_mask",
    "from_torch_sdpa_mask",
    "inspect",
    "key_lengths",
    "load",
    "model_types",
    "scaled_dot_product_attention",
    "trim_heap",
    "window",
]


def build_info() -> str:
    """One line: the instruction set in use and those that this machine runs, the build, the threads."""
    return f"{_core.isa} (of {', '.join(_core.isas)}; VITRINE_ISA= chooses): {_core.build_info()}"


def model_types() -> List[str]:
    """The values of config.json's model_type that `load` opens."""
    return _core.model_types().split(", ")


def trim_heap() -> None:
    """Gives back to the system what released results, searches and models left for the next ones: on Linux at most
    256 MiB."""
    _core.trim_heap()
