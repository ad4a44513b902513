"""What ``gatework watch`` prints: alarms, rows, and the lines that it passed over."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from gatework.files import json_numbers

_TOLD = 3  # lines of each kind that are told one by one
TimeText = Callable[[int], str]


def alarm_json(alarm: Any, what: str, line: int | None, time_text: TimeText) -> str:
    """One JSON object for an alarm that begins, ends, or both at once (``what``: "alarm")."""
    started, ended = alarm.start_time, alarm.end_time
    told = {
        "event": what,
        "series": alarm.series,
        "start_row": alarm.start_row,
        "end_row": None if what == "begin" else alarm.end_row,
        "line": line,
        "start_time": None if started is None else time_text(started),
        "end_time": None if ended is None or what == "begin" else time_text(ended),
        "peak_row": alarm.peak_row,
        "peak_score": float(alarm.peak_score),
        "threshold": float(alarm.threshold),
        "channels": [
            {"name": name, "share": round(float(share), 4), **_values(alarm, name)}
            for name, share in alarm.channels
        ],
    }
    return json.dumps(json_numbers(told), ensure_ascii=False)


def _values(alarm: Any, name: str) -> dict[str, Any]:
    low, median, high = alarm.expected.get(name, (None, None, None))
    return {"value": alarm.values.get(name), "low": low, "median": median, "high": high}


def alarm_text(alarm: Any, what: str, line: int | None, time_text: TimeText) -> str:
    """One line for an alarm, for people."""
    parts = []
    moment = alarm.end_time if what == "end" else alarm.start_time
    if moment is not None:
        parts.append(time_text(moment))
    parts.append("alarm ends" if what == "end" else "ALARM")
    if alarm.series is not None:
        parts.append(str(alarm.series))
    first, last = alarm.start_row, alarm.end_row
    rows = f"row {first:,}" if what == "begin" or first == last else f"rows {first:,} to {last:,}"
    parts.append(rows + (f" (line {line:,})" if line is not None else ""))
    score = f"score {alarm.peak_score:.2f}, threshold {alarm.threshold:.2f}"
    if what != "begin" and first != last:
        score = f"peak in row {alarm.peak_row:,}, {score}"
    parts.append(score)
    named = [c for n, c in enumerate(alarm.channels[:3]) if n == 0 or c[1] >= 0.01]
    if named:
        parts.append("; ".join(_channel(alarm, name, share) for name, share in named))
    return "  ".join(parts)


def _channel(alarm: Any, name: str, share: float) -> str:
    found = _values(alarm, name)
    text = name if share > 0.995 else f"{name} {share:.0%}"
    if found["value"] is None:
        return text
    text += f": {_number(found['value'])}"
    low, high = found["low"], found["high"]
    if low is not None and high is not None:
        text += f", expected {_number(low)} to {_number(high)}"
        # The rows before led up to it; it is odd for the hours before them, or among the others.
        inside = isinstance(found["value"], float) and low <= found["value"] <= high
        return text + (" after the rows before, odd for longer" if inside else "")
    return text + ("" if found["median"] is None else f", expected {_number(found['median'])}")


def _number(value: Any) -> str:
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def rows_text(lines: Sequence[int], block: Any, as_json: bool) -> str:
    """A line for each of the rows of a block: number of its line, score, threshold, alarm."""
    columns = zip(
        lines,
        block.score.tolist(),
        block.threshold.tolist(),
        block.alarm.tolist(),
        block.warming.tolist(),
        strict=True,
    )
    if not as_json:
        return "".join(f"{n}\t{s:.4f}\t{t:.4f}\t{a:d}\n" for n, s, t, a, _ in columns)
    rows = [
        json_numbers({"line": n, "score": s, "threshold": t, "alarm": a, "warming": w})
        for n, s, t, a, w in columns
    ]
    return "".join(json.dumps(row) + "\n" for row in rows)


class PassedOver:
    """Counts lines that are no rows by kind; the first few of each kind are told at once."""

    def __init__(self, quiet: bool) -> None:
        self.counts: Counter[str] = Counter()
        self._quiet = quiet

    def add(self, source: str, line: int, kind: str, message: str) -> None:
        """One line that was passed over."""
        self.counts[kind] += 1
        if self.counts[kind] <= _TOLD:
            more = "; later ones are only counted" if self.counts[kind] == _TOLD else ""
            self.say(f"{source}, line {line:,}: {message}. It is passed over{more}.")

    def say(self, message: str) -> None:
        """A message on standard error."""
        if not self._quiet and sys.stderr is not None:
            print(f"gatework: {message}", file=sys.stderr, flush=True)

    def summary(self) -> str:
        """All counts, in words; empty when nothing was passed over."""
        if not self.counts:
            return ""
        total = self.counts.total()
        kinds = ", ".join(f"{kind}: {n:,}" for kind, n in self.counts.most_common())
        return f"{total:,} line{'s' if total > 1 else ''} passed over ({kinds})"
