"""Scores, word alignments, rollout and pictures of attention maps, by the C++ functions of vitrine/inspect.

A map is (T, S): row t is what target token t looks at; one of map_storage= is read as what it stands for. Numbers of tokens (targets, sources) leave end marks out.
"""

from __future__ import annotations

import html as _html
from typing import Any, Iterable, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from . import _arrays, _core, _masks, _results
from ._core import Error

Link = Tuple[int, int]

__all__ = [
    "AlignmentErrors",
    "Group",
    "Picture",
    "alignment_errors",
    "area_under_curve",
    "confidence",
    "coverage",
    "distraction",
    "entropy",
    "hard_links",
    "parse_gold",
    "parse_pharaoh",
    "pharaoh",
    "picture",
    "rollout",
    "threshold_links",
]


def _floats(value: Any) -> np.ndarray:
    """float32, of what map_storage= stores as well."""
    return _arrays.floats(_results.as_floats(value), "a map", np.dtype(np.float32))


def _count(value: Optional[int], name: str) -> int:
    return -1 if value is None else _masks._whole(value, name, 0)


def _links(value: Any, name: str) -> List[Link]:
    try:
        return [(int(source), int(target)) for source, target in value]
    except (TypeError, ValueError):
        raise Error(f"{name} must be pairs of whole numbers, (source, target)") from None


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise Error(f"a line of links is {type(value).__name__} and must be a string")
    return value


def _map(value: Any) -> np.ndarray:
    array = _arrays.contiguous(_floats(value))
    if array.ndim != 2:
        raise Error(f"a map is (T, S), and this is {array.shape}")
    return array


def coverage(map: Any, sources: Optional[int] = None) -> float:
    """-(1/S) sum_j log(min(sum_i a_ij, 1) + 1e-8) over the first `sources` columns (Peris and Casacuberta 2018)."""
    return _core.score("coverage", _map(map), -1, _count(sources, "sources"))


def confidence(map: Any, targets: Optional[int] = None, sources: Optional[int] = None) -> float:
    """The mean over rows of the largest weight, end marks left out (Voita et al. 2019).

    >>> confidence([[0.9, 0.1], [0.25, 0.75]])
    0.824999988079071
    """
    return _core.score("confidence", _map(map), _count(targets, "targets"), _count(sources, "sources"))


def entropy(map: Any) -> float:
    """-(1/T) sum_i sum_j a_ij log a_ij, in nats (Ghader and Monz 2017).

    >>> entropy([[1.0, 0.0]])
    0.0
    """
    return _core.score("entropy", _map(map), -1, -1)


def distraction(map: Any) -> float:
    """-(1/T) sum_i Kurt(a_i) (Peris and Casacuberta 2018): below 0; the nearer to 0, the flatter the rows."""
    return _core.score("distraction", _map(map), -1, -1)


def area_under_curve(scores: Iterable[float], positive: Iterable[bool]) -> float:
    """The chance that a positive case has a larger score than a negative one (Hanley and McNeil 1982).

    >>> area_under_curve([0.1, 0.7, 0.9], [False, True, True])
    1.0
    """
    try:
        given = ([float(score) for score in scores], [bool(one) for one in positive])
    except (TypeError, ValueError):
        raise Error("scores must be numbers and positive truth values, one for each") from None
    return _core.area_under_curve(*given)


def hard_links(map: Any, targets: Optional[int] = None, sources: Optional[int] = None) -> List[Link]:
    """One (source, target) for each row, to its largest weight.

    >>> hard_links([[0.9, 0.1], [0.25, 0.75]])
    [(0, 0), (1, 1)]
    """
    return _core.hard_links(_map(map), _count(targets, "targets"), _count(sources, "sources"))


def threshold_links(
    map: Any, threshold: float, targets: Optional[int] = None, sources: Optional[int] = None
) -> List[Link]:
    """All (source, target) whose weight is above the threshold."""
    counts = (_count(targets, "targets"), _count(sources, "sources"))
    return _core.threshold_links(_map(map), _masks.number(threshold, "threshold"), *counts)


def pharaoh(links: Iterable[Link]) -> str:
    """Links as Moses and Marian write them.

    >>> pharaoh([(0, 0), (1, 2)])
    '0-0 1-2'
    """
    return _core.pharaoh(_links(links, "links"))


def parse_pharaoh(text: str, offset: int = 0) -> List[Link]:
    """Links from such text; `offset` is what the first token is called there.

    >>> parse_pharaoh("1-1 2-3", 1)
    [(0, 0), (1, 2)]
    """
    return _core.parse_pharaoh(_text(text), _masks._whole(offset, "offset"))


def parse_gold(text: str, offset: int = 0) -> Tuple[List[Link], List[Link]]:
    """(sure, possible) links: "1-1" is sure, "1p1" possible (Zenkel et al. 2019).

    >>> parse_gold("1-1 2p2", 1)
    ([(0, 0)], [(0, 0), (1, 1)])
    """
    return _core.parse_gold(_text(text), _masks._whole(offset, "offset"))


class AlignmentErrors(NamedTuple):
    """Counts over sentences; add two with `+`."""

    proposed: int = 0
    sure: int = 0
    hit_sure: int = 0
    hit_possible: int = 0

    def __add__(self, other: Any) -> "AlignmentErrors":
        return AlignmentErrors(*(a + b for a, b in zip(self, other)))

    @property
    def rate(self) -> float:
        """The alignment error rate (Och and Ney 2003), 0 to 1."""
        return 1 - _ratio(self.hit_sure + self.hit_possible, self.proposed + self.sure)

    @property
    def precision(self) -> float:
        """hit_possible / proposed."""
        return _ratio(self.hit_possible, self.proposed)

    @property
    def recall(self) -> float:
        """hit_sure / sure."""
        return _ratio(self.hit_sure, self.sure)


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else 1.0


def alignment_errors(links: Iterable[Link], sure: Iterable[Link], possible: Iterable[Link]) -> AlignmentErrors:
    """Of one sentence.

    >>> alignment_errors([(0, 0), (1, 1)], [(0, 0)], [(0, 0), (1, 1)]).rate
    0.0
    """
    named = ((links, "links"), (sure, "sure"), (possible, "possible"))
    return AlignmentErrors(*_core.alignment_counts(*[_links(value, name) for value, name in named]))


def rollout(maps: Iterable[Any], residual: float = 0.5) -> np.ndarray:
    """Attention rollout (Abnar and Zuidema 2020): (T, T) of self-attention maps (H, T, T), or means (T, T), by layer."""
    means = []
    for layer in maps:
        array = _floats(layer)
        means.append(_map(array.mean(0) if array.ndim == 3 else array))
    if not means:
        raise Error("rollout needs the maps of one layer at least")
    share = _masks.number(residual, "residual")
    if not 0 <= share <= 1:
        raise Error(f"residual is {residual!r} and must be from 0 to 1")
    found: np.ndarray = _core.rollout(means, share)
    return found


class Group(NamedTuple):
    """One kind of attention of one input: `layers` are (H, T, S), or None for a layer that was not kept."""

    kind: str
    query_tokens: List[str]
    key_tokens: List[str]
    layers: Sequence[Optional[np.ndarray]]


class Picture:
    """An interactive page of maps: shown by Jupyter, or saved as one HTML file that needs no network."""

    def __init__(self, groups: Sequence[Group], title: str = "attention") -> None:
        self.title = title
        self.groups = [
            (
                group.kind,
                [str(token) for token in group.query_tokens],
                [str(token) for token in group.key_tokens],
                tuple(None if one is None else _three_axes(one) for one in group.layers),
            )
            for group in groups
        ]

    def html(self) -> str:
        """The whole page."""
        return _core.page_html(self.title, [(self.title, self.groups)])

    def save(self, path: Any) -> None:
        """Writes the page."""
        from ._layers import writable

        page = self.html()
        with writable(path) as place, open(place, "w", encoding="utf-8", newline="\n") as file:
            file.write(page)

    def to_bertviz(self, view: str = "head") -> str:
        """JSON for BertViz's page, in its own schema; view: "head" or "model"."""
        if view not in ("head", "model"):
            raise Error(f'view is {view!r} and must be "head" or "model"')
        return _core.bertviz(view, self.groups)

    def _repr_html_(self) -> str:
        # A frame of its own: a notebook's styles and scripts do not reach the page, nor it them, so that it cannot ask for
        # its height either. At the width of a notebook this is enough for the map without scrolling.
        page = _html.escape(self.html(), quote=True)
        rows = max((len(queries) for _, queries, _, _ in self.groups), default=0)
        return (
            f'<iframe srcdoc="{page}" sandbox="allow-scripts allow-downloads" title="{_html.escape(self.title)}" '
            f'style="box-sizing:border-box;width:100%;height:{min(1000, 700 + 20 * rows)}px;border:1px solid #8884;'
            'border-radius:4px"></iframe>'
        )


def _three_axes(layer: Any) -> np.ndarray:
    array = _arrays.contiguous(_floats(layer))
    if array.ndim == 2:
        array = array[None]
    if array.ndim != 3:
        raise Error(f"the maps of a layer are (H, T, S), and these are {array.shape}")
    return array


def picture(shown: Any, tokens: Any = None, sequence: int = 0, title: str = "attention") -> Picture:
    """The page of a Result's sequence, or of a Hypothesis: what `.show()` of either returns.

    tokens: a list of texts for a stack's rows; (source, target) where there are both; None: positions, or the model's
    own tokens.
    """
    groups = shown._groups(tokens, sequence)
    if not groups:
        raise Error('there are no maps to show: keep="weights" keeps them')
    return Picture(groups, title)


def groups_of(
    members: Sequence[Tuple[str, Any]], sequence: Optional[int], sides: Sequence[Tuple[Any, Any]]
) -> List[Group]:
    """Groups of the members that hold weights; sides: (query tokens, key tokens) of each, None: positions."""
    groups = []
    for (kind, maps), (queries, keys) in zip(members, sides):
        layers = _results._always_tuple(maps)
        if layers is None:
            continue
        if sequence is not None:  # of an array (B, ...), or of a list
            layers = tuple(one[sequence] if isinstance(one, (np.ndarray, list)) else None for one in layers)
        if not any(isinstance(one, np.ndarray) for one in layers):
            continue
        first = next(one for one in layers if one is not None)
        rows, columns = first.shape[-2:]
        groups.append(Group(kind, _names(queries, rows, "rows"), _names(keys, columns, "columns"), layers))
    return groups


def _names(tokens: Any, count: int, what: str) -> List[str]:
    if tokens is None:
        return [str(i) for i in range(count)]
    names = [str(token) for token in tokens]
    if len(names) != count:
        raise Error(f"there are {len(names)} tokens for {count} {what}")
    return names
