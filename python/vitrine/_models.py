"""Checkpoint folders of Hugging Face: called, generated from, scored, stepped through."""

from __future__ import annotations

import json
from typing import Any, Dict, Iterable, List, Optional, Sequence, Tuple, Union

import numpy as np

from . import _arrays, _core, _masks
from ._core import Error
from ._keep import MapStorage, Policy, WeightStorage, keep_of, weights_name
from ._layers import path_text, team
from ._results import Hypothesis, Layout, Result

# What GenerationConfig of the C++ side reads: honoured, or refused by name unless it changes nothing.
_OPTIONS = frozenset(
    """num_beams num_return_sequences max_length max_new_tokens min_length min_new_tokens length_penalty early_stopping
    no_repeat_ngram_size renormalize_logits bad_words_ids pad_token_id eos_token_id decoder_start_token_id
    forced_bos_token_id forced_eos_token_id do_sample temperature top_k top_p min_p typical_p seed num_beam_groups diversity_penalty penalty_alpha constraints
    force_words_ids repetition_penalty encoder_repetition_penalty encoder_no_repeat_ngram_size sequence_bias
    suppress_tokens begin_suppress_tokens exponential_decay_length_penalty remove_invalid_values guidance_scale
    watermarking_config prompt_lookup_num_tokens forced_decoder_ids stop_strings max_time token_healing
    dola_layers""".split()
)

Texts = Union[str, Sequence[str], Sequence[int], Sequence[Sequence[int]], Any]


def load(folder: Any, tokenizer: Any = None, *, weights: WeightStorage = "f32") -> "Model":
    """A Hugging Face folder (config.json, model.safetensors, the tokenizer's files), by its model_type.

    tokenizer: one to use instead of the folder's own, e.g. transformers.AutoTokenizer.from_pretrained(folder).
    weights: what the weights of products are stored as and multiplied as: "f32", "bf16" or "f16" (half the memory), "int8"
    (a quarter, a scale for each row).
    `vitrine.model_types()` lists what is opened. Raises Error, naming file and key, for what is not, and for options
    that would change a result and are not honoured.
    """
    place = path_text(folder)
    if tokenizer is not None and not callable(tokenizer):
        raise Error(f"tokenizer is {type(tokenizer).__name__} and must be a tokenizer as Transformers has them")
    return Model(_core.load(place, weights_name(weights, "weights")), tokenizer, place, weights)


class Model:
    """An opened folder. Many threads may call one; calls release the interpreter lock."""

    def __init__(
        self, core: _core.Model, tokenizer: Any = None, folder: str = "", weights: WeightStorage = "f32"
    ) -> None:
        self._core = core
        self.folder: str = folder
        self.weights: WeightStorage = weights
        """What its weights are stored as."""
        self._tokenizer = tokenizer
        info: Dict[str, Any] = core.info()
        self.model_type: str = info["model_type"]
        self.kind: str = info["kind"]
        """"encoder", "causal", "seq2seq" or "image"."""
        self.vocab_size: int = info["vocab_size"]
        self.max_length: int = info["max_length"]
        self.num_layers: int = info["layers"]
        self.num_heads: int = info["heads"]
        self.eos_token_ids: List[int] = info["eos_token_ids"]
        self.image_size: Tuple[int, ...] = tuple(info["image_size"])
        """Of a model of images: (C, H, W)."""
        self.reads_text: bool = tokenizer is not None or info["reads_text"]
        self._why: str = info["why_no_text"]
        self._pad: int = info["pad_token_id"]
        self._pad_of_search: int = info["pad_of_search"]
        self._start: int = info["decoder_start_token_id"]
        seq2seq = self.kind == "seq2seq"
        self._layers = {"self_attn": self.num_layers, "cross_attn": self.num_layers}
        self._layers["encoder.self_attn"] = info["encoder_layers"]
        self._layout = Layout(has_encoder=seq2seq, logits=self.kind in ("causal", "seq2seq"), layers=self._layers)

    def __repr__(self) -> str:
        return f"vitrine.Model({self.model_type}, {self.num_layers} layers, {self.num_heads} heads)"

    # ---- text

    def encode_text(self, text: str, target: bool = False) -> List[int]:
        """Ids of a text as the folder's tokenizer makes them, special tokens included; target: as a target's."""
        self._need_text()
        if not isinstance(text, str):
            raise Error(f"a text is {type(text).__name__} and must be a string")
        try:
            text.encode()
            if self._tokenizer is not None:
                made = self._tokenizer(text_target=text) if target else self._tokenizer(text)
                return [int(i) for i in made["input_ids"]]
            ids: List[int] = self._core.encode(text, target)
        except UnicodeEncodeError as error:
            raise Error(f"a text holds what is no character: {error}") from None
        return ids

    def decode(self, ids: Any) -> str:
        """The text of a target's ids, special tokens left out."""
        self._need_text()
        given = _arrays.indices(ids, "ids").reshape(-1)
        if self._tokenizer is not None:
            return str(self._tokenizer.decode(given.tolist(), skip_special_tokens=True))
        text: str = self._core.decode(given)
        return text

    def tokens(self, ids: Any, target: bool = False) -> List[str]:
        """The token of each id; where the folder's tokenizer is not read, the ids as text."""
        given = _arrays.indices(ids, "ids").reshape(-1)
        if self._tokenizer is not None:
            return [str(one) for one in self._tokenizer.convert_ids_to_tokens(given.tolist())]
        found: List[str] = self._core.tokens(given, target)
        return found

    def _need_text(self) -> None:
        if not self.reads_text:
            raise Error(self._why)

    def _sequences(self, value: Any, name: str, target: bool = False) -> Tuple[List[np.ndarray], bool]:
        """Sequences of ids, and whether there was one alone: text, ids, lists of either, an array (T,) or (B, T)."""
        if isinstance(value, str):
            return [np.array(self.encode_text(value, target), np.int64)], True
        if isinstance(value, (list, tuple)) and len(value) > 0 and not isinstance(value[0], (int, np.integer)):
            all_of = []
            for one in value:
                if isinstance(one, str):
                    all_of.append(np.array(self.encode_text(one, target), np.int64))
                else:
                    ids = _arrays.indices(one, name)
                    if ids.ndim != 1:
                        raise Error(f"{name} holds an array of {ids.ndim} axes, not a list of ids")
                    all_of.append(ids)
            return all_of, False
        if isinstance(value, (list, tuple)) and len(value) == 0:
            return [], False
        array = _arrays.indices(value, name)
        if array.ndim == 1:
            return [array], True
        if array.ndim == 2:
            return [np.ascontiguousarray(row) for row in array], False
        raise Error(f"{name} is {array.shape} and must be (T,) or (B, T)")

    # ---- calls

    def __call__(
        self,
        input_ids: Texts = None,
        decoder_input_ids: Optional[Texts] = None,
        *,
        attention_mask: Any = None,
        token_type_ids: Any = None,
        pixel_values: Any = None,
        keep: Policy = "weights",
        layers: Any = None,
        heads: Any = None,
        which: Any = None,
        map_storage: MapStorage = "f32",
        threads: int = 0,
    ) -> Result:
        """One forward pass: `output` is the last hidden states (B, T, E) of an encoder, else logits (B, T, V).

        input_ids: a text, ids, a list of either, or an array (T,) or (B, T); sequences of different lengths are padded
        and masked. decoder_input_ids: the target of a model with encoder and decoder, its start token included (a
        text gets it here). attention_mask: (B, T), 1: attended, or a Mask over keys. token_type_ids: (B, T).
        pixel_values: instead, of a model of images, (B, C, H, W) or (C, H, W), as Transformers' image processor makes them.
        """
        chosen = keep_of(keep, layers, heads, which, map_storage)
        if (self.kind == "image") != (pixel_values is not None):
            takes = "pixel_values" if self.kind == "image" else "input_ids"
            raise Error(f"{self.model_type} takes {takes}")
        if self.kind == "image":
            given = (input_ids, decoder_input_ids, attention_mask, token_type_ids)
            if any(one is not None for one in given):
                raise Error(f"{self.model_type} takes pixel_values alone")
            return self._of_images(pixel_values, chosen, threads)
        sources, _ = self._sequences(input_ids, "input_ids")
        ids, lengths = _arrays.pad(sources, self._pad)
        mask = None
        if attention_mask is not None:
            keys = attention_mask
            if not isinstance(keys, _masks.Mask):
                array = _arrays.as_array(keys, "attention_mask")
                keys = _masks.from_hf_attention_mask(array[None] if array.ndim == 1 else array)
            mask = (_masks.prepared(keys.parts, np.dtype(np.float32)),)
        target = None
        if self.kind == "seq2seq":
            if decoder_input_ids is None:
                raise Error(f"{self.model_type} takes decoder_input_ids, too; generate() finds them")
            targets = [self._with_start(one) for one in self._texts(decoder_input_ids)]
            target, _ = _arrays.pad(targets, self._pad)
        elif decoder_input_ids is not None:
            raise Error(f"{self.model_type} has no decoder_input_ids")
        types = None
        if token_type_ids is not None:
            if self.kind != "encoder":
                raise Error(f"{self.model_type} is not given token_type_ids: leave them out")
            types = _arrays.indices(token_type_ids, "token_type_ids")
            types = types[None] if types.ndim == 1 else types
            if types.shape != ids.shape:
                raise Error(f"token_type_ids is {types.shape} and must be {ids.shape}")
        core = self._core.call(ids, lengths, target, types, mask, chosen, team(threads))
        shown: Tuple[Any, ...] = (self, sources, ids.shape[1])
        return Result(core, self._layout, shown if target is None else shown + (list(target),))

    def _of_images(self, value: Any, keep: _core.Keep, threads: int) -> Result:
        pixels = _arrays.contiguous(_arrays.floats(value, "pixel_values", np.dtype(np.float32)))
        layout = self._layout
        if pixels.ndim == 3:
            pixels, layout = pixels[None], layout._replace(batched=False)
        if pixels.ndim != 4:
            raise Error(f"pixel_values is {pixels.shape} and must be (B, C, H, W) or (C, H, W)")
        return Result(self._core.call_images(pixels, keep, team(threads)), layout)

    def _texts(self, value: Any) -> List[Any]:
        """A target's sequences, those that were texts marked by their type (list)."""
        is_text = isinstance(value, str)
        if is_text or isinstance(value, (list, tuple)) and len(value) > 0 and isinstance(value[0], str):
            return [self.encode_text(one, True) for one in ([value] if is_text else value)]
        return list(self._sequences(value, "decoder_input_ids", True)[0])

    def _with_start(self, ids: Any) -> np.ndarray:
        if isinstance(ids, list):  # of a text
            return np.array([self._start] + ids[:-1], np.int64)
        return np.asarray(ids, np.int64)

    def generate(
        self,
        inputs: Texts = None,
        *,
        input_ids: Texts = None,
        attention_mask: Any = None,
        keep: Policy = None,
        layers: Any = None,
        heads: Any = None,
        which: Any = None,
        map_storage: MapStorage = "f32",
        threads: int = 0,
        **options: Any,
    ) -> List[List[Hypothesis]]:
        """Greedy or beam search by Transformers' rules: for each source its hypotheses, best first.

        inputs (or input_ids): a text, ids, or a list of either. attention_mask: (B, T) as a tokenizer of Transformers
        pads: prompts at the left, sources at the right; without one the pad tokens at the left of an array of prompts are
        left out, as there. Options are Transformers' (num_beams, num_return_sequences,
        max_new_tokens, max_length, min_new_tokens, length_penalty, early_stopping, no_repeat_ngram_size,
        bad_words_ids, forced_bos_token_id, ...), on top of the folder's; one that is not honoured is refused by name.
        keep: "weights", "scores" or "head_mean" give each hypothesis its maps. Ctrl-C ends it at the next step.
        """
        if (inputs is None) == (input_ids is None):
            raise Error("generate() takes inputs, or input_ids")
        given = input_ids if inputs is None else inputs
        sources, _ = self._sequences(given, "inputs")
        for name, value in options.items():
            if name not in _OPTIONS and not _changes_nothing(name, value):
                raise Error(f"generate() has no option {name}")
        options = {name: value for name, value in options.items() if name in _OPTIONS}
        if attention_mask is not None:
            sources = self._attended(sources, _arrays.flags(attention_mask, "attention_mask"))
        elif self.kind == "causal" and not isinstance(given, (str, list, tuple)):
            sources = self._without_pads(sources, options)
        try:
            text = json.dumps({name: _plain(value) for name, value in options.items() if value is not None})
        except (TypeError, ValueError) as error:
            raise Error(f"an option of generate() is no number, list, word or truth value: {error}") from None
        chosen = keep_of(keep, layers, heads, which, map_storage)
        return self._hypotheses(self._core.generate(tuple(sources), text, chosen, team(threads)), sources)

    def score(
        self,
        sources: Texts,
        targets: Texts,
        *,
        keep: Policy = "weights",
        layers: Any = None,
        heads: Any = None,
        which: Any = None,
        map_storage: MapStorage = "f32",
        threads: int = 0,
    ) -> List[Hypothesis]:
        """Teacher forcing: for each pair the log-probability of each id of the target, and the maps.

        targets: ids without the start token (their end is an id like the others), or texts.
        """
        given, _ = self._sequences(sources, "sources")
        wanted, _ = self._sequences(targets, "targets", True)
        chosen = keep_of(keep, layers, heads, which, map_storage)
        core = self._core.score(tuple(given), tuple(wanted), chosen, team(threads))
        return [one[0] for one in self._hypotheses(core, given, wanted)]

    def _attended(self, sources: List[np.ndarray], mask: np.ndarray) -> List[np.ndarray]:
        """The sources without what a mask of 1 and 0 leaves out, which stands at one side."""
        rows = mask[None] if mask.ndim == 1 else mask
        if rows.ndim != 2 or [len(one) for one in sources] != [rows.shape[1]] * len(rows):
            raise Error(f"attention_mask is {mask.shape} and must be as the ids are")
        left = self.kind == "causal"
        found = []
        for ids, row in zip(sources, rows):
            count = int(row.sum())
            if not (row[len(row) - count :] if left else row[:count]).all():
                side = "left of a prompt" if left else "right of a source"
                raise Error(f"attention_mask may leave out tokens at the {side} alone")
            found.append(ids[len(ids) - count :] if left else ids[:count])
        return found

    def _without_pads(self, sources: List[np.ndarray], options: Dict[str, Any]) -> List[np.ndarray]:
        """Transformers takes the pads of prompts for left out, where they are no end."""
        pad, ends = options.get("pad_token_id"), options.get("eos_token_id")
        pad = self._pad_of_search if pad is None else pad
        ends = np.atleast_1d(self.eos_token_ids if ends is None else _plain(ends)).tolist()
        if not isinstance(pad, (int, np.integer)) or pad < 0 or pad in ends:
            return sources
        if any(len(one) and one[-1] == pad for one in sources):
            raise Error("a prompt is padded at the right: pad at the left, or give lists of ids")
        return [one[one != pad] for one in sources]

    def _hypotheses(
        self, core: _core.Sequences, sources: Sequence[np.ndarray], targets: Optional[Sequence[np.ndarray]] = None
    ) -> List[List[Hypothesis]]:
        found = []
        for i, source in enumerate(sources):
            target: Any = () if targets is None else [int(j) for j in targets[i]]
            found.append([Hypothesis(core, fields, self, target, source) for fields in core.of(i)])
        return found

    def encode(self, inputs: Texts, *, beams: int = 1, max_length: int = 0, threads: int = 0) -> "Steps":
        """Reads sources (or, of a model without an encoder, the prompt) for a search of one's own: see `step`.

        max_length: the longest target, start token included; 0: as many as the model has positions for.
        """
        sources, _ = self._sequences(inputs, "inputs")
        numbers = [_masks._whole(value, name, 0) for value, name in ((beams, "beams"), (max_length, "max_length"))]
        return Steps(self._core.steps(tuple(sources), numbers[0], numbers[1], team(threads)), self)

    def step(self, steps: "Steps", ids: Any, *, keep: Policy = "weights", **selection: Any) -> Result:
        """One more id for each hypothesis: the logits (rows, 1, V) of what follows, and the maps of this one step."""
        return steps.step(ids, keep=keep, **selection)


class Steps:
    """A search that is running: `step` and `reorder` (beams; those that are finished leave the batch)."""

    def __init__(self, core: _core.Steps, model: Model) -> None:
        self._core = core
        self._layout = model._layout._replace(has_encoder=False)

    @property
    def rows(self) -> int:
        """Hypotheses that are running."""
        found: int = self._core.rows
        return found

    def step(
        self,
        ids: Any,
        *,
        keep: Policy = "weights",
        layers: Any = None,
        heads: Any = None,
        which: Any = None,
        map_storage: MapStorage = "f32",
    ) -> Result:
        """ids: one for each hypothesis. `output` (rows, 1, V), `self_attn` (rows, H, 1, t + 1), `cross_attn`
        (rows, H, 1, S)."""
        given = _arrays.indices(ids, "ids").reshape(-1)
        return Result(self._core.step(given, keep_of(keep, layers, heads, which, map_storage)), self._layout)

    def reorder(self, parents: Any) -> None:
        """Hypothesis i goes on from what parents[i] was."""
        self._core.reorder(_arrays.indices(parents, "parents").reshape(-1))


# Transformers' arguments of generate() that are of its own machinery, and what they may be here.
_NOTHING: Dict[str, Tuple[Any, ...]] = {
    "use_cache": (True,),
    "return_dict_in_generate": (True, False),
    "output_scores": (False,),
    "output_attentions": (False,),
    "output_hidden_states": (False,),
    "output_logits": (False,),
    "synced_gpus": (False,),
    "generation_config": (),
    "logits_processor": (),
    "stopping_criteria": (),
    "prefix_allowed_tokens_fn": (),
    "assistant_model": (),
    "streamer": (),
    "token_type_ids": (),
    "decoder_input_ids": (),
}


def _changes_nothing(name: str, value: Any) -> bool:
    if name not in _NOTHING:
        return False
    return value is None or any(value is one for one in _NOTHING[name]) or (isinstance(value, list) and not value)


def _plain(value: Any) -> Any:
    """NumPy's and PyTorch's numbers and lists as JSON has them."""
    if isinstance(value, (bool, int, float, str)) or value is None:
        return value
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, Iterable):
        return [_plain(one) for one in value]
    raise TypeError(f"{type(value).__name__}")
