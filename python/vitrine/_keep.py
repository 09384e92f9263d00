"""keep=, layers=, heads= and which= as the core's Keep."""

from __future__ import annotations

from typing import Any, Dict, Iterable, Literal, Optional, Sequence, Tuple, Union

import numpy as np

from . import _arrays, _core
from ._core import Error

Policy = Optional[Literal["weights", "scores", "head_mean", "statistics", "top8", "rollout"]]
Kind = Literal["self", "cross", "encoder"]

_POLICIES = {None: 0, "weights": 1, "scores": 2, "head_mean": 3, "statistics": 4, "top8": 5, "rollout": 6}
_KINDS = {"self": 1, "cross": 2, "encoder": 4}
_cache: Dict[Any, _core.Keep] = {}


def keep_of(
    keep: Policy,
    layers: Optional[Iterable[int]] = None,
    heads: Optional[Iterable[int]] = None,
    which: Union[Kind, Sequence[Kind], None] = None,
) -> _core.Keep:
    """What a call keeps; refuses words that it does not know."""
    if layers is None and heads is None and which is None:
        try:
            found = _cache.get(keep)
        except TypeError:
            found = None
        if found is not None:
            return found
    if not (keep is None or isinstance(keep, str)) or keep not in _POLICIES:
        known = ", ".join(f'"{name}"' for name in _POLICIES if name)
        raise Error(f"keep is {keep!r} and must be {known} or None")
    kinds = 7
    if which is not None:
        kinds = 0
        for kind in (which,) if isinstance(which, str) else _listed(which, "which"):
            if not isinstance(kind, str) or kind not in _KINDS:
                raise Error(f'which holds {kind!r} and may hold "self", "cross" and "encoder"')
            kinds |= _KINDS[kind]
    made = _core.Keep(_POLICIES[keep], kinds, _chosen(layers, "layers"), _chosen(heads, "heads"))
    if layers is None and heads is None and which is None:
        _cache[keep] = made
    return made


def _listed(value: Any, name: str) -> Tuple[Any, ...]:
    try:
        return tuple(value)
    except TypeError:
        raise Error(f"{name} is {type(value).__name__} and must be a list") from None


def _chosen(value: Any, name: str) -> Optional[np.ndarray]:
    if value is None:
        return None
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        value = (value,)
    array = _arrays.indices(list(_listed(value, name)), name)
    if array.ndim != 1:
        raise Error(f"{name} must be a list of whole numbers")
    return array
