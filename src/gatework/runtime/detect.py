"""The detector's network on NumPy arrays: ``gatework.nn.detect`` without torch, in blocks or row by row.

The same weights, and the same numbers up to rounding; what each part is for is told there.  A row costs the
same whatever came before: a forecast keeps the recurrent state and the last row, a rebuilding network the rows
of its window.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from gatework.errors import InputError
from gatework.runtime.detect_spec import HARD, SOFT, DetectSpec, check_detect_spec
from gatework.runtime.recurrent import Recurrent
from gatework.runtime.state import State

Array = npt.NDArray[Any]
FLOOR = 0.01  # least width of a side, in standard deviations of the channel
WINDOWS = 512  # rebuilt at once


class Told(NamedTuple):
    """What was expected of n rows, and how far off they were."""

    residuals: npt.NDArray[
        np.float64
    ]  # (n, C + D): distance to the median over the side's width; -ln mass
    low: Array  # (n, C) outermost quantiles and the median, standardised
    middle: Array
    high: Array
    best: Array  # (n, D) the likeliest word of each category
    best_p: Array  # (n, D) its probability
    own_p: Array  # (n, D) that of the word that came


class RowState:
    """What a network remembers of one series, in arrays that are its own for good: a row step writes there."""

    def __init__(self, runtime: DetectRuntime) -> None:
        spec = runtime.spec
        self.stream = runtime.recurrent.stream() if spec.forecasts else None
        self.last = np.zeros(spec.channels, np.float32)  # carried forward, bent
        self.missing = np.ones(spec.channels, bool)
        self.tokens = np.zeros(len(spec.cardinalities), np.int64)
        self.window = np.zeros(
            (0, runtime.row_size), np.float32
        )  # rows before, as the network sees them

    def snapshot(self) -> dict[str, Any]:
        """Arrays from which :meth:`restore` goes on."""
        found: dict[str, Any] = {
            "last": self.last.copy(),
            "missing": self.missing.astype(np.uint8),
            "tokens": self.tokens.copy(),
            "window": self.window.copy(),
        }
        if self.stream is not None:
            found |= {f"state{k}": part for k, part in enumerate(self.stream.state.parts)}
        return found

    def restore(self, found: Mapping[str, Any]) -> None:
        """Go on from a snapshot.

        Raises:
            ValueError, KeyError, InputError: it is not of such a network.
        """
        shapes = {"last": self.last, "missing": self.missing, "tokens": self.tokens}
        for name, own in shapes.items():
            if found[name].shape != own.shape:
                raise ValueError(f"{name} has shape {found[name].shape}")
        if found["window"].ndim != 2 or found["window"].shape[1] != self.window.shape[1]:
            raise ValueError(f"window has shape {found['window'].shape}")
        self.last[...] = found["last"]
        self.missing[...] = found["missing"]
        self.tokens[...] = found["tokens"]
        self.window = np.array(found["window"], np.float32)
        if self.stream is not None:
            parts = [found[f"state{k}"] for k in range(len(self.stream.state.parts))]
            self.stream.state = State(*parts)


class DetectRuntime:
    """What a trained :class:`~gatework.nn.detect.DetectNetwork` expects of rows, without torch.

    Never changes after it is made, so that threads and streams can share it.

    Args:
        spec: the sizes, the network's ``spec``.
        arrays: its ``state_dict()``, of torch tensors or arrays, which are copied.

    Raises:
        InputError: an array is missing or does not fit.
    """

    def __init__(self, spec: DetectSpec, arrays: Mapping[str, Any]) -> None:
        try:
            check_detect_spec(spec)
            self._read(spec, {k: np.array(np.asarray(v)) for k, v in arrays.items()})
        except ValueError as fact:
            raise InputError(f"DetectRuntime: {fact}") from None
        except KeyError as name:
            raise InputError(f"DetectRuntime: the array {name} is missing.") from None

    def _read(self, spec: DetectSpec, arrays: dict[str, Array]) -> None:
        self.spec, self.row_size = spec, spec.row_size
        self.recurrent = Recurrent.from_state_dict(
            spec.cell, _under(arrays, "recurrent."), zoneout=spec.zoneout
        )
        self.decoder = None
        if not spec.forecasts:
            self.decoder = Recurrent.from_state_dict(
                spec.cell, _under(arrays, "decoder."), zoneout=spec.zoneout
            )
            L = spec.latent_size  # of a variational network the means come first
            self.squeeze = arrays["squeeze.weight"][:L].T.copy(), arrays["squeeze.bias"][:L]
        self.tables = [arrays[f"tables.{d}.weight"] for d in range(len(spec.cardinalities))]
        self.words = [
            (arrays[f"words.{d}.weight"].T.copy(), arrays[f"words.{d}.bias"])
            for d in range(len(spec.cardinalities))
        ]
        self.keep = arrays["keep"] if spec.forecasts else None
        self._check(arrays)
        C, Q = spec.channels, len(spec.levels)
        if C:
            # Q blocks of C in place of C of Q: the median first, then the levels below, then those above.
            m, H = spec.levels.index(0.5), spec.hidden_size
            order = [m, *range(m), *range(m + 1, Q)]
            weight = arrays["numbers.linear.weight"].reshape(C, Q, H)[:, order]
            bias = arrays["numbers.linear.bias"].reshape(C, Q)[:, order]
            self.head = (
                weight.transpose(2, 1, 0).reshape(H, Q * C).copy(),
                bias.T.reshape(-1).copy(),
            )
            self.below, self.above = m, Q - 1 - m

    def _check(self, arrays: Mapping[str, Array]) -> None:
        """ValueError when an array is not of the size that the spec gives it."""
        spec, H = self.spec, self.spec.hidden_size
        heads = spec.channels * len(spec.levels)
        shapes: dict[str, tuple[int, ...]] = {}
        if heads:
            shapes |= {"numbers.linear.weight": (heads, H), "numbers.linear.bias": (heads,)}
        for d, (n, size) in enumerate(zip(spec.cardinalities, spec.embedding_sizes, strict=True)):
            shapes[f"tables.{d}.weight"] = (n, size)
            shapes |= {f"words.{d}.weight": (n, H), f"words.{d}.bias": (n,)}
        stacks = [("recurrent", self.recurrent, spec.row_size)]
        if spec.forecasts:
            shapes["keep"] = (spec.channels,)
        else:
            latent = spec.latent_size * (2 if spec.method == "variational" else 1)
            shapes |= {"squeeze.weight": (latent, H), "squeeze.bias": (latent,)}
            assert self.decoder is not None
            stacks.append(("decoder", self.decoder, spec.latent_size + spec.calendar))
        for name, shape in shapes.items():
            if arrays[name].shape != shape:
                raise ValueError(f"the array {name} must be {shape}; got {arrays[name].shape}.")
        for name, stack, size in stacks:
            sizes = stack.input_size, stack.hidden_size, stack.num_layers
            if sizes != (size, H, spec.num_layers):
                raise ValueError(f"the {name} layers do not fit the sizes of the network.")

    def state(self) -> RowState:
        """What is remembered before the first row."""
        return RowState(self)

    # ---- one series, row after row ------------------------------------------------------------------

    def advance(self, state: RowState, values: Array, tokens: Array, calendar: Array) -> Told:
        """What was expected of n successive rows; ``state`` moves on.

        Args:
            values: ``(n, C)`` float32 standardised, NaN where missing.
            tokens: ``(n, D)`` int64.  calendar: ``(n, F)`` float32.
        """
        if self.spec.forecasts:
            h, last = self._forecast(state, values, tokens, calendar)
            return self._told(h, values, tokens, last)
        return self._told(self._rebuilt(state, values, tokens, calendar), values, tokens, None)

    def _forecast(
        self, state: RowState, values: Array, tokens: Array, calendar: Array
    ) -> tuple[Array, Array]:
        n, spec = len(values), self.spec
        near, missing = _near(values, state.last)
        if n == 1:
            last, gone, before = state.last[None].copy(), state.missing[None], state.tokens[None]
        else:
            last = np.concatenate([state.last[None], near[:-1]])
            gone = np.concatenate([state.missing[None], missing[:-1]])
            before = np.concatenate([state.tokens[None], tokens[:-1]])
        x = self._rows(last, gone, before, calendar)
        state.last[...] = near[-1]
        if spec.mask:
            state.missing[...] = missing[-1]
        state.tokens[...] = tokens[-1]
        assert state.stream is not None
        h = state.stream.push(x[0])[None] if n == 1 else state.stream.extend(x)
        return h, last

    def _rows(self, values: Array, missing: Array, tokens: Array, calendar: Array) -> Array:
        """``(..., I)`` float32, contiguous."""
        spec = self.spec
        parts = [values] if spec.channels else []
        if spec.mask:
            parts.append(missing.astype(np.float32))
        parts += [table[tokens[..., d]] for d, table in enumerate(self.tables)]
        if spec.calendar:
            parts.append(calendar)
        return np.ascontiguousarray(parts[0] if len(parts) == 1 else np.concatenate(parts, -1))

    def _rebuilt(self, state: RowState, values: Array, tokens: Array, calendar: Array) -> Array:
        """``(n, H)``: the decoder's first step, which tells of each window's last row."""
        missing = np.isnan(values)
        rows = self._rows(_bent(np.nan_to_num(values)), missing, tokens, calendar)
        W = self.spec.window
        if W == 1:
            return self._decoded(rows[:, None], None, calendar)
        known = len(state.window)
        rows = np.concatenate([state.window, rows])
        state.window = rows[len(rows) - min(W - 1, len(rows)) :].copy()
        out = np.empty((len(values), self.spec.hidden_size), np.float32)
        for first in range(0, len(values), WINDOWS):
            end = np.arange(first, min(first + WINDOWS, len(values))) + known + 1
            lengths = np.minimum(end, W)
            places = (end - lengths)[:, None] + np.arange(W)
            windows = rows[np.minimum(places, len(rows) - 1)]
            part = slice(first, first + len(end))
            out[part] = self._decoded(windows, lengths, calendar[part])
        return out

    def _decoded(self, windows: Array, lengths: Array | None, calendar: Array) -> Array:
        assert self.decoder is not None
        _, state = self.recurrent.forward(windows, lengths=lengths)
        weight, bias = self.squeeze
        latent = state.h[-1] @ weight + bias
        step = np.concatenate([latent, calendar], -1) if self.spec.calendar else latent
        y, _ = self.decoder.forward(np.ascontiguousarray(step[:, None], np.float32))
        return np.asarray(y[:, 0])

    # ---- many sessions at once ----------------------------------------------------------------------

    def sessions(self, values: Array, tokens: Array, calendar: Array, offsets: Array) -> Told:
        """What was expected of the rows of S sessions, each from its beginning: ``(N, ...)`` in their order."""
        spec, lengths = self.spec, np.diff(offsets)
        N, H = len(values), spec.hidden_size
        h, last = np.empty((N, H), np.float32), np.empty((N, spec.channels), np.float32)
        order = np.argsort(lengths, kind="stable")
        for some in _batches(lengths[order]):
            own = order[some]
            T = int(lengths[own].max())
            if T == 0:
                continue
            inside = np.arange(T) < lengths[own][:, None]
            rows = np.where(inside, offsets[own][:, None] + np.arange(T), 0)
            near, missing = _carried(values[rows])
            shifted = [np.zeros_like(a[:, :1]) for a in (near, missing, tokens[rows])]
            shifted[1][...] = True
            before = [
                np.concatenate([first, a[:, :-1]], 1)
                for first, a in zip(shifted, (near, missing, tokens[rows]), strict=True)
            ]
            x = self._rows(before[0], before[1], before[2], calendar[rows])
            y, _ = self.recurrent.forward(x, lengths=lengths[own])
            h[rows[inside]] = y[inside]
            last[rows[inside]] = before[0][inside]
        return self._told(h, values, tokens, last)

    # ---- what was expected --------------------------------------------------------------------------

    def _told(self, h: Array, values: Array, tokens: Array, last: Array | None) -> Told:
        spec, n = self.spec, len(h)
        C = spec.channels
        residuals = np.empty((n, C + len(self.words)))
        empty = np.empty((n, 0), np.float32)
        low = middle = high = empty
        if C:
            low, middle, high = self.quantiles(h, last)
            distance = values - middle
            side = np.where(distance > 0, high - middle, middle - low)
            residuals[:, :C] = distance / (side + np.float32(FLOOR))
        D, rows = len(self.words), np.arange(n)
        best = np.empty((n, D), np.int64)
        best_p, own_p = np.empty((n, D), np.float32), np.empty((n, D), np.float32)
        for d in range(D):
            p = self.probabilities(h, d)
            own = p[rows, tokens[:, d]]
            mass = (p * (p <= own[:, None] * np.float32(1.000001))).sum(1)
            residuals[:, C + d] = -np.log(np.maximum(mass, 1e-12))
            best[:, d] = p.argmax(1)
            best_p[:, d], own_p[:, d] = p[rows, best[:, d]], own
        return Told(residuals, low, middle, high, best, best_p, own_p)

    def quantiles(self, h: Array, last: Array | None) -> tuple[Array, Array, Array]:
        """``(n, C)`` lowest quantile, median and highest."""
        C, (weight, bias) = self.spec.channels, self.head
        out = h @ weight + bias
        middle = out[:, :C]
        widths = np.logaddexp(out[:, C:], np.float32(0))
        edge = self.below * C
        under = widths[:, :edge].reshape(-1, self.below, C).sum(1)
        over = widths[:, edge:].reshape(-1, self.above, C).sum(1)
        if last is not None:
            middle = middle + self.keep * last
        return middle - under, middle, middle + over

    def probabilities(self, h: Array, d: int) -> Array:
        """``(n, K_d)`` of a category's words."""
        weight, bias = self.words[d]
        logits = h @ weight + bias
        logits -= logits.max(1, keepdims=True)
        np.exp(logits, out=logits)
        logits /= logits.sum(1, keepdims=True)
        return np.asarray(logits)


def _under(arrays: Mapping[str, Array], prefix: str) -> dict[str, Array]:
    return {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}


def _bent(z: Array) -> Array:
    """As ``gatework.nn.detect.bent``."""
    far = np.abs(z)
    if not (far > SOFT).any():
        return z
    curve = np.minimum(SOFT + np.log1p(np.maximum(far - SOFT, 0)), HARD)
    return np.where(far > SOFT, np.sign(z) * curve, z).astype(np.float32)


def _near(values: Array, last: Array) -> tuple[Array, Array]:
    """Rows bent and carried forward from ``last``, and what is missing in them."""
    missing = values != values
    if not missing.any():
        return _bent(values), missing
    near = np.concatenate([last[None], _bent(np.nan_to_num(values))])
    there = np.concatenate([np.ones_like(missing[:1]), ~missing])
    place = np.maximum.accumulate(np.where(there, np.arange(len(near))[:, None], 0), axis=0)
    return np.take_along_axis(near, place, 0)[1:], missing


def _carried(values: Array) -> tuple[Array, Array]:
    """The same of ``(B, T, C)``, from zeros."""
    missing = np.isnan(values)
    near = _bent(np.nan_to_num(values))
    if not missing.any():
        return near, missing
    steps = np.arange(values.shape[1])[None, :, None]
    place = np.maximum.accumulate(np.where(missing, -1, steps), axis=1)
    found = np.take_along_axis(near, np.maximum(place, 0), 1)
    return np.where(place >= 0, found, np.float32(0)), missing


def _batches(lengths: Array, cells: int = 2**16) -> list[slice]:
    """Slices of rising lengths whose padded rows stay below ``cells``."""
    found, first = [], 0
    while first < len(lengths):
        end = min(first + 4096, len(lengths))
        while end - first > 1 and (end - first) * max(int(lengths[end - 1]), 1) > cells:
            end = first + max((end - first) // 2, 1)
        found.append(slice(first, end))
        first = end
    return found
