"""The forecasting network on NumPy arrays: ``gatework.nn.horizon`` without torch.

The same weights, and the same numbers up to rounding; what each part is for is told there.  A forecast of
one window is some forty NumPy calls and a few steps of the engine.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from gatework.errors import InputError
from gatework.runtime.encoders import make_encoder, transposed
from gatework.runtime.horizon_spec import HorizonSpec, check_spec
from gatework.runtime.horizon_weights import read_horizon
from gatework.runtime.inputs import check_threads
from gatework.runtime.missing import carry_forward, last_observed
from gatework.runtime.quantiles import QuantileHead, expectation_weights

Array = npt.NDArray[Any]


class WindowArrays(NamedTuple):
    """B windows of L context and h future steps; numbers NaN where missing.  What a model lacks is None."""

    y: Array  # (B, L, K)
    past: Array | None = None  # (B, L, P)
    known: Array | None = None  # (B, L+h, F)
    past_categories: Array | None = None  # (B, L, Pc) whole numbers
    known_categories: Array | None = None  # (B, L+h, Fc)
    static: Array | None = None  # (B, Sn)
    static_categories: Array | None = None  # (B, Sc)


class HorizonArrays(NamedTuple):
    """What the network says of B windows, in the scale of its input."""

    mean: Array  # (B, h, K), of the distribution that the quantiles describe
    quantiles: Array  # (B, h, K, Q), rising along Q


class Horizon:
    """Forecasts of windows from the weights of a trained ``gatework.nn.horizon.HorizonNetwork``.

    Never changes after it is made, so that threads and streams can share it.  It computes in the dtype of
    its weights, float32 or float64.

    Args:
        spec: the sizes, the network's ``spec``.
        arrays: its ``state_dict()``, of torch tensors or arrays, which are copied.

    Raises:
        InputError: sizes that no fit makes, an array that is missing, unknown, or of another shape or dtype.
    """

    def __init__(self, spec: HorizonSpec, arrays: Mapping[str, Any]) -> None:
        try:
            check_spec(spec)
            found = read_horizon(spec, arrays)
        except ValueError as fact:
            raise InputError(f"Horizon: {fact}") from None
        self.spec, self.dtype = spec, found["position"].dtype
        K, m = spec.targets, spec.out_segments

        def linear(name: str) -> Array | None:
            return transposed(found[f"{name}.weight"]) if f"{name}.weight" in found else None

        L, both = spec.context, spec.context + spec.horizon
        # Of one window, in the order of WindowArrays.
        self._sizes: tuple[tuple[int, ...], ...] = (
            (L, K),
            (L, spec.past),
            (both, spec.known),
            (L, len(spec.past_categories)),
            (both, len(spec.known_categories)),
            (spec.static,),
            (len(spec.static_categories),),
        )
        self._encoder = make_encoder(spec, found)
        segment, self._segment_bias = found["segment.weight"], found["segment.bias"]
        self._segment = transposed(segment)
        w = spec.segment
        # Of a window without holes the masks are 1 and the times since last seen 0.
        self._full_segment = transposed(segment[:, :w])
        self._full_bias = self._segment_bias + segment[:, w : 2 * w].sum(axis=1)
        self._covariates, self._future = linear("covariates"), linear("future")
        self._static, self._known_highway = linear("static"), linear("known_highway")
        self._highway, self._highway_bias = (
            transposed(found["highway.weight"]),
            found["highway.bias"],
        )
        self._embeddings = {
            role: [
                found[f"embed_{role}.tables.{i}.weight"]
                for i in range(len(getattr(spec, f"{role}_categories")))
            ]
            for role in ("past", "known", "static")
        }
        position = np.broadcast_to(found["position"], (K, *found["position"].shape))
        column = np.repeat(found["column"][:, None], m, axis=1)
        self._query = np.concatenate([position, column], axis=2)[None]  # (1, K, m, H)
        self._head = QuantileHead(
            found["quantiles.linear.weight"], found["quantiles.linear.bias"], len(spec.levels) // 2
        )
        self._mean_weights = expectation_weights(spec.levels).astype(self.dtype)

    def forward(self, windows: WindowArrays, threads: int = 1) -> HorizonArrays:
        """Forecast of B windows: mean ``(B, h, K)`` and quantiles ``(B, h, K, Q)``.

        Args:
            windows: numbers of any dtype; converted to the network's.
            threads: how many may work on it at once, where there is enough for them.

        Raises:
            InputError: an array whose shape is not that of ``spec``, named.
        """
        check_threads(threads, "Horizon.forward")
        windows = self._checked(windows)
        spec = self.spec
        B, L, K = windows.y.shape
        m, w, H = spec.out_segments, spec.segment, spec.hidden_size
        if B == 0:
            nothing = np.empty((0, spec.horizon, K, len(spec.levels)), self.dtype)
            return HorizonArrays(nothing[..., 0], nothing)
        holes = bool(np.isnan(windows.y).any())
        y, location, scale = self._normalise(windows.y, holes)
        known = self._features(windows.known, windows.known_categories, "known", spec.mask_known)
        parts = carry_forward(y) if holes else (y,)
        tokens = self._tokens(parts, windows, known)
        query = self._queries(windows, known)
        if query.shape[0] != B:
            query = np.repeat(query, B, axis=0)
        hidden = self._encoder.run(tokens, query.reshape(B * K, m, H), threads)
        # Linear in the window and in the known future.
        middle = by_column(parts[0]).reshape(B * K, L) @ self._highway
        middle += self._highway_bias
        highway = middle.reshape(B, K, -1).transpose(0, 2, 1)  # (B, h, K)
        if self._known_highway is not None:
            assert known is not None
            ahead = known[:, L:]
            now = np.broadcast_to(known[:, L - 1 : L], ahead.shape)
            highway = highway + np.concatenate([ahead, now], axis=2) @ self._known_highway
        rows = self._head(hidden.reshape(B * K * m, H)).reshape(B, K, m * w, -1)
        quantiles = rows[:, :, : spec.horizon].swapaxes(1, 2) + highway[..., None]
        if scale is not None:
            quantiles *= scale[..., None]
        if location is not None:
            quantiles += location[..., None]
        return HorizonArrays(quantiles @ self._mean_weights, quantiles)

    def _checked(self, windows: WindowArrays) -> WindowArrays:
        """The windows in the network's dtype, None where a model has no such column."""
        B = len(windows.y)
        found: list[Array | None] = []
        for name, given, sizes in zip(WindowArrays._fields, windows, self._sizes, strict=True):
            if not sizes[-1] and (given is None or np.shape(given)[-1] == 0):
                found.append(None)
                continue
            array = np.asarray(given, None if name.endswith("categories") else self.dtype)
            if given is None or array.shape != (B, *sizes):
                came = "nothing" if given is None else f"shape {array.shape}"
                raise InputError(
                    f"Horizon.forward: `{name}` must have shape {(B, *sizes)}; got {came}."
                )
            found.append(array)
        return WindowArrays(*found)  # type: ignore[arg-type]  # y is always there

    def _normalise(self, y: Array, holes: bool) -> tuple[Array, Array | None, Array | None]:
        """Window as the network sees it, and the ``(B, 1, K)`` to undo that."""
        if self.spec.normalize == "none":
            return y, None, None
        if self.spec.normalize == "last":
            location = last_observed(y) if holes else y[:, -1:]
            return y - location, location, None
        location = _mean_seen(y, holes)
        centred = y - location
        # A flat window keeps the training part's scale times a tenth: its noise is not blown up.
        scale = np.sqrt(_mean_seen(centred * centred, holes) + y.dtype.type(0.01))
        centred /= scale
        return centred, location, scale

    def _features(
        self, numbers: Array | None, categories: Array | None, role: str, mask: bool
    ) -> Array | None:
        """``(B, T, C)`` covariates as the network sees them; None without any."""
        parts: list[Array] = []
        if numbers is not None:
            if mask:
                parts = list(carry_forward(numbers))
            elif numbers.ndim == 3 and np.isnan(numbers).any():
                # Trained without holes: what is missing now keeps its last value.
                parts = [carry_forward(numbers)[0]]
            else:
                parts = [numbers]
        if categories is not None:
            tables = enumerate(self._embeddings[role])
            parts += [table[categories[..., i]] for i, table in tables]
        if len(parts) > 1:
            return np.concatenate(parts, axis=-1)
        return parts[0] if parts else None

    def _tokens(
        self, parts: tuple[Array, ...], windows: WindowArrays, known: Array | None
    ) -> Array:
        """Segment vectors ``(B*K, n, H)``."""
        spec = self.spec
        B, L, K = windows.y.shape
        n, H = spec.in_segments, spec.hidden_size
        if spec.mask_y and len(parts) == 3:
            segments = np.concatenate([self._segments(by_column(p)) for p in parts], axis=-1)
            tokens = segments.reshape(B * K * n, -1) @ self._segment
            tokens += self._segment_bias
        else:
            rows = self._segments(by_column(parts[0])).reshape(B * K * n, -1)
            tokens = rows @ self._full_segment
            tokens += self._full_bias if spec.mask_y else self._segment_bias
        if self._covariates is not None:
            past = self._features(windows.past, windows.past_categories, "past", spec.mask_past)
            both = [x[:, :L] for x in (past, known) if x is not None]
            folded = self._segments(by_column(np.concatenate(both, axis=2))).swapaxes(1, 2)
            added = folded.reshape(B, 1, n, -1) @ self._covariates
            tokens = (tokens.reshape(B, K, n, H) + added).reshape(B * K * n, H)
        np.maximum(tokens, 0, out=tokens)
        return tokens.reshape(B * K, n, H)

    def _segments(self, x: Array) -> Array:
        """``(B, C, L)`` to ``(B, C, n, w)``, padded at the old end with the first value."""
        B, C, L = x.shape
        n, w = self.spec.in_segments, self.spec.segment
        missing = n * w - L
        if missing:
            padded = np.empty((B, C, n * w), x.dtype)
            padded[..., :missing] = x[..., :1]
            padded[..., missing:] = x
            x = padded
        return x.reshape(B, C, n, w)

    def _queries(self, windows: WindowArrays, known: Array | None) -> Array:
        """``(B or 1, K, m, H)``: what is known of each segment of the horizon."""
        spec, query = self.spec, self._query
        if self._future is not None:
            assert known is not None
            ahead = known[:, spec.context :]
            missing = spec.out_segments * spec.segment - spec.horizon
            if missing:
                ahead = np.concatenate([ahead, ahead[:, -1:].repeat(missing, axis=1)], axis=1)
            query = query + ahead.reshape(len(ahead), 1, spec.out_segments, -1) @ self._future
        if self._static is not None:
            features = self._features(windows.static, windows.static_categories, "static", False)
            assert features is not None
            query = query + (features @ self._static)[:, None, None]
        return query


def by_column(x: Array) -> Array:
    """``(B, C, T)`` contiguous of ``x`` ``(B, T, C)``."""
    return np.ascontiguousarray(x.swapaxes(1, 2))


def _mean_seen(x: Array, holes: bool) -> Array:
    """``(B, 1, C)``: the mean of the values that are not NaN; 0 where there is none."""
    if not holes:
        mean: Array = x.mean(axis=1, keepdims=True)
        return mean
    seen = ~np.isnan(x)
    count = seen.sum(axis=1, keepdims=True)
    total = np.where(seen, x, 0).sum(axis=1, keepdims=True)
    seen_mean: Array = (total / np.maximum(count, 1)).astype(x.dtype)
    return seen_mean
