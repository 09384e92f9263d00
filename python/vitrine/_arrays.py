"""What people pass (NumPy, PyTorch, anything with the array protocol or DLPack, lists) as arrays that the core takes."""

from __future__ import annotations

from typing import Any, Optional, Tuple

import numpy as np

from ._core import Error

FLOATS = {False: np.dtype(np.float32), True: np.dtype(np.float64)}
INT64 = np.dtype(np.int64)


def as_array(value: Any, name: str) -> np.ndarray:
    """Any array-like as a NumPy array in native byte order; half precisions of PyTorch are widened."""
    if isinstance(value, np.ndarray):
        array: Any = value
    else:
        try:
            if hasattr(value, "detach"):  # a PyTorch tensor
                if value.is_meta:
                    raise Error(f"{name} is on the meta device and has no values")
                value = value.detach().cpu()
                if value.is_floating_point() and value.element_size() < 4:
                    value = value.float()
                array = value.numpy()
            elif isinstance(value, (str, bytes)) or value is None:
                raise Error(f"{name} is {type(value).__name__} and must be an array")
            else:
                array = np.asarray(value)
        except Error:
            raise
        except Exception as error:  # ragged lists, objects whose protocols fail, other devices
            raise Error(f"{name} is no array: {error}") from None
    if array.dtype.kind not in "fiub":
        raise Error(f"{name} is {array.dtype} and must be numbers")
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    return np.asarray(array)


def floats(value: Any, name: str, dtype: np.dtype) -> np.ndarray:
    """Floating numbers of the dtype; what is finite stays finite, since only -inf is a masked key."""
    array = as_array(value, name)
    if array.dtype.kind != "f":
        raise Error(f"{name} is {array.dtype} and must be floating")
    if array.dtype == dtype:
        return array
    if array.dtype.itemsize > dtype.itemsize:
        largest = np.finfo(dtype).max
        array = np.where(np.isfinite(array), np.clip(array, -largest, largest), array)
    return array.astype(dtype)


def contiguous(array: np.ndarray) -> np.ndarray:
    """The array, or a copy of it, with all values one after another and aligned."""
    flags = array.flags
    return array if flags.c_contiguous and flags.aligned else np.ascontiguousarray(array).copy()


def rows(value: Any, name: str, dtype: np.dtype) -> np.ndarray:
    """(B, T, E) or (T, E) of the dtype. Not copied where the last axis is contiguous, as in a (T, B, E) array's view."""
    if type(value) is np.ndarray and value.dtype == dtype:
        array = value
    else:
        array = floats(value, name, dtype)
    flags = array.flags
    if flags.c_contiguous and flags.aligned:
        return array
    size = dtype.itemsize
    plain = flags.aligned and array.ndim == 3 and array.strides[2] == size
    if plain and all(step >= 0 and step % size == 0 for step in array.strides):
        return array
    return np.ascontiguousarray(array).copy()


def is_ragged(value: Any) -> bool:
    """A list of arrays (T, E), each of its own length."""
    return isinstance(value, (list, tuple)) and len(value) > 0 and getattr(value[0], "ndim", None) == 2


def packed(value: Any, name: str, dtype: np.dtype) -> Tuple[np.ndarray, np.ndarray]:
    """A list of arrays (T, E) as their rows one after another, and the lengths."""
    all_of = [floats(one, f"{name}[{i}]", dtype) for i, one in enumerate(value)]
    for i, one in enumerate(all_of):
        if one.ndim != 2 or one.shape[1] != all_of[0].shape[1]:
            raise Error(f"{name}[{i}] is {one.shape} and must be (T, {all_of[0].shape[1]}) like the first of the list")
    return contiguous(np.concatenate(all_of)), np.array([len(one) for one in all_of], INT64)


def indices(value: Any, name: str) -> np.ndarray:
    """Whole numbers as contiguous int64."""
    array = as_array(value, name)
    if array.size == 0 and array.dtype.kind == "f":  # np.asarray([])
        array = array.astype(INT64)
    if array.dtype.kind not in "iu":
        raise Error(f"{name} is {array.dtype} and must be whole numbers")
    if array.dtype == np.uint64 and array.size and int(array.max()) > np.iinfo(np.int64).max:
        raise Error(f"{name} holds {int(array.max())}, which is too large")
    return contiguous(array.astype(INT64, copy=False))


def flags(value: Any, name: str) -> np.ndarray:
    """Truth values, or whole numbers that are 0 or not, as contiguous bytes."""
    array = as_array(value, name)
    if array.dtype.kind == "b":
        return contiguous(array).view(np.uint8)
    if array.dtype.kind not in "iu":
        raise Error(f"{name} is {array.dtype} and must be bool, or 0 and 1")
    return contiguous(array != 0).view(np.uint8)


def pad(sequences: "list[np.ndarray]", filler: int) -> Tuple[np.ndarray, Optional[np.ndarray]]:
    """Sequences of ids as (B, T), and their lengths; None where all are equally long."""
    lengths = np.array([len(one) for one in sequences], INT64)
    if len(sequences) == 0:
        return np.zeros((0, 0), INT64), None
    longest = int(lengths.max())
    if int(lengths.min()) == longest:
        return np.stack(sequences), None
    padded = np.full((len(sequences), longest), max(filler, 0), INT64)
    for row, one in zip(padded, sequences):
        row[: len(one)] = one
    return padded, lengths
