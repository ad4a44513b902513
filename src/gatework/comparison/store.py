"""A comparison on disk: a folder with a file for each run, so that it can be gone on with."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

from gatework.comparison.plan import Plan, run_settings
from gatework.comparison.runs import Run, Test
from gatework.errors import OutputError
from gatework.files import cannot_write, check_can_create, json_numbers, write_atomically

FORMAT = 1
HEAD = "comparison.json"


class Store:
    """The folder of the runs; without a folder nothing is kept.

    Args:
        folder: where, or None.
        plan: what is compared; a folder of another comparison is refused.
        resume: go on with what the folder holds.

    Raises:
        OutputError: it holds something else, or cannot be written.
    """

    def __init__(self, folder: str | Path | None, plan: Plan, *, resume: bool) -> None:
        self.folder = None if folder is None else Path(folder)
        if self.folder is None:
            return
        self._mark = mark = {"format": FORMAT, "task": plan.task, "asked": _fingerprint(plan)}
        head = self.folder / HEAD
        if head.is_file():
            if not resume:
                raise OutputError(
                    f"{self.folder}: holds the runs of an earlier comparison. Go on with them (--resume), "
                    "or name another folder for the runs (--runs)."
                )
            if _read(head) != mark:
                raise OutputError(
                    f"{self.folder}: holds the runs of another comparison: its task, columns, settings or "
                    "budget differ. Give the same ones (cells, seeds and contexts may change), or name "
                    "another folder with --runs."
                )
            return
        if self.folder.exists() and (not self.folder.is_dir() or any(self.folder.iterdir())):
            raise OutputError(
                f"{self.folder}: is there already and holds no runs. Name another folder with --runs."
            )
        check_can_create(self.folder)

    def load_test(self, context: int | None, data: str) -> Test | None:
        """The facts of the test part kept with an earlier run.

        Raises:
            OutputError: they are of other data.
        """
        content = self._content(_test_name(context))
        if content is None:
            return None
        try:
            test = Test.from_json(content)
        except (TypeError, KeyError, ValueError):
            return None
        if test.data != data:
            raise OutputError(
                f"{self.folder}: its runs are of other data than these. Name another folder with --runs."
            )
        return test

    def save_test(self, context: int | None, test: Test) -> None:
        """Keep the facts of the test part."""
        self._write(_test_name(context), test.to_json())

    def load_run(self, wanted: Run) -> Run | None:
        """The run of the same cell, seed, context and size that is done; None where it is not."""
        content = self._content(f"{wanted.name}.json")
        try:
            run = None if content is None else Run.from_json(content)
        except (TypeError, KeyError, ValueError):
            return None
        same = run is not None and run.hidden_size == wanted.hidden_size and run.failure is None
        return run if same else None

    def save_run(self, run: Run) -> None:
        """Keep a run, done or failed."""
        self._write(f"{run.name}.json", run.to_json())

    def _write(self, name: str, content: dict[str, Any]) -> None:
        if self.folder is not None:
            if not (self.folder / HEAD).is_file() and name != HEAD:
                self._begin(self.folder)
            text = json.dumps(json_numbers(content), ensure_ascii=False)
            write_atomically(self.folder / name, text.encode())

    def _begin(self, folder: Path) -> None:
        """Make the folder: not before there is something to keep."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise cannot_write(folder, error) from None
        self._write(HEAD, self._mark)

    def _content(self, name: str) -> dict[str, Any] | None:
        return None if self.folder is None else _read(self.folder / name)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def _test_name(context: int | None) -> str:
    return "test.json" if context is None else f"test-context{context}.json"


def _fingerprint(plan: Plan) -> str:
    """Text that changes with all that a run depends on, but for cell, seed, size and context."""
    settings = {k: v for k, v in run_settings(plan).items() if k not in ("seed", "cell")}
    roles = {k: v for k, v in plan.roles.items() if v is not None}
    asked = [plan.task, settings, roles, str(plan.budget)]
    return sha256(json.dumps(asked, sort_keys=True, default=str).encode()).hexdigest()
