"""What a caller passes, as the engine takes it, or one sentence that says what is wrong with it."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import numpy.typing as npt

from gatework.errors import ConfigError, InputError

Array = npt.NDArray[Any]


def is_masked(value: Any) -> bool:
    """Whether it is an array of ``numpy.ma``, which is not imported for this."""
    return isinstance(value, np.ndarray) and hasattr(value, "mask")


def plain_array(value: Any, name: str, who: str) -> Array:
    """``value`` as a NumPy array, a view where it can be.

    Raises:
        InputError: rows of different lengths, a torch tensor with a gradient, a masked array.
    """
    if is_masked(value):
        raise InputError(
            f"{who}: `{name}` is a masked array, whose mask would be lost. Pass {name}.filled(...) with the "
            "number that stands for what is masked."
        )
    try:
        return np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"{who}: `{name}` is no array that NumPy can read ({error}).") from None


def input_array(
    x: npt.ArrayLike,
    forms: tuple[str, ...],
    features: int,
    dtype: np.dtype[Any],
    who: str,
    batch: int | None = None,
) -> Array:
    """``x`` contiguous and of ``dtype``, checked against the forms allowed, such as ``("TI", "BTI")``.

    Raises:
        InputError: no numbers, numbers beyond ``dtype``, or axes, features or sequences that do not fit.
    """
    array = plain_array(x, "x", who)
    if array.dtype.kind not in "fiub":
        raise InputError(
            f"{who}: `x` must hold real numbers, NaN where nothing was measured; got {array.dtype}."
        )
    if array.ndim not in [len(form) for form in forms]:
        allowed = " or ".join(f"({', '.join(form)}{',' * (len(form) == 1)})" for form in forms)
        raise InputError(
            f"{who}: `x` must be {allowed} with I={features}; got shape {array.shape}."
        )
    if array.shape[-1] != features:
        raise InputError(
            f"{who}: `x` has {array.shape[-1]} features in its last axis, this network was built with "
            f"input_size={features}. Got shape {array.shape}. Check the columns you passed."
        )
    if batch is not None and array.shape[0] != batch:
        raise InputError(
            f"{who}: `x` holds {array.shape[0]} sequences, this stream was made with batch_size={batch}. "
            f"Got shape {array.shape}. Make a stream for each size of batch."
        )
    if array.dtype == dtype:
        return np.ascontiguousarray(array)
    with np.errstate(over="ignore"):
        converted = np.ascontiguousarray(array, dtype)
    beyond = np.isinf(converted)
    if beyond.any() and (beyond := beyond & np.isfinite(array)).any():
        place = tuple(int(i) for i in np.argwhere(beyond)[0])
        raise InputError(
            f"{who}: `x` holds {array[place]:.6g} at {place}, which this network's {dtype} cannot hold "
            f"(largest number {np.finfo(dtype).max:.6g}). Scale the inputs as in training."
        )
    return converted


def lengths_array(lengths: npt.ArrayLike, B: int, T: int, who: str) -> Array:
    """``lengths`` as ``(B,)`` int64 between 0 and T, or an InputError."""
    array = plain_array(lengths, "lengths", who)
    if array.shape != (B,) or (array.dtype.kind not in "iu" and array.size):
        raise InputError(
            f"{who}: `lengths` must hold one whole number per sequence, shape ({B},); got {array.dtype} "
            f"of shape {array.shape}."
        )
    if array.size and not (array.min() >= 0 and array.max() <= T):
        raise InputError(
            f"{who}: `lengths` must lie between 0 and T={T}; got {array.min()} to {array.max()}."
        )
    return array.astype(np.int64)


def resets_array(resets: npt.ArrayLike, B: int, T: int, who: str) -> Array:
    """``resets`` as ``(B, T)`` bool, or an InputError."""
    array = plain_array(resets, "resets", who)
    if array.shape != (B, T) or array.dtype != np.bool_:
        raise InputError(
            f"{who}: `resets` must be bool of shape ({B}, {T}), true where a sequence begins anew; got "
            f"{array.dtype} of shape {array.shape}."
        )
    return np.ascontiguousarray(array)


def whole_number(value: Any, name: str, least: int, who: str, otherwise: str = "") -> int:
    """``value`` as an int of at least ``least``, NumPy's integers too, or a ConfigError."""
    try:
        number = -1 if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = -1
    if number < least:
        raise ConfigError(
            f"{who}: `{name}` must be a whole number of at least {least}{otherwise}; got {value!r}."
        )
    return number


def check_threads(threads: int, who: str) -> int:
    """``threads`` as the engine's int, or a ConfigError unless it is a whole number of at least 1."""
    return min(whole_number(threads, "threads", 1, who), 2**31 - 1)


def mask_array(mask: npt.ArrayLike, B: int, who: str) -> Array:
    """``mask`` as ``(B,)`` bool, or an InputError."""
    array = plain_array(mask, "mask", who)
    if array.shape != (B,) or array.dtype != np.bool_:
        raise InputError(
            f"{who}: `mask` must be bool of shape ({B},), true where a sequence is to be forgotten; got "
            f"{array.dtype} of shape {array.shape}."
        )
    return array
