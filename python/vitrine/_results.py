"""What calls return: arrays that view the result's memory and keep it alive."""

from __future__ import annotations

from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple, Union

import numpy as np

from . import _core, _masks

Array = np.ndarray


class Statistics(NamedTuple):
    """Of one layer, by keep="statistics": (B, H, T) arrays, `received` (B, H, S)."""

    entropy: Array
    """- sum w ln w of each row, in nats."""
    largest: Array
    """The largest weight of each row."""
    largest_key: Array
    """Its key, -1 where there is none; a copy, int64."""
    log_sum_exp: Array
    """ln sum exp of each row's scores, after scale and mask."""
    received: Array
    """Of each key: the sum of its column."""


class Top(NamedTuple):
    """Of one layer, by keep="top8": (B, H, T, 8), descending."""

    weights: Array
    keys: Array
    """Keys of the weights, -1 where there is none; a copy, int64."""


def as_floats(maps: Any) -> Any:
    """Maps that were kept with map_storage=, as float32: of one array, or of all in a tuple or list. Others as they are.

    By the type that an array has, since each storage has its own:

    =======  =======  ==================  =====================================
    storage  dtype    a weight p is       largest error
    =======  =======  ==================  =====================================
    f16      float16  p                   2^-12 (relative 2^-11)
    bf16     uint16   the bits of p       2^-9 (relative 2^-8)
    u8       uint8    p * 255, rounded    1/510
    =======  =======  ==================  =====================================

    NumPy has no bfloat16: `array.view(ml_dtypes.bfloat16)` and `torch.from_numpy(array).view(torch.bfloat16)` read the
    bits without a copy.

    >>> as_floats(np.array([0, 51, 255], np.uint8)).tolist()
    [0.0, 0.20000000298023224, 1.0]
    >>> as_floats(np.array([0x3F80, 0x3E80], np.uint16)).tolist()
    [1.0, 0.25]
    """
    if isinstance(maps, (tuple, list)):
        of_each = [as_floats(one) for one in maps]
        if isinstance(maps, list):
            return of_each
        return tuple(of_each) if type(maps) is tuple else maps  # figures are floats already
    if not isinstance(maps, np.ndarray) or maps.dtype not in (np.uint8, np.uint16, np.float16):
        return maps
    if maps.dtype == np.uint16:
        return (maps.astype(np.uint32) << 16).view(np.float32)
    floats = maps.astype(np.float32)
    return floats / np.float32(255) if maps.dtype == np.uint8 else floats


LayerMaps = Union[Array, Statistics, Top, None]
Maps = Union[LayerMaps, Tuple[LayerMaps, ...]]
Fields = Dict[str, Any]


def _one_layer(fields: Dict[str, Any]) -> Any:
    first = next(iter(fields.values()), None)
    if isinstance(first, list):  # one array for each sequence
        return [_one_layer({name: arrays[b] for name, arrays in fields.items()}) for b in range(len(first))]
    if "entropy" in fields:
        keys = fields["largest_key"].astype(np.int64)
        return Statistics(fields["entropy"], fields["largest"], keys, fields["log_sum_exp"], fields["received"])
    if "keys" in fields:
        return Top(fields["weights"], fields["keys"].astype(np.int64))
    return fields.get("weights", fields.get("rollout"))


class _Members:
    """Arrays by member, layer and field, from the core's entries."""

    __slots__ = ("_members", "_layers")

    def __init__(self, entries: Sequence[Tuple[str, str, int, Array]], layers: Dict[str, int]) -> None:
        members: Dict[str, Dict[int, Dict[str, Any]]] = {}
        for member, field, layer, array in entries:
            ragged = member.endswith(".of")  # one array for each sequence
            fields = members.setdefault(member[:-3] if ragged else member, {}).setdefault(layer, {})
            if ragged:
                fields.setdefault(field, []).append(array)
            else:
                fields[field] = array
        self._members = members
        self._layers = layers

    def output(self, member: str) -> Any:
        found = self._members.get(member)
        return None if found is None else found[-1][""]

    def maps(self, member: str) -> Any:
        found = self._members.get(member)
        if found is None:
            return None
        if -1 in found:
            return _one_layer(found[-1])
        count = self._layers.get(member, max(found) + 1)
        return tuple(_one_layer(found[layer]) if layer in found else None for layer in range(count))

    def field(self, member: str, field: str) -> Any:
        found = self._members.get(member)
        if found is None:
            return None
        if -1 in found:
            return found[-1].get(field)
        count = self._layers.get(member, max(found) + 1)
        values = tuple(found.get(layer, {}).get(field) for layer in range(count))
        return None if all(value is None for value in values) else values


class EncoderResult:
    """The encoder's part of a result, `result.encoder`: `output` (B, S, E), `self_attn`, `self_attn_scores`."""

    __slots__ = ("output", "self_attn", "self_attn_scores")

    def __init__(self, output: Any, self_attn: Any, scores: Any) -> None:
        self.output, self.self_attn, self.self_attn_scores = output, self_attn, scores

    @property
    def last_hidden_state(self) -> Any:
        return self.output

    @property
    def attentions(self) -> Any:
        return self.self_attn


class Result:
    """What a call returns. Every array is a view of the result's memory and keeps it alive; none is a copy.

    ``output``      what the layer, stack or model computes: (B, T, E), or logits (B, T, V)
    ``self_attn``   weights (B, H, T, T); of a stack or model a tuple with one for each layer, None for those that
                    were not chosen. By keep="statistics" and "top8" a named tuple instead of an array, by
                    "head_mean" (B, T, T), by "rollout" one array (B, T, T) through all layers, by None nothing
    ``cross_attn``  (B, H, T, S), the same
                    By map_storage= maps are what is stored of a weight, float16, uint8 or uint16: see `as_floats`
    ``self_attn_scores``, ``cross_attn_scores``   by keep="scores": before the softmax, -inf where a key is masked
    ``encoder``     of models with an encoder and a decoder: the encoder's own result

    Of a list of sequences of different lengths each array is a list: (T_b, E), (H, T_b, T_b), (H, T_b, S_b).

    Transformers' names say the same: ``attentions``, ``decoder_attentions``, ``cross_attentions``,
    ``encoder_attentions`` (always tuples), ``last_hidden_state``, ``logits``, ``pooler_output``,
    ``encoder_last_hidden_state``.
    """

    __slots__ = ("_core", "_found", "_layout", "_tokens")

    def __init__(self, core: _core.Result, layout: "Layout", tokens: Any = None) -> None:
        self._core = core
        self._layout = layout
        self._found: Optional[_Members] = None
        self._tokens = tokens

    def _all(self) -> _Members:
        if self._found is None:
            entries = self._core.entries()
            if not self._layout.batched:
                entries = [(m, f, layer, array[0]) for m, f, layer, array in entries]
            self._found = _Members(entries, self._layout.layers)
        return self._found

    def _rows(self, member: str) -> Any:
        array = self._all().output(member)
        swapped = array is not None and self._layout.seq_first and not self._layout.ragged
        return array.swapaxes(0, 1) if swapped else array

    @property
    def output(self) -> Array:
        """(B, T, E) or logits (B, T, V); (T, B, E) of a module with batch_first=False, without B for unbatched input."""
        array: Array = self._rows("output")
        return array

    @property
    def self_attn(self) -> Any:
        """Self-attention: see the class."""
        return self._all().maps("self_attn")

    @property
    def cross_attn(self) -> Any:
        """Cross-attention: see the class. Of steps over sources of different lengths a list for each layer."""
        return self._all().maps("cross_attn")

    @property
    def self_attn_scores(self) -> Any:
        """By keep="scores": self-attention before the softmax."""
        return self._all().field("self_attn", "scores")

    @property
    def cross_attn_scores(self) -> Any:
        """By keep="scores": cross-attention before the softmax."""
        return self._all().field("cross_attn", "scores")

    @property
    def encoder(self) -> Optional[EncoderResult]:
        """The encoder's own result, of models that have one beside a decoder."""
        if not self._layout.has_encoder:
            return None
        found = self._all()
        return EncoderResult(
            self._rows("encoder.output"), found.maps("encoder.self_attn"), found.field("encoder.self_attn", "scores")
        )

    def __getattr__(self, name: str) -> Any:
        layout = self._layout
        if name in ("attentions", "decoder_attentions"):
            if (name == "attentions") != layout.has_encoder:
                return _always_tuple(self.self_attn)
        elif name == "cross_attentions":
            return _always_tuple(self.cross_attn)
        elif name in ("encoder_attentions", "encoder_last_hidden_state") and layout.has_encoder:
            encoder = self.encoder
            assert encoder is not None
            return _always_tuple(encoder.self_attn) if name == "encoder_attentions" else encoder.output
        elif name == "logits" and layout.logits:
            return self.output
        elif name == "last_hidden_state":
            return self._rows("hidden") if layout.logits else self.output
        elif name == "pooler_output" and self._all().output("pooled") is not None:
            return self._all().output("pooled")[:, 0]
        raise AttributeError(f"this result has no {name}")

    def _groups(self, tokens: Any, sequence: int) -> Any:
        from .inspect import groups_of

        batched = self._layout.batched
        sequence = _masks._whole(sequence, "sequence")
        count = len(self._all().output("output"))  # batch first, however it is shown
        if batched and not 0 <= sequence < count:
            raise _core.Error(f"there is no sequence {sequence} (got a batch of {count})")
        source, target = self._sides(tokens, sequence)
        decoder = self._layout.has_encoder or self.cross_attn is not None
        members = [("decoder" if decoder else "self", self.self_attn), ("cross", self.cross_attn)]
        sides = [(target, target), (target, source)]
        encoder = self.encoder
        if encoder is not None:
            members.insert(0, ("encoder", encoder.self_attn))
            sides.insert(0, (source, source))
        return groups_of(members, sequence if batched else None, sides)

    def _sides(self, tokens: Any, sequence: int) -> Tuple[Any, Any]:
        """Names of the keys' side and of the queries' side; None: not known."""
        if tokens is None and self._tokens is not None:
            model, ids = self._tokens[0], self._tokens[1][sequence]
            length = self._tokens[2]
            names = model.tokens(ids) + ["" for _ in range(length - len(ids))]
            target = None if len(self._tokens) < 4 else model.tokens(self._tokens[3][sequence], True)
            return names, target if self._layout.has_encoder else names
        if tokens is not None and not isinstance(tokens, (list, tuple, np.ndarray)):
            raise _core.Error(f"tokens is {type(tokens).__name__} and must be a list of texts, or two: (source, target)")
        if tokens is not None and len(tokens) == 2 and not any(isinstance(one, str) for one in tokens):
            return tokens[0], tokens[1]
        return tokens, tokens

    def show(self, tokens: Any = None, sequence: int = 0, title: str = "attention") -> Any:
        """An interactive page of the maps of one sequence, which Jupyter shows; `.save("maps.html")` writes it.

        tokens: names of the rows, (source, target) where there are both; None: the model's own tokens, or positions.
        """
        from .inspect import picture

        return picture(self, tokens, sequence, title)

    def save(self, path: Any, tokens: Any = None, sequence: int = 0, title: str = "attention") -> None:
        """Writes the page of `show`."""
        self.show(tokens, sequence, title).save(path)

    def _repr_html_(self) -> Optional[str]:
        try:
            page: str = self.show()._repr_html_()
            return page
        except _core.Error:
            return None  # nothing to show: the text is

    def to_bertviz(self, view: str = "head", tokens: Any = None, sequence: int = 0) -> str:
        """JSON for BertViz's page, in its own schema; view: "head" or "model"."""
        text: str = self.show(tokens, sequence).to_bertviz(view)
        return text

    def to_npz(self, path: Any) -> None:
        """Writes output and maps: `output`, `self_attn/0`, ..., `cross_attn/0`, `encoder/self_attn/0`, ..., and by
        keep="scores" `self_attn_scores/0`, ...

        Of sequences of different lengths `output/0`, `self_attn/0/0`, ...: the sequence is the last number.
        """
        arrays = _named_maps(self._all())
        arrays.update(_named("output", self.output))
        if self.encoder is not None:
            arrays.update(_named("encoder/output", self.encoder.output))
        _save(path, arrays)

    def __repr__(self) -> str:
        found = self._all()
        parts = [f"output {_shape_text(self.output)}"]
        for member in ("self_attn", "cross_attn", "encoder.self_attn"):
            maps = found.maps(member)
            if maps is not None:
                parts.append(f"{member} {_shape_text(maps)}")
        return f"vitrine.Result({', '.join(parts)})"


class Hypothesis:
    """One sequence that a search found, or a target that was scored. Arrays are views that keep the memory alive.

    ``ids``         the target's ids, without the start token; the end is the last, if it came to that
    ``text``        the same as text, where the folder has a tokenizer that vitrine reads
    ``score``       the search's: sum of log-probabilities / length^length_penalty; of score(): their sum
    ``log_probs``   of each id
    ``self_attn``, ``cross_attn``, ``encoder_self_attn``   for each layer (H, T, T), (H, T, S), (H, S, S), None for
                    layers that were not chosen; row t made ids[t] (without an encoder, a prompt of P ids comes first)

    Transformers' names say the same, without an axis of one sequence: ``attentions`` or ``decoder_attentions``,
    ``cross_attentions``, ``encoder_attentions``; ``encoder.self_attn`` is ``encoder_self_attn``.
    """

    __slots__ = ("_owner", "_members", "_model", "ids", "score", "log_probs", "source_ids")

    def __init__(self, owner: Any, fields: Any, model: Any, ids: Any, source_ids: Any) -> None:
        self._owner = owner
        self._model = model
        self.ids: List[int] = list(fields[0] or ids)
        self.score: float = fields[1]
        self.log_probs: List[float] = fields[2]
        self.source_ids: List[int] = [int(i) for i in source_ids]
        self._members = _Members(fields[3], model._layers)

    @property
    def text(self) -> str:
        """The ids as text. Raises Error where the folder's tokenizer is not read."""
        return str(self._model.decode(self.ids))

    @property
    def output(self) -> Any:
        """Of score(): the logits, (T, V)."""
        return self._members.output("output")

    @property
    def self_attn(self) -> Any:
        """For each layer (H, T, T)."""
        return self._members.maps("self_attn")

    @property
    def cross_attn(self) -> Any:
        """For each layer (H, T, S)."""
        return self._members.maps("cross_attn")

    @property
    def encoder_self_attn(self) -> Any:
        """For each layer (H, S, S)."""
        return self._members.maps("encoder.self_attn")

    @property
    def encoder(self) -> Optional[EncoderResult]:
        """The encoder's maps, of models that have one: `self_attn`, `self_attn_scores`."""
        if self._model.kind != "seq2seq":
            return None
        scores = self._members.field("encoder.self_attn", "scores")
        return EncoderResult(self._members.output("encoder.output"), self.encoder_self_attn, scores)

    @property
    def cross_attentions(self) -> Any:
        return _always_tuple(self.cross_attn)

    @property
    def encoder_attentions(self) -> Any:
        return _always_tuple(self.encoder_self_attn)

    @property
    def decoder_attentions(self) -> Any:
        return _always_tuple(self.self_attn)

    @property
    def attentions(self) -> Any:
        if self._model.kind == "seq2seq":
            raise AttributeError("this hypothesis has decoder_attentions, cross_attentions and encoder_attentions")
        return self.decoder_attentions

    @property
    def self_attn_scores(self) -> Any:
        """By keep="scores", for each layer (H, T, T)."""
        return self._members.field("self_attn", "scores")

    @property
    def cross_attn_scores(self) -> Any:
        """By keep="scores", for each layer (H, T, S)."""
        return self._members.field("cross_attn", "scores")

    def _groups(self, tokens: Any, sequence: int) -> Any:
        from .inspect import groups_of

        model = self._model
        if tokens is not None:
            if not isinstance(tokens, (list, tuple)) or len(tokens) != 2:
                raise _core.Error("tokens must be two lists of texts, (source, target)")
            source, target = tokens
        elif model.kind == "seq2seq":
            source, target = model.tokens(self.source_ids), model.tokens(self.ids, True)
        else:
            source = target = (model.tokens(self.source_ids) + model.tokens(self.ids))[:-1]
        members = [("encoder", self.encoder_self_attn), ("decoder", self.self_attn), ("cross", self.cross_attn)]
        if model.kind != "seq2seq":
            members[1] = ("self", self.self_attn)
        return groups_of(members, None, [(source, source), (target, target), (target, source)])

    def show(self, tokens: Any = None, title: str = "attention") -> Any:
        """An interactive page of the maps, which Jupyter shows; tokens: (source, target), None: the model's own."""
        from .inspect import picture

        return picture(self, tokens, 0, title)

    def save(self, path: Any, tokens: Any = None, title: str = "attention") -> None:
        """Writes the page of `show`."""
        self.show(tokens, title).save(path)

    def _repr_html_(self) -> Optional[str]:
        try:
            page: str = self.show()._repr_html_()
            return page
        except _core.Error:
            return None

    def to_bertviz(self, view: str = "head", tokens: Any = None) -> str:
        """JSON for BertViz's page, in its own schema; view: "head" or "model"."""
        text: str = self.show(tokens).to_bertviz(view)
        return text

    def to_npz(self, path: Any) -> None:
        """Writes `ids`, `source_ids`, `log_probs` and the maps by the names of Result.to_npz."""
        arrays = _named_maps(self._members)
        arrays.update(ids=np.array(self.ids), source_ids=np.array(self.source_ids), log_probs=np.array(self.log_probs))
        if self.output is not None:
            arrays["output"] = self.output
        _save(path, arrays)

    def __repr__(self) -> str:
        return f"vitrine.Hypothesis(ids={self.ids}, score={self.score:.4g})"


class Layout(NamedTuple):
    """How a result's arrays are shown."""

    batched: bool = True
    seq_first: bool = False
    ragged: bool = False
    has_encoder: bool = False
    logits: bool = False
    layers: Dict[str, int] = {}


def _named(name: str, maps: Any) -> Dict[str, Array]:
    """Arrays of a member by name, for files."""
    found: Dict[str, Array] = {}
    if isinstance(maps, np.ndarray):
        found[name] = maps
    elif isinstance(maps, (Statistics, Top)):
        for field, array in zip(maps._fields, maps):
            found[f"{name}/{field}"] = array
    elif maps is not None:
        for layer, one in enumerate(maps):
            found.update(_named(f"{name}/{layer}", one))
    return found


def _named_maps(members: _Members) -> Dict[str, Array]:
    found: Dict[str, Array] = {}
    for member in ("self_attn", "cross_attn", "encoder.self_attn"):
        name = member.replace(".", "/")
        found.update(_named(name, members.maps(member)))
        found.update(_named(f"{name}_scores", members.field(member, "scores")))
    return found


def _save(path: Any, arrays: Dict[str, Array]) -> None:
    from ._layers import writable

    with writable(path) as place:
        np.savez(place, **arrays)  # type: ignore[arg-type]


def _always_tuple(maps: Any) -> Any:
    return maps if maps is None or type(maps) is tuple else (maps,)


def _shape_text(maps: Any) -> str:
    if type(maps) is tuple:
        shown = next((one for one in maps if one is not None), None)
        return f"{len(maps)} x {_shape_text(shown)}"
    if isinstance(maps, list):
        return f"[{', '.join(_shape_text(one) for one in maps)}]"
    if isinstance(maps, np.ndarray):
        return str(maps.shape)
    return type(maps).__name__
