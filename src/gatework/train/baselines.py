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


def mean(y: Array, origins: IntArray, first: IntArray, horizon: int, context: int) -> Array:
    """``(W, h, K)``: the mean of the observed values of the context, repeated; 0 where there is none."""
    start = np.maximum(origins - context, first)
    seen = ~np.isnan(y)
    centre = np.nan_to_num(np.nanmean(y, axis=0)) if seen.any() else np.zeros(y.shape[1])
    # Sums of what is left after the overall mean: differences of large sums keep their digits.
    zero = np.zeros((1, y.shape[1]))
    total = np.concatenate([zero, np.where(seen, y - centre, 0.0).cumsum(axis=0)])
    count = np.concatenate([zero, seen.cumsum(axis=0)])
    n = count[origins] - count[start]
    value = np.where(n > 0, centre + (total[origins] - total[start]) / np.maximum(n, 1), 0.0)
    return np.asarray(np.repeat(value[:, None], horizon, axis=1))


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
    """Season length in steps, 1 when there is none; from training rows of the longest series alone.

    A lag s is a season when values a season apart are clearly closer than values half a season and one and a
    half seasons apart:

    .. code-block:: text

        d(s)  <  b (d(s/2) + d(3s/2)) / 2      d(k): mean |y(t) - y(t-k)|
        b  =  1 - max(0.05, 3 / sqrt(n - s), s / 2n)   the less noise in d and the more often the season
                                                       came round, the smaller a difference counts

    which neither a trend, nor a random walk, nor noise fulfils.  The highest hundredth of the differences is
    held to the rest.  Candidates are the lags that a calendar suggests, taken first, and the peaks of the
    autocorrelation of the differences, where these are significant (five times the 1/sqrt(pairs) of white
    noise, as the highest of many is looked at) and come round at least four times.  Of several targets the
    errors are averaged, each in units of its deviation.

    >>> t = np.arange(400.0)
    >>> find_season(np.sin(2 * np.pi * t / 12)[:, None], np.array([0, 400]), np.array([400]), [7])
    12
    """
    s = int((ends - offsets[:-1]).argmax())
    rows = y[offsets[s] : ends[s]]
    expected = [c for c in candidates if 2 <= c <= len(rows) // 2]
    seasons = {c: ratio for c in expected if (ratio := _season_ratio(rows, c)) < _bound(rows, c)}
    if not seasons:
        seasons = {
            c: ratio
            for c in _significant_lags(rows)
            if (ratio := _season_ratio(rows, c)) < _bound(rows, c)
        }
    if not seasons:
        return 1
    errors = {c: _season_error(rows, c) for c in seasons}
    best = min(errors.values())
    # A multiple of a season is nearly as good as the season: the shortest of the good ones.
    return min(c for c, error in errors.items() if error <= 1.1 * best + 0.02)


def _season_error(rows: Array, lag: int) -> float:
    """Mean over the targets of |y(t) - y(t-lag)|, each in units of its own deviation."""
    errors = []
    for column in rows.T:
        if not 0 < lag < len(column):
            continue
        difference = np.abs(column[lag:] - column[:-lag])
        scale = np.nanstd(column) if (~np.isnan(column)).any() else 0.0
        if scale > 0 and (~np.isnan(difference)).any():
            difference = difference[~np.isnan(difference)]
            errors.append(
                float(np.minimum(difference, np.quantile(difference, 0.99)).mean()) / scale
            )
    return float(np.mean(errors)) if errors else np.inf


def _bound(rows: Array, lag: int) -> float:
    """How much closer than half a season apart values must be: the less, the more pairs there are."""
    n = len(rows)
    return float(1 - max(0.05, 3 / np.sqrt(max(n - lag, 1)), lag / (2 * n)))


def _season_ratio(rows: Array, lag: int) -> float:
    """Error of the season's lag over that of the lags half a season beside it; infinite if unknown."""
    beside = (_season_error(rows, lag // 2) + _season_error(rows, lag + lag // 2)) / 2
    error = _season_error(rows, lag)
    return error / beside if np.isfinite(beside) and beside > 0 else np.inf


def _significant_lags(rows: Array) -> list[int]:
    """Peaks of the autocorrelation of the differences that are no noise, at most a quarter of the rows."""
    total = np.zeros(1)
    for column in rows.T:
        difference = np.diff(column)
        seen = difference[~np.isnan(difference)]
        if len(seen) < 8:
            continue
        # Two far values a lag apart would make that lag a peak: values are held to five deviations.
        middle = np.median(seen)
        reach = 5 * 1.4826 * float(np.median(np.abs(seen - middle)))
        if reach > 0:
            difference = np.clip(difference, middle - reach, middle + reach)
        acf = _autocorrelation(difference)
        total = acf if len(total) < len(acf) else total + acf
    acf = total / rows.shape[1]
    lags = np.arange(2, min(len(acf) - 1, len(rows) // 4))
    if not len(lags):
        return []
    floor = np.maximum(0.1, 5 / np.sqrt(np.maximum(len(rows) - lags, 1)))
    peak = (acf[lags] >= acf[lags - 1]) & (acf[lags] >= acf[lags + 1]) & (acf[lags] > floor)
    return [int(lag) for lag in lags[peak]]


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
