"""Grid: where on the frequency's grid each row lies, and what is missing between."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from gatework.data.durations import duration_text
from gatework.data.frequency import Frequency
from gatework.data.inference import IRREGULAR_SHARE, off_grid_share
from gatework.data.rows import Rows, row_numbers
from gatework.data.schema import Schema, time_text
from gatework.data.table import Table
from gatework.errors import ConfigError, DataError

MOST_HOLES = 4  # a grid with more than this many steps a row is a mistake in the timestamps ...
SMALL_GRID = 10_000  # ... unless it is small anyway


@dataclass
class Grid:
    """Finds the position of each row; one of the verbs, then `fill`."""

    table: Table
    schema: Schema
    rows: Rows
    profile: dict[str, Any]
    notes: list[str]
    mend: bool
    frequency: Frequency = field(default_factory=lambda: Frequency("step"))
    at: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.int64))

    def count(self, frequency: Frequency | None) -> None:
        """Without a time column: the number of the row."""
        if frequency is not None and frequency.kind != "step":
            raise DataError(
                f"{self.table.name}: has no timestamps, the model was fitted on {frequency.text}."
            )
        self.frequency = replace(frequency or Frequency("step"), time_type="integer", anchor=0)
        self.at = self.rows.key

    def resample(self, step: str, expected: Frequency | None) -> None:
        """Every row goes to the cell of the named grid in which it lies."""
        grid = Frequency.parse(step)
        if expected is not None and grid != expected:
            raise ConfigError(
                f"resample={step!r}: the model was fitted on steps of {expected.text}. "
                f"Use resample={expected.code!r}."
            )
        if (grid.kind == "step") != self.rows.stamps.dtype.is_integer():
            need = "a number of steps, such as '5'" if grid.kind != "step" else "such as '1h'"
            raise ConfigError(
                f"resample={step!r} does not fit the time column {self.schema.time!r} of "
                f"{self.table.name}; give {need}."
            )
        if expected is not None and expected.regular:
            grid = expected
        self.frequency = grid.typed_like(self.rows.stamps)
        self.at = np.floor(self.frequency.positions(self.rows.stamps)).astype(np.int64)
        before, after = len(self.at), self._cells()
        self.notes.append(
            f"resampled to {self.frequency.text}: {before} rows became {after}, numbers averaged"
        )

    def find(self) -> None:
        """The grid that the times themselves show."""
        longest = int(np.argmax(np.bincount(self.rows.code)))
        one = self.rows.stamps.filter(self.rows.code == longest)
        if len(one) < 2:
            raise DataError(
                f"{self.table.name}: has a single row a series; two are the least that show how "
                "far apart the steps are. Give more rows."
            )
        self.frequency = Frequency.infer(one)
        share = self._off_share()
        if self.frequency.regular and share <= IRREGULAR_SHARE and self._snap():
            return
        self._as_rows()

    def follow(self, frequency: Frequency) -> None:
        """The grid of a fitted model; DataError when the rows do not keep to it."""
        stamps = self.rows.stamps
        if (frequency.kind == "step") != stamps.dtype.is_integer():
            raise DataError(
                f"{self.table.name}: the times are {stamps.dtype}, the model was fitted on "
                f"{frequency.text}."
            )
        longest = int(np.argmax(np.bincount(self.rows.code)))
        one = stamps.filter(self.rows.code == longest)
        self.frequency = frequency.aligned_to(one)
        if not frequency.regular:
            self.frequency = replace(self.frequency, regular=False)
            self._as_rows()
            return
        steps = self._steps()
        share = self._off_share()
        single = float((np.rint(steps) == 1).mean()) if len(steps) > 1 else 1.0
        if share > IRREGULAR_SHARE or single < 0.2 or not self._snap():
            shown = "irregular steps"
            if len(one) > 1:
                found = Frequency.infer(one)
                shown = f"steps of {found.text}" if found.regular else shown
            raise DataError(
                f"{self.table.name}: another frequency: its rows have {shown}, the model was "
                f"fitted on steps of {frequency.text}. Give a table of that frequency, or use "
                f"resample={frequency.code!r} (--resample {frequency.code})."
            )

    def fill(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Positions without holes (N,), offsets (S+1,), and the cell of each row."""
        code, at = self.rows.code, self.at
        ends = np.flatnonzero(np.diff(code, append=len(self.rows.names)))
        starts = np.concatenate([[0], ends[:-1] + 1])
        lengths = at[ends] - at[starts] + 1
        total = int(lengths.sum())
        if total > MOST_HOLES * len(at) and total > SMALL_GRID:
            self._refuse_holes(total)
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        positions = np.arange(total) - np.repeat(offsets[:-1] - at[starts], lengths)
        cell = at - at[starts][code] + offsets[:-1][code]
        self._report_gaps()
        return positions.astype(np.int64), offsets, cell

    # -------------------------------------------------------------- helpers

    def _same(self) -> np.ndarray:
        same: np.ndarray = np.diff(self.rows.code) == 0
        return same

    def _steps(self) -> np.ndarray:
        steps: np.ndarray = np.diff(self.frequency.positions(self.rows.stamps))[self._same()]
        return steps

    def _off_share(self) -> float:
        steps = self._steps()
        return off_grid_share(steps, self.frequency.slack)

    def _cells(self) -> int:
        return int((np.diff(self.at) != 0).sum() + (np.diff(self.rows.code) != 0).sum()) + 1

    def _snap(self) -> bool:
        """Move rows to the nearest grid point; False when two rows would meet there."""
        exact = self.frequency.positions(self.rows.stamps)
        at = np.floor(exact + 0.5).astype(np.int64)
        met = (np.diff(at) <= 0) & self._same()
        if met.any() and not self.mend:
            return False
        off = int((np.abs(exact - at) > self.frequency.slack).sum())
        self.at = at
        self.profile["snapped"] = off
        if off:
            text = self.frequency.text
            lie, were = ("timestamps lie", "were") if off > 1 else ("timestamp lies", "was")
            self.notes.append(
                f"{off} {lie} off the grid of {text} and {were} moved to its nearest point"
            )
        return True

    def _as_rows(self) -> None:
        """Irregular times: a row is a step; the last row lies where its time does."""
        self.frequency = replace(self.frequency, regular=False)
        code = self.rows.code
        number = row_numbers(code)
        ends = np.flatnonzero(np.diff(code, append=len(self.rows.names)))
        last = np.rint(self.frequency.positions(self.rows.stamps.gather(ends))).astype(np.int64)
        self.at = (last - number[ends])[code] + number
        sizes = np.diff(self.rows.key)[self._same()]
        if not len(sizes):
            return
        share = self._off_share() or float((np.rint(self._steps()) != 1).mean())
        self.profile["irregular_share"] = share
        step = self.frequency
        shown = [
            f"{int(v)}" if step.kind == "step" else duration_text(int(v))
            for v in (sizes.min(), sizes.max())
        ]
        self.notes.append(
            f"irregular timestamps: {share:.1%} of the steps differ from the median "
            f"{step.text} (shortest {shown[0]}, longest {shown[1]}); rows are taken as equally "
            f"spaced; resample='{step.code}' (--resample {step.code}) puts them on a grid"
        )

    def _report_gaps(self) -> None:
        missing = np.where(self._same(), np.diff(self.at) - 1, 0)
        holes = np.flatnonzero(missing > 0)
        if not len(holes):
            return
        largest = int(holes[np.argmax(missing[holes])])
        total, size = int(missing[holes].sum()), int(missing[largest])
        after = time_text(self.frequency.times(self.at[largest : largest + 1])[0])
        name = self.rows.names[self.rows.code[largest]]
        self.profile["gaps"] = {
            "count": len(holes), "missing_steps": total, "largest": size, "after": after,
            "in_series": None if name is None else str(name),
        }  # fmt: skip
        where = f"after {after}" + ("" if name is None else f" in series {name!r}")
        which = f"largest {size} {where}" if len(holes) > 1 else where
        self.notes.append(
            f"gaps: {len(holes)} ({self.frequency.steps_text(total, 'missing')}, {which}): "
            "treated as missing values"
        )

    def _refuse_holes(self, total: int) -> None:
        steps = np.where(self._same(), np.diff(self.at), 0)
        worst = int(np.argmax(steps))
        raise DataError(
            f"{self.table.name}: on a grid of {self.frequency.text} its {len(self.at)} rows would "
            f"become {total}, nearly all of them missing; the largest gap has {steps[worst] - 1} "
            f"steps, before {self.table.row_label(int(self.rows.index[worst + 1]))} "
            f"({time_text(self.rows.stamps[worst + 1])}). Correct that timestamp, or use a coarser "
            "step with resample= (--resample), such as "
            f"'{_coarser(self.frequency, total // len(self.at))}'."
        )


def _coarser(frequency: Frequency, factor: int) -> str:
    if frequency.kind != "fixed":
        return replace(frequency, step=frequency.step * factor).code
    return Frequency.nice(frequency.step * factor).code
