"""PyTorch's modules by PyTorch's names: layers, stacks, nn.Transformer; live modules; scaled_dot_product_attention."""

from __future__ import annotations

import contextlib
import json
import os
import warnings
from typing import Any, Dict, Iterator, List, Optional, Tuple

import numpy as np

from . import _arrays, _core, _masks
from ._core import Error
from ._keep import MapStorage, Policy, WeightStorage, keep_of, weights_name
from ._masks import Mask
from ._results import Layout, Result

_WEIGHTS = keep_of("weights")
_BATCHED = {False: Layout(), True: Layout(seq_first=True)}
# Words for `activation` as PyTorch has them, and what it takes for one.
_SAFE_TYPES = {"float16": "F16", "float32": "F32", "float64": "F64"}


class Layer:
    """What all modules have in common: values, a configuration, and files. Made by the classes below."""

    _kind = ""

    def __init__(self, config: Dict[str, Any], batch_first: bool, dtype: Any) -> None:
        try:
            self._dtype = np.dtype(dtype)
        except TypeError:
            raise Error(f"dtype is {dtype!r} and must be float32 or float64") from None
        if self._dtype not in (np.float32, np.float64):
            raise Error(f"dtype is {self._dtype} and must be float32 or float64")
        self.batch_first = _masks.truth(batch_first, "batch_first")
        try:
            text = json.dumps(config)
        except (TypeError, ValueError) as error:
            raise Error(f"an option is no number, word or truth value: {error}") from None
        self._core = _core.make_layer(self._kind, text, self._dtype == np.float64)

    @property
    def config(self) -> Dict[str, Any]:
        """The options by PyTorch's names."""
        found: Dict[str, Any] = json.loads(self._core.config())
        return found

    def init(self, seed: int = 0) -> "Any":
        """PyTorch's initialisation by vitrine's own generator: the same numbers on every platform. Returns self."""
        try:
            self._core.init(seed)
        except TypeError:
            raise Error(f"seed is {seed!r} and must be a whole number from 0 to 2^64 - 1") from None
        return self

    def store_weights(self, storage: WeightStorage) -> "Any":
        """Stores the weights of products as "bf16" or "f16" (half the memory) or "int8" (a quarter, a scale a row), and
        computes with what is stored from then on: until `load`, `load_state_dict` or `init`. "f32" changes nothing.

        Of float32 layers, once: what is stored otherwise already must be loaded again. Not while another thread calls
        the layer. `save` writes what is stored, `state_dict` gives it as float32. Returns self.
        """
        self._core.store_weights(weights_name(storage, "storage"))
        return self

    def load(self, path: Any, prefix: str = "") -> "Any":
        """Loads a safetensors file (or a folder of one), from names that begin with `prefix`. Returns self."""
        self._core.load_file(path_text(path), str(prefix))
        return self

    def save(self, path: Any) -> None:
        """Writes all parameters and the options as safetensors."""
        self._core.save(path_text(path))

    def load_state_dict(self, state: Dict[str, Any]) -> "Any":
        """Loads arrays or tensors by PyTorch's names; all or nothing. Returns self."""
        tensors: List[Tuple[str, str, List[int], np.ndarray]] = []
        for name, value in dict(state).items():
            array, dtype = _tensor(value, str(name))
            tensors.append((str(name), dtype, list(array.shape), _arrays.contiguous(array)))
        self._core.load_tensors(tensors)
        return self

    def state_dict(self) -> Dict[str, np.ndarray]:
        """Copies of all parameters by PyTorch's names."""
        return dict(self._core.parameters())

    def __repr__(self) -> str:
        options = ", ".join(f"{name}={value!r}" for name, value in self.config.items())
        return f"vitrine.{type(self).__name__}({options})"

    def _run(
        self,
        inputs: Tuple[Any, ...],
        names: Tuple[str, ...],
        masks: Optional[Tuple[Optional[Mask], ...]],
        scales: Optional[Tuple[Any, ...]],
        keep: _core.Keep,
        threads: int,
        layout: Layout,
    ) -> Result:
        dtype = self._dtype
        arrays: Tuple[Any, ...]
        if any([_arrays.is_ragged(value) for value in inputs]):
            for value, name in zip(inputs, names):
                if not _arrays.is_ragged(value):
                    raise Error(f"{name} must be a list of arrays (T, E), as the other inputs are")
            arrays = tuple([_arrays.packed(value, name, dtype) for value, name in zip(inputs, names)])
            ranks = {3}
            layout = layout._replace(ragged=True)
        else:
            arrays = tuple([_arrays.rows(value, name, dtype) for value, name in zip(inputs, names)])
            ranks = {array.ndim for array in arrays}
        if ranks == {2}:
            arrays = tuple([array[None] for array in arrays])
            layout = layout._replace(batched=False)
        elif ranks != {3}:
            shapes = ", ".join(f"{name} {array.shape}" for name, array in zip(names, arrays))
            raise Error(f"inputs are all (T, E) or all (B, T, E), and these are {shapes}")
        elif not self.batch_first and not layout.ragged:
            arrays = tuple([_arrays.rows(array.swapaxes(0, 1), "input", dtype) for array in arrays])
            layout = layout._replace(seq_first=True)
        parts = None
        if masks is not None:
            parts = tuple([None if mask is None else _masks.prepared(mask.parts, dtype) for mask in masks])
        if scales is not None:
            scales = tuple(
                [None if s is None else _arrays.contiguous(_arrays.floats(s, "head_scale", dtype)) for s in scales]
            )
        return Result(self._core.call(arrays, parts, scales, keep, team(threads)), layout)


def _one(*masks: Tuple[str, Any, Any, bool]) -> Tuple[Optional[Mask], ...]:
    """For each attention a Mask of (its mask's name, the mask, its padding mask, its causal flag)."""
    made = []
    for name, mask, padding, is_causal in masks:
        whole: Optional[Mask] = None if mask is None else _masks.given(mask, name)
        if padding is not None:
            keys = padding if isinstance(padding, Mask) else _masks.from_torch_key_padding_mask(padding)
            whole = keys if whole is None else whole & keys
        if _masks.truth(is_causal, "is_causal") and (whole is None or not any(part[0] == 0 for part in whole.parts)):
            whole = _masks.causal() if whole is None else whole & _masks.causal()
        made.append(whole)
    return tuple(made)


class MultiheadAttention(Layer):
    """nn.MultiheadAttention.

    >>> attention = MultiheadAttention(embed_dim=8, num_heads=2).init(1)
    >>> result = attention(np.ones((3, 5, 8), np.float32))
    >>> result.output.shape, result.self_attn.shape
    ((3, 5, 8), (3, 2, 5, 5))
    """

    _kind = "MultiheadAttention"

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: Optional[int] = None,
        vdim: Optional[int] = None,
        batch_first: bool = True,
        dtype: Any = np.float32,
    ) -> None:
        options = dict(embed_dim=embed_dim, num_heads=num_heads, bias=bias, add_bias_kv=add_bias_kv)
        super().__init__({**options, "add_zero_attn": add_zero_attn, "kdim": kdim, "vdim": vdim}, batch_first, dtype)

    def __call__(
        self,
        query: Any,
        key: Any = None,
        value: Any = None,
        *,
        attn_mask: Any = None,
        key_padding_mask: Any = None,
        is_causal: bool = False,
        head_scale: Any = None,
        keep: Policy = "weights",
        layers: Any = None,
        heads: Any = None,
        which: Any = None,
        map_storage: MapStorage = "f32",
        threads: int = 0,
    ) -> Result:
        """query (B, T, E) alone: self-attention, `self_attn` (B, H, T, T). With key (B, S, kdim) and value
        (B, S, vdim): `cross_attn` (B, H, T, S). head_scale: (H,) factors of the heads' contexts.

        attn_mask: a Mask, or floating (T, S) or (B * H, T, S); key_padding_mask: (B, S), True: not attended.
        """
        masks = None
        if attn_mask is not None or key_padding_mask is not None or is_causal is not False:
            masks = _one(("attn_mask", attn_mask, key_padding_mask, is_causal))
        chosen = keep_of(keep, layers, heads, which, map_storage)
        scales = None if head_scale is None else (head_scale,)
        if key is None and value is None:
            return self._run((query,), ("query",), masks, scales, chosen, threads, Layout())
        if key is None or value is None:
            raise Error("key and value are given both, or neither")
        inputs = (query, key, value)
        return self._run(inputs, ("query", "key", "value"), masks, scales, chosen, threads, Layout())


class _EncoderCall(Layer):
    def __call__(
        self,
        src: Any,
        *,
        src_mask: Any = None,
        src_key_padding_mask: Any = None,
        is_causal: bool = False,
        head_scale: Any = None,
        keep: Policy = "weights",
        layers: Any = None,
        heads: Any = None,
        which: Any = None,
        map_storage: MapStorage = "f32",
        threads: int = 0,
    ) -> Result:
        """src (B, T, E) to `output` (B, T, E) and `self_attn` (B, H, T, T), of a stack one for each layer.

        src_mask: a Mask, or floating (T, T) or (B * H, T, T); src_key_padding_mask: (B, T), True: not attended;
        head_scale: (H,) factors of the heads' contexts, of a stack also (layers, H).
        """
        masks = None
        if src_mask is not None or src_key_padding_mask is not None or is_causal is not False:
            masks = _one(("src_mask", src_mask, src_key_padding_mask, is_causal))
        scales = None if head_scale is None else (head_scale,)
        return self._run(
            (src,), ("src",), masks, scales, keep_of(keep, layers, heads, which, map_storage), threads, self._layout
        )

    _layout = Layout()


class _DecoderCall(Layer):
    def __call__(
        self,
        tgt: Any,
        memory: Any,
        *,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
        head_scale: Any = None,
        memory_head_scale: Any = None,
        keep: Policy = "weights",
        layers: Any = None,
        heads: Any = None,
        which: Any = None,
        map_storage: MapStorage = "f32",
        threads: int = 0,
    ) -> Result:
        """tgt (B, T, E) and memory (B, S, E) to `output` (B, T, E), `self_attn` (B, H, T, T) and `cross_attn`
        (B, H, T, S), of a stack one for each layer. Not causal unless asked for, as in PyTorch. Masks as in an encoder.
        """
        masks = _one(
            ("tgt_mask", tgt_mask, tgt_key_padding_mask, tgt_is_causal),
            ("memory_mask", memory_mask, memory_key_padding_mask, memory_is_causal),
        )
        scales = None if head_scale is None and memory_head_scale is None else (head_scale, memory_head_scale)
        chosen = keep_of(keep, layers, heads, which, map_storage)
        return self._run((tgt, memory), ("tgt", "memory"), masks, scales, chosen, threads, Layout())


def _layer_options(
    d_model: int, nhead: int, dim_feedforward: int, activation: str, layer_norm_eps: float, norm_first: bool, bias: bool
) -> Dict[str, Any]:
    return dict(
        d_model=d_model,
        nhead=nhead,
        dim_feedforward=dim_feedforward,
        activation=activation,
        layer_norm_eps=layer_norm_eps,
        norm_first=norm_first,
        bias=bias,
    )


class _LayerOptions(Layer):
    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        activation: str = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = True,
        norm_first: bool = False,
        bias: bool = True,
        dtype: Any = np.float32,
    ) -> None:
        options = _layer_options(d_model, nhead, dim_feedforward, activation, layer_norm_eps, norm_first, bias)
        super().__init__(options, batch_first, dtype)


class EncoderLayer(_EncoderCall, _LayerOptions):
    """nn.TransformerEncoderLayer; activation is "relu", "gelu", "gelu_tanh" or "silu". Not loaded until init or load.

    >>> layer = EncoderLayer(d_model=8, nhead=2, dim_feedforward=16).init(1)
    >>> result = layer(np.ones((5, 8), np.float32), src_mask=_masks.causal())
    >>> result.output.shape, result.self_attn.shape
    ((5, 8), (2, 5, 5))
    """

    _kind = "EncoderLayer"


class DecoderLayer(_DecoderCall, _LayerOptions):
    """nn.TransformerDecoderLayer; options as EncoderLayer's."""

    _kind = "DecoderLayer"


class _Stack(Layer):
    def __init__(
        self,
        d_model: int,
        nhead: int,
        num_layers: int,
        dim_feedforward: int = 2048,
        activation: str = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = True,
        norm_first: bool = False,
        bias: bool = True,
        final_norm: bool = False,
        dtype: Any = np.float32,
    ) -> None:
        options = _layer_options(d_model, nhead, dim_feedforward, activation, layer_norm_eps, norm_first, bias)
        super().__init__({**options, "num_layers": num_layers, "final_norm": final_norm}, batch_first, dtype)


class Encoder(_EncoderCall, _Stack):
    """nn.TransformerEncoder: `num_layers` layers with EncoderLayer's options; final_norm is PyTorch's `norm`.

    >>> encoder = Encoder(d_model=8, nhead=2, num_layers=3, dim_feedforward=16).init(1)
    >>> result = encoder(np.ones((1, 5, 8), np.float32), layers=[0, 2], heads=[1])
    >>> [None if maps is None else maps.shape for maps in result.self_attn]
    [(1, 1, 5, 5), None, (1, 1, 5, 5)]
    """

    _kind = "Encoder"


class Decoder(_DecoderCall, _Stack):
    """nn.TransformerDecoder: `num_layers` layers with DecoderLayer's options; final_norm is PyTorch's `norm`."""

    _kind = "Decoder"


class Transformer(Layer):
    """nn.Transformer."""

    _kind = "Transformer"
    _layout = Layout(has_encoder=True)

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        activation: str = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = True,
        norm_first: bool = False,
        bias: bool = True,
        dtype: Any = np.float32,
    ) -> None:
        options = _layer_options(d_model, nhead, dim_feedforward, activation, layer_norm_eps, norm_first, bias)
        options.update(num_encoder_layers=num_encoder_layers, num_decoder_layers=num_decoder_layers)
        super().__init__(options, batch_first, dtype)

    def __call__(
        self,
        src: Any,
        tgt: Any,
        *,
        src_mask: Any = None,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        src_key_padding_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        src_is_causal: bool = False,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
        keep: Policy = "weights",
        layers: Any = None,
        heads: Any = None,
        which: Any = None,
        map_storage: MapStorage = "f32",
        threads: int = 0,
    ) -> Result:
        """src (B, S, E) and tgt (B, T, E) to the decoder's `output` (B, T, E), `self_attn`, `cross_attn`, and
        `encoder`, the encoder's. Masks as in an encoder.
        """
        masks = _one(
            ("src_mask", src_mask, src_key_padding_mask, src_is_causal),
            ("tgt_mask", tgt_mask, tgt_key_padding_mask, tgt_is_causal),
            ("memory_mask", memory_mask, memory_key_padding_mask, memory_is_causal),
        )
        chosen = keep_of(keep, layers, heads, which, map_storage)
        return self._run((src, tgt), ("src", "tgt"), masks, None, chosen, threads, self._layout)


_CLASSES = {
    cls._kind: cls for cls in (MultiheadAttention, EncoderLayer, DecoderLayer, Encoder, Decoder, Transformer)
}


def team(threads: Any) -> int:
    """threads= of a call; 0: as many as OpenMP would use."""
    if type(threads) is int and 0 <= threads <= 4096:
        return threads
    number = _masks._whole(threads, "threads")
    if not 0 <= number <= 4096:
        raise Error(f"threads is {number} and must be from 0 (as many as there are) to 4096")
    return number


def path_text(path: Any) -> str:
    """A path as the core takes it."""
    try:
        text: Any = os.fspath(path)
    except TypeError:
        raise Error(f"a path is {type(path).__name__} and must be a string or a Path") from None
    if isinstance(text, bytes):
        text = os.fsdecode(text)
    if "\0" in text:
        raise Error("a path has a NUL character")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Error(f"the path {text!r} is not UTF-8") from None
    return str(text)


@contextlib.contextmanager
def writable(path: Any) -> Iterator[str]:
    """The text of a path that is written to within; the system's errors are Error."""
    try:
        yield path_text(path)
    except OSError as error:
        raise Error(f"{path}: {error.strerror}") from None


def _tensor(value: Any, name: str) -> Tuple[np.ndarray, str]:
    """An array with the name of its type in safetensors; half precisions as they are."""
    if hasattr(value, "detach") and not value.is_meta and str(value.dtype) == "torch.bfloat16":
        import torch

        return value.detach().cpu().contiguous().view(torch.int16).numpy(), "BF16"
    if hasattr(value, "detach") and not value.is_meta and str(value.dtype) == "torch.float16":
        return value.detach().cpu().numpy(), "F16"
    array = _arrays.as_array(value, name)
    dtype = _SAFE_TYPES.get(str(array.dtype))
    if dtype is None:
        raise Error(f"{name} is {array.dtype} and must be float16, bfloat16, float32 or float64")
    return array, dtype


def from_torch(module: Any, dtype: Any = None) -> Any:
    """A live nn.MultiheadAttention, nn.Transformer or one of its parts, as it computes in eval(); no file in between.

    Subclasses too, when their forward is the stock one, and modules inside torch.compile or DataParallel. Hooks are not
    run: where the module or a part has one, it warns. Values are copied once. dtype: float32 or float64, by default float64 for a module that holds float64 and float32 for all
    others, half precisions included. Inputs are laid out as the module's batch_first says. Raises Error for a module
    that computes anything else.
    """
    from . import to_safetensors

    try:
        import torch

        if not isinstance(module, torch.nn.Module):
            raise Error(f"from_torch takes a torch.nn.Module, not {type(module).__name__}")
        module = to_safetensors.unwrap(module)
        kind, config = to_safetensors.describe(module)
    except to_safetensors.Refusal as refusal:
        raise Error(str(refusal)) from None
    except ImportError:
        raise Error("from_torch needs PyTorch, which is not installed") from None
    if module.training and any(float(getattr(part, "p", 0) or 0) > 0 for part in module.modules()):
        warnings.warn(
            "the module is in training mode; vitrine computes what it gives after module.eval(), without dropout",
            stacklevel=2,
        )
    for name, value in module.state_dict().items():
        if value.is_meta:
            raise Error(f"{name} is on the meta device and has no values")
    state = to_safetensors._completed(kind, config, module)
    if dtype is None:
        dtype = np.float64 if any(value.dtype == torch.float64 for value in state.values()) else np.float32
    made: Any = object.__new__(_CLASSES[kind])
    Layer.__init__(made, config, _batch_first(module), dtype)
    made.load_state_dict(state)
    return made


def _batch_first(module: Any) -> bool:
    for part in module.modules():
        if hasattr(part, "batch_first"):
            return bool(part.batch_first)
    return False


def scaled_dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    is_causal: bool = False,
    scale: Optional[float] = None,
    *,
    softcap: float = 0.0,
    past_key: Any = None,
    past_value: Any = None,
    keep: Policy = "weights",
    heads: Any = None,
    map_storage: MapStorage = "f32",
    threads: int = 0,
) -> Result:
    """softmax(scale Q K^T + mask) V for (B, H, T, D) operands; K heads of key and value may divide H (enable_gqa).

    `output` is (B, H, T, Dv), `self_attn` (B, H, T, S), past keys first. attn_mask: a Mask, or floating numbers that
    broadcast to (B, H, T, S). scale None: 1 / sqrt(D). softcap c: c tanh(s / c); 0: none.

    >>> x = np.ones((1, 2, 3, 4), np.float32)
    >>> scaled_dot_product_attention(x, x, x, is_causal=True).self_attn[0, 0, 1].tolist()
    [0.5, 0.5, 0.0]
    """
    first = _arrays.as_array(query, "query")
    dtype = np.dtype(np.float64 if first.dtype == np.float64 else np.float32)
    operands: List[Optional[np.ndarray]] = []
    for operand, name in ((first, "query"), (key, "key"), (value, "value"), (past_key, "past_key")):
        operands.append(_operand(operand, name, dtype))
    operands.append(_operand(past_value, "past_value", dtype))
    if operands[1] is None or operands[2] is None or operands[0] is None:
        raise Error("attention needs query, key and value")
    if (operands[3] is None) != (operands[4] is None):
        raise Error("past_key and past_value are given both, or neither")
    mask = _one(("attn_mask", attn_mask, None, is_causal))[0]
    parts = None if mask is None else (_masks.prepared(mask.parts, dtype),)
    numbers = [_masks.number(scale, "scale") if scale is not None else 0.0, _masks.number(softcap, "softcap")]
    if numbers[1] < 0:
        raise Error(f"softcap is {softcap!r} and must not be negative")
    if scale is not None and numbers[0] == 0:  # to the core it is the scale of None
        operands[0] = operands[0] * dtype.type(0)
    core = _core.attention(tuple(operands), parts, numbers[0], numbers[1], keep_of(keep, None, heads, None, map_storage), team(threads))
    return _AttentionResult(core, Layout(), operands[0].shape[1])


def _operand(value: Any, name: str, dtype: np.dtype) -> Optional[np.ndarray]:
    if value is None:
        return None
    array = _arrays.floats(value, name, dtype)
    if array.ndim != 4:
        raise Error(f"{name} is {array.shape} and must be (B, H, T, D)")
    return _arrays.contiguous(array)


class _AttentionResult(Result):
    __slots__ = ("_heads",)

    def __init__(self, core: _core.Result, layout: Layout, heads: int) -> None:
        super().__init__(core, layout)
        self._heads = heads

    @property
    def output(self) -> np.ndarray:
        array: np.ndarray = self._rows("output")
        batch, length, width = array.shape
        return array.reshape(batch, length, self._heads, width // self._heads).swapaxes(1, 2)
