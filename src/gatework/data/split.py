"""Training, validation and test parts in time order, without leakage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gatework.errors import ConfigError, DataError

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Split:
    """Rows of the parts: series s trains on ``start[s]:train_end[s]``, validates up to ``val_end[s]``,
    is tested up to ``end[s]``.  All ``(S,)``, row numbers of the arranged table."""

    start: IntArray
    train_end: IntArray
    val_end: IntArray
    end: IntArray

    def part(self, name: str) -> tuple[IntArray, IntArray]:
        """First row and end of the part ``train``, ``validation`` or ``test``, a pair of ``(S,)``."""
        return {
            "train": (self.start, self.train_end),
            "validation": (self.train_end, self.val_end),
            "test": (self.val_end, self.end),
        }[name]


def check_split(split: Sequence[float] | None) -> tuple[float, float, float]:
    """Three shares that sum to 1, or three row counts."""
    if split is None:
        return (0.7, 0.1, 0.2)
    parts = tuple(split)
    if len(parts) != 3:
        raise ConfigError(
            f"split: three parts are needed, training, validation and test, as shares (0.7,0.1,0.2) "
            f"or row counts (8640,2880,2880); got {len(parts)}."
        )
    if any(not 0 <= p < 2**53 for p in parts) or parts[0] <= 0:
        raise ConfigError(
            "split: parts must be finite and not negative, and training must not be empty; got "
            f"{', '.join(f'{p:g}' for p in parts)}."
        )
    shares = all(p <= 1 for p in parts)
    if shares and abs(sum(parts) - 1) > 1e-6:
        raise ConfigError(
            f"split: shares must sum to 1; {', '.join(f'{p:g}' for p in parts)} sum to {sum(parts):g}."
        )
    if not shares and any(p % 1 != 0 for p in parts):  # infinity too: its remainder is NaN
        raise ConfigError(
            "split: give either shares that sum to 1 or whole row counts; got "
            f"{', '.join(f'{p:g}' for p in parts)}."
        )
    if parts[1] == 0:
        raise ConfigError(
            "split: the validation part must not be empty; it chooses the best weights."
        )
    return (float(parts[0]), float(parts[1]), float(parts[2]))


def split_by_time(
    offsets: IntArray,
    positions: IntArray,
    split: Sequence[float] | None,
    *,
    context: int,
    horizon: int,
    common_clock: bool,
    source: str,
) -> Split:
    """Parts of every series, cut at common times.

    Args:
        offsets: ``(S+1,)`` rows of each series.
        positions: ``(N,)`` grid position of each row.
        split: shares or row counts, see :func:`check_split`; validation and test get at least
            ``horizon`` rows each.
        common_clock: series share their clock, so all are cut at the same instants (else what one
            series' training part knows would be another's future); without one (step numbers),
            each series is cut by its own length.
        source: the table's name, for messages.

    Raises:
        DataError: too few rows, with the number needed.
        ConfigError: row counts that cannot hold a window.
    """
    parts = check_split(split)
    counts = _are_counts(parts)
    starts, ends = offsets[:-1].astype(np.int64), offsets[1:].astype(np.int64)
    tested = parts[2] > 0
    needed = context + horizon * (3 if tested else 2)
    longest = int((ends - starts).max())
    if longest < needed:
        raise DataError(
            f"{source}: {longest} rows{' in the longest series' if len(starts) > 1 else ''} are too few; "
            f"context={context} and horizon={horizon} need at least {needed} "
            f"(context + {3 if tested else 2} × horizon: training, validation"
            f"{' and test' if tested else ''} must each hold a horizon). Give more rows, or a shorter "
            "context or horizon."
        )
    if counts and (parts[0] < context + horizon or min(parts[1], parts[2] or horizon) < horizon):
        raise ConfigError(
            f"split: of row counts, training needs at least context + horizon = {context + horizon}, "
            f"validation and test at least the horizon of {horizon} each (test may be 0); got "
            f"{tuple(int(p) for p in parts)}."
        )
    if counts and longest < sum(parts):
        raise DataError(
            f"{source}: split asks for {sum(parts):.0f} rows, the table has {longest}. "
            "Give smaller counts or shares such as 0.7,0.1,0.2."
        )
    if common_clock and len(starts) > 1:
        first, last = int(positions[starts].min()), int(positions[ends - 1].max()) + 1
        train_cut, val_cut, end_cut = _cuts(last - first, parts, context, horizon)
        origin = positions[starts]

        def rows_before(cut: int) -> IntArray:
            """Row at which each series reaches the grid position ``first + cut`` (steps have no holes)."""
            return np.asarray(np.clip(starts + (first + cut - origin), starts, ends))

        return Split(starts, rows_before(train_cut), rows_before(val_cut), rows_before(end_cut))
    cuts = np.array([_cuts(int(n), parts, context, horizon) for n in ends - starts], dtype=np.int64)
    return Split(starts, *(starts + np.clip(cut, 0, ends - starts) for cut in cuts.T))


def _are_counts(parts: tuple[float, float, float]) -> bool:
    """Whether checked parts are row counts: shares are at most 1 each."""
    return max(parts) > 1


def _cuts(
    n: int, parts: tuple[float, float, float], context: int, horizon: int
) -> tuple[int, int, int]:
    """Ends of training, validation and test among ``n`` rows."""
    if _are_counts(parts):
        train, val, test = (int(p) for p in parts)
        return train, train + val, train + val + test
    test = max(round(parts[2] * n), horizon) if parts[2] else 0
    val = max(round(parts[1] * n), horizon)
    # A short table gives training what it needs first, down to one horizon for each of the others.
    spare = n - test - val - (context + horizon)
    if spare < 0:
        test -= (give := min(-spare, max(test - horizon, 0)))
        val -= min(-spare - give, val - horizon)
    return n - test - val, n - test, n
