"""The honest naive forecasts every model has to beat, and the season found in the data."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


def naive(y: Array, origins: IntArray, first: IntArray, horizon: int, context: int) -> Array:
    """``(W, h, K)``: the last observed value of the context, repeated."""
    last, _ = _last_observed(y, origins, first, context)
    return np.asarray(np.repeat(last[:, None], horizon, axis=1))


def drift(y: Array, origins: IntArray, first: IntArray, horizon: int, context: int) -> Array:
    """``(W, h, K)``: the line through the first and the last observed value of the context.

    Hyndman & Athanasopoulos, "Forecasting: principles and practice", section 5.2, with the context in
    place of the whole history, so that a backtest, a stream and a fresh process agree.
    """
    last, last_row = _last_observed(y, origins, first, context)
    start, start_row = _first_observed(y, origins, first, context)
    span = np.maximum(last_row - start_row, 1)
    slope = np.where(last_row > start_row, (last - start) / span, 0.0)
    ahead = (origins[:, None] - 1 - last_row)[:, None] + np.arange(1, horizon + 1)[None, :, None]
    return np.asarray(last[:, None] + slope[:, None] * ahead)


def seasonal_naive(
    y: Array, origins: IntArray, first: IntArray, horizon: int, context: int, season: int
) -> Array:
    """``(W, h, K)``: the value one season before, of the season before that where it is missing.

    Args (of all three baselines):
        y: ``(N, K)`` values, NaN missing.
        origins: ``(W,)`` first row of each horizon.
        first: ``(W,)`` first row of that window's series.
        season: steps.  Where no season before is in the table, the naive forecast stands in.
    """
    steps = np.arange(1, horizon + 1)
    out = naive(y, origins, first, horizon, context)
    found = np.zeros(out.shape, dtype=bool)
    for back in range(1, 4):  # up to two seasons further when a value is missing
        rows = (
            origins[:, None] - 1 + steps - season * (np.ceil(steps / season).astype(int) + back - 1)
        )
        inside = rows >= first[:, None]
        value = y[np.where(inside, rows, 0)]
        use = inside[..., None] & ~np.isnan(value) & ~found
        out = np.where(use, value, out)
        found |= use
    return out


def find_season(y: Array, offsets: IntArray, ends: IntArray, candidates: Sequence[int]) -> int:
    """Season length in steps, 1 when there is none.

    The lag whose autocorrelation is highest among those that a calendar suggests (``candidates``) and the
    peaks of the autocorrelation itself, when it exceeds both 0.1 and five times the 1/sqrt(pairs) of white
    noise (five, as it is the highest of many; pairs: rows that lie the lag apart).  Measured on the
    differenced series, so that a trend does not pass for a season, on the training rows
    ``offsets[s]:ends[s]`` of the longest series.

    >>> t = np.arange(400.0)
    >>> find_season(np.sin(2 * np.pi * t / 12)[:, None], np.array([0, 400]), np.array([400]), [7])
    12
    """
    s = int((ends - offsets[:-1]).argmax())
    totals: Array | None = None
    for k in range(y.shape[1]):
        acf = _autocorrelation(np.diff(y[offsets[s] : ends[s], k]))
        totals = acf if totals is None else totals + acf
    if totals is None or len(totals) < 4:
        return 1
    acf = totals / y.shape[1]
    lags = np.arange(2, len(acf) - 1)
    peaks = lags[(acf[lags] >= acf[lags - 1]) & (acf[lags] >= acf[lags + 1])]
    usable = sorted({*peaks.tolist(), *(c for c in candidates if 2 <= c < len(acf) - 1)})
    if not usable:
        return 1
    highest = max(float(acf[lag]) for lag in usable)
    # A lag that the calendar explains is taken before one that only the noise of the peaks prefers;
    # a multiple of a season is nearly as good as the season, so the shortest of the good ones.
    expected = [c for c in usable if c in candidates and acf[c] >= 0.75 * highest]
    good = expected or usable
    best = next(lag for lag in good if acf[lag] >= 0.9 * max(acf[g] for g in good))
    # The longer the lag, the fewer the pairs: with n in their place, one noise in seven of 1000 rows
    # had a "season" near n/2.
    pairs = int(ends[s] - offsets[s]) - best
    floor = max(0.1, 5 / np.sqrt(max(pairs, 1)))
    return best if acf[best] > floor else 1


def _autocorrelation(x: Array) -> Array:
    """Autocorrelation at lags 0 … n/2 (at most 2000) of a series with holes, by FFT of value and mask."""
    observed = ~np.isnan(x)
    if observed.sum() < 8:
        return np.zeros(1)
    centred = np.where(observed, x - x[observed].mean(), 0.0)
    n = 1 << (2 * len(x) - 1).bit_length()
    power = np.fft.irfft(np.abs(np.fft.rfft(centred, n)) ** 2, n)
    pairs = np.fft.irfft(np.abs(np.fft.rfft(observed.astype(float), n)) ** 2, n).round()
    lags = min(len(x) // 2, 2000)
    cov = power[:lags] / np.maximum(pairs[:lags], 1)
    return np.asarray(cov / cov[0] if cov[0] > 0 else np.zeros(lags))


def _last_observed(
    y: Array, origins: IntArray, first: IntArray, context: int
) -> tuple[Array, IntArray]:
    """Value and row, each ``(W, K)``, of the last observation in each context; 0 where there is none."""
    rows = np.arange(len(y))[:, None]
    last = np.maximum.accumulate(np.where(np.isnan(y), -1, rows), axis=0)[origins - 1]
    low = np.maximum(origins - context, first)[:, None]
    found = last >= low
    last = np.where(found, last, low)
    return np.where(found, np.take_along_axis(y, last, axis=0), 0.0), last


def _first_observed(
    y: Array, origins: IntArray, first: IntArray, context: int
) -> tuple[Array, IntArray]:
    """Value and row, each ``(W, K)``, of the first observation in each context; 0 where there is none."""
    rows = np.arange(len(y))[:, None]
    low = np.maximum(origins - context, first)
    after = np.where(np.isnan(y), len(y), rows)[::-1]
    start = np.minimum.accumulate(after, axis=0)[::-1][low]
    found = start < origins[:, None]
    start = np.where(found, start, low[:, None])
    return np.where(found, np.take_along_axis(y, start, axis=0), 0.0), start
