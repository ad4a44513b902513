"""What a caller passes, as the engine takes it, or one sentence that says what is wrong with it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from gatework.errors import ConfigError, InputError

Array = npt.NDArray[Any]


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
        InputError: no numbers, or axes, features or sequences that do not fit.
    """
    try:
        array = np.asarray(x)
    except (
        TypeError,
        ValueError,
        RuntimeError,
    ) as error:  # rows of different lengths, a torch gradient
        raise InputError(f"{who}: `x` is no array that NumPy can read ({error}).") from None
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
    with np.errstate(over="ignore"):  # beyond float32's range is infinite, as in torch
        return np.ascontiguousarray(array, dtype)


def lengths_array(lengths: npt.ArrayLike, B: int, T: int, who: str) -> Array:
    """``lengths`` as ``(B,)`` int64 between 0 and T, or an InputError."""
    array = np.asarray(lengths)
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
    array = np.asarray(resets)
    if array.shape != (B, T) or array.dtype != np.bool_:
        raise InputError(
            f"{who}: `resets` must be bool of shape ({B}, {T}), true where a sequence begins anew; got "
            f"{array.dtype} of shape {array.shape}."
        )
    return np.ascontiguousarray(array)


def check_threads(threads: int, who: str) -> None:
    """Raise a ConfigError unless ``threads`` is a whole number of at least 1."""
    if type(threads) is not int or threads < 1:
        raise ConfigError(
            f"{who}: `threads` must be a whole number of at least 1; got {threads!r}."
        )


def mask_array(mask: npt.ArrayLike, B: int, who: str) -> Array:
    """``mask`` as ``(B,)`` bool, or an InputError."""
    array = np.asarray(mask)
    if array.shape != (B,) or array.dtype != np.bool_:
        raise InputError(
            f"{who}: `mask` must be bool of shape ({B},), true where a sequence is to be forgotten; got "
            f"{array.dtype} of shape {array.shape}."
        )
    return array
