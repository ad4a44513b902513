"""Results as JSON lines: each finished run appended at once, so that a second start goes on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

KEY = ("task", "lag", "cell", "seed")
Run = dict[str, Any]


class ResultsError(ValueError):
    """A results file that cannot be read."""


def key(run: Run) -> tuple[Any, ...]:
    """What tells one run from another."""
    return tuple(run[name] for name in KEY)


def read(path: Path) -> dict[tuple[Any, ...], Run]:
    """The last line of each run; a last line that was cut off does not count.

    Raises:
        ResultsError: another line that is not a run.
    """
    found: dict[tuple[Any, ...], Run] = {}
    if not path.exists():
        return found
    lines = path.read_text(encoding="utf-8").split("\n")
    for number, line in enumerate(lines, 1):
        try:
            if line:
                run = json.loads(line)
                found[key(run)] = run
        except (json.JSONDecodeError, KeyError, TypeError):
            if number == len(lines):
                break  # no newline: the writer was stopped within it
            raise ResultsError(
                f"{path}, line {number}: not a run of this benchmark (an object with {', '.join(KEY)}); "
                "remove the line, or give another file."
            ) from None
    return found


def append(path: Path, run: Run) -> None:
    """One more line; a cut-off line before it is ended first, and then dropped."""
    text = path.read_bytes() if path.exists() else b""
    if text and not text.endswith(b"\n"):
        path.write_bytes(text[: text.rfind(b"\n") + 1])
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(run) + "\n")


def done(run: Run | None, budget_s: float) -> bool:
    """Whether a run need not be made again: solved or diverged, or it had as much time and did not fail."""
    if run is None or "failed" in run:
        return False
    return run["ended"] != "budget" or run["budget_s"] >= budget_s
