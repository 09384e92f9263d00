"""Masks by names that say their sense, as in C++ (examples/masks.md)."""

from __future__ import annotations

from typing import Any, Optional, Tuple

import numpy as np

from . import _arrays
from ._core import Error

_CAUSAL, _WINDOW, _KEY_LENGTHS, _KEY_FLAGS, _KEEP_MATRIX, _BIAS, _KEY_BIAS = range(7)
Part = Tuple[int, bool, int, int, int, Optional[np.ndarray]]
_LONGEST = 1 << 40


class Mask:
    """Who may attend to whom. Masks are joined by ``&``: a key must be allowed by each, biases add.

    >>> causal() & key_lengths([3, 5])
    Mask(causal & key_lengths)
    """

    __slots__ = ("parts",)
    parts: Tuple[Part, ...]

    def __init__(self, parts: Tuple[Part, ...]) -> None:
        self.parts = parts

    def __and__(self, other: "Mask") -> "Mask":
        if not isinstance(other, Mask):
            return NotImplemented
        return Mask(self.parts + other.parts)

    def __repr__(self) -> str:
        names = ("causal", "window", "key_lengths", "key_flags", "keep_matrix", "additive_bias", "key_bias")
        return f"Mask({' & '.join(names[part[0]] for part in self.parts)})"


def _whole(value: Any, name: str, least: int = -_LONGEST) -> int:
    try:
        number = value.__index__()
    except AttributeError:
        raise Error(f"{name} is {type(value).__name__} and must be a whole number") from None
    if not least <= number <= _LONGEST:
        raise Error(f"{name} is {number}, which is no length")
    return int(number)


def causal(offset: int = 0) -> Mask:
    """Key j is seen by query i if j <= i + offset."""
    return Mask(((_CAUSAL, True, _whole(offset, "offset"), -1, -1, None),))


def window(left: Optional[int] = None, right: Optional[int] = None, offset: int = 0) -> Mask:
    """Keys from `left` before to `right` behind the query's own position, i + offset; None: no bound on that side."""
    left_bound = -1 if left is None else _whole(left, "left", 0)
    right_bound = -1 if right is None else _whole(right, "right", 0)
    return Mask(((_WINDOW, True, _whole(offset, "offset"), left_bound, right_bound, None),))


def key_lengths(lengths: Any) -> Mask:
    """Sequence b has lengths[b] keys: (B,) whole numbers from 0 to S."""
    return Mask(((_KEY_LENGTHS, True, 0, -1, -1, _arrays.indices(lengths, "lengths").reshape(-1)),))


def additive_bias(bias: Any) -> Mask:
    """Numbers added to the scores after the scale, (T, S), (B * H, T, S) or (B, H, T, S); -inf masks the key."""
    return Mask(((_BIAS, True, 0, -1, -1, _biases(bias, "bias")),))


def from_torch_attn_mask(mask: Any) -> Mask:
    """attn_mask of nn.MultiheadAttention, mask or src_mask of nn.Transformer's parts: (T, S) or (B * H, T, S).

    True means that the key is NOT attended; floating numbers are added to the scores.
    """
    array = _arrays.as_array(mask, "mask")
    if array.dtype.kind == "f":
        return additive_bias(array)
    return Mask(((_KEEP_MATRIX, False, 0, -1, -1, _truths(array, "mask")),))


def from_torch_sdpa_mask(mask: Any) -> Mask:
    """attn_mask of torch.nn.functional.scaled_dot_product_attention: (T, S) or (B, H, T, S), an extent of 1 broadcasts.

    True means that the key is attended; floating numbers are added to the scores.
    """
    array = _arrays.as_array(mask, "mask")
    if array.dtype.kind == "f":
        return additive_bias(array)
    return Mask(((_KEEP_MATRIX, True, 0, -1, -1, _truths(array, "mask")),))


def from_torch_key_padding_mask(mask: Any) -> Mask:
    """key_padding_mask of nn.MultiheadAttention and nn.Transformer's parts: (B, S).

    True means that the key is NOT attended; floating numbers are added to the scores.
    """
    array = _arrays.as_array(mask, "key_padding_mask")
    if array.dtype.kind != "f":
        return Mask(((_KEY_FLAGS, False, 0, -1, -1, _truths(array, "key_padding_mask")),))
    return Mask(((_KEY_BIAS, True, 0, -1, -1, _biases(array, "key_padding_mask")),))


def from_hf_attention_mask(mask: Any) -> Mask:
    """attention_mask of Transformers, (B, S): 1 (or True) means that the key is attended."""
    return Mask(((_KEY_FLAGS, True, 0, -1, -1, _arrays.flags(mask, "attention_mask")),))


def _truths(array: np.ndarray, name: str) -> np.ndarray:
    """Whole numbers are refused, as PyTorch does: 1 is a key that is attended in Transformers' masks."""
    if array.dtype.kind != "b":
        raise Error(
            f"{name} is {array.dtype} and must be bool or floating; where 1 means attended, say "
            "vitrine.from_hf_attention_mask(mask)"
        )
    return _arrays.flags(array, name)


def truth(value: Any, name: str) -> bool:
    """One truth value."""
    if isinstance(value, (bool, np.bool_)) or (isinstance(value, (int, np.integer)) and value in (0, 1)):
        return bool(value)
    raise Error(f"{name} is {value!r} and must be True or False")


def number(value: Any, name: str) -> float:
    """One number."""
    try:
        return float(value)
    except (TypeError, ValueError):
        raise Error(f"{name} is {value!r} and must be a number") from None


def _biases(value: Any, name: str) -> np.ndarray:
    array = _arrays.as_array(value, name)
    if array.dtype.kind != "f":
        raise Error(f"{name} is {array.dtype} and must be floating")
    return array


def given(mask: Any, name: str) -> Mask:
    """A mask argument: a Mask, or floating numbers. Truth values do not say their sense, and are refused."""
    if isinstance(mask, Mask):
        return mask
    array = _arrays.as_array(mask, name)
    if array.dtype.kind == "f":
        return additive_bias(array)
    raise Error(
        f"{name} is a bare {array.dtype} array, which does not say whether True means attended; say "
        "vitrine.from_torch_attn_mask(mask) (True: NOT attended, as in PyTorch's layers) or "
        "vitrine.from_torch_sdpa_mask(mask) (True: attended, as in PyTorch's scaled_dot_product_attention)"
    )


def prepared(parts: Tuple[Part, ...], dtype: np.dtype) -> Tuple[Part, ...]:
    """The parts with biases of the module's own type."""
    return tuple(
        part[:5] + (_arrays.contiguous(_arrays.floats(part[5], "bias", dtype)),)
        if part[0] in (_BIAS, _KEY_BIAS)
        else part
        for part in parts
    )
