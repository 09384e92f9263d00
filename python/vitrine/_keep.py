"""keep=, layers=, heads=, which= and map_storage= as the core's Keep."""

from __future__ import annotations

from typing import Any, Dict, Iterable, Literal, Optional, Sequence, Tuple, Union

import numpy as np

from . import _arrays, _core
from ._core import Error

Policy = Optional[Literal["weights", "scores", "head_mean", "statistics", "top8", "rollout"]]
Kind = Literal["self", "cross", "encoder"]
WeightStorage = Literal["f32", "bf16", "f16", "int8"]
MapStorage = Literal["f32", "f16", "bf16", "u8"]

_POLICIES = {None: 0, "weights": 1, "scores": 2, "head_mean": 3, "statistics": 4, "top8": 5, "rollout": 6}
_KINDS = {"self": 1, "cross": 2, "encoder": 4}
_MAP_STORAGES = {"f32": 0, "f16": 1, "bf16": 2, "u8": 3}
_WEIGHT_STORAGES = ("f32", "bf16", "f16", "int8")
_cache: Dict[Any, _core.Keep] = {}


def keep_of(
    keep: Policy,
    layers: Optional[Iterable[int]] = None,
    heads: Optional[Iterable[int]] = None,
    which: Union[Kind, Sequence[Kind], None] = None,
    map_storage: MapStorage = "f32",
) -> _core.Keep:
    """What a call keeps; refuses words that it does not know."""
    if layers is None and heads is None and which is None:
        try:
            found = _cache.get((keep, map_storage))
        except TypeError:
            found = None
        if found is not None:
            return found
    if not (keep is None or isinstance(keep, str)) or keep not in _POLICIES:
        known = ", ".join(f'"{name}"' for name in _POLICIES if name)
        raise Error(f"keep is {keep!r} and must be {known} or None")
    if not isinstance(map_storage, str) or map_storage not in _MAP_STORAGES:
        raise Error(f"map_storage is {map_storage!r} and must be {_choices(_MAP_STORAGES)}")
    if map_storage != "f32" and keep != "weights":
        raise Error(f'map_storage="{map_storage}" is of keep="weights" only, and keep is {keep!r}')
    kinds = 7
    if which is not None:
        kinds = 0
        for kind in (which,) if isinstance(which, str) else _listed(which, "which"):
            if not isinstance(kind, str) or kind not in _KINDS:
                raise Error(f'which holds {kind!r} and may hold "self", "cross" and "encoder"')
            kinds |= _KINDS[kind]
    indices = (_chosen(layers, "layers"), _chosen(heads, "heads"))
    made = _core.Keep(_POLICIES[keep], _MAP_STORAGES[map_storage], kinds, *indices)
    if layers is None and heads is None and which is None:
        _cache[keep, map_storage] = made
    return made


def _choices(names: Iterable[str]) -> str:
    *most, last = [f'"{name}"' for name in names]
    return f"{', '.join(most)} or {last}"


def weights_name(storage: Any, name: str) -> str:
    """What weights are stored as; refuses words that it does not know."""
    if not isinstance(storage, str) or storage not in _WEIGHT_STORAGES:
        raise Error(f"{name} is {storage!r} and must be {_choices(_WEIGHT_STORAGES)}")
    return storage


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
